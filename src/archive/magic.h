/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_MAGIC_H
#define ARCHIVE_MAGIC_H

/* What something is, by its first bytes. Pure, and without any decompressor. */

#include <stddef.h>

#include "base/error.h"
#include "spec/image.h"

#define MAGIC_BYTES 10u /* as many as tell what something is */

/* What the first bytes of a file say. */
enum image_compression magic_compression(const unsigned char *data, size_t len);
/* OCI's media type of a layer that begins so. */
const char *magic_media_type(const unsigned char *data, size_t len);
/* 0, or <0 UNSUPPORTED with what to type when it is compressed in a way that is not read here. Wants MAGIC_BYTES. */
int magic_refuse_foreign(const unsigned char *data, size_t len, struct error *err);

#endif
