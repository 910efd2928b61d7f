/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_PROGRAM_H
#define KERNEL_PROGRAM_H

/*
 * Another program as a child of ours, spoken to over its standard input and output: ssh, a credential helper. Its standard
 * error is ours. No policy: who may be run, and with which environment, is for the caller to say.
 * Source: execve(2), pipe(7).
 */

#include "base/error.h"
#include "base/fd.h"
#include "base/pidref.h"

struct program {
	struct pidref pid;
	int from; /* owned: what it prints */
	int to;   /* owned: what it reads; FD_NONE: it was given a descriptor */
};
#define PROGRAM_NONE ((struct program){.pid = PIDREF_NONE, .from = FD_NONE, .to = FD_NONE})

/* Where @name is: itself when a slash is in it, else in the first folder of @path ("/usr/bin:/bin"; NULL: the usual ones) that has
 * a file of that name which we may run. Folders that are not absolute are passed over: nothing is run out of wherever we happen
 * to be. Returns 0 and the heap copy, or <0 NOT_FOUND. */
int program_find(const char *name, const char *path, char **ret, struct error *err);

/* Run @path with @argv and @envp. @input: its standard input (borrowed), FD_NONE: a pipe, whose other end is ret->to.
 * Returns 0 and a child to program_done. A file that cannot be run ends with status 127. Context: as process_clone. */
int program_start(const char *path, char *const argv[], char *const envp[], int input, struct program *ret,
		  struct error *err);
/* Close our ends and wait for it. Returns its exit status, 128 and the number of the signal that ended it. */
int program_wait(struct program *p);
/* The same for who does not want to know, after @sig (0: none). Accepts PROGRAM_NONE. */
void program_end(struct program *p, int sig);
static inline void program_done(struct program *p)
{
	program_end(p, 15 /* SIGTERM */);
}
#define autoprogram __attribute__((cleanup(program_done)))

#endif
