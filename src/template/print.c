/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as text, as Go's fmt prints what encoding/json decodes to: %v for all, and the verbs of printf.
 * Source: https://pkg.go.dev/fmt.
 */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "template/internal.h"

#define WIDTH_MAX 4096

/* The fewest digits that give the same number back, as strconv's 'g' with -1; written with an exponent from 10^6 on. */
static void shortest(double v, char out[static 64])
{
	char digits[40];
	int64_t power = 0;
	int precision = 0;
	size_t at = 0;
	size_t count = 0;
	char kept[24];

	for (; precision < 17; precision++) {
		autojson struct json *back = NULL;
		struct error err;

		(void)snprintf(digits, sizeof(digits), "%.*e", precision, v);
		if (json_parse(digits, strlen(digits), "", &back, &err) == 0 && json_real(back) == v)
			break;
	}
	const char *e = strchr(digits, 'e') + 1;

	(void)str_to_i64(e + (*e == '+'), &power);
	const int exponent = (int)power;

	for (const char *p = digits; *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && count < sizeof(kept))
			kept[count++] = *p;
	while (count > 1 && kept[count - 1] == '0')
		count--;
	if (v < 0)
		out[at++] = '-';
	if (exponent < -4 || exponent >= 6) {
		(void)snprintf(out + at, 64 - at, "%c%s%.*se%c%02d", kept[0], count > 1 ? "." : "", (int)count - 1,
			       kept + 1, exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
	} else if (exponent < 0) {
		(void)snprintf(out + at, 64 - at, "0.%.*s%.*s", -exponent - 1, "0000", (int)count, kept);
	} else if ((int)count <= exponent + 1) {
		(void)snprintf(out + at, 64 - at, "%.*s%.*s", (int)count, kept, exponent + 1 - (int)count,
			       "000000000000000000000");
	} else {
		(void)snprintf(out + at, 64 - at, "%.*s.%.*s", exponent + 1, kept, (int)count - exponent - 1,
			       kept + exponent + 1);
	}
}

static void real_text(double v, char out[static 64])
{
	if (isnan(v))
		(void)str_copy(out, 64, "NaN");
	else if (isinf(v))
		(void)str_copy(out, 64, v < 0 ? "-Inf" : "+Inf");
	else
		shortest(v, out);
}

static void integer_text(const struct json *j, char out[static 64])
{
	uint64_t u;
	int64_t i;

	if (json_i64(j, &i) == 0)
		(void)snprintf(out, 64, "%lld", (long long)i);
	else if (json_u64(j, &u) == 0)
		(void)snprintf(out, 64, "%llu", (unsigned long long)u);
	else
		real_text(json_real(j), out);
}

static bool print_map(struct buf *out, const struct json *j, size_t depth)
{
	struct arena a = {};
	size_t count;
	const char **keys = value_keys(&a, j, &count);
	bool ok = buf_puts(out, "map[");

	for (size_t i = 0; i < count && ok; i++)
		ok = buf_printf(out, "%s%s:", i ? " " : "", keys[i]) &&
		     print_value(out, json_get(j, keys[i]), depth + 1);
	arena_done(&a);
	return ok && buf_putc(out, ']');
}

bool print_value(struct buf *out, const struct json *j, size_t depth)
{
	char text[64];

	if (depth > TEMPLATE_MAX_DEPTH)
		return buf_puts(out, "...");
	switch (json_type(j)) {
	case JSON_STRING:
		return buf_puts(out, value_text(j));
	case JSON_BOOL:
		return buf_puts(out, json_bool(j) ? "true" : "false");
	case JSON_INT:
		integer_text(j, text);
		return buf_puts(out, text);
	case JSON_REAL:
		real_text(json_real(j), text);
		return buf_puts(out, text);
	case JSON_OBJECT:
		return print_map(out, j, depth);
	case JSON_ARRAY:
		buf_putc(out, '[');
		for (size_t i = 0; i < json_len(j); i++) {
			if (i)
				buf_putc(out, ' ');
			if (!print_value(out, json_at(j, i), depth + 1))
				return false;
		}
		return buf_putc(out, ']');
	default:
		return buf_puts(out, "<nil>");
	}
}

/* ---- printf ---- */

struct verb {
	bool minus, plus, sharp, space, zero;
	int width, precision; /* -1: none */
	char letter;
};

/* Characters, not bytes: Go counts runes. */
static size_t rune_count(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void padded(struct buf *out, const struct verb *v, const char *text)
{
	const size_t have = rune_count(text);
	const int missing = v->width > 0 && (size_t)v->width > have ? v->width - (int)have : 0;
	const bool sign = text[0] == '-' || text[0] == '+';

	if (missing && v->zero && !v->minus) {
		if (sign)
			buf_putc(out, *text++);
		for (int i = 0; i < missing; i++)
			buf_putc(out, '0');
		buf_puts(out, text);
	} else {
		buf_printf(out, "%*s%s%*s", v->minus ? 0 : missing, "", text, v->minus ? missing : 0, "");
	}
}

static void print_quoted(struct buf *out, const char *s)
{
	buf_putc(out, '"');
	while (*s) {
		const size_t n = str_utf8_char(s, strlen(s));
		const unsigned char c = (unsigned char)*s;
		const char *known = c >= 7 && c <= 13 ? &"abtnvfr"[c - 7] : NULL;

		if (known)
			buf_printf(out, "\\%c", *known);
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || !n)
			buf_printf(out, "\\x%02x", c);
		else
			buf_add(out, s, n);
		s += n ? n : 1;
	}
	buf_putc(out, '"');
}

static void print_hex(struct buf *out, const char *s, bool upper)
{
	for (; *s; s++)
		buf_printf(out, upper ? "%02X" : "%02x", (unsigned char)*s);
}

/* A string cut to the precision, in characters. */
static void print_cut(struct buf *out, const char *s, int precision)
{
	size_t len = 0;

	while (s[len] && precision != 0) {
		len++;
		while (((unsigned char)s[len] & 0xc0) == 0x80)
			len++;
		precision -= precision > 0;
	}
	buf_add(out, s, len);
}

static bool print_integer(struct buf *out, const struct verb *v, const struct json *j)
{
	int64_t i;

	if (json_i64(j, &i) < 0)
		return false;
	const uint64_t u = i < 0 ? -(uint64_t)i : (uint64_t)i;
	const char *sign = i < 0 ? "-" : v->plus ? "+" : v->space ? " " : "";
	const unsigned long long n = u;

	switch (v->letter) {
	case 'd':
		return buf_printf(out, "%s%llu", sign, n);
	case 'x':
		return buf_printf(out, v->sharp ? "%s0x%llx" : "%s%llx", sign, n);
	case 'X':
		return buf_printf(out, v->sharp ? "%s0X%llX" : "%s%llX", sign, n);
	case 'o':
		return buf_printf(out, v->sharp ? "%s0%llo" : "%s%llo", sign, n);
	case 'b':
		buf_puts(out, sign);
		for (int bit = u ? 63 - __builtin_clzll(u) : 0; bit >= 0; bit--)
			buf_putc(out, (char)('0' + (u >> bit & 1)));
		return true;
	default:
		return false;
	}
}

static bool print_float(struct buf *out, const struct verb *v, double d)
{
	char text[64];

	if (!strchr("eEfFgG", v->letter))
		return false;
	if (d >= 0 && (v->plus || v->space))
		buf_putc(out, v->plus ? '+' : ' ');
	if ((v->letter == 'g' || v->letter == 'G') && v->precision < 0) {
		real_text(d, text);
		return buf_puts(out, text);
	}
	char form[] = {'%', '.', '*', v->letter, '\0'};
	const int precision = v->precision < 0 ? 6 : v->precision;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return buf_printf(out, form, precision, d);
#pragma GCC diagnostic pop
}

/* False: this verb does not fit the value. */
static bool print_text_verb(struct buf *out, const struct verb *v, const struct json *j)
{
	switch (v->letter) {
	case 's':
		print_cut(out, value_text(j), v->precision);
		return true;
	case 'q':
		print_quoted(out, value_text(j));
		return true;
	case 'x':
	case 'X':
		print_hex(out, value_text(j), v->letter == 'X');
		return true;
	default:
		return false;
	}
}

static bool print_any(struct buf *out, const struct verb *v, const struct json *j)
{
	autobuf struct buf all = BUF_INIT(TEMPLATE_MAX_STRING);

	/* Lists and maps: each member with the verb; what %v and %s print is the same for ours. */
	if (v->letter == 'v' || ((json_type(j) == JSON_ARRAY || json_type(j) == JSON_OBJECT) && v->letter == 's')) {
		(void)print_value(&all, j, 0);
		if (json_type(j) == JSON_STRING)
			print_cut(out, buf_str(&all), v->precision);
		else
			buf_puts(out, buf_str(&all));
		return true;
	}
	switch (json_type(j)) {
	case JSON_STRING:
		return print_text_verb(out, v, j);
	case JSON_BOOL:
		return v->letter == 't' && buf_puts(out, json_bool(j) ? "true" : "false");
	case JSON_INT:
		return print_integer(out, v, j);
	case JSON_REAL:
		return print_float(out, v, json_real(j));
	default:
		return false;
	}
}

/* %!d(string=hi): Go's way to say that a verb does not fit. */
static void print_misfit(struct buf *out, char letter, const struct json *j)
{
	buf_printf(out, "%%!%c(", letter);
	if (j) {
		buf_printf(out, "%s=", value_type(j));
		(void)print_value(out, j, 0);
	} else {
		buf_puts(out, "<nil>");
	}
	buf_putc(out, ')');
}

static int number(const char **p)
{
	int n = 0;

	for (; **p >= '0' && **p <= '9'; ++*p)
		n = n * 10 + (**p - '0') > WIDTH_MAX ? WIDTH_MAX : n * 10 + (**p - '0');
	return n;
}

static struct verb read_verb(const char **p)
{
	struct verb v = {.width = -1, .precision = -1};

	for (;; ++*p) {
		bool *flag = **p == '-'   ? &v.minus
			     : **p == '+' ? &v.plus
			     : **p == '#' ? &v.sharp
			     : **p == ' ' ? &v.space
			     : **p == '0' ? &v.zero
					  : NULL;
		if (!flag)
			break;
		*flag = true;
	}
	if (**p >= '1' && **p <= '9')
		v.width = number(p);
	if (**p == '.') {
		++*p;
		v.precision = number(p);
	}
	v.letter = **p;
	return v;
}

int print_format(struct run *r, struct json **args, size_t count, struct buf *out)
{
	size_t used = 1;

	for (const char *p = value_text(args[0]); *p; p++) {
		autobuf struct buf piece = BUF_INIT(TEMPLATE_MAX_STRING);
		struct verb v;

		if (*p != '%') {
			buf_putc(out, *p);
			continue;
		}
		p++;
		v = read_verb(&p);
		if (!v.letter) {
			buf_puts(out, "%!(NOVERB)");
			break;
		}
		if (v.letter == '%') {
			buf_putc(out, '%');
			continue;
		}
		if (used >= count) {
			buf_printf(out, "%%!%c(MISSING)", v.letter);
			continue;
		}
		if (print_any(&piece, &v, args[used]))
			padded(out, &v, buf_str(&piece));
		else
			print_misfit(out, v.letter, args[used]);
		used++;
		if (run_charge(r, piece.len) < 0)
			return -r->err->code;
	}
	for (size_t i = used; i < count; i++) {
		buf_printf(out, "%s%s", i == used ? "%!(EXTRA " : ", ", value_type(args[i]));
		if (args[i]) {
			buf_putc(out, '=');
			(void)print_value(out, args[i], 0);
		}
	}
	if (used < count)
		buf_putc(out, ')');
	return 0;
}
