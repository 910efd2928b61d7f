/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters in the real kernel. Each case forks: the child sets no_new_privs, installs and makes the calls; no root needed.
 * The child's exit code says which step went wrong, 0 none.
 */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "seccomp/doc.h"

/* A child that goes on and on would hang the suite. */
#define CHILD_SECONDS 10

enum step {
	STEP_DONE,
	STEP_NNP = 10,
	STEP_INSTALL,
	STEP_ALLOWED,
	STEP_DENIED,
	STEP_CONDITION,
	STEP_NEWER,
};

static bool compile(const struct doc *d, struct seccomp_program *p)
{
	struct error err = {0};
	int rc = seccomp_compile(&d->s, false, p, &err);

	if (rc < 0)
		printf("\t%s\n", err.msg);
	return rc == 0;
}

static int child_status(pid_t pid)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* Sanitizers hook _exit and want to do more than a filter allows. */
static void leave(int code)
{
	for (;;)
		(void)syscall(SYS_exit_group, code);
}

/* Runs @body in a child that has installed @p. Returns the wait status. */
static int in_filtered_child(const struct seccomp_program *p, int (*body)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = {0};
		int listener;

		alarm(CHILD_SECONDS);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			leave(STEP_NNP);
		if (seccomp_install(p, &listener, &err) < 0 || listener != FD_NONE)
			leave(STEP_INSTALL);
		leave(body());
	}
	return child_status(pid);
}

static bool can_filter(void)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) < 0 && errno == EFAULT;
}

static int make_calls(void)
{
	if (syscall(SYS_getppid) < 0)
		return STEP_ALLOWED;
	if (syscall(SYS_getpriority, 0, 0) >= 0 || errno != EPERM)
		return STEP_DENIED;
	if (syscall(SYS_personality, 0xffffffffUL) < 0)
		return STEP_CONDITION;
	if (syscall(SYS_personality, 0x0020000UL) >= 0 || errno != EPERM)
		return STEP_CONDITION;
	/* Far above everything in the document. */
	if (syscall(1000) >= 0 || errno != ENOSYS)
		return STEP_NEWER;
	return STEP_DONE;
}

TEST(calls_are_allowed_and_denied)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	if (!can_filter())
		SKIP("no seccomp filters here");
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "getppid", "exit_group", "rt_sigreturn", "close_range", NULL);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "personality", NULL), 0, SPEC_SECCOMP_EQ, 0xffffffff, 0);
	REQUIRE(compile(&d, &p));
	CHECK_INT(in_filtered_child(&p, make_calls), 0);
}

#ifdef __x86_64__
static long family(unsigned long f)
{
	return syscall(SYS_socket, f, (unsigned long)SOCK_STREAM, 0UL);
}

static int make_sockets(void)
{
	if (family(AF_UNIX) < 0)
		return STEP_ALLOWED;
	if (family(AF_ALG) >= 0 || errno != EPERM)
		return STEP_DENIED;
	/* The way around: the kernel ignores the high half. */
	if (family(UINT64_C(0x100000000) | AF_ALG) >= 0 || errno != EPERM)
		return STEP_CONDITION;
	return STEP_DONE;
}

/* V35: a family that is forbidden by number stays forbidden with garbage in the high half of its register. */
TEST(v35_socket_family_with_high_bits)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	int s;

	if (!can_filter())
		SKIP("no seccomp filters here");
	/* The attack works without a filter: the kernel takes the family for AF_UNIX. */
	s = (int)family(UINT64_C(0x100000000) | AF_UNIX);
	CHECK(s >= 0);
	close(s);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ERRNO, "socket", NULL), 0, SPEC_SECCOMP_EQ, AF_ALG, 0);
	REQUIRE(compile(&d, &p));
	CHECK_INT(in_filtered_child(&p, make_sockets), 0);
}

static long int80(long nr, long a, long b)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b) : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static int make_i386_calls(void)
{
	/* getpid is 20 there; socketcall(SYS_SOCKET, NULL) would be EFAULT if it got through. */
	if (int80(20, 0, 0) <= 0)
		return STEP_ALLOWED;
	if (int80(102, 1, 0) != -EPERM)
		return STEP_DENIED;
	if (int80(102, 2, 0) != -EFAULT)
		return STEP_CONDITION;
	return STEP_DONE;
}

TEST(v35_socketcall_by_int80)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	if (!can_filter())
		SKIP("no seccomp filters here");
	if (int80(20, 0, 0) <= 0)
		SKIP("this kernel takes no 32-bit calls");
	doc_arch(&d, "SCMP_ARCH_X86");
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "getpid", "exit_group", "bind", "openat2", NULL);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_NE, AF_ALG, 0);
	REQUIRE(compile(&d, &p));
	CHECK_INT(in_filtered_child(&p, make_i386_calls), 0);
}

static int call_i386(void)
{
	return int80(20, 0, 0) > 0 ? STEP_DONE : STEP_ALLOWED;
}

