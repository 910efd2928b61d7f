/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One 512-byte header block of a tar archive, turned into numbers and strings. Pure: no memory, no input.
 *
 * Three dialects are told apart by the magic: ustar ("ustar\0" with version "00": the name may be split into prefix and
 * name), GNU ("ustar  \0": no prefix) and v7 (neither; only the first 257 bytes mean something). Numbers are octal text
 * ended by a blank, a NUL or the field's end, or GNU's base-256 marked by the top bit.
 */
#include "archive/tar.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

/* Offsets and lengths of the fields: POSIX.1-2017, pax, table "ustar Header Block". */
enum field { F_NAME, F_MODE, F_UID, F_GID, F_SIZE, F_MTIME, F_CHKSUM, F_LINK, F_MAGIC, F_MAJOR, F_MINOR, F_PREFIX };
static const struct {
	unsigned short at, len;
} fields[] = {
	[F_NAME] = {0, 100},  [F_MODE] = {100, 8},   [F_UID] = {108, 8},    [F_GID] = {116, 8},
	[F_SIZE] = {124, 12}, [F_MTIME] = {136, 12}, [F_CHKSUM] = {148, 8}, [F_LINK] = {157, 100},
	[F_MAGIC] = {257, 8}, [F_MAJOR] = {329, 8},  [F_MINOR] = {337, 8},  [F_PREFIX] = {345, 155},
};
#define TYPEFLAG_AT 156

static const char *const type_names[] = {
	[TAR_FILE] = "a file",
	[TAR_HARDLINK] = "a hard link",
	[TAR_SYMLINK] = "a symbolic link",
	[TAR_CHAR] = "a character device",
	[TAR_BLOCK] = "a block device",
	[TAR_DIR] = "a folder",
	[TAR_FIFO] = "a fifo",
};
_Static_assert(ARRAY_SIZE(type_names) == TAR_TYPE_COUNT, "a name for each type");

const char *tar_type_name(enum tar_type t)
{
	return t < TAR_TYPE_COUNT ? type_names[t] : "something unknown";
}

bool tar_block_is_zero(const unsigned char block[static TAR_BLOCK_BYTES])
{
	/* The first byte is zero and each equals its neighbour. */
	return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK_BYTES - 1) == 0;
}

/* Base-256: two's complement, big-endian; the top bit of the first byte only marks the form. */
static int number_binary(const unsigned char *field, size_t len, int64_t *ret)
{
	bool negative = field[0] & 0x40;
	uint64_t v = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = field[i];

		if (i == 0)
			c = negative ? c | 0x80 : c & 0x7f;
		/* Bytes above the low eight must be mere sign extension. */
		if (len - i > 8 && c != (negative ? 0xff : 0))
			return -ERANGE;
		v = v << 8 | c;
	}
	if (negative != ((int64_t)v < 0))
		return -ERANGE;
	*ret = (int64_t)v;
	return 0;
}

int tar_number(const unsigned char *field, size_t len, int64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0, digits = 0;

	if (len > 0 && field[0] & 0x80)
		return number_binary(field, len, ret);
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++, digits++)
		v = v << 3 | (uint64_t)(field[i] - '0'); /* 12 digits at most: cannot overflow */
	/* The rest must be the terminator and what an earlier content left is not tolerated. */
	for (; i < len; i++) {
		if (field[i] != ' ' && field[i] != '\0')
			return -EINVAL;
	}
	*ret = (int64_t)v; /* an empty field means 0: many writers leave device numbers blank */
	return 0;
}

static int field_number(const unsigned char *block, enum field f, const char *what, bool negative_ok, int64_t *ret,
			struct error *err)
{
	int r = tar_number(block + fields[f].at, fields[f].len, ret);

	if (r == 0 && *ret < 0 && !negative_ok)
		r = -ERANGE;
	if (r < 0)
		return error_set(err, ERROR_INVALID, -r, "tar header: the %s is not a valid number", what);
	return 0;
}

static int check_sum(const unsigned char *block, struct error *err)
{
	const unsigned int at = fields[F_CHKSUM].at, len = fields[F_CHKSUM].len;
	int64_t said;
	unsigned int sum = 0;

	for (unsigned int i = 0; i < TAR_BLOCK_BYTES; i++)
		sum += i >= at && i < at + len ? ' ' : block[i];
	if (tar_number(block + at, len, &said) < 0 || said != sum)
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "tar header: the checksum is wrong (damaged, or no tar archive)");
	return 0;
}

static void copy_field(char *out, const unsigned char *block, enum field f)
{
	size_t len = strnlen((const char *)block + fields[f].at, fields[f].len);

	memcpy(out, block + fields[f].at, len);
	out[len] = '\0';
}

/* Device numbers count only for devices: writers leave rubbish there otherwise. */
static int parse_device(const unsigned char *block, struct tar_header *h, struct error *err)
{
	int64_t dev_major, dev_minor;

	if (h->typeflag != '3' && h->typeflag != '4')
		return 0;
	if (field_number(block, F_MAJOR, "device number", false, &dev_major, err) < 0 ||
	    field_number(block, F_MINOR, "device number", false, &dev_minor, err) < 0)
		return -err->code;
	h->dev_major = (uint64_t)dev_major;
	h->dev_minor = (uint64_t)dev_minor;
	return 0;
}

static int parse_numbers(const unsigned char *block, struct tar_header *h, struct error *err)
{
	int64_t mode, uid, gid, size, mtime;

	if (field_number(block, F_MODE, "mode", false, &mode, err) < 0 ||
	    field_number(block, F_UID, "owner", false, &uid, err) < 0 ||
	    field_number(block, F_GID, "group", false, &gid, err) < 0 ||
	    field_number(block, F_SIZE, "size", false, &size, err) < 0 ||
	    field_number(block, F_MTIME, "time", true, &mtime, err) < 0)
		return -err->code;
	h->mode = (uint64_t)mode;
	h->uid = (uint64_t)uid;
	h->gid = (uint64_t)gid;
	h->size = (uint64_t)size;
	h->size_saturated = size == INT64_C(077777777777);
	h->mtime_s = mtime;
	return 0;
}

int tar_header_parse(const unsigned char block[static TAR_BLOCK_BYTES], struct tar_header *ret, struct error *err)
{
	const char *magic = (const char *)block + fields[F_MAGIC].at;
	struct tar_header h = {.typeflag = (char)block[TYPEFLAG_AT]};
	bool ustar = memcmp(magic,
			    "ustar\0"
			    "00",
			    8) == 0;
	int r;

	h.gnu = memcmp(magic, "ustar  \0", 8) == 0;
	/* Something that begins like the magic but is neither could be read in both ways. */
	if (!ustar && !h.gnu && memcmp(magic, "ustar", 5) == 0)
		return error_set(err, ERROR_INVALID, EINVAL, "tar header: unknown dialect behind the word 'ustar'");
	r = check_sum(block, err);
	if (r == 0)
		r = parse_numbers(block, &h, err);
	if (r == 0)
		r = parse_device(block, &h, err);
	if (r < 0)
		return r;
	copy_field(h.link, block, F_LINK);
	if (ustar && block[fields[F_PREFIX].at] != '\0') {
		char name[100 + 1];

		copy_field(h.path, block, F_PREFIX);
		copy_field(name, block, F_NAME);
		size_t at = strlen(h.path);
		h.path[at++] = '/';
		memcpy(h.path + at, name, strlen(name) + 1);
	} else {
		copy_field(h.path, block, F_NAME);
	}
	*ret = h;
	return 0;
}
