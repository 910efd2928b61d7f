/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of a load become folders. They do not depend on each other until they are stacked, so some workers run at a time, in
 * the order and with the shares of a pull (docs/store.md, "Order"): the largest layer first, since it is what the others should
 * be finished before, and the smaller ones stand back behind it.
 *
 * How far a layer is needs no word from its worker: it has its input from us, and so its position is ours to see.
 */
#include "store/load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define TICK_MS 100

struct job {
	int input;    /* owned; the blob */
	int64_t size; /* of it */
	struct worker_answer answer;
	enum { JOB_WAITS, JOB_RUNS, JOB_DONE } at;
};

struct unpacking {
	struct load *load;
	struct job *jobs; /* owned; one for each staged layer, in their order */
	size_t count, running;
	struct store_watched *watched; /* owned; the same */
};

uint64_t load_position(int fd)
{
	off_t at = fd < 0 ? -1 : lseek(fd, 0, SEEK_CUR);

	return at < 0 ? 0 : (uint64_t)at;
}

static int unpacking_begin(struct load *l, struct unpacking *ret, struct error *err)
{
	struct unpacking *u = ret;

	u->load = l;
	u->jobs = mem_zalloc(l->staged.layer_count + 1, sizeof(*u->jobs));
	u->watched = mem_zalloc(l->staged.layer_count + 1, sizeof(*u->watched));
	for (; u->count < l->staged.layer_count; u->count++) {
		const char *blob = l->staged.layers[u->count].blob;
		struct job *j = &u->jobs[u->count];
		struct stat st;
		autofd int fd = staged_open_blob(&l->staged, blob, err);

		*j = (struct job){.input = FD_NONE};
		if (fd < 0)
			return fd;
		j->size = fstat(fd, &st) == 0 ? st.st_size : 0;
		u->watched[u->count] = (struct store_watched){.digest = blob, .size = (uint64_t)j->size};
	}
	return 0;
}

static void unpacking_done(struct unpacking *u)
{
	for (size_t i = 0; i < u->count; i++) {
		fd_close(&u->jobs[i].input);
		worker_answer_done(&u->jobs[i].answer);
	}
	free(u->jobs);
	free(u->watched);
}

/* ---- who watches ---- */

static void tell(struct unpacking *u)
{
	const struct store_load_options *o = u->load->options;

	if (!o->watch)
		return;
	for (size_t i = 0; i < u->count; i++) {
		if (u->jobs[i].at == JOB_RUNS)
			u->watched[i].at = load_position(u->jobs[i].input);
	}
	o->watch(o->watch_arg, u->watched, u->count);
}

static void tell_state(struct unpacking *u, size_t i, enum store_watched_state state)
{
	u->watched[i].state = state;
	if (state == STORE_WATCHED_LOADED)
		u->watched[i].at = u->watched[i].size;
	tell(u);
}

/* ---- the workers ---- */

/* The largest layer that waits; u->count: none does. */
static size_t next_job(const struct unpacking *u)
{
	size_t best = u->count;

	for (size_t i = 0; i < u->count; i++) {
		if (u->jobs[i].at == JOB_WAITS && (best == u->count || u->jobs[i].size > u->jobs[best].size))
			best = i;
	}
	return best;
}

static int64_t largest_size(const struct unpacking *u)
{
	int64_t largest = 0;

	for (size_t i = 0; i < u->count; i++) {
		if (u->jobs[i].at != JOB_DONE && u->jobs[i].size > largest)
			largest = u->jobs[i].size;
	}
	return largest;
}

static int start(struct unpacking *u, size_t i, struct error *err)
{
	struct staged *g = &u->load->staged;
	struct staged_layer *n = &g->layers[i];
	struct job *j = &u->jobs[i];

	j->input = staged_open_blob(g, n->blob, err);
	if (j->input < 0 || staged_layer_folder(g, n, err) < 0)
		return -err->code;

	const struct worker_task task = {
		.kind = UNPACK_LAYER,
		.limits = &g->limits,
		.in_fd = j->input,
		.dir_fd = n->dir_fd,
		.partial_fd = FD_NONE,
		.nice = worker_nice(j->size, largest_size(u)),
	};

	if (worker_start_task(u->load->store, &task, &n->worker, err) < 0)
		return -err->code;
	j->at = JOB_RUNS;
	u->running++;
	tell_state(u, i, STORE_WATCHED_LOADING);
	return 0;
}

/* Its worker has something to say. */
static int hear(struct unpacking *u, size_t i, struct error *err)
{
	struct staged_layer *n = &u->load->staged.layers[i];
	enum unpack_message_type type;
	struct job *j = &u->jobs[i];

	if (worker_next(&n->worker, &j->answer, &type, err) < 0)
		return error_wrap(err, "layer %s", n->blob);
	if (type != UNPACK_REPORT)
		return 0;
	j->at = JOB_DONE;
	u->running--;
	fd_close(&j->input);
	tell_state(u, i, STORE_WATCHED_LOADED);
	return staged_layer_finish_take(&u->load->staged, n, &j->answer, err);
}

static int wait_for_some(struct unpacking *u, struct error *err)
{
	struct pollfd fds[WORKERS_AT_ONCE_MAX];
	size_t who[WORKERS_AT_ONCE_MAX], n = 0;
	int ready;

	for (size_t i = 0; i < u->count && n < WORKERS_AT_ONCE_MAX; i++) {
		if (u->jobs[i].at != JOB_RUNS)
			continue;
		who[n] = i;
		fds[n++] = (struct pollfd){.fd = u->load->staged.layers[i].worker.talk, .events = POLLIN};
	}
	while ((ready = poll(fds, n, u->load->options->watch ? TICK_MS : -1)) <= 0) {
		if (ready < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for the unpacker");
		tell(u);
	}
	for (size_t i = 0; i < n; i++) {
		if (fds[i].revents && hear(u, who[i], err) < 0)
			return -err->code;
	}
	return 0;
}

int load_unpack_layers(struct load *l, struct error *err)
{
	autoclean(unpacking_done) struct unpacking u = {0};
	const size_t at_once = workers_at_once();

	if (unpacking_begin(l, &u, err) < 0)
		return -err->code;
	for (;;) {
		for (size_t i; u.running < at_once && (i = next_job(&u)) < u.count;) {
			if (start(&u, i, err) < 0)
				return -err->code;
		}
		if (u.running == 0)
			break;
		if (wait_for_some(&u, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < u.count; i++)
		staged_layer_adopt(&l->staged, &l->staged.layers[i]);
	return 0;
}
