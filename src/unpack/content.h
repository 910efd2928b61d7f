/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_CONTENT_H
#define UNPACK_CONTENT_H

/*
 * The digest of a file's content to compare files by: SHA-256 over the blocks that are not all zeros, each behind its number.
 * Holes and written zeros give the same digest, and holes cost nothing, however large. It is no digest of OCI and never
 * leaves a process; the file's size must be compared beside it.
 */

#include <stddef.h>
#include <stdint.h>

#include "archive/digest.h"
#include "base/error.h"

#define CONTENT_BLOCK_BYTES 4096u

struct content {
	struct digest digest;
	uint64_t block;    /* number of the block that is being filled */
	size_t begin, end; /* the part of it that came */
	unsigned char room[CONTENT_BLOCK_BYTES];
};

void content_init(struct content *c);
/* The bytes at @offset. Offsets must rise. */
void content_add(struct content *c, uint64_t offset, const unsigned char *data, size_t len);
void content_end(struct content *c, unsigned char out[static DIGEST_RAW_BYTES]);

/* The whole of the open file @fd, holes skipped. Returns 0 or <0. */
int content_of_file(int fd, unsigned char out[static DIGEST_RAW_BYTES], struct error *err);

#endif
