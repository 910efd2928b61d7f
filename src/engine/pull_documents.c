/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents of a pull: what a tag means, manifests and indexes, configs. All of them come from outside: a document is
 * hashed before it is believed, its kind is what its media type and its shape agree on (V31), and sizes are bounded before
 * anything is asked for (V30). What the store has is not asked for again.
 */
#include "engine/pull.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"

#define DOCUMENTS_MAX_BYTES (16u << 20) /* of one image: an index, a manifest and a config of the greatest size */

/* ---- waiting ---- */

int pull_stopped(const struct pull *p, struct error *err)
{
	struct pollfd look = {.fd = p->o->stop_fd, .events = POLLIN};

	if (p->o->stop_fd < 0 || poll(&look, 1, 0) <= 0)
		return 0;
	error_set(err, ERROR_UNAVAILABLE, EINTR, "interrupted");
	return error_hint(err, "what came so far is kept: the next pull goes on from there");
}

void pull_note_retry(const struct pull *p, const struct registry_event *e)
{
	autofree char *text = NULL;

	if (!p->o->observer || !p->o->observer->note)
		return;
	text = mem_printf("%s; trying again in %u.%u s", e->err.msg, e->delay_ms / 1000, e->delay_ms / 100 % 10);
	p->o->observer->note(p->o->observer->arg, text);
}

int pull_wait(struct pull *p, int64_t id, struct registry_event *ret, struct error *err)
{
	if (id < 0)
		return (int)id;
	for (;;) {
		struct pollfd fds[] = {{.fd = registry_fd(p->registry), .events = POLLIN},
				       {.fd = p->o->stop_fd, .events = POLLIN}};
		int r;

		while ((r = registry_next(p->registry, ret, err)) > 0) {
			if (ret->type == REGISTRY_RETRY)
				pull_note_retry(p, ret);
			if (ret->id == id && ret->type == REGISTRY_DONE)
				return 0;
			if (ret->id == id && ret->type == REGISTRY_FAILED) {
				*err = ret->err;
				return -err->code;
			}
		}
		if (r < 0 || pull_stopped(p, err) < 0)
			return -err->code;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for the registry");
	}
}

/* ---- manifests and indexes ---- */

/* Room for @len bytes more of documents? They are in memory together: an index may list hundreds of large ones. */
static int count_document(struct pull *p, size_t len, struct error *err)
{
	p->document_bytes += len;
	if (p->document_bytes <= DOCUMENTS_MAX_BYTES)
		return 0;
	return error_set(err, ERROR_LIMIT, EFBIG, "the image's documents have more than %u bytes together",
			 DOCUMENTS_MAX_BYTES);
}

static const char *arena_copy(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_alloc(a, len + 1, 1);

	memcpy(copy, text, len);
	return copy;
}

static enum image_media kind_of(const char *media_type)
{
	return image_media_from_type(media_type, NULL);
}

/* Which kind of document is it? The registry's word for it and the document's own must agree; without either the shape
 * decides. The parsers refuse a document with members of the other kind. */
static int set_kind(struct pull_document *d, const char *said, struct error *err)
{
	autojson struct json *j = NULL;

	if (json_parse(d->text, d->len, "manifest", &j, err) < 0)
		return -err->code;
	const char *own = json_str(json_get(j, "mediaType"));
	enum image_media by_registry = said ? kind_of(said) : IMAGE_MEDIA_UNKNOWN, by_text = kind_of(own);

	if (said && strstr(said, "vnd.docker.distribution.manifest.v1"))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "the image has Docker's manifest schema 1, which has been given up since 2017");
	if (own && by_registry != IMAGE_MEDIA_UNKNOWN && by_text != by_registry)
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "the registry says that this is '%.80s', the document itself '%.80s'", said, own);
	if (by_text == IMAGE_MEDIA_UNKNOWN)
		by_text = by_registry;
	if (by_text == IMAGE_MEDIA_UNKNOWN)
		by_text = json_get(j, "manifests") ? IMAGE_MEDIA_INDEX : IMAGE_MEDIA_MANIFEST;
	if (by_text != IMAGE_MEDIA_INDEX && by_text != IMAGE_MEDIA_MANIFEST)
		return error_set(err, ERROR_INVALID, EBADMSG, "expected a manifest, got '%.80s'", own ? own : said);
	d->is_index = by_text == IMAGE_MEDIA_INDEX;
	return 0;
}

