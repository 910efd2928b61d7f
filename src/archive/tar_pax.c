/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PAX extended headers: "<length> <key>=<value>\n", repeated. Pure.
 *
 * Every record must fill exactly the length it states. The keys that change what an entry is (path, linkpath, size, the
 * sparse keys) may come once each; unknown keys are ignored, as POSIX asks. Extended attributes are taken in star's form
 * (SCHILY.xattr.<name>, raw value), which all writers use; bsdtar's second, encoded copy is ignored.
 */
#include "archive/tar.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

struct record {
	const char *key;   /* NUL-terminated copy */
	const char *value; /* NUL-terminated copy; may hold NULs inside */
	size_t len;        /* of the value */
};

/* Cut the next record off @*text. */
static int next_record(struct arena *a, const char **text, size_t *left, struct record *ret, struct error *err)
{
	const char *p = *text;
	size_t digits = 0, size = 0;

	while (digits < *left && p[digits] >= '0' && p[digits] <= '9' && digits < 8)
		size = size * 10 + (size_t)(p[digits++] - '0');
	if (digits == 0 || p[0] == '0' || digits >= *left || p[digits] != ' ' || size > *left || size < digits + 4 ||
	    p[size - 1] != '\n')
		return error_set(err, ERROR_INVALID, EBADMSG, "PAX header: a record's length does not fit its text");
	const char *key = p + digits + 1;
	size_t rest = size - digits - 2; /* without the newline */
	const char *eq = memchr(key, '=', rest);
	if (!eq || eq == key || memchr(key, '\0', (size_t)(eq - key)))
		return error_set(err, ERROR_INVALID, EBADMSG, "PAX header: a record has no valid key");
	ret->key = arena_strndup(a, key, (size_t)(eq - key));
	ret->len = rest - (size_t)(eq - key) - 1;
	char *value = arena_alloc(a, ret->len + 1, 1);
	memcpy(value, eq + 1, ret->len);
	ret->value = value;
	*text += size;
	*left -= size;
	return 0;
}

static int bad_value(const struct record *r, struct error *err)
{
	return error_set(err, ERROR_INVALID, EINVAL, "PAX header: the value of '%.64s' is not valid", r->key);
}

static int twice(const struct record *r, struct error *err)
{
	return error_set(err, ERROR_INVALID, EINVAL, "PAX header: '%.64s' is given twice", r->key);
}

static int take_name(const struct record *r, const char **slot, struct error *err)
{
	if (*slot)
		return twice(r, err);
	if (r->len == 0 || r->len > TAR_PATH_MAX || strlen(r->value) != r->len)
		return bad_value(r, err);
	*slot = r->value;
	return 0;
}

static int take_u64(const struct record *r, bool *set, uint64_t *slot, struct error *err)
{
	uint64_t v = 0;

	if (*set)
		return twice(r, err);
	if (strlen(r->value) != r->len || str_to_u64(r->value, &v) < 0 || v > INT64_MAX)
		return bad_value(r, err);
	*slot = v;
	*set = true;
	return 0;
}

static int take_path(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	(void)a;
	return take_name(r, &x->path, err);
}

static int take_link(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	(void)a;
	return take_name(r, &x->link, err);
}

static int take_size(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	(void)a;
	return take_u64(r, &x->size_set, &x->size, err);
}

static int take_id(const struct record *r, bool *set, uint32_t *slot, struct error *err)
{
	uint64_t v = 0;

	if (take_u64(r, set, &v, err) < 0)
		return -err->code;
	if (v >= UINT32_MAX) /* (uid_t)-1 means "unchanged" to chown(2) */
		return bad_value(r, err);
	*slot = (uint32_t)v;
	return 0;
}

static int take_uid(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	(void)a;
	return take_id(r, &x->uid_set, &x->uid, err);
}

static int take_gid(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	(void)a;
	return take_id(r, &x->gid_set, &x->gid, err);
}

/* Seconds with an optional sign and an optional fraction of any length; digits below a nanosecond are dropped. */
static int take_mtime(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	const char *dot = strchr(r->value, '.');
	autofree char *whole = NULL;
	uint32_t ns = 0, unit = 100000000;
	int64_t s;

	(void)a;
	if (x->mtime_set)
		return twice(r, err);
	if (strlen(r->value) != r->len || r->len > 64)
		return bad_value(r, err);
	whole = strndup(r->value, dot ? (size_t)(dot - r->value) : r->len);
	if (!whole || str_to_i64(whole, &s) < 0)
		return bad_value(r, err);
	for (const char *p = dot ? dot + 1 : ""; *p; p++, unit /= 10) {
		if (*p < '0' || *p > '9')
			return bad_value(r, err);
		ns += (uint32_t)(*p - '0') * unit;
	}
	if (r->value[0] == '-' && ns) { /* -1.25 is two seconds before, and 0.75 on */
		s--;
		ns = 1000000000 - ns;
	}
	x->mtime_s = s;
	x->mtime_ns = ns;
	x->mtime_set = true;
	return 0;
}

static int take_xattr(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	const char *name = r->key + strlen("SCHILY.xattr.");

	if (!*name || strlen(name) > TAR_XATTR_NAME_MAX || r->len > TAR_XATTR_VALUE_MAX)
		return bad_value(r, err);
	for (size_t i = 0; i < x->xattr_count; i++) {
		if (str_eq(x->xattrs[i].name, name))
			return twice(r, err);
	}
	if (x->xattr_count >= TAR_XATTR_MAX_COUNT)
		return error_set(err, ERROR_LIMIT, E2BIG, "PAX header: more than %u extended attributes",
				 TAR_XATTR_MAX_COUNT);
	ARENA_PUSH(a, x->xattrs, x->xattr_count) = (struct tar_xattr){.name = name, .value = r->value, .len = r->len};
	return 0;
}

