/* SPDX-License-Identifier: Apache-2.0 */
/* Partial blobs: which are garbage, and that the one of a pull that goes on never is. */
#include "test.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "fixture.h"

/* Something that happens just before the next flock on a partial file: between prune's look at it and its lock. */
static struct {
	void (*happen)(void);
	int dir;
	int lock; /* what the other one holds since then */
} between = {.dir = FD_NONE, .lock = FD_NONE};

/* In place of libc's, for the program under test too. */
int flock(int fd, int operation)
{
	void (*happen)(void) = between.happen;
	struct stat st;

	if (happen && operation == (LOCK_EX | LOCK_NB) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		between.happen = NULL;
		happen();
	}
	return (int)syscall(SYS_flock, fd, operation);
}

#define A "1111111111111111111111111111111111111111111111111111111111111111"
#define B "2222222222222222222222222222222222222222222222222222222222222222"

static int partials(const struct scratch *s)
{
	(void)mkdirat(store_root_fd(s->store), "partial", 0700);
	(void)mkdirat(store_root_fd(s->store), "partial/sha256", 0700);
	return openat(store_root_fd(s->store), "partial/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A partial blob that was written to so long ago. Returns it open. */
static int put_partial(int dir, const char *name, long age_s)
{
	const struct timespec times[2] = {{.tv_sec = time(NULL) - age_s}, {.tv_sec = time(NULL) - age_s}};
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char block[4096] = {1};

	CHECK(fd >= 0 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block) && futimens(fd, times) == 0);
	return fd;
}

static bool is_there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#define DAY (24L * 3600)
#define OLD (365 * DAY)

TEST(partial_blobs_go_by_age_or_when_asked)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autofd int dir = partials(&s), a = put_partial(dir, A, OLD), b = put_partial(dir, B, 0);
	const struct store_prune_options dry = {.dry_run = true}, all = {.partial = true};
	struct store_prune_result result = {0};
	struct error err = {0};

	CHECK(a >= 0 && b >= 0);
	CHECK_INT(store_prune(s.store, &dry, &result, &err), 0);
	CHECK_STR(err.msg, "");
	CHECK_INT(result.partials, 1);
	CHECK(result.freed >= 4096);
	CHECK(is_there(dir, A) && is_there(dir, B));
	store_prune_result_done(&result);
	CHECK_INT(store_prune(s.store, NULL, &result, &err), 0);
	CHECK_INT(result.partials, 1);
	CHECK(!is_there(dir, A) && is_there(dir, B));
	store_prune_result_done(&result);
	CHECK_INT(store_prune(s.store, &all, &result, &err), 0);
	CHECK_INT(result.partials, 1);
	CHECK(!is_there(dir, B));
	store_prune_result_done(&result);
}

TEST(what_is_being_received_stays)
{
	autoclean(scratch_done) struct scratch s = scratch_new();
	autofd int dir = partials(&s), a = put_partial(dir, A, OLD), b = put_partial(dir, B, OLD);
	const struct store_prune_options all = {.partial = true};
	struct store_prune_result result = {0};
	struct error err = {0};

	CHECK(a >= 0 && b >= 0);
	CHECK_INT(flock(a, LOCK_EX), 0);
	CHECK_INT(store_prune(s.store, &all, &result, &err), 0);
	CHECK_INT(result.partials, 1);
	CHECK(is_there(dir, A) && !is_there(dir, B));
	store_prune_result_done(&result);
}

/* The blob is complete and published; another pull wants it again, since it was removed, and has begun. */
static void publish_and_begin_anew(void)
{
	CHECK_INT(renameat(between.dir, A, between.dir, "../published"), 0);
	between.lock = put_partial(between.dir, A, 0);
	CHECK_INT(flock(between.lock, LOCK_EX), 0);
}

/* It was published, and nobody began anew. */
static void publish(void)
{
	CHECK_INT(renameat(between.dir, A, between.dir, "../published"), 0);
}

/* Prune opens the partial blob, and before it has the lock the file is no longer what its name stands for. */
TEST(only_the_file_that_was_locked_is_removed)
{
	static const struct {
		const char *row;
		void (*happen)(void);
		bool stays;
	} rows[] = {{"begun anew", publish_and_begin_anew, true}, {"published", publish, false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autoclean(scratch_done) struct scratch s = scratch_new();
		autofd int dir = partials(&s), a = put_partial(dir, A, OLD);
		const struct store_prune_options all = {.partial = true};
		struct store_prune_result result = {0};
		struct error err = {0};

		CHECK(a >= 0);
		ROW(rows[i].row);
		between.dir = dir;
		between.happen = rows[i].happen;
		CHECK_INT(store_prune(s.store, &all, &result, &err), 0);
		CHECK_STR(err.msg, "");
		CHECK(!between.happen); /* it came to that */
		CHECK_INT(result.partials, 0);
		CHECK_INT(result.freed, 0);
		CHECK_INT(is_there(dir, A), rows[i].stays);
		CHECK(is_there(dir, "../published"));
		store_prune_result_done(&result);
		fd_close(&between.lock);
	}
}
