/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's parsers: what each form becomes, and that nothing else is taken. */
#include <linux/mount.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "engine/internal.h"
#include "test.h"

#define autoarena autoclean(arena_done)

TEST(cpus)
{
	static const struct {
		const char *text;
		int64_t quota_us; /* -1: refused */
	} rows[] = {
		{"1", 100000},
		{"0.5", 50000},
		{"2.25", 225000},
		{".5", 50000},
		{"0.01", 1000},
		{"1.", 100000},
		{"0.123456789", 12345},
		{"0", -1},
		{"", -1},
		{".", -1},
		{"-1", -1},
		{"1e3", -1},
		{"1,5", -1},
		{" 1", -1},
		{"1 ", -1},
		{"0.001", -1},
		{"99999999", -1},
		{"0x1", -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = {};
		int64_t got = 0;

		ROW(rows[i].text);
		CHECK_INT(engine_cpus_to_quota(rows[i].text, &got, &err), rows[i].quota_us < 0 ? -EINVAL : 0);
		if (rows[i].quota_us >= 0)
			CHECK_INT(got, rows[i].quota_us);
		else
			CHECK_CONTAINS(err.msg, "--cpus");
	}
}

TEST(id_maps)
{
	static const char *const bad[] = {"",       "0",       "0:",     "0:1:",           "a:1:1",
					  "0:1:0",  "0:1:1:1", "-1:0:1", "0:4294967296:1", "0: 1:1",
					  "@0:1:1", NULL};
	struct spec_id_map m;
	struct error err = {};

	CHECK_INT(engine_ids_parse_map("5:2000:4", "--uidmap", &m, &err), 0);
	CHECK_INT(m.container_id, 5);
	CHECK_INT(m.host_id, 2000);
	CHECK_INT(m.size, 4);
	CHECK_INT(engine_ids_parse_map("0:1", "--uidmap", &m, &err), 0);
	CHECK_INT(m.size, 1);
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK_INT(engine_ids_parse_map(bad[i], "--gidmap", &m, &err), -EINVAL);
		CHECK_CONTAINS(err.msg, "--gidmap");
	}
}

TEST(volumes)
{
	static const char *const bad[] = {"",           "/a",         "/a:b", "/a:/",         ":/b", "a:/b",
					  "/a:/b:ro:x", "/a:/b:what", "/a:",  "/a:/b:size=1", NULL};
	autoarena struct arena a = {};
	struct spec_mount m;
	struct error err = {};
	bool create = true;

	REQUIRE(engine_volume_parse(&a, "/src:/dst", true, &m, &create, &err) == 0);
	CHECK_STR(m.source, "/src");
	CHECK_STR(m.destination, "/dst");
	CHECK(m.bind && m.recursive_bind && !create && !(m.attr_set & MOUNT_ATTR_RDONLY));
	CHECK_INT(m.idmap != SPEC_MOUNT_IDMAP_NONE, 1);
	REQUIRE(engine_volume_parse(&a, "/src:/dst:ro,noidmap,create,z", true, &m, &create, &err) == 0);
	CHECK(create && (m.attr_set & MOUNT_ATTR_RDONLY));
	CHECK_INT(m.idmap, SPEC_MOUNT_IDMAP_NONE);
	REQUIRE(engine_volume_parse(&a, "./here:/dst:bind,rslave", false, &m, &create, &err) == 0);
	CHECK(m.source[0] == '/' && str_ends(m.source, "/./here") && !m.recursive_bind);
	CHECK_INT(m.idmap, SPEC_MOUNT_IDMAP_NONE);
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK(engine_volume_parse(&a, bad[i], true, &m, &create, &err) < 0);
		CHECK_CONTAINS(err.msg, "--volume");
	}
}

TEST(mounts)
{
	static const char *const bad[] = {"",
					  "type=bind,dst=/x",
					  "type=bind,src=/a",
					  "type=bind,src=/a,dst=x",
					  "type=nfs,dst=/x",
					  "type=tmpfs,dst=/x,what=1",
					  "type=tmpfs,dst=/x,tmpfs-size=x",
					  "dst=/x",
					  NULL};
	autoarena struct arena a = {};
	struct spec_mount m;
	struct error err = {};

	REQUIRE(engine_mount_parse(&a, "type=bind,source=/a,target=/b,readonly,bind-propagation=rshared", true, &m,
				   &err) == 0);
	CHECK(m.bind && (m.attr_set & MOUNT_ATTR_RDONLY) && m.propagation_recursive);
	REQUIRE(engine_mount_parse(&a, "type=bind,src=/a,dst=/b,readonly=false,idmap=false", true, &m, &err) == 0);
	CHECK(!(m.attr_set & MOUNT_ATTR_RDONLY) && m.idmap == SPEC_MOUNT_IDMAP_NONE);
	REQUIRE(engine_mount_parse(&a, "type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=700", true, &m, &err) == 0);
	CHECK_CONTAINS(m.data, "size=1048576");
	CHECK_CONTAINS(m.data, "mode=700");
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK(engine_mount_parse(&a, bad[i], true, &m, &err) < 0);
		CHECK_CONTAINS(err.msg, "--mount");
	}
}

