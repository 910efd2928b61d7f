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

int remove_check_unused(struct store *s, const char *id, struct error *err)
{
	autostrv struct strv containers = {0};

	if (mounts_check_unused(s, id, err) < 0 || store_container_list(s, &containers, err) < 0)
		return -err->code;
	for (size_t i = 0; i < containers.count; i++) {
		autofree char *image = NULL;
		struct error gone;

		if (store_container_image(s, containers.items[i], &image, &gone) < 0 || !str_eq(image, id))
			continue;
		error_set(err, ERROR_BUSY, EBUSY, "image %.19s is used by container %s", id, containers.items[i]);
		return error_hint(err, "it can go when the `bothy run` that this container belongs to has ended");
	}
	return 0;
}

/* The digests of image @id, as "repository@digest", appended. */
static int digests_of(struct store *s, const char *id, struct strv *ret, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s, "SELECT repository || '@' || digest FROM digests WHERE image = ?1 ORDER BY 1", &q, err) <
	    0)
		return -err->code;
	sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0)
		strv_push(ret, index_text(q, 0));
	return r;
}

static int forget_digest(struct store *s, const char *reference, struct store_remove_result *ret, struct error *err)
{
	spec_strs_push(&ret->arena, &ret->untagged, reference);
	return index_run(s, err, "DELETE FROM digests WHERE repository || '@' || digest = ?1", reference, NULL);
}

/* Take a name away, and with the last one of a repository the digests of that. */
static int untag(struct store *s, const char *id, const char *name, struct store_remove_result *ret, struct error *err)
{
	autofree char *repository = mem_strdup(name);
	autostrv struct strv digests = {0};
	char *tag = strrchr(repository, ':');
	int64_t others = 0;

	spec_strs_push(&ret->arena, &ret->untagged, name);
	if (index_run(s, err, "DELETE FROM names WHERE name = ?1", name, NULL) < 0)
		return -err->code;
	if (!tag)
		return 0;
	*tag = '\0';
	if (index_number(s, err, &others,
			 "SELECT count(*) FROM names WHERE image = ?1 AND substr(name, 1, length(?2) + 1) = ?2 || ':'",
			 id, repository, NULL) < 0 ||
	    digests_of(s, id, &digests, err) < 0)
		return -err->code;
	for (size_t i = 0; others == 0 && i < digests.count; i++) {
		const char *at = strchr(digests.items[i], '@');

		if ((size_t)(at - digests.items[i]) == strlen(repository) && str_starts(digests.items[i], repository) &&
		    forget_digest(s, digests.items[i], ret, err) < 0)
			return -err->code;
	}
	return 0;
}

int remove_blobs_of(struct store *s, const char *owner, struct error *err)
{
	if (index_run(
		    s, err,
		    "DELETE FROM blobs WHERE digest IN (SELECT digest FROM image_blobs WHERE image = ?1) AND NOT EXISTS"
		    " (SELECT 1 FROM image_blobs o WHERE o.digest = blobs.digest AND o.image <> ?1)",
		    owner, NULL) < 0)
		return -err->code;
	return index_run(s, err, "DELETE FROM image_blobs WHERE image = ?1", owner, NULL);
}

/* Indexes go with their last name. */
static int drop_indexes(struct store *s, struct error *err)
{
	autostrv struct strv gone = {0};
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(s,
			  "SELECT digest FROM indexes WHERE NOT EXISTS (SELECT 1 FROM names WHERE target = digest)"
			  " AND NOT EXISTS (SELECT 1 FROM digests d WHERE d.digest = indexes.digest)",
			  &q, err) < 0)
		return -err->code;
	while ((r = index_step(s, q, err)) > 0)
		strv_push(&gone, index_text(q, 0));
	for (size_t i = 0; r == 0 && i < gone.count; i++) {
		if (remove_blobs_of(s, gone.items[i], err) < 0 ||
		    index_run(s, err, "DELETE FROM index_images WHERE indexdigest = ?1", gone.items[i], NULL) < 0 ||
		    index_run(s, err, "DELETE FROM indexes WHERE digest = ?1", gone.items[i], NULL) < 0)
			return -err->code;
	}
	return r;
}

