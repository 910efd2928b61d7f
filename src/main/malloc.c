/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/heap.h in the place of the C library's malloc, for the static bothy-oci with musl. POSIX and musl let a program bring its
 * own, if it brings all of them.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/heap.h"

void *malloc(size_t size)
{
	return heap_alloc(size);
}

void *calloc(size_t count, size_t size)
{
	return heap_zalloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return heap_realloc(p, size);
}

void free(void *p)
{
	heap_free(p);
}

size_t malloc_usable_size(void *p)
{
	return heap_size(p);
}

/* Nobody here asks for more than 16; whoever does is told that there is none. */
void *aligned_alloc(size_t align, size_t size)
{
	if (align <= 16)
		return heap_alloc(size);
	errno = ENOMEM;
	return NULL;
}

void *memalign(size_t align, size_t size)
{
	return aligned_alloc(align, size);
}

int posix_memalign(void **ret, size_t align, size_t size)
{
	void *p = aligned_alloc(align, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
