/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs and layers in a staging folder, and how they get from there into their places: see staged.h. Blobs are b<n>, layers
 * l<n>/diff. What the index says is looked up here; what it shall say is in record.c.
 */
#include "store/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

int staged_init(struct staged *g, struct store *s, const struct unpack_limits *limits, struct error *err)
{
	*g = (struct staged){.store = s, .staging = STAGING_NONE};
	worker_limits(limits, &g->limits);
	staging_clean(s);
	if (index_open(s, true, err) < 0 || staging_new(s, &g->staging, err) < 0)
		return -err->code;
	return 0;
}

void staged_forget(struct staged *g)
{
	for (size_t i = 0; i < g->layer_count; i++) {
		worker_done(&g->layers[i].worker);
		worker_answer_done(&g->layers[i].answer);
		fd_close(&g->layers[i].dir_fd);
	}
	g->layer_count = g->blob_count = 0;
}

void staged_done(struct staged *g)
{
	if (!g->store)
		return;
	staged_forget(g);
	free(g->layers);
	free(g->blobs);
	staging_done(&g->staging);
	arena_done(&g->arena);
	*g = (struct staged){.staging = STAGING_NONE};
}

/* ---- what the store has ---- */

static void strv_forget(struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->count; i++) {
		if (!str_eq(v->items[i], s))
			continue;
		free(v->items[i]);
		v->items[i] = v->items[--v->count];
		v->items[v->count] = NULL;
		return;
	}
}

/* ---- blobs ---- */

static struct staged_blob *find_blob(struct staged *g, const char *digest)
{
	for (size_t i = 0; i < g->blob_count; i++) {
		if (str_eq(g->blobs[i].digest, digest))
			return &g->blobs[i];
	}
	return NULL;
}

/* The recorded size; what lies there must have it. */
int store_has_blob(struct store *s, const char *digest, struct error *err)
{
	autofd int dir = store_folder(s, "blobs/sha256", err);
	int64_t size;
	struct stat st;

	if (dir < 0 || index_number(s, err, &size, "SELECT size + 1 FROM blobs WHERE digest = ?1", digest, NULL) < 0)
		return -err->code;
	return size > 0 && !strv_contains(&s->distrust, digest) &&
	       safepath_stat(dir, image_digest_hex(digest), &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size - 1;
}

int store_has_layer(struct store *s, const char *chain, struct error *err)
{
	autofree char *tree = mem_printf("layers/%s/diff", image_digest_hex(chain));
	struct error missing;
	int64_t known;

	if (index_number(s, err, &known, "SELECT 1 FROM layers WHERE chain = ?1", chain, NULL) < 0)
		return -err->code;
	if (!known || strv_contains(&s->distrust, chain))
		return 0;
	autofd int dir = safepath_open_dir(s->root_fd, tree, true, &missing);

	return dir >= 0;
}

/* The first column of the rows is a digest each: has the store all of them? */
static int has_all(struct store *s, const char *sql, const char *id,
		   int (*has)(struct store *s, const char *digest, struct error *err), struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s, sql, &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0) {
		autofree char *digest = mem_strdup(index_text(q, 0));
		int there = digest_supported(digest) ? has(s, digest, err) : 0;

		if (there <= 0)
			return there;
	}
	return r < 0 ? r : 1;
}

int store_image_complete(struct store *s, const char *id, struct error *err)
{
	int64_t known = 0;

	if (index_open(s, false, err) < 0 ||
	    (s->db && index_number(s, err, &known, "SELECT 1 FROM images WHERE id = ?1", id, NULL) < 0))
		return -err->code;
	if (!known)
		return 0;
	int r = has_all(s, "SELECT digest FROM image_blobs WHERE image = ?1", id, store_has_blob, err);

	return r <= 0 ? r : has_all(s, "SELECT chain FROM image_layers WHERE image = ?1", id, store_has_layer, err);
}

int staged_blob_known(struct staged *g, const char *digest, int64_t size, struct error *err)
{
	const struct staged_blob *b = find_blob(g, digest);
	int known = b ? 1 : store_has_blob(g->store, digest, err);
	int64_t is = b ? b->size : 0;

	if (known <= 0 ||
	    (!b && index_number(g->store, err, &is, "SELECT size FROM blobs WHERE digest = ?1", digest, NULL) < 0))
		return known <= 0 ? known : -err->code;
	if (is != size)
		return error_set(err, ERROR_INVALID, EBADMSG, "blob %s has %lld bytes, %lld were promised", digest,
				 (long long)is, (long long)size);
	return 1;
}

struct staged_blob *staged_add_blob(struct staged *g, const char *digest, int64_t size)
{
	struct staged_blob *b = &VEC_PUSH(g->blobs, g->blob_count);

	*b = (struct staged_blob){.size = size};
	(void)str_copy(b->digest, sizeof(b->digest), digest);
	snprintf(b->file, sizeof(b->file), "b%zu", ++g->serial);
	return b;
}

