/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: another process in a container that exists. It is born inside the container's namespaces (a short-lived joining
 * process makes it, see kernel/process.h), placed in the container's group, and then walks the same last steps as the
 * first process (entry.c). Everything that needs the host's rights or paths is opened before.
 *
 * Both sides speak as in a launch: inside -> host CONSOLE, READY, NOTIFY, FAILED; host -> inside GO; a closed end after GO
 * means that execve succeeded.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/birth.h"
#include "runtime/foreground.h"
#include "runtime/launch.h"
#include "runtime/runtime.h"

struct exec {
	const struct runtime_exec_options *opt; /* borrowed */
	struct state state;
	struct spec spec; /* the container's document */
	struct arena arena;
	struct spec_process process; /* what will run */
	struct cgroup *cgroup;
	struct cgroup_join join;
	struct pidref init, child;
	struct entry entry;
	struct seccomp_program filter;
	bool have_filter;
	bool late_pid; /* the pid namespace is entered by a last clone (birth.h) */
	int pid_ns;    /* before 5.8: that of init; else FD_NONE */
	bool placed;   /* the clone puts the child into the cgroup2 group */
	int sync_host, sync_inside;
	int console_fd;
	int terminal;
	uint64_t ignored_signals; /* what our caller made us ignore */
};

static void exec_done(struct exec *x)
{
	fd_close(&x->sync_host);
	fd_close(&x->sync_inside);
	fd_close(&x->console_fd);
	fd_close(&x->terminal);
	fd_close(&x->pid_ns);
	if (x->have_filter)
		seccomp_program_done(&x->filter);
	cgroup_join_done(&x->join);
	cgroup_free(x->cgroup);
	pidref_done(&x->init);
	pidref_done(&x->child);
	state_done(&x->state);
	spec_done(&x->spec);
	arena_done(&x->arena);
}
#define autoexec __attribute__((cleanup(exec_done)))

/* ---- what to run ---------------------------------------------------------------------------------------------------- */

static void add_caps(struct spec_caps *c, uint64_t caps)
{
	c->bounding |= caps;
	c->effective |= caps;
	c->permitted |= caps;
	if (c->inheritable)
		c->ambient |= caps & c->inheritable;
	c->set = true;
}

static void add_groups(struct exec *x, struct spec_process *p)
{
	const struct runtime_exec_options *o = x->opt;
	const size_t n = p->user.additional_gid_count;
	uint32_t *all;

	if (!o->additional_gid_count)
		return;
	all = arena_alloc(&x->arena, n + o->additional_gid_count, sizeof(*all));
	if (n)
		memcpy(all, p->user.additional_gids, n * sizeof(*all));
	memcpy(all + n, o->additional_gids, o->additional_gid_count * sizeof(*all));
	p->user.additional_gids = all;
	p->user.additional_gid_count = n + o->additional_gid_count;
}

static int check_words(const struct runtime_exec_options *o, struct error *err)
{
	if (!o->args || !o->args[0])
		return error_set(err, ERROR_INVALID, EINVAL, "exec args cannot be empty");
	for (char *const *e = o->env; e && *e; e++)
		if ((*e)[0] == '=' || !strchr(*e, '='))
			return error_set(err, ERROR_INVALID, EINVAL, "--env: expected NAME=value, got \"%s\"", *e);
	if (o->cwd && o->cwd[0] && o->cwd[0] != '/')
		return error_set(err, ERROR_INVALID, EINVAL, "--cwd: expected an absolute path, got \"%s\"", o->cwd);
	return 0;
}

/* The container's own process with what the command line changes. */
static int edit_process(struct exec *x, struct error *err)
{
	const struct runtime_exec_options *o = x->opt;
	struct spec_process *p = &x->process;
	struct spec_strs env = {};
	int r = check_words(o, err);

	if (r < 0)
		return r;
	*p = x->spec.process;
	p->set = true;
	p->terminal = o->tty;
	p->args = (struct spec_strs){};
	for (char *const *a = o->args; *a; a++)
		spec_strs_push(&x->arena, &p->args, *a);
	for (size_t i = 0; i < x->spec.process.env.count; i++)
		spec_strs_push(&x->arena, &env, x->spec.process.env.items[i]);
	for (char *const *e = o->env; e && *e; e++)
		spec_strs_push(&x->arena, &env, *e);
	p->env = env;
	if (o->cwd && o->cwd[0])
		p->cwd = o->cwd;
	if (o->user_set)
		p->user.uid = o->uid;
	if (o->gid_set)
		p->user.gid = o->gid;
	add_groups(x, p);
	if (o->caps)
		add_caps(&p->caps, o->caps);
	if (o->apparmor)
		p->apparmor_profile = o->apparmor;
	if (o->label)
		p->selinux_label = o->label;
	if (o->no_new_privs_set)
		p->no_new_privileges = o->no_new_privs;
	return 0;
}

