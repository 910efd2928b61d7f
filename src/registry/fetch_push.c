/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs and manifests to a registry (distribution-spec 1.1, "Push"). A blob:
 *
 *	HEAD blob ── there ──> done
 *	POST uploads/?mount=…&from=… ── 201: mounted ──> done
 *	     ├─ may not read that repository ──> from the start, without the mount
 *	     └─ 202: Location ──> small: PUT with the bytes ──> done
 *	                     └──> PATCH with the bytes ──> PUT ──> done
 *	PATCH cut ──> GET Location: how much is there? ──> PATCH the rest
 *	PUT cut, or the upload is lost ──> from the start: it may be there by now
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/fetch.h"

#define RESTARTS_MAX 3

static void start_begin(struct request *q);
static void status_begin(struct request *q);

static void wrong(struct request *q, const char *what)
{
	exchange_error(q, what);
	error_wrap(&q->err, "push the blob %s", q->digest);
	request_failed(q);
}

/* The upload is gone: from the start again. */
static void restart(struct request *q, const char *what)
{
	exchange_error(q, what);
	error_wrap(&q->err, "push the blob %s", q->digest);
	if (++q->restarts > RESTARTS_MAX) {
		request_failed(q);
		return;
	}
	q->again = start_begin;
	q->position = 0;
	request_retry(q, 0);
}

static void blob_done(struct request *q)
{
	struct json *extra = json_new_object();

	q->position = q->size;
	json_set(extra, "existed", json_new_bool(q->existed));
	json_set(extra, "mounted", json_new_bool(q->mounted));
	request_done(q, extra, NULL, 0);
}

static bool take_location(struct request *q)
{
	autofree char *to = NULL;
	bool same;

	if (!q->x.answer.location) {
		error_set(&q->err, ERROR_INVALID, EPROTO, "%s does not say where the upload goes on",
			  request_endpoint(q)->host);
		request_failed(q);
		return false;
	}
	if (url_resolve(q->x.url, q->x.answer.location, &to, &same, &q->err) < 0) {
		request_failed(q);
		return false;
	}
	free(q->location);
	q->location = take_ptr(&to);
	return true;
}

/* ---- PUT ---- */

static void put_next(struct request *q)
{
	long status = q->x.answer.status;

	if (status == 201 || status == 204)
		blob_done(q);
	else if (status == 404 || status == 416)
		restart(q, "the upload is lost");
	else
		wrong(q, NULL);
}

static void put_begin(struct request *q)
{
	autofree char *url = url_add_query(q->location, "digest", q->digest);
	bool all = q->size <= FETCH_UPLOAD_MONOLITHIC;
	struct ask ask = {.method = "PUT",
			  .url = url,
			  .content_type = "application/octet-stream",
			  .send_file = true,
			  .file_len = all ? q->size : 0,
			  .body_max = FETCH_ERROR_BYTES_MAX,
			  .slow = true};

	q->next = put_next;
	q->again = start_begin;
	exchange_start(q, &ask);
}

/* ---- PATCH ---- */

static void patch_next(struct request *q)
{
	long status = q->x.answer.status;

	if (status == 416 && ++q->restarts <= RESTARTS_MAX) {
		status_begin(q); /* it has more or less than we think */
		return;
	}
	if (status == 404 || status == 416) {
		restart(q, "the upload is lost");
		return;
	}
	if (status != 202 && status != 201 && status != 204) {
		wrong(q, NULL);
		return;
	}
	if (!q->x.answer.location || take_location(q))
		put_begin(q);
}

static void patch_begin(struct request *q)
{
	autofree char *range = NULL;
	struct ask ask = {.method = "PATCH",
			  .url = q->location,
			  .content_type = "application/octet-stream",
			  .send_file = true,
			  .file_from = q->position,
			  .file_len = q->size - q->position,
			  .body_max = FETCH_ERROR_BYTES_MAX};

	if (q->position > 0) {
		range = mem_printf("%llu-%llu", (unsigned long long)q->position, (unsigned long long)q->size - 1);
		ask.content_range = range;
	}
	q->next = patch_next;
	q->again = status_begin;
	exchange_start(q, &ask);
}

