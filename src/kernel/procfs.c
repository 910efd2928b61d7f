/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A procfs of another pid namespace.
 *
 * Up to Linux 6.17 a procfs shows the pid namespace of the process that opens its context. A process of ours in there
 * would be seen by those who live there, and who has CAP_SYS_PTRACE over its user namespace could walk through its root
 * and working directory to the host, or make it do what he likes. So the one that goes there is made worthless first, in
 * this order, by a helper that stays outside:
 *
 *	own mount namespace, whose root is an empty tmpfs     nothing to be reached by root, cwd or its mount namespace
 *	one descriptor, the socket                            nothing to be reached by fd
 *	pid namespace for its children
 *	ids of nobody, then a user namespace of its own       no right over anything but that empty mount namespace
 *	the child: fsopen("proc"), send, exit
 *
 * What comes back may have been exchanged. It must take an option that only a procfs has before we act on it with our
 * rights, and must be a procfs afterwards.
 */
#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "kernel/caps.h"
#include "kernel/ids.h"
#include "kernel/process.h"

#define NOBODY 65534

struct helper {
	int pid_ns; /* borrowed */
	int sock;   /* what tells: struct error, with the context where it is empty */
};

static int open_context(struct error *err)
{
	long fs = syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

	return fs < 0 ? error_sys(err, errno, "open a file system of type 'proc'") : (int)fs;
}

static void tell(int sock, const struct error *err, int fd)
{
	(void)fd_send(sock, err, sizeof(*err), &fd, fd >= 0 ? 1 : 0);
}

/* In the pid namespace; standard input is the socket. */
static int visitor(void *arg)
{
	struct error err = {};
	autofd int fs = open_context(&err);

	(void)arg;
	tell(STDIN_FILENO, &err, fs);
	return 0;
}

/* A mount namespace with nothing in it but an empty root. */
static int leave_all_mounts(struct error *err)
{
	autofd int root = FD_NONE;
	autofd int empty = FD_NONE;
	int r = process_unshare(CLONE_NEWNS, err);

	if (r < 0)
		return r;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno, "open the root directory");
	r = mount_set_propagation(root, MS_PRIVATE, true, err);
	if (r < 0)
		return r;
	empty = mount_new("tmpfs", "tmpfs", NULL, 0, "size=0k,mode=555", MS_RDONLY,
			  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	if (empty < 0)
		return empty;
	r = mount_attach(empty, root, "/", err);
	if (r == 0)
		r = mount_pivot(empty, err);
	return r == -EINVAL ? mount_move_root(empty, err) : r;
}

/* Ids of nobody, and full rights in a user namespace where there is nothing to have rights over, of which one is kept. */
static int leave_all_rights(struct error *err)
{
	struct caps_sets caps;
	int r = caps_keep(true, err);

	if (r == 0)
		r = ids_set_groups(NULL, 0, err);
	if (r == 0)
		r = ids_set_gid(NOBODY, err);
	if (r == 0)
		r = ids_set_uid(NOBODY, err);
	if (r == 0)
		r = caps_get_own(&caps, err);
	if (r < 0)
		return r;
	/* Hosts that refuse user namespaces to plain users look at the effective set. */
	caps.effective = caps.permitted;
	r = caps_set(&caps, NULL, err);
	if (r == 0)
		r = process_unshare(CLONE_NEWUSER | CLONE_NEWNS, err);
	if (r < 0)
		return error_hint(err,
				  "mounting proc in a pid namespace with others needs Linux 6.18, or user namespaces "
				  "(sysctl user.max_user_namespaces)");
	caps = (struct caps_sets){.effective = UINT64_C(1) << CAP_SYS_ADMIN, .permitted = UINT64_C(1) << CAP_SYS_ADMIN};
	r = caps_set(&caps, NULL, err);
	return r < 0 ? r : process_set_dumpable(false, err);
}

static int leave_all(struct helper *h, struct error *err)
{
	int r = leave_all_mounts(err);

	if (r == 0)
		r = process_setns(h->pid_ns, CLONE_NEWPID, err);
	if (r == 0 && dup2(h->sock, STDIN_FILENO) < 0)
		r = error_sys(err, errno, "descriptor");
	if (r == 0)
		h->sock = STDIN_FILENO;
	if (r == 0)
		r = process_close_from(STDIN_FILENO + 1, true, FD_NONE, err);
	if (r == 0)
		process_wipe_environment();
	return r < 0 ? r : leave_all_rights(err);
}

static int outside(void *arg)
{
	struct helper *h = arg;
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref child = PIDREF_NONE;
	struct error err = {};
	int status;
	int r = leave_all(h, &err);

	if (r == 0)
		r = process_clone(&how, visitor, NULL, &child, &err);
	if (r < 0)
		tell(h->sock, &err, FD_NONE);
	else
		(void)pidref_wait(&child, &status);
	return 0;
}

/* A context opened in there; from whoever is in there. */
static int fetch_context(int pid_ns, struct error *err)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref child = PIDREF_NONE;
	autofd int ours = FD_NONE;
	autofd int theirs = FD_NONE;
	struct helper h = {.pid_ns = pid_ns};
	struct error said = {};
	int fs = FD_NONE;
	int pair[2];
	ssize_t n;
	int status;
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "socketpair");
	ours = pair[0];
	theirs = h.sock = pair[1];
	r = process_clone(&how, outside, &h, &child, err);
	if (r < 0)
		return r;
	fd_close(&theirs);
	n = fd_recv(ours, &said, sizeof(said), &fs, 1, NULL);
	(void)pidref_kill(&child, SIGKILL);
	(void)pidref_wait(&child, &status);
	if (fs >= 0)
		return fs;
	if (n == (ssize_t)sizeof(said) && said.code > 0) {
		*err = said;
		err->msg[sizeof(err->msg) - 1] = err->hint[sizeof(err->hint) - 1] = '\0';
		return -err->code;
	}
	return error_set(err, ERROR_UNAVAILABLE, ECHILD,
			 "the process that opens procfs in the pid namespace was killed");
}

static int context_of(int pid_ns, struct error *err)
{
	autofd int fs = open_context(err);

	if (fs < 0)
		return fs;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, "pidns", NULL, pid_ns) == 0)
		return take_fd(&fs);
	return fetch_context(pid_ns, err);
}

int mount_new_proc(int pid_ns, const char *source, const char *data, uint64_t sb_flags, uint64_t attrs,
		   struct error *err)
{
	const struct mount_param mark = {.key = "hidepid", .value = "0", .fd = FD_NONE};
	autofd int fs = context_of(pid_ns, err);
	autofd int tree = FD_NONE;
	struct statfs kind;

	if (fs < 0)
		return fs;
	/* No other file system has this option, and 0 is what it is anyway; the caller's data may say otherwise later. */
	tree = mount_new_from(fs, "proc", source, &mark, 1, data, sb_flags, attrs, err);
	if (tree < 0)
		return tree;
	if (fstatfs(tree, &kind) < 0 || kind.f_type != PROC_SUPER_MAGIC)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "a process in the pid namespace exchanged the procfs that was opened there");
	return take_fd(&tree);
}
