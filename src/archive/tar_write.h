/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_TAR_WRITE_H
#define ARCHIVE_TAR_WRITE_H

/*
 * A writer of plain files into a tar archive: ustar, with a PAX header where a file is too large for it. The result depends
 * on names, contents and the user who writes, so equal images give equal archives. (The owner is ourselves: skopeo gives
 * files their owner when it takes an OCI archive apart, and a plain user may not give them away.) Source: POSIX.1-2017 pax.
 */

#include <stdint.h>

#include "base/error.h"

#define TAR_WRITE_NAME_MAX 99u /* nothing that we write has a longer name */

/* How far a long write is: @bytes more were written. */
struct tar_write_progress {
	void (*step)(void *arg, uint64_t bytes);
	void *arg;
};

/* A folder; @name ends in '/'. Some readers make missing ones with owners of their own. */
int tar_write_folder(int out_fd, const char *name, struct error *err);
/* One member out of memory, or @size bytes of @in_fd from its beginning (its position is not used or changed).
 * Returns 0, or <0: INVALID (the file is shorter than @size), the system's (a full disk is LIMIT with a hint). */
int tar_write_text(int out_fd, const char *name, const void *text, size_t len, struct error *err);
int tar_write_file(int out_fd, const char *name, int in_fd, uint64_t size, const struct tar_write_progress *progress,
		   struct error *err);
/* The end mark. */
int tar_write_end(int out_fd, struct error *err);

/* @size bytes of @in_fd from its beginning to @out_fd, inside the kernel where it can. */
int tar_write_copy(int out_fd, int in_fd, uint64_t size, const struct tar_write_progress *progress, struct error *err);

#endif
