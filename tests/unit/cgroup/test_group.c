/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a group on trees of plain files that stand for mounted hierarchies: what is made, written and removed. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "test.h"

/* A directory of its own for each test. */
struct tree {
	char root[64];
	struct cgroup_host host;
};

static void put(const struct tree *t, const char *path, const char *text)
{
	autofree char *full = mem_printf("%s%s", t->root, path);
	autofile FILE *f = NULL;

	for (char *p = full + strlen(t->root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(full, 0755);
		*p = '/';
	}
	if (text && (f = fopen(full, "w")))
		(void)fputs(text, f);
}

static const char *get(const struct tree *t, const char *path)
{
	static char text[512];
	autofree char *full = mem_printf("%s%s", t->root, path);
	autofile FILE *f = fopen(full, "r");
	size_t n;

	if (!f)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	return text;
}

static bool exists(const struct tree *t, const char *path)
{
	autofree char *full = mem_printf("%s%s", t->root, path);
	struct stat st;

	return stat(full, &st) == 0;
}

static bool tree_init(struct tree *t, const char *mounts)
{
	struct error err = {};

	(void)str_copy(t->root, sizeof(t->root), "/tmp/bothy-test-cgroup-XXXXXX");
	return mkdtemp(t->root) && cgroup_host_parse(mounts, "4:memory:/own\n", t->root, &t->host, &err) == 0;
}

static void remove_all(const char *path)
{
	autodir DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		autofree char *full = mem_printf("%s/%s", path, e->d_name);

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR)
			remove_all(full);
		else
			(void)remove(full);
	}
	(void)rmdir(path);
}

static void tree_end(struct tree *t)
{
	remove_all(t->root);
	cgroup_host_done(&t->host);
}
#define autotree __attribute__((cleanup(tree_end)))

static const char *const v1_mounts = "1 0 0:1 / /memory rw - cgroup c rw,memory\n"
				     "2 0 0:2 / /cpu,cpuacct rw - cgroup c rw,cpu,cpuacct\n"
				     "3 0 0:3 / /devices rw - cgroup c rw,devices\n"
				     "4 0 0:4 / /hugetlb rw - cgroup c rw,hugetlb\n"
				     "5 0 0:5 / /systemd rw - cgroup c rw,name=systemd\n";

static void v1_tree(struct tree *t)
{
	put(t, "/memory/x", NULL);
	put(t, "/cpu,cpuacct/x", NULL);
	put(t, "/devices/x", NULL);
	put(t, "/hugetlb/x", NULL);
	put(t, "/systemd/x", NULL);
}

TEST(makes_the_group_in_the_hierarchies_that_count)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/engine/pod/c1", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	put(&t, "/memory/engine/x", NULL);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK(exists(&t, "/memory/engine/pod/c1"));
	CHECK(exists(&t, "/cpu,cpuacct/engine/pod/c1"));
	CHECK(exists(&t, "/systemd/engine/pod/c1"));
	CHECK(!exists(&t, "/hugetlb/engine")); /* nobody asked for it */
	CHECK_STR(cgroup_dir(cg, CGROUP_CPU), cgroup_dir(cg, CGROUP_CPUACCT));
	CHECK(!cgroup_dir(cg, CGROUP_HUGETLB));

	CHECK_INT(cgroup_delete(cg, CGROUP_DELETE_ALL, &err), 0);
	CHECK(exists(&t, "/memory/engine")); /* was there before */
	CHECK(!exists(&t, "/memory/engine/pod"));
	CHECK(!exists(&t, "/cpu,cpuacct/engine"));
	CHECK_INT(cgroup_delete(cg, CGROUP_DELETE_ALL, &err), 0); /* gone already: fine */
}

TEST(relative_path_is_below_the_callers_group)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	put(&t, "/memory/own/x", NULL);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	CHECK(exists(&t, "/memory/own/c1"));
	CHECK(exists(&t, "/devices/c1"));
}

TEST(failure_leaves_nothing_of_what_was_made)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a/b", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	put(&t, "/memory/a/x", NULL);
	put(&t, "/cpu,cpuacct/x", NULL);
	/* /devices is missing */
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK(!cg);
	CHECK_CONTAINS(err.msg, "/devices/a/b");
	CHECK(exists(&t, "/memory/a"));
	CHECK(!exists(&t, "/memory/a/b"));
	CHECK(!exists(&t, "/cpu,cpuacct/a"));
}

