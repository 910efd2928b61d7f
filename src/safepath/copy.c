/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a tree: one walk makes everything and fills files, a second sets what directories get last (mode, times), since
 * filling them changes it. The destination is ours and empty; the source may be an image's: nothing in it is followed, and
 * both entries and bytes are bounded.
 */
#include "safepath/safepath.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "safepath/resolve.h"

#define XATTR_LIST_MAX 65536 /* the kernel's XATTR_LIST_MAX and XATTR_SIZE_MAX */

struct copy {
	int dst; /* borrowed; where it goes */
	uint64_t bytes_left;
	char *parent;        /* owned; the path that parent_fd stands for; NULL: dst itself */
	int parent_fd;       /* owned */
	char *names, *value; /* owned; XATTR_LIST_MAX bytes each */
};

static void copy_done(struct copy *c)
{
	fd_close(&c->parent_fd);
	free(c->parent);
	free(c->names);
	free(c->value);
}

/* The destination of the directory that @e is in. */
static int parent_of(struct copy *c, const struct safepath_entry *e, struct error *err)
{
	size_t len = strlen(e->path) - strlen(e->name);
	int fd;

	if (len == 0)
		return c->dst;
	len--; /* the slash */
	if (c->parent && strncmp(c->parent, e->path, len) == 0 && c->parent[len] == '\0')
		return c->parent_fd;
	free(c->parent);
	c->parent = mem_strndup(e->path, len);
	fd_close(&c->parent_fd);
	fd = safepath_open(c->dst, c->parent, O_PATH | O_DIRECTORY, err);
	c->parent_fd = fd < 0 ? FD_NONE : fd;
	return fd;
}

/* Attributes that the destination cannot hold, or that we may not set, are left out: they are hints (SELinux labels) or
 * the file system's own affair. */
static int copy_xattrs(struct copy *c, int from, int to, struct error *err)
{
	ssize_t n = flistxattr(from, c->names, XATTR_LIST_MAX);

	for (const char *name = c->names; n > 0 && name < c->names + n; name += strlen(name) + 1) {
		ssize_t len = fgetxattr(from, name, c->value, XATTR_LIST_MAX);

		if (len < 0)
			continue;
		if (fsetxattr(to, name, c->value, (size_t)len, 0) < 0 && errno != EOPNOTSUPP && errno != EPERM &&
		    errno != EACCES)
			return error_sys(err, errno, "copy the attribute '%s'", name);
	}
	return 0;
}

/* Owner first (it clears setuid bits and capabilities), then mode, attributes, times. */
static int copy_meta(struct copy *c, int from, int to, const struct stat *st, struct error *err)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	int r;

	if (fchown(to, st->st_uid, st->st_gid) < 0)
		return error_sys(err, errno, "set the owner %u:%u", st->st_uid, st->st_gid);
	if (fchmod(to, st->st_mode & 07777) < 0)
		return error_sys(err, errno, "set the mode");
	r = copy_xattrs(c, from, to, err);
	if (r < 0)
		return r;
	return futimens(to, times) < 0 ? error_sys(err, errno, "set the times") : 0;
}

static int copy_data(struct copy *c, int from, int to, struct error *err)
{
	for (;;) {
		ssize_t n;

		/* One byte more than allowed tells whether there is more. */
		n = sendfile(to, from, NULL, c->bytes_left < (1u << 30) ? c->bytes_left + 1 : (1u << 30));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "copy the content");
		if (n == 0)
			return 0;
		if ((uint64_t)n > c->bytes_left)
			return error_set(err, ERROR_LIMIT, EFBIG, "the tree is larger than allowed");
		c->bytes_left -= (uint64_t)n;
	}
}

static int copy_file(struct copy *c, const struct safepath_entry *e, int parent, struct error *err)
{
	autofd int from = safepath_child(e->dir_fd, e->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, err);
	autofd int to = FD_NONE;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERROR_CONFLICT, ESTALE, "it was exchanged meanwhile");
	to = safepath_create_file(parent, e->name, O_WRONLY, 0600, SAFEPATH_KEEP, err);
	if (to < 0)
		return to;
	r = copy_data(c, from, to, err);
	return r < 0 ? r : copy_meta(c, from, to, &st, err);
}

