/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's root becomes another directory: by pivot_root, or, where the present root is a ramfs, by moving the new
 * root over "/". The second way leaves the old mounts where they were, so the host's procfs and sysfs are taken away
 * first: they would be copies without masks.
 */
#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/mount_internal.h"

/* Whether the mount of @root_fd is what lies topmost on "/": 1, 0 or <0. The root itself may be hidden by what was mounted on
 * it; a path that starts there stays beneath, but ".." of the root leads to the top, and so does setns(2) to our mount
 * namespace. (Before Linux 5.8 there are no numbers of mounts; then the directories are compared.) */
static int root_is_on_top(int root_fd, struct error *err)
{
	const unsigned mask = STATX_INO | STATX_MNT_ID;
	const int how = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
	struct statx root = {};
	struct statx top = {};

	if (syscall(SYS_statx, root_fd, "", AT_EMPTY_PATH | how, mask, &root) < 0 ||
	    syscall(SYS_statx, AT_FDCWD, "/..", how, mask, &top) < 0)
		return error_sys(err, errno, "look at what lies on the root directory");
	return root.stx_mnt_id == top.stx_mnt_id && root.stx_ino == top.stx_ino &&
	       root.stx_dev_major == top.stx_dev_major && root.stx_dev_minor == top.stx_dev_minor;
}

/* Unmount the working directory, the old root, which lies on top of the new one. umount(2) takes the top of what is stacked there,
 * and a mount that hid the old root ("/" mounted over) came along with it: the top ones go first. */
static int drop_old_root(int root_fd, struct error *err)
{
	int on_top = 0;

	while (on_top == 0) {
		if (syscall(SYS_umount2, ".", MNT_DETACH) < 0)
			return errno == EINVAL
				       ? error_set(err, ERROR_INVALID, EBUSY,
						   "unmount the old root: something that cannot be unmounted lies on "
						   "it, or on the new root directory")
				       : error_sys(err, errno, "unmount the old root");
		on_top = root_is_on_top(root_fd, err);
	}
	return on_top < 0 ? on_top : 0;
}

int mount_pivot(int root_fd, struct error *err)
{
	autofd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (old < 0)
		return error_sys(err, errno, "open the present root directory");
	if (fchdir(root_fd) < 0)
		return error_sys(err, errno, "enter the container's root directory");
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		int errnum = errno;

		error_sys(err, errnum, "make the container's root directory '/' (pivot_root)");
		if (errnum == EINVAL)
			error_hint(
				err,
				"the present root is a ramfs or initramfs, or mounts are shared: --no-pivot works there");
		return -errnum;
	}
	/* The old root now lies on top of the new one. Without the slave step its unmounting would propagate to the host. */
	if (fchdir(old) < 0)
		return error_sys(err, errno, "enter the old root directory");
	if (syscall(SYS_mount, NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_sys(err, errno, "cut the old root off from the host's mounts");
	r = drop_old_root(root_fd, err);
	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return error_sys(err, errno, "enter the new root directory");
	return 0;
}

#define MOUNTINFO_MAX (8u << 20) /* some 50k mounts; more would mean something is wrong */

/* All of /proc/self/mountinfo in an anonymous mapping (no heap here) of MOUNTINFO_MAX bytes, or NULL. */
static char *map_mountinfo(struct error *err)
{
	autofd int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	char *text;

	if (fd < 0) {
		error_sys(err, errno, "read the list of mounts");
		return NULL;
	}
	text = mmap(NULL, MOUNTINFO_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (text == MAP_FAILED) {
		error_sys(err, errno, "read the list of mounts");
		return NULL;
	}
	/* A fresh private mapping costs only the pages that are read into. */
	while (used < MOUNTINFO_MAX - 1) {
		ssize_t n = read(fd, text + used, MOUNTINFO_MAX - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	return text;
}

/* Octal escapes of mountinfo ("\040") back to bytes, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* One line of mountinfo: mount point (field 5) and file system type (first field behind " - "), cut out in place. */
static bool parse_mount_line(char *line, char **ret_point, char **ret_type)
{
	char *type = strstr(line, " - ");
	char *p = line;

	if (!type)
		return false;
	for (int field = 0; field < 4; field++) {
		p = strchr(p, ' ');
		if (!p)
			return false;
		p++;
	}
	*ret_point = p;
	*ret_type = type + 3;
	type[3 + strcspn(type + 3, " ")] = '\0';
	p[strcspn(p, " ")] = '\0';
	unescape(p);
	return true;
}

/* Take away one procfs or sysfs of the host; where the kernel does not let us (locked mounts), hide it. */
static int remove_mount(const char *point, struct error *err)
{
	int fd;
	int r;

	(void)syscall(SYS_mount, NULL, point, NULL, MS_PRIVATE | MS_REC,
		      NULL); /* else the unmount below fails and hides it */
	if (syscall(SYS_umount2, point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == ENOENT)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return error_sys(err, errno, "unmount '%s' of the host", point);
	fd = mount_new("tmpfs", "tmpfs", NULL, 0, "mode=000,nr_inodes=2", MS_RDONLY, MOUNT_ATTR_RDONLY, err);
	if (fd < 0)
		return fd;
	r = mount_attach_at(fd, AT_FDCWD, point, err);
	fd_close(&fd);
	return r;
}

static bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int remove_host_proc(const char *root, struct error *err)
{
	char *text = map_mountinfo(err);
	int r = 0;

	if (!text)
		return -err->code;
	for (char *line = text; r == 0 && *line;) {
		char *end = strchrnul(line, '\n');
		bool last = *end == '\0';
		char *point;
		char *type;

		*end = '\0';
		if (parse_mount_line(line, &point, &type) && (str_eq(type, "proc") || str_eq(type, "sysfs")) &&
		    !path_is_below(point, root))
			r = remove_mount(point, err);
		line = last ? end : end + 1;
	}
	munmap(text, MOUNTINFO_MAX);
	return r;
}

int mount_move_root(int root_fd, struct error *err)
{
	char root[4096];
	int r;

	if (fchdir(root_fd) < 0)
		return error_sys(err, errno, "enter the container's root directory");
	if (!getcwd(root, sizeof(root)) || root[0] != '/')
		return error_set(err, ERROR_INVALID, ENOENT,
				 "the container's root directory is outside the present root");
	r = remove_host_proc(root, err);
	if (r < 0)
		return r;
	/* Where it lies on "/" already, the kernel refuses to move it onto itself. */
	r = root_is_on_top(root_fd, err);
	if (r < 0)
		return r;
	if (r == 0 && syscall(SYS_mount, ".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_sys(err, errno, "move the container's root directory over '/'");
	if (chroot(".") < 0)
		return error_sys(err, errno, "make the container's root directory '/' (chroot)");
	if (chdir("/") < 0)
		return error_sys(err, errno, "enter the new root directory");
	return 0;
}