TEST(undo_keeps_a_group_that_was_there)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a/b", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	put(&t, "/memory/a/b/cgroup.procs", "");
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK_INT(cgroup_delete(cg, CGROUP_DELETE_UNDO, &err), 0);
	CHECK(exists(&t, "/memory/a/b"));
	CHECK(!exists(&t, "/cpu,cpuacct/a"));
}

TEST(a_group_with_processes_is_refused)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	struct cgroup_request req = {.path = "/a", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	put(&t, "/devices/a/cgroup.procs", "17\n23\n");
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK_INT(err.kind, ERROR_CONFLICT);
	CHECK_CONTAINS(err.msg, "container's cgroup is not empty: 2 process(es) found");
	CHECK(!exists(&t, "/memory/a"));
	req.may_hold_processes = true;
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
}

TEST(a_frozen_group_is_refused)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, "1 0 0:1 / /freezer rw - cgroup c rw,freezer\n"));
	put(&t, "/freezer/a/cgroup.procs", "");
	put(&t, "/freezer/a/freezer.state", "FROZEN\n");
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK_CONTAINS(err.msg, "container's cgroup unexpectedly frozen");
}

TEST(cpuset_is_inherited_level_by_level)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct spec_resources res = {.cpu = {.cpus = "1"}};
	const struct cgroup_request req = {.path = "/a", .id = "c1", .resources = &res};
	struct error err = {};

	/* Plain directories grow no files, so the group is prepared and only what is empty may be filled. */
	REQUIRE(tree_init(&t, "1 0 0:1 / /cpuset rw - cgroup c rw,cpuset\n"));
	put(&t, "/cpuset/cpuset.cpus", "0-3\n");
	put(&t, "/cpuset/cpuset.mems", "0\n");
	put(&t, "/cpuset/a/cgroup.procs", "");
	put(&t, "/cpuset/a/cpuset.cpus", "\n");
	put(&t, "/cpuset/a/cpuset.mems", "1\n");
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	CHECK_STR(get(&t, "/cpuset/a/cpuset.cpus"), "0-3");
	CHECK_STR(get(&t, "/cpuset/a/cpuset.mems"), "1\n");
}

TEST(a_limit_without_its_controller_is_refused_by_name)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct spec_resources res = {.pids_limit = {true, 5}};
	const struct cgroup_request req = {.path = "/a", .id = "c1", .resources = &res};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.msg, "pids.limit");
	CHECK_CONTAINS(err.msg, "pids controller");
	CHECK(!exists(&t, "/memory/a"));
}

TEST(without_cgroups_only_limits_are_refused)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct spec_resources res = {.memory.limit = {true, 5}};
	struct cgroup_request req = {.path = "/a", .id = "c1", .resources = &res};
	struct error err = {};

	REQUIRE(tree_init(&t, ""));
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK_CONTAINS(err.msg, "memory.limit");
	req.resources = NULL;
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK(cgroup_is_empty(cg));
	CHECK_INT(cgroup_verify(cg, getpid(), &err), 0);
	CHECK_INT(cgroup_kill(cg, 9, &err), 0);
	CHECK_INT(cgroup_delete(cg, CGROUP_DELETE_ALL, &err), 0);
	CHECK(cgroup_freeze(cg, &err) < 0);
}

/* ---- limits ---- */

TEST(limits_are_written)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct spec_device_rule rules[] = {{true, 'c', 1, 3, 7}};
	struct spec_device_rule rules_copy[1] = {rules[0]};
	const struct spec_resources res = {.memory.limit = {true, 4096},
					   .cpu.burst_us = {true, 5},
					   .devices = rules_copy,
					   .device_count = 1};
	const struct cgroup_request req = {.path = "/a", .id = "c1", .resources = &res};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	put(&t, "/memory/a/cgroup.procs", "");
	put(&t, "/memory/a/memory.limit_in_bytes", "");
	put(&t, "/devices/a/cgroup.procs", "");
	put(&t, "/devices/a/devices.deny", "");
	put(&t, "/devices/a/devices.allow", "");
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	/* cpu.cfs_burst_us is missing, as on kernels before 5.14: that is no error */
	CHECK_INT(cgroup_apply(cg, &res, CGROUP_APPLY_CREATE, &err), 0);
	CHECK_STR(get(&t, "/memory/a/memory.limit_in_bytes"), "4096");
	CHECK_STR(get(&t, "/devices/a/devices.deny"), "a");
	CHECK_STR(get(&t, "/devices/a/devices.allow"), "c 1:3 rwm");
}

