/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database from nothing: what images there are follows from the manifests among the blobs, which layers they have from their
 * configs. Names are in no blob, so they are read from the old database as far as it can be read. It is kept beside the new one
 * as index.db.damaged.
 *
 * Nothing is believed here that check.c does not look at afterwards: layers whose tree or blob is not there are recorded all the
 * same and then found missing, so that they are mended in the one place that mends.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/staged.h"

#define DAMAGED STORE_DB ".damaged"
#define ROWS_MAX 1000000 /* of a table that may be rubbish */

/* One row of a table of the old database: up to five texts. */
struct row {
	char *fields[5];
};
struct salvage {
	struct row *names, *digests, *artifacts; /* owned */
	size_t name_count, digest_count, artifact_count;
};

static void rows_done(struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(rows[i].fields); k++)
			free(rows[i].fields[k]);
	}
	free(rows);
}

static void salvage_done(struct salvage *v)
{
	rows_done(v->names, v->name_count);
	rows_done(v->digests, v->digest_count);
	rows_done(v->artifacts, v->artifact_count);
}

/* Row by row until the damage. */
static void read_rows(sqlite3 *db, const char *sql, int columns, struct row **ret, size_t *count)
{
	autostmt sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
		return;
	while (*count < ROWS_MAX && sqlite3_step(q) == SQLITE_ROW) {
		struct row *row = &VEC_PUSH(*ret, *count);

		*row = (struct row){0};
		for (int i = 0; i < columns; i++)
			row->fields[i] = mem_strdup(index_text(q, i));
	}
}

static void salvage_old(struct store *s, struct salvage *v)
{
	autofree char *path = mem_printf("%s/%s", s->root, STORE_DB);
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL) ==
	    SQLITE_OK) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		read_rows(db, "SELECT name, image, target, target_type FROM names", 4, &v->names, &v->name_count);
		if (v->name_count == 0) /* the form before */
			read_rows(db, "SELECT name, image, '', '' FROM names", 4, &v->names, &v->name_count);
		read_rows(db, "SELECT repository, digest, image FROM digests", 3, &v->digests, &v->digest_count);
		read_rows(db, "SELECT name, manifest, artifact_type FROM artifacts", 3, &v->artifacts,
			  &v->artifact_count);
	}
	sqlite3_close(db);
}

/* Put the old files aside. */
static int put_aside(struct store *s, struct error *err)
{
	static const char *const endings[] = {"", "-wal"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		autofree char *from = mem_printf("%s%s", STORE_DB, endings[i]),
			      *to = mem_printf("%s%s", DAMAGED, endings[i]);

		if (safepath_unlink(s->root_fd, to, true, err) < 0 ||
		    (safepath_stat(s->root_fd, from, &st) == 0 &&
		     safepath_rename(s->root_fd, from, s->root_fd, to, 0, err) < 0))
			return -err->code;
	}
	return safepath_unlink(s->root_fd, STORE_DB "-shm", true, err);
}

/* ---- from the blobs ---- */

static int add_size(const struct safepath_entry *e, void *arg, struct error *err)
{
	int64_t *sums = arg;

	(void)err;
	sums[0] += S_ISREG(e->st->st_mode) && e->st->st_nlink == 1 ? e->st->st_size : 0;
	sums[1]++;
	return 0;
}

