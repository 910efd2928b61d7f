/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a launch. It walks the host list of the plan; each step leaves what it made in struct launch, and
 * launch_undo() gives back, in reverse order, whatever is there. Since every resource has one field that tells whether it
 * exists, undo is right after a failure at any step.
 */
#include "runtime/launch.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernel/kernel.h"
#include "runtime/host.h"

static const host_fn steps[PLAN_HOST_OP_COUNT] = {
	[PLAN_STATE_DIR] = host_state_dir,
	[PLAN_ROOT_OPEN] = host_root_open,
	[PLAN_LAYERS] = host_layers,
	[PLAN_SOURCE] = host_source,
	[PLAN_DEVICE_SOURCE] = host_device_source,
	[PLAN_SECCOMP_COMPILE] = host_seccomp,
	[PLAN_START_SOCKET] = host_start_socket,
	[PLAN_SOCKETS] = host_sockets,
	[PLAN_CGROUP_CREATE] = host_cgroup_create,
	[PLAN_CGROUP_LIMITS] = host_cgroup_limits,
	[PLAN_CLONE] = host_clone,
	[PLAN_ID_MAPS] = host_id_maps,
	[PLAN_IDMAP_MOUNTS] = host_idmap_mounts,
	[PLAN_OVERLAY] = host_overlay,
	[PLAN_MAPPED_TELL] = host_mapped_tell,
	[PLAN_CGROUP_VERIFY] = host_cgroup_verify,
	[PLAN_RLIMITS] = host_rlimits,
	[PLAN_OOM_SCORE] = host_oom_score,
	[PLAN_NET_DEVICES] = host_net_devices,
	[PLAN_PREPARED_WAIT] = host_prepared_wait,
	[PLAN_HOOKS_RUNTIME] = host_hooks_runtime,
	[PLAN_HOOKED_TELL] = host_hooked_tell,
	[PLAN_READY_WAIT] = host_ready_wait,
	[PLAN_BIRTH_WAIT] = host_birth_wait,
	[PLAN_PIDFD_SEND] = host_pidfd_send,
	[PLAN_GO_TELL] = host_go_tell,
	[PLAN_RECORD] = host_record,
	[PLAN_PID_FILE] = host_pid_file,
	[PLAN_RECORDED_TELL] = host_recorded_tell,
};

static int *fd_array(size_t count)
{
	int *fds = mem_alloc(count * sizeof(int));

	for (size_t i = 0; i < count; i++)
		fds[i] = FD_NONE;
	return fds;
}

static void fd_array_free(int *fds, size_t count)
{
	for (size_t i = 0; fds && i < count; i++)
		fd_close(&fds[i]);
	free(fds);
}

/* What the document asks of this host, asked once. */
static int gather_facts(struct launch *l, struct error *err)
{
	struct error ignored;
	int r = cgroup_host_probe(&l->cgroup_host, err);

	if (r < 0)
		return r;
	l->facts = (struct plan_facts){
		.privileged = caps_have(CAP_SYS_ADMIN),
		.euid = geteuid(),
		.egid = getegid(),
	};
	l->facts.in_userns = launch_in_userns(&ignored);
	l->ignored_signals = signal_get_ignored();
	return 0;
}

/* When the other side has failed, what we stumble over is only a consequence: its own words are the reason. */
static void prefer_reason_inside(struct launch *l, struct error *err)
{
	struct pollfd p = {.fd = l->sync_host, .events = POLLIN};
	struct launch_message m;

	while (l->init.pid && poll(&p, 1, 0) > 0 && launch_receive(l->sync_host, &m, NULL) == 0)
		if (m.type == LAUNCH_FAILED) {
			*err = m.error;
			err->code = err->code > 0 ? err->code : EIO;
			err->msg[sizeof(err->msg) - 1] = err->hint[sizeof(err->hint) - 1] = '\0';
			return;
		}
}

static int run_steps(struct launch *l, struct error *err)
{
	for (size_t i = 0; i < l->plan.host_count; i++) {
		const struct plan_step *s = &l->plan.host[i];
		struct runtime_trace *trace = i < TRACE_STEPS_MAX ? l->opt->trace : NULL;
		int r;

		if (trace)
			trace->host_ns[i][0] = clock_monotonic_ns();
		r = launch_inject("host", i, err);
		if (r == 0)
			r = steps[s->op](l, s, err);
		if (trace)
			trace->host_ns[i][1] = clock_monotonic_ns();
		if (r < 0) {
			prefer_reason_inside(l, err);
			return -err->code;
		}
	}
	return 0;
}