TEST(tmpfs)
{
	static const char *const bad[] = {"",          "t",         "/",         "/t:what",
					  "/t:size=x", "/t:mode=8", "/t:uid=-1", "/t:lowerdir=/etc",
					  "/t:bind,",  NULL};
	autoarena struct arena a = {};
	struct spec_mount m;
	struct error err = {};

	REQUIRE(engine_tmpfs_parse(&a, "/t", &m, &err) == 0);
	CHECK_CONTAINS(m.data, "mode=1777");
	CHECK(m.attr_set & MOUNT_ATTR_NOEXEC);
	REQUIRE(engine_tmpfs_parse(&a, "/t:exec,size=50%,mode=700", &m, &err) == 0);
	CHECK(!(m.attr_set & MOUNT_ATTR_NOEXEC) && (m.attr_set & MOUNT_ATTR_NOSUID));
	CHECK(!strstr(m.data, "1777"));
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK(engine_tmpfs_parse(&a, bad[i], &m, &err) < 0);
		CHECK_CONTAINS(err.msg, "--tmpfs");
	}
}

TEST(devices)
{
	static const char *const bad[] = {
		"", "null", "/dev/a:/dev/b:x", "/dev/a:rw:/dev/b", "/dev/a:/dev/b:/dev/c", "/a:/b:rw:m", "/a:", NULL};
	static const char *const bad_rules[] = {"",         "c",        "c 1:2",    "c 1 rw",    "x 1:2 r", "c 1:2 q",
						"c -1:2 r", "c 1:2 r ", "c  1:2 r", "c 1:2:3 r", NULL};
	autoarena struct arena a = {};
	struct engine_device d;
	struct spec_device_rule rule;
	struct error err = {};

	REQUIRE(engine_device_parse(&a, "/dev/a:/dev/b:r", &d, &err) == 0);
	CHECK_STR(d.host, "/dev/a");
	CHECK_STR(d.inside, "/dev/b");
	CHECK_INT(d.access, SPEC_ACCESS_READ);
	REQUIRE(engine_device_parse(&a, "/dev/a:rw", &d, &err) == 0);
	CHECK_STR(d.inside, "/dev/a");
	CHECK_INT(d.access, SPEC_ACCESS_READ | SPEC_ACCESS_WRITE);
	REQUIRE(engine_device_rule_parse("b 8:* rwm", &rule, &err) == 0);
	CHECK_INT(rule.type, 'b');
	CHECK_INT(rule.major, 8);
	CHECK_INT(rule.minor, -1);
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK(engine_device_parse(&a, bad[i], &d, &err) < 0);
	}
	for (size_t i = 0; bad_rules[i]; i++) {
		ROW(bad_rules[i]);
		CHECK(engine_device_rule_parse(bad_rules[i], &rule, &err) < 0);
	}
}

TEST(ulimits)
{
	static const char *const bad[] = {"",          "nofile", "nofile=", "nofile=2:1", "what=1", "nofile=1:2:3",
					  "nofile=-2", "=1",     NULL};
	struct spec_rlimit l;
	struct error err = {};

	REQUIRE(engine_ulimit_parse("nofile=10:20", &l, &err) == 0);
	CHECK_INT(l.resource, RLIMIT_NOFILE);
	CHECK_INT(l.soft, 10);
	CHECK_INT(l.hard, 20);
	REQUIRE(engine_ulimit_parse("core=-1", &l, &err) == 0);
	CHECK(l.soft == UINT64_MAX && l.hard == UINT64_MAX);
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK(engine_ulimit_parse(bad[i], &l, &err) < 0);
		CHECK_CONTAINS(err.msg, "--ulimit");
	}
}

TEST(time_offsets)
{
	static const struct {
		const char *text;
		bool boottime;
		int64_t secs;
		uint32_t nanosecs;
	} rows[] = {
		{"boottime=+3d", true, 259200, 0},      {"boottime=-1d", true, -86400, 0},
		{"monotonic=1h30m", false, 5400, 0},    {"monotonic=-1.5s", false, -2, 500000000},
		{"boottime=250ms", true, 0, 250000000}, {"monotonic=-1s", false, -1, 0},
	};
	static const char *const bad[] = {
		"", "boottime", "boottime=", "wall=1s", "boottime=1x", "boottime=36501d", "boottimes=1s", "=1s", NULL};
	struct spec_time_offset t;
	struct error err = {};
	bool boottime;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].text);
		REQUIRE(engine_time_offset_parse(rows[i].text, &boottime, &t, &err) == 0);
		CHECK(t.set && boottime == rows[i].boottime);
		CHECK_INT(t.secs, rows[i].secs);
		CHECK_INT(t.nanosecs, rows[i].nanosecs);
	}
	for (size_t i = 0; bad[i]; i++) {
		ROW(bad[i]);
		CHECK(engine_time_offset_parse(bad[i], &boottime, &t, &err) < 0);
	}
}
