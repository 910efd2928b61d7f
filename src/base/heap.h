/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

/*
 * The heap of a program that lives for milliseconds: main/malloc.c puts it in the place of the C library's. musl's is made to
 * return memory early and to find misuse, with a mapping for every few blocks: a third of all system calls of a container's
 * start. Here the first blocks come from a fixed room inside the program and cost none.
 *
 * For programs of one thread; a child made by clone or fork has its own copy and may go on with it. Misuse (a block given
 * back twice, or one that is none) ends the program with a message.
 */

#include <stddef.h>

/* @size bytes aligned for any type, uninitialised; NULL when memory is out. A size of 0 gives a unique pointer. */
[[nodiscard]] void *heap_alloc(size_t size);
/* The same, zeroed: @count times @size bytes, NULL also when the product passes what memory can be. */
[[nodiscard]] void *heap_zalloc(size_t count, size_t size);
/* Resize @p (NULL: as heap_alloc); NULL when memory is out, and @p is as before. */
[[nodiscard]] void *heap_realloc(void *p, size_t size);
/* How many bytes the block @p has room for; 0 for NULL. */
[[nodiscard]] size_t heap_size(const void *p);
/* Give back @p, which may be NULL. Keeps errno. */
void heap_free(void *p);

#endif
