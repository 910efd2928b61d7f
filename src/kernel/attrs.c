/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process sets on itself between clone and exec (declared in process.h): one system call and one sentence each.
 * The order in which they are used is the caller's; nothing here remembers anything.
 */
#include "kernel/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/sanitized.h"
#include "base/str.h"
#include "kernel/file.h"

int process_new_keyring(const char *name, struct error *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0) >= 0)
		return 0;
	if (errno == ENOSYS || errno == EPERM || errno == EACCES)
		return 0;
	if (errno == EDQUOT) {
		error_sys(err, errno, "make a session keyring");
		return error_hint(err, "raise kernel.keys.maxkeys, or leave the keyring alone (--no-new-keyring)");
	}
	return error_sys(err, errno, "make a session keyring");
}

int process_set_dumpable(bool on, struct error *err)
{
	if (prctl(PR_SET_DUMPABLE, on ? 1L : 0L, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "make ourselves %sdumpable", on ? "" : "un");
	return 0;
}

void process_wipe_environment(void)
{
	for (char **e = environ; e && *e; e++)
		if (!str_starts(*e, "BOTHY_"))
			memset(*e, 0, strlen(*e));
}

int process_set_no_new_privs(struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "set no_new_privs");
	return 0;
}

int process_set_death_signal(int sig, int parent_pidfd, struct error *err)
{
	struct pollfd p = {.fd = parent_pidfd, .events = POLLIN};

	if (prctl(PR_SET_PDEATHSIG, (unsigned long)sig, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "set the signal at our parent's death");
	/* It may have died before we asked; its pidfd becomes readable then. */
	if (parent_pidfd >= 0 && poll(&p, 1, 0) > 0)
		return error_set(err, ERROR_NOT_FOUND, ESRCH, "our parent has died");
	return 0;
}

int process_set_subreaper(bool on, struct error *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, on ? 1L : 0L, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "become the parent of orphans (subreaper)");
	return 0;
}

int process_set_personality(unsigned long persona, struct error *err)
{
	if (personality(persona) < 0)
		return error_sys(err, errno, "set the personality 0x%lx", persona);
	return 0;
}

void process_set_umask(unsigned mask)
{
	(void)umask((mode_t)(mask & 0777));
}

int process_set_sid(struct error *err)
{
	return setsid() < 0 ? error_sys(err, errno, "start a new session") : 0;
}

/* ---- file descriptors ------------------------------------------------------------------------------------------------ */

