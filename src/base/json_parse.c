/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to JSON values, by RFC 8259 and nothing beyond it: no comments, no NaN, no trailing commas, no text behind the
 * value, no raw control characters in strings, nothing that is not UTF-8. Where the RFC leaves a choice, Go's reader is
 * followed, which the engines use, because both must understand a document in the same way: of equal keys the last one
 * counts, and half a surrogate pair becomes U+FFFD. Stricter than Go's: a key may hold no NUL, because two keys that differ
 * behind it would be one to C.
 *
 * A reader of one pass, recursive to JSON_MAX_DEPTH: a parse_ function begins at its first byte, leaves `at` behind its
 * last one, and returns NULL or what is wrong at `at`. Members are collected on one stack for the whole text, and copied to
 * the document when their container ends. All memory is the document's arena, so a failure needs no tidying.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json_value.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

/* A few bytes of text may become a hundred times as many in memory: V30. */
#define COST_MAX 1500000u

#define END_OF_TEXT "unexpected end of the text"

struct parser {
	const char *text; /* borrowed; need not end in NUL */
	size_t len;
	size_t at;
	size_t cost; /* of the values so far, in about 70 bytes of memory */
	unsigned depth;
	struct json_document *document;
	struct json_member *stack; /* owned: the members of the containers that are open; items have no key */
	size_t stack_count;
	size_t stack_room;
};

static const char *parse_value(struct parser *p, struct json **ret);

/* The byte at `at`, or NUL at the end; a NUL in the text fits nowhere either. */
static char peek(const struct parser *p)
{
	return p->at < p->len ? p->text[p->at] : '\0';
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->len &&
	       (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t' || p->text[p->at] == '\r'))
		p->at++;
}

/* Why what is at `at` cannot be there. */
static const char *unexpected(const struct parser *p, const char *expected)
{
	if (p->at == p->len)
		return END_OF_TEXT;
	return peek(p) ? expected : "NUL byte";
}

static struct json *value_new(struct parser *p, enum json_type type)
{
	struct json *j = arena_alloc(&p->document->arena, 1, sizeof(*j));

	j->document = p->document;
	j->type = type;
	return j;
}

static const char *costs(struct parser *p, size_t cost)
{
	p->cost += cost;
	return p->cost > COST_MAX ? "more values than are accepted" : NULL;
}

/* --- strings --------------------------------------------------------------------------------------------------------- */

/* Four hexadecimal digits at `at`, or -1. */
static long hex4(const struct parser *p, size_t at)
{
	long v = 0;

	if (p->len - at < 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		const char c = p->text[i];

		if (c >= '0' && c <= '9')
			v = 16 * v + (c - '0');
		else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
			v = 16 * v + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* The escape at `at`, whose backslash is there, decoded to @out (at most 4 bytes); *ret_len is how many. */
static const char *parse_escape(struct parser *p, char *out, size_t *ret_len)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *found;
	long c;

	p->at++;
	if (p->at == p->len)
		return END_OF_TEXT;
	if (peek(p) != 'u') {
		found = peek(p) ? strchr(letters, peek(p)) : NULL;
		if (!found)
			return "unknown escape in a string";
		*out = meant[found - letters];
		*ret_len = 1;
		p->at++;
		return NULL;
	}
	c = hex4(p, p->at + 1);
	if (c < 0)
		return p->len - p->at < 5 ? (p->at = p->len, END_OF_TEXT)
					  : "four hexadecimal digits expected behind \\u";
	p->at += 5;
	if (c >= 0xd800 && c < 0xdc00 && p->len - p->at >= 6 && p->text[p->at] == '\\' && p->text[p->at + 1] == 'u') {
		const long low = hex4(p, p->at + 2);

		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p->at += 6;
		}
	}
	if (c >= 0xd800 && c < 0xe000)
		c = 0xfffd;
	*ret_len = str_put_utf8(out, (uint32_t)c);
	return NULL;
}

/* From the first byte behind the opening quote to the closing one. The decoded text is never longer than the text. */
static const char *parse_string(struct parser *p, const char **ret, size_t *ret_len)
{
	const char *wrong;
	size_t from;
	size_t end;
	size_t n;
	char *out;
	size_t len = 0;

	/* Where it ends, for the room it needs: a quote behind an even number of backslashes. */
	for (end = ++p->at; end < p->len && p->text[end] != '"'; end++)
		if (p->text[end] == '\\')
			end++;
	if (end >= p->len)
		end = p->len;
	out = arena_alloc(&p->document->arena, end - p->at + 1, 1);
	for (;;) {
		for (from = p->at; p->at < p->len; p->at++) {
			const unsigned char c = (unsigned char)p->text[p->at];

			if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
				break;
		}
		memcpy(out + len, p->text + from, p->at - from);
		len += p->at - from;
		if (p->at == p->len)
			return END_OF_TEXT;
		if (peek(p) == '"')
			break;
		if (peek(p) == '\\') {
			wrong = parse_escape(p, out + len, &n);
			if (wrong)
				return wrong;
			len += n;
			continue;
		}
		if ((unsigned char)peek(p) < 0x20)
			return "control character in a string";
		n = str_utf8_char(p->text + p->at, p->len - p->at);
		if (n == 0)
			return "invalid UTF-8 in a string";
		memcpy(out + len, p->text + p->at, n);
		len += n;
		p->at += n;
	}
	p->at++;
	*ret = out;
	*ret_len = len;
	return costs(p, 1);
}

/* --- numbers and words ----------------------------------------------------------------------------------------------- */

static size_t skip_digits(struct parser *p)
{
	const size_t start = p->at;

	while (peek(p) >= '0' && peek(p) <= '9')
		p->at++;
	return p->at - start;
}

static const char *parse_fraction(struct parser *p)
{
	if (peek(p) == '.') {
		p->at++;
		if (skip_digits(p) == 0)
			return unexpected(p, "malformed number");
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		p->at++;
		if (peek(p) == '+' || peek(p) == '-')
			p->at++;
		if (skip_digits(p) == 0)
			return unexpected(p, "malformed number");
	}
	return NULL;
}

static const char *parse_number(struct parser *p, struct json **ret)
{
	const size_t start = p->at;
	const bool negative = peek(p) == '-';
	const char *wrong;
	struct json *j;
	size_t digits;
	uint64_t v = 0;

	p->at += negative;
	digits = skip_digits(p);
	if (digits == 0)
		return unexpected(p, "malformed number");
	if (digits > 1 && p->text[p->at - digits] == '0')
		return "malformed number";
	if (peek(p) == '.' || peek(p) == 'e' || peek(p) == 'E') {
		wrong = parse_fraction(p);
		if (wrong)
			return wrong;
		j = value_new(p, JSON_REAL);
		j->count = (uint32_t)(p->at - start);
		j->text = arena_strndup(&p->document->arena, p->text + start, j->count);
		*ret = j;
		return NULL;
	}
	for (size_t i = p->at - digits; i < p->at; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (unsigned)(p->text[i] - '0'), &v) ||
		    (negative && v > (uint64_t)INT64_MAX + 1))
			return "integer of more than 64 bits";
	j = value_new(p, JSON_INT);
	j->u = negative ? 0 - v : v;
	j->negative = negative && v; /* -0 is 0 */
	*ret = j;
	return NULL;
}

