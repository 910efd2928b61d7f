/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own paths: where the user or our configuration says something is, and our state directories. This is the only
 * file that opens absolute paths by following them, so what reaches it must never come from a container or an image.
 */
#include "safepath/safepath.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

int safepath_host_open(const char *path, int flags, mode_t mode, struct error *err)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);

	return fd < 0 ? error_sys(err, errno, "open '%s'", path) : fd;
}

int safepath_host_open_dir(const char *path, struct error *err)
{
	return safepath_host_open(path, O_PATH | O_DIRECTORY, 0, err);
}

/* Make @path itself. Returns SAFEPATH_CREATED, 0 when a directory (or a link to one) is there, -errno. */
static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return SAFEPATH_CREATED;
	if (errno != EEXIST && errno != EISDIR)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int mkdir_all(const char *path, mode_t parent_mode, mode_t mode, struct error *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int r;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= sizeof(part))
		return error_sys(err, len ? ENAMETOOLONG : ENOENT, "make the directory '%s'", path);
	memcpy(part, path, len);
	part[len] = '\0';
	r = make_dir(part, mode);
	if (r != -ENOENT)
		return r < 0 ? error_sys(err, -r, "make the directory '%s'", path) : r;
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/' || part[i - 1] == '/')
			continue;
		part[i] = '\0';
		r = make_dir(part, parent_mode);
		if (r < 0)
			return error_sys(err, -r, "make the directory '%s'", part);
		part[i] = '/';
	}
	r = make_dir(part, mode);
	return r < 0 ? error_sys(err, -r, "make the directory '%s'", path) : r;
}

int safepath_host_mkdir_all(const char *path, mode_t mode, struct error *err)
{
	return mkdir_all(path, mode, mode, err);
}

int safepath_host_unlink(const char *path, bool missing_ok, struct error *err)
{
	if (unlink(path) == 0 || (missing_ok && errno == ENOENT))
		return 0;
	return error_sys(err, errno, "remove '%s'", path);
}

int safepath_host_rename(const char *from, const char *to, struct error *err)
{
	return rename(from, to) < 0 ? error_sys(err, errno, "rename '%s' to '%s'", from, to) : 0;
}

int safepath_host_stat(const char *path, struct stat *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	*ret = st;
	return 0;
}

int safepath_host_readlink(const char *path, char *out, size_t size, struct error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0)
		return error_sys(err, errno, "read the symlink '%s'", path);
	if ((size_t)n >= sizeof(target) || (size_t)n >= size)
		return error_sys(err, ENAMETOOLONG, "read the symlink '%s'", path);
	memcpy(out, target, (size_t)n);
	out[n] = '\0';
	return 0;
}

int safepath_host_name_of(int fd, char *out, size_t size, struct error *err)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return safepath_host_readlink(name, out, size, err);
}

int safepath_host_realpath(const char *path, char **ret, struct error *err)
{
	char *real = realpath(path, NULL);

	if (!real)
		return error_sys(err, errno, "find '%s'", path);
	*ret = real;
	return 0;
}

static int read_open(int fd, const char *name, bool regular_only, struct buf *out, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "read '%s'", name);
	if (S_ISDIR(st.st_mode) || (regular_only && !S_ISREG(st.st_mode)))
		return error_set(err, ERROR_INVALID, S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
				 "'%s' is not a regular file", name);
	return fd_read_file(fd, &st, out, name, err);
}

int safepath_host_self(char *out, size_t size, struct error *err)
{
	const char *told = getenv(SAFEPATH_SELF_ENV);
	struct stat st;
	int r = safepath_host_readlink("/proc/self/exe", out, size, err);

	if (r < 0)
		return r;
	/* The root of a detached mount reads as "/", a memory file as "/memfd:… (deleted)". */
	if ((out[1] && stat(out, &st) == 0) || !told || told[0] != '/')
		return 0;
	if (strlen(told) >= size)
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "the path of the program is too long");
	memcpy(out, told, strlen(told) + 1);
	return 0;
}