/* A document that says nothing of limits gets those of the container, as under runc. */
static void inherit_limits(struct exec *x)
{
	if (!x->process.rlimit_count) {
		x->process.rlimits = x->spec.process.rlimits;
		x->process.rlimit_count = x->spec.process.rlimit_count;
	}
	if (!x->process.oom_score_adj.set)
		x->process.oom_score_adj = x->spec.process.oom_score_adj;
}

static int choose_process(struct exec *x, struct error *err)
{
	int r;

	if (!x->opt->process_text)
		r = edit_process(x, err);
	else
		r = spec_parse_process(x->opt->process_text, x->opt->process_len, "--process", &x->arena, &x->process,
				       err);
	if (r < 0)
		return r;
	inherit_limits(x);
	if (!x->process.args.count)
		return error_set(err, ERROR_INVALID, EINVAL, "process.args: exec args cannot be empty");
	if (x->process.terminal && x->opt->detach && !x->opt->console_socket)
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"cannot allocate tty if the runtime will detach without setting console socket (--console-socket)");
	if (x->opt->console_socket && !x->process.terminal)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--console-socket: the process has no terminal (process.terminal)");
	return 0;
}

/* ---- inside --------------------------------------------------------------------------------------------------------- */

static int open_terminal(struct exec *x, struct error *err)
{
	autofd int root = safepath_host_open_dir("/", err);
	autofd int devpts = FD_NONE;
	autofd int master = FD_NONE;
	autofd int peer = FD_NONE;
	int r;

	if (root < 0)
		return root;
	devpts = safepath_open_dir(root, "/dev/pts", true, err);
	if (devpts < 0)
		return devpts;
	r = pty_open(devpts, &master, &peer, err);
	if (r == 0 && x->process.console_rows && x->process.console_cols)
		r = pty_set_size(master, x->process.console_rows, x->process.console_cols, err);
	if (r == 0 && !x->late_pid)
		r = pty_make_controlling(peer, err);
	if (r < 0)
		return r;
	if (x->console_fd >= 0) {
		char name[32];

		(void)snprintf(name, sizeof(name), "/dev/pts/%d", pty_number(master));
		r = fd_send(x->console_fd, name, strlen(name), &master, 1);
		fd_close(&x->console_fd);
	} else {
		r = launch_send(x->sync_inside, LAUNCH_CONSOLE, 0, NULL, master);
	}
	return r < 0 ? error_sys(err, -r, "send the terminal") : pty_to_stdio(peer, err);
}

static int wait_for_go(struct exec *x, struct error *err)
{
	struct launch_message m;
	int r = launch_receive(x->sync_inside, &m, NULL);

	if (r < 0 || m.type != LAUNCH_GO)
		return error_set(err, ERROR_INTERNAL, EPIPE, "the runtime went away");
	return 0;
}

static int open_proc(struct exec *x, struct error *err)
{
	int r;

	if (!x->process.apparmor_profile && !x->process.selinux_label)
		return 0;
	r = safepath_proc_open(&x->entry.proc, true, err);
	if (r < 0)
		return r;
	x->entry.self_fd = safepath_proc_self(&x->entry.proc, "", O_PATH | O_DIRECTORY, err);
	return x->entry.self_fd < 0 ? x->entry.self_fd : 0;
}

/* The last steps, of the process that executes the program. */
static int finish(struct exec *x, struct error *err)
{
	autofd int notify = FD_NONE;
	int r = wait_for_go(x, err);

	if (r == 0)
		r = entry_confine(&x->entry, &notify, err);
	if (r == 0 && notify >= 0)
		(void)launch_send(x->sync_inside, LAUNCH_NOTIFY, 0, NULL, notify);
	return r < 0 ? r : entry_exec(&x->entry, err);
}

