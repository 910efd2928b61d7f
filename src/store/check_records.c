/* SPDX-License-Identifier: Apache-2.0 */
/* What the database says: by itself, record against record, and records against what lies in the folders. */
#include "store/check.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- the database by itself ---- */

int check_database(struct check *c, struct error *err)
{
	const char *sql = c->options->quick ? "PRAGMA quick_check(5)" : "PRAGMA integrity_check(5)";
	autostrv struct strv said = {0};
	struct error bad;
	bool usable = index_open(c->store, true, &bad) == 0 && check_column(c, sql, NULL, &said, &bad) == 0;

	if (!usable) {
		if (bad.kind == ERROR_BUSY || bad.kind == ERROR_LIMIT || bad.kind == ERROR_UNSUPPORTED) {
			*err = bad;
			return -err->code;
		}
		check_add(c, STORE_PROBLEM_DATABASE, STORE_DB, "%s", bad.msg);
		return 0;
	}
	if (said.count == 1 && str_eq(said.items[0], "ok"))
		return 1;
	check_add(c, STORE_PROBLEM_DATABASE, STORE_DB, "it is damaged: %s", said.count ? said.items[0] : "no answer");
	return 0;
}

/* ---- records against records ---- */

/* What a record is about, and the sentence when the query finds it. */
struct rule {
	enum store_problem_kind kind;
	const char *sql; /* gives the objects */
	const char *text;
	const char *mend; /* SQL that takes the record away; NULL: mend.c deals with the image */
};
static const struct rule rules[] = {
	{STORE_PROBLEM_NAME, "SELECT name FROM names WHERE image <> '' AND image NOT IN (SELECT id FROM images)",
	 "means an image that is not there", "DELETE FROM names WHERE name = ?1"},
	{STORE_PROBLEM_NAME, "SELECT name FROM names WHERE image = '' AND target NOT IN (SELECT digest FROM indexes)",
	 "means an index that is not there", "DELETE FROM names WHERE name = ?1"},
	{STORE_PROBLEM_NAME,
	 "SELECT repository || '@' || digest FROM digests WHERE image <> '' AND image NOT IN (SELECT id FROM images)",
	 "means an image that is not there", "DELETE FROM digests WHERE repository || '@' || digest = ?1"},
	{STORE_PROBLEM_NAME, "SELECT name FROM artifacts WHERE manifest NOT IN (SELECT digest FROM blobs)",
	 "is an artifact whose manifest is not there", "DELETE FROM artifacts WHERE name = ?1"},
	{STORE_PROBLEM_RECORD, "SELECT DISTINCT image FROM image_layers WHERE image NOT IN (SELECT id FROM images)",
	 "layers are recorded for an image that is not there", "DELETE FROM image_layers WHERE image = ?1"},
	{STORE_PROBLEM_RECORD,
	 "SELECT DISTINCT image FROM image_blobs WHERE image NOT IN (SELECT id FROM images) AND image NOT IN (SELECT digest FROM indexes) AND image NOT IN (SELECT manifest FROM artifacts)",
	 "blobs are recorded for something that is not there", "DELETE FROM image_blobs WHERE image = ?1"},
	{STORE_PROBLEM_RECORD,
	 "SELECT id FROM images WHERE manifest NOT IN (SELECT digest FROM image_blobs b WHERE b.image = id) OR id NOT IN (SELECT digest FROM image_blobs b WHERE b.image = id)",
	 "the record has no documents", NULL},
};

static int check_rules(struct check *c, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		autostrv struct strv objects = {0};

		if (check_column(c, rules[i].sql, NULL, &objects, err) < 0)
			return -err->code;
		for (size_t k = 0; k < objects.count; k++) {
			check_add(c, rules[i].kind, objects.items[k], "%s", rules[i].text);
			if (!c->options->repair || !rules[i].mend)
				continue;
			if (index_run(c->store, err, rules[i].mend, objects.items[k], NULL) < 0)
				return -err->code;
			check_settle(c, objects.items[k], STORE_DROPPED, "the record was removed");
		}
	}
	return 0;
}

/* An image whose record cannot be read, or has other layers than its config says. */
static int check_images(struct check *c, struct error *err)
{
	autostrv struct strv ids = {0};

	if (check_column(c, "SELECT id FROM images", NULL, &ids, err) < 0)
		return -err->code;
	c->out->images = ids.count;
	for (size_t i = 0; i < ids.count; i++) {
		autoimage struct store_image image = {0};
		struct error bad;

		if (!digest_supported(ids.items[i])) {
			check_add(c, STORE_PROBLEM_RECORD, ids.items[i], "the id of an image is no digest");
			continue;
		}
		if (store_image_find(c->store, ids.items[i], &image, &bad) < 0 && bad.kind != ERROR_NOT_FOUND)
			check_add(c, STORE_PROBLEM_RECORD, ids.items[i], "%s", bad.msg);
	}
	return 0;
}

/* ---- records against folders ---- */

/* What @folder holds and no record knows. */
static int check_orphans(struct check *c, const char *folder, const struct strv *known, struct error *err)
{
	autostrv struct strv names = {0};
	autofd int dir = store_folder(c->store, folder, err);

	if (dir < 0 || safepath_list(dir, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		autofree char *digest = mem_printf("sha256:%s", names.items[i]);

		if (!check_sorted_has(known, digest))
			check_add(c, STORE_PROBLEM_ORPHAN,
				  arena_printf(&c->out->arena, "%s/%s", folder, names.items[i]),
				  "no record speaks of it");
	}
	return 0;
}

int check_records(struct check *c, struct strv *blobs, struct strv *layers, struct error *err)
{
	autoclean(staging_done) struct staging g = STAGING_NONE;
	size_t first;

	if (check_column(c, "SELECT digest FROM blobs ORDER BY 1", NULL, blobs, err) < 0 ||
	    check_column(c, "SELECT chain FROM layers ORDER BY 1", NULL, layers, err) < 0 || check_rules(c, err) < 0 ||
	    check_images(c, err) < 0)
		return -err->code;
	first = c->out->problem_count;
	if (check_orphans(c, "blobs/sha256", blobs, err) < 0 || check_orphans(c, "layers", layers, err) < 0)
		return -err->code;
	if (!c->options->repair || c->out->problem_count == first)
		return 0;
	if (staging_new(c->store, &g, err) < 0 || staging_collect_orphans(c->store, &g, err) < 0)
		return -err->code;
	for (size_t i = first; i < c->out->problem_count; i++)
		check_settle(c, c->out->problems[i].object, STORE_MENDED, "removed");
	return 0;
}
