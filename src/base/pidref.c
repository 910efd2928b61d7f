/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes by pidfd. /proc/<pid>/stat is opened by number, which could by then be another process's, so every reader
 * asks the pidfd afterwards whether its process still exists (a zombie does): while it exists its number is not given
 * to anyone else, hence what was read is its own. This is the one file in base/ that opens a path; the path has no
 * part that anyone else chooses.
 */
#include "base/pidref.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

/* man 5 proc: fields are counted from 1; the state is the third, the start time the 22nd. */
#define STAT_FIELD_STATE 3
#define STAT_FIELD_START 22
#define STAT_MAX_BYTES 2048 /* 52 numbers of at most 20 digits and a name of at most 64 bytes */

void pidref_done(struct pidref *p)
{
	fd_close(&p->fd);
	p->pid = 0;
}

/* Not every C library has a function for it. */
static int send_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

/* Whether the process still exists, as a zombie at least. EPERM says that it does, but is not ours to signal. */
static bool exists(int pidfd)
{
	return send_signal(pidfd, 0) == 0 || errno == EPERM;
}

/* The text of /proc/<pid>/stat, terminated. Returns 0/-errno. Async-signal-safe. */
static int read_stat(pid_t pid, char out[static STAT_MAX_BYTES])
{
	char path[32];
	autofd int fd = FD_NONE;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	do
		n = read(fd, out, STAT_MAX_BYTES - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return 0;
}

/* Field @number (3 or later), terminated in place, or NULL. The name in field 2 may hold blanks and parentheses, so
 * counting starts behind the last one. */
static char *stat_field(char *stat, int number)
{
	char *at = strrchr(stat, ')');

	for (int field = 2; at && field < number; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	if (at)
		at[strcspn(at, " \n")] = '\0';
	return at && *at ? at : NULL;
}

static int read_start_time(pid_t pid, int pidfd, uint64_t *ret_ticks)
{
	char stat[STAT_MAX_BYTES];
	const char *field;
	uint64_t ticks;
	int r = read_stat(pid, stat);

	if (r < 0)
		return r;
	field = stat_field(stat, STAT_FIELD_START);
	if (!field || str_to_u64(field, &ticks) < 0)
		return -EPROTO;
	if (!exists(pidfd))
		return -ESRCH;
	*ret_ticks = ticks;
	return 0;
}

static int fail_gone(pid_t pid, int r, struct error *err)
{
	if (r == -ESRCH)
		return error_set(err, ERROR_NOT_FOUND, ESRCH, "process %d does not exist any more", (int)pid);
	return error_sys(err, -r, "look at process %d", (int)pid);
}

int pidref_open(pid_t pid, uint64_t start_time, struct pidref *ret, struct error *err)
{
	autofd int fd = FD_NONE;
	uint64_t ticks;
	int r;

	if (pid <= 0)
		return error_set(err, ERROR_INVALID, EINVAL, "%d is not a process id", (int)pid);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return fail_gone(pid, -errno, err);
	if (start_time) {
		r = read_start_time(pid, fd, &ticks);
		if (r == 0 && ticks != start_time)
			r = -ESRCH; /* the number was given to another process */
		if (r < 0)
			return fail_gone(pid, r, err);
	}
	*ret = (struct pidref){.pid = pid, .fd = take_fd(&fd)};
	return 0;
}

int pidref_start_time(const struct pidref *p, uint64_t *ret_ticks, struct error *err)
{
	int r = p->fd < 0 ? -ESRCH : read_start_time(p->pid, p->fd, ret_ticks);

	return r < 0 ? fail_gone(p->pid, r, err) : 0;
}

int pidref_state(const struct pidref *p)
{
	char stat[STAT_MAX_BYTES];
	const char *field;
	int r;

	if (p->fd < 0)
		return -ESRCH;
	r = read_stat(p->pid, stat);
	if (r < 0)
		return r;
	field = stat_field(stat, STAT_FIELD_STATE);
	if (!field)
		return -EPROTO;
	return exists(p->fd) ? *field : -ESRCH;
}

int pidref_kill(const struct pidref *p, int sig)
{
	if (p->fd < 0)
		return -ESRCH;
	return send_signal(p->fd, sig) < 0 ? -errno : 0;
}

int pidref_wait(const struct pidref *p, int *ret_status)
{
	siginfo_t info = {0};

	if (p->fd < 0)
		return -ESRCH;
	/* __WALL: a child made by clone3 without an exit signal is waited for in the same way. */
	while (waitid(P_PIDFD, (id_t)p->fd, &info, WEXITED | __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	/* As wait(2) has it: an exit code in the second byte, else a signal, and the bit that WCOREDUMP looks at. */
	if (info.si_code == CLD_EXITED)
		*ret_status = (info.si_status & 0xff) << 8;
	else
		*ret_status = info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
	return 0;
}
