/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of an exchange, both ways: the functions that libcurl calls. A blob goes into its pipe as fast as that
 * takes it, and the transfer pauses meanwhile; every other body is kept, up to a bound; of the header those fields
 * are kept that somebody asks for. Who sends more than he should is broken off.
 */
#include "registry/fetch.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define FLUSH_BYTES 65536

/* ---- the body of a blob ---- */

/* Write until all is out or the pipe is full. Returns how much went, or <0: the request has failed. */
static ssize_t hand_over(struct request *q, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len && !q->full) {
		ssize_t n = write(q->out_fd, (const char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			q->full = true;
		} else if (n < 0) {
			error_sys(&q->err, errno, "hand over %s", q->what);
			q->err.kind = ERROR_UNAVAILABLE;
			q->fatal = true;
			buf_reset(&q->pending);
			return -1;
		} else {
			done += (size_t)n;
			q->full = done < len; /* it took a part: asking again at once would be for nothing */
		}
	}
	return (ssize_t)done;
}

bool exchange_flush(struct request *q)
{
	ssize_t done = hand_over(q, q->pending.data, q->pending.len);

	if (done <= 0)
		return done == 0;
	memmove(q->pending.data, q->pending.data + done, q->pending.len - (size_t)done);
	q->pending.len -= (size_t)done;
	if (q->x.paused && q->pending.len < FETCH_PENDING_BYTES / 2 && q->x.easy) {
		q->x.paused = false;
		q->x.window_ns = clock_monotonic_ns();
		q->x.window_bytes = 0;
		(void)curl_easy_pause(q->x.easy, CURLPAUSE_CONT); /* calls exchange_on_body */
	}
	return true;
}

static size_t take_blob(struct request *q, const char *data, size_t len)
{
	size_t skip = len < q->skip ? len : (size_t)q->skip, rest = len - skip;
	ssize_t gone = 0;

	if (q->pending.len + len > FETCH_PENDING_BYTES) {
		q->x.paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	q->x.window_bytes += len;
	q->moved += len;
	q->skip -= skip;
	if (rest > q->size - q->position) {
		if (q->url)
			error_set(&q->err, ERROR_LIMIT, EFBIG, "%s sends more than %llu bytes",
				  request_endpoint(q)->host, (unsigned long long)q->size);
		else
			error_set(&q->err, ERROR_INVALID, EPROTO, "%s sends more than the %llu bytes that %s has",
				  request_endpoint(q)->host, (unsigned long long)q->size, q->what);
		exchange_refuse(q, false);
		return 0;
	}
	q->position += rest;
	data += skip;
	if (q->pending.len == 0)
		gone = hand_over(q, data, rest);
	if (gone >= 0)
		buf_add(&q->pending, data + gone, rest - (size_t)gone);
	if (gone < 0 || (q->pending.len >= FLUSH_BYTES && !exchange_flush(q))) {
		exchange_refuse(q, false);
		return 0;
	}
	return len;
}

static size_t keep_body(struct request *q, const char *data, size_t len)
{
	struct exchange *x = &q->x;
	bool good = x->answer.status < 300;
	size_t max = good ? x->ask.body_max : FETCH_ERROR_BYTES_MAX;
	size_t room = max - x->answer.body.len;

	x->window_bytes += len;
	x->answer.body.max = max;
	if (len <= room) {
		buf_add(&x->answer.body, data, len);
		return len;
	}
	if (good)
		error_set(&q->err, ERROR_LIMIT, EFBIG, "%s sends more than %zu bytes where a document is expected",
			  request_endpoint(q)->host, max);
	exchange_refuse(q, false);
	return 0;
}

size_t exchange_on_body(char *data, size_t size, size_t count, void *arg)
{
	struct request *q = arg;
	struct exchange *x = &q->x;

	if (!x->body_checked) {
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->answer.status);
		if (x->ask.to_out && x->answer.status < 300 && !q->check(q))
			return 0;
		x->body_checked = true;
	}
	if (x->ask.to_out && x->answer.status < 300)
		return take_blob(q, data, size * count);
	return keep_body(q, data, size * count);
}

