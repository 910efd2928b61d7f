/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount API by file descriptor. A mount is made detached (mount_new.c makes one of a new file system, mount_clone
 * here one of what is mounted), given its attributes while nobody can see it, and attached to a place that the caller
 * holds as an fd. No target is ever named by a path that somebody else could change.
 *
 * What it does not do: decide options, resolve paths inside a root (safepath/), remember what was mounted. The change
 * of a process's root is mount_root.c.
 *
 * <linux/mount.h> and glibc 2.36's <sys/mount.h> define the same structs, so only the kernel's header is used in
 * these files and the calls are made by number.
 */
#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/mount_internal.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

#define FD_PATH_MAX 32

static void fd_path(char out[static FD_PATH_MAX], int fd)
{
	(void)snprintf(out, FD_PATH_MAX, "/proc/self/fd/%d", fd);
}

int mount_missing_call(struct error *err, const char *call, int errnum)
{
	error_set(err, ERROR_UNSUPPORTED, errnum, "the kernel, or a filter around this process, has no %s", call);
	return error_hint(
		err,
		"Linux 5.4 or newer is needed; inside another container, its seccomp profile must allow the mount calls");
}

int mount_clone(int dirfd, const char *path, bool recursive, int flags, struct error *err)
{
	unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)flags;
	const char *name = *path ? path : "the directory held";
	long fd;

	if (recursive)
		how |= AT_RECURSIVE;
	if (!*path)
		how |= AT_EMPTY_PATH;
	fd = syscall(SYS_open_tree, dirfd, path, how);
	if (fd >= 0)
		return (int)fd;
	if (errno == ENOSYS)
		return mount_missing_call(err, "open_tree", errno);
	if (errno == EINVAL && !recursive) {
		error_sys(err, errno, "clone the mount at '%s'", name);
		return error_hint(
			err,
			"inside a user namespace, what other mounts cover can only be bound together with them: use rbind");
	}
	return error_sys(err, errno, "clone the mount%s at '%s'", recursive ? "s" : "", name);
}

/* MOUNT_ATTR_* in the words of mount(2); the values were made alike, but for these. */
static unsigned long attrs_to_ms(uint64_t attrs)
{
	unsigned long ms = attrs & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	switch (attrs & MOUNT_ATTR__ATIME) {
	case MOUNT_ATTR_NOATIME:
		ms |= MS_NOATIME;
		break;
	case MOUNT_ATTR_STRICTATIME:
		ms |= MS_STRICTATIME;
		break;
	default:
		ms |= MS_RELATIME;
	}
	if (attrs & MOUNT_ATTR_NODIRATIME)
		ms |= MS_NODIRATIME;
	if (attrs & MOUNT_ATTR_NOSYMFOLLOW)
		ms |= 256; /* MS_NOSYMFOLLOW, 5.10 */
	return ms;
}

/* Before 5.12: a bind remount, which the kernel allows for attached mounts only. */
static int set_attrs_old(int fd, uint64_t set, uint64_t clr, struct error *err)
{
	char path[FD_PATH_MAX];
	uint64_t now = 0;
	int r = mount_get_attrs(fd, &now);

	if (r < 0)
		return error_sys(err, -r, "read the attributes of a mount");
	now = (now & ~clr) | set;
	fd_path(path, fd);
	if (syscall(SYS_mount, NULL, path, NULL, MS_REMOUNT | MS_BIND | attrs_to_ms(now), NULL) < 0)
		return errno == EINVAL
			       ? mount_missing_call(err,
						    "mount_setattr (Linux 5.12), and the mount is not attached yet",
						    ENOSYS)
			       : error_sys(err, errno, "change the attributes of a mount");
	return 0;
}

static int set_attrs_error(struct error *err, int fd, bool idmap, uint64_t set, int errnum)
{
	if (idmap) {
		error_set(err, ERROR_UNSUPPORTED, errnum, "map the ids of a mount of file system '%s': %s",
			  mount_fs_name(fd), error_text(errnum));
		return error_hint(
			err,
			"this kernel cannot map ids on that file system; use another one, or no id mapping for this mount");
	}
	if (errnum == EPERM) {
		error_set(err, ERROR_DENIED, errnum,
			  "change the attributes of a mount: a flag is locked by the user namespace that owns it");
		return error_hint(err, "keep nosuid, nodev, noexec, ro and the atime option of the source mount");
	}
	for (uint64_t bit = 1; bit && bit <= set; bit <<= 1)
		if (errnum == EINVAL && (set & bit) && bit >= MOUNT_ATTR_NOSYMFOLLOW)
			return error_set(err, ERROR_UNSUPPORTED, errnum, "this kernel has no mount attribute '%s'",
					 mount_attr_name(bit));
	return error_sys(err, errnum, "change the attributes of a mount of file system '%s'", mount_fs_name(fd));
}

