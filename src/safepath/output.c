/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command writes for its user (an archive, a folder): it has its name only when it is whole. A file has no name at
 * all while it is written, where the file system can do that (O_TMPFILE), so that nothing is left whatever ends us;
 * elsewhere, and for folders, a temporary one beside the target. What is no regular file (a fifo, /dev/null, /dev/stdout)
 * is written directly.
 */
#include "safepath/safepath.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"

/* The folder of @path into o->dir_fd, its last part into o->name. */
static int split_path(struct safepath_output *o, const char *path, struct error *err)
{
	autofree char *folder = mem_strdup(path);
	size_t len = strlen(folder);

	while (len > 1 && folder[len - 1] == '/')
		folder[--len] = '\0';
	char *slash = strrchr(folder, '/');
	const char *name = slash ? slash + 1 : folder;

	if (!safepath_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' does not name a file", path);
	o->name = mem_strdup(name);
	if (slash)
		slash[slash == folder] = '\0';
	o->dir_fd = safepath_host_open(slash ? folder : ".", O_RDONLY | O_DIRECTORY, 0, err);
	return o->dir_fd < 0 ? -err->code : 0;
}

static int open_file(struct safepath_output *o, struct error *err)
{
	o->fd = openat(o->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (o->fd >= 0)
		return 0;
	safepath_temporary_name("bothy", o->temporary);
	o->fd = openat(o->dir_fd, o->temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (o->fd >= 0)
		return 0;
	o->temporary[0] = '\0';
	return error_sys(err, errno, "make a file in its folder");
}

static int open_folder(struct safepath_output *o, struct error *err)
{
	safepath_temporary_name("bothy", o->temporary);
	if (mkdirat(o->dir_fd, o->temporary, 0777) < 0) {
		o->temporary[0] = '\0';
		return error_sys(err, errno, "make a folder beside it");
	}
	o->fd = openat(o->dir_fd, o->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return o->fd < 0 ? error_sys(err, errno, "open the folder '%s'", o->temporary) : 0;
}

int safepath_output_open(const char *path, bool folder, struct safepath_output *ret, struct error *err)
{
	autoclean(safepath_output_done) struct safepath_output o = SAFEPATH_OUTPUT_NONE;
	struct stat st;
	int r;

	o.folder = folder;
	if (!folder && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		if (S_ISDIR(st.st_mode))
			return error_sys(err, EISDIR, "write '%s'", path);
		o.fd = safepath_host_open(path, O_WRONLY, 0, err);
		if (o.fd < 0)
			return o.fd;
	} else {
		r = split_path(&o, path, err);
		if (r == 0)
			r = folder ? open_folder(&o, err) : open_file(&o, err);
		if (r < 0)
			return error_wrap(err, "write '%s'", path);
	}
	*ret = o;
	o = SAFEPATH_OUTPUT_NONE;
	return 0;
}

int safepath_output_commit(struct safepath_output *o, struct error *err)
{
	if (o->dir_fd < 0)
		return 0;
	if (!o->temporary[0]) {
		/* A link replaces nothing: the new file gets a temporary name, which then moves onto the final one. */
		safepath_temporary_name("bothy", o->temporary);
		int r = safepath_link_fd(o->fd, o->dir_fd, o->temporary, err);

		if (r < 0) {
			o->temporary[0] = '\0';
			return error_wrap(err, "write '%s'", o->name);
		}
	}
	if (renameat(o->dir_fd, o->temporary, o->dir_fd, o->name) < 0) {
		int e = errno;

		error_sys(err, e, "give '%s' its name", o->name);
		if (o->folder && (e == ENOTEMPTY || e == EEXIST || e == ENOTDIR))
			error_hint(err, "it exists already: remove it or choose another name");
		return -err->code;
	}
	o->temporary[0] = '\0';
	return 0;
}

void safepath_output_done(struct safepath_output *o)
{
	struct error ignored;

	if (o->dir_fd >= 0 && o->temporary[0] && o->folder)
		(void)safepath_remove_tree(o->dir_fd, o->temporary,
					   &ignored); /* best effort: it has no name that counts */
	else if (o->dir_fd >= 0 && o->temporary[0])
		(void)unlinkat(o->dir_fd, o->temporary, 0);
	fd_close(&o->fd);
	fd_close(&o->dir_fd);
	free(o->name);
	*o = SAFEPATH_OUTPUT_NONE;
}