/* ---- what is sent ---- */

size_t exchange_on_send(char *out, size_t size, size_t count, void *arg)
{
	struct request *q = arg;
	struct exchange *x = &q->x;
	uint64_t left = (x->ask.send_file ? x->ask.file_len : x->ask.text_len) - x->sent;
	size_t len = size * count < left ? size * count : (size_t)left;
	ssize_t n;

	if (!x->ask.send_file) {
		if (len)
			memcpy(out, x->ask.text + x->sent, len);
		x->sent += len;
		return len;
	}
	do
		n = len ? pread(q->in_fd, out, len, (off_t)(x->ask.file_from + x->sent)) : 0;
	while (n < 0 && errno == EINTR);
	if (n < 0 || (n == 0 && len > 0)) {
		error_sys(&q->err, n < 0 ? errno : ENODATA, "read %s", q->what);
		q->fatal = true;
		exchange_refuse(q, false);
		return CURL_READFUNC_ABORT;
	}
	x->sent += (uint64_t)n;
	x->window_bytes += (uint64_t)n;
	q->moved += (uint64_t)n;
	q->position = x->ask.file_from + x->sent;
	return (size_t)n;
}

/* curl sends again from the start on a new connection when the old one had died meanwhile. Not the bytes of a blob: the registry
 * may have some of them, and must be asked first. */
int exchange_on_seek(void *arg, curl_off_t offset, int origin)
{
	struct request *q = arg;

	if (origin != SEEK_SET || offset < 0 || (q->x.ask.send_file && q->x.sent > 0))
		return CURL_SEEKFUNC_FAIL;
	q->x.sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- the header ---- */

static void keep_field(char **field, const char *value)
{
	free(*field);
	*field = mem_strdup(value);
}

static void take_field(struct answer *a, const char *name, const char *value)
{
	const struct {
		const char *name;
		char **field;
	} rows[] = {
		{"location", &a->location},
		{"content-type", &a->content_type},
		{"docker-content-digest", &a->digest},
		{"content-range", &a->content_range},
		{"retry-after", &a->retry_after},
		{"link", &a->link},
		{"range", &a->range},
		{"oci-subject", &a->subject},
		{"etag", &a->etag},
		{"last-modified", &a->modified},
		{"date", &a->date},
	};
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcasecmp(name, rows[i].name) == 0)
			keep_field(rows[i].field, value);
	if (strcasecmp(name, "content-length") == 0 && str_to_u64(value, &n) == 0 && n <= INT64_MAX)
		a->content_length = (int64_t)n;
	if (strcasecmp(name, "www-authenticate") == 0 && a->challenge_count < HEADER_CHALLENGES_MAX)
		a->challenges[a->challenge_count++] = mem_strdup(value);
}

size_t exchange_on_header(char *data, size_t size, size_t count, void *arg)
{
	struct request *q = arg;
	struct exchange *x = &q->x;
	size_t len = size * count;
	autofree char *line = mem_strndup(data, len);
	char *colon, *value, *end;

	x->header_bytes += len;
	if (x->header_bytes > FETCH_HEADER_BYTES_MAX) {
		error_set(&q->err, ERROR_LIMIT, EFBIG, "%s sends more than %d bytes of header",
			  request_endpoint(q)->host, FETCH_HEADER_BYTES_MAX);
		exchange_refuse(q, false);
		return 0;
	}
	if (str_starts(line, "HTTP/")) { /* the next answer: what 1xx or a proxy said does not count */
		answer_done(&x->answer);
		return len;
	}
	colon = strchr(line, ':');
	if (!colon)
		return len;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	if (!str_has_control(value))
		take_field(&x->answer, line, value);
	return len;
}
