/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session from bothy's side: starts bothy-fetch with a socket and a clean environment, sends it what was resolved, packs
 * requests, and turns its messages into events. Whatever comes back is checked here (types, lengths, digest grammar) and
 * used for nothing but that.
 *
 *	registry_open ── endpoints, logins, proxies ──> "open" ──> bothy-fetch
 *	registry_get_… ── one message each, a descriptor with it ─────>
 *	registry_next <── progress, retry, done, failed ──────────────
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "registry/internal.h"
#include "registry/wire.h"
#include "safepath/safepath.h"

#define PROGRAM "bothy-fetch"
#define TALK_FD 3

struct registry {
	struct pidref pid;
	int talk; /* owned */
	int64_t last_id;
	struct wire_in in;
	struct wire_message message; /* the last one, which the last event borrows from */
};

/* ---- the process ---- */

static int find_program(char **ret, struct error *err)
{
	char self[4096];
	const char *slash;
	struct stat st;

	if (safepath_host_self(self, sizeof(self), err) < 0)
		return error_wrap(err, "find " PROGRAM);
	slash = strrchr(self, '/');
	autofree char *beside = mem_printf("%.*s/" PROGRAM, (int)(slash ? slash - self : 0), self);

	if (safepath_host_stat(beside, &st) < 0) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "the program " PROGRAM " is not beside %s", self);
		return error_hint(err, "install all programs of bothy into one folder");
	}
	*ret = take_ptr(&beside);
	return 0;
}

struct child {
	int program, talk, nothing;
};

/* Between clone and exec. */
static int child_main(void *arg)
{
	char name[] = PROGRAM, path[] = "PATH=/usr/bin:/bin";
	char *argv[] = {name, NULL}, *envp[] = {path, NULL};
	const struct child *c = arg;
	struct error err;
	int talk = fd_dup_min(c->talk, 16), program = fd_dup_min(c->program, 16), nothing = fd_dup_min(c->nothing, 16);

	if (talk < 0 || program < 0 || nothing < 0)
		return 125;
	signal_reset_all();
	if (process_set_death_signal(SIGKILL, FD_NONE, &err) < 0)
		return 125;
	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 || dup2(talk, TALK_FD) < 0)
		return 125;
	process_exec(program, "", argv, envp);
	return 125;
}

static int start(struct registry *r, struct error *err)
{
	autofd int ours = FD_NONE, theirs = FD_NONE, program = FD_NONE, nothing = FD_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	autofree char *path = NULL;
	int pair[2];

	if (find_program(&path, err) < 0)
		return -err->code;
	program = safepath_host_open(path, O_PATH, 0, err);
	nothing = safepath_host_open("/dev/null", O_RDWR, 0, err);
	if (program < 0 || nothing < 0)
		return -err->code;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	struct child c = {.program = program, .talk = theirs, .nothing = nothing};

	if (process_clone(&how, child_main, &c, &r->pid, err) < 0)
		return error_wrap(err, "start " PROGRAM);
	r->talk = take_fd(&ours);
	return 0;
}

/* ---- the first message ---- */

struct json *session_endpoint_json(const struct registry_endpoint *e)
{
	struct json *j = json_new_object();

	json_set_str(j, "host", e->host);
	json_set_str(j, "path", e->path);
	json_set(j, "insecure", json_new_bool(e->insecure));
	json_set(j, "mirror", json_new_bool(e->mirror));
	json_set(j, "tags", json_new_bool(e->tags));
	json_set(j, "digests", json_new_bool(e->digests));
	json_set_str(j, "user", e->login.username);
	json_set_str(j, "password", e->login.password);
	json_set_str(j, "identity", e->login.identity_token);
	json_set_str(j, "ca", e->ca);
	json_set_str(j, "cert", e->cert);
	json_set_str(j, "key", e->key);
	return j;
}

/* The proxies of the environment: lower case wins, as in curl; the upper-case form of http_proxy counts as well, because no
 * program here answers HTTP requests with an environment made from their headers. */
static struct json *proxies_json(void)
{
	static const struct {
		const char *key, *lower, *upper;
	} rows[] = {
		{"http", "http_proxy", "HTTP_PROXY"},
		{"https", "https_proxy", "HTTPS_PROXY"},
		{"all", "all_proxy", "ALL_PROXY"},
		{"none", "no_proxy", "NO_PROXY"},
	};
	struct json *j = json_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *v = registry_env(rows[i].lower);

