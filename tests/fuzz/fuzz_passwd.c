/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image's passwd and group files. The input is three parts with NUL bytes between them: who, passwd, group. The
 * result must be usable as it is: an absolute home without control characters, and the primary group among the groups.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes up to the next NUL, and past it. */
static const char *part(const char **at, const char *end, size_t *ret_len)
{
	const char *start = *at;
	const char *nul = start < end ? memchr(start, 0, (size_t)(end - start)) : NULL;

	*ret_len = (size_t)((nul ? nul : end) - start);
	*at = nul ? nul + 1 : end;
	return start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	const char *end = at + size;
	char *const extra[] = {(char[]){"tty"}, (char[]){"7"}, NULL};
	struct arena a = {0};
	struct image_user u;
	struct error err = {0};
	size_t who_len;
	size_t passwd_len;
	size_t group_len;
	const char *who = part(&at, end, &who_len);
	const char *passwd = part(&at, end, &passwd_len);
	const char *group = part(&at, end, &group_len);
	char *spec = arena_strndup(&a, who, who_len);

	for (int with = 0; with < 2; with++) {
		bool primary = false;
		uint32_t number;

		if (image_user_resolve(&a, spec, passwd, passwd_len, group, group_len, with ? extra : NULL, &u, &err) <
		    0)
			continue;
		for (size_t i = 0; i < u.group_count; i++)
			primary = primary || u.groups[i] == u.gid;
		if (!primary || *u.home != '/' || str_has_control(u.home) || u.uid == UINT32_MAX || u.gid == UINT32_MAX)
			abort();
		if (u.name && (!*u.name || str_has_control(u.name)))
			abort();
		/* Digits are never looked up as a name. */
		if (str_to_u32(spec, &number) == 0 && u.uid != number)
			abort();
	}
	arena_done(&a);
	return 0;
}
