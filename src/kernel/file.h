/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_FILE_H
#define KERNEL_FILE_H

/*
 * The few file calls that the other files of kernel/ and safepath/ share: openat2 with its retries, the check of a file
 * system's magic, whole writes to attribute files. No policy. Everything is async-signal-safe. Others use safepath/.
 * Source: openat2(2), statfs(2).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* openat2(2) with O_CLOEXEC added; EINTR and the EAGAIN of a racing rename are retried a bounded number of times.
 * Returns the fd (owned by the caller) or -errno; -ENOSYS: the kernel (before 5.6) or an outer filter has no openat2. */
int file_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve);

/* Is @fd on a file system of this statfs magic (PROC_SUPER_MAGIC, …)? False on any failure. */
bool file_is_fs(int fd, unsigned long magic);

/* Open @path below @dirfd following no symlink and entering no other mount, then check that it is procfs.
 * @dirfd: a directory of a verified procfs (its root or a process's directory). @path: relative, no "..".
 * Returns the fd or -errno (-EXDEV, -ELOOP: something is mounted or linked over it; CVE-2019-16884, CVE-2025-52881). */
int file_open_proc(int dirfd, const char *path, int flags);

/* Tell ext4 and its like that what is in the folder @fd has nothing to do with each other: new folders in it begin in block
 * groups of their own (chattr +T). Best effort. */
void file_spread_folders(int fd);

/* Write all of @text in one write(2), as attribute files need. Returns 0 or -errno. */
int file_write_once(int fd, const void *text, size_t len);

#endif
