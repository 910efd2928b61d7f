/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole trees: removing and visiting, at any depth with two fds. The way down is by name below the directory held, never
 * following a link and never into another mount. The way up is "..", and the directory it leads to must be the one we came
 * from (device and inode): whoever moves a directory away under our hands makes us stop, not work elsewhere.
 */
#include "safepath/safepath.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "safepath/resolve.h"

#define WALK_MAX_DEPTH 4096
#define WALK_MAX_PATH (1u << 20) /* 4096 components of 255 bytes */
#define REMOVE_MAX_PASSES 10000  /* over one directory that somebody keeps filling */
#define REMOVE_MAX_DEPTH 100000

struct entry_head {
	uint64_t ino;
	int64_t off; /* where to go on behind this entry */
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* A directory that we are in or came through. */
struct level {
	struct stat st;
	char *name;      /* owned */
	int64_t off;     /* walk: where its listing goes on */
	size_t path_len; /* walk: length of its own path */
};

struct levels {
	struct level *items;
	size_t count;
};

static void levels_done(struct levels *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i].name);
	free(v->items);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* From @cur to its parent, which must be levels[count-2], or the start when there is none. */
static int go_up(int cur, int start, const struct levels *v, struct error *err)
{
	bool to_start = v->count < 2;
	autofd int up = openat(to_start ? start : cur, to_start ? "." : "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (up < 0)
		return error_sys(err, errno, "return from the directory '%s'", v->items[v->count - 1].name);
	if (fstat(up, &st) < 0)
		return error_sys(err, errno, "return from the directory '%s'", v->items[v->count - 1].name);
	if (!to_start && !same(&st, &v->items[v->count - 2].st))
		return error_set(err, ERROR_CONFLICT, ESTALE, "the directory '%s' was moved away meanwhile",
				 v->items[v->count - 1].name);
	return take_fd(&up);
}

static void push(struct levels *v, const char *name, const struct stat *st, size_t path_len)
{
	VEC_PUSH(v->items, v->count) = (struct level){.st = *st, .name = mem_strdup(name), .path_len = path_len};
}

static void pop(struct levels *v)
{
	free(v->items[--v->count].name);
}

/* ---- removing --------------------------------------------------------------------------------------------------------------- */

/* Remove one name if that takes no descent. Returns 0 gone, 1 a directory that is not empty, -errno. */
static int remove_one(int dir, const char *name, bool maybe_dir)
{
	if (!maybe_dir && unlinkat(dir, name, 0) == 0)
		return 0;
	if (!maybe_dir && errno != EISDIR && errno != EPERM)
		return errno == ENOENT ? 0 : -errno;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return 1;
	/* The listing's type may be unknown or old. */
	if (errno == ENOTDIR)
		return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
	return -errno;
}

/* Remove what is in @dir. Returns 0 when it is empty, 1 with @ret_name of a directory to be emptied first, <0. */
static int sweep(int dir, char ret_name[static 256], struct error *err)
{
	char room[8192] __attribute__((aligned(8)));
	bool opened_up = false;

	for (int pass = 0; pass < REMOVE_MAX_PASSES; pass++) {
		bool any = false;
		long n;

		if (lseek(dir, 0, SEEK_SET) < 0)
			return error_sys(err, errno, "list a directory");
		while ((n = syscall(SYS_getdents64, dir, room, sizeof(room))) > 0) {
			for (long at = 0; at < n;) {
				struct entry_head *d = (struct entry_head *)(void *)(room + at);
				int r;

				at += d->reclen;
				if (is_dots(d->name))
					continue;
				any = true;
				r = remove_one(dir, d->name, d->type == DT_DIR);
				/* A directory of ours without write permission: a plain user cannot empty it as it is. */
				if (r == -EACCES && !opened_up && fchmod(dir, 0700) == 0) {
					opened_up = true;
					r = remove_one(dir, d->name, d->type == DT_DIR);
				}
				if (r == 1) {
					memcpy(ret_name, d->name, strnlen(d->name, 255));
					ret_name[strnlen(d->name, 255)] = '\0';
					return 1;
				}
				if (r == -EBUSY)
					return error_set(err, ERROR_BUSY, EBUSY, "'%s' is a mount point", d->name);
				if (r < 0)
					return error_sys(err, -r, "remove '%s'", d->name);
			}
		}
		if (n < 0 && errno != ENOENT)
			return error_sys(err, errno, "list a directory");
		if (!any)
			return 0;
	}
	return error_set(err, ERROR_CONFLICT, ENOTEMPTY,
			 "somebody keeps making files in a directory that is to be removed");
}

/* Open the directory @name for emptying; a plain user may have to give himself the permission first. */
static int enter(int dir, const char *name, struct error *err)
{
	int fd = safepath_child(dir, name, O_RDONLY | O_DIRECTORY, err);

	if (fd == -EACCES) {
		autofd int place = safepath_child(dir, name, O_PATH | O_DIRECTORY, err);

		if (place >= 0 && resolve_chmod(place, 0700) == 0)
			fd = safepath_child(dir, name, O_RDONLY | O_DIRECTORY, err);
	}
	return fd;
}

static int descend(struct levels *v, int *cur, const char *name, struct error *err)
{
	struct stat st;
	int fd;

	if (v->count >= REMOVE_MAX_DEPTH)
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "the tree is deeper than %d directories",
				 REMOVE_MAX_DEPTH);
	fd = enter(*cur, name, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return error_sys(err, errno, "check '%s'", name);
	}
	push(v, name, &st, 0);
	fd_close(cur);
	*cur = fd;
	return 0;
}

