/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay that is a container's root.
 *
 * The kernel lets only him clone a layer's mount into an overlay who has CAP_SYS_ADMIN over the user namespace that the
 * mount belongs to (CVE-2025-38499). So where layers are idmapped mounts of the host's side, the host's side makes the
 * overlay too, as the container's root by its file system ids (the overlay acts on its layers as whoever mounted it, and
 * files of the container's must be its root's), while it keeps its capabilities. A plain user's overlay is made inside,
 * where he is root.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/launch.h"

#define OVERLAY_MAX_LAYERS 500    /* overlayfs' own bound */
#define FSCONFIG_STRING_BYTES 256 /* fsconfig(2) takes this much */

/*
 * The layers as descriptors: those that the host's side cloned (and idmapped) before, else opened here, in our own mount
 * namespace, since overlayfs takes only what is mounted in it.
 */
static int open_layers(struct launch *l, struct error *err)
{
	const struct runtime_overlay *o = l->opt->overlay;
	char dir[PATH_MAX];

	for (size_t i = 0; i < o->lower_count; i++) {
		if (l->layer_fds[i] < 0)
			l->layer_fds[i] = safepath_host_open_dir(o->lowers[i], err);
		if (l->layer_fds[i] < 0)
			return l->layer_fds[i];
	}
	if (!o->upper || l->upper_fd >= 0)
		return 0;
	if (str_copy(dir, sizeof(dir), o->upper) < 0)
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "overlay: the path of '%s' is too long", o->upper);
	*strrchr(dir, '/') = '\0';
	l->upper_fd = safepath_host_open_dir(dir, err);
	return l->upper_fd < 0 ? l->upper_fd : 0;
}

/*
 * Names relative to /proc/self/fd are a few bytes each, so that dozens of layers fit in the one short text that
 * fsconfig(2) takes; more are given one by one (lowerdir+, Linux 6.8).
 */
static int overlay_params(struct launch *l, bool userxattr, struct mount_param *params,
			  char (*room)[FSCONFIG_STRING_BYTES], size_t *ret_count, struct error *err)
{
	const struct runtime_overlay *o = l->opt->overlay;
	size_t n = 0;
	size_t len = 0;
	bool fits = true;

	for (size_t i = 0; i < o->lower_count && fits; i++) {
		len += (size_t)snprintf(room[0] + len, FSCONFIG_STRING_BYTES - len, "%s%d", i ? ":" : "",
					l->layer_fds[i]);
		fits = len < FSCONFIG_STRING_BYTES;
	}
	if (fits) {
		params[n++] = (struct mount_param){.key = "lowerdir", .value = room[0], .fd = FD_NONE};
	} else {
		for (size_t i = 0; i < o->lower_count; i++) {
			char *name = room[3 + i / (FSCONFIG_STRING_BYTES / 8)] + 8 * (i % (FSCONFIG_STRING_BYTES / 8));

			(void)snprintf(name, 8, "%d", l->layer_fds[i]);
			params[n++] = (struct mount_param){.key = "lowerdir+", .value = name, .fd = FD_NONE};
		}
	}
	if (o->upper) {
		if (snprintf(room[1], FSCONFIG_STRING_BYTES, "%d%s", l->upper_fd, strrchr(o->upper, '/')) >=
			    FSCONFIG_STRING_BYTES ||
		    snprintf(room[2], FSCONFIG_STRING_BYTES, "%d%s", l->upper_fd, strrchr(o->work, '/')) >=
			    FSCONFIG_STRING_BYTES)
			return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "overlay: the name of '%s' is too long",
					 o->upper);
		params[n++] = (struct mount_param){.key = "upperdir", .value = room[1], .fd = FD_NONE};
		params[n++] = (struct mount_param){.key = "workdir", .value = room[2], .fd = FD_NONE};
	}
	/* Inside a user namespace overlayfs keeps its marks in user.overlay.*, which the container's root may write. */
	if (userxattr)
		params[n++] = (struct mount_param){.key = "userxattr", .fd = FD_NONE};
	*ret_count = n;
	return 0;
}

