/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers of numbers, sizes, durations and times that stand behind every flag. The first byte chooses the reader. A
 * value that is accepted is checked against a rule of its own, so that a wrong value is found, not only a crash.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* A number that was accepted, printed again, is the text without its leading zeros. */
static void numbers(const char *s)
{
	uint64_t u;
	int64_t i;
	uint32_t w;
	char text[32];

	if (str_to_u64(s, &u) == 0) {
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)u);
		check(str_ends(s, text));
		check(strspn(s, "0123456789") == strlen(s));
	}
	if (str_to_i64(s, &i) == 0 && i < 0) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)i);
		check(s[0] == '-' && str_ends(s, text + 1));
	}
	if (str_to_u32(s, &w) == 0)
		check(str_to_u64(s, &u) == 0 && u == w);
	if (str_to_mode(s, 07777, &w) == 0)
		check(w <= 07777);
}

static void sizes(const char *s)
{
	char people[16];
	int64_t v;

	if (str_to_size(s, true, &v) == 0) {
		check(v >= -1);
		str_from_size((uint64_t)(v < 0 ? 0 : v), people);
		check(strlen(people) < sizeof(people));
	}
	if (str_to_size(s, false, &v) == 0)
		check(v >= 0);
}

static void times(const char *s)
{
	char text[CLOCK_RFC3339_MAX];
	char age[CLOCK_AGE_MAX];
	int64_t ns;
	int64_t again;

	if (str_to_duration(s, &ns) == 0) {
		check(strpbrk(s, "0123456789") != NULL);
		clock_format_age(ns, age);
	}
	if (clock_parse_rfc3339(s, &ns) == 0) {
		clock_format_rfc3339(ns, text);
		check(clock_parse_rfc3339(text, &again) == 0 && again == ns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *s = NULL;

	if (size < 1)
		return 0;
	s = mem_strndup((const char *)data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		numbers(s);
		break;
	case 1:
		sizes(s);
		break;
	default:
		times(s);
	}
	return 0;
}
