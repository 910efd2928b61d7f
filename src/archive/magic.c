/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first bytes of compressed files. A file of its own, so that who only asks does not link the decompressors.
 */
#include <string.h>

#include "archive/magic.h"
#include "base/cleanup.h"

enum image_compression magic_compression(const unsigned char *data, size_t len)
{
	static const struct {
		enum image_compression compression;
		unsigned char magic[4];
		size_t len;
	} known[] = {
		{IMAGE_GZIP, {0x1f, 0x8b}, 2},
		{IMAGE_ZSTD, {0x28, 0xb5, 0x2f, 0xfd}, 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (len >= known[i].len && memcmp(data, known[i].magic, known[i].len) == 0)
			return known[i].compression;
	}
	return IMAGE_PLAIN;
}

const char *magic_media_type(const unsigned char *data, size_t len)
{
	static const char *const types[] = {
		[IMAGE_PLAIN] = "application/vnd.oci.image.layer.v1.tar",
		[IMAGE_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
		[IMAGE_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
	};

	return types[magic_compression(data, len)];
}

/* Compressions that others take and we do not: each would be one more decoder in reach of hostile bytes. */
static const struct {
	const char *name, *magic;
	size_t at, magic_len; /* long ones: a plain archive begins with a file's name */
} foreign[] = {
	{"xz", "\xfd\x37\x7a\x58\x5a\x00", 0, 6},
	{"bzip2", "1AY&SY", 4, 6},                /* behind "BZh" and a digit */
};

int magic_refuse_foreign(const unsigned char *data, size_t len, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		if (len < foreign[i].at + foreign[i].magic_len ||
		    memcmp(data + foreign[i].at, foreign[i].magic, foreign[i].magic_len) != 0)
			continue;
		error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "this is compressed with %s: only gzip and zstd are read",
			  foreign[i].name);
		return error_hint(err, "decompress it on the way: `%s -dc FILE | bothy load` (or `import -`)",
				  foreign[i].name);
	}
	return 0;
}
