/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decompressors: gzip by ISA-L where it was found, else by zlib; zstd by libzstd. A file may hold several gzip members
 * or zstd frames in a row (pigz, estargz and pzstd write such): each is one unit. Memory is bounded: a gzip window is
 * 32 KiB, zstd's is held to 128 MiB.
 */
#include "archive/stream.h"

#include <errno.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define ZSTD_WINDOW_LOG_MAX 27 /* 128 MiB: what zstd's own command line takes without being asked */

static void *zlib_open(void)
{
	z_stream *z = mem_zalloc(1, sizeof(*z));

	/* 15 bits of window, +16: gzip framing with its checksum. It fails only when memory is out. */
	if (inflateInit2(z, 15 + 16) != Z_OK)
		abort();
	return z;
}

static int zlib_step(void *state, struct codec_step *io, struct error *err)
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

static void zlib_close(void *state)
{
	inflateEnd(state);
	free(state);
}

#ifdef HAVE_ISAL
/* ISA-L's own reading of a member's header fails when the input ends in the middle of it, so that is done here (RFC 1952). */
enum gzip_field { GZIP_FIXED, GZIP_EXTRA_LEN, GZIP_EXTRA, GZIP_NAME, GZIP_COMMENT, GZIP_CRC, GZIP_BODY };

struct isal {
	enum gzip_field field;
	unsigned int at; /* bytes of the field that were read */
	unsigned int extra;
	unsigned char flags;
	unsigned long crc; /* of the header so far */
	struct inflate_state inflate;
};

static void gzip_begin(struct isal *z)
{
	z->field = GZIP_FIXED;
	z->at = z->extra = z->flags = 0;
	z->crc = crc32(0, NULL, 0);
	isal_inflate_init(&z->inflate);
	z->inflate.crc_flag = ISAL_GZIP_NO_HDR_VER; /* the trailer is ISA-L's to check */
}

/* Go to the next field that is there. */
static void gzip_next_field(struct isal *z)
{
	static const unsigned char flags[] = {
		[GZIP_EXTRA_LEN] = 4, [GZIP_NAME] = 8, [GZIP_COMMENT] = 16, [GZIP_CRC] = 2, [GZIP_BODY] = 0,
	};

	z->at = 0;
	do
		z->field++;
	while (z->field < GZIP_BODY && !(z->field == GZIP_EXTRA ? z->extra > 0 : z->flags & flags[z->field]));
}

/* Returns NULL, or what is wrong. */
static const char *gzip_take_byte(struct isal *z, unsigned char byte)
{
	static const unsigned char magic[] = {0x1f, 0x8b};
	unsigned int at = z->at++;
	bool end = at == 1;

	if (z->field == GZIP_CRC && byte != (z->crc >> 8 * at & 0xff))
		return "header crc mismatch";
	if (z->field == GZIP_FIXED) {
		if (at < sizeof(magic) && byte != magic[at])
			return "incorrect header check";
		if (at == 2 && byte != 8)
			return "unknown compression method";
		if (at == 3 && byte & 0xe0)
			return "unknown header flags set";
		if (at == 3)
			z->flags = byte;
		end = at == 9;
	} else if (z->field == GZIP_EXTRA_LEN) {
		z->extra |= (unsigned int)byte << 8 * at;
	} else if (z->field == GZIP_EXTRA) {
		end = z->at == z->extra;
	} else if (z->field == GZIP_NAME || z->field == GZIP_COMMENT) {
		end = byte == 0;
	}
	if (z->field != GZIP_CRC)
		z->crc = crc32(z->crc, &byte, 1);
	if (end)
		gzip_next_field(z);
	return NULL;
}

static void *isal_open(void)
{
	struct isal *z = mem_zalloc(1, sizeof(*z));

	gzip_begin(z);
	return z;
}

static const char *isal_reason(int code)
{
	switch (code) {
	case ISAL_INVALID_BLOCK:
		return "invalid block";
	case ISAL_INVALID_SYMBOL:
		return "invalid symbol";
	case ISAL_INVALID_LOOKBACK:
		return "invalid distance too far back";
	case ISAL_INCORRECT_CHECKSUM:
		return "incorrect data check";
	default:
		return "the data is damaged";
	}
}

static int isal_step(void *state, struct codec_step *io, struct error *err)
{
	struct isal *z = state;
	const char *wrong = NULL;

	for (; !wrong && z->field < GZIP_BODY && io->in_used < io->in_len; io->in_used++)
		wrong = gzip_take_byte(z, io->in[io->in_used]);
	if (wrong)
		return error_set(err, ERROR_INVALID, EBADMSG, "gzip: %s", wrong);
	if (z->field < GZIP_BODY)
		return 1;
	z->inflate.next_in = (unsigned char *)(uintptr_t)io->in + io->in_used; /* it does not write there */
	z->inflate.avail_in = (uint32_t)(io->in_len - io->in_used);
	z->inflate.next_out = io->out;
	z->inflate.avail_out = (uint32_t)io->out_len;
	int r = isal_inflate(&z->inflate);

	io->in_used = io->in_len - z->inflate.avail_in;
	io->out_made = io->out_len - z->inflate.avail_out;
	if (r < 0)
		return error_set(err, ERROR_INVALID, EBADMSG, "gzip: %s", isal_reason(r));
	if (z->inflate.block_state != ISAL_BLOCK_FINISH)
		return 1;
	gzip_begin(z);
	return 0;
}

static void isal_close(void *state)
{
	free(state);
}
#endif

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

/* The first of a kind is used. */
static const struct codec codecs[] = {
#ifdef HAVE_ISAL
	{"gzip", "isa-l", IMAGE_GZIP, isal_open, isal_step, isal_close},
#endif
	{"gzip", "zlib", IMAGE_GZIP, zlib_open, zlib_step, zlib_close},
	{"zstd", "zstd", IMAGE_ZSTD, zstd_open, zstd_step, zstd_close},
};

const struct codec *codec_find(enum image_compression compression, size_t nth)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		if (codecs[i].compression == compression && nth-- == 0)
			return &codecs[i];
	}
	return NULL;
}
