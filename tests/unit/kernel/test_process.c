/* SPDX-License-Identifier: Apache-2.0 */
/* Clones, joined clones, and what a process sets on itself. */
#include "kernel/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kernel/caps.h"
#include "kernel/ids.h"
#include "kernel/netlink.h"
#include "kernel/signal.h"
#include "kernel/test_child.h"
#include "kernel/time.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int wait_for(struct pidref *p)
{
	int status = -1;

	CHECK_INT(pidref_wait(p, &status), 0);
	pidref_done(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static int exit_code(void *arg)
{
	return *(int *)arg;
}

static void plain(void)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	struct pidref p = PIDREF_NONE;
	struct error err;
	int code = 42;

	CHECK_INT(process_clone(&how, exit_code, &code, &p, &err), 0);
	CHECK(p.pid > 0 && p.fd >= 0 && (fcntl(p.fd, F_GETFD) & FD_CLOEXEC));
	CHECK_INT(wait_for(&p), 42);
}

TEST(clone)
{
	plain();
}

static void plain_without_clone3(void)
{
	REQUIRE(take_call_away(SYS_clone3, ENOSYS));
	plain();
}

TEST(clone_without_clone3)
{
	in_child(plain_without_clone3);
}

static void plain_with_clone3_refused(void)
{
	REQUIRE(take_call_away(SYS_clone3, EPERM));
	plain();
}

TEST(clone_with_clone3_refused)
{
	in_child(plain_with_clone3_refused);
}

/* ---- joining ------------------------------------------------------------------------------------------------------------------ */

/* A process in namespaces of its own, user namespace mapped 0 → 100000, that lives until the pipe closes. */
struct target {
	struct pidref p;
	int hold; /* write end */
};

static int target_main(void *arg)
{
	int *fds = arg;
	struct error err;
	char c;

	close(fds[1]);
	if (read(fds[2], &c, 1) != 1) /* until mapped */
		return 1;
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return 2;
	if (process_set_hostname("target", &err) < 0)
		return 3;
	if (write(fds[3], "r", 1) != 1)
		return 4;
	return read(fds[0], &c, 1) == 0 ? 0 : 5;
}

static bool target_start(struct target *t, uint64_t flags)
{
	const struct ids_range map[] = {{0, 100000, 65536}};
	struct process_clone how = PROCESS_CLONE_INIT;
	struct error err;
	char path[64];
	int fds[6];
	int dir;
	char c;

	how.flags = flags;
	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	int go[2];
	int ready[2];
	CHECK(pipe2(go, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
	fds[2] = go[0];
	fds[3] = ready[1];
	if (!CHECK_INT(process_clone(&how, target_main, fds, &t->p, &err), 0))
		return false;
	close(fds[0]);
	close(go[0]);
	close(ready[1]);
	t->hold = fds[1];
	(void)snprintf(path, sizeof(path), "/proc/%d", t->p.pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (flags & CLONE_NEWUSER) {
		CHECK_INT(ids_write_map(dir, IDS_UID, map, 1, &err), 0);
		CHECK_INT(ids_write_map(dir, IDS_GID, map, 1, &err), 0);
		CHECK_INT(ids_write_map(dir, IDS_GID, map, 1, &err), -EPERM);
		CHECK_INT(err.kind, ERROR_DENIED);
	}
	close(dir);
	CHECK(write(go[1], "g", 1) == 1);
	CHECK(read(ready[0], &c, 1) == 1);
	close(go[1]);
	close(ready[0]);
	return true;
}

static void target_stop(struct target *t)
{
	close(t->hold);
	CHECK_INT(wait_for(&t->p), 0);
}

static int inside(void *arg)
{
	char name[64] = "";
	uint64_t *mask = arg;
	sigset_t now;

	if (getuid() != 0 || geteuid() != 0 || getgid() != 0)
		return 2;
	if (gethostname(name, sizeof(name)) < 0 || strcmp(name, "target") != 0)
		return 3;
	if (getppid() != 0) /* our parent is outside this pid namespace */
		return 4;
	if (getpid() == 1)
		return 5;
	if (prctl(PR_GET_DUMPABLE) != 0)
		return 6;
	/* The mask is the caller's, not the joiner's. */
	if (sigprocmask(SIG_SETMASK, NULL, &now) < 0 || sigismember(&now, SIGUSR1) || !sigismember(&now, SIGUSR2))
		return 7;
	if (*mask != 0x1234)
		return 8;
	*mask = 0; /* a copy: the caller must not see it */
	return 33;
}

#define JOIN_FLAGS (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS)

static void fill_ns(struct process_join *join, const struct target *t, bool by_pidfd)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} kinds[] = {{"mnt", CLONE_NEWNS},  {"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC},
		     {"uts", CLONE_NEWUTS}, {"pid", CLONE_NEWPID}, {"user", CLONE_NEWUSER}};

	*join = PROCESS_JOIN_NONE;
	join->become_root = true;
	if (by_pidfd) {
		join->pidfd = t->p.fd;
		join->pidfd_flags = JOIN_FLAGS;
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", t->p.pid, kinds[i].name);
		join->ns[i] = (struct process_ns){.fd = open(path, O_RDONLY | O_CLOEXEC), .flag = kinds[i].flag};
		CHECK(join->ns[i].fd >= 0);
		join->ns_count++;
	}
}

static void join_target(bool by_pidfd)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	struct process_join join;
	struct pidref p = PIDREF_NONE;
	struct target t;
	struct error err;
	uint64_t mark = 0x1234;
	sigset_t set;
	int r;

	REQUIRE(target_start(&t, JOIN_FLAGS));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	fill_ns(&join, &t, by_pidfd);
	how.join = &join;
	for (int i = 0; i < 20; i++) {
		r = process_clone(&how, inside, &mark, &p, &err);
		if (!CHECK_INT(r, 0)) {
			printf("\t%s\n", err.msg);
			break;
		}
		CHECK_INT(wait_for(&p), 33);
		CHECK_INT(mark, 0x1234);
	}
	/* We are where we were. */
	CHECK(geteuid() == 0);
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == 0); /* only the target is left, no zombie of a joiner */
	for (size_t i = 0; i < join.ns_count; i++)
		close(join.ns[i].fd);
	target_stop(&t);
}

static void join_fds(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	join_target(false);
}

static void join_pidfd(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	join_target(true);
}

static void join_old(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	REQUIRE(take_call_away(SYS_clone3, ENOSYS));
	join_target(false);
}

TEST(join_by_fds)
{
	in_child(join_fds);
}

TEST(join_by_pidfd)
{
	in_child(join_pidfd);
}

TEST(join_without_clone3)
{
	in_child(join_old);
}

static int never(void *arg)
{
	(void)arg;
	return 99;
}

TEST(join_errors)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	struct process_join join = PROCESS_JOIN_NONE;
	struct pidref p = PIDREF_NONE;
	struct error err;
	int dumpable = prctl(PR_GET_DUMPABLE);
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	/* An fd of another kind than promised. */
	join.ns[0] = (struct process_ns){.fd = fd, .flag = CLONE_NEWNET};
	join.ns_count = 1;
	how.join = &join;
	CHECK(process_clone(&how, never, NULL, &p, &err) < 0);
	CHECK_CONTAINS(err.msg, "network namespace");
	CHECK_INT(p.pid, 0);
	CHECK(process_run_joined(&join, never, NULL, &err) < 0);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	close(fd);
	prctl(PR_SET_DUMPABLE, dumpable);
}

