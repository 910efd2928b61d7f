/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-unpack from start to end: read the job, lock the door, do the job, report. The report is one struct; whatever goes
 * wrong before it can be sent shows as its absence and the exit status.
 */
#include "unpack/disk.h"
#include "unpack/feed.h"
#include "unpack/flusher.h"
#include "unpack/jobs.h"
#include "unpack/receive.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"

#define LARGE_BYTES (4 << 20) /* of a layer as it comes */

int unpack_say(const struct unpack_talk *talk, enum unpack_message_type type, const void *head, size_t head_len,
	       const void *tail, size_t tail_len, struct error *err)
{
	struct unpack_message m = {.type = type, .len = (uint32_t)(head_len + tail_len)};
	unsigned char text[sizeof(m) + UNPACK_MESSAGE_MAX];

	if (talk->fd < 0)
		return 0;
	if (head_len + tail_len > UNPACK_MESSAGE_MAX)
		return error_set(err, ERROR_LIMIT, EMSGSIZE, "a name is too long to be reported");
	memcpy(text, &m, sizeof(m));
	if (head_len > 0)
		memcpy(text + sizeof(m), head, head_len);
	if (tail_len > 0)
		memcpy(text + sizeof(m) + head_len, tail, tail_len);
	int r = fd_write_all(talk->fd, text, sizeof(m) + head_len + tail_len);

	return r < 0 ? error_sys(err, -r, "cannot report") : 0;
}

static int remove_one(const struct safepath_entry *e, void *arg, struct error *err)
{
	(void)arg;
	if (S_ISDIR(e->st->st_mode))
		return safepath_remove_tree(e->dir_fd, e->name, err) < 0 ? -err->code : 1;
	return safepath_unlink(e->dir_fd, e->name, true, err);
}

int unpack_remove(int dir_fd, struct error *err)
{
	return safepath_walk(dir_fd, SAFEPATH_PRE, UINT64_MAX, remove_one, NULL, err);
}

/* Only keep and hash: the stream would look for a compression, and pay for it. */
static int save_blob(struct receive *from, struct unpack_report *report, struct error *err)
{
	autofree unsigned char *data = mem_alloc(STREAM_IN_BYTES);
	const struct stream_input in = receive_input(from);
	struct digest digest;
	ssize_t n;

	digest_init(&digest);
	while ((n = in.read(in.arg, data, STREAM_IN_BYTES, err)) > 0)
		digest_add(&digest, data, (size_t)n);
	if (n < 0)
		return (int)n;
	report->bytes_in = from->at;
	digest_end(&digest, report->digest_in);
	return 0;
}

static int read_archive(int dir_fd, const struct unpack_job *job, const struct unpack_talk *talk, struct feed *feed,
			struct unpack_report *report, struct error *err)
{
	static int (*const jobs[UNPACK_KIND_COUNT])(int dir_fd, struct tar_source in, const struct unpack_job *job,
						    const struct unpack_talk *talk, struct unpack_report *report,
						    struct error *err) = {
		[UNPACK_LAYER] = unpack_layer,
		[UNPACK_SPLIT] = unpack_split,
		[UNPACK_VERIFY] = unpack_verify,
	};
	int r;

	if (feed_go(feed, job->kind != UNPACK_SPLIT, err) < 0)
		return -err->code;
	r = jobs[job->kind](dir_fd, feed_source(feed), job, talk, report, err);
	feed_report(feed, report);
	return r;
}

/* Layers are many files: one syncfs is cheaper than an fsync for each. */
static int sync_all(int sync_fd, const struct unpack_job *job, struct error *err)
{
	if (!(job->flags & UNPACK_SYNC))
		return 0;
	if ((job->kind == UNPACK_SAVE ? fdatasync(UNPACK_PARTIAL_FD) : syncfs(sync_fd)) < 0)
		return error_sys(err, errno, "cannot make it durable");
	return 0;
}

static int read_job(struct unpack_job *job, struct error *err)
{
	if (process_close_from(UNPACK_PARTIAL_FD + 1, true, FD_NONE, err) < 0)
		return -err->code;
	int r = fd_read_all(UNPACK_TALK_FD, job, sizeof(*job));

	if (r < 0 || job->magic != UNPACK_MAGIC || job->kind >= UNPACK_KIND_COUNT ||
	    (job->kind == UNPACK_SAVE && !(job->flags & UNPACK_RECEIVE)))
		return error_set(err, ERROR_INVALID, EINVAL, "this program is started by bothy, not by hand");
	return job->flags & UNPACK_RECEIVE ? 0 : process_close_from(UNPACK_TALK_FD + 1, true, FD_NONE, err);
}

