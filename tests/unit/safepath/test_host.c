/* SPDX-License-Identifier: Apache-2.0 */
/* State directories, atomic files, locks. */
#include "safepath/safepath.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "kernel/test_child.h"
#include "safepath/fixture.h"

TEST(state_directory)
{
	struct fixture f;
	struct error err;
	struct stat st;
	char path[128];
	int fd;

	REQUIRE(fixture_make(&f));
	(void)snprintf(path, sizeof(path), "%s/run/bothy//state/", f.base);
	fd = safepath_state_open(path, &err);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0700);
	fd_close(&fd);
	fd = safepath_state_open(path, &err);
	CHECK(fd >= 0);
	CHECK(fchmod(fd, 0770) == 0);
	fd_close(&fd);
	/* CVE-2021-41091 and its kin: others can write there. */
	CHECK(safepath_state_open(path, &err) < 0);
	CHECK_INT(err.kind, ERROR_DENIED);
	if (geteuid() == 0) {
		CHECK(chmod(path, 0700) == 0 && chown(path, 4242, 4242) == 0);
		CHECK(safepath_state_open(path, &err) < 0);
		CHECK_CONTAINS(err.msg, "belongs to user 4242");
	}
	(void)snprintf(path, sizeof(path), "%s/outside/secret", f.base);
	CHECK_INT(safepath_state_open(path, &err), -ENOTDIR);
	CHECK_INT(safepath_host_mkdir_all("", 0755, &err), -ENOENT);
	fixture_drop(&f);
}

TEST(atomic_files)
{
	struct buf text autobuf = BUF_INIT(16);
	struct fixture f;
	struct error err;

	REQUIRE(fixture_make(&f));
	CHECK_INT(safepath_write_file(f.outside, "secret", "new", 3, 0600, true, &err), 0);
	CHECK_INT(safepath_read_file(f.outside, "secret", &text, &err), 0);
	CHECK_STR(buf_str(&text), "new");
	CHECK_INT(count_entries(f.outside), 1);
	CHECK_INT(safepath_write_file(f.outside, "../x", "new", 3, 0600, false, &err), -EINVAL);
	CHECK_INT(safepath_write_file(f.outside, "long", "0123456789012345678", 19, 0600, false, &err), 0);
	buf_reset(&text);
	CHECK(safepath_read_file(f.outside, "long", &text, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	/* Neither a link nor a fifo is a state file, and a fifo does not block us (CVE-2026-47262). */
	CHECK(symlinkat("secret", f.outside, "link") == 0 && mkfifoat(f.outside, "fifo", 0600) == 0);
	buf_reset(&text);
	CHECK_INT(safepath_read_file(f.outside, "link", &text, &err), -ELOOP);
	CHECK_INT(safepath_read_file(f.outside, "fifo", &text, &err), -EINVAL);
	CHECK_INT(safepath_read_file(f.outside, "gone", &text, &err), -ENOENT);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	fixture_drop(&f);
}

/* A reader never sees a part, whenever the writer is killed. */
TEST(readers_see_whole_files)
{
	struct fixture f;
	struct error err;
	pid_t pid;

	REQUIRE(fixture_make(&f));
	CHECK_INT(safepath_write_file(f.outside, "f", "aaaaaaaaaa", 10, 0600, false, &err), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0;; i++)
			(void)safepath_write_file(f.outside, "f", i & 1 ? "aaaaaaaaaa" : "bbbbbbbbbbbbbbbbbbbb",
						  i & 1 ? 10 : 20, 0600, false, &err);
	}
	for (int i = 0; i < 3000; i++) {
		struct buf text autobuf = BUF_INIT(64);

		CHECK_INT(safepath_read_file(f.outside, "f", &text, &err), 0);
		CHECK((text.len == 10 && buf_str(&text)[9] == 'a') || (text.len == 20 && buf_str(&text)[19] == 'b'));
	}
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	fixture_drop(&f);
}

TEST(locks)
{
	struct fixture f;
	struct error err;
	int a;
	int b;

	REQUIRE(fixture_make(&f));
	a = safepath_lock(f.outside, "lock", true, true, &err);
	CHECK(a >= 0);
	b = safepath_lock(f.outside, "lock", true, false, &err);
	CHECK(b < 0);
	CHECK_INT(err.kind, ERROR_BUSY);
	CHECK(safepath_lock(f.outside, "lock", false, false, &err) < 0);
	/* The name given away: the next to lock makes a new file and is not fooled by the old one. */
	CHECK_INT(safepath_unlink(f.outside, "lock", false, &err), 0);
	b = safepath_lock(f.outside, "lock", true, false, &err);
	CHECK(b >= 0 && same_file(b, f.outside, "lock"));
	fd_close(&a);
	fd_close(&b);
	a = safepath_lock(f.outside, "lock", false, false, &err);
	b = safepath_lock(f.outside, "lock", false, false, &err);
	CHECK(a >= 0 && b >= 0);
	fd_close(&a);
	fd_close(&b);
	CHECK(symlinkat("secret", f.outside, "trap") == 0);
	CHECK_INT(safepath_lock(f.outside, "trap", true, false, &err), -ELOOP);
	fixture_drop(&f);
}

/* Several processes count in a file under a lock that each removes afterwards: none is lost. */
TEST(locks_under_removal)
{
	struct fixture f;
	struct error err;
	pid_t pids[4];
	char text[16] = "";
	int fd;

	REQUIRE(fixture_make(&f));
	put_file(f.outside, "n", "0");
	for (int p = 0; p < 4; p++) {
		pids[p] = fork();
		if (pids[p])
			continue;
		for (int i = 0; i < 100; i++) {
			int lock = safepath_lock(f.outside, "lock", true, true, &err);
			struct buf b autobuf = BUF_INIT(16);
			char next[16];
			unsigned n = 0;

			if (lock < 0 || safepath_read_file(f.outside, "n", &b, &err) < 0 ||
			    sscanf(buf_str(&b), "%u", &n) != 1)
				_exit(1);
			(void)snprintf(next, sizeof(next), "%u", n + 1);
			if (safepath_write_file(f.outside, "n", next, strlen(next), 0600, false, &err) < 0)
				_exit(1);
			(void)safepath_unlink(f.outside, "lock", true, &err);
			close(lock);
		}
		_exit(0);
	}
	for (int p = 0; p < 4; p++) {
		int status = 1;

		CHECK(waitpid(pids[p], &status, 0) == pids[p] && status == 0);
	}
	fd = openat(f.outside, "n", O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, text, sizeof(text) - 1) == 3);
	CHECK_STR(text, "400");
	close(fd);
	fixture_drop(&f);
}
