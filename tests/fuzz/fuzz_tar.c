/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader over hostile bytes. The first byte says in how large steps the input is given, so that every border falls
 * in every place; when it is even, the checksums of what looks like headers are put right first, because chance would find
 * no way past them. What comes out must keep the reader's promises: bounded names, data only of files, pieces in order and
 * inside, and the sum of the data as large as the entry says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/layer_path.h"
#include "archive/tar.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left, step;
};

static int next(void *arg, const unsigned char **ret_data, size_t *ret_len, struct error *err)
{
	struct input *in = arg;
	size_t n = in->left < in->step ? in->left : in->step;

	(void)err;
	if (n == 0)
		return 0;
	*ret_data = in->data;
	*ret_len = n;
	in->data += n;
	in->left -= n;
	return 1;
}

static uint8_t *mend_checksums(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	char text[8];

	if (!copy)
		abort();
	memcpy(copy, data, size);
	for (size_t at = 0; at + TAR_BLOCK_BYTES <= size; at += TAR_BLOCK_BYTES) {
		uint8_t *b = copy + at;
		unsigned int sum = 0;

		if (memcmp(b + 257, "ustar", 5) != 0)
			continue;
		memset(b + 148, ' ', 8);
		for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
			sum += b[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(b + 148, text, 7);
	}
	return copy;
}

static void check_entry(const struct tar_entry *e)
{
	struct layer_path p;
	struct error err;
	const char *name;

	if (strlen(e->path) > TAR_PATH_MAX || strlen(e->link) > TAR_PATH_MAX || e->mode > 07777 ||
	    e->mtime_ns >= 1000000000)
		abort();
	if (e->xattr_count > TAR_XATTR_MAX_COUNT || e->piece_count > TAR_SPARSE_MAX_COUNT)
		abort();
	if (layer_path_parse(e->path, &p, &err) == 0) {
		if (p.text[0] == '/' || strstr(p.text, "//") || strncmp(p.text, "../", 3) == 0 ||
		    strstr(p.text, "/../") || strcmp(p.text, "..") == 0)
			abort();
		(void)layer_path_whiteout(p.text + p.base, &name, &err);
	}
}

static int read_data(struct tar *t, const struct tar_entry *e, struct error *err)
{
	const unsigned char *data;
	uint64_t offset, end = 0;
	size_t len;
	int r;

	while ((r = tar_data(t, &data, &len, &offset, err)) > 0) {
		if (e->type != TAR_FILE || len == 0 || offset < end || offset + len > e->size)
			abort();
		end = offset + len;
	}
	if (r == 0 && !e->pieces && end != e->size)
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	autofree uint8_t *mended = data[0] % 2 ? NULL : mend_checksums(data + 1, size - 1);
	struct input in = {.data = mended ? mended : data + 1, .left = size - 1, .step = (size_t)data[0] * 8 + 1};
	autoclean(tar_done) struct tar t;
	const struct tar_entry *e;
	struct error err;
	int skip = 0;

	tar_init(&t, (struct tar_source){.next = next, .arg = &in});
	while (tar_next(&t, &e, &err) > 0) {
		check_entry(e);
		/* Every third entry's data is left for tar_next to skip. */
		if (++skip % 3 && read_data(&t, e, &err) < 0)
			break;
	}
	return 0;
}
