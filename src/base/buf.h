/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * A growing byte buffer that must be given a maximum when it is made, so that nothing from outside can grow without
 * bound. The content is always NUL-terminated (the terminator is not counted), so data can be used as a string.
 * Invariant: len <= max. Once an append did not fit, `failed` stays true and the content is what fitted before.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;  /* owned; NULL until something was added */
	size_t len;  /* bytes in use */
	size_t cap;  /* bytes allocated */
	size_t max;  /* most bytes it may ever hold */
	bool failed; /* an append did not fit */
};

/* An empty buffer of at most @max_bytes. */
#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})
#define autobuf __attribute__((cleanup(buf_done)))

void buf_done(struct buf *b);
/* Forget the content, keep the memory. */
void buf_reset(struct buf *b);
/* Room for @len more bytes (bounded); NULL when that passes the maximum. Follow with buf_commit. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
/* Append; false (and failed set) when it does not fit. */
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
/* The character @c (up to 0x10ffff) in UTF-8. */
bool buf_put_utf8(struct buf *b, uint32_t c);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* The content as a string, never NULL. */
const char *buf_str(const struct buf *b);
/* Hand over the content as a malloc'ed NUL-terminated string and leave the buffer empty. */
char *buf_take(struct buf *b);

#endif
