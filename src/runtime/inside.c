/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's side of a launch: the process that becomes the container's program. It walks the inside list of the
 * plan; the first step that fails ends it, and the error goes to the host's side as one message. What was mounted or
 * named here vanishes with the namespaces, so nothing needs an undo.
 *
 * It starts as a copy of the host's side and has, until the exec, everything that one had in memory. Nobody inside may
 * look into it: in a fresh pid namespace nobody else is there, and it is made undumpable before anyone could be.
 */
#include "runtime/inside.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/birth.h"
#include "runtime/hooks.h"

static int in_session(struct launch *l, const struct plan_step *s, struct error *err)
{
	char name[300];
	int r = process_set_sid(err);

	(void)s;
	if (r == 0 && !l->plan.new_timens)
		r = process_set_dumpable(false, err);
	if (r < 0 || l->opt->no_new_keyring)
		return r;
	(void)str_copy(name, sizeof(name), "_ses.");
	(void)str_copy(name + 5, sizeof(name) - 5, l->opt->id);
	return process_new_keyring(name, err);
}

/* The host's side went away or spoke out of turn: there is nobody left to tell. */
static int receive(struct launch *l, enum launch_message_type want, struct error *err)
{
	struct launch_message m;
	autofd int fd = FD_NONE;
	int r = launch_receive(l->sync_inside, &m, &fd);

	if (r < 0)
		return error_sys(err, -r, "wait for the runtime");
	if (fd >= 0 && want == LAUNCH_MAPPED)
		l->overlay_fd = take_fd(&fd);
	if (m.type != want)
		return error_set(err, ERROR_INTERNAL, EPROTO, "the runtime said %d where %d was due", (int)m.type,
				 (int)want);
	if (m.pid)
		l->host_pid = m.pid;
	return 0;
}

static int tell(struct launch *l, enum launch_message_type type, struct error *err)
{
	int r = launch_send(l->sync_inside, type, 0, NULL, FD_NONE);

	return r < 0 ? error_sys(err, -r, "answer the runtime") : 0;
}

static int in_mapped_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return receive(l, LAUNCH_MAPPED, err);
}

static int in_become_root(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = ids_set_groups(NULL, 0, err);

	(void)s;
	/* Where setgroups is denied the inherited groups stay; they give no right that the user did not have. */
	if (r < 0 && err->kind != ERROR_DENIED)
		return r;
	r = ids_set_gid(0, err);
	if (r == 0)
		r = ids_set_uid(0, err);
	/* Our own files in procfs must be ours for the time offsets; the step that writes them takes it back. */
	if (r == 0 && l->plan.new_timens)
		r = process_set_dumpable(true, err);
	return r;
}

static int in_proc_handle(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = safepath_proc_open(&l->entry.proc, l->spec->linux_.sysctl.count == 0, err);

	(void)s;
	if (r < 0)
		return r;
	l->entry.self_fd = safepath_proc_self(&l->entry.proc, "", O_PATH | O_DIRECTORY, err);
	return l->entry.self_fd < 0 ? l->entry.self_fd : 0;
}

static int in_time_ns(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_time_offset *m = &l->spec->linux_.time_monotonic;
	const struct spec_time_offset *b = &l->spec->linux_.time_boottime;
	int r = time_ns_make(l->entry.self_fd, &(struct time_offset){m->set, m->secs, m->nanosecs},
			     &(struct time_offset){b->set, b->secs, b->nanosecs}, err);

	(void)s;
	return r < 0 ? r : process_set_dumpable(false, err);
}

static int in_loopback(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)l;
	(void)s;
	return netlink_loopback_up(err);
}

static int in_cgroup_join(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = cgroup_join_self(&l->join, l->placed);

	(void)s;
	return r < 0 ? error_sys(err, -r, "enter the container's cgroup") : 0;
}

static int in_cgroup_ns(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)l;
	(void)s;
	return process_unshare(CLONE_NEWCGROUP, err);
}

static int in_prepared_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_PREPARED, err);
}

static int in_hooked_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return receive(l, LAUNCH_HOOKED, err);
}

static int run_hooks(struct launch *l, enum spec_hook_point point, enum runtime_status status, int cwd_fd,
		     struct error *err)
{
	autojson struct json *j = state_to_json(&l->state, status, l->host_pid);
	autobuf struct buf text = BUF_INIT(1 << 20);

	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the state document is too large for hooks");
	return hooks_run(&l->spec->hooks, point, buf_str(&text), cwd_fd, err);
}

