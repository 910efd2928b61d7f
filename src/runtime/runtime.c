/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that make and start containers: create, run, start. Those that look at or change what exists are in verbs.c,
 * exec is in exec.c.
 */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/foreground.h"
#include "runtime/hooks.h"
#include "runtime/launch.h"
#include "runtime/remove.h"

static const char *const status_names[RUNTIME_STATUS_COUNT] = {"creating", "created", "running", "paused", "stopped"};

const char *runtime_status_name(enum runtime_status s)
{
	return status_names[s];
}

char *runtime_default_root(const char *name)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct error ignored;

	if (dir && dir[0] == '/' && (geteuid() != 0 || launch_in_userns(&ignored)))
		return mem_printf("%s/%s", dir, name);
	if (geteuid() != 0)
		return mem_printf("/tmp/%s-%u", name, (unsigned)geteuid());
	return mem_printf("/run/%s", name);
}

int runtime_open(const char *root, struct runtime **ret, struct error *err)
{
	struct runtime *rt;
	int fd;

	if (str_eq(root, "/"))
		return error_set(err, ERROR_INVALID, EINVAL, "--root: '/' cannot be the state root");
	fd = safepath_state_open(root, err);
	if (fd < 0)
		return error_wrap(err, "state root '%s'", root);
	rt = mem_zalloc(1, sizeof(*rt));
	rt->root = mem_strdup(root);
	rt->root_fd = fd;
	*ret = rt;
	return 0;
}

void runtime_close(struct runtime *rt)
{
	if (!rt)
		return;
	fd_close(&rt->root_fd);
	free(rt->root);
	free(rt);
}

int runtime_trace_new(struct runtime_trace **ret, struct error *err)
{
	void *p = mmap(NULL, sizeof(struct runtime_trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return error_sys(err, errno, "get memory for the times of the steps");
	*ret = p;
	return 0;
}

void runtime_trace_free(struct runtime_trace *t)
{
	if (t)
		munmap(t, sizeof(*t));
}

static int check_terminal(const struct spec *spec, const struct runtime_create_options *opt, bool detach,
			  struct error *err)
{
	const bool tty = spec->process.set && spec->process.terminal;

	if (tty && detach && !opt->console_socket)
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"cannot allocate tty if the runtime will detach without setting console socket (--console-socket)");
	if (opt->console_socket && (!tty || !detach))
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"cannot use console socket if the runtime will not detach or allocate tty (process.terminal)");
	return 0;
}

static int check(const struct spec *spec, const struct runtime_create_options *opt, bool detach, struct error *err)
{
	int r = spec_check_id(opt->id, err);

	if (r == 0)
		r = spec_validate(spec, err);
	return r < 0 ? r : check_terminal(spec, opt, detach, err);
}

int runtime_create(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		   struct error *err)
{
	struct launch l;
	int r = check(spec, opt, true, err);

	if (r == 0)
		r = launch_create(rt, spec, opt, true, &l, err);
	if (r == 0)
		launch_done(&l);
	return r;
}

static int run_poststart(const struct spec *spec, const struct state *state, pid_t pid, struct error *err)
{
	autojson struct json *j = NULL;
	autobuf struct buf text = BUF_INIT(1 << 20);

	if (!spec->hooks.count[SPEC_HOOK_POSTSTART])
		return 0;
	j = state_to_json(state, RUNTIME_RUNNING, pid);
	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the state document is too large for hooks");
	return hooks_run(&spec->hooks, SPEC_HOOK_POSTSTART, buf_str(&text), FD_NONE, err);
}

/* The end of a foreground run: the container goes, as far as it was ours to keep. */
static void finish(struct launch *l)
{
	struct error ignored;

	if (l->opt->keep_on_exit)
		return;
	if (remove_container(l->rt, &l->state, l->spec, l->cgroup, &ignored) < 0)
		log_warn("%s", ignored.msg);
}

