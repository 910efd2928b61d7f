/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mending what check.c found. From the cheapest to the last resort:
 *
 *	a record        is written anew from the documents
 *	a tree          is unpacked again from its blob, and takes the place of the other in one step
 *	a blob          is fetched again from a repository that had it (the caller's network)
 *	an image        whose documents or trees are lost goes, by a sentence that says so; one whose packed layers alone are lost can
 *	                still be run, and stays until it is loaded or pulled again
 *
 * What is damaged is moved out of its place first or by the same step as its replacement comes, so that no later load takes it
 * for the real thing. Layers that a running container stands on are left alone, and so are images that any container stands on.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/staged.h"

/* ---- records ---- */

/* The documents of image @id, and its record from them. */
static int record_again(struct check *c, const char *id, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest manifest = {0};
	autoclean(staged_done) struct staged g = {0};
	autofree char *config = NULL, *text = NULL;
	autostrv struct strv digests = {0};
	struct image_config parsed;
	size_t config_len, len;
	int r;

	if (check_column(c, "SELECT manifest FROM images WHERE id = ?1", id, &digests, err) < 0)
		return -err->code;
	if (digests.count == 0 || store_blob_read(c->store, digests.items[0], &text, &len, err) < 0 ||
	    image_manifest_parse(text, len, "manifest", &manifest, err) < 0 ||
	    store_blob_read(c->store, id, &config, &config_len, err) < 0 || staged_init(&g, c->store, NULL, err) < 0 ||
	    image_config_parse(config, config_len, "config", &parsed, err) < 0)
		return -1;
	autofree const char **blobs = mem_zalloc(manifest.layer_count + 1, sizeof(*blobs));

	for (size_t i = 0; i < manifest.layer_count; i++)
		blobs[i] = manifest.layers[i].digest;
	const struct image_record record = {
		.id = id,
		.manifest_digest = digests.items[0],
		.config = config,
		.config_len = config_len,
		.parsed = &parsed,
		.chains = staged_chains_of(&g, &parsed.diff_ids),
		.blobs = blobs,
		.blob_count = manifest.layer_count,
	};
	r = index_run(c->store, err, "DELETE FROM images WHERE id = ?1", id, NULL);
	if (r == 0)
		r = index_run(c->store, err, "DELETE FROM image_layers WHERE image = ?1", id, NULL);
	if (r == 0)
		r = record_image(c->store, &record, NULL, err);
	image_config_done(&parsed);
	return r;
}

/* The image and what speaks of it; its layers and blobs become orphans, which the next cleaning takes. */
static int forget_image(struct check *c, const char *id, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM images WHERE id = ?1",          "DELETE FROM names WHERE image = ?1",
		"DELETE FROM image_layers WHERE image = ?1", "DELETE FROM image_blobs WHERE image = ?1",
		"DELETE FROM digests WHERE image = ?1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		if (index_run(c->store, err, statements[i], id, NULL) < 0)
			return -err->code;
	}
	return 0;
}

static int mend_record(struct check *c, const char *id, struct error *err)
{
	autofd int lock = safepath_lock(c->store->root_fd, STORE_LOCK, true, true, err);
	autotransaction struct index_transaction t = {0};
	struct error why;

	if (lock < 0 || index_begin(c->store, &t, err) < 0)
		return -err->code;
	if (digest_supported(id) && record_again(c, id, &why) == 0) {
		if (index_commit(&t, err) < 0)
			return -err->code;
		check_settle(c, id, STORE_MENDED, "recorded again from its documents");
		return 0;
	}
	index_transaction_done(&t);
	if (index_begin(c->store, &t, err) < 0 || forget_image(c, id, err) < 0 || index_commit(&t, err) < 0)
		return -err->code;
	check_settle(c, id, STORE_DROPPED, "the image was removed: its documents are lost");
	return 0;
}

/* ---- who uses what ---- */

/* A container that stands on image @id (and runs, with @running). Heap; NULL: none. */
static char *user_of(struct check *c, const char *id, bool running)
{
	autostrv struct strv ids = {0};
	struct error err;

	if (store_container_list(c->store, &ids, &err) < 0)
		return mem_strdup("?");
	for (size_t i = 0; i < ids.count; i++) {
		autofree char *image = NULL;

		if (store_container_image(c->store, ids.items[i], &image, &err) < 0 || !str_eq(image, id))
			continue;
		if (!running || !c->options->runs || c->options->runs(c->options->arg, ids.items[i]))
			return mem_strdup(ids.items[i]);
	}
	return NULL;
}

