/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flusher: see flusher.h. What is asked during a flush is done by one more, however often it was asked. An error ends the
 * flusher without a word: the sync at the end meets it as well.
 */
#include "unpack/flusher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/kernel.h"
#include "unpack/jobs.h"
#include "unpack/protocol.h"

/* Small enough that the disk begins soon, large enough that journal commits are not what it writes. */
#define FLUSH_FILES 1000u
#define FLUSH_BYTES (8u << 20)

/* Where the flusher has its two descriptors. */
#define FOLDER_FD UNPACK_DIR_FD
#define ASK_FD UNPACK_TALK_FD

struct start {
	int sync_fd, ask_fd;
};

static int flusher_main(void *arg)
{
	const struct start *c = arg;
	int folder = fd_dup_min(c->sync_fd, 16), ask = fd_dup_min(c->ask_fd, 16);
	struct error err;
	char asked[64];
	ssize_t n;

	if (folder < 0 || ask < 0 || dup2(folder, FOLDER_FD) < 0 || dup2(ask, ASK_FD) < 0)
		return 1;
	(void)close(UNPACK_INPUT_FD);
	if (process_close_from(ASK_FD + 1, true, FD_NONE, &err) < 0 ||
	    process_set_death_signal(SIGKILL, FD_NONE, &err) < 0 || sandbox_lock_flusher(&err) < 0)
		return 1;
	do {
		n = read(ASK_FD, asked, sizeof(asked));
		if (n > 0 && syncfs(FOLDER_FD) < 0)
			return 1;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return 0;
}

int flusher_start(struct flusher *f, int sync_fd, struct error *err)
{
	const struct process_clone how = PROCESS_CLONE_INIT;
	autoclean(flusher_done) struct flusher new = FLUSHER_NONE;
	autofd int ask = FD_NONE;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	ask = ends[0];
	new.ask_fd = ends[1];
	if (fd_set_nonblock(new.ask_fd, true) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	struct start start = {.sync_fd = sync_fd, .ask_fd = ask};

	if (process_clone(&how, flusher_main, &start, &new.pid, err) < 0)
		return error_wrap(err, "start the process that writes back");
	*f = new;
	new = FLUSHER_NONE;
	return 0;
}

void flusher_note(struct flusher *f, uint64_t bytes)
{
	if (!f || f->ask_fd < 0)
		return;
	f->bytes += bytes;
	if (++f->files < FLUSH_FILES && f->bytes < FLUSH_BYTES)
		return;
	f->files = f->bytes = 0;
	if (write(f->ask_fd, "", 1) < 0 && errno != EAGAIN) /* full: it has been asked */
		fd_close(&f->ask_fd);
}

void flusher_done(struct flusher *f)
{
	if (f->pid.pid != 0)
		(void)pidref_kill(&f->pid, SIGKILL); /* best effort: a filter forbids it, and our end is its end */
	pidref_done(&f->pid);
	fd_close(&f->ask_fd);
}
