/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving a blob: see receive.h. The partial file is written in order and never shortened here, so that at each instant it
 * holds a beginning of the blob.
 */
#include "unpack/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "unpack/jobs.h"

int receive_lock(int partial_fd, const struct unpack_talk *talk, struct error *err)
{
	char go;
	int r;

	if (flock(partial_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_sys(err, errno, "cannot lock the partial file");
		if (unpack_say(talk, UNPACK_WAITING, NULL, 0, NULL, 0, err) < 0)
			return -err->code;
		do
			r = flock(partial_fd, LOCK_EX);
		while (r < 0 && errno == EINTR);
		if (r < 0)
			return error_sys(err, errno, "cannot lock the partial file");
	}
	if (unpack_say(talk, UNPACK_READY, NULL, 0, NULL, 0, err) < 0)
		return -err->code;
	r = fd_read_all(talk->fd, &go, 1);
	return r < 0 ? error_sys(err, -r, "the store has gone") : 0;
}

int receive_init(struct receive *r, int partial_fd, int pipe_fd, uint64_t size, struct error *err)
{
	struct stat st;

	if (fstat(partial_fd, &st) < 0)
		return error_sys(err, errno, "the partial file");
	if ((uint64_t)st.st_size > size)
		return error_set(err, ERROR_INVALID, EFBIG, "the partial file has %lld bytes, the blob only %llu",
				 (long long)st.st_size, (unsigned long long)size);
	r->partial_fd = partial_fd;
	r->pipe_fd = pipe_fd;
	r->size = size;
	r->kept = (uint64_t)st.st_size;
	/* A worker that was killed may have left the mode of direct writes behind. */
	int flags = fcntl(partial_fd, F_GETFL);

	if (flags & O_DIRECT && fcntl(partial_fd, F_SETFL, flags & ~O_DIRECT) < 0)
		return error_sys(err, errno, "the partial file");
	return 0;
}

void receive_done(struct receive *r)
{
	disk_done(&r->disk);
}

static ssize_t read_kept(struct receive *r, void *data, size_t len, struct error *err)
{
	ssize_t n;

	if (len > r->kept - r->at)
		len = (size_t)(r->kept - r->at);
	do
		n = pread(r->partial_fd, data, len, (off_t)r->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, errno, "cannot read the partial file");
	return n > 0 ? n : error_set(err, ERROR_INTERNAL, EIO, "the partial file became shorter");
}

static ssize_t read_pipe(struct receive *r, void *data, size_t len, struct error *err)
{
	ssize_t n = 0;

	if (len > r->size - r->at)
		len = (size_t)(r->size - r->at);
	do
		n = r->pipe_fd < 0 ? 0 : read(r->pipe_fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, errno, "cannot read from the registry");
	if (!r->writing) /* now that nothing is read from the file any more */
		writer_begin(&r->writer, &r->disk, r->partial_fd, r->at, r->size - r->at, "the blob");
	r->writing = true;
	if ((n > 0 && writer_add(&r->writer, data, (size_t)n, err) < 0) ||
	    ((n == 0 || r->at + (uint64_t)n == r->size) && writer_end(&r->writer, err) < 0))
		return r->disk.failed ? -err->code : error_wrap(err, "the blob");
	if (n == 0)
		return error_set(err, ERROR_UNAVAILABLE, ENODATA, "the transfer ended after %llu of %llu bytes",
				 (unsigned long long)r->at, (unsigned long long)r->size);
	return n;
}

static ssize_t receive_read(void *arg, void *data, size_t len, struct error *err)
{
	struct receive *r = arg;
	ssize_t n;

	if (r->at == r->size)
		return 0;
	n = r->at < r->kept ? read_kept(r, data, len, err) : read_pipe(r, data, len, err);
	if (n > 0)
		r->at += (uint64_t)n;
	return n;
}

struct stream_input receive_input(struct receive *r)
{
	return (struct stream_input){.read = receive_read, .arg = r};
}
