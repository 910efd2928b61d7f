/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who shares what: every image and every layer with its ties, read by a few queries in one read transaction. Rows are found
 * again by binary search: both lists come sorted by digest.
 */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

void store_tree_done(struct store_tree *t)
{
	arena_done(&t->arena);
	*t = (struct store_tree){0};
}

static int compare_images(const void *a, const void *b)
{
	return strcmp(((const struct store_tree_image *)a)->id, ((const struct store_tree_image *)b)->id);
}

static int compare_layers(const void *a, const void *b)
{
	return strcmp(((const struct store_tree_layer *)a)->chain_id, ((const struct store_tree_layer *)b)->chain_id);
}

static struct store_tree_image *image_of(const struct store_tree *t, const char *id)
{
	const struct store_tree_image key = {.id = id};

	return t->image_count ? bsearch(&key, t->images, t->image_count, sizeof(key), compare_images) : NULL;
}

static struct store_tree_layer *layer_of(const struct store_tree *t, const char *chain)
{
	const struct store_tree_layer key = {.chain_id = chain};

	return t->layer_count ? bsearch(&key, t->layers, t->layer_count, sizeof(key), compare_layers) : NULL;
}

typedef void (*take_fn)(struct store_tree *t, sqlite3_stmt *q);

static void take_image(struct store_tree *t, sqlite3_stmt *q)
{
	if (digest_supported(index_text(q, 0))) /* a damaged row hides itself only (R4) */
		ARENA_PUSH(&t->arena, t->images, t->image_count) =
			(struct store_tree_image){.id = arena_strdup(&t->arena, index_text(q, 0)),
						  .size_bytes = sqlite3_column_int64(q, 1)};
}

static void take_layer(struct store_tree *t, sqlite3_stmt *q)
{
	if (!digest_supported(index_text(q, 0)))
		return;
	ARENA_PUSH(&t->arena, t->layers, t->layer_count) = (struct store_tree_layer){
		.chain_id = arena_strdup(&t->arena, index_text(q, 0)),
		.diff_id = arena_strdup(&t->arena, index_text(q, 1)),
		.blob = arena_strdup(&t->arena, index_text(q, 2)),
		.size_bytes = sqlite3_column_int64(q, 3),
		.blob_bytes = sqlite3_column_int64(q, 4),
		.parent = STORE_TREE_NONE,
	};
}

/* Rows come image by image, the lowest layer first. */
static void take_tie(struct store_tree *t, sqlite3_stmt *q)
{
	struct store_tree_image *i = image_of(t, index_text(q, 0));
	struct store_tree_layer *l = layer_of(t, index_text(q, 1));

	if (!i || !l)
		return;
	if (i->layer_count > 0)
		l->parent = i->layers[i->layer_count - 1];
	ARENA_PUSH(&t->arena, i->layers, i->layer_count) = (size_t)(l - t->layers);
	ARENA_PUSH(&t->arena, l->images, l->image_count) = (size_t)(i - t->images);
}

static void take_name(struct store_tree *t, sqlite3_stmt *q)
{
	struct store_tree_image *i = image_of(t, index_text(q, 1));

	if (i)
		spec_strs_push(&t->arena, &i->names, index_text(q, 0));
}

static void take_index(struct store_tree *t, sqlite3_stmt *q)
{
	struct store_tree_image *i = image_of(t, index_text(q, 1));

	if (i)
		spec_strs_push(&t->arena, &i->indexes, index_text(q, 0));
}

static int take_rows(struct store *s, struct store_tree *t, const char *sql, take_fn take, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s, sql, &q, err) < 0)
		return -err->code;
	while ((r = index_step(s, q, err)) > 0)
		take(t, q);
	return r;
}

static const struct {
	const char *sql;
	take_fn take;
} queries[] = {
	{"SELECT id, size FROM images ORDER BY id", take_image},
	{"SELECT l.chain, l.diff, l.blob, l.size, b.size FROM layers l LEFT JOIN blobs b ON b.digest = l.blob"
	 "  ORDER BY l.chain",
	 take_layer},
	{"SELECT image, chain FROM image_layers ORDER BY image, position", take_tie},
	{"SELECT name, image FROM names ORDER BY name", take_name},
	{"SELECT coalesce(n.name, i.indexdigest), i.image FROM index_images i"
	 "  LEFT JOIN names n ON n.target = i.indexdigest AND n.image <> i.image WHERE i.image <> '' ORDER BY 1",
	 take_index},
};

static int read_rows(struct store *s, struct store_tree *t, struct error *err)
{
	struct error end;
	int r = index_run(s, err, "BEGIN", NULL);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(queries); i++)
		r = take_rows(s, t, queries[i].sql, queries[i].take, err);
	(void)index_run(s, &end, "COMMIT", NULL); /* nothing was written */
	return r;
}

/* What made each layer: the steps of the history that are not marked as empty are the layers, in order. */
static void read_history(struct store *s, struct store_tree *t, const struct store_tree_image *i)
{
	struct image_config config;
	autofree char *text = NULL;
	struct error err;
	size_t len, at = 0;

	if (store_blob_read(s, i->id, &text, &len, &err) < 0 ||
	    image_config_parse(text, len, "the config", &config, &err) < 0)
		return; /* `image verify` tells of it */
	for (size_t k = 0; k < config.history_count && at < i->layer_count; k++) {
		if (config.history[k].empty_layer)
			continue;
		struct store_tree_layer *l = &t->layers[i->layers[at++]];

		if (!l->created_by)
			l->created_by = arena_strdup(&t->arena, config.history[k].created_by);
	}
	image_config_done(&config);
}

static int read_containers(struct store *s, struct store_tree *t, struct error *err)
{
	autostrv struct strv ids = {0};

	if (store_container_list(s, &ids, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ids.count; i++) {
		autofree char *image = NULL;
		struct error gone;

		if (store_container_image(s, ids.items[i], &image, &gone) < 0 || !image)
			continue;
		struct store_tree_image *on = image_of(t, image);

		if (on)
			spec_strs_push(&t->arena, &on->containers, ids.items[i]);
	}
	return 0;
}

static int read_mounts(struct store *s, struct store_tree *t, struct error *err)
{
	autoclean(store_mounts_done) struct store_mounts mounts = {0};

	if (store_mount_list(s, &mounts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < mounts.count; i++) {
		struct store_tree_image *on = image_of(t, mounts.items[i].image);

		if (on && mounts.items[i].live)
			spec_strs_push(&t->arena, &on->mounts, mounts.items[i].path);
	}
	return 0;
}

static void add_sums(struct store_tree *t)
{
	for (size_t i = 0; i < t->image_count; i++) {
		struct store_tree_image *image = &t->images[i];

		for (size_t k = 0; k < image->layer_count; k++) {
			const struct store_tree_layer *l = &t->layers[image->layers[k]];

			if (l->image_count > 1)
				image->shared_bytes += l->size_bytes;
		}
		if (image->layer_count == 0)
			continue;
		struct store_tree_layer *top = &t->layers[image->layers[image->layer_count - 1]];

		ARENA_PUSH(&t->arena, top->tops, top->top_count) = i;
	}
}

int store_tree_read(struct store *s, struct store_tree *ret, struct error *err)
{
	autoclean(store_tree_done) struct store_tree t = {0};

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (s->db && (read_rows(s, &t, err) < 0 || read_containers(s, &t, err) < 0 || read_mounts(s, &t, err) < 0))
		return -err->code;
	for (size_t i = 0; i < t.image_count; i++)
		read_history(s, &t, &t.images[i]);
	add_sums(&t);
	*ret = t;
	t = (struct store_tree){0};
	return 0;
}
