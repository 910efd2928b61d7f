/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A merged folder: the names of all its layers are collected, sorted, and each name's story is read from the top: a whiteout ends
 * it with nothing, a file with that file; folders are merged down to the first that is opaque or lies on something else.
 */
#include "unpack/merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "safepath/safepath.h"

/* A name in one layer. */
struct found {
	const char *name;
	uint16_t layer;
	enum { FOUND_OTHER, FOUND_DIR, FOUND_WHITEOUT } what;
};

struct founds {
	struct arena arena;
	struct found *items; /* owned */
	size_t count;
};

static void founds_done(struct founds *f)
{
	free(f->items);
	arena_done(&f->arena);
}

void merge_list_done(struct merge_list *l)
{
	arena_done(&l->arena);
	*l = (struct merge_list){0};
}

int merge_open(const struct merge_layers *l, uint16_t layer, const char *path, int flags, struct error *err)
{
	autofree char *full = mem_printf("%s/diff/%s", l->names[layer], path);

	return safepath_open(l->fd, full, flags | O_NOFOLLOW, err);
}

int merge_stat(const struct merge_layers *l, uint16_t layer, const char *path, struct stat *ret, struct error *err)
{
	autofd int fd = merge_open(l, layer, path, O_PATH, err);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? error_sys(err, errno, "look at '%s'", path) : 0;
}

int merge_readlink(const struct merge_layers *l, uint16_t layer, const char *path, char *out, size_t size,
		   struct error *err)
{
	autofree char *full = mem_printf("%s/diff/%s", l->names[layer], path);
	char name[256];
	autofd int parent = safepath_open_parent(l->fd, full, name, err);

	return parent < 0 ? parent : safepath_readlink(parent, name, out, size, err);
}

struct merge_entry merge_root(const struct merge_layers *l, struct arena *a)
{
	struct merge_entry root = {.name = "", .is_dir = true, .layer_count = l->count};

	root.layers = arena_alloc(a, l->count + 1, sizeof(*root.layers));
	for (size_t i = 0; i < l->count; i++)
		root.layers[i] = (uint16_t)i;
	return root;
}

/* ---- collecting ---- */

static int add_found(struct founds *f, int dir_fd, const struct dirent *d, uint16_t layer, struct error *err)
{
	struct stat st;
	struct found *n;

	if (f->count >= MERGE_DIR_MAX_ENTRIES)
		return error_set(err, ERROR_LIMIT, E2BIG, "a folder has more than %u names", MERGE_DIR_MAX_ENTRIES);
	n = &VEC_PUSH(f->items, f->count);
	*n = (struct found){.name = arena_strdup(&f->arena, d->d_name), .layer = layer};
	if (d->d_type == DT_DIR) {
		n->what = FOUND_DIR;
	} else if (d->d_type == DT_CHR || d->d_type == DT_UNKNOWN) {
		int r = safepath_stat(dir_fd, d->d_name, &st);

		if (r < 0)
			return error_sys(err, -r, "look at '%s'", d->d_name);
		if (S_ISDIR(st.st_mode))
			n->what = FOUND_DIR;
		else if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
			n->what = FOUND_WHITEOUT;
	}
	return 0;
}

static int collect(struct founds *f, const struct merge_layers *l, uint16_t layer, const char *path, struct error *err)
{
	autofd int fd = merge_open(l, layer, path, O_RDONLY | O_DIRECTORY, err);
	autodir DIR *d = NULL;
	struct dirent *e;
	int r = 0;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d)
		return error_sys(err, errno, "list '%s'", path);
	int dir_fd = take_fd(&fd);

	while (r == 0 && (e = readdir(d))) {
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			r = add_found(f, dir_fd, e, layer, err);
	}
	return r;
}

/* By name, the upper layer first: layers are collected in that order, but qsort is not stable. */
static int by_name(const void *pa, const void *pb)
{
	const struct found *a = pa, *b = pb;
	int r = strcmp(a->name, b->name);

	return r ? r : a->layer - b->layer;
}

/* ---- merging ---- */

static int is_opaque(const struct merge_layers *l, uint16_t layer, const char *path, const char *name, bool *ret,
		     struct error *err)
{
	autofree char *full = mem_printf("%s%s%s", path, *path ? "/" : "", name);
	autofd int fd = merge_open(l, layer, full, O_RDONLY | O_DIRECTORY, err);
	char value = 0;

	if (fd < 0)
		return fd;
	*ret = fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
	return 0;
}

/* The story of one name, @count layers have it. */
static int merge_name(const struct merge_layers *l, const char *path, const struct found *f, size_t count,
		      struct merge_list *ret, struct error *err)
{
	struct merge_entry *e;
	bool opaque = false;

	if (f->what == FOUND_WHITEOUT)
		return 0;
	e = &ARENA_PUSH(&ret->arena, ret->items, ret->count);
	*e = (struct merge_entry){.name = arena_strdup(&ret->arena, f->name), .is_dir = f->what == FOUND_DIR};
	e->layers = arena_alloc(&ret->arena, e->is_dir ? count : 1, sizeof(*e->layers));
	e->layers[e->layer_count++] = f->layer;
	for (size_t i = 1; i < count && e->is_dir && f[i].what == FOUND_DIR; i++) {
		if (is_opaque(l, f[i - 1].layer, path, f->name, &opaque, err) < 0)
			return -err->code;
		if (opaque)
			break;
		e->layers[e->layer_count++] = f[i].layer;
	}
	return 0;
}

int merge_read(const struct merge_layers *l, const struct merge_entry *dir, const char *path, struct merge_list *ret,
	       struct error *err)
{
	autoclean(merge_list_done) struct merge_list list = {0};
	autoclean(founds_done) struct founds f = {0};
	size_t same;

	for (size_t i = 0; i < dir->layer_count; i++) {
		if (collect(&f, l, dir->layers[i], path, err) < 0)
			return error_wrap(err, "folder '%s'", path);
	}
	if (f.count > 0)
		qsort(f.items, f.count, sizeof(*f.items), by_name);
	for (size_t i = 0; i < f.count; i += same) {
		for (same = 1; i + same < f.count && str_eq(f.items[i].name, f.items[i + same].name);)
			same++;
		if (merge_name(l, path, &f.items[i], same, &list, err) < 0)
			return error_wrap(err, "folder '%s'", path);
	}
	*ret = list;
	list = (struct merge_list){0};
	return 0;
}
