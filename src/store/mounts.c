/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images are mounted: a symbolic link mounts/<hex of the image's id> whose target is the place. The mount itself is gone
 * after a restart, and a killed command may have noted a mount that never came; so a note counts only while something is
 * mounted at its place.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define MOUNTS "mounts"

void store_mounts_done(struct store_mounts *m)
{
	arena_done(&m->arena);
	*m = (struct store_mounts){0};
}

/* The folder is made with the first mount. Returns the fd, or <0 -ENOENT. */
static int open_notes(struct store *s, bool make, struct error *err)
{
	struct stat st;

	if (make && safepath_mkdir(s->root_fd, MOUNTS, 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	if (safepath_stat(s->root_fd, MOUNTS, &st) < 0)
		return -ENOENT;
	return safepath_child(s->root_fd, MOUNTS, O_RDONLY | O_DIRECTORY, err);
}

/* Opening a child never enters a mount: that it would have to is the answer. */
static bool is_mounted(const char *path)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder = slash && slash > path ? mem_strndup(path, (size_t)(slash - path)) : NULL;
	struct error err;

	if (!folder || folder[0] != '/')
		return false;
	autofd int parent = safepath_host_open_dir(folder, &err);
	autofd int at = parent < 0 ? FD_NONE : safepath_child(parent, slash + 1, O_PATH | O_DIRECTORY, &err);

	return parent >= 0 && at == -EXDEV;
}

static void take_note(int notes, const char *hex, struct store_mounts *m)
{
	char *id = arena_printf(&m->arena, "sha256:%s", hex);
	char path[PATH_MAX];
	struct error bad;

	if (!digest_supported(id) || safepath_readlink(notes, hex, path, sizeof(path), &bad) < 0)
		return; /* a damaged note hides itself only */
	ARENA_PUSH(&m->arena, m->items, m->count) =
		(struct store_mount){.image = id, .path = arena_strdup(&m->arena, path), .live = is_mounted(path)};
}

int store_mount_list(struct store *s, struct store_mounts *ret, struct error *err)
{
	autoclean(store_mounts_done) struct store_mounts m = {0};
	autofd int fd = open_notes(s, false, err);
	autostrv struct strv names = {0};

	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0 && safepath_list(fd, &names, err) < 0)
		return error_wrap(err, "cannot list the mounts of %s", s->root);
	for (size_t i = 0; i < names.count; i++)
		take_note(fd, names.items[i], &m);
	*ret = m;
	m = (struct store_mounts){0};
	return 0;
}

int store_mount_add(struct store *s, const char *name_or_id, const char *folder, struct store_image *ret, int *ret_use,
		    struct error *err)
{
	autofd int use = safepath_lock(s->root_fd, STORE_USE_LOCK, false, true, err);
	autoimage struct store_image image = {0};

	if (use < 0 || store_image_find(s, name_or_id, &image, err) < 0)
		return -err->code;
	autofree char *path = mem_printf("%s/%s", folder, image.id + 7);
	autofd int notes = open_notes(s, true, err);

	if (notes < 0 || safepath_unlink(notes, image.id + 7, true, err) < 0 ||
	    safepath_symlink(notes, image.id + 7, path, SAFEPATH_KEEP, err) < 0)
		return -err->code;
	*ret = image;
	image = (struct store_image){0};
	*ret_use = take_fd(&use);
	return 0;
}

int store_mount_forget(struct store *s, const char *image_id, struct error *err)
{
	autofd int notes = open_notes(s, false, err);

	if (notes < 0)
		return notes == -ENOENT ? 0 : notes;
	return safepath_unlink(notes, image_id + 7, true, err);
}

int mounts_check_unused(struct store *s, const char *id, struct error *err)
{
	autofd int notes = open_notes(s, false, err);
	char path[PATH_MAX];
	struct error gone;

	if (notes < 0)
		return notes == -ENOENT ? 0 : notes;
	if (safepath_readlink(notes, id + 7, path, sizeof(path), &gone) < 0)
		return 0;
	if (!is_mounted(path))
		return safepath_unlink(notes, id + 7, true, err);
	error_set(err, ERROR_BUSY, EBUSY, "image %.19s is mounted at %s", id, path);
	return error_hint(err, "bothy image unmount %.12s", id + 7);
}
