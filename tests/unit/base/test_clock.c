/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

static const struct {
	const char *text;
	int64_t ns;
} instants[] = {
	{"1970-01-01T00:00:00.000000000Z", 0},
	{"1970-01-01T00:00:00.000000001Z", 1},
	{"1969-12-31T23:59:59.999999999Z", -1},
	{"2000-02-29T12:00:00.000000000Z", INT64_C(951825600) * NS_PER_S},
	{"2001-09-09T01:46:40.000000000Z", INT64_C(1000000000) * NS_PER_S},
	{"2026-01-02T03:04:05.123456789Z", INT64_C(1767323045123456789)},
	{"1900-03-01T00:00:00.000000000Z", INT64_C(-2203891200) * NS_PER_S},
	{"2262-04-11T23:47:16.854775807Z", INT64_MAX},
	{"1677-09-21T00:12:43.145224192Z", INT64_MIN},
};

TEST(format_and_parse_back)
{
	for (size_t i = 0; i < ARRAY_SIZE(instants); i++) {
		char out[CLOCK_RFC3339_MAX];
		int64_t back = 77;

		clock_format_rfc3339(instants[i].ns, out);
		CHECK_STR(out, instants[i].text);
		CHECK_INT(clock_parse_rfc3339(instants[i].text, &back), 0);
		CHECK_INT(back, instants[i].ns);
	}
}

TEST(every_day_of_centuries_round_trips)
{
	const int64_t day = 86400 * NS_PER_S;

	for (int64_t d = -100000; d < 100000; d += 7) {
		char out[CLOCK_RFC3339_MAX];
		int64_t back = 0;

		clock_format_rfc3339(d * day + 43210 * NS_PER_S, out);
		REQUIRE(clock_parse_rfc3339(out, &back) == 0);
		REQUIRE(back == d * day + 43210 * NS_PER_S);
	}
}

TEST(parse_accepts)
{
	static const struct {
		const char *text;
		const char *same;
	} rows[] = {
		{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"},
		{"2026-01-02t03:04:05z", "2026-01-02T03:04:05.000000000Z"},
		{"2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500000000Z"},
		{"2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000001Z"},
		{"2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.000000000Z"},
		{"2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05.000000000Z"},
		{"2026-01-02T03:04:05-08:00", "2026-01-02T11:04:05.000000000Z"},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char out[CLOCK_RFC3339_MAX];
		int64_t ns = 0;

		ROW(rows[i].text);
		REQUIRE(clock_parse_rfc3339(rows[i].text, &ns) == 0);
		clock_format_rfc3339(ns, out);
		CHECK_STR(out, rows[i].same);
	}
}

TEST(far_instants_become_the_nearest_end)
{
	int64_t ns = 77;

	CHECK_INT(clock_parse_rfc3339("0001-01-01T00:00:00Z", &ns), 0);
	CHECK_INT(ns, INT64_MIN);
	CHECK_INT(clock_parse_rfc3339("9999-12-31T23:59:59Z", &ns), 0);
	CHECK_INT(ns, INT64_MAX);
}

TEST(parse_refuses)
{
	static const char *const rows[] = {
		"",
		"2026",
		"2026-01-02",
		"2026-01-02 03:04:05Z",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04Z",
		"2026-1-02T03:04:05Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"0000-01-01T00:00:00Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:60:05Z",
		"2026-01-02T03:04:60Z",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.1234567890Z",
		"2026-01-02T03:04:05Zx",
		"2026-01-02T03:04:05+5:30",
		"2026-01-02T03:04:05+24:00",
		"2026-01-02T03:04:05+0530",
		"2026-01-02T03:04:05+05:60",
		"-026-01-02T03:04:05Z",
		"2026-01-02\02403:04:05Z", /* the bits of T but one */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t ns = 77;

		ROW(rows[i]);
		CHECK_INT(clock_parse_rfc3339(rows[i], &ns), -EINVAL);
		CHECK_INT(ns, 77);
	}
}

TEST(ages)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{-5, "Less than a second"}, {0, "Less than a second"},  {1, "1 second"},
		{59, "59 seconds"},         {60, "About a minute"},     {119, "About a minute"},
		{180, "3 minutes"},         {3599, "59 minutes"},       {3600, "About an hour"},
		{5399, "About an hour"},    {5400, "2 hours"},          {47 * 3600, "47 hours"},
		{48 * 3600, "2 days"},      {13 * 86400, "13 days"},    {14 * 86400, "2 weeks"},
		{59 * 86400, "8 weeks"},    {60 * 86400, "2 months"},   {729 * 86400, "24 months"},
		{730 * 86400, "2 years"},   {3650 * 86400, "10 years"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char out[CLOCK_AGE_MAX];

		clock_format_age(rows[i].seconds * NS_PER_S, out);
		CHECK_STR(out, rows[i].text);
	}
}

TEST(clocks_move)
{
	int64_t a = clock_monotonic_ns();
	int64_t b = clock_monotonic_ns();

	CHECK(a > 0);
	CHECK(b >= a);
	CHECK(clock_realtime_ns() > INT64_C(1700000000) * NS_PER_S);
}