static int retire(int fd, bool close_now)
{
	if (close_now)
		return close(fd) < 0 ? -errno : 0;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

struct dirent_head {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Every number that the listing @dir shows. Closing while listing is fine: the listing goes by number. */
static int retire_listed(int dir, int first, bool close_now)
{
	char room[4096] __attribute__((aligned(8)));
	uint32_t fd;

	for (;;) {
		long n = syscall(SYS_getdents64, dir, room, sizeof(room));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			struct dirent_head *d = (struct dirent_head *)(void *)(room + at);

			at += d->reclen;
			if (str_to_u32(d->name, &fd) == 0 && (int)fd >= first && (int)fd != dir)
				(void)retire((int)fd, close_now);
		}
	}
}

#define FD_NUMBERS_MAX (1 << 20) /* the kernel's default fs.nr_open */

static int close_from_old(int first, bool close_now, int listing)
{
	autofd int own = FD_NONE;
	int r = -EBADF;

	if (listing < 0) {
		own = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		listing = own >= 0 && file_is_fs(own, PROC_SUPER_MAGIC) ? own : FD_NONE;
	}
	if (listing >= 0 && lseek(listing, 0, SEEK_SET) == 0)
		r = retire_listed(listing, first, close_now);
	if (r == 0)
		return listing >= first && listing != own ? retire(listing, close_now) : 0;
	/* No trustworthy list: ask for every number. Slow, but only on an old kernel without procfs. */
	for (int fd = first; fd < FD_NUMBERS_MAX; fd++)
		if (fd != own)
			(void)retire(fd, close_now);
	return 0;
}

int process_close_from(int first, bool close_now, int proc_self_fd, struct error *err)
{
	int r;

	if (syscall(SYS_close_range, (unsigned)first, ~0U, close_now ? 0U : CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	r = close_from_old(first, close_now, proc_self_fd);
	return r < 0 ? error_sys(err, -r, "close what is left open") : 0;
}

int process_close_but(int first, const int *keep, size_t count, int also, struct error *err)
{
	for (;;) {
		int next = also >= first ? also : INT_MAX;

		for (size_t i = 0; i < count; i++)
			if (keep[i] >= first && keep[i] < next)
				next = keep[i];
		if (next == INT_MAX)
			return process_close_from(first, true, FD_NONE, err);
		for (; first < next && syscall(SYS_close_range, first, next - 1, 0) < 0; first++)
			(void)close(first);
		first = next + 1;
	}
}

/* ---- working directory ------------------------------------------------------------------------------------------------ */

int process_check_cwd(struct error *err)
{
	char cwd[PATH_MAX];
	/* By number: glibc's getcwd would walk up and hide the kernel's answer. */
	long n = syscall(SYS_getcwd, cwd, sizeof(cwd));

	if (n < 0)
		return error_sys(err, errno, "check that the working directory is inside the root");
	if (cwd[0] != '/')
		return error_set(err, ERROR_INVALID, EXDEV, "the working directory lies outside the container's root");
	return 0;
}

int process_change_dir(const char *path, struct error *err)
{
	int r;

	if (chdir(path) < 0) {
		error_sys(err, errno, "enter the working directory '%s'", path);
		if (err->code == ENOENT)
			error_hint(err, "create it in the image, or choose another (-w, process.cwd)");
		return -err->code;
	}
	r = process_check_cwd(err);
	return r < 0 ? error_wrap(err, "working directory '%s'", path) : 0;
}

/* ---- scheduling, memory, limits --------------------------------------------------------------------------------------- */

int process_set_scheduler(const struct process_scheduler *s, struct error *err)
{
	/* struct sched_attr of <linux/sched/types.h>, whose sched_param collides with glibc's. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {
		.size = sizeof(attr),
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = s->priority,
		.runtime = s->runtime_ns,
		.deadline = s->deadline_ns,
		.period = s->period_ns,
	};

	if (syscall(SYS_sched_setattr, 0, &attr, 0) == 0)
		return 0;
	error_sys(err, errno, "set the scheduling policy");
	if (err->code == EPERM)
		error_hint(
			err,
			"real-time and deadline policies need CAP_SYS_NICE on the host and real-time time in the cgroup");
	return -err->code;
}

int process_set_io_priority(int class, int priority, struct error *err)
{
	if (syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, class << 13 | priority) < 0)
		return error_sys(err, errno, "set the I/O priority (class %d, priority %d)", class, priority);
	return 0;
}

/* A decimal number at *@p, which moves behind it. -EINVAL when there is none, -ERANGE beyond INT_MAX. */
static int parse_number(const char **p)
{
	int n = 0;

	if (**p < '0' || **p > '9')
		return -EINVAL;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		if (n > (INT_MAX - 9) / 10)
			return -ERANGE;
		n = n * 10 + (**p - '0');
	}
	return n;
}

int process_parse_list(const char *list, unsigned long *bits, size_t size)
{
	const int per_word = (int)(8 * sizeof(*bits));
	int top = 0;

	memset(bits, 0, size);
	for (const char *p = list;; p++) {
		int from = parse_number(&p);
		int to = from;

		if (from < 0)
			return from;
		if (*p == '-') {
			p++;
			to = parse_number(&p);
			if (to < 0)
				return to;
		}
		if (to < from)
			return -EINVAL;
		if ((size_t)to >= 8 * (size / sizeof(*bits)) * sizeof(*bits))
			return -ERANGE;
		for (int i = from; i <= to; i++)
			bits[i / per_word] |= 1UL << (i % per_word);
		top = to + 1 > top ? to + 1 : top;
		if (*p == '\0')
			return top;
		if (*p != ',')
			return -EINVAL;
	}
}

int process_set_affinity(pid_t pid, const char *list, struct error *err)
{
	unsigned long bits[PROCESS_LIST_BITS / (8 * sizeof(unsigned long))];
	int r = process_parse_list(list, bits, sizeof(bits));

	if (r < 0)
		return error_set(err, ERROR_INVALID, -r, "'%s' is not a list of CPUs such as 0-3,7", list);
	if (syscall(SYS_sched_setaffinity, pid, sizeof(bits), bits) >= 0)
		return 0;
	if (errno == EINVAL)
		return error_set(err, ERROR_INVALID, errno,
				 "run on CPUs %s: none of them is there, or allowed by the cpuset", list);
	return error_sys(err, errno, "run on CPUs %s", list);
}

int process_set_memory_policy(int mode, unsigned mode_flags, const char *nodes, struct error *err)
{
	unsigned long bits[PROCESS_LIST_BITS / (8 * sizeof(unsigned long))];
	int top = nodes ? process_parse_list(nodes, bits, sizeof(bits)) : 0;

	if (top < 0)
		return error_set(err, ERROR_INVALID, -top, "'%s' is not a list of memory nodes such as 0-1", nodes);
	/* The kernel counts one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, mode | (int)mode_flags, top ? bits : NULL, top ? (unsigned long)top + 1 : 0UL) <
	    0)
		return error_sys(err, errno, "set the memory policy %d for nodes '%s'", mode, nodes ? nodes : "");
	return 0;
}

int process_set_rlimit(pid_t pid, int resource, uint64_t soft, uint64_t hard, const char *name, struct error *err)
{
	struct rlimit64 lim = {.rlim_cur = soft, .rlim_max = hard};

	if (syscall(SYS_prlimit64, pid, resource, &lim, NULL) == 0)
		return 0;
	error_sys(err, errno, "set the limit %s to %llu:%llu", name, (unsigned long long)soft,
		  (unsigned long long)hard);
	if (err->code == EPERM)
		error_hint(
			err,
			"raising a hard limit needs CAP_SYS_RESOURCE on the host; nofile is also bound by fs.nr_open");
	return -err->code;
}

int process_limit_self(const struct process_limit *limits, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t max = limits[i].max;
		struct rlimit64 now;

		if (SANITIZED && limits[i].resource == RLIMIT_AS)
			continue;
		/* Whoever started us may have set a lower one, which we may not raise. */
		if (syscall(SYS_prlimit64, 0, limits[i].resource, NULL, &now) == 0 && now.rlim_max < max)
			max = now.rlim_max;
		if (process_set_rlimit(0, limits[i].resource, max, max, limits[i].name, err) < 0)
			return -err->code;
	}
	return 0;
}

int process_set_oom_score_adj(int proc_dir_fd, int score, struct error *err)
{
	autofd int fd = file_open_proc(proc_dir_fd, "oom_score_adj", O_WRONLY);
	char text[16];
	int r = fd;

	if (fd >= 0)
		r = file_write_once(fd, text, (size_t)snprintf(text, sizeof(text), "%d", score));
	if (r >= 0)
		return 0;
	if (r == -EACCES || r == -EPERM) {
		error_set(err, ERROR_DENIED, -r, "set oom_score_adj to %d: that is lower than we may go", score);
		return error_hint(
			err,
			"a value at or above the present one is always allowed; lower needs CAP_SYS_RESOURCE on the host");
	}
	return error_sys(err, -r, "set oom_score_adj to %d", score);
}

int process_set_hostname(const char *name, struct error *err)
{
	return sethostname(name, strlen(name)) < 0 ? error_sys(err, errno, "set the host name '%s'", name) : 0;
}

int process_set_domainname(const char *name, struct error *err)
{
	return setdomainname(name, strlen(name)) < 0 ? error_sys(err, errno, "set the domain name '%s'", name) : 0;
}

int process_exec(int fd, const char *path, char *const argv[], char *const envp[])
{
	if (fd >= 0)
		(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	else
		(void)execve(path, argv, envp);
	return -errno;
}
