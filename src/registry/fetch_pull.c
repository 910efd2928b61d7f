/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and blobs from a registry. A blob that was cut goes on by Range from where it is; what the server then says of
 * the range must be exactly what was asked. A server that knows no ranges sends all again, and what we have is skipped.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/fetch.h"

#define REPLAYS_MAX 3 /* times that a server without ranges may send all again */

#define ACCEPT_MANIFESTS                                                                                               \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "                        \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                                                  \
	"application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.artifact.manifest.v1+json"

/* ---- manifests ---- */

static void manifest_begin(struct request *q)
{
	autofree char *url = exchange_url(q, "manifests/%s", q->reference);
	struct ask ask = {.method = q->head ? "HEAD" : "GET",
			  .url = url,
			  .accept = ACCEPT_MANIFESTS,
			  .body_max = IMAGE_MANIFEST_MAX_BYTES};

	exchange_start(q, &ask);
}

static void manifest_next(struct request *q)
{
	const struct answer *a = &q->x.answer;
	autofree char *type = mem_strdup(a->content_type);
	struct json *extra;

	if (a->status != 200) {
		exchange_error(q, NULL);
		error_wrap(&q->err, "%s%s%s", q->f->repository, q->by_digest ? "@" : ":", q->reference);
		request_failed(q);
		return;
	}
	/* A registry that does not tell the digest to HEAD is asked in full. */
	if (q->head && !a->digest) {
		q->head = false;
		request_begin(q);
		return;
	}
	if (type)
		type[strcspn(type, "; \t")] = '\0';
	extra = json_new_object();
	json_set_str(extra, "media_type", type);
	json_set_str(extra, "digest", a->digest);
	if (q->head && a->content_length > 0)
		json_set(extra, "size", json_new_i64(a->content_length));
	request_done(q, extra, q->head ? NULL : buf_str(&a->body), q->head ? 0 : a->body.len);
}

void pull_manifest(struct request *q)
{
	q->begin = manifest_begin;
	q->next = manifest_next;
	q->by_digest = strchr(q->reference, ':') != NULL;
	q->pulls = true;
}

/* ---- is it there? ---- */

static void head_begin(struct request *q)
{
	autofree char *url = exchange_url(q, "blobs/%s", q->digest);
	struct ask ask = {.method = "HEAD", .url = url};

	exchange_start(q, &ask);
}

static void head_next(struct request *q)
{
	const struct answer *a = &q->x.answer;
	struct json *extra;

	if (a->status != 200) {
		exchange_error(q, NULL);
		error_wrap(&q->err, "the blob %s", q->digest);
		request_failed(q);
		return;
	}
	extra = json_new_object();
	if (a->content_length > 0)
		json_set(extra, "size", json_new_i64(a->content_length));
	request_done(q, extra, NULL, 0);
}

void pull_head_blob(struct request *q)
{
	q->begin = head_begin;
	q->next = head_next;
	q->by_digest = true;
	q->pulls = true;
}

/* ---- blobs ---- */

static void blob_begin(struct request *q)
{
	autofree char *url = exchange_url(q, "blobs/%s", q->digest);
	struct ask ask = {.method = "GET", .url = url, .to_out = true, .range_from = q->position};

	q->skip = 0;
	if (q->position == q->size && q->size > 0) { /* the cut came behind the last byte */
		q->complete = true;
		return;
	}
	exchange_start(q, &ask);
}

static bool lies(struct request *q, uint64_t says)
{
	error_set(&q->err, ERROR_INVALID, EPROTO, "%s says that the blob %s has %llu bytes, its manifest says %llu",
		  request_endpoint(q)->host, q->digest, (unsigned long long)says, (unsigned long long)q->size);
	exchange_refuse(q, false);
	return false;
}

static bool check_answer(struct request *q)
{
	const struct answer *a = &q->x.answer;
	uint64_t first, last, total;

	if (a->status == 206) {
		if (!a->content_range || header_content_range(a->content_range, &first, &last, &total) < 0 ||
		    first != q->position || last >= q->size) {
			error_set(&q->err, ERROR_INVALID, EPROTO,
				  "%s was asked for the blob %s from byte %llu on and sends '%.60s'",
				  request_endpoint(q)->host, q->digest, (unsigned long long)q->position,
				  a->content_range ? a->content_range : "no range");
			exchange_refuse(q, false);
			return false;
		}
		return total == UINT64_MAX || total == q->size ? true : lies(q, total);
	}
	if (a->content_length >= 0 && (uint64_t)a->content_length != q->size)
		return lies(q, (uint64_t)a->content_length);
	if (q->position > 0 && ++q->replays > REPLAYS_MAX) {
		error_set(&q->err, ERROR_UNAVAILABLE, EPROTO,
			  "%s cannot go on in the middle of a blob, and was cut %d times", request_endpoint(q)->host,
			  REPLAYS_MAX);
		exchange_refuse(q, false);
		return false;
	}
	q->skip = q->position;
	return true;
}

static void blob_next(struct request *q)
{
	const struct answer *a = &q->x.answer;

	if (a->status != 200 && a->status != 206) {
		/* The address that a redirect gave may have died with its signature: ask the registry for a new one. */
		exchange_error(q, NULL);
		error_wrap(&q->err, "the blob %s", q->digest);
		if (q->x.foreign && (a->status == 403 || a->status == 400))
			request_retry(q, 0);
		else
			request_failed(q);
		return;
	}
	if (!q->x.body_checked && !check_answer(q)) {
		request_failed(q);
		return;
	}
	if (q->position < q->size) {
		error_set(&q->err, ERROR_UNAVAILABLE, ECONNABORTED, "%s ends the blob %s after %llu of %llu bytes",
			  request_endpoint(q)->host, q->digest, (unsigned long long)q->position,
			  (unsigned long long)q->size);
		request_retry(q, 0);
		return;
	}
	q->complete = true; /* told when the pending bytes are out */
}

void pull_blob(struct request *q)
{
	q->begin = blob_begin;
	q->next = blob_next;
	q->check = check_answer;
	q->by_digest = true;
	q->pulls = true;
	q->what = mem_printf("the blob %s", q->digest);
	q->progress_mark = q->position;
	q->pending = BUF_INIT(FETCH_PENDING_BYTES);
}