/* ---- trees ---- */

/* Has what lies there the digest of its name? */
static int blob_sound(struct check *c, const char *digest)
{
	unsigned char raw[DIGEST_RAW_BYTES], data[65536];
	char is[DIGEST_TEXT_MAX];
	struct error err;
	struct digest d;
	ssize_t n;
	autofd int fd = store_blob_open(c->store, digest, NULL, &err);

	if (fd < 0)
		return 0;
	digest_init(&d);
	while ((n = read(fd, data, sizeof(data))) > 0)
		digest_add(&d, data, (size_t)n);
	digest_end(&d, raw);
	digest_text(raw, is);
	return n == 0 && str_eq(is, digest);
}

/* An image that has the layer @chain, with the chain ids of all its layers. Returns 1, 0 (none), <0. */
static int image_of_layer(struct check *c, struct staged *g, const char *chain, char image[static DIGEST_TEXT_MAX],
			  struct staged_chains *chains, size_t *position, struct error *err)
{
	autostrv struct strv images = {0}, all = {0};

	if (check_column(c, "SELECT image FROM image_layers WHERE chain = ?1", chain, &images, err) < 0)
		return -err->code;
	if (images.count == 0 || str_copy(image, DIGEST_TEXT_MAX, images.items[0]) < 0)
		return 0;
	if (check_column(c, "SELECT chain FROM image_layers WHERE image = ?1 ORDER BY position", image, &all, err) < 0)
		return -err->code;
	*chains = (struct staged_chains){.items = arena_alloc(&g->arena, all.count + 1, sizeof(*chains->items))};
	for (size_t i = 0; i < all.count; i++) {
		if (str_copy(chains->items[chains->count++], DIGEST_TEXT_MAX, all.items[i]) < 0)
			return 0;
		if (str_eq(all.items[i], chain))
			*position = i;
	}
	return 1;
}

/* The diff_id and blob of layer @position of @image: by its own record, or by the image's documents. */
static int source_of_layer(struct check *c, const char *image, size_t position, const char *chain, struct strv *ret,
			   struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest manifest = {0};
	autofree char *config = NULL, *text = NULL;
	autostrv struct strv digests = {0};
	struct image_config parsed;
	size_t config_len, len;

	if (check_column(c, "SELECT diff FROM layers WHERE chain = ?1", chain, ret, err) < 0 ||
	    check_column(c, "SELECT blob FROM layers WHERE chain = ?1", chain, ret, err) < 0)
		return -err->code;
	if (ret->count == 2 && digest_supported(ret->items[0]) && digest_supported(ret->items[1]))
		return 0;
	strv_done(ret);
	*ret = (struct strv){0};
	if (check_column(c, "SELECT manifest FROM images WHERE id = ?1", image, &digests, err) < 0)
		return -err->code;
	if (digests.count == 0)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "its image has no manifest");
	if (store_blob_read(c->store, digests.items[0], &text, &len, err) < 0 ||
	    image_manifest_parse(text, len, "manifest", &manifest, err) < 0 ||
	    store_blob_read(c->store, image, &config, &config_len, err) < 0 ||
	    image_config_parse(config, config_len, "config", &parsed, err) < 0)
		return -err->code;
	if (position < parsed.diff_ids.count && position < manifest.layer_count) {
		strv_push(ret, parsed.diff_ids.items[position]);
		strv_push(ret, manifest.layers[position].digest);
	}
	image_config_done(&parsed);
	return ret->count == 2 && digest_supported(ret->items[0]) && digest_supported(ret->items[1])
		       ? 0
		       : error_set(err, ERROR_INVALID, EINVAL, "its documents do not speak of it");
}

/* Put the complete tree in the place of what is there, which goes with the staging folder. BUSY: a container of @image was
 * started while it was unpacked. */
static int exchange_layer(struct check *c, struct staged *g, const struct staged_layer *l, const char *image,
			  struct error *err)
{
	autofd int lock = safepath_lock(c->store->root_fd, STORE_LOCK, true, true, err);
	autofd int use = lock < 0 ? FD_NONE : safepath_lock(c->store->root_fd, STORE_USE_LOCK, true, true, err);
	autofd int layers = store_folder(c->store, "layers", err);
	const char *hex = image_digest_hex(l->chain);
	struct stat st;

	if (lock < 0 || use < 0 || layers < 0)
		return -err->code;
	/* Nobody takes an image into use while we hold use.lock: now the answer stays true. */
	autofree char *user = user_of(c, image, true);

