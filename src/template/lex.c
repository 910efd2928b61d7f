/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template as words. Outside of {{ }} all is text, in which \t and \n are what they mean in C; inside there are signs, names,
 * numbers and strings with Go's escapes. Trim marks ({{- and -}}) are done here: nobody else sees them.
 * Source: text/template's "Text and spaces", and the Go specification for literals.
 */
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "template/internal.h"

#define BLANKS " \t\r\n"
#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

int template_error(const char *source, const char *at, enum error_kind kind, struct error *err, const char *fmt, ...)
{
	size_t line = 1;
	size_t column = 1;
	va_list ap;
	char text[512];

	for (const char *p = source; p < at; p++) {
		line += *p == '\n';
		column = *p == '\n' ? 1 : column + (((unsigned char)*p & 0xc0) != 0x80);
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (line > 1)
		return error_set(err, kind, EINVAL, "line %zu, column %zu: %s", line, column, text);
	return error_set(err, kind, EINVAL, "column %zu: %s", column, text);
}

/* ---- literals ---- */

static struct json *keep(struct template *t, struct json *j)
{
	VEC_PUSH(t->literals, t->literal_count) = j;
	return j;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* One escape, at the backslash. Returns the bytes used, 0 when it is none. */
static size_t escape(const char *p, char quote, struct buf *out)
{
	static const char from[] = "abfnrtv\\";
	static const char to[] = "\a\b\f\n\r\t\v\\";
	static const struct {
		char letter;
		int digits, base;
		uint32_t max;
	} coded[] = {{'x', 2, 16, 0xff}, {'u', 4, 16, 0xffff}, {'U', 8, 16, 0x10ffff}, {0, 3, 8, 0xff}};
	const char *known = p[1] ? strchr(from, p[1]) : NULL;
	uint32_t c = 0;

	if (known) {
		buf_putc(out, to[known - from]);
		return 2;
	}
	if (p[1] && p[1] == quote) {
		buf_putc(out, quote);
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(coded); i++) {
		const char *d = p + (coded[i].letter ? 2 : 1);

		if (coded[i].letter && p[1] != coded[i].letter)
			continue;
		for (int k = 0; k < coded[i].digits; k++) {
			if (digit_value(d[k]) >= coded[i].base)
				return 0;
			c = c * (uint32_t)coded[i].base + (uint32_t)digit_value(d[k]);
		}
		if (!c || c > coded[i].max || (c >= 0xd800 && c < 0xe000))
			return 0; /* no NUL in a string of ours, no half of a pair */
		if (coded[i].max == 0xff)
			buf_putc(out, (char)c);
		else
			buf_put_utf8(out, c);
		return (size_t)(d - p) + (size_t)coded[i].digits;
	}
	return 0;
}

static int lex_string(struct lexer *l, struct token *t, struct error *err)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_BYTES);
	const char quote = *l->p++;

	while (*l->p != quote) {
		if (!*l->p || (*l->p == '\n' && quote == '"'))
			return template_error(l->source, t->at, ERROR_INVALID, err,
					      "the string has no end: expected %c", quote);
		if (*l->p == '\\' && quote == '"') {
			const size_t used = escape(l->p, quote, &text);

			if (!used)
				return template_error(
					l->source, l->p, ERROR_INVALID, err,
					"\\%c is no escape in a string; raw strings stand between backquotes",
					l->p[1] ? l->p[1] : ' ');
			l->p += used;
		} else {
			if (*l->p != '\r' || quote == '"')
				buf_putc(&text, *l->p);
			l->p++;
		}
	}
	l->p++;
	t->literal = keep(l->t, json_new_str(buf_str(&text)));
	return 0;
}

