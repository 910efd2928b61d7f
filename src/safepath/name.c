/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two more operations on one name below a directory that we hold, for whoever fills a tree that is his alone: hard links
 * by name and times of things that cannot be opened (symlinks, fifos).
 */
#include "safepath/safepath.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(const char *name, struct error *err)
{
	if (safepath_name_valid(name))
		return 0;
	return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a file name (one component, at most 255 bytes)",
			 name);
}

int safepath_link(int from_dir, const char *from, int dir_fd, const char *name, struct error *err)
{
	if (check(from, err) < 0 || check(name, err) < 0)
		return -err->code;
	if (linkat(from_dir, from, dir_fd, name, 0) < 0)
		return error_sys(err, errno, "link '%s' to '%s'", name, from);
	return 0;
}

int safepath_set_mtime(int dir_fd, const char *name, const struct timespec *mtime, struct error *err)
{
	struct timespec times[2] = {*mtime, *mtime};

	if (check(name, err) < 0)
		return -err->code;
	if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, errno, "set the time of '%s'", name);
	return 0;
}
