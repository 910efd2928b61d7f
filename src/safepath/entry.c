/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on one name below a directory that we hold. The name is a single component, so there is nothing to resolve
 * but the name itself, and that is never followed.
 */
#include "safepath/safepath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/file.h"
#include "safepath/resolve.h"

#define LIST_MAX 1000000u /* names of one folder */

bool safepath_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX || strchr(name, '/'))
		return false;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_name(const char *name, struct error *err)
{
	if (safepath_name_valid(name))
		return 0;
	return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a file name (one component, at most 255 bytes)",
			 name);
}

int safepath_child(int dir_fd, const char *name, int flags, struct error *err)
{
	struct stat dir;
	struct stat st;
	autofd int fd = FD_NONE;

	if (check_name(name, err) < 0)
		return -err->code;
	fd = file_openat2(dir_fd, name, (uint64_t)(flags | O_NOFOLLOW), 0,
			  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
	if (fd == -ENOSYS || fd == -EPERM) {
		fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return error_sys(err, errno, "open '%s'", name);
		/* Another mount mostly shows by its device number; a bind mount of the same file system does not. */
		if (fstat(dir_fd, &dir) < 0 || fstat(fd, &st) < 0)
			return error_sys(err, errno, "check '%s'", name);
		if (S_ISDIR(st.st_mode) && dir.st_dev != st.st_dev)
			fd_close(&fd), fd = -EXDEV;
	}
	if (fd == -EXDEV)
		return error_set(err, ERROR_BUSY, EXDEV, "'%s' is a mount point", name);
	if (fd < 0)
		return error_sys(err, -fd, "open '%s'", name);
	return take_fd(&fd);
}

int safepath_mkdir(int dir_fd, const char *name, mode_t mode, const struct safepath_owner *owner, int *ret_fd,
		   struct error *err)
{
	autofd int fd = FD_NONE;
	int made = SAFEPATH_CREATED;

	if (check_name(name, err) < 0)
		return -err->code;
	fd = resolve_mkdir(dir_fd, name, mode, owner);
	if (fd == -EEXIST) {
		made = 0;
		fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
			return error_set(err, ERROR_CONFLICT, EEXIST,
					 "make the directory '%s': something else has that name", name);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return error_sys(err, -fd, "make the directory '%s'", name);
	if (ret_fd)
		*ret_fd = take_fd(&fd);
	return made;
}

int safepath_create_file(int dir_fd, const char *name, int flags, mode_t mode, const struct safepath_owner *owner,
			 struct error *err)
{
	autofd int fd = FD_NONE;
	int r;

	if (check_name(name, err) < 0)
		return -err->code;
	fd = openat(dir_fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, mode);
	if (fd < 0)
		return error_sys(err, errno, "make the file '%s'", name);
	/* A new file has the owner and the mode that were asked for, unless somebody took bits from its maker himself. */
	r = owner || mode & ~(mode_t)0600 ? resolve_finish(fd, mode, owner) : 0;
	return r < 0 ? error_sys(err, -r, "set mode and owner of '%s'", name) : take_fd(&fd);
}

int safepath_symlink(int dir_fd, const char *name, const char *target, const struct safepath_owner *owner,
		     struct error *err)
{
	autofd int fd = FD_NONE;
	struct stat st;
	int r;

	if (check_name(name, err) < 0)
		return -err->code;
	if (symlinkat(target, dir_fd, name) < 0)
		return error_sys(err, errno, "make the symlink '%s'", name);
	if (!owner)
		return 0;
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "open the symlink '%s'", name);
	if (!S_ISLNK(st.st_mode))
		return error_set(err, ERROR_CONFLICT, EXDEV, "the symlink '%s' was exchanged meanwhile", name);
	r = resolve_finish(fd, 0777, owner);
	return r < 0 ? error_sys(err, -r, "set the owner of the symlink '%s'", name) : 0;
}

int safepath_mknod(int dir_fd, const char *name, mode_t mode, dev_t dev, const struct safepath_owner *owner,
		   int *ret_fd, struct error *err)
{
	autofd int fd = FD_NONE;
	struct stat st;
	int r;

	if (check_name(name, err) < 0)
		return -err->code;
	if (mknodat(dir_fd, name, mode, dev) < 0)
		return error_sys(err, errno, "make the device '%s' (%u:%u)", name, major(dev), minor(dev));
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "open the device '%s'", name);
	if ((st.st_mode & S_IFMT) != (mode & S_IFMT) || (!S_ISFIFO(mode) && st.st_rdev != dev))
		return error_set(err, ERROR_CONFLICT, EXDEV, "the device '%s' was exchanged meanwhile", name);
	r = resolve_finish(fd, mode & 07777, owner);
	if (r < 0)
		return error_sys(err, -r, "set mode and owner of the device '%s'", name);
	if (ret_fd)
		*ret_fd = take_fd(&fd);
	return 0;
}

