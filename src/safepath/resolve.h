/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAFEPATH_RESOLVE_H
#define SAFEPATH_RESOLVE_H

/* The resolver of safepath/: openat2 where the kernel has it, component by component where not or where something has to be
 * made on the way. Private to the module and its tests. Async-signal-safe. */

#include <stdbool.h>
#include <sys/types.h>

#include "safepath/safepath.h"

enum resolve_make {
	RESOLVE_MAKE_NOTHING,
	RESOLVE_MAKE_DIR,     /* the path and all on the way are directories to be made when missing */
	RESOLVE_MAKE_FILE,    /* the last component is an empty regular file */
};

struct resolve_how {
	int flags;     /* open(2) flags of the last component; with make: O_PATH is meant */
	bool nofollow; /* a symlink as last component is itself the result */
	bool straight; /* no symlink may be on the way: -ELOOP */
	char *ret_path; /* PATH_MAX bytes; the walk alone, to a directory: where that is, without symlinks ("": the root); NULL */
	enum resolve_make make;
	mode_t mode;        /* of the last component when made */
	mode_t parent_mode; /* of directories made on the way */
	const struct safepath_owner *owner;
};

/* The whole: returns an fd or -errno. @ret_created is set (never cleared) when the last component was made. */
int resolve_open(int root_fd, const char *path, const struct resolve_how *how, bool *ret_created);
/* Only the walk by components, for kernels without openat2. */
int resolve_walk(int root_fd, const char *path, const struct resolve_how *how, bool *ret_created);

/* Give what @fd (just made) its exact mode and owner. @fd may be O_PATH. Returns 0/-errno. */
int resolve_finish(int fd, mode_t mode, const struct safepath_owner *owner);
/* chmod of what @fd refers to, also when it is O_PATH. Returns 0/-errno. */
int resolve_chmod(int fd, mode_t mode);
/* mkdirat and an O_PATH fd for the new directory, verified. Returns the fd or -errno (-EEXIST). */
int resolve_mkdir(int dir_fd, const char *name, mode_t mode, const struct safepath_owner *owner);

#endif