static int copy_symlink(const struct safepath_entry *e, int parent, struct error *err)
{
	const struct timespec times[2] = {e->st->st_atim, e->st->st_mtim};
	const struct safepath_owner owner = {e->st->st_uid, e->st->st_gid};
	char target[PATH_MAX];
	int r = safepath_readlink(e->dir_fd, e->name, target, sizeof(target), err);

	if (r == 0)
		r = safepath_symlink(parent, e->name, target, &owner, err);
	if (r == 0)
		(void)utimensat(parent, e->name, times, AT_SYMLINK_NOFOLLOW); /* not all file systems keep them */
	return r;
}

static int copy_special(const struct safepath_entry *e, int parent, struct error *err)
{
	const struct timespec times[2] = {e->st->st_atim, e->st->st_mtim};
	const struct safepath_owner owner = {e->st->st_uid, e->st->st_gid};
	int r = safepath_mknod(parent, e->name, e->st->st_mode, e->st->st_rdev, &owner, NULL, err);

	if (r == 0 && utimensat(parent, e->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = error_sys(err, errno, "set the times");
	return r;
}

static int copy_entry(const struct safepath_entry *e, void *arg, struct error *err)
{
	struct copy *c = arg;
	int parent = parent_of(c, e, err);
	int r = parent;

	if (parent >= 0) {
		switch (e->st->st_mode & S_IFMT) {
		case S_IFDIR:
			r = safepath_mkdir(parent, e->name, 0700, SAFEPATH_KEEP, NULL, err);
			break;
		case S_IFREG:
			r = copy_file(c, e, parent, err);
			break;
		case S_IFLNK:
			r = copy_symlink(e, parent, err);
			break;
		case S_IFSOCK:
			r = 0; /* nobody listens on a copy */
			break;
		default:
			r = copy_special(e, parent, err);
		}
	}
	return r < 0 ? error_wrap(err, "copy '%.200s'", e->path) : 0;
}

static int finish_dir(struct copy *c, int from_dir, const char *name, int to_dir, const struct stat *st,
		      struct error *err)
{
	autofd int from = safepath_child(from_dir, name, O_RDONLY | O_DIRECTORY, err);
	autofd int to = FD_NONE;

	if (from == -EXDEV) /* a mount point: it was made, empty */
		from = FD_NONE;
	else if (from < 0)
		return from;
	to = safepath_child(to_dir, name, O_RDONLY | O_DIRECTORY, err);
	return to < 0 ? to : copy_meta(c, from, to, st, err);
}

static int finish_entry(const struct safepath_entry *e, void *arg, struct error *err)
{
	struct copy *c = arg;
	int parent;
	int r;

	if (!S_ISDIR(e->st->st_mode))
		return 0;
	parent = parent_of(c, e, err);
	r = parent < 0 ? parent : finish_dir(c, e->dir_fd, e->name, parent, e->st, err);
	return r < 0 ? error_wrap(err, "copy '%.200s'", e->path) : 0;
}

int safepath_copy_up(int src_dir, int dst_dir, const struct safepath_copy_limits *limits, struct error *err)
{
	struct copy c autoclean(copy_done) = {
		.dst = dst_dir,
		.bytes_left = limits->max_bytes,
		.parent_fd = FD_NONE,
		.names = mem_alloc(XATTR_LIST_MAX),
		.value = mem_alloc(XATTR_LIST_MAX),
	};
	autofd int from = openat(src_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofd int to = openat(dst_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return error_sys(err, errno, "copy a directory");
	r = safepath_walk(from, SAFEPATH_PRE, limits->max_entries, copy_entry, &c, err);
	if (r == 0)
		r = safepath_walk(from, SAFEPATH_POST, limits->max_entries, finish_entry, &c, err);
	return r < 0 ? r : copy_meta(&c, from, to, &st, err);
}
