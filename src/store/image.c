/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and listing images. store_image_find is in the hot path of `bothy run`: one prepared query gives the image, its
 * config and its layers in one read transaction, so that what it gives belongs together whatever others commit meanwhile.
 */
#include "store/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define CANDIDATES_MAX 8 /* listed when a prefix is ambiguous */

/* A flipped bit in the database must not become a path (R4). */
static int damaged(struct store *s, struct error *err)
{
	error_set(err, ERROR_INTERNAL, EIO, "the record of an image in %s/%s is damaged", s->root, STORE_DB);
	return error_hint(err, "`bothy system check --repair` mends what can be mended");
}

/* ?1 is a full id. */
static const char find_sql[] =
	"SELECT i.id, i.manifest, i.created_ns, i.size, i.config, l.chain, l.diff, l.size, n.target, n.target_type"
	"  FROM images i LEFT JOIN names n ON n.name = ?1 LEFT JOIN image_layers il ON il.image = i.id LEFT JOIN layers l ON l.chain = il.chain"
	"  WHERE i.id = coalesce((SELECT image FROM names WHERE name = ?1), ?2) ORDER BY il.position";

/* Has an artifact this name? Then it lies here, but is none for images' commands. */
static bool is_artifact(struct store *s, struct arena *a, struct image_reference ref)
{
	struct error ignored;
	int64_t named;

	if (!ref.tag && !ref.digest)
		ref.tag = "latest";
	return s->db &&
	       index_number(s, &ignored, &named, "SELECT count(*) FROM artifacts WHERE name = ?1",
			    image_reference_full(a, &ref), NULL) == 0 &&
	       named > 0;
}

static int not_found(struct store *s, const char *name, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};
	autoclean(arena_done) struct arena a = {0};
	struct image_reference ref;
	struct error ignored;
	char near[256] = "";
	const char *typed = name; /* or as it would be typed: callers may have made it full */
	bool artifact = false;

	if (image_reference_parse(&a, name, &ref, &ignored) == 0) {
		typed = image_reference_familiar(&a, &ref);
		artifact = is_artifact(s, &a, ref);
	}
	if (store_image_list(s, &list, &ignored) == 0)
		store_nearest_images(&list, typed, near, sizeof(near));
	error_set(err, ERROR_NOT_FOUND, ENOENT, "no image '%.200s' in the store", name);
	if (artifact)
		return error_hint(err, "it is an artifact: `bothy artifact` has the commands for it");
	if (near[0])
		return error_hint(err, "did you mean %s?", near);
	return error_hint(
		err, "`bothy images` lists what is there; `bothy pull NAME` and `bothy load -i FILE` bring images in");
}

static bool is_hex(const char *s)
{
	return *s && s[strspn(s, "0123456789abcdef")] == '\0';
}

/* "sha256:abc…" or "abc…" as the beginning of an id. False: cannot be one. */
static bool id_prefix(const char *text, char out[static DIGEST_TEXT_MAX])
{
	const char *hex = str_starts(text, "sha256:") ? text + 7 : text;

	if (strlen(hex) > DIGEST_HEX_LEN || !is_hex(hex))
		return false;
	snprintf(out, DIGEST_TEXT_MAX, "sha256:%s", hex);
	return true;
}

