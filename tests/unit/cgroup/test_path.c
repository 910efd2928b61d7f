/* SPDX-License-Identifier: Apache-2.0 */
/* Where a container's group lies. */
#include "base/cleanup.h"
#include "cgroup/group.h"
#include "test.h"

struct row {
	const char *root, *own, *path;
	bool v2;
	const char *want; /* NULL: refused */
};

static const struct row rows[] = {
	/* absolute: from the mounted root, wherever the caller is */
	{"/", "/", "/docker/abc", false, "/docker/abc"},
	{"/", "/a/b", "/docker/abc", false, "/docker/abc"},
	{"/", "/a/b", "/docker/abc", true, "/docker/abc"},
	{"/", "/", "/docker//abc/", false, "/docker/abc"},
	{"/", "/", "/./docker/./abc", false, "/docker/abc"},
	/* relative and default: below the caller's own group; with v2 beside it */
	{"/", "/", "x/y", false, "/x/y"},
	{"/", "/a/b", "x", false, "/a/b/x"},
	{"/", "/a/b", "x", true, "/a/x"},
	{"/", "/a", "x", true, "/x"},
	{"/", "/", "x", true, "/x"},
	{"/", "/a", NULL, false, "/a/id1"},
	{"/", "/a/b", NULL, true, "/a/id1"},
	{"/", "/a", "", false, "/a/id1"},
	/* inside a container without a cgroup namespace */
	{"/docker/me", "/docker/me", NULL, false, "/id1"},
	{"/docker/me", "/docker/me/in", NULL, false, "/in/id1"},
	{"/docker/me", "/docker/me", "/x", false, "/x"},
	{"/docker/me", "/docker/mellow", NULL, false, "/id1"},
	{"/docker/me", "/elsewhere", NULL, false, "/id1"},
	/* in a cgroup namespace whose mounts show more than it */
	{"/../..", "/", NULL, false, "/id1"},
	{"/", "/../x", NULL, false, "/id1"},
	/* refused */
	{"/", "/", "/a/../b", false, NULL},
	{"/", "/", "..", false, NULL},
	{"/", "/", "/", false, NULL},
	{"/", "/", "//.", false, NULL},
	{"/", "/", "/a\nb", false, NULL},
	{"/", "/", "/a\x7f", false, NULL},
	{"/", "/", "machine.slice:libpod:123", false, NULL},
	{"/", "/", ":bothy:123", true, NULL},
	/* not systemd's form */
	{"/", "/", "/a:b:c", false, "/a:b:c"},
	{"/", "/", "a:b", false, "/a:b"},
	{"/", "/", "/...", false, "/..."},
};

TEST(path_rules)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *t = &rows[i];
		char root[64], own[64], mount[] = "/m";
		struct cgroup_hierarchy h = {.v2 = t->v2, .mount_point = mount, .mount_root = root, .own = own};
		autofree char *got = NULL;
		struct error err = {};
		int r;

		(void)str_copy(root, sizeof(root), t->root);
		(void)str_copy(own, sizeof(own), t->own);
		ROW(t->path ? t->path : t->own);
		r = cgroup_path_resolve(&h, t->v2 ? CGROUP_MODE_V2 : CGROUP_MODE_V1, t->path, "id1", &got, &err);
		CHECK_STR(got, t->want);
		CHECK_INT(r < 0, t->want == NULL);
		if (!t->want)
			CHECK_CONTAINS(err.msg, "cgroupsPath");
	}
}

TEST(systemd_form_says_what_to_do)
{
	char root[] = "/", own[] = "/", mount[] = "/m";
	struct cgroup_hierarchy h = {.mount_point = mount, .mount_root = root, .own = own};
	autofree char *got = NULL;
	struct error err = {};

	CHECK(cgroup_path_resolve(&h, CGROUP_MODE_V1, "system.slice:docker:1", "x", &got, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.hint, "cgroupfs");
}

TEST(long_parts_are_refused)
{
	char root[] = "/", own[] = "/", mount[] = "/m", path[5000] = "/";
	struct cgroup_hierarchy h = {.mount_point = mount, .mount_root = root, .own = own};
	autofree char *got = NULL;
	struct error err = {};

	memset(path + 1, 'a', 256);
	CHECK(cgroup_path_resolve(&h, CGROUP_MODE_V1, path, "x", &got, &err) < 0);
	path[256] = '\0';
	CHECK_INT(cgroup_path_resolve(&h, CGROUP_MODE_V1, path, "x", &got, &err), 0);
	memset(path, '/', sizeof(path) - 1);
	CHECK(cgroup_path_resolve(&h, CGROUP_MODE_V1, path, "x", &(char *){NULL}, &err) < 0);
}