int safepath_new_dir(int dir_fd, const char *name, mode_t mode, struct error *err)
{
	if (check_name(name, err) < 0)
		return -err->code;
	if (mkdirat(dir_fd, name, mode) < 0)
		return error_sys(err, errno, "make the directory '%s'", name);
	return 0;
}

int safepath_new_file(int dir_fd, const char *name, mode_t mode, struct error *err)
{
	if (check_name(name, err) < 0)
		return -err->code;
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, mode);

	return fd < 0 ? error_sys(err, errno, "make the file '%s'", name) : fd;
}

int safepath_new_node(int dir_fd, const char *name, mode_t mode, dev_t dev, struct error *err)
{
	if (check_name(name, err) < 0)
		return -err->code;
	if (mknodat(dir_fd, name, mode, dev) < 0)
		return error_sys(err, errno, "make the device '%s' (%u:%u)", name, major(dev), minor(dev));
	return 0;
}

int safepath_link_fd(int fd, int dir_fd, const char *name, struct error *err)
{
	char self[32];

	if (check_name(name, err) < 0)
		return -err->code;
	if (linkat(fd, "", dir_fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	/* Without CAP_DAC_READ_SEARCH the empty path is refused; what we hold may be named through procfs instead. */
	if (errno == ENOENT) {
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		if (linkat(AT_FDCWD, self, dir_fd, name, AT_SYMLINK_FOLLOW) == 0)
			return 0;
	}
	return error_sys(err, errno, "make the hard link '%s'", name);
}

static int remove_name(int dir_fd, const char *name, int flag, bool missing_ok, struct error *err)
{
	if (check_name(name, err) < 0)
		return -err->code;
	if (unlinkat(dir_fd, name, flag) == 0 || (missing_ok && errno == ENOENT))
		return 0;
	return error_sys(err, errno, "remove '%s'", name);
}

int safepath_unlink(int dir_fd, const char *name, bool missing_ok, struct error *err)
{
	return remove_name(dir_fd, name, 0, missing_ok, err);
}

int safepath_rmdir(int dir_fd, const char *name, bool missing_ok, struct error *err)
{
	return remove_name(dir_fd, name, AT_REMOVEDIR, missing_ok, err);
}

int safepath_rename(int from_fd, const char *from, int to_fd, const char *to, unsigned flags, struct error *err)
{
	if (check_name(from, err) < 0 || check_name(to, err) < 0)
		return -err->code;
	if (syscall(SYS_renameat2, from_fd, from, to_fd, to, flags) < 0) /* musl 1.2.3 has no function for it */
		return error_sys(err, errno, "rename '%s' to '%s'", from, to);
	return 0;
}

int safepath_readlink(int dir_fd, const char *name, char *out, size_t size, struct error *err)
{
	char target[PATH_MAX];
	ssize_t n;

	if (check_name(name, err) < 0)
		return -err->code;
	n = readlinkat(dir_fd, name, target, sizeof(target));
	if (n < 0)
		return error_sys(err, errno, "read the symlink '%s'", name);
	if ((size_t)n >= sizeof(target) || (size_t)n >= size)
		return error_sys(err, ENAMETOOLONG, "read the symlink '%s'", name);
	memcpy(out, target, (size_t)n);
	out[n] = '\0';
	return 0;
}

int safepath_stat(int dir_fd, const char *name, struct stat *ret)
{
	struct stat st;

	if (!safepath_name_valid(name))
		return -EINVAL;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = st;
	return 0;
}

int safepath_chown(int fd, uid_t uid, gid_t gid, struct error *err)
{
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return error_sys(err, errno, "change the owner to %u:%u", uid, gid);
	return 0;
}

int safepath_chmod(int fd, mode_t mode, struct error *err)
{
	int r = resolve_chmod(fd, mode);

	return r < 0 ? error_sys(err, -r, "change the mode to %04o", (unsigned)mode) : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int safepath_list(int dir_fd, struct strv *ret, struct error *err)
{
	autodir DIR *dir = NULL;
	autofd int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const size_t first = ret->count;
	struct dirent *e;

	if (fd < 0)
		return error_sys(err, errno, "list a folder");
	dir = fdopendir(fd);
	if (!dir)
		return error_sys(err, errno, "list a folder");
	take_fd(&fd);
	for (errno = 0; (e = readdir(dir)); errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (ret->count - first == LIST_MAX)
			return error_set(err, ERROR_LIMIT, E2BIG, "a folder has more than %u names", LIST_MAX);
		strv_push(ret, e->d_name);
	}
	if (errno)
		return error_sys(err, errno, "list a folder");
	if (ret->count > first)
		qsort(ret->items + first, ret->count - first, sizeof(*ret->items), compare_names);
	return 0;
}
