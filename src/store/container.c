/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of containers. Which image a container stands on is the target of the symbolic link `image` in its folder: one
 * system call to write, never followed, and gone with the folder. (A row in the database would be a write transaction in the
 * path of every run.) The digest stands there as "sha256-" and base64url: of less than 60 bytes, a link lies in its inode on ext4 and
 * costs no block. What older programs left has the digest as it is.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define MAKE_TRIES 16
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

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define LINK_MAX_BYTES 52 /* "sha256-", 43 characters for 32 bytes, NUL, and one to spare */

/* A hexadecimal digit's value; anything else gives rubbish, and was refused before. */
static unsigned hex_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "sha256:<64 hexadecimal digits>", which is all that digest_supported takes, as a short text. */
static void shorten(const char *digest, char out[static LINK_MAX_BYTES])
{
	const char *hex = digest + 7;
	char *to = out + 7;
	unsigned bits = 0;
	unsigned held = 0;

	(void)str_copy(out, LINK_MAX_BYTES, "sha256-");
	for (size_t i = 0; i < 64; i++) {
		bits = bits << 4 | hex_value(hex[i]);
		held += 4;
		if (held >= 6) {
			held -= 6;
			*to++ = base64url[bits >> held & 63];
		}
	}
	*to++ = base64url[bits << (6 - held) & 63];
	*to = '\0';
}

/* The digest that a link's @text means, in either form. What is none gives what is none. */
static void lengthen(const char *text, char out[static DIGEST_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned bits = 0;
	unsigned held = 0;
	size_t at = 7;

	(void)str_copy(out, DIGEST_TEXT_MAX, str_starts(text, "sha256-") ? "sha256:" : text);
	if (!str_starts(text, "sha256-") || strlen(text + 7) != 43)
		return;
	for (text += 7; *text; text++) {
		const char *found = strchr(base64url, *text);

		if (!found)
			break;
		bits = bits << 6 | (unsigned)(found - base64url);
		for (held += 6; held >= 4 && at < DIGEST_TEXT_MAX - 1; held -= 4)
			out[at++] = digits[bits >> (held - 4) & 15];
	}
	out[at] = '\0';
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
	char link[LINK_MAX_BYTES];

	c->dir_fd = safepath_child(parent, id, O_RDONLY | O_DIRECTORY, err);
	if (c->dir_fd < 0)
		return c->dir_fd;
	if (image)
		shorten(image, link);
	if (image && safepath_symlink(c->dir_fd, "image", link, SAFEPATH_KEEP, err) < 0)
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
	bool made = false;
	int r = -ENOENT;

	/* A folder that nobody holds is what a killed owner left, and is cleared away by whoever sees it (engine/owner.c): also one
	 * that was made a moment ago. */
	for (int tries = 0; r == -ENOENT && tries < MAKE_TRIES; tries++) {
		r = safepath_mkdir(parent, id, 0700, SAFEPATH_KEEP, NULL, err);
		if (r == 0)
			return error_set(err, ERROR_CONFLICT, EEXIST, "the store has a container '%s' already", id);
		store_container_done(&c);
		made = r > 0;
		if (made)
			r = fill_folder(parent, id, image, flags, &c, err);
	}
	if (r < 0 && made)
		(void)safepath_remove_tree(parent, id, &undo); /* best effort: an empty folder harms nobody */
	if (r < 0)
		return r;
	*ret = c;
	c = (struct store_container){FD_NONE, FD_NONE, FD_NONE};
	return 0;
}

const char *store_mount_points(struct store *s)
{
	static const char *const files[] = {"hosts", "hostname", "resolv.conf"}; /* the last shows that all are there */
	const char *const folder = "mountpoints";
	autofd int top = FD_NONE;
	autofd int etc = FD_NONE;
	struct error err;
	struct stat st;

	if (safepath_mkdir(s->root_fd, folder, 0755, SAFEPATH_KEEP, &top, &err) < 0 ||
	    safepath_mkdir(top, "etc", 0755, SAFEPATH_KEEP, &etc, &err) < 0)
		return NULL;
	if (safepath_stat(etc, files[2], &st) == 0)
		return folder;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		autofd int fd = safepath_create_file(etc, files[i], O_RDWR, 0644, SAFEPATH_KEEP, &err);

		if (fd < 0 && err.kind != ERROR_CONFLICT) /* another run makes them, too */
			return NULL;
	}
	return folder;
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
	char digest[DIGEST_TEXT_MAX];
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
	lengthen(target, digest);
	if (!digest_supported(digest))
		return error_set(err, ERROR_INVALID, EIO, "the record of container '%s' is damaged", id);
	*ret = mem_strdup(digest);
	return 0;
}

/* The folder of a container that wrote nothing, without looking what is there. What is not as expected stays for others. */
static int remove_unused(int parent, const char *id)
{
	struct error err;
	autofd int dir = safepath_child(parent, id, O_RDONLY | O_DIRECTORY, &err);
	autofd int work = FD_NONE;

	if (dir < 0 || safepath_rmdir(dir, "upper", true, &err) < 0)
		return -1;
	work = safepath_child(dir, "work", O_RDONLY | O_DIRECTORY, &err);
	if (work >= 0 && (safepath_rmdir(work, "work", true, &err) < 0 || safepath_rmdir(dir, "work", true, &err) < 0))
		return -1;
	if (safepath_unlink(dir, "image", true, &err) < 0)
		return -1;
	return safepath_rmdir(parent, id, true, &err);
}

int store_container_delete(struct store *s, const char *id, struct error *err)
{
	autofd int parent = FD_NONE;

	if (check_id(id, err) < 0)
		return -err->code;
	parent = store_folder(s, "containers", err);
	if (parent < 0 || remove_unused(parent, id) == 0)
		return parent < 0 ? parent : 0;
	return staging_remove_tree(s, parent, id, err);
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
