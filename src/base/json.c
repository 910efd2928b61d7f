/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values over json-c. `struct json` is json-c's object under another name, so that no other file sees that library.
 *
 * json-c is not strict enough by itself (0.16, with both of its strict flags): it takes NUL for the end of the text,
 * accepts NaN, Infinity, "1.", keys in single quotes, raw control characters and surrogates in strings, turns an integer
 * above 64 bits into the largest one, and cuts a key at "\u0000", by which two different keys would become one. So the
 * words of the text are checked here first (check_text) and only their order is left to the library. Of equal keys the
 * last one counts, as with Go's reader, which the engines use: both must understand a document in the same way.
 *
 * Writing is done here too, so that a document looks the same with every version of the library.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library has types of these two names; here they are ours. */
#define json_bool jsonc_bool
#define json_type jsonc_type
#include <json-c/json.h>
#undef json_bool
#undef json_type

#include "base/json.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

/* A few bytes of text may become a hundred times as many in memory: V30. */
#define COST_MAX 1500000u

static struct json_object *in(const struct json *j)
{
	return (struct json_object *)(uintptr_t)j;
}

static struct json *out_of(struct json_object *o)
{
	return (struct json *)o;
}

/* The first whole number above INT64_MAX, exactly. */
#define TWO_TO_63 9223372036854775808.0

/* json-c answers NULL or -1 when memory is out. */
static struct json *made(struct json_object *o)
{
	if (!o)
		mem_out();
	return out_of(o);
}

/* --- parsing ----------------------------------------------------------------------------------------------------- */

#define END_OF_TEXT "unexpected end of the text"

/* Where in the text something is, for people: both count from 1, the column in characters. */
struct place {
	size_t line;
	size_t column;
};

static struct place place_of(const char *text, size_t offset)
{
	struct place p = {.line = 1, .column = 1};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			p.line++;
			p.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			p.column++;
		}
	}
	return p;
}

static int fail_at(const char *name, const char *text, size_t offset, const char *what, struct error *err)
{
	struct place p = place_of(text, offset);

	return error_set(err, ERROR_INVALID, EINVAL, "%s: line %zu, column %zu: %s", name, p.line, p.column, what);
}

/* The text being checked, and where the check has come to. A check_ function begins at its token's first byte and leaves
 * `at` behind the token; it returns NULL, or what is wrong at `at`. */
struct scan {
	const char *text;
	size_t len;
	size_t at;
	size_t cost; /* of the values so far, in about 70 bytes of memory */
};

static char peek(const struct scan *s)
{
	return s->at < s->len ? s->text[s->at] : '\0';
}

static bool skip_char(struct scan *s, const char *any)
{
	if (!peek(s) || !strchr(any, peek(s)))
		return false;
	s->at++;
	return true;
}

static size_t skip_digits(struct scan *s)
{
	size_t start = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at - start;
}

static const char *check_string(struct scan *s)
{
	bool has_nul = false;

	for (s->at++; peek(s) != '"';) {
		size_t n = str_utf8_char(s->text + s->at, s->len - s->at);

		if (s->at == s->len)
			return END_OF_TEXT;
		if ((unsigned char)peek(s) < 0x20)
			return "control character in a string";
		if (n == 0)
			return "invalid UTF-8 in a string";
		if (s->len - s->at >= 6 && memcmp(s->text + s->at, "\\u0000", 6) == 0)
			has_nul = true;
		if (peek(s) == '\\' && s->at + 1 < s->len)
			n = 2; /* what the escape says is left to the library */
		s->at += n;
	}
	s->at++;
	if (!has_nul)
		return NULL;
	while (skip_char(s, " \t\r\n"))
		;
	return peek(s) == ':' ? "NUL character in the key before this" : NULL;
}

static const char *check_number(struct scan *s)
{
	bool negative = skip_char(s, "-");
	size_t start = s->at;
	size_t digits = skip_digits(s);
	uint64_t v = 0;

	if (s->at == s->len && digits == 0)
		return END_OF_TEXT;
	if (digits == 0 || (digits > 1 && s->text[start] == '0'))
		return "malformed number";
	if (peek(s) != '.' && peek(s) != 'e' && peek(s) != 'E')
		for (size_t i = start; i < s->at; i++)
			if (__builtin_mul_overflow(v, 10, &v) ||
			    __builtin_add_overflow(v, (unsigned)(s->text[i] - '0'), &v) ||
			    (negative && v > (uint64_t)INT64_MAX + 1))
				return "integer of more than 64 bits";
	if (skip_char(s, ".") && skip_digits(s) == 0)
		return s->at == s->len ? END_OF_TEXT : "malformed number";
	if (skip_char(s, "eE")) {
		(void)skip_char(s, "+-");
		if (skip_digits(s) == 0)
			return s->at == s->len ? END_OF_TEXT : "malformed number";
	}
	return NULL;
}

