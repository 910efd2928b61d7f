/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FD_H
#define BASE_FD_H

/*
 * File descriptors: ownership, whole reads and writes, passing over a socket. No function here takes a path (those are
 * in safepath/ and kernel/). All fds made here are close-on-exec.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct stat;

#define FD_NONE (-EBADF)

/* Close *@fd if it is one and leave FD_NONE; errno is kept. For autofd and by hand. */
void fd_close(int *fd);
#define autofd __attribute__((cleanup(fd_close)))

/* Hand over: yields *@fd and leaves FD_NONE. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = FD_NONE;
	return v;
}

/* Write all @len bytes, riding over EINTR and short writes. Returns 0 or -errno. Async-signal-safe. */
int fd_write_all(int fd, const void *data, size_t len);

/* Read exactly @len bytes. Returns 0, -errno, or -ENODATA when the end came first. Async-signal-safe. */
int fd_read_all(int fd, void *data, size_t len);

/* Read to the end of @fd into @out (appended), bounded by the buffer's own maximum.
 * Returns 0, or <0: LIMIT (more than @out may hold), or the system's error; @name names the object in messages. */
int fd_read_to_end(int fd, struct buf *out, const char *name, struct error *err);
/* The same where the caller has looked at it already: @st is what fstat(2) said. */
int fd_read_file(int fd, const struct stat *st, struct buf *out, const char *name, struct error *err);

/* Send @len bytes with @count fds (at most 253) in one SCM_RIGHTS message over the Unix socket @sock. Returns 0/-errno. */
int fd_send(int sock, const void *data, size_t len, const int *fds, size_t count);

/* Receive at most @len bytes and up to @count fds; those received are close-on-exec and owned by the caller,
 * the rest of @ret_fds is FD_NONE. @ret_count may be NULL. Returns bytes received (0: end), or -errno. */
ssize_t fd_recv(int sock, void *data, size_t len, int *ret_fds, size_t count, size_t *ret_count);

/* Close @count descriptors, with one call for each row of neighbouring numbers in order. They become FD_NONE. */
void fd_close_all(int *fds, size_t count);

/* A new fd for the same file at @min or above, close-on-exec. Returns the fd or -errno. */
int fd_dup_min(int fd, int min);

/* Set or clear O_NONBLOCK. Returns 0/-errno. */
int fd_set_nonblock(int fd, bool on);

/* Set or clear FD_CLOEXEC. Returns 0/-errno. */
int fd_set_cloexec(int fd, bool on);

/* A sealed memory file holding @len bytes of @data, read position 0. Returns the fd (owned) or -errno. */
int fd_memory(const char *name, const void *data, size_t len);

#endif
