/* SPDX-License-Identifier: Apache-2.0 */
/* Which hierarchies a host has, from texts of hosts of every kind. */
#include "cgroup/cgroup.h"
#include "test.h"

static const char *const hybrid_mounts =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:10 master:2 - cgroup cgroup rw,memory\n"
	"40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/x,name=systemd\n"
	"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
static const char *const hybrid_own = "9:name=systemd:/user\n4:memory:/engine/x\n1:cpu,cpuacct:/\n0::/u\n";

static const struct cgroup_hierarchy *find(const struct cgroup_host *h, const char *mount_point)
{
	for (size_t i = 0; i < h->count; i++)
		if (str_eq(h->items[i].mount_point, mount_point))
			return &h->items[i];
	return NULL;
}

TEST(hybrid_host)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};
	const struct cgroup_hierarchy *i;

	CHECK_INT(cgroup_host_parse(hybrid_mounts, hybrid_own, "", &h, &err), 0);
	CHECK_INT(h.mode, CGROUP_MODE_HYBRID);
	CHECK_INT(h.count, 4);
	i = find(&h, "/sys/fs/cgroup/cpu,cpuacct");
	REQUIRE(i);
	CHECK_INT(i->controllers, CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUACCT));
	CHECK_STR(i->own, "/");
	i = find(&h, "/sys/fs/cgroup/memory");
	REQUIRE(i);
	CHECK_STR(i->own, "/engine/x");
	CHECK(!i->name);
	i = find(&h, "/sys/fs/cgroup/systemd");
	REQUIRE(i);
	CHECK_STR(i->name, "systemd");
	CHECK_STR(i->own, "/user");
	CHECK_INT(i->controllers, 0);
	i = find(&h, "/sys/fs/cgroup/unified");
	REQUIRE(i);
	CHECK(i->v2);
	CHECK_STR(i->own, "/u");
}

TEST(v1_host)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};

	CHECK_INT(cgroup_host_parse("35 31 0:32 / /cg\\040x/memory rw - cgroup cgroup rw,memory\n", "4:memory:/a\n", "",
				    &h, &err),
		  0);
	CHECK_INT(h.mode, CGROUP_MODE_V1);
	REQUIRE(h.count == 1);
	CHECK_STR(h.items[0].mount_point, "/cg x/memory");
	CHECK_STR(h.items[0].own, "/a");
}

/* A cgroup2 mounted over /sys/fs/cgroup hides the v1 hierarchies, which stay in the list. */
TEST(covered_mounts_do_not_count)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};
	char text[4096];

	(void)snprintf(text, sizeof(text), "%s60 31 0:38 / /sys/fs/cgroup rw - cgroup2 none rw\n", hybrid_mounts);
	CHECK_INT(cgroup_host_parse(text, hybrid_own, "", &h, &err), 0);
	CHECK_INT(h.mode, CGROUP_MODE_V2);
	REQUIRE(h.count == 1);
	CHECK_STR(h.items[0].mount_point, "/sys/fs/cgroup");
	CHECK_STR(h.items[0].own, "/u");
}

TEST(usual_place_is_preferred)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};

	CHECK_INT(cgroup_host_parse("1 0 0:1 / /other rw - cgroup2 x rw\n2 0 0:1 / /sys/fs/cgroup rw - cgroup2 x rw\n"
				    "3 0 0:1 / /third rw - cgroup2 x rw\n",
				    "0::/\n", "", &h, &err),
		  0);
	REQUIRE(h.count == 1);
	CHECK_STR(h.items[0].mount_point, "/sys/fs/cgroup");
}

TEST(no_cgroups_is_no_error)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};

	CHECK_INT(cgroup_host_parse("1 0 0:1 / / rw - ext4 /dev/sda rw\n", "", "", &h, &err), 0);
	CHECK_INT(h.mode, CGROUP_MODE_NONE);
	CHECK_INT(h.count, 0);
}

TEST(broken_lines_are_left_out)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"1",
		"1 0 0:1 / /x",
		"1 0 0:1 / /x rw -",
		"1 0 0:1 / /x rw - cgroup",
		"1 0 0:1 / /x rw - cgroup c",
		"1 0 0:1 / /x rw - cgroup c rw\n" /* neither controller nor name */,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autocgrouphost struct cgroup_host h = {};
		struct error err = {};

		ROW(texts[i]);
		CHECK_INT(cgroup_host_parse(texts[i], "x\n:\n1:\n::\n", "", &h, &err), 0);
		CHECK_INT(h.count, 0);
	}
}

TEST(more_hierarchies_than_there_is_room_for)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};
	char text[8192];
	size_t len = 0;

	for (int i = 0; i < 2 * CGROUP_HIERARCHY_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d 0 0:1 / /x%d rw - cgroup c rw,name=n%d\n",
					i + 1, i, i);
	CHECK_INT(cgroup_host_parse(text, "", "", &h, &err), 0);
	CHECK_INT(h.count, CGROUP_HIERARCHY_MAX);
}

TEST(this_host_can_be_probed)
{
	autocgrouphost struct cgroup_host h = {};
	struct error err = {};

	CHECK_INT(cgroup_host_probe(&h, &err), 0);
	for (size_t i = 0; i < h.count; i++)
		CHECK(h.items[i].mount_point[0] == '/' && h.items[i].own && h.items[i].mount_root);
}
