/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs inside and outside of a container, to see whether the container costs it anything. One number per run, CPU
 * time, smaller is better: the best of several turns, so that a busy machine shows less.
 *
 * usage: inside getppid|personality|cpu|memory|file [FOLDER]      ns per call, or ns for a fixed amount of work
 *        inside pause                                             stays until it is killed
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TURNS 7
#define CALLS 200000
#define WORDS (UINT64_C(1) << 21) /* 16 MiB */
#define FILES 200

/* CPU time of our own, in user and kernel space: what others do at the same time does not count. */
static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Answered from the bitmap of calls that are always allowed, where the kernel could tell. */
static double run_getppid(const char *dir)
{
	(void)dir;
	for (int i = 0; i < CALLS; i++)
		(void)syscall(SYS_getppid);
	return CALLS;
}

/* Allowed for some arguments only: the filter runs each time. */
static double run_personality(const char *dir)
{
	(void)dir;
	for (int i = 0; i < CALLS; i++)
		(void)syscall(SYS_personality, 0xffffffffUL);
	return CALLS;
}

static double run_cpu(const char *dir)
{
	volatile uint64_t keep;
	uint64_t x = 88172645463325252u;

	(void)dir;
	for (int i = 0; i < 20000000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	keep = x;
	(void)keep;
	return 1;
}

/* Fresh memory, filled and read: page faults and their accounting, then the memory itself. */
static double run_memory(const char *dir)
{
	volatile uint64_t keep;
	uint64_t sum = 0;
	uint64_t *m = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)dir;
	if (m == MAP_FAILED)
		err(1, "mmap");
	for (uint64_t i = 0; i < WORDS; i++)
		m[i] = i;
	for (uint64_t i = 0; i < WORDS; i++)
		sum += m[i];
	keep = sum;
	(void)keep;
	munmap(m, WORDS * 8);
	return 1;
}

static double run_file(const char *dir)
{
	char path[256];
	char data[4096];

	memset(data, 'x', sizeof(data));
	for (int i = 0; i < FILES; i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/bench-%d-%d", dir, (int)getpid(), i);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			err(1, "%s", path);
		for (int k = 0; k < 4; k++)
			if (write(fd, data, sizeof(data)) != sizeof(data))
				err(1, "%s", path);
		for (int k = 0; k < 4; k++)
			if (pread(fd, data, sizeof(data), k * 4096) != sizeof(data))
				err(1, "%s", path);
		close(fd);
		unlink(path);
	}
	return FILES;
}

static const struct {
	const char *name;
	double (*run)(const char *dir);
} works[] = {
	{"getppid", run_getppid},
	{"personality", run_personality},
	{"cpu", run_cpu},
	{"memory", run_memory},
	{"file", run_file},
};

int main(int argc, char *argv[])
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "pause") == 0)
		for (;;)
			pause();
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		double best = 0;

		if (strcmp(name, works[i].name) != 0)
			continue;
		for (int turn = 0; turn < TURNS; turn++) {
			uint64_t t = now();
			double n = works[i].run(argc > 2 ? argv[2] : ".");
			double each = (double)(now() - t) / n;

			if (turn == 0 || each < best)
				best = each;
		}
		printf("%.2f\n", best);
		return 0;
	}
	errx(2, "usage: inside getppid|personality|cpu|memory|file|pause [FOLDER]");
}
