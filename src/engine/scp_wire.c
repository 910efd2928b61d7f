/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines that two hosts exchange about an image, and the words for places. Both come from outside: everything is checked
 * before it is used, and nothing in a place can be taken for an option or by a shell (CVE-2017-1000117). Pure.
 */
#include "engine/scp.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

static const char *const kind_names[] = {
	[SCP_HELLO] = "hello", [SCP_OFFER] = "offer",   [SCP_WANT] = "want",   [SCP_DONE] = "done",
	[SCP_ERROR] = "error", [SCP_ENGINE] = "engine", [SCP_READY] = "ready", [SCP_LAYERS] = "layers",
};
_Static_assert(ARRAY_SIZE(kind_names) == SCP_KIND_COUNT, "a word for each kind");

void scp_message_done(struct scp_message *m)
{
	arena_done(&m->arena);
	*m = (struct scp_message){0};
}

static int bad(struct error *err, const char *what)
{
	return error_set(err, ERROR_INVALID, EPROTO, "the other host says something that makes no sense: %s", what);
}

static int take_digests(struct scp_message *m, const struct json *list, struct error *err)
{
	size_t sizes = 0;

	if (!list)
		return 0;
	if (json_type(list) != JSON_ARRAY || json_len(list) > SCP_BLOBS_MAX)
		return bad(err, "no list of digests, or too long a one");
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *item = json_at(list, i);
		const char *digest = json_str(json_type(item) == JSON_OBJECT ? json_get(item, "digest") : item);
		int64_t size = 0;

		if (!digest || !str_starts(digest, "sha256:") || !image_digest_valid(digest))
			return bad(err, "a digest that is none");
		if (m->kind == SCP_OFFER && (json_i64(json_get(item, "size"), &size) < 0 || size < 0))
			return bad(err, "a blob without a size");
		spec_strs_push(&m->arena, &m->digests, arena_strdup(&m->arena, digest));
		ARENA_PUSH(&m->arena, m->sizes, sizes) = size;
	}
	return 0;
}

static int take_names(struct scp_message *m, const struct json *list, struct error *err)
{
	struct image_reference ref;
	struct error no_name;

	if (json_len(list) > SCP_BLOBS_MAX)
		return bad(err, "too many names");
	for (size_t i = 0; i < json_len(list); i++) {
		const char *name = json_str(json_at(list, i));

		if (!name || image_reference_parse(&m->arena, name, &ref, &no_name) < 0)
			return bad(err, "a name that is none");
		spec_strs_push(&m->arena, &m->names, arena_strdup(&m->arena, name));
	}
	return 0;
}

static int take_message(struct scp_message *m, const struct json *j, struct error *err)
{
	const char *kind = json_str(json_get(j, "kind"));
	int64_t version;

	if (json_type(j) == JSON_ARRAY) {
		m->kind = SCP_LAYERS;
		return take_digests(m, j, err);
	}
	if (json_i64(json_get(j, "bothy"), &version) < 0 || !kind)
		return bad(err, "neither bothy's version nor a kind");
	if (version != 1) {
		error_set(err, ERROR_UNSUPPORTED, EPROTO,
			  "the other host's bothy speaks form %lld of this, ours form 1", (long long)version);
		return error_hint(err, "bring both to the same version, or use: bothy save NAME | ssh HOST bothy load");
	}
	for (m->kind = 0; m->kind < SCP_KIND_COUNT && !str_eq(kind, kind_names[m->kind]);)
		m->kind++;
	if (m->kind >= SCP_KIND_COUNT)
		return bad(err, "an unknown kind");
	m->text = arena_strdup(&m->arena, json_str(json_get(j, "text")));
	m->hint = arena_strdup(&m->arena, json_str(json_get(j, "hint")));
	if (take_digests(m, json_get(j, "blobs"), err) < 0)
		return -err->code;
	return take_names(m, json_get(j, "names"), err);
}

