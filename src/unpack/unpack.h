/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_UNPACK_H
#define UNPACK_UNPACK_H

/*
 * The program bothy-unpack, which reads archives that came from outside, in a sandbox, and what its callers say and hear in
 * their own words: the bounds it keeps, the differences it finds. The store starts it and speaks to it by protocol.h.
 */

#include <stdint.h>

/* Bounds on what an archive may cost (V30). Zero in a field means the default. */
struct unpack_limits {
	uint64_t layer_entries; /* entries in one layer */
	uint64_t layer_bytes;   /* bytes of one layer after decompression */
	uint64_t image_bytes;   /* the same, all layers of one load together */
	uint64_t ratio;         /* decompressed : compressed, checked once more than UNPACK_RATIO_FREE_BYTES came out */
	uint64_t archive_members; /* members of an outer archive */
	uint64_t archive_bytes;   /* bytes of an outer archive after decompression */
};
#define UNPACK_RATIO_FREE_BYTES (UINT64_C(1) << 30) /* a file of zeros may well be in an image */

/* What is not as the digests say. The last two are the store's own, which no archive can tell. */
enum unpack_finding_kind {
	UNPACK_FINDING_MISSING,  /* the layer has it, the disk does not */
	UNPACK_FINDING_EXTRA,    /* the other way round */
	UNPACK_FINDING_TYPE,     /* a folder instead of a file, … */
	UNPACK_FINDING_CONTENT,  /* size or bytes, or it cannot be read */
	UNPACK_FINDING_MODE,     /* permission bits */
	UNPACK_FINDING_OWNER,    /* user or group */
	UNPACK_FINDING_TIME,     /* of the last change */
	UNPACK_FINDING_LINK,     /* a symlink's target, a file's number of names */
	UNPACK_FINDING_XATTR,    /* extended attributes, capabilities */
	UNPACK_FINDING_WHITEOUT, /* what hides lower layers */
	UNPACK_FINDING_BLOB,     /* a blob is missing or is not what its digest says */
	UNPACK_FINDING_RECORD,   /* documents and records do not belong together */
	UNPACK_FINDING_KIND_COUNT
};

/* How an object differs between two images. */
enum unpack_change_kind {
	UNPACK_CHANGE_MODIFIED,
	UNPACK_CHANGE_ADDED,
	UNPACK_CHANGE_DELETED,
	UNPACK_CHANGE_KIND_COUNT
};
enum unpack_changed {
	UNPACK_CHANGED_TYPE = 1, /* nothing else was compared */
	UNPACK_CHANGED_CONTENT = 2,
	UNPACK_CHANGED_MODE = 4,
	UNPACK_CHANGED_OWNER = 8,
	UNPACK_CHANGED_LINK = 16, /* a symlink's target */
	UNPACK_CHANGED_XATTR = 32,
	UNPACK_CHANGED_BELOW = 64, /* only something in this folder: no status is given */
};

/* bothy-unpack itself (src/main/bothy-unpack.c): fd 0 is the input, fd 3 the only folder, fd 4 takes a struct unpack_job and gives
 * messages. Returns the exit status. Never called by any other program. */
int unpack_main(int argc, char **argv);

#endif
