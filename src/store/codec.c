/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decompressors: gzip by zlib, zstd by libzstd. A file may hold several gzip members or zstd frames in a row (pigz,
 * estargz and pzstd write such): each is one unit. Memory is bounded: zlib's window is 32 KiB, zstd's is held to 128 MiB.
 */
#include "store/stream.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define ZSTD_WINDOW_LOG_MAX 27 /* 128 MiB: what zstd's own command line takes without being asked */

static void *gzip_open(void)
{
	z_stream *z = mem_zalloc(1, sizeof(*z));

	/* 15 bits of window, +16: gzip framing with its checksum. It fails only when memory is out. */
	if (inflateInit2(z, 15 + 16) != Z_OK)
		abort();
	return z;
}

static int gzip_step(void *state, struct codec_step *io, struct error *err)
{
	z_stream *z = state;

	z->next_in = (unsigned char *)(uintptr_t)io->in; /* zlib's old signature; it does not write there */
	z->avail_in = (unsigned int)io->in_len;
	z->next_out = io->out;
	z->avail_out = (unsigned int)io->out_len;
	int r = inflate(z, Z_NO_FLUSH);

	io->in_used = io->in_len - z->avail_in;
	io->out_made = io->out_len - z->avail_out;
	if (r == Z_STREAM_END) {
		inflateReset(z);
		return 0;
	}
	if (r == Z_OK || r == Z_BUF_ERROR)
		return 1;
	return error_set(err, ERROR_INVALID, EBADMSG, "gzip: %s", z->msg ? z->msg : "the data is damaged");
}

static void gzip_close(void *state)
{
	inflateEnd(state);
	free(state);
}

static void *zstd_open(void)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	if (!z || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
		abort();
	return z;
}

static int zstd_step(void *state, struct codec_step *io, struct error *err)
{
	ZSTD_inBuffer in = {.src = io->in, .size = io->in_len};
	ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
	size_t r = ZSTD_decompressStream(state, &out, &in);

	io->in_used = in.pos;
	io->out_made = out.pos;
	if (ZSTD_isError(r))
		return error_set(err, ERROR_INVALID, EBADMSG, "zstd: %s", ZSTD_getErrorName(r));
	return r != 0;
}

static void zstd_close(void *state)
{
	ZSTD_freeDCtx(state);
}

static const struct codec codecs[] = {
	{"gzip", IMAGE_GZIP, {0x1f, 0x8b}, 2, gzip_open, gzip_step, gzip_close},
	{"zstd", IMAGE_ZSTD, {0x28, 0xb5, 0x2f, 0xfd}, 4, zstd_open, zstd_step, zstd_close},
};

const struct codec *codec_detect(const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		if (len >= codecs[i].magic_len && memcmp(data, codecs[i].magic, codecs[i].magic_len) == 0)
			return &codecs[i];
	}
	return NULL;
}
