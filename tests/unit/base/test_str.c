/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "test.h"

#define KEPT 77 /* what an out-parameter must still hold after a failure */

TEST(starts_ends_equal)
{
	CHECK(str_starts("sha256:ab", "sha256:"));
	CHECK(str_starts("a", ""));
	CHECK(!str_starts("sha25", "sha256:"));
	CHECK(str_ends("layer.tar", ".tar"));
	CHECK(str_ends("x", ""));
	CHECK(!str_ends("ar", ".tar"));
	CHECK(str_eq(NULL, NULL));
	CHECK(str_eq("a", "a"));
	CHECK(!str_eq("a", NULL));
	CHECK(!str_eq(NULL, ""));
}

TEST(control_characters)
{
	CHECK(!str_has_control("plain text, \xc3\xa9 too"));
	CHECK(!str_has_control(""));
	CHECK(str_has_control("a\nb"));
	CHECK(str_has_control("\x7f"));
	CHECK(str_has_control("\x1b[31m"));
}

static size_t utf8(const char *s)
{
	return str_utf8_char(s, strlen(s));
}

TEST(utf8_characters)
{
	CHECK_INT(utf8("a"), 1);
	CHECK_INT(utf8(""), 0);
	CHECK_INT(utf8("\xc3\xa9x"), 2);
	CHECK_INT(utf8("\xe2\x82\xac"), 3);
	CHECK_INT(utf8("\xf0\x9f\x98\x80"), 4);
	CHECK_INT(utf8("\xf4\x8f\xbf\xbf"), 4);
	CHECK_INT(utf8("\xf4\x90\x80\x80"), 0); /* above U+10FFFF */
	CHECK_INT(utf8("\xed\x9f\xbf"), 3);
	CHECK_INT(utf8("\xed\xa0\x80"), 0);     /* surrogate */
	CHECK_INT(utf8("\xc0\x80"), 0);         /* overlong */
	CHECK_INT(utf8("\xe0\x9f\xbf"), 0);     /* overlong */
	CHECK_INT(utf8("\xf0\x8f\xbf\xbf"), 0); /* overlong */
	CHECK_INT(utf8("\xa9"), 0);
	CHECK_INT(utf8("\xc3"), 0);
	CHECK_INT(utf8("\xe2\x82"), 0);
	CHECK_INT(utf8("\xf0\x9f\x98"), 0);
	CHECK_INT(utf8("\xff"), 0);
	CHECK_INT(str_utf8_char("\xc3\xa9", 1), 0);
	CHECK_INT(str_utf8_char("a", 0), 0);
}

TEST(copy_is_bounded)
{
	char out[4] = "zzz";

	CHECK_INT(str_copy(out, sizeof(out), "abc"), 0);
	CHECK_STR(out, "abc");
	CHECK_INT(str_copy(out, sizeof(out), "abcd"), -ENAMETOOLONG);
	CHECK_STR(out, "abc");
	CHECK_INT(str_copy(out, 1, "x"), -ENAMETOOLONG);
	CHECK_STR(out, "");
	CHECK_INT(str_copy(out, 1, ""), 0);
	CHECK_INT(str_copy(out, 0, ""), -ENAMETOOLONG);
}

TEST(list_stays_terminated)
{
	autostrv struct strv v = {0};

	for (size_t i = 0; i < 100; i++) {
		strv_push_take(&v, mem_printf("%zu", i));
		CHECK_INT(v.count, i + 1);
		CHECK(v.items[v.count] == NULL);
	}
	CHECK_STR(v.items[0], "0");
	CHECK_STR(v.items[99], "99");
	CHECK(strv_contains(&v, "42"));
	CHECK(!strv_contains(&v, "100"));
	strv_done(&v);
	CHECK_INT(v.count, 0);
	CHECK(v.items == NULL);
	strv_push(&v, "again");
	CHECK_STR(v.items[0], "again");
	CHECK(v.items[1] == NULL);
}

TEST(list_splits_and_keeps_empty_parts)
{
	autostrv struct strv v = {0};
	autostrv struct strv w = {0};

	strv_split(&v, "", ',');
	CHECK_INT(v.count, 0);
	strv_split(&v, ",a,,b,", ',');
	REQUIRE(v.count == 5);
	CHECK_STR(v.items[0], "");
	CHECK_STR(v.items[1], "a");
	CHECK_STR(v.items[2], "");
	CHECK_STR(v.items[3], "b");
	CHECK_STR(v.items[4], "");
	strv_split(&w, "whole", ',');
	CHECK_INT(w.count, 1);
	strv_copy(&w, &v);
	REQUIRE(w.count == 6);
	CHECK_STR(w.items[4], "b");
	CHECK(w.items[4] != v.items[3]);
}

