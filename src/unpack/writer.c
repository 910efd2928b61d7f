/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See writer.h. Direct writes want memory, place and length in blocks, so they go through one aligned buffer; what the
 * last block does not fill is written through the page cache. A file system that refuses gets all of it that way.
 */
#include "unpack/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define BLOCK_BYTES 4096u /* of any file system and disk that we know */

void writer_done(struct writer *w)
{
	free(w->buf);
	*w = WRITER_NONE;
}

static bool set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

void writer_begin(struct writer *w, int fd, uint64_t at, uint64_t size)
{
	w->fd = fd;
	w->at = at;
	w->len = 0;
	w->direct = size >= WRITER_DIRECT_BYTES && at % BLOCK_BYTES == 0 && set_direct(fd, true);
	if (w->direct && !w->buf) {
		w->buf = aligned_alloc(BLOCK_BYTES, WRITER_BYTES);
		if (!w->buf)
			abort();
	}
}

static int write_at(struct writer *w, const unsigned char *data, size_t len, struct error *err)
{
	while (len > 0) {
		ssize_t n = pwrite(w->fd, data, len, (off_t)w->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EINVAL && w->direct) {
			w->direct = false;
			if (set_direct(w->fd, false))
				continue;
		}
		if (n < 0)
			return error_sys(err, errno, "cannot write");
		data += n;
		w->at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int writer_add(struct writer *w, const void *data, size_t len, struct error *err)
{
	const unsigned char *from = data;

	while (len > 0) {
		/* The buffer may hold something from before the file system refused. */
		if (!w->direct && w->len == 0)
			return write_at(w, from, len, err);
		size_t n = len < WRITER_BYTES - w->len ? len : WRITER_BYTES - w->len;

		memcpy(w->buf + w->len, from, n);
		w->len += n;
		from += n;
		len -= n;
		if (w->len < WRITER_BYTES)
			continue;
		w->len = 0;
		if (write_at(w, w->buf, WRITER_BYTES, err) < 0)
			return -err->code;
	}
	return 0;
}

int writer_end(struct writer *w, struct error *err)
{
	size_t whole = w->len - w->len % BLOCK_BYTES, rest = w->len - whole;

	w->len = 0;
	if (whole > 0 && write_at(w, w->buf, whole, err) < 0)
		return -err->code;
	if (w->direct && !set_direct(w->fd, false))
		return error_sys(err, errno, "cannot write");
	w->direct = false;
	return rest == 0 ? 0 : write_at(w, w->buf + whole, rest, err);
}
