/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs on their way in, each with a worker of its own. The way of one:
 *
 *   look      in the index: all there (DONE), only the packed blob (unpacked from there), or nothing
 *   receive   the worker takes the lock on partial/sha256/<hex>; a second command waits there. Then look again: the first may
 *             have published it. Else the worker reads what the file holds, and the pipe
 *   publish   file and tree are renamed into place and recorded, by themselves: who waits for the lock never waits for another
 *             layer of ours, so that two commands cannot wait for each other
 *   stack     a layer that did not list a folder takes owner and mode of the layers below: so it needs those first
 *
 * Bytes that turn out wrong are thrown away and asked for once more: a partial file may have been damaged, a mirror may lie.
 */
#include "store/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define WORKERS_MAX STORE_INGEST_FDS /* with those that wait for another command */
#define ATTEMPTS_MAX 4               /* the store's bytes, a kept beginning, a mirror, the registry itself */
#define PIPE_BYTES (1 << 20)
#define DRAIN_NS (3 * NS_PER_S)

/* ---- making and ending ---- */

int store_ingest_new(struct store *s, const struct unpack_limits *limits, struct store_ingest **ret, struct error *err)
{
	autoingest struct store_ingest *g = mem_zalloc(1, sizeof(*g));
	autofd int partial = FD_NONE;

	if (staged_init(&g->staged, s, limits, err) < 0 ||
	    safepath_mkdir(s->root_fd, "partial", 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	partial = safepath_child(s->root_fd, "partial", O_RDONLY | O_DIRECTORY, err);
	if (partial < 0 || safepath_mkdir(partial, "sha256", 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	*ret = take_ptr(&g);
	return 0;
}

/* Has the partial file that is open still its name? It may have become a blob. */
static bool is_in_place(int dir, const struct ingest_job *j, const struct stat *file)
{
	struct stat named;

	return safepath_stat(dir, image_digest_hex(j->blob.digest), &named) == 0 && file->st_dev == named.st_dev &&
	       file->st_ino == named.st_ino;
}

/* On a full disk what has come of a blob would go on filling it, with nobody in sight to take it further. */
static void drop_partial(struct store_ingest *g, const struct ingest_job *j)
{
	struct error ignored;
	autofd int dir = store_folder(g->staged.store, INGEST_PARTIAL, &ignored);
	struct stat file;

	if (dir >= 0 && j->partial_fd >= 0 && fstat(j->partial_fd, &file) == 0 && is_in_place(dir, j, &file))
		(void)safepath_unlink(dir, image_digest_hex(j->blob.digest), true, &ignored);
}

static void job_stop(struct store_ingest *g, struct ingest_job *j)
{
	worker_done(&j->worker);
	worker_answer_done(&j->answer);
	if (g->no_room && j->locked)
		drop_partial(g, j);
	j->locked = false;
	fd_close(&j->pipe_fd);
	fd_close(&j->partial_fd);
	j->at = INGEST_IDLE;
}

/* Stop whoever has nothing to keep. Returns whether somebody is left. */
static bool stop_idle(struct store_ingest *g)
{
	bool left = false;

	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];

		if (j->at == INGEST_AT_WORK && j->blob.state == STORE_BLOB_RECEIVING)
			left = true;
		else
			job_stop(g, j);
	}
	return left;
}

void store_ingest_drain(struct store_ingest *g)
{
	const int64_t until = clock_monotonic_ns() + DRAIN_NS;
	struct error ignored;
	int64_t left;

	while (stop_idle(g) && (left = until - clock_monotonic_ns()) > 0) {
		struct pollfd fds[STORE_INGEST_FDS];
		const size_t n = store_ingest_fds(g, fds, STORE_INGEST_FDS);

		if (poll(fds, n, (int)(left / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return;
		for (size_t i = 0, k = 0; i < g->job_count && k < n; i++) {
			struct ingest_job *j = &g->jobs[i];
			enum unpack_message_type type;

			if (j->worker.talk < 0 || fds[k++].revents == 0)
				continue;
			if (worker_next(&j->worker, &j->answer, &type, &ignored) < 0 || type == UNPACK_REPORT)
				job_stop(g, j);
		}
	}
}

void store_ingest_free(struct store_ingest *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->job_count; i++)
		job_stop(g, &g->jobs[i]);
	free(g->jobs);
	ingest_records_done(g);
	staged_done(&g->staged);
	free(g);
}

/* A blob that is not on the list yet: may it be brought? */
static int count_blob(struct store_ingest *g, const char *digest, int64_t size, struct error *err)
{
	const struct unpack_limits *l = &g->staged.limits;

	if (size < 0 || (uint64_t)size > l->layer_bytes)
		return error_set(err, ERROR_LIMIT, EFBIG, "blob %s has %lld bytes, at most %llu are accepted", digest,
				 (long long)size, (unsigned long long)l->layer_bytes);
	g->bytes += (uint64_t)size;
	if (g->bytes > l->image_bytes)
		return error_set(err, ERROR_LIMIT, EFBIG, "the blobs together have more than %llu bytes",
				 (unsigned long long)l->image_bytes);
	return 0;
}

int ingest_add(struct store_ingest *g, const char *digest, int64_t size, const struct staged_chains *chains,
	       size_t position, const char *diff, struct error *err)
{
	struct ingest_job *j;
	bool counted = false;

	for (size_t i = 0; i < g->job_count; i++) {
		j = &g->jobs[i];
		if (!str_eq(j->blob.digest, digest))
			continue;
		if (j->blob.size != size)
			return error_set(err, ERROR_INVALID, EBADMSG,
					 "blob %s has %lld bytes in one place, %lld in another", digest,
					 (long long)j->blob.size, (long long)size);
		/* Who unpacks a blob has it. */
		if (!chains || (j->chains && str_eq(j->chains->items[j->position], chains->items[position])))
			return 0;
		counted = true;
	}
	if (!counted && count_blob(g, digest, size, err) < 0)
		return -err->code;
	j = &VEC_PUSH(g->jobs, g->job_count);
	*j = (struct ingest_job){.blob = {.size = size},
				 .chains = chains,
				 .position = position,
				 .diff = diff,
				 .worker = WORKER_NONE,
				 .partial_fd = FD_NONE,
				 .pipe_fd = FD_NONE};
	(void)str_copy(j->blob.digest, sizeof(j->blob.digest), digest);
	return 0;
}

void ingest_again(struct store_ingest *g, struct ingest_job *j)
{
	job_stop(g, j);
	j->blob.state = STORE_BLOB_QUEUED;
	j->blob.offset = 0;
}

void ingest_reset(struct store_ingest *g)
{
	staged_forget(&g->staged);
	g->texts_staged = 0;
	for (size_t i = 0; i < g->job_count; i++) {
		ingest_again(g, &g->jobs[i]);
		g->jobs[i].layer = 0;
		g->jobs[i].attempts = 0;
	}
}

/* ---- what the caller sees ---- */

size_t store_ingest_count(const struct store_ingest *g)
{
	return g->job_count;
}

const struct store_ingest_blob *store_ingest_blob(const struct store_ingest *g, size_t i)
{
	return &g->jobs[i].blob;
}

size_t store_ingest_fds(const struct store_ingest *g, struct pollfd *out, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < g->job_count && count < max; i++) {
		if (g->jobs[i].worker.talk >= 0)
			out[count++] = (struct pollfd){.fd = g->jobs[i].worker.talk, .events = POLLIN};
	}
	return count;
}

int store_ingest_pipe_take(struct store_ingest *g, size_t i)
{
	g->jobs[i].blob.state = STORE_BLOB_RECEIVING;
	return take_fd(&g->jobs[i].pipe_fd);
}

void store_ingest_retry(struct store_ingest *g, size_t i)
{
	if (g->jobs[i].blob.state == STORE_BLOB_CUT)
		ingest_again(g, &g->jobs[i]);
}

const struct error *store_ingest_why(const struct store_ingest *g, size_t i)
{
	return &g->jobs[i].why;
}

/* ---- starting ---- */

struct staged_layer *ingest_layer(struct store_ingest *g, const struct ingest_job *j)
{
	return j->unpack ? &g->staged.layers[j->layer - 1] : NULL;
}

/* An empty folder for the worker: the layer's, or one that stays empty. */
static int worker_folder(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	char name[16];

	if (j->unpack) {
		if (!j->layer) {
			staged_add_layer(&g->staged, j->chains, j->position, j->diff, j->blob.digest);
			j->layer = g->staged.layer_count;
		}
		struct staged_layer *l = ingest_layer(g, j);

		return staged_layer_folder(&g->staged, l, err) < 0 ? -err->code : fd_dup_min(l->dir_fd, 3);
	}
	snprintf(name, sizeof(name), "s%zu", ++g->staged.serial);
	if (safepath_mkdir(g->staged.staging.fd, name, 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	return safepath_child(g->staged.staging.fd, name, O_RDONLY | O_DIRECTORY, err);
}

/* The partial file of a blob, made when it is missing. */
static int open_partial(struct store_ingest *g, const struct ingest_job *j, struct error *err)
{
	autofd int dir = store_folder(g->staged.store, INGEST_PARTIAL, err);
	const char *hex = image_digest_hex(j->blob.digest);
	int fd = FD_NONE;

	/* Another command may make or rename it between the two calls. */
	for (int tries = 0; dir >= 0 && tries < 100; tries++) {
		fd = safepath_child(dir, hex, O_RDWR, err);
		if (fd != -ENOENT)
			return fd;
		fd = safepath_create_file(dir, hex, O_RDWR, 0600, SAFEPATH_KEEP, err);
		if (fd != -EEXIST)
			return fd;
	}
	return dir < 0 ? dir : fd;
}

static int64_t largest_size(const struct store_ingest *g)
{
	int64_t largest = 0;

	for (size_t i = 0; i < g->job_count; i++) {
		if (g->jobs[i].blob.state != STORE_BLOB_DONE && g->jobs[i].blob.size > largest)
			largest = g->jobs[i].blob.size;
	}
	return largest;
}

static int start_worker(struct store_ingest *g, struct ingest_job *j, int in_fd, struct error *err)
{
	autofd int folder = worker_folder(g, j, err);
	const bool receive = j->partial_fd >= 0;
	const struct worker_task task = {
		.kind = j->unpack ? UNPACK_LAYER : UNPACK_SAVE,
		.limits = &g->staged.limits,
		.in_fd = in_fd,
		.dir_fd = folder,
		.partial_fd = j->partial_fd,
		.blob_size = (uint64_t)j->blob.size,
		.flags = UNPACK_HASH_IN | UNPACK_SYNC,
		.nice = worker_nice(j->blob.size, largest_size(g)),
	};

	if (folder < 0 || worker_start_task(g->staged.store, &task, &j->worker, err) < 0)
		return error_wrap(err, "layer %s", j->blob.digest);
	j->at = INGEST_AT_WORK;
	j->blob.state = receive ? STORE_BLOB_QUEUED : STORE_BLOB_UNPACKING;
	return 0;
}

/* What cannot fit even on all that is free is refused before a byte of it has come. */
static int check_room(const struct ingest_job *j, struct error *err)
{
	struct statvfs fs;
	struct stat st;

	if (fstatvfs(j->partial_fd, &fs) < 0 || fstat(j->partial_fd, &st) < 0 || fs.f_blocks == 0)
		return 0; /* the disk will tell */
	uint64_t has = (uint64_t)fs.f_bfree * fs.f_frsize + (uint64_t)st.st_blocks * 512;

	if ((uint64_t)j->blob.size <= has)
		return 0;
	error_set(err, ERROR_LIMIT, EFBIG, "blob %s has %lld bytes, the disk has room for %llu", j->blob.digest,
		  (long long)j->blob.size, (unsigned long long)has);
	return error_hint(err, "make room: bothy system prune");
}

static int start_receiving(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	autofd int in = FD_NONE;
	int ends[2];

	j->partial_fd = open_partial(g, j, err);
	if (j->partial_fd < 0 || check_room(j, err) < 0)
		return -err->code;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	in = ends[0];
	j->pipe_fd = ends[1];
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_BYTES); /* best effort: fewer wake-ups */
	return start_worker(g, j, in, err);
}

/* Is another job of ours busy with the same blob, or with the same layer? */
static bool is_twin_busy(const struct store_ingest *g, const struct ingest_job *j)
{
	for (size_t i = 0; i < g->job_count; i++) {
		const struct ingest_job *o = &g->jobs[i];

		if (o != j && o->at != INGEST_IDLE && o->at != INGEST_STACKING &&
		    (str_eq(o->blob.digest, j->blob.digest) ||
		     (o->chains && j->chains && str_eq(o->chains->items[o->position], j->chains->items[j->position]))))
			return true;
	}
	return false;
}

/* Look what there is, and begin what is missing. */
static int start(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	struct staged *st = &g->staged;
	int layer = j->chains ? staged_layer_stored(st, j->chains->items[j->position], err) : 1;
	int blob = layer < 0 || j->distrust ? 0 : staged_blob_known(st, j->blob.digest, j->blob.size, err);

	if (layer < 0 || blob < 0)
		return -err->code;
	if (layer && blob) {
		j->blob.state = STORE_BLOB_DONE;
		j->blob.existed = true;
		return 0;
	}
	j->unpack = !layer; /* else it is another packing of a layer that is there: only to be kept */
	/* By a link of our own: so it may be removed meanwhile. */
	if (blob)
		blob = staged_pin_blob(st, j->blob.digest, err);
	if (blob <= 0)
		return blob < 0 ? blob : start_receiving(g, j, err);
	autofd int in = staged_open_blob(st, j->blob.digest, err);

	return in < 0 ? in : start_worker(g, j, in, err);
}

/* The largest first: it is what the others are finished before. */
static struct ingest_job *next_job(struct store_ingest *g)
{
	struct ingest_job *best = NULL;

	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];

		if (j->at == INGEST_IDLE && j->blob.state == STORE_BLOB_QUEUED && !is_twin_busy(g, j) &&
		    (!best || j->blob.size > best->blob.size))
			best = j;
	}
	return best;
}

static int start_some(struct store_ingest *g, struct error *err)
{
	const size_t max = workers_at_once();
	struct ingest_job *j;

	for (;;) {
		size_t active = 0, all = 0;

		for (size_t i = 0; i < g->job_count; i++) {
			all += g->jobs[i].at == INGEST_AT_WORK;
			active += g->jobs[i].at == INGEST_AT_WORK && g->jobs[i].blob.state != STORE_BLOB_WAITING;
		}
		if (active >= max || all >= WORKERS_MAX || !(j = next_job(g)))
			return 0;
		if (start(g, j, err) < 0)
			return -err->code;
	}
}

/* ---- what workers say ---- */

/* The lock is ours. Is there still something to receive, and into the file that has the name? */
static int on_ready(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	autofd int dir = store_folder(g->staged.store, INGEST_PARTIAL, err);
	const char *hex = image_digest_hex(j->blob.digest);
	struct stat file;
	int known = dir < 0 || j->distrust ? 0 : staged_blob_known(&g->staged, j->blob.digest, j->blob.size, err);

	if (dir < 0 || known < 0)
		return -err->code;
	if (fstat(j->partial_fd, &file) < 0)
		return error_sys(err, errno, "look at the partial file of %s", j->blob.digest);
	bool ours = is_in_place(dir, j, &file);

	if (known && ours)
		(void)safepath_unlink(dir, hex, true, err); /* best effort: of no use any more */
	if (known || !ours) {
		ingest_again(g, j);
		return 0;
	}
	j->locked = true;
	if ((j->fresh || file.st_size > j->blob.size) && ftruncate(j->partial_fd, 0) < 0)
		return error_sys(err, errno, "empty the partial file of %s", j->blob.digest);
	j->blob.offset = j->fresh || file.st_size > j->blob.size ? 0 : (uint64_t)file.st_size;
	j->fresh = false;
	j->blob.state = STORE_BLOB_WANTED;
	if (j->blob.offset == (uint64_t)j->blob.size) {
		fd_close(&j->pipe_fd);
		j->blob.state = STORE_BLOB_UNPACKING;
	}
	return worker_go(&j->worker, err);
}

/* The bytes are wrong. Once more, without what was there; then from the registry itself; then it is the registry's fault. */
static int on_bad_bytes(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	const bool received = j->partial_fd >= 0, whole = received && j->blob.offset == 0;
	struct error ignored;

	if (!(whole && j->blob.primary_only) && ++j->attempts < ATTEMPTS_MAX) {
		log_debug("blob %s: %s; receiving it anew", j->blob.digest, err->msg);
		j->fresh = true;
		j->distrust |= !received;
		j->blob.primary_only = whole;
		ingest_again(g, j);
		return 0;
	}
	autofd int dir = store_folder(g->staged.store, INGEST_PARTIAL, &ignored);

	if (received && dir >= 0)
		(void)safepath_unlink(dir, image_digest_hex(j->blob.digest), true, &ignored);
	return error_wrap(err, "layer %s", j->blob.digest);
}

static int on_failure(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	if (err->kind == ERROR_UNAVAILABLE && j->partial_fd >= 0) {
		j->why = *err;
		job_stop(g, j);
		j->blob.state = STORE_BLOB_CUT;
		return 0;
	}
	if (err->kind == ERROR_INVALID)
		return on_bad_bytes(g, j, err);
	return error_wrap(err, "layer %s", j->blob.digest);
}

static int on_report(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	struct staged_layer *l = ingest_layer(g, j);
	char is[DIGEST_TEXT_MAX];

	digest_text(j->answer.report.digest_in, is);
	if (!str_eq(is, j->blob.digest)) {
		error_set(err, ERROR_INVALID, EBADMSG, "its content has digest %s", is);
		return on_bad_bytes(g, j, err);
	}
	if (l && staged_layer_finish_take(&g->staged, l, &j->answer, err) < 0)
		return -err->code;
	worker_answer_done(&j->answer);
	j->at = INGEST_COMPLETE;
	return 0;
}

static int on_message(struct store_ingest *g, struct ingest_job *j, struct error *err)
{
	enum unpack_message_type type;

	if (worker_next(&j->worker, &j->answer, &type, err) < 0)
		return on_failure(g, j, err);
	switch (type) {
	case UNPACK_WAITING:
		j->blob.state = STORE_BLOB_WAITING;
		return 0;
	case UNPACK_READY:
		return on_ready(g, j, err);
	case UNPACK_REPORT:
		return on_report(g, j, err);
	default:
		return 0; /* kept in the answer */
	}
}

/* ---- steps ---- */

static size_t count_done(const struct store_ingest *g)
{
	size_t done = 0;

	for (size_t i = 0; i < g->job_count; i++)
		done += g->jobs[i].blob.state == STORE_BLOB_DONE;
	return done;
}

static bool is_receiving(const struct store_ingest *g)
{
	for (size_t i = 0; i < g->job_count; i++) {
		if (g->jobs[i].blob.state == STORE_BLOB_RECEIVING)
			return true;
	}
	return false;
}

static int step(struct store_ingest *g, struct error *err)
{
	struct pollfd look = {.events = POLLIN};
	bool busy = false;
	size_t done;

	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];

		/* All that it has to say now, so that a layer's many messages do not take a round each. */
		while (j->at == INGEST_AT_WORK && (look.fd = j->worker.talk) >= 0 && poll(&look, 1, 0) > 0) {
			if (on_message(g, j, err) < 0)
				return -err->code;
		}
	}
	/* What is found in its place may be what a complete layer waits for, and no message will tell of it. */
	do {
		done = count_done(g);
		if (ingest_publish(g, err) < 0 || start_some(g, err) < 0)
			return -err->code;
	} while (count_done(g) != done);
	/* While the network is waited for anyway. They go to their place with the first layer. */
	if (is_receiving(g) && ingest_stage_texts(g, err) < 0)
		return -err->code;
	for (size_t i = 0; i < g->job_count; i++)
		busy |= g->jobs[i].at == INGEST_AT_WORK || g->jobs[i].blob.state == STORE_BLOB_CUT;
	if (ingest_ready(g))
		return 1;
	if (!busy) /* rather an error than to wait for nobody */
		return error_set(err, ERROR_INTERNAL, EDEADLK, "%zu of %zu layers came, nobody brings the rest", done,
				 g->job_count);
	return 0;
}

int store_ingest_step(struct store_ingest *g, struct error *err)
{
	int r = step(g, err);

	if (r < 0)
		g->no_room = err->code == ENOSPC || err->code == EDQUOT;
	return r;
}
