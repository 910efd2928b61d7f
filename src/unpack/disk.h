/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_DISK_H
#define UNPACK_DISK_H

/*
 * Who waits for the disk: a process that carries out direct writes, while the one that ordered them fills the next piece of
 * memory, which both share. A direct write of 512 KB takes a third of a millisecond, during which a processor would have
 * nothing to do. Orders are carried out one after the other, so what is in a file is always a beginning of what was ordered.
 *
 * Without that process (small layers, no room for one, tests) each write is done as it is ordered, by the caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "base/pidref.h"

#define DISK_PIECES 2u
#define DISK_PIECE_BYTES (512u << 10) /* one write */
#define DISK_BLOCK_BYTES 4096u /* what a direct write is a multiple of: of any file system and disk that we know */
#define DISK_NAME_MAX 224

struct disk {
	struct pidref pid;     /* of the process; pid 0: none */
	int talk_fd;           /* owned: orders there, answers back */
	unsigned char *pieces; /* owned, aligned, DISK_PIECES of them; NULL until first needed */
	uint64_t ordered, done;
	char what[DISK_PIECES][DISK_NAME_MAX]; /* whose writes are on their way, for the error */
	bool failed;
	struct error err; /* with failed: of the first that did */
};
#define DISK_NONE ((struct disk){.pid = PIDREF_NONE, .talk_fd = FD_NONE})

/* One write: the first @len bytes of the piece to @at. What a block does not fill at the end of it goes through the page
 * cache, after which the file is in the mode of cached writes. */
struct disk_order {
	int fd; /* open for writing, in the mode of direct writes; borrowed, but see finish */
	uint64_t at;
	size_t len;
	bool first;  /* of this file: the process gets to know it */
	bool last;   /* of this file, which is in the mode of cached writes behind it */
	bool finish; /* with last: set the time and close @fd, which is the disk's from now on, also in an error */
	struct timespec mtime; /* with finish */
	const char *what;      /* the file, for an error: "entry 'a/b'" */
};

/* Start the process. Context: before sandbox_lock or sandbox_lock_feeder, after which nothing can be started any more. */
int disk_start(struct disk *d, struct error *err);
/* The piece to fill next, DISK_PIECE_BYTES long; waits until it is free. NULL: an order before has failed (disk_settle says
 * how). Valid until the order. */
unsigned char *disk_piece(struct disk *d);
/* Write the piece that disk_piece gave. Returns 0 or <0: this or an order before has failed; the error names whose. */
int disk_write(struct disk *d, const struct disk_order *o, struct error *err);
/* Wait for all that was ordered. Returns 0 or <0, as disk_write. */
int disk_settle(struct disk *d, struct error *err);
void disk_done(struct disk *d);

#endif
