/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Take the seccomp filters of a running process out of the kernel: each as raw instructions, the newest first, into
 * FILE.0, FILE.1 and so on. Needs root and a kernel with checkpoint/restore. Prints how many there were.
 *
 * usage: filter PID FILE
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

int main(int argc, char *argv[])
{
	static struct sock_filter insns[BPF_MAXINSNS];
	pid_t pid = argc == 3 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	int status;
	int count = 0;

	if (pid <= 0)
		errx(2, "usage: filter PID FILE");
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 ||
	    waitpid(pid, &status, 0) < 0)
		err(1, "trace process %d", (int)pid);
	for (;; count++) {
		char path[512];
		long n = ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, pid, (void *)(long)count, insns);
		int fd;

		if (n < 0 && errno == ENOENT)
			break;
		if (n < 0)
			err(1, "filter %d of process %d", count, (int)pid);
		(void)snprintf(path, sizeof(path), "%s.%d", argv[2], count);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, insns, (size_t)n * sizeof(insns[0])) != (ssize_t)((size_t)n * sizeof(insns[0])))
			err(1, "%s", path);
		close(fd);
	}
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	printf("%d\n", count);
	return 0;
}
