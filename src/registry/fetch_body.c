/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body that goes to out_fd, however often it is cut: a blob, or what an address names. It goes on by Range from where it is; what
 * the server then says of the range must be exactly what was asked. A server that knows no ranges sends all again, and what we have
 * is skipped. What the first answer must say, and what an answer in full may say later, is its kind's business (q->check).
 */
#include "registry/fetch.h"

#define REPLAYS_MAX 3 /* times that a server without ranges may send all again */

void body_start(struct request *q, const char *url)
{
	const struct ask ask = {
		.method = "GET", .url = url, .to_out = true, .range_from = q->position, .if_range = q->mark};

	q->skip = 0;
	if (q->size_known && q->position == q->size && q->size > 0) { /* the cut came behind the last byte */
		q->complete = true;
		return;
	}
	exchange_start(q, &ask);
}

bool body_refuse(struct request *q)
{
	exchange_refuse(q, false);
	return false;
}

bool body_check_range(struct request *q)
{
	const char *range = q->x.answer.content_range;
	uint64_t first, last, total;

	/* A beginning that nobody asked for may be all there is, where it is known how much that is. */
	if ((q->position > 0 || q->size_known) && range && header_content_range(range, &first, &last, &total) == 0 &&
	    first == q->position && (!q->size_known || (last < q->size && (total == UINT64_MAX || total == q->size))))
		return true;
	error_set(&q->err, ERROR_INVALID, EPROTO, "%s was asked for %s from byte %llu on and sends '%.60s'",
		  request_endpoint(q)->host, q->what, (unsigned long long)q->position, range ? range : "no range");
	return body_refuse(q);
}

bool body_replay(struct request *q)
{
	if (q->position > 0 && ++q->replays > REPLAYS_MAX) {
		error_set(&q->err, ERROR_UNAVAILABLE, EPROTO,
			  "%s cannot go on in the middle of %s, and was cut %u times", request_endpoint(q)->host,
			  q->what, q->replays);
		return body_refuse(q);
	}
	q->skip = q->position;
	return true;
}

/* An answer is over. */
static void body_next(struct request *q)
{
	const struct answer *a = &q->x.answer;

	if (a->status != 200 && a->status != 206) {
		/* The address that a redirect gave may have died with its signature: ask for a new one. */
		exchange_error(q, q->by_digest ? q->what : NULL); /* who typed an address hears of it anyway */
		if (q->x.foreign && (a->status == 403 || a->status == 400))
			request_retry(q, 0);
		else
			request_failed(q);
		return;
	}
	if (!q->x.body_checked && !q->check(q)) {
		request_failed(q);
		return;
	}
	if (q->skip > 0 || (q->size_known && q->position < q->size)) {
		error_set(&q->err, ERROR_UNAVAILABLE, ECONNABORTED, "%s ends %s after %llu of %llu bytes",
			  request_endpoint(q)->host, q->what, (unsigned long long)(q->position - q->skip),
			  (unsigned long long)q->size);
		request_retry(q, 0);
		return;
	}
	q->size = q->position;
	q->size_known = true;
	q->complete = true; /* told when the pending bytes are out */
}

void body_init(struct request *q, void (*begin)(struct request *q), bool (*check)(struct request *q))
{
	q->begin = begin;
	q->next = body_next;
	q->check = check;
	q->pulls = true;
	q->progress_mark = q->position;
	q->pending = BUF_INIT(FETCH_PENDING_BYTES);
}
