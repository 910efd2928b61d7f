/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "fixture.h"

static void sql(struct scratch *s, const char *text)
{
	autofree char *path = mem_printf("%s/store/index.db", s->path);
	char *message = NULL;
	sqlite3 *db;

	CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, text, NULL, NULL, &message), SQLITE_OK);
	CHECK_STR(message ? message : "", "");
	sqlite3_free(message);
	sqlite3_close(db);
}

#define ID "sha256:abcdef0000000000000000000000000000000000000000000000000000000001"
#define MANIFEST "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define INDEX "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define DIFF "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define CONFIG                                                                                                         \
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIFF "\"]}}"

/* The form 1 as bothy wrote it, with one image. */
static const char form_1[] =
	"PRAGMA journal_mode = WAL;"
	"CREATE TABLE images(id TEXT NOT NULL UNIQUE, manifest TEXT NOT NULL, created_ns INTEGER NOT NULL,"
	"  size INTEGER NOT NULL, loaded_ns INTEGER NOT NULL, config BLOB NOT NULL);"
	"CREATE INDEX images_manifest ON images(manifest);"
	"CREATE TABLE names(name TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX names_image ON names(image);"
	"CREATE TABLE layers(chain TEXT PRIMARY KEY, diff TEXT NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL,"
	"  entries INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_layers(image TEXT NOT NULL, position INTEGER NOT NULL, chain TEXT NOT NULL,"
	"  PRIMARY KEY(image, position)) WITHOUT ROWID;"
	"CREATE INDEX image_layers_chain ON image_layers(chain);"
	"CREATE TABLE blobs(digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_blobs(image TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY(image, digest)) WITHOUT ROWID;"
	"CREATE INDEX image_blobs_digest ON image_blobs(digest);"
	"PRAGMA user_version = 1;"
	"INSERT INTO images VALUES('" ID "', '" MANIFEST "', 5, 7, 1, '" CONFIG "');"
	"INSERT INTO layers VALUES('" DIFF "', '" DIFF "', '" DIFF "', 7, 1);"
	"INSERT INTO image_layers VALUES('" ID "', 0, '" DIFF "');"
	"INSERT INTO blobs VALUES('" DIFF "', 9);"
	"INSERT INTO image_blobs VALUES('" ID "', '" DIFF "');"
	"INSERT INTO names VALUES('docker.io/library/debian:latest', '" ID "');";

static int64_t number(struct scratch *s, const char *query)
{
	struct error err = {0};
	int64_t n = -1;

	CHECK_INT(index_number(s->store, &err, &n, query, NULL), 0);
	CHECK_STR(err.msg, "");
	return n;
}

static int64_t count_names(struct store *s)
{
	struct error err = {0};
	int64_t n = -1;

	CHECK_INT(index_number(s, &err, &n, "SELECT count(*) FROM names", NULL), 0);
	return n;
}

static int add_name(struct store *s, const char *name, struct error *err)
{
	return index_run(s, err, "INSERT INTO names(name, image) VALUES(?1, '')", name, NULL);
}

/* Leaves the scope of a transaction after @names were added. */
static int add_names(struct store *s, const char *const *names, bool commit, struct error *err)
{
	autotransaction struct index_transaction t = {0};

	if (index_begin(s, &t, err) < 0)
		return -err->code;
	for (; *names; names++) {
		if (add_name(s, *names, err) < 0)
			return -err->code;
	}
	return commit ? index_commit(&t, err) : 0;
}

TEST(transactions_end_with_their_scope)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct error err = {0};

	REQUIRE(index_open(s.store, true, &err) == 0);
	CHECK_INT(add_names(s.store, (const char *const[]){"a", "b", NULL}, false, &err), 0);
	CHECK_INT(count_names(s.store), 0);
	CHECK_INT(add_names(s.store, (const char *const[]){"a", "b", NULL}, true, &err), 0);
	CHECK_INT(count_names(s.store), 2);
	/* The second statement fails: the first is undone, and the next transaction can begin. */
	CHECK(add_names(s.store, (const char *const[]){"c", "a", NULL}, true, &err) < 0);
	CHECK_INT(count_names(s.store), 2);
	CHECK_INT(add_names(s.store, (const char *const[]){"c", NULL}, true, &err), 0);
	CHECK_INT(count_names(s.store), 3);
}

