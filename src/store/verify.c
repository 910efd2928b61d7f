/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what is unpacked what the digests say? The documents are hashed here; each layer is one job of the sandboxed worker, which
 * reads its blob once: digest as stored, digest as unpacked, and every entry against the tree (compare.c). Some workers run
 * side by side, and are waited for in order. Nothing is locked: what a removal took away meanwhile is no finding.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define WORKERS_MAX 4
#define TICK_MS 200 /* between two words about progress */

const char *store_finding_name(enum unpack_finding_kind kind)
{
	static const char *const names[UNPACK_FINDING_KIND_COUNT] = {
		"missing", "extra", "type",  "content",  "mode", "owner",
		"time",    "link",  "xattr", "whiteout", "blob", "record",
	};

	return names[kind];
}

void store_findings_done(struct store_findings *f)
{
	arena_done(&f->arena);
	*f = (struct store_findings){0};
}

/* One layer to be looked at, with the blob that it should come from. */
struct item {
	char chain[DIGEST_TEXT_MAX], diff[DIGEST_TEXT_MAX], blob[DIGEST_TEXT_MAX];
	int64_t size;     /* of the blob */
	int blob_fd;      /* owned */
	int dir_fd;       /* owned */
	uint64_t counted; /* bytes of it that progress was told of */
	struct worker worker;
};

struct verify {
	struct store *store;
	const struct store_verify_options *options;
	struct unpack_limits limits;
	struct store_findings *out;
	const char *image;  /* id in out->arena; NULL: only a layer */
	struct item *items; /* owned */
	size_t count;
	uint64_t done, total; /* bytes of blobs */
};

static void verify_done(struct verify *v)
{
	for (size_t i = 0; i < v->count; i++) {
		worker_done(&v->items[i].worker);
		fd_close(&v->items[i].blob_fd);
		fd_close(&v->items[i].dir_fd);
	}
	free(v->items);
}

