/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive as a row of entries. tar_next gathers what extended headers say about the next entry, reads that entry's
 * own header and joins the two; tar_data hands out its bytes as slices of the source's chunks, without a copy.
 *
 * Extended headers gather in struct tar_extra, which lives for exactly one entry: one that is followed by no entry, by a
 * global header, or by a second one of its kind is an error, since readers differ on what that means.
 */
#include "archive/tar.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define SIZE_FIELD_MAX UINT64_C(077777777777) /* what eleven octal digits can hold */

void tar_init(struct tar *t, struct tar_source source)
{
	*t = (struct tar){.source = source};
}

void tar_done(struct tar *t)
{
	arena_done(&t->arena);
}

/* Make sure there is a chunk. Returns 1, 0 at the end, <0. */
static int fill(struct tar *t, struct error *err)
{
	if (t->chunk_len > 0)
		return 1;
	return t->source.next(t->source.arg, &t->chunk, &t->chunk_len, err);
}

static void consume(struct tar *t, size_t len)
{
	t->chunk += len;
	t->chunk_len -= len;
	t->offset += len;
}

static int ends_early(struct tar *t, const char *what, struct error *err)
{
	return error_set(err, ERROR_INVALID, ENODATA, "the archive ends at byte %llu in the middle of %s",
			 (unsigned long long)t->offset, what);
}

int tar_take(struct tar *t, void *out, size_t len, const char *what, struct error *err)
{
	unsigned char *p = out;

	while (len > 0) {
		int r = fill(t, err);

		if (r < 0)
			return r;
		if (r == 0)
			return ends_early(t, what, err);
		size_t n = len < t->chunk_len ? len : t->chunk_len;
		memcpy(p, t->chunk, n);
		consume(t, n);
		p += n;
		len -= n;
	}
	return 0;
}

int tar_take_block(struct tar *t, unsigned char block[static TAR_BLOCK_BYTES], struct error *err)
{
	int r = fill(t, err);

	if (r > 0)
		r = tar_take(t, block, TAR_BLOCK_BYTES, "a header", err);
	else
		return r;
	return r < 0 ? r : 1;
}

static int skip(struct tar *t, uint64_t len, const char *what, struct error *err)
{
	while (len > 0) {
		int r = fill(t, err);

		if (r < 0)
			return r;
		if (r == 0)
			return ends_early(t, what, err);
		size_t n = len < t->chunk_len ? (size_t)len : t->chunk_len;
		consume(t, n);
		len -= n;
	}
	return 0;
}

/* One zero block was read: only zeros may follow, up to the end. Returns 0 or <0. */
static int read_end(struct tar *t, struct error *err)
{
	int r;

	while ((r = fill(t, err)) > 0) {
		for (size_t i = 0; i < t->chunk_len; i++) {
			if (t->chunk[i])
				return error_set(err, ERROR_INVALID, EBADMSG,
						 "the archive goes on behind its end mark (byte %llu): entries there "
						 "would be seen by some readers only",
						 (unsigned long long)(t->offset + i));
		}
		consume(t, t->chunk_len);
	}
	t->ended = r == 0;
	return r;
}

/* The payload of an 'x', 'g', 'L' or 'K' header, in @arena. */
static int take_payload(struct tar *t, struct arena *arena, const struct tar_header *h, uint64_t max, char **ret,
			struct error *err)
{
	if (h->size > max)
		return error_set(err, ERROR_LIMIT, E2BIG, "extended header '%c' of %llu bytes: more than %llu",
				 h->typeflag, (unsigned long long)h->size, (unsigned long long)max);
	char *text = arena_alloc(arena, h->size + 1, 1);
	uint64_t padding = -h->size % TAR_BLOCK_BYTES;

	if (tar_take(t, text, h->size, "an extended header", err) < 0 ||
	    skip(t, padding, "an extended header", err) < 0)
		return -err->code;
	*ret = text;
	return 0;
}

static int take_long_name(struct tar *t, const struct tar_header *h, const char **slot, struct error *err)
{
	char *text;

	if (*slot)
		return error_set(err, ERROR_INVALID, EINVAL, "two long names ('%c') for one entry", h->typeflag);
	if (take_payload(t, &t->arena, h, TAR_PATH_MAX + 1, &text, err) < 0)
		return -err->code;
	size_t len = strlen(text);
	/* The text ends with one NUL; something behind it would be seen by some readers only. */
	if (len == 0 || len > TAR_PATH_MAX || h->size > len + 1)
		return error_set(err, ERROR_INVALID, EINVAL, "long name ('%c') is not one string", h->typeflag);
	*slot = text;
	return 0;
}