TEST(form_1_is_brought_up_to_date_by_a_reader)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autoimage struct store_image image = {0};
	struct error err = {0};

	sql(&s, form_1);
	REQUIRE(store_image_find(s.store, "debian", &image, &err) == 0);
	CHECK_STR(image.id, ID);
	CHECK_STR(image.target, MANIFEST);
	CHECK_STR(image.target_type, "");
	CHECK_INT(image.layer_count, 1);
	CHECK_INT(number(&s, "PRAGMA user_version"), STORE_SCHEMA);
	CHECK_INT(number(&s, "SELECT published_ns FROM layers"), 0);
}

TEST(form_1_is_brought_up_to_date_by_a_writer)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct store_image_list list = {0};
	struct error err = {0};

	sql(&s, form_1);
	CHECK_INT(store_image_tag(s.store, "debian", "other:1", &err), 0);
	/* What a program of the old form would still write. */
	sql(&s, "INSERT INTO blobs(digest, size) VALUES('" INDEX "', 1);"
		"INSERT INTO names(name, image) VALUES('docker.io/library/old:1', '" ID "');");
	REQUIRE(store_image_list(s.store, &list, &err) == 0);
	CHECK_INT(list.count, 3);
	CHECK_STR(list.rows[2].target, MANIFEST); /* other:1 */
	CHECK_STR(list.rows[1].target, "");       /* old:1 */
	store_image_list_done(&list);
}

TEST(a_newer_form_is_refused)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct store_image image;
	struct error err = {0};

	sql(&s, form_1);
	sql(&s, "PRAGMA user_version = 99");
	CHECK(store_image_find(s.store, "debian", &image, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.msg, "newer bothy");
}

/* An image that was pulled under two tags of one repository and one of another, by an index. */
static const char pulled[] =
	"UPDATE names SET target = '" INDEX "', target_type = 'application/vnd.oci.image.index.v1+json';"
	"INSERT INTO names VALUES('docker.io/library/debian:12', '" ID "', '" INDEX "', '');"
	"INSERT INTO names VALUES('quay.io/d/d:1', '" ID "', '" MANIFEST "', '');"
	"INSERT INTO digests VALUES('docker.io/library/debian', '" INDEX "', '" ID "');"
	"INSERT INTO digests VALUES('quay.io/d/d', '" MANIFEST "', '" ID "');"
	"INSERT INTO indexes VALUES('" INDEX "', '', 1);"
	"INSERT INTO index_images VALUES('" INDEX "', '" MANIFEST "', '" ID "');"
	"INSERT INTO blobs VALUES('" INDEX "', 3, 1), ('" MANIFEST "', 3, 1);"
	"INSERT INTO image_blobs VALUES('" INDEX "', '" INDEX "'), ('" ID "', '" MANIFEST "');"
	"INSERT INTO blobs VALUES('sha256:4444', 3, 1);" /* nobody's: perhaps of a pull that is going on */
	"INSERT INTO layers VALUES('sha256:5555', 'sha256:5555', 'sha256:4444', 3, 1, 1);";

static struct scratch pulled_store(void)
{
	struct scratch s = scratch_new();
	struct error err = {0};

	sql(&s, form_1);
	CHECK_INT(index_open(s.store, true, &err), 0);
	sql(&s, pulled);
	return s;
}

