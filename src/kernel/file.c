/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few file calls that kernel/ and safepath/ share. It decides nothing: where a file is allowed to be is the caller's
 * business, this only makes the kernel's answer reliable (EAGAIN of openat2 retried, procfs proved to be procfs).
 */
#include "kernel/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* openat2 answers EAGAIN when a rename or mount anywhere in the system raced with a ".." inside the root. An attacker can
 * keep that up, so there is an end; the peers use 32 to 128. */
#define OPENAT2_TRIES 256

int file_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

	/* The kernel refuses a mode where nothing is made. */
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode;
	for (int i = 0; i < OPENAT2_TRIES; i++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

bool file_is_fs(int fd, unsigned long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == magic;
}

/* One component at a time: O_NOFOLLOW refuses links, a new device number betrays a mount. (All of one procfs has one
 * device number, so a bind mount of procfs over procfs goes unseen here; openat2 sees it.) */
static int open_proc_walk(int dirfd, const char *path, int flags)
{
	autofd int at = FD_NONE;
	const char *p = path;

	for (;;) {
		const char *slash = strchr(p, '/');
		size_t len = slash ? (size_t)(slash - p) : strlen(p);
		char name[256];
		int fd;

		if (len == 0 || len >= sizeof(name) || (len == 2 && p[0] == '.' && p[1] == '.'))
			return -EINVAL;
		memcpy(name, p, len);
		name[len] = '\0';
		fd = openat(at >= 0 ? at : dirfd, name,
			    (slash ? O_PATH | O_DIRECTORY : flags) | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (!slash)
			return fd;
		fd_close(&at);
		at = fd;
		if (!file_is_fs(at, PROC_SUPER_MAGIC))
			return -EXDEV;
		p = slash + 1;
	}
}

int file_open_proc(int dirfd, const char *path, int flags)
{
	autofd int fd = FD_NONE;

	fd = file_openat2(dirfd, path, (uint64_t)flags | O_NOFOLLOW, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
	if (fd == -ENOSYS || fd == -EPERM)
		fd = open_proc_walk(dirfd, path, flags);
	if (fd < 0)
		return fd;
	if (!file_is_fs(fd, PROC_SUPER_MAGIC))
		return -EXDEV;
	return take_fd(&fd);
}

void file_spread_folders(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
		flags |= FS_TOPDIR_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* others than ext4 have no such thing */
	}
}

int file_write_once(int fd, const void *text, size_t len)
{
	ssize_t n;

	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
