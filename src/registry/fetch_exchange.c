/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange over libcurl, from the ask to the answer, with all that is the same for every step:
 *
 *	- an insecure registry without TLS is spoken to by http; any other never is
 *	- redirects by our own rules (fetch_url.c), five at most; nobody but the registry's own host sees credentials
 *	- 401: a token or a password, twice at most (fetch_auth.c)
 *	- 408, 429, 5xx and broken connections are tried again after a delay, or at another endpoint
 *	- bodies, headers and slowness have bounds
 */
#include "registry/fetch.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define USER_AGENT "bothy/" BOTHY_VERSION
#define CONNECT_TIMEOUT_MS 15000L
#define CURL_BUFFER_BYTES 131072L
#define FLUSH_BYTES 65536

int exchange_init(struct fetch *f, struct error *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, ERROR_INTERNAL, EPROTO, "cannot start libcurl");
	f->multi = curl_multi_init();
	if (!f->multi)
		mem_out();
	(void)curl_multi_setopt(f->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	(void)curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)FETCH_ACTIVE_MAX);
	return 0;
}

static void answer_done(struct answer *a)
{
	char **const fields[] = {&a->location,    &a->content_type, &a->digest, &a->content_range,
				 &a->retry_after, &a->link,         &a->range,  &a->subject,
				 &a->etag,        &a->modified,     &a->date};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		free(*fields[i]);
	for (size_t i = 0; i < a->challenge_count; i++)
		free(a->challenges[i]);
	buf_done(&a->body);
	*a = (struct answer){.content_length = -1};
}

/* Take the transfer out of the multi; the answer stays. */
static void drop_easy(struct request *q)
{
	struct exchange *x = &q->x;

	if (x->easy) {
		curl_multi_remove_handle(q->f->multi, x->easy);
		curl_easy_cleanup(x->easy);
		x->easy = NULL;
		if (q->id)
			q->f->active--;
	}
	curl_slist_free_all(x->headers);
	x->headers = NULL;
	x->paused = false;
}

void exchange_clear(struct exchange *x)
{
	char **const fields[] = {&x->url, &x->method, &x->accept, &x->content_type, &x->content_range};

	answer_done(&x->answer);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		free(*fields[i]);
	curl_slist_free_all(x->headers);
	*x = (struct exchange){0};
}

char *exchange_url(const struct request *q, const char *fmt, ...)
{
	const struct endpoint *e = request_endpoint(q);
	autobuf struct buf b = BUF_INIT(65536);
	va_list ap;

	buf_printf(&b, "%s://%s/v2/", e->plain ? "http" : "https", e->host);
	if (e->path)
		buf_printf(&b, "%s/", e->path);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return buf_take(&b);
}

void exchange_refuse(struct request *q, bool soft)
{
	q->x.refused = true;
	q->x.refused_soft = soft;
}

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
		(void)curl_easy_pause(q->x.easy, CURLPAUSE_CONT); /* calls on_body */
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

static size_t on_body(char *data, size_t size, size_t count, void *arg)
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

static size_t on_send(char *out, size_t size, size_t count, void *arg)
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
static int on_seek(void *arg, curl_off_t offset, int origin)
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

static size_t on_header(char *data, size_t size, size_t count, void *arg)
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

/* ---- starting ---- */

static void set_proxy(struct request *q)
{
	const struct fetch *f = q->f;
	bool https;
	autofree char *host = url_host(q->x.url, &https);
	const char *proxy = https ? f->proxy_https : f->proxy_http;

	if (host && (str_eq(host, "localhost") || str_starts(host, "127.") || str_eq(host, "[::1]")))
		proxy = NULL; /* as Go's programs do: nobody means a proxy for his own machine */
	(void)curl_easy_setopt(q->x.easy, CURLOPT_PROXY, proxy ? proxy : "");
	(void)curl_easy_setopt(q->x.easy, CURLOPT_NOPROXY, f->no_proxy ? f->no_proxy : "");
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {.data = (void *)pem, .len = pem ? strlen(pem) : 0, .flags = CURL_BLOB_COPY};

	if (pem)
		(void)curl_easy_setopt(easy, option, &blob);
}

static void set_tls(struct request *q)
{
	const struct endpoint *e = request_endpoint(q);
	CURL *easy = q->x.easy;

	/* A foreign host has not been called insecure by anybody; nor has it our client's certificate. */
	if (e->insecure && !q->x.foreign) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	set_blob(easy, CURLOPT_CAINFO_BLOB, e->ca);
	if (!q->x.foreign) {
		set_blob(easy, CURLOPT_SSLCERT_BLOB, e->cert);
		set_blob(easy, CURLOPT_SSLKEY_BLOB, e->key);
	}
}

