/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feeder: see feed.h. Two pipes carry who may use which piece of the memory: the worker sends a byte for each piece that is
 * free, the feeder its length when it is full. The end of the first pipe is the end of the worker, that of the second the end of
 * the archive, or of the feeder: which of them is said in the memory.
 */
#include "unpack/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/kernel.h"
#include "unpack/jobs.h"
#include "unpack/receive.h"

#define PIECES 4u
#define PIECE_BYTES (256u << 10)

/* Where the feeder has its ends, in place of the folder and the talk. */
#define FULL_FD UNPACK_DIR_FD
#define EMPTY_FD UNPACK_TALK_FD

struct feed_room {
	unsigned char pieces[PIECES][PIECE_BYTES];
	/* Written by the feeder before its end. */
	bool ended, failed;
	struct error err;
	uint64_t bytes_in, bytes_out;
	enum image_compression compression;
	unsigned char digest_in[DIGEST_RAW_BYTES];
};

/* ---- the feeder ---- */

struct start {
	const struct unpack_job *job;
	struct feed_room *room;
	int full_fd, empty_fd; /* the feeder's ends */
	bool disk;             /* a process writes the blob */
};

/* Nothing stays open but the input, what was inherited as output, our ends, and the partial file. */
static int take_places(const struct start *c, struct error *err)
{
	const bool receive = c->job->flags & UNPACK_RECEIVE;
	int full = fd_dup_min(c->full_fd, 16), empty = fd_dup_min(c->empty_fd, 16);

	if (full < 0 || empty < 0 || dup2(full, FULL_FD) < 0 || dup2(empty, EMPTY_FD) < 0)
		return error_sys(err, errno, "cannot place the descriptors");
	return process_close_from(receive ? UNPACK_PARTIAL_FD + 1 : UNPACK_PARTIAL_FD, true, FD_NONE, err);
}

static void stream_limits(const struct unpack_job *job, struct stream_limits *ret)
{
	*ret = (struct stream_limits){
		.out_bytes = job->kind == UNPACK_SPLIT ? job->limits.archive_bytes : job->limits.layer_bytes,
		.ratio = job->limits.ratio,
		.ratio_free_bytes = UNPACK_RATIO_FREE_BYTES,
	};
}

/* Fill @piece as far as there are bytes. Returns its length, also when an error ends it, which is said in *@ret. */
static uint32_t fill(struct stream *in, unsigned char *piece, int *ret, struct error *err)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < PIECE_BYTES) {
		n = stream_read(in, piece + len, PIECE_BYTES - len, err);
		len += n > 0 ? (size_t)n : 0;
	}
	*ret = n > 0 ? 1 : (int)n;
	return (uint32_t)len;
}

static int bring(struct feed_room *room, struct stream *in, struct error *err)
{
	int r = 1;

	for (size_t at = 0; r > 0; at++) {
		uint32_t len = fill(in, room->pieces[at % PIECES], &r, err);
		char token;

		if (len > 0 && (fd_write_all(FULL_FD, &len, sizeof(len)) < 0 || fd_read_all(EMPTY_FD, &token, 1) < 0))
			return error_set(err, ERROR_INTERNAL, EPIPE, "the worker has gone");
	}
	return r;
}

static int feed(const struct start *c, struct error *err)
{
	const struct unpack_job *job = c->job;
	struct feed_room *room = c->room;
	autoclean(receive_done) struct receive from = RECEIVE_NONE;
	autoclean(stream_done) struct stream in = {.fd = FD_NONE};
	struct stream_limits limits;
	char token;
	int r;

	if (take_places(c, err) < 0 || process_set_death_signal(SIGKILL, FD_NONE, err) < 0 ||
	    (c->disk && disk_start(&from.disk, err) < 0) || sandbox_lock_feeder(err) < 0)
		return -err->code;
	if (fd_read_all(EMPTY_FD, &token, 1) < 0)
		return error_set(err, ERROR_INTERNAL, EPIPE, "the worker has gone");
	if (job->flags & UNPACK_RECEIVE &&
	    receive_init(&from, UNPACK_PARTIAL_FD, UNPACK_INPUT_FD, job->blob_size, err) < 0)
		return -err->code;
	stream_limits(job, &limits);
	stream_init(&in, UNPACK_INPUT_FD, job->flags & UNPACK_HASH_IN || job->kind == UNPACK_VERIFY, false, &limits);
	if (job->flags & UNPACK_RECEIVE)
		in.input = receive_input(&from);
	r = bring(room, &in, err);
	room->compression = in.codec ? in.codec->compression : IMAGE_PLAIN;
	room->bytes_in = in.bytes_in;
	room->bytes_out = in.bytes_out;
	digest_end(&in.digest_in, room->digest_in);
	return r;
}