TEST(environment_entries)
{
	autostrv struct strv v = {0};

	strv_set_env(&v, "PATH=/bin");
	strv_set_env(&v, "PATH2=/other");
	strv_set_env(&v, "EMPTY=");
	strv_set_env(&v, "PATH=/usr/bin=x");
	REQUIRE(v.count == 3);
	CHECK_STR(v.items[0], "PATH=/usr/bin=x");
	CHECK_STR(strv_get_env(&v, "PATH"), "/usr/bin=x");
	CHECK_STR(strv_get_env(&v, "PATH2"), "/other");
	CHECK_STR(strv_get_env(&v, "EMPTY"), "");
	CHECK(strv_get_env(&v, "PAT") == NULL);
	CHECK(strv_get_env(&v, "NONE") == NULL);
	strv_set_env(&v, "BARE");
	CHECK(strv_get_env(&v, "BARE") == NULL);
	strv_set_env(&v, "BARE=1");
	CHECK_INT(v.count, 4);
	CHECK_STR(strv_get_env(&v, "BARE"), "1");
}

TEST(unsigned_numbers)
{
	static const struct {
		const char *text;
		int r;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"4294967295", 0, 4294967295},
		{"18446744073709551615", 0, UINT64_MAX},
		{"018446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"18446744073709551620", -ERANGE, 0},
		{"99999999999999999999999999999999999999999", -ERANGE, 0},
		{"99999999999999999999999999999999999999999x", -EINVAL, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1\n", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"-0", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"1_000", -EINVAL, 0},
		{"\xd9\xa1", -EINVAL, 0},                                   /* an Arabic one */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = KEPT;

		ROW(rows[i].text);
		CHECK_INT(str_to_u64(rows[i].text, &v), rows[i].r);
		CHECK_INT(v, rows[i].r ? KEPT : rows[i].value);
	}
}

TEST(narrow_numbers)
{
	uint32_t v = KEPT;

	/* 4294967296 as a user id must never become 0 (CVE-2024-40635). */
	CHECK_INT(str_to_u32("4294967296", &v), -ERANGE);
	CHECK_INT(str_to_u32("18446744073709551616", &v), -ERANGE);
	CHECK_INT(v, KEPT);
	CHECK_INT(str_to_u32("4294967295", &v), 0);
	CHECK_INT(v, UINT32_MAX);
	CHECK_INT(str_to_u32("-1", &v), -EINVAL);
}

TEST(signed_numbers)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"-0", 0, 0},
		{"-1", 0, -1},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"-18446744073709551616", -ERANGE, 0},
		{"-", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"- 1", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t v = KEPT;

		ROW(rows[i].text);
		CHECK_INT(str_to_i64(rows[i].text, &v), rows[i].r);
		CHECK_INT(v, rows[i].r ? KEPT : rows[i].value);
	}
}

TEST(modes_are_octal)
{
	uint32_t v = KEPT;

	CHECK_INT(str_to_mode("0755", 07777, &v), 0);
	CHECK_INT(v, 0755);
	CHECK_INT(str_to_mode("1777", 07777, &v), 0);
	CHECK_INT(v, 01777);
	CHECK_INT(str_to_mode("10000", 07777, &v), -ERANGE);
	CHECK_INT(str_to_mode("8", 07777, &v), -EINVAL);
	CHECK_INT(str_to_mode("0o755", 07777, &v), -EINVAL);
	CHECK_INT(str_to_mode("", 07777, &v), -EINVAL);
	CHECK_INT(v, 01777);
}

