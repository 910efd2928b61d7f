/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings and the strict readers of numbers. Every number is read by one loop over digits (read_digits), so that there
 * is one place that decides about overflow; the readers with units then do exact 128-bit arithmetic, no floating point.
 * A reader looks at the whole text before it judges the range: rubbish is -EINVAL even behind a number that is too big.
 */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

__extension__ typedef unsigned __int128 u128;

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s);
	size_t tail = strlen(suffix);

	return len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}

bool str_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

size_t str_utf8_char(const char *s, size_t len)
{
	/* Lead bytes that share a length and a range for the byte behind them. */
	static const struct {
		unsigned char from, to, len, second_from, second_to;
	} leads[] = {
		{0x01, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
		{0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
		{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
	};
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; len && i < ARRAY_SIZE(leads); i++) {
		if (u[0] < leads[i].from || u[0] > leads[i].to)
			continue;
		if (leads[i].len > len)
			return 0;
		if (leads[i].len > 1 && (u[1] < leads[i].second_from || u[1] > leads[i].second_to))
			return 0;
		for (size_t k = 2; k < leads[i].len; k++)
			if ((u[k] & 0xc0) != 0x80)
				return 0;
		return leads[i].len;
	}
	return 0;
}

size_t str_put_utf8(char out[static 4], uint32_t c)
{
	const size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len; --i > 0; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(first[len] | c);
	return len;
}

int str_copy(char *out, size_t size, const char *s)
{
	size_t len = strlen(s);
	size_t fits;

	if (size == 0)
		return -ENAMETOOLONG;
	fits = len < size ? len : size - 1;
	memcpy(out, s, fits);
	out[fits] = '\0';
	return fits == len ? 0 : -ENAMETOOLONG;
}

/* --- lists ------------------------------------------------------------------------------------------------------- */

char *str_neutral(const char *s)
{
	char *out = mem_strdup(s);
	size_t at = 0;

	for (const char *p = s; p && *p;) {
		size_t len = str_utf8_char(p, strnlen(p, 4));
		bool c1 = len == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0;

		if (len == 0 || c1 || (unsigned char)*p < 0x20 || *p == 0x7f) {
			out[at++] = '?';
			p += len ? len : 1;
			continue;
		}
		memcpy(out + at, p, len);
		at += len;
		p += len;
	}
	if (out)
		out[at] = '\0';
	return out;
}

void strv_done(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv){0};
}

void strv_push_take(struct strv *v, char *s)
{
	/* Room for count + 1 pointers (the last is NULL), always a power of two, so it grows when count + 1 is one. */
	if ((v->count & (v->count + 1)) == 0)
		v->items = mem_realloc(v->items, 2 * (v->count + 1), sizeof(*v->items));
	v->items[v->count++] = s;
	v->items[v->count] = NULL;
}

void strv_push(struct strv *v, const char *s)
{
	strv_push_take(v, mem_strdup(s));
}

/* Whether @entry is "KEY=value" (or a bare "KEY") for the @len bytes of @key. */
static bool has_key(const char *entry, const char *key, size_t len)
{
	return strncmp(entry, key, len) == 0 && (entry[len] == '=' || entry[len] == '\0');
}

void strv_set_env(struct strv *v, const char *kv)
{
	size_t len = strcspn(kv, "=");

	for (size_t i = 0; i < v->count; i++) {
		if (!has_key(v->items[i], kv, len))
			continue;
		free(v->items[i]);
		v->items[i] = mem_strdup(kv);
		return;
	}
	strv_push(v, kv);
}

const char *strv_get_env(const struct strv *v, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < v->count; i++)
		if (has_key(v->items[i], key, len) && v->items[i][len] == '=')
			return v->items[i] + len + 1;
	return NULL;
}

bool strv_contains(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->count; i++)
		if (str_eq(v->items[i], s))
			return true;
	return false;
}

void strv_split(struct strv *v, const char *s, char sep)
{
	if (!*s)
		return;
	for (;;) {
		const char *end = strchr(s, sep);

		strv_push_take(v, mem_strndup(s, end ? (size_t)(end - s) : strlen(s)));
		if (!end)
			return;
		s = end + 1;
	}
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++)
		strv_push(to, from->items[i]);
}