static int open_something(void *arg)
{
	int *fd = arg;

	*fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);
	return 5;
}

static void run_joined(void)
{
	struct process_join join = PROCESS_JOIN_NONE;
	struct target t;
	struct error err;
	char text[16] = "";
	char path[64];
	int fd = -1;

	if (geteuid() != 0)
		SKIP("needs root");
	REQUIRE(target_start(&t, CLONE_NEWUTS));
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/uts", t.p.pid);
	join.ns[0] = (struct process_ns){.fd = open(path, O_RDONLY | O_CLOEXEC), .flag = CLONE_NEWUTS};
	join.ns_count = 1;
	/* Memory and fds are shared: what it opens and writes, we have. */
	CHECK_INT(process_run_joined(&join, open_something, &fd, &err), 5);
	CHECK(fd >= 0);
	close(fd);
	CHECK(gethostname(text, sizeof(text)) == 0 && strcmp(text, "target") != 0);
	close(join.ns[0].fd);
	target_stop(&t);
}

TEST(run_in_other_namespaces)
{
	in_child(run_joined);
}

/* ---- time namespaces ------------------------------------------------------------------------------------------------------------ */

static int in_time(void *arg)
{
	struct timespec now;

	(void)arg;
	return clock_gettime(CLOCK_BOOTTIME, &now) == 0 && now.tv_sec >= 86400000 ? 11 : 12;
}

