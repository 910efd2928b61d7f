/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting bothy-unpack in namespaces of its own and understanding its answer.
 *
 * The user namespace maps, for root, each id that we have onto itself: owners on disk are the canonical ones, while the
 * worker's capabilities count for nothing outside. Otherwise it maps 0 to us and 1… to our subordinate ids (through
 * newuidmap), or only 0 where there are none. Root without user namespaces gets the other namespaces alone.
 *
 * The answer comes from a process that has read hostile bytes: lengths, types and amounts are checked, nothing is trusted
 * beyond that (files it made are opened without following links, documents are hashed again).
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"

#define ANSWER_MAX_BYTES (64u << 20) /* names of a hundred thousand members */
#define IMPLIED_MAX_COUNT 65536u
#define WORKERS_AT_ONCE_MIN 4
#define NICE_MAX 7u /* a fifth of the processor time of who is not */
#define PASSWD_MAX_BYTES (1u << 20)
#define TICK_MS 100

/* The mount namespace is not among them: see child_main. */
static const uint64_t other_namespaces = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

void worker_limits(const struct unpack_limits *given, struct unpack_limits *ret)
{
	const struct unpack_limits defaults = {
		.layer_entries = STORE_LIMIT_LAYER_ENTRIES,
		.layer_bytes = STORE_LIMIT_LAYER_BYTES,
		.image_bytes = STORE_LIMIT_IMAGE_BYTES,
		.ratio = STORE_LIMIT_RATIO,
		.archive_members = STORE_LIMIT_ARCHIVE_MEMBERS,
		.archive_bytes = STORE_LIMIT_ARCHIVE_BYTES,
	};

	*ret = defaults;
	if (!given)
		return;
#define TAKE(f) ret->f = given->f ? given->f : defaults.f
	TAKE(layer_entries);
	TAKE(layer_bytes);
	TAKE(image_bytes);
	TAKE(ratio);
	TAKE(archive_members);
	TAKE(archive_bytes);
#undef TAKE
}

/* ---- the program ---- */

static int find_program(struct store *s, struct error *err)
{
	char self[4096];

	if (s->unpack_program)
		return 0;
	if (safepath_host_self(self, sizeof(self), err) < 0)
		return error_wrap(err, "find bothy-unpack");
	char *slash = strrchr(self, '/');
	autofree char *beside = mem_printf("%.*s/bothy-unpack", (int)(slash ? slash - self : 0), self);
	struct stat st;

	if (safepath_host_stat(beside, &st) == 0) {
		s->unpack_program = take_ptr(&beside);
		return 0;
	}
#ifdef BOTHY_LIBEXEC_DIR
	if (safepath_host_stat(BOTHY_LIBEXEC_DIR "/bothy-unpack", &st) == 0) {
		s->unpack_program = mem_strdup(BOTHY_LIBEXEC_DIR "/bothy-unpack");
		return 0;
	}
#endif
	error_set(err, ERROR_NOT_FOUND, ENOENT, "the program bothy-unpack is not beside %s", self);
	return error_hint(err, "install all programs of bothy into one folder");
}

/* ---- id maps ---- */

struct maps {
	struct ids_range ranges[IDS_KIND_COUNT][IDS_MAP_MAX];
	size_t count[IDS_KIND_COUNT];
	bool by_helper; /* newuidmap and newgidmap must write them */
	bool single;
};

/* Our own ids onto themselves, as our own map lists them. */
static int maps_identity(const struct safepath_proc *proc, struct maps *m, struct error *err)
{
	static const char *const files[] = {"uid_map", "gid_map"};

	for (int k = 0; k < IDS_KIND_COUNT; k++) {
		autobuf struct buf text = BUF_INIT(65536);
		autostrv struct strv lines = {0};

		if (safepath_proc_read(proc, 0, files[k], &text, err) < 0)
			return -err->code;
		strv_split(&lines, buf_str(&text), '\n');
		for (size_t i = 0; i < lines.count && m->count[k] < IDS_MAP_MAX; i++) {
			uint32_t inside, outside, count;

			if (sscanf(lines.items[i], "%u %u %u", &inside, &outside, &count) == 3)
				m->ranges[k][m->count[k]++] = (struct ids_range){inside, inside, count};
		}
	}
	return 0;
}