/* @expected NULL: whatever its content hashes to, which must be what the registry said, if it did. */
static int take_document(struct pull *p, const struct registry_event *e, const char *expected,
			 struct pull_document *ret, struct error *err)
{
	struct pull_document d = {.len = e->len,
				  .media_type = arena_strdup(&p->arena, e->media_type ? e->media_type : "")};
	char is[STORE_DIGEST_MAX];

	if (!e->text)
		return error_set(err, ERROR_INVALID, EBADMSG, "the registry's answer is empty");
	if (count_document(p, e->len, err) < 0)
		return -err->code;
	store_digest_of(e->text, e->len, is);
	if (!expected && e->digest && store_digest_supported(e->digest))
		expected = e->digest;
	if (expected && !str_eq(is, expected))
		return error_set(err, ERROR_INVALID, EBADMSG, "the manifest has digest %s, expected %s", is, expected);
	d.digest = arena_strdup(&p->arena, is);
	d.text = arena_copy(&p->arena, e->text, e->len);
	if (set_kind(&d, e->media_type, err) < 0)
		return error_wrap(err, "manifest %.19s", is);
	*ret = d;
	return 0;
}

int pull_resolve(struct pull *p, const char *reference, bool head, struct pull_document *ret, struct error *err)
{
	struct registry_event e;

	if (pull_wait(p, registry_get_manifest(p->registry, reference, head, err), &e, err) < 0)
		return -err->code;
	if (e.text)
		return take_document(p, &e, NULL, ret, err);
	if (!e.digest || !store_digest_supported(e.digest))
		return error_set(err, ERROR_INVALID, EBADMSG, "the registry gave no sha256 digest");
	*ret = (struct pull_document){.digest = arena_strdup(&p->arena, e.digest),
				      .media_type = arena_strdup(&p->arena, e.media_type ? e.media_type : "")};
	return 0;
}

int pull_get_document(struct pull *p, const char *digest, struct pull_document *ret, struct error *err)
{
	autofree char *text = NULL;
	struct registry_event e;
	struct error not_here;
	size_t len;

	if (!store_digest_supported(digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 digest);
	if (store_blob_read(p->store, digest, &text, &len, &not_here) == 0 && len <= IMAGE_MANIFEST_MAX_BYTES) {
		if (count_document(p, len, err) < 0)
			return -err->code;
		*ret = (struct pull_document){.digest = arena_strdup(&p->arena, digest),
					      .text = arena_copy(&p->arena, text, len),
					      .len = len,
					      .media_type = ""};
		return set_kind(ret, NULL, err);
	}
	if (pull_wait(p, registry_get_manifest(p->registry, digest, false, err), &e, err) < 0)
		return -err->code;
	return take_document(p, &e, digest, ret, err);
}

/* ---- platforms ---- */

static bool is_attestation(const struct image_descriptor *d)
{
	return spec_map_get(&d->annotations, "vnd.docker.reference.type") ||
	       (str_eq(d->platform.os, "unknown") && str_eq(d->platform.architecture, "unknown"));
}

static const char *list_platforms(const struct image_index *index, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < index->manifest_count && at + 80 < size; i++) {
		const struct image_platform *h = &index->manifests[i].platform;

		if (is_attestation(&index->manifests[i]) || !h->os || !h->architecture ||
		    kind_of(index->manifests[i].media_type) != IMAGE_MEDIA_MANIFEST)
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%.20s/%.20s%s%.20s", at ? ", " : "", h->os,
				       h->architecture, h->variant ? "/" : "", h->variant ? h->variant : "");
		if (at >= size)
			break;
	}
	return out;
}

static bool has_index(const struct image_index *index)
{
	for (size_t i = 0; i < index->manifest_count; i++) {
		if (kind_of(index->manifests[i].media_type) == IMAGE_MEDIA_INDEX)
			return true;
	}
	return false;
}

