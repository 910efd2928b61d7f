/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making processes: clone3 with a pidfd, plain or from inside other namespaces.
 *
 * The plain form: clone3 without shared memory; the child calls its function and exits with the result.
 *
 * The joined form: the namespaces must be entered by a process without other users of its fs struct and without threads,
 * and must not stick to us. So a joiner is cloned with CLONE_VM | CLONE_VFORK | CLONE_FILES on a stack of its own (cheap:
 * no page tables are copied, what it opens we have); it enters the namespaces, becomes their root, clones the real child
 * with CLONE_PARENT, so that it is ours, and exits, which lets us go on. Entering a time namespace asks for memory that
 * nobody shares: then the joiner is a fork and only the small result page is shared.
 *
 * What a process sets on itself afterwards is in attrs.c.
 */
#include "kernel/process.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/signal.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define JOINER_STACK_BYTES (256u << 10) /* the child's function runs on a copy of it */

static const struct {
	uint64_t flag;
	const char *name;
} ns_names[] = {
	{CLONE_NEWUSER, "user namespace"},     {CLONE_NEWPID, "pid namespace"},
	{CLONE_NEWNET, "network namespace"},   {CLONE_NEWNS, "mount namespace"},
	{CLONE_NEWIPC, "IPC namespace"},       {CLONE_NEWUTS, "UTS namespace"},
	{CLONE_NEWCGROUP, "cgroup namespace"}, {CLONE_NEWTIME, "time namespace"},
};
#define NS_ALL                                                                                                         \
	(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |   \
	 CLONE_NEWTIME)

const char *process_ns_flag_name(uint64_t flag)
{
	for (size_t i = 0; i < ARRAY_SIZE(ns_names); i++)
		if (ns_names[i].flag == flag)
			return ns_names[i].name;
	return "namespaces";
}

/* ---- entering ------------------------------------------------------------------------------------------------------- */

int process_setns(int fd, uint64_t flag, struct error *err)
{
	if (setns(fd, (int)flag) == 0)
		return 0;
	if (errno == EINVAL && (flag & CLONE_NEWUSER))
		return error_set(err, ERROR_INVALID, errno,
				 "enter the user namespace: it is the present one, or the fd is of another kind");
	return error_sys(err, errno, "enter the %s", process_ns_flag_name(flag));
}

int process_unshare(uint64_t flags, struct error *err)
{
	if (unshare((int)flags) == 0)
		return 0;
	return error_sys(err, errno, "make %s%s", flags & (flags - 1) ? "new " : "a new ", process_ns_flag_name(flags));
}

/* With caps over the new user namespace we can be its root; groups first, while we may. */
static int become_root(struct error *err)
{
	/* Groups may be locked ("deny") or 0 unmapped: then we stay who we are, and the kernel checks what we do. */
	(void)syscall(SYS_setgroups, 0, NULL);
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 && errno != EINVAL)
		return error_sys(err, errno, "become group 0 of the user namespace");
	if (syscall(SYS_setresuid, 0, 0, 0) < 0 && errno != EINVAL)
		return error_sys(err, errno, "become user 0 of the user namespace");
	return 0;
}