		json_set_str(j, rows[i].key, v ? v : registry_env(rows[i].upper));
	}
	return j;
}

static struct json *realms_json(void)
{
	struct json *j = json_new_array();
	const char *text = registry_env("BOTHY_TOKEN_REALMS");
	autostrv struct strv realms = {0};

	if (text)
		strv_split(&realms, text, ',');
	for (size_t i = 0; i < realms.count; i++)
		json_push(j, json_new_str(realms.items[i]));
	return j;
}

/* @asked 0: what is configured. */
static uint32_t stall_ms(uint32_t asked)
{
	const char *text = registry_env("BOTHY_FETCH_STALL");
	int64_t ns;

	if (asked)
		return asked;
	if (text && str_to_duration(text, &ns) == 0 && ns >= NS_PER_MS && ns / NS_PER_MS < UINT32_MAX)
		return (uint32_t)(ns / NS_PER_MS);
	return 20000;
}

static int post(struct registry *r, struct json *head_consume, const void *body, size_t len, int fd, struct error *err)
{
	autojson struct json *head = head_consume;
	autobuf struct buf frame = BUF_INIT(sizeof(struct wire_frame) + WIRE_HEAD_MAX + WIRE_BODY_MAX);
	int rc = wire_pack(&frame, head, body, len, fd >= 0);

	if (rc == 0)
		rc = wire_send(r->talk, frame.data, frame.len, fd);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return error_set(err, ERROR_INTERNAL, -rc, PROGRAM " has ended");
	return rc < 0 ? error_sys(err, -rc, "send a request to " PROGRAM) : 0;
}

int session_open(const char *name, const char *repository, uint32_t stall, struct json *head_consume,
		 struct registry **ret, struct error *err)
{
	autoregistry struct registry *r = mem_zalloc(1, sizeof(*r));
	autojson struct json *head = head_consume;

	r->talk = FD_NONE;
	r->pid = PIDREF_NONE;
	r->in = WIRE_IN_INIT;
	r->message.fd = FD_NONE;
	if (start(r, err) < 0)
		return -err->code;
	json_set(head, "op", json_new_str("open"));
	json_set(head, "name", json_new_str(name));
	json_set(head, "repository", json_new_str(repository));
	json_set(head, "stall_ms", json_new_i64(stall_ms(stall)));
	json_set(head, "proxies", proxies_json());
	json_set(head, "realms", realms_json());
	if (post(r, take_ptr(&head), NULL, 0, FD_NONE, err) < 0)
		return -err->code;
	*ret = take_ptr(&r);
	return 0;
}

int registry_open(const struct registry_options *o, struct registry **ret, struct error *err)
{
	autoregistryconfig struct registry_config *own = NULL;
	struct registry_endpoint endpoints[REGISTRY_ENDPOINTS_MAX];
	autoclean(arena_done) struct arena a = {0};
	struct json *open, *list;
	size_t count;

	if (!o->config && registry_config_load(NULL, &own, err) < 0)
		return -err->code;
	if (registry_endpoints(&a, o->config ? o->config : own, o, endpoints, &count, err) < 0)
		return -err->code;
	open = json_new_object();
	list = json_new_array();
	for (size_t i = 0; i < count; i++)
		json_push(list, session_endpoint_json(&endpoints[i]));
	json_set(open, "access", json_new_i64(o->access));
	json_set(open, "endpoints", list);
	return session_open(o->domain, o->path ? arena_printf(&a, "%s/%s", o->domain, o->path) : o->domain, o->stall_ms,
			    open, ret, err);
}

void registry_close(struct registry *r)
{
	int status;

	if (!r)
		return;
	fd_close(&r->talk);
	if (r->pid.pid) {
		pidref_kill(&r->pid, SIGKILL);
		pidref_wait(&r->pid, &status);
	}
	pidref_done(&r->pid);
	wire_message_done(&r->message);
	wire_in_done(&r->in);
	free(r);
}

/* ---- requests ---- */

struct json *session_request(struct registry *r, const char *op)
{
	struct json *j = json_new_object();

	json_set(j, "op", json_new_str(op));
	json_set(j, "id", json_new_i64(++r->last_id));
	return j;
}