static void add_header(struct exchange *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_header(struct exchange *x, const char *fmt, ...)
{
	autobuf struct buf b = BUF_INIT(65536);
	struct curl_slist *list;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	list = curl_slist_append(x->headers, buf_str(&b));
	if (!list)
		mem_out();
	x->headers = list;
}

static void set_ask(struct request *q)
{
	struct exchange *x = &q->x;
	const struct ask *ask = &x->ask;
	uint64_t len = ask->send_file ? ask->file_len : ask->text_len;

	if (str_eq(ask->method, "HEAD")) {
		(void)curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
	} else if (!str_eq(ask->method, "GET")) {
		(void)curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, ask->method);
	}
	if (ask->send_file || ask->text || str_eq(ask->method, "POST")) {
		(void)curl_easy_setopt(x->easy, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(x->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)len);
		(void)curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, on_send);
		(void)curl_easy_setopt(x->easy, CURLOPT_READDATA, q);
		(void)curl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, on_seek);
		(void)curl_easy_setopt(x->easy, CURLOPT_SEEKDATA, q);
		(void)curl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, CURL_BUFFER_BYTES);
	}
	/* Blobs each have a connection, on which a slow reader holds the sender back: over HTTP/2 curl would keep up to 32 MiB
	 * of every stream whose pipe is full. */
	(void)curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION,
			       ask->to_out || ask->send_file ? (long)CURL_HTTP_VERSION_1_1
							     : (long)CURL_HTTP_VERSION_2TLS);
	add_header(x, "Expect:");
	if (ask->accept)
		add_header(x, "Accept: %s", ask->accept);
	if (ask->content_type)
		add_header(x, "Content-Type: %s", ask->content_type);
	if (ask->content_range)
		add_header(x, "Content-Range: %s", ask->content_range);
	if (ask->range_from)
		add_header(x, "Range: bytes=%llu-", (unsigned long long)ask->range_from);
	if (ask->range_from && ask->if_range)
		add_header(x, "If-Range: %s", ask->if_range);
}

static void set_common(struct request *q)
{
	struct exchange *x = &q->x;
	CURL *easy = x->easy;

	(void)curl_easy_setopt(easy, CURLOPT_URL, x->url);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, CURL_BUFFER_BYTES);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_error);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, q);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, q);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, q);
}

/* Returns false when the request has to wait for a token. */
static bool set_auth(struct request *q)
{
	const struct endpoint *e = request_endpoint(q);
	struct exchange *x = &q->x;
	autofree char *header = NULL;

	switch (auth_prepare(q, &header)) {
	case AUTH_WAIT:
		return false;
	case AUTH_HEADER:
		add_header(x, "%s", header);
		x->used_auth = true;
		return true;
	case AUTH_BASIC:
		(void)curl_easy_setopt(x->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		(void)curl_easy_setopt(x->easy, CURLOPT_USERNAME, e->user);
		(void)curl_easy_setopt(x->easy, CURLOPT_PASSWORD, e->password);
		x->used_auth = true;
		return true;
	default:
		return true;
	}
}

void exchange_repeat(struct request *q)
{
	struct exchange *x = &q->x;

	drop_easy(q);
	answer_done(&x->answer);
	x->refused = x->refused_soft = x->body_checked = x->used_auth = false;
	x->sent = 0;
	x->header_bytes = 0;
	x->curl_error[0] = '\0';
	x->easy = curl_easy_init();
	if (!x->easy)
		mem_out();
	if (q->id)
		q->f->active++;
	set_common(q);
	set_proxy(q);
	set_tls(q);
	set_ask(q);
	if (!set_auth(q)) {
		drop_easy(q);
		return;
	}
	(void)curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
	x->window_ns = clock_monotonic_ns();
	x->window_bytes = 0;
	log_debug("fetch: %s %s", x->ask.method, x->url);
	if (curl_multi_add_handle(q->f->multi, x->easy) != CURLM_OK)
		mem_out();
}

void exchange_start(struct request *q, const struct ask *ask)
{
	struct exchange *x = &q->x;

	drop_easy(q);
	exchange_clear(x);
	x->answer.content_length = -1;
	x->ask = *ask;
	x->ask.url = x->url = mem_strdup(ask->url);
	x->ask.method = x->method = mem_strdup(ask->method);
	x->ask.accept = x->accept = mem_strdup(ask->accept);
	x->ask.content_type = x->content_type = mem_strdup(ask->content_type);
	x->ask.content_range = x->content_range = mem_strdup(ask->content_range);
	autofree char *base = exchange_url(q, "%s", "");

	if (ask->no_auth) {
		autofree char *ours = url_host(base, NULL);
		autofree char *theirs = url_host(x->url, NULL);

		x->foreign =
			!str_eq(ours, theirs); /* a token service: its TLS is verified whatever the registry's is */
	} else {
		x->foreign = !url_same_origin(base, x->url); /* an upload's location or a next page may be elsewhere */
	}
	exchange_repeat(q);
}

/* ---- the end of an exchange ---- */

void exchange_error(struct request *q, const char *what)
{
	const struct answer *a = &q->x.answer;
	autojson struct json *j = NULL;
	const char *message = NULL;
	enum error_kind kind = ERROR_INVALID;
	struct error ignored;
	int errnum = EPROTO;

	if (a->body.len && json_parse(buf_str(&a->body), a->body.len, "answer", &j, &ignored) == 0) {
		const struct json *first = json_at(json_get(j, "errors"), 0);

		message = json_str(json_get(first, "message"));
		if (!message || !*message)
			message = json_str(json_get(first, "code"));
		if (!message)
			message = json_str(json_get(j, "details"));
	}
	if (a->status == 404) {
		kind = ERROR_NOT_FOUND;
		errnum = ENOENT;
	} else if (a->status == 401 || a->status == 403) {
		kind = ERROR_DENIED;
		errnum = EACCES;
	} else if (a->status == 429 || a->status >= 500) {
		kind = ERROR_UNAVAILABLE;
		errnum = EAGAIN;
	}
	error_set(&q->err, kind, errnum, "%s answers %ld%s%.300s", request_endpoint(q)->host, a->status,
		  message ? ": " : "", message ? message : "");
	if (what)
		error_wrap(&q->err, "%s", what);
}

static void redirected(struct request *q)
{
	struct exchange *x = &q->x;
	autofree char *to = NULL;
	bool same;

	if (++x->redirects > FETCH_REDIRECTS_MAX) {
		error_set(&q->err, ERROR_INVALID, ELOOP, "%s redirects more than %d times", request_endpoint(q)->host,
			  FETCH_REDIRECTS_MAX);
		request_failed(q);
		return;
	}
	if (x->ask.no_auth) {
		error_set(&q->err, ERROR_INVALID, EPROTO, "the token service of %s redirects", q->f->name);
		request_failed(q);
		return;
	}
	if (url_resolve(x->url, x->answer.location, &to, &same, &q->err) < 0) {
		request_failed(q);
		return;
	}
	autofree char *base = exchange_url(q, "%s", "");

	free(x->url);
	x->ask.url = x->url = take_ptr(&to);
	x->foreign = !url_same_origin(base, x->url);
	exchange_repeat(q);
}

static void answered(struct request *q)
{
	struct exchange *x = &q->x;
	long status = x->answer.status;
	uint32_t after = 0;

	if (!x->foreign)
		request_endpoint(q)->scheme_known = true;
	if (status == 401 && !x->ask.no_auth) {
		if (auth_challenged(q))
			exchange_repeat(q);
		else if (!q->denied || !q->denied(q))
			request_failed(q);
		return;
	}
	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
		redirected(q);
		return;
	}
	if (status == 408 || status == 429 || status >= 500) {
		exchange_error(q, NULL);
		if (x->answer.retry_after)
			(void)header_retry_after(x->answer.retry_after, clock_realtime_ns() / NS_PER_S, &after);
		request_retry(q, after);
		return;
	}
	q->next(q);
}

