/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/cleanup.h"
#include "test.h"

#define autoarena autoclean(arena_done)

TEST(memory_is_zeroed_and_aligned)
{
	autoarena struct arena a = {0};

	for (size_t i = 1; i < 200; i++) {
		unsigned char *p = arena_alloc(&a, i, 7);
		unsigned sum = 0;

		CHECK_INT((uintptr_t)p % 16, 0);
		for (size_t k = 0; k < i * 7; k++)
			sum += p[k];
		CHECK_INT(sum, 0);
		memset(p, 0xff, i * 7); /* the next must not see this */
	}
}

TEST(zero_sizes_and_large_ones)
{
	autoarena struct arena a = {0};
	char *big;

	CHECK(arena_alloc(&a, 0, 8) != NULL);
	big = arena_alloc(&a, 1, 1 << 20);
	big[(1 << 20) - 1] = 'x';
	CHECK(arena_alloc(&a, 1, 1) != NULL);
}

TEST(strings)
{
	autoarena struct arena a = {0};

	CHECK_STR(arena_strdup(&a, "abc"), "abc");
	CHECK(arena_strdup(&a, NULL) == NULL);
	CHECK_STR(arena_strndup(&a, "abcdef", 2), "ab");
	CHECK_STR(arena_strndup(&a, "ab", 10), "ab");
	CHECK_STR(arena_printf(&a, "%s/%d", "x", 9), "x/9");
	CHECK_STR(arena_printf(&a, "%s", ""), "");
	CHECK_INT(strlen(arena_printf(&a, "%040000d", 1)), 40000);
}

TEST(array_grows)
{
	autoarena struct arena a = {0};
	int *items = NULL;
	size_t count = 0;

	for (int i = 0; i < 5000; i++)
		ARENA_PUSH(&a, items, count) = i;
	CHECK_INT(count, 5000);
	for (int i = 0; i < 5000; i++)
		REQUIRE(items[i] == i);
}

TEST(done_twice_is_fine)
{
	struct arena a = {0};

	(void)arena_strdup(&a, "x");
	arena_done(&a);
	CHECK(a.head == NULL);
	arena_done(&a);
}
