/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of containers. Which image a container stands on is the target of the symbolic link `image` in its folder: one
 * system call to write, never followed, and gone with the folder. (A row in the database would be a write transaction in the
 * path of every run.)
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define ID_MAX 128

static int check_id(const char *id, struct error *err)
{
	size_t len = strlen(id);

	if (len > 0 && len <= ID_MAX && id[0] != '.' &&
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len)
		return 0;
	return error_set(err, ERROR_INVALID, EINVAL,
			 "'%.140s' is no valid container id (1-%d of [A-Za-z0-9_.-], no dot in front)", id, ID_MAX);
}

void store_container_done(struct store_container *c)
{
	fd_close(&c->dir_fd);
	fd_close(&c->upper_fd);
	fd_close(&c->work_fd);
}

static int fill_folder(int parent, const char *id, const char *image, unsigned int flags, struct store_container *c,
		       struct error *err)
{
	c->dir_fd = safepath_child(parent, id, O_RDONLY | O_DIRECTORY, err);
	if (c->dir_fd < 0)
		return c->dir_fd;
	if (image && safepath_symlink(c->dir_fd, "image", image, SAFEPATH_KEEP, err) < 0)
		return -err->code;
	if (flags & STORE_CONTAINER_WRITABLE &&
	    (safepath_mkdir(c->dir_fd, "upper", 0755, SAFEPATH_KEEP, &c->upper_fd, err) < 0 ||
	     safepath_mkdir(c->dir_fd, "work", 0700, SAFEPATH_KEEP, &c->work_fd, err) < 0))
		return -err->code;
	if (flags & STORE_CONTAINER_DURABLE && (fsync(c->dir_fd) < 0 || fsync(parent) < 0))
		return error_sys(err, errno, "cannot make the folder of container %s durable", id);
	return 0;
}

static int make_folder(struct store *s, const char *id, const char *image, unsigned int flags,
		       struct store_container *ret, struct error *err)
{
	autoclean(store_container_done) struct store_container c = {FD_NONE, FD_NONE, FD_NONE};
	autofd int parent = store_folder(s, "containers", err);
	struct error undo;

	if (parent < 0)
		return parent;
	int r = safepath_mkdir(parent, id, 0700, SAFEPATH_KEEP, NULL, err);

	if (r == 0)
		return error_set(err, ERROR_CONFLICT, EEXIST, "the store has a container '%s' already", id);
	if (r < 0)
		return r;
	r = fill_folder(parent, id, image, flags, &c, err);
	if (r < 0) {
		(void)safepath_remove_tree(parent, id, &undo); /* best effort: an empty folder harms nobody */
		return r;
	}
	*ret = c;
	c = (struct store_container){FD_NONE, FD_NONE, FD_NONE};
	return 0;
}

int store_container_create(struct store *s, const char *id, const char *name_or_id, unsigned int flags,
			   struct store_image *ret_image, struct store_container *ret, struct error *err)
{
	autoimage struct store_image image = {0};
	autofd int lock = FD_NONE;
	autofd int use = FD_NONE;
	bool found = false;
	bool still;

	if (check_id(id, err) < 0)
		return -err->code;
	if (!name_or_id)
		return make_folder(s, id, NULL, flags, ret, err);
	/* Before the use lock: here, and to bring an old database up to date, the store's lock is taken, which comes first. */
	still = index_open_still(s, &lock) > 0;
	if (!still && index_open(s, false, err) < 0)
		return -err->code;
	/* From the look-up to the link: a removal waits. Many runs hold it together. */
	use = safepath_lock(s->root_fd, STORE_USE_LOCK, false, true, err);
	if (use >= 0)
		found = store_image_find(s, name_or_id, &image, err) == 0;
	if (still) {
		index_close(s);
		fd_close(&lock);
	}
	if (!found || make_folder(s, id, image.id, flags, ret, err) < 0)
		return -err->code;
	*ret_image = image;
	image = (struct store_image){0};
	return 0;
}

int store_container_open(struct store *s, const char *id, struct store_container *ret, struct error *err)
{
	autoclean(store_container_done) struct store_container c = {FD_NONE, FD_NONE, FD_NONE};
	autofd int parent = FD_NONE;
	struct stat st;

	if (check_id(id, err) < 0)
		return -err->code;
	parent = store_folder(s, "containers", err);
	if (parent < 0)
		return parent;
	if (safepath_stat(parent, id, &st) < 0)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "the store has no container '%s'", id);
	c.dir_fd = safepath_child(parent, id, O_RDONLY | O_DIRECTORY, err);
	if (c.dir_fd < 0)
		return c.dir_fd;
	if (safepath_stat(c.dir_fd, "upper", &st) == 0) {
		c.upper_fd = safepath_child(c.dir_fd, "upper", O_PATH | O_DIRECTORY, err);
		c.work_fd = c.upper_fd < 0 ? FD_NONE : safepath_child(c.dir_fd, "work", O_PATH | O_DIRECTORY, err);
		if (c.work_fd < 0)
			return -err->code;
	}
	*ret = c;
	c = (struct store_container){FD_NONE, FD_NONE, FD_NONE};
	return 0;
}

int store_container_image(struct store *s, const char *id, char **ret, struct error *err)
{
	autofd int dir = FD_NONE;
	char target[DIGEST_TEXT_MAX + 1];
	struct stat st;

	if (check_id(id, err) < 0)
		return -err->code;
	autofree char *path = mem_printf("containers/%s", id);

	dir = safepath_open_dir(s->root_fd, path, true, err);
	if (dir < 0)
		return dir;
	if (safepath_stat(dir, "image", &st) < 0) {
		*ret = NULL;
		return 0;
	}
	if (safepath_readlink(dir, "image", target, sizeof(target), err) < 0)
		return -err->code;
	if (!digest_supported(target))
		return error_set(err, ERROR_INVALID, EIO, "the record of container '%s' is damaged", id);
	*ret = mem_strdup(target);
	return 0;
}

int store_container_delete(struct store *s, const char *id, struct error *err)
{
	autofd int parent = FD_NONE;

	if (check_id(id, err) < 0)
		return -err->code;
	parent = store_folder(s, "containers", err);
	return parent < 0 ? parent : staging_remove_tree(s, parent, id, err);
}

int store_container_list(struct store *s, struct strv *ret_ids, struct error *err)
{
	autofd int fd = store_folder(s, "containers", err);
	autostrv struct strv names = {0};
	struct error ignored;

	if (fd < 0)
		return fd;
	if (safepath_list(fd, &names, err) < 0)
		return error_wrap(err, "cannot list the containers in %s", s->root);
	for (size_t i = 0; i < names.count; i++) {
		if (check_id(names.items[i], &ignored) == 0)
			strv_push(ret_ids, names.items[i]);
	}
	return 0;
}