int safepath_remove_tree(int dir_fd, const char *name, struct error *err)
{
	struct levels v autoclean(levels_done) = {0};
	autofd int cur = FD_NONE;
	char sub[256];
	int r;

	if (!safepath_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a file name", name);
	r = remove_one(dir_fd, name, false);
	if (r == -EBUSY)
		return error_set(err, ERROR_BUSY, EBUSY, "'%s' is a mount point", name);
	if (r <= 0)
		return r < 0 ? error_sys(err, -r, "remove '%s'", name) : 0;
	cur = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cur < 0)
		return error_sys(err, errno, "remove '%s'", name);
	r = descend(&v, &cur, name, err);
	while (r >= 0 && v.count) {
		int up;

		r = sweep(cur, sub, err);
		if (r == 1)
			r = descend(&v, &cur, sub, err);
		else if (r == 0) {
			up = go_up(cur, dir_fd, &v, err);
			if (up < 0)
				return error_wrap(err, "remove '%s'", name);
			fd_close(&cur);
			cur = up;
			if (unlinkat(cur, v.items[v.count - 1].name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				r = error_set(err, errno == EBUSY ? ERROR_BUSY : ERROR_CONFLICT, errno,
					      "remove the directory '%s': %s", v.items[v.count - 1].name,
					      error_text(errno));
			pop(&v);
		}
	}
	return r < 0 ? error_wrap(err, "remove '%s'", name) : 0;
}

/* ---- visiting --------------------------------------------------------------------------------------------------------------- */

struct walk {
	int start; /* borrowed */
	int cur;   /* owned */
	enum safepath_walk_order order;
	uint64_t left; /* entries that may still be visited */
	safepath_walk_fn fn;
	void *arg;
	struct levels v;
	struct buf path;
	int64_t off; /* in the directory we are in */
};

static void walk_done(struct walk *w)
{
	fd_close(&w->cur);
	levels_done(&w->v);
	buf_done(&w->path);
}

static void cut_path(struct walk *w, size_t len)
{
	w->path.len = len;
	if (w->path.data)
		w->path.data[len] = '\0';
}

static int visit(struct walk *w, const char *name, const struct stat *st, struct error *err)
{
	struct safepath_entry e = {
		.dir_fd = w->cur, .name = name, .path = buf_str(&w->path), .st = st, .depth = w->v.count};

	return w->fn(&e, w->arg, err);
}

/* Go into the directory @name, whose path stands in w->path. */
static int walk_in(struct walk *w, const char *name, const struct stat *st, int64_t off, struct error *err)
{
	struct stat now;
	int fd;

	if (w->v.count >= WALK_MAX_DEPTH)
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "'%.200s…' is deeper than %d directories",
				 buf_str(&w->path), WALK_MAX_DEPTH);
	fd = safepath_child(w->cur, name, O_RDONLY | O_DIRECTORY, err);
	if (fd == -EXDEV)
		return 0; /* a mount point: visited, not entered */
	if (fd < 0)
		return error_wrap(err, "visit '%.200s'", buf_str(&w->path));
	if (fstat(fd, &now) < 0 || !same(&now, st)) {
		close(fd);
		return error_set(err, ERROR_CONFLICT, ESTALE, "'%.200s' was exchanged meanwhile", buf_str(&w->path));
	}
	push(&w->v, name, st, w->path.len);
	w->v.items[w->v.count - 1].off = off; /* where the parent goes on */
	fd_close(&w->cur);
	w->cur = fd;
	w->off = 0;
	return 0;
}

static int walk_out(struct walk *w, struct error *err)
{
	struct level *l = &w->v.items[w->v.count - 1];
	int up = go_up(w->cur, w->start, &w->v, err);
	int r = 0;

	if (up < 0)
		return up;
	fd_close(&w->cur);
	w->cur = up;
	w->off = l->off;
	cut_path(w, l->path_len);
	w->v.count--; /* the entry is as deep as its parent's content */
	if (w->order == SAFEPATH_POST)
		r = visit(w, l->name, &l->st, err);
	free(l->name);
	return r;
}

/* One entry. Returns 1 when the directory we are in has changed, 0, <0. */
static int walk_entry(struct walk *w, const struct entry_head *d, struct error *err)
{
	size_t base = w->v.count ? w->v.items[w->v.count - 1].path_len : 0;
	size_t levels = w->v.count;
	struct stat st;
	int r;

	if (fstatat(w->cur, d->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "visit '%s'", d->name);
	if (w->left-- == 0)
		return error_set(err, ERROR_LIMIT, E2BIG, "the tree has more entries than allowed");
	cut_path(w, base);
	if ((base && !buf_putc(&w->path, '/')) || !buf_puts(&w->path, d->name))
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "a path in the tree is longer than %u bytes",
				 WALK_MAX_PATH);
	if (!S_ISDIR(st.st_mode))
		return visit(w, d->name, &st, err);
	if (w->order == SAFEPATH_PRE) {
		r = visit(w, d->name, &st, err);
		if (r)
			return r < 0 ? r : 0;
	}
	r = walk_in(w, d->name, &st, d->off, err);
	if (r < 0)
		return r;
	if (w->v.count != levels)
		return 1;
	/* Not entered (a mount): its turn in the other order is now. */
	return w->order == SAFEPATH_POST ? visit(w, d->name, &st, err) : 0;
}

static int walk_dir(struct walk *w, struct error *err)
{
	char room[8192] __attribute__((aligned(8)));
	long n;

	if (lseek(w->cur, w->off, SEEK_SET) < 0)
		return error_sys(err, errno, "list '%.200s'", buf_str(&w->path));
	while ((n = syscall(SYS_getdents64, w->cur, room, sizeof(room))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry_head *d = (const struct entry_head *)(void *)(room + at);
			int r = is_dots(d->name) ? 0 : walk_entry(w, d, err);

			at += d->reclen;
			if (r)
				return r;
		}
	}
	return n < 0 ? error_sys(err, errno, "list '%.200s'", buf_str(&w->path)) : 0;
}

int safepath_walk(int dir_fd, enum safepath_walk_order order, uint64_t max_entries, safepath_walk_fn fn, void *arg,
		  struct error *err)
{
	struct walk w autoclean(walk_done) = {
		.start = dir_fd,
		.cur = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.order = order,
		.left = max_entries,
		.fn = fn,
		.arg = arg,
		.path = BUF_INIT(WALK_MAX_PATH),
	};

	if (w.cur < 0)
		return error_sys(err, errno, "visit a tree");
	for (;;) {
		int r = walk_dir(&w, err);

		if (r < 0)
			return r;
		if (r == 1)
			continue;
		if (w.v.count == 0)
			return 0;
		r = walk_out(&w, err);
		if (r < 0)
			return r;
	}
}