static int enter_one_kind(const struct process_join *join, bool user, bool mount, struct error *err)
{
	for (size_t i = 0; i < join->ns_count; i++) {
		uint64_t flag = join->ns[i].flag;
		int r;

		if ((flag == CLONE_NEWUSER) != user || (flag == CLONE_NEWNS) != mount)
			continue;
		r = process_setns(join->ns[i].fd, flag, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The user namespace first: the rights over the others come with it. The mount namespace last: it takes root and cwd. */
static int enter(const struct process_join *join, struct error *err)
{
	bool user = join->pidfd >= 0 && (join->pidfd_flags & CLONE_NEWUSER);
	int r;

	if (join->pidfd >= 0 && join->pidfd_flags && setns(join->pidfd, (int)join->pidfd_flags) < 0) {
		if (errno == EINVAL)
			return error_set(err, ERROR_UNSUPPORTED, errno,
					 "enter the namespaces of a process by its pidfd (Linux 5.8): %s",
					 error_text(errno));
		return error_sys(err, errno, "enter the namespaces of a process");
	}
	for (size_t i = 0; i < join->ns_count; i++)
		user = user || join->ns[i].flag == CLONE_NEWUSER;
	r = enter_one_kind(join, true, false, err);
	if (r < 0)
		return r;
	if (join->become_root && user) {
		r = become_root(err);
		if (r < 0)
			return r;
	}
	r = enter_one_kind(join, false, false, err);
	return r < 0 ? r : enter_one_kind(join, false, true, err);
}

/* ---- clone ------------------------------------------------------------------------------------------------------------ */

static int clone_error(struct error *err, uint64_t flags, int errnum)
{
	uint64_t ns = flags & NS_ALL;

	switch (errnum) {
	case EAGAIN:
		return error_set(err, ERROR_LIMIT, errnum,
				 "start a process: the limit on processes (pids.max or RLIMIT_NPROC) is reached");
	case ENOSPC:
	case EUSERS:
		error_set(err, ERROR_LIMIT, errnum, "start a process: a limit on namespaces is reached");
		return error_hint(err, "see /proc/sys/user/max_*_namespaces");
	case EPERM:
		if (!(ns & CLONE_NEWUSER))
			break;
		error_set(err, ERROR_DENIED, errnum, "make a user namespace: %s", error_text(errnum));
		return error_hint(
			err,
			"in a chroot the kernel makes none; or they are switched off: see sysctl kernel.unprivileged_userns_clone, "
			"kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces");
	case EINVAL:
		if (!ns)
			break;
		return error_set(err, ERROR_UNSUPPORTED, errnum,
				 "start a process: this kernel lacks one of the namespace types asked for");
	default:
		break;
	}
	return error_sys(err, errnum, "start a process%s", ns ? " in new namespaces" : "");
}

/* Run the child's function; nothing of ours runs after it. */
static _Noreturn void run_child(process_fn fn, void *arg)
{
	_exit(fn(arg));
}

/* Before clone3 (5.3), or where a filter hides it: the same by clone(2), which knows neither cgroup, set_tid nor
 * CLONE_NEWTIME. Its first argument's low byte is the exit signal; CLONE_PARENT takes that of the cloner. */
static long clone_old(const struct clone_args *args, int *pidfd)
{
	unsigned long flags = (unsigned long)(args->flags & ~(uint64_t)CLONE_INTO_CGROUP) | args->exit_signal;

	if (args->set_tid_size || (args->flags & CLONE_NEWTIME))
		return -ENOSYS;
#if defined(__s390__) || defined(__CRIS__)
	long pid = syscall(SYS_clone, args->stack ? args->stack + args->stack_size : 0, flags, pidfd, NULL, 0);
#else
	long pid = syscall(SYS_clone, flags, args->stack ? args->stack + args->stack_size : 0, pidfd, NULL, 0);
#endif
	return pid < 0 ? -errno : pid;
}

/* clone3 and its fallbacks for a process with a memory of its own. Returns the pid (0 in the child) or -errno;
 * @ret_placed: it is in the cgroup asked for. */
static long clone_own(const struct process_clone *how, uint64_t flags, int *pidfd, bool *ret_placed)
{
	struct clone_args args = {
		.flags = (flags & ~(uint64_t)CLONE_INTO_CGROUP) | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)how->set_tid,
		.set_tid_size = how->set_tid_count,
	};
	long pid;

	*ret_placed = false;
	if (how->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)how->cgroup_fd;
		*ret_placed = true; /* set before: the child has a copy of it */
		pid = syscall(SYS_clone3, &args, sizeof(args));
		/* Not a v2 directory (EBADF), unknown flag or size (EINVAL, E2BIG), not allowed, domain rules, no room: place it later. */
		if (pid >= 0)
			return pid;
		*ret_placed = false;
		args.flags &= ~(uint64_t)CLONE_INTO_CGROUP;
		args.cgroup = 0;
	}
	pid = syscall(SYS_clone3, &args, CLONE_ARGS_SIZE_VER1);
	if (pid >= 0)
		return pid;
	/* EPERM may be a filter's word for an unknown call; if the right is really missing, clone says so again. */
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	return clone_old(&args, pidfd);
}

static int clone_plain(const struct process_clone *how, process_fn child, void *arg, struct pidref *ret,
		       struct error *err)
{
	bool own_placed;
	bool *placed = how->placed ? how->placed : &own_placed;
	int pidfd = FD_NONE;
	long pid = clone_own(how, how->flags, &pidfd, placed);

	if (pid == 0)
		run_child(child, arg);
	if (pid < 0)
		return clone_error(err, how->flags, (int)-pid);
	*ret = (struct pidref){.pid = (pid_t)pid, .fd = pidfd};
	return how->cgroup_fd >= 0 && !*placed ? PROCESS_NOT_PLACED : 0;
}

/* ---- the joiner --------------------------------------------------------------------------------------------------------- */

/* What we and the joiner share, whether or not it shares the rest of our memory. */
struct joiner {
	const struct process_join *join; /* borrowed; the joiner has it, or a copy at the same address */
	const struct process_clone *how; /* NULL: run fn in the joiner itself */
	process_fn fn;
	void *arg;
	sigset_t mask;       /* ours, for the real child; the joiner runs with all signals blocked */
	pid_t pid;           /* out: the real child */
	int pidfd;           /* out: valid in our fd table too */
	int result;          /* out: 0 or fn's result, or -errno with err filled */
	bool retry_unplaced; /* out: no room in the cgroup, of which the joiner itself takes one place */
	bool done;           /* out: the joiner came to its end; false: it was killed */
	struct error err;    /* out */
};

/* Nothing but how->keep stays open from how->keep_from up, in a table that is ours alone. */
static int drop_fds(const struct process_clone *how, struct error *err)
{
	const int cgroup = how->placed && *how->placed ? FD_NONE : how->cgroup_fd;

	if (unshare(CLONE_FILES) < 0)
		return error_sys(err, errno, "make a table of descriptors");
	return process_close_but(how->keep_from, how->keep, how->keep_count, cgroup, err);
}

static int join_and_clone(struct joiner *j)
{
	struct process_clone how = *j->how;
	bool placed;
	long pid;
	int r = enter(j->join, &j->err);

	if (r == 0 && how.keep)
		r = drop_fds(&how, &j->err);
	if (r < 0)
		return r;
	how.cgroup_fd = FD_NONE; /* inherited from the joiner */
	pid = clone_own(&how, how.flags | CLONE_PARENT, &j->pidfd, &placed);
	if (pid == 0) {
		(void)signal_restore_mask(&j->mask);
		run_child(j->fn, j->arg);
	}
	if (pid < 0) {
		j->retry_unplaced = pid == -EAGAIN && j->how->cgroup_fd >= 0;
		return clone_error(&j->err, how.flags, (int)-pid);
	}
	j->pid = (pid_t)pid;
	return 0;
}

static int joiner_main(void *p)
{
	struct joiner *j = p;

	if (j->how) {
		j->result = join_and_clone(j);
	} else {
		j->result = enter(j->join, &j->err);
		if (j->result == 0)
			j->result = j->fn(j->arg);
	}
	j->done = true;
	return 0;
}

static bool joins_time(const struct process_join *join)
{
	bool time = join->pidfd >= 0 && (join->pidfd_flags & CLONE_NEWTIME);

	for (size_t i = 0; i < join->ns_count; i++)
		time = time || join->ns[i].flag == CLONE_NEWTIME;
	return time;
}

/* clone3 with a stack: the new process must not return into our frame, which a call through syscall(2) would do; glibc
 * has no public clone3. So the call, the jump to fn(arg) and the exit are written out. -ENOSYS: not for this machine. */
static long clone3_on_stack(struct clone_args *args, int (*fn)(void *), void *arg)
{
#if defined(__x86_64__) && defined(__LP64__)
	register long ret __asm__("rax") = SYS_clone3;
	register int (*fn_reg)(void *) __asm__("r8") = fn;
	register void *arg_reg __asm__("r9") = arg;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t" /* the end of a backtrace */
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[exit], %%eax\n\t"
			 "syscall\n\t"
			 "ud2\n"
			 "1:"
			 : "+r"(ret)
			 : "D"(args), "S"(sizeof(*args)), "r"(fn_reg), "r"(arg_reg), [exit] "i"(SYS_exit_group)
			 : "rcx", "r11", "memory", "cc");
	return ret;
#elif defined(__aarch64__)
	register long ret __asm__("x0") = (long)args;
	register long size __asm__("x1") = (long)sizeof(*args);
	register long number __asm__("x8") = SYS_clone3;
	register int (*fn_reg)(void *) __asm__("x9") = fn;
	register void *arg_reg __asm__("x10") = arg;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "mov x8, %[exit]\n\t"
			 "svc #0\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(ret), "+r"(number)
			 : "r"(size), "r"(fn_reg), "r"(arg_reg), [exit] "i"(SYS_exit_group)
			 : "memory", "cc");
	return ret;