int runtime_run(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt, bool detach,
		int *ret_exit, struct error *err)
{
	autoforeground struct foreground fg = FOREGROUND_NONE;
	struct launch l;
	int r = check(spec, opt, detach, err);

	fg.no_stdin = opt->no_stdin;
	if (r == 0 && !detach)
		r = foreground_enter(&fg, err);
	if (r == 0)
		r = launch_create(rt, spec, opt, false, &l, err);
	if (r < 0)
		return r;
	r = launch_go(&l, err);
	if (r == 0)
		r = run_poststart(spec, &l.state, l.init.pid, err);
	if (r < 0) {
		/* runtime-spec lifecycle: a failed start destroys the container, its poststop hooks run. */
		struct error ignored;
		int status;

		(void)pidref_kill(&l.init, SIGKILL);
		(void)pidref_wait(&l.init, &status);
		(void)remove_container(rt, &l.state, spec, l.cgroup, &ignored);
	} else if (!detach) {
		fg.notify = &l.notify;
		r = foreground_wait(&fg, &l.init, l.terminal, opt->detach_keys, ret_exit, err);
		finish(&l);
	} else {
		*ret_exit = 0;
		notify_wait(&l.notify, &l.init);
	}
	launch_done(&l);
	return r;
}

static int knock(const struct state *s, int *ret_sock, struct error *err)
{
	char path[64];
	int sock;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" STATE_START, s->dir_fd);
	sock = launch_connect(path, SOCK_SEQPACKET, err);
	/* The socket is there and nobody listens: the first of two `start` at once has been let in. */
	if (sock == -ECONNREFUSED || sock == -ENOENT)
		return error_set(err, ERROR_CONFLICT, EBUSY,
				 "cannot start container '%s': it is being started already, or has just ended", s->id);
	if (sock < 0)
		return error_wrap(err, "start container '%s'", s->id);
	*ret_sock = sock;
	return 0;
}

/* config.json had no process: nothing can run, and runtime-spec wants an error ("start") but leaves open how it shows. The
 * validation suite, crun and their callers take exit status 0 here, so the error is a line of the log. */
static int start_nothing(const struct state *s, const struct pidref *init, struct error *err)
{
	int r = pidref_kill(init, SIGKILL);

	if (r < 0)
		return error_sys(err, -r, "end container '%s', which has no process to start", s->id);
	error_set(err, ERROR_INVALID, EINVAL, "start container '%s': config.json has no process to run; it is stopped",
		  s->id);
	log_error(err);
	return safepath_unlink(s->dir_fd, STATE_START, true, err);
}

static int start_created(struct runtime *rt, const struct state *s, const struct pidref *init,
			 const char *notify_socket, struct error *err)
{
	autonotify struct notify notify = NOTIFY_NONE;
	autospec struct spec spec;
	autofd int sock = FD_NONE;
	int r;

	spec_init(&spec);
	r = state_load_spec(s, &spec, err);
	if (r == 0 && !spec.process.set)
		return start_nothing(s, init, err);
	if (r == 0)
		r = notify_open(notify_socket, s->dir_fd, &notify, err);
	if (r == 0)
		r = knock(s, &sock, err);
	if (r < 0)
		return r;
	r = launch_send(sock, LAUNCH_GO, 0, NULL, FD_NONE);
	if (r < 0)
		return error_sys(err, -r, "start container '%s'", s->id);
	r = launch_await_exec(sock, &spec.linux_.seccomp, s, init->pid, err);
	if (r == 0)
		r = safepath_unlink(s->dir_fd, STATE_START, true, err);
	if (r == 0)
		r = run_poststart(&spec, s, init->pid, err);
	if (r < 0) {
		struct error ignored;

		(void)runtime_delete(rt, s->id, true, &ignored);
		return r;
	}
	notify_wait(&notify, init);
	return 0;
}

int runtime_start(struct runtime *rt, const char *id, const char *notify_socket, struct error *err)
{
	autostate struct state s = STATE_NONE;
	autopidref struct pidref init = PIDREF_NONE;
	enum runtime_status status;
	int r = state_load(rt, id, &s, err);

	if (r == 0)
		r = state_status(&s, &status, &init, err);
	if (r < 0)
		return r;
	switch (status) {
	case RUNTIME_CREATED:
		return start_created(rt, &s, &init, notify_socket, err);
	case RUNTIME_RUNNING:
		return error_set(err, ERROR_CONFLICT, EBUSY, "cannot start an already running container");
	case RUNTIME_PAUSED:
		return error_set(err, ERROR_CONFLICT, EBUSY, "cannot start a container in the paused state");
	case RUNTIME_CREATING:
		return error_set(err, ERROR_CONFLICT, EBUSY, "cannot start container '%s': it is still being created",
				 id);
	default:
		return error_set(err, ERROR_CONFLICT, ESRCH, "cannot start a container that has stopped");
	}
}