static int check_preserved(const struct runtime_create_options *opt, struct error *err)
{
	for (unsigned i = 0; i < opt->preserve_fds; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			return error_sys(err, errno, "unable to stat preserved-fd %u (of %u)", i + 1,
					 opt->preserve_fds);
	return 0;
}

int launch_create(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		  bool wait_start, struct launch *l, struct error *err)
{
	int r;

	*l = (struct launch){
		.rt = rt,
		.spec = spec,
		.opt = opt,
		.state = STATE_NONE,
		.join = CGROUP_JOIN_NONE,
		.proc = SAFEPATH_PROC_NONE,
		.root_fd = FD_NONE,
		.root_tree = FD_NONE,
		.upper_fd = FD_NONE,
		.overlay_fd = FD_NONE,
		.start_fd = FD_NONE,
		.console_fd = FD_NONE,
		.pidfd_fd = FD_NONE,
		.pid_ns = FD_NONE,
		.init = PIDREF_NONE,
		.sync_host = FD_NONE,
		.sync_inside = FD_NONE,
		.terminal = FD_NONE,
		.notify = NOTIFY_NONE,
		.new_root = FD_NONE,
		.here_fd = FD_NONE,
		.null_tree = FD_NONE,
		.mask_dir = FD_NONE,
		.dev_fd = FD_NONE,
		.dev_dir = FD_NONE,
		.fresh_dev = FD_NONE,
	};
	l->entry.proc = SAFEPATH_PROC_NONE;
	r = gather_facts(l, err);
	if (r == 0)
		r = check_preserved(opt, err);
	if (r == 0)
		r = runtime_plan_build(spec, opt, &l->facts, wait_start, &l->plan, err);
	if (r < 0) {
		launch_done(l);
		return r;
	}
	l->mount_fds = fd_array(spec->mount_count);
	l->device_fds = l->plan.bind_devices && l->plan.sources_by_host ? fd_array(l->plan.device_count) : NULL;
	l->layer_fds = opt->overlay ? fd_array(opt->overlay->lower_count) : NULL;
	entry_init(&l->entry, &l->plan.arena, &spec->process, &spec->linux_);
	l->entry.preserve_fds = opt->preserve_fds;
	entry_drop_inactive_labels(&l->entry);
	r = run_steps(l, err);
	if (r < 0) {
		launch_undo(l);
		launch_done(l);
	}
	return r;
}

/* The listener goes out the moment the filter is in force; then the exec closes the connection. */
int launch_go(struct launch *l, struct error *err)
{
	return launch_await_exec(l->sync_host, &l->spec->linux_.seccomp, &l->state, l->init.pid, err);
}

void launch_undo(struct launch *l)
{
	struct error ignored;
	int status;

	if (l->init.pid) {
		(void)pidref_kill(&l->init, SIGKILL);
		(void)pidref_wait(&l->init, &status);
	}
	if (l->cgroup && cgroup_delete(l->cgroup, CGROUP_DELETE_UNDO, &ignored) < 0)
		log_warn("%s", ignored.msg);
	if (l->state_made && state_remove(l->rt, l->opt->id, l->state.dir_fd, &ignored) < 0)
		log_warn("%s", ignored.msg);
	l->state_made = false;
}

void launch_done(struct launch *l)
{
	fd_array_free(l->mount_fds, l->mount_fds ? l->spec->mount_count : 0);
	fd_array_free(l->device_fds, l->device_fds ? l->plan.device_count : 0);
	fd_array_free(l->layer_fds, l->layer_fds ? l->opt->overlay->lower_count : 0);
	fd_close(&l->root_fd);
	fd_close(&l->root_tree);
	fd_close(&l->upper_fd);
	fd_close(&l->overlay_fd);
	fd_close(&l->start_fd);
	fd_close(&l->console_fd);
	fd_close(&l->pidfd_fd);
	fd_close(&l->pid_ns);
	fd_close(&l->sync_host);
	fd_close(&l->sync_inside);
	fd_close(&l->terminal);
	notify_done(&l->notify);
	if (l->have_filter)
		seccomp_program_done(&l->filter);
	cgroup_join_done(&l->join);
	cgroup_free(l->cgroup);
	cgroup_host_done(&l->cgroup_host);
	safepath_proc_close(&l->proc);
	pidref_done(&l->init);
	state_done(&l->state);
	runtime_plan_done(&l->plan);
}
