/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolution of a path inside a root that somebody else may change meanwhile.
 *
 * With openat2 the kernel does it in one call (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). Where that is missing, or where
 * missing components are to be made, the walk below does it: every component is opened with O_PATH | O_NOFOLLOW below the
 * fd of the one before; symlinks are read as text and put in front of what is left; ".." goes back to the fd that we came
 * from and never asks the kernel, so that a directory moved elsewhere meanwhile leads nowhere else. Nothing is resolved
 * twice and no check is separate from the use of what was checked.
 *
 * What it does not do: keep a directory from being moved out of the root by somebody who may do so, which openat2 cannot
 * either: the caller then holds an fd of a directory that was inside when it was opened.
 */
#include "safepath/resolve.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/file.h"

#define RACE_TRIES 64 /* rounds lost to somebody who swaps the component before we give up */

struct walk {
	const struct resolve_how *how;
	int root;                      /* borrowed */
	int stack[SAFEPATH_MAX_DEPTH]; /* owned; the directories from below the root to where we are */
	size_t depth;
	unsigned links;
	char rest[PATH_MAX]; /* what is still to be resolved */
};

static void walk_done(struct walk *w)
{
	while (w->depth)
		fd_close(&w->stack[--w->depth]);
}

/* One component further down is where we are, or (NULL) back at the root. */
static int tell(const struct walk *w, const char *name)
{
	char *path = w->how->ret_path;
	size_t len;

	if (!path)
		return 0;
	if (!name) {
		path[0] = '\0';
		return 0;
	}
	len = strlen(path);
	return snprintf(path + len, PATH_MAX - len, "%s%s", len ? "/" : "", name) < (int)(PATH_MAX - len)
		       ? 0
		       : -ENAMETOOLONG;
}

/* Back to where we came from. */
static void leave(struct walk *w)
{
	char *slash = w->how->ret_path ? strrchr(w->how->ret_path, '/') : NULL;

	if (!w->depth)
		return;
	fd_close(&w->stack[--w->depth]);
	if (slash)
		*slash = '\0';
	else
		(void)tell(w, NULL);
}

static int here(const struct walk *w)
{
	return w->depth ? w->stack[w->depth - 1] : w->root;
}

static int push(struct walk *w, const char *name, int *fd)
{
	if (w->depth == SAFEPATH_MAX_DEPTH)
		return -ENAMETOOLONG;
	w->stack[w->depth++] = take_fd(fd);
	return tell(w, name);
}

/* Take the next component out of rest. @ret_last: nothing but slashes follows; @ret_slash: and there was one. */
static int next_component(struct walk *w, char name[static NAME_MAX + 1], bool *ret_last, bool *ret_slash)
{
	char *p = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(p, "/");
	size_t slashes;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, p, len);
	name[len] = '\0';
	slashes = strspn(p + len, "/");
	*ret_last = p[len + slashes] == '\0';
	*ret_slash = slashes > 0;
	memmove(w->rest, p + len + slashes, strlen(p + len + slashes) + 1);
	return 0;
}

/* Put the text of the symlink @fd in front of what is left; an absolute one starts at the root. */
static int follow(struct walk *w, int fd, bool slash)
{
	char target[PATH_MAX];
	size_t rest = strlen(w->rest);
	ssize_t n;

	if (++w->links > SAFEPATH_MAX_LINKS)
		return -ELOOP;
	n = readlinkat(fd, "", target, sizeof(target));
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENOENT;
	if ((size_t)n + 1 + rest + 1 > sizeof(w->rest))
		return -ENAMETOOLONG;
	if (target[0] == '/') {
		walk_done(w);
		(void)tell(w, NULL);
	}
	memmove(w->rest + n + (rest || slash), w->rest, rest + 1);
	memcpy(w->rest, target, (size_t)n);
	/* Also "link/" with nothing behind keeps its slash: the target has to be a directory. */
	if (rest || slash)
		w->rest[n] = '/';
	return 0;
}

