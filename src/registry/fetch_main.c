/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-fetch from start to end: load the libraries, lock the door, then one loop that waits on the network, on bothy, and
 * on pipes that were full. It ends when bothy closes its end of the talk.
 *
 *	message ──> request ──> begin ──> exchange ──> next ──> … ──> "done" or "failed"
 *	                          ^                     │
 *	                          └── later, elsewhere ─┘
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/process.h"
#include "registry/fetch.h"

#define OUT_BYTES_MAX (64u << 20)
#define OUT_BUSY_BYTES 262144 /* more to be sent: progress is not told */
#define PROGRESS_EVERY_NS (50 * NS_PER_MS)
#define RETRIES_TOTAL_MAX 10000u

/* ---- telling bothy ---- */

static void tell(struct request *q, const char *event, struct json *j, const void *text, size_t len)
{
	autojson struct json *head = j;

	json_set(head, "event", json_new_str(event));
	json_set(head, "id", json_new_i64(q->id));
	if (q->what) {
		json_set(head, "bytes", json_new_u64(q->position));
		json_set(head, "moved", json_new_u64(q->moved));
		if (q->size_known)
			json_set(head, "size", json_new_u64(q->size));
	}
	if (text)
		json_set(head, "has_text", json_new_bool(true));
	/* What does not fit is lost only when bothy has stopped reading: it will be killed with it. */
	if (wire_pack(&q->f->out, head, text, len, 0) < 0)
		q->f->ended = true;
}

static void send_out(struct fetch *f)
{
	size_t done = 0;

	while (done < f->out.len) {
		ssize_t n = send(FETCH_TALK_FD, f->out.data + done, f->out.len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			f->ended = true;
			return;
		}
		done += (size_t)n;
	}
	if (done == 0)
		return;
	memmove(f->out.data, f->out.data + done, f->out.len - done);
	f->out.len -= done;
}

/* ---- requests ---- */

struct request *request_new(struct fetch *f)
{
	struct request *q = mem_zalloc(1, sizeof(*q));

	q->f = f;
	q->out_fd = q->in_fd = FD_NONE;
	VEC_PUSH(f->requests, f->request_count) = q;
	return q;
}

static void drop_transfer(struct request *q)
{
	if (q->x.easy) {
		curl_multi_remove_handle(q->f->multi, q->x.easy);
		curl_easy_cleanup(q->x.easy);
		q->x.easy = NULL;
		if (q->id)
			q->f->active--;
	}
}

void request_free(struct request *q)
{
	char **const texts[] = {&q->scope, &q->digest, &q->reference,     &q->media_type, &q->mount,
				&q->term,  &q->text,   &q->artifact_type, &q->location,   &q->token.form,
				&q->url,   &q->what,   &q->mark};

	drop_transfer(q);
	exchange_clear(&q->x);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(*texts[i]);
	fd_close(&q->out_fd);
	fd_close(&q->in_fd);
	buf_done(&q->pending);
	json_unref(q->list);
	free(q);
}

struct endpoint *request_endpoint(const struct request *q)
{
	return q->token.endpoint ? q->token.endpoint : &q->f->endpoints[q->endpoint];
}

bool request_pick_endpoint(struct request *q)
{
	for (; q->endpoint < q->f->endpoint_count; q->endpoint++) {
		const struct endpoint *e = &q->f->endpoints[q->endpoint];

		if (!e->mirror)
			return true;
		if (q->pulls && !q->primary_only && (q->by_digest ? e->digests : e->tags))
			return true;
	}
	return false;
}

void request_begin(struct request *q)
{
	q->wake_ns = 0;
	q->queued = q->id && q->f->active >= FETCH_ACTIVE_MAX;
	if (q->queued)
		return;
	if (q->again)
		q->again(q);
	else
		q->begin(q);
}

/* Nothing more comes of it: its transfer and its descriptors go at once, so that a reader sees the end. */
static void finish(struct request *q)
{
	drop_transfer(q);
	fd_close(&q->out_fd);
	fd_close(&q->in_fd);
	q->over = true;
}

void request_done(struct request *q, struct json *extra_consume, const void *text, size_t len)
{
	struct json *j = extra_consume ? extra_consume : json_new_object();

	json_set_str(j, "endpoint", request_endpoint(q)->host);
	tell(q, "done", j, text, len);
	finish(q);
}

void request_failed(struct request *q)
{
	struct json *j;

	if (q->token.endpoint) {
		auth_token_failed(q);
		return;
	}
	if (!q->fatal && request_endpoint(q)->mirror) {
		q->endpoint++;
		if (request_pick_endpoint(q)) {
			q->tries = 0;
			q->again = NULL;
			request_begin(q);
			return;
		}
	}
	j = json_new_object();
	json_set(j, "error", wire_error(&q->err));
	tell(q, "failed", j, NULL, 0);
	finish(q);
}

/* Doubled each time, and somewhere between the half and the whole of that, so that many clients do not come back at once.
 * Who has little patience with a slow server has as little with one that is away. */
