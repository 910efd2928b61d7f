/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images between hosts: only the layers that the other end lacks move. The talk is in scp.h; here are its two sides (each may
 * be the near or the far one) and the ssh that carries it. What comes from the other end is hostile: lines are bounded and
 * parsed strictly, the archive is loaded as any other, and a pulled image gets the name that was asked for and no other.
 */
#include "engine/scp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "engine/internal.h"
#include "kernel/kernel.h"
#include "kernel/process.h"
#include "kernel/signal.h"

/* Ends of the talk. */
struct talk {
	int in, out; /* borrowed */
};

/* ---- lines ---- */

/* Who has ended does not listen; why is in what he said before, or in its lack: whoever hears next finds out. */
static int say(const struct talk *t, const struct scp_message *m, struct error *err)
{
	autobuf struct buf line = BUF_INIT(SCP_LINE_MAX);

	if (!scp_format(m, &line))
		return error_set(err, ERROR_LIMIT, E2BIG, "the image has too many layers to talk about");
	int r = fd_write_all(t->out, buf_str(&line), line.len);

	return r < 0 && r != -EPIPE ? error_sys(err, -r, "cannot speak to the other host") : 0;
}

/* One line; what stands behind it is not read: an archive may follow. Returns 1, 0 at the end, <0. */
static int read_line(int fd, struct buf *line, struct error *err)
{
	char c;

	buf_reset(line);
	for (;;) {
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot hear the other host");
		if (n == 0)
			return line->len > 0;
		if (c == '\n')
			return 1;
		if (!buf_putc(line, c))
			return error_set(err, ERROR_LIMIT, E2BIG, "the other host sends a line without end");
	}
}

/* The next message. Lines that are none (a greeting of the login shell) are passed over. */
static int hear(const struct talk *t, struct scp_message *ret, struct error *err)
{
	autobuf struct buf line = BUF_INIT(SCP_LINE_MAX);
	int r;

	for (size_t lines = 0; lines < SCP_LINES_MAX; lines++) {
		r = read_line(t->in, &line, err);
		if (r < 0)
			return r;
		if (r == 0)
			return error_set(err, ERROR_UNAVAILABLE, EPIPE, "the other host ends the connection");
		if (!str_starts(buf_str(&line), "{\"bothy\":") && !str_starts(buf_str(&line), "[\"sha256:"))
			continue;
		if (scp_parse(buf_str(&line), line.len, ret, err) < 0)
			return -err->code;
		if (ret->kind != SCP_ERROR)
			return 0;
		error_set(err, ERROR_UNAVAILABLE, EREMOTEIO, "the other host says: %s",
			  ret->text ? ret->text : "error");
		if (ret->hint)
			error_hint(err, "%s", ret->hint);
		scp_message_done(ret);
		return -err->code;
	}
	return error_set(err, ERROR_LIMIT, E2BIG, "the other host talks without end");
}

static int hear_kind(const struct talk *t, enum scp_kind kind, struct scp_message *ret, struct error *err)
{
	if (hear(t, ret, err) < 0)
		return -err->code;
	if (ret->kind == kind)
		return 0;
	scp_message_done(ret);
	return error_set(err, ERROR_INVALID, EPROTO, "the other host does not keep to the order of the talk");
}

/* ---- the sending side ---- */

static void count(const struct store_save_plan *p, struct engine_scp_result *r)
{
	for (size_t i = 0; i < p->blob_count; i++) {
		r->layers += p->blobs[i].layer;
		r->bytes += p->blobs[i].layer ? (uint64_t)p->blobs[i].size : 0;
		if (p->blobs[i].layer && !p->blobs[i].skip) {
			r->moved_layers++;
			r->moved_bytes += (uint64_t)p->blobs[i].size;
		}
	}
}

/* Leave out of the archive what the other end has. */
static int agree(const struct talk *t, struct store_save_plan *p, struct error *err)
{
	autoscp struct scp_message offer = {.kind = SCP_OFFER}, want = {0};
	size_t sizes = 0;

	for (size_t i = 0; i < p->blob_count; i++) {
		if (!p->blobs[i].layer)
			continue;
		spec_strs_push(&offer.arena, &offer.digests, p->blobs[i].digest);
		ARENA_PUSH(&offer.arena, offer.sizes, sizes) = p->blobs[i].size;
	}
	if (say(t, &offer, err) < 0 || hear_kind(t, SCP_WANT, &want, err) < 0)
		return -err->code;
	for (size_t i = 0; i < p->blob_count; i++) {
		p->blobs[i].skip = p->blobs[i].layer;
		for (size_t k = 0; k < want.digests.count && p->blobs[i].skip; k++)
			p->blobs[i].skip = !str_eq(want.digests.items[k], p->blobs[i].digest);
	}
	return 0;
}

