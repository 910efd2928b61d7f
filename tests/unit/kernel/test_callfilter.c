/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of our own programs, from inside: each row in a child, since nothing takes a filter off again. */
#include "test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/callfilter.h"

static const unsigned short few[] = {__NR_write, __NR_exit_group, __NR_getpid};

/* Runs @inside behind the filter; returns its exit status, -1: it did not exit. */
static int behind(const struct sock_filter *first, size_t first_count, int (*inside)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = {0};

		if (callfilter_install(first, first_count, few, ARRAY_SIZE(few), &err) < 0)
			_exit(100);
		syscall(__NR_exit_group, inside());
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int calls_of_the_list(void)
{
	return syscall(__NR_getpid) > 0 ? 0 : 1;
}

static int another_call(void)
{
	return syscall(__NR_getppid) == -1 && errno == EPERM ? 0 : 1;
}

TEST(the_list_and_nothing_else)
{
	CHECK_INT(behind(NULL, 0, calls_of_the_list), 0);
	CHECK_INT(behind(NULL, 0, another_call), 0);
}

static int refused_by_the_first(void)
{
	return syscall(__NR_getpid) == -1 && errno == EXDEV ? 0 : 1;
}

TEST(instructions_before_the_list_come_first)
{
	static const struct sock_filter first[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getpid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
	};

	CHECK_INT(behind(first, ARRAY_SIZE(first), refused_by_the_first), 0);
	CHECK_INT(behind(first, ARRAY_SIZE(first), another_call), 0);
}

/* The jump of the first of the longest list must reach behind the last. */
static int behind_the_longest(void)
{
	unsigned short calls[CALLFILTER_MAX];
	struct error err = {0};

	for (size_t i = 0; i < CALLFILTER_MAX; i++)
		calls[i] = __NR_exit_group;
	calls[0] = __NR_getpid;
	if (callfilter_install(NULL, 0, calls, CALLFILTER_MAX, &err) < 0)
		return 100;
	return syscall(__NR_getpid) > 0 && syscall(__NR_getppid) == -1 ? 0 : 1;
}

TEST(the_longest_list)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		syscall(__NR_exit_group, behind_the_longest());
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(no_new_privileges)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		static const unsigned short calls[] = {__NR_prctl, __NR_exit_group};
		struct error err = {0};

		if (callfilter_install(NULL, 0, calls, ARRAY_SIZE(calls), &err) < 0)
			_exit(100);
		syscall(__NR_exit_group, syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