static int in_hooks_container(struct launch *l, const struct plan_step *s, struct error *err)
{
	/* V38: where our caller stands may be the image's own folder, from which a program of the host must load nothing. The
	 * bundle may be closed to the root of a user namespace. */
	struct error ignored;
	autofd int bundle = safepath_host_open_dir(l->opt->bundle, &ignored);

	(void)s;
	if (bundle < 0)
		bundle = safepath_host_open_dir("/", err);
	return bundle < 0 ? bundle : run_hooks(l, SPEC_HOOK_CREATE_CONTAINER, RUNTIME_CREATED, bundle, err);
}

static int in_hostname(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)l;
	return process_set_hostname(s->name, err);
}

static int in_domainname(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)l;
	return process_set_domainname(s->name, err);
}

static int in_sysctl(struct launch *l, const struct plan_step *s, struct error *err)
{
	return safepath_proc_write_sysctl(&l->entry.proc, s->name, l->spec->linux_.sysctl.items[s->index].value, err);
}

static int in_own_rlimits(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_set_rlimits(&l->spec->process, 0, err);
}

static int in_process(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return entry_attributes(&l->entry, err);
}

static int in_lookup(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return entry_lookup(&l->entry, err);
}

static int in_stdio(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return entry_stdio(&l->entry, err);
}

static int in_user(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return entry_user(&l->entry, err);
}

static int in_label(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return entry_label(&l->entry, err);
}

static int in_ready_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_READY, err);
}

/* `start` knocks at the socket in the state folder; whoever may reach it is our user or root. What comes in over that
 * connection must be the one word; a caller that dies before it leaves us waiting for the next. */
static int wait_for_start(struct launch *l, struct error *err)
{
	/* Who dies before the container is on record leaves nobody who could end it by name: then it ends by itself. */
	int r = receive(l, LAUNCH_RECORDED, err);

	fd_close(&l->sync_inside);
	if (r < 0)
		return r;
	for (;;) {
		struct launch_message m;
		int c = accept4(l->start_fd, NULL, NULL, SOCK_CLOEXEC);

		if (c < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (c < 0)
			return error_sys(err, errno, "wait for `start`");
		if (launch_receive(c, &m, NULL) == 0 && m.type == LAUNCH_GO) {
			l->sync_inside = c;
			return 0;
		}
		close(c);
	}
}

static int in_start_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return l->plan.wait_start ? wait_for_start(l, err) : receive(l, LAUNCH_GO, err);
}

static int in_hooks_start(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return run_hooks(l, SPEC_HOOK_START_CONTAINER, RUNTIME_CREATED, FD_NONE, err);
}

/* Whoever asked for it may be gone already: then the signal never comes, but the other end of the connection is closed. The
 * kernel forgets the request at each change of ids, so this is done last. */
static int end_with_parent(struct launch *l, struct error *err)
{
	struct pollfd p = {.fd = l->sync_inside};
	int r = process_set_death_signal(SIGKILL, FD_NONE, err);

	if (r == 0 && poll(&p, 1, 0) > 0)
		return error_set(err, ERROR_INTERNAL, EPIPE, "the runtime went away");
	return r;
}

static int walk(void *launch);

static int in_pid_ns(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return process_setns(l->pid_ns, CLONE_NEWPID, err);
}

/* Who goes on takes the next step. */
static int walk_on(void *launch)
{
	struct launch *l = launch;
	struct error err = {};

	if (birth_settle(l->spec->process.set && l->spec->process.terminal, &err) < 0) {
		(void)launch_send(l->sync_inside, LAUNCH_FAILED, 0, &err, FD_NONE);
		return 1;
	}
	l->inside_at++;
	return walk(l);
}

static int in_birth(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct caps_sets none = {};
	int r = l->spec->process.set ? 0 : caps_set(&none, NULL, err);

	(void)s;
	return r < 0 ? r : birth_give(&l->entry, l->sync_inside, &l->start_fd, 1, walk_on, l, err);
}

static int in_confine(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int notify = FD_NONE;
	int r = l->opt->end_with_us ? end_with_parent(l, err) : 0;

	(void)s;
	if (r == 0)
		r = entry_confine(&l->entry, &notify, err);
	if (r == 0 && notify >= 0)
		r = launch_send(l->sync_inside, LAUNCH_NOTIFY, 0, NULL, notify);
	return r;
}

