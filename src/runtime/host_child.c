/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host's side: the process, and what must be done to it from outside: id maps, idmapped mounts and the overlay, which take rights
 * over the host's namespaces; limits, oom score, network devices.
 */
#include "runtime/host.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kernel/kernel.h"

uint32_t host_id(const struct spec_id_maps *maps, uint32_t inside)
{
	for (size_t i = 0; i < maps->count; i++)
		if (inside >= maps->items[i].container_id && inside - maps->items[i].container_id < maps->items[i].size)
			return maps->items[i].host_id + (inside - maps->items[i].container_id);
	return inside;
}

/* The namespaces that are entered by path, as descriptors. */
static int open_joined(struct launch *l, struct process_join *join, struct error *err)
{
	for (int i = 0; i < SPEC_NS_COUNT; i++) {
		const char *path = l->spec->linux_.ns[i].path;
		int fd;

		if (!path)
			continue;
		fd = safepath_host_open(path, O_RDONLY, 0, err);
		if (fd < 0)
			return error_wrap(err, "linux.namespaces: %s namespace", spec_ns_name((enum spec_ns)i));
		if (i == SPEC_NS_PID && l->plan.late_pid) {
			l->pid_ns = fd;
			continue;
		}
		join->ns[join->ns_count++] = (struct process_ns){fd, spec_ns_clone_flag((enum spec_ns)i)};
		if (i == SPEC_NS_USER)
			join->become_root = true;
	}
	return 0;
}

int host_clone(struct launch *l, const struct plan_step *s, struct error *err)
{
	struct process_join join = PROCESS_JOIN_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	int pair[2];
	int r;

	(void)s;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make sockets to talk with the process in the container");
	l->sync_host = pair[0];
	l->sync_inside = pair[1];
	how.flags = l->plan.clone_flags;
	how.cgroup_fd = l->join.clone_fd;
	how.placed = &l->placed; /* where that fails (before 5.7) the process moves itself there */
	if (l->plan.join) {
		r = open_joined(l, &join, err);
		how.join = &join;
		if (r < 0)
			goto out;
	}
	/* The working directory is translated into the new mount namespace: no path is resolved a second time. An overlay
	 * needs no place of its own: it covers "/", which any user may enter. */
	if (l->root_fd >= 0 ? fchdir(l->root_fd) < 0 : chdir("/") < 0) {
		r = error_sys(err, errno, "enter '%s'", l->rootfs);
		goto out;
	}
	r = process_clone(&how, launch_inside, l, &l->init, err);
	(void)!chdir("/"); /* not to keep the root busy; nothing relative is opened from here on */
	if (r >= 0) {
		fd_close(&l->sync_inside);
		fd_close(&l->start_fd);
		fd_close(&l->console_fd);
	}
out:
	for (size_t i = 0; i < join.ns_count; i++)
		close(join.ns[i].fd);
	return r < 0 ? r : 0;
}

static size_t to_ranges(const struct spec_id_maps *m, struct ids_range *out)
{
	size_t n = 0;

	for (; n < m->count && n < IDS_MAP_MAX; n++)
		out[n] = (struct ids_range){m->items[n].container_id, m->items[n].host_id, m->items[n].size};
	return n;
}

/* A single id that is our own can be written without rights; more need root, or the setuid helpers. */
static int write_maps(struct launch *l, int proc_dir, enum ids_kind kind, const struct spec_id_maps *maps, uint32_t own,
		      struct error *err)
{
	struct ids_range ranges[IDS_MAP_MAX];
	size_t n = to_ranges(maps, ranges);
	const bool own_only = n == 1 && ranges[0].count == 1 && ranges[0].outside == own;
	int r;

	if (l->facts.privileged)
		return ids_write_map(proc_dir, kind, ranges, n, err);
	if (!own_only)
		return ids_run_helper(kind, l->init.pid, ranges, n, err);
	r = kind == IDS_GID ? ids_deny_setgroups(proc_dir, err) : 0;
	return r < 0 ? r : ids_write_map(proc_dir, kind, ranges, n, err);
}

