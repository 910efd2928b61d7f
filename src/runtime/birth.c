/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V02, the strict form. In a pid namespace that is shared, a neighbour with CAP_SYS_PTRACE over our user namespace sees
 * each newcomer as soon as it is there, whether or not it is dumpable: its root, working directory and descriptors, which
 * are the host's before pivot_root, and by ptrace(2) all that its rights allow. So there must be nothing to take: the
 * process that sets up the container (or walks into it, for exec) stays outside of the pid namespace, and only when it is
 * what the program will be does it clone, into the namespace, the one that executes it.
 *
 * The new process is a child of the host's side (CLONE_PARENT), which learns its number in a message. Whoever has got hold of
 * the new process could forge one: so only the number counts, and only when it is that of a child of ours.
 *
 * A filter is put on before the clone where it lets through what is left to do until execve; otherwise, and where a
 * listener has to be handed over, it is put on just before execve as everywhere else, and CAP_SYS_ADMIN may be in the permitted
 * set until then (entry.c).
 */
#include "runtime/birth.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/kernel.h"
#include "runtime/launch.h"

bool birth_is_watched(const struct spec_linux *lin)
{
	return lin->ns[SPEC_NS_PID].present && !lin->ns[SPEC_NS_USER].present;
}

/* What this process and the new one call between the filter and execve. clone3 may be refused (clone is tried then), but
 * must not kill. */
static bool filter_lets_us_finish(const struct seccomp_program *f)
{
	static const struct {
		long nr;
		bool may_fail;
		uint64_t args[6];
	} calls[] = {
		{SYS_capset, false, {}},     {SYS_prctl, false, {}},
		{SYS_clone3, true, {}},      {SYS_clone, false, {CLONE_PARENT | CLONE_PIDFD}},
		{SYS_sendmsg, false, {}},    {SYS_recvmsg, false, {}},
		{SYS_close, false, {}},      {SYS_rt_sigprocmask, false, {}},
		{SYS_setsid, false, {}},     {SYS_ioctl, false, {0, TIOCSCTTY}},
		{SYS_accept4, false, {}},    {SYS_ppoll, false, {}},
#ifdef SYS_poll
		{SYS_poll, false, {}},
#endif
		{SYS_exit_group, false, {}}, {SYS_execve, false, {}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		uint32_t action = seccomp_action_on(f, calls[i].nr, calls[i].args);

		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG &&
		    !(calls[i].may_fail && action == SECCOMP_RET_ERRNO))
			return false;
	}
	return true;
}

/* Nothing of the host's goes along: neither descriptors nor the words in its environment. */
static int leave_behind(struct entry *e, int sock, const int *keep, size_t keep_count, struct error *err)
{
	safepath_proc_close(&e->proc);
	fd_close(&e->self_fd);
	log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_WARN);
	process_wipe_environment();
	return process_close_but(3 + (int)e->preserve_fds, keep, keep_count, sock, err);
}

/* Host's namespaces are behind us and the program's rights are ours: the new process is no more than the program will be. */
int birth_give(struct entry *e, int sock, const int *keep, size_t keep_count, process_fn fn, void *arg,
	       struct error *err)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref child = PIDREF_NONE;
	const bool early = e->filter && !e->filter->notify && filter_lets_us_finish(e->filter);
	int r = leave_behind(e, sock, keep, keep_count, err);

	if (r == 0 && (early || !e->filter))
		r = entry_confine_now(e, err);
	if (r < 0)
		return r;
	how.flags = CLONE_PARENT;
	r = process_clone(&how, fn, arg, &child, err);
	if (r == -EAGAIN)
		error_hint(
			err,
			"a start into a shared pid namespace needs room for two processes in the container's limit for a moment");
	if (r == -ENOMEM)
		error_hint(
			err,
			"the pid namespace is dead when its first process has ended: is the container that it belongs to still running?");
	if (r < 0)
		return r;
	r = launch_send(sock, LAUNCH_BORN, child.pid, NULL, FD_NONE);
	if (r == 0)
		_exit(0);
	(void)pidref_kill(&child, SIGKILL);
	return error_sys(err, -r, "answer the runtime");
}

int birth_settle(bool terminal, struct error *err)
{
	return terminal ? pty_make_controlling(STDIN_FILENO, err) : process_set_sid(err);
}

int birth_wait(int sock, struct pidref *p, int *ret_terminal, struct error *err)
{
	struct pidref born = PIDREF_NONE;
	siginfo_t info = {};
	int status;
	int r = launch_wait(sock, LAUNCH_BORN, &born.pid, ret_terminal, err);

	if (r < 0)
		return r;
	/* A child of ours that is not waited for keeps its number. */
	if (born.pid <= 0 || born.pid == p->pid ||
	    waitid(P_PID, (id_t)born.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return error_set(err, ERROR_INTERNAL, EPROTO,
				 "the process in the container gave itself a false number");
	born.fd = (int)syscall(SYS_pidfd_open, born.pid, 0);
	if (born.fd < 0)
		return error_sys(err, errno, "open the process in the container");
	(void)pidref_wait(p, &status);
	pidref_done(p);
	*p = born;
	return 0;
}
