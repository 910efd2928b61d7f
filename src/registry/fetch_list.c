/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions whose answers are lists (tags, referrers, search, the catalogue), and the small ones: ping and delete. Lists come
 * in pages (a Link to the next); pages are followed on the registry's own host only, up to a bound in pages and bytes, and
 * what is told to bothy is built anew from the fields that it needs.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/fetch.h"

#define LIST_BYTES_MAX (WIRE_BODY_MAX - 65536)

static void too_long(struct request *q)
{
	error_set(&q->err, ERROR_LIMIT, EFBIG, "the list of %s is longer than %u bytes or %u pages", q->f->repository,
		  LIST_BYTES_MAX, FETCH_PAGES_MAX);
	request_failed(q);
}

/* Tell the list under @key. */
static void tell_list(struct request *q, const char *key)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(WIRE_BODY_MAX);

	json_set(j, key, q->list ? q->list : json_new_array());
	q->list = NULL;
	if (q->list_bytes > LIST_BYTES_MAX || !json_write(j, false, &text)) {
		too_long(q);
		return;
	}
	request_done(q, NULL, text.data, text.len);
}

/* Room for @s in the list? */
static bool count_bytes(struct request *q, const char *s)
{
	q->list_bytes += (s ? strlen(s) * 2 : 0) + 128;
	return q->list_bytes <= LIST_BYTES_MAX;
}

static bool parse(struct request *q, struct json **ret)
{
	const struct buf *b = &q->x.answer.body;

	if (json_parse(buf_str(b), b->len, "list", ret, &q->err) == 0)
		return true;
	error_wrap(&q->err, "the answer of %s", request_endpoint(q)->host);
	request_failed(q);
	return false;
}

/* The list @key of the answer @j; null or nothing is an empty one, as a server written in Go says it. False: there is no such list, and it has failed. */
static bool get_list(struct request *q, const struct json *j, const char *key, const struct json **ret)
{
	const struct json *list = json_get(j, key);

	if (json_type(j) == JSON_OBJECT && (!list || json_type(list) == JSON_ARRAY)) {
		*ret = list;
		return true;
	}
	error_set(&q->err, ERROR_INVALID, EPROTO, "the answer of %s has no list of %s", request_endpoint(q)->host, key);
	request_failed(q);
	return false;
}

/* Ask for the next page, if there is one. A list that is longer than we take is an error: half of one would look like all. */
static bool next_page(struct request *q)
{
	autoclean(arena_done) struct arena a = {0};
	const char *link = q->x.answer.link ? header_link_next(&a, q->x.answer.link) : NULL;
	autofree char *to = NULL;
	bool same;

	if (!link)
		return false;
	if (q->list_bytes > LIST_BYTES_MAX || ++q->pages >= FETCH_PAGES_MAX) {
		too_long(q);
		return true;
	}
	if (url_resolve(q->x.url, link, &to, &same, &q->err) < 0 || !same) {
		error_set(&q->err, ERROR_INVALID, EPROTO, "the list of %s goes on at another host", q->f->repository);
		request_failed(q);
		return true;
	}
	if (str_eq(to, q->x.url))
		return false; /* a page that names itself */
	free(q->location);
	q->location = take_ptr(&to);
	request_begin(q);
	return true;
}

/* ---- tags ---- */

static void tags_begin(struct request *q)
{
	autofree char *first = exchange_url(q, "tags/list?n=1000");
	struct ask ask = {.method = "GET",
			  .url = q->location ? q->location : first,
			  .body_max = IMAGE_MANIFEST_MAX_BYTES};

	exchange_start(q, &ask);
}

