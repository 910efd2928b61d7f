/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_RECEIVE_H
#define UNPACK_RECEIVE_H

/*
 * A blob that comes over a pipe, in the sandbox: what an earlier pull left in the partial file is read first, then the pipe,
 * whose bytes go to the partial file as they pass. So each byte is moved once, a cut loses none, and a kill what the disk's pieces
 * hold (disk.h).
 */

#include <stdbool.h>
#include <stdint.h>

#include "archive/stream.h"
#include "base/error.h"
#include "unpack/writer.h"

struct receive {
	int partial_fd, pipe_fd; /* borrowed; pipe_fd FD_NONE: the partial file is whole */
	uint64_t size;           /* of the whole blob */
	uint64_t kept;           /* bytes that the partial file had at first */
	uint64_t at;             /* bytes delivered so far */
	struct writer writer;    /* of the partial file, from the end of what was kept */
	bool writing;
	struct disk disk;
};

/* Take the lock on the partial file: who holds it receives the blob. Says UNPACK_WAITING when another has it, waits, says
 * UNPACK_READY, and waits for the store's answer: it may have found the blob in its place meanwhile, and it alone may
 * shorten the file. */
struct unpack_talk;
int receive_lock(int partial_fd, const struct unpack_talk *talk, struct error *err);
#define RECEIVE_NONE ((struct receive){.partial_fd = FD_NONE, .pipe_fd = FD_NONE, .disk = DISK_NONE})
/* Begin; the disk, if it was started, is kept. <0: INVALID (the partial file is larger than the blob). */
int receive_init(struct receive *r, int partial_fd, int pipe_fd, uint64_t size, struct error *err);
void receive_done(struct receive *r);
/* The stream's input. Errors: UNAVAILABLE (the pipe ended too early), the system's. Never gives more than size bytes. */
struct stream_input receive_input(struct receive *r);

#endif