/* The ids that begin with @prefix. Returns 1 when exactly one does, 0 for none, <0 CONFLICT. */
static int expand_id(struct store *s, const char *prefix, char out[static DIGEST_TEXT_MAX], struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	autofree char *end = mem_printf("%sg", prefix); /* behind every hex digit */
	char list[CANDIDATES_MAX * 16] = "";
	size_t count = 0, at = 0;
	int r;

	if (index_prepare(s, "SELECT id FROM images WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 8", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, prefix, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, end, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0) {
		const char *id = index_text(q, 0);

		if (count++ == 0 && str_copy(out, DIGEST_TEXT_MAX, id) < 0)
			return damaged(s, err);
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%.12s", at ? ", " : "", id + 7);
	}
	if (r < 0)
		return r;
	if (count > 1) {
		error_set(err, ERROR_CONFLICT, ENOTUNIQ, "'%s' is the beginning of several image ids: %s%s", prefix + 7,
			  list, count == CANDIDATES_MAX ? ", …" : "");
		return error_hint(err, "type more of the id");
	}
	return (int)count;
}

/* The id of the image that @repository has under @digest, or else anyone that has it as its manifest or id.
 * Returns 1, 0, <0. */
static int id_of_digest(struct store *s, const char *repository, const char *digest, char out[static DIGEST_TEXT_MAX],
			struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s,
			  "SELECT image, 0 AS rank FROM digests WHERE repository = ?1 AND digest = ?2"
			  " UNION ALL SELECT id, 1 FROM images WHERE manifest = ?2 OR id = ?2 ORDER BY rank LIMIT 1",
			  &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, repository, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, digest, -1, SQLITE_STATIC);
	r = index_step(s, q, err);
	if (r > 0 && str_copy(out, DIGEST_TEXT_MAX, index_text(q, 0)) < 0)
		return damaged(s, err);
	return r;
}

static int take_image(struct store *s, sqlite3_stmt *q, struct store_image *i, struct error *err)
{
	const void *config = sqlite3_column_blob(q, 4);
	size_t len = (size_t)sqlite3_column_bytes(q, 4);

	i->id = arena_strdup(&i->arena, index_text(q, 0));
	i->manifest_digest = arena_strdup(&i->arena, index_text(q, 1));
	i->created_ns = sqlite3_column_int64(q, 2);
	i->size_bytes = sqlite3_column_int64(q, 3);
	if (sqlite3_column_type(q, 8) != SQLITE_NULL) {
		i->target = arena_strdup(&i->arena, index_text(q, 8));
		i->target_type = arena_strdup(&i->arena, index_text(q, 9));
	}
	if (!digest_supported(i->id))
		return damaged(s, err);
	if (image_config_parse(config ? config : "", len, i->id, &i->config, err) < 0)
		return error_wrap(err, "the store %s", s->root);
	return 0;
}

static int take_layer(struct store *s, sqlite3_stmt *q, struct store_image *i, struct error *err)
{
	struct store_layer *l = &ARENA_PUSH(&i->arena, i->layers, i->layer_count);

	*l = (struct store_layer){
		.chain_id = arena_strdup(&i->arena, index_text(q, 5)),
		.diff_id = arena_strdup(&i->arena, index_text(q, 6)),
		.size_bytes = sqlite3_column_int64(q, 7),
	};
	if (!digest_supported(l->chain_id) || !digest_supported(l->diff_id))
		return damaged(s, err);
	l->path = arena_printf(&i->arena, "layers/%s/diff", l->chain_id + 7);
	return 0;
}

/* Run the query for the name or the id, either may be "". Returns 1 when found, 0, <0. */
static int query_image(struct store *s, const char *name, const char *id, struct store_image *ret, struct error *err)
{
	autoimage struct store_image image = {0};
	int r;

	if (!s->find && index_prepare(s, find_sql, &s->find, err) < 0)
		return -err->code;
	sqlite3_stmt *q = s->find;

	sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, id, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0) {
		if (!image.id)
			r = take_image(s, q, &image, err) < 0 ? -err->code : r;
		if (r > 0 && sqlite3_column_type(q, 5) != SQLITE_NULL)
			r = take_layer(s, q, &image, err) < 0 ? -err->code : r;
		if (r < 0)
			break;
	}
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	if (r < 0)
		return r;
	if (!image.id)
		return 0;
	if (image.layer_count != image.config.diff_ids.count)
		return damaged(s, err);
	*ret = image;
	image = (struct store_image){0};
	return 1;
}

/* By the words for ids: a prefix, or a digest behind a name. */
static int find_by_id(struct store *s, const char *text, const struct image_reference *ref, struct store_image *ret,
		      struct error *err)
{
	char prefix[DIGEST_TEXT_MAX], id[DIGEST_TEXT_MAX];
	int r = 0;

	if (ref && ref->digest) {
		autofree char *repository = mem_printf("%s/%s", ref->domain, ref->path);

		r = id_of_digest(s, repository, ref->digest, id, err);
	} else if (id_prefix(text, prefix)) {
		r = expand_id(s, prefix, id, err);
	}
	return r > 0 ? query_image(s, "", id, ret, err) : r;
}