static void tags_next(struct request *q)
{
	autojson struct json *j = NULL;
	const struct json *tags;

	if (q->x.answer.status != 200) {
		exchange_error(q, NULL);
		error_wrap(&q->err, "list the tags of %s", q->f->repository);
		request_failed(q);
		return;
	}
	if (!parse(q, &j))
		return;
	if (!get_list(q, j, "tags", &tags))
		return;
	if (!q->list)
		q->list = json_new_array();
	for (size_t i = 0; i < json_len(tags); i++) {
		const char *tag = json_str(json_at(tags, i));

		if (!tag) { /* half of a list would look like all */
			error_set(&q->err, ERROR_INVALID, EPROTO, "the answer of %s lists a tag that is no text",
				  request_endpoint(q)->host);
			request_failed(q);
			return;
		}
		if (count_bytes(q, tag))
			json_push(q->list, json_new_str(tag));
	}
	if (!next_page(q))
		tell_list(q, "tags");
}

void list_tags(struct request *q)
{
	q->begin = tags_begin;
	q->next = tags_next;
}

/* ---- referrers ---- */

#define EMPTY_INDEX "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

static void referrers_done(struct request *q, const char *text, size_t len)
{
	struct json *extra = json_new_object();

	json_set_str(extra, "media_type", INDEX_TYPE);
	request_done(q, extra, text, len);
}

static void schema_next(struct request *q)
{
	const struct answer *a = &q->x.answer;

	if (a->status == 200) {
		referrers_done(q, buf_str(&a->body), a->body.len);
	} else if (a->status == 404) {
		referrers_done(q, EMPTY_INDEX, strlen(EMPTY_INDEX));
	} else {
		exchange_error(q, "the referrers");
		request_failed(q);
	}
}

/* distribution-spec, "Referrers Tag Schema": the digest with "-" for ":". */
static void schema_begin(struct request *q)
{
	autofree char *tag = mem_strdup(q->digest);

	*strchr(tag, ':') = '-';
	autofree char *url = exchange_url(q, "manifests/%s", tag);
	struct ask ask = {.method = "GET", .url = url, .accept = INDEX_TYPE, .body_max = IMAGE_MANIFEST_MAX_BYTES};

	q->next = schema_next;
	exchange_start(q, &ask);
}

static void referrers_next(struct request *q)
{
	const struct answer *a = &q->x.answer;

	if (a->status == 200) {
		referrers_done(q, buf_str(&a->body), a->body.len);
	} else if (a->status == 404 || a->status == 400 || a->status == 405) {
		q->begin = schema_begin;
		request_begin(q);
	} else {
		exchange_error(q, "the referrers");
		request_failed(q);
	}
}

static void referrers_begin(struct request *q)
{
	autofree char *plain = exchange_url(q, "referrers/%s", q->digest);
	autofree char *filtered = q->artifact_type ? url_add_query(plain, "artifactType", q->artifact_type) : NULL;
	struct ask ask = {.method = "GET",
			  .url = filtered ? filtered : plain,
			  .accept = INDEX_TYPE,
			  .body_max = IMAGE_MANIFEST_MAX_BYTES};

	exchange_start(q, &ask);
}

void list_referrers(struct request *q)
{
	q->begin = referrers_begin;
	q->next = referrers_next;
}

/* ---- search ---- */

static void push_result(struct request *q, const char *name, const struct json *from)
{
	const char *description = json_str(json_get(from, "description"));
	struct json *j;
	int64_t stars = 0;

	if (!name || json_len(q->list) >= q->limit || !count_bytes(q, name) || !count_bytes(q, description))
		return;
	(void)json_i64(json_get(from, "star_count"), &stars); /* absent: 0 */
	j = json_new_object();
	json_set(j, "name", json_new_str(name));
	json_set(j, "description", json_new_str(description ? description : ""));
	json_set(j, "star_count", json_new_i64(stars));
	json_set(j, "is_official", json_new_bool(json_bool(json_get(from, "is_official"))));
	json_set(j, "is_automated", json_new_bool(json_bool(json_get(from, "is_automated"))));
	json_push(q->list, j);
}