/* Any number of global headers may come in a row: each has memory of its own. */
static int take_global(struct tar *t, const struct tar_header *h, struct error *err)
{
	autoclean(arena_done) struct arena arena = {0};
	char *text;

	if (take_payload(t, &arena, h, TAR_PAX_MAX_BYTES, &text, err) < 0)
		return -err->code;
	return tar_pax_check_global(&arena, text, h->size, err);
}

/* Returns 1 when @h was an extended header and is dealt with, 0 when it is an entry, <0. */
static int take_extended(struct tar *t, const struct tar_header *h, struct tar_extra *x, bool *pending,
			 struct error *err)
{
	char *text;

	switch (h->typeflag) {
	case 'x':
		if (x->pax_seen)
			return error_set(err, ERROR_INVALID, EINVAL, "two PAX headers for one entry");
		if (take_payload(t, &t->arena, h, TAR_PAX_MAX_BYTES, &text, err) < 0 ||
		    tar_pax_parse(&t->arena, text, h->size, x, err) < 0)
			return -err->code;
		break;
	case 'g':
		if (*pending)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "a global header stands between an extended header and its entry");
		return take_global(t, h, err) < 0 ? -err->code : 1;
	case 'L':
		if (take_long_name(t, h, &x->path, err) < 0)
			return -err->code;
		break;
	case 'K':
		if (take_long_name(t, h, &x->link, err) < 0)
			return -err->code;
		break;
	default:
		return 0;
	}
	*pending = true;
	return 1;
}

static int type_from_flag(char flag, enum tar_type *ret)
{
	static const struct {
		char flag;
		enum tar_type type;
	} types[] = {
		{'0', TAR_FILE},    {'\0', TAR_FILE}, {'7', TAR_FILE},  {'S', TAR_FILE}, {'1', TAR_HARDLINK},
		{'2', TAR_SYMLINK}, {'3', TAR_CHAR},  {'4', TAR_BLOCK}, {'5', TAR_DIR},  {'6', TAR_FIFO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].flag == flag) {
			*ret = types[i].type;
			return 0;
		}
	}
	return -EINVAL;
}

/* The stored size: PAX wins where the header could not hold it; where it could, both must say the same (V29). */
static int join_size(const struct tar_header *h, const struct tar_extra *x, uint64_t *ret, struct error *err)
{
	*ret = h->size;
	if (!x->size_set || x->size == h->size)
		return 0;
	if (x->size <= SIZE_FIELD_MAX || (h->size != 0 && !h->size_saturated))
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "the PAX header says %llu bytes, the entry's own header %llu",
				 (unsigned long long)x->size, (unsigned long long)h->size);
	*ret = x->size;
	return 0;
}

static int join_ids(const struct tar_header *h, const struct tar_extra *x, struct tar_entry *e, struct error *err)
{
	uint64_t uid = x->uid_set ? x->uid : h->uid, gid = x->gid_set ? x->gid : h->gid;

	if (uid >= UINT32_MAX || gid >= UINT32_MAX)
		return error_set(err, ERROR_INVALID, ERANGE, "owner %llu:%llu is out of range", (unsigned long long)uid,
				 (unsigned long long)gid);
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	return 0;
}

/* What an entry of this type may have: a link target or data. */
static int check_shape(const struct tar_entry *e, uint64_t stored, bool sparse, struct error *err)
{
	bool is_link = e->type == TAR_HARDLINK || e->type == TAR_SYMLINK;

	if (!e->path[0])
		return error_set(err, ERROR_INVALID, EINVAL, "it has no name");
	if (is_link && !e->link[0])
		return error_set(err, ERROR_INVALID, EINVAL, "it is %s to nothing", tar_type_name(e->type));
	if (e->type != TAR_FILE && stored > 0)
		return error_set(err, ERROR_INVALID, EBADMSG, "it is %s, but claims %llu bytes of data",
				 tar_type_name(e->type), (unsigned long long)stored);
	if (e->type != TAR_FILE && sparse)
		return error_set(err, ERROR_INVALID, EBADMSG, "it is %s, but has a sparse map", tar_type_name(e->type));
	return 0;
}

static int make_entry(struct tar *t, const struct tar_header *h, const struct tar_extra *x, const unsigned char *block,
		      struct error *err)
{
	const char *path = x->sparse_name ? x->sparse_name : x->path;
	bool sparse = x->sparse_seen || h->typeflag == 'S';
	struct tar_entry *e = &t->entry;

