/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_FIXTURE_H
#define ARCHIVE_FIXTURE_H

/* Archives made in memory: blocks with right checksums, appended to a buffer. */

#include <string.h>

#include "archive/tar.h"
#include "base/buf.h"

struct fixture_header {
	const char *name, *link, *prefix;
	char type;               /* 0: '0' */
	unsigned long long size; /* of the header field; the data is added by itself */
	unsigned int mode, uid, gid;
	unsigned int mtime;     /* 0: 15 */
	const char *size_field; /* raw, 12 bytes */
	const char *magic;      /* raw, 8 bytes; NULL: ustar */
};

static inline void fixture_block(struct buf *out, const struct fixture_header *h)
{
	unsigned char b[512] = {0};
	unsigned int sum = 0;
	char number[16];

	memcpy(b, h->name, strnlen(h->name, 100));
	snprintf(number, sizeof(number), "%07o", h->mode ? h->mode : 0644);
	memcpy(b + 100, number, 8);
	snprintf(number, sizeof(number), "%07o", h->uid);
	memcpy(b + 108, number, 8);
	snprintf(number, sizeof(number), "%07o", h->gid);
	memcpy(b + 116, number, 8);
	snprintf(number, sizeof(number), "%011llo", h->size);
	memcpy(b + 124, h->size_field ? h->size_field : number, 12);
	snprintf(number, sizeof(number), "%011o", h->mtime ? h->mtime : 15);
	memcpy(b + 136, number, 12);
	memset(b + 148, ' ', 8);
	b[156] = (unsigned char)(h->type ? h->type : '0');
	if (h->link)
		memcpy(b + 157, h->link, strnlen(h->link, 100));
	memcpy(b + 257,
	       h->magic ? h->magic
			: "ustar\0"
			  "00",
	       8);
	if (h->prefix)
		memcpy(b + 345, h->prefix, strnlen(h->prefix, 155));
	for (size_t i = 0; i < sizeof(b); i++)
		sum += b[i];
	snprintf(number, sizeof(number), "%06o", sum);
	memcpy(b + 148, number, 7);
	buf_add(out, b, sizeof(b));
}

static inline void fixture_data(struct buf *out, const void *data, size_t len)
{
	static const char zeros[512];

	buf_add(out, data, len);
	buf_add(out, zeros, -len % 512);
}

static inline void fixture_file(struct buf *out, const char *name, const char *text)
{
	fixture_block(out, &(struct fixture_header){.name = name, .size = strlen(text)});
	fixture_data(out, text, strlen(text));
}

static inline void fixture_pax(struct buf *out, const char *records, size_t len)
{
	fixture_block(out, &(struct fixture_header){.name = "PaxHeaders/x", .type = 'x', .size = len});
	fixture_data(out, records, len);
}

static inline void fixture_end(struct buf *out)
{
	static const char zeros[1024];

	buf_add(out, zeros, sizeof(zeros));
}

/* A source that gives @step bytes at a time, so that every border falls everywhere. */
struct fixture_source {
	const struct buf *from;
	size_t at, step;
};
static inline int fixture_next(void *arg, const unsigned char **ret_data, size_t *ret_len, struct error *err)
{
	struct fixture_source *s = arg;
	size_t left = s->from->len - s->at, n = left < s->step ? left : s->step;

	(void)err;
	if (n == 0)
		return 0;
	*ret_data = (const unsigned char *)s->from->data + s->at;
	*ret_len = n;
	s->at += n;
	return 1;
}

#endif