/* Images of the far engine, and how many of the lowest layers of ours it has: a layer counts with all below it. */
static void note_layers(const struct scp_message *m, const struct store_saved_image *image, size_t *have)
{
	size_t n = 0;

	while (n < image->diff_ids.count && n < m->digests.count &&
	       str_eq(image->diff_ids.items[n], m->digests.items[n]))
		n++;
	if (n > *have)
		*have = n;
}

/* docker or podman: hear what it has, then it takes an archive. */
static int agree_with_engine(const struct talk *t, struct store_save_plan *p, struct error *err)
{
	const struct store_saved_image *image = &p->images[0];
	size_t have = 0;

	for (;;) {
		autoscp struct scp_message m = {0};

		if (hear(t, &m, err) < 0)
			return -err->code;
		if (m.kind == SCP_READY)
			break;
		if (m.kind == SCP_LAYERS)
			note_layers(&m, image, &have);
	}
	for (size_t i = 0; i < have; i++)
		p->blobs[image->layers[i]].skip = true;
	/* The same blob may be a higher layer as well. */
	for (size_t i = have; i < image->diff_ids.count; i++)
		p->blobs[image->layers[i]].skip = false;
	return 0;
}

/* What the other end made of the archive. @wrote: how writing it ended. */
static int hear_done(const struct talk *t, int wrote, struct engine_scp_result *ret, struct error *err)
{
	autoscp struct scp_message done = {0};
	struct error writing = *err;

	/* A reader that gave up has said why. */
	if (hear_kind(t, SCP_DONE, &done, err) < 0) {
		if (wrote < 0 && err->code == EPIPE)
			*err = writing;
		return -err->code;
	}
	for (size_t i = 0; i < done.names.count; i++)
		spec_strs_push(&ret->arena, &ret->names, arena_strdup(&ret->arena, done.names.items[i]));
	for (size_t i = 0; i < done.digests.count; i++)
		spec_strs_push(&ret->arena, &ret->ids, arena_strdup(&ret->arena, done.digests.items[i]));
	return wrote;
}

/* Send the plan; @out is closed behind the archive, whose end nothing else marks. @answered: the other end says how it went (that
 * works in one direction only: ssh closes its output when the far command has ended, and no sooner). */
static int send_plan(struct talk *t, int *out, struct store_save_plan *p, bool answered, struct engine_scp_result *ret,
		     struct error *err)
{
	autoscp struct scp_message first = {0};
	bool engine;

	if (hear(t, &first, err) < 0)
		return -err->code;
	engine = first.kind == SCP_ENGINE;
	if (!engine && first.kind != SCP_HELLO)
		return error_set(err, ERROR_INVALID, EPROTO, "the other host does not keep to the order of the talk");
	ret->engine = engine && first.text ? arena_strdup(&ret->arena, first.text) : NULL;
	if ((engine ? agree_with_engine(t, p, err) : agree(t, p, err)) < 0)
		return -err->code;
	count(p, ret);
	int r = store_save_write(p, engine ? STORE_SAVE_DOCKER_ARCHIVE : STORE_SAVE_OCI_ARCHIVE, t->out, NULL, NULL,
				 err);

	fd_close(out);
	t->out = FD_NONE;
	return engine || !answered ? r : hear_done(t, r, ret, err);
}

static int make_plan(struct engine *e, const char *name, const char *as, struct store_save_plan *ret, struct error *err)
{
	autosave struct store_save_plan plan = {0};
	struct image_reference ref;
	struct store *s;
	autofree char *word = mem_strdup(name);

	if (engine_store(e, &s, err) < 0)
		return -err->code;
	/* One image: a repository alone is its tag "latest" here. */
	if (image_reference_parse(&plan.arena, name, &ref, err) == 0 && !ref.tag && !ref.digest) {
		autoimage struct store_image found = {0};

		if (store_image_find(s, name, &found, err) < 0)
			return -err->code;
		free(word);
		word = mem_strdup(found.name ? found.name : found.id);
	}
	arena_done(&plan.arena);
	if (store_save_plan(s, &word, 1, NULL, &plan, err) < 0)
		return -err->code;
	if (as) {
		if (image_reference_parse(&plan.arena, as, &ref, err) < 0)
			return -err->code;
		ref.digest = NULL;
		if (!ref.tag)
			ref.tag = "latest";
		plan.images[0].names = (struct spec_strs){0};
		spec_strs_push(&plan.arena, &plan.images[0].names, image_reference_full(&plan.arena, &ref));
	}
	*ret = plan;
	plan = (struct store_save_plan){0};
	return 0;
}

