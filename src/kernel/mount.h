/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_MOUNT_H
#define KERNEL_MOUNT_H

/*
 * The mount API by file descriptor: fsopen/fsconfig/fsmount, open_tree, move_mount, mount_setattr, statmount. Thin
 * calls with sentences for errors, no policy. Everything is async-signal-safe (no allocation), so that the child
 * between clone and exec may call it. All fds made here are close-on-exec and owned by the caller.
 * Source: mount(2), fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2), kernel
 * Documentation/filesystems/mount_api.rst.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* One parameter for a file system. */
struct mount_param {
	const char *key;
	const char *value; /* NULL: a flag */
	/* Borrowed. With value NULL and fd >= 0: FSCONFIG_SET_FD. Where the kernel lacks that for the key, give its
	 * /proc/self/fd path as value. */
	int fd;
};

/* Make a detached mount of a new @fstype superblock.
 * @source: shown in mountinfo, may be NULL. @params: @count of them. @data: further "k=v,k2" text as in mount(8), may
 * be NULL or "". @sb_flags: MS_RDONLY, MS_SYNCHRONOUS, MS_DIRSYNC, MS_LAZYTIME become fsconfig flags.
 * @attrs: MOUNT_ATTR_* of the mount.
 * Returns the fd, or <0: UNSUPPORTED (file system unknown), DENIED, INVALID (the kernel's own message from the fs
 * context log is part of the text). Needs CAP_SYS_ADMIN in the user namespace of the caller's mount namespace. */
int mount_new(const char *fstype, const char *source, const struct mount_param *params, size_t count, const char *data,
	      uint64_t sb_flags, uint64_t attrs, struct error *err);

/* The same on a file system context (fsopen(2)) that the caller has; borrowed, and of no use afterwards. */
int mount_new_from(int fs, const char *fstype, const char *source, const struct mount_param *params, size_t count,
		   const char *data, uint64_t sb_flags, uint64_t attrs, struct error *err);

/* procfs.c: mount_new of a procfs that shows the pid namespace @pid_ns (a descriptor of it; ours or one below it),
 * without a process of ours in there that its inhabitants could make anything of (V02). Where the kernel lacks the
 * option for that (Linux 6.18), a short-lived process without rights, files and a root of the host opens the context
 * there; what it hands out is checked to be a procfs. Needs CAP_SYS_ADMIN over the user namespaces of the mount and
 * of @pid_ns, and a caller without threads. Returns the fd, or <0 as mount_new. */
int mount_new_proc(int pid_ns, const char *source, const char *data, uint64_t sb_flags, uint64_t attrs,
		   struct error *err);

/* Clone what @dirfd/@path refers to as a detached mount (or tree with @recursive). @path may be "" (the fd itself).
 * @flags: AT_SYMLINK_NOFOLLOW or 0. */
int mount_clone(int dirfd, const char *path, bool recursive, int flags, struct error *err);

/* Set @attr_set and clear @attr_clr (MOUNT_ATTR_*; the atime bits are handled as one field) and set @propagation (MS_*,
 * 0: keep) on the mount @fd, or with @recursive on its whole tree. @userns_fd >= 0 adds MOUNT_ATTR_IDMAP.
 * For IDMAP failures the error is UNSUPPORTED and names the file system type. */
int mount_set_attrs(int fd, uint64_t attr_set, uint64_t attr_clr, uint64_t propagation, int userns_fd, bool recursive,
		    struct error *err);

/* Attach the detached mount @fd on what @target_fd refers to (an O_PATH fd). @name: the place in messages. */
int mount_attach(int fd, int target_fd, const char *name, struct error *err);

/* The same on @dirfd/@path: only where nobody else can change the path. */
int mount_attach_at(int fd, int dirfd, const char *path, struct error *err);

/* Give the mount @target_fd, or with @recursive its whole tree, the propagation MS_PRIVATE, MS_SLAVE, MS_SHARED or
 * MS_UNBINDABLE. Before Linux 5.12, or where mount_setattr is refused, by mount(2) through /proc/self/fd. */
int mount_set_propagation(int target_fd, uint64_t propagation, bool recursive, struct error *err);

/* pivot_root(".", ".") with the root at @root_fd, then detach the old root and all that was mounted over "/";
 * afterwards cwd is the new "/", on which nothing lies. <0: EINVAL (the present root is no mount that can be
 * exchanged), EBUSY (what lies on the new root, or over the old one, cannot be unmounted). Source: pivot_root(2)
 * NOTES. */
int mount_pivot(int root_fd, struct error *err);
/* --no-pivot: MS_MOVE the root over "/" and chroot; before that the procfs and sysfs mounts of the host are
 * unmounted, or, where they are locked, covered by an empty tmpfs (they would leave unmasked copies reachable). Other
 * mounts stay where they are, out of sight. Afterwards cwd is the new "/". Needs CAP_SYS_ADMIN and CAP_SYS_CHROOT,
 * and a mount namespace of our own. */
int mount_move_root(int root_fd, struct error *err);

/* Lazy unmount of what @dirfd/@path refers to; does not follow a symlink. */
int mount_detach(int dirfd, const char *path, struct error *err);

/* The same, but only when nobody uses it: <0 BUSY. */
int mount_remove(int dirfd, const char *path, struct error *err);

/* Mount an overlay of the folders @layers (the upper ones first, at least two), read-only, without devices and
 * set-id, onto @target_fd. Marks are user.overlay.*. By mount(2), whose one page of options holds hundreds of
 * descriptors (fsconfig(2) takes 256 bytes, and names layers one by one only since Linux 6.8). Changes the working
 * directory meanwhile. */
int mount_overlay_read_only(const int *layers, size_t count, int target_fd, struct error *err);

/* The MOUNT_ATTR_* now in force on the mount of @fd (statvfs flags), or <0 -errno. */
int mount_get_attrs(int fd, uint64_t *ret_attrs);

/* The file system type of @fd in words ("ext4"), for messages; "unknown file system" when not known. */
const char *mount_fs_name(int fd);

/* Name of the option for one MOUNT_ATTR_* bit, for messages and --explain ("nosuid"). */
const char *mount_attr_name(uint64_t attr);

#endif
