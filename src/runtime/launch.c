/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a launch. It walks the host list of the plan; each step leaves what it made in struct launch, and
 * launch_undo() gives back, in reverse order, whatever is there. Since every resource has one field that tells whether it
 * exists, undo is right after a failure at any step.
 */
#include "runtime/launch.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/birth.h"
#include "runtime/hooks.h"

typedef int (*host_fn)(struct launch *l, const struct plan_step *s, struct error *err);

static int host_state_dir(struct launch *l, const struct plan_step *s, struct error *err)
{
	char created[CLOCK_RFC3339_MAX];
	int r = state_create(l->rt, l->opt->id, &l->state.dir_fd, err);

	(void)s;
	if (r < 0)
		return r;
	l->state_made = true;
	clock_format_rfc3339(clock_realtime_ns(), created);
	l->state.id = l->opt->id;
	l->state.oci_version = l->spec->oci_version;
	l->state.bundle = l->opt->bundle;
	l->state.rootfs = l->rootfs;
	l->state.created = arena_strdup(&l->state.arena, created);
	l->state.owner = geteuid();
	l->state.annotations = l->spec->annotations;
	r = l->opt->notify_socket ? notify_make_dir(l->state.dir_fd, err) : 0;
	if (r == 0 && !l->plan.wait_start)
		r = notify_open(l->opt->notify_socket, l->state.dir_fd, &l->notify, err);
	if (r < 0)
		return r;
	if (l->opt->config_text)
		return state_write_new(l->state.dir_fd, STATE_CONFIG, l->opt->config_text, l->opt->config_len, err);
	autojson struct json *doc = spec_to_json(l->spec);
	autobuf struct buf text = BUF_INIT(SPEC_CONFIG_MAX_BYTES);

	if (!json_write(doc, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the container's configuration is too large");
	return state_write_new(l->state.dir_fd, STATE_CONFIG, text.data, text.len, err);
}

/* The bundle may name its root relative to itself, and the root may be a symlink (the engine's own doing). */
static int host_root_open(struct launch *l, const struct plan_step *s, struct error *err)
{
	char path[4096];
	int n = s->name[0] == '/' ? snprintf(path, sizeof(path), "%s", s->name)
				  : snprintf(path, sizeof(path), "%s/%s", l->opt->bundle, s->name);
	int r;

	if (n < 0 || (size_t)n >= sizeof(path))
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "root.path is too long");
	l->root_fd = safepath_host_open_dir(path, err);
	if (l->root_fd < 0)
		return error_hint(err, "root.path must be an existing directory");
	/* Its name comes from what was opened: nobody can exchange it between the two. */
	r = safepath_host_name_of(l->root_fd, l->rootfs, sizeof(l->rootfs), err);
	if (r < 0)
		return error_wrap(err, "root.path");
	if (str_eq(l->rootfs, "/"))
		return error_set(err, ERROR_INVALID, EINVAL, "root.path: the host's own root cannot be a container's");
	if (l->opt->idmap_root && l->plan.new_userns && l->plan.sources_by_host) {
		l->root_tree = mount_clone(l->root_fd, "", false, 0, err);
		return l->root_tree < 0 ? l->root_tree : 0;
	}
	return 0;
}

static int host_layers(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct runtime_overlay *o = l->opt->overlay;

	(void)s;
	for (size_t i = 0; i < o->lower_count; i++) {
		l->layer_fds[i] = mount_clone(AT_FDCWD, o->lowers[i], false, 0, err);
		if (l->layer_fds[i] < 0)
			return l->layer_fds[i];
	}
	if (o->upper) {
		autofree char *dir = mem_strndup(o->upper, (size_t)(strrchr(o->upper, '/') - o->upper));

		l->upper_fd = mount_clone(AT_FDCWD, dir, false, 0, err);
	}
	return o->upper && l->upper_fd < 0 ? l->upper_fd : 0;
}

static int host_source(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_mount *m = &l->spec->mounts[s->index];
	char path[4096];
	int n = m->source[0] == '/' ? snprintf(path, sizeof(path), "%s", m->source)
				    : snprintf(path, sizeof(path), "%s/%s", l->opt->bundle, m->source);
	struct error probe;
	char target[8];

	if (n < 0 || (size_t)n >= sizeof(path))
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "mounts[%zu].source is too long", s->index);
	/* A symlink that is to be copied has no source to clone. */
	if (m->copy_symlink &&
	    (safepath_host_readlink(path, target, sizeof(target), &probe) == 0 || probe.kind == ERROR_LIMIT))
		return 0;
	l->mount_fds[s->index] =
		mount_clone(AT_FDCWD, path, m->recursive_bind, m->src_nofollow ? AT_SYMLINK_NOFOLLOW : 0, err);
	if (l->mount_fds[s->index] < 0)
		return error_wrap(err, "mounts[%zu].source", s->index);
	return 0;
}

