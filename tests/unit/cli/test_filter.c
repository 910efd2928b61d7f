/* SPDX-License-Identifier: Apache-2.0 */
/* --filter: words, patterns, moments, and which of several must fit. */
#include "cli/filter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "test.h"

TEST(patterns)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} rows[] = {
		{"debian", "debian", true},
		{"debian", "debian:12", false},
		{"deb*", "debian", true},
		{"*", "a/b", false},
		{"*/*", "a/b", true},
		{"*/*", "a/b/c", false},
		{"a*c*e", "abcde", true},
		{"a*c*e", "abcdx", false},
		{"?", "a", true},
		{"?", "/", false},
		{"??", "a", false},
		{"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]x", "]x", false},
		{"[", "a", false},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"", "", true},
		{"*", "", true},
		{"", "a", false},
		{"*:1*", "app:1.5", true},
		{"a**b", "ab", true},
		{"[a", "a", false},
		{"*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].pattern);
		CHECK(filter_glob(rows[i].pattern, rows[i].text) == rows[i].fits);
	}
}

static int fits(const char *key, const char *value, void *arg, struct error *err)
{
	(void)key;
	(void)err;
	return strstr(arg, value) != NULL;
}

static int judge(const char *const *words, const char *thing)
{
	static const char *const known[] = {"&label", "name", NULL};
	autofilters struct filters f = {};
	autostrv struct strv list = {};
	struct error err = {};

	for (; *words; words++)
		strv_push(&list, *words);
	if (filters_parse(&list, known, &f, &err) < 0)
		return -1;
	return filters_match(&f, known, fits, (void *)(uintptr_t)thing, &err);
}

TEST(which_must_fit)
{
	static const struct {
		const char *words[4];
		int result;
	} rows[] = {
		{{NULL}, 1},
		{{"name=a"}, 1},
		{{"name=x"}, 0},
		{{"name=x", "name=a"}, 1},
		{{"label=a", "label=b"}, 1},
		{{"label=a", "label=x"}, 0},
		{{"name!=a"}, 0},
		{{"name!=x"}, 1},
		{{"name!=x", "name!=a"}, 0},
		{{"name=a", "label!=b"}, 0},
		{{"name=a", "label=x"}, 0},
		{{"nope=a"}, -1},
		{{"name"}, -1},
		{{"=a"}, -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].words[0] ? rows[i].words[0] : "none");
		CHECK_INT(judge(rows[i].words, "abc"), rows[i].result);
	}
}

TEST(moments)
{
	struct error err = {};
	int64_t ns = 0;

	CHECK_INT(filter_time("until", "2026-01-31", &ns, &err), 0);
	CHECK_INT(ns, INT64_C(1769817600) * NS_PER_S);
	CHECK_INT(filter_time("until", "2026-01-31T12:00:00Z", &ns, &err), 0);
	CHECK_INT(ns, INT64_C(1769860800) * NS_PER_S);
	CHECK_INT(filter_time("until", "2026-01-31T12:00:00", &ns, &err), 0);
	CHECK_INT(ns, INT64_C(1769860800) * NS_PER_S);
	CHECK_INT(filter_time("until", "1769860800", &ns, &err), 0);
	CHECK_INT(ns, INT64_C(1769860800) * NS_PER_S);
	CHECK_INT(filter_time("until", "24h", &ns, &err), 0);
	CHECK(clock_realtime_ns() - ns < 86401 * NS_PER_S && clock_realtime_ns() - ns >= 86400 * NS_PER_S);
	CHECK(filter_time("until", "yesterday", &ns, &err) < 0);
	CHECK_CONTAINS(err.hint, "24h");
}

static const char *get(const void *labels, const char *key)
{
	return str_eq(key, "a") ? labels : NULL;
}

TEST(labels)
{
	CHECK(filter_label("a", get, "1") && filter_label("a=1", get, "1"));
	CHECK(!filter_label("a=2", get, "1") && !filter_label("b", get, "1") && !filter_label("b=1", get, "1"));
}
