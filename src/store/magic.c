/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first bytes of compressed files. A file of its own, so that who only asks does not link the decompressors.
 */
#include <string.h>

#include "base/cleanup.h"
#include "store/stream.h"

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