TEST(unlisted_architecture_is_killed)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	int status;

	if (!can_filter() || int80(20, 0, 0) <= 0)
		SKIP("no seccomp filters or no 32-bit calls here");
	REQUIRE(compile(&d, &p));
	status = in_filtered_child(&p, call_i386);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGSYS);
}
#endif

static int call_getpriority(void)
{
	(void)syscall(SYS_getpriority, 0, 0);
	return STEP_DONE;
}

TEST(killing_actions)
{
	static const enum spec_seccomp_action actions[] = {SPEC_SECCOMP_KILL_PROCESS, SPEC_SECCOMP_KILL_THREAD,
							   SPEC_SECCOMP_TRAP};

	if (!can_filter())
		SKIP("no seccomp filters here");
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
		autoseccomp struct seccomp_program p = {0};
		int status;

		ROW(spec_seccomp_action_name(actions[i]));
		doc_rule(&d, actions[i], "getpriority", NULL);
		REQUIRE(compile(&d, &p));
		status = in_filtered_child(&p, call_getpriority);
		CHECK(WIFSIGNALED(status));
		CHECK_INT(WTERMSIG(status), SIGSYS);
	}
}

/* Answers one notification on @listener with errno @errnum. */
static bool answer(int listener, int errnum)
{
	struct pollfd pfd = {.fd = listener, .events = POLLIN};
	struct seccomp_notif req = {0};
	struct seccomp_notif_resp resp = {0};

	if (poll(&pfd, 1, CHILD_SECONDS * 1000) != 1 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
		return false;
	resp.id = req.id;
	resp.error = -errnum;
	return req.data.nr == SYS_getpriority && ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0;
}

TEST(notify_gives_a_listener)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	int *shared;
	int pair[2];
	pid_t pid;

	if (!can_filter())
		SKIP("no seccomp filters here");
	doc_rule(&d, SPEC_SECCOMP_NOTIFY, "getpriority", NULL);
	REQUIRE(compile(&d, &p));
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	/* CLONE_FILES: the listener appears in our table too, so that its number is all that must be told. */
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		struct error err = {0};
		int listener = FD_NONE;
		int rc;

		alarm(CHILD_SECONDS);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		rc = seccomp_install(&p, &listener, &err);
		if (rc < 0)
			listener = rc;
		(void)fd_write_all(pair[1], &listener, sizeof(listener));
		if (rc < 0)
			_exit(STEP_INSTALL);
		_exit(syscall(SYS_getpriority, 0, 0) < 0 && errno == EXDEV ? 0 : STEP_DENIED);
	}
	REQUIRE(pid > 0);
	shared = &(int){FD_NONE};
	REQUIRE(fd_read_all(pair[0], shared, sizeof(*shared)) == 0);
	if (CHECK(*shared >= 0)) {
		CHECK_INT(fcntl(*shared, F_GETFD), FD_CLOEXEC);
		CHECK(answer(*shared, EXDEV));
		close(*shared);
	}
	CHECK_INT(child_status(pid), 0);
	close(pair[0]);
	close(pair[1]);
}

TEST(refusals_of_the_kernel_say_why)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	struct error err = {0};
	int listener = 77;

	if (!can_filter())
		SKIP("no seccomp filters here");
	REQUIRE(compile(&d, &p));
	/* A flag of the future. */
	p.flags = UINT32_C(1) << 30;
	CHECK(seccomp_install(&p, &listener, &err) < 0);
	CHECK_CONTAINS(err.msg, "flags 0x40000000");
	CHECK_INT(listener, 77);
	/* An unknown flag that was only a wish is left out: what fails then is something else, the program. */
	p.flags = 0;
	p.flags_optional = UINT32_C(1) << 30;
	p.filter[p.len - 1].code = 0xffff;
	CHECK(seccomp_install(&p, &listener, &err) < 0);
	CHECK_INT(err.code, EINVAL);
}

TEST(without_rights_it_is_denied)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	pid_t pid;

	if (!can_filter())
		SKIP("no seccomp filters here");
	REQUIRE(compile(&d, &p));
	pid = fork();
	if (pid == 0) {
		struct error err = {0};
		int listener;

		alarm(CHILD_SECONDS);
		if (geteuid() == 0 && syscall(SYS_setresuid, 65534, 65534, 65534) < 0)
			_exit(STEP_NNP);
		if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
			_exit(0); /* started so: nothing to see */
		if (seccomp_install(&p, &listener, &err) != -EACCES || err.kind != ERROR_DENIED || !err.hint[0])
			_exit(STEP_INSTALL);
		_exit(0);
	}
	CHECK_INT(child_status(pid), 0);
}

TEST(supported_flags_are_probed)
{
	struct seccomp_features f;

	if (!can_filter())
		SKIP("no seccomp filters here");
	seccomp_features(&f);
	/* TSYNC came with seccomp(2) itself. */
	CHECK(f.supported_flag_count >= 1);
	CHECK_STR(f.supported_flags[0], "SECCOMP_FILTER_FLAG_TSYNC");
	/* Asking has installed nothing. */
	CHECK_INT(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}
