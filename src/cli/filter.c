/* SPDX-License-Identifier: Apache-2.0 */
/* --filter: words become keys and values, values become what they mean. What fits is the command's business. */
#include "cli/filter.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const char *bare(const char *known)
{
	return known + (known[0] == '&');
}

static int unknown(const char *key, const char *const *known, struct error *err)
{
	char all[256] = "";
	size_t len = 0;

	error_set(err, ERROR_INVALID, EINVAL, "--filter: there is no filter '%s' here", key);
	for (size_t i = 0; known[i]; i++)
		if (str_distance(key, bare(known[i]), 3) < (strlen(bare(known[i])) > 3 ? 3 : 2))
			return error_hint(err, "did you mean %s?", bare(known[i]));
	for (size_t i = 0; known[i] && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? ", " : "", bare(known[i]));
	return error_hint(err, "there are: %s", all);
}

static int parse_one(const char *word, const char *const *known, struct filters *f, struct error *err)
{
	const char *equals = strchr(word, '=');
	const bool negated = equals && equals > word && equals[-1] == '!';
	char *key;

	if (!equals || equals == word)
		return error_set(err, ERROR_INVALID, EINVAL, "--filter: expected key=value, got \"%s\"", word);
	key = arena_strndup(&f->arena, word, (size_t)(equals - word) - negated);
	for (size_t i = 0; known[i]; i++)
		if (str_eq(key, bare(known[i]))) {
			ARENA_PUSH(&f->arena, f->items, f->count) = (struct filter){
				.key = key,
				.value = arena_strdup(&f->arena, equals + 1),
				.negated = negated,
			};
			return 0;
		}
	return unknown(key, known, err);
}

int filters_parse(const struct strv *words, const char *const *known, struct filters *ret, struct error *err)
{
	*ret = (struct filters){};
	for (size_t i = 0; i < words->count; i++)
		if (parse_one(words->items[i], known, ret, err) < 0) {
			filters_done(ret);
			return -err->code;
		}
	return 0;
}

void filters_done(struct filters *f)
{
	arena_done(&f->arena);
	*f = (struct filters){};
}

bool filters_have(const struct filters *f, const char *key)
{
	for (size_t i = 0; i < f->count; i++)
		if (str_eq(f->items[i].key, key))
			return true;
	return false;
}

int filters_match(const struct filters *f, const char *const *known,
		  int (*match)(const char *key, const char *value, void *arg, struct error *err), void *arg,
		  struct error *err)
{
	for (size_t k = 0; known[k]; k++) {
		const bool all = known[k][0] == '&';
		size_t asked = 0;
		size_t fit = 0;

		for (size_t i = 0; i < f->count; i++) {
			const struct filter *one = &f->items[i];
			int r;

			if (!str_eq(one->key, bare(known[k])))
				continue;
			r = match(one->key, one->value, arg, err);
			if (r < 0)
				return r;
			if (one->negated && r > 0)
				return 0;
			asked += !one->negated;
			fit += !one->negated && r > 0;
		}
		if (asked && (all ? fit < asked : fit == 0))
			return 0;
	}
	return 1;
}

int filter_bool(const char *key, const char *value, bool *ret, struct error *err)
{
	if (str_eq(value, "true") || str_eq(value, "1"))
		*ret = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*ret = false;
	else
		return error_set(err, ERROR_INVALID, EINVAL, "--filter %s: expected true or false, got \"%s\"", key,
				 value);
	return 0;
}

int filter_time(const char *key, const char *value, int64_t *ret_ns, struct error *err)
{
	char text[64];
	int64_t seconds, span;

	if (clock_parse_rfc3339(value, ret_ns) == 0)
		return 0;
	/* A date, or a time without a zone: UTC. */
	if (strlen(value) == 10 && (size_t)snprintf(text, sizeof(text), "%sT00:00:00Z", value) < sizeof(text) &&
	    clock_parse_rfc3339(text, ret_ns) == 0)
		return 0;
	if ((size_t)snprintf(text, sizeof(text), "%sZ", value) < sizeof(text) && clock_parse_rfc3339(text, ret_ns) == 0)
		return 0;
	if (str_to_i64(value, &seconds) == 0 && !__builtin_mul_overflow(seconds, NS_PER_S, ret_ns))
		return 0;
	if (str_to_duration(value, &span) == 0 && span >= 0) {
		*ret_ns = clock_realtime_ns() - span;
		return 0;
	}
	error_set(err, ERROR_INVALID, EINVAL, "--filter %s: expected a moment, got \"%s\"", key, value);
	return error_hint(err, "as 24h (ago), 2026-01-31, 2026-01-31T12:00:00Z or seconds since 1970");
}

/* One [class] at @p; @ret_end is behind it. Bad classes match nothing. */
static bool in_class(const char *p, char c, const char **ret_end)
{
	const bool negated = p[1] == '^';
	bool found = false;

	p += 1 + negated;
	for (const char *start = p; *p && (*p != ']' || p == start); p++) {
		const char from = *p == '\\' && p[1] ? *++p : *p;
		char to = from;

		if (p[1] == '-' && p[2] && p[2] != ']') {
			p += 2;
			to = *p == '\\' && p[1] ? *++p : *p;
		}
		found = found || (c >= from && c <= to);
	}
	*ret_end = *p ? p + 1 : NULL;
	return *ret_end && found != negated;
}

bool filter_glob(const char *pattern, const char *text)
{
	const char *star = NULL;  /* behind the last '*' */
	const char *again = NULL; /* where in the text it may grow */

	while (*text || *pattern) {
		const char *next = pattern + 1;
		bool fits = false;

		if (*pattern == '*') {
			star = ++pattern;
			again = text;
			continue;
		}
		if (*pattern == '?')
			fits = *text && *text != '/';
		else if (*pattern == '[')
			fits = *text && in_class(pattern, *text, &next);
		else if (*pattern == '\\' && pattern[1])
			fits = *++pattern == *text && ++next;
		else
			fits = *pattern && *pattern == *text;
		if (fits) {
			pattern = next;
			text++;
			continue;
		}
		if (!star || !*again || *again == '/')
			return false;
		text = ++again;
		pattern = star;
	}
	return true;
}

bool filter_label(const char *wanted, const char *(*get)(const void *labels, const char *key), const void *labels)
{
	const char *equals = strchr(wanted, '=');
	char key[256];
	const char *have;

	if (!equals)
		return get(labels, wanted) != NULL;
	if ((size_t)snprintf(key, sizeof(key), "%.*s", (int)(equals - wanted), wanted) >= sizeof(key))
		return false;
	have = get(labels, key);
	return have && str_eq(have, equals + 1);
}
