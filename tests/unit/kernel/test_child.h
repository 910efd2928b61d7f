/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_CHILD_H
#define TEST_CHILD_H

/* For tests that change the process they run in: a body that runs in a child, and a filter that takes system calls away. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Run @fn in a child; its failed checks and its skip count here. */
static inline void in_child(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		test_state.failed_checks = 0;
		test_state.skip = NULL;
		fn();
		if (test_state.skip && !test_state.failed_checks)
			printf("%s: %s\n", test_state.name, test_state.skip);
		_exit(test_state.failed_checks ? 1 : test_state.skip ? 77 : 0);
	}
	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_state.skip = "the child skipped";
	else
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* From now on @call fails with @errnum, as under an outer filter or on an old kernel. */
static inline bool take_call_away(int call, int errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

#endif
