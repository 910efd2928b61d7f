/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>

#include "fixture.h"

#define DIFF "sha256:1111111111111111111111111111111111111111111111111111111111111111"
static const char config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/sh\"]},"
			     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIFF "\"]}}";

/* A record without its files: finding does not look at them. */
static void put_image(struct store *s, const char *id, const char *name)
{
	struct error err = {0};

	CHECK_INT(index_open(s, true, &err), 0);
	CHECK_INT(
		index_run(
			s, &err,
			"INSERT INTO images(id, manifest, config, created_ns, size, loaded_ns) VALUES(?1, ?1, ?2, 5, 7, 1)",
			id, config, NULL),
		0);
	CHECK_INT(index_run(s, &err,
			    "INSERT OR IGNORE INTO layers(chain, diff, blob, size, entries) VALUES(?1, ?1, ?1, 7, 1)",
			    DIFF, NULL),
		  0);
	CHECK_INT(index_run(s, &err, "INSERT INTO image_layers(image, chain, position) VALUES(?1, ?2, 0)", id, DIFF,
			    NULL),
		  0);
	if (name)
		CHECK_INT(index_run(s, &err, "INSERT OR REPLACE INTO names(name, image) VALUES(?1, ?2)", name, id,
				    NULL),
			  0);
	CHECK_STR(err.msg, "");
	index_close(s);
}

static const char id_a[] = "sha256:abcdef0000000000000000000000000000000000000000000000000000000001";
static const char id_b[] = "sha256:abcdef1000000000000000000000000000000000000000000000000000000002";

TEST(v23_private_folders)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	static const char *const names[] = {"layers", "blobs", "containers", "staging"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ROW(names[i]);
		CHECK_INT(fstatat(store_root_fd(s.store), names[i], &st, 0), 0);
		CHECK_INT(st.st_mode & 0777, 0700);
	}
	CHECK_INT(fstat(store_root_fd(s.store), &st), 0);
	CHECK_INT(st.st_mode & 0066, 0);
}

TEST(empty_store)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct store_image_list list = {0};
	struct store_image image;
	struct error err = {0};

	CHECK_INT(store_image_list(s.store, &list, &err), 0);
	CHECK_INT(list.count, 0);
	CHECK_INT(store_image_find(s.store, "debian", &image, &err), -ENOENT);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_CONTAINS(err.hint, "bothy load");
	CHECK(store_image_find(s.store, "not a name", &image, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
}

TEST(names_and_ids)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	static const struct {
		const char *text;
		const char *id; /* NULL: not found or ambiguous */
		enum error_kind kind;
	} rows[] = {
		{"debian", id_a, 0},
		{"debian:latest", id_a, 0},
		{"docker.io/library/debian", id_a, 0},
		{"debian:12", NULL, ERROR_NOT_FOUND},
		{"abcdef0", id_a, 0},
		{"abcdef1", id_b, 0},
		{"sha256:abcdef1", id_b, 0},
		{id_b, id_b, 0},
		{"abcdef", NULL, ERROR_CONFLICT},
		{"abc", id_b, 0},                      /* a name wins over an id */
		{"ffff", NULL, ERROR_NOT_FOUND},
		{"../../etc", NULL, ERROR_INVALID},
		{"", NULL, ERROR_INVALID},
	};

	put_image(s.store, id_a, "docker.io/library/debian:latest");
	put_image(s.store, id_b, "docker.io/library/abc:latest");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoimage struct store_image image = {0};
		struct error err = {0};
		int r = store_image_find(s.store, rows[i].text, &image, &err);

		ROW(rows[i].text);
		CHECK_INT(r == 0, rows[i].id != NULL);
		if (rows[i].id)
			CHECK_STR(image.id, rows[i].id);
		else
			CHECK_INT(err.kind, rows[i].kind);
	}
	autoimage struct store_image image = {0};
	struct error err = {0};

	REQUIRE(store_image_find(s.store, "debian", &image, &err) == 0);
	CHECK_INT(image.layer_count, 1);
	CHECK_STR(image.layers[0].path, "layers/1111111111111111111111111111111111111111111111111111111111111111/diff");
	CHECK_STR(image.config.cmd.items[0], "/bin/sh");
	CHECK_STR(image.name, "docker.io/library/debian:latest");
}

