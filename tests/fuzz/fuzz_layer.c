/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer is unpacked, then compared with its own archive: there must be no difference. The rules of unpacking are written twice
 * (unpack.c with files, model.c in memory), and each is the other's test. Four bytes of input are one entry: its type, its name
 * and its link out of a few paths that lead through each other, so that files, folders, symlinks and whiteouts keep
 * replacing one another.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/archive/fixture.h"
#include "archive/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "safepath/safepath.h"
#include "unpack/jobs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES_MAX 64

static const char *const paths[] = {
	"a",
	"b",
	"l",
	"a/b",
	"a/b/c",
	"l/x",
	"a/l",
	".wh.a",
	".wh.l",
	"a/.wh.b",
	"./",
	"a/.wh..wh..opq",
	"l/.wh.x",
	".wh..wh..opq",
	"b/a/l",
	"a/l/y",
	".wh..wh.aufs",
	"l/.wh..wh..opq",
	"x",
	"b/",
};
static const char *const links[] = {"a", "b", "/a", "..", "a/b", "../b", "/", "l", "x", "b/a", "nowhere", "./a/../b"};
static const char types[] = {'0', '0', '1', '2', '5', '5', '6', '3'};

static void entry(struct buf *out, const uint8_t *b)
{
	static const char text[] = "some text of a file";
	char type = types[b[0] % sizeof(types)];
	size_t len = type == '0' ? b[3] % sizeof(text) : 0;

	fixture_block(out, &(struct fixture_header){.name = paths[b[1] % ARRAY_SIZE(paths)],
						    .type = type,
						    .link = type == '1' || type == '2' ? links[b[2] % ARRAY_SIZE(links)]
										       : NULL,
						    .size = len,
						    .mode = (unsigned int)(0700 | b[3] % 64)});
	fixture_data(out, text, len);
}

static int run(enum unpack_kind kind, int dir_fd, const struct buf *archive, struct unpack_report *report,
	       struct error *err)
{
	struct unpack_job job = {.magic = UNPACK_MAGIC, .kind = kind, .flags = UNPACK_SINGLE_ID};
	const struct stream_limits limits = {.out_bytes = 1 << 20, .ratio = 200, .ratio_free_bytes = 1 << 20};
	const struct unpack_talk talk = {.fd = FD_NONE};
	autoclean(stream_done) struct stream in;
	autofd int fd = fd_memory("layer", archive->data, archive->len);

	job.limits = (struct unpack_limits){.layer_entries = 1000, .layer_bytes = 1 << 20};
	stream_init(&in, fd, false, false, &limits);
	return kind == UNPACK_VERIFY ? unpack_verify(dir_fd, stream_source(&in), &job, &talk, report, err)
				     : unpack_layer(dir_fd, stream_source(&in), &job, &talk, report, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char folder[] = "/tmp/bothy-fuzz-layer-XXXXXX";
	autobuf struct buf archive = BUF_INIT(1 << 20);
	struct unpack_report report = {0};
	struct error err = {0};
	struct error gone;

	for (size_t i = 0; i + 4 <= size && i < 4 * ENTRIES_MAX; i += 4)
		entry(&archive, data + i);
	fixture_end(&archive);
	(void)umask(0);
	if (!mkdtemp(folder))
		abort();
	autofd int tmp = safepath_host_open_dir("/tmp", &err);
	autofd int dir = safepath_host_open_dir(folder, &err);
	int r = run(UNPACK_LAYER, dir, &archive, &report, &err);

	report = (struct unpack_report){0};
	if (r == 0 && (run(UNPACK_VERIFY, dir, &archive, &report, &err) < 0 || report.findings > 0)) {
		fprintf(stderr, "%s: %llu differences: %s\n", folder, (unsigned long long)report.findings, err.msg);
		abort();
	}
	if (safepath_remove_tree(tmp, folder + 5, &gone) < 0)
		abort();
	return 0;
}
