/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_IMPLIED_H
#define UNPACK_IMPLIED_H

/*
 * Folders that a layer has files in but does not list: they take owner and mode of lower layers, which the store does. A folder is
 * known by its inode, not by its path: what has the path in the end may be another (the folder was replaced by a symlink, say),
 * and an entry of its own may come later, by whatever path.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/arena.h"

#define IMPLIED_BUCKETS 1024

struct implied_dir {
	const char *path; /* where it was made: no symlink is on the way */
	dev_t dev;
	ino_t ino;
	bool gone;                /* listed, or replaced */
	struct implied_dir *next; /* of the bucket */
	struct implied_dir *later;
};
struct implied {
	struct implied_dir *buckets[IMPLIED_BUCKETS];
	struct implied_dir *first, **last; /* all, in order */
	size_t count;
};

/* The folder @st was made at @path (without symlinks) because something lies in it. All memory is @a's, which outlives it. */
void implied_add(struct implied *i, struct arena *a, const char *path, const struct stat *st);
/* The folder @st has an entry of its own, or was just made (so whoever had its number before is no more). */
void implied_forget(struct implied *i, const struct stat *st);
/* Is @st the folder that @dir was, and nothing else by now? */
bool implied_is(const struct implied_dir *dir, const struct stat *st);

#endif
