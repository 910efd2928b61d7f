/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of TOML into JSON values: one pass, line by line, with one table that is open at a time. Debian has no C library
 * for it, and what configuration files need of it is small. Source: toml.io, version 1.0.0.
 */
#include "base/toml.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define DEPTH_MAX 16
#define KEY_PARTS_MAX 8
#define TEXT_MAX 65536

struct toml {
	const char *s, *end, *name;
	size_t line;
	struct strv headers; /* of the tables so far, for those that come twice */
	struct error *err;
};

static int bad(struct toml *t, const char *what)
{
	return error_set(t->err, ERROR_INVALID, EINVAL, "%s: line %zu: %s", t->name, t->line, what);
}

static char peek(const struct toml *t)
{
	return t->s < t->end ? *t->s : '\0';
}

static void skip_blank(struct toml *t)
{
	while (t->s < t->end && (*t->s == ' ' || *t->s == '\t'))
		t->s++;
}

/* Blanks and a comment, up to the end of the line. */
static int end_line(struct toml *t)
{
	skip_blank(t);
	if (peek(t) == '#')
		while (t->s < t->end && *t->s != '\n' && *t->s != '\r')
			t->s++;
	if (peek(t) == '\r' && t->s + 1 < t->end && t->s[1] == '\n')
		t->s++;
	if (t->s < t->end && *t->s != '\n')
		return bad(t, "there is something behind the value");
	if (t->s < t->end) {
		t->s++;
		t->line++;
	}
	return 0;
}

/* Blanks, comments and new lines, as arrays may have between their values. */
static int skip_lines(struct toml *t)
{
	for (;;) {
		skip_blank(t);
		if (t->s >= t->end || !strchr("#\r\n", *t->s))
			return 0;
		if (end_line(t) < 0)
			return -t->err->code;
	}
}

/* ---- strings ---- */

