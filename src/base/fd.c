/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File descriptors: whole reads and writes, SCM_RIGHTS, duplicates. Async-signal-safe but for fd_read_to_end.
 */
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SCM_MAX_FDS 253 /* the kernel's SCM_MAX_FD */

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = FD_NONE;
	errno = saved;
}

void fd_close_all(int *fds, size_t count)
{
	int saved = errno;

	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && fds[i] >= 0 && fds[i + n] == fds[i] + (int)n;)
			n++;
		if (fds[i] >= 0 && (n == 1 || syscall(SYS_close_range, fds[i], fds[i + n - 1], 0) < 0))
			for (size_t k = i; k < i + n; k++)
				close(fds[k]);
		for (size_t k = i; k < i + n; k++)
			fds[k] = FD_NONE;
	}
	errno = saved;
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			return -ENODATA;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_to_end(int fd, struct buf *out, const char *name, struct error *err)
{
	struct stat st = {};

	(void)fstat(fd, &st);
	return fd_read_file(fd, &st, out, name, err);
}

int fd_read_file(int fd, const struct stat *st, struct buf *out, const char *name, struct error *err)
{
	const bool sized = S_ISREG(st->st_mode) && st->st_size > 0 && st->st_size < (1 << 30);
	size_t step = 4096;

	if (sized)
		step = (size_t)st->st_size + 1;
	else if (step > out->max - out->len)
		step = out->max - out->len + 1; /* a small bound is no reason to refuse a small file */
	for (;;) {
		char *room = buf_reserve(out, step);
		ssize_t n = 0;

		if (room)
			n = read(fd, room, step);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read '%s'", name);
		if (room)
			buf_commit(out, (size_t)n);
		if (out->failed)
			return error_set(err, ERROR_LIMIT, EFBIG, "'%s' is larger than the %zu bytes allowed", name,
					 out->max);
		/* As long as it said (procfs says 0), and one byte more was asked for: that was all. */
		if (n == 0 || (sized && n == st->st_size))
			return 0;
		/* A growing file would otherwise be refused for a step that it does not need. */
		step = out->max - out->len < 4096 ? out->max - out->len + 1 : 4096;
	}
}

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * SCM_MAX_FDS)];
	} control;
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (count > SCM_MAX_FDS)
		return -EINVAL;
	if (count) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		memset(control.room, 0, msg.msg_controllen);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	for (;;) {
		if (sendmsg(sock, &msg, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* Keep the fds of one control message that fit, close the others: a sender must not be able to fill our table. */
static size_t keep_fds(struct cmsghdr *c, int *ret_fds, size_t have, size_t count)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (have < count)
			ret_fds[have++] = fd;
		else
			close(fd);
	}
	return have;
}

ssize_t fd_recv(int sock, void *data, size_t len, int *ret_fds, size_t count, size_t *ret_count)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * SCM_MAX_FDS)];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	size_t have = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (size_t i = 0; i < count; i++)
		ret_fds[i] = FD_NONE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			have = keep_fds(c, ret_fds, have, count);
	if (ret_count)
		*ret_count = have;
	return n;
}

int fd_dup_min(int fd, int min)
{
	int r = fcntl(fd, F_DUPFD_CLOEXEC, min);

	return r < 0 ? -errno : r;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_memory(const char *name, const void *data, size_t len)
{
	autofd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, len);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return take_fd(&fd);
}
