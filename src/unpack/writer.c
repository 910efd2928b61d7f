/* SPDX-License-Identifier: Apache-2.0 */
/* See writer.h. Direct writes want memory, place and length in blocks, so they go through the disk's pieces, which are aligned. */
#include "unpack/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

void writer_begin(struct writer *w, struct disk *disk, int fd, uint64_t at, uint64_t size, const char *what)
{
	int flags = size >= WRITER_DIRECT_BYTES && at % DISK_BLOCK_BYTES == 0 ? fcntl(fd, F_GETFL) : -1;

	*w = (struct writer){.disk = disk, .fd = fd, .at = at, .what = what};
	w->direct = flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

static int write_at(struct writer *w, const unsigned char *data, size_t len, struct error *err)
{
	while (len > 0) {
		ssize_t n = pwrite(w->fd, data, len, (off_t)w->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot write");
		data += n;
		w->at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Order what was gathered. */
static int order(struct writer *w, struct disk_order o, struct error *err)
{
	o.fd = w->fd;
	o.at = w->at;
	o.len = w->len;
	o.first = !w->known;
	o.what = w->what;
	w->known = true;
	w->at += w->len;
	w->len = 0;
	w->piece = NULL;
	return disk_write(w->disk, &o, err);
}

int writer_add(struct writer *w, const void *data, size_t len, struct error *err)
{
	const unsigned char *from = data;

	if (!w->direct)
		return write_at(w, from, len, err);
	while (len > 0) {
		size_t n = len < DISK_PIECE_BYTES - w->len ? len : DISK_PIECE_BYTES - w->len;

		if (!w->piece && !(w->piece = disk_piece(w->disk)))
			return disk_settle(w->disk, err);
		memcpy(w->piece + w->len, from, n);
		w->len += n;
		from += n;
		len -= n;
		if (w->len == DISK_PIECE_BYTES && order(w, (struct disk_order){0}, err) < 0)
			return -err->code;
	}
	return 0;
}

int writer_end(struct writer *w, struct error *err)
{
	if (!w->direct)
		return 0;
	w->direct = false;
	if (!w->piece && !disk_piece(w->disk))
		return disk_settle(w->disk, err);
	return order(w, (struct disk_order){.last = true}, err) < 0 ? -err->code : disk_settle(w->disk, err);
}

int writer_finish(struct writer *w, int *fd, struct timespec mtime, struct error *err)
{
	const struct timespec times[2] = {mtime, mtime};

	if (!w->direct)
		return futimens(*fd, times) < 0 ? error_sys(err, errno, "cannot set its time") : 0;
	w->direct = false;
	if (!w->piece && !disk_piece(w->disk))
		return disk_settle(w->disk, err);
	return order(w, (struct disk_order){.last = true, .finish = true, .mtime = mtime, .fd = take_fd(fd)}, err);
}