	if (user)
		return error_set(err, ERROR_BUSY, EBUSY, "container %s runs on it", user);
	bool there = safepath_stat(layers, hex, &st) == 0;

	autotransaction struct index_transaction t = {0};

	if (safepath_rename(g->staging.fd, l->folder, layers, hex, there ? RENAME_EXCHANGE : RENAME_NOREPLACE, err) <
		    0 ||
	    store_sync_folder(c->store, "layers", err) < 0 || index_begin(c->store, &t, err) < 0)
		return -err->code;
	if (record_run(c->store,
		       "INSERT OR REPLACE INTO layers(chain, diff, blob, size, entries, published_ns)"
		       " VALUES(?1, ?2, ?3, ?4, ?5, coalesce((SELECT published_ns FROM layers WHERE chain = ?1), 0))",
		       (const char *const[]){l->chain, l->diff, l->blob}, 3, (int64_t[]){l->size, l->entries}, 2,
		       err) < 0)
		return -err->code;
	return index_commit(&t, err);
}

static int unpack_again(struct check *c, struct staged *g, struct staged_layer *l, const char *image, struct error *err)
{
	autoclean(worker_answer_done) struct worker_answer answer = {0};
	autofd int in = staged_open_blob(g, l->blob, err);

	if (in < 0 || staged_layer_folder(g, l, err) < 0 ||
	    worker_start(c->store, UNPACK_LAYER, &g->limits, in, l->dir_fd, &l->worker, err) < 0 ||
	    worker_finish(&l->worker, &answer, err) < 0 || staged_layer_finish_take(g, l, &answer, err) < 0)
		return -err->code;
	staged_layer_adopt(g, l);
	if (syncfs(g->staging.fd) < 0)
		return error_sys(err, errno, "cannot make the layer durable");
	return exchange_layer(c, g, l, image, err);
}

/* Returns 1 mended, 0 it cannot be, <0. */
static int mend_layer(struct check *c, const char *chain, struct error *err)
{
	autoclean(staged_done) struct staged g = {0};
	autostrv struct strv source = {0};
	struct staged_chains chains = {0};
	char image[DIGEST_TEXT_MAX];
	const char *object = check_object(c, "layers", chain);
	struct error why;
	size_t position = 0;

	if (staged_init(&g, c->store, NULL, err) < 0)
		return -err->code;
	int r = image_of_layer(c, &g, chain, image, &chains, &position, err);

	if (r <= 0)
		return r;
	autofree char *user = user_of(c, image, true);

	if (user) {
		check_settle(c, object, STORE_LEFT, "container %s runs on it: end it, and repair again", user);
		return 1;
	}
	if (source_of_layer(c, image, position, chain, &source, &why) < 0 ||
	    (strv_contains(&c->blobs, source.items[1]) && !blob_sound(c, source.items[1])))
		return 0;
	struct staged_layer *l = staged_add_layer(&g, &chains, position, source.items[0], source.items[1]);

	r = unpack_again(c, &g, l, image, err);
	if (r < 0 && err->kind == ERROR_BUSY) {
		check_settle(c, object, STORE_LEFT, "%s: end it, and repair again", err->msg);
		return 1;
	}
	if (r < 0)
		return err->kind == ERROR_INVALID || err->kind == ERROR_NOT_FOUND ? 0 : r;
	check_settle(c, object, STORE_MENDED, "unpacked again from blob %.19s", source.items[1]);
	return 1;
}

/* ---- blobs, from outside ---- */

/* The images that have @digest as a blob or as a layer. */
static int images_with(struct check *c, const char *digest, struct strv *ret, struct error *err)
{
	if (check_column(c,
			 "SELECT id FROM images WHERE id IN (SELECT image FROM image_blobs WHERE digest = ?1 UNION"
			 " SELECT image FROM image_layers WHERE chain = ?1)",
			 digest, ret, err) < 0)
		return -err->code;
	return 0;
}

/* Ask each repository that the image came from. Returns the reference in the result's arena, NULL: none could help. */
static const char *fetch_image(struct check *c, const char *id)
{
	autostrv struct strv from = {0};
	struct error err;

	if (!c->options->fetch ||
	    check_column(c, "SELECT repository || '@' || digest FROM digests WHERE image = ?1", id, &from, &err) < 0)
		return NULL;
	for (size_t i = 0; i < from.count; i++) {
		if (c->options->fetch(c->options->arg, from.items[i], &err) == 0)
			return arena_strdup(&c->out->arena, from.items[i]);
	}
	return NULL;
}

