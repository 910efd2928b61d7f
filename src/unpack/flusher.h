/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_FLUSHER_H
#define UNPACK_FLUSHER_H

/*
 * Writes back early what a layer's worker leaves in the page cache: a process that calls syncfs while the worker makes more files,
 * so that the disk is busy from the beginning and the sync at the end finds little to do. It promises nothing about
 * durability; whoever does that has a descriptor of his own, opened before (a write-back error is told once to each).
 */

#include <stdint.h>

#include "base/error.h"
#include "base/pidref.h"

struct flusher {
	struct pidref pid;
	int ask_fd; /* owned: a byte asks for a flush */
	uint64_t files, bytes;
};
#define FLUSHER_NONE ((struct flusher){.pid = PIDREF_NONE, .ask_fd = FD_NONE})

/* Start it for the file system of the folder @sync_fd (for reading, no O_PATH). Context: before sandbox_lock. */
int flusher_start(struct flusher *f, int sync_fd, struct error *err);
/* A file of @bytes was written through the page cache. Now and then this asks for a flush; it never waits. */
void flusher_note(struct flusher *f, uint64_t bytes);
void flusher_done(struct flusher *f);

#endif