/* 'a' is the number of its character, as in Go. */
static int lex_character(struct lexer *l, struct token *t, struct error *err)
{
	autobuf struct buf text = BUF_INIT(16);
	size_t used = 0;
	uint32_t c;

	l->p++;
	if (*l->p == '\\')
		used = escape(l->p, '\'', &text);
	else if (*l->p && *l->p != '\'' && *l->p != '\n')
		used = str_utf8_char(l->p, strlen(l->p));
	if (!used || l->p[used] != '\'')
		return template_error(l->source, t->at, ERROR_INVALID, err,
				      "expected one character between '': strings stand between \"\" or backquotes");
	if (*l->p != '\\')
		buf_add(&text, l->p, used);
	const unsigned char *u = (const unsigned char *)buf_str(&text);

	c = text.len == 1   ? u[0]
	    : text.len == 2 ? (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu)
	    : text.len == 3 ? (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu)
			    : (u[0] & 7u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
	l->p += used + 1;
	t->literal = keep(l->t, json_new_i64(c));
	return 0;
}

/* Digits in another base: 0x1f, 0o17, 0b101, 017. */
static bool based_number(const char *text, int64_t *ret)
{
	const bool minus = *text == '-';
	const char *p = text + (*text == '-' || *text == '+');
	int base = 8;
	int64_t v = 0;

	if (p[0] != '0' || !p[1])
		return false;
	if (strchr("xXoObB", p[1])) {
		base = p[1] == 'x' || p[1] == 'X' ? 16 : p[1] == 'b' || p[1] == 'B' ? 2 : 8;
		p++;
	}
	if (!*++p)
		return false;
	for (; *p; p++) {
		if (digit_value(*p) >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, digit_value(*p), &v))
			return false;
	}
	*ret = minus ? -v : v;
	return true;
}

static int lex_number(struct lexer *l, struct token *t, struct error *err)
{
	autofree char *text = NULL;
	struct json *real = NULL;
	struct error why;
	int64_t v;
	size_t len = 1;
	size_t kept = 0;

	while (l->p[len] && (strchr(DIGITS LETTERS ".", l->p[len]) ||
			     (strchr("+-", l->p[len]) && strchr("eE", l->p[len - 1]) && l->p[1] != 'x')))
		len++;
	text = mem_strndup(l->p, len);
	for (size_t i = 0; i < len; i++)
		if (text[i] != '_')
			text[kept++] = text[i];
	text[kept] = '\0';
	l->p += len;
	if (based_number(text, &v) || str_to_i64(text + (*text == '+'), &v) == 0)
		t->literal = keep(l->t, json_new_i64(v));
	else if (strpbrk(text, ".eE") &&
		 json_parse(text + (*text == '+'), strlen(text + (*text == '+')), "", &real, &why) == 0)
		t->literal = keep(l->t, real);
	else
		return template_error(l->source, t->at, ERROR_INVALID, err, "expected a number, got \"%.40s\"", text);
	return 0;
}

/* ---- signs and names ---- */

static int lex_name(struct lexer *l, struct token *t, enum token_type type, size_t skip, size_t drop)
{
	const char *start = l->p + drop;

	l->p += skip;
	l->p += strspn(l->p, DIGITS LETTERS);
	/* Letters beyond ASCII may stand in names, too. */
	while ((unsigned char)*l->p >= 0x80)
		l->p += 1 + strspn(l->p + 1, DIGITS LETTERS);
	t->type = type;
	t->len = (size_t)(l->p - start);
	t->text = arena_strndup(&l->t->arena, start, t->len);
	return 0;
}

static bool is_letter(char c)
{
	return (c && strchr(LETTERS, c)) || (unsigned char)c >= 0x80;
}

static int lex_sign(struct lexer *l, struct token *t, struct error *err)
{
	static const struct {
		const char *sign;
		enum token_type type;
	} signs[] = {{":=", TOKEN_DECLARE}, {"=", TOKEN_ASSIGN}, {"(", TOKEN_LEFT}, {")", TOKEN_RIGHT},
		     {"|", TOKEN_PIPE},     {",", TOKEN_COMMA},  {".", TOKEN_DOT}};

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (str_starts(l->p, signs[i].sign)) {
			t->type = signs[i].type;
			l->p += strlen(signs[i].sign);
			return 0;
		}
	return template_error(l->source, l->p, ERROR_INVALID, err, "unexpected \"%.*s\" inside {{ }}",
			      (int)(str_utf8_char(l->p, strlen(l->p)) ?: 1), l->p);
}

