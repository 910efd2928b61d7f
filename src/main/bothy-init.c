/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-init: process 1 of a container run with --init. It starts the program, passes signals on to it, reaps whatever is
 * orphaned, and ends with the program's exit status (128+n for signal n). Static and self-contained: it runs inside the
 * container and trusts nothing there. Linked without the other modules.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(char **argv, const sigset_t *mask, pid_t *ret)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* A group of its own, in front of the terminal if there is one, so that ^C reaches it and not us. */
		(void)setpgid(0, 0);
		(void)signal(SIGTTOU, SIG_IGN);
		(void)tcsetpgrp(STDIN_FILENO, getpid());
		(void)signal(SIGTTOU, SIG_DFL);
		(void)sigprocmask(SIG_SETMASK, mask, NULL);
		execvp(argv[0], argv);
		(void)dprintf(STDERR_FILENO, "Error: exec: \"%s\": %s\n", argv[0],
			      errno == ENOENT && !strchr(argv[0], '/') ? "executable file not found in $PATH"
								       : strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	*ret = pid;
	return 0;
}

/* Returns the exit status once the program itself has ended, else -1. */
static int reap(pid_t program)
{
	int result = -1;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program)
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return result;
}

int main(int argc, char **argv)
{
	sigset_t all;
	sigset_t old;
	pid_t program;
	int r;

	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		argv++;
		argc--;
	}
	if (argc < 2) {
		(void)fprintf(stderr, "usage: bothy-init [--] PROGRAM [ARG...]\n");
		return 125;
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	r = start(argv + 1, &old, &program);
	if (r < 0) {
		(void)fprintf(stderr, "bothy-init: fork: %s\n", strerror(-r));
		return 125;
	}
	for (;;) {
		int sig = sigwaitinfo(&all, NULL);

		if (sig == SIGCHLD) {
			r = reap(program);
			if (r >= 0)
				return r;
		} else if (sig > 0 && sig != SIGTTIN && sig != SIGTTOU) {
			(void)kill(program, sig);
		}
	}
}
