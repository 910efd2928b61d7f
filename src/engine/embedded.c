/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image that comes with bothy: a folder beside our programs. Root runs it as it is, idmapped. A plain user can map only
 * ids that are his, and the folder's owner is root: so he gets a copy of his own in his store, made on first use and named
 * after the original's size and time, so that a newer bothy makes a newer copy. It is a few megabytes.
 *
 *	PREFIX/share/bothy/embedded/rootfs -> <store>/embedded/<stamp>   (made as <stamp>.<pid>, renamed when complete)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"

#define ENTRIES_MAX 10000

char *engine_embedded_root(void)
{
	/* Beside our own program: build/bin and build/share, or PREFIX/bin and PREFIX/share. */
	char exe[4096];
	struct error ignored;
	struct stat st;
	char *dir;

	if (safepath_host_self(exe, sizeof(exe), &ignored) < 0)
		return NULL;
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(exe, '/');

		if (!slash)
			return NULL;
		*slash = '\0';
	}
	dir = mem_printf("%s/share/bothy/embedded/rootfs", exe);
	if (safepath_host_stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		return dir;
	free(dir);
	return NULL;
}

static int copy_file(int from_dir, int to_dir, const struct safepath_entry *e, struct error *err)
{
	autofd int from = safepath_child(from_dir, e->name, O_RDONLY | O_NOFOLLOW, err);
	autofd int to = FD_NONE;
	ssize_t n;

	if (from < 0)
		return from;
	to = safepath_create_file(to_dir, e->name, O_WRONLY, e->st->st_mode & 0777, SAFEPATH_KEEP, err);
	if (to < 0)
		return to;
	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? error_sys(err, errno, "copy '%s'", e->path) : 0;
}

static int copy_entry(const struct safepath_entry *e, void *arg, struct error *err)
{
	const int to = *(const int *)arg;
	const size_t len = strlen(e->path) - strlen(e->name);
	autofree char *parent = len ? mem_strndup(e->path, len - 1) : mem_strdup("/");
	autofd int dir = safepath_open(to, parent, O_PATH | O_DIRECTORY, err);
	char target[4096];
	int r;

	if (dir < 0)
		return dir;
	switch (e->st->st_mode & S_IFMT) {
	case S_IFDIR:
		r = safepath_mkdir(dir, e->name, e->st->st_mode & 01777, SAFEPATH_KEEP, NULL, err);
		break;
	case S_IFLNK:
		r = safepath_readlink(e->dir_fd, e->name, target, sizeof(target), err);
		if (r >= 0)
			r = safepath_symlink(dir, e->name, target, SAFEPATH_KEEP, err);
		break;
	default:
		r = copy_file(e->dir_fd, dir, e, err);
	}
	if (r < 0)
		return r;
	/* /root is for root's eyes only; there is nothing in it. */
	return S_ISDIR(e->st->st_mode) && (e->st->st_mode & 5) != 5 ? 1 : 0;
}

static int copy_tree(const char *from, int parent, const char *name, struct error *err)
{
	autofd int src = safepath_host_open(from, O_RDONLY | O_DIRECTORY, 0, err);
	autofd int dst = FD_NONE;
	int r;

	if (src < 0)
		return src;
	r = safepath_mkdir(parent, name, 0755, SAFEPATH_KEEP, &dst, err);
	return r < 0 ? r : safepath_walk(src, SAFEPATH_PRE, ENTRIES_MAX, copy_entry, &dst, err);
}

static int own_copy(struct engine *e, const char *from, char **ret, struct error *err)
{
	autofree char *busybox = mem_printf("%s/bin/busybox", from);
	autofree char *dir = NULL;
	autofd int parent = FD_NONE;
	struct store *store;
	struct error ignored;
	struct stat st = {};
	char stamp[64];
	char part[96];
	int r = engine_store(e, &store, err);

	if (r < 0)
		return r;
	(void)safepath_host_stat(busybox, &st);
	(void)snprintf(stamp, sizeof(stamp), "%lld-%lld", (long long)st.st_size, (long long)st.st_mtime);
	(void)snprintf(part, sizeof(part), "%s.%d", stamp, (int)getpid());
	dir = mem_printf("%s/embedded", store_root(store));
	parent = safepath_state_open(dir, err);
	if (parent < 0)
		return parent;
	if (safepath_stat(parent, stamp, &st) < 0) {
		r = copy_tree(from, parent, part, err);
		/* Another one of us may have been faster: his copy is as good. */
		if (r == 0 && safepath_rename(parent, part, parent, stamp, 0, err) < 0 &&
		    safepath_stat(parent, stamp, &st) < 0)
			r = -err->code;
		(void)safepath_remove_tree(parent, part, &ignored);
		if (r < 0)
			return error_wrap(err, "copy the embedded image to '%s'", dir);
	}
	*ret = mem_printf("%s/%s", dir, stamp);
	return 0;
}

int engine_embedded_open(struct engine *e, char **ret, struct error *err)
{
	autofree char *dir = engine_embedded_root();

	if (!dir)
		return error_hint((error_set(err, ERROR_NOT_FOUND, ENOENT, "the embedded image is not installed"), err),
				  "name an image (`bothy images` lists them) or a folder with --rootfs");
	if (!e->root)
		return own_copy(e, dir, ret, err);
	*ret = dir;
	dir = NULL;
	return 0;
}
