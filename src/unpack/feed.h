/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_FEED_H
#define UNPACK_FEED_H

/*
 * The archive's bytes, brought by a process of their own: it receives, hashes what came, decompresses, and fills pieces of
 * memory that both processes share, while the worker hashes what is in them and makes files of it. So one layer keeps two
 * processors busy, and the decompressors, which are large libraries that read what nobody has checked, run where there is no
 * folder, no capability and no system call with a path.
 *
 * The feeder is not trusted more than the archive: its lengths are checked, and the bytes may change under the reader's
 * hands (the tar reader copies what it judges, see tar.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/digest.h"
#include "archive/tar.h"
#include "base/error.h"
#include "base/pidref.h"
#include "unpack/protocol.h"

struct feed_room;

struct feed {
	struct pidref pid;
	int full_fd;            /* owned: the lengths of pieces that were filled, in order */
	int empty_fd;           /* owned: a byte for each piece that may be filled */
	struct feed_room *room; /* owned */
	size_t at;              /* the piece that comes next */
	bool held;              /* the one before it is in use */
	bool hash;
	struct digest digest; /* of what the archive holds, if @hash */
};
#define FEED_NONE ((struct feed){.pid = PIDREF_NONE, .full_fd = FD_NONE, .empty_fd = FD_NONE})

/* Start the feeder for @job; it waits. @large: writing the blob is worth a process (disk.h). Its descriptors are those of the program (protocol.h) but for the folder and the talk.
 * Context: before sandbox_lock, after which nothing can be started any more. */
int feed_start(struct feed *f, const struct unpack_job *job, bool large, struct error *err);
/* Let it begin. With UNPACK_RECEIVE: the lock on the partial file is ours. @hash: of what it brings. */
int feed_go(struct feed *f, bool hash, struct error *err);
/* A source for tar_init. Errors: INVALID (damaged), LIMIT (bounds), UNAVAILABLE (the transfer ended too early), the
 * system's; INTERNAL when the feeder has died. */
struct tar_source feed_source(struct feed *f);
/* What it found out, into @report: complete when the source has ended. */
void feed_report(struct feed *f, struct unpack_report *report);
/* The feeder is killed if it still runs. */
void feed_done(struct feed *f);

#endif