int store_image_find(struct store *s, const char *name_or_id, struct store_image *ret, struct error *err)
{
	struct image_reference ref = {0};
	struct arena a = {0};
	struct store_image image;
	const char *full = NULL;
	struct error bad_name;
	int r = 0;

	if (index_open(s, false, err) < 0)
		return -err->code;
	bool named = image_reference_parse(&a, name_or_id, &ref, &bad_name) == 0;

	if (s->db && named && !ref.digest) {
		if (!ref.tag)
			ref.tag = "latest";
		full = image_reference_full(&a, &ref);
		r = query_image(s, full, "", &image, err);
	}
	if (s->db && r == 0) {
		full = NULL;
		r = find_by_id(s, name_or_id, named ? &ref : NULL, &image, err);
	}
	if (r > 0) {
		image.name = full ? arena_strdup(&image.arena, full) : NULL;
		*ret = image;
	}
	arena_done(&a);
	if (r > 0)
		return 0;
	if (r < 0)
		return r;
	char prefix[DIGEST_TEXT_MAX];
	if (!named && !id_prefix(name_or_id, prefix)) {
		*err = bad_name;
		return -err->code;
	}
	return not_found(s, name_or_id, err);
}

void store_image_done(struct store_image *i)
{
	image_config_done(&i->config);
	arena_done(&i->arena);
	*i = (struct store_image){0};
}

void store_image_touch(struct store *s, const struct store_image *i)
{
	struct error err;
	const int64_t ns = clock_realtime_ns();
	const struct timespec now = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
	autofd int dir = safepath_open_dir(s->root_fd, "blobs/sha256", true, &err);

	if (dir >= 0)
		(void)safepath_set_mtime(dir, i->id + 7, &now, &err); /* best effort: only garbage collection asks */
}

/* ---- listing ---- */

/* A digest reference of an image. */
struct digest_row {
	const char *image, *text;
};

static int by_image(const void *a, const void *b)
{
	return strcmp(((const struct digest_row *)a)->image, ((const struct digest_row *)b)->image);
}

/* All digest references, sorted by image. @image NULL: of every image. */
static int read_digests(struct store *s, const char *image, struct arena *a, struct digest_row **ret, size_t *ret_count,
			struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s,
			  image ? "SELECT image, repository, digest FROM digests WHERE image = ?1 ORDER BY 2, 3"
				: "SELECT image, repository, digest FROM digests ORDER BY 1, 2, 3",
			  &q, err) < 0)
		return -err->code;
	if (image)
		sqlite3_bind_text(q, 1, image, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0) {
		if (!digest_supported(index_text(q, 2)))
			continue; /* damaged */
		ARENA_PUSH(a, *ret, *ret_count) = (struct digest_row){
			.image = arena_strdup(a, index_text(q, 0)),
			.text = arena_printf(a, "%s@%s", index_text(q, 1), index_text(q, 2)),
		};
	}
	return r;
}

static void take_digests(struct arena *a, const struct digest_row *rows, size_t count, struct store_image_row *row)
{
	const struct digest_row key = {.image = row->id};
	const struct digest_row *at = count ? bsearch(&key, rows, count, sizeof(*rows), by_image) : NULL;

	if (!at)
		return;
	while (at > rows && str_eq(at[-1].image, row->id))
		at--;
	for (; at < rows + count && str_eq(at->image, row->id); at++)
		spec_strs_push(a, &row->digests, at->text);
}

