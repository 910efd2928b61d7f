/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/fd.h"
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
	ATTACK_PROGRAM,
	ATTACK_COUNT
};
static const char *const names[ATTACK_COUNT] = {"read",   "make",    "list a folder", "link",
						"socket", "process", "program"};

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
	default:
		errno = -process_exec(FD_NONE, "/bin/true", (char *[]){NULL}, (char *[]){NULL});
		return -1;
	}
}

/* One report byte for each attack: what it came to. */
static int attacker(void *arg)
{
	const int out = *(const int *)arg;
	struct error err;
	unsigned char got[ATTACK_COUNT];

	if (sandbox_lock_feeder(&err) < 0)
		return 1;
	for (int i = 0; i < ATTACK_COUNT; i++)
		got[i] = try((enum attack)i, out) < 0 ? (unsigned char)errno : 0;
	return fd_write_all(out, got, sizeof(got)) < 0;
}

TEST(a_feeder_has_no_files_no_sockets_and_no_processes)
{
	const struct process_clone how = PROCESS_CLONE_INIT;
	struct pidref pid = PIDREF_NONE;
	unsigned char got[ATTACK_COUNT] = {0};
	struct error err = {0};
	int ends[2], status = -1;

	/* The same without a sandbox is nothing special. */
	for (int i = 0; i < ATTACK_COUNT; i++) {
		if (i == ATTACK_READ || i == ATTACK_SOCKET || i == ATTACK_PROCESS)
			CHECK(try((enum attack)i, FD_NONE) >= 0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(process_clone(&how, attacker, &ends[1], &pid, &err) == 0);
	CHECK_INT(pidref_wait(&pid, &status), 0);
	CHECK_INT(status, 0);
	CHECK_INT(fd_read_all(ends[0], got, sizeof(got)), 0);
	for (int i = 0; i < ATTACK_COUNT; i++) {
		ROW(names[i]);
		CHECK_INT(got[i], EPERM);
	}
	pidref_done(&pid);
	close(ends[0]);
	close(ends[1]);
}
