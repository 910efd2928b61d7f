/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes how much room. Layers and blobs are counted from the records (one query each, so a thousand images take milliseconds);
 * what containers have written, and half-received blobs, are looked at on the disk.
 */
#include "store/internal.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define UPPER_ENTRIES_MAX UINT64_C(10000000)

/* Layers that several images have are shared; an image with two names is one. */
static const char images_sql[] =
	"WITH shares(chain, n) AS (SELECT chain, count(*) FROM image_layers GROUP BY chain),"
	"     unpacked(image, total, shared) AS (SELECT il.image, sum(l.size), sum(CASE WHEN s.n > 1 THEN l.size ELSE 0 END)"
	"       FROM image_layers il JOIN layers l ON l.chain = il.chain JOIN shares s ON s.chain = il.chain GROUP BY il.image),"
	"     packed(image, total) AS (SELECT ib.image, sum(b.size) FROM image_blobs ib JOIN blobs b ON b.digest = ib.digest"
	"       GROUP BY ib.image)"
	" SELECT i.id, coalesce(u.total, 0), coalesce(u.shared, 0), coalesce(p.total, 0) FROM images i"
	"  LEFT JOIN unpacked u ON u.image = i.id LEFT JOIN packed p ON p.image = i.id ORDER BY i.created_ns DESC, i.id";

static int take_images(struct store *s, struct store_usage *u, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s, images_sql, &q, err) < 0)
		return -err->code;
	while ((r = index_step(s, q, err)) > 0) {
		if (!digest_supported(index_text(q, 0)))
			continue;
		ARENA_PUSH(&u->arena, u->images, u->image_count) = (struct store_image_usage){
			.id = arena_strdup(&u->arena, index_text(q, 0)),
			.size_bytes = sqlite3_column_int64(q, 1),
			.shared_bytes = sqlite3_column_int64(q, 2),
			.packed_bytes = sqlite3_column_int64(q, 3),
		};
	}
	return r;
}

/* An artifact owns its manifest, its config and its files as an image owns its blobs (image_blobs). */
#define OF_ARTIFACTS                                                                                                   \
	" FROM blobs WHERE digest IN (SELECT ib.digest FROM artifacts a JOIN image_blobs ib ON ib.image = a.manifest)" \
	"  AND NOT EXISTS (SELECT 1 FROM image_blobs o WHERE o.digest = blobs.digest"                                  \
	"    AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.manifest = o.image))"

static int take_blobs(struct store *s, struct store_usage *u, struct error *err)
{
	int64_t of_artifacts;

	if (index_number(s, err, &u->layer_bytes, "SELECT sum(size) FROM layers", NULL) < 0 ||
	    index_number(s, err, &u->blob_bytes, "SELECT sum(size) FROM blobs", NULL) < 0 ||
	    index_number(s, err, &u->blob_count, "SELECT count(*) FROM blobs", NULL) < 0 ||
	    index_number(s, err, &u->artifact_count, "SELECT count(DISTINCT manifest) FROM artifacts", NULL) < 0)
		return -err->code;
	if (u->artifact_count == 0)
		return 0;
	if (index_number(s, err, &u->artifact_bytes, "SELECT sum(size)" OF_ARTIFACTS, NULL) < 0 ||
	    index_number(s, err, &of_artifacts, "SELECT count(*)" OF_ARTIFACTS, NULL) < 0)
		return -err->code;
	u->blob_bytes -= u->artifact_bytes;
	u->blob_count -= of_artifacts;
	return 0;
}

struct piece {
	char *chain;
	int64_t size;
};

static int compare_pieces(const void *a, const void *b)
{
	return strcmp(((const struct piece *)a)->chain, ((const struct piece *)b)->chain);
}

