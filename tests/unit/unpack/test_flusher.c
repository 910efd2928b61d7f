/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "unpack/flusher.h"

static bool was_asked(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char token;

	return poll(&p, 1, 0) == 1 && read(fd, &token, 1) == 1;
}

TEST(it_is_asked_by_files_and_by_bytes)
{
	autoclean(flusher_done) struct flusher f = FLUSHER_NONE;
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	autofd int asked = ends[0];

	f.ask_fd = ends[1];
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 999; i++)
			flusher_note(&f, 10);
		CHECK(!was_asked(asked));
		flusher_note(&f, 10);
		CHECK(was_asked(asked));
		CHECK(!was_asked(asked));
	}
	flusher_note(&f, 7 << 20);
	CHECK(!was_asked(asked));
	flusher_note(&f, 1 << 20);
	CHECK(was_asked(asked));
}

TEST(who_asks_never_waits)
{
	autoclean(flusher_done) struct flusher f = FLUSHER_NONE;
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	autofd int asked = ends[0];

	f.ask_fd = ends[1];
	REQUIRE(fd_set_nonblock(f.ask_fd, true) == 0);
	for (int i = 0; i < 200000; i++) /* more than a pipe holds */
		flusher_note(&f, 8 << 20);
	CHECK(was_asked(asked));
	CHECK(f.ask_fd >= 0);
	/* Nor does it need a flusher. */
	flusher_note(NULL, 8 << 20);
	fd_close(&f.ask_fd);
	flusher_note(&f, 8 << 20);
}

TEST(it_flushes_until_its_pipe_ends)
{
	autofd int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclean(flusher_done) struct flusher f = FLUSHER_NONE;
	struct error err = {0};
	int status = -1;

	REQUIRE(folder >= 0);
	REQUIRE(flusher_start(&f, folder, &err) == 0);
	flusher_note(&f, 8 << 20);
	fd_close(&f.ask_fd);
	/* 0: it has had nothing to complain of, and its sandbox let it flush. */
	CHECK_INT(pidref_wait(&f.pid, &status), 0);
	CHECK_INT(status, 0);
	pidref_done(&f.pid);
}
