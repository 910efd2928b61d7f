/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and images that go. The records go first, in one transaction; then the files are renamed into a staging folder and
 * deleted. A crash in between leaves files without a record, which the next load or removal takes away.
 *
 * Taking an image into use holds the use lock shared (container.c), removing holds it exclusively: no container can begin to
 * stand on layers that are about to go.
 */
#include "store/internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

/* The names of image @id, appended. */
static int names_of(struct store *s, const char *id, struct strv *ret, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s, "SELECT name FROM names WHERE image = ?1 ORDER BY name", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0)
		strv_push(ret, index_text(q, 0));
	return r;
}

static int check_unused(struct store *s, const char *id, struct error *err)
{
	autostrv struct strv containers = {0};

	if (store_container_list(s, &containers, err) < 0)
		return -err->code;
	for (size_t i = 0; i < containers.count; i++) {
		autofree char *image = NULL;
		struct error gone;

		if (store_container_image(s, containers.items[i], &image, &gone) < 0 || !str_eq(image, id))
			continue;
		error_set(err, ERROR_BUSY, EBUSY, "image %.19s is used by container %s", id, containers.items[i]);
		return error_hint(err, "remove the container first: bothy rm %s", containers.items[i]);
	}
	return 0;
}

static int untag(struct store *s, const char *name, struct store_remove_result *ret, struct error *err)
{
	spec_strs_push(&ret->arena, &ret->untagged, name);
	return index_run(s, err, "DELETE FROM names WHERE name = ?1", name, NULL);
}

/* The records of image @id, and of the layers and blobs that only it had. */
static int delete_records(struct store *s, const char *id, struct store_remove_result *ret, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM images WHERE id = ?1",
		"DELETE FROM image_layers WHERE image = ?1",
		"DELETE FROM image_blobs WHERE image = ?1",
	};
	autostmt sqlite3_stmt *q = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		if (index_run(s, err, statements[i], id, NULL) < 0)
			return -err->code;
	}
	spec_strs_push(&ret->arena, &ret->deleted, id);
	if (index_prepare(s, "DELETE FROM layers WHERE chain NOT IN (SELECT chain FROM image_layers) RETURNING chain",
			  &q, err) < 0)
		return -err->code;
	while ((r = index_step(s, q, err)) > 0)
		spec_strs_push(&ret->arena, &ret->deleted, index_text(q, 0));
	if (r < 0)
		return r;
	return index_run(s, err, "DELETE FROM blobs WHERE digest NOT IN (SELECT digest FROM image_blobs)", NULL);
}

/* What @name_or_id means for removing: only a name, or the image with all of them. */
static int remove_records(struct store *s, const struct store_image *image, bool force, struct store_remove_result *ret,
			  struct error *err)
{
	autostrv struct strv names = {0};

	if (names_of(s, image->id, &names, err) < 0)
		return -err->code;
	if (image->name && names.count > 1)
		return untag(s, image->name, ret, err);
	if (names.count > 1 && !force) {
		error_set(err, ERROR_CONFLICT, EEXIST, "image %.19s has %zu names (%s, %s%s)", image->id, names.count,
			  names.items[0], names.items[1], names.count > 2 ? ", …" : "");
		return error_hint(err, "remove it by name, or all of it with --force");
	}
	if (check_unused(s, image->id, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		if (untag(s, names.items[i], ret, err) < 0)
			return -err->code;
	}
	return delete_records(s, image->id, ret, err);
}

int store_image_remove(struct store *s, const char *name_or_id, bool force, struct store_remove_result *ret,
		       struct error *err)
{
	autoclean(store_remove_result_done) struct store_remove_result result = {0};
	autoimage struct store_image image = {0};
	autoclean(staging_done) struct staging g = STAGING_NONE;
	struct error undo;
	int r;

	staging_clean(s);
	if (index_open(s, true, err) < 0 || staging_new(s, &g, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);
	autofd int use = lock < 0 ? FD_NONE : safepath_lock(s->root_fd, STORE_USE_LOCK, true, true, err);

	if (lock < 0 || use < 0 || store_image_find(s, name_or_id, &image, err) < 0 ||
	    index_run(s, err, "BEGIN IMMEDIATE", NULL) < 0)
		return -err->code;
	r = remove_records(s, &image, force, &result, err);
	if (r == 0)
		r = index_commit(s, err);
	if (r < 0) {
		(void)index_run(s, &undo, "ROLLBACK", NULL);
		return r;
	}
	/* What has no record now goes into our folder at once, so that no later load meets it; deleting takes its time. */
	(void)staging_collect_orphans(s, &g, &undo);
	*ret = result;
	result = (struct store_remove_result){0};
	fd_close(&use);
	fd_close(&lock);
	return 0;
}

void store_remove_result_done(struct store_remove_result *r)
{
	arena_done(&r->arena);
	*r = (struct store_remove_result){0};
}

int store_image_tag(struct store *s, const char *name_or_id, const char *name, struct error *err)
{
	autoimage struct store_image image = {0};
	struct image_reference ref;
	struct arena a = {0};
	int r;

	if (index_open(s, true, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);

	if (lock < 0 || store_image_find(s, name_or_id, &image, err) < 0)
		return -err->code;
	r = image_reference_parse(&a, name, &ref, err);
	if (r == 0 && ref.digest)
		r = error_set(err, ERROR_INVALID, EINVAL, "'%.200s': a name to give cannot hold a digest", name);
	if (r == 0) {
		if (!ref.tag)
			ref.tag = "latest";
		r = index_run(s, err, "INSERT OR REPLACE INTO names(name, image) VALUES(?1, ?2)",
			      image_reference_full(&a, &ref), image.id, NULL);
	}
	arena_done(&a);
	return r;
}