static int host_device_source(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_device *d = &l->plan.devices[s->index];
	char path[64];

	if (d->type == 'p')
		return 0;
	l->device_fds[s->index] = mount_clone(AT_FDCWD, d->path, false, 0, err);
	if (l->device_fds[s->index] >= 0 || err->kind != ERROR_NOT_FOUND)
		return l->device_fds[s->index] < 0 ? l->device_fds[s->index] : 0;
	/* Under another name inside than outside: /dev/char and /dev/block list the nodes by number. */
	(void)snprintf(path, sizeof(path), "/dev/%s/%u:%u", d->type == 'b' ? "block" : "char", d->major, d->minor);
	l->device_fds[s->index] = mount_clone(AT_FDCWD, path, false, 0, err);
	return l->device_fds[s->index] < 0 ? error_wrap(err, "device '%s'", d->path) : 0;
}

static int host_seccomp(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = seccomp_compile(&l->spec->linux_.seccomp, false, &l->filter, err);

	(void)s;
	if (r < 0)
		return error_wrap(err, "linux.seccomp");
	l->have_filter = true;
	l->entry.filter = &l->filter;
	return 0;
}

static int host_start_socket(struct launch *l, const struct plan_step *s, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autofd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)s;
	if (sock < 0)
		return error_sys(err, errno, "start socket");
	/* By the folder's descriptor: the state root's path may be longer than a socket's name. */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" STATE_START, l->state.dir_fd);
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(sock, 8) < 0)
		return error_sys(err, errno, "start socket");
	l->start_fd = take_fd(&sock);
	return 0;
}

static int host_sockets(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	if (l->opt->console_socket) {
		l->console_fd = launch_connect(l->opt->console_socket, SOCK_STREAM, err);
		if (l->console_fd < 0)
			return error_wrap(err, "--console-socket");
	}
	if (l->opt->pidfd_socket) {
		l->pidfd_fd = launch_connect(l->opt->pidfd_socket, SOCK_STREAM, err);
		if (l->pidfd_fd < 0)
			return error_wrap(err, "--pidfd-socket");
	}
	return 0;
}

/* What the container's root is on the host, for handing the group over to it. */
static uint32_t host_id(const struct spec_id_maps *maps, uint32_t inside)
{
	for (size_t i = 0; i < maps->count; i++)
		if (inside >= maps->items[i].container_id && inside - maps->items[i].container_id < maps->items[i].size)
			return maps->items[i].host_id + (inside - maps->items[i].container_id);
	return inside;
}

static bool cgroup_is_writable(const struct spec *s)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if ((str_eq(s->mounts[i].type, "cgroup") || str_eq(s->mounts[i].type, "cgroup2")) &&
		    !(s->mounts[i].attr_set & MOUNT_ATTR_RDONLY))
			return true;
	return false;
}

/* The document's limits with the device rules completed; a shallow copy that borrows everything. */
static struct spec_resources resources(const struct launch *l)
{
	struct spec_resources res = l->spec->linux_.resources;

	res.devices = l->plan.device_rules;
	res.device_count = l->plan.device_rule_count;
	return res;
}

static int host_cgroup_create(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_resources res = resources(l);
	struct cgroup_request req = {
		.path = l->spec->linux_.cgroups_path,
		.id = l->opt->id,
		.resources = &res,
		.may_lack_rights = !l->facts.privileged || l->facts.in_userns,
		.delegate = l->plan.new_userns && l->plan.new_cgroupns && cgroup_is_writable(l->spec),
		.owner_uid = host_id(&l->spec->linux_.uid_mappings, 0),
		.owner_gid = host_id(&l->spec->linux_.gid_mappings, 0),
	};
	int r;

	(void)s;
	/* A plain user can't set device rules; the user namespace keeps him from making nodes anyway. */
	if (req.may_lack_rights) {
		struct spec_resources plain = l->spec->linux_.resources;

		plain.device_count = 0;
		req.resources = &plain;
		r = cgroup_create(&l->cgroup_host, &req, &l->cgroup, err);
	} else {
		r = cgroup_create(&l->cgroup_host, &req, &l->cgroup, err);
	}
	if (r < 0)
		return r;
	/* Recorded before anything is in it, so that a crash leaves nothing that delete does not know. */
	r = state_save(l->state.dir_fd, &l->state, cgroup_to_json(l->cgroup), err);
	return r < 0 ? r : cgroup_join_open(l->cgroup, &l->join, err);
}