static void take_row(int blobs, sqlite3_stmt *q, struct store_image_list *l)
{
	struct store_image_row *row;
	struct image_reference ref;
	struct error err;
	struct stat st;

	if (!digest_supported(index_text(q, 0)))
		return; /* a damaged row hides itself only (R4) */
	row = &ARENA_PUSH(&l->arena, l->rows, l->count);
	*row = (struct store_image_row){
		.id = arena_strdup(&l->arena, index_text(q, 0)),
		.manifest_digest = arena_strdup(&l->arena, index_text(q, 1)),
		.created_ns = sqlite3_column_int64(q, 2),
		.size_bytes = sqlite3_column_int64(q, 3),
		.loaded_ns = sqlite3_column_int64(q, 5),
	};
	/* A blob that was never touched is as old as its load. */
	if (blobs >= 0 && safepath_stat(blobs, row->id + 7, &st) == 0 &&
	    st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec > sqlite3_column_int64(q, 5))
		row->last_used_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	if (sqlite3_column_type(q, 4) == SQLITE_NULL)
		return;
	const char *name = arena_strdup(&l->arena, index_text(q, 4));

	if (image_reference_parse(&l->arena, name, &ref, &err) < 0)
		return;
	row->name = name;
	row->target = arena_strdup(&l->arena, index_text(q, 6));
	row->target_type = arena_strdup(&l->arena, index_text(q, 7));
	row->tag = ref.tag;
	ref.tag = NULL;
	row->repository = image_reference_familiar(&l->arena, &ref);
}

int store_image_list(struct store *s, struct store_image_list *ret, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};
	autostmt sqlite3_stmt *q = NULL;
	struct digest_row *digests = NULL;
	size_t digest_count = 0;
	struct error no_times;
	int r = 0;

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (s->db) {
		autofd int blobs = safepath_open_dir(s->root_fd, "blobs/sha256", true, &no_times);

		if (index_prepare(
			    s,
			    "SELECT i.id, i.manifest, i.created_ns, i.size, n.name, i.loaded_ns, n.target, n.target_type"
			    "  FROM images i"
			    "  LEFT JOIN names n ON n.image = i.id ORDER BY i.created_ns DESC, i.id, n.name",
			    &q, err) < 0)
			return -err->code;
		while ((r = index_step(s, q, err)) > 0)
			take_row(blobs, q, &list);
		if (r == 0)
			r = read_digests(s, NULL, &list.arena, &digests, &digest_count, err);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++)
		take_digests(&list.arena, digests, digest_count, &list.rows[i]);
	*ret = list;
	list = (struct store_image_list){0};
	return 0;
}

void store_image_list_done(struct store_image_list *l)
{
	arena_done(&l->arena);
	*l = (struct store_image_list){0};
}

static void take_name(sqlite3_stmt *q, struct arena *a, struct store_name *ret)
{
	*ret = (struct store_name){
		.name = arena_strdup(a, index_text(q, 0)),
		.target = arena_strdup(a, index_text(q, 1)),
		.target_type = arena_strdup(a, index_text(q, 2)),
		.image = arena_strdup(a, index_text(q, 3)),
	};
}

int store_image_names(struct store *s, const char *image_id, struct store_image_names *ret, struct error *err)
{
	autoclean(store_image_names_done) struct store_image_names names = {0};
	autostmt sqlite3_stmt *q = NULL;
	struct digest_row *digests = NULL;
	size_t digest_count = 0;
	int r = 0;

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (s->db) {
		if (index_prepare(s,
				  "SELECT name, target, target_type, image FROM names WHERE image = ?1 ORDER BY name",
				  &q, err) < 0)
			return -err->code;
		sqlite3_bind_text(q, 1, image_id, -1, SQLITE_STATIC);
		while ((r = index_step(s, q, err)) > 0)
			take_name(q, &names.arena, &ARENA_PUSH(&names.arena, names.names, names.name_count));
		if (r == 0)
			r = read_digests(s, image_id, &names.arena, &digests, &digest_count, err);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < digest_count; i++)
		spec_strs_push(&names.arena, &names.digests, digests[i].text);
	*ret = names;
	names = (struct store_image_names){0};
	return 0;
}

void store_image_names_done(struct store_image_names *n)
{
	arena_done(&n->arena);
	*n = (struct store_image_names){0};
}

int store_name_find(struct store *s, const char *name, struct arena *a, struct store_name *ret, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (!s->db)
		return 0;
	if (index_prepare(s, "SELECT name, target, target_type, image FROM names WHERE name = ?1", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
	int r = index_step(s, q, err);

	if (r > 0)
		take_name(q, a, ret);
	return r;
}
