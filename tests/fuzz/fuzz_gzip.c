/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gzip decoders against each other. The first byte says in how large steps input is given and output taken. zlib is the
 * measure: what it takes, every decoder takes with the same bytes, and what two decoders take is equal. (A decoder may take
 * more than zlib: the digests of a layer decide about its bytes.)
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/stream.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX_BYTES (1u << 20)

struct result {
	unsigned char *out; /* owned */
	size_t len;
	bool taken; /* the input ends where a member ends */
};

static void result_done(struct result *r)
{
	free(r->out);
}

/* As stream.c calls a codec. */
static void decode(const struct codec *c, const uint8_t *data, size_t size, size_t in_step, size_t out_step,
		   struct result *ret)
{
	void *state = c->open();
	unsigned char *out = mem_alloc(out_step);
	size_t at = 0;
	bool open = false;
	struct error err;

	*ret = (struct result){.out = mem_alloc(OUT_MAX_BYTES)};
	while (at < size || open) {
		size_t n = size - at < in_step ? size - at : in_step;
		/* A copy of exactly this size: a decoder that reads on is seen by the sanitizer. */
		autofree unsigned char *in = mem_alloc(n + 1);
		struct codec_step io = {.in = in, .in_len = n, .out = out, .out_len = out_step};

		memcpy(in, data + at, n);
		int r = c->step(state, &io, &err);

		if (r < 0 || io.in_used > n || io.out_made > out_step)
			break;
		if (ret->len + io.out_made > OUT_MAX_BYTES)
			break;
		memcpy(ret->out + ret->len, out, io.out_made);
		ret->len += io.out_made;
		at += io.in_used;
		open = r == 1;
		if (r == 1 && io.in_used == 0 && io.out_made == 0)
			break;
	}
	ret->taken = at == size && !open;
	free(out);
	c->close(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	size_t in_step = data[0] % 16 ? (size_t)(data[0] % 16) * 7 : 65536;
	size_t out_step = data[0] / 16 ? (size_t)(data[0] / 16) * 61 : 65536;
	autoclean(result_done) struct result first = {0};
	const struct codec *c, *z = NULL;

	for (size_t i = 0; (c = codec_find(IMAGE_GZIP, i)); i++) {
		if (str_eq(c->library, "zlib"))
			z = c;
	}
	decode(z, data + 1, size - 1, in_step, out_step, &first);
	for (size_t i = 0; (c = codec_find(IMAGE_GZIP, i)); i++) {
		autoclean(result_done) struct result other = {0};

		decode(c, data + 1, size - 1, in_step, out_step, &other);
		if (first.taken && !other.taken)
			abort();
		if (first.taken && (first.len != other.len || memcmp(first.out, other.out, first.len) != 0))
			abort();
	}
	return 0;
}
