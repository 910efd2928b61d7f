/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a request, whatever its kind: begun when there is a place among the active, tried again after a delay,
 * passed on to the next endpoint, told to bothy as done or failed. What it asks for is its kind's business
 * (fetch_pull.c and its neighbours), how it is asked fetch_exchange.c's.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "registry/fetch.h"

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

void request_progress(struct request *q, int64_t now)
{
	if (!q->what || !q->id || q->position == q->reported || now - q->reported_ns < PROGRESS_EVERY_NS ||
	    q->f->out.len > OUT_BUSY_BYTES)
		return;
	tell(q, "progress", json_new_object(), NULL, 0);
	q->reported = q->position;
	q->reported_ns = now;
}

/* ---- from begin to done or failed ---- */

struct request *request_new(struct fetch *f)
{
	struct request *q = mem_zalloc(1, sizeof(*q));

	q->f = f;
	q->out_fd = q->in_fd = FD_NONE;
	VEC_PUSH(f->requests, f->request_count) = q;
	return q;
}

void request_free(struct request *q)
{
	char **const texts[] = {&q->scope, &q->digest, &q->reference,     &q->media_type, &q->mount,
				&q->term,  &q->text,   &q->artifact_type, &q->location,   &q->token.form,
				&q->url,   &q->what,   &q->mark};

	exchange_drop(q);
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
	exchange_drop(q);
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