int64_t session_ask(struct registry *r, struct json *head_consume, const void *body, size_t len, int fd,
		    struct error *err)
{
	int rc = post(r, head_consume, body, len, fd, err);

	return rc < 0 ? rc : r->last_id;
}

static int check_digest(const char *digest, struct error *err)
{
	return image_digest_valid(digest)
		       ? 0
		       : error_set(err, ERROR_INVALID, EINVAL, "'%.100s' is not a digest", digest ? digest : "");
}

int64_t registry_get_manifest(struct registry *r, const char *reference, bool head, struct error *err)
{
	struct json *j = session_request(r, head ? "head_manifest" : "get_manifest");

	json_set_str(j, "reference", reference);
	return session_ask(r, j, NULL, 0, FD_NONE, err);
}

int64_t registry_get_blob(struct registry *r, const char *digest, uint64_t size, uint64_t offset, bool primary_only,
			  int fd_consume, struct error *err)
{
	autofd int fd = fd_consume;
	struct json *j;

	if (check_digest(digest, err) < 0)
		return -err->code;
	if (size > INT64_MAX || offset > size)
		return error_set(err, ERROR_INVALID, EINVAL, "the blob %s cannot have %" PRIu64 " bytes", digest, size);
	j = session_request(r, "get_blob");
	json_set_str(j, "digest", digest);
	json_set(j, "size", json_new_u64(size));
	json_set(j, "offset", json_new_u64(offset));
	json_set(j, "primary", json_new_bool(primary_only));
	return session_ask(r, j, NULL, 0, fd, err);
}

int64_t registry_head_blob(struct registry *r, const char *digest, struct error *err)
{
	struct json *j;

	if (check_digest(digest, err) < 0)
		return -err->code;
	j = session_request(r, "head_blob");
	json_set_str(j, "digest", digest);
	return session_ask(r, j, NULL, 0, FD_NONE, err);
}

int64_t registry_push_blob(struct registry *r, const char *digest, uint64_t size, int fd, const char *mount_from,
			   struct error *err)
{
	struct json *j;

	if (check_digest(digest, err) < 0)
		return -err->code;
	j = session_request(r, "push_blob");
	json_set_str(j, "digest", digest);
	json_set(j, "size", json_new_u64(size));
	json_set_str(j, "mount", mount_from);
	return session_ask(r, j, NULL, 0, fd, err);
}

int64_t registry_push_manifest(struct registry *r, const char *reference, const char *media_type, const void *text,
			       size_t len, struct error *err)
{
	struct json *j = session_request(r, "push_manifest");

	json_set_str(j, "reference", reference);
	json_set_str(j, "media_type", media_type);
	return session_ask(r, j, text, len, FD_NONE, err);
}

int64_t registry_list_tags(struct registry *r, struct error *err)
{
	return session_ask(r, session_request(r, "tags"), NULL, 0, FD_NONE, err);
}

int64_t registry_get_referrers(struct registry *r, const char *digest, const char *artifact_type, struct error *err)
{
	struct json *j;

	if (check_digest(digest, err) < 0)
		return -err->code;
	j = session_request(r, "referrers");
	json_set_str(j, "digest", digest);
	json_set_str(j, "artifact_type", artifact_type);
	return session_ask(r, j, NULL, 0, FD_NONE, err);
}

int64_t registry_delete(struct registry *r, const char *reference, bool blob, struct error *err)
{
	struct json *j = session_request(r, "delete");

	json_set_str(j, "reference", reference);
	json_set(j, "blob", json_new_bool(blob));
	return session_ask(r, j, NULL, 0, FD_NONE, err);
}

int64_t registry_ping(struct registry *r, struct error *err)
{
	return session_ask(r, session_request(r, "ping"), NULL, 0, FD_NONE, err);
}

int64_t registry_search(struct registry *r, const char *term, uint32_t limit, struct error *err)
{
	struct json *j = session_request(r, "search");

	json_set_str(j, "term", term);
	json_set(j, "limit", json_new_i64(limit));
	return session_ask(r, j, NULL, 0, FD_NONE, err);
}

int registry_cancel(struct registry *r, int64_t id, struct error *err)
{
	struct json *j = json_new_object();

	json_set(j, "op", json_new_str("cancel"));
	json_set(j, "id", json_new_i64(id));
	return post(r, j, NULL, 0, FD_NONE, err);
}

