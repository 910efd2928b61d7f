/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PIDREF_H
#define BASE_PIDREF_H

/*
 * A process that cannot be mistaken for another: the number never travels without its pidfd. (A bare pid may have been
 * reused by the time it is used.)
 */

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/fd.h"

struct pidref {
	pid_t pid; /* as seen in our pid namespace; 0: none */
	int fd;    /* owned pidfd; FD_NONE when pid is 0 */
};
#define PIDREF_NONE ((struct pidref){.fd = FD_NONE})
#define autopidref __attribute__((cleanup(pidref_done)))

void pidref_done(struct pidref *p);

/* Open the process @pid whose start time (field 22 of /proc/pid/stat, clock ticks) is @start_time; 0 accepts any.
 * Returns 0, or <0: NOT_FOUND (gone, or the number now belongs to another). */
int pidref_open(pid_t pid, uint64_t start_time, struct pidref *ret, struct error *err);

/* The start time of @p in clock ticks since boot. Returns 0, or <0: NOT_FOUND (gone). */
int pidref_start_time(const struct pidref *p, uint64_t *ret_ticks, struct error *err);

/* Returns 0 or -errno (-ESRCH: gone). Async-signal-safe. */
int pidref_kill(const struct pidref *p, int sig);

/* Wait for our child to end. Fills @ret_status as waitpid(2) does. Returns 0/-errno. */
int pidref_wait(const struct pidref *p, int *ret_status);

/* One letter of /proc/pid/stat's state ('R','S','T','Z',…), or <0 when gone. */
int pidref_state(const struct pidref *p);

#endif
