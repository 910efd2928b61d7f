/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a fault in a document: "config.json: process.rlimits[2].type: expected …, got …". The position is a
 * chain of steps on the C stack (fields.c), turned into text only here. Values are quoted in a bounded length and
 * without what a terminal could act on.
 */
#include "spec/fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

#define WARNINGS_MAX 8
#define PATH_BYTES 256
#define QUOTE_BYTES 64

/* @s in quotes, of bounded length, with what a terminal could act on replaced. */
static void quote(const char *s, char *out, size_t size)
{
	size_t n = 0;

	out[n++] = '"';
	for (; *s && n + 6 < size; s++)
		out[n++] = (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s;
	if (*s) {
		/* Not in the middle of a UTF-8 sequence. */
		while (n > 1 && ((unsigned char)out[n - 1] & 0xc0) == 0x80)
			n--;
		if (n > 1 && ((unsigned char)out[n - 1] & 0xc0) == 0xc0)
			n--;
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n++] = '"';
	out[n] = '\0';
}

void field_path(const struct field_step *where, char *out, size_t size)
{
	const struct field_step *steps[JSON_MAX_DEPTH];
	struct buf b = BUF_INIT(size - 1);
	size_t depth = 0;

	for (; where && depth < ARRAY_SIZE(steps); where = where->up)
		steps[depth++] = where;
	while (depth-- > 0) {
		const struct field_step *s = steps[depth];
		char key[QUOTE_BYTES];

		if (!s->name) {
			(void)buf_printf(&b, "[%zu]", s->index);
		} else if (s->quoted) {
			quote(s->name, key, sizeof(key));
			(void)buf_printf(&b, "[%s]", key);
		} else {
			(void)buf_printf(&b, "%s%s", b.len ? "." : "", s->name);
		}
	}
	(void)str_copy(out, size, buf_str(&b)); /* cut at worst: it is for people */
	buf_done(&b);
}

static int fault(struct reader *r, const char *member, const char *text)
{
	const struct field_step step = {.up = r->where, .name = member};
	char path[PATH_BYTES];

	field_path(member ? &step : r->where, path, sizeof(path));
	return error_set(r->err, ERROR_INVALID, EINVAL, "%s: %s%s%s", r->document, path, *path ? ": " : "", text);
}

int field_fault(struct reader *r, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fault(r, NULL, text);
}

int field_fault_at(struct reader *r, const char *name, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fault(r, name, text);
}

int field_expected(struct reader *r, const struct json *got, const char *expected)
{
	char value[QUOTE_BYTES];
	uint64_t u;
	int64_t i;

	switch (json_type(got)) {
	case JSON_STRING:
		if (json_str(got))
			quote(json_str(got), value, sizeof(value));
		else
			(void)str_copy(value, sizeof(value), "a string with a NUL byte");
		break;
	case JSON_INT:
	case JSON_REAL:
		if (json_i64(got, &i) == 0)
			(void)snprintf(value, sizeof(value), "%" PRId64, i);
		else if (json_u64(got, &u) == 0)
			(void)snprintf(value, sizeof(value), "%" PRIu64, u);
		else
			(void)snprintf(value, sizeof(value), "%g", json_real(got));
		break;
	default:
		(void)str_copy(value, sizeof(value), json_type_name(json_type(got)));
		break;
	}
	return field_fault(r, "expected %s, got %s", expected, value);
}

int field_wrong_type(struct reader *r, const struct json *got, const char *expected)
{
	return field_fault(r, "expected %s, got %s", expected, json_type_name(json_type(got)));
}

void field_warn(struct reader *r, const char *fmt, ...)
{
	char path[PATH_BYTES];
	char text[256];
	va_list ap;

	if (r->warnings++ >= WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	field_path(r->where, path, sizeof(path));
	log_warn("%s: %s: %s", r->document, path, text);
}