#else
	(void)args;
	(void)fn;
	(void)arg;
	return -ENOSYS;
#endif
}

/* A joiner on our own memory and the stack at @stack. We sleep until it is gone. Returns its pid or -errno. */
static long spawn_sharing(struct joiner *j, char *stack, int cgroup_fd, bool *ret_placed)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = JOINER_STACK_BYTES,
	};
	long pid;

	*ret_placed = false;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
		*ret_placed = true; /* set before: the joiner and its child look at it */
		pid = clone3_on_stack(&args, joiner_main, j);
		if (pid > 0)
			return pid;
		*ret_placed = false;
	}
	pid = clone(joiner_main, stack + JOINER_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, j);
	return pid < 0 ? -errno : pid;
}

/* A joiner that is a fork, but for the fd table and @j (in shared memory). */
static long spawn_forked(struct joiner *j, int cgroup_fd, bool *ret_placed)
{
	struct clone_args args = {.flags = CLONE_FILES | CLONE_VFORK, .exit_signal = SIGCHLD};
	long pid = -1;

	*ret_placed = false;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
		*ret_placed = true;
		pid = syscall(SYS_clone3, &args, sizeof(args));
		if (pid < 0)
			*ret_placed = false;
	}
	if (pid < 0) {
		struct clone_args old = {.flags = CLONE_FILES | CLONE_VFORK, .exit_signal = SIGCHLD};

		pid = clone_old(&old, NULL);
	}
	if (pid == 0)
		_exit(joiner_main(j));
	return pid;
}