static int push_piece(struct arena *a, struct tar_extra *x, uint64_t offset, uint64_t len, struct error *err)
{
	if (x->piece_count >= TAR_SPARSE_MAX_COUNT)
		return error_set(err, ERROR_LIMIT, E2BIG, "sparse file: more than %u pieces", TAR_SPARSE_MAX_COUNT);
	ARENA_PUSH(a, x->pieces, x->piece_count) = (struct tar_piece){.offset = offset, .len = len};
	return 0;
}

/* Form 0.1: "offset,length,offset,length,…". */
static int take_sparse_map(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	autostrv struct strv parts = {0};
	uint64_t offset = 0, len = 0;

	if (x->pieces || strlen(r->value) != r->len)
		return bad_value(r, err);
	strv_split(&parts, r->value, ',');
	if (parts.count % 2)
		return bad_value(r, err);
	for (size_t i = 0; i < parts.count; i += 2) {
		if (str_to_u64(parts.items[i], &offset) < 0 || str_to_u64(parts.items[i + 1], &len) < 0)
			return bad_value(r, err);
		if (push_piece(a, x, offset, len, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Form 0.0: GNU.sparse.offset and GNU.sparse.numbytes take turns. */
static int take_sparse_piece(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	bool is_offset = str_eq(r->key, "GNU.sparse.offset"), set = false;
	uint64_t v = 0;

	if (is_offset == x->piece_open || take_u64(r, &set, &v, err) < 0)
		return bad_value(r, err);
	if (is_offset && push_piece(a, x, v, 0, err) < 0)
		return -err->code;
	if (!is_offset)
		x->pieces[x->piece_count - 1].len = v;
	x->piece_open = is_offset;
	return 0;
}

static int take_sparse_key(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	const char *key = r->key + strlen("GNU.sparse.");

	x->sparse_seen = true;
	if (str_eq(key, "major"))
		return take_u64(r, &x->sparse_major_set, &x->sparse_major, err);
	if (str_eq(key, "minor"))
		return take_u64(r, &x->sparse_minor_set, &x->sparse_minor, err);
	if (str_eq(key, "name"))
		return take_name(r, &x->sparse_name, err);
	if (str_eq(key, "realsize") || str_eq(key, "size"))
		return take_u64(r, &x->sparse_size_set, &x->sparse_size, err);
	if (str_eq(key, "numblocks")) /* some readers go by it, others count */
		return take_u64(r, &x->sparse_blocks_set, &x->sparse_blocks, err);
	if (str_eq(key, "map"))
		return take_sparse_map(a, r, x, err);
	if (str_eq(key, "offset") || str_eq(key, "numbytes"))
		return take_sparse_piece(a, r, x, err);
	return error_set(err, ERROR_INVALID, EINVAL, "PAX header: unknown sparse key '%.64s'", r->key);
}

/* star's own sparse form says the real size here and nothing that we could read. */
static int refuse_key(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err)
{
	(void)a;
	(void)x;
	return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "PAX header: '%.64s' is not supported", r->key);
}

static const struct {
	const char *key;
	bool prefix;     /* every key that begins so */
	bool structural; /* changes which bytes are an entry or where it goes: never in a global header */
	int (*take)(struct arena *a, const struct record *r, struct tar_extra *x, struct error *err);
} keys[] = {
	{"path", false, true, take_path},
	{"linkpath", false, true, take_link},
	{"size", false, true, take_size},
	{"uid", false, false, take_uid},
	{"gid", false, false, take_gid},
	{"mtime", false, false, take_mtime},
	{"SCHILY.xattr.", true, false, take_xattr},
	{"GNU.sparse.", true, true, take_sparse_key},
	{"SCHILY.realsize", false, true, refuse_key},
};

static int find_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].prefix ? str_starts(key, keys[i].key) : str_eq(key, keys[i].key))
			return (int)i;
	}
	return -1;
}

int tar_pax_parse(struct arena *a, const char *text, size_t len, struct tar_extra *x, struct error *err)
{
	x->pax_seen = true;
	while (len > 0) {
		struct record r;

		if (next_record(a, &text, &len, &r, err) < 0)
			return -err->code;
		int i = find_key(r.key);
		if (i >= 0 && keys[i].take(a, &r, x, err) < 0)
			return -err->code;
	}
	if (x->piece_open)
		return error_set(err, ERROR_INVALID, EINVAL, "PAX header: a sparse offset has no length");
	x->sparse_in_data = x->sparse_major == 1;
	if (x->sparse_seen && (x->sparse_major > 1 || x->sparse_minor > 1 || (x->sparse_in_data && x->sparse_minor)))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "PAX header: unknown sparse form %llu.%llu",
				 (unsigned long long)x->sparse_major, (unsigned long long)x->sparse_minor);
	return 0;
}

int tar_pax_check_global(struct arena *a, const char *text, size_t len, struct error *err)
{
	while (len > 0) {
		struct record r;

		if (next_record(a, &text, &len, &r, err) < 0)
			return -err->code;
		int i = find_key(r.key);
		if (i >= 0 && keys[i].structural)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "PAX header: '%.64s' may not be given for all entries at once", r.key);
	}
	return 0;
}
