/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A procfs that can be believed. /proc of the mount namespace we are in may be something else: a tmpfs, a bind mount, or
 * the real one with files mounted over single entries, so that a label or a sysctl lands in the wrong file. So we make a
 * procfs mount of our own that is attached nowhere, and reach everything below its fd without following a symlink or
 * entering another mount. Where a new procfs is not allowed (a user namespace without its own pid namespace), a private clone of /proc,
 * and last /proc itself do; there the checks on each path carry the weight alone.
 */
#include "safepath/safepath.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/file.h"
#include "kernel/mount.h"

#define PROC_ROOT_INODE 1

static bool is_proc_root(int fd)
{
	struct stat st;

	return file_is_fs(fd, PROC_SUPER_MAGIC) && fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INODE &&
	       S_ISDIR(st.st_mode);
}

/* subset=pid (5.8) is tried first where that is enough: it has nothing global in it. */
static int open_private(bool pid_only)
{
	static const struct mount_param subset[] = {{.key = "subset", .value = "pid", .fd = FD_NONE}};
	const uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	struct error err;
	int fd = FD_NONE;

	if (pid_only)
		fd = mount_new("proc", "proc", subset, 1, NULL, 0, attrs, &err);
	if (fd == -EINVAL || !pid_only)
		fd = mount_new("proc", "proc", NULL, 0, NULL, 0, attrs, &err);
	if (fd < 0)
		fd = mount_clone(AT_FDCWD, "/proc", false, AT_SYMLINK_NOFOLLOW, &err);
	return fd;
}

int safepath_proc_open(struct safepath_proc *ret, bool pid_only, struct error *err)
{
	autofd int fd = open_private(pid_only);

	if (fd >= 0 && is_proc_root(fd)) {
		*ret = (struct safepath_proc){.fd = take_fd(&fd), .private_mount = true};
		return 0;
	}
	fd_close(&fd);
	fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && is_proc_root(fd)) {
		*ret = (struct safepath_proc){.fd = take_fd(&fd)};
		return 0;
	}
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		error_sys(err, errno, "open '/proc'");
		return error_hint(err, "a limit of nofile below some 20 leaves no room for setting a container up");
	}
	error_set(err, ERROR_UNSUPPORTED, ENOENT,
		  "there is no trustworthy procfs: a new one is not allowed, and /proc is %s",
		  fd >= 0 ? "something else" : "missing");
	return error_hint(err, "mount procfs on /proc");
}

int safepath_proc_from_fd(int fd_take, struct safepath_proc *ret, struct error *err)
{
	if (!is_proc_root(fd_take))
		return error_set(err, ERROR_INVALID, EINVAL, "what should be procfs is something else");
	*ret = (struct safepath_proc){.fd = fd_take};
	return 0;
}

void safepath_proc_close(struct safepath_proc *p)
{
	fd_close(&p->fd);
}

/* Does @rel name one of the links that stand for an object instead of a text? */
static bool is_magic_link(const char *rel)
{
	if (str_eq(rel, "exe") || str_eq(rel, "cwd") || str_eq(rel, "root"))
		return true;
	if (str_starts(rel, "ns/"))
		return safepath_name_valid(rel + 3);
	return str_starts(rel, "fd/") && safepath_name_valid(rel + 3);
}

/* Open the object behind a magic link. The link itself is proved to be procfs' before it is followed. */
static int open_magic(int proc_fd, const char *path, int flags)
{
	autofd int link = file_open_proc(proc_fd, path, O_PATH);
	struct stat st;
	int fd;

	if (link < 0)
		return link;
	if (fstat(link, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return -EINVAL;
	/* Every part but the last is a directory of procfs proper, which nobody can exchange for a link. */
	fd = openat(proc_fd, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_below(const struct safepath_proc *p, const char *prefix, const char *rel, int flags, struct error *err)
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix && *rel ? "/" : "", rel);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return error_sys(err, ENAMETOOLONG, "open '%.200s' of procfs", rel);
	if (!(flags & O_NOFOLLOW) && *prefix && is_magic_link(rel))
		fd = open_magic(p->fd, path, flags);
	else
		fd = file_open_proc(p->fd, path, flags);
	if (fd == -EXDEV || fd == -ELOOP)
		return error_set(err, ERROR_DENIED, -fd, "'%s' of procfs is covered by something else: not used", path);
	return fd < 0 ? error_sys(err, -fd, "open '%s' of procfs", path) : fd;
}

int safepath_proc_self(const struct safepath_proc *p, const char *rel, int flags, struct error *err)
{
	char self[16];
	uint32_t pid;
	ssize_t n;

	/* Our number in the pid namespace that the handle shows. */
	n = readlinkat(p->fd, "self", self, sizeof(self) - 1);
	if (n < 0)
		return error_sys(err, errno, "find ourselves in procfs");
	self[n] = '\0';
	if (str_to_u32(self, &pid) < 0)
		return error_set(err, ERROR_DENIED, EXDEV, "'self' of procfs is not what it should be");
	return open_below(p, self, rel, flags, err);
}

int safepath_proc_pid(const struct safepath_proc *p, pid_t pid, const char *rel, int flags, struct error *err)
{
	char dir[16];

	(void)snprintf(dir, sizeof(dir), "%d", pid);
	return open_below(p, dir, rel, flags, err);
}

int safepath_proc_global(const struct safepath_proc *p, bool below_sys, const char *rel, int flags, struct error *err)
{
	return open_below(p, below_sys ? "sys" : "", rel, flags | O_NOFOLLOW, err);
}

/* "net.ipv4.conf.eth0/1.forwarding" → "net/ipv4/conf/eth0.1/forwarding", and a key with '/' first as it is. */
static int sysctl_path(const char *key, char *out, size_t size)
{
	size_t len = strlen(key);
	bool dots = key[strcspn(key, "./")] == '.';

	if (len == 0 || len >= size)
		return -EINVAL;
	for (size_t i = 0; i <= len; i++) {
		out[i] = key[i];
		if (dots && key[i] == '.')
			out[i] = '/';
		else if (dots && key[i] == '/')
			out[i] = '.';
	}
	/* No way up and no empty part: openat2 would stop it as well, but the message is better here. */
	for (const char *p = out;; p++) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return -EINVAL;
		p += n;
		if (*p == '\0')
			return 0;
	}
}

int safepath_proc_write_sysctl(const struct safepath_proc *p, const char *key, const char *value, struct error *err)
{
	char path[256];
	autofd int fd = FD_NONE;
	int r;

	if (sysctl_path(key, path, sizeof(path)) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not the name of a sysctl", key);
	fd = safepath_proc_global(p, true, path, O_WRONLY, err);
	if (fd < 0)
		return error_wrap(err, "sysctl '%s'", key);
	r = file_write_once(fd, value, strlen(value));
	return r < 0 ? error_sys(err, -r, "set sysctl '%s' to '%.100s'", key, value) : 0;
}

int safepath_proc_read(const struct safepath_proc *p, pid_t pid, const char *rel, struct buf *out, struct error *err)
{
	autofd int fd =
		pid > 0 ? safepath_proc_pid(p, pid, rel, O_RDONLY, err) : safepath_proc_self(p, rel, O_RDONLY, err);

	return fd < 0 ? fd : fd_read_to_end(fd, out, rel, err);
}
