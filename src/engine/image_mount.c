/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as folders to look into: an overlay of their layers, read-only, below the state. The order lets a kill at any instant
 * do no harm: first the store's note (which counts only while something is mounted), then the folder, then the mount; back in
 * the reverse order. Below the layers lies an empty folder, since overlayfs wants two: so an image of one layer or of none is no
 * special case, and what its whiteouts hide is hidden.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"

#define LAYERS_MAX 499 /* overlayfs takes 500 */
#define EMPTY "empty"

static int check_rights(const struct engine *e, struct error *err)
{
	if (e->root)
		return 0;
	error_set(err, ERROR_DENIED, EPERM, "a plain user cannot mount an image where others would see it");
	return error_hint(
		err, "in a namespace of your own: unshare --map-root-user --map-auto --mount, there bothy --root %s",
		e->store ? store_root(e->store) : "FOLDER");
}

/* The state's folder for mounts. Returns the fd; @ret_path (heap) is its path. */
static int open_folder(const struct engine *e, char **ret_path, struct error *err)
{
	autofree char *path = mem_printf("%s/mounts", e->state);
	autofd int fd = safepath_state_open(path, err);

	if (fd < 0)
		return fd;
	*ret_path = take_ptr(&path);
	return take_fd(&fd);
}

static bool is_mount_point(int folder, const char *name)
{
	struct error err;
	autofd int fd = safepath_child(folder, name, O_PATH | O_DIRECTORY, &err);

	return fd == -EXDEV;
}

static void close_all(int (*fds)[LAYERS_MAX + 1])
{
	for (size_t i = 0; i <= LAYERS_MAX; i++)
		fd_close(&(*fds)[i]);
}

static int mount_layers(struct store *s, const struct store_image *image, int folder, struct error *err)
{
	int layers[LAYERS_MAX + 1] autoclean(close_all);
	autofd int target = FD_NONE;
	size_t count = image->layer_count;

	for (size_t i = 0; i <= LAYERS_MAX; i++)
		layers[i] = FD_NONE;
	if (count > LAYERS_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "%zu layers are more than the kernel's %d", count,
				 LAYERS_MAX);
	for (size_t i = 0; i < count; i++) {
		layers[i] = store_layer_open(s, &image->layers[count - 1 - i], err);
		if (layers[i] < 0)
			return layers[i];
	}
	if (safepath_mkdir(folder, EMPTY, 0700, SAFEPATH_KEEP, NULL, err) < 0 ||
	    safepath_mkdir(folder, image->id + 7, 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	layers[count] = safepath_child(folder, EMPTY, O_PATH | O_DIRECTORY, err);
	target = layers[count] < 0 ? FD_NONE : safepath_child(folder, image->id + 7, O_PATH | O_DIRECTORY, err);
	if (target < 0)
		return -err->code;
	if (count > 0)
		return mount_overlay_read_only(layers, count + 1, target, err);
	autofd int nothing = mount_clone(layers[0], "", false, 0, err);

	if (nothing < 0 || mount_set_attrs(nothing, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, false, err) < 0)
		return -err->code;
	return mount_attach(nothing, target, "the image", err);
}

int engine_image_mount(struct engine *e, const char *name_or_id, char **ret_path, struct error *err)
{
	autoimage struct store_image image = {0};
	autofree char *path = NULL;
	autofd int folder = FD_NONE, use = FD_NONE;
	struct store *store;

	if (engine_store(e, &store, err) < 0 || check_rights(e, err) < 0)
		return -err->code;
	folder = open_folder(e, &path, err);
	if (folder < 0)
		return folder;
	/* Two at once would mount over each other. */
	autofd int lock = safepath_lock(folder, ".lock", true, true, err);

	if (lock < 0 || store_mount_add(store, name_or_id, path, &image, &use, err) < 0)
		return -err->code;
	if (!is_mount_point(folder, image.id + 7) && mount_layers(store, &image, folder, err) < 0)
		return error_wrap(err, "mount %s", name_or_id);
	store_image_touch(store, &image);
	*ret_path = mem_printf("%s/%s", path, image.id + 7);
	return 0;
}

int engine_image_unmount(struct engine *e, const char *name_or_id, bool force, char **ret_id, struct error *err)
{
	autoimage struct store_image image = {0};
	autofree char *path = NULL;
	autofd int folder = FD_NONE;
	struct store *store;
	int r;

	if (engine_store(e, &store, err) < 0 || check_rights(e, err) < 0)
		return -err->code;
	folder = open_folder(e, &path, err);
	if (folder < 0)
		return folder;
	autofd int lock = safepath_lock(folder, ".lock", true, true, err);

	if (lock < 0 || store_image_find(store, name_or_id, &image, err) < 0)
		return -err->code;
	const char *hex = image.id + 7;

	if (!is_mount_point(folder, hex))
		return error_set(err, ERROR_NOT_FOUND, EINVAL, "image '%s' is not mounted", name_or_id);
	r = force ? mount_detach(folder, hex, err) : mount_remove(folder, hex, err);
	if (r < 0) {
		error_wrap(err, "unmount %s/%s", path, hex);
		return err->kind == ERROR_BUSY ? error_hint(err, "somebody uses it; --force takes it away all the same")
					       : -err->code;
	}
	if (safepath_rmdir(folder, hex, true, err) < 0 || store_mount_forget(store, image.id, err) < 0)
		return -err->code;
	*ret_id = mem_strdup(image.id);
	return 0;
}