/* ---- events ---- */

int registry_fd(const struct registry *r)
{
	return r->talk;
}

static int nonsense(struct error *err)
{
	return error_set(err, ERROR_INTERNAL, EPROTO, "the answer of " PROGRAM " makes no sense");
}

static int take_event(const struct wire_message *m, int64_t last_id, struct registry_event *e, struct error *err)
{
	static const char *const types[] = {
		[REGISTRY_PROGRESS] = "progress",
		[REGISTRY_RETRY] = "retry",
		[REGISTRY_DONE] = "done",
		[REGISTRY_FAILED] = "failed",
	};
	const struct json *j = m->head;
	const char *type = json_str(json_get(j, "event"));
	const char *digest = json_str(json_get(j, "digest"));
	uint64_t delay = 0;
	size_t i = 0;

	while (i < ARRAY_SIZE(types) && !str_eq(type, types[i]))
		i++;
	*e = (struct registry_event){.type = (enum registry_event_type)i};
	if (i == ARRAY_SIZE(types) || json_i64(json_get(j, "id"), &e->id) < 0 || e->id < 1 || e->id > last_id)
		return nonsense(err);
	(void)json_u64(json_get(j, "bytes"), &e->bytes); /* absent: 0 */
	(void)json_u64(json_get(j, "moved"), &e->moved);
	(void)json_u64(json_get(j, "size"), &e->size);
	if (json_u64(json_get(j, "delay_ms"), &delay) == 0)
		e->delay_ms = delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay;
	e->media_type = json_str(json_get(j, "media_type"));
	e->digest = digest && image_digest_valid(digest) ? digest : NULL;
	e->existed = json_bool(json_get(j, "existed"));
	e->mounted = json_bool(json_get(j, "mounted"));
	e->endpoint = json_str(json_get(j, "endpoint"));
	if (json_bool(json_get(j, "has_text"))) {
		e->text = m->body;
		e->len = m->body_len;
	}
	if (e->type == REGISTRY_RETRY || e->type == REGISTRY_FAILED)
		wire_take_error(json_get(j, "error"), &e->err);
	return 0;
}

/* The talk is over. */
static int has_ended(struct registry *r, struct error *err)
{
	int status = 0;

	if (r->pid.pid) {
		pidref_kill(&r->pid, SIGKILL);
		pidref_wait(&r->pid, &status);
		pidref_done(&r->pid);
		r->pid = PIDREF_NONE;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		return error_set(err, ERROR_INTERNAL, EPROTO, PROGRAM " was ended by signal %d", WTERMSIG(status));
	return error_set(err, ERROR_INTERNAL, EPROTO, PROGRAM " ended with status %d", WEXITSTATUS(status));
}

int registry_next(struct registry *r, struct registry_event *ret, struct error *err)
{
	wire_message_done(&r->message);
	for (;;) {
		int n = wire_next(&r->in, &r->message);

		if (n < 0)
			return nonsense(err);
		if (n > 0)
			return take_event(&r->message, r->last_id, ret, err) < 0 ? -err->code : 1;
		n = wire_receive(&r->in, r->talk);
		if (n == -EAGAIN)
			return 0;
		if (n == 0 || n == -ECONNRESET)
			return has_ended(r, err);
		if (n < 0)
			return error_sys(err, -n, "read from " PROGRAM);
	}
}

int registry_wait(struct registry *r, int64_t id, struct registry_event *ret,
		  void (*on_event)(const struct registry_event *e, void *arg), void *arg, struct error *err)
{
	struct registry_event e;

	if (id < 0)
		return (int)id;
	for (;;) {
		struct pollfd wait = {.fd = r->talk, .events = POLLIN};
		int n = registry_next(r, &e, err);

		if (n < 0)
			return n;
		if (n == 0) {
			if (poll(&wait, 1, -1) < 0 && errno != EINTR)
				return error_sys(err, errno, "wait for " PROGRAM);
			continue;
		}
		if (on_event)
			on_event(&e, arg);
		if (e.id != id)
			continue;
		if (e.type == REGISTRY_FAILED) {
			*err = e.err;
			return -err->code;
		}
		if (e.type == REGISTRY_DONE) {
			*ret = e;
			return 0;
		}
	}
}