/* Is it a sign of a server without TLS? */
static bool may_be_plain(CURLcode code)
{
	return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR ||
	       code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR;
}

static void hint_broken(struct request *q, CURLcode code)
{
	const char *what = q->url ? "server" : "registry";

	if (code == CURLE_PEER_FAILED_VERIFICATION && q->url)
		error_hint(&q->err, "give the folder with its CA's certificate by --cert-dir");
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		error_hint(&q->err,
			   "put the CA's certificate into /etc/containers/certs.d/%.80s/ca.crt, or name the registry "
			   "insecure in registries.conf",
			   request_endpoint(q)->host);
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		error_hint(&q->err, "check the name of the %s, the network and, behind a proxy, %s_proxy", what,
			   str_starts(q->x.url, "http:") ? "http" : "https");
	else if (code == CURLE_COULDNT_CONNECT)
		error_hint(&q->err, "check the %s's name and port, and whether it is up", what);
}

static void broken(struct request *q, CURLcode code)
{
	struct endpoint *e = request_endpoint(q);
	struct exchange *x = &q->x;
	const char *text = x->curl_error[0] ? x->curl_error : curl_easy_strerror(code);

	/* Several exchanges may find out at once. A token service is where the challenge says, and not the registry: what its
	 * address needs is not changed by how that one is spoken to. */
	if (e->insecure && !x->ask.no_auth && str_starts(x->url, "https:") && (e->plain || !e->scheme_known) &&
	    !x->foreign && may_be_plain(code)) {
		e->plain = true;
		request_begin(q);
		return;
	}
	autofree char *host = url_host(x->url, NULL); /* a redirect, a token service or a search may be elsewhere */

	if (host && str_starts(e->host, host))
		error_set(&q->err, ERROR_UNAVAILABLE, ECONNABORTED, "%s: %s", e->host, text);
	else
		error_set(&q->err, ERROR_UNAVAILABLE, ECONNABORTED, "%s: %s", host ? host : e->host, text);
	hint_broken(q, code);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		request_failed(q);
		return;
	default:
		request_retry(q, 0);
	}
}

void exchange_finished(struct request *q, CURLcode code)
{
	struct exchange *x = &q->x;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->answer.status);
	drop_easy(q);
	/* Broken off by us in the body of an error: its beginning has been read, and that is an answer. */
	if ((code == CURLE_OK && !x->refused) || (x->refused && x->answer.status >= 300))
		answered(q);
	else if (!x->refused)
		broken(q, code);
	else if (x->refused_soft)
		request_retry(q, 0);
	else
		request_failed(q);
}