static const char *check_text(struct scan *s)
{
	while (s->at < s->len) {
		const char *wrong = NULL;
		char c = peek(s);

		if (c == '"')
			wrong = check_string(s);
		else if (c == '-' || (c >= '0' && c <= '9'))
			wrong = check_number(s);
		else if (c == '\0')
			wrong = "NUL byte";
		else if (!skip_char(s, " \t\r\n{}[]:,truefalsn")) /* the letters of true, false and null */
			wrong = "unexpected character";
		if (c == '{' || c == '[')
			s->cost += c == '{' ? 11 : 5; /* the library makes room for several members at once */
		else if (c == '"' || c == ',')
			s->cost++;
		if (!wrong && s->cost > COST_MAX)
			wrong = "more values than are accepted";
		if (wrong)
			return wrong;
	}
	return NULL;
}

int json_parse(const char *text, size_t len, const char *name, struct json **ret, struct error *err)
{
	struct scan scan = {.text = text, .len = len};
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error e;
	size_t offset;
	const char *wrong;

	if (len > INT_MAX - 1)
		return error_set(err, ERROR_LIMIT, EFBIG, "%s: larger than 2 GB", name);
	wrong = check_text(&scan);
	if (wrong)
		return fail_at(name, text, scan.at, wrong, err);
	tok = json_tokener_new_ex(JSON_MAX_DEPTH);
	if (!tok)
		mem_out();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	offset = json_tokener_get_parse_end(tok);
	if (e == json_tokener_continue) {
		/* A number at the end is complete only when the end is seen; anything else is cut short. */
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
		offset = len;
	}
	json_tokener_free(tok);
	if (e == json_tokener_success) {
		*ret = out_of(o);
		return 0;
	}
	if (e == json_tokener_continue || (e != json_tokener_error_depth && offset >= len))
		return fail_at(name, text, len, END_OF_TEXT, err);
	return fail_at(name, text, offset, json_tokener_error_desc(e), err);
}

