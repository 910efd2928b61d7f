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

static int root_tree(struct launch *l, struct error *err)
{
	if (l->overlay_fd >= 0)
		return take_fd(&l->overlay_fd);
	if (l->opt->overlay)
		return launch_mount_overlay(l, true, err);
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
	if (r == -EBUSY)
		return error_hint(
			err, "a mount whose destination is '/' would hide the root directory: make it the root.path");
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
		l->mask_dir =
			mount_new("tmpfs", "tmpfs", NULL, 0, "size=0k,mode=755", MS_RDONLY,
				  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
		return l->mask_dir;
	}
	return mount_clone(l->mask_dir, "", false, 0, err);
}

/* V06: what covers a file is the host's null device, taken before the root was entered and checked to be it. */
static int null_file(struct launch *l, bool *ret_first, struct error *err)
{
	struct stat st;

	*ret_first = !l->dev_null_attached;
	if (*ret_first) {
		if (fstat(l->null_tree, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
			return error_set(err, ERROR_INVALID, ENODEV, "the host's /dev/null is not the null device");
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
		return error_sys(err, errno, "look at the masked path '%s'", s->name);
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
