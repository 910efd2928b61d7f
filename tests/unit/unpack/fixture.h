/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_FIXTURE_H
#define UNPACK_FIXTURE_H

/* A folder of the test's own, and layers that are unpacked into it or compared with it. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../archive/fixture.h"
#include "archive/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "safepath/safepath.h"
#include "unpack/jobs.h"

struct scratch {
	char path[64];
	int fd;
};

static inline void scratch_done(struct scratch *s)
{
	struct error err;
	autofd int tmp = safepath_host_open_dir("/tmp", &err);

	safepath_remove_tree(tmp, s->path + strlen("/tmp/"), &err);
	fd_close(&s->fd);
}

static inline struct scratch scratch_new(void)
{
	struct scratch s = {.path = "/tmp/bothy-test-unpack-XXXXXX"};
	struct error err;

	if (!mkdtemp(s.path))
		abort();
	s.fd = safepath_host_open_dir(s.path, &err);
	return s;
}

/* Bounds that a test reaches soon. */
static inline struct unpack_job job_new(enum unpack_kind kind)
{
	struct unpack_job job = {.magic = UNPACK_MAGIC, .kind = kind, .flags = UNPACK_SINGLE_ID};

	job.limits = (struct unpack_limits){.layer_entries = 1000,
					    .layer_bytes = 1 << 20,
					    .image_bytes = 1 << 20,
					    .ratio = 10,
					    .archive_members = 100,
					    .archive_bytes = 1 << 20};
	return job;
}

/* The job, UNPACK_LAYER or UNPACK_VERIFY, on a layer in memory. @talk_fd: who hears of it, FD_NONE. */
static inline int job_run(int dir_fd, const void *data, size_t len, const struct unpack_job *job, int talk_fd,
			  struct unpack_report *report, struct error *err)
{
	const struct stream_limits limits = {.out_bytes = job->limits.layer_bytes,
					     .ratio = job->limits.ratio,
					     .ratio_free_bytes = 4096};
	const struct unpack_talk talk = {.fd = talk_fd};
	autoclean(stream_done) struct stream in;
	autofd int fd = fd_memory("layer", data, len);

	*report = (struct unpack_report){0};
	stream_init(&in, fd, true, true, &limits);
	int r = (job->kind == UNPACK_VERIFY ? unpack_verify : unpack_layer)(dir_fd, stream_source(&in), job, &talk,
									    report, err);

	digest_end(&in.digest_out, report->digest_out);
	return r;
}

#endif