int safepath_host_read(const char *path, bool regular_only, struct buf *out, struct error *err)
{
	autofd int fd = safepath_host_open(path, O_RDONLY | (regular_only ? O_NONBLOCK : 0), 0, err);

	return fd < 0 ? fd : read_open(fd, path, regular_only, out, err);
}

/* ---- state ---------------------------------------------------------------------------------------------------------------- */

int safepath_state_open(const char *path, struct error *err)
{
	autofd int fd = FD_NONE;
	struct error absent;
	struct stat st;
	int r;

	/* Mostly it is there. */
	fd = safepath_host_open(path, O_RDONLY | O_DIRECTORY, 0, &absent);
	if (fd < 0) {
		r = mkdir_all(path, 0755, 0700, err);
		fd = r < 0 ? r : safepath_host_open(path, O_RDONLY | O_DIRECTORY, 0, err);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "check '%s'", path);
	if (st.st_uid != geteuid()) {
		error_set(err, ERROR_DENIED, EPERM, "the state directory '%s' belongs to user %u, we are user %u", path,
			  st.st_uid, geteuid());
		return error_hint(err, "choose another with --root, or run as its owner");
	}
	if (st.st_mode & 022) {
		error_set(err, ERROR_DENIED, EPERM, "the state directory '%s' can be written by others (mode %04o)",
			  path, (unsigned)(st.st_mode & 07777));
		return error_hint(err, "chmod go-w '%.200s'", path);
	}
	return take_fd(&fd);
}

void safepath_temporary_name(const char *prefix, char out[static SAFEPATH_TEMPORARY_MAX])
{
	uint64_t n = 0;

	/* Processes of several pid namespaces may share a directory: a pid would not do. */
	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (uint64_t)getpid() << 32;
	(void)snprintf(out, SAFEPATH_TEMPORARY_MAX, ".%s-%016llx", prefix, (unsigned long long)n);
}

int safepath_write_file(int dir_fd, const char *name, const void *data, size_t len, mode_t mode, bool durable,
			struct error *err)
{
	char temporary[SAFEPATH_TEMPORARY_MAX];
	autofd int fd = FD_NONE;
	int r;

	if (!safepath_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a file name", name);
	safepath_temporary_name("tmp", temporary);
	fd = safepath_create_file(dir_fd, temporary, O_WRONLY, mode, SAFEPATH_KEEP, err);
	if (fd < 0)
		return error_wrap(err, "write '%s'", name);
	r = fd_write_all(fd, data, len);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, temporary, 0); /* best effort: a stale one is harmless */
		return error_sys(err, -r, "write '%s'", name);
	}
	if (durable && fsync(dir_fd) < 0)
		return error_sys(err, errno, "write '%s' to the disk", name);
	return 0;
}

int safepath_read_file(int dir_fd, const char *name, struct buf *out, struct error *err)
{
	autofd int fd = FD_NONE;

	if (!safepath_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a file name", name);
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "read '%s'", name) : read_open(fd, name, true, out, err);
}

int safepath_lock(int dir_fd, const char *name, bool exclusive, bool wait, struct error *err)
{
	if (!safepath_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a file name", name);
	for (int tries = 0; tries < 1000; tries++) {
		autofd int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
		struct stat held;
		struct stat named;

		if (fd < 0)
			return error_sys(err, errno, "open the lock '%s'", name);
		while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB)) < 0) {
			if (errno == EWOULDBLOCK)
				return error_set(err, ERROR_BUSY, errno, "'%s' is locked by another process", name);
			if (errno != EINTR)
				return error_sys(err, errno, "lock '%s'", name);
		}
		/* Whoever held it may have removed the file; a lock on a file without a name excludes nobody. */
		if (fstat(fd, &held) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    held.st_dev == named.st_dev && held.st_ino == named.st_ino)
			return take_fd(&fd);
	}
	return error_set(err, ERROR_BUSY, EAGAIN, "lock '%s': it keeps being removed", name);
}