/* A comment leaves nothing. Returns 1 when there was one. */
static int skip_comment(struct lexer *l, struct error *err)
{
	const char *end;

	if (!str_starts(l->p, "/*"))
		return 0;
	end = strstr(l->p + 2, "*/");
	if (!end)
		return template_error(l->source, l->p, ERROR_INVALID, err, "the comment has no end: expected */");
	end += 2;
	l->trim_left = strchr(BLANKS, *end) && *end && str_starts(end + strspn(end, BLANKS), "-}}");
	end += l->trim_left ? strspn(end, BLANKS) + 1 : 0;
	if (!str_starts(end, "}}"))
		return template_error(l->source, end, ERROR_INVALID, err, "expected }} right behind the comment");
	l->p = end + 2;
	l->inside = false;
	return 1;
}

static int lex_inside(struct lexer *l, struct token *t, struct error *err)
{
	const char *start = l->p;

	l->p += strspn(l->p, BLANKS);
	t->at = l->p;
	t->spaced = l->p > start;
	if (t->spaced && str_starts(l->p, "-}}")) {
		l->trim_left = true;
		l->p++;
	}
	if (str_starts(l->p, "}}")) {
		l->inside = false;
		l->p += 2;
		t->type = TOKEN_CLOSE;
		return 0;
	}
	t->type = TOKEN_LITERAL;
	const char c = *l->p;
	if (!c)
		return template_error(l->source, l->p, ERROR_INVALID, err, "the action has no end: expected }}");
	if (c == '"' || c == '`')
		return lex_string(l, t, err);
	if (c == '\'')
		return lex_character(l, t, err);
	if (strchr(DIGITS, c) || (strchr("+-", c) && l->p[1] && strchr(DIGITS, l->p[1])))
		return lex_number(l, t, err);
	if (c == '$')
		return lex_name(l, t, TOKEN_VARIABLE, 1, 0);
	if (c == '.' && is_letter(l->p[1]))
		return lex_name(l, t, TOKEN_FIELD, 1, 1);
	if (is_letter(c))
		return lex_name(l, t, TOKEN_WORD, 0, 0);
	return lex_sign(l, t, err);
}

/* Text with \t and \n replaced, as docker does before it parses. */
static void take_text(struct lexer *l, struct token *t, const char *start, size_t len)
{
	char *text = arena_alloc(&l->t->arena, len + 1, 1);

	t->type = TOKEN_TEXT;
	t->text = text;
	for (size_t i = 0; i < len; i++) {
		const bool escaped = start[i] == '\\' && i + 1 < len && (start[i + 1] == 't' || start[i + 1] == 'n');

		text[t->len++] = !escaped ? start[i] : start[++i] == 't' ? '\t' : '\n';
	}
}

int lex_next(struct lexer *l, struct token *ret, struct error *err)
{
	*ret = (struct token){.at = l->p};
	while (!l->inside) {
		const char *start = l->trim_left ? l->p + strspn(l->p, BLANKS) : l->p;
		const char *open = strstr(start, "{{");
		const char *end = open ? open : start + strlen(start);
		const bool trim = open && open[2] == '-' && open[3] && strchr(BLANKS, open[3]);
		int r;

		while (trim && end > start && strchr(BLANKS, end[-1]))
			end--;
		l->p = open ? open + 2 + (trim ? 1 : 0) : end;
		l->trim_left = false;
		if (end > start) {
			/* What stands before an action is handed out first; then the action is looked at again. */
			l->p = open ? open : end;
			take_text(l, ret, start, (size_t)(end - start));
			return 0;
		}
		if (!open)
			return 0;
		l->inside = true;
		ret->at = open;
		/* A comment may follow the mark and its blanks only. */
		if (trim)
			l->p += strspn(l->p, BLANKS);
		r = skip_comment(l, err);
		if (r < 0)
			return r;
		if (r == 0) {
			ret->type = TOKEN_OPEN;
			return 0;
		}
	}
	return lex_inside(l, ret, err);
}