static void time_ns(void)
{
	const struct time_offset mono = {.set = true, .secs = 100};
	const struct time_offset boot = {.set = true, .secs = 86400000, .nanosecs = 7};
	const struct time_offset bad = {.set = true, .secs = INT64_MIN / 2};
	struct process_clone how = PROCESS_CLONE_INIT;
	struct process_join join = PROCESS_JOIN_NONE;
	struct pidref p = PIDREF_NONE;
	struct error err;
	int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int home = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	int ns;

	if (geteuid() != 0 || home < 0)
		SKIP("needs root and Linux 5.6");
	CHECK(time_ns_make(self, &mono, &bad, &err) < 0);
	CHECK_INT(time_ns_make(self, &mono, &boot, &err), 0);
	CHECK_INT(in_time(NULL), 11);
	ns = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	CHECK(setns(home, CLONE_NEWTIME) == 0);
	CHECK_INT(in_time(NULL), 12);
	join.ns[0] = (struct process_ns){.fd = ns, .flag = CLONE_NEWTIME};
	join.ns_count = 1;
	how.join = &join;
	if (CHECK_INT(process_clone(&how, in_time, NULL, &p, &err), 0))
		CHECK_INT(wait_for(&p), 11);
	else
		printf("\t%s\n", err.msg);
	CHECK_INT(process_run_joined(&join, in_time, NULL, &err), 11);
}

TEST(time_namespaces)
{
	in_child(time_ns);
}

/* ---- cgroups -------------------------------------------------------------------------------------------------------------------- */

static int my_cgroup(void *arg)
{
	char text[4096];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, arg) ? 21 : 22;
}

