/* SPDX-License-Identifier: Apache-2.0 */
/* Which image may have been meant by a name that is none: for hints. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

void store_nearest_images(const struct store_image_list *list, const char *typed, char *out, size_t size)
{
	const size_t limit = strlen(typed) <= 4 ? 2 : 3;
	size_t found = 0;
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->count && found < 3; i++) {
		const struct store_image_row *row = &list->rows[i];
		const char *slash = row->repository ? strrchr(row->repository, '/') : NULL;
		const char *end;
		char full[512];
		bool near;

		if (!row->repository || !row->tag)
			continue;
		(void)snprintf(full, sizeof(full), "%s:%s", row->repository, row->tag);
		/* The name, with or without its tag or its folders; or the right name with another tag. */
		end = slash ? full + (slash + 1 - row->repository) : full; /* without its folders, with its tag */
		near = str_distance(typed, end, limit) < limit || str_distance(typed, full, limit) < limit ||
		       str_distance(typed, row->repository, limit) < limit ||
		       (slash && str_distance(typed, slash + 1, limit) < limit) ||
		       (strncmp(typed, row->repository, strlen(row->repository)) == 0 &&
			strchr(":@", typed[strlen(row->repository)]));
		if (near && len < size) {
			len += (size_t)snprintf(out + len, size - len, "%s'%s'", found ? ", " : "", full);
			found++;
		}
	}
}