static void catalogue_next(struct request *q)
{
	autojson struct json *j = NULL;
	const struct json *names;

	if (q->x.answer.status != 200) {
		exchange_error(q, NULL);
		error_wrap(&q->err, "%s has neither a search nor a catalogue for us", q->f->name);
		request_failed(q);
		return;
	}
	if (!parse(q, &j))
		return;
	if (!get_list(q, j, "repositories", &names))
		return;
	for (size_t i = 0; i < json_len(names); i++) {
		const char *name = json_str(json_at(names, i));

		if (name && strstr(name, q->term))
			push_result(q, name, NULL);
	}
	if (json_len(q->list) >= q->limit || !next_page(q))
		tell_list(q, "results");
}

static void catalogue_begin(struct request *q)
{
	autofree char *first = exchange_url(q, "_catalog?n=1000");
	struct ask ask = {.method = "GET",
			  .url = q->location ? q->location : first,
			  .body_max = IMAGE_MANIFEST_MAX_BYTES};

	q->next = catalogue_next;
	exchange_start(q, &ask);
}

static void search_next(struct request *q)
{
	autojson struct json *j = NULL;
	const struct json *results;

	q->list = json_new_array();
	if (q->x.answer.status == 200) {
		if (!parse(q, &j))
			return;
		if (!get_list(q, j, "results", &results))
			return;
		for (size_t i = 0; i < json_len(results); i++)
			push_result(q, json_str(json_get(json_at(results, i), "name")), json_at(results, i));
		tell_list(q, "results");
	} else if (q->x.answer.status == 404 || q->x.answer.status == 405 || q->x.answer.status == 400) {
		q->begin = catalogue_begin;
		request_begin(q);
	} else {
		exchange_error(q, NULL);
		error_wrap(&q->err, "search in %s", q->f->name);
		request_failed(q);
	}
}

/* The first version of the registry API lives on for this; Docker Hub answers it on a host of its own. */
static void search_begin(struct request *q)
{
	struct endpoint *e = request_endpoint(q);
	const char *host = str_eq(e->host, "registry-1.docker.io") ? "index.docker.io" : e->host;
	autofree char *plain = mem_printf("%s://%s/v1/search", e->plain ? "http" : "https", host);
	autofree char *with_term = url_add_query(plain, "q", q->term);
	autofree char *n = mem_printf("%u", q->limit);
	autofree char *url = with_term ? url_add_query(with_term, "n", n) : NULL;
	struct ask ask = {.method = "GET", .url = url ? url : plain, .body_max = IMAGE_MANIFEST_MAX_BYTES};

	exchange_start(q, &ask);
}

void list_search(struct request *q)
{
	q->begin = search_begin;
	q->next = search_next;
}

/* ---- ping ---- */

static void ping_next(struct request *q)
{
	if (q->x.answer.status == 200) {
		request_done(q, NULL, NULL, 0);
		return;
	}
	exchange_error(q, NULL);
	if (q->x.answer.status == 404)
		error_wrap(&q->err, "%s does not speak the registry's language", q->f->name);
	request_failed(q);
}

static void ping_begin(struct request *q)
{
	autofree char *url = exchange_url(q, "%s", "");
	struct ask ask = {.method = "GET", .url = url, .body_max = FETCH_ERROR_BYTES_MAX};

	exchange_start(q, &ask);
}

void list_ping(struct request *q)
{
	q->begin = ping_begin;
	q->next = ping_next;
}

/* ---- delete ---- */

static void delete_next(struct request *q)
{
	long status = q->x.answer.status;

	if (status == 202 || status == 200 || status == 204) {
		request_done(q, NULL, NULL, 0);
		return;
	}
	exchange_error(q, NULL);
	error_wrap(&q->err, "delete %s of %s", q->reference, q->f->repository);
	if (status == 405) {
		q->err.kind = ERROR_UNSUPPORTED;
		error_hint(&q->err, "the registry must be set up to allow it");
	}
	request_failed(q);
}

static void delete_begin(struct request *q)
{
	autofree char *url = exchange_url(q, q->blob ? "blobs/%s" : "manifests/%s", q->reference);
	struct ask ask = {.method = "DELETE", .url = url, .body_max = FETCH_ERROR_BYTES_MAX};

	exchange_start(q, &ask);
}

void list_delete(struct request *q)
{
	q->begin = delete_begin;
	q->next = delete_next;
}