int engine_scp_send(struct engine *e, const char *name, int in_fd, int out_fd, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	autosave struct store_save_plan plan = {0};
	struct talk t = {.in = in_fd, .out = out_fd};
	autofd int out = out_fd;

	if (make_plan(e, name, NULL, &plan, err) == 0)
		return send_plan(&t, &out, &plan, false, &result, err);
	struct scp_message m = {.kind = SCP_ERROR, .text = err->msg, .hint = err->hint[0] ? err->hint : NULL};
	struct error lost;

	return say(&t, &m, &lost) < 0 ? -err->code : ENGINE_SCP_TOLD;
}

/* ---- the receiving side ---- */

static int load_archive(struct engine *e, int fd, const char *as, bool no_names, struct engine_scp_result *ret,
			struct error *err)
{
	autoclean(store_load_result_done) struct store_load_result loaded = {0};
	struct store_load_options lo = {.name = as, .no_names = no_names};
	struct store *s;

	if (engine_store(e, &s, err) < 0 || store_load(s, NULL, fd, &lo, &loaded, err) < 0)
		return -err->code;
	for (size_t i = 0; i < loaded.count; i++) {
		spec_strs_push(&ret->arena, &ret->ids, arena_strdup(&ret->arena, loaded.images[i].id));
		for (size_t n = 0; n < loaded.images[i].names.count; n++)
			spec_strs_push(&ret->arena, &ret->names,
				       arena_strdup(&ret->arena, loaded.images[i].names.items[n]));
	}
	return 0;
}

/* What of the offer is not here. */
static int choose(struct engine *e, const struct scp_message *offer, struct scp_message *want,
		  struct engine_scp_result *ret, struct error *err)
{
	struct store *s;

	if (engine_store(e, &s, err) < 0)
		return -err->code;
	for (size_t i = 0; i < offer->digests.count; i++) {
		int known = store_blob_known(s, offer->digests.items[i], err);

		if (known < 0)
			return known;
		ret->layers++;
		ret->bytes += (uint64_t)offer->sizes[i];
		if (known)
			continue;
		ret->moved_layers++;
		ret->moved_bytes += (uint64_t)offer->sizes[i];
		spec_strs_push(&want->arena, &want->digests, offer->digests.items[i]);
	}
	return 0;
}

/* @out (may be NULL) is closed when everything is said. */
static int receive(struct engine *e, const struct talk *t, int *out, const char *as, bool no_names,
		   struct engine_scp_result *ret, struct error *err)
{
	const struct scp_message hello = {.kind = SCP_HELLO};
	autoscp struct scp_message first = {0}, want = {.kind = SCP_WANT};

	if (say(t, &hello, err) < 0 || hear(t, &first, err) < 0)
		return -err->code;
	if (first.kind == SCP_ENGINE) {
		if (out)
			fd_close(out);
		ret->engine = arena_strdup(&ret->arena, first.text ? first.text : "?");
		return load_archive(e, t->in, as, no_names, ret, err);
	}
	if (first.kind != SCP_OFFER)
		return error_set(err, ERROR_INVALID, EPROTO, "the other host does not keep to the order of the talk");
	if (choose(e, &first, &want, ret, err) < 0 || say(t, &want, err) < 0)
		return -err->code;
	if (out)
		fd_close(out);
	return load_archive(e, t->in, as, no_names, ret, err);
}

int engine_scp_receive(struct engine *e, int in_fd, int out_fd, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	const struct talk t = {.in = in_fd, .out = out_fd};
	struct scp_message m = {.kind = SCP_DONE};
	struct error lost;
	int r = receive(e, &t, NULL, NULL, false, &result, err);

	if (r < 0) {
		m = (struct scp_message){.kind = SCP_ERROR, .text = err->msg, .hint = err->hint[0] ? err->hint : NULL};
		return say(&t, &m, &lost) < 0 ? r : ENGINE_SCP_TOLD;
	}
	m.digests = result.ids;
	m.names = result.names;
	return say(&t, &m, err);
}

void engine_scp_result_done(struct engine_scp_result *r)
{
	arena_done(&r->arena);
	*r = (struct engine_scp_result){0};
}

/* ---- ssh ---- */

/* What the far end's login shell is given: it starts bothy, or speaks for docker or podman (see scp.h). No word of it comes from
 * outside, but for the name in the second, which is a reference and so holds nothing that a shell could take for its own. */