TEST(sizes)
{
	static const struct {
		const char *text;
		int r;
		int64_t bytes;
	} rows[] = {
		{"0", 0, 0},
		{"1024", 0, 1024},
		{"10b", 0, 10},
		{"10B", 0, 10},
		{"1k", 0, 1024},
		{"1K", 0, 1024},
		{"1kb", 0, 1024},
		{"1KiB", 0, 1024},
		{"1kib", 0, 1024},
		{"64m", 0, INT64_C(64) << 20},
		{"1.5g", 0, INT64_C(3) << 29},
		{"0.5kB", 0, 512},
		{".5k", 0, 512},
		{"0.1k", 0, 102},
		{"1.9999", 0, 1},
		{"1.0000000000000000000000001k", 0, 1024},
		{"32 kb", 0, 32768},
		{"2t", 0, INT64_C(2) << 40},
		{"1p", 0, INT64_C(1) << 50},
		{"8191p", 0, INT64_C(8191) << 50},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -ERANGE, 0},
		{"8192p", -ERANGE, 0},
		{"18446744073709551616k", -ERANGE, 0},
		{"18446744073709551615p", -ERANGE, 0},
		{"", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"1.", -EINVAL, 0},
		{"1.k", -EINVAL, 0},
		{"k", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"-1k", -EINVAL, 0},
		{"+1k", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1  k", -EINVAL, 0},
		{"1x", -EINVAL, 0},
		{"1bb", -EINVAL, 0},
		{"1bi", -EINVAL, 0},
		{"1ki", -EINVAL, 0},
		{"1kbb", -EINVAL, 0},
		{"1kibx", -EINVAL, 0},
		{"1mm", -EINVAL, 0},
		{"1.2.3k", -EINVAL, 0},
		{"1,5g", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t v = KEPT;

		ROW(rows[i].text);
		CHECK_INT(str_to_size(rows[i].text, false, &v), rows[i].r);
		CHECK_INT(v, rows[i].r ? KEPT : rows[i].bytes);
	}
}

TEST(size_minus_one_only_where_allowed)
{
	int64_t v = KEPT;

	CHECK_INT(str_to_size("-1", true, &v), 0);
	CHECK_INT(v, -1);
	CHECK_INT(str_to_size("-2", true, &v), -EINVAL);
	CHECK_INT(str_to_size("-1b", true, &v), -EINVAL);
}

TEST(durations)
{
	static const struct {
		const char *text;
		int r;
		int64_t ns;
	} rows[] = {
		{"0", 0, 0},
		{"10", 0, INT64_C(10000000000)},
		{"1.5", 0, INT64_C(1500000000)},
		{"1h30m", 0, INT64_C(5400000000000)},
		{"1m1s", 0, INT64_C(61000000000)},
		{"1.5s", 0, INT64_C(1500000000)},
		{".5s", 0, INT64_C(500000000)},
		{"1.s", 0, INT64_C(1000000000)},
		{"300ms", 0, INT64_C(300000000)},
		{"10us", 0, 10000},
		{"10\xc2\xb5s", 0, 10000},
		{"10\xce\xbcs", 0, 10000},
		{"7ns", 0, 7},
		{"1.9ns", 0, 1},
		{"-5m", 0, INT64_C(-300000000000)},
		{"+5m", 0, INT64_C(300000000000)},
		{"-3", 0, INT64_C(-3000000000)},
		{"1h1ns", 0, INT64_C(3600000000001)},
		{"9223372036854775807ns", 0, INT64_MAX},
		{"-9223372036854775808ns", 0, INT64_MIN},
		{"9223372036854775808ns", -ERANGE, 0},
		{"2562047h47m16.854775807s", 0, INT64_MAX},
		{"2562047h47m16.854775808s", -ERANGE, 0},
		{"2562048h", -ERANGE, 0},
		{"18446744073709551616h", -ERANGE, 0},
		{"18446744073709551616hx", -EINVAL, 0},
		{"18446744073709551615h18446744073709551615h18446744073709551615h", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"+-1s", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{".s", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"1h30", -EINVAL, 0},
		{"1h-30m", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1mss", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t v = KEPT;

		ROW(rows[i].text);
		CHECK_INT(str_to_duration(rows[i].text, &v), rows[i].r);
		CHECK_INT(v, rows[i].r ? KEPT : rows[i].ns);
	}
}

TEST(sizes_for_people)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{0, "0B"},
		{1, "1B"},
		{999, "999B"},
		{1000, "1kB"},
		{1023, "1.02kB"},
		{1500, "1.5kB"},
		{9994, "9.99kB"},
		{9995, "10kB"},
		{9999, "10kB"},
		{10040, "10kB"},
		{10050, "10.1kB"},
		{79200000, "79.2MB"},
		{99949, "99.9kB"},
		{99950, "100kB"},
		{117000000, "117MB"},
		{999499, "999kB"},
		{999500, "1MB"},
		{999999, "1MB"},
		{1000000000, "1GB"},
		{UINT64_C(1230000000000), "1.23TB"},
		{UINT64_C(1000000000000000), "1PB"},
		{UINT64_MAX, "18.4EB"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char out[16];

		str_from_size(rows[i].bytes, out);
		CHECK_STR(out, rows[i].text);
	}
}

TEST(distance)
{
	char longer[80];

	CHECK_INT(str_distance("", "", 9), 0);
	CHECK_INT(str_distance("run", "run", 9), 0);
	CHECK_INT(str_distance("run", "", 9), 3);
	CHECK_INT(str_distance("kitten", "sitting", 9), 3);
	CHECK_INT(str_distance("imags", "images", 9), 1);
	CHECK_INT(str_distance("anme", "name", 9), 1);
	CHECK_INT(str_distance("ab", "ba", 9), 1);
	CHECK_INT(str_distance("abcd", "badc", 9), 2);
	CHECK_INT(str_distance("ca", "abc", 9), 3);
	CHECK_INT(str_distance("abcdef", "uvwxyz", 3), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	CHECK_INT(str_distance(longer, longer, 4), 4);
}

TEST(text_for_a_terminal)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"", ""},
		{"plain ü€", "plain ü€"},
		{"\x1b[31mred", "?[31mred"},
		{"a\nb\x7f", "a?b?"},
		{"\xc2\x9b"
		 "2J",
		 "?2J"},
		{"\xff\xc3", "??"},
		{"\xe2\x82", "??"},
		{NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *got = str_neutral(rows[i].in);

		ROW(rows[i].in ? rows[i].in : "NULL");
		CHECK_STR(got, rows[i].want);
	}
}