static const char *parse_word(struct parser *p, struct json **ret)
{
	static const char *const words[] = {"null", "true", "false"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (peek(p) != words[i][0])
			continue;
		for (const char *c = words[i]; *c; c++, p->at++)
			if (peek(p) != *c)
				return unexpected(p, "unexpected character");
		if (i > 0) {
			*ret = value_new(p, JSON_BOOL);
			(*ret)->truth = i == 1;
		}
		return NULL;
	}
	return unexpected(p, "unexpected character");
}

/* --- containers ------------------------------------------------------------------------------------------------------ */

/* Keep the last value of equal keys, in the place of the first. Returns how many members are left. */
static uint32_t drop_repeated(struct json_member *m, uint32_t *index, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count;) {
		const uint32_t first = index[i];
		uint32_t last = first;

		for (i++; i < count && strcmp(m[index[i]].key, m[first].key) == 0; i++) {
			last = index[i];
			m[last].key = NULL;
		}
		m[first].value = m[last].value;
	}
	for (uint32_t i = 0; i < count; i++)
		if (m[i].key)
			m[kept++] = m[i];
	return kept;
}

/* The members from @start of the stack on become those of @j. */
static void end_object(struct parser *p, struct json *j, size_t start)
{
	struct arena *a = &p->document->arena;
	const uint32_t n = (uint32_t)(p->stack_count - start);

	j->members = arena_alloc(a, n, sizeof(*j->members));
	if (n)
		memcpy(j->members, p->stack + start, n * sizeof(*j->members));
	j->count = n;
	if (n >= JSON_INDEXED) {
		j->index = arena_alloc(a, n, sizeof(*j->index));
		json_sort(j->members, j->index, n);
		j->count = drop_repeated(j->members, j->index, n);
		if (j->count < JSON_INDEXED)
			j->index = NULL;
		else if (j->count < n)
			json_sort(j->members, j->index, j->count);
	}
}

static void end_array(struct parser *p, struct json *j, size_t start)
{
	const uint32_t n = (uint32_t)(p->stack_count - start);

	j->items = arena_alloc(&p->document->arena, n, sizeof(struct json *));
	for (uint32_t i = 0; i < n; i++)
		j->items[i] = p->stack[start + i].value;
	j->count = n;
}

