/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_LAYER_PATH_H
#define ARCHIVE_LAYER_PATH_H

/* Names of a layer's entries, made canonical. Pure. */

#include <stddef.h>

#include "archive/tar.h"
#include "base/error.h"

struct layer_path {
	char text[TAR_PATH_MAX + 1]; /* "a/b/c"; "" is the layer's root */
	size_t base;                 /* where the last component begins */
};

/* "./a//b/" and "/a/b" become "a/b" (Docker and containerd do so too). Refused: "..", components over 255 bytes, paths over
 * TAR_PATH_MAX. Returns 0 or <0 INVALID. */
int layer_path_parse(const char *text, struct layer_path *ret, struct error *err);

/* What an entry's last component asks for (image-spec layer.md, "Whiteouts"). */
enum layer_whiteout {
	LAYER_NORMAL,
	LAYER_HIDE,   /* ".wh.<name>": @ret_name is <name> */
	LAYER_OPAQUE, /* ".wh..wh..opq": hide all that lower layers have in this folder */
	LAYER_AUFS,   /* ".wh..wh.…": aufs' own files, of no meaning here */
};
/* Returns the kind, or <0: INVALID (".wh.", ".wh..", ".wh...": V28). */
int layer_path_whiteout(const char *base, const char **ret_name, struct error *err);

#endif
