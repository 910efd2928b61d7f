/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system inside: attached as a mount of its own, entered by pivot_root, then closed off (read-only paths,
 * masks). Before the pivot everything is addressed through the root's descriptor; afterwards it is "/".
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/inside.h"

#define OVERLAY_MAX_LAYERS 500    /* overlayfs' own bound */
#define FSCONFIG_STRING_BYTES 256 /* fsconfig(2) takes this much */

int inside_propagation(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int root = safepath_host_open_dir("/", err);

	(void)l;
	(void)s;
	if (root < 0)
		return root;
	/* Slave: unmounts on the host still reach us, so that no container keeps a busy disk; nothing of ours reaches the host.
	 * (rshared volumes keep their peers: their mounts were cloned on the host's side.) */
	return mount_set_propagation(root, MS_SLAVE, true, err);
}

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
static int overlay_params(struct launch *l, struct mount_param *params, char (*room)[FSCONFIG_STRING_BYTES], size_t *ret_count,
			  struct error *err)
{
	const struct runtime_overlay *o = l->opt->overlay;
	size_t n = 0;
	size_t len = 0;
	bool fits = true;

	for (size_t i = 0; i < o->lower_count && fits; i++) {
		len += (size_t)snprintf(room[0] + len, FSCONFIG_STRING_BYTES - len, "%s%d", i ? ":" : "", l->layer_fds[i]);
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
		if (snprintf(room[1], FSCONFIG_STRING_BYTES, "%d%s", l->upper_fd, strrchr(o->upper, '/')) >= FSCONFIG_STRING_BYTES ||
		    snprintf(room[2], FSCONFIG_STRING_BYTES, "%d%s", l->upper_fd, strrchr(o->work, '/')) >= FSCONFIG_STRING_BYTES)
			return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "overlay: the name of '%s' is too long", o->upper);
		params[n++] = (struct mount_param){.key = "upperdir", .value = room[1], .fd = FD_NONE};
		params[n++] = (struct mount_param){.key = "workdir", .value = room[2], .fd = FD_NONE};
	}
	/* Inside a user namespace overlayfs keeps its marks in user.overlay.*, which the container's root may write. */
	if (l->plan.new_userns || l->spec->linux_.ns[SPEC_NS_USER].path)
		params[n++] = (struct mount_param){.key = "userxattr", .fd = FD_NONE};
	*ret_count = n;
	return 0;
}

static int mount_overlay(struct launch *l, struct error *err)
{
	struct mount_param params[OVERLAY_MAX_LAYERS + 4];
	char room[3 + OVERLAY_MAX_LAYERS / (FSCONFIG_STRING_BYTES / 8) + 1][FSCONFIG_STRING_BYTES];
	autofd int names = FD_NONE;
	size_t n = 0;
	int tree;
	int r = l->opt->overlay->lower_count > OVERLAY_MAX_LAYERS
			? error_set(err, ERROR_LIMIT, E2BIG, "overlay: %zu layers are more than the kernel's %d",
				    l->opt->overlay->lower_count, OVERLAY_MAX_LAYERS)
			: open_layers(l, err);

	if (r == 0)
		r = overlay_params(l, params, room, &n, err);
	if (r < 0)
		return r;
	names = safepath_host_open_dir("/proc/self/fd", err);
	if (names < 0)
		return names;
	if (fchdir(names) < 0)
		return error_sys(err, errno, "overlay: enter /proc/self/fd");
	tree = mount_new("overlay", "overlay", params, n, NULL, 0, 0, err);
	if (fchdir(l->here_fd) < 0 && tree >= 0)
		return error_sys(err, errno, "overlay: return to the working directory");
	return tree;
}

static int root_tree(struct launch *l, struct error *err)
{
	if (l->opt->overlay)
		return mount_overlay(l, err);
	if (l->root_tree >= 0)
		return take_fd(&l->root_tree);
	return mount_clone(l->here_fd, "", true, 0, err);
}

int inside_root_attach(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r;

	(void)s;
	/* The working directory was set to the place before the clone and came along into our mount namespace; after joining a
	 * mount namespace by path it must be looked up in there. */
	if (l->spec->linux_.ns[SPEC_NS_MOUNT].path)
		l->here_fd = safepath_host_open_dir(l->opt->overlay ? l->opt->bundle : l->rootfs, err);
	else
		l->here_fd = safepath_host_open(".", O_PATH | O_DIRECTORY, 0, err);
	if (l->here_fd < 0)
		return l->here_fd;
	/* Without a mount namespace of its own nothing is mounted: the root is only changed into. */
	if (!l->plan.new_mntns && !l->spec->linux_.ns[SPEC_NS_MOUNT].path) {
		l->new_root = l->here_fd;
		return 0;
	}
	if (l->spec->linux_.masked_paths.count) {
		l->null_tree = mount_clone(AT_FDCWD, "/dev/null", false, 0, err);
		if (l->null_tree < 0)
			return l->null_tree;
	}
	l->new_root = root_tree(l, err);
	if (l->new_root < 0)
		return l->new_root;
	r = mount_set_attrs(l->new_root, 0, 0, MS_PRIVATE, FD_NONE, true, err);
	return r < 0 ? r : mount_attach(l->new_root, l->here_fd, l->rootfs, err);
}

