/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-fetch from start to end: load the libraries, lock the door, then one loop that waits on the network, on bothy, and
 * on pipes that were full. It ends when bothy closes its end of the talk.
 *
 *	message ──> request ──> begin ──> exchange ──> next ──> … ──> "done" or "failed"
 *	                          ^                     │
 *	                          └── later, elsewhere ─┘
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "kernel/process.h"
#include "registry/fetch.h"

#define OUT_BYTES_MAX (64u << 20)

/* Is it slower than we bear? */
static void look_at_speed(struct request *q, int64_t now)
{
	struct exchange *x = &q->x;
	uint64_t patience = (uint64_t)q->f->stall_ms * (x->ask.slow ? FETCH_COMMIT_PATIENCE : 1);

	if (!x->easy || x->paused || (uint64_t)((now - x->window_ns) / NS_PER_MS) < patience)
		return;
	if (x->window_bytes > 0 && x->window_bytes >= patience * FETCH_STALL_BYTES_PER_S / 1000) {
		x->window_ns = now;
		x->window_bytes = 0;
		return;
	}
	error_set(&q->err, ERROR_UNAVAILABLE, ETIMEDOUT, "%s sent %llu bytes in %llu ms", request_endpoint(q)->host,
		  (unsigned long long)x->window_bytes, (unsigned long long)patience);
	exchange_drop(q);
	request_retry(q, 0);
}

static void tend(struct request *q, int64_t now)
{
	if ((q->wake_ns && now >= q->wake_ns) || (q->queued && q->f->active < FETCH_ACTIVE_MAX))
		request_begin(q);
	if (!q->over && q->pending.len && !exchange_flush(q)) {
		request_failed(q);
		return;
	}
	if (!q->over && q->complete && !q->pending.len)
		request_done(q, NULL, NULL, 0);
	if (q->over)
		return;
	look_at_speed(q, now);
	if (!q->over)
		request_progress(q, now);
}

static void tend_all(struct fetch *f)
{
	int64_t now = clock_monotonic_ns();
	size_t kept = 0;

	for (size_t i = 0; i < f->request_count; i++)
		if (!f->requests[i]->over)
			tend(f->requests[i], now);
	for (size_t i = 0; i < f->request_count; i++) {
		if (f->requests[i]->over)
			request_free(f->requests[i]);
		else
			f->requests[kept++] = f->requests[i];
	}
	f->request_count = kept;
}

static int next_wake_ms(const struct fetch *f)
{
	int64_t now = clock_monotonic_ns(), first = now + 3600 * NS_PER_S;

	for (size_t i = 0; i < f->request_count; i++) {
		const struct request *q = f->requests[i];
		int64_t at = q->wake_ns;

		if (!at && q->queued && f->active < FETCH_ACTIVE_MAX)
			at = now;
		if (!at && q->complete && !q->pending.len)
			at = now;
		if (!at && q->x.easy && !q->x.paused)
			at = q->x.window_ns +
			     (int64_t)f->stall_ms * (q->x.ask.slow ? FETCH_COMMIT_PATIENCE : 1) * NS_PER_MS;
		if (at && at < first)
			first = at;
	}
	return first <= now ? 0 : (int)((first - now) / NS_PER_MS) + 1;
}

static void wait_for_something(struct fetch *f)
{
	autofree struct curl_waitfd *fds = mem_zalloc(f->request_count + 1, sizeof(*fds));
	unsigned count = 0;

	fds[count++] = (struct curl_waitfd){.fd = FETCH_TALK_FD,
					    .events = (short)(CURL_WAIT_POLLIN | (f->out.len ? CURL_WAIT_POLLOUT : 0))};
	for (size_t i = 0; i < f->request_count; i++)
		if (f->requests[i]->pending.len)
			fds[count++] = (struct curl_waitfd){.fd = f->requests[i]->out_fd, .events = CURL_WAIT_POLLOUT};
	(void)curl_multi_poll(f->multi, fds, count, next_wake_ms(f), NULL);
	for (size_t i = 0; i < f->request_count; i++) {
		for (unsigned k = 1; k < count; k++)
			if (fds[k].fd == f->requests[i]->out_fd && fds[k].revents)
				f->requests[i]->full = false;
	}
}

static void run(struct fetch *f)
{
	while (!f->ended) {
		CURLMsg *m;
		int running, left;

		messages_receive(f);
		(void)curl_multi_perform(f->multi, &running);
		while ((m = curl_multi_info_read(f->multi, &left))) {
			struct request *q = NULL;
			CURLcode code = m->data.result;

			if (m->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &q);
			exchange_finished(q, code);
		}
		tend_all(f);
		messages_send(f);
		if (!f->ended)
			wait_for_something(f);
	}
}

int registry_fetch_main(int argc, char **argv)
{
	struct fetch f = {.in = WIRE_IN_INIT, .out = BUF_INIT(OUT_BYTES_MAX)};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct error err;
	struct stat talk;

	(void)argc;
	(void)argv;
	/* Before libraries open descriptors of their own. */
	if (fstat(FETCH_TALK_FD, &talk) < 0 || !S_ISSOCK(talk.st_mode)) {
		(void)fprintf(stderr, "bothy-fetch: this program is started by bothy, not by hand\n");
		return 125;
	}
	(void)sigaction(SIGPIPE, &ignore, NULL);
	if (process_close_from(FETCH_TALK_FD + 1, true, FD_NONE, &err) < 0 || exchange_init(&f, &err) < 0 ||
	    fetch_lock_in(&err) < 0) {
		(void)fprintf(stderr, "bothy-fetch: %s\n", err.msg);
		return 125;
	}
	run(&f);
	for (size_t i = 0; i < f.request_count; i++)
		request_free(f.requests[i]);
	free(f.requests);
	for (size_t i = 0; i < f.endpoint_count; i++)
		endpoint_done(&f.endpoints[i]);
	curl_multi_cleanup(f.multi);
	curl_global_cleanup();
	wire_in_done(&f.in);
	buf_done(&f.out);
	arena_done(&f.arena);
	return 0;
}