static int record_layer(struct store *s, const char *chain, const char *diff, const char *blob, struct error *err)
{
	autofree char *tree = mem_printf("layers/%s/diff", image_digest_hex(chain));
	int64_t numbers[3] = {0, 0, clock_realtime_ns()};
	struct error missing;
	autofd int dir = safepath_open_dir(s->root_fd, tree, false, &missing);

	if (dir >= 0)
		(void)safepath_walk(dir, SAFEPATH_PRE, STORE_LIMIT_LAYER_ENTRIES, add_size, numbers, &missing);
	return record_run(s,
			  "INSERT OR IGNORE INTO layers(chain, diff, blob, size, entries, published_ns)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			  (const char *const[]){chain, diff, blob}, 3, numbers, 3, err);
}

/* An image from its manifest. Documents that do not belong together are no image. */
static int record_manifest(struct check *c, struct staged *g, const char *digest, const struct image_manifest *m,
			   struct error *err)
{
	autofree const char **blobs = mem_zalloc(m->layer_count + 1, sizeof(*blobs));
	autofree char *config = NULL;
	struct image_config parsed;
	struct error no_image;
	size_t len;
	int r = 0;

	if (image_media_from_type(m->config.media_type, NULL) != IMAGE_MEDIA_CONFIG ||
	    !digest_supported(m->config.digest) ||
	    store_blob_read(c->store, m->config.digest, &config, &len, &no_image) < 0 ||
	    image_config_parse(config, len, "config", &parsed, &no_image) < 0)
		return 0;
	const struct staged_chains *chains = staged_chains_of(g, &parsed.diff_ids);

	for (size_t i = 0; i < m->layer_count && r == 0; i++) {
		blobs[i] = m->layers[i].digest;
		if (parsed.diff_ids.count != m->layer_count || !digest_supported(blobs[i]) ||
		    !digest_supported(parsed.diff_ids.items[i]))
			goto out;
	}
	for (size_t i = 0; i < m->layer_count && r == 0; i++)
		r = record_layer(c->store, chains->items[i], parsed.diff_ids.items[i], blobs[i], err);
	const struct image_record record = {
		.id = m->config.digest,
		.manifest_digest = digest,
		.config = config,
		.config_len = len,
		.parsed = &parsed,
		.chains = chains,
		.blobs = blobs,
		.blob_count = m->layer_count,
	};
	if (r == 0 && parsed.diff_ids.count == m->layer_count)
		r = record_image(c->store, &record, NULL, err);
out:
	image_config_done(&parsed);
	return r;
}

/* A blob that is a manifest makes an image; one that is an index belongs to the images it lists. */
static int read_document(struct check *c, struct staged *g, const char *digest, int pass, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest manifest = {0};
	autoclean(image_index_done) struct image_index index = {0};
	autofree char *text = NULL;
	struct error none;
	size_t len;

	if (store_blob_read(c->store, digest, &text, &len, &none) < 0 || len == 0 || text[0] != '{')
		return 0;
	if (pass == 0)
		return image_manifest_parse(text, len, digest, &manifest, &none) == 0
			       ? record_manifest(c, g, digest, &manifest, err)
			       : 0;
	if (image_index_parse(text, len, digest, &index, &none) < 0)
		return 0;
	for (size_t i = 0; i < index.manifest_count; i++) {
		if (record_run(
			    c->store,
			    "INSERT OR IGNORE INTO image_blobs(image, digest) SELECT id, ?2 FROM images WHERE manifest = ?1",
			    (const char *const[]){index.manifests[i].digest, digest}, 2, NULL, 0, err) < 0)
			return -err->code;
	}
	return 0;
}

static int record_blobs(struct check *c, struct error *err)
{
	autoclean(staged_done) struct staged g = {0};
	autostrv struct strv names = {0};
	autofd int dir = store_folder(c->store, "blobs/sha256", err);

	if (dir < 0 || safepath_list(dir, &names, err) < 0 || staged_init(&g, c->store, NULL, err) < 0)
		return -err->code;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < names.count; i++) {
			autofree char *digest = mem_printf("sha256:%s", names.items[i]);
			struct stat st;

			if (!digest_supported(digest) || safepath_stat(dir, names.items[i], &st) < 0 ||
			    !S_ISREG(st.st_mode))
				continue;
			if (pass == 0 &&
			    record_run(c->store,
				       "INSERT OR IGNORE INTO blobs(digest, size, published_ns) VALUES(?1, ?2, ?3)",
				       (const char *const[]){digest}, 1, (int64_t[]){st.st_size, clock_realtime_ns()},
				       2, err) < 0)
				return -err->code;
			if (st.st_size <= IMAGE_MANIFEST_MAX_BYTES && read_document(c, &g, digest, pass, err) < 0)
				return -err->code;
		}
	}
	return 0;
}