static int report(struct exec *x, const struct error *err)
{
	(void)launch_send(x->sync_inside, LAUNCH_FAILED, 0, err, FD_NONE);
	return err->kind == ERROR_NO_PROGRAM ? 127 : err->kind == ERROR_NOT_EXECUTABLE ? 126 : 1;
}

static int exec_born(void *arg)
{
	struct exec *x = arg;
	struct error err = {};

	if (birth_settle(x->process.terminal, &err) == 0)
		(void)finish(x, &err);
	return report(x, &err);
}

static int enter_pid_ns(struct exec *x, struct error *err)
{
	return process_setns(x->pid_ns >= 0 ? x->pid_ns : x->init.fd, CLONE_NEWPID, err);
}

static int walk_in(struct exec *x, struct error *err)
{
	int r = x->cgroup ? cgroup_join_self(&x->join, x->placed) : 0;

	if (r < 0)
		return error_sys(err, -r, "enter the container's cgroup");
	cgroup_join_done(&x->join);
	r = process_set_sid(err);
	/* The host's side sets limits first. */
	if (r == 0)
		r = wait_for_go(x, err);
	if (r == 0)
		r = open_proc(x, err);
	if (r == 0 && x->late_pid)
		r = enter_pid_ns(x, err);
	if (r == 0 && x->process.terminal)
		r = open_terminal(x, err);
	if (r == 0)
		r = entry_attributes(&x->entry, err);
	if (r == 0)
		r = entry_stdio(&x->entry, err);
	if (r == 0)
		r = entry_user(&x->entry, err);
	if (r == 0)
		r = entry_lookup(&x->entry, err);
	if (r == 0)
		r = entry_label(&x->entry, err);
	if (r < 0)
		return r;
	if (x->late_pid)
		return birth_give(&x->entry, x->sync_inside, NULL, 0, exec_born, x, err);
	r = launch_send(x->sync_inside, LAUNCH_READY, 0, NULL, FD_NONE);
	return r < 0 ? error_sys(err, -r, "answer the runtime") : finish(x, err);
}

static int exec_inside(void *arg)
{
	struct exec *x = arg;
	struct error err = {};

	/* We have few of the fds that our memory tells of (fds_for_inside): forget the others, a log file's too. */
	if (x->late_pid)
		fd_close(&x->sync_host);
	x->sync_host = FD_NONE;
	log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_WARN);
	signal_reset(x->ignored_signals);
	(void)walk_in(x, &err);
	return report(x, &err);
}

/* ---- host's side ---------------------------------------------------------------------------------------------------- */

/* Which namespaces the container has of its own. */
static uint64_t own_namespaces(const struct exec *x)
{
	uint64_t flags = 0;

	for (int i = 0; i < SPEC_NS_COUNT; i++)
		if (x->spec.linux_.ns[i].present)
			flags |= spec_ns_clone_flag((enum spec_ns)i);
	return flags;
}

/* Before Linux 5.8 each by its file in procfs. */
static int open_ns(struct exec *x, struct process_join *join, struct error *err)
{
	autoproc struct safepath_proc proc = SAFEPATH_PROC_NONE;
	int r = safepath_proc_open(&proc, true, err);

	join->pidfd = FD_NONE;
	for (int i = 0; i < SPEC_NS_COUNT && r == 0; i++) {
		char rel[16];
		int fd;

		if (!x->spec.linux_.ns[i].present)
			continue;
		(void)snprintf(rel, sizeof(rel), "ns/%s", spec_ns_proc_name((enum spec_ns)i));
		fd = safepath_proc_pid(&proc, x->init.pid, rel, O_RDONLY, err);
		if (fd < 0)
			return fd;
		if (i == SPEC_NS_PID && x->late_pid)
			x->pid_ns = fd;
		else
			join->ns[join->ns_count++] = (struct process_ns){fd, spec_ns_clone_flag((enum spec_ns)i)};
	}
	/* The numbers could have been reused between opening and now; the pidfd could not. */
	if (r == 0 && pidref_kill(&x->init, 0) < 0)
		return error_set(err, ERROR_CONFLICT, ESRCH, "cannot exec in a stopped container");
	return r;
}

