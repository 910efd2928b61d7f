/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header fields with a grammar: challenges, ranges, links, delays. Pure. A field that breaks its grammar is refused whole,
 * because a server that writes such a thing would be understood differently by the next reader.
 */
#include "registry/headers.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/str.h"

#define FIELD_BYTES_MAX 8192

/* RFC 9110, 5.6.2 */
static bool is_token_char(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(const char *s)
{
	size_t n = 0;

	while (is_token_char(s[n]))
		n++;
	return n;
}

static const char *skip_blank(const char *s)
{
	return s + strspn(s, " \t");
}

/* A quoted string at *@s, unescaped into @a; NULL: it has no end. */
static const char *take_quoted(struct arena *a, const char **s)
{
	char *out = arena_strdup(a, *s + 1);
	size_t n = 0;
	const char *p = *s + 1;

	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		out[n++] = *p;
	}
	if (*p != '"')
		return NULL;
	out[n] = '\0';
	*s = p + 1;
	return out;
}

static const char *take_value(struct arena *a, const char **s)
{
	size_t len = token_len(*s);
	const char *v;

	if (**s == '"')
		return take_quoted(a, s);
	if (len == 0)
		return NULL;
	v = arena_strndup(a, *s, len);
	*s += len;
	return v;
}

/* Parameters of one challenge, up to the next scheme or the end. */
static int take_params(struct arena *a, const char **s, struct challenge *c)
{
	const struct {
		const char *name;
		const char **field;
	} fields[] = {{"realm", &c->realm}, {"service", &c->service}, {"scope", &c->scope}, {"error", &c->error}};

	for (;;) {
		const char *name, *value, *p = *s + strspn(*s, " \t,");
		size_t len = token_len(p);
		const char *behind = skip_blank(p + len);

		if (!*p || (len > 0 && *behind != '='))
			return 0;
		if (len == 0)
			return -EINVAL;
		name = arena_strndup(a, p, len);
		p = skip_blank(behind + 1);
		value = take_value(a, &p);
		if (!value)
			return -EINVAL;
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
			if (strcasecmp(fields[i].name, name) != 0)
				continue;
			if (*fields[i].field)
				return -EINVAL; /* twice: which of them counts? */
			*fields[i].field = value;
		}
		*s = skip_blank(p);
		if (**s && **s != ',')
			return -EINVAL;
	}
}

int header_challenges(struct arena *a, const char *text, struct challenge ret[static HEADER_CHALLENGES_MAX],
		      size_t *ret_count)
{
	const char *s = text;
	size_t n = 0;

	if (strlen(text) > FIELD_BYTES_MAX || str_has_control(text))
		return -EINVAL;
	for (;;) {
		struct challenge c = {0};
		size_t len;

		s += strspn(s, " \t,");
		if (!*s)
			break;
		len = token_len(s);
		if (len == 0 || n == HEADER_CHALLENGES_MAX)
			return -EINVAL;
		if (len == 5 && strncasecmp(s, "Basic", 5) == 0)
			c.scheme = CHALLENGE_BASIC;
		else if (len == 6 && strncasecmp(s, "Bearer", 6) == 0)
			c.scheme = CHALLENGE_BEARER;
		s += len;
		if (*s && *s != ' ' && *s != '\t' && *s != ',')
			return -EINVAL;
		if (take_params(a, &s, &c) < 0)
			return -EINVAL;
		ret[n++] = c;
	}
	*ret_count = n;
	return 0;
}

/* Digits at *@s, at most 20. */
static int take_number(const char **s, uint64_t *ret)
{
	size_t len = strspn(*s, "0123456789");
	char digits[24];

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, *s, len);
	digits[len] = '\0';
	*s += len;
	return str_to_u64(digits, ret) < 0 ? -EINVAL : 0;
}

int header_content_range(const char *text, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total)
{
	uint64_t first, last, total = UINT64_MAX;
	const char *s = text;

	if (strncasecmp(s, "bytes ", 6) != 0)
		return -EINVAL;
	s = skip_blank(s + 6);
	if (take_number(&s, &first) < 0 || *s++ != '-' || take_number(&s, &last) < 0 || *s++ != '/')
		return -EINVAL;
	if (str_eq(s, "*"))
		s++;
	else if (take_number(&s, &total) < 0)
		return -EINVAL;
	if (*s || last < first || last >= total)
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	*ret_total = total;
	return 0;
}

int header_upload_range(const char *text, uint64_t *ret_count)
{
	const char *s = text;
	uint64_t first, last;

	if (strncasecmp(s, "bytes=", 6) == 0)
		s += 6;
	if (take_number(&s, &first) < 0 || *s++ != '-' || take_number(&s, &last) < 0 || *s)
		return -EINVAL;
	if (first != 0 || last == UINT64_MAX)
		return -EINVAL;
	*ret_count = last + 1;
	return 0;
}

/* Do the parameters of a link, from @s up to @end, name the relation "next"? */
static bool has_rel_next(const char *s, const char *end)
{
	while (s < end) {
		s += strspn(s, " \t;");
		if (s >= end)
			return false;
		if (strncasecmp(s, "rel", 3) == 0) {
			const char *v = skip_blank(s + 3);

			if (*v == '=') {
				v = skip_blank(v + 1);
				v += *v == '"';
				if (strncasecmp(v, "next", 4) == 0 && !is_token_char(v[4]))
					return true;
			}
		}
		while (s < end && *s != ';')
			s++;
	}
	return false;
}

const char *header_link_next(struct arena *a, const char *text)
{
	const char *s = text;

	if (strlen(text) > FIELD_BYTES_MAX || str_has_control(text))
		return NULL;
	while (*s) {
		const char *close, *end;
		bool quoted = false;

		s += strspn(s, " \t,");
		if (*s != '<')
			return NULL;
		close = strchr(s, '>');
		if (!close)
			return NULL;
		for (end = close + 1; *end && (quoted || *end != ','); end++) {
			if (*end == '"')
				quoted = !quoted;
		}
		if (has_rel_next(close + 1, end))
			return arena_strndup(a, s + 1, (size_t)(close - s - 1));
		s = end;
	}
	return NULL;
}

int header_retry_after(const char *text, int64_t now_s, uint32_t *ret_s)
{
	struct tm tm = {0};
	uint32_t seconds;
	const char *end;
	int64_t then;

	if (str_to_u32(text, &seconds) == 0) {
		*ret_s = seconds;
		return 0;
	}
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return -EINVAL;
	then = timegm(&tm);
	if (then <= now_s)
		*ret_s = 0;
	else
		*ret_s = then - now_s > UINT32_MAX ? UINT32_MAX : (uint32_t)(then - now_s);
	return 0;
}