static const char receive_script[] =
	"exec sh -c '"
	"if command -v bothy >/dev/null 2>&1; then exec bothy image receive; fi; "
	"for e in docker podman; do "
	"command -v $e >/dev/null 2>&1 || continue; "
	"printf \"{\\\"bothy\\\":1,\\\"kind\\\":\\\"engine\\\",\\\"text\\\":\\\"%s\\\"}\\n\" $e; "
	"if [ $e = docker ] && ! docker info --format \"{{.DriverStatus}}\" 2>/dev/null | grep -q containerd.snapshotter; then "
	"docker image ls -aq --no-trunc | sort -u | xargs -r docker image inspect --format \"{{json .RootFS.Layers}}\"; fi; "
	"printf \"{\\\"bothy\\\":1,\\\"kind\\\":\\\"ready\\\"}\\n\"; "
	"exec $e load; "
	"done; "
	"echo \"neither bothy nor docker nor podman is installed there\" >&2; exit 127'";
static const char send_script[] =
	"exec sh -c '"
	"if command -v bothy >/dev/null 2>&1; then exec bothy image send %s; fi; "
	"for e in docker podman; do "
	"command -v $e >/dev/null 2>&1 || continue; "
	"printf \"{\\\"bothy\\\":1,\\\"kind\\\":\\\"engine\\\",\\\"text\\\":\\\"%%s\\\"}\\n\" $e; "
	"exec $e save %s; "
	"done; "
	"echo \"neither bothy nor docker nor podman is installed there\" >&2; exit 127'";

struct ssh {
	struct pidref pid;
	int in, out; /* owned; ours: its output, its input */
	const char *name;
};
#define SSH_NONE ((struct ssh){.pid = PIDREF_NONE, .in = FD_NONE, .out = FD_NONE})

struct ssh_child {
	char **paths; /* where the program may be, NULL-terminated */
	char *const *argv;
	int in, out;
};

/* Between clone and exec. */
static int child_main(void *arg)
{
	const struct ssh_child *c = arg;
	int in = fd_dup_min(c->in, 16), out = fd_dup_min(c->out, 16);

	signal_reset_all();
	if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		return 127;
	for (char **p = c->paths; *p; p++)
		process_exec(FD_NONE, *p, c->argv, environ);
	return 127;
}

static void ssh_done(struct ssh *s)
{
	int status;

	fd_close(&s->in);
	fd_close(&s->out);
	if (s->pid.pid) {
		pidref_kill(&s->pid, SIGTERM);
		(void)pidref_wait(&s->pid, &status); /* our child */
	}
	pidref_done(&s->pid);
	*s = SSH_NONE;
}

static void find_paths(const char *program, struct strv *ret)
{
	const char *path = getenv("PATH");
	autostrv struct strv folders = {0};

	if (strchr(program, '/')) {
		strv_push(ret, program);
		return;
	}
	strv_split(&folders, path ? path : "/usr/local/bin:/usr/bin:/bin", ':');
	for (size_t i = 0; i < folders.count; i++) {
		if (folders.items[i][0] == '/')
			strv_push_take(ret, mem_printf("%s/%s", folders.items[i], program));
	}
}

static int ssh_start(const char *rsh, const struct scp_place *place, const char *script, struct ssh *ret,
		     struct error *err)
{
	autostrv struct strv argv = {0}, paths = {0};
	autofd int its_in = FD_NONE, its_out = FD_NONE;
	autoclean(ssh_done) struct ssh s = SSH_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	int to[2], from[2];

	strv_split(&argv, rsh, ' ');
	if (argv.count == 0)
		return error_set(err, ERROR_INVALID, EINVAL, "the command that reaches other hosts is empty");
	if (place->port) {
		strv_push(&argv, "-p");
		strv_push(&argv, place->port);
	}
	strv_push(&argv, place->destination);
	strv_push(&argv, script);
	find_paths(argv.items[0], &paths);
	if (pipe2(to, O_CLOEXEC) < 0)
		return error_sys(err, errno, "start %s", argv.items[0]);
	its_in = to[0];
	s.out = to[1];
	if (pipe2(from, O_CLOEXEC) < 0)
		return error_sys(err, errno, "start %s", argv.items[0]);
	s.in = from[0];
	its_out = from[1];
	struct ssh_child c = {.paths = paths.items, .argv = argv.items, .in = its_in, .out = its_out};

	if (process_clone(&how, child_main, &c, &s.pid, err) < 0)
		return error_wrap(err, "start %s", argv.items[0]);
	s.name = place->destination;
	*ret = s;
	s = SSH_NONE;
	return 0;
}