int resolve_chmod(int fd, mode_t mode)
{
	char name[16];
	autofd int proc = FD_NONE;

	if (fchmod(fd, mode) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* Linux 6.6, the same number everywhere but on alpha */
#endif
	if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
		return -errno;
	proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || !file_is_fs(proc, PROC_SUPER_MAGIC))
		return -EOPNOTSUPP;
	(void)snprintf(name, sizeof(name), "%d", fd);
	return fchmodat(proc, name, mode, 0) < 0 ? -errno : 0;
}

int resolve_finish(int fd, mode_t mode, const struct safepath_owner *owner)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* Owner first: chown takes setuid bits away. */
	if (owner && (st.st_uid != owner->uid || st.st_gid != owner->gid)) {
		/* Not ours: it was exchanged after we made it, and we do not give away other people's files. */
		if (st.st_uid != geteuid())
			return -EXDEV;
		if (fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0)
			return -errno;
		if (mode & 07000 && !S_ISLNK(st.st_mode))
			return resolve_chmod(fd, mode);
	}
	/* A set-gid parent hands its bit down; that is its owner's wish, not a difference. */
	if (!S_ISLNK(st.st_mode) && (st.st_mode & 07777 & ~(mode_t)S_ISGID) != (mode & ~(mode_t)S_ISGID)) {
		if (st.st_uid != geteuid())
			return -EXDEV;
		return resolve_chmod(fd, mode);
	}
	return 0;
}

int resolve_mkdir(int dir_fd, const char *name, mode_t mode, const struct safepath_owner *owner)
{
	autofd int fd = FD_NONE;
	int r;

	if (mkdirat(dir_fd, name, mode) < 0)
		return -errno;
	fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = resolve_finish(fd, mode, owner);
	return r < 0 ? r : take_fd(&fd);
}

