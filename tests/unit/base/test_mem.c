/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "test.h"

TEST(zero_sizes_give_memory)
{
	autofree void *a = mem_alloc(0);
	autofree void *b = mem_zalloc(0, 8);
	autofree void *c = mem_realloc(NULL, 0, 8);

	CHECK(a && b && c);
	CHECK(a != b);
}

TEST(copies)
{
	autofree char *s = mem_strdup("abc");
	autofree char *n = mem_strndup("abcdef", 3);
	autofree char *whole = mem_strndup("ab", 10);
	autofree char *d = mem_dup("x\0y", 3);
	autofree char *p = mem_printf("%s-%d", "a", 5);

	CHECK_STR(s, "abc");
	CHECK_STR(n, "abc");
	CHECK_STR(whole, "ab");
	CHECK(memcmp(d, "x\0y", 3) == 0);
	CHECK_STR(p, "a-5");
	CHECK(mem_strdup(NULL) == NULL);
}

TEST(vector_grows)
{
	autofree int *items = NULL;
	size_t count = 0;

	for (int i = 0; i < 1000; i++)
		VEC_PUSH(items, count) = i;
	CHECK_INT(count, 1000);
	for (int i = 0; i < 1000; i++)
		REQUIRE(items[i] == i);
}

TEST(zeroed)
{
	autofree unsigned char *p = mem_zalloc(100, 10);
	unsigned sum = 0;

	for (size_t i = 0; i < 1000; i++)
		sum += p[i];
	CHECK_INT(sum, 0);
}

static void overflow_product(void)
{
	autofree void *p = mem_realloc(NULL, SIZE_MAX / 2, 3);

	_exit(p ? 0 : 1);
}

static void ask_too_much(void)
{
	autofree void *p = mem_alloc(SIZE_MAX / 4);

	_exit(p ? 0 : 1);
}

static void ask_too_much_zeroed(void)
{
	autofree void *p = mem_zalloc(SIZE_MAX / 4, 1);

	_exit(p ? 0 : 1);
}

/* Run @fn in a child: it must abort with the one clear line. */
static void check_aborts(void (*fn)(void))
{
	char said[64] = "";
	int ends[2];
	int status = 0;
	pid_t child;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		const struct rlimit none = {0};

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)dup2(ends[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(ends[1]);
	CHECK(read(ends[0], said, sizeof(said) - 1) > 0);
	close(ends[0]);
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK_STR(said, "bothy: out of memory\n");
}

TEST(out_of_memory_aborts_with_one_line)
{
#if defined(__SANITIZE_ADDRESS__)
	SKIP("AddressSanitizer answers huge requests by itself");
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	SKIP("AddressSanitizer answers huge requests by itself");
#endif
#endif
	check_aborts(overflow_product);
	check_aborts(ask_too_much);
	check_aborts(ask_too_much_zeroed);
}

TEST(take_ptr_hands_over)
{
	char *p = mem_strdup("x");
	autofree char *q = take_ptr(&p);

	CHECK(p == NULL);
	CHECK_STR(q, "x");
}