/* --- numbers ----------------------------------------------------------------------------------------------------- */

/* A run of digits: its value, how many there were, and whether the value passed 64 bits (it is then UINT64_MAX). */
struct digits {
	uint64_t value;
	size_t count;
	bool over;
};

static struct digits read_digits(const char **s, unsigned base)
{
	struct digits d = {0};

	for (; (unsigned)(**s - '0') < base; (*s)++) {
		d.count++;
		if (d.over)
			continue;
		if (__builtin_mul_overflow(d.value, base, &d.value) ||
		    __builtin_add_overflow(d.value, (unsigned)(**s - '0'), &d.value)) {
			d.over = true;
			d.value = UINT64_MAX;
		}
	}
	return d;
}

static int whole_number(const char *s, unsigned base, uint64_t max, uint64_t *ret)
{
	struct digits d = read_digits(&s, base);

	if (d.count == 0 || *s)
		return -EINVAL;
	if (d.over || d.value > max)
		return -ERANGE;
	*ret = d.value;
	return 0;
}

int str_to_u64(const char *s, uint64_t *ret)
{
	return whole_number(s, 10, UINT64_MAX, ret);
}

int str_to_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = whole_number(s, 10, UINT32_MAX, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int str_to_mode(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t v;
	int r = whole_number(s, 8, max, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int str_to_i64(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v;
	int r = whole_number(s + negative, 10, (uint64_t)INT64_MAX + negative, &v);

	if (r == 0)
		*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return r;
}

/* --- decimals with units ------------------------------------------------------------------------------------------- */

/* "12.5": the number as whole + part / scale. Digits past the 18th of the fraction are read but weigh nothing. */
struct decimal {
	uint64_t whole;
	uint64_t part;
	uint64_t scale;
	bool over;
	size_t count;       /* digits in all */
	size_t part_digits; /* digits behind the point */
	bool point;
};

static struct decimal read_decimal(const char **s)
{
	struct digits whole = read_digits(s, 10);
	struct decimal d = {.whole = whole.value, .over = whole.over, .count = whole.count, .scale = 1};

	if (**s != '.')
		return d;
	d.point = true;
	for ((*s)++; (unsigned)(**s - '0') < 10; (*s)++) {
		d.part_digits++;
		if (d.part_digits > 18)
			continue;
		d.part = d.part * 10 + (unsigned)(**s - '0');
		d.scale *= 10;
	}
	d.count += d.part_digits;
	return d;
}

/* @d times @unit, rounded towards zero. Below 2^64 * 2^60 + 2^60, so it cannot wrap. */
static u128 times(const struct decimal *d, uint64_t unit)
{
	return (u128)d->whole * unit + (u128)d->part * unit / d->scale;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Read the unit of a size: "", "b", or one of kmgtp alone, with "b" or with "ib". Leaves *@s behind it. */
static int read_size_unit(const char **s, uint64_t *ret_unit)
{
	static const char letters[] = "kmgtp";
	const char *at;

	*ret_unit = 1;
	if (!**s)
		return 0;
	if (lower(**s) == 'b') {
		(*s)++;
		return 0;
	}
	at = strchr(letters, lower(**s));
	if (!at)
		return -EINVAL;
	*ret_unit = UINT64_C(1024) << (10 * (at - letters));
	(*s)++;
	if (lower((*s)[0]) == 'i' && lower((*s)[1]) == 'b')
		*s += 2;
	else if (lower(**s) == 'b')
		(*s)++;
	return 0;
}

int str_to_size(const char *s, bool minus_one, int64_t *ret_bytes)
{
	struct decimal d;
	uint64_t unit;
	u128 bytes;

	if (minus_one && str_eq(s, "-1")) {
		*ret_bytes = -1;
		return 0;
	}
	d = read_decimal(&s);
	if (d.count == 0 || (d.point && d.part_digits == 0))
		return -EINVAL;
	if (s[0] == ' ' && s[1]) /* Docker takes "32 kb" */
		s++;
	if (read_size_unit(&s, &unit) < 0 || *s)
		return -EINVAL;
	bytes = times(&d, unit);
	if (d.over || bytes > INT64_MAX)
		return -ERANGE;
	*ret_bytes = (int64_t)bytes;
	return 0;
}

/* Longer names first where one begins another. */
static const struct {
	const char *name;
	int64_t ns;
} duration_units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\u00b5s", 1000},      /* micro sign */
	{"\u03bcs", 1000},      /* Greek mu */
	{"ms", NS_PER_MS},
	{"s", NS_PER_S},
	{"m", 60 * NS_PER_S},
	{"h", 3600 * NS_PER_S},
};

static uint64_t read_duration_unit(const char **s)
{
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		if (!str_starts(*s, duration_units[i].name))
			continue;
		*s += strlen(duration_units[i].name);
		return (uint64_t)duration_units[i].ns;
	}
	return 0;
}

int str_to_duration(const char *s, int64_t *ret_ns)
{
	bool negative = *s == '-';
	uint64_t bound = (uint64_t)INT64_MAX + negative;
	bool over = false;
	bool first = true;
	u128 sum = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (!*s)
		return -EINVAL;
	for (; *s; first = false) {
		struct decimal d = read_decimal(&s);
		uint64_t unit;

		if (d.count == 0)
			return -EINVAL;
		unit = first && !*s ? (uint64_t)NS_PER_S : read_duration_unit(&s);
		if (unit == 0)
			return -EINVAL;
		if (!over)
			sum += times(&d, unit);
		over = over || d.over || sum > bound;
	}
	if (over)
		return -ERANGE;
	*ret_ns = negative ? (int64_t)(0 - (uint64_t)sum) : (int64_t)sum;
	return 0;
}

void str_from_size(uint64_t bytes, char out[static 16])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	uint64_t unit = 1;
	size_t u = 0;
	uint64_t hundredths;
	unsigned step; /* of the last digit shown, in hundredths */

	/* Three digits are shown, so 999500 rounds up to the next unit: "1MB", never "1000kB". */
	while (u + 1 < ARRAY_SIZE(units) && (u128)bytes * 2 >= (u128)unit * 1999) {
		unit *= 1000;
		u++;
	}
	if ((u128)bytes * 200 < (u128)unit * 1999)
		step = 1;
	else if ((u128)bytes * 20 < (u128)unit * 1999)
		step = 10;
	else
		step = 100;
	hundredths = (uint64_t)(((u128)bytes * 200 / step + unit) / 2 / unit) * step;
	if (hundredths % 100 == 0)
		(void)snprintf(out, 16, "%u%s", (unsigned)(hundredths / 100), units[u]);
	else if (hundredths % 10 == 0)
		(void)snprintf(out, 16, "%u.%u%s", (unsigned)(hundredths / 100), (unsigned)(hundredths % 100 / 10),
			       units[u]);
	else
		(void)snprintf(out, 16, "%u.%02u%s", (unsigned)(hundredths / 100), (unsigned)(hundredths % 100),
			       units[u]);
}

/* --- likeness ------------------------------------------------------------------------------------------------------ */

#define DISTANCE_MAX_LEN 64 /* names longer than this are no typing slips */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t str_distance(const char *a, const char *b, size_t limit)
{
	size_t row[DISTANCE_MAX_LEN + 1], before[DISTANCE_MAX_LEN + 1] = {0};
	size_t la = strnlen(a, DISTANCE_MAX_LEN + 1);
	size_t lb = strnlen(b, DISTANCE_MAX_LEN + 1);

	if (la > DISTANCE_MAX_LEN || lb > DISTANCE_MAX_LEN)
		return limit;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	/* Levenshtein's table, one row at a time: row[j] is the distance of a's first i and b's first j letters. Two letters that
	 * changed places are one slip; for that the row before the last is kept as well. */
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0], corner = 0;

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && corner + 1 < row[j])
				row[j] = corner + 1;
			corner = before[j - 1];
			before[j - 1] = diagonal;
			diagonal = above;
		}
	}
	return row[lb] < limit ? row[lb] : limit;
}
