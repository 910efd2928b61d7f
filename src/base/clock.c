/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. Calendar arithmetic is done here on the proleptic Gregorian calendar, without the C library's, because that one
 * reads time zone files and environment variables. Nothing here depends on the time zone: all text is UTC.
 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define S_PER_DAY INT64_C(86400)

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		return 0; /* cannot happen: both clocks exist in every kernel we start on */
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int64_t year, int month)
{
	static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from the year 1 up to 1 January of @year (>= 1). */
static int64_t days_before_year(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400;
}

#define DAYS_BEFORE_1970 INT64_C(719162)

static int64_t days_since_epoch(int64_t year, int month, int day)
{
	int64_t days = days_before_year(year) - DAYS_BEFORE_1970 + day - 1;

	for (int m = 1; m < month; m++)
		days += days_in_month(year, m);
	return days;
}

void clock_format_rfc3339(int64_t ns, char out[static CLOCK_RFC3339_MAX])
{
	int64_t rest_ns = ns % NS_PER_S;
	int64_t seconds = ns / NS_PER_S - (rest_ns < 0);
	int64_t of_day = seconds % S_PER_DAY;
	int64_t day = seconds / S_PER_DAY - (of_day < 0);
	int64_t year = 1970 + day / 366;
	int month = 1;

	if (rest_ns < 0)
		rest_ns += NS_PER_S;
	if (of_day < 0)
		of_day += S_PER_DAY;
	/* The guess is at most a year early per 1460 years after 1970, and late before it: walk to the right one. */
	while (days_since_epoch(year, 1, 1) > day)
		year--;
	while (days_since_epoch(year + 1, 1, 1) <= day)
		year++;
	day -= days_since_epoch(year, 1, 1);
	for (; day >= days_in_month(year, month); month++)
		day -= days_in_month(year, month);
	(void)snprintf(out, CLOCK_RFC3339_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", (int)year, month, (int)day + 1,
		       (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60), (int)rest_ns);
}

/* Exactly @count digits with a value within @min and @max. */
static bool read_field(const char **s, int count, int min, int max, int *ret)
{
	int v = 0;

	for (int i = 0; i < count; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return v >= min && v <= max;
}

static bool read_char(const char **s, char want)
{
	char c = **s;

	if (c != want && (c | 0x20) != (want | 0x20))
		return false;
	if (c != want && !(want >= 'A' && want <= 'Z'))
		return false;
	(*s)++;
	return true;
}

static bool read_fraction(const char **s, int *ret_ns)
{
	int digits = 0;

	*ret_ns = 0;
	if (**s != '.')
		return true;
	for ((*s)++; **s >= '0' && **s <= '9'; (*s)++) {
		if (++digits > 9)
			return false;
		*ret_ns = *ret_ns * 10 + (**s - '0');
	}
	if (digits == 0)
		return false;
	for (; digits < 9; digits++)
		*ret_ns *= 10;
	return true;
}

/* "Z" or "+hh:mm": seconds east of UTC. */
static bool read_offset(const char **s, int *ret_s)
{
	int sign = **s == '-' ? -1 : 1;
	int hours;
	int minutes;

	*ret_s = 0;
	if (read_char(s, 'Z'))
		return true;
	if (**s != '+' && **s != '-')
		return false;
	(*s)++;
	if (!read_field(s, 2, 0, 23, &hours) || !read_char(s, ':') || !read_field(s, 2, 0, 59, &minutes))
		return false;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

int clock_parse_rfc3339(const char *s, int64_t *ret_ns)
{
	int year, month, day, hour, minute, second, ns, offset, of_day;
	int64_t seconds;
	int64_t total;

	if (!read_field(&s, 4, 1, 9999, &year) || !read_char(&s, '-') || !read_field(&s, 2, 1, 12, &month) ||
	    !read_char(&s, '-') || !read_field(&s, 2, 1, days_in_month(year, month), &day) || !read_char(&s, 'T') ||
	    !read_field(&s, 2, 0, 23, &hour) || !read_char(&s, ':') || !read_field(&s, 2, 0, 59, &minute) ||
	    !read_char(&s, ':') || !read_field(&s, 2, 0, 59, &second) || !read_fraction(&s, &ns) ||
	    !read_offset(&s, &offset) || *s)
		return -EINVAL;
	of_day = hour * 3600 + minute * 60 + second - offset;
	seconds = days_since_epoch(year, month, day) * S_PER_DAY + of_day;
	if (__builtin_mul_overflow(seconds, NS_PER_S, &total) || __builtin_add_overflow(total, ns, &total))
		total = seconds < 0 ? INT64_MIN : INT64_MAX;
	*ret_ns = total;
	return 0;
}

void clock_format_age(int64_t ns, char out[static CLOCK_AGE_MAX])
{
	int64_t seconds = ns / NS_PER_S;
	int64_t minutes = seconds / 60;
	int64_t hours = (seconds + 1800) / 3600; /* rounded, as Docker does */
	int64_t days = hours / 24;

	if (seconds < 1)
		(void)snprintf(out, CLOCK_AGE_MAX, "Less than a second");
	else if (seconds == 1)
		(void)snprintf(out, CLOCK_AGE_MAX, "1 second");
	else if (seconds < 60)
		(void)snprintf(out, CLOCK_AGE_MAX, "%d seconds", (int)seconds);
	else if (minutes == 1)
		(void)snprintf(out, CLOCK_AGE_MAX, "About a minute");
	else if (minutes < 60)
		(void)snprintf(out, CLOCK_AGE_MAX, "%d minutes", (int)minutes);
	else if (hours == 1)
		(void)snprintf(out, CLOCK_AGE_MAX, "About an hour");
	else if (hours < 48)
		(void)snprintf(out, CLOCK_AGE_MAX, "%d hours", (int)hours);
	else if (days < 14)
		(void)snprintf(out, CLOCK_AGE_MAX, "%d days", (int)days);
	else if (days < 60)
		(void)snprintf(out, CLOCK_AGE_MAX, "%d weeks", (int)(days / 7));
	else if (days < 2 * 365L)
		(void)snprintf(out, CLOCK_AGE_MAX, "%d months", (int)(days / 30));
	else
		(void)snprintf(out, CLOCK_AGE_MAX, "%d years", (int)(seconds / 3600 / 24 / 365));
}