static int open_proc(struct launch *l, struct error *err)
{
	return l->proc.fd >= 0 ? 0 : safepath_proc_open(&l->proc, true, err);
}

int host_id_maps(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int dir = FD_NONE;
	int r = open_proc(l, err);

	(void)s;
	if (r < 0)
		return r;
	dir = safepath_proc_pid(&l->proc, l->init.pid, "", O_PATH | O_DIRECTORY, err);
	if (dir < 0)
		return dir;
	r = write_maps(l, dir, IDS_UID, &l->spec->linux_.uid_mappings, l->facts.euid, err);
	if (r < 0)
		return error_wrap(err, "linux.uidMappings");
	r = write_maps(l, dir, IDS_GID, &l->spec->linux_.gid_mappings, l->facts.egid, err);
	return r < 0 ? error_wrap(err, "linux.gidMappings") : 0;
}

/* A user namespace with given maps, for one mount (mounts[].uidMappings): a process that exists only to own it. */
static int idle(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) == 0 ? 0 : 1;
}

static int userns_for_maps(struct launch *l, const struct spec_mount *m, int *ret_fd, struct error *err)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref holder = PIDREF_NONE;
	struct ids_range uids[IDS_MAP_MAX];
	struct ids_range gids[IDS_MAP_MAX];
	autofd int dir = FD_NONE;
	autofd int end = FD_NONE;
	int status;
	int p[2];
	int r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "idmapped mounts: make a pipe");
	end = p[1];
	how.flags = CLONE_NEWUSER;
	r = process_clone(&how, idle, &p[0], &holder, err);
	close(p[0]);
	if (r < 0)
		return r;
	dir = safepath_proc_pid(&l->proc, holder.pid, "", O_PATH | O_DIRECTORY, err);
	r = dir < 0 ? dir : ids_write_map(dir, IDS_UID, uids, to_ranges(&m->uid_mappings, uids), err);
	if (r == 0)
		r = ids_write_map(dir, IDS_GID, gids, to_ranges(&m->gid_mappings, gids), err);
	if (r == 0)
		r = safepath_proc_pid(&l->proc, holder.pid, "ns/user", O_RDONLY, err);
	(void)pidref_kill(&holder, SIGKILL);
	fd_close(&end);
	(void)pidref_wait(&holder, &status);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

static int idmap_error(int r, const char *what, struct error *err)
{
	if (r < 0 && err->kind == ERROR_UNSUPPORTED)
		error_hint(
			err,
			"use a file system that can (ext4, xfs, btrfs, tmpfs since 6.3), or give up the mapping: --userns host");
	return r < 0 ? error_wrap(err, "%s", what) : 0;
}

static int idmap_one(struct launch *l, const struct spec_mount *m, size_t i, int container_userns, struct error *err)
{
	autofd int own = FD_NONE;
	char what[64];
	int r = 0;

	(void)snprintf(what, sizeof(what), "mounts[%zu]", i);
	if (l->mount_fds[i] < 0)
		return error_set(err, ERROR_UNSUPPORTED, EPERM,
				 "%s: an idmapped mount needs root's rights over the mount", what);
	if (m->uid_mappings.count || m->gid_mappings.count)
		r = userns_for_maps(l, m, &own, err);
	else if (container_userns < 0)
		r = error_set(err, ERROR_INVALID, EINVAL,
			      "an idmapped mount needs a user namespace or mappings of its own");
	if (r == 0)
		r = mount_set_attrs(l->mount_fds[i], 0, 0, 0, own >= 0 ? own : container_userns,
				    m->idmap == SPEC_MOUNT_IDMAP_RECURSIVE, err);
	return idmap_error(r, what, err);
}

