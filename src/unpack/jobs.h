/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_JOBS_H
#define UNPACK_JOBS_H

/* Inside bothy-unpack: how a job speaks, and what each does. */

#include <stddef.h>

#include "archive/tar.h"
#include "base/error.h"
#include "unpack/disk.h"
#include "unpack/flusher.h"
#include "unpack/protocol.h"

/* Whom a job speaks to. */
struct unpack_talk {
	int fd;                  /* the store; borrowed; FD_NONE: say nothing (tests, fuzzing) */
	struct flusher *flusher; /* borrowed; NULL: nobody writes back early */
	struct disk *disk;       /* borrowed; NULL: files are written by the job itself */
};
/* Say something to the store. Returns 0 or <0 (the other end is gone). */
int unpack_say(const struct unpack_talk *talk, enum unpack_message_type type, const void *head, size_t head_len,
	       const void *tail, size_t tail_len, struct error *err);

/* Apply the layer that @in delivers to the folder @root_fd. Never leaves it: every name is resolved inside (V27).
 * Fills the counters of @report. Returns 0, or <0: INVALID (the layer breaks a rule), LIMIT, the system's. */
int unpack_layer(int root_fd, struct tar_source in, const struct unpack_job *job, const struct unpack_talk *talk,
		 struct unpack_report *report, struct error *err);
/* Write the members of an image archive into @dir_fd and say an UNPACK_MEMBER for each. */
int unpack_split(int dir_fd, struct tar_source in, const struct unpack_job *job, const struct unpack_talk *talk,
		 struct unpack_report *report, struct error *err);
/* Compare the layer that @in delivers with the folder @root_fd, which is only read; say an UNPACK_FINDING for each difference and
 * an UNPACK_IMPLIED for each folder that the layer does not list. Returns 0 (also with findings), or <0: INVALID, LIMIT. */
int unpack_verify(int root_fd, struct tar_source in, const struct unpack_job *job, const struct unpack_talk *talk,
		  struct unpack_report *report, struct error *err);
/* Compare two images, whose layers @in_fd lists, in the folder of all layers; say an UNPACK_CHANGE for each difference. */
int unpack_diff(int layers_fd, int in_fd, const struct unpack_talk *talk, struct unpack_report *report,
		struct error *err);
/* Empty the folder. */
int unpack_remove(int dir_fd, struct error *err);

/* ---- the sandbox: see sandbox.c ---------------------------------------------------------------------------------- */

/* The first part: the folder @dir_fd becomes the root (by pivot_root or chroot), limits are set. @ret_dir_fd: the folder as it
 * is reached from now on (owned). Returns 0 or <0. */
int sandbox_enter(int dir_fd, const struct unpack_job *job, int *ret_dir_fd, struct error *err);
/* The second: capabilities, Landlock, seccomp. From here on there is only the folder, and no new process. */
int sandbox_lock(int dir_fd, const struct unpack_job *job, struct error *err);
/* In place of it for the feeder (feed.h): no capability, no file but those that are open, calls without a path. */
int sandbox_lock_feeder(struct error *err);
/* The same for the disk (disk.h): descriptors come over its socket, and it may set the time of a file that is another's. */
int sandbox_lock_disk(struct error *err);
/* The same for the flusher (flusher.h), which only reads a pipe and calls syncfs. */
int sandbox_lock_flusher(struct error *err);

#endif
