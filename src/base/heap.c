/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is 8 bytes that say its size and whether it is used, and its room behind them. Sizes are of few classes: four steps
 * between one power of two and the next. New blocks are cut from the front of the current room, the program's own first,
 * then mapped ones; a freed block goes onto its class's list, and the next of that class comes from there. From HUGE_BYTES
 * on a block is a mapping of its own. The last block cut can grow where it is, as buffers do while they are filled.
 */
#include "base/heap.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADER_BYTES 8
#define FIRST_BYTES ((size_t)96 * 1024)
#define ROOM_BYTES ((size_t)256 * 1024)
#define HUGE_BYTES ((size_t)64 * 1024)
#define SMALLEST 24 /* with its header a multiple of 16, with room for the list's link */
#define CLASSES 48

/* The upper half of a header; the lower is the size. No pointer and no small number looks like one. */
#define USED UINT64_C(0xb0746a1d00000000)
#define FREED UINT64_C(0xf4eed0b100000000)
#define MAPPED UINT64_C(0x3a99edb100000000) /* the size counts pages of 4096 bytes */
#define MARK UINT64_C(0xffffffff00000000)
#define HUGE_UNIT 4096

struct freed {
	uint64_t header;
	struct freed *next;
};

/* The only state: whoever replaces malloc has no place to keep it but here. */
static struct {
	_Alignas(16) char first[FIRST_BYTES];
	char *at; /* where the next block is cut: 8 bytes before a multiple of 16 */
	char *end;
	struct freed *lists[CLASSES];
} heap;

static _Noreturn void misuse(const char *what)
{
	(void)!write(STDERR_FILENO, what, strlen(what));
	abort();
}

static uint64_t *header_of(const void *p)
{
	return (uint64_t *)((uintptr_t)p - HEADER_BYTES);
}

/* The class of blocks of @size bytes, and *size rounded up to that class's: 24, 40, 56, 72, 88, 104, 120, 152, … */
static unsigned class_of(size_t *size)
{
	const size_t whole = *size + HEADER_BYTES;
	unsigned shift;
	size_t step;
	size_t steps;

	if (whole <= 128) {
		steps = whole <= 32 ? 2 : (whole + 15) / 16;
		*size = steps * 16 - HEADER_BYTES;
		return (unsigned)steps - 2;
	}
	/* 2^shift < whole <= 2^(shift+1) */
	shift = 63 - (unsigned)__builtin_clzll(whole - 1);
	step = (size_t)1 << (shift - 2);
	steps = (whole - ((size_t)1 << shift) + step - 1) / step; /* 1 to 4 */
	*size = ((size_t)1 << shift) + steps * step - HEADER_BYTES;
	return 7 + 4 * (shift - 7) + (unsigned)steps - 1;
}

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The bytes of the mapping for a huge block of @size; 0 when there can be none. */
static size_t huge_bytes(size_t size)
{
	if (size > (size_t)UINT32_MAX * HUGE_UNIT / 2)
		return 0;
	return (size + 16 + HUGE_UNIT - 1) / HUGE_UNIT * HUGE_UNIT;
}

static void *alloc_huge(size_t size)
{
	const size_t bytes = huge_bytes(size);
	char *p = bytes ? map(bytes) : NULL;

	if (!p) {
		errno = ENOMEM;
		return NULL;
	}
	p += 16;
	*header_of(p) = MAPPED | bytes / HUGE_UNIT;
	return p;
}

static int more_room(void)
{
	char *p = heap.at ? map(ROOM_BYTES) : heap.first;

	if (!p) {
		errno = ENOMEM;
		return -1;
	}
	heap.end = p + (heap.at ? ROOM_BYTES : FIRST_BYTES);
	heap.at = p + 16 - HEADER_BYTES; /* what was left of the old room is lost: less than one block of that size */
	return 0;
}

/* *ret_fresh: the block was never used, and is zero. */
static void *alloc_block(size_t size, int *ret_fresh)
{
	const unsigned class = class_of(&size);
	struct freed *old = heap.lists[class];
	char *p;

	*ret_fresh = !old;
	if (old) {
		if (old->header != (FREED | size))
			misuse("heap: a block was written to after it was given back\n");
		heap.lists[class] = old->next;
		old->header = USED | size;
		return (char *)old + HEADER_BYTES;
	}
	if ((!heap.at || (size_t)(heap.end - heap.at) < size + HEADER_BYTES) && more_room() < 0)
		return NULL;
	p = heap.at + HEADER_BYTES;
	heap.at += size + HEADER_BYTES;
	*header_of(p) = USED | size;
	return p;
}

void *heap_alloc(size_t size)
{
	int fresh;

	return size >= HUGE_BYTES ? alloc_huge(size) : alloc_block(size, &fresh);
}

void *heap_zalloc(size_t count, size_t size)
{
	int fresh = 1; /* as a new mapping is */
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	p = bytes >= HUGE_BYTES ? alloc_huge(bytes) : alloc_block(bytes, &fresh);
	return p && !fresh ? memset(p, 0, bytes) : p;
}

size_t heap_size(const void *p)
{
	const uint64_t header = p ? *header_of(p) : USED;
	const size_t size = (size_t)(header & ~MARK);

	if ((uintptr_t)p % 16)
		misuse("heap: no block begins there\n");
	if ((header & MARK) == MAPPED)
		return size * HUGE_UNIT - 16;
	if ((header & MARK) != USED)
		misuse((header & MARK) == FREED ? "heap: a block was given back twice\n"
						: "heap: no block begins there\n");
	return size;
}

void *heap_realloc(void *p, size_t size)
{
	const size_t old = heap_size(p);
	size_t room = size;
	void *more;

	if (p && size <= old)
		return p;
	/* The last block that was cut, and there is room behind it. */
	if (p && (char *)p + old == heap.at && size < HUGE_BYTES) {
		(void)class_of(&room);
		if ((size_t)(heap.end - (char *)p) >= room) {
			*header_of(p) = USED | room;
			heap.at = (char *)p + room;
			return p;
		}
	}
	more = heap_alloc(size);
	if (more && p) {
		memcpy(more, p, old);
		heap_free(p);
	}
	return more;
}

void heap_free(void *p)
{
	const size_t size = heap_size(p);
	size_t rounded = size;
	struct freed *f;
	int saved = errno;

	if (!p)
		return;
	if ((*header_of(p) & MARK) == MAPPED) {
		(void)munmap((char *)p - 16, size + 16);
		errno = saved;
		return;
	}
	f = (struct freed *)header_of(p);
	f->header = FREED | size;
	f->next = heap.lists[class_of(&rounded)];
	heap.lists[class_of(&rounded)] = f;
}