static bool reads_archive(const struct unpack_job *job)
{
	return job->kind == UNPACK_LAYER || job->kind == UNPACK_SPLIT || job->kind == UNPACK_VERIFY;
}

/* Whether processes that write beside us are worth it: by the size of what comes in. */
static bool is_large(const struct unpack_job *job)
{
	struct stat st = {0};

	if (job->flags & UNPACK_RECEIVE)
		return job->blob_size >= LARGE_BYTES;
	return fstat(UNPACK_INPUT_FD, &st) == 0 && st.st_size >= LARGE_BYTES;
}

/* What is started before the door is locked. */
struct helpers {
	struct feed feed;
	struct flusher flusher;
	struct disk disk;
	int dir_fd, sync_fd; /* owned; the folder to make things in, and for syncfs, which takes no O_PATH */
};
#define HELPERS_NONE ((struct helpers){FEED_NONE, FLUSHER_NONE, DISK_NONE, FD_NONE, FD_NONE})

static void helpers_done(struct helpers *h)
{
	feed_done(&h->feed);
	flusher_done(&h->flusher);
	disk_done(&h->disk);
	fd_close(&h->dir_fd);
	fd_close(&h->sync_fd);
}

static int go_in(struct helpers *h, const struct unpack_job *job, struct error *err)
{
	const bool large = reads_archive(job) && is_large(job);

	if (sandbox_enter(UNPACK_DIR_FD, job, &h->dir_fd, err) < 0)
		return -err->code;
	/* Before anything is written: a write-back error is told to those who had opened something by then. */
	h->sync_fd = safepath_open_dir(h->dir_fd, "", false, err);
	if (h->sync_fd < 0 || (reads_archive(job) && feed_start(&h->feed, job, large, err) < 0) ||
	    (job->kind == UNPACK_LAYER && large &&
	     (flusher_start(&h->flusher, h->sync_fd, err) < 0 || disk_start(&h->disk, err) < 0)))
		return -err->code;
	return sandbox_lock(h->dir_fd, job, err);
}

static int do_job(struct unpack_report *report, struct error *err)
{
	autoclean(helpers_done) struct helpers h = HELPERS_NONE;
	const struct unpack_talk talk = {.fd = UNPACK_TALK_FD, .flusher = &h.flusher, .disk = &h.disk};
	autoclean(receive_done) struct receive from = RECEIVE_NONE;
	struct unpack_job job;
	int r;

	if (read_job(&job, err) < 0)
		return -err->code;
	(void)setpriority(PRIO_PROCESS, 0, (int)job.nice); /* best effort: only the order of ends */
	if (go_in(&h, &job, err) < 0)
		return -err->code;
	if (job.kind == UNPACK_REMOVE)
		return unpack_remove(h.dir_fd, err);
	if (job.kind == UNPACK_DIFF)
		return unpack_diff(h.dir_fd, UNPACK_INPUT_FD, &talk, report, err);
	if (job.flags & UNPACK_RECEIVE && receive_lock(UNPACK_PARTIAL_FD, &talk, err) < 0)
		return -err->code;
	if (job.kind != UNPACK_SAVE)
		r = read_archive(h.dir_fd, &job, &talk, &h.feed, report, err);
	else if (receive_init(&from, UNPACK_PARTIAL_FD, UNPACK_INPUT_FD, job.blob_size, err) < 0)
		r = -err->code;
	else
		r = save_blob(&from, report, err);
	return r < 0 ? r : sync_all(h.sync_fd, &job, err);
}

int unpack_main(int argc, char **argv)
{
	const struct unpack_talk talk = {.fd = UNPACK_TALK_FD};
	struct unpack_report report = {0};
	struct error lost;
	struct stat st;
	int r;

	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)argc;
	(void)argv;
	(void)sigaction(SIGPIPE, &ignore, NULL); /* whoever has gone is noticed by EPIPE */
	(void)sigaction(SIGXFSZ, &ignore, NULL); /* and a limit on file sizes by EFBIG */
	r = do_job(&report, &report.err);
	report.failed = r < 0;
	if (unpack_say(&talk, UNPACK_REPORT, &report, sizeof(report), NULL, 0, &lost) < 0) {
		/* A store that has gone wants to know nothing. Without one, somebody started us by hand. */
		if (fstat(UNPACK_TALK_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
			fprintf(stderr, "bothy-unpack: %s\n", r < 0 ? report.err.msg : lost.msg);
		return 125;
	}
	return r < 0;
}