static int feed_main(void *arg)
{
	const struct start *c = arg;
	struct error err = {0};

	if (feed(c, &err) < 0) {
		c->room->err = err;
		c->room->failed = true;
	}
	c->room->ended = true;
	return 0;
}

/* ---- the worker ---- */

void feed_done(struct feed *f)
{
	if (f->pid.pid != 0)
		(void)pidref_kill(&f->pid, SIGKILL); /* best effort: a filter forbids it, and our end is its end */
	pidref_done(&f->pid);
	fd_close(&f->full_fd);
	fd_close(&f->empty_fd);
	if (f->room)
		(void)munmap(f->room, sizeof(*f->room));
	*f = FEED_NONE;
}

int feed_start(struct feed *f, const struct unpack_job *job, bool large, struct error *err)
{
	const struct process_clone how = PROCESS_CLONE_INIT;
	autoclean(feed_done) struct feed new = FEED_NONE;
	autofd int full = FD_NONE, empty = FD_NONE;
	int ends[2];
	void *room = mmap(NULL, sizeof(struct feed_room), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED)
		return error_sys(err, errno, "cannot make memory for two processes");
	new.room = room;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	new.full_fd = ends[0];
	full = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	empty = ends[0];
	new.empty_fd = ends[1];
	struct start start = {.job = job,
			      .room = room,
			      .full_fd = full,
			      .empty_fd = empty,
			      .disk = large && job->flags & UNPACK_RECEIVE};

	if (process_clone(&how, feed_main, &start, &new.pid, err) < 0)
		return error_wrap(err, "start the process that decompresses");
	*f = new;
	new = FEED_NONE;
	return 0;
}

static int give(struct feed *f, size_t count, struct error *err)
{
	static const char tokens[PIECES];
	int r = fd_write_all(f->empty_fd, tokens, count);

	/* Who has ended has said so in the other pipe. (SIGPIPE is ignored, see main.c.) */
	return r < 0 && r != -EPIPE ? error_sys(err, -r, "cannot speak to the process that decompresses") : 0;
}

int feed_go(struct feed *f, bool hash, struct error *err)
{
	f->hash = hash;
	digest_init(&f->digest);
	return give(f, PIECES, err);
}

/* The pipe has ended. */
static int ended(const struct feed *f, struct error *err)
{
	const struct feed_room *room = f->room;

	if (!room->ended)
		return error_set(err, ERROR_INTERNAL, ECHILD, "the process that decompresses has died");
	if (!room->failed)
		return 0;
	*err = room->err;
	err->msg[sizeof(err->msg) - 1] = '\0';
	err->hint[sizeof(err->hint) - 1] = '\0';
	err->code = err->code > 0 ? err->code : EPROTO;
	return -err->code;
}

static int next(void *arg, const unsigned char **ret_data, size_t *ret_len, struct error *err)
{
	struct feed *f = arg;
	uint32_t len;
	int r;

	if (f->held && give(f, 1, err) < 0)
		return -err->code;
	f->held = false;
	r = fd_read_all(f->full_fd, &len, sizeof(len));
	if (r == -ENODATA)
		return ended(f, err);
	if (r < 0 || len == 0 || len > PIECE_BYTES)
		return error_set(err, ERROR_INTERNAL, EPROTO, "the process that decompresses makes no sense");
	const unsigned char *piece = f->room->pieces[f->at++ % PIECES];

	if (f->hash)
		digest_add(&f->digest, piece, len);
	f->held = true;
	*ret_data = piece;
	*ret_len = len;
	return 1;
}

struct tar_source feed_source(struct feed *f)
{
	return (struct tar_source){.next = next, .arg = f};
}

void feed_report(struct feed *f, struct unpack_report *report)
{
	report->compression = f->room->compression;
	report->bytes_in = f->room->bytes_in;
	report->bytes_out = f->room->bytes_out;
	memcpy(report->digest_in, f->room->digest_in, sizeof(report->digest_in));
	digest_end(&f->digest, report->digest_out);
}