static void into_cgroup(void)
{
	static const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	struct process_clone how = PROCESS_CLONE_INIT;
	struct process_join join;
	struct pidref p = PIDREF_NONE;
	struct target t;
	struct error err;
	char name[64];
	int top = -1;
	int r;

	for (int i = 0; i < 2 && top < 0; i++) {
		top = open(mounts[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (top >= 0 && faccessat(top, "cgroup.procs", F_OK, 0) < 0) {
			close(top);
			top = -1;
		}
	}
	(void)snprintf(name, sizeof(name), "bothy-unit-%d", getpid());
	if (geteuid() != 0 || top < 0 || mkdirat(top, name, 0755) < 0)
		SKIP("needs root and a writable cgroup v2");
	how.cgroup_fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = process_clone(&how, my_cgroup, name, &p, &err);
	CHECK_INT(r, 0);
	CHECK_INT(wait_for(&p), 21);
	/* Into a cgroup and into namespaces, whose user may not write to the cgroup. */
	REQUIRE(target_start(&t, JOIN_FLAGS & ~CLONE_NEWNS));
	fill_ns(&join, &t, true);
	join.pidfd_flags &= ~(uint64_t)CLONE_NEWNS;
	how.join = &join;
	r = process_clone(&how, my_cgroup, name, &p, &err);
	if (CHECK_INT(r, 0))
		CHECK_INT(wait_for(&p), 21);
	target_stop(&t);
	/* Not a cgroup at all: the process runs, and we are told. */
	how.join = NULL;
	close(how.cgroup_fd);
	how.cgroup_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(process_clone(&how, my_cgroup, name, &p, &err), PROCESS_NOT_PLACED);
	CHECK_INT(wait_for(&p), 22);
	CHECK(unlinkat(top, name, AT_REMOVEDIR) == 0);
}

TEST(born_in_a_cgroup)
{
	in_child(into_cgroup);
}

/* ---- attributes ------------------------------------------------------------------------------------------------------------------- */

static void close_from(bool close_now)
{
	struct error err;
	int fds[3];

	for (int i = 0; i < 3; i++) {
		int fd = open("/dev/null", O_RDONLY); /* not close-on-exec: that is the point */

		fds[i] = fcntl(fd, F_DUPFD, i == 2 ? 900 : 10 + i);
		close(fd);
	}
	CHECK_INT(process_close_from(fds[1], close_now, -1, &err), 0);
	CHECK_INT(fcntl(fds[0], F_GETFD), 0);
	for (int i = 1; i < 3; i++)
		CHECK_INT(fcntl(fds[i], F_GETFD), close_now ? -1 : FD_CLOEXEC);
	close(fds[0]);
	if (!close_now) {
		close(fds[1]);
		close(fds[2]);
	}
}

static void close_from_now(void)
{
	close_from(true);
}

static void close_from_old(void)
{
	REQUIRE(take_call_away(SYS_close_range, ENOSYS));
	close_from(false);
	close_from(true);
}

TEST(cve_2024_21626_nothing_left_open)
{
	close_from(false);
	in_child(close_from_now);
	in_child(close_from_old);
}

static void outside_cwd(void)
{
	struct error err;
	char base[] = "/tmp/bothy-cwd-XXXXXX";
	char path[64];
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int leak;

	if (geteuid() != 0)
		SKIP("chroot needs root");
	REQUIRE(mkdtemp(base));
	leak = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/w", base);
	CHECK(mkdir(path, 0755) == 0);
	CHECK(chroot(base) == 0);
	CHECK_INT(process_change_dir("/w", &err), 0);
	CHECK_INT(process_change_dir("/nowhere", &err), -ENOENT);
	/* What a leaked directory fd allows: a working directory on the host. */
	CHECK(fchdir(leak) == 0);
	CHECK(process_check_cwd(&err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_CONTAINS(err.msg, "outside");
	CHECK(fchdir(root) == 0 && chroot(".") == 0);
	CHECK(rmdir(path) == 0 && rmdir(base) == 0);
}

TEST(cve_2024_21626_cwd_outside)
{
	in_child(outside_cwd);
}

static void attributes(void)
{
	const struct process_scheduler batch = {.policy = SCHED_BATCH, .nice = 3};
	const struct process_scheduler bad = {.policy = 77};
	struct error err;
	struct rlimit lim;
	int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(process_set_scheduler(&batch, &err), 0);
	CHECK_INT(sched_getscheduler(0), SCHED_BATCH);
	CHECK_INT(getpriority(PRIO_PROCESS, 0), 3);
	CHECK_INT(process_set_scheduler(&bad, &err), -EINVAL);
	CHECK_INT(process_set_io_priority(3, 0, &err), 0);
	CHECK_INT(syscall(SYS_ioprio_get, 1, 0) >> 13, 3);
	CHECK_INT(process_set_affinity(0, "0", &err), 0);
	CHECK_INT(sched_getcpu(), 0);
	CHECK_INT(process_set_affinity(0, "8000", &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "8000");
	CHECK_INT(process_set_affinity(0, "x", &err), -EINVAL);
	CHECK_INT(process_set_rlimit(0, RLIMIT_NOFILE, 100, 200, "RLIMIT_NOFILE", &err), 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur == 100 && lim.rlim_max == 200);
	CHECK(process_set_rlimit(0, RLIMIT_NOFILE, 300, 200, "RLIMIT_NOFILE", &err) < 0);
	CHECK_INT(process_set_oom_score_adj(self, 500, &err), 0);
	CHECK_INT(process_set_oom_score_adj(self, 5000, &err), -EINVAL);
	CHECK_INT(process_set_no_new_privs(&err), 0);
	CHECK_INT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_INT(process_set_subreaper(true, &err), 0);
	CHECK_INT(process_new_keyring(NULL, &err), 0);
	CHECK_INT(process_set_personality(0x0040000 /* ADDR_NO_RANDOMIZE */, &err), 0);
	CHECK_INT(process_set_memory_policy(0, 0, NULL, &err), 0);
	CHECK_INT(process_exec(-1, "/no/such/program", (char *[]){NULL}, (char *[]){NULL}), -ENOENT);
}

TEST(own_attributes)
{
	in_child(attributes);
}

static void death_signal(void)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	struct pidref p = PIDREF_NONE;
	struct error err;
	int code = 0;

	CHECK_INT(process_clone(&how, exit_code, &code, &p, &err), 0);
	(void)waitid(P_PIDFD, (id_t)p.fd, &(siginfo_t){0}, WEXITED | WNOWAIT);
	CHECK_INT(process_set_death_signal(SIGKILL, p.fd, &err), -ESRCH);
	CHECK_INT(process_set_death_signal(0, -1, &err), 0);
	CHECK_INT(wait_for(&p), 0);
}

static void bounded(void)
{
	static const struct process_limit limits[] = {{RLIMIT_NOFILE, 64, "open files"},
						      {RLIMIT_FSIZE, 1000, "file size"}};
	static const uint64_t want[] = {32, 1000};
	struct error err = {0};
	struct rlimit now;

	/* Lower than what is asked for, and not ours to raise. */
	REQUIRE(setrlimit(RLIMIT_NOFILE, &(struct rlimit){16, 32}) == 0);
	CHECK_INT(caps_set(&(struct caps_sets){0}, NULL, &err), 0);
	CHECK_INT(process_limit_self(limits, sizeof(limits) / sizeof(limits[0]), &err), 0);
	CHECK_STR(err.msg, "");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		REQUIRE(getrlimit((__rlimit_resource_t)limits[i].resource, &now) == 0);
		CHECK_INT(now.rlim_cur, want[i]);
		CHECK_INT(now.rlim_max, want[i]);
	}
}

TEST(limits_only_become_lower)
{
	in_child(bounded);
}

TEST(dead_parents_are_noticed)
{
	in_child(death_signal);
}

static void signals(void)
{
	struct sigaction sa;
	sigset_t old;
	sigset_t now;

	signal(SIGPIPE, SIG_IGN);
	CHECK_INT(signal_block_all(&old), 0);
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGTERM) == 1);
	signal_reset_all();
	CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGTERM) == 0);
	CHECK(sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL);
	CHECK_INT(signal_restore_mask(&old), 0);
}

TEST(clean_signals)
{
	in_child(signals);
}