	*e = (struct tar_entry){
		.path = path ? path : arena_strdup(&t->arena, h->path),
		.link = "",
		.mode = (uint32_t)h->mode & 07777,
		.dev_major = (uint32_t)h->dev_major,
		.dev_minor = (uint32_t)h->dev_minor,
		.mtime_s = x->mtime_set ? x->mtime_s : h->mtime_s,
		.mtime_ns = x->mtime_set ? x->mtime_ns : 0,
		.xattrs = x->xattrs,
		.xattr_count = x->xattr_count,
	};
	if (type_from_flag(h->typeflag, &e->type) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "entry type %d is not known", (unsigned char)h->typeflag);
	/* v7 had no type for folders; all readers go by the slash. */
	if (e->type == TAR_FILE && e->path[0] && e->path[strlen(e->path) - 1] == '/')
		e->type = TAR_DIR;
	if (e->type == TAR_HARDLINK || e->type == TAR_SYMLINK)
		e->link = x->link ? x->link : arena_strdup(&t->arena, h->link);
	if (join_size(h, x, &t->stored_left, err) < 0 || join_ids(h, x, e, err) < 0 ||
	    check_shape(e, t->stored_left, sparse, err) < 0)
		return -err->code;
	t->padding = (uint32_t)(-t->stored_left % TAR_BLOCK_BYTES);
	e->size = t->stored_left;
	return sparse ? tar_sparse_read(t, x, h, block, err) : 0;
}

/* Names in messages: bounded, and without what would act on a terminal. */
static void printable(char *out, size_t size, const char *s)
{
	size_t i = 0;

	for (; s[i] && i + 1 < size; i++)
		out[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	out[i] = '\0';
}

static int wrap_entry(struct tar *t, struct error *err)
{
	char name[200];

	printable(name, sizeof(name), t->entry.path ? t->entry.path : "");
	return error_wrap(err, "entry '%s'", name);
}

static int next_entry(struct tar *t, struct error *err)
{
	unsigned char block[TAR_BLOCK_BYTES];
	struct tar_extra x = {0};
	struct tar_header h;
	bool pending = false;
	int r;

	for (;;) {
		r = tar_take_block(t, block, err);
		if (r > 0 && tar_block_is_zero(block)) {
			r = read_end(t, err);
		} else if (r > 0) {
			if (tar_header_parse(block, &h, err) < 0)
				return error_wrap(err, "at byte %llu",
						  (unsigned long long)(t->offset - TAR_BLOCK_BYTES));
			r = take_extended(t, &h, &x, &pending, err);
			if (r > 0)
				continue;
			if (r == 0)
				return make_entry(t, &h, &x, block, err) < 0 ? wrap_entry(t, err) : 1;
		}
		if (r == 0 && pending)
			return error_set(err, ERROR_INVALID, EBADMSG,
					 "an extended header at the end belongs to no entry");
		t->ended = r == 0;
		return r;
	}
}

int tar_next(struct tar *t, const struct tar_entry **ret, struct error *err)
{
	if (t->ended)
		return 0;
	if (skip(t, t->stored_left, "a file", err) < 0 || skip(t, t->padding, "a file", err) < 0)
		return wrap_entry(t, err);
	t->stored_left = t->padding = 0;
	t->piece = 0;
	t->piece_done = t->delivered = 0;
	t->entry = (struct tar_entry){0};
	arena_done(&t->arena);
	int r = next_entry(t, err);

	if (r > 0)
		*ret = &t->entry;
	return r;
}

int tar_data(struct tar *t, const unsigned char **ret_data, size_t *ret_len, uint64_t *ret_offset, struct error *err)
{
	const struct tar_entry *e = &t->entry;
	uint64_t want = t->stored_left, at = t->delivered;

	if (e->pieces) {
		while (t->piece < e->piece_count && t->piece_done == e->pieces[t->piece].len) {
			t->piece++;
			t->piece_done = 0;
		}
		if (t->piece == e->piece_count)
			return 0;
		want = e->pieces[t->piece].len - t->piece_done;
		at = e->pieces[t->piece].offset + t->piece_done;
	}
	if (want == 0)
		return 0;
	int r = fill(t, err);

	if (r == 0)
		ends_early(t, "a file", err);
	if (r <= 0)
		return -err->code;
	size_t n = want < t->chunk_len ? (size_t)want : t->chunk_len;
	*ret_data = t->chunk;
	*ret_len = n;
	*ret_offset = at;
	consume(t, n);
	t->stored_left -= n;
	t->piece_done += n;
	t->delivered += n;
	return 1;
}