/* ---- from the old database ---- */

static bool valid_name(const char *text)
{
	autoclean(arena_done) struct arena a = {0};
	struct image_reference ref;
	struct error err;

	return image_reference_parse(&a, text, &ref, &err) == 0 && ref.tag && !ref.digest &&
	       str_eq(image_reference_full(&a, &ref), text);
}

static int record_salvaged(struct check *c, const struct salvage *v, size_t *kept, struct error *err)
{
	struct store *s = c->store;
	int64_t there;

	for (size_t i = 0; i < v->name_count; i++) {
		char *const *f = v->names[i].fields;

		if (!valid_name(f[0]) || (*f[2] && !digest_supported(f[2])) || str_has_control(f[3]))
			continue;
		if (index_number(s, err, &there, "SELECT 1 FROM images WHERE id = ?1", f[1], NULL) < 0)
			return -err->code;
		if (there && record_name(s, f[0], f[1], f[2], f[3], err) < 0)
			return -err->code;
		*kept += there != 0;
	}
	for (size_t i = 0; i < v->digest_count; i++) {
		char *const *f = v->digests[i].fields;
		autofree char *name = mem_printf("%s:x", f[0]);

		if (!valid_name(name) || !digest_supported(f[1]))
			continue;
		if (index_number(s, err, &there, "SELECT 1 FROM images WHERE id = ?1", f[2], NULL) < 0 ||
		    (there && record_digest(s, f[0], f[1], f[2], err) < 0))
			return -err->code;
	}
	for (size_t i = 0; i < v->artifact_count; i++) {
		char *const *f = v->artifacts[i].fields;

		if (!valid_name(f[0]) || !digest_supported(f[1]) || str_has_control(f[2]))
			continue;
		if (record_run(s,
			       "INSERT OR IGNORE INTO artifacts(name, manifest, artifact_type, published_ns)"
			       " SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM blobs WHERE digest = ?2)",
			       (const char *const[]){f[0], f[1], f[2]}, 3, (int64_t[]){clock_realtime_ns()}, 1,
			       err) < 0 ||
		    record_owner(s, f[1], f[1], err) < 0)
			return -err->code;
	}
	return 0;
}

static int fill(struct check *c, const struct salvage *v, size_t *kept, struct error *err)
{
	autotransaction struct index_transaction t = {0};

	if (index_begin(c->store, &t, err) < 0 || record_blobs(c, err) < 0 || record_salvaged(c, v, kept, err) < 0)
		return -err->code;
	return index_commit(&t, err);
}

/* The database as it is now has all that the blobs tell. Context: the locks are held. */
static int rebuild_locked(struct check *c, struct error *err)
{
	autoclean(salvage_done) struct salvage v = {0};
	struct store *s = c->store;
	size_t kept = 0;
	int64_t images = 0;

	salvage_old(s, &v);
	if (put_aside(s, err) < 0)
		return -err->code;
	s->rebuilding = true;
	int r = index_open(s, true, err);

	s->rebuilding = false;
	if (r == 0)
		r = fill(c, &v, &kept, err);
	if (r == 0)
		r = index_number(s, err, &images, "SELECT count(*) FROM images", NULL);
	if (r < 0)
		return error_wrap(err, "make the database anew");
	check_settle(c, STORE_DB, STORE_MENDED, "made anew: %lld images, %zu names; the old one is %s",
		     (long long)images, kept, DAMAGED);
	return 0;
}

int check_rebuild(struct check *c, struct error *err)
{
	autofd int lock = safepath_lock(c->store->root_fd, STORE_LOCK, true, true, err);
	autofd int use = lock < 0 ? FD_NONE : safepath_lock(c->store->root_fd, STORE_USE_LOCK, true, true, err);

	return lock < 0 || use < 0 ? -err->code : rebuild_locked(c, err);
}
