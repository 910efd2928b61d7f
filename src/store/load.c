/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an archive to images. The flow:
 *   1. take the archive apart (a worker), or open the layout folder          store: untouched
 *   2. read its documents: which images, of which layers
 *   3. stage: copy blobs that are missing, unpack layers that are missing     staging/ only
 *   4. make all of it durable by one syncfs
 *   5. publish under the store's lock: rename blobs and layers into place, make the folders durable, record them and the
 *      images, look whether anything that was there has been removed meanwhile (then back to 3, without images), commit
 * A crash before the commit leaves a staging folder without an owner and perhaps unrecorded files: the next load removes both.
 */
#include "store/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define COPY_BYTES (1u << 20)
#define TELL_NS (NS_PER_S / 10)

static void load_done(struct load *l)
{
	archive_images_done(&l->images);
	worker_answer_done(&l->split);
	archive_done(&l->archive);
	staged_done(&l->staged);
}

/* ---- 1: the source ---- */

/* How far the archive is: of a file by where it is read, of a pipe by what has been taken out of it. */
static void archive_state(const struct load *l, enum store_watched_state state, const struct worker_answer *so_far)
{
	struct store_watched w = {.digest = "archive", .state = state, .at = load_position(l->source)};
	struct stat st;

	if (fstat(l->source, &st) == 0 && S_ISREG(st.st_mode)) {
		w.size = (uint64_t)st.st_size;
	} else {
		w.at = 0;
		for (size_t i = 0; i < so_far->member_count; i++)
			w.at += (uint64_t)so_far->members[i].size;
	}
	l->options->watch(l->options->watch_arg, &w, 1);
}

static void watch_archive(void *arg, const struct worker_answer *so_far)
{
	archive_state(arg, STORE_WATCHED_READING, so_far);
}

static int split_archive(struct load *l, int fd, struct error *err)
{
	autoclean(worker_done) struct worker w = WORKER_NONE;

	l->source = fd;
	if (worker_start(l->store, UNPACK_SPLIT, &l->staged.limits, fd, l->staged.staging.fd, &w, err) < 0 ||
	    worker_finish_watched(&w, l->options->watch ? watch_archive : NULL, l, &l->split, err) < 0)
		return -err->code;
	if (l->options->watch)
		archive_state(l, STORE_WATCHED_READ, &l->split);
	l->archive.split = &l->split;
	l->archive.staging_fd = l->staged.staging.fd;
	return 0;
}

