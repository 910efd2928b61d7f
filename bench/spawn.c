/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start a program again and again and say what each run took: one line "wall CPU peak", in ns, ns and KiB, per run. It is
 * small, so that starting costs the same little for everyone, and the peak of memory is the program's and not its own
 * (the kernel counts what a process was before exec, too). "%" in an argument becomes the run's number.
 *
 * usage: spawn [--parallel] N PROGRAM [ARG...]      with --parallel all at once: one line more, the whole in ns
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 4096
#define ARGS_MAX 64
#define ARG_BYTES 512

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static pid_t start(char *const words[], unsigned run)
{
	static char text[ARGS_MAX][ARG_BYTES];
	char *argv[ARGS_MAX + 1];
	posix_spawn_file_actions_t files;
	pid_t pid;
	int i;
	int r;

	for (i = 0; i < ARGS_MAX && words[i]; i++) {
		const char *mark = strchr(words[i], '%');

		argv[i] = words[i];
		if (mark) {
			(void)snprintf(text[i], ARG_BYTES, "%.*s%d-%u%s", (int)(mark - words[i]), words[i],
				       (int)getpid(), run, mark + 1);
			argv[i] = text[i];
		}
	}
	argv[i] = NULL;
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	if (r)
		errx(1, "%s: %s", argv[0], strerror(r));
	return pid;
}

/* Waits for any child; says when it began by its place in the list. */
static bool finish(const pid_t *pids, const uint64_t *began, unsigned n)
{
	struct rusage use;
	uint64_t end;
	int status;
	pid_t pid = wait4(-1, &status, 0, &use);

	end = now();
	for (unsigned i = 0; i < n; i++) {
		if (pids[i] != pid)
			continue;
		printf("%llu %llu %ld\n", (unsigned long long)(end - began[i]),
		       (unsigned long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000000ull +
			       (unsigned long long)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000ull,
		       use.ru_maxrss);
		if (status)
			warnx("run %u ended with status 0x%x", i, (unsigned)status);
		return status == 0;
	}
	errx(1, "wait: %s", strerror(errno));
}

int main(int argc, char *argv[])
{
	static uint64_t began[RUNS_MAX];
	static pid_t pids[RUNS_MAX];
	bool parallel = argc > 1 && strcmp(argv[1], "--parallel") == 0;
	char **words = argv + 2 + parallel;
	unsigned long n = argc > 2 + parallel ? strtoul(argv[1 + parallel], NULL, 10) : 0;
	uint64_t first = now();
	bool ok = true;

	if (!n || n > RUNS_MAX)
		errx(2, "usage: spawn [--parallel] N PROGRAM [ARG...]");
	for (unsigned i = 0; i < n; i++) {
		began[i] = now();
		pids[i] = start(words, i);
		if (!parallel)
			ok = finish(pids, began, i + 1) && ok;
	}
	for (unsigned i = 0; i < n && parallel; i++)
		ok = finish(pids, began, (unsigned)n) && ok;
	if (parallel)
		printf("%llu\n", (unsigned long long)(now() - first));
	return ok ? 0 : 1;
}
