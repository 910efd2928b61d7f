/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pidref.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test.h"

/* A child that waits until it is killed; its name is made hard to parse. */
static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_NAME, "a) R 1 (b\n)");
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_DUMPABLE, 0);
		for (;;)
			pause();
	}
	return pid;
}

TEST(life_of_a_process)
{
	struct error err = {0};
	struct pidref p = PIDREF_NONE;
	autopidref struct pidref again = PIDREF_NONE;
	pid_t pid = start_child();
	uint64_t start = 0;
	uint64_t own = 0;
	int status = 0;

	REQUIRE(pid > 0);
	CHECK_INT(pidref_open(pid, 0, &p, &err), 0);
	CHECK_INT(p.pid, pid);
	CHECK(p.fd >= 0);
	CHECK_INT(pidref_start_time(&p, &start, &err), 0);
	CHECK(start > 0);
	CHECK_INT(pidref_open(pid, start, &again, &err), 0);
	CHECK_INT(pidref_start_time(&again, &own, &err), 0);
	CHECK_INT(own, start);
	CHECK(pidref_state(&p) == 'S' || pidref_state(&p) == 'R');
	CHECK_INT(pidref_kill(&p, 0), 0);
	CHECK_INT(pidref_kill(&p, SIGTERM), 0);
	CHECK_INT(pidref_wait(&p, &status), 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_INT(pidref_kill(&p, SIGTERM), -ESRCH);
	CHECK_INT(pidref_state(&p), -ESRCH);
	CHECK_INT(pidref_start_time(&p, &start, &err), -ESRCH);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_INT(pidref_open(pid, own, &p, &err), -ESRCH);
	pidref_done(&p);
	CHECK_INT(p.pid, 0);
	CHECK_INT(p.fd, FD_NONE);
	pidref_done(&p);
}

TEST(another_start_time_is_another_process)
{
	struct error err = {0};
	struct pidref p = {.pid = 77, .fd = FD_NONE};
	autopidref struct pidref self = PIDREF_NONE;
	uint64_t start = 0;

	CHECK_INT(pidref_open(getpid(), 0, &self, &err), 0);
	CHECK_INT(pidref_start_time(&self, &start, &err), 0);
	CHECK_INT(pidref_open(getpid(), start + 1, &p, &err), -ESRCH);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_INT(p.pid, 77); /* untouched */
}

TEST(exit_codes)
{
	static const int codes[] = {0, 1, 42, 255};

	for (size_t i = 0; i < 4; i++) {
		struct error err = {0};
		autopidref struct pidref p = PIDREF_NONE;
		pid_t pid = fork();
		int status = -1;

		REQUIRE(pid >= 0);
		if (pid == 0)
			_exit(codes[i]);
		CHECK_INT(pidref_open(pid, 0, &p, &err), 0);
		CHECK_INT(pidref_wait(&p, &status), 0);
		CHECK(WIFEXITED(status));
		CHECK_INT(WEXITSTATUS(status), codes[i]);
		CHECK_INT(pidref_wait(&p, &status), -ECHILD);
	}
}

TEST(a_zombie_still_has_its_number)
{
	struct error err = {0};
	autopidref struct pidref p = PIDREF_NONE;
	pid_t pid = fork();
	siginfo_t info;
	int status = 0;
	uint64_t start = 0;

	REQUIRE(pid >= 0);
	if (pid == 0)
		_exit(3);
	REQUIRE(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	CHECK_INT(pidref_open(pid, 0, &p, &err), 0);
	CHECK_INT(pidref_state(&p), 'Z');
	CHECK_INT(pidref_start_time(&p, &start, &err), 0);
	CHECK(start > 0);
	CHECK_INT(pidref_wait(&p, &status), 0);
}

TEST(nothing_is_not_a_process)
{
	struct error err = {0};
	struct pidref none = PIDREF_NONE;
	uint64_t start;
	int status;

	CHECK_INT(pidref_open(0, 0, &none, &err), -EINVAL);
	CHECK_INT(pidref_open(-1, 0, &none, &err), -EINVAL);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_INT(pidref_kill(&none, SIGKILL), -ESRCH);
	CHECK_INT(pidref_wait(&none, &status), -ESRCH);
	CHECK_INT(pidref_state(&none), -ESRCH);
	CHECK_INT(pidref_start_time(&none, &start, &err), -ESRCH);
}