static int make_file(int dir_fd, const char *name, mode_t mode, const struct safepath_owner *owner)
{
	autofd int fd = openat(dir_fd, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = resolve_finish(fd, mode, owner);
	return r < 0 ? r : take_fd(&fd);
}

/* Make what is missing at @name. Returns the fd, or -EEXIST when somebody was faster. */
static int make(const struct walk *w, const char *name, bool last, bool *ret_created)
{
	const struct resolve_how *how = w->how;
	int fd;

	if (how->make == RESOLVE_MAKE_NOTHING)
		return -ENOENT;
	if (!last)
		return resolve_mkdir(here(w), name, how->parent_mode, how->owner);
	if (how->make == RESOLVE_MAKE_DIR)
		fd = resolve_mkdir(here(w), name, how->mode, how->owner);
	else
		fd = make_file(here(w), name, how->mode, how->owner);
	if (fd >= 0)
		*ret_created = true;
	return fd;
}

/* The last component exists as @fd (O_PATH, no symlink): give it in the form asked for. */
static int finish_last(const struct walk *w, int *fd, const char *name, bool slash, mode_t type)
{
	const struct resolve_how *how = w->how;
	bool want_dir = slash || (how->flags & O_DIRECTORY) || how->make == RESOLVE_MAKE_DIR;
	struct stat a;
	struct stat b;
	int r;

	if (want_dir && !S_ISDIR(type))
		return -ENOTDIR;
	if (how->make == RESOLVE_MAKE_FILE && S_ISDIR(type))
		return -EISDIR;
	if (S_ISLNK(type) && !(how->flags & O_PATH) && how->make == RESOLVE_MAKE_NOTHING)
		return -ELOOP;
	if ((how->flags & O_PATH) || how->make != RESOLVE_MAKE_NOTHING)
		return take_fd(fd);
	r = openat(here(w), name, how->flags | O_NOFOLLOW | O_CLOEXEC);
	if (r < 0)
		return errno == ELOOP || errno == ENOENT ? -ESTALE : -errno;
	if (fstat(*fd, &a) < 0 || fstat(r, &b) < 0 || a.st_ino != b.st_ino || a.st_dev != b.st_dev) {
		close(r);
		return -ESTALE;
	}
	return r;
}

/* Where the path ends in "." or ".." (or is empty): the directory we stand in. */
static int finish_here(const struct walk *w)
{
	int flags = w->how->flags & ~(O_NOFOLLOW | O_CREAT);
	int fd;

	if (w->how->make == RESOLVE_MAKE_FILE)
		return -EISDIR;
	if (w->how->make == RESOLVE_MAKE_DIR)
		flags = O_PATH | O_DIRECTORY;
	fd = openat(here(w), ".", flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* One component. Returns 1 to go on, an fd through @ret_fd with 0 when done, -errno. */
static int step(struct walk *w, int *ret_fd, bool *ret_created)
{
	char name[NAME_MAX + 1];
	autofd int fd = FD_NONE;
	bool last;
	bool slash;
	struct stat st;
	int r = next_component(w, name, &last, &slash);

	if (r < 0)
		return r;
	if (strcmp(name, "..") == 0)
		leave(w);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		if (!last)
			return 1;
		*ret_fd = finish_here(w);
		return *ret_fd < 0 ? *ret_fd : 0;
	}
	for (int tries = 0; tries < RACE_TRIES; tries++) {
		fd = openat(here(w), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT) {
			fd = make(w, name, last, ret_created);
			if (fd >= 0 && last) {
				*ret_fd = take_fd(&fd);
				return 0;
			}
			if (fd == -EEXIST)
				continue;
			if (fd < 0)
				return fd;
		}
		if (fd < 0)
			return -errno;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (S_ISLNK(st.st_mode) && !(last && w->how->nofollow && !slash)) {
			r = w->how->straight ? -ELOOP : follow(w, fd, slash);
			return r < 0 ? r : 1;
		}
		if (!last) {
			if (!S_ISDIR(st.st_mode))
				return -ENOTDIR;
			r = push(w, name, &fd);
			return r < 0 ? r : 1;
		}
		r = finish_last(w, &fd, name, slash, st.st_mode);
		if (r != -ESTALE) {
			*ret_fd = r;
			return r < 0 ? r : tell(w, name);
		}
		fd_close(&fd); /* exchanged between the two opens: look again */
	}
	return -EAGAIN;
}

int resolve_walk(int root_fd, const char *path, const struct resolve_how *how, bool *ret_created)
{
	struct walk w __attribute__((cleanup(walk_done))) = {.how = how, .root = root_fd};
	size_t len = strlen(path);
	autofd int fd = FD_NONE;
	int r;

	if (len >= sizeof(w.rest))
		return -ENAMETOOLONG;
	(void)tell(&w, NULL);
	memcpy(w.rest, path, len + 1);
	do
		r = step(&w, &fd, ret_created);
	while (r == 1);
	return r < 0 ? r : take_fd(&fd);
}

static int type_matches(int fd, enum resolve_make want)
{
	struct stat st;

	if (want == RESOLVE_MAKE_NOTHING)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (want == RESOLVE_MAKE_DIR && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return want == RESOLVE_MAKE_FILE && S_ISDIR(st.st_mode) ? -EISDIR : 0;
}

int resolve_open(int root_fd, const char *path, const struct resolve_how *how, bool *ret_created)
{
	int flags = how->make == RESOLVE_MAKE_NOTHING ? how->flags : O_PATH;
	autofd int fd = FD_NONE;
	int r;

	if (how->nofollow)
		flags |= O_NOFOLLOW;
	fd = file_openat2(root_fd, *path ? path : ".", (uint64_t)flags, 0,
			  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (how->straight ? RESOLVE_NO_SYMLINKS : 0));
	if (fd >= 0) {
		r = type_matches(fd, how->make);
		return r < 0 ? r : take_fd(&fd);
	}
	/* A filter may say EPERM for a call it does not know; the walk then finds out what is really forbidden. */
	if (fd == -ENOSYS || fd == -EPERM || fd == -EAGAIN || (fd == -ENOENT && how->make != RESOLVE_MAKE_NOTHING))
		return resolve_walk(root_fd, path, how, ret_created);
	return fd;
}