TEST(ambiguity_lists_the_candidates)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct store_image image;
	struct error err = {0};

	put_image(s.store, id_a, NULL);
	put_image(s.store, id_b, NULL);
	CHECK(store_image_find(s.store, "abcdef", &image, &err) < 0);
	CHECK_CONTAINS(err.msg, "abcdef000000, abcdef100000");
}

TEST(containers_hold_their_image)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct store_container c = {FD_NONE, FD_NONE, FD_NONE};
	autoimage struct store_image image = {0};
	struct store_remove_result result = {0};
	autofree char *on = NULL;
	struct error err = {0};

	put_image(s.store, id_a, "docker.io/library/debian:latest");
	REQUIRE(store_container_create(s.store, "c1", "debian", STORE_CONTAINER_WRITABLE, &image, &c, &err) == 0);
	CHECK_STR(image.id, id_a);
	CHECK(c.upper_fd >= 0 && c.work_fd >= 0);
	store_container_done(&c);
	CHECK_INT(store_container_image(s.store, "c1", &on, &err), 0);
	CHECK_STR(on, id_a);
	CHECK_INT(store_container_create(s.store, "c1", NULL, 0, NULL, &c, &err), -EEXIST);
	CHECK_INT(store_image_remove(s.store, "debian", true, &result, &err), -EBUSY);
	CHECK_CONTAINS(err.msg, "used by container c1");
	CHECK_INT(store_container_delete(s.store, "c1", &err), 0);
	CHECK_INT(store_container_delete(s.store, "c1", &err), 0); /* gone already */
	CHECK_INT(store_image_remove(s.store, "debian", false, &result, &err), 0);
	CHECK_INT(result.untagged.count, 1);
	CHECK_INT(result.deleted.count, 2);
	store_remove_result_done(&result);
}

/* The link to the image is short enough for an inode; that of an older program is a digest as it is. */
TEST(the_link_to_the_image_has_two_forms)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	static const char *const ids[] = {
		"sha256:0000000000000000000000000000000000000000000000000000000000000000",
		"sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"sha256:0123456789abcdef00112233445566778899aabbccddeeff0f1e2d3c4b5a6978",
	};
	static const char *const bad[] = {
		"sha256-",
		"sha256-AAAA",
		"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!",
		"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"sha256:AB",
		"elsewhere",
	};
	struct store_container c = {FD_NONE, FD_NONE, FD_NONE};
	struct error err = {0};
	char link[128];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		autoimage struct store_image image = {0};
		autofree char *on = NULL;
		autofree char *old = NULL;

		ROW(ids[i]);
		put_image(s.store, ids[i], "docker.io/library/there:latest");
		REQUIRE(store_container_create(s.store, "c1", "there", 0, &image, &c, &err) == 0);
		REQUIRE(safepath_readlink(c.dir_fd, "image", link, sizeof(link), &err) == 0);
		CHECK(strlen(link) < 60);
		CHECK_INT(store_container_image(s.store, "c1", &on, &err), 0);
		CHECK_STR(on, ids[i]);
		CHECK_INT(safepath_unlink(c.dir_fd, "image", false, &err), 0);
		CHECK_INT(safepath_symlink(c.dir_fd, "image", ids[i], SAFEPATH_KEEP, &err), 0);
		CHECK_INT(store_container_image(s.store, "c1", &old, &err), 0);
		CHECK_STR(old, ids[i]);
		store_container_done(&c);
		CHECK_INT(store_container_delete(s.store, "c1", &err), 0);
	}
	REQUIRE(store_container_create(s.store, "c2", NULL, 0, NULL, &c, &err) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autofree char *on = NULL;

		ROW(bad[i]);
		CHECK_INT(safepath_unlink(c.dir_fd, "image", true, &err), 0);
		CHECK_INT(safepath_symlink(c.dir_fd, "image", bad[i], SAFEPATH_KEEP, &err), 0);
		CHECK(store_container_image(s.store, "c2", &on, &err) < 0);
	}
	store_container_done(&c);
}