int host_idmap_mounts(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int userns = FD_NONE;
	int r = open_proc(l, err);

	(void)s;
	if (r < 0)
		return r;
	if (l->plan.new_userns || l->spec->linux_.ns[SPEC_NS_USER].path) {
		userns = safepath_proc_pid(&l->proc, l->init.pid, "ns/user", O_RDONLY, err);
		if (userns < 0)
			return userns;
	}
	if (l->root_tree >= 0)
		r = idmap_error(mount_set_attrs(l->root_tree, 0, 0, 0, userns, false, err), "root", err);
	if (l->opt->idmap_root && l->opt->overlay && l->plan.sources_by_host) {
		for (size_t i = 0; i < l->opt->overlay->lower_count && r == 0; i++)
			r = idmap_error(mount_set_attrs(l->layer_fds[i], 0, 0, 0, userns, false, err), "layer", err);
		if (r == 0 && l->upper_fd >= 0)
			r = idmap_error(mount_set_attrs(l->upper_fd, 0, 0, 0, userns, false, err), "writable layer",
					err);
	}
	for (size_t i = 0; i < l->spec->mount_count && r == 0; i++)
		if (l->spec->mounts[i].idmap != SPEC_MOUNT_IDMAP_NONE)
			r = idmap_one(l, &l->spec->mounts[i], i, userns, err);
	return r;
}

int host_overlay(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_linux *lin = &l->spec->linux_;
	const bool idmapped = l->opt->idmap_root && l->plan.new_userns;

	(void)s;
	l->overlay_fd = launch_mount_overlay_as(l, idmapped ? host_id(&lin->uid_mappings, 0) : l->facts.euid,
						idmapped ? host_id(&lin->gid_mappings, 0) : l->facts.egid, err);
	return l->overlay_fd < 0 ? l->overlay_fd : 0;
}

int launch_set_rlimits(const struct spec_process *p, pid_t pid, struct error *err)
{
	for (size_t i = 0; i < p->rlimit_count; i++) {
		const struct spec_rlimit *lim = &p->rlimits[i];
		int r = process_set_rlimit(pid, lim->resource, lim->soft, lim->hard, spec_rlimit_name(lim->resource),
					   err);

		if (r < 0)
			return error_wrap(err, "process.rlimits[%zu]", i);
	}
	return 0;
}

int launch_set_oom_score(const struct spec_process *p, const struct safepath_proc *proc, pid_t pid,
			 bool may_lack_rights, struct error *err)
{
	autofd int dir = safepath_proc_pid(proc, pid, "", O_PATH | O_DIRECTORY, err);
	int r = dir < 0 ? dir : process_set_oom_score_adj(dir, (int)p->oom_score_adj.v, err);

	/* A plain user may only make himself a likelier victim; runc goes on then too. */
	if (r < 0 && err->kind == ERROR_DENIED && may_lack_rights) {
		log_debug("%s", err->msg);
		return 0;
	}
	return r < 0 ? error_wrap(err, "process.oomScoreAdj") : 0;
}

int host_rlimits(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_set_rlimits(&l->spec->process, l->init.pid, err);
}

int host_oom_score(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = open_proc(l, err);

	(void)s;
	return r < 0 ? r
		     : launch_set_oom_score(&l->spec->process, &l->proc, l->init.pid,
					    !l->facts.privileged || l->facts.in_userns, err);
}

int host_net_devices(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int netns = FD_NONE;
	int r = open_proc(l, err);

	(void)s;
	if (r < 0)
		return r;
	netns = safepath_proc_pid(&l->proc, l->init.pid, "ns/net", O_RDONLY, err);
	if (netns < 0)
		return netns;
	for (size_t i = 0; i < l->spec->linux_.net_device_count && r == 0; i++) {
		const struct spec_net_device *d = &l->spec->linux_.net_devices[i];

		r = netlink_device_move(d->host_name, d->name, netns, err);
		if (r < 0)
			error_wrap(err, "linux.netDevices.%s", d->host_name);
	}
	return r;
}
