/* SPDX-License-Identifier: Apache-2.0 */
/* Names of entries: see layer_path.h. */
#include "archive/layer_path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"

int layer_path_parse(const char *text, struct layer_path *ret, struct error *err)
{
	size_t at = 0, base = 0;

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			return error_set(err, ERROR_INVALID, EXDEV, "the path has '..' in it");
		if (len > NAME_MAX)
			return error_set(err, ERROR_INVALID, ENAMETOOLONG, "a part of the path is longer than %d bytes",
					 NAME_MAX);
		if (len > 0 && !(len == 1 && p[0] == '.')) {
			if (at + len + 1 > TAR_PATH_MAX)
				return error_set(err, ERROR_INVALID, ENAMETOOLONG, "the path is longer than %u bytes",
						 TAR_PATH_MAX);
			if (at > 0)
				ret->text[at++] = '/';
			base = at;
			memcpy(ret->text + at, p, len);
			at += len;
		}
		p += len;
		p += *p == '/';
	}
	ret->text[at] = '\0';
	ret->base = base;
	return 0;
}

int layer_path_whiteout(const char *base, const char **ret_name, struct error *err)
{
	const char *name = base + 4;

	if (!str_starts(base, ".wh."))
		return LAYER_NORMAL;
	if (str_eq(name, ".wh..opq"))
		return LAYER_OPAQUE;
	if (str_starts(name, ".wh."))
		return LAYER_AUFS;
	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return error_set(err, ERROR_INVALID, EINVAL, "a whiteout of nothing that could be hidden");
	*ret_name = name;
	return LAYER_HIDE;
}