TEST(names_and_digests_of_an_image)
{
	autoclean(scratch_done) struct scratch s = pulled_store();
	autoclean(store_image_names_done) struct store_image_names names = {0};
	autoclean(arena_done) struct arena a = {0};
	struct store_image_list list = {0};
	struct store_name name;
	struct error err = {0};

	REQUIRE(store_image_names(s.store, ID, &names, &err) == 0);
	REQUIRE(names.name_count == 3 && names.digests.count == 2);
	CHECK_STR(names.names[0].name, "docker.io/library/debian:12");
	CHECK_STR(names.names[0].target, INDEX);
	CHECK_STR(names.names[0].image, ID);
	CHECK_STR(names.digests.items[0], "docker.io/library/debian@" INDEX);
	CHECK_STR(names.digests.items[1], "quay.io/d/d@" MANIFEST);

	CHECK_INT(store_name_find(s.store, "docker.io/library/debian:13", &a, &name, &err), 0);
	CHECK_INT(store_name_find(s.store, "docker.io/library/debian:latest", &a, &name, &err), 1);
	CHECK_STR(name.target, INDEX);
	CHECK_STR(name.target_type, "application/vnd.oci.image.index.v1+json");

	REQUIRE(store_image_list(s.store, &list, &err) == 0);
	CHECK_INT(list.count, 3);
	CHECK_INT(list.rows[0].digests.count, 2);
	CHECK_STR(list.rows[2].digests.items[1], "quay.io/d/d@" MANIFEST);
	store_image_list_done(&list);
}