int scp_parse(const char *line, size_t len, struct scp_message *ret, struct error *err)
{
	autojson struct json *j = NULL;
	autoscp struct scp_message m = {0};
	struct error no_json;

	if (json_parse(line, len, "line", &j, &no_json) < 0 ||
	    (json_type(j) != JSON_OBJECT && json_type(j) != JSON_ARRAY))
		return bad(err, "a line that is no JSON");
	if (take_message(&m, j, err) < 0)
		return -err->code;
	*ret = m;
	m = (struct scp_message){0};
	return 0;
}

bool scp_format(const struct scp_message *m, struct buf *out)
{
	autojson struct json *j = json_new_object();

	json_set(j, "bothy", json_new_i64(1));
	json_set_str(j, "kind", kind_names[m->kind]);
	json_set_str(j, "text", m->text);
	json_set_str(j, "hint", m->hint);
	if (m->digests.count) {
		struct json *list = json_new_array();

		for (size_t i = 0; i < m->digests.count; i++) {
			struct json *item = json_new_str(m->digests.items[i]);

			if (m->kind == SCP_OFFER) {
				struct json *blob = json_new_object();

				json_set(blob, "digest", item);
				json_set(blob, "size", json_new_i64(m->sizes[i]));
				item = blob;
			}
			json_push(list, item);
		}
		json_set(j, "blobs", list);
	}
	if (m->names.count) {
		struct json *list = json_new_array();

		for (size_t i = 0; i < m->names.count; i++)
			json_push(list, json_new_str(m->names.items[i]));
		json_set(j, "names", list);
	}
	return json_write(j, false, out) && buf_putc(out, '\n');
}

/* ---- places ---- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* "[user@]host": nothing that ssh could take for an option, nor a shell for anything. */
static bool destination_ok(const char *s)
{
	const char *at = strrchr(s, '@'), *host = at ? at + 1 : s;
	size_t user = at ? (size_t)(at - s) : 0;

	if (*s == '-' || *host == '-' || !*host || (at && !user))
		return false;
	if (user && strspn(s, LETTERS "._-") != user)
		return false;
	return strspn(host, LETTERS "._-:") == strlen(host); /* colons: IPv6, without its brackets */
}

static int bad_place(const char *text, struct error *err)
{
	error_set(err, ERROR_INVALID, EINVAL, "'%.200s' names no other host", text);
	return error_hint(err, "write it as ssh://[user@]host[:port][/name] or [user@]host::[name]");
}

/* The part of ssh:// in front of the path. */
static int parse_authority(struct arena *a, const char *text, char *authority, struct scp_place *p, struct error *err)
{
	char *at = strrchr(authority, '@'), *host = at ? at + 1 : authority, *end = host;
	uint32_t port;

	if (*host == '[') {
		char *close = strchr(host, ']');

		if (!close)
			return bad_place(text, err);
		memmove(host, host + 1, (size_t)(close - host - 1));
		close[-1] = '\0';
		end = close + 1;
		if (*end && *end != ':')
			return bad_place(text, err);
	} else {
		end += strcspn(host, ":");
	}
	if (*end == ':') {
		if (str_to_u32(end + 1, &port) < 0 || port < 1 || port > 65535)
			return bad_place(text, err);
		p->port = arena_printf(a, "%u", port);
		*end = '\0';
	}
	p->destination = authority;
	return 0;
}

int scp_place_parse(struct arena *a, const char *text, struct scp_place *ret, struct error *err)
{
	struct scp_place p = {0};
	struct image_reference ref;
	const char *colons = strstr(text, "::"), *name;

	if (str_starts(text, "ssh://")) {
		const char *authority = text + strlen("ssh://");
		size_t len = strcspn(authority, "/");

		name = authority[len] ? authority + len + 1 : "";
		if (parse_authority(a, text, arena_strndup(a, authority, len), &p, err) < 0)
			return -err->code;
	} else if (colons) {
		p.destination = arena_strndup(a, text, (size_t)(colons - text));
		name = colons + 2;
	} else {
		return 0;
	}
	if (!destination_ok(p.destination))
		return bad_place(text, err);
	if (*name) {
		if (image_reference_parse(a, name, &ref, err) < 0)
			return error_wrap(err, "'%.200s'", text);
		p.name = name;
	}
	*ret = p;
	return 1;
}