static struct store_finding *add(struct verify *v, enum unpack_finding_kind kind, const struct item *item,
				 const char *path, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static struct store_finding *add(struct verify *v, enum unpack_finding_kind kind, const struct item *item,
				 const char *path, const char *fmt, ...)
{
	struct arena *a = &v->out->arena;
	struct store_finding *f = &ARENA_PUSH(a, v->out->items, v->out->count);
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = arena_vprintf(a, fmt, ap);
	va_end(ap);
	*f = (struct store_finding){
		.kind = kind,
		.image = v->image,
		.layer = item ? arena_strdup(a, item->chain) : NULL,
		.path = arena_strdup(a, path),
		.text = text,
	};
	v->out->total++;
	return f;
}

static void add_blob(struct verify *v, const struct item *item, const char *blob, const char *text)
{
	add(v, UNPACK_FINDING_BLOB, item, NULL, "%s", text)->blob = arena_strdup(&v->out->arena, blob);
}

/* ---- folders that a layer does not list ---- */

/* The layers below @item, nearest first, as chain ids; of no image: none. */
static int lower_layers(struct verify *v, const struct item *item, struct strv *ret, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(
		    v->store,
		    "SELECT l.chain FROM image_layers t JOIN image_layers l ON l.image = t.image AND l.position < t.position"
		    "  WHERE t.chain = ?1 AND t.image = (SELECT image FROM image_layers WHERE chain = ?1 LIMIT 1)"
		    "  ORDER BY l.position DESC",
		    &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, item->chain, -1, SQLITE_STATIC);
	while ((r = index_step(v->store, q, err)) > 0)
		strv_push(ret, index_text(q, 0));
	return r;
}

/* What such a folder should look like: as in the nearest lower layer that has it, else root's and 0755. */
static void lower_status(struct verify *v, const struct strv *lower, const char *path, struct stat *ret)
{
	struct error err;

	*ret = (struct stat){.st_mode = 0755, .st_uid = geteuid(), .st_gid = getegid()};
	for (size_t i = 0; i < lower->count; i++) {
		if (!digest_supported(lower->items[i]))
			continue;
		autofree char *tree = mem_printf("layers/%s/diff", lower->items[i] + 7);
		autofd int root = safepath_open_dir(v->store->root_fd, tree, true, &err);
		autofd int dir = root < 0 ? FD_NONE : safepath_open_dir(root, path, true, &err);

		if (dir >= 0 && fstat(dir, ret) == 0)
			return;
	}
}

static int check_implied(struct verify *v, const struct item *item, const struct worker_answer *answer,
			 struct error *err)
{
	autostrv struct strv lower = {0};
	struct error unreadable;
	struct stat is, should;

	if (answer->implied_count == 0)
		return 0;
	if (lower_layers(v, item, &lower, err) < 0)
		return -err->code;
	for (size_t i = 0; i < answer->implied_count; i++) {
		const char *path = answer->implied[i];
		autofd int dir = safepath_open_dir(item->dir_fd, path, true, &unreadable);

		if (dir < 0 || fstat(dir, &is) < 0)
			continue; /* a plain user is not let into folders of subordinate ids */
		lower_status(v, &lower, path, &should);
		if ((is.st_mode & 07777) != (should.st_mode & 07777))
			add(v, UNPACK_FINDING_MODE, item, path, "mode %04o, the layers below have %04o",
			    is.st_mode & 07777, should.st_mode & 07777);
		if (geteuid() == 0 && (is.st_uid != should.st_uid || is.st_gid != should.st_gid))
			add(v, UNPACK_FINDING_OWNER, item, path, "owner %u:%u, the layers below have %u:%u", is.st_uid,
			    is.st_gid, should.st_uid, should.st_gid);
	}
	return 0;
}

/* ---- one layer ---- */

static void tell(struct verify *v, struct item *current)
{
	const struct store_verify_options *o = v->options;
	char what[64];

	if (!o->progress)
		return;
	/* The worker reads through the same open file, so its place is ours to ask for. */
	for (struct item *i = v->items; i < v->items + v->count; i++) {
		off_t at = i->blob_fd >= 0 ? lseek(i->blob_fd, 0, SEEK_CUR) : 0;

		if (at > (off_t)i->counted) {
			v->done += (uint64_t)at - i->counted;
			i->counted = (uint64_t)at;
		}
	}
	snprintf(what, sizeof(what), "layer %zu of %zu", (size_t)(current - v->items) + 1, v->count);
	o->progress(o->arg, what, v->done, v->total);
}

/* Open what there is of the layer and start its worker. What is not there is a finding, and no worker runs. */
static int start_item(struct verify *v, struct item *i, struct error *err)
{
	autofree char *blob = mem_printf("blobs/sha256/%s", i->blob + 7);
	autofree char *tree = mem_printf("layers/%s/diff", i->chain + 7);
	struct error missing;

	i->blob_fd = safepath_open(v->store->root_fd, blob, O_RDONLY | O_NOFOLLOW, &missing);
	if (i->blob_fd < 0)
		add_blob(v, i, i->blob, missing.msg);
	i->dir_fd = safepath_open_dir(v->store->root_fd, tree, false, &missing);
	if (i->dir_fd < 0)
		add(v, UNPACK_FINDING_MISSING, i, NULL, "the unpacked layer is not there: %s", missing.msg);
	if (i->blob_fd < 0 || i->dir_fd < 0)
		return 0;
	return worker_start(v->store, UNPACK_VERIFY, &v->limits, i->blob_fd, i->dir_fd, &i->worker, err);
}

static void take_findings(struct verify *v, const struct item *item, const struct worker_answer *answer)
{
	for (size_t i = 0; i < answer->finding_count; i++) {
		const struct store_finding *f = &answer->findings[i];

		(void)add(v, f->kind, item, f->path, "%s", f->text);
	}
	if (answer->report.findings > answer->finding_count)
		v->out->total += answer->report.findings - answer->finding_count;
}

static void check_digests(struct verify *v, const struct item *i, const struct worker_answer *answer)
{
	char is[DIGEST_TEXT_MAX], text[ERROR_MSG_MAX];

	digest_text(answer->report.digest_in, is);
	if (!str_eq(is, i->blob)) {
		snprintf(text, sizeof(text), "its content has digest %s", is);
		add_blob(v, i, i->blob, text);
	}
	digest_text(answer->report.digest_out, is);
	if (!str_eq(is, i->diff))
		add(v, UNPACK_FINDING_RECORD, i, NULL, "blob %s unpacks to %s, the config says %s", i->blob, is,
		    i->diff);
}

static int finish_item(struct verify *v, struct item *i, struct error *err)
{
	autoclean(worker_answer_done) struct worker_answer answer = {0};
	struct pollfd p = {.fd = i->worker.talk, .events = POLLIN};

	if (i->worker.talk < 0)
		return 0; /* nothing to compare: said before */
	tell(v, i);
	while (v->options->progress && poll(&p, 1, TICK_MS) == 0)
		tell(v, i);
	if (worker_finish(&i->worker, &answer, err) < 0) {
		if (err->kind != ERROR_INVALID)
			return error_wrap(err, "layer %s", i->chain);
		add_blob(v, i, i->blob, err->msg); /* no archive: the blob is damaged */
		return 0;
	}
	check_digests(v, i, &answer);
	take_findings(v, i, &answer);
	return check_implied(v, i, &answer, err);
}

static size_t window(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (size_t)n;
}

static int run_items(struct verify *v, struct error *err)
{
	size_t started = 0;

	for (size_t i = 0; i < v->count; i++) {
		while (started < v->count && started < i + window()) {
			if (start_item(v, &v->items[started++], err) < 0)
				return -err->code;
		}
		if (finish_item(v, &v->items[i], err) < 0)
			return -err->code;
		tell(v, &v->items[i]);
		fd_close(&v->items[i].blob_fd);
		fd_close(&v->items[i].dir_fd);
	}
	return 0;
}

/* Put the layer into the list, unless it has a verdict. Digests come from documents or the index: checked here. */
static int push_item(struct verify *v, const char *chain, const char *diff, const char *blob, struct error *err)
{
	struct arena *a = &v->out->arena;
	const char *key = arena_printf(a, "%s %s", chain, blob);

	if (!digest_supported(chain) || !digest_supported(diff) || !digest_supported(blob)) {
		(void)add(v, UNPACK_FINDING_RECORD, NULL, NULL, "the record of a layer is damaged");
		return 0;
	}
	for (size_t i = 0; i < v->out->done_count; i++) {
		if (str_eq(v->out->done[i], key))
			return 0;
	}
	ARENA_PUSH(a, v->out->done, v->out->done_count) = key;
	struct item *i = &VEC_PUSH(v->items, v->count);

	*i = (struct item){.blob_fd = FD_NONE, .dir_fd = FD_NONE, .worker = WORKER_NONE};
	memcpy(i->chain, chain, sizeof(i->chain));
	memcpy(i->diff, diff, sizeof(i->diff));
	memcpy(i->blob, blob, sizeof(i->blob));
	if (index_number(v->store, err, &i->size, "SELECT size FROM blobs WHERE digest = ?1", blob, NULL) < 0)
		return -err->code;
	v->total += i->size > 0 ? (uint64_t)i->size : 0;
	return 0;
}

static struct verify verify_new(struct store *s, const struct store_verify_options *options, struct store_findings *out)
{
	static const struct store_verify_options defaults = {0};
	struct verify v = {.store = s, .options = options ? options : &defaults, .out = out};

	worker_limits(&v.options->limits, &v.limits);
	return v;
}

/* Findings of what was removed meanwhile are none. */
static int still_there(struct verify *v, size_t before, const char *sql, const char *id, struct error *err)
{
	int64_t known = 1;

	if (v->out->count > before && index_number(v->store, err, &known, sql, id, NULL) < 0)
		return -err->code;
	if (known)
		return 0;
	v->out->total -= v->out->count - before;
	v->out->count = before;
	return error_set(err, ERROR_NOT_FOUND, ENOENT, "%.19s was removed while it was verified", id);
}

int store_layer_verify(struct store *s, const char *chain_id, const struct store_verify_options *options,
		       struct store_findings *out, struct error *err)
{
	autoclean(verify_done) struct verify v = verify_new(s, options, out);
	autostmt sqlite3_stmt *q = NULL;
	size_t before = out->count;
	int r = 0;

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (s->db) {
		if (index_prepare(s, "SELECT diff, blob FROM layers WHERE chain = ?1", &q, err) < 0)
			return -err->code;
		sqlite3_bind_text(q, 1, chain_id, -1, SQLITE_STATIC);
		r = index_step(s, q, err);
	}
	if (r == 0)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "no layer %s in the store", chain_id);
	if (r < 0 || push_item(&v, chain_id, index_text(q, 0), index_text(q, 1), err) < 0)
		return -err->code;
	sqlite3_reset(q); /* the read transaction ends before the work */
	if (run_items(&v, err) < 0)
		return -err->code;
	return still_there(&v, before, "SELECT 1 FROM layers WHERE chain = ?1", chain_id, err);
}

