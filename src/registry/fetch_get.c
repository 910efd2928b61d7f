/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an address names that a user typed: the archive of an import. It has no digest, so a transfer that was cut goes on only
 * when the server says by a mark (a strong ETag, or a time of change that is old enough to tell two contents apart) that it
 * still has the same: half of the old file and half of the new one would be an image that nobody made.
 *
 * A session is for one address: its host is the endpoint, and the only one that sees the login of the address. Redirects go
 * by the rules of fetch_url.c. Tokens are of registries: a server that wants one is told no.
 */
#include <curl/curl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/fetch.h"

/* The endpoint of the session, which knows of its address only what is the same for all: certificates. */
static int open_address(struct request *q, struct error *err)
{
	struct fetch *f = q->f;
	struct endpoint *e = &f->endpoints[0];
	autofree char *url = NULL, *host = NULL, *user = NULL, *password = NULL;
	bool https;

	if (!q->url || e->host)
		return error_set(err, ERROR_INTERNAL, EPROTO, "a session is for one address");
	if (url_open(q->url, &url, &host, &https, &user, &password, err) < 0)
		return -err->code;
	e->host = arena_strdup(&f->arena, host);
	e->user = arena_strdup(&f->arena, user);
	e->password = user ? arena_strdup(&f->arena, password ? password : "") : NULL;
	e->plain = !https;
	e->scheme_known = true; /* it was typed */
	free(q->url);
	q->url = take_ptr(&url);
	q->what = mem_strdup("the file");
	q->size_max = q->size;
	return 0;
}

static void get_begin(struct request *q)
{
	if (!q->what && open_address(q, &q->err) < 0) {
		q->fatal = true;
		request_failed(q);
		return;
	}
	body_start(q, q->url);
}

/* What the server will know this content by (RFC 9110, 8.8.1 and 13.1.5); heap, NULL: nothing. */
static char *mark_of(const struct answer *a)
{
	if (a->etag && a->etag[0] == '"')
		return mem_strdup(a->etag);
	/* A content that changes twice within a second keeps its time. */
	if (a->modified && a->date && curl_getdate(a->modified, NULL) > 0 &&
	    curl_getdate(a->date, NULL) > curl_getdate(a->modified, NULL))
		return mem_strdup(a->modified);
	return NULL;
}

static bool has_changed(struct request *q)
{
	error_set(&q->err, ERROR_UNAVAILABLE, ESTALE, "what %s has there changed while it was fetched",
		  request_endpoint(q)->host);
	error_hint(&q->err, "try again");
	return body_refuse(q);
}

/* The first answer says how much there is. */
static bool take_size(struct request *q)
{
	const struct answer *a = &q->x.answer;

	free(q->mark);
	q->mark = mark_of(a);
	q->size = q->size_max;
	q->size_known = false;
	if (a->content_length < 0)
		return true;
	if ((uint64_t)a->content_length > q->size) {
		error_set(&q->err, ERROR_LIMIT, EFBIG, "%s has %lld bytes there, more than the %llu that are allowed",
			  request_endpoint(q)->host, (long long)a->content_length, (unsigned long long)q->size);
		return body_refuse(q);
	}
	q->size = (uint64_t)a->content_length;
	q->size_known = true;
	return true;
}

static bool check_address(struct request *q)
{
	const struct answer *a = &q->x.answer;
	autofree char *mark = NULL;

	if (q->position == 0 && a->status != 206)
		return take_size(q);
	mark = mark_of(a);
	if (a->status == 206)
		return q->position > 0 && mark && !str_eq(mark, q->mark) ? has_changed(q) : body_check_range(q);
	/* All again: it changed, or the server knows no ranges. */
	if (!str_eq(mark, q->mark) ||
	    (q->size_known && a->content_length >= 0 && (uint64_t)a->content_length != q->size))
		return has_changed(q);
	return body_replay(q);
}

void get_address(struct request *q)
{
	body_init(q, get_begin, check_address);
}
