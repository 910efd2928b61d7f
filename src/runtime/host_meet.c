/* SPDX-License-Identifier: Apache-2.0 */
/* Host's side: where it meets the process in the container (launch.h says in which order), and what it writes down for others. */
#include "runtime/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/birth.h"
#include "runtime/hooks.h"

/* What the other side failed with, as it said itself. */
static int failed_inside(const struct launch_message *m, struct error *err)
{
	*err = m->error;
	err->msg[sizeof(err->msg) - 1] = err->hint[sizeof(err->hint) - 1] = '\0';
	return err->code > 0 ? -err->code : -EIO;
}

int launch_wait(int sock, enum launch_message_type want, pid_t *ret_pid, int *ret_terminal, struct error *err)
{
	for (;;) {
		struct launch_message m;
		autofd int fd = FD_NONE;
		int r = launch_receive(sock, &m, &fd);

		if (r < 0)
			return error_set(err, ERROR_INTERNAL, -r,
					 "the process in the container ended before it was ready");
		if (m.type == LAUNCH_FAILED)
			return failed_inside(&m, err);
		if (m.type == want) {
			if (ret_pid)
				*ret_pid = m.pid;
			return 0;
		}
		if (m.type != LAUNCH_CONSOLE)
			return error_set(err, ERROR_INTERNAL, EPROTO,
					 "the process in the container said %d where %d was due", (int)m.type,
					 (int)want);
		*ret_terminal = take_fd(&fd);
	}
}

int launch_await_exec(int sock, const struct spec_seccomp *seccomp, const struct state *state, pid_t pid,
		      struct error *err)
{
	for (;;) {
		struct launch_message m;
		autofd int fd = FD_NONE;
		int r = launch_receive(sock, &m, &fd);

		if (r == -EPIPE)
			return 0;
		if (r < 0)
			return error_sys(err, -r, "wait for the program to start");
		if (m.type == LAUNCH_FAILED)
			return failed_inside(&m, err);
		if (m.type == LAUNCH_NOTIFY && fd >= 0) {
			r = launch_send_listener(seccomp, state, RUNTIME_CREATED, pid, fd, err);
			if (r < 0)
				return r;
		}
	}
}

static int tell(struct launch *l, enum launch_message_type type, pid_t pid, struct error *err)
{
	int r = launch_send(l->sync_host, type, pid, NULL, FD_NONE);

	return r < 0 ? error_sys(err, -r, "let the container's first process go on") : 0;
}

/* The overlay goes along with the word: it was made after the other side began its own life. */
int host_mapped_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = launch_send(l->sync_host, LAUNCH_MAPPED, 0, NULL, l->overlay_fd);

	(void)s;
	fd_close(&l->overlay_fd);
	return r < 0 ? error_sys(err, -r, "let the container's first process go on") : 0;
}

int host_prepared_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_wait(l->sync_host, LAUNCH_PREPARED, NULL, &l->terminal, err);
}

int host_hooks_runtime(struct launch *l, const struct plan_step *s, struct error *err)
{
	/* The hooks are steps 3 to 5 of the life cycle, "creating" is step 2 alone. */
	autojson struct json *j = state_to_json(&l->state, RUNTIME_CREATED, l->init.pid);
	autobuf struct buf text = BUF_INIT(1 << 20);
	autofd int bundle = safepath_host_open_dir(l->opt->bundle, err);
	int r;

	(void)s;
	if (bundle < 0)
		return bundle;
	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the state document is too large for hooks");
	r = hooks_run(&l->spec->hooks, SPEC_HOOK_PRESTART, buf_str(&text), bundle, err);
	return r < 0 ? r : hooks_run(&l->spec->hooks, SPEC_HOOK_CREATE_RUNTIME, buf_str(&text), bundle, err);
}

int host_hooked_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_HOOKED, l->init.pid, err);
}

int host_ready_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_wait(l->sync_host, LAUNCH_READY, NULL, &l->terminal, err);
}

int host_birth_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return birth_wait(l->sync_host, &l->init, &l->terminal, err);
}

int host_pidfd_send(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = fd_send(l->pidfd_fd, "standard", 8, &l->init.fd, 1);

	(void)s;
	fd_close(&l->pidfd_fd);
	return r < 0 ? error_sys(err, -r, "send the pidfd to '%s'", l->opt->pidfd_socket) : 0;
}

int host_go_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_GO, l->init.pid, err);
}

int host_recorded_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_RECORDED, l->init.pid, err);
}

int host_record(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = pidref_start_time(&l->init, &l->state.start_time, err);

	(void)s;
	if (r < 0)
		return r;
	l->state.pid = l->init.pid;
	return state_save(l->state.dir_fd, &l->state, l->cgroup ? cgroup_to_json(l->cgroup) : NULL, err);
}

int launch_write_pid_file(const char *path, pid_t pid, struct error *err)
{
	autofree char *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');
	autofd int dir_fd = FD_NONE;
	char text[24];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);

	if (slash)
		*slash = '\0';
	dir_fd = safepath_host_open(slash == dir ? "/" : slash ? dir : ".", O_RDONLY | O_DIRECTORY, 0, err);
	if (dir_fd < 0)
		return error_wrap(err, "--pid-file");
	if (safepath_write_file(dir_fd, slash ? slash + 1 : path, text, (size_t)n, 0644, false, err) < 0)
		return error_wrap(err, "--pid-file");
	return 0;
}

int host_pid_file(struct launch *l, const struct plan_step *s, struct error *err)
{
	return launch_write_pid_file(s->name, l->init.pid, err);
}