/* Its end; what an engine at the far end printed on the way goes to @ret->said. */
static int ssh_finish(struct ssh *s, struct engine_scp_result *ret, struct error *err)
{
	autobuf struct buf rest = BUF_INIT(65536);
	int status = 0;

	fd_close(&s->out);
	if (ret->engine && fd_read_to_end(s->in, &rest, "its answer", err) < 0)
		return -err->code;
	fd_close(&s->in);
	(void)pidref_wait(&s->pid, &status); /* our child */
	pidref_done(&s->pid);
	s->pid = PIDREF_NONE;
	ret->said = arena_strdup(&ret->arena, buf_str(&rest));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(err, ERROR_UNAVAILABLE, EREMOTEIO, "%s: the command there ended with status %d", s->name,
			 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ssh's own failure (127, 255) explains more than that the line went dead. */
static int ssh_failed(struct ssh *s, struct error *err)
{
	int status = 0;

	if (err->code != EPIPE)
		return error_wrap(err, "%s", s->name);
	fd_close(&s->out);
	fd_close(&s->in);
	(void)pidref_wait(&s->pid, &status); /* our child */
	pidref_done(&s->pid);
	s->pid = PIDREF_NONE;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		error_set(err, ERROR_UNAVAILABLE, ENOENT, "%s: neither bothy nor docker nor podman was found there",
			  s->name);
		return error_hint(err, "try: ssh %s bothy version", s->name);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 255) {
		error_set(err, ERROR_UNAVAILABLE, EHOSTUNREACH, "%s cannot be reached by ssh", s->name);
		return error_hint(err, "try: ssh %s true", s->name);
	}
	return error_wrap(err, "%s", s->name);
}

static int push_to(struct engine *e, const struct engine_scp_options *o, const struct scp_place *place,
		   struct engine_scp_result *ret, struct error *err)
{
	autosave struct store_save_plan plan = {0};
	autoclean(ssh_done) struct ssh s = SSH_NONE;

	if (make_plan(e, o->source, place->name, &plan, err) < 0 ||
	    ssh_start(o->rsh, place, receive_script, &s, err) < 0)
		return -err->code;
	struct talk t = {.in = s.in, .out = s.out};

	if (send_plan(&t, &s.out, &plan, true, ret, err) < 0)
		return ssh_failed(&s, err);
	return ssh_finish(&s, ret, err);
}

static int pull_from(struct engine *e, const struct engine_scp_options *o, const struct scp_place *place,
		     struct engine_scp_result *ret, struct error *err)
{
	autoclean(ssh_done) struct ssh s = SSH_NONE;
	autofree char *script = NULL;
	const char *as = o->destination ? o->destination : place->name;
	bool by_id;

	if (!place->name)
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s' names no image", o->source);
	by_id = !o->destination && strlen(place->name) >= 12 &&
		strspn(place->name, "0123456789abcdef") == strlen(place->name);
	script = mem_printf(send_script, place->name, place->name);
	if (ssh_start(o->rsh, place, script, &s, err) < 0)
		return -err->code;
	const struct talk t = {.in = s.in, .out = s.out};
	if (receive(e, &t, &s.out, by_id ? NULL : as, by_id, ret, err) < 0)
		return ssh_failed(&s, err);
	return ssh_finish(&s, ret, err);
}

int engine_scp(struct engine *e, const struct engine_scp_options *o, struct engine_scp_result *ret, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	struct scp_place from, to;
	/* A connection that ends while we write is an error to report, not our death. */
	autofd int no_sigpipe = signal_open_fd((const int[]){SIGPIPE}, 1, NULL, err);
	struct arena a = {0};
	int r, to_other = 0;

	if (no_sigpipe < 0)
		return no_sigpipe;
	r = scp_place_parse(&a, o->source, &from, err);
	if (r >= 0 && o->destination)
		to_other = scp_place_parse(&a, o->destination, &to, err);
	if (r < 0 || to_other < 0) {
		r = -err->code;
	} else if (r == to_other) {
		error_set(err, ERROR_INVALID, EINVAL, r ? "both ends are other hosts" : "both ends are this host");
		r = error_hint(err, r ? "fetch it here first, then send it on"
				      : "name the other host: ssh://[user@]host[:port][/name], or user@host::name");
	} else {
		r = to_other ? push_to(e, o, &to, &result, err) : pull_from(e, o, &from, &result, err);
	}
	arena_done(&a);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct engine_scp_result){0};
	return 0;
}