static int open_source(struct load *l, const char *path, int fd, struct error *err)
{
	autofd int file = FD_NONE;
	struct stat st;

	if (path && !str_eq(path, "-")) {
		const char *slash = strrchr(path, '/');

		file = safepath_host_open(path, O_RDONLY | O_NONBLOCK, 0, err);
		if (file < 0 && err->code == ENOENT)
			return error_hint(
				err, "name an archive or a layout folder; bothy pull brings in what a registry has");
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

/* @count more bytes of a layout folder are here. */
static void note_copied(struct load *l, size_t count)
{
	const int64_t now = clock_monotonic_ns();
	struct store_watched w = {.digest = "folder", .state = STORE_WATCHED_READING, .size = l->to_copy};

	l->copied += count;
	w.at = l->copied;
	if (w.at >= w.size)
		w.state = STORE_WATCHED_READ;
	if (!l->options->watch || l->to_copy == 0 || (w.state == STORE_WATCHED_READING && now - l->told_ns < TELL_NS))
		return;
	l->told_ns = now;
	l->options->watch(l->options->watch_arg, &w, 1);
}

static int copy_hashed(struct load *l, int from, int to, int64_t size, unsigned char out[static DIGEST_RAW_BYTES],
		       struct error *err)
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
		note_copied(l, (size_t)n);
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

	int known = staged_blob_known(&l->staged, blob->digest, blob->size, err);

	if (known != 0)
		return known < 0 ? known : 0;
	autofd int in = archive_open(&l->archive, blob->name, &m, &size, err);
	if (in < 0)
		return in;
	if (size != blob->size)
		return error_set(err, ERROR_INVALID, EBADMSG, "blob %s has %lld bytes, %lld were promised",
				 blob->digest, (long long)size, (long long)blob->size);
	const struct staged_blob *b = staged_add_blob(&l->staged, blob->digest, size);

	if (m) {
		memcpy(is, m->digest, sizeof(is));
		snprintf(from, sizeof(from), "m%u", m->number);
		/* The same content under a second name may have been taken already, then it is known above. */
		if (safepath_rename(l->staged.staging.fd, from, l->staged.staging.fd, b->file, 0, err) < 0)
			return -err->code;
	} else {
		autofd int out =
			safepath_create_file(l->staged.staging.fd, b->file, O_WRONLY, 0600, SAFEPATH_KEEP, err);

		if (out < 0 || copy_hashed(l, in, out, size, raw, err) < 0)
			return error_wrap(err, "copy blob %s", blob->digest);
		digest_text(raw, is);
	}
	if (!str_eq(is, blob->digest))
		return error_set(err, ERROR_INVALID, EBADMSG, "blob %s: its content has digest %s", blob->digest, is);
	return 0;
}

/* A layer's blob, and the layer when it has to be unpacked. */
static int stage_layer(struct load *l, const struct archive_image *image, const struct staged_chains *chains, size_t i,
		       struct error *err)
{
	const struct archive_blob *blob = &image->layers[i];
	int known = staged_layer_known(&l->staged, chains->items[i], err);

	/* A blob of the store that is needed for unpacking must not vanish before that. */
	if (known < 0 || (!known && staged_pin_blob(&l->staged, blob->digest, err) < 0) ||
	    stage_layer_blob(l, blob, err) < 0)
		return -err->code;
	if (!known)
		staged_add_layer(&l->staged, chains, i, image->parsed->diff_ids.items[i], blob->digest);
	return 0;
}

static int stage_image(struct load *l, const struct archive_image *image, struct error *err)
{
	const struct staged_chains *chains = staged_chains_of(&l->staged, &image->parsed->diff_ids);

	if (staged_add_text(&l->staged, image->id, image->config, image->config_len, err) < 0 ||
	    staged_add_text(&l->staged, image->manifest_digest, image->manifest, image->manifest_len, err) < 0)
		return -err->code;
	for (size_t i = 0; i < image->parsed->diff_ids.count; i++) {
		if (stage_layer(l, image, chains, i, err) < 0)
			return -err->code;
	}
	return 0;
}

/* What indexes need besides the image for this machine, packed as it is. */
static int stage_indexes(struct load *l, struct error *err)
{
	for (size_t i = 0; i < l->images.index_count; i++) {
		const struct archive_index *index = &l->images.indexes[i];

		for (size_t n = 0; n < index->blob_count; n++) {
			if (stage_layer_blob(l, &index->blobs[n], err) < 0)
				return error_wrap(err, "image %s", index->names.items[0]);
		}
	}
	return 0;
}

static int compare_digests(const void *a, const void *b)
{
	return strcmp((*(const struct archive_blob *const *)a)->digest,
		      (*(const struct archive_blob *const *)b)->digest);
}

/* Of a layout folder: how much is to be copied, as the descriptors say it. What is wrong with one is told when it is staged. */
static void count_copies(struct load *l)
{
	autofree const struct archive_blob **blobs = NULL;
	struct error later;
	size_t count = 0;

	l->to_copy = l->copied = 0;
	for (size_t i = 0; i < l->images.count; i++) {
		const struct archive_image *image = &l->images.items[i];

		if (store_image_complete(l->store, image->id, &later) != 0)
			continue;
		for (size_t n = 0; n < image->parsed->diff_ids.count; n++)
			VEC_PUSH(blobs, count) = &image->layers[n];
	}
	for (size_t i = 0; i < l->images.index_count; i++) {
		for (size_t n = 0; n < l->images.indexes[i].blob_count; n++)
			VEC_PUSH(blobs, count) = &l->images.indexes[i].blobs[n];
	}
	if (count)
		qsort(blobs, count, sizeof(*blobs), compare_digests);
	for (size_t i = 0; i < count; i++) {
		if ((i == 0 || !str_eq(blobs[i]->digest, blobs[i - 1]->digest)) &&
		    staged_blob_known(&l->staged, blobs[i]->digest, blobs[i]->size, &later) == 0)
			l->to_copy += (uint64_t)blobs[i]->size;
	}
}

static int stage_images(struct load *l, struct error *err)
{
	if (l->options->watch && l->archive.layout_fd >= 0)
		count_copies(l);
	for (size_t i = 0; i < l->images.count; i++) {
		const struct archive_image *image = &l->images.items[i];
		int known = store_image_complete(l->store, image->id, err);

		if (known < 0)
			return known;
		if (!known && stage_image(l, image, err) < 0)
			return error_wrap(err, "image %s", image->names.count ? image->names.items[0] : image->id);
	}
	return stage_indexes(l, err);
}

/* ---- 5: publishing ---- */

static int publish_files(struct load *l, struct error *err)
{
	struct staged *g = &l->staged;

	for (size_t i = 0; i < g->blob_count; i++) {
		if (publish_blob(l->store, g->staging.fd, g->blobs[i].file, g->blobs[i].digest, g->blobs[i].size, err) <
		    0)
			return -err->code;
	}
	for (size_t i = 0; i < g->layer_count; i++) {
		if (publish_layer(g, &g->layers[i], err) < 0)
			return -err->code;
	}
	return publish_sync(l->store, err);
}

static int record_new(struct load *l, const struct archive_image *image, struct error *err)
{
	const size_t count = image->parsed->diff_ids.count;
	autofree const char **blobs = mem_zalloc(count + 1, sizeof(*blobs));
	const struct image_record record = {
		.id = image->id,
		.manifest_digest = image->manifest_digest,
		.config = image->config,
		.config_len = image->config_len,
		.parsed = image->parsed,
		.chains = staged_chains_of(&l->staged, &image->parsed->diff_ids),
		.blobs = blobs,
		.blob_count = count,
	};

	for (size_t i = 0; i < count; i++)
		blobs[i] = image->layers[i].digest;
	return record_image(l->store, &record, NULL, err);
}

/* The manifest that the image @id has, "" when it is not there. */
static int manifest_of(struct store *s, const char *id, char out[static DIGEST_TEXT_MAX], struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;

	out[0] = '\0';
	if (index_prepare(s, "SELECT manifest FROM images WHERE id = ?1", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
	int r = index_step(s, q, err);

	if (r > 0)
		(void)str_copy(out, DIGEST_TEXT_MAX, index_text(q, 0));
	return r < 0 ? r : 0;
}

/* An image that is there keeps its manifest: the archive's may pack the same layers in another way, without need to have them
 * twice. Only its names are new. */
static int record_one(struct load *l, const struct archive_image *image, struct store_load_result *ret,
		      struct error *err)
{
	struct store_loaded_image *out = &ARENA_PUSH(&ret->arena, ret->images, ret->count);
	char manifest[DIGEST_TEXT_MAX];

	*out = (struct store_loaded_image){.id = arena_strdup(&ret->arena, image->id)};
	if (manifest_of(l->store, image->id, manifest, err) < 0)
		return -err->code;
	int complete = store_image_complete(l->store, image->id, err);

	if (complete < 0)
		return complete;
	out->unchanged = manifest[0] && complete;
	if (!out->unchanged && record_new(l, image, err) < 0)
		return -err->code;
	for (size_t k = 0; k < image->names.count; k++) {
		spec_strs_push(&ret->arena, &out->names, image->names.items[k]);
		if (record_name(l->store, image->names.items[k], image->id,
				out->unchanged ? manifest : image->manifest_digest, "", err) < 0)
			return -err->code;
	}
	return 0;
}

/* The entry of the result that names of @index belong to: of its image, else one of its own. */
static struct store_loaded_image *result_of_index(const struct archive_index *index, struct store_load_result *ret)
{
	for (size_t i = 0; *index->image && i < ret->count; i++) {
		if (str_eq(ret->images[i].id, index->image))
			return &ret->images[i];
	}
	struct store_loaded_image *out = &ARENA_PUSH(&ret->arena, ret->images, ret->count);

	*out = (struct store_loaded_image){.id = arena_strdup(&ret->arena, index->digest)};
	return out;
}

static int record_index(struct load *l, const struct archive_index *index, struct store_load_result *ret,
			struct error *err)
{
	struct store_loaded_image *out = result_of_index(index, ret);
	const int64_t now = clock_realtime_ns();

	if (record_run(l->store, "INSERT OR IGNORE INTO indexes(digest, media_type, published_ns) VALUES(?1, ?2, ?3)",
		       (const char *const[]){index->digest, index->media_type}, 2, &now, 1, err) < 0)
		return -err->code;
	for (size_t i = 0; i < index->manifests.count; i++) {
		const char *manifest = index->manifests.items[i];

		if (index_run(l->store, err,
			      "INSERT OR REPLACE INTO index_images(indexdigest, manifest, image) VALUES(?1, ?2,"
			      " coalesce((SELECT id FROM images WHERE manifest = ?2 LIMIT 1), ?3))",
			      index->digest, manifest, str_eq(manifest, index->native) ? index->image : "", NULL) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < index->blob_count; i++) {
		if (record_owner(l->store, index->digest, index->blobs[i].digest, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < index->names.count; i++) {
		spec_strs_push(&ret->arena, &out->names, arena_strdup(&ret->arena, index->names.items[i]));
		if (record_name(l->store, index->names.items[i], index->image, index->digest, index->media_type, err) <
		    0)
			return -err->code;
	}
	return 0;
}

/* Returns 0, 1 (something that was found in the store has been removed since: stage it, what came is published), <0. */
static int publish_all(struct load *l, struct store_load_result *ret, struct error *err)
{
	int64_t missing = 0, all_missing = 0;

	if (publish_files(l, err) < 0 || index_run(l->store, err, "SAVEPOINT images", NULL) < 0)
		return -err->code;
	for (size_t i = 0; i < l->images.count; i++) {
		if (record_one(l, &l->images.items[i], ret, err) < 0 ||
		    record_missing(l->store, l->images.items[i].id, &missing, err) < 0)
			return -err->code;
		all_missing += missing;
	}
	for (size_t i = 0; i < l->images.index_count; i++) {
		if (record_index(l, &l->images.indexes[i], ret, err) < 0 ||
		    record_missing(l->store, l->images.indexes[i].digest, &missing, err) < 0)
			return -err->code;
		all_missing += missing;
	}
	if (all_missing == 0)
		return 0;
	return index_run(l->store, err, "ROLLBACK TO images", NULL) < 0 ? -err->code : 1;
}

static int publish(struct load *l, struct store_load_result *ret, struct error *err)
{
	int r;

	/* The one durable point for all data: file by file it would be a journal commit each. */
	if (l->staged.blob_count > 0 && syncfs(l->staged.staging.fd) < 0)
		return error_sys(err, errno, "cannot make the images durable in %s", store_root(l->store));
	autofd int lock = safepath_lock(l->store->root_fd, STORE_LOCK, true, true, err);

	autotransaction struct index_transaction t = {0};

	/* After a failure the files stay as orphans for the next load. */
	if (lock < 0 || staging_collect_orphans(l->store, &l->staged.staging, err) < 0 ||
	    index_begin(l->store, &t, err) < 0 || (r = publish_all(l, ret, err)) < 0 || index_commit(&t, err) < 0)
		return -err->code;
	staged_forget(&l->staged);
	return r;
}

/* Stage, unpack, publish; again when another command has removed meanwhile what we had found. */
static int bring_in(struct load *l, struct store_load_result *ret, struct error *err)
{
	for (int round = 0; round < STAGED_ROUNDS; round++) {
		store_load_result_done(ret);
		if (stage_images(l, err) < 0 || load_unpack_layers(l, err) < 0)
			return -err->code;
		int r = publish(l, ret, err);

		if (r <= 0)
			return r;
	}
	error_set(err, ERROR_BUSY, EAGAIN, "other commands remove what the image shares, time and again");
	return error_hint(err, "load it once more");
}

int store_load(struct store *s, const char *path, int fd, const struct store_load_options *options,
	       struct store_load_result *ret, struct error *err)
{
	static const struct store_load_options defaults = {0};
	autoclean(load_done) struct load l = {
		.store = s,
		.options = options ? options : &defaults,
		.archive = {.layout_fd = FD_NONE},
	};
	autoclean(store_load_result_done) struct store_load_result result = {0};
	const char *name = path && !str_eq(path, "-") ? path : "standard input";

	if (staged_init(&l.staged, s, &l.options->limits, err) < 0)
		return -err->code;
	if (open_source(&l, path, fd, err) < 0 || archive_read(&l.archive, l.options, &l.images, err) < 0 ||
	    bring_in(&l, &result, err) < 0)
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
