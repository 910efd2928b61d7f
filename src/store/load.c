/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an archive to images. The flow:
 *   1. take the archive apart (a worker), or open the layout folder          store: untouched
 *   2. read its documents: which images, of which layers
 *   3. stage: copy blobs that are missing, unpack layers that are missing     staging/ only
 *   4. make all of it durable by one syncfs
 *   5. publish under the store's lock: rename blobs and layers into place,
 *      make the folders durable, commit the records in one transaction
 * A crash before the commit leaves a staging folder without an owner and perhaps unrecorded files: the next load removes both.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define WORKERS_MAX 4
#define COPY_BYTES (1u << 20)

/* A layer that is not in the store yet. */
struct new_layer {
	char chain[DIGEST_TEXT_MAX], diff[DIGEST_TEXT_MAX], blob[DIGEST_TEXT_MAX];
	const struct archive_image *image; /* borrowed */
	size_t position;
	char folder[16]; /* in staging */
	int64_t size;
	int64_t entries;
	int dir_fd; /* owned; its diff folder */
	struct worker worker;
};
struct new_blob {
	char digest[DIGEST_TEXT_MAX];
	char file[16]; /* in staging */
	int64_t size;
};

struct load {
	struct store *store;
	const struct store_load_options *options;
	struct store_limits limits;
	struct staging staging;
	struct archive archive;
	struct worker_answer split;
	struct archive_images images;
	struct new_layer *layers; /* owned */
	size_t layer_count;
	struct new_blob *blobs; /* owned */
	size_t blob_count;
	uint64_t bytes_out;
};

static void load_done(struct load *l)
{
	for (size_t i = 0; i < l->layer_count; i++) {
		worker_done(&l->layers[i].worker);
		fd_close(&l->layers[i].dir_fd);
	}
	free(l->layers);
	free(l->blobs);
	archive_images_done(&l->images);
	worker_answer_done(&l->split);
	archive_done(&l->archive);
	staging_done(&l->staging);
}

/* ---- 1: the source ---- */

static int split_archive(struct load *l, int fd, struct error *err)
{
	autoclean(worker_done) struct worker w = WORKER_NONE;

	if (worker_start(l->store, UNPACK_SPLIT, &l->limits, fd, l->staging.fd, &w, err) < 0 ||
	    worker_finish(&w, &l->split, err) < 0)
		return -err->code;
	l->archive.split = &l->split;
	l->archive.staging_fd = l->staging.fd;
	return 0;
}