TEST(a_failed_update_puts_the_old_values_back)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a", .id = "c1", .may_hold_processes = true};
	const struct spec_resources res = {.memory = {.limit = {true, 4096}, .swappiness = {true, 10}},
					   .cpu.shares = {true, 100}};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	put(&t, "/memory/a/cgroup.procs", "1\n");
	put(&t, "/memory/a/memory.limit_in_bytes", "9999\n");
	put(&t, "/memory/a/memory.swappiness", "60\n");
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	/* cpu.shares is missing and comes last */
	put(&t, "/cpu,cpuacct/a/cgroup.procs", "1\n");
	CHECK(cgroup_apply(cg, &res, CGROUP_APPLY_UPDATE, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.msg, "cpu.shares");
	CHECK_STR(get(&t, "/memory/a/memory.limit_in_bytes"), "9999\n");
	CHECK_STR(get(&t, "/memory/a/memory.swappiness"), "60\n");
	put(&t, "/cpu,cpuacct/a/cpu.shares", "1024\n");
	CHECK_INT(cgroup_apply(cg, &res, CGROUP_APPLY_UPDATE, &err), 0);
	CHECK_STR(get(&t, "/memory/a/memory.limit_in_bytes"), "4096\n");
}

TEST(update_of_what_was_not_joined)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	struct spec_hugepage huge[] = {{"2MB", 1}};
	const struct spec_resources res = {.hugepages = huge, .hugepage_count = 1};
	const struct cgroup_request req = {.path = "/a", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK(cgroup_apply(cg, &res, CGROUP_APPLY_UPDATE, &err) < 0);
	CHECK_CONTAINS(err.msg, "cannot set hugetlb limit: container could not join or create cgroup");
}

/* Without the devices hierarchy every device would be open to a container that is root. */
TEST(device_rules_need_the_devices_hierarchy)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct spec_resources res = {};
	struct cgroup_request req = {.path = "/a", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, "1 0 0:1 / /memory rw - cgroup c rw,memory\n"));
	put(&t, "/memory/x", NULL);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK(cgroup_apply(cg, &res, CGROUP_APPLY_CREATE, &err) < 0);
	CHECK_CONTAINS(err.msg, "devices");
	cgroup_free(take_ptr(&cg));
	req.may_lack_rights = true; /* a plain user cannot make device nodes either */
	req.may_hold_processes = true;
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK_INT(cgroup_apply(cg, &res, CGROUP_APPLY_CREATE, &err), 0);
}

/* ---- v2 ---- */

static const char *const v2_mounts = "1 0 0:1 / /cg rw - cgroup2 c rw\n";

TEST(v2_controllers_are_enabled_from_the_top)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct spec_resources res = {.pids_limit = {true, 5}};
	struct cgroup_request req = {.path = "/a/b", .id = "c1", .resources = &res};
	struct error err = {};

	(void)str_copy(t.root, sizeof(t.root), "/tmp/bothy-test-cgroup-XXXXXX");
	REQUIRE(mkdtemp(t.root));
	put(&t, "/cg/cgroup.controllers", "cpu memory pids misc unknown\n");
	put(&t, "/cg/cgroup.subtree_control", "cpu\n");
	CHECK_INT(cgroup_host_parse(v2_mounts, "0::/\n", t.root, &t.host, &err), 0);
	CHECK_INT(t.host.mode, CGROUP_MODE_V2);
	CHECK_INT(cgroup_host_controllers(&t.host), CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_MEMORY) |
							    CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_MISC));
	put(&t, "/cg/a/cgroup.subtree_control", "");
	put(&t, "/cg/a/b/cgroup.procs", "");

	/* The fake kernel hands nothing down: the error names field, controller and place. */
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.msg, "pids.limit");
	CHECK_STR(get(&t, "/cg/cgroup.subtree_control"), "+memory +pids +misc");
	CHECK_STR(get(&t, "/cg/a/cgroup.subtree_control"), "+cpu +memory +pids +misc");

	/* When all is there nothing is written. */
	put(&t, "/cg/a/b/cgroup.controllers", "cpu memory pids misc\n");
	put(&t, "/cg/cgroup.subtree_control", "untouched");
	put(&t, "/cg/a/b/pids.max", "");
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK_STR(get(&t, "/cg/cgroup.subtree_control"), "untouched");
}

