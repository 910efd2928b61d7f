/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_WRITER_H
#define UNPACK_WRITER_H

/*
 * Writes the content of one new file after the other, from front to back. Large files go past the page cache in large
 * pieces where the file system can do that (docs/performance.md, "Pulling"): no copy in memory, nothing left for the
 * final sync, and what others have in the cache stays there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define WRITER_BYTES (512u << 10)        /* one write */
#define WRITER_DIRECT_BYTES (256u << 10) /* files from this size on */

struct writer {
	unsigned char *buf; /* owned, aligned; NULL until first needed */
	size_t len;         /* bytes in it */
	int fd;             /* borrowed */
	uint64_t at;        /* where they belong */
	bool direct;
};
#define WRITER_NONE ((struct writer){.fd = -1})

void writer_done(struct writer *w);
/* Begin with the file @fd (open for writing) at its position @at; @size bytes are expected. Until writer_end the file may be
 * in the mode of direct writes. */
void writer_begin(struct writer *w, int fd, uint64_t at, uint64_t size);
/* Returns 0 or <0 (the system's). */
int writer_add(struct writer *w, const void *data, size_t len, struct error *err);
/* Write what is left; the file has all bytes after it. Not called: they are lost. */
int writer_end(struct writer *w, struct error *err);

#endif
