/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "spec/image.h"
#include "unpack/feed.h"

#define SIZE (3u << 20) /* several times the memory that both share */

/* Bytes that differ everywhere, so that a piece in a wrong place shows. */
static unsigned char *content_new(void)
{
	unsigned char *p = mem_alloc(SIZE);
	uint32_t x = 1;

	for (size_t i = 0; i < SIZE; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (unsigned char)(x >> 24 & 0x3f);
	}
	return p;
}

static unsigned char *pack(const unsigned char *data, size_t *ret_len)
{
	unsigned char *out = mem_alloc(2 * SIZE);
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)data,
		      .avail_in = SIZE,
		      .next_out = out,
		      .avail_out = 2 * SIZE};

	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	*ret_len = z.total_out;
	deflateEnd(&z);
	return out;
}

/* A feeder whose input is @data, with our standard input put back. */
static int start(struct feed *f, const void *data, size_t len, uint64_t max, struct error *err)
{
	const struct unpack_job job = {.kind = UNPACK_LAYER,
				       .flags = UNPACK_HASH_IN,
				       .limits = {.layer_bytes = max, .ratio = 1000}};
	autofd int file = fd_memory("layer", data, len), before = fd_dup_min(UNPACK_INPUT_FD, 20);

	(void)signal(SIGPIPE, SIG_IGN); /* as bothy-unpack has it: a feeder may have ended before we speak */
	if (dup2(file, UNPACK_INPUT_FD) < 0)
		abort();
	int r = feed_start(f, &job, false, err);

	if (before >= 0)
		(void)dup2(before, UNPACK_INPUT_FD);
	else
		(void)close(UNPACK_INPUT_FD);
	return r < 0 ? r : feed_go(f, true, err);
}

/* All that comes, compared with @want. Returns what the source did at the end; *@ret_len: bytes that came. */
static int take_all(struct feed *f, const unsigned char *want, size_t *ret_len, struct error *err)
{
	const struct tar_source source = feed_source(f);
	const unsigned char *data;
	size_t len;
	int r;

	*ret_len = 0;
	while ((r = source.next(source.arg, &data, &len, err)) > 0) {
		if (!CHECK(*ret_len + len <= SIZE) || !CHECK(memcmp(want + *ret_len, data, len) == 0))
			return -1;
		*ret_len += len;
	}
	return r;
}

static void digest_check(const unsigned char is[DIGEST_RAW_BYTES], const void *data, size_t len)
{
	char want[DIGEST_TEXT_MAX], text[DIGEST_TEXT_MAX];

	digest_of(data, len, want);
	digest_text(is, text);
	CHECK_STR(text, want);
}

TEST(what_it_brings_is_what_there_is)
{
	autofree unsigned char *content = content_new();
	size_t packed_len, len;
	autofree unsigned char *packed = pack(content, &packed_len);
	const struct {
		const char *name;
		const unsigned char *data;
		size_t len;
	} rows[] = {{"plain", content, SIZE}, {"gzip", packed, packed_len}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoclean(feed_done) struct feed f = FEED_NONE;
		struct unpack_report report = {0};
		struct error err = {0};

		ROW(rows[i].name);
		REQUIRE(start(&f, rows[i].data, rows[i].len, UINT64_MAX, &err) == 0);
		CHECK_INT(take_all(&f, content, &len, &err), 0);
		CHECK_INT(len, SIZE);
		/* The end stays the end. */
		CHECK_INT(take_all(&f, content, &len, &err), 0);
		feed_report(&f, &report);
		CHECK_INT(report.bytes_in, rows[i].len);
		CHECK_INT(report.bytes_out, SIZE);
		CHECK_INT(report.compression, i ? IMAGE_GZIP : IMAGE_PLAIN);
		digest_check(report.digest_in, rows[i].data, rows[i].len);
		digest_check(report.digest_out, content, SIZE);
	}
}

TEST(an_error_comes_behind_what_was_good)
{
	autofree unsigned char *content = content_new();
	size_t packed_len, len;
	autofree unsigned char *packed = pack(content, &packed_len);
	autoclean(feed_done) struct feed cut = FEED_NONE, bomb = FEED_NONE;
	struct error err = {0};

	REQUIRE(start(&cut, packed, packed_len - 9, UINT64_MAX, &err) == 0);
	CHECK(take_all(&cut, content, &len, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_CONTAINS(err.msg, "ends too early");
	CHECK(len > SIZE - 65536);

	REQUIRE(start(&bomb, packed, packed_len, SIZE - 1, &err) == 0);
	CHECK(take_all(&bomb, content, &len, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK(len < SIZE);
}

TEST(a_feeder_that_dies_is_told)
{
	autofree unsigned char *content = content_new();
	autoclean(feed_done) struct feed f = FEED_NONE;
	struct error err = {0};
	size_t len;

	REQUIRE(start(&f, content, SIZE, UINT64_MAX, &err) == 0);
	/* It waits for us with all pieces full, if it has come so far. */
	CHECK_INT(pidref_kill(&f.pid, SIGKILL), 0);
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	int status;

	CHECK_INT(pidref_wait(&f.pid, &status), 0);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	CHECK(take_all(&f, content, &len, &err) < 0);
	CHECK_INT(err.kind, ERROR_INTERNAL);
	CHECK_CONTAINS(err.msg, "has died");
	CHECK(len < SIZE);
}
