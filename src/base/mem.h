/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

/*
 * Allocation that cannot fail: out of memory prints one line and aborts, in every program (they are crash-only, so what
 * is on disk stays consistent). Sizes that come from outside are bounded by the caller first. Everything returned is
 * freed with free(3).
 */

#include <stddef.h>

/* Say that memory is out, and abort: for the rare library that reports it to us. */
void mem_out(void) __attribute__((noreturn, cold));
/* @size bytes, uninitialised; a size of 0 gives a unique pointer. */
[[nodiscard]] void *mem_alloc(size_t size);
/* @count times @size bytes, zeroed; the product is checked for overflow. */
[[nodiscard]] void *mem_zalloc(size_t count, size_t size);
/* Resize @p (may be NULL) to @count times @size bytes. */
[[nodiscard]] void *mem_realloc(void *p, size_t count, size_t size);
/* A copy of the NUL-terminated @s, or NULL when @s is NULL. */
[[nodiscard]] char *mem_strdup(const char *s);
/* A copy of at most @len bytes of @s, NUL-terminated. */
[[nodiscard]] char *mem_strndup(const char *s, size_t len);
/* A copy of @len bytes. */
[[nodiscard]] void *mem_dup(const void *p, size_t len);
/* printf into a new string. */
[[nodiscard]] char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Make room for one more element in a growing array: `VEC_PUSH(v->items, v->count) = item;`. The capacity is implied by
 * the count (it doubles at powers of two), so a vector is two fields: a pointer and a count, both zero at first.
 */
#define VEC_PUSH(items, count)                                                                                         \
	(*({                                                                                                           \
		if (((count) & ((count)-1)) == 0)                                                                      \
			(items) = mem_realloc((items), (count) ? 2 * (count) : 1, sizeof(*(items)));                   \
		&(items)[(count)++];                                                                                   \
	}))

#endif