static int open_cgroups(struct exec *x, struct error *err)
{
	struct json *cg = json_get(x->state.doc, "cgroup");
	struct spec_strs subs = {.items = (char **)x->opt->cgroups, .count = x->opt->cgroup_count};
	int r = cg ? cgroup_from_json(cg, &x->cgroup, err) : 0;

	if (r < 0 || !x->cgroup || cgroup_is_empty(x->cgroup))
		return r;
	return cgroup_join_open_sub(x->cgroup, &subs, &x->join, err);
}

/* V02: the container's own processes may look into the new one as soon as it is there (CAP_SYS_PTRACE without a user
 * namespace is enough), so it is born without our descriptors of the host and without our caller's. */
static size_t fds_for_inside(const struct exec *x, int *keep)
{
	size_t n = 0;

	keep[n++] = x->sync_inside;
	keep[n++] = x->console_fd;
	for (size_t i = 0; i < x->join.count; i++)
		keep[n++] = x->join.fds[i];
	return n;
}

/* Make the child; where its group takes no process, in that of init. */
static int clone_placed(struct exec *x, struct process_clone *how, int *keep, struct error *err)
{
	int r = process_clone(how, exec_inside, x, &x->child, err);

	if (r != -EBUSY || x->join.clone_fd < 0)
		return r;
	/* A v2 group that hands out controllers holds no processes: go where init is. */
	cgroup_join_done(&x->join);
	r = cgroup_join_open_like(x->cgroup, x->init.pid, &x->join, err);
	how->cgroup_fd = x->join.clone_fd;
	how->keep_count = fds_for_inside(x, keep);
	return r < 0 ? r : process_clone(how, exec_inside, x, &x->child, err);
}

static int clone_child(struct exec *x, struct error *err)
{
	struct process_join join = PROCESS_JOIN_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	int keep[CGROUP_JOIN_MAX + 2];
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make sockets to talk with the process in the container");
	x->sync_host = pair[0];
	x->sync_inside = pair[1];
	join.pidfd = x->init.fd;
	join.pidfd_flags = own_namespaces(x);
	join.become_root = x->spec.linux_.ns[SPEC_NS_USER].present;
	how.placed = &x->placed;
	how.join = &join;
	if (x->late_pid) {
		join.pidfd_flags &= ~(uint64_t)CLONE_NEWPID;
	} else {
		how.keep = keep;
		how.keep_count = fds_for_inside(x, keep);
	}
	how.keep_from = 3 + (int)x->opt->preserve_fds;
	how.cgroup_fd = x->join.clone_fd;
	r = clone_placed(x, &how, keep, err);
	if (r < 0 && err->kind == ERROR_UNSUPPORTED) {
		r = open_ns(x, &join, err);
		if (r == 0)
			r = clone_placed(x, &how, keep, err);
	}
	fd_close(&x->sync_inside);
	fd_close(&x->console_fd);
	for (size_t i = 0; i < join.ns_count; i++)
		close(join.ns[i].fd);
	return r < 0 ? r : 0;
}

/* The OOM score is ours first and so the child's from birth: once it stands in a user namespace its files in /proc are
 * closed to a plain user. We keep it: we end when the child does. */
static int score_self(struct exec *x, struct error *err)
{
	autoproc struct safepath_proc proc = SAFEPATH_PROC_NONE;
	int r;

	if (!x->process.oom_score_adj.set)
		return 0;
	r = safepath_proc_open(&proc, true, err);
	return r < 0 ? r
		     : launch_set_oom_score(&x->process, &proc, getpid(),
					    !caps_have(CAP_SYS_ADMIN) || launch_in_userns(err), err);
}

static int go(struct exec *x, struct error *err)
{
	int r = launch_send(x->sync_host, LAUNCH_GO, 0, NULL, FD_NONE);

	return r < 0 ? error_sys(err, -r, "let the process go on") : 0;
}