TEST(container_ids_are_one_component)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n"};
	struct store_container c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		ROW(bad[i]);
		CHECK(store_container_create(s.store, bad[i], NULL, 0, NULL, &c, &err) < 0);
		CHECK_INT(err.kind, ERROR_INVALID);
	}
}

TEST(removing_by_name_and_by_id)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct store_remove_result result = {0};
	struct error err = {0};

	put_image(s.store, id_a, "docker.io/library/one:latest");
	CHECK_INT(store_image_tag(s.store, "one", "two:2", &err), 0);
	CHECK(store_image_remove(s.store, "abcdef0", false, &result, &err) < 0);
	CHECK_INT(err.kind, ERROR_CONFLICT);
	CHECK_INT(store_image_remove(s.store, "two:2", false, &result, &err), 0);
	CHECK_INT(result.untagged.count, 1);
	CHECK_INT(result.deleted.count, 0);
	store_remove_result_done(&result);
	CHECK_INT(store_image_remove(s.store, "one", false, &result, &err), 0);
	CHECK_INT(result.deleted.count, 2);
	store_remove_result_done(&result);
}

TEST(stale_staging_goes_living_stays)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	struct staging living = STAGING_NONE, dead = STAGING_NONE;
	struct error err = {0};
	struct stat st;

	REQUIRE(staging_new(s.store, &living, &err) == 0 && staging_new(s.store, &dead, &err) == 0);
	autofree char *a = mem_printf("staging/%s", living.name), *b = mem_printf("staging/%s", dead.name);

	fd_close(&dead.fd); /* as a crash does */
	staging_clean(s.store);
	CHECK_INT(fstatat(store_root_fd(s.store), a, &st, 0), 0);
	CHECK(fstatat(store_root_fd(s.store), b, &st, 0) < 0);
	staging_done(&living);
	CHECK(fstatat(store_root_fd(s.store), a, &st, 0) < 0);
}

TEST(chain_ids)
{
	/* By hand: echo -n "sha256:11…11 sha256:11…11" | sha256sum */
	char chain[DIGEST_TEXT_MAX], text[DIGEST_TEXT_MAX];

	store_chain_id(NULL, DIFF, chain);
	CHECK_STR(chain, DIFF);
	store_chain_id(DIFF, DIFF, chain);
	digest_of(DIFF " " DIFF, 2 * strlen(DIFF) + 1, text);
	CHECK_STR(chain, text);
	digest_of("", 0, text);
	CHECK_STR(text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(damaged_blobs_are_told)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autofree char *text = NULL;
	char digest[DIGEST_TEXT_MAX];
	struct error err = {0};
	autofd int dir = store_folder(s.store, "blobs/sha256", &err);

	digest_of("right", 5, digest);
	CHECK_INT(safepath_write_file(dir, digest + 7, "right", 5, 0600, false, &err), 0);
	CHECK_INT(store_blob_read(s.store, digest, &text, NULL, &err), 0);
	CHECK_STR(text, "right");
	CHECK_INT(safepath_write_file(dir, digest + 7, "wrong", 5, 0600, false, &err), 0);
	autofree char *bad = NULL;
	CHECK(store_blob_read(s.store, digest, &bad, NULL, &err) < 0);
	CHECK_CONTAINS(err.msg, "damaged");
	CHECK(store_blob_read(s.store, "sha256:../../../etc/passwd", &bad, NULL, &err) < 0);
}