static uint32_t delay_ms(const struct fetch *f, unsigned tries)
{
	uint32_t first = f->stall_ms / 40 + 1, max = f->stall_ms / 4 * 3 + 2; /* 0.5 s and 15 s */
	uint32_t most = tries > 6 || first << (tries - 1) > max ? max : first << (tries - 1);
	uint32_t chance = 0;

	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK); /* without: always the half */
	return most / 2 + chance % (most / 2 + 1);
}

void request_retry(struct request *q, uint32_t retry_after_s)
{
	unsigned most = request_endpoint(q)->mirror && q->id ? FETCH_TRIES_MIRROR : FETCH_TRIES;
	struct json *j;
	uint32_t delay;

	if (q->position >= q->progress_mark + FETCH_PROGRESS_BYTES) {
		q->progress_mark = q->position;
		q->tries = 0;
	}
	if (q->url && q->position > 0 && !q->mark) {
		error_hint(&q->err, "the server gives no mark by which to go on where it was cut: try again");
		request_failed(q);
		return;
	}
	if (++q->tries >= most || ++q->retries > RETRIES_TOTAL_MAX) {
		request_failed(q);
		return;
	}
	if (retry_after_s > FETCH_RETRY_AFTER_MAX_S) {
		error_hint(&q->err, "the server asks to be left alone for %u seconds", retry_after_s);
		request_failed(q);
		return;
	}
	delay = retry_after_s ? retry_after_s * 1000 + delay_ms(q->f, 1) / 4 : delay_ms(q->f, q->tries);
	/* The first cut of a blob that was moving: it goes on at once. */
	if (!retry_after_s && q->tries == 1 && q->position > 0)
		delay = 0;
	q->wake_ns = clock_monotonic_ns() + delay * NS_PER_MS + 1;
	if (q->id) {
		j = json_new_object();
		json_set(j, "delay_ms", json_new_i64(delay));
		json_set(j, "error", wire_error(&q->err));
		tell(q, "retry", j, NULL, 0);
	}
}

/* ---- messages ---- */

static char *text_of(const struct json *j, const char *key)
{
	return mem_strdup(json_str(json_get(j, key)));
}

/* What becomes a part of a path: a tag, a digest, a repository. */
static bool is_path_text(const char *s)
{
	return !s || (strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-") == strlen(s) &&
		      !strstr(s, "..") && *s && strlen(s) < 1024);
}

static const struct {
	const char *op;
	void (*setup)(struct request *q);
} kinds[] = {
	{"get_manifest", pull_manifest},
	{"head_manifest", pull_manifest},
	{"get_blob", pull_blob},
	{"head_blob", pull_head_blob},
	{"push_blob", push_blob},
	{"push_manifest", push_manifest},
	{"tags", list_tags},
	{"referrers", list_referrers},
	{"delete", list_delete},
	{"ping", list_ping},
	{"search", list_search},
	{"get_url", get_address},
};

static bool fill_request(struct request *q, const struct wire_message *m)
{
	const struct json *j = m->head;
	uint64_t limit = 0;

	q->digest = text_of(j, "digest");
	q->reference = text_of(j, "reference");
	q->media_type = text_of(j, "media_type");
	q->mount = text_of(j, "mount");
	q->term = text_of(j, "term");
	q->url = text_of(j, "url");
	q->artifact_type = text_of(j, "artifact_type");
	q->blob = json_bool(json_get(j, "blob"));
	q->primary_only = json_bool(json_get(j, "primary"));
	(void)json_u64(json_get(j, "size"), &q->size); /* absent: 0 */
	(void)json_u64(json_get(j, "offset"), &q->position);
	(void)json_u64(json_get(j, "limit"), &limit);
	q->limit = limit > 10000 ? 10000 : (uint32_t)limit;
	if (m->body_len) {
		q->text = mem_dup(m->body, m->body_len);
		q->text_len = m->body_len;
	}
	return is_path_text(q->digest) && is_path_text(q->reference) && is_path_text(q->mount) &&
	       q->position <= q->size;
}

static void take_request(struct fetch *f, struct wire_message *m)
{
	const char *op = json_str(json_get(m->head, "op"));
	struct request *q;
	size_t kind = 0;
	int64_t id;

	while (kind < ARRAY_SIZE(kinds) && !str_eq(op, kinds[kind].op))
		kind++;
	if (kind == ARRAY_SIZE(kinds) || json_i64(json_get(m->head, "id"), &id) < 0 || id < 1) {
		f->ended = true;
		return;
	}
	q = request_new(f);
	q->id = id;
	q->head = str_eq(op, "head_manifest");
	if (str_eq(op, "get_blob") || str_eq(op, "get_url"))
		q->out_fd = take_fd(&m->fd);
	else
		q->in_fd = take_fd(&m->fd);
	if (!fill_request(q, m)) {
		q->fatal = true;
		error_set(&q->err, ERROR_INVALID, EINVAL, "what was asked for has characters that no registry allows");
		request_failed(q);
		return;
	}
	if (q->out_fd >= 0) {
		(void)fd_set_nonblock(q->out_fd, true); /* a file stays as it is, and never blocks for long */
		/* With the usual 64 KiB writer and reader wait for each other all the time. */
		if (fcntl(q->out_fd, F_GETPIPE_SZ) < FETCH_PIPE_BYTES)
			(void)fcntl(q->out_fd, F_SETPIPE_SZ, FETCH_PIPE_BYTES); /* no pipe, or too many of them */
	}
	kinds[kind].setup(q);
	(void)request_pick_endpoint(q); /* the primary is always there */
	request_begin(q);
}