/* The records of image @id, and of the layers and blobs that only it had. */
static int delete_records(struct store *s, const char *id, struct store_remove_result *ret, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM images WHERE id = ?1",
		"DELETE FROM image_layers WHERE image = ?1",
		"DELETE FROM digests WHERE image = ?1",
		"UPDATE index_images SET image = '' WHERE image = ?1",
	};
	autostmt sqlite3_stmt *q = NULL;
	int r;

	spec_strs_push(&ret->arena, &ret->deleted, id);
	if (index_prepare(
		    s,
		    "DELETE FROM layers WHERE chain IN (SELECT chain FROM image_layers WHERE image = ?1) AND NOT EXISTS"
		    " (SELECT 1 FROM image_layers o WHERE o.chain = layers.chain AND o.image <> ?1) RETURNING chain",
		    &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, id, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0)
		spec_strs_push(&ret->arena, &ret->deleted, index_text(q, 0));
	if (r < 0 || remove_blobs_of(s, id, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		if (index_run(s, err, statements[i], id, NULL) < 0)
			return -err->code;
	}
	return 0;
}

int remove_whole_image(struct store *s, const char *id, struct store_remove_result *ret, struct error *err)
{
	autostrv struct strv names = {0};

	if (names_of(s, id, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		if (untag(s, id, names.items[i], ret, err) < 0)
			return -err->code;
	}
	if (delete_records(s, id, ret, err) < 0)
		return -err->code;
	return drop_indexes(s, err);
}

/* What @name_or_id means for removing: only a name or a digest of a repository, or the image with all of them. */
static int remove_records(struct store *s, const struct store_image *image, const char *digest, bool force,
			  struct store_remove_result *ret, struct error *err)
{
	autostrv struct strv names = {0}, digests = {0};

	if (names_of(s, image->id, &names, err) < 0 || digests_of(s, image->id, &digests, err) < 0)
		return -err->code;
	if (image->name && names.count > 1)
		return untag(s, image->id, image->name, ret, err) < 0 ? -err->code : drop_indexes(s, err);
	if (digest && strv_contains(&digests, digest) && names.count + digests.count > 1)
		return forget_digest(s, digest, ret, err) < 0 ? -err->code : drop_indexes(s, err);
	if (names.count > 1 && !force) {
		error_set(err, ERROR_CONFLICT, EEXIST, "image %.19s has %zu names (%s, %s%s)", image->id, names.count,
			  names.items[0], names.items[1], names.count > 2 ? ", …" : "");
		return error_hint(err, "remove it by name, or all of it with --force");
	}
	if (remove_check_unused(s, image->id, err) < 0)
		return -err->code;
	return remove_whole_image(s, image->id, ret, err);
}

/* @text as "repository@digest" with the full repository; NULL: it has no digest. Heap. */
static char *digest_reference(const char *text)
{
	struct image_reference ref;
	struct arena a = {0};
	struct error err;
	char *r = NULL;

	if (image_reference_parse(&a, text, &ref, &err) == 0 && ref.digest)
		r = mem_printf("%s/%s@%s", ref.domain, ref.path, ref.digest);
	arena_done(&a);
	return r;
}

int store_image_remove(struct store *s, const char *name_or_id, bool force, struct store_remove_result *ret,
		       struct error *err)
{
	autoclean(store_remove_result_done) struct store_remove_result result = {0};
	autoimage struct store_image image = {0};
	autoclean(staging_done) struct staging g = STAGING_NONE;
	autofree char *digest = digest_reference(name_or_id);
	struct error ignored;

	staging_clean(s);
	if (index_open(s, true, err) < 0 || staging_new(s, &g, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);
	autofd int use = lock < 0 ? FD_NONE : safepath_lock(s->root_fd, STORE_USE_LOCK, true, true, err);
	autotransaction struct index_transaction t = {0};

	if (lock < 0 || use < 0 || store_image_find(s, name_or_id, &image, err) < 0 || index_begin(s, &t, err) < 0 ||
	    remove_records(s, &image, digest, force, &result, err) < 0 || index_commit(&t, err) < 0)
		return -err->code;
	/* What has no record now goes into our folder at once, so that no later load meets it; deleting takes its time. */
	(void)staging_collect_orphans(s, &g, &ignored);
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

/* @text as a full name with a tag, in @a. */
static int full_name(struct arena *a, const char *text, const char **ret, struct error *err)
{
	struct image_reference ref;

	if (image_reference_parse(a, text, &ref, err) < 0)
		return -err->code;
	if (ref.digest)
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s': a name to give cannot hold a digest", text);
	if (!ref.tag)
		ref.tag = "latest";
	*ret = image_reference_full(a, &ref);
	return 0;
}

int store_image_tag(struct store *s, const char *name_or_id, const char *name, struct error *err)
{
	autoclean(arena_done) struct arena a = {0};
	autoimage struct store_image image = {0};
	const char *full;

	if (full_name(&a, name, &full, err) < 0 || index_open(s, true, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);

	if (lock < 0 || store_image_find(s, name_or_id, &image, err) < 0)
		return -err->code;
	return index_run(s, err,
			 "INSERT OR REPLACE INTO names(name, image, target, target_type) VALUES(?1, ?2, ?3, ?4)", full,
			 image.id, image.target ? image.target : image.manifest_digest,
			 image.target ? image.target_type : "", NULL);
}

int store_image_add_digest(struct store *s, const char *image_id, const char *repository, const char *digest,
			   struct error *err)
{
	if (!digest_supported(digest))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.100s' is no sha256 digest", digest);
	if (index_open(s, true, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);

	if (lock < 0)
		return lock;
	/* An image that has been removed meanwhile gets none. */
	return index_run(s, err,
			 "INSERT OR REPLACE INTO digests(repository, digest, image)"
			 " SELECT ?1, ?2, id FROM images WHERE id = ?3",
			 repository, digest, image_id, NULL);
}

static int untag_all(struct store *s, const struct store_image *image, char *const *names, size_t count,
		     struct store_remove_result *ret, struct error *err)
{
	autostrv struct strv have = {0};
	const char *full;

	if (names_of(s, image->id, &have, err) < 0)
		return -err->code;
	for (size_t i = 0; i < count; i++) {
		if (full_name(&ret->arena, names[i], &full, err) < 0)
			return -err->code;
		if (!strv_contains(&have, full))
			return error_set(err, ERROR_NOT_FOUND, ENOENT, "image %.19s has no name '%.200s'", image->id,
					 names[i]);
		if (untag(s, image->id, full, ret, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; count == 0 && i < have.count; i++) {
		if (untag(s, image->id, have.items[i], ret, err) < 0)
			return -err->code;
	}
	return drop_indexes(s, err);
}

int store_image_untag(struct store *s, const char *name_or_id, char *const *names, size_t count,
		      struct store_remove_result *ret, struct error *err)
{
	autoclean(store_remove_result_done) struct store_remove_result result = {0};
	autoimage struct store_image image = {0};

	if (index_open(s, true, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);
	autotransaction struct index_transaction t = {0};

	if (lock < 0 || store_image_find(s, name_or_id, &image, err) < 0 || index_begin(s, &t, err) < 0 ||
	    untag_all(s, &image, names, count, &result, err) < 0 || index_commit(&t, err) < 0)
		return -err->code;
	*ret = result;
	result = (struct store_remove_result){0};
	return 0;
}

int store_list_remove(struct store *s, const char *name, struct error *err)
{
	autoclean(staging_done) struct staging g = STAGING_NONE;
	struct error ignored;
	int64_t known;

	if (index_open(s, true, err) < 0 || staging_new(s, &g, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);

	autotransaction struct index_transaction t = {0};

	if (lock < 0 || index_begin(s, &t, err) < 0 ||
	    index_number(s, err, &known,
			 "SELECT 1 FROM names n JOIN indexes i ON i.digest = n.target WHERE n.name = ?1", name,
			 NULL) < 0)
		return -err->code;
	if (!known)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "there is no manifest list '%.200s'", name);
	if (index_run(s, err, "DELETE FROM names WHERE name = ?1", name, NULL) < 0 || drop_indexes(s, err) < 0 ||
	    index_commit(&t, err) < 0)
		return -err->code;
	(void)staging_collect_orphans(s, &g, &ignored);
	return 0;
}
