/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl is told before an exchange: address, proxy, TLS, what is asked and what is sent, and who we are there.
 * Nothing is left to libcurl's own ideas: no redirects, no netrc, no other schemes, no variables of the environment.
 */
#include "registry/fetch.h"

#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define USER_AGENT "bothy/" BOTHY_VERSION
#define CONNECT_TIMEOUT_MS 15000L
#define CURL_BUFFER_BYTES 131072L

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
		(void)curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, exchange_on_send);
		(void)curl_easy_setopt(x->easy, CURLOPT_READDATA, q);
		(void)curl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, exchange_on_seek);
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
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, exchange_on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, q);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, exchange_on_header);
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

bool exchange_set_options(struct request *q)
{
	set_common(q);
	set_proxy(q);
	set_tls(q);
	set_ask(q);
	if (!set_auth(q))
		return false;
	(void)curl_easy_setopt(q->x.easy, CURLOPT_HTTPHEADER, q->x.headers);
	return true;
}