int staged_add_text(struct staged *g, const char *digest, const char *text, size_t len, struct error *err)
{
	int known = staged_blob_known(g, digest, (int64_t)len, err);

	if (known != 0)
		return known < 0 ? known : 0;
	const struct staged_blob *b = staged_add_blob(g, digest, (int64_t)len);
	autofd int fd = safepath_create_file(g->staging.fd, b->file, O_WRONLY, 0600, SAFEPATH_KEEP, err);

	if (fd < 0)
		return fd;
	int r = fd_write_all(fd, text, len);

	return r < 0 ? error_sys(err, -r, "cannot write to %s", store_root(g->store)) : 0;
}

int staged_pin_blob(struct staged *g, const char *digest, struct error *err)
{
	autofd int dir = store_folder(g->store, "blobs/sha256", err);
	struct stat st;

	if (dir < 0)
		return dir;
	if (find_blob(g, digest))
		return 1;
	int sound = store_has_blob(g->store, digest, err);

	if (sound <= 0 || safepath_stat(dir, image_digest_hex(digest), &st) < 0)
		return sound < 0 ? sound : 0;
	const struct staged_blob *b = staged_add_blob(g, digest, st.st_size);
	int r = safepath_link(dir, image_digest_hex(digest), g->staging.fd, b->file, err);

	if (r == 0)
		return 1;
	g->blob_count--;
	return r == -ENOENT ? 0 : r;
}

int staged_open_blob(struct staged *g, const char *digest, struct error *err)
{
	const struct staged_blob *b = find_blob(g, digest);

	return b ? safepath_child(g->staging.fd, b->file, O_RDONLY, err) : store_blob_open(g->store, digest, NULL, err);
}

/* ---- layers ---- */

const struct staged_chains *staged_chains_of(struct staged *g, const struct spec_strs *diff_ids)
{
	struct staged_chains *c = arena_alloc(&g->arena, 1, sizeof(*c));

	c->items = arena_alloc(&g->arena, diff_ids->count + 1, sizeof(*c->items));
	c->count = diff_ids->count;
	for (size_t i = 0; i < c->count; i++)
		store_chain_id(i ? c->items[i - 1] : NULL, diff_ids->items[i], c->items[i]);
	return c;
}

static struct staged_layer *find_layer(struct staged *g, const char *chain)
{
	for (size_t i = 0; i < g->layer_count; i++) {
		if (str_eq(g->layers[i].chain, chain))
			return &g->layers[i];
	}
	return NULL;
}

int staged_layer_stored(struct staged *g, const char *chain, struct error *err)
{
	return store_has_layer(g->store, chain, err);
}

int staged_layer_known(struct staged *g, const char *chain, struct error *err)
{
	return find_layer(g, chain) ? 1 : staged_layer_stored(g, chain, err);
}

struct staged_layer *staged_add_layer(struct staged *g, const struct staged_chains *chains, size_t position,
				      const char *diff, const char *blob)
{
	struct staged_layer *l = &VEC_PUSH(g->layers, g->layer_count);

	*l = (struct staged_layer){.chains = chains, .position = position, .dir_fd = FD_NONE, .worker = WORKER_NONE};
	memcpy(l->chain, chains->items[position], sizeof(l->chain));
	(void)str_copy(l->diff, sizeof(l->diff), diff);
	(void)str_copy(l->blob, sizeof(l->blob), blob);
	snprintf(l->folder, sizeof(l->folder), "l%zu", ++g->serial);
	return l;
}

