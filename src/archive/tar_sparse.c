/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of a sparse file in the four forms that GNU tar has written over the years:
 *   old GNU   type 'S', four pieces in the header, further ones in blocks that follow it
 *   PAX 0.0   GNU.sparse.offset and GNU.sparse.numbytes records      } parsed in tar_pax.c,
 *   PAX 0.1   one GNU.sparse.map record                              } checked here
 *   PAX 1.0   decimal lines in front of the data, padded to a block
 * Source: GNU tar manual, "Storing Sparse Files"; its tar.h for the old form.
 *
 * Whatever the form, the pieces must come in order, not overlap, lie inside the file and sum up to the stored bytes.
 */
#include "archive/tar.h"

#include <errno.h>
#include <string.h>

#define OLD_MAP_AT 386
#define OLD_MAP_COUNT 4
#define OLD_EXTENDED_AT 482
#define OLD_REALSIZE_AT 483
#define OLD_NUMBER_LEN 12
#define EXT_MAP_COUNT 21
#define EXT_EXTENDED_AT 504

static int bad_map(struct error *err, const char *why)
{
	return error_set(err, ERROR_INVALID, EINVAL, "sparse file: %s", why);
}

static int push(struct tar *t, int64_t offset, int64_t len, struct error *err)
{
	struct tar_entry *e = &t->entry;

	if (offset < 0 || len < 0)
		return bad_map(err, "a number in the map is negative");
	if (e->piece_count >= TAR_SPARSE_MAX_COUNT)
		return error_set(err, ERROR_LIMIT, E2BIG, "sparse file: more than %u pieces", TAR_SPARSE_MAX_COUNT);
	ARENA_PUSH(&t->arena, e->pieces, e->piece_count) =
		(struct tar_piece){.offset = (uint64_t)offset, .len = (uint64_t)len};
	return 0;
}

/* @count pairs of numbers at @p; an all-zero pair's first byte ends the map. */
static int old_pairs(struct tar *t, const unsigned char *p, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++, p += 2 * (size_t)OLD_NUMBER_LEN) {
		int64_t offset, len;

		if (p[0] == '\0' && p[OLD_NUMBER_LEN] == '\0')
			return 0;
		if (tar_number(p, OLD_NUMBER_LEN, &offset) < 0 ||
		    tar_number(p + OLD_NUMBER_LEN, OLD_NUMBER_LEN, &len) < 0)
			return bad_map(err, "a number in the map is not valid");
		if (push(t, offset, len, err) < 0)
			return -err->code;
	}
	return 0;
}

static int read_old(struct tar *t, const unsigned char *block, struct error *err)
{
	unsigned char ext[TAR_BLOCK_BYTES];
	bool more = block[OLD_EXTENDED_AT] != 0;
	int64_t real;

	if (tar_number(block + OLD_REALSIZE_AT, OLD_NUMBER_LEN, &real) < 0 || real < 0)
		return bad_map(err, "the real size is not a valid number");
	if (old_pairs(t, block + OLD_MAP_AT, OLD_MAP_COUNT, err) < 0)
		return -err->code;
	while (more) {
		if (tar_take(t, ext, sizeof(ext), "sparse map", err) < 0 || old_pairs(t, ext, EXT_MAP_COUNT, err) < 0)
			return -err->code;
		more = ext[EXT_EXTENDED_AT] != 0;
		/* An endless chain of empty maps would take no memory, only time. */
		if (more && t->entry.piece_count < EXT_MAP_COUNT)
			return bad_map(err, "an extension of the map is not full, yet another follows");
	}
	t->entry.size = (uint64_t)real;
	return 0;
}

/* Decimal lines are read through this: block by block out of the entry's own data. */
struct lines {
	struct tar *t;
	unsigned char block[TAR_BLOCK_BYTES];
	size_t at;
};

static int next_line(struct lines *l, int64_t *ret, struct error *err)
{
	uint64_t v = 0;
	int digits = 0;

	for (;;) {
		if (l->at == sizeof(l->block)) {
			if (l->t->stored_left < sizeof(l->block))
				return bad_map(err, "the map does not end");
			if (tar_take(l->t, l->block, sizeof(l->block), "sparse map", err) < 0)
				return -err->code;
			l->t->stored_left -= sizeof(l->block);
			l->at = 0;
		}
		unsigned char c = l->block[l->at++];

		if (c == '\n' && digits > 0)
			break;
		if (c < '0' || c > '9' || ++digits > 18)
			return bad_map(err, "a line of the map is not a number");
		v = v * 10 + (uint64_t)(c - '0');
	}
	*ret = (int64_t)v;
	return 0;
}

static int read_in_data(struct tar *t, struct error *err)
{
	struct lines l = {.t = t, .at = TAR_BLOCK_BYTES};
	int64_t count, offset, len;

	if (next_line(&l, &count, err) < 0)
		return -err->code;
	if (count > TAR_SPARSE_MAX_COUNT)
		return error_set(err, ERROR_LIMIT, E2BIG, "sparse file: more than %u pieces", TAR_SPARSE_MAX_COUNT);
	for (int64_t i = 0; i < count; i++) {
		if (next_line(&l, &offset, err) < 0 || next_line(&l, &len, err) < 0 || push(t, offset, len, err) < 0)
			return -err->code;
	}
	return 0;
}

static int check_map(const struct tar_entry *e, uint64_t stored, struct error *err)
{
	uint64_t end = 0, sum = 0;

	for (size_t i = 0; i < e->piece_count; i++) {
		const struct tar_piece *p = &e->pieces[i];

		if (p->offset < end || p->len > INT64_MAX - p->offset)
			return bad_map(err, "the pieces overlap or are out of order");
		end = p->offset + p->len;
		sum += p->len;
	}
	if (end > e->size)
		return bad_map(err, "a piece lies beyond the file's end");
	if (sum != stored)
		return bad_map(err, "the map does not account for the stored bytes");
	return 0;
}

/* The three forms that PAX records announce. Without any map, some readers see an ordinary file. */
static int read_pax(struct tar *t, const struct tar_extra *x, struct error *err)
{
	struct tar_entry *e = &t->entry;

	if (!x->sparse_size_set)
		return bad_map(err, "the real size is missing");
	if (x->sparse_in_data && x->pieces)
		return bad_map(err, "described in two forms at once");
	if (!x->sparse_in_data && !x->pieces)
		return bad_map(err, "the map is missing");
	if (x->sparse_blocks_set && x->sparse_blocks != x->piece_count)
		return bad_map(err, "the map has not as many pieces as it says");
	e->size = x->sparse_size;
	e->pieces = x->pieces;
	e->piece_count = x->piece_count;
	return x->sparse_in_data ? read_in_data(t, err) : 0;
}

int tar_sparse_read(struct tar *t, const struct tar_extra *x, const struct tar_header *h, const unsigned char *block,
		    struct error *err)
{
	struct tar_entry *e = &t->entry;
	int r = 0;

	if (x->sparse_seen && h->typeflag == 'S')
		return bad_map(err, "described in two forms at once");
	if (h->typeflag == 'S')
		r = h->gnu ? read_old(t, block, err) : bad_map(err, "GNU's old form in a header of another dialect");
	else
		r = read_pax(t, x, err);
	if (r < 0)
		return r;
	if (!e->pieces) /* a file that is one hole */
		e->pieces = arena_alloc(&t->arena, 1, sizeof(*e->pieces));
	return check_map(e, t->stored_left, err);
}