/* How much of the upload is there? */
static void status_next(struct request *q)
{
	const struct answer *a = &q->x.answer;
	uint64_t have = 0;

	if ((a->status != 204 && a->status != 202) || !a->range || header_upload_range(a->range, &have) < 0 ||
	    have > q->size) {
		restart(q, "the upload is lost");
		return;
	}
	q->position = have == 1 ? 0 : have; /* "0-0" is said of an empty upload, too */
	if (a->location && !take_location(q))
		return;
	if (q->position == q->size)
		put_begin(q);
	else
		patch_begin(q);
}

static void status_begin(struct request *q)
{
	struct ask ask = {.method = "GET", .url = q->location, .body_max = FETCH_ERROR_BYTES_MAX};

	q->next = status_next;
	q->again = status_begin;
	exchange_start(q, &ask);
}

/* ---- POST ---- */

/* Rights to the repository that has the blob already are not needed for bringing it once more. */
static bool without_mount(struct request *q)
{
	if (!q->mount || q->err.kind != ERROR_DENIED)
		return false;
	free(q->mount);
	q->mount = NULL;
	request_begin(q);
	return true;
}

static void post_next(struct request *q)
{
	long status = q->x.answer.status;

	if (status == 201) {
		q->mounted = true;
		blob_done(q);
		return;
	}
	if (status != 202) {
		exchange_error(q, NULL);
		if (status == 403 && without_mount(q))
			return;
		wrong(q, NULL);
		return;
	}
	q->position = 0;
	if (!take_location(q))
		return;
	if (q->size <= FETCH_UPLOAD_MONOLITHIC)
		put_begin(q);
	else
		patch_begin(q);
}

static void post_begin(struct request *q)
{
	autofree char *plain = exchange_url(q, "blobs/uploads/");
	autofree char *mount = q->mount ? url_add_query(plain, "mount", q->digest) : NULL;
	autofree char *from = mount ? url_add_query(mount, "from", q->mount) : NULL;
	struct ask ask = {.method = "POST", .url = from ? from : plain, .body_max = FETCH_ERROR_BYTES_MAX};

	q->next = post_next;
	q->again = start_begin;
	exchange_start(q, &ask);
}

/* ---- HEAD ---- */

static void start_next(struct request *q)
{
	long status = q->x.answer.status;

	if (status == 200) {
		q->existed = q->moved == 0;
		blob_done(q);
	} else if (status == 404) {
		post_begin(q);
	} else {
		wrong(q, NULL);
	}
}

static void start_begin(struct request *q)
{
	autofree char *url = exchange_url(q, "blobs/%s", q->digest);
	struct ask ask = {.method = "HEAD", .url = url};

	q->next = start_next;
	q->again = start_begin;
	exchange_start(q, &ask);
}

void push_blob(struct request *q)
{
	q->what = mem_printf("the blob %s", q->digest);
	q->begin = start_begin;
	q->denied = without_mount;
}

/* ---- manifests ---- */

static void manifest_next(struct request *q)
{
	const struct answer *a = &q->x.answer;
	struct json *extra;

	if (a->status != 201 && a->status != 200 && a->status != 202) {
		exchange_error(q, NULL);
		error_wrap(&q->err, "push the manifest %s to %s", q->reference, q->f->repository);
		request_failed(q);
		return;
	}
	extra = json_new_object();
	json_set_str(extra, "digest", a->digest);
	/* A registry with the referrers API says so; else the tag schema is the pusher's work. */
	json_set(extra, "existed", json_new_bool(a->subject != NULL));
	request_done(q, extra, NULL, 0);
}

static void manifest_begin(struct request *q)
{
	autofree char *url = exchange_url(q, "manifests/%s", q->reference);
	struct ask ask = {.method = "PUT",
			  .url = url,
			  .content_type = q->media_type,
			  .text = q->text,
			  .text_len = q->text_len,
			  .body_max = FETCH_ERROR_BYTES_MAX,
			  .slow = true};

	exchange_start(q, &ask);
}

void push_manifest(struct request *q)
{
	q->begin = manifest_begin;
	q->next = manifest_next;
}