static int add_code_point(struct toml *t, struct buf *out, size_t digits)
{
	uint32_t c = 0;

	for (size_t i = 0; i < digits; i++, t->s++) {
		static const char hex[] = "0123456789abcdef";
		char d = peek(t);
		const char *at = d ? strchr(hex, d | 0x20) : NULL;

		if (!at || (d < '0' || (d > '9' && d < 'A')))
			return bad(t, "a \\u needs hexadecimal digits");
		c = c << 4 | (uint32_t)(at - hex);
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return bad(t, "there is no such character");
	buf_put_utf8(out, c);
	return 0;
}

static int add_escape(struct toml *t, struct buf *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = peek(t);
	const char *at = c ? strchr(from, c) : NULL;

	t->s++;
	if (at) {
		buf_putc(out, to[at - from]);
		return 0;
	}
	if (c == 'u' || c == 'U')
		return add_code_point(t, out, c == 'u' ? 4 : 8);
	return bad(t, "there is no such escape");
}

/* A string of one line, with its quotes. @out is heap text. */
static int take_string(struct toml *t, char **out)
{
	autobuf struct buf text = BUF_INIT(TEXT_MAX);
	char quote = *t->s++;

	if (t->s + 1 < t->end && t->s[0] == quote && t->s[1] == quote)
		return bad(t, "strings of several lines are not read here: write it on one line");
	for (;;) {
		size_t n;

		if (t->s >= t->end || *t->s == '\n')
			return bad(t, "a string has no closing quote");
		if (*t->s == quote)
			break;
		if (*t->s == '\\' && quote == '"') {
			t->s++;
			if (add_escape(t, &text) < 0)
				return -t->err->code;
			continue;
		}
		n = str_utf8_char(t->s, (size_t)(t->end - t->s));
		if (n == 0 || ((unsigned char)*t->s < 0x20 && *t->s != '\t') || *t->s == 0x7f)
			return bad(t, "a string has a character that is not allowed");
		buf_add(&text, t->s, n);
		t->s += n;
	}
	t->s++;
	if (text.failed)
		return bad(t, "a string is too long");
	*out = text.data ? buf_take(&text) : mem_strdup("");
	return 0;
}

/* ---- keys ---- */

#define BARE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool is_bare(char c)
{
	return c && strchr(BARE, c);
}

/* a.b."c.d" → parts */
static int take_key(struct toml *t, struct strv *parts)
{
	for (;;) {
		const char *from;
		char *text = NULL;

		skip_blank(t);
		from = t->s;
		if (peek(t) == '"' || peek(t) == '\'') {
			if (take_string(t, &text) < 0)
				return -t->err->code;
			strv_push_take(parts, text);
		} else {
			while (t->s < t->end && is_bare(*t->s))
				t->s++;
			if (t->s == from)
				return bad(t, "a key is expected");
			strv_push_take(parts, mem_strndup(from, (size_t)(t->s - from)));
		}
		if (parts->count > KEY_PARTS_MAX)
			return bad(t, "a key has too many parts");
		skip_blank(t);
		if (peek(t) != '.')
			return 0;
		t->s++;
	}
}

/* The table @parts[0 .. count-1] below @j, made where it is missing; of an array of tables the last. */
static int descend(struct toml *t, struct json *j, const struct strv *parts, size_t count, struct json **ret)
{
	for (size_t i = 0; i < count; i++) {
		struct json *next = json_get(j, parts->items[i]);

		if (!next) {
			next = json_new_object();
			json_set(j, parts->items[i], next);
		}
		if (json_type(next) == JSON_ARRAY && json_len(next) > 0)
			next = json_at(next, json_len(next) - 1);
		if (json_type(next) != JSON_OBJECT)
			return bad(t, "the key is taken by something that is no table");
		j = next;
	}
	*ret = j;
	return 0;
}

/* ---- values ---- */

static int take_value(struct toml *t, unsigned depth, struct json **ret);

static int take_pair(struct toml *t, struct json *table, unsigned depth)
{
	autostrv struct strv parts = {0};
	autojson struct json *value = NULL;
	struct json *into;
	const char *key;

	if (take_key(t, &parts) < 0)
		return -t->err->code;
	if (peek(t) != '=')
		return bad(t, "a = is expected behind the key");
	t->s++;
	skip_blank(t);
	if (take_value(t, depth, &value) < 0 || descend(t, table, &parts, parts.count - 1, &into) < 0)
		return -t->err->code;
	key = parts.items[parts.count - 1];
	if (json_get(into, key))
		return bad(t, "the key is there twice");
	json_set(into, key, take_ptr(&value));
	return 0;
}

static int take_array(struct toml *t, unsigned depth, struct json **ret)
{
	autojson struct json *list = json_new_array();

	t->s++;
	for (;;) {
		struct json *value;

		if (skip_lines(t) < 0)
			return -t->err->code;
		if (peek(t) == ']')
			break;
		if (take_value(t, depth + 1, &value) < 0)
			return -t->err->code;
		json_push(list, value);
		if (skip_lines(t) < 0)
			return -t->err->code;
		if (peek(t) == ',')
			t->s++;
		else if (peek(t) != ']')
			return bad(t, "a , or ] is expected in the list");
	}
	t->s++;
	*ret = take_ptr(&list);
	return 0;
}

static int take_inline_table(struct toml *t, unsigned depth, struct json **ret)
{
	autojson struct json *table = json_new_object();

	t->s++;
	skip_blank(t);
	while (peek(t) != '}') {
		if (take_pair(t, table, depth + 1) < 0)
			return -t->err->code;
		skip_blank(t);
		if (peek(t) == '}')
			break;
		if (peek(t) != ',')
			return bad(t, "a , or } is expected in the table");
		t->s++;
		skip_blank(t);
		if (peek(t) == '}')
			return bad(t, "an inline table has no , behind its last pair");
	}
	t->s++;
	*ret = take_ptr(&table);
	return 0;
}

/* true, false, an integer. */
static int take_word(struct toml *t, struct json **ret)
{
	const char *from = t->s;
	int64_t n;

	while (t->s < t->end && (is_bare(*t->s) || strchr("+.:", *t->s)) && *t->s)
		t->s++;
	autofree char *word = mem_strndup(from, (size_t)(t->s - from));

	if (str_eq(word, "true") || str_eq(word, "false"))
		*ret = json_new_bool(str_eq(word, "true"));
	else if (str_to_i64(word + (*word == '+'), &n) == 0 && (word[strspn(word, "+-")] != '0' || strlen(word) == 1))
		*ret = json_new_i64(n);
	else if (!*word)
		return bad(t, "a value is expected");
	else
		return bad(t, "expected a string in quotes, true, false, a number, a list or a table");
	return 0;
}

static int take_value(struct toml *t, unsigned depth, struct json **ret)
{
	char *text = NULL;

	if (depth > DEPTH_MAX)
		return bad(t, "lists and tables are nested too deep");
	switch (peek(t)) {
	case '"':
	case '\'':
		if (take_string(t, &text) < 0)
			return -t->err->code;
		*ret = json_new_str(text);
		free(text);
		return 0;
	case '[':
		return take_array(t, depth, ret);
	case '{':
		return take_inline_table(t, depth, ret);
	default:
		return take_word(t, ret);
	}
}

/* ---- headers of tables ---- */

/* A table may be opened once; one of an array of tables begins a new element, below which its children are new as well. */
static int note_header(struct toml *t, const struct strv *parts, bool array)
{
	autobuf struct buf name = BUF_INIT(TEXT_MAX);
	struct strv kept = {0};

	for (size_t i = 0; i < parts->count; i++)
		buf_printf(&name, "%s\x1f", parts->items[i]);
	if (array) {
		for (size_t i = 0; i < t->headers.count; i++)
			if (!str_starts(t->headers.items[i], buf_str(&name)))
				strv_push(&kept, t->headers.items[i]);
		strv_done(&t->headers);
		t->headers = kept;
		return 0;
	}
	if (strv_contains(&t->headers, buf_str(&name)))
		return bad(t, "the table is there twice");
	strv_push(&t->headers, buf_str(&name));
	return 0;
}

static int take_header(struct toml *t, struct json *root, struct json **ret_open)
{
	autostrv struct strv parts = {0};
	bool array = t->s + 1 < t->end && t->s[1] == '[';
	struct json *parent, *list, *table;
	const char *key;

	t->s += array ? 2 : 1;
	if (take_key(t, &parts) < 0)
		return -t->err->code;
	if (peek(t) != ']' || (array && (t->s + 1 >= t->end || t->s[1] != ']')))
		return bad(t, "a ] is expected behind the table's name");
	t->s += array ? 2 : 1;
	if (note_header(t, &parts, array) < 0)
		return -t->err->code;
	if (!array)
		return descend(t, root, &parts, parts.count, ret_open);
	if (descend(t, root, &parts, parts.count - 1, &parent) < 0)
		return -t->err->code;
	key = parts.items[parts.count - 1];
	list = json_get(parent, key);
	if (!list) {
		list = json_new_array();
		json_set(parent, key, list);
	}
	if (json_type(list) != JSON_ARRAY || (json_len(list) > 0 && json_type(json_at(list, 0)) != JSON_OBJECT))
		return bad(t, "the key is taken by something that is no list of tables");
	table = json_new_object();
	json_push(list, table);
	*ret_open = table;
	return 0;
}

int toml_parse(const char *text, size_t len, const char *name, struct json **ret, struct error *err)
{
	struct toml t = {.s = text, .end = text + len, .name = name, .line = 1, .err = err};
	autojson struct json *root = json_new_object();
	struct json *open = root;
	int r = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		t.s += 3;
	while (r == 0 && t.s < t.end) {
		r = skip_lines(&t);
		if (r < 0 || t.s >= t.end)
			break;
		r = peek(&t) == '[' ? take_header(&t, root, &open) : take_pair(&t, open, 0);
		if (r == 0)
			r = end_line(&t);
	}
	strv_done(&t.headers);
	if (r < 0)
		return r;
	*ret = take_ptr(&root);
	return 0;
}
