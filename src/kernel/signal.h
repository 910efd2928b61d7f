/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

/*
 * Signal names and the signal state of a process. Async-signal-safe.
 * Source: signal(7), signalfd(2).
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* "SIGTERM", "term", "15", "RTMIN", "RTMIN+1", "SIGRTMAX-2" → number 1-64; -1 unknown. "0" is unknown. RTMIN is 34 and RTMAX 64,
 * as for all programs of glibc. */
int signal_from_name(const char *name);

/* The name with "SIG" ("SIGTERM", "SIGRTMIN+3"); NULL beyond 1-64. @buf: room for real-time names. */
#define SIGNAL_NAME_MAX 16
const char *signal_name(int sig, char buf[static SIGNAL_NAME_MAX]);

/* Block every signal; the old mask goes to @ret_old (may be NULL). Raw system call: also the ones glibc keeps to itself. */
int signal_block_all(sigset_t *ret_old);
int signal_restore_mask(const sigset_t *old);
/* For a child before exec: every disposition to default and nothing blocked. */
void signal_reset_all(void);

/* Which signals our caller made us ignore (bit n-1 = signal n, up to 31), read from /proc/self/stat of the host. All bits
 * set when that cannot be read. Not for processes that may see a procfs of somebody else's. */
uint64_t signal_get_ignored(void);
/* As signal_reset_all, for a child of one that has set no handlers and ignores only @ignored: a few calls instead of 64. */
void signal_reset(uint64_t ignored);

/* A close-on-exec, non-blocking signalfd for the @count signals of @sigs, which become blocked; @ret_old (may be NULL):
 * the mask before. */
int signal_open_fd(const int *sigs, size_t count, sigset_t *ret_old, struct error *err);

#endif