static int fetch_all(struct check *c, const struct strv *missing, struct error *err)
{
	autostrv struct strv images = {0};

	for (size_t i = 0; i < missing->count; i++) {
		store_distrust(c->store, missing->items[i]);
		if (images_with(c, missing->items[i], &images, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < images.count; i++) {
		autostrv struct strv have = {0};
		const char *from = fetch_image(c, images.items[i]);

		if (!from)
			continue;
		if (check_column(c, "SELECT digest FROM image_blobs WHERE image = ?1", images.items[i], &have, err) <
			    0 ||
		    check_column(c, "SELECT chain FROM image_layers WHERE image = ?1", images.items[i], &have, err) < 0)
			return -err->code;
		for (size_t k = 0; k < have.count; k++) {
			if (!strv_contains(missing, have.items[k]))
				continue;
			check_settle(c, check_object(c, "blobs/sha256", have.items[k]), STORE_MENDED,
				     "pulled again: %s", from);
			check_settle(c, check_object(c, "layers", have.items[k]), STORE_MENDED, "pulled again: %s",
				     from);
		}
	}
	return 0;
}

/* A tree whose blob was damaged could not be compared with it before. */
static int look_again(struct check *c, struct error *err)
{
	autostrv struct strv chains = {0};
	size_t bad = c->layers.count;

	for (size_t i = 0; i < c->blobs.count; i++) {
		if (blob_sound(c, c->blobs.items[i]) &&
		    check_column(c, "SELECT chain FROM layers WHERE blob = ?1", c->blobs.items[i], &chains, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < chains.count; i++) {
		if (!strv_contains(&c->layers, chains.items[i]) && check_layer(c, chains.items[i], err) < 0)
			return -err->code;
	}
	for (; bad < c->layers.count; bad++) {
		if (mend_layer(c, c->layers.items[bad], err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- the last resort ---- */

/* Move what is damaged out of its place and forget its record, so that a load or pull brings it anew. */
static int put_away(struct check *c, const char *folder, const char *digest, const char *sql, struct error *err)
{
	autoclean(staging_done) struct staging g = STAGING_NONE;
	autofd int lock = FD_NONE, dir = FD_NONE;
	struct stat st;

	if (staging_new(c->store, &g, err) < 0)
		return -err->code;
	lock = safepath_lock(c->store->root_fd, STORE_LOCK, true, true, err);
	dir = store_folder(c->store, folder, err);
	if (lock < 0 || dir < 0 || index_run(c->store, err, sql, digest, NULL) < 0)
		return -err->code;
	if (safepath_stat(dir, image_digest_hex(digest), &st) < 0)
		return 0;
	return safepath_rename(dir, image_digest_hex(digest), g.fd, "damaged", 0, err);
}

/* Which of an image's blobs are no layers: without them there is no image. */
static bool is_document(struct check *c, const char *id, const char *digest)
{
	struct error err;
	int64_t yes = 0;

	return str_eq(id, digest) ||
	       (index_number(c->store, &err, &yes, "SELECT 1 FROM images WHERE id = ?1 AND manifest = ?2", id, digest,
			     NULL) == 0 &&
		yes);
}

static int drop_image(struct check *c, const char *id, const char *object, struct error *err)
{
	autoclean(store_remove_result_done) struct store_remove_result gone = {0};
	autofree char *user = user_of(c, id, false);
	autostrv struct strv names = {0};

	if (check_column(c, "SELECT name FROM names WHERE image = ?1 ORDER BY 1", id, &names, err) < 0)
		return -err->code;
	const char *name = names.count ? names.items[0] : id;

	if (user) {
		check_settle(c, object, STORE_LEFT, "container %s stands on %.100s: load or pull that again", user,
			     name);
		return 0;
	}
	if (store_image_remove(c->store, id, true, &gone, err) < 0 && err->kind != ERROR_NOT_FOUND &&
	    mend_record(c, id, err) < 0)
		return -err->code;
	check_settle(c, object, STORE_DROPPED, "image %.100s was removed: load or pull it again", name);
	return 0;
}

/* An index or artifact without one of its blobs: nothing runs on it. */
static int drop_others(struct check *c, const char *digest, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM artifacts WHERE manifest IN (SELECT image FROM image_blobs WHERE digest = ?1)",
		"DELETE FROM names WHERE image = '' AND target IN (SELECT image FROM image_blobs WHERE digest = ?1)",
		"DELETE FROM index_images WHERE indexdigest IN (SELECT image FROM image_blobs WHERE digest = ?1)",
		"DELETE FROM indexes WHERE digest IN (SELECT image FROM image_blobs WHERE digest = ?1)",
		("DELETE FROM image_blobs WHERE image NOT IN (SELECT id FROM images) AND image IN"
		 " (SELECT image FROM image_blobs WHERE digest = ?1)"),
	};
	autofd int lock = safepath_lock(c->store->root_fd, STORE_LOCK, true, true, err);
	autotransaction struct index_transaction t = {0};

	if (lock < 0 || index_begin(c->store, &t, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		if (index_run(c->store, err, statements[i], digest, NULL) < 0)
			return -err->code;
	}
	return index_commit(&t, err);
}

static int drop_blob(struct check *c, const char *digest, struct error *err)
{
	const char *object = check_object(c, "blobs/sha256", digest);
	autostrv struct strv images = {0};
	bool runnable = true;

	if (images_with(c, digest, &images, err) < 0 ||
	    put_away(c, "blobs/sha256", digest, "DELETE FROM blobs WHERE digest = ?1", err) < 0)
		return -err->code;
	for (size_t i = 0; i < images.count; i++) {
		if (!is_document(c, images.items[i], digest))
			continue;
		runnable = false;
		if (drop_image(c, images.items[i], object, err) < 0)
			return -err->code;
	}
	if (images.count == 0) {
		if (drop_others(c, digest, err) < 0)
			return -err->code;
		check_settle(c, object, STORE_DROPPED, "removed, with what had it");
	} else if (runnable) {
		autostrv struct strv names = {0};

		if (check_column(c, "SELECT name FROM names WHERE image = ?1 ORDER BY 1", images.items[0], &names,
				 err) < 0)
			return -err->code;
		check_settle(c, object, STORE_LEFT,
			     "image %.100s can still be run, but neither pushed nor saved: load or pull it again",
			     names.count ? names.items[0] : images.items[0]);
	}
	return 0;
}

static int drop_layer(struct check *c, const char *chain, struct error *err)
{
	const char *object = check_object(c, "layers", chain);
	autostrv struct strv images = {0};

	if (images_with(c, chain, &images, err) < 0)
		return -err->code;
	for (size_t i = 0; i < images.count; i++) {
		if (drop_image(c, images.items[i], object, err) < 0)
			return -err->code;
	}
	if (images.count > 0)
		return 0;
	if (put_away(c, "layers", chain, "DELETE FROM layers WHERE chain = ?1", err) < 0)
		return -err->code;
	check_settle(c, object, STORE_DROPPED, "removed: no image has it");
	return 0;
}

static bool settled(struct check *c, const char *object)
{
	for (size_t i = 0; i < c->out->problem_count; i++) {
		if (c->out->problems[i].outcome == STORE_FOUND && str_eq(c->out->problems[i].object, object))
			return false;
	}
	return true;
}

static int mend_records(struct check *c, struct error *err)
{
	size_t count = c->out->problem_count;

	for (size_t i = 0; i < count; i++) {
		const struct store_problem p = c->out->problems[i];

		if (p.kind == STORE_PROBLEM_RECORD && p.outcome == STORE_FOUND && mend_record(c, p.object, err) < 0)
			return -err->code;
	}
	return 0;
}

int check_mend(struct check *c, struct error *err)
{
	autostrv struct strv missing = {0};

	if (mend_records(c, err) < 0)
		return -err->code;
	strv_copy(&missing, &c->blobs);
	for (size_t i = 0; i < c->layers.count; i++) {
		int r = mend_layer(c, c->layers.items[i], err);

		if (r < 0)
			return error_wrap(err, "mend layer %s", c->layers.items[i]);
		if (r == 0)
			strv_push(&missing, c->layers.items[i]);
	}
	if (missing.count > 0 && c->options->fetch && (fetch_all(c, &missing, err) < 0 || look_again(c, err) < 0))
		return -err->code;
	/* Layers first: an image that goes takes its blobs along. */
	for (size_t i = 0; i < c->layers.count; i++) {
		if (!settled(c, check_object(c, "layers", c->layers.items[i])) &&
		    drop_layer(c, c->layers.items[i], err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < c->blobs.count; i++) {
		const char *object = check_object(c, "blobs/sha256", c->blobs.items[i]);

		if (settled(c, object))
			continue;
		if (blob_sound(c, c->blobs.items[i]))
			check_settle(c, object, STORE_MENDED, "it was brought again meanwhile");
		else if (drop_blob(c, c->blobs.items[i], err) < 0)
			return -err->code;
	}
	return 0;
}
