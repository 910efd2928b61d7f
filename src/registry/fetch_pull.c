/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and blobs from a registry. The bytes of a blob: fetch_body.c. */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/fetch.h"

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

	body_start(q, url);
}

/* The manifest has said how much there is. */
static bool check_blob(struct request *q)
{
	const struct answer *a = &q->x.answer;

	if (a->status == 206)
		return body_check_range(q);
	if (a->content_length < 0 || (uint64_t)a->content_length == q->size)
		return body_replay(q);
	error_set(&q->err, ERROR_INVALID, EPROTO, "%s says that %s has %lld bytes, its manifest says %llu",
		  request_endpoint(q)->host, q->what, (long long)a->content_length, (unsigned long long)q->size);
	return body_refuse(q);
}

void pull_blob(struct request *q)
{
	q->by_digest = true;
	q->what = mem_printf("the blob %s", q->digest);
	q->size_known = true;
	body_init(q, blob_begin, check_blob);
}
