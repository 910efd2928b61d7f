/* SPDX-License-Identifier: Apache-2.0 */
/* Content without its zeros: see content.h. */
#include "unpack/content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define READ_BYTES (256u << 10)

void content_init(struct content *c)
{
	digest_init(&c->digest);
	c->block = 0;
	c->begin = c->end = 0;
}

static bool all_zeros(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void hash_block(struct content *c, uint64_t number, const unsigned char *block)
{
	if (all_zeros(block, CONTENT_BLOCK_BYTES))
		return;
	digest_add(&c->digest, &number, sizeof(number));
	digest_add(&c->digest, block, CONTENT_BLOCK_BYTES);
}

/* The block that was begun is over; what of it did not come is zeros. */
static void flush(struct content *c)
{
	if (c->end == 0)
		return;
	memset(c->room, 0, c->begin);
	memset(c->room + c->end, 0, CONTENT_BLOCK_BYTES - c->end);
	hash_block(c, c->block, c->room);
	c->begin = c->end = 0;
}

void content_add(struct content *c, uint64_t offset, const unsigned char *data, size_t len)
{
	while (len > 0) {
		uint64_t block = offset / CONTENT_BLOCK_BYTES;
		size_t at = offset % CONTENT_BLOCK_BYTES, n = CONTENT_BLOCK_BYTES - at;

		n = n < len ? n : len;
		if (block != c->block)
			flush(c);
		if (n == CONTENT_BLOCK_BYTES) {
			hash_block(c, block, data);
		} else {
			if (c->end == 0)
				c->begin = at;
			else if (at > c->end)
				memset(c->room + c->end, 0, at - c->end);
			memcpy(c->room + at, data, n);
			c->end = at + n;
		}
		c->block = block;
		data += n;
		offset += n;
		len -= n;
	}
}

void content_end(struct content *c, unsigned char out[static DIGEST_RAW_BYTES])
{
	flush(c);
	digest_end(&c->digest, out);
}

/* Where the next data is. Returns 1, 0 when there is none, or <0. A file system without holes has data everywhere. */
static int next_data(int fd, off_t *at, struct error *err)
{
	off_t data = lseek(fd, *at, SEEK_DATA);

	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0 && errno == EINVAL)
		data = lseek(fd, *at, SEEK_SET);
	if (data < 0)
		return error_sys(err, errno, "cannot be read");
	*at = data;
	return 1;
}

int content_of_file(int fd, unsigned char out[static DIGEST_RAW_BYTES], struct error *err)
{
	autofree unsigned char *data = mem_alloc(READ_BYTES);
	struct content c;
	off_t at = 0;
	int r;

	content_init(&c);
	while ((r = next_data(fd, &at, err)) > 0) {
		ssize_t n = read(fd, data, READ_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot be read");
		if (n == 0)
			break;
		content_add(&c, (uint64_t)at, data, (size_t)n);
		at += n;
	}
	if (r < 0)
		return r;
	content_end(&c, out);
	return 0;
}