/* What the images with containers have, each layer once. */
static int take_active(struct store *s, struct store_usage *u, struct error *err)
{
	autofree struct piece *pieces = NULL;
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < u->image_count && r == 0; i++) {
		autostmt sqlite3_stmt *q = NULL;

		if (!u->images[i].containers)
			continue;
		if (index_prepare(s,
				  "SELECT l.chain, l.size FROM image_layers il JOIN layers l ON l.chain = il.chain"
				  "  WHERE il.image = ?1",
				  &q, err) < 0)
			return -err->code;
		sqlite3_bind_text(q, 1, u->images[i].id, -1, SQLITE_STATIC);
		while ((r = index_step(s, q, err)) > 0)
			VEC_PUSH(pieces, count) = (struct piece){
				.chain = arena_strdup(&u->arena, index_text(q, 0)),
				.size = sqlite3_column_int64(q, 1),
			};
	}
	if (count)
		qsort(pieces, count, sizeof(*pieces), compare_pieces);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !str_eq(pieces[i].chain, pieces[i - 1].chain))
			u->active_bytes += pieces[i].size;
	return r;
}

struct counting {
	int64_t bytes, files;
};

static int count_file(const struct safepath_entry *e, void *arg, struct error *err)
{
	struct counting *c = arg;

	(void)err;
	if (S_ISREG(e->st->st_mode)) {
		c->bytes += e->st->st_size;
		c->files++;
	}
	return 0;
}

/* What a container wrote. One that goes while we look, or whose files a plain user may not read, counts as far as it was seen. */
static int64_t written_by(struct store *s, const char *id)
{
	autofree char *path = mem_printf("containers/%s/upper", id);
	struct error ignored;
	autofd int upper = safepath_open_dir(s->root_fd, path, false, &ignored);
	struct counting written = {0};

	if (upper >= 0)
		(void)safepath_walk(upper, SAFEPATH_PRE, UPPER_ENTRIES_MAX, count_file, &written, &ignored);
	return written.bytes;
}

static int take_containers(struct store *s, bool sizes, struct store_usage *u, struct error *err)
{
	autostrv struct strv ids = {0};

	if (store_container_list(s, &ids, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ids.count; i++) {
		struct store_container_usage *c = &ARENA_PUSH(&u->arena, u->containers, u->container_count);
		autofree char *image = NULL;
		struct error gone;

		*c = (struct store_container_usage){.id = arena_strdup(&u->arena, ids.items[i])};
		if (store_container_image(s, ids.items[i], &image, &gone) == 0)
			c->image = arena_strdup(&u->arena, image);
		if (sizes)
			c->size_bytes = written_by(s, ids.items[i]);
		u->container_bytes += c->size_bytes;
		for (size_t k = 0; k < u->image_count && c->image; k++)
			u->images[k].containers += str_eq(u->images[k].id, c->image);
	}
	return 0;
}

/* Blobs of which only a part came so far. */
static void take_partial(struct store *s, struct store_usage *u)
{
	struct error none;
	struct counting partial = {0};
	autofd int fd = safepath_open_dir(s->root_fd, "partial", false, &none);

	if (fd < 0)
		return; /* nothing was ever cut */
	(void)safepath_walk(fd, SAFEPATH_PRE, UPPER_ENTRIES_MAX, count_file, &partial, &none);
	u->partial_bytes = partial.bytes;
	u->partial_count = partial.files;
}

int store_usage(struct store *s, bool container_sizes, struct store_usage *ret, struct error *err)
{
	autoclean(store_usage_done) struct store_usage u = {0};

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (s->db && (take_images(s, &u, err) < 0 || take_blobs(s, &u, err) < 0))
		return -err->code;
	if (take_containers(s, container_sizes, &u, err) < 0 || (s->db && take_active(s, &u, err) < 0))
		return -err->code;
	take_partial(s, &u);
	*ret = u;
	u = (struct store_usage){0};
	return 0;
}

void store_usage_done(struct store_usage *u)
{
	arena_done(&u->arena);
	*u = (struct store_usage){0};
}