void json_unref(struct json *j)
{
	if (j)
		json_object_put(in(j));
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

enum json_type json_type(const struct json *j)
{
	switch (json_object_get_type(in(j))) {
	case json_type_boolean:
		return JSON_BOOL;
	case json_type_int:
		return JSON_INT;
	case json_type_double:
		return JSON_REAL;
	case json_type_string:
		return JSON_STRING;
	case json_type_array:
		return JSON_ARRAY;
	case json_type_object:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

const char *json_type_name(enum json_type t)
{
	static const char *const names[JSON_TYPE_COUNT] = {
		[JSON_NULL] = "null",        [JSON_BOOL] = "a boolean",
		[JSON_INT] = "an integer",   [JSON_REAL] = "a number with a fraction",
		[JSON_STRING] = "a string",  [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return (unsigned)t < JSON_TYPE_COUNT ? names[t] : "unknown";
}

struct json *json_get(const struct json *j, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(in(j), key, &value) ? out_of(value) : NULL;
}

size_t json_len(const struct json *j)
{
	switch (json_type(j)) {
	case JSON_ARRAY:
		return json_object_array_length(in(j));
	case JSON_OBJECT:
		return (size_t)json_object_object_length(in(j));
	default:
		return 0;
	}
}

struct json *json_at(const struct json *j, size_t i)
{
	return json_type(j) == JSON_ARRAY ? out_of(json_object_array_get_idx(in(j), i)) : NULL;
}

int json_each(const struct json *j, int (*fn)(const char *key, struct json *value, void *arg), void *arg)
{
	struct json_object_iterator at;
	struct json_object_iterator end;

	if (json_type(j) != JSON_OBJECT)
		return 0;
	at = json_object_iter_begin(in(j));
	end = json_object_iter_end(in(j));
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		int r = fn(json_object_iter_peek_name(&at), out_of(json_object_iter_peek_value(&at)), arg);

		if (r)
			return r;
	}
	return 0;
}

const char *json_str(const struct json *j)
{
	const char *s;

	if (json_type(j) != JSON_STRING)
		return NULL;
	s = json_object_get_string(in(j));
	return strlen(s) == (size_t)json_object_get_string_len(in(j)) ? s : NULL;
}

bool json_bool(const struct json *j)
{
	return json_type(j) == JSON_BOOL && json_object_get_boolean(in(j));
}

double json_real(const struct json *j)
{
	switch (json_type(j)) {
	case JSON_INT:
	case JSON_REAL:
		return json_object_get_double(in(j));
	default:
		return 0;
	}
}

int json_i64(const struct json *j, int64_t *ret)
{
	double real;

	switch (json_type(j)) {
	case JSON_INT:
		/* json-c keeps what passes INT64_MAX as unsigned, and its signed getter would answer INT64_MAX. */
		if (json_object_get_uint64(in(j)) > INT64_MAX)
			return -ERANGE;
		*ret = json_object_get_int64(in(j));
		return 0;
	case JSON_REAL:
		real = json_object_get_double(in(j));
		if (isfinite(real) && real != trunc(real))
			return -EINVAL;
		if (!(real >= -TWO_TO_63 && real < TWO_TO_63))
			return -ERANGE;
		*ret = (int64_t)real;
		return 0;
	default:
		return -EINVAL;
	}
}

int json_u64(const struct json *j, uint64_t *ret)
{
	double real;

	switch (json_type(j)) {
	case JSON_INT:
		if (json_object_get_int64(in(j)) < 0)
			return -ERANGE;
		*ret = json_object_get_uint64(in(j));
		return 0;
	case JSON_REAL:
		real = json_object_get_double(in(j));
		if (isfinite(real) && real != trunc(real))
			return -EINVAL;
		if (!(real >= 0 && real < 2 * TWO_TO_63))
			return -ERANGE;
		*ret = (uint64_t)real;
		return 0;
	default:
		return -EINVAL;
	}
}

/* --- building ---------------------------------------------------------------------------------------------------- */

struct json *json_new_object(void)
{
	return made(json_object_new_object());
}

struct json *json_new_array(void)
{
	return made(json_object_new_array());
}

struct json *json_new_str(const char *s)
{
	return s ? made(json_object_new_string(s)) : NULL;
}

struct json *json_new_i64(int64_t v)
{
	return made(json_object_new_int64(v));
}

struct json *json_new_u64(uint64_t v)
{
	return made(json_object_new_uint64(v));
}

struct json *json_new_bool(bool v)
{
	return made(json_object_new_boolean(v));
}

struct json *json_new_real(double v)
{
	char text[40];

	if (!isfinite(v))
		return NULL; /* JSON has no word for it but null */
	/* The shortest text that reads back as the same number: 0.1, not 0.10000000000000001. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return made(json_object_new_double_s(v, text));
}

struct json *json_ref(struct json *j)
{
	return j ? out_of(json_object_get(in(j))) : NULL;
}

void json_set(struct json *object, const char *key, struct json *value)
{
	if (json_object_object_add(in(object), key, in(value)) < 0)
		mem_out();
}

void json_push(struct json *array, struct json *value)
{
	if (json_object_array_add(in(array), in(value)) < 0)
		mem_out();
}

void json_set_str(struct json *object, const char *key, const char *s)
{
	if (s)
		json_set(object, key, json_new_str(s));
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* How a document is being written: pretty text breaks and indents its lines. */
struct writer {
	struct buf *out;
	bool pretty;
	size_t depth;
};

static void write_value(struct writer *w, struct json_object *o);

static void write_string(struct writer *w, const char *s, size_t len)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the character, its letter */

	(void)buf_putc(w->out, '"');
	for (size_t i = 0; i < len;) {
		size_t n = str_utf8_char(s + i, len - i);
		const char *pair = NULL;

		for (size_t k = 0; k + 1 < sizeof(named) && !pair; k += 2)
			if (named[k] == s[i])
				pair = named + k;
		if (pair)
			(void)buf_printf(w->out, "\\%c", pair[1]);
		else if (n == 0 && s[i])
			(void)buf_puts(w->out, "\\ufffd"); /* no UTF-8: as Go writes it */
		else if ((unsigned char)s[i] < 0x20)
			(void)buf_printf(w->out, "\\u%04x", (unsigned char)s[i]);
		else
			(void)buf_add(w->out, s + i, n);
		i += n ? n : 1;
	}
	(void)buf_putc(w->out, '"');
}

static void write_break(struct writer *w)
{
	if (w->pretty)
		(void)buf_printf(w->out, "\n%*s", (int)(2 * w->depth), "");
}

static void write_object(struct writer *w, struct json_object *o)
{
	struct json_object_iterator at = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);

	for (bool first = true; !json_object_iter_equal(&at, &end); json_object_iter_next(&at), first = false) {
		const char *key = json_object_iter_peek_name(&at);

		if (!first)
			(void)buf_putc(w->out, ',');
		write_break(w);
		write_string(w, key, strlen(key));
		(void)buf_puts(w->out, w->pretty ? ": " : ":");
		write_value(w, json_object_iter_peek_value(&at));
	}
}

static void write_array(struct writer *w, struct json_object *o)
{
	for (size_t i = 0; i < json_object_array_length(o); i++) {
		if (i)
			(void)buf_putc(w->out, ',');
		write_break(w);
		write_value(w, json_object_array_get_idx(o, i));
	}
}

static void write_value(struct writer *w, struct json_object *o)
{
	enum json_type type = json_type(out_of(o));
	bool empty = json_len(out_of(o)) == 0;

	switch (type) {
	case JSON_STRING:
		write_string(w, json_object_get_string(o), (size_t)json_object_get_string_len(o));
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		(void)buf_putc(w->out, type == JSON_ARRAY ? '[' : '{');
		w->depth++;
		if (type == JSON_ARRAY)
			write_array(w, o);
		else
			write_object(w, o);
		w->depth--;
		if (!empty)
			write_break(w);
		(void)buf_putc(w->out, type == JSON_ARRAY ? ']' : '}');
		return;
	default:
		(void)buf_puts(w->out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
}

bool json_write(const struct json *j, bool pretty, struct buf *out)
{
	struct writer w = {.out = out, .pretty = pretty};

	write_value(&w, in(j));
	return !out->failed;
}
