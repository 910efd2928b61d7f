/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module on the kernel's own hierarchies, as they are here, and in a world with cgroup2 alone (one of our own mounted
 * over /sys/fs/cgroup in a private mount namespace). Needs root; skipped otherwise. Every group has a name with our pid in
 * it, every child dies with us, and what was made is removed by its exact name.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "cgroup/group.h"
#include "test.h"

#define RWM (SPEC_ACCESS_READ | SPEC_ACCESS_WRITE | SPEC_ACCESS_MKNOD)

/* A group of our own and one process in it. */
struct live {
	struct cgroup_host host;
	struct cgroup *cg;
	pid_t pid;
};

static void live_end(struct live *l)
{
	struct error err = {};

	if (l->cg)
		(void)cgroup_kill(l->cg, SIGKILL, &err);
	if (l->pid > 0) {
		(void)kill(l->pid, SIGKILL);
		(void)waitpid(l->pid, NULL, 0);
	}
	if (l->cg && cgroup_delete(l->cg, CGROUP_DELETE_ALL, &err) < 0)
		printf("\tleft behind: %s\n", err.msg);
	cgroup_free(l->cg);
	cgroup_host_done(&l->host);
}
#define autolive __attribute__((cleanup(live_end)))

/* As if cgroup2 were not mounted: the host counts as one with v1 alone. */
static bool without_v2;

static void forget_v2(struct cgroup_host *host)
{
	for (size_t i = 0; i < host->count; i++) {
		struct cgroup_hierarchy v2 = host->items[i];

		if (!v2.v2)
			continue;
		host->items[i] = host->items[host->count - 1];
		host->items[host->count - 1] = v2;
		free(v2.name);
		free(v2.mount_point);
		free(v2.mount_root);
		free(v2.own);
		host->items[--host->count] = (struct cgroup_hierarchy){};
		host->mode = CGROUP_MODE_V1;
		return;
	}
}

static bool live_make(struct live *l, const char *tag, const struct spec_resources *res, struct error *err)
{
	autofree char *path = mem_printf("/bothy-test-%s-%d/c", tag, (int)getpid());
	const struct cgroup_request req = {.path = path, .id = "c", .resources = res};

	if (cgroup_host_probe(&l->host, err) < 0)
		return false;
	if (without_v2)
		forget_v2(&l->host);
	return l->host.count > 0 && cgroup_create(&l->host, &req, &l->cg, err) == 0 &&
	       cgroup_apply(l->cg, res, CGROUP_APPLY_CREATE, err) == 0;
}

