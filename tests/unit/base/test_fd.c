/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_cloexec(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* Whether two fds stand for the same file. */
static bool same_file(int a, int b)
{
	struct stat x;
	struct stat y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static size_t count_open(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += is_open(fd);
	return n;
}

TEST(close_keeps_errno_and_forgets)
{
	int fd = fd_memory("t", "", 0);
	int none = FD_NONE;

	REQUIRE(fd >= 0);
	errno = 4242;
	fd_close(&fd);
	CHECK_INT(errno, 4242);
	CHECK_INT(fd, FD_NONE);
	fd_close(&fd);
	fd_close(&none);
	CHECK_INT(errno, 4242);
}

TEST(take_leaves_nothing)
{
	int fd = 5;
	int got = take_fd(&fd);

	CHECK_INT(got, 5);
	CHECK_INT(fd, FD_NONE);
}

TEST(memory_file_is_sealed_and_rewound)
{
	autofd int fd = fd_memory("t", "hello", 5);
	char got[6] = "";

	REQUIRE(fd >= 0);
	CHECK(is_cloexec(fd));
	CHECK_INT(fd_read_all(fd, got, 5), 0);
	CHECK_STR(got, "hello");
	CHECK_INT(write(fd, "x", 1), -1);
	CHECK_INT(errno, EPERM);
	CHECK_INT(ftruncate(fd, 0), -1);
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
}

TEST(read_all_tells_an_early_end)
{
	autofd int fd = fd_memory("t", "abc", 3);
	char got[8];

	REQUIRE(fd >= 0);
	CHECK_INT(fd_read_all(fd, got, 4), -ENODATA);
	CHECK_INT(fd_read_all(fd, got, 0), 0);
	CHECK_INT(fd_read_all(-1, got, 1), -EBADF);
}

TEST(write_all_goes_through_a_small_pipe)
{
	static char big[300000];
	int ends[2];
	pid_t child;
	int status = 0;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	memset(big, 'w', sizeof(big));
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		close(ends[0]);
		_exit(fd_write_all(ends[1], big, sizeof(big)) == 0 ? 0 : 1);
	}
	close(ends[1]);
	memset(big, 0, sizeof(big));
	CHECK_INT(fd_read_all(ends[0], big, sizeof(big)), 0);
	CHECK_INT(big[sizeof(big) - 1], 'w');
	close(ends[0]);
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
}

TEST(read_to_end_of_a_file)
{
	struct error err = {0};
	autofd int fd = fd_memory("t", "0123456789", 10);
	autobuf struct buf exact = BUF_INIT(10);
	autobuf struct buf small = BUF_INIT(9);

	REQUIRE(fd >= 0);
	CHECK_INT(fd_read_to_end(fd, &exact, "t", &err), 0);
	CHECK_STR(buf_str(&exact), "0123456789");
	REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
	CHECK_INT(fd_read_to_end(fd, &small, "some name", &err), -EFBIG);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK_CONTAINS(err.msg, "'some name'");
	CHECK_CONTAINS(err.msg, "9 bytes");
}

TEST(read_to_end_of_a_pipe_with_a_small_bound)
{
	struct error err = {0};
	autobuf struct buf exact = BUF_INIT(5);
	autobuf struct buf small = BUF_INIT(4);
	int ends[2];

	/* A pipe has no size to plan with: the bound is far below the usual step. */
	for (int round = 0; round < 2; round++) {
		REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
		REQUIRE(fd_write_all(ends[1], "12345", 5) == 0);
		close(ends[1]);
		if (round == 0)
			CHECK_INT(fd_read_to_end(ends[0], &exact, "pipe", &err), 0);
		else
			CHECK_INT(fd_read_to_end(ends[0], &small, "pipe", &err), -EFBIG);
		close(ends[0]);
	}
	CHECK_STR(buf_str(&exact), "12345");
}

TEST(read_to_end_appends_and_reports)
{
	struct error err = {0};
	autofd int fd = fd_memory("t", "bc", 2);
	autobuf struct buf b = BUF_INIT(100);

	REQUIRE(fd >= 0);
	REQUIRE(buf_puts(&b, "a"));
	CHECK_INT(fd_read_to_end(fd, &b, "t", &err), 0);
	CHECK_STR(buf_str(&b), "abc");
	CHECK_INT(fd_read_to_end(-1, &b, "t", &err), -EBADF);
	CHECK_CONTAINS(err.msg, "read 't'");
}

TEST(send_and_receive_fds)
{
	autofd int file = fd_memory("t", "x", 1);
	autofd int file2 = fd_memory("u", "y", 1);
	int socks[2];
	int got[3] = {-1, -1, -1};
	char text[8] = "";
	size_t count = 99;

	REQUIRE(file >= 0 && file2 >= 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	CHECK_INT(fd_send(socks[0], "hi", 2, (int[]){file, file2}, 2), 0);
	CHECK_INT(fd_recv(socks[1], text, sizeof(text), got, 3, &count), 2);
	CHECK_STR(text, "hi");
	CHECK_INT(count, 2);
	CHECK(same_file(got[0], file));
	CHECK(same_file(got[1], file2));
	CHECK(is_cloexec(got[0]) && is_cloexec(got[1]));
	CHECK_INT(got[2], FD_NONE);
	close(got[0]);
	close(got[1]);
	close(socks[0]);
	CHECK_INT(fd_recv(socks[1], text, sizeof(text), got, 3, NULL), 0);
	CHECK_INT(fd_send(socks[1], "x", 1, NULL, 0), -EPIPE);
	close(socks[1]);
}

TEST(unwanted_fds_are_closed)
{
	autofd int file = fd_memory("t", "x", 1);
	int socks[2];
	int many[50];
	int got[1];
	char c;
	size_t before;

	REQUIRE(file >= 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	for (size_t i = 0; i < 50; i++)
		many[i] = file;
	before = count_open();
	CHECK_INT(fd_send(socks[0], "x", 1, many, 50), 0);
	CHECK_INT(fd_recv(socks[1], &c, 1, got, 1, NULL), 1);
	CHECK(is_open(got[0]));
	CHECK_INT(count_open(), before + 1);
	close(got[0]);
	CHECK_INT(fd_send(socks[0], "x", 1, many, 50), 0);
	CHECK_INT(fd_recv(socks[1], &c, 1, NULL, 0, NULL), 1);
	CHECK_INT(count_open(), before);
	CHECK_INT(fd_send(socks[0], "x", 1, many, 254), -EINVAL);
	close(socks[0]);
	close(socks[1]);
}

TEST(duplicate_above)
{
	autofd int file = fd_memory("t", "x", 1);
	autofd int copy = FD_NONE;

	REQUIRE(file >= 0);
	copy = fd_dup_min(file, 200);
	CHECK(copy >= 200);
	CHECK(is_cloexec(copy));
	CHECK(same_file(copy, file));
	CHECK_INT(fd_dup_min(-1, 10), -EBADF);
}

TEST(flags)
{
	autofd int file = fd_memory("t", "x", 1);

	REQUIRE(file >= 0);
	CHECK_INT(fd_set_nonblock(file, true), 0);
	CHECK(fcntl(file, F_GETFL) & O_NONBLOCK);
	CHECK_INT(fd_set_nonblock(file, false), 0);
	CHECK(!(fcntl(file, F_GETFL) & O_NONBLOCK));
	CHECK_INT(fd_set_cloexec(file, false), 0);
	CHECK(!is_cloexec(file));
	CHECK_INT(fd_set_cloexec(file, true), 0);
	CHECK(is_cloexec(file));
	CHECK_INT(fd_set_nonblock(-1, true), -EBADF);
	CHECK_INT(fd_set_cloexec(-1, true), -EBADF);
}
