/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_H
#define TEST_H

/*
 * The unit test harness, whole. A test program includes it once and holds tests:
 *
 *	TEST(strict_numbers)
 *	{
 *		uint64_t v;
 *
 *		CHECK_INT(str_to_u64("12", &v), 0);
 *		CHECK_INT(v, 12);
 *		REQUIRE(v > 0);         // like CHECK, but leaves the test
 *		if (!has_thing())
 *			SKIP("no thing on this host");
 *	}
 *
 * Tests register themselves and run in the order of the file. A check that fails prints its file, line and values, and
 * the test goes on, so that one run shows all that is wrong. Arguments choose tests by a part of their names; -v names
 * each as it runs. The last line is "N passed, N failed[, N skipped]"; the exit code is 1 when a test failed, or when
 * no test was chosen.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

static struct {
	struct test_case *first;
	struct test_case **last;
	const char *name;
	unsigned failed_checks;
	const char *skip;
	const char *row;
} test_state = {.last = &test_state.first};

#define TEST(name_)                                                                                                    \
	static void test_run_##name_(void);                                                                            \
	static void __attribute__((constructor)) test_add_##name_(void)                                                \
	{                                                                                                              \
		static struct test_case c = {.name = #name_, .run = test_run_##name_};                                 \
                                                                                                                       \
		*test_state.last = &c;                                                                                 \
		test_state.last = &c.next;                                                                             \
	}                                                                                                              \
	static void test_run_##name_(void)

__extension__ typedef __int128 test_int;

static inline void test_fail(const char *file, int line, const char *what)
{
	test_state.failed_checks++;
	printf("%s:%d: %s: failed: %s\n", file, line, test_state.name, what);
	if (test_state.row)
		printf("\tin the row \"%s\"\n", test_state.row);
}

static inline bool test_check(bool ok, const char *file, int line, const char *what)
{
	if (!ok)
		test_fail(file, line, what);
	return ok;
}

/* Any 64-bit integer, signed or not, as text. */
static inline const char *test_int_text(test_int v, char out[static 32])
{
	(void)snprintf(out, 32, v < 0 ? "-%llu" : "%llu", (unsigned long long)(v < 0 ? -v : v));
	return out;
}

static inline bool test_check_int(test_int got, test_int want, const char *file, int line, const char *what)
{
	char a[32];
	char b[32];

	if (got == want)
		return true;
	test_fail(file, line, what);
	printf("\tgot %s, expected %s\n", test_int_text(got, a), test_int_text(want, b));
	return false;
}

static inline bool test_check_str(const char *got, const char *want, const char *file, int line, const char *what)
{
	if (got == want || (got && want && strcmp(got, want) == 0))
		return true;
	test_fail(file, line, what);
	printf("\tgot      \"%s\"\n\texpected \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
	return false;
}

static inline bool test_check_part(const char *got, const char *part, const char *file, int line, const char *what)
{
	if (got && strstr(got, part))
		return true;
	test_fail(file, line, what);
	printf("\tgot      \"%s\"\n\tin which \"%s\" is missing\n", got ? got : "(null)", part);
	return false;
}

/* Each yields whether it held, so that `if (!CHECK(...)) return;` works too. */
#define CHECK(x) test_check(!!(x), __FILE__, __LINE__, #x)
#define CHECK_INT(got, want) test_check_int((test_int)(got), (test_int)(want), __FILE__, __LINE__, #got " == " #want)
#define CHECK_STR(got, want) test_check_str((got), (want), __FILE__, __LINE__, #got " == " #want)
#define CHECK_CONTAINS(got, part) test_check_part((got), (part), __FILE__, __LINE__, #got " contains " #part)
#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!CHECK(x))                                                                                         \
			return;                                                                                        \
	} while (0)
/* In a test that walks a table: names the row in the failures that follow. */
#define ROW(text) (test_state.row = (text))
/* Leave the test and count it as skipped, with the reason. */
#define SKIP(why)                                                                                                      \
	do {                                                                                                           \
		test_state.skip = (why);                                                                               \
		return;                                                                                                \
	} while (0)

static bool test_chosen(const char *name, int argc, char **argv)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0)
			continue;
		any = true;
		if (strstr(name, argv[i]))
			return true;
	}
	return !any;
}

int main(int argc, char **argv)
{
	unsigned passed = 0;
	unsigned failed = 0;
	unsigned skipped = 0;
	bool verbose = false;

	/* Line by line, so that a crash loses nothing and a child does not print our lines again. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		verbose = verbose || strcmp(argv[i], "-v") == 0;
	for (struct test_case *c = test_state.first; c; c = c->next) {
		if (!test_chosen(c->name, argc, argv))
			continue;
		test_state.name = c->name;
		test_state.failed_checks = 0;
		test_state.skip = NULL;
		test_state.row = NULL;
		if (verbose)
			printf("%s\n", c->name);
		c->run();
		if (test_state.failed_checks)
			failed++;
		else if (test_state.skip)
			skipped++;
		else
			passed++;
		if (test_state.skip)
			printf("%s: skipped: %s\n", c->name, test_state.skip);
	}
	printf("%u passed, %u failed", passed, failed);
	if (skipped)
		printf(", %u skipped", skipped);
	printf("\n");
	return failed || passed + skipped == 0 ? 1 : 0;
}

#endif
