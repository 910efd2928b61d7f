/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts in the store: a name, the manifest that it means, and the blobs which that manifest owns, packed as they are. They come
 * in by an ingest (store_ingest_artifact); here they are looked up and removed.
 */
#include "store/internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define PREFIX_MIN 4

#define SELECT                                                                                                               \
	"SELECT name, manifest, artifact_type, published_ns,"                                                                \
	" (SELECT coalesce(sum(b.size), 0) FROM image_blobs o JOIN blobs b ON b.digest = o.digest WHERE o.image = manifest)" \
	" FROM artifacts"

static void take_row(sqlite3_stmt *q, struct arena *a, struct store_artifact *ret)
{
	*ret = (struct store_artifact){
		.name = arena_strdup(a, index_text(q, 0)),
		.manifest = arena_strdup(a, index_text(q, 1)),
		.type = arena_strdup(a, index_text(q, 2)),
		.published_ns = sqlite3_column_int64(q, 3),
		.size_bytes = (uint64_t)sqlite3_column_int64(q, 4),
	};
}

int store_artifact_list(struct store *s, struct store_artifact_list *ret, struct error *err)
{
	autoclean(store_artifact_list_done) struct store_artifact_list list = {0};
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_open(s, false, err) < 0)
		return -err->code;
	if (s->db) {
		if (index_prepare(s, SELECT " ORDER BY name", &q, err) < 0)
			return -err->code;
		while ((r = index_step(s, q, err)) > 0)
			take_row(q, &list.arena, &ARENA_PUSH(&list.arena, list.items, list.count));
		if (r < 0)
			return r;
	}
	*ret = list;
	list = (struct store_artifact_list){0};
	return 0;
}

void store_artifact_list_done(struct store_artifact_list *l)
{
	arena_done(&l->arena);
	*l = (struct store_artifact_list){0};
}

/* Does @typed mean the artifact: its name (@full: with registry and tag; NULL: it is none), repository@digest, or the beginning of
 * the digest? */
static bool is_meant(const struct store_artifact *a, const char *typed, const char *full, const char *digest)
{
	const char *hex = str_starts(typed, "sha256:") ? typed + 7 : typed;

	if (digest)
		return str_eq(a->manifest, digest);
	if (full && str_eq(a->name, full))
		return true;
	return strlen(hex) >= PREFIX_MIN && str_starts(a->manifest + 7, hex);
}

int store_artifact_find(struct store *s, const char *typed, struct arena *a, struct store_artifact *ret,
			struct error *err)
{
	autoclean(store_artifact_list_done) struct store_artifact_list list = {0};
	const struct store_artifact *found = NULL;
	struct image_reference ref = {0};
	const char *full = NULL;
	struct error no_name = {0};

	if (image_reference_parse(a, typed, &ref, &no_name) == 0) {
		if (!ref.tag && !ref.digest)
			ref.tag = "latest";
		full = ref.digest ? NULL : image_reference_full(a, &ref);
	}
	if (store_artifact_list(s, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count; i++) {
		const struct store_artifact *item = &list.items[i];

		if (!is_meant(item, typed, full, ref.digest))
			continue;
		if (str_eq(item->name, full)) {
			found = item;
			break;
		}
		if (found && !str_eq(found->manifest, item->manifest))
			return error_set(err, ERROR_CONFLICT, EEXIST, "'%.200s' means several artifacts", typed);
		found = found ? found : item;
	}
	if (!found && no_name.code) {
		*err = no_name;
		return -err->code;
	}
	if (!found) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "there is no artifact '%.200s' here", typed);
		return error_hint(err, "`bothy artifact ls` lists them");
	}
	*ret = (struct store_artifact){.name = arena_strdup(a, found->name),
				       .manifest = arena_strdup(a, found->manifest),
				       .type = arena_strdup(a, found->type),
				       .published_ns = found->published_ns,
				       .size_bytes = found->size_bytes};
	return 0;
}

int artifacts_forget(struct store *s, const char *manifest, struct error *err)
{
	int64_t named;

	if (index_number(s, err, &named, "SELECT count(*) FROM artifacts WHERE manifest = ?1", manifest, NULL) < 0)
		return -err->code;
	return named ? 0 : remove_blobs_of(s, manifest, err);
}

int store_artifact_remove(struct store *s, const char *typed, char ret_digest[static STORE_ID_MAX], struct error *err)
{
	autoclean(staging_done) struct staging g = STAGING_NONE;
	autoclean(arena_done) struct arena a = {0};
	struct store_artifact found;
	struct error ignored;

	if (index_open(s, true, err) < 0 || staging_new(s, &g, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);
	autotransaction struct index_transaction t = {0};

	if (lock < 0 || store_artifact_find(s, typed, &a, &found, err) < 0 || index_begin(s, &t, err) < 0 ||
	    index_run(s, err, "DELETE FROM artifacts WHERE name = ?1", found.name, NULL) < 0 ||
	    artifacts_forget(s, found.manifest, err) < 0 || index_commit(&t, err) < 0)
		return -err->code;
	(void)str_copy(ret_digest, STORE_ID_MAX, found.manifest);
	/* What has no record now goes into our folder at once, so that no later load meets it; deleting takes its time. */
	(void)staging_collect_orphans(s, &g, &ignored);
	return 0;
}