/* Start the joiner, wait for its end, give its zombie back. Returns 0 when it came to its end (j->result counts then). */
static int run_joiner(struct joiner *j, char *memory, bool forked, int cgroup_fd, bool *ret_placed, struct error *err)
{
	long pid;
	int status;
	pid_t w;

	j->pid = 0;
	j->pidfd = FD_NONE;
	j->result = 0;
	j->retry_unplaced = false;
	j->done = false;
	pid = forked ? spawn_forked(j, cgroup_fd, ret_placed) : spawn_sharing(j, memory, cgroup_fd, ret_placed);
	if (pid < 0)
		return clone_error(err, 0, (int)-pid);
	do
		w = waitpid((pid_t)pid, &status, 0);
	while (w < 0 && errno == EINTR);
	if (!j->done)
		return error_set(err, ERROR_UNAVAILABLE, ECHILD,
				 "the process that enters the namespaces was killed (by the cgroup's limits?)");
	return 0;
}

/* The joiner's stack with a page below it that nobody may touch; for a forked one, shared memory for the results. */
static char *map_joiner(bool forked)
{
	char *p = mmap(NULL, JOINER_STACK_BYTES, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | (forked ? MAP_SHARED : MAP_PRIVATE | MAP_STACK | MAP_NORESERVE), -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (!forked)
		(void)mprotect(p, 4096, PROT_NONE);
	return p;
}

static int join(const struct process_join *join, const struct process_clone *how, process_fn fn, void *arg,
		struct pidref *ret, struct error *err)
{
	bool forked = joins_time(join);
	char *memory = map_joiner(forked);
	struct joiner local;
	struct joiner *j = forked ? (struct joiner *)(void *)memory : &local;
	bool own_placed;
	bool *placed = how && how->placed ? how->placed : &own_placed;
	int r;

	if (!memory)
		return error_sys(err, errno, "get memory for entering namespaces");
	r = process_set_dumpable(false, err);
	if (r == 0) {
		*j = (struct joiner){.join = join, .how = how, .fn = fn, .arg = arg};
		(void)signal_block_all(&j->mask);
		r = run_joiner(j, memory, forked, how ? how->cgroup_fd : FD_NONE, placed, err);
		if (r == 0 && j->result < 0 && j->retry_unplaced && *placed)
			r = run_joiner(j, memory, forked, FD_NONE, placed, err);
		(void)signal_restore_mask(&j->mask);
	}
	if (r == 0 && j->result < 0) {
		*err = j->err;
		r = j->result;
	} else if (r == 0 && how) {
		/* The joiner's table was not ours any more: our child stays a zombie at least, so its number is its own. */
		if (how->keep)
			j->pidfd = (int)syscall(SYS_pidfd_open, j->pid, 0);
		*ret = (struct pidref){.pid = j->pid, .fd = j->pidfd};
		r = how->cgroup_fd >= 0 && !*placed ? PROCESS_NOT_PLACED : 0;
	} else if (r == 0) {
		r = j->result;
	}
	munmap(memory, JOINER_STACK_BYTES);
	return r;
}

int process_clone(const struct process_clone *how, process_fn child, void *arg, struct pidref *ret, struct error *err)
{
	if (how->join && (how->join->ns_count || (how->join->pidfd >= 0 && how->join->pidfd_flags)))
		return join(how->join, how, child, arg, ret, err);
	return clone_plain(how, child, arg, ret, err);
}

int process_run_joined(const struct process_join *target, process_fn fn, void *arg, struct error *err)
{
	return join(target, NULL, fn, arg, NULL, err);
}
