/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input stage: see stream.h. Nothing here knows what the bytes mean.
 */
#include "archive/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/magic.h"
#include "base/fd.h"
#include "base/mem.h"

void stream_init(struct stream *s, int fd, bool hash_in, bool hash_out, const struct stream_limits *limits)
{
	*s = (struct stream){.fd = fd, .hash_in = hash_in, .hash_out = hash_out, .limits = *limits};
	s->in = mem_alloc(STREAM_IN_BYTES);
	digest_init(&s->digest_in);
	digest_init(&s->digest_out);
}

void stream_done(struct stream *s)
{
	if (s->codec)
		s->codec->close(s->codec_state);
	free(s->in);
	free(s->out);
	*s = (struct stream){.fd = FD_NONE};
}

static ssize_t input_read(struct stream *s, void *data, size_t len, struct error *err)
{
	ssize_t n;

	if (s->input.read)
		return s->input.read(s->input.arg, data, len, err);
	do
		n = read(s->fd, data, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? error_sys(err, errno, "cannot read the archive") : n;
}

/* What one read gives, counted and hashed. Returns its length, 0 at the end, <0. */
static ssize_t take(struct stream *s, unsigned char *out, size_t room, struct error *err)
{
	ssize_t n = input_read(s, out, room, err);

	if (n < 0)
		return -err->code;
	s->eof = n == 0;
	if (s->hash_in)
		digest_add(&s->digest_in, out, (size_t)n);
	s->bytes_in += (uint64_t)n;
	return n;
}

/* Add that to the input. */
static int read_more(struct stream *s, struct error *err)
{
	ssize_t n = take(s, s->in + s->in_len, STREAM_IN_BYTES - s->in_len, err);

	if (n < 0)
		return (int)n;
	s->in_len += (size_t)n;
	return 0;
}

/* Replace the input, which is used up. Returns 1, 0 at the end, <0. */
static int refill(struct stream *s, struct error *err)
{
	s->in_at = s->in_len = 0;
	if (!s->eof && read_more(s, err) < 0)
		return -err->code;
	return s->in_len > 0;
}

static int start(struct stream *s, struct error *err)
{
	s->started = true;
	/* A pipe may give less than a magic at first. */
	while (!s->eof && s->in_len < MAGIC_BYTES) {
		if (read_more(s, err) < 0)
			return -err->code;
	}
	if (magic_refuse_foreign(s->in, s->in_len, err) < 0)
		return -err->code;
	s->codec = codec_find(magic_compression(s->in, s->in_len), 0);
	if (s->codec)
		s->codec_state = s->codec->open();
	return 0;
}

static int deliver(struct stream *s, const unsigned char *data, size_t len, struct error *err)
{
	const struct stream_limits *l = &s->limits;

	s->bytes_out += len;
	if (s->bytes_out > l->out_bytes)
		return error_set(err, ERROR_LIMIT, EFBIG, "more than %llu bytes after decompression",
				 (unsigned long long)l->out_bytes);
	if (s->bytes_out > l->ratio_free_bytes && s->bytes_out / l->ratio > s->bytes_in)
		return error_set(err, ERROR_LIMIT, EFBIG, "compressed more than %llu times: a decompression bomb",
				 (unsigned long long)l->ratio);
	if (s->hash_out)
		digest_add(&s->digest_out, data, len);
	return 0;
}

/* Decompress until something came out. Returns how much, 0 at the end, <0. A decoder may have taken all of its input and
 * still hold output back, so at the end of the file it is asked once more. */
static ssize_t decompress(struct stream *s, unsigned char *out, size_t room, struct error *err)
{
	for (;;) {
		if (s->in_at == s->in_len) {
			int r = refill(s, err);

			if (r < 0 || (r == 0 && !s->unit_open))
				return r;
		}
		struct codec_step io = {.in = s->in + s->in_at,
					.in_len = s->in_len - s->in_at,
					.out = out,
					.out_len = room};
		int r = s->codec->step(s->codec_state, &io, err);

		if (r < 0)
			return r;
		s->unit_open = r == 1;
		s->in_at += io.in_used;
		if (io.out_made > 0)
			return (ssize_t)io.out_made;
		if (r == 1 && io.in_len == 0)
			return error_set(err, ERROR_INVALID, ENODATA, "%s: the data ends too early", s->codec->name);
		if (r == 1 && io.in_used == 0)
			return error_set(err, ERROR_INVALID, EBADMSG, "%s: the data is damaged", s->codec->name);
	}
}

/* Without a decompressor: what was read to find that out, then straight from the input. */
static ssize_t copy(struct stream *s, unsigned char *out, size_t room, struct error *err)
{
	size_t n = s->in_len - s->in_at;

	if (n == 0)
		return s->eof ? 0 : take(s, out, room, err);
	n = n < room ? n : room;
	memcpy(out, s->in + s->in_at, n);
	s->in_at += n;
	return (ssize_t)n;
}

ssize_t stream_read(struct stream *s, unsigned char *out, size_t room, struct error *err)
{
	ssize_t n;

	if (!s->started && start(s, err) < 0)
		return -err->code;
	n = s->codec ? decompress(s, out, room, err) : copy(s, out, room, err);
	if (n > 0 && deliver(s, out, (size_t)n, err) < 0)
		return -err->code;
	return n;
}

static int next(void *arg, const unsigned char **ret_data, size_t *ret_len, struct error *err)
{
	struct stream *s = arg;
	ssize_t n;

	if (!s->out)
		s->out = mem_alloc(STREAM_OUT_BYTES);
	n = stream_read(s, s->out, STREAM_OUT_BYTES, err);
	if (n <= 0)
		return (int)n;
	*ret_data = s->out;
	*ret_len = (size_t)n;
	return 1;
}

struct tar_source stream_source(struct stream *s)
{
	return (struct tar_source){.next = next, .arg = s};
}