/* The name of user @uid in /etc/passwd; NULL: none. */
static char *user_name(uint32_t uid)
{
	autobuf struct buf text = BUF_INIT(PASSWD_MAX_BYTES);
	autostrv struct strv lines = {0};
	struct error err;

	if (safepath_host_read("/etc/passwd", true, &text, &err) < 0)
		return NULL;
	strv_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		autostrv struct strv fields = {0};
		uint32_t id;

		strv_split(&fields, lines.items[i], ':');
		if (fields.count == 7 && str_to_u32(fields.items[2], &id) == 0 && id == uid)
			return mem_strdup(fields.items[0]);
	}
	return NULL;
}

static void maps_subordinate(struct maps *m)
{
	static const char *const files[] = {"/etc/subuid", "/etc/subgid"};
	const uint32_t own[] = {geteuid(), getegid()};
	autofree char *name = user_name(own[IDS_UID]);
	struct error err;

	m->by_helper = true;
	for (int k = 0; k < IDS_KIND_COUNT; k++) {
		autobuf struct buf text = BUF_INIT(PASSWD_MAX_BYTES);

		m->ranges[k][0] = (struct ids_range){0, own[k], 1};
		m->count[k] = 1;
		if (safepath_host_read(files[k], true, &text, &err) == 0)
			m->count[k] += ids_parse_subids(buf_str(&text), text.len, name, own[IDS_UID], 1,
							m->ranges[k] + 1, IDS_MAP_MAX - 1);
		if (m->count[k] == 1)
			m->single = true;
	}
	if (m->single) {
		m->count[IDS_UID] = m->count[IDS_GID] = 1;
		m->by_helper = false;
	}
}

static int maps_write(const struct safepath_proc *proc, const struct pidref *child, const struct maps *m,
		      struct error *err)
{
	autofd int dir = safepath_proc_pid(proc, child->pid, "", O_PATH | O_DIRECTORY, err);

