/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bothy says to bothy-fetch and what it is told (wire.h has the form): "open" with the endpoints, once; then
 * requests and "cancel". Bothy is believed as little as need be: what makes no sense ends the talk, texts that become
 * part of a path are checked again.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/fetch.h"

void messages_send(struct fetch *f)
{
	size_t done = 0;

	while (done < f->out.len) {
		ssize_t n = send(FETCH_TALK_FD, f->out.data + done, f->out.len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			f->ended = true;
			return;
		}
		done += (size_t)n;
	}
	if (done == 0)
		return;
	memmove(f->out.data, f->out.data + done, f->out.len - done);
	f->out.len -= done;
}

static char *text_of(const struct json *j, const char *key)
{
	return mem_strdup(json_str(json_get(j, key)));
}

/* What becomes a part of a path: a tag, a digest, a repository. */
static bool is_path_text(const char *s)
{
	return !s || (strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-") == strlen(s) &&
		      !strstr(s, "..") && *s && strlen(s) < 1024);
}

static const struct {
	const char *op;
	void (*setup)(struct request *q);
} kinds[] = {
	{"get_manifest", pull_manifest},
	{"head_manifest", pull_manifest},
	{"get_blob", pull_blob},
	{"head_blob", pull_head_blob},
	{"push_blob", push_blob},
	{"push_manifest", push_manifest},
	{"tags", list_tags},
	{"referrers", list_referrers},
	{"delete", list_delete},
	{"ping", list_ping},
	{"search", list_search},
	{"get_url", get_address},
};

static bool fill_request(struct request *q, const struct wire_message *m)
{
	const struct json *j = m->head;
	uint64_t limit = 0;

	q->digest = text_of(j, "digest");
	q->reference = text_of(j, "reference");
	q->media_type = text_of(j, "media_type");
	q->mount = text_of(j, "mount");
	q->term = text_of(j, "term");
	q->url = text_of(j, "url");
	q->artifact_type = text_of(j, "artifact_type");
	q->blob = json_bool(json_get(j, "blob"));
	q->primary_only = json_bool(json_get(j, "primary"));
	(void)json_u64(json_get(j, "size"), &q->size); /* absent: 0 */
	(void)json_u64(json_get(j, "offset"), &q->position);
	(void)json_u64(json_get(j, "limit"), &limit);
	q->limit = limit > 10000 ? 10000 : (uint32_t)limit;
	if (m->body_len) {
		q->text = mem_dup(m->body, m->body_len);
		q->text_len = m->body_len;
	}
	return is_path_text(q->digest) && is_path_text(q->reference) && is_path_text(q->mount) &&
	       q->position <= q->size;
}

static void take_request(struct fetch *f, struct wire_message *m)
{
	const char *op = json_str(json_get(m->head, "op"));
	struct request *q;
	size_t kind = 0;
	int64_t id;

	while (kind < ARRAY_SIZE(kinds) && !str_eq(op, kinds[kind].op))
		kind++;
	if (kind == ARRAY_SIZE(kinds) || json_i64(json_get(m->head, "id"), &id) < 0 || id < 1) {
		f->ended = true;
		return;
	}
	q = request_new(f);
	q->id = id;
	q->head = str_eq(op, "head_manifest");
	if (str_eq(op, "get_blob") || str_eq(op, "get_url"))
		q->out_fd = take_fd(&m->fd);
	else
		q->in_fd = take_fd(&m->fd);
	if (!fill_request(q, m)) {
		q->fatal = true;
		error_set(&q->err, ERROR_INVALID, EINVAL, "what was asked for has characters that no registry allows");
		request_failed(q);
		return;
	}
	if (q->out_fd >= 0) {
		(void)fd_set_nonblock(q->out_fd, true); /* a file stays as it is, and never blocks for long */
		/* With the usual 64 KiB writer and reader wait for each other all the time. */
		if (fcntl(q->out_fd, F_GETPIPE_SZ) < FETCH_PIPE_BYTES)
			(void)fcntl(q->out_fd, F_SETPIPE_SZ, FETCH_PIPE_BYTES); /* no pipe, or too many of them */
	}
	kinds[kind].setup(q);
	(void)request_pick_endpoint(q); /* the primary is always there */
	request_begin(q);
}

