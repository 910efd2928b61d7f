/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_CGROUPFS_H
#define KERNEL_CGROUPFS_H

/*
 * The file calls that control groups are driven by: directories are made, removed, listed; small files are read and
 * written whole. @dir is an absolute path of a mounted hierarchy of the host and what was made in it: trusted, never a
 * path that a container chose. cgroupfs has no symbolic links of its own; the last component is never followed. No policy.
 * Paths instead of directory fds because most directories see two or three calls, fewer than an fd costs.
 * Source: cgroups(7), kernel Documentation/admin-guide/cgroup-v2.rst.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Open @dir/@name (@name "": the directory itself) with O_CLOEXEC and O_NOFOLLOW added. Returns the fd or -errno. */
int cgroupfs_open(const char *dir, const char *name, int flags);

/* Is there a file @dir/@name? */
bool cgroupfs_exists(const char *dir, const char *name);

/* Write @value in one write(2). Returns 0 or -errno (of open or write: -ENOENT means that there is no such file). */
int cgroupfs_write(const char *dir, const char *name, const char *value);

/* Read the whole file into @out, NUL-terminated, a final newline removed. Returns the length, or -errno; -E2BIG when it
 * does not fit. */
ssize_t cgroupfs_read(const char *dir, const char *name, char *out, size_t size);

/* Append the whole file to @out, bounded by the buffer. Returns 0 or -errno (-E2BIG). Allocates. */
int cgroupfs_read_buf(const char *dir, const char *name, struct buf *out);

/* mkdir with mode 0755, rmdir. Return 0 or -errno. */
int cgroupfs_mkdir(const char *dir);
int cgroupfs_rmdir(const char *dir);

/* Change the owner of @dir/@name (@name "": the directory). Returns 0 or -errno. */
int cgroupfs_chown(const char *dir, const char *name, uid_t uid, gid_t gid);

/* Let the inotify instance @inotify_fd report when the kernel changes @dir/@name (IN_MODIFY). Returns 0 or -errno. */
int cgroupfs_watch(int inotify_fd, const char *dir, const char *name);

/* Call @fn with the absolute path of each group below @dir, deepest first, @dir itself not included. At most @max_depth
 * levels. A non-zero result of @fn stops and is returned. Groups that vanish meanwhile are skipped.
 * Returns 0, @fn's result, or -errno (-ENOENT: @dir is gone, -ELOOP: too deep). Allocates. */
int cgroupfs_walk(const char *dir, unsigned max_depth, int (*fn)(const char *dir, void *arg), void *arg);

#endif
