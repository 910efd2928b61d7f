/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

/*
 * Memory that is freed all at once: documents and plans allocate many small objects that share one life time.
 */

#include <stdarg.h>
#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *head; /* owned; NULL when empty */
};

/* Zeroed memory, aligned for any type, valid until arena_done. Never NULL (out of memory aborts). */
[[nodiscard]] void *arena_alloc(struct arena *a, size_t count, size_t size);
/* A copy of @s (NULL gives NULL). */
[[nodiscard]] char *arena_strdup(struct arena *a, const char *s);
[[nodiscard]] char *arena_strndup(struct arena *a, const char *s, size_t len);
/* A text made as by printf(3). */
[[nodiscard]] char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
[[nodiscard]] char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Free everything. */
void arena_done(struct arena *a);

/* Append to an array that lives in an arena (see VEC_PUSH in mem.h; the outgrown copy stays until arena_done). */
#define ARENA_PUSH(a, items, count)                                                                                    \
	(*({                                                                                                           \
		if (((count) & ((count)-1)) == 0) {                                                                    \
			__auto_type push_new_ = (__typeof__(items))arena_alloc((a), (count) ? 2 * (size_t)(count) : 1, \
									       sizeof(*(items)));                      \
			if (count)                                                                                     \
				__builtin_memcpy((void *)push_new_, (const void *)(items),                             \
						 (size_t)(count) * sizeof(*(items)));                                  \
			(items) = push_new_;                                                                           \
		}                                                                                                      \
		(__typeof__(&(items)[0]))&(items)[(count)++];                                                          \
	}))

#endif