int launch_mount_overlay(struct launch *l, bool userxattr, struct error *err)
{
	struct mount_param params[OVERLAY_MAX_LAYERS + 4];
	char room[3 + OVERLAY_MAX_LAYERS / (FSCONFIG_STRING_BYTES / 8) + 1][FSCONFIG_STRING_BYTES];
	autofd int names = FD_NONE;
	autofd int back = FD_NONE;
	size_t n = 0;
	int tree;
	int r = l->opt->overlay->lower_count > OVERLAY_MAX_LAYERS
			? error_set(err, ERROR_LIMIT, E2BIG, "overlay: %zu layers are more than the kernel's %d",
				    l->opt->overlay->lower_count, OVERLAY_MAX_LAYERS)
			: open_layers(l, err);

	if (r == 0)
		r = overlay_params(l, userxattr, params, room, &n, err);
	if (r < 0)
		return r;
	names = safepath_host_open_dir("/proc/self/fd", err);
	if (names < 0)
		return names;
	back = safepath_host_open(".", O_PATH | O_DIRECTORY, 0, err);
	if (back < 0)
		return back;
	if (fchdir(names) < 0)
		return error_sys(err, errno, "overlay: enter /proc/self/fd");
	tree = mount_new("overlay", "overlay", params, n, NULL, 0, 0, err);
	if (fchdir(back) < 0 && tree >= 0)
		return error_sys(err, errno, "overlay: return to the working directory");
	return tree;
}

/* Before Linux 6.15 overlayfs takes only layers that are mounted in the namespace of who asks. */
#define OVERLAY_TAKES_DETACHED ((6u << 16) | 15u)

/* A mount namespace that ends with its only process, for mounts that nobody else shall see. */
struct attic {
	struct launch *l;
	int sock;
};

/* A clone of a shared mount is its peer: what came to lie on it would lie on the layer itself, for all to see. */
static int attach_alone(int mount, int root, struct error *err)
{
	int r = mount_set_attrs(mount, 0, 0, MS_PRIVATE, FD_NONE, false, err);

	return r < 0 ? r : mount_attach(mount, root, "/", err);
}

static int attach_layers(struct launch *l, struct error *err)
{
	autofd int root = safepath_host_open_dir("/", err);
	int r = root < 0 ? root : mount_set_propagation(root, MS_PRIVATE, true, err);

	for (size_t i = 0; i < l->opt->overlay->lower_count && r == 0; i++)
		r = attach_alone(l->layer_fds[i], root, err);
	return r < 0 || l->upper_fd < 0 ? r : attach_alone(l->upper_fd, root, err);
}

static int in_attic(void *arg)
{
	struct attic *a = arg;
	struct error err = {};
	int r = attach_layers(a->l, &err);
	int tree = r < 0 ? r : launch_mount_overlay(a->l, true, &err);

	if (tree < 0)
		(void)launch_send(a->sock, LAUNCH_FAILED, 0, &err, FD_NONE);
	else
		(void)launch_send(a->sock, LAUNCH_MAPPED, 0, NULL, tree);
	return 0;
}

static int mount_in_attic(struct launch *l, struct error *err)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref child = PIDREF_NONE;
	autofd int ours = FD_NONE;
	autofd int theirs = FD_NONE;
	struct attic attic = {.l = l};
	struct launch_message m = {};
	int tree = FD_NONE;
	int pair[2];
	int status;
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "overlay: make sockets to talk with the process that mounts it");
	ours = pair[0];
	theirs = attic.sock = pair[1];
	how.flags = CLONE_NEWNS;
	r = process_clone(&how, in_attic, &attic, &child, err);
	if (r < 0)
		return r;
	fd_close(&theirs);
	r = launch_receive(ours, &m, &tree);
	(void)pidref_wait(&child, &status);
	if (r < 0)
		return error_sys(err, -r, "overlay: wait for the process that mounts it");
	if (m.type == LAUNCH_FAILED) {
		*err = m.error;
		return -err->code;
	}
	return tree;
}

int launch_mount_overlay_as(struct launch *l, uint32_t uid, uint32_t gid, struct error *err)
{
	struct caps_sets caps;
	struct error ignored;
	autofd int tree = FD_NONE;
	int r = caps_get_own(&caps, err);

	if (r < 0)
		return r;
	r = ids_set_fs(uid, gid, err);
	/* Leaving fsuid 0 takes the file capabilities from the effective set; the overlay keeps what its maker has. */
	if (r == 0)
		r = caps_set(&caps, NULL, err);
	if (r == 0)
		/* the store marks with user.overlay.* only */
		tree = probe_kernel_version() < OVERLAY_TAKES_DETACHED ? mount_in_attic(l, err)
								       : launch_mount_overlay(l, true, err);
	(void)ids_set_fs(geteuid(), getegid(), &ignored);
	(void)caps_set(&caps, NULL, &ignored);
	if (r < 0)
		return r;
	return tree < 0 ? tree : take_fd(&tree);
}