static void take_cancel(struct fetch *f, const struct wire_message *m)
{
	int64_t id = 0;

	(void)json_i64(json_get(m->head, "id"), &id); /* absent: none has 0 but ours */
	for (size_t i = 0; i < f->request_count; i++) {
		struct request *q = f->requests[i];

		if (q->over || q->id != id || id < 1)
			continue;
		q->fatal = true;
		error_set(&q->err, ERROR_UNAVAILABLE, ECANCELED, "given up");
		request_failed(q);
	}
}

static const char *arena_text(struct fetch *f, const struct json *j, const char *key)
{
	return arena_strdup(&f->arena, json_str(json_get(j, key)));
}

static void take_endpoint(struct fetch *f, const struct json *j)
{
	struct endpoint *e = &f->endpoints[f->endpoint_count++];

	*e = (struct endpoint){
		.host = arena_text(f, j, "host"),
		.path = arena_text(f, j, "path"),
		.user = arena_text(f, j, "user"),
		.password = arena_text(f, j, "password"),
		.identity = arena_text(f, j, "identity"),
		.ca = arena_text(f, j, "ca"),
		.cert = arena_text(f, j, "cert"),
		.key = arena_text(f, j, "key"),
		.insecure = json_bool(json_get(j, "insecure")),
		.mirror = json_bool(json_get(j, "mirror")),
		.tags = json_bool(json_get(j, "tags")),
		.digests = json_bool(json_get(j, "digests")),
	};
}

static void take_open(struct fetch *f, const struct wire_message *m)
{
	const struct json *list = json_get(m->head, "endpoints");
	const struct json *proxies = json_get(m->head, "proxies");
	const struct json *realms = json_get(m->head, "realms");
	uint64_t n = 0;

	f->name = arena_text(f, m->head, "name");
	f->repository = arena_text(f, m->head, "repository");
	for (size_t i = 0; i < json_len(list) && f->endpoint_count < ARRAY_SIZE(f->endpoints); i++)
		take_endpoint(f, json_at(list, i));
	(void)json_u64(json_get(m->head, "access"), &n); /* absent: 0 */
	f->access = (unsigned)n;
	n = 20000;
	(void)json_u64(json_get(m->head, "stall_ms"), &n);
	f->stall_ms = n < 1000000 ? (uint32_t)n : 1000000;
	f->proxy_http = arena_text(f, proxies, "http");
	f->proxy_https = arena_text(f, proxies, "https");
	if (!f->proxy_http)
		f->proxy_http = arena_text(f, proxies, "all");
	if (!f->proxy_https)
		f->proxy_https = arena_text(f, proxies, "all");
	f->no_proxy = arena_text(f, proxies, "none");
	for (size_t i = 0; i < json_len(realms); i++)
		if (json_str(json_at(realms, i)))
			ARENA_PUSH(&f->arena, f->realms, f->realm_count) =
				arena_strdup(&f->arena, json_str(json_at(realms, i)));
	f->opened = f->name && f->repository && f->endpoint_count > 0;
	if (!f->opened)
		f->ended = true;
}

static void take_message(struct fetch *f, struct wire_message *m)
{
	const char *op = json_str(json_get(m->head, "op"));

	if (!f->opened && str_eq(op, "open"))
		take_open(f, m);
	else if (!f->opened)
		f->ended = true;
	else if (str_eq(op, "cancel"))
		take_cancel(f, m);
	else
		take_request(f, m);
}

void messages_receive(struct fetch *f)
{
	for (;;) {
		int n = wire_receive(&f->in, FETCH_TALK_FD);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			f->ended = true;
			return;
		}
		for (;;) {
			struct wire_message m;

			n = wire_next(&f->in, &m);
			if (n < 0)
				f->ended = true;
			if (n <= 0 || f->ended)
				break;
			take_message(f, &m);
			wire_message_done(&m);
		}
		if (f->ended)
			return;
	}
}