static int start_child(struct exec *x, struct error *err)
{
	int r = score_self(x, err);

	if (r == 0)
		r = clone_child(x, err);
	if (r == 0)
		r = launch_set_rlimits(&x->process, x->child.pid, err);
	if (r == 0)
		r = go(x, err);
	if (r == 0)
		r = x->late_pid ? birth_wait(x->sync_host, &x->child, &x->terminal, err)
				: launch_wait(x->sync_host, LAUNCH_READY, NULL, &x->terminal, err);
	/* V34: nothing of the container's runs before it is where the limits hold. */
	if (r == 0 && x->cgroup && !cgroup_is_empty(x->cgroup))
		r = cgroup_verify(x->cgroup, x->child.pid, err);
	if (r == 0 && x->opt->pidfd_socket) {
		autofd int sock = launch_connect(x->opt->pidfd_socket, SOCK_STREAM, err);

		r = sock < 0 ? sock : fd_send(sock, "setns", 5, &x->child.fd, 1);
	}
	if (r == 0)
		r = go(x, err);
	if (r == 0)
		r = launch_await_exec(x->sync_host, &x->spec.linux_.seccomp, &x->state, x->child.pid, err);
	if (r == 0 && x->opt->pid_file)
		r = launch_write_pid_file(x->opt->pid_file, x->child.pid, err);
	if (r < 0 && x->child.pid) {
		int status;

		(void)pidref_kill(&x->child, SIGKILL);
		(void)pidref_wait(&x->child, &status);
	}
	return r;
}

static int prepare(struct exec *x, struct runtime *rt, const char *id, struct error *err)
{
	enum runtime_status status;
	int r = state_load(rt, id, &x->state, err);

	if (r == 0)
		r = state_status(&x->state, &status, &x->init, err);
	if (r < 0)
		return r;
	if (status == RUNTIME_PAUSED && !x->opt->ignore_paused)
		return error_set(err, ERROR_CONFLICT, EBUSY,
				 "cannot exec in a paused container (use --ignore-paused to override)");
	if (status == RUNTIME_STOPPED || status == RUNTIME_CREATING)
		return error_set(err, ERROR_CONFLICT, ESRCH, "cannot exec in a stopped container");
	r = state_load_spec(&x->state, &x->spec, err);
	if (r == 0)
		r = choose_process(x, err);
	if (r == 0)
		r = open_cgroups(x, err);
	if (r == 0 && x->spec.linux_.seccomp.set) {
		r = seccomp_compile(&x->spec.linux_.seccomp, false, &x->filter, err);
		x->have_filter = r == 0;
	}
	if (r == 0 && x->opt->console_socket) {
		x->console_fd = launch_connect(x->opt->console_socket, SOCK_STREAM, err);
		r = x->console_fd < 0 ? x->console_fd : 0;
	}
	if (r < 0)
		return r;
	for (unsigned i = 0; i < x->opt->preserve_fds; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			return error_sys(err, errno, "unable to stat preserved-fd %u (of %u)", i + 1,
					 x->opt->preserve_fds);
	entry_init(&x->entry, &x->arena, &x->process, &x->spec.linux_);
	x->entry.filter = x->have_filter ? &x->filter : NULL;
	x->entry.preserve_fds = x->opt->preserve_fds;
	entry_drop_inactive_labels(&x->entry);
	x->entry.is_exec = true;
	x->late_pid = birth_is_watched(&x->spec.linux_);
	if (x->process.cpu_affinity_initial)
		r = process_set_affinity(0, x->process.cpu_affinity_initial, err);
	return r;
}

int runtime_exec(struct runtime *rt, const char *id, const struct runtime_exec_options *opt, int *ret_exit,
		 struct error *err)
{
	autoforeground struct foreground fg = FOREGROUND_NONE;
	autoexec struct exec x = {
		.opt = opt,
		.state = STATE_NONE,
		.join = CGROUP_JOIN_NONE,
		.init = PIDREF_NONE,
		.child = PIDREF_NONE,
		.sync_host = FD_NONE,
		.sync_inside = FD_NONE,
		.console_fd = FD_NONE,
		.terminal = FD_NONE,
		.pid_ns = FD_NONE,
	};
	int r;

	spec_init(&x.spec);
	x.ignored_signals = signal_get_ignored();
	r = prepare(&x, rt, id, err);
	if (r == 0 && !opt->detach)
		r = foreground_enter(&fg, err);
	if (r == 0)
		r = start_child(&x, err);
	if (r < 0)
		return error_wrap(err, "exec failed");
	*ret_exit = 0;
	return opt->detach ? 0 : foreground_wait(&fg, &x.child, x.terminal, opt->detach_keys, ret_exit, err);
}