int pull_choose(const struct pull *p, const struct image_index *index, const struct image_descriptor **ret,
		struct error *err)
{
	const struct image_descriptor *best = image_index_choose(index, &p->platform), *only = NULL;
	const struct image_platform *want = &p->platform;
	size_t candidates = 0;
	char list[256];

	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];

		if (is_attestation(d) || image_media_from_type(d->media_type, NULL) != IMAGE_MEDIA_MANIFEST)
			continue;
		only = d;
		candidates++;
	}
	if (!best && candidates == 1 && !only->platform.os)
		best = only;
	if (best) {
		*ret = best;
		return 0;
	}
	if (candidates == 0 && has_index(index))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "the index lists further indexes, that a pull does not follow");
	error_set(err, ERROR_UNSUPPORTED, ENOENT, "the image has nothing for the platform %s/%s%s%s", want->os,
		  want->architecture, want->variant ? "/" : "", want->variant ? want->variant : "");
	list_platforms(index, list, sizeof(list));
	return list[0] ? error_hint(err, "it has: %.200s (choose with --platform)", list) : -err->code;
}

/* ---- small blobs ---- */

static int read_pipe(struct pull *p, int64_t id, int in, struct buf *text, struct error *err)
{
	bool end = false, done = false;

	while (!end || !done) {
		struct pollfd fds[] = {{.fd = registry_fd(p->registry), .events = POLLIN},
				       {.fd = p->o->stop_fd, .events = POLLIN},
				       {.fd = end ? FD_NONE : in, .events = POLLIN}};
		struct registry_event e;
		char chunk[16384];
		int r;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for the registry");
		if (pull_stopped(p, err) < 0)
			return -err->code;
		if (!end && fds[2].revents) {
			ssize_t n = read(in, chunk, sizeof(chunk));

			if (n < 0 && errno != EINTR)
				return error_sys(err, errno, "read from the registry");
			end = n == 0;
			if (n > 0 && !buf_add(text, chunk, (size_t)n))
				return error_set(err, ERROR_LIMIT, EFBIG, "more than %zu bytes", text->max);
		}
		while ((r = registry_next(p->registry, &e, err)) > 0) {
			if (e.type == REGISTRY_RETRY)
				pull_note_retry(p, &e);
			done |= e.id == id && e.type == REGISTRY_DONE;
			if (e.id == id && e.type == REGISTRY_FAILED) {
				*err = e.err;
				return -err->code;
			}
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int fetch_blob(struct pull *p, const struct image_descriptor *d, size_t max, bool primary_only, const char **ret,
		      struct error *err)
{
	autobuf struct buf text = BUF_INIT(max);
	autofd int in = FD_NONE;
	char is[STORE_DIGEST_MAX];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	in = ends[0];
	int64_t id = registry_get_blob(p->registry, d->digest, (uint64_t)d->size, 0, primary_only, ends[1], err);

	if (id < 0 || read_pipe(p, id, in, &text, err) < 0)
		return -err->code;
	store_digest_of(buf_str(&text), text.len, is);
	if (!str_eq(is, d->digest) || (int64_t)text.len != d->size)
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "its content is %zu bytes with digest %s, %lld were promised", text.len, is,
				 (long long)d->size);
	*ret = arena_copy(&p->arena, buf_str(&text), text.len);
	return 0;
}

int pull_get_blob(struct pull *p, const struct image_descriptor *d, size_t max, const char **ret, struct error *err)
{
	autofree char *text = NULL;
	struct error not_here;
	size_t len;

	if (!store_digest_supported(d->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 d->digest);
	if (d->size < 0 || (uint64_t)d->size > max)
		return error_set(err, ERROR_LIMIT, EFBIG, "blob %s has %lld bytes, at most %zu are accepted", d->digest,
				 (long long)d->size, max);
	if (count_document(p, (size_t)d->size, err) < 0)
		return -err->code;
	if (store_blob_read(p->store, d->digest, &text, &len, &not_here) == 0 && (int64_t)len == d->size) {
		*ret = arena_copy(&p->arena, text, len);
		return 0;
	}
	int r = fetch_blob(p, d, max, false, ret, err);

	/* A mirror's bytes were wrong: the registry itself may have the right ones. */
	if (r < 0 && err->kind == ERROR_INVALID)
		r = fetch_blob(p, d, max, true, ret, err);
	return r < 0 ? error_wrap(err, "blob %s", d->digest) : 0;
}