int staged_layer_folder(struct staged *g, struct staged_layer *l, struct error *err)
{
	autofd int folder = FD_NONE;

	if (l->dir_fd >= 0) {
		fd_close(&l->dir_fd);
		if (staging_remove_tree(g->store, g->staging.fd, l->folder, err) < 0)
			return -err->code;
	}
	if (safepath_mkdir(g->staging.fd, l->folder, 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	folder = safepath_child(g->staging.fd, l->folder, O_RDONLY | O_DIRECTORY, err);
	if (folder < 0 || safepath_mkdir(folder, "diff", 0755, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	l->dir_fd = safepath_child(folder, "diff", O_RDONLY | O_DIRECTORY, err);
	return l->dir_fd < 0 ? l->dir_fd : 0;
}

/* Has the image the same content in another place, unpacked by us? Each place costs a tree (its chain id is another), and no
 * byte of the network's. */
static bool is_repeated(const struct staged *g, const struct staged_layer *l)
{
	for (size_t i = 0; i < g->layer_count; i++) {
		const struct staged_layer *o = &g->layers[i];

		if (o != l && o->complete && o->chains == l->chains && str_eq(o->diff, l->diff))
			return true;
	}
	return false;
}

int staged_layer_finish_take(struct staged *g, struct staged_layer *l, struct worker_answer *answer, struct error *err)
{
	char is[DIGEST_TEXT_MAX];

	digest_text(answer->report.digest_out, is);
	if (!str_eq(is, l->diff))
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "layer %s: its content has diff_id %s, the config says %s", l->blob, is, l->diff);
	g->bytes_out += answer->report.bytes_out;
	if (g->bytes_out > g->limits.image_bytes)
		return error_set(err, ERROR_LIMIT, EFBIG, "more than %llu bytes in all layers together",
				 (unsigned long long)g->limits.image_bytes);
	if (is_repeated(g, l))
		g->repeated_bytes += answer->report.bytes_out;
	if (g->repeated_bytes > STORE_LIMIT_REPEATED_BYTES)
		return error_set(err, ERROR_LIMIT, EFBIG,
				 "layer %s stands in the image again and again: more than %llu bytes by that", l->blob,
				 (unsigned long long)STORE_LIMIT_REPEATED_BYTES);
	l->size = (int64_t)answer->report.file_bytes;
	l->entries = (int64_t)answer->report.entries;
	if (answer->report.devices_skipped)
		log_debug("layer %s: %llu device nodes were not made", l->blob,
			  (unsigned long long)answer->report.devices_skipped);
	l->answer = *answer;
	*answer = (struct worker_answer){0};
	l->complete = true;
	return 0;
}

/* The tree of the layer @chain, staged by us or the store's. */
static int tree_of(struct staged *g, const char *chain, struct error *err)
{
	const struct staged_layer *l = find_layer(g, chain);
	autofree char *stored = mem_printf("layers/%s/diff", image_digest_hex(chain));

	if (l && l->dir_fd >= 0)
		return fd_dup_min(l->dir_fd, 3);
	return safepath_open_dir(g->store->root_fd, stored, true, err);
}

/* A folder that the layer did not list has, on top of a layer that does, that one's owner and mode: lower layers must not
 * look different through it. Owners out of our reach (rootless) stay ours. */
static void adopt_folder(struct staged *g, const struct staged_layer *l, const char *path)
{
	struct error err;
	struct stat st;
	autofd int dir = safepath_open_dir(l->dir_fd, path, false, &err);

	for (size_t i = l->position; dir >= 0 && i-- > 0;) {
		autofd int below = tree_of(g, l->chains->items[i], &err);
		autofd int lower = below < 0 ? FD_NONE : safepath_open_dir(below, path, true, &err);

		if (lower < 0 || fstat(lower, &st) < 0)
			continue;
		(void)safepath_chown(dir, st.st_uid, st.st_gid, &err);
		(void)safepath_chmod(dir, st.st_mode & 07777, &err);
		(void)futimens(dir, (const struct timespec[]){st.st_mtim, st.st_mtim});
		return;
	}
}

void staged_layer_adopt(struct staged *g, struct staged_layer *l)
{
	for (size_t i = 0; l->position > 0 && i < l->answer.implied_count; i++)
		adopt_folder(g, l, l->answer.implied[i]);
	worker_answer_done(&l->answer);
}

/* ---- publishing ---- */

int publish_blob(struct store *s, int dir_fd, const char *file, const char *digest, int64_t size, struct error *err)
{
	autofd int blobs = store_folder(s, "blobs/sha256", err);
	const int64_t now = clock_realtime_ns();

	/* Another command may have published the same in the meantime: then equal content replaces equal content. */
	if (blobs < 0 || safepath_rename(dir_fd, file, blobs, image_digest_hex(digest), 0, err) < 0)
		return -err->code;
	strv_forget(&s->distrust, digest);
	return record_run(s,
			  "INSERT INTO blobs(digest, size, published_ns) VALUES(?1, ?2, ?3)"
			  " ON CONFLICT(digest) DO UPDATE SET size = excluded.size",
			  (const char *const[]){digest}, 1, (int64_t[]){size, now}, 2, err);
}

int publish_layer(struct staged *g, const struct staged_layer *l, struct error *err)
{
	struct store *s = g->store;
	autofd int layers = store_folder(s, "layers", err);
	const char *hex = image_digest_hex(l->chain);
	struct stat st;

	if (layers < 0)
		return layers;
	int known = staged_layer_stored(g, l->chain, err);

	if (known != 0)
		return known < 0 ? known : 0;
	/* What lies there is of a crash between rename and commit, or damaged: ours takes its place in one step. */
	bool there = safepath_stat(layers, hex, &st) == 0;

	if (safepath_rename(g->staging.fd, l->folder, layers, hex, there ? RENAME_EXCHANGE : RENAME_NOREPLACE, err) < 0)
		return -err->code;
	strv_forget(&s->distrust, l->chain);
	return record_run(s,
			  "INSERT OR REPLACE INTO layers(chain, diff, blob, size, entries, published_ns)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			  (const char *const[]){l->chain, l->diff, l->blob}, 3,
			  (int64_t[]){l->size, l->entries, clock_realtime_ns()}, 3, err);
}

int publish_sync(struct store *s, struct error *err)
{
	return store_sync_folder(s, "blobs/sha256", err) < 0 ? -err->code : store_sync_folder(s, "layers", err);
}
