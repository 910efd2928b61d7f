/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_WRITER_H
#define UNPACK_WRITER_H

/*
 * Writes the content of one new file after the other, from front to back. Large files go past the page cache in large
 * pieces where the file system can do that (docs/performance.md, "Pulling"): no copy in memory, nothing left for the
 * final sync, and what others have in the cache stays there. Those are written by the disk's process (disk.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "unpack/disk.h"

#define WRITER_DIRECT_BYTES (256u << 10) /* files from this size on */

struct writer {
	struct disk *disk;    /* borrowed */
	const char *what;     /* borrowed; the file, for errors of the disk */
	unsigned char *piece; /* the disk's, being filled; NULL: none */
	size_t len;           /* bytes in it */
	int fd;               /* borrowed */
	uint64_t at;          /* where they belong */
	bool direct, known;   /* known: the disk has had an order for the file */
};

/* Begin with the file @fd (open for writing) at its position @at; @size bytes are expected. Until writer_end or writer_finish
 * the file may be in the mode of direct writes. @what: the file, for errors ("entry 'a/b'"); kept until the end. */
void writer_begin(struct writer *w, struct disk *disk, int fd, uint64_t at, uint64_t size, const char *what);
/* Returns 0 or <0 (the system's, or the disk's, which then has failed and names the file). */
int writer_add(struct writer *w, const void *data, size_t len, struct error *err);
/* Write what is left and wait; the file has all bytes after it. Not called: they are lost. */
int writer_end(struct writer *w, struct error *err);
/* In place of it: the file gets its time and is closed when all is written, which need not be now. Takes *@fd. */
int writer_finish(struct writer *w, int *fd, struct timespec mtime, struct error *err);

#endif
