/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File calls on mounted cgroup hierarchies, by absolute path. It knows nothing of versions, controllers or limits: that is
 * cgroup/. Every path is built on the stack, so a too long one is an error (-ENAMETOOLONG), never a cut.
 */
#include "kernel/cgroupfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

static int join(char out[static PATH_MAX], const char *dir, const char *name)
{
	size_t d = strlen(dir), n = strlen(name);

	if (d + 1 + n >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(out, dir, d + 1);
	if (n > 0) {
		out[d] = '/';
		memcpy(out + d + 1, name, n + 1);
	}
	return 0;
}

bool cgroupfs_exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return join(path, dir, name) == 0 && access(path, F_OK) == 0;
}

int cgroupfs_open(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX];
	int r = join(path, dir, name), fd;

	if (r < 0)
		return r;
	do
		fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int cgroupfs_write(const char *dir, const char *name, const char *value)
{
	autofd int fd = cgroupfs_open(dir, name, O_WRONLY);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, value, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

ssize_t cgroupfs_read(const char *dir, const char *name, char *out, size_t size)
{
	autofd int fd = cgroupfs_open(dir, name, O_RDONLY);
	size_t len = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n = read(fd, out + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		/* A file that fits is read in one go; the second read that would prove its end is spared. */
		if (n == 0 || (len < size - 1 && out[len - 1] == '\n'))
			break;
		if (len == size - 1)
			return -E2BIG;
	}
	if (len > 0 && out[len - 1] == '\n')
		len--;
	out[len] = '\0';
	return (ssize_t)len;
}

int cgroupfs_read_buf(const char *dir, const char *name, struct buf *out)
{
	autofd int fd = cgroupfs_open(dir, name, O_RDONLY);

	if (fd < 0)
		return fd;
	for (;;) {
		char *room = buf_reserve(out, 4096);
		ssize_t n;

		if (!room)
			return -E2BIG;
		do
			n = read(fd, room, 4096);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
	}
}

int cgroupfs_mkdir(const char *dir)
{
	return mkdir(dir, 0755) < 0 ? -errno : 0;
}

int cgroupfs_rmdir(const char *dir)
{
	return rmdir(dir) < 0 ? -errno : 0;
}

int cgroupfs_chown(const char *dir, const char *name, uid_t uid, gid_t gid)
{
	char path[PATH_MAX];
	int r = join(path, dir, name);

	if (r < 0)
		return r;
	return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int cgroupfs_watch(int inotify_fd, const char *dir, const char *name)
{
	char path[PATH_MAX];
	int r = join(path, dir, name);

	if (r < 0)
		return r;
	return inotify_add_watch(inotify_fd, path, IN_MODIFY) < 0 ? -errno : 0;
}

static int walk_fd(int fd, char path[static PATH_MAX], unsigned depth, int (*fn)(const char *dir, void *arg), void *arg)
{
	size_t len = strlen(path);
	autodir DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		int r = -errno;

		close(fd);
		return r;
	}
	while ((e = readdir(d))) {
		char name[PATH_MAX];
		int sub, r;

		if (e->d_type != DT_DIR || str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (depth == 0)
			return -ELOOP;
		r = join(name, path, e->d_name);
		if (r < 0)
			return r;
		sub = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub < 0 && errno == ENOENT)
			continue;
		if (sub < 0)
			return -errno;
		r = walk_fd(sub, name, depth - 1, fn, arg);
		if (r == 0)
			r = fn(name, arg);
		if (r != 0)
			return r;
	}
	path[len] = '\0';
	return 0;
}

int cgroupfs_walk(const char *dir, unsigned max_depth, int (*fn)(const char *dir, void *arg), void *arg)
{
	char path[PATH_MAX];
	int r = join(path, dir, ""), fd;

	if (r < 0)
		return r;
	fd = cgroupfs_open(dir, "", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	return walk_fd(fd, path, max_depth, fn, arg);
}
