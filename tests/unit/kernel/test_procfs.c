/* SPDX-License-Identifier: Apache-2.0 */
/* A procfs of another pid namespace, with and without the kernel's option for it. */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/mount.h"
#include "kernel/process.h"
#include "kernel/test_child.h"

/* The first process of a pid namespace; it ends with the one that made it. */
static int first(void *arg)
{
	(void)arg;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)pause();
	return 0;
}

/* As before Linux 6.18, which has the option "pidns" (the only descriptor that is given to a file system here). */
static bool take_option_away(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsconfig, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FSCONFIG_SET_FD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

/* What @pid_ns's procfs shows: its first process, and not us. */
static void check_proc(int pid_ns)
{
	struct error err = {};
	autofd int tree = mount_new_proc(pid_ns, "proc", NULL, 0, MOUNT_ATTR_NOEXEC, &err);
	char self[32];

	if (!CHECK(tree >= 0)) {
		printf("%s\n", err.msg);
		return;
	}
	(void)snprintf(self, sizeof(self), "%d", (int)getpid());
	CHECK(faccessat(tree, "1/status", F_OK, 0) == 0);
	CHECK(faccessat(tree, self, F_OK, 0) < 0);
}

/* Here and now: what is left to the end of the test would be there a moment longer. */
static void end(struct pidref *p)
{
	int status;

	CHECK_INT(pidref_kill(p, SIGKILL), 0);
	CHECK_INT(pidref_wait(p, &status), 0);
	pidref_done(p);
}

static bool set_up(int *ret_pid_ns, struct pidref *ret_first)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	struct error err = {};
	char path[64];
	int root;

	if (unshare(CLONE_NEWNS) < 0) {
		test_state.skip = "mount and pid namespaces need root";
		return false;
	}
	root = open("/", O_PATH | O_CLOEXEC);
	CHECK_INT(mount_set_propagation(root, MS_PRIVATE, true, &err), 0);
	close(root);
	how.flags = CLONE_NEWPID;
	CHECK_INT(process_clone(&how, first, NULL, ret_first, &err), 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)ret_first->pid);
	*ret_pid_ns = open(path, O_RDONLY | O_CLOEXEC);
	return CHECK(*ret_pid_ns >= 0);
}

/* As a container has it whose root was mounted on "/" and that did not pivot yet. */
static void hide_root(void)
{
	struct error err;
	autofd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd int fd = mount_new("tmpfs", NULL, NULL, 0, NULL, 0, 0, &err);

	CHECK(fd >= 0);
	CHECK_INT(mount_attach(fd, root, "/", &err), 0);
}

static void both_ways(void)
{
	struct pidref one = PIDREF_NONE;
	int pid_ns;

	if (!set_up(&pid_ns, &one))
		return;
	check_proc(pid_ns);
	CHECK(take_option_away());
	check_proc(pid_ns);
	end(&one);
}

TEST(by_option_and_by_helper)
{
	in_child(both_ways);
}

static void hidden(void)
{
	struct pidref one = PIDREF_NONE;
	int pid_ns;

	if (!set_up(&pid_ns, &one))
		return;
	hide_root();
	CHECK(take_option_away());
	check_proc(pid_ns);
	end(&one);
}

TEST(by_helper_from_a_hidden_root)
{
	in_child(hidden);
}