int inside_pivot(struct launch *l, const struct plan_step *s, struct error *err)
{
	int r;

	(void)s;
	if (l->dev_fd >= 0) {
		r = mount_set_attrs(l->dev_fd, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, false, err);
		if (r < 0)
			return error_wrap(err, "/dev");
	}
	if (!l->plan.new_mntns && !l->spec->linux_.ns[SPEC_NS_MOUNT].path) {
		if (fchdir(l->new_root) < 0 || chroot(".") < 0)
			return error_sys(err, errno, "change root to '%s'", l->rootfs);
		return 0;
	}
	r = l->opt->no_pivot ? mount_move_root(l->new_root, err) : mount_pivot(l->new_root, err);
	if (r < 0 && !l->opt->no_pivot && r == -EINVAL)
		return error_hint(err, "when '/' is an initramfs, pivot_root is impossible: use --no-pivot");
	return r;
}

static bool missing(const struct error *err)
{
	return err->code == ENOENT || err->code == ENOTDIR;
}

int inside_readonly_path(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int place = safepath_open(l->new_root, s->name, O_PATH, err);
	autofd int tree = FD_NONE;
	int r;

	if (place < 0)
		return missing(err) ? 0 : place;
	tree = mount_clone(place, "", true, 0, err);
	if (tree < 0)
		return tree;
	r = mount_set_attrs(tree, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, true, err);
	return r < 0 ? r : mount_attach(tree, place, s->name, err);
}

/* V36: one empty read-only directory serves all masks; every mount of it is a clone of the same file system. */
static int empty_dir(struct launch *l, struct error *err)
{
	if (l->mask_dir < 0) {
		l->mask_dir = mount_new("tmpfs", "tmpfs", NULL, 0, "size=0k,mode=755", MS_RDONLY,
					MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
		return l->mask_dir;
	}
	return mount_clone(l->mask_dir, "", false, 0, err);
}

/* V06: what covers a file is the host's null device, taken before the root was entered and checked to be it. */
static int null_file(struct launch *l, bool *ret_first, struct error *err)
{
	struct stat st;

	*ret_first = false;
	if (fstat(l->null_tree, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return error_set(err, ERROR_INVALID, ENODEV, "the host's /dev/null is not the null device");
	if (!l->dev_null_attached) {
		*ret_first = true;
		return l->null_tree;
	}
	return mount_clone(l->null_tree, "", false, 0, err);
}

int inside_mask_path(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int place = safepath_open(l->new_root, s->name, O_PATH, err);
	struct stat st;
	bool first;
	int tree;
	int r;

	if (place < 0)
		return missing(err) ? 0 : place;
	if (fstat(place, &st) < 0)
		return error_sys(err, errno, "masked path '%s'", s->name);
	if (S_ISDIR(st.st_mode)) {
		first = l->mask_dir < 0;
		tree = empty_dir(l, err);
	} else {
		tree = null_file(l, &first, err);
	}
	if (tree < 0)
		return tree;
	r = mount_attach(tree, place, s->name, err);
	/* The first one stays open: once attached to our namespace it is what the others are cloned from. */
	if (!first)
		fd_close(&tree);
	else if (!S_ISDIR(st.st_mode))
		l->dev_null_attached = true;
	return r;
}

int inside_work_dir(struct launch *l, const struct plan_step *s, struct error *err)
{
	autofd int fd = FD_NONE;
	int r = safepath_mkdir_all(l->new_root, s->name, 0755, SAFEPATH_KEEP, &fd, err);

	/* A read-only image without the folder: changing into it will say so. */
	if (r == -EROFS)
		return 0;
	return r < 0 ? error_wrap(err, "process.cwd") : 0;
}

int inside_root_readonly(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return mount_set_attrs(l->new_root, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, false, err);
}

int inside_root_propagation(struct launch *l, const struct plan_step *s, struct error *err)
{
	const uint64_t p = l->spec->linux_.rootfs_propagation;

	(void)s;
	return mount_set_propagation(l->new_root, p & ~(uint64_t)MS_REC, p & MS_REC, err);
}
