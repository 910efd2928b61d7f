/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders without an entry, by their inode: see implied.h. Most layers have none, so that looking is nothing; those that have
 * thousands find theirs in a table.
 */
#include "unpack/implied.h"

static struct implied_dir **bucket(struct implied *i, ino_t ino)
{
	return &i->buckets[(ino ^ (ino >> 10)) % IMPLIED_BUCKETS];
}

void implied_add(struct implied *i, struct arena *a, const char *path, const struct stat *st)
{
	struct implied_dir **head = bucket(i, st->st_ino), *dir = arena_alloc(a, 1, sizeof(*dir));

	*dir = (struct implied_dir){.path = arena_strdup(a, path), .dev = st->st_dev, .ino = st->st_ino, .next = *head};
	*head = dir;
	*(i->last ? i->last : &i->first) = dir;
	i->last = &dir->later;
	i->count++;
}

void implied_forget(struct implied *i, const struct stat *st)
{
	for (struct implied_dir **at = bucket(i, st->st_ino); i->count > 0 && *at;) {
		if (!implied_is(*at, st)) {
			at = &(*at)->next;
			continue;
		}
		(*at)->gone = true;
		*at = (*at)->next;
	}
}

bool implied_is(const struct implied_dir *dir, const struct stat *st)
{
	return !dir->gone && dir->dev == st->st_dev && dir->ino == st->st_ino;
}