static void take_cancel(struct fetch *f, const struct wire_message *m)
{
	int64_t id = 0;

	(void)json_i64(json_get(m->head, "id"), &id); /* absent: none has 0 but ours */
	for (size_t i = 0; i < f->request_count; i++) {
		struct request *q = f->requests[i];

		if (q->over || q->id != id || id < 1)
			continue;
		q->fatal = true;
		error_set(&q->err, ERROR_UNAVAILABLE, ECANCELED, "given up");
		request_failed(q);
	}
}

static const char *arena_text(struct fetch *f, const struct json *j, const char *key)
{
	return arena_strdup(&f->arena, json_str(json_get(j, key)));
}

static void take_endpoint(struct fetch *f, const struct json *j)
{
	struct endpoint *e = &f->endpoints[f->endpoint_count++];

	*e = (struct endpoint){
		.host = arena_text(f, j, "host"),
		.path = arena_text(f, j, "path"),
		.user = arena_text(f, j, "user"),
		.password = arena_text(f, j, "password"),
		.identity = arena_text(f, j, "identity"),
		.ca = arena_text(f, j, "ca"),
		.cert = arena_text(f, j, "cert"),
		.key = arena_text(f, j, "key"),
		.insecure = json_bool(json_get(j, "insecure")),
		.mirror = json_bool(json_get(j, "mirror")),
		.tags = json_bool(json_get(j, "tags")),
		.digests = json_bool(json_get(j, "digests")),
	};
}

static void take_open(struct fetch *f, const struct wire_message *m)
{
	const struct json *list = json_get(m->head, "endpoints");
	const struct json *proxies = json_get(m->head, "proxies");
	const struct json *realms = json_get(m->head, "realms");
	uint64_t n = 0;

	f->name = arena_text(f, m->head, "name");
	f->repository = arena_text(f, m->head, "repository");
	for (size_t i = 0; i < json_len(list) && f->endpoint_count < ARRAY_SIZE(f->endpoints); i++)
		take_endpoint(f, json_at(list, i));
	(void)json_u64(json_get(m->head, "access"), &n); /* absent: 0 */
	f->access = (unsigned)n;
	n = 20000;
	(void)json_u64(json_get(m->head, "stall_ms"), &n);
	f->stall_ms = n < 1000000 ? (uint32_t)n : 1000000;
	f->proxy_http = arena_text(f, proxies, "http");
	f->proxy_https = arena_text(f, proxies, "https");
	if (!f->proxy_http)
		f->proxy_http = arena_text(f, proxies, "all");
	if (!f->proxy_https)
		f->proxy_https = arena_text(f, proxies, "all");
	f->no_proxy = arena_text(f, proxies, "none");
	for (size_t i = 0; i < json_len(realms); i++)
		if (json_str(json_at(realms, i)))
			ARENA_PUSH(&f->arena, f->realms, f->realm_count) =
				arena_strdup(&f->arena, json_str(json_at(realms, i)));
	f->opened = f->name && f->repository && f->endpoint_count > 0;
	if (!f->opened)
		f->ended = true;
}

static void take_message(struct fetch *f, struct wire_message *m)
{
	const char *op = json_str(json_get(m->head, "op"));

	if (!f->opened && str_eq(op, "open"))
		take_open(f, m);
	else if (!f->opened)
		f->ended = true;
	else if (str_eq(op, "cancel"))
		take_cancel(f, m);
	else
		take_request(f, m);
}

static void receive(struct fetch *f)
{
	for (;;) {
		int n = wire_receive(&f->in, FETCH_TALK_FD);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			f->ended = true;
			return;
		}
		for (;;) {
			struct wire_message m;

			n = wire_next(&f->in, &m);
			if (n < 0)
				f->ended = true;
			if (n <= 0 || f->ended)
				break;
			take_message(f, &m);
			wire_message_done(&m);
		}
		if (f->ended)
			return;
	}
}

/* ---- the loop ---- */

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
	drop_transfer(q);
	request_retry(q, 0);
}

static void tell_progress(struct request *q, int64_t now)
{
	if (!q->what || !q->id || q->position == q->reported || now - q->reported_ns < PROGRESS_EVERY_NS ||
	    q->f->out.len > OUT_BUSY_BYTES)
		return;
	tell(q, "progress", json_new_object(), NULL, 0);
	q->reported = q->position;
	q->reported_ns = now;
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
		tell_progress(q, now);
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

		receive(f);
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
		send_out(f);
		if (!f->ended)
			wait_for_something(f);
	}
}

int registry_fetch_main(int argc, char **argv)
{
	struct fetch f = {.in = WIRE_IN_INIT, .out = BUF_INIT(OUT_BYTES_MAX)};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct error err;

	(void)argc;
	(void)argv;
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