/* Clone a child into the group; it runs @fn and exits with its result. */
static bool live_start(struct live *l, int (*fn)(void), struct error *err)
{
	autocgroupjoin struct cgroup_join j = CGROUP_JOIN_NONE;
	struct clone_args how = {.exit_signal = SIGCHLD};
	int ready[2];
	char c = 0;

	if (cgroup_join_open(l->cg, &j, err) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return false;
	if (j.clone_fd >= 0) {
		how.flags = CLONE_INTO_CGROUP;
		how.cgroup = (uint64_t)j.clone_fd;
	}
	l->pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
	if (l->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = cgroup_join_self(&j, true) == 0 ? 'y' : 'n';
		(void)!write(ready[1], &c, 1);
		_exit(fn());
	}
	close(ready[1]);
	(void)!read(ready[0], &c, 1);
	close(ready[0]);
	return l->pid > 0 && c == 'y';
}

static int just_wait(void)
{
	while (pause() < 0)
		;
	return 0;
}

static int fork_and_wait(void)
{
	if (fork() == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return just_wait();
}

static bool usable(void)
{
	struct live l = {};
	struct error err = {};
	const struct spec_device_rule all = {true, 'a', -1, -1, RWM};
	struct spec_device_rule rules[] = {all};
	const struct spec_resources res = {.devices = rules, .device_count = 1};
	bool ok = geteuid() == 0 && live_make(&l, "probe", &res, &err);

	live_end(&l);
	return ok;
}

static const struct spec_device_rule null_only = {true, 'c', 1, 3, RWM};

TEST(a_process_is_born_into_every_hierarchy)
{
	autolive struct live l = {};
	autocgrouppids struct cgroup_pids pids = {};
	autocgroupjoin struct cgroup_join like = CGROUP_JOIN_NONE;
	struct spec_device_rule rules[] = {null_only};
	const struct spec_resources res = {.devices = rules, .device_count = 1};
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(live_make(&l, "born", &res, &err));
	CHECK(cgroup_verify(l.cg, getpid(), &err) < 0);
	REQUIRE(live_start(&l, fork_and_wait, &err));
	CHECK_INT(cgroup_verify(l.cg, l.pid, &err), 0);
	CHECK_INT(cgroup_pids(l.cg, true, &pids, &err), 0);
	CHECK(pids.count >= 1);
	CHECK_INT(cgroup_join_open_like(l.cg, l.pid, &like, &err), 0);
	CHECK_INT(like.count + (like.clone_fd >= 0), l.cg->count);
	cgroup_join_done(&like);
	CHECK(cgroup_join_open_like(l.cg, getpid(), &like, &err) < 0); /* we are elsewhere */
}

TEST(freeze_thaw_kill_delete)
{
	autolive struct live l = {};
	struct spec_device_rule rules[] = {null_only};
	const struct spec_resources res = {.devices = rules, .device_count = 1};
	autofree char *dir = NULL, *parent = NULL;
	struct stat st;
	struct error err = {};
	siginfo_t info = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(live_make(&l, "life", &res, &err));
	REQUIRE(live_start(&l, fork_and_wait, &err));
	CHECK_INT(cgroup_is_frozen(l.cg, &err), 0);
	CHECK_INT(cgroup_freeze(l.cg, &err), 0);
	CHECK_INT(cgroup_is_frozen(l.cg, &err), 1);
	CHECK_INT(cgroup_thaw(l.cg, &err), 0);
	CHECK_INT(cgroup_is_frozen(l.cg, &err), 0);
	CHECK_INT(cgroup_kill(l.cg, SIGCONT, &err), 0);
	CHECK_INT(waitid(P_PID, (id_t)l.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	CHECK_INT(info.si_pid, 0); /* still alive */
	CHECK(cgroup_wait_empty(l.cg, 0, &err) < 0);
	CHECK_INT(err.kind, ERROR_BUSY);
	CHECK_INT(cgroup_kill(l.cg, SIGKILL, &err), 0);
	CHECK_INT(cgroup_wait_empty(l.cg, 10000, &err), 0);
	dir = mem_strdup(l.cg->dirs[0].path);
	parent = mem_strndup(dir, (size_t)(strrchr(dir, '/') - dir));
	CHECK_INT(cgroup_delete(l.cg, CGROUP_DELETE_ALL, &err), 0);
	CHECK(stat(dir, &st) < 0);
	CHECK(stat(parent, &st) < 0); /* the parent was made for it */
}

TEST(groups_below_go_too)
{
	autolive struct live l = {};
	const struct spec_resources res = {};
	autofree char *below = NULL, *deeper = NULL;
	struct stat st;
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(live_make(&l, "tree", &res, &err));
	below = mem_printf("%s/a", l.cg->dirs[l.cg->count - 1].path);
	deeper = mem_printf("%s/b", below);
	CHECK_INT(mkdir(below, 0755), 0);
	CHECK_INT(mkdir(deeper, 0755), 0);
	CHECK_INT(cgroup_delete(l.cg, CGROUP_DELETE_ALL, &err), 0);
	CHECK(stat(below, &st) < 0);
}

TEST(a_group_in_use_is_not_removed)
{
	autolive struct live l = {};
	const struct spec_resources res = {};
	autocgroup struct cgroup *again = NULL;
	autofree char *path = NULL;
	struct cgroup_request req = {.id = "c"};
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(live_make(&l, "busy", &res, &err));
	REQUIRE(live_start(&l, just_wait, &err));
	path = mem_printf("/bothy-test-busy-%d/c", (int)getpid());
	req.path = path;
	CHECK(cgroup_create(&l.host, &req, &again, &err) < 0);
	CHECK_CONTAINS(err.msg, "container's cgroup is not empty");
	CHECK_INT(cgroup_verify(l.cg, l.pid, &err), 0); /* the refusal touched nothing */
}

TEST(limits_arrive_and_change)
{
	autolive struct live l = {};
	struct spec_device_rule rules[] = {null_only};
	const struct spec_resources res = {.memory = {.limit = {true, 64 << 20}},
					   .pids_limit = {true, 32},
					   .cpu = {.shares = {true, 512},
						   .quota_us = {true, 50000},
						   .period_us = {true, 100000}},
					   .devices = rules,
					   .device_count = 1};
	const struct spec_resources change = {.memory = {.limit = {true, 128 << 20}}, .pids_limit = {true, 64}};
	const struct spec_resources bad = {.memory = {.limit = {true, 96 << 20}}, .cpu.cpus = "4095"};
	autocgroupstats struct cgroup_stats s = {};
	uint32_t need = CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_CPU) |
			CGROUP_BIT(CGROUP_CPUSET);
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(cgroup_host_probe(&l.host, &err) == 0);
	if ((cgroup_host_controllers(&l.host) & need) != need)
		SKIP("this host lacks one of memory, pids, cpu, cpuset");
	cgroup_host_done(&l.host);
	REQUIRE(live_make(&l, "limit", &res, &err));
	REQUIRE(live_start(&l, just_wait, &err));
	REQUIRE(cgroup_stats(l.cg, &s, &err) == 0);
	CHECK_INT(s.memory.usage.limit_bytes, 64 << 20);
	CHECK_INT(s.pids.limit, 32);
	CHECK_INT(cgroup_apply(l.cg, &change, CGROUP_APPLY_UPDATE, &err), 0);
	cgroup_stats_done(&s);
	REQUIRE(cgroup_stats(l.cg, &s, &err) == 0);
	CHECK_INT(s.memory.usage.limit_bytes, 128 << 20);
	CHECK_INT(s.pids.limit, 64);
	/* there is no such CPU: refused, and memory is as before */
	CHECK(cgroup_apply(l.cg, &bad, CGROUP_APPLY_UPDATE, &err) < 0);
	CHECK_CONTAINS(err.msg, "cpu.cpus");
	cgroup_stats_done(&s);
	REQUIRE(cgroup_stats(l.cg, &s, &err) == 0);
	CHECK_INT(s.memory.usage.limit_bytes, 128 << 20);
}

/* Exit status: bit 0 /dev/null opened, bit 1 /dev/zero was refused with EPERM. */
static int try_devices(void)
{
	int a = open("/dev/null", O_RDWR | O_CLOEXEC), b = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	return (a >= 0 ? 1 : 0) | (b < 0 && errno == EPERM ? 2 : 0);
}

TEST(devices_not_listed_are_refused)
{
	autolive struct live l = {};
	struct spec_device_rule rules[] = {null_only};
	const struct spec_resources res = {.devices = rules, .device_count = 1};
	struct error err = {};
	int status = 0;

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(live_make(&l, "dev", &res, &err));
	REQUIRE(live_start(&l, try_devices, &err));
	CHECK_INT(waitpid(l.pid, &status, 0), l.pid);
	l.pid = 0;
	CHECK_INT(WEXITSTATUS(status), 3);
}

static int eat_memory(void)
{
	for (;;) {
		char *p = malloc(1 << 20);

		if (!p)
			return 0;
		/* The compiler must not see that nobody reads it. */
		for (size_t i = 0; i < 1 << 20; i += 4096)
			((volatile char *)p)[i] = 1;
	}
}

TEST(out_of_memory_is_noticed)
{
	autolive struct live l = {};
	struct spec_device_rule rules[] = {null_only};
	const struct spec_resources res = {.memory = {.limit = {true, 8 << 20}, .swap = {true, 8 << 20}},
					   .devices = rules,
					   .device_count = 1};
	__attribute__((cleanup(cgroup_oom_watch_done))) struct cgroup_oom_watch w = CGROUP_OOM_WATCH_NONE;
	struct pollfd p;
	uint64_t kills = 0;
	bool gone = true;
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(cgroup_host_probe(&l.host, &err) == 0);
	if (!(cgroup_host_controllers(&l.host) & CGROUP_BIT(CGROUP_MEMORY)))
		SKIP("no memory controller here");
	cgroup_host_done(&l.host);
	REQUIRE(live_make(&l, "oom", &res, &err));
	REQUIRE(cgroup_oom_watch_open(l.cg, &w, &err) == 0);
	REQUIRE(live_start(&l, eat_memory, &err));
	p = (struct pollfd){.fd = w.fd, .events = POLLIN};
	CHECK_INT(poll(&p, 1, 10000), 1);
	CHECK_INT(waitpid(l.pid, NULL, 0), l.pid);
	l.pid = 0;
	CHECK_INT(cgroup_oom_watch_read(&w, &kills, &gone, &err), 0);
	CHECK_INT(kills, 1);
	CHECK(!gone);
	CHECK_INT(cgroup_oom_kills(l.cg, &kills, &err), 0);
	CHECK_INT(kills, 1);
}

TEST(the_same_with_v1_alone)
{
	autocgrouphost struct cgroup_host host = {};
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	CHECK_INT(cgroup_host_probe(&host, &err), 0);
	if (!(cgroup_host_controllers(&host) & CGROUP_BIT(CGROUP_FREEZER)))
		SKIP("no v1 hierarchies here");
	without_v2 = true;
	test_run_a_process_is_born_into_every_hierarchy();
	test_run_freeze_thaw_kill_delete();
	test_run_groups_below_go_too();
	test_run_a_group_in_use_is_not_removed();
	test_run_limits_arrive_and_change();
	test_run_devices_not_listed_are_refused();
	test_run_out_of_memory_is_noticed();
	without_v2 = false;
}

TEST(a_v2_group_can_be_handed_over)
{
	autolive struct live l = {};
	autofree char *path = mem_printf("/bothy-test-own-%d", (int)getpid()), *procs = NULL;
	const struct cgroup_request req = {
		.path = path, .id = "c", .delegate = true, .owner_uid = 12345, .owner_gid = 54321};
	struct stat st;
	struct error err = {};

	if (!usable())
		SKIP("needs root and writable control groups");
	REQUIRE(cgroup_host_probe(&l.host, &err) == 0);
	REQUIRE(cgroup_create(&l.host, &req, &l.cg, &err) == 0);
	procs = mem_printf("%s/cgroup.procs", l.cg->dirs[0].path);
	REQUIRE(stat(procs, &st) == 0);
	CHECK_INT(st.st_uid, l.host.mode == CGROUP_MODE_V2 ? 12345 : 0); /* on v1 never */
	CHECK_INT(st.st_gid, l.host.mode == CGROUP_MODE_V2 ? 54321 : 0);
}

/* In a child that has become nobody. Exit status: a bit for each expectation that held. */
static int as_plain_user(void)
{
	autocgrouphost struct cgroup_host host = {};
	autocgroup struct cgroup *cg = NULL, *none = NULL;
	const struct spec_resources limit = {.memory.limit = {true, 64 << 20}}, nothing = {};
	struct cgroup_request req = {.id = "bothy-test-plain", .resources = &nothing, .may_lack_rights = true};
	struct error err = {};
	int held = 0;

	if (setgid(65534) < 0 || setuid(65534) < 0 || cgroup_host_probe(&host, &err) < 0)
		return 0;
	if (cgroup_create(&host, &req, &cg, &err) == 0 && cgroup_is_empty(cg))
		held |= 1;
	if (cg && cgroup_apply(cg, &nothing, CGROUP_APPLY_CREATE, &err) == 0)
		held |= 2;
	req.resources = &limit;
	if (cgroup_create(&host, &req, &none, &err) < 0 && strstr(err.msg, "/bothy-test-plain") && *err.hint)
		held |= 4;
	req.resources = &nothing;
	req.path = "/bothy-test-plain";
	if (cgroup_create(&host, &req, &none, &err) < 0 && err.kind == ERROR_DENIED)
		held |= 8;
	return held;
}

TEST(a_plain_user_gets_no_group_and_no_limits)
{
	autocgrouphost struct cgroup_host host = {};
	struct error err = {};
	int status = 0;
	pid_t pid;

	if (!usable())
		SKIP("needs root and writable control groups");
	CHECK_INT(cgroup_host_probe(&host, &err), 0);
	if (!(cgroup_host_controllers(&host) & CGROUP_BIT(CGROUP_MEMORY)))
		SKIP("no memory controller here");
	pid = fork();
	if (pid == 0)
		_exit(as_plain_user());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 15);
}

/* The last test, because the process stays in the new mount namespace: all of it again where cgroup2 is alone. */
TEST(the_same_with_cgroup2_alone)
{
	struct error err = {};

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		SKIP("needs root");
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL) < 0)
		SKIP("cgroup2 cannot be mounted here");
	{
		autocgrouphost struct cgroup_host host = {};

		CHECK_INT(cgroup_host_probe(&host, &err), 0);
		CHECK_INT(host.mode, CGROUP_MODE_V2);
	}
	test_run_a_process_is_born_into_every_hierarchy();
	test_run_freeze_thaw_kill_delete();
	test_run_groups_below_go_too();
	test_run_a_group_in_use_is_not_removed();
	test_run_devices_not_listed_are_refused();
	test_run_a_v2_group_can_be_handed_over();
}
