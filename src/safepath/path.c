/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and making by path inside a root: thin sentences over resolve.c. Each function resolves its path exactly once.
 */
#include "safepath/safepath.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/file.h"
#include "safepath/resolve.h"

/* The resolver's errno in words. */
static int path_error(struct error *err, int errnum, const char *verb, const char *path)
{
	switch (errnum) {
	case ELOOP:
		return error_set(err, ERROR_INVALID, errnum,
				 "%s '%s' inside the root: too many symlinks, or one that is not allowed", verb, path);
	case EXDEV:
		return error_set(err, ERROR_CONFLICT, errnum, "%s '%s' inside the root: it was exchanged meanwhile",
				 verb, path);
	case EAGAIN:
		return error_set(err, ERROR_BUSY, errnum, "%s '%s' inside the root: somebody keeps changing it", verb,
				 path);
	default:
		return error_sys(err, errnum, "%s '%s' inside the root", verb, path);
	}
}

int safepath_open(int root_fd, const char *path, int flags, struct error *err)
{
	struct resolve_how how = {.flags = flags & ~O_NOFOLLOW, .nofollow = flags & O_NOFOLLOW};
	bool created = false;
	int fd;

	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		return error_set(err, ERROR_INTERNAL, EINVAL, "open '%s': a file is not made this way", path);
	fd = resolve_open(root_fd, path, &how, &created);
	return fd < 0 ? path_error(err, -fd, "open", path) : fd;
}

int safepath_open_dir(int root_fd, const char *path, bool o_path, struct error *err)
{
	return safepath_open(root_fd, path, O_DIRECTORY | (o_path ? O_PATH : O_RDONLY), err);
}

int safepath_open_straight(int root_fd, const char *path, struct error *err)
{
	const struct resolve_how how = {.flags = O_RDONLY | O_DIRECTORY, .straight = true};
	bool created = false;
	int fd = resolve_open(root_fd, path, &how, &created);

	return fd < 0 ? path_error(err, -fd, "open", path) : fd;
}

int safepath_open_true(int root_fd, const char *path, char ret_true[static PATH_MAX], struct error *err)
{
	const struct resolve_how how = {.flags = O_RDONLY | O_DIRECTORY, .ret_path = ret_true};
	bool created = false;
	int fd = resolve_walk(root_fd, path, &how, &created);

	return fd < 0 ? path_error(err, -fd, "open", path) : fd;
}

int safepath_open_parent(int root_fd, const char *path, char name[static 256], struct error *err)
{
	struct resolve_how how = {.flags = O_PATH | O_DIRECTORY};
	char parent[PATH_MAX];
	size_t len = strlen(path);
	size_t start;
	bool created = false;
	int fd;

	if (len >= sizeof(parent))
		return path_error(err, ENAMETOOLONG, "open", path);
	while (len && path[len - 1] == '/')
		len--;
	for (start = len; start && path[start - 1] != '/';)
		start--;
	if (len - start > NAME_MAX)
		return path_error(err, ENAMETOOLONG, "open", path);
	memcpy(parent, path + start, len - start);
	parent[len - start] = '\0';
	if (!safepath_name_valid(parent))
		return error_set(err, ERROR_INVALID, EINVAL, "the path '%s' does not end in a name", path);
	memcpy(parent, path, start);
	parent[start] = '\0';
	fd = resolve_open(root_fd, parent, &how, &created);
	if (fd < 0)
		return path_error(err, -fd, "open the directory of", path);
	memcpy(name, path + start, len - start);
	name[len - start] = '\0';
	return fd;
}

int safepath_mkdir_all(int root_fd, const char *path, mode_t mode, const struct safepath_owner *owner, int *ret_fd,
		       struct error *err)
{
	struct resolve_how how = {.make = RESOLVE_MAKE_DIR, .mode = mode, .parent_mode = mode, .owner = owner};
	bool created = false;
	int fd = resolve_open(root_fd, path, &how, &created);

	if (fd < 0)
		return path_error(err, -fd, "make the directory", path);
	*ret_fd = fd;
	return created ? SAFEPATH_CREATED : 0;
}

int safepath_make_target(int root_fd, const char *path, bool is_dir, bool nofollow, mode_t mode,
			 const struct safepath_owner *owner, int *ret_fd, struct error *err)
{
	struct resolve_how how = {
		.make = is_dir ? RESOLVE_MAKE_DIR : RESOLVE_MAKE_FILE,
		.nofollow = nofollow,
		.mode = mode,
		.parent_mode = 0755,
		.owner = owner,
	};
	bool created = false;
	int fd;

	if (nofollow) {
		/* A symlink that is there is the target, whatever is to be mounted on it. */
		struct resolve_how there = {.flags = O_PATH, .nofollow = true};
		autofd int link = resolve_open(root_fd, path, &there, &created);
		struct stat st;

		if (link >= 0 && fstat(link, &st) == 0 && (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode) == is_dir)) {
			*ret_fd = take_fd(&link);
			return 0;
		}
	}
	fd = resolve_open(root_fd, path, &how, &created);
	if (fd == -ENOTDIR && is_dir)
		return error_set(err, ERROR_INVALID, ENOTDIR,
				 "'%s' cannot be the place of a directory: it, or a part of it, is something else",
				 path);
	if (fd == -EISDIR)
		return error_set(err, ERROR_INVALID, EISDIR, "'%s' cannot be the place of a file: it is a directory",
				 path);
	if (fd < 0)
		return path_error(err, -fd, "make the mount point", path);
	*ret_fd = fd;
	return created ? SAFEPATH_CREATED : 0;
}

int safepath_name_of(int proc_self_fd, int fd, char *out, size_t size, struct error *err)
{
	char name[24];
	char target[PATH_MAX];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	n = readlinkat(proc_self_fd, name, target, sizeof(target));
	if (n < 0)
		return error_sys(err, errno, "find the name of an open file");
	if ((size_t)n >= sizeof(target) || (size_t)n >= size)
		return error_sys(err, ENAMETOOLONG, "find the name of an open file");
	memcpy(out, target, (size_t)n);
	out[n] = '\0';
	return 0;
}

int safepath_reopen(int proc_self_fd, int fd, int flags, struct error *err)
{
	autofd int dir = FD_NONE;
	autofd int copy = FD_NONE;
	char name[16];
	struct stat a;
	struct stat b;

	/* The magic link is asked for in a directory proved to be procfs, and the answer compared with what we hold. */
	dir = file_open_proc(proc_self_fd, "fd", O_PATH | O_DIRECTORY);
	if (dir < 0)
		return error_sys(err, -dir, "open the list of our open files");
	(void)snprintf(name, sizeof(name), "%d", fd);
	copy = openat(dir, name, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	if (copy < 0)
		return error_sys(err, errno, "open a file again");
	if (fstat(fd, &a) < 0 || fstat(copy, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return error_set(err, ERROR_CONFLICT, ESTALE, "open a file again: procfs led to another one");
	return take_fd(&copy);
}
