/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "test.h"

/* How a child that misuses the heap ends; -1 when it got away with it. */
static int ends_by(void (*misuse)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)close(STDERR_FILENO);
		misuse();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static bool is_all(const unsigned char *p, size_t n, unsigned char byte)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != byte)
			return false;
	return true;
}

TEST(blocks_of_every_size_are_whole_aligned_and_apart)
{
	static unsigned char *blocks[2000];

	for (size_t i = 0; i < 2000; i++) {
		blocks[i] = heap_alloc(i);
		CHECK(blocks[i] && (uintptr_t)blocks[i] % 16 == 0);
		CHECK(heap_size(blocks[i]) >= i);
		CHECK(heap_size(blocks[i]) <= i + i / 4 + 24);
		memset(blocks[i], (int)(i % 251), heap_size(blocks[i]));
	}
	for (size_t i = 0; i < 2000; i++)
		CHECK(is_all(blocks[i], heap_size(blocks[i]), (unsigned char)(i % 251)));
	for (size_t i = 0; i < 2000; i++)
		heap_free(blocks[i]);
}

TEST(what_was_given_back_is_used_again)
{
	unsigned char *p = heap_alloc(100);

	memset(p, 0xff, 100);
	heap_free(p);
	CHECK(heap_alloc(100) == p);
	heap_free(p);
	CHECK(heap_zalloc(10, 10) == p);
	CHECK(is_all(p, 100, 0));
	heap_free(p);
	heap_free(NULL);
}

TEST(large_blocks_are_mapped_and_zero)
{
	static const size_t sizes[] = {64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 1000000, 50u << 20};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned char *p = heap_zalloc(1, sizes[i]);

		CHECK(p && (uintptr_t)p % 16 == 0 && heap_size(p) >= sizes[i]);
		CHECK(is_all(p, sizes[i], 0));
		memset(p, 1, sizes[i]);
		heap_free(p);
	}
}

TEST(a_block_keeps_its_content_when_it_grows)
{
	unsigned char *p = NULL;
	size_t before = 0;

	for (size_t size = 1; size < 300000; size += size / 3 + 1) {
		p = heap_realloc(p, size);
		CHECK(p && heap_size(p) >= size);
		CHECK(is_all(p, before, 7));
		memset(p, 7, size);
		before = size;
	}
	p = heap_realloc(p, 5);
	CHECK(is_all(p, 5, 7));
	heap_free(p);
	/* The last that was cut grows where it is; with one behind it, it moves. */
	p = heap_alloc(3000);
	CHECK(heap_realloc(p, 6000) == p);
	void *behind = heap_alloc(3000);

	CHECK(heap_realloc(p, 20000) != p);
	heap_free(behind);
}

TEST(sizes_that_cannot_be_are_refused)
{
	CHECK(heap_alloc(SIZE_MAX) == NULL);
	CHECK(heap_alloc(SIZE_MAX / 2) == NULL);
	CHECK(heap_zalloc(SIZE_MAX / 2, 4) == NULL);
	CHECK(heap_realloc(NULL, SIZE_MAX - 8) == NULL);
}

static void twice(void)
{
	void *p = heap_alloc(50);

	heap_free(p);
	heap_free(p);
}

static void inside(void)
{
	char *p = heap_alloc(200);

	memset(p, 0, 200);
	heap_free(p + 32);
}

static void of_the_stack(void)
{
	_Alignas(16) char text[64] = "";

	heap_free(text + 16);
}

static void beyond(void)
{
	char *p = heap_alloc(24);
	char *next = heap_alloc(24);

	while (next != p + 32) { /* until they are new, and so one behind the other */
		p = next;
		next = heap_alloc(24);
	}
	heap_free(next);
	memset(p, 'x', 40);
	(void)heap_alloc(24);
}

TEST(misuse_ends_the_program)
{
	CHECK_INT(ends_by(twice), SIGABRT);
	CHECK_INT(ends_by(inside), SIGABRT);
	CHECK_INT(ends_by(of_the_stack), SIGABRT);
	CHECK_INT(ends_by(beyond), SIGABRT);
}
