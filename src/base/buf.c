/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded growing buffer. Growth doubles; the bound is checked before any allocation.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void buf_done(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
	size_t need;

	/* One byte over the maximum may be reserved, so that a reader can tell "exactly full" from "too long". */
	if (len > b->max - b->len + 1) {
		b->failed = true;
		return NULL;
	}
	need = b->len + len + 1;
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap : 64;

		while (cap < need)
			cap *= 2;
		b->data = mem_realloc(b->data, cap, 1);
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
	if (len > b->max - b->len) {
		b->failed = true;
		len = b->max - b->len;
	}
	b->len += len;
	b->data[b->len] = '\0';
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
	char *room;

	if (b->failed || len > b->max - b->len) {
		b->failed = true;
		return false;
	}
	room = buf_reserve(b, len);
	if (!room)
		return false;
	if (len)
		memcpy(room, data, len);
	buf_commit(b, len);
	return true;
}

bool buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

bool buf_putc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

bool buf_put_utf8(struct buf *b, uint32_t c)
{
	char text[4];

	return buf_add(b, text, str_put_utf8(text, c));
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		va_end(again);
		return buf_add(b, small, (size_t)n);
	}
	if (n < 0 || (size_t)n > b->max - b->len || b->failed || !buf_reserve(b, (size_t)n)) {
		b->failed = true;
		va_end(again);
		return false;
	}
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
	va_end(again);
	b->len += (size_t)n;
	return true;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return ok;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *s = b->data ? b->data : mem_strdup("");

	b->data = NULL;
	b->len = b->cap = 0;
	b->failed = false;
	return s;
}