TEST(found_by_digest)
{
	autoclean(scratch_done) struct scratch s = pulled_store();
	static const struct {
		const char *text;
		bool found;
	} rows[] = {
		{"debian@" INDEX, true},
		{"quay.io/d/d@" MANIFEST, true},
		{"debian@" MANIFEST, true},      /* the manifest itself, whatever the repository */
		{"debian@" ID, true},
		{"other@" INDEX, false},
		{"debian@" DIFF, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoimage struct store_image image = {0};
		struct error err = {0};

		ROW(rows[i].text);
		CHECK_INT(store_image_find(s.store, rows[i].text, &image, &err) == 0, rows[i].found);
	}
}

static void check_remove(struct scratch *s, const char *name, size_t untagged, size_t deleted)
{
	struct store_remove_result result = {0};
	struct error err = {0};

	CHECK_INT(store_image_remove(s->store, name, false, &result, &err), 0);
	CHECK_STR(err.msg, "");
	CHECK_INT(result.untagged.count, untagged);
	CHECK_INT(result.deleted.count, deleted);
	store_remove_result_done(&result);
}

TEST(references_go_one_by_one_and_then_the_image)
{
	autoclean(scratch_done) struct scratch s = pulled_store();

	check_remove(&s, "quay.io/d/d:1", 2, 0); /* with the digest of that repository, which has no other name */
	check_remove(&s, "debian:latest", 1, 0);
	CHECK_INT(number(&s, "SELECT count(*) FROM digests"), 1);
	CHECK_INT(number(&s, "SELECT count(*) FROM indexes"), 1);
	check_remove(&s, "debian:12", 2, 2);
	CHECK_INT(number(&s, "SELECT count(*) FROM digests"), 0);
	CHECK_INT(number(&s, "SELECT count(*) FROM indexes"), 0);
	CHECK_INT(number(&s, "SELECT count(*) FROM index_images"), 0);
	CHECK_INT(number(&s, "SELECT count(*) FROM image_blobs"), 0);
	/* What nobody owns is not taken along: a pull may have brought it a moment ago. */
	CHECK_INT(number(&s, "SELECT count(*) FROM blobs"), 1);
	CHECK_INT(number(&s, "SELECT count(*) FROM layers"), 1);
}

TEST(a_digest_reference_goes_alone)
{
	autoclean(scratch_done) struct scratch s = pulled_store();

	check_remove(&s, "debian@" INDEX, 1, 0);
	CHECK_INT(number(&s, "SELECT count(*) FROM names"), 3);
	CHECK_INT(number(&s, "SELECT count(*) FROM digests"), 1);
}

TEST(untagging_leaves_the_image)
{
	autoclean(scratch_done) struct scratch s = pulled_store();
	static char one[] = "debian:12", other[] = "debian:13";
	char *names[] = {one, other};
	struct store_remove_result result = {0};
	struct error err = {0};

	CHECK(store_image_untag(s.store, "debian:12", names, 2, &result, &err) < 0);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_INT(number(&s, "SELECT count(*) FROM names"), 3); /* all or nothing */
	CHECK_INT(store_image_untag(s.store, "debian:12", names, 1, &result, &err), 0);
	CHECK_INT(result.untagged.count, 1);
	store_remove_result_done(&result);
	CHECK_INT(store_image_untag(s.store, "abcdef0", NULL, 0, &result, &err), 0);
	CHECK_INT(result.untagged.count, 4); /* two names, two digests */
	store_remove_result_done(&result);
	CHECK_INT(number(&s, "SELECT count(*) FROM images"), 1);
	CHECK_INT(number(&s, "SELECT count(*) FROM layers"), 2);
}

TEST(a_tag_means_what_its_source_means)
{
	autoclean(scratch_done) struct scratch s = pulled_store();
	autoimage struct store_image image = {0};
	struct error err = {0};

	CHECK_INT(store_image_tag(s.store, "debian:latest", "mine", &err), 0);
	REQUIRE(store_image_find(s.store, "mine", &image, &err) == 0);
	CHECK_STR(image.target, INDEX);
	CHECK_STR(image.target_type, "application/vnd.oci.image.index.v1+json");
	CHECK(store_image_tag(s.store, "debian:latest", "mine@" INDEX, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
}

/* A look-up past SQLite's locks: only while nobody writes, and nothing waits in the log. */
TEST(a_still_database_is_read_without_its_log)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autofree char *wal = mem_printf("%s/store/index.db-wal", s.path);
	struct error err = {0};
	int64_t count = -1;
	struct stat st;

	/* A root that a URI has to spell otherwise. */
	{
		autofree char *odd = mem_printf("%s/a b?c%%41#d", s.path);
		struct store_options o = {.root = odd};
		struct store *other = NULL;
		autofd int lock = FD_NONE;

		CHECK_INT(store_new(&o, &other, &err), 0);
		CHECK_INT(index_open_still(other, &lock), 0); /* there is none yet */
		CHECK_INT(index_open(other, true, &err), 0);
		index_close(other);
		CHECK_INT(safepath_host_stat(odd, &st), 0);
		CHECK_INT(index_open_still(other, &lock), 0); /* made, and all of it still in the log */
		store_free(other);
	}
	CHECK_INT(index_open(s.store, true, &err), 0);
	{
		autofd int lock = safepath_lock(s.store->root_fd, STORE_LOCK, true, true, &err);
		autotransaction struct index_transaction t = {0};

		CHECK(lock >= 0);
		CHECK_INT(index_begin(s.store, &t, &err), 0);
		CHECK_INT(index_run(s.store, &err, "INSERT INTO names(name, image) VALUES('n', 'i')", NULL), 0);
		CHECK_INT(index_commit(&t, &err), 0);
	}
	CHECK(safepath_host_stat(wal, &st) == 0 && st.st_size == 0); /* a commit empties the log */
	scratch_reopen(&s);
	{
		autofd int lock = FD_NONE;
		autofd int writer = FD_NONE;

		CHECK_INT(index_open_still(s.store, &lock), 1);
		CHECK_INT(index_number(s.store, &err, &count, "SELECT count(*) FROM names", NULL), 0);
		CHECK_INT(count, 1);
		writer = safepath_lock(s.store->root_fd, STORE_LOCK, true, false, &err);
		CHECK(writer < 0); /* who would write waits */
		CHECK(index_run(s.store, &err, "DELETE FROM names", NULL) < 0);
		index_close(s.store);
	}
	{
		autofd int writer = safepath_lock(s.store->root_fd, STORE_LOCK, true, true, &err);
		autofd int lock = FD_NONE;

		CHECK(writer >= 0);
		CHECK_INT(index_open_still(s.store, &lock), 0); /* somebody may be writing */
	}
	{
		autofd int lock = FD_NONE;
		sqlite3 *db;
		autofree char *path = mem_printf("%s/store/index.db", s.path);

		CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		CHECK_INT(sqlite3_exec(db, "INSERT INTO names(name, image) VALUES('m', 'i')", NULL, NULL, NULL),
			  SQLITE_OK);
		sqlite3_close(db);
		CHECK_INT(index_open_still(s.store, &lock), 0); /* the file alone is not all of it */
		CHECK_INT(index_open(s.store, false, &err), 0);
		CHECK_INT(index_number(s.store, &err, &count, "SELECT count(*) FROM names", NULL), 0);
		CHECK_INT(count, 2);
	}
}
