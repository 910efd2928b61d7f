/* SPDX-License-Identifier: Apache-2.0 */
/* The disk: orders reach their files in order, by a process and without one, and a failure names whose it was. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "unpack/disk.h"
#include "unpack/writer.h"

#define SIZE (3 * DISK_PIECE_BYTES + 5000)

static int new_file(void)
{
	char name[] =
		"/var/tmp/bothy-test-disk-XXXXXX"; /* a file system that knows direct writes, where there is one */
	int fd = mkstemp(name);

	CHECK(fd >= 0 && unlink(name) == 0);
	return fd;
}

static unsigned char pattern(size_t i, size_t file)
{
	return (unsigned char)(i * 7 + i / 4096 + file);
}

static int put(struct writer *w, struct disk *d, int fd, size_t size, size_t file, struct error *err)
{
	unsigned char part[3000];
	int r = 0;

	writer_begin(w, d, fd, 0, size, "entry 'a'");
	for (size_t at = 0, n; at < size && r == 0; at += n) {
		n = size - at < sizeof(part) ? size - at : sizeof(part);
		for (size_t i = 0; i < n; i++)
			part[i] = pattern(at + i, file);
		r = writer_add(w, part, n, err);
	}
	return r;
}

static void check_file(int fd, size_t size, size_t file)
{
	unsigned char part[4096];
	struct stat st;
	size_t wrong = 0;

	CHECK(fstat(fd, &st) == 0 && (size_t)st.st_size == size);
	for (size_t at = 0; at < size; at += sizeof(part)) {
		ssize_t n = pread(fd, part, sizeof(part), (off_t)at);

		for (ssize_t i = 0; i < n; i++)
			wrong += part[i] != pattern(at + (size_t)i, file);
		wrong += n <= 0;
	}
	CHECK_INT(wrong, 0);
}

static void write_all(struct disk *d)
{
	static const size_t sizes[] = {SIZE, WRITER_DIRECT_BYTES, 2 * DISK_PIECE_BYTES, 4096, 0};
	const struct timespec then = {.tv_sec = 1000000000, .tv_nsec = 5000};
	struct error err = {0};
	struct writer w;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		autofd int fd = new_file(), given = fd_dup_min(fd, 3), other = new_file();
		struct stat st;

		/* One is finished by the disk while the next is on its way. */
		CHECK_INT(put(&w, d, given, sizes[i], i, &err), 0);
		CHECK_INT(writer_finish(&w, &given, then, &err), 0);
		CHECK_INT(put(&w, d, other, SIZE, i + 1, &err), 0);
		CHECK_INT(writer_end(&w, &err), 0);
		/* With us it is not closed. */
		CHECK_INT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT), 0);
		check_file(fd, sizes[i], i);
		check_file(other, SIZE, i + 1);
		CHECK(fstat(fd, &st) == 0 && st.st_mtim.tv_sec == then.tv_sec && st.st_mtim.tv_nsec == then.tv_nsec);
		CHECK(!(fcntl(other, F_GETFL) & O_DIRECT));
	}
	CHECK_INT(disk_settle(d, &err), 0);
}

TEST(disk_without_a_process)
{
	autoclean(disk_done) struct disk d = DISK_NONE;

	write_all(&d);
}

TEST(disk_with_a_process)
{
	autoclean(disk_done) struct disk d = DISK_NONE;
	struct error err = {0};

	CHECK_INT(disk_start(&d, &err), 0);
	write_all(&d);
}

/* The first order fails in the process; a later one is told, by the name of the first, and nothing more is written. */
static void fail_late(struct disk *d)
{
	autofd int bad = open("/dev/full", O_WRONLY | O_CLOEXEC), good = new_file();
	struct disk_order o = {.fd = bad, .len = 4096, .first = true, .last = true, .what = "entry 'first'"};
	struct error err = {0};
	struct stat st;

	CHECK(disk_piece(d) != NULL);
	(void)disk_write(d, &o, &err);
	o.fd = good;
	o.what = "entry 'second'";
	if (disk_piece(d))
		(void)disk_write(d, &o, &err);
	CHECK_INT(disk_settle(d, &err), -ENOSPC);
	CHECK_CONTAINS(err.msg, "entry 'first'");
	CHECK(disk_piece(d) == NULL);
	CHECK(d->failed);
	CHECK(fstat(good, &st) == 0 && st.st_size == 0);
}

TEST(disk_failure_names_the_file)
{
	autoclean(disk_done) struct disk alone = DISK_NONE, d = DISK_NONE;
	struct error err = {0};

	fail_late(&alone);
	CHECK_INT(disk_start(&d, &err), 0);
	fail_late(&d);
}

TEST(disk_process_that_dies_is_noticed)
{
	autoclean(disk_done) struct disk d = DISK_NONE;
	autofd int fd = new_file();
	struct error err = {0};
	struct writer w;

	CHECK_INT(disk_start(&d, &err), 0);
	CHECK_INT(pidref_kill(&d.pid, SIGKILL), 0);
	int r = put(&w, &d, fd, SIZE, 0, &err);

	CHECK_INT(r < 0 ? r : writer_end(&w, &err), -ECHILD);
}