static int in_exec(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	if (l->opt->trace)
		l->opt->trace->exec_ns = clock_monotonic_ns();
	return entry_exec(&l->entry, err);
}

static const inside_fn steps[PLAN_OP_COUNT] = {
	[PLAN_SESSION] = in_session,
	[PLAN_MAPPED_WAIT] = in_mapped_wait,
	[PLAN_BECOME_ROOT] = in_become_root,
	[PLAN_TIME_NS] = in_time_ns,
	[PLAN_PROC_HANDLE] = in_proc_handle,
	[PLAN_LOOPBACK] = in_loopback,
	[PLAN_PROPAGATION] = inside_propagation,
	[PLAN_ROOT_ATTACH] = inside_root_attach,
	[PLAN_MOUNT] = inside_mount,
	[PLAN_CGROUP_JOIN] = in_cgroup_join,
	[PLAN_CGROUP_NS] = in_cgroup_ns,
	[PLAN_DEVICE] = inside_device,
	[PLAN_DEV_LINKS] = inside_dev_links,
	[PLAN_CONSOLE] = inside_console,
	[PLAN_PREPARED_TELL] = in_prepared_tell,
	[PLAN_HOOKED_WAIT] = in_hooked_wait,
	[PLAN_HOOKS_CONTAINER] = in_hooks_container,
	[PLAN_PIVOT] = inside_pivot,
	[PLAN_HOSTNAME] = in_hostname,
	[PLAN_DOMAINNAME] = in_domainname,
	[PLAN_SYSCTL] = in_sysctl,
	[PLAN_READONLY_PATH] = inside_readonly_path,
	[PLAN_MASK_PATH] = inside_mask_path,
	[PLAN_ROOT_READONLY] = inside_root_readonly,
	[PLAN_ROOT_PROPAGATION] = inside_root_propagation,
	[PLAN_WORK_DIR] = inside_work_dir,
	[PLAN_OWN_RLIMITS] = in_own_rlimits,
	[PLAN_PROCESS] = in_process,
	[PLAN_LOOKUP] = in_lookup,
	[PLAN_STDIO] = in_stdio,
	[PLAN_USER] = in_user,
	[PLAN_LABEL] = in_label,
	[PLAN_READY_TELL] = in_ready_tell,
	[PLAN_PID_NS] = in_pid_ns,
	[PLAN_BIRTH] = in_birth,
	[PLAN_START_WAIT] = in_start_wait,
	[PLAN_HOOKS_START] = in_hooks_start,
	[PLAN_CONFINE] = in_confine,
	[PLAN_EXEC] = in_exec,
};

/* The program's own troubles speak for themselves; all others name their step. */
static bool speaks_for_itself(enum plan_op op)
{
	return op == PLAN_LOOKUP || op == PLAN_EXEC || op == PLAN_HOOKS_CONTAINER || op == PLAN_HOOKS_START;
}

static int run_step(struct launch *l, size_t i, struct error *err)
{
	const struct plan_step *s = &l->plan.inside[i];
	struct runtime_trace *trace = i < TRACE_STEPS_MAX ? l->opt->trace : NULL;
	char title[160];
	int r;

	if (trace)
		trace->inside_ns[i][0] = clock_monotonic_ns();
	r = launch_inject("inside", i, err);
	if (r == 0)
		r = steps[s->op](l, s, err);
	if (trace)
		trace->inside_ns[i][1] = clock_monotonic_ns();
	if (r < 0 && !speaks_for_itself(s->op)) {
		plan_step_title(s, title, sizeof(title));
		return error_wrap(err, "%s", title);
	}
	return r;
}

static int walk(void *launch)
{
	struct launch *l = launch;
	struct error err = {};

	for (; l->inside_at < l->plan.inside_count; l->inside_at++) {
		if (run_step(l, l->inside_at, &err) >= 0)
			continue;
		(void)launch_send(l->sync_inside, LAUNCH_FAILED, 0, &err, FD_NONE);
		break;
	}
	return err.kind == ERROR_NO_PROGRAM ? 127 : err.kind == ERROR_NOT_EXECUTABLE ? 126 : 1;
}

int launch_inside(void *launch)
{
	struct launch *l = launch;

	fd_close(&l->sync_host);
	signal_reset(l->ignored_signals);
	/* What is made here gets its mode as it is asked for. The program's own umask is set in time (entry.c). */
	process_set_umask(0);
	return walk(l);
}