/* Members are few: one of the same key is looked for at once. Among many it is found when they are sorted. */
static void add_member(struct parser *p, size_t start, const char *key, struct json *value)
{
	const size_t n = p->stack_count - start;

	for (size_t i = start; key && n < JSON_INDEXED - 1 && i < p->stack_count; i++)
		if (strcmp(p->stack[i].key, key) == 0) {
			p->stack[i].value = value;
			return;
		}
	if (p->stack_count == p->stack_room) {
		p->stack_room = p->stack_room ? 2 * p->stack_room : 32;
		p->stack = mem_realloc(p->stack, p->stack_room, sizeof(*p->stack));
	}
	p->stack[p->stack_count++] = (struct json_member){.key = key, .value = value};
}

static const char *parse_key(struct parser *p, const char **ret)
{
	const char *wrong;
	size_t len;

	if (peek(p) != '"')
		return unexpected(p, "a key in double quotes expected");
	wrong = parse_string(p, ret, &len);
	if (wrong)
		return wrong;
	skip_blanks(p);
	if (peek(p) != ':')
		return unexpected(p, "':' expected");
	if (memchr(*ret, '\0', len))
		return "NUL character in the key before this";
	p->at++;
	skip_blanks(p);
	return NULL;
}

static const char *parse_members(struct parser *p, bool object, size_t start)
{
	const char last = object ? '}' : ']';
	const char *wrong;

	p->at++;
	skip_blanks(p);
	if (peek(p) == last) {
		p->at++;
		return NULL;
	}
	for (;;) {
		const char *key = NULL;
		struct json *value = NULL;

		wrong = object ? parse_key(p, &key) : NULL;
		if (!wrong)
			wrong = parse_value(p, &value);
		if (!wrong)
			wrong = costs(p, 1);
		if (wrong)
			return wrong;
		add_member(p, start, key, value);
		skip_blanks(p);
		if (peek(p) == last) {
			p->at++;
			return NULL;
		}
		if (peek(p) != ',')
			return unexpected(p, object ? "',' or '}' expected" : "',' or ']' expected");
		p->at++;
		skip_blanks(p);
	}
}

static const char *parse_container(struct parser *p, bool object, struct json **ret)
{
	struct json *j = value_new(p, object ? JSON_OBJECT : JSON_ARRAY);
	const size_t start = p->stack_count;
	const char *wrong = costs(p, 2);

	if (p->depth == JSON_MAX_DEPTH)
		return "nested too deeply";
	p->depth++;
	if (!wrong)
		wrong = parse_members(p, object, start);
	p->depth--;
	if (wrong)
		return wrong;
	if (object)
		end_object(p, j, start);
	else
		end_array(p, j, start);
	p->stack_count = start;
	*ret = j;
	return NULL;
}

/* *ret stays NULL for null. */
static const char *parse_value(struct parser *p, struct json **ret)
{
	const char *wrong;
	size_t len;

	switch (peek(p)) {
	case '{':
	case '[':
		return parse_container(p, peek(p) == '{', ret);
	case '"':
		*ret = value_new(p, JSON_STRING);
		wrong = parse_string(p, &(*ret)->text, &len);
		if (wrong)
			return wrong;
		(*ret)->count = (uint32_t)len;
		(*ret)->has_nul = memchr((*ret)->text, '\0', len) != NULL;
		return NULL;
	case '-':
	case '0' ... '9':
		return parse_number(p, ret);
	default:
		return parse_word(p, ret);
	}
}

/* --- the document ---------------------------------------------------------------------------------------------------- */

/* Where in the text something is, for people: both count from 1, the column in characters. */
static int fail_at(const struct parser *p, const char *name, const char *what, struct error *err)
{
	size_t line = 1;
	size_t column = 1;

	for (size_t i = 0; i < p->at; i++) {
		if (p->text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)p->text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return error_set(err, ERROR_INVALID, EINVAL, "%s: line %zu, column %zu: %s", name, line, column, what);
}

int json_parse(const char *text, size_t len, const char *name, struct json **ret, struct error *err)
{
	struct parser p = {.text = text, .len = len};
	struct arena arena = {};
	struct json *j = NULL;
	const char *wrong;

	if (len > INT32_MAX - 1)
		return error_set(err, ERROR_LIMIT, EFBIG, "%s: larger than 2 GB", name);
	p.document = arena_alloc(&arena, 1, sizeof(*p.document));
	p.document->arena = arena;
	p.document->refs = 1;
	skip_blanks(&p);
	wrong = parse_value(&p, &j);
	if (!wrong) {
		skip_blanks(&p);
		if (p.at < len)
			wrong = unexpected(&p, "unexpected text behind the value");
	}
	free(p.stack);
	if (wrong || !j) {
		arena = p.document->arena;
		arena_done(&arena);
	}
	if (wrong)
		return fail_at(&p, name, wrong, err);
	*ret = j;
	return 0;
}