static int host_cgroup_limits(struct launch *l, const struct plan_step *s, struct error *err)
{
	struct spec_resources res = resources(l);

	(void)s;
	if (!l->facts.privileged || l->facts.in_userns)
		res.device_count = 0;
	return cgroup_apply(l->cgroup, &res, CGROUP_APPLY_CREATE, err);
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

static int host_clone(struct launch *l, const struct plan_step *s, struct error *err)
{
	struct process_join join = PROCESS_JOIN_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	int pair[2];
	int r;

	(void)s;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "socketpair");
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

static int host_id_maps(struct launch *l, const struct plan_step *s, struct error *err)
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
		return error_sys(err, errno, "pipe");
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

static int host_idmap_mounts(struct launch *l, const struct plan_step *s, struct error *err)
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

static int tell(struct launch *l, enum launch_message_type type, pid_t pid, struct error *err)
{
	int r = launch_send(l->sync_host, type, pid, NULL, FD_NONE);

	return r < 0 ? error_sys(err, -r, "let the container's first process go on") : 0;
}

static int host_overlay(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_linux *lin = &l->spec->linux_;
	const bool idmapped = l->opt->idmap_root && l->plan.new_userns;

	(void)s;
	l->overlay_fd = launch_mount_overlay_as(l, idmapped ? host_id(&lin->uid_mappings, 0) : l->facts.euid,
						idmapped ? host_id(&lin->gid_mappings, 0) : l->facts.egid, err);
	return l->overlay_fd < 0 ? l->overlay_fd : 0;
}

/* The overlay goes along with the word: it was made after the other side began its own life. */
static int host_mapped_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = launch_send(l->sync_host, LAUNCH_MAPPED, 0, NULL, l->overlay_fd);

	(void)s;
	fd_close(&l->overlay_fd);
	return r < 0 ? error_sys(err, -r, "let the container's first process go on") : 0;
}

/* V34: limits hold only for those who are in. */
static int host_cgroup_verify(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return cgroup_verify(l->cgroup, l->init.pid, err);
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

static int host_rlimits(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_set_rlimits(&l->spec->process, l->init.pid, err);
}

static int host_oom_score(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = open_proc(l, err);

	(void)s;
	return r < 0 ? r
		     : launch_set_oom_score(&l->spec->process, &l->proc, l->init.pid,
					    !l->facts.privileged || l->facts.in_userns, err);
}

static int host_net_devices(struct launch *l, const struct plan_step *s, struct error *err)
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

static int host_prepared_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_wait(l->sync_host, LAUNCH_PREPARED, NULL, &l->terminal, err);
}

static int host_hooks_runtime(struct launch *l, const struct plan_step *s, struct error *err)
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

static int host_hooked_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_HOOKED, l->init.pid, err);
}

static int host_ready_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return launch_wait(l->sync_host, LAUNCH_READY, NULL, &l->terminal, err);
}

static int host_birth_wait(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return birth_wait(l->sync_host, &l->init, &l->terminal, err);
}

static int host_pidfd_send(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = fd_send(l->pidfd_fd, "standard", 8, &l->init.fd, 1);

	(void)s;
	fd_close(&l->pidfd_fd);
	return r < 0 ? error_sys(err, -r, "send the pidfd to '%s'", l->opt->pidfd_socket) : 0;
}

static int host_go_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_GO, l->init.pid, err);
}

static int host_recorded_tell(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return tell(l, LAUNCH_RECORDED, l->init.pid, err);
}

static int host_record(struct launch *l, const struct plan_step *s, struct error *err)
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

static int host_pid_file(struct launch *l, const struct plan_step *s, struct error *err)
{
	return launch_write_pid_file(s->name, l->init.pid, err);
}

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
