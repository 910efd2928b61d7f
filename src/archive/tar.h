/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_TAR_H
#define ARCHIVE_TAR_H

/*
 * A strict reader of tar archives: v7, ustar, PAX (POSIX.1-2001 pax, "ustar Interchange Format" and "pax Extended
 * Header") and GNU tar's forms (long names, base-256 numbers, sparse files old and 0.0/0.1/1.0; GNU tar manual, "Basic Tar
 * Format" and "Storing Sparse Files"). It only reads: it knows nothing of file systems.
 *
 * Strict means: where two readers could see different entries (V29, CVE-2025-62518), the archive is refused and the text
 * says why. PAX records hold for the next entry only; global records may not change structure; a PAX size that
 * contradicts a header that could have held it is refused; links, folders and devices have no data; nothing but zeros
 * follows the end mark.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#define TAR_BLOCK_BYTES 512u
#define TAR_PATH_MAX 4095u           /* PATH_MAX less the terminator: longer ones could not be made */
#define TAR_PAX_MAX_BYTES (1u << 20) /* one extended header: far above all xattrs the kernel takes */
#define TAR_XATTR_MAX_COUNT 128u     /* per entry */
#define TAR_XATTR_NAME_MAX 255u      /* XATTR_NAME_MAX */
#define TAR_XATTR_VALUE_MAX 65536u   /* XATTR_SIZE_MAX */
#define TAR_SPARSE_MAX_COUNT 65536u  /* pieces of one sparse file */

/* Where the archive's bytes come from: a chunk at a time, borrowed until the next call.
 * Returns 1 with a chunk of at least one byte, 0 at the end, <0 with @err filled. */
struct tar_source {
	int (*next)(void *arg, const unsigned char **ret_data, size_t *ret_len, struct error *err);
	void *arg;
};

enum tar_type { TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIR, TAR_FIFO, TAR_TYPE_COUNT };
/* "a file", "a hard link", …: for messages. */
const char *tar_type_name(enum tar_type t);

struct tar_xattr {
	const char *name;
	const void *value;
	size_t len;
};
struct tar_piece {
	uint64_t offset, len; /* in the file as it should be */
};

/* One entry. All memory belongs to the reader and lasts until the next tar_next. */
struct tar_entry {
	enum tar_type type;
	const char *path; /* as the archive has it: may be absolute, hold "..", end in "/" */
	const char *link; /* target of links, "" for others */
	uint64_t size;    /* of the file as it should be (holes included) */
	uint32_t mode;    /* permission bits and suid, sgid, sticky */
	uint32_t uid, gid;
	uint32_t dev_major, dev_minor;
	int64_t mtime_s;
	uint32_t mtime_ns;
	struct tar_xattr *xattrs;
	size_t xattr_count;
	struct tar_piece *pieces; /* of a sparse file; NULL: not sparse */
	size_t piece_count;
};

struct tar {
	struct tar_source source;
	const unsigned char *chunk; /* what is left of the current chunk, borrowed from the source */
	size_t chunk_len;
	uint64_t offset;      /* bytes consumed so far, for messages */
	uint64_t stored_left; /* data bytes of the current entry that were not read */
	uint32_t padding;     /* zeros behind them up to the block's end */
	size_t piece;         /* current piece of a sparse entry */
	uint64_t piece_done;  /* bytes of it that were delivered */
	uint64_t delivered;   /* logical position in a plain entry */
	bool ended;
	struct arena arena; /* of the current entry */
	struct tar_entry entry;
};

void tar_init(struct tar *t, struct tar_source source);
void tar_done(struct tar *t);

/* Go to the next entry; data of the one before that was not read is skipped.
 * Returns 1 with the entry (borrowed), 0 at the end (the source was read to its end), <0: INVALID (the archive breaks a
 * rule), LIMIT, or the source's error. */
int tar_next(struct tar *t, const struct tar_entry **ret, struct error *err);

/* The next bytes of the entry's data and where they belong in the file.
 * Returns 1 with at least one byte, 0 when all was delivered, <0 as tar_next (the caller says of which entry). */
int tar_data(struct tar *t, const unsigned char **ret_data, size_t *ret_len, uint64_t *ret_offset, struct error *err);

/* ---- inside the reader (tar_header.c, tar_pax.c, tar_sparse.c) ----------------------------------------------------- */

/* Take exactly @len bytes into @out. Returns 0, or <0: INVALID (the archive ends before). */
int tar_take(struct tar *t, void *out, size_t len, const char *what, struct error *err);
/* The same, but the end at a block's border is the outcome 0; 1: a block was read. */
int tar_take_block(struct tar *t, unsigned char block[static TAR_BLOCK_BYTES], struct error *err);

/* A header block in numbers, before PAX has its say. */
struct tar_header {
	char typeflag;
	bool gnu;           /* GNU magic: no prefix field, base-256 and sparse fields */
	char path[256 + 1]; /* prefix and name joined */
	char link[100 + 1];
	uint64_t size;
	bool size_saturated; /* the octal field holds its largest value */
	int64_t mtime_s;
	uint64_t uid, gid, mode;
	uint64_t dev_major, dev_minor;
};
/* True when @block is all zeros. */
bool tar_block_is_zero(const unsigned char block[static TAR_BLOCK_BYTES]);
/* Returns 0, or <0: INVALID (checksum, numbers, magic). */
int tar_header_parse(const unsigned char block[static TAR_BLOCK_BYTES], struct tar_header *ret, struct error *err);
/* A number field: octal text or GNU's base-256. Returns 0 or -EINVAL/-ERANGE. */
int tar_number(const unsigned char *field, size_t len, int64_t *ret);

/* What extended headers said about the next entry. */
struct tar_extra {
	bool pax_seen;    /* an 'x' header came */
	const char *path; /* NULL: not given */
	const char *link;
	bool size_set, uid_set, gid_set, mtime_set;
	uint64_t size;
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	struct tar_xattr *xattrs;
	size_t xattr_count;
	bool sparse_seen;    /* some GNU.sparse key */
	bool sparse_in_data; /* form 1.0: the map stands in front of the data */
	bool sparse_size_set, sparse_major_set, sparse_minor_set, sparse_blocks_set;
	const char *sparse_name;
	uint64_t sparse_size; /* the file's real size */
	uint64_t sparse_major, sparse_minor;
	uint64_t sparse_blocks; /* how many pieces the map is said to have */
	struct tar_piece *pieces;
	size_t piece_count;
	bool piece_open; /* form 0.0: an offset waits for its length */
};
/* Parse the records of one extended header ("len key=value\n"…) into @x; memory in @a.
 * Returns 0, or <0: INVALID, LIMIT. */
int tar_pax_parse(struct arena *a, const char *text, size_t len, struct tar_extra *x, struct error *err);
/* A global header: refused when it would change an entry's name, size or shape; otherwise it has no effect (as in Go's
 * archive/tar, which Docker, containerd and skopeo use). */
int tar_pax_check_global(struct arena *a, const char *text, size_t len, struct error *err);

/* Fill entry.pieces for a sparse entry of any form; @block is its header. May read further blocks (and lessens
 * stored_left for form 1.0). Returns 0, or <0: INVALID, LIMIT. */
int tar_sparse_read(struct tar *t, const struct tar_extra *x, const struct tar_header *h, const unsigned char *block,
		    struct error *err);

#endif
