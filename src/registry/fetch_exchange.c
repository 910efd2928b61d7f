/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange over libcurl, from the ask to the answer, with all that is the same for every step (fetch_options.c:
 * what libcurl is told; fetch_flow.c: the bytes):
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

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

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

void answer_done(struct answer *a)
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

void exchange_drop(struct request *q)
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

/* ---- the start of an exchange ---- */

void exchange_repeat(struct request *q)
{
	struct exchange *x = &q->x;

	exchange_drop(q);
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
	if (!exchange_set_options(q)) {
		exchange_drop(q);
		return;
	}
	x->window_ns = clock_monotonic_ns();
	x->window_bytes = 0;
	log_debug("fetch: %s %s", x->ask.method, x->url);
	if (curl_multi_add_handle(q->f->multi, x->easy) != CURLM_OK)
		mem_out();
}

void exchange_start(struct request *q, const struct ask *ask)
{
	struct exchange *x = &q->x;

	exchange_drop(q);
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
	exchange_drop(q);
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