static int open_source(struct load *l, const char *path, int fd, struct error *err)
{
	autofd int file = FD_NONE;
	struct stat st;

	if (path && !str_eq(path, "-")) {
		const char *slash = strrchr(path, '/');

		file = safepath_host_open(path, O_RDONLY | O_NONBLOCK, 0, err);
		if (file < 0)
			return file;
		fd = file;
		l->archive.base_name = mem_strdup(slash ? slash + 1 : path);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, ERROR_INVALID, EBADF, "there is no archive to read");
	if (S_ISDIR(st.st_mode)) {
		l->archive.layout_fd = fd_dup_min(fd, 3);
		return l->archive.layout_fd < 0 ? error_sys(err, -l->archive.layout_fd, "open '%s'", path) : 0;
	}
	if (file >= 0 && !S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is neither a file nor a folder", path);
	if (file >= 0)
		(void)fd_set_nonblock(file, false);
	return split_archive(l, fd, err);
}

/* ---- 3: staging ---- */

static bool blob_known(struct load *l, const char *digest, struct error *err)
{
	int64_t known = 0;

	for (size_t i = 0; i < l->blob_count; i++) {
		if (str_eq(l->blobs[i].digest, digest))
			return true;
	}
	return index_number(l->store, err, &known, "SELECT 1 FROM blobs WHERE digest = ?1", digest, NULL) == 0 && known;
}

static struct new_blob *push_blob(struct load *l, const char *digest, int64_t size)
{
	struct new_blob *b = &VEC_PUSH(l->blobs, l->blob_count);

	*b = (struct new_blob){.size = size};
	(void)str_copy(b->digest, sizeof(b->digest), digest);
	snprintf(b->file, sizeof(b->file), "b%zu", l->blob_count);
	return b;
}

static int stage_text(struct load *l, const char *digest, const char *text, size_t len, struct error *err)
{
	if (blob_known(l, digest, err))
		return 0;
	struct new_blob *b = push_blob(l, digest, (int64_t)len);
	autofd int fd = safepath_create_file(l->staging.fd, b->file, O_WRONLY, 0600, SAFEPATH_KEEP, err);

	if (fd < 0)
		return fd;
	int r = fd_write_all(fd, text, len);

	return r < 0 ? error_sys(err, -r, "cannot write to %s", store_root(l->store)) : 0;
}

static int copy_hashed(int from, int to, int64_t size, unsigned char out[static DIGEST_RAW_BYTES], struct error *err)
{
	autofree unsigned char *data = mem_alloc(COPY_BYTES);
	struct digest digest;
	int64_t done = 0;
	ssize_t n;

	digest_init(&digest);
	while ((n = read(from, data, COPY_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read");
		done += n;
		if (done > size)
			return error_set(err, ERROR_INVALID, EBADMSG, "it grew while it was read");
		digest_add(&digest, data, (size_t)n);
		int r = fd_write_all(to, data, (size_t)n);
		if (r < 0)
			return error_sys(err, -r, "cannot write");
	}
	digest_end(&digest, out);
	return 0;
}

/* A layer's blob: out of a layout folder it is copied and hashed on the way, out of an archive it is there with its digest. */
static int stage_layer_blob(struct load *l, const struct archive_blob *blob, struct error *err)
{
	const struct worker_member *m;
	unsigned char raw[DIGEST_RAW_BYTES];
	char is[DIGEST_TEXT_MAX], from[16];
	int64_t size;

	if (blob_known(l, blob->digest, err))
		return 0;
	autofd int in = archive_open(&l->archive, blob->name, &m, &size, err);
	if (in < 0)
		return in;
	if (size != blob->size)
		return error_set(err, ERROR_INVALID, EBADMSG, "blob %s has %lld bytes, %lld were promised",
				 blob->digest, (long long)size, (long long)blob->size);
	struct new_blob *b = push_blob(l, blob->digest, size);

	if (m) {
		memcpy(is, m->digest, sizeof(is));
		snprintf(from, sizeof(from), "m%u", m->number);
		/* The same content under a second name may have been taken already, then it is known above. */
		if (safepath_rename(l->staging.fd, from, l->staging.fd, b->file, 0, err) < 0)
			return -err->code;
	} else {
		autofd int out = safepath_create_file(l->staging.fd, b->file, O_WRONLY, 0600, SAFEPATH_KEEP, err);

		if (out < 0 || copy_hashed(in, out, size, raw, err) < 0)
			return error_wrap(err, "copy blob %s", blob->digest);
		digest_text(raw, is);
	}
	if (!str_eq(is, blob->digest))
		return error_set(err, ERROR_INVALID, EBADMSG, "blob %s: its content has digest %s", blob->digest, is);
	return 0;
}

static int layer_known(struct load *l, const char *chain, struct error *err)
{
	int64_t known = 0;

	for (size_t i = 0; i < l->layer_count; i++) {
		if (str_eq(l->layers[i].chain, chain))
			return 1;
	}
	if (index_number(l->store, err, &known, "SELECT 1 FROM layers WHERE chain = ?1", chain, NULL) < 0)
		return -err->code;
	return known != 0;
}

static int stage_image(struct load *l, const struct archive_image *image, struct error *err)
{
	char chain[DIGEST_TEXT_MAX], parent[DIGEST_TEXT_MAX];

	if (stage_text(l, image->id, image->config, image->config_len, err) < 0 ||
	    stage_text(l, image->manifest_digest, image->manifest, image->manifest_len, err) < 0)
		return -err->code;
	for (size_t i = 0; i < image->parsed->diff_ids.count; i++) {
		const char *diff = image->parsed->diff_ids.items[i];

		store_chain_id(i ? parent : NULL, diff, chain);
		memcpy(parent, chain, sizeof(parent));
		if (stage_layer_blob(l, &image->layers[i], err) < 0)
			return -err->code;
		int known = layer_known(l, chain, err);

		if (known < 0)
			return known;
		if (known)
			continue;
		struct new_layer *n = &VEC_PUSH(l->layers, l->layer_count);

		*n = (struct new_layer){.image = image, .position = i, .dir_fd = FD_NONE, .worker = WORKER_NONE};
		memcpy(n->chain, chain, sizeof(n->chain));
		(void)str_copy(n->diff, sizeof(n->diff), diff);
		memcpy(n->blob, image->layers[i].digest, sizeof(n->blob));
		snprintf(n->folder, sizeof(n->folder), "l%zu", l->layer_count);
	}
	return 0;
}

static int stage_images(struct load *l, struct error *err)
{
	for (size_t i = 0; i < l->images.count; i++) {
		const struct archive_image *image = &l->images.items[i];
		int64_t known;

		if (index_number(l->store, err, &known, "SELECT 1 FROM images WHERE id = ?1", image->id, NULL) < 0)
			return -err->code;
		if (!known && stage_image(l, image, err) < 0)
			return error_wrap(err, "image %s", image->names.count ? image->names.items[0] : image->id);
	}
	return 0;
}

/* A blob that is staged, or in the store since an earlier load. */
static int open_blob(struct load *l, const char *digest, struct error *err)
{
	for (size_t i = 0; i < l->blob_count; i++) {
		if (str_eq(l->blobs[i].digest, digest))
			return safepath_child(l->staging.fd, l->blobs[i].file, O_RDONLY, err);
	}
	autofd int dir = store_folder(l->store, "blobs/sha256", err);

	return dir < 0 ? dir : safepath_child(dir, image_digest_hex(digest), O_RDONLY, err);
}

static int start_layer(struct load *l, struct new_layer *n, struct error *err)
{
	autofd int in = open_blob(l, n->blob, err), folder = FD_NONE;

	if (in < 0 || safepath_mkdir(l->staging.fd, n->folder, 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	folder = safepath_child(l->staging.fd, n->folder, O_RDONLY | O_DIRECTORY, err);
	if (folder < 0 || safepath_mkdir(folder, "diff", 0755, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	n->dir_fd = safepath_child(folder, "diff", O_RDONLY | O_DIRECTORY, err);
	if (n->dir_fd < 0)
		return n->dir_fd;
	return worker_start(l->store, UNPACK_LAYER, &l->limits, in, n->dir_fd, &n->worker, err);
}

/* A folder that the layer did not list has, on top of a layer that does, that one's owner and mode: lower layers must not
 * look different through it. Owners out of our reach (rootless) stay ours. */
static void adopt_folder(struct load *l, const struct new_layer *n, const char *path)
{
	char parent[DIGEST_TEXT_MAX], chains[IMAGE_MAX_LAYERS][DIGEST_HEX_LEN + 1];
	struct error err;
	struct stat st;
	size_t i;

	for (i = 0; i < n->position && i < IMAGE_MAX_LAYERS; i++) {
		char chain[DIGEST_TEXT_MAX];

		store_chain_id(i ? parent : NULL, n->image->parsed->diff_ids.items[i], chain);
		memcpy(parent, chain, sizeof(parent));
		memcpy(chains[i], image_digest_hex(chain), sizeof(chains[i]));
	}
	autofd int dir = safepath_open_dir(n->dir_fd, path, false, &err);

	while (dir >= 0 && i-- > 0) {
		autofree char *stored = mem_printf("layers/%s/diff", chains[i]);
		autofd int lower = FD_NONE, below = FD_NONE;

		for (size_t k = 0; k < l->layer_count && below < 0; k++) {
			if (str_eq(image_digest_hex(l->layers[k].chain), chains[i]) && l->layers[k].dir_fd >= 0)
				below = fd_dup_min(l->layers[k].dir_fd, 3);
		}
		if (below < 0)
			below = safepath_open_dir(l->store->root_fd, stored, true, &err);
		if (below >= 0)
			lower = safepath_open_dir(below, path, true, &err);
		if (lower < 0 || fstat(lower, &st) < 0)
			continue;
		(void)safepath_chown(dir, st.st_uid, st.st_gid, &err);
		(void)safepath_chmod(dir, st.st_mode & 07777, &err);
		return;
	}
}

static int finish_layer(struct load *l, struct new_layer *n, struct worker_answer *answer, struct error *err)
{
	char is[DIGEST_TEXT_MAX];

	if (worker_finish(&n->worker, answer, err) < 0)
		return error_wrap(err, "layer %s", n->blob);
	digest_text(answer->report.digest_out, is);
	if (!str_eq(is, n->diff))
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "layer %s: its content has diff_id %s, the config says %s", n->blob, is, n->diff);
	l->bytes_out += answer->report.bytes_out;
	if (l->bytes_out > l->limits.image_bytes)
		return error_set(err, ERROR_LIMIT, EFBIG, "more than %llu bytes in all layers together",
				 (unsigned long long)l->limits.image_bytes);
	n->size = (int64_t)answer->report.file_bytes;
	n->entries = (int64_t)answer->report.entries;
	if (answer->report.devices_skipped)
		log_debug("layer %s: %llu device nodes were not made", n->blob,
			  (unsigned long long)answer->report.devices_skipped);
	return 0;
}

static size_t worker_count(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (size_t)n;
}

/* Layers do not depend on each other until they are stacked: some workers at a time, waited for in order. */
static int unpack_layers(struct load *l, struct error *err)
{
	autofree struct worker_answer *answers = mem_zalloc(l->layer_count + 1, sizeof(*answers));
	size_t started = 0, window = worker_count();
	int r = 0;

	for (size_t i = 0; i < l->layer_count && r == 0; i++) {
		while (r == 0 && started < l->layer_count && started < i + window)
			r = start_layer(l, &l->layers[started++], err);
		if (r == 0)
			r = finish_layer(l, &l->layers[i], &answers[i], err);
	}
	for (size_t i = 0; i < l->layer_count; i++) {
		for (size_t k = 0; r == 0 && l->layers[i].position > 0 && k < answers[i].implied_count; k++)
			adopt_folder(l, &l->layers[i], answers[i].implied[k]);
		worker_answer_done(&answers[i]);
	}
	return r;
}

/* ---- 5: publishing ---- */

static int publish_files(struct load *l, struct error *err)
{
	autofd int blobs = store_folder(l->store, "blobs/sha256", err), layers = store_folder(l->store, "layers", err);
	int64_t known;

	if (blobs < 0 || layers < 0)
		return -err->code;
	for (size_t i = 0; i < l->blob_count; i++) {
		/* Another load may have published the same in the meantime: then equal content replaces equal content. */
		if (safepath_rename(l->staging.fd, l->blobs[i].file, blobs, image_digest_hex(l->blobs[i].digest), 0,
				    err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < l->layer_count; i++) {
		const struct new_layer *n = &l->layers[i];

		if (index_number(l->store, err, &known, "SELECT 1 FROM layers WHERE chain = ?1", n->chain, NULL) < 0)
			return -err->code;
		if (!known && safepath_rename(l->staging.fd, n->folder, layers, image_digest_hex(n->chain),
					      RENAME_NOREPLACE, err) < 0)
			return -err->code;
	}
	if (fsync(blobs) < 0 || fsync(layers) < 0)
		return error_sys(err, errno, "cannot make the store's folders durable");
	return 0;
}

static int insert_numbers(struct load *l, const char *sql, const char *const texts[], size_t text_count,
			  const int64_t *numbers, size_t number_count, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;

	if (index_prepare(l->store, sql, &q, err) < 0)
		return -err->code;
	for (size_t i = 0; i < text_count; i++)
		sqlite3_bind_text(q, (int)i + 1, texts[i], -1, SQLITE_TRANSIENT);
	for (size_t i = 0; i < number_count; i++)
		sqlite3_bind_int64(q, (int)(text_count + i) + 1, numbers[i]);
	return index_step(l->store, q, err);
}

/* The config as the hot path wants it: without history, which is most of it and of no use for running. */
static char *small_config(const struct archive_image *image)
{
	autojson struct json *j = NULL;
	autobuf struct buf text = BUF_INIT(IMAGE_CONFIG_MAX_BYTES);
	struct error err;

	if (json_parse(image->config, image->config_len, "config", &j, &err) == 0) {
		json_set(j, "history", json_new_array());
		if (json_write(j, false, &text))
			return buf_take(&text);
	}
	return mem_strndup(image->config, image->config_len);
}

static int64_t created_ns(const struct archive_image *image)
{
	int64_t ns;

	return image->parsed->created && clock_parse_rfc3339(image->parsed->created, &ns) == 0 ? ns : 0;
}

static int record_image(struct load *l, const struct archive_image *image, struct error *err)
{
	autofree char *config = small_config(image);
	char chain[DIGEST_TEXT_MAX], parent[DIGEST_TEXT_MAX];
	int64_t size = 0, layer_size;
	struct store *s = l->store;

	for (size_t i = 0; i < image->parsed->diff_ids.count; i++) {
		store_chain_id(i ? parent : NULL, image->parsed->diff_ids.items[i], chain);
		memcpy(parent, chain, sizeof(parent));
		if (insert_numbers(l, "INSERT INTO image_layers(image, chain, position) VALUES(?1, ?2, ?3)",
				   (const char *const[]){image->id, chain}, 2, (int64_t[]){(int64_t)i}, 1, err) < 0 ||
		    index_run(s, err, "INSERT OR IGNORE INTO image_blobs(image, digest) VALUES(?1, ?2)", image->id,
			      image->layers[i].digest, NULL) < 0 ||
		    index_number(s, err, &layer_size, "SELECT size FROM layers WHERE chain = ?1", chain, NULL) < 0)
			return -err->code;
		size += layer_size;
	}
	if (index_run(s, err, "INSERT OR IGNORE INTO image_blobs(image, digest) VALUES(?1, ?2), (?1, ?3)", image->id,
		      image->id, image->manifest_digest, NULL) < 0)
		return -err->code;
	return insert_numbers(
		l,
		"INSERT INTO images(id, manifest, config, created_ns, size, loaded_ns) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		(const char *const[]){image->id, image->manifest_digest, config}, 3,
		(int64_t[]){created_ns(image), size, clock_realtime_ns()}, 3, err);
}

static int record_all(struct load *l, struct store_load_result *ret, struct error *err)
{
	for (size_t i = 0; i < l->blob_count; i++) {
		if (insert_numbers(l, "INSERT OR IGNORE INTO blobs(digest, size) VALUES(?1, ?2)",
				   (const char *const[]){l->blobs[i].digest}, 1, &l->blobs[i].size, 1, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < l->layer_count; i++) {
		const struct new_layer *n = &l->layers[i];

		if (insert_numbers(
			    l,
			    "INSERT OR IGNORE INTO layers(chain, diff, blob, size, entries) VALUES(?1, ?2, ?3, ?4, ?5)",
			    (const char *const[]){n->chain, n->diff, n->blob}, 3, (int64_t[]){n->size, n->entries}, 2,
			    err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < l->images.count; i++) {
		const struct archive_image *image = &l->images.items[i];
		struct store_loaded_image *out = &ARENA_PUSH(&ret->arena, ret->images, ret->count);
		int64_t known;

		*out = (struct store_loaded_image){.id = arena_strdup(&ret->arena, image->id)};
		if (index_number(l->store, err, &known, "SELECT 1 FROM images WHERE id = ?1", image->id, NULL) < 0)
			return -err->code;
		out->unchanged = known;
		if (!known && record_image(l, image, err) < 0)
			return -err->code;
		for (size_t k = 0; k < image->names.count; k++) {
			spec_strs_push(&ret->arena, &out->names, image->names.items[k]);
			if (index_run(l->store, err,
				      "INSERT OR REPLACE INTO names(name, image, target) VALUES(?1, ?2, ?3)",
				      image->names.items[k], image->id, image->manifest_digest, NULL) < 0)
				return -err->code;
		}
	}
	return 0;
}

/* Something that this load found in the store may have been removed while it unpacked: then nothing may be recorded. */
static int check_complete(struct load *l, struct error *err)
{
	int64_t missing;

	if (index_number(l->store, err, &missing,
			 "SELECT (SELECT count(*) FROM image_layers WHERE chain NOT IN (SELECT chain FROM layers))"
			 " + (SELECT count(*) FROM image_blobs WHERE digest NOT IN (SELECT digest FROM blobs))",
			 NULL) < 0)
		return -err->code;
	if (!missing)
		return 0;
	error_set(err, ERROR_BUSY, EAGAIN, "another command removed layers that this image shares");
	return error_hint(err, "load it once more");
}

static int publish(struct load *l, struct store_load_result *ret, struct error *err)
{
	struct error undo;
	int r;

	/* The one durable point for all data: file by file it would be a journal commit each. */
	if (l->blob_count > 0 && syncfs(l->staging.fd) < 0)
		return error_sys(err, errno, "cannot make the images durable in %s", store_root(l->store));
	autofd int lock = safepath_lock(l->store->root_fd, STORE_LOCK, true, true, err);

	if (lock < 0 || staging_collect_orphans(l->store, &l->staging, err) < 0 ||
	    index_run(l->store, err, "BEGIN IMMEDIATE", NULL) < 0)
		return -err->code;
	r = publish_files(l, err);
	if (r == 0)
		r = record_all(l, ret, err);
	if (r == 0)
		r = check_complete(l, err);
	if (r == 0)
		r = index_commit(l->store, err);
	if (r < 0)
		(void)index_run(l->store, &undo, "ROLLBACK", NULL); /* the files stay as orphans for the next load */
	return r;
}

int store_load(struct store *s, const char *path, int fd, const struct store_load_options *options,
	       struct store_load_result *ret, struct error *err)
{
	static const struct store_load_options defaults = {0};
	autoclean(load_done) struct load l = {
		.store = s,
		.options = options ? options : &defaults,
		.staging = STAGING_NONE,
		.archive = {.layout_fd = FD_NONE},
	};
	autoclean(store_load_result_done) struct store_load_result result = {0};
	const char *name = path && !str_eq(path, "-") ? path : "standard input";

	worker_limits(&l.options->limits, &l.limits);
	staging_clean(s);
	if (index_open(s, true, err) < 0 || staging_new(s, &l.staging, err) < 0)
		return -err->code;
	if (open_source(&l, path, fd, err) < 0 || archive_read(&l.archive, l.options, &l.images, err) < 0 ||
	    stage_images(&l, err) < 0 || unpack_layers(&l, err) < 0 || publish(&l, &result, err) < 0)
		return error_wrap(err, "load %s", name);
	*ret = result;
	result = (struct store_load_result){0};
	return 0;
}

void store_load_result_done(struct store_load_result *r)
{
	arena_done(&r->arena);
	*r = (struct store_load_result){0};
}
