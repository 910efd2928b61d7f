/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_STREAM_H
#define ARCHIVE_STREAM_H

/*
 * The way of a layer's bytes in one pass: file → digest as stored → decompress → digest as unpacked → reader. The
 * decompressor is one row of a table of three functions (see codec.c), chosen by the first bytes (magic.c). Bounds on size
 * and ratio are kept here, before a byte reaches the reader.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/digest.h"
#include "archive/tar.h"
#include "base/error.h"
#include "spec/image.h"

#define STREAM_IN_BYTES (256u << 10)
#define STREAM_OUT_BYTES (256u << 10)

/* Bounds; all must be set. */
struct stream_limits {
	uint64_t out_bytes;
	uint64_t ratio;
	uint64_t ratio_free_bytes; /* so many bytes may come out before the ratio counts */
};

/* A decompressor. step takes from @in, puts into @out and says how far it got.
 * Returns 1: go on; 0: a compressed unit ended (another may follow); <0 with @err. */
struct codec_step {
	const unsigned char *in;
	size_t in_len, in_used;
	unsigned char *out;
	size_t out_len, out_made;
};
struct codec {
	const char *name, *library;
	enum image_compression compression;
	void *(*open)(void); /* aborts when memory is out */
	int (*step)(void *state, struct codec_step *io, struct error *err);
	void (*close)(void *state);
};
/* The @nth codec for @compression, 0 being the one to use (the others are there to be compared with); NULL: no more. */
const struct codec *codec_find(enum image_compression compression, size_t nth);
/* Where the bytes come from, in place of a descriptor. read gives at most @len of them, 0 at the end, <0 with @err. */
struct stream_input {
	ssize_t (*read)(void *arg, void *data, size_t len, struct error *err);
	void *arg;
};

struct stream {
	int fd;                    /* borrowed */
	struct stream_input input; /* set after stream_init; read NULL: the descriptor */
	bool hash_in, hash_out;
	struct stream_limits limits;
	const struct codec *codec; /* NULL: plain */
	void *codec_state;         /* owned */
	bool started, eof, unit_open;
	unsigned char *in; /* owned, STREAM_IN_BYTES */
	size_t in_at, in_len;
	unsigned char *out; /* owned, STREAM_OUT_BYTES; of stream_source */
	uint64_t bytes_in, bytes_out;
	struct digest digest_in, digest_out;
};

void stream_init(struct stream *s, int fd, bool hash_in, bool hash_out, const struct stream_limits *limits);
void stream_done(struct stream *s);
/* The next bytes after decompression, at most @room of them, into @out. Returns how many, 0 at the end, or <0: INVALID
 * (damaged), LIMIT (bounds), the system's. */
ssize_t stream_read(struct stream *s, unsigned char *out, size_t room, struct error *err);
/* The same as a source for tar_init, in memory of the stream's own. */
struct tar_source stream_source(struct stream *s);

#endif