TEST(v2_threaded_groups_are_refused)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a", .id = "c1"};
	struct error err = {};

	(void)str_copy(t.root, sizeof(t.root), "/tmp/bothy-test-cgroup-XXXXXX");
	REQUIRE(mkdtemp(t.root));
	put(&t, "/cg/cgroup.controllers", "cpu\n");
	put(&t, "/cg/a/cgroup.procs", "");
	put(&t, "/cg/a/cgroup.type", "domain invalid\n");
	CHECK_INT(cgroup_host_parse(v2_mounts, "0::/\n", t.root, &t.host, &err), 0);
	CHECK(cgroup_create(&t.host, &req, &cg, &err) < 0);
	CHECK_CONTAINS(err.msg, "domain invalid");
}

TEST(v2_check_before_update)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a", .id = "c1", .may_hold_processes = true};
	const struct spec_resources res = {.memory = {.limit = {true, 4096}, .check_before_update = {true, true}}};
	struct error err = {};

	(void)str_copy(t.root, sizeof(t.root), "/tmp/bothy-test-cgroup-XXXXXX");
	REQUIRE(mkdtemp(t.root));
	put(&t, "/cg/cgroup.controllers", "memory\n");
	put(&t, "/cg/a/cgroup.controllers", "memory\n");
	put(&t, "/cg/a/memory.current", "5000\n");
	put(&t, "/cg/a/memory.max", "9000\n");
	CHECK_INT(cgroup_host_parse(v2_mounts, "0::/\n", t.root, &t.host, &err), 0);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK(cgroup_apply(cg, &res, CGROUP_APPLY_UPDATE, &err) < 0);
	CHECK_CONTAINS(err.msg, "rejecting memory limit 4096 < usage 5000");
	put(&t, "/cg/a/memory.current", "4000\n");
	CHECK_INT(cgroup_apply(cg, &res, CGROUP_APPLY_UPDATE, &err), 0);
	CHECK_STR(get(&t, "/cg/a/memory.max"), "4096\n");
}

/* ---- record, exec, view ---- */

TEST(record_and_reopen)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL, *again = NULL;
	autojson struct json *j = NULL, *j2 = NULL;
	const struct cgroup_request req = {.path = "/a/b", .id = "c1"};
	autobuf struct buf one = BUF_INIT(1u << 16), two = BUF_INIT(1u << 16);
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	j = cgroup_to_json(cg);
	CHECK_INT(cgroup_from_json(j, &again, &err), 0);
	REQUIRE(again);
	j2 = cgroup_to_json(again);
	CHECK(json_write(j, false, &one) && json_write(j2, false, &two));
	CHECK_STR(buf_str(&one), buf_str(&two));
	CHECK_INT(cgroup_delete(again, CGROUP_DELETE_ALL, &err), 0);
	CHECK(!exists(&t, "/memory/a"));
	CHECK(exists(&t, "/memory"));
}

TEST(damaged_records_are_refused)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"mode\":\"v3\",\"directories\":[]}",
		"{\"mode\":\"v1\",\"directories\":{}}",
		"{\"mode\":\"v1\",\"directories\":[{}]}",
		"{\"mode\":\"v1\",\"directories\":[{\"path\":\"/etc/x\",\"mountPoint\":\"/cg\",\"shown\":\"/x\",\"controllers\":1,\"made\":1}]}",
		"{\"mode\":\"v1\",\"directories\":[{\"path\":\"/cg\",\"mountPoint\":\"/cg\",\"shown\":\"/x\",\"controllers\":1,\"made\":1}]}",
		"{\"mode\":\"v1\",\"directories\":[{\"path\":\"/cg/../etc\",\"mountPoint\":\"/cg\",\"shown\":\"/x\",\"controllers\":1,\"made\":1}]}",
		"{\"mode\":\"v1\",\"directories\":[{\"path\":\"/cg/x\",\"mountPoint\":\"/cg\",\"shown\":\"/x\",\"controllers\":-1,\"made\":1}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autocgroup struct cgroup *cg = NULL;
		autojson struct json *j = NULL;
		struct error err = {};

		ROW(texts[i]);
		REQUIRE(json_parse(texts[i], strlen(texts[i]), "t", &j, &err) == 0);
		CHECK(cgroup_from_json(j, &cg, &err) < 0);
		CHECK(!cg);
	}
}