/* ---- an image ---- */

/* The layers' blobs as the manifest names them. False: it cannot be read or is not the image's, which is a finding. */
static bool read_manifest(struct verify *v, const struct store_image *image, struct image_manifest *ret)
{
	autofree char *text = NULL;
	struct error bad;
	size_t len;

	if (store_blob_read(v->store, image->manifest_digest, &text, &len, &bad) < 0 ||
	    image_manifest_parse(text, len, "the manifest", ret, &bad) < 0) {
		add_blob(v, NULL, image->manifest_digest, bad.msg);
		return false;
	}
	if (str_eq(ret->config.digest, image->id) && ret->layer_count == image->layer_count)
		return true;
	add(v, UNPACK_FINDING_RECORD, NULL, NULL, "the manifest %s is not this image's", image->manifest_digest);
	image_manifest_done(ret);
	return false;
}

static void check_config(struct verify *v, const struct store_image *image)
{
	struct image_config config;
	autofree char *text = NULL;
	struct error bad;
	size_t len;

	if (store_blob_read(v->store, image->id, &text, &len, &bad) < 0 ||
	    image_config_parse(text, len, "the config", &config, &bad) < 0) {
		add_blob(v, NULL, image->id, bad.msg);
		return;
	}
	bool same = config.diff_ids.count == image->layer_count;
	char chain[DIGEST_TEXT_MAX], parent[DIGEST_TEXT_MAX];

	for (size_t i = 0; same && i < image->layer_count; i++) {
		store_chain_id(i ? parent : NULL, config.diff_ids.items[i], chain);
		memcpy(parent, chain, sizeof(parent));
		same = str_eq(config.diff_ids.items[i], image->layers[i].diff_id) &&
		       str_eq(chain, image->layers[i].chain_id);
	}
	if (!same)
		(void)add(v, UNPACK_FINDING_RECORD, NULL, NULL, "the store's layers are not those of the config");
	image_config_done(&config);
}

