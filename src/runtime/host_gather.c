/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host's side, before there is a process: the record's folder, the root, the layers, the sources of mounts and devices and the
 * filter as descriptors, so that nothing is looked up by name later.
 */
#include "runtime/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"

int host_state_dir(struct launch *l, const struct plan_step *s, struct error *err)
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
int host_root_open(struct launch *l, const struct plan_step *s, struct error *err)
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

int host_layers(struct launch *l, const struct plan_step *s, struct error *err)
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

int host_source(struct launch *l, const struct plan_step *s, struct error *err)
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

int host_device_source(struct launch *l, const struct plan_step *s, struct error *err)
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

int host_seccomp(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r = seccomp_compile(&l->spec->linux_.seccomp, false, &l->filter, err);

	(void)s;
	if (r < 0)
		return error_wrap(err, "linux.seccomp");
	l->have_filter = true;
	l->entry.filter = &l->filter;
	return 0;
}

int host_start_socket(struct launch *l, const struct plan_step *s, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autofd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)s;
	if (sock < 0)
		return error_sys(err, errno, "make the socket where `start` knocks");
	/* By the folder's descriptor: the state root's path may be longer than a socket's name. */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" STATE_START, l->state.dir_fd);
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(sock, 8) < 0)
		return error_sys(err, errno, "make the socket where `start` knocks");
	l->start_fd = take_fd(&sock);
	return 0;
}

int host_sockets(struct launch *l, const struct plan_step *s, struct error *err)
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