TEST(sub_groups_for_exec)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/a", .id = "c1"};
	char *good[] = {(char[]){"memory,cpu:sub"}, NULL}, *outside[] = {(char[]){"../b"}, NULL},
	     *unknown[] = {(char[]){"nosuch:x"}, NULL}, *missing[] = {(char[]){"nosuch"}, NULL};
	autocgroupjoin struct cgroup_join j = CGROUP_JOIN_NONE;
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	put(&t, "/memory/a/sub/tasks", "");
	put(&t, "/cpu,cpuacct/a/sub/tasks", "");
	put(&t, "/devices/a/tasks", "");
	put(&t, "/systemd/a/tasks", "");
	CHECK_INT(cgroup_join_open_sub(cg, &(struct spec_strs){good, 1}, &j, &err), 0);
	CHECK_INT(j.count, 4);
	CHECK_INT(j.clone_fd, FD_NONE);
	CHECK_INT(cgroup_join_self(&j, false), 0);
	CHECK_STR(get(&t, "/memory/a/sub/tasks"), "0");
	CHECK_STR(get(&t, "/devices/a/tasks"), "0");
	CHECK(cgroup_join_open_sub(cg, &(struct spec_strs){outside, 1}, &j, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK(cgroup_join_open_sub(cg, &(struct spec_strs){unknown, 1}, &j, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK(cgroup_join_open_sub(cg, &(struct spec_strs){missing, 1}, &j, &err) < 0);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
}

/* V34: a process that is not in the group is noticed. */
TEST(verify_notices_a_process_elsewhere)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL;
	const struct cgroup_request req = {.path = "/surely/not/mine", .id = "c1"};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	REQUIRE(cg);
	CHECK(cgroup_verify(cg, getpid(), &err) < 0);
	CHECK_CONTAINS(err.msg, "limits would not hold");
}

static const char *mounts_text(const struct tree *t, const struct cgroup *cg, bool cgroupns)
{
	static char text[4096];
	autocgroupmounts struct cgroup_mounts m = {};
	struct error err = {};
	size_t len = 0, root = strlen(t->root);

	text[0] = '\0';
	if (cgroup_plan_mounts(&t->host, cg, cgroupns, &m, &err) < 0)
		return err.msg[0] ? "error" : "?";
	for (size_t i = 0; i < m.count; i++) {
		const char *source = m.items[i].source;

		if (strncmp(source, t->root, root) == 0)
			source += root;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%d %s %s %s\n", m.items[i].kind,
					m.items[i].name, source, m.items[i].data);
	}
	return text;
}

TEST(the_view_inside)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = NULL, *none = NULL;
	const struct cgroup_request req = {.path = "/a", .id = "c1"},
				    off = {.path = "/a", .id = "c1", .disabled = true};
	struct error err = {};

	REQUIRE(tree_init(&t, v1_mounts));
	v1_tree(&t);
	CHECK_INT(cgroup_create(&t.host, &req, &cg, &err), 0);
	CHECK_INT(cgroup_create(&t.host, &off, &none, &err), 0);
	REQUIRE(cg && none);
	CHECK_STR(mounts_text(&t, cg, true),
		  "0  tmpfs mode=755\n2 memory cgroup memory\n2 cpu,cpuacct cgroup cpu,cpuacct\n"
		  "2 devices cgroup devices\n2 systemd systemd none,name=systemd\n"
		  "3 cpu cpu,cpuacct \n3 cpuacct cpu,cpuacct \n");
	CHECK_STR(mounts_text(&t, cg, false), "0  tmpfs mode=755\n1 memory /memory/a \n1 cpu,cpuacct /cpu,cpuacct/a \n"
					      "1 devices /devices/a \n1 systemd /systemd/a \n"
					      "3 cpu cpu,cpuacct \n3 cpuacct cpu,cpuacct \n");
	CHECK_STR(mounts_text(&t, none, true), "0  tmpfs mode=755\n");
}
