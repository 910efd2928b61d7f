/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals. The master is opened from the devpts root that the caller holds and proved to be the multiplexer; the
 * peer is asked for through the master, so that no name in /dev/pts is ever opened (CVE-2025-52565).
 */
#include "kernel/pty.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/file.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int open_master(int devpts_fd, struct error *err)
{
	autofd int fd = FD_NONE;
	struct stat st;

	if (devpts_fd >= 0)
		fd = openat(devpts_fd, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	else
		fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOSPC || errno == EIO)) {
		error_set(err, ERROR_LIMIT, errno, "open a terminal: there are no more pseudo-terminals");
		return error_hint(err, "see sysctl kernel.pty.max, and the devpts mount's option max");
	}
	if (fd < 0)
		return error_sys(err, errno, "open the terminal multiplexer (ptmx)");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return error_set(err, ERROR_DENIED, EXDEV, "open a terminal: ptmx is not the terminal multiplexer");
	if (devpts_fd >= 0 && !file_is_fs(fd, DEVPTS_SUPER_MAGIC))
		return error_set(err, ERROR_DENIED, EXDEV, "open a terminal: ptmx is not on devpts");
	return take_fd(&fd);
}

int pty_open_peer(int master)
{
	int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return peer < 0 ? -errno : peer;
}

int pty_open(int devpts_fd, int *ret_master, int *ret_peer, struct error *err)
{
	autofd int master = open_master(devpts_fd, err);
	int unlock = 0;
	int peer;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_sys(err, errno, "unlock the terminal");
	peer = pty_open_peer(master);
	if (peer == -ENOTTY || peer == -EINVAL)
		return error_set(err, ERROR_UNSUPPORTED, -peer,
				 "open the terminal's peer: this kernel is older than 4.13");
	if (peer < 0)
		return error_sys(err, -peer, "open the terminal's peer");
	*ret_peer = peer;
	*ret_master = take_fd(&master);
	return 0;
}

int pty_number(int master)
{
	unsigned n = 0;

	return ioctl(master, TIOCGPTN, &n) < 0 ? -errno : (int)n;
}

int pty_set_size(int fd, uint16_t rows, uint16_t cols, struct error *err)
{
	struct winsize ws = {.ws_row = rows, .ws_col = cols};

	return ioctl(fd, TIOCSWINSZ, &ws) < 0 ? error_sys(err, errno, "set the terminal's size") : 0;
}

int pty_get_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize ws = {0};

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return -errno;
	*ret_rows = ws.ws_row;
	*ret_cols = ws.ws_col;
	return 0;
}

int pty_make_controlling(int peer, struct error *err)
{
	/* EPERM: we lead a group already; if it is a session too, that is what was wanted. */
	if (setsid() < 0 && (errno != EPERM || getsid(0) != getpid()))
		return error_sys(err, errno, "start a new session");
	if (ioctl(peer, TIOCSCTTY, 0) < 0)
		return error_sys(err, errno, "make the terminal the controlling one");
	return 0;
}

int pty_to_stdio(int peer, struct error *err)
{
	for (int i = 0; i <= 2; i++) {
		if (peer == i) {
			int r = fd_set_cloexec(i, false);

			if (r < 0)
				return error_sys(err, -r, "put the terminal on fd %d", i);
		} else if (dup2(peer, i) < 0) {
			return error_sys(err, errno, "put the terminal on fd %d", i);
		}
	}
	return 0;
}

int pty_raw_enter(int fd, struct pty_raw *ret, struct error *err)
{
	struct termios now;
	struct termios raw;

	if (tcgetattr(fd, &now) < 0)
		return error_sys(err, errno == ENOTTY ? EINVAL : errno, "put the terminal into raw mode (is it one?)");
	raw = now;
	cfmakeraw(&raw);
	/* After what was written has gone out, and without throwing away what the user typed ahead. */
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return error_sys(err, errno, "put the terminal into raw mode");
	*ret = (struct pty_raw){.fd = fd, .saved = now};
	return 0;
}

void pty_raw_leave(struct pty_raw *raw)
{
	int saved = errno;

	if (raw->fd >= 0)
		(void)tcsetattr(raw->fd, TCSADRAIN, &raw->saved); /* the terminal may be gone: nothing to restore */
	raw->fd = FD_NONE;
	errno = saved;
}

int pty_clear_onlcr(int fd, struct error *err)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return error_sys(err, errno, "read the terminal's settings");
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(fd, TCSANOW, &t) < 0 ? error_sys(err, errno, "change the terminal's settings") : 0;
}
