/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "kernel/kernel.h"
#include "unpack/jobs.h"

/* What somebody would do who has taken over a decompressor. */
enum attack {
	ATTACK_READ,
	ATTACK_MAKE,
	ATTACK_FOLDER,
	ATTACK_LINK,
	ATTACK_SOCKET,
	ATTACK_PROCESS,
	ATTACK_TIME,
	ATTACK_PROGRAM,
	ATTACK_COUNT
};
static const char *const names[ATTACK_COUNT] = {"read",   "make",    "list a folder", "link",
						"socket", "process", "time",          "program"};

static int try(enum attack attack, int pipe_fd)
{
	int r;

	switch (attack) {
	case ATTACK_READ:
		return (int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
	case ATTACK_MAKE:
		return (int)syscall(SYS_openat, AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR, 0600);
	case ATTACK_FOLDER:
		return (int)syscall(SYS_getdents64, AT_FDCWD, NULL, 0);
	case ATTACK_LINK:
		return (int)syscall(SYS_linkat, pipe_fd, "", AT_FDCWD, "/tmp/x", AT_EMPTY_PATH);
	case ATTACK_SOCKET:
		return socket(AF_UNIX, SOCK_STREAM, 0);
	case ATTACK_PROCESS:
		r = (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (r == 0)
			_exit(0);
		return r;
	case ATTACK_TIME: /* by a path: the disk may set the times of what is open */
		return (int)syscall(SYS_utimensat, AT_FDCWD, "/tmp", NULL, 0);
	default:
		errno = -process_exec(FD_NONE, "/bin/true", (char *[]){NULL}, (char *[]){NULL});
		return -1;
	}
}

struct attacker {
	int (*lock)(struct error *err);
	int out;
};

/* Its exit status is the number of the first attack that was not answered by EPERM, and one more. */
static int attacker_main(void *arg)
{
	const struct attacker *a = arg;
	struct error err;

	if (a->lock(&err) < 0)
		return 100;
	for (int i = 0; i < ATTACK_COUNT; i++) {
		if (try((enum attack)i, a->out) >= 0 || errno != EPERM)
			return 1 + i;
	}
	return 0;
}

static void check_helper(int (*lock)(struct error *err))
{
	const struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref pid = PIDREF_NONE;
	struct attacker a = {.lock = lock};
	struct error err = {0};
	int ends[2], status = -1;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	a.out = ends[1];
	REQUIRE(process_clone(&how, attacker_main, &a, &pid, &err) == 0);
	CHECK_INT(pidref_wait(&pid, &status), 0);
	if (status && WEXITSTATUS(status) <= ATTACK_COUNT)
		ROW(names[WEXITSTATUS(status) - 1]);
	CHECK_INT(status, 0);
	close(ends[0]);
	close(ends[1]);
}

TEST(without_a_sandbox_the_attacks_work)
{
	for (int i = 0; i < ATTACK_COUNT; i++) {
		if (i == ATTACK_READ || i == ATTACK_SOCKET || i == ATTACK_PROCESS)
			CHECK(try((enum attack)i, FD_NONE) >= 0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

TEST(a_feeder_has_no_files_no_sockets_and_no_processes)
{
	check_helper(sandbox_lock_feeder);
}

TEST(nor_has_a_flusher)
{
	check_helper(sandbox_lock_flusher);
}

TEST(nor_has_the_disk)
{
	check_helper(sandbox_lock_disk);
}