/* The blob that the store unpacked the layer from, for want of a manifest. */
static int push_by_record(struct verify *v, const struct store_layer *l, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;

	if (index_prepare(v->store, "SELECT blob FROM layers WHERE chain = ?1", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, l->chain_id, -1, SQLITE_STATIC);
	if (index_step(v->store, q, err) < 0)
		return -err->code;
	return push_item(v, l->chain_id, l->diff_id, index_text(q, 0), err);
}

int store_image_verify(struct store *s, const char *name_or_id, const struct store_verify_options *options,
		       struct store_findings *out, struct error *err)
{
	autoclean(verify_done) struct verify v = verify_new(s, options, out);
	autoimage struct store_image image = {0};
	struct image_manifest manifest = {0};
	size_t before = out->count;
	int r = 0;

	if (store_image_find(s, name_or_id, &image, err) < 0)
		return -err->code;
	v.image = arena_strdup(&out->arena, image.id);
	check_config(&v, &image);
	bool known = read_manifest(&v, &image, &manifest);

	for (size_t i = 0; i < image.layer_count && r == 0; i++) {
		const struct store_layer *l = &image.layers[i];

		r = known ? push_item(&v, l->chain_id, l->diff_id, manifest.layers[i].digest, err)
			  : push_by_record(&v, l, err);
	}
	if (known)
		image_manifest_done(&manifest);
	if (r < 0 || run_items(&v, err) < 0)
		return -err->code;
	return still_there(&v, before, "SELECT 1 FROM images WHERE id = ?1", image.id, err);
}