int mount_set_attrs(int fd, uint64_t attr_set, uint64_t attr_clr, uint64_t propagation, int userns_fd, bool recursive,
		    struct error *err)
{
	struct mount_attr attr = {.attr_set = attr_set, .attr_clr = attr_clr, .propagation = propagation};
	int r;

	if ((attr_set | attr_clr) & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (userns_fd >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)userns_fd;
	}
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) ==
	    0)
		return 0;
	if (errno != ENOSYS)
		return set_attrs_error(err, fd, userns_fd >= 0, attr.attr_set, errno);
	if (userns_fd >= 0 || recursive)
		return mount_missing_call(err, "mount_setattr (Linux 5.12)", ENOSYS);
	if (attr.attr_set | attr.attr_clr) {
		r = set_attrs_old(fd, attr.attr_set, attr.attr_clr, err);
		if (r < 0)
			return r;
	}
	return propagation ? mount_set_propagation(fd, propagation, recursive, err) : 0;
}

int mount_attach(int fd, int target_fd, const char *name, struct error *err)
{
	if (syscall(SYS_move_mount, fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
		return 0;
	if (errno == ENOSYS)
		return mount_missing_call(err, "move_mount", errno);
	return error_sys(err, errno, "mount on '%s'", name);
}

int mount_attach_at(int fd, int dirfd, const char *path, struct error *err)
{
	if (syscall(SYS_move_mount, fd, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	if (errno == ENOSYS)
		return mount_missing_call(err, "move_mount", errno);
	return error_sys(err, errno, "mount on '%s'", path);
}

int mount_set_propagation(int target_fd, uint64_t propagation, bool recursive, struct error *err)
{
	struct mount_attr attr = {.propagation = propagation};
	char path[FD_PATH_MAX];

	if (syscall(SYS_mount_setattr, target_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
		    sizeof(attr)) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return error_sys(err, errno, "change the propagation of a mount");
	fd_path(path, target_fd);
	if (syscall(SYS_mount, NULL, path, NULL, propagation | (recursive ? MS_REC : 0UL), NULL) < 0)
		return error_sys(err, errno, "change the propagation of a mount");
	return 0;
}

static int take_away(int dirfd, const char *path, int flags, struct error *err)
{
	autofd int back = FD_NONE;
	char self[FD_PATH_MAX];
	long r;

	/* umount2 takes no directory fd. Going there needs no procfs; a file's mount can only be named through it. */
	if (dirfd == AT_FDCWD) {
		r = syscall(SYS_umount2, path, flags | UMOUNT_NOFOLLOW);
	} else {
		back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fchdir(dirfd) == 0) {
			r = syscall(SYS_umount2, *path ? path : ".", flags | UMOUNT_NOFOLLOW);
			r = r < 0 ? -errno : 0;
			if (back >= 0 && fchdir(back) < 0)
				return error_sys(err, errno, "return to the working directory");
			errno = (int)-r;
		} else {
			fd_path(self, dirfd);
			r = *path ? -1 : syscall(SYS_umount2, self, flags);
		}
	}
	return r < 0 ? error_sys(err, errno, "unmount '%s'", *path ? path : "the place held") : 0;
}

int mount_detach(int dirfd, const char *path, struct error *err)
{
	return take_away(dirfd, path, MNT_DETACH, err);
}

int mount_remove(int dirfd, const char *path, struct error *err)
{
	return take_away(dirfd, path, 0, err);
}

int mount_overlay_read_only(const int *layers, size_t count, int target_fd, struct error *err)
{
	autofd int names = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char options[4096], target[16]; /* mount(2) takes a page */
	int len = snprintf(options, sizeof(options), "userxattr,lowerdir=");
	int r = 0;

	for (size_t i = 0; i < count && len < (int)sizeof(options); i++)
		len += snprintf(options + len, sizeof(options) - (size_t)len, "%s%d", i ? ":" : "", layers[i]);
	if (len >= (int)sizeof(options))
		return error_set(err, ERROR_LIMIT, E2BIG, "overlay: %zu layers are too many for one mount", count);
	(void)snprintf(target, sizeof(target), "%d", target_fd);
	if (names < 0 || back < 0 || fchdir(names) < 0)
		return error_sys(err, errno, "overlay: enter /proc/self/fd");
	if (syscall(SYS_mount, "overlay", target, "overlay", MS_RDONLY | MS_NODEV | MS_NOSUID, options) < 0)
		r = errno;
	if (fchdir(back) < 0 && r == 0)
		r = errno;
	return r ? error_sys(err, r, "overlay of %zu layers", count) : 0;
}