	if (dir < 0)
		return dir;
	if (m->single && ids_deny_setgroups(dir, err) < 0)
		return -err->code;
	for (int k = 0; k < IDS_KIND_COUNT; k++) {
		int r = m->by_helper ? ids_run_helper((enum ids_kind)k, child->pid, m->ranges[k], m->count[k], err)
				     : ids_write_map(dir, (enum ids_kind)k, m->ranges[k], m->count[k], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the child ---- */

struct child {
	int program, in_fd, dir_fd, talk;
	int partial_fd;  /* FD_NONE: none */
	int parents_end; /* of the talk: closed, else we would never see it close when the store is killed */
	bool own_mounts;
};

/* Go into a mount namespace of our own and open the folder there: an fd from outside belongs to a mount of the old one, which
 * cannot be cloned here. The working directory is what the kernel carries over. Returns the fd or <0. */
static int folder_in_own_mounts(int dir, struct error *err)
{
	if (fchdir(dir) < 0)
		return error_sys(err, errno, "enter the folder");
	if (process_unshare(CLONE_NEWNS, err) < 0)
		return -err->code;
	int fd = safepath_host_open_dir(".", err);

	return fd < 0 ? fd : fd_dup_min(fd, 16);
}

/* Between clone and exec: wait until the maps are written, put the fds in place. */
static int child_main(void *arg)
{
	static char name[] = "bothy-unpack";
	char *argv[] = {name, NULL}, *envp[] = {NULL};
	const struct child *c = arg;
	struct error err;
	char go;
	/* Out of the way of 0, 3 and 4 first, so that no dup2 below hits one that is still needed. */
	int in = fd_dup_min(c->in_fd, 16), dir = fd_dup_min(c->dir_fd, 16), talk = fd_dup_min(c->talk, 16),
	    program = fd_dup_min(c->program, 16), partial = c->partial_fd < 0 ? FD_NONE : fd_dup_min(c->partial_fd, 16);

	close(c->parents_end);
	if (in < 0 || dir < 0 || talk < 0 || program < 0 || (c->partial_fd >= 0 && partial < 0))
		return 125;
	if (process_set_death_signal(SIGKILL, FD_NONE, &err) < 0 || fd_read_all(talk, &go, 1) < 0)
		return 125;
	(void)ids_set_groups(NULL, 0, &err); /* with a single id it is denied and not needed */
	if (c->own_mounts && (dir = folder_in_own_mounts(dir, &err)) < 0) {
		log_error(&err);
		return 125;
	}
	if (dup2(in, UNPACK_INPUT_FD) < 0 || dup2(dir, UNPACK_DIR_FD) < 0 || dup2(talk, UNPACK_TALK_FD) < 0 ||
	    (partial >= 0 && dup2(partial, UNPACK_PARTIAL_FD) < 0))
		return 125;
	process_exec(program, "", argv, envp);
	return 125;
}

static int clone_child(struct child *c, uint64_t flags, const struct maps *m, const struct safepath_proc *proc,
		       struct pidref *ret, struct error *err)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref pid = PIDREF_NONE;
	int status;

	how.flags = flags;
	if (process_clone(&how, child_main, c, &pid, err) < 0)
		return -err->code;
	if (flags & CLONE_NEWUSER && maps_write(proc, &pid, m, err) < 0) {
		pidref_kill(&pid, SIGKILL);
		pidref_wait(&pid, &status);
		return -err->code;
	}
	*ret = pid;
	pid = PIDREF_NONE;
	return 0;
}

/* The strictest way that works here. @ret_flags: what the job must know. */
static int clone_strictest(struct child *c, struct pidref *ret, uint32_t *ret_flags, struct error *err)
{
	autoproc struct safepath_proc proc = SAFEPATH_PROC_NONE;
	autofree struct maps *m = mem_zalloc(1, sizeof(*m));
	bool root = geteuid() == 0;
	struct error first;

	if (safepath_proc_open(&proc, false, err) < 0)
		return -err->code;
	if (!root)
		maps_subordinate(m);
	else if (maps_identity(&proc, m, err) < 0)
		return -err->code;
	*ret_flags = UNPACK_OWN_MOUNTS | (m->single ? UNPACK_SINGLE_ID : 0);
	if (clone_child(c, CLONE_NEWUSER | other_namespaces, m, &proc, ret, &first) == 0)
		return 0;
	if (!root && !m->single) {
		/* newuidmap is missing or refuses: one id is enough to unpack. */
		log_debug("unpack: %s; going on with a single id", first.msg);
		m->single = true;
		m->by_helper = false;
		m->count[IDS_UID] = m->count[IDS_GID] = 1;
		*ret_flags |= UNPACK_SINGLE_ID;
		return clone_child(c, CLONE_NEWUSER | other_namespaces, m, &proc, ret, err);
	}
	if (!root) {
		*err = first;
		return error_hint(err, "allow user namespaces (sysctl user.max_user_namespaces)");
	}
	log_debug("unpack: %s; going on without a user namespace", first.msg);
	if (clone_child(c, other_namespaces, m, &proc, ret, &first) == 0)
		return 0;
	log_debug("unpack: %s; going on without namespaces", first.msg);
	*ret_flags &= ~(uint32_t)UNPACK_OWN_MOUNTS;
	c->own_mounts = false;
	return clone_child(c, 0, m, &proc, ret, err);
}

int worker_start(struct store *s, enum unpack_kind kind, const struct unpack_limits *limits, int in_fd, int dir_fd,
		 struct worker *ret, struct error *err)
{
	const struct worker_task task = {
		.kind = kind, .limits = limits, .in_fd = in_fd, .dir_fd = dir_fd, .partial_fd = FD_NONE};

	return worker_start_task(s, &task, ret, err);
}

size_t workers_at_once(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	/* More than processors: a worker that waits for network or disk, or for a larger one to end, costs none. */
	return n < WORKERS_AT_ONCE_MIN   ? WORKERS_AT_ONCE_MIN
	       : n > WORKERS_AT_ONCE_MAX ? WORKERS_AT_ONCE_MAX
					 : (size_t)n;
}

uint32_t worker_nice(int64_t size, int64_t largest)
{
	uint32_t n = 0;

	for (; n < NICE_MAX && size < largest; n++)
		size += size / 4 + 1;
	return n;
}

int worker_start_task(struct store *s, const struct worker_task *task, struct worker *ret, struct error *err)
{
	struct unpack_job job = {.magic = UNPACK_MAGIC,
				 .kind = task->kind,
				 .nice = task->nice,
				 .limits = *task->limits,
				 .blob_size = task->blob_size};
	int in_fd = task->in_fd;
	autofd int ours = FD_NONE, theirs = FD_NONE, program = FD_NONE, nothing = FD_NONE;
	autoclean(worker_done) struct worker w = WORKER_NONE;
	int pair[2];

	if (find_program(s, err) < 0)
		return -err->code;
	program = safepath_host_open(s->unpack_program, O_PATH, 0, err);
	if (program < 0)
		return error_wrap(err, "the unpacker");
	if (in_fd < 0)
		in_fd = nothing = safepath_host_open("/dev/null", O_RDONLY, 0, err);
	if (in_fd < 0)
		return in_fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	struct child c = {.program = program,
			  .in_fd = in_fd,
			  .dir_fd = task->dir_fd,
			  .partial_fd = task->partial_fd,
			  .talk = theirs,
			  .parents_end = ours,
			  .own_mounts = true};

	if (clone_strictest(&c, &w.pid, &job.flags, err) < 0)
		return error_wrap(err, "start the unpacker");
	job.flags |= task->flags | (task->partial_fd >= 0 ? UNPACK_RECEIVE : 0);
	fd_close(&theirs);
	w.talk = take_fd(&ours);
	/* MSG_NOSIGNAL: a child that died at once is reported by worker_finish, not by SIGPIPE. */
	if (send(w.talk, "g", 1, MSG_NOSIGNAL) == 1)
		(void)send(w.talk, &job, sizeof(job), MSG_NOSIGNAL);
	*ret = w;
	w = WORKER_NONE;
	return 0;
}

void worker_done(struct worker *w)
{
	int status;

	fd_close(&w->talk);
	if (w->pid.pid == 0)
		return;
	pidref_kill(&w->pid, SIGKILL);
	pidref_wait(&w->pid, &status);
	pidref_done(&w->pid);
	*w = WORKER_NONE;
}

/* ---- the answer ---- */

void worker_answer_done(struct worker_answer *a)
{
	arena_done(&a->arena);
	*a = (struct worker_answer){0};
}

static int nonsense(struct error *err)
{
	return error_set(err, ERROR_INTERNAL, EPROTO, "the unpacker's answer makes no sense");
}

static int take_member(struct worker_answer *a, const unsigned char *text, size_t len, struct error *err)
{
	struct unpack_member m;
	struct worker_member *w;

	if (len < sizeof(m))
		return nonsense(err);
	memcpy(&m, text, sizeof(m));
	if (len != sizeof(m) + m.name_len + m.link_len || m.type >= TAR_TYPE_COUNT || m.size > INT64_MAX)
		return nonsense(err);
	w = &ARENA_PUSH(&a->arena, a->members, a->member_count);
	*w = (struct worker_member){
		.type = (enum tar_type)m.type,
		.number = m.number,
		.size = (int64_t)m.size,
		.name = arena_strndup(&a->arena, (const char *)text + sizeof(m), m.name_len),
		.link = arena_strndup(&a->arena, (const char *)text + sizeof(m) + m.name_len, m.link_len),
	};
	digest_text(m.digest, w->digest);
	return 0;
}

static int take_finding(struct worker_answer *a, const unsigned char *text, size_t len, struct error *err)
{
	struct unpack_finding f;

	if (len < sizeof(f))
		return nonsense(err);
	memcpy(&f, text, sizeof(f));
	if (len != sizeof(f) + f.path_len + f.text_len || f.kind >= UNPACK_FINDING_KIND_COUNT)
		return nonsense(err);
	ARENA_PUSH(&a->arena, a->findings, a->finding_count) = (struct store_finding){
		.kind = (enum unpack_finding_kind)f.kind,
		.path = arena_strndup(&a->arena, (const char *)text + sizeof(f), f.path_len),
		.text = arena_strndup(&a->arena, (const char *)text + sizeof(f) + f.path_len, f.text_len),
	};
	return 0;
}

static int pass_on_change(const struct worker *w, const unsigned char *text, size_t len, struct error *err)
{
	struct unpack_change c;
	char path[TAR_PATH_MAX + 1];

	if (!w->on_change || len < sizeof(c) || len - sizeof(c) > TAR_PATH_MAX)
		return nonsense(err);
	memcpy(&c, text, sizeof(c));
	memcpy(path, text + sizeof(c), len - sizeof(c));
	path[len - sizeof(c)] = '\0';
	if (c.kind >= UNPACK_CHANGE_KIND_COUNT)
		return nonsense(err);
	const struct store_change out = {
		.kind = (enum unpack_change_kind)c.kind,
		.what = c.what,
		.path = path,
		.old = {c.status[0].mode, c.status[0].uid, c.status[0].gid, c.status[0].size},
		.new = {c.status[1].mode, c.status[1].uid, c.status[1].gid, c.status[1].size},
	};

	return w->on_change(&out, w->on_change_arg, err);
}

static int take_message(struct worker_answer *a, const struct unpack_message *m, const unsigned char *text,
			bool *ret_end, struct error *err)
{
	a->bytes += m->len + sizeof(struct worker_member);
	if (a->bytes > ANSWER_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, E2BIG, "the archive has too many or too long names");
	switch (m->type) {
	case UNPACK_REPORT:
		if (m->len != sizeof(a->report))
			return nonsense(err);
		memcpy(&a->report, text, sizeof(a->report));
		a->report.err.msg[ERROR_MSG_MAX - 1] = '\0';
		a->report.err.hint[sizeof(a->report.err.hint) - 1] = '\0';
		*ret_end = true;
		return 0;
	case UNPACK_MEMBER:
		return take_member(a, text, m->len, err);
	case UNPACK_FINDING:
		return take_finding(a, text, m->len, err);
	case UNPACK_IMPLIED:
		if (a->implied_count < IMPLIED_MAX_COUNT)
			ARENA_PUSH(&a->arena, a->implied, a->implied_count) =
				arena_strndup(&a->arena, (const char *)text, m->len);
		return 0;
	case UNPACK_WAITING:
	case UNPACK_READY:
		return m->len == 0 ? 0 : nonsense(err);
	default:
		return nonsense(err);
	}
}

/* The worker ended without a word. */
static int silent_end(struct worker *w, struct error *err)
{
	int status = 0;

	pidref_wait(&w->pid, &status);
	pidref_done(&w->pid);
	w->pid = PIDREF_NONE;
	if (WIFSIGNALED(status))
		return error_set(err, ERROR_INTERNAL, EPROTO, "the unpacker was ended by signal %d", WTERMSIG(status));
	return error_set(err, ERROR_INTERNAL, EPROTO, "the unpacker ended with status %d and no report",
			 WEXITSTATUS(status));
}

int worker_next(struct worker *w, struct worker_answer *a, enum unpack_message_type *ret_type, struct error *err)
{
	autofree unsigned char *text = mem_alloc(UNPACK_MESSAGE_MAX);
	struct unpack_message m;
	bool end = false;

	if (fd_read_all(w->talk, &m, sizeof(m)) < 0)
		return silent_end(w, err);
	if (m.len > UNPACK_MESSAGE_MAX)
		return nonsense(err);
	if (fd_read_all(w->talk, text, m.len) < 0)
		return silent_end(w, err);
	int r = m.type == UNPACK_CHANGE ? pass_on_change(w, text, m.len, err) : take_message(a, &m, text, &end, err);

	if (r < 0)
		return -err->code;
	*ret_type = (enum unpack_message_type)m.type;
	if (!end)
		return 0;
	if (a->report.failed) {
		const struct error *said = &a->report.err;

		if (said->code <= 0 || said->kind >= ERROR_KIND_COUNT)
			return nonsense(err);
		/* The words of somebody who may have been taken over: error_set makes them fit for a terminal. */
		error_set(err, said->kind, said->code, "%s", said->msg);
		return said->hint[0] ? error_hint(err, "%s", said->hint) : -err->code;
	}
	worker_done(w); /* its work is over; it only has to end */
	return 0;
}

int worker_go(struct worker *w, struct error *err)
{
	return send(w->talk, "g", 1, MSG_NOSIGNAL) == 1 ? 0 : silent_end(w, err);
}

int worker_finish(struct worker *w, struct worker_answer *ret, struct error *err)
{
	return worker_finish_watched(w, NULL, NULL, ret, err);
}

/* Returns when there is something to hear. */
static void tick_until_heard(const struct worker *w, worker_tick_fn tick, void *arg, const struct worker_answer *so_far)
{
	struct pollfd wait = {.fd = w->talk, .events = POLLIN};

	do
		tick(arg, so_far);
	while (poll(&wait, 1, TICK_MS) == 0);
}

int worker_finish_watched(struct worker *w, worker_tick_fn tick, void *arg, struct worker_answer *ret,
			  struct error *err)
{
	autoclean(worker_answer_done) struct worker_answer a = {0};
	enum unpack_message_type type;

	do {
		if (tick)
			tick_until_heard(w, tick, arg, &a);
		if (worker_next(w, &a, &type, err) < 0)
			return -err->code;
	} while (type != UNPACK_REPORT);
	*ret = a;
	a = (struct worker_answer){0};
	return 0;
}
