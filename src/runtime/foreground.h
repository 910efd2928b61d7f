/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_FOREGROUND_H
#define RUNTIME_FOREGROUND_H

/*
 * Staying with a process in the foreground: signals go on to it, a terminal is relayed in raw mode and follows the size
 * of ours, and the exit status is waited for on a pidfd.
 */

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/pidref.h"
#include "runtime/notify.h"

struct foreground {
	int signal_fd;     /* owned; every signal that can be passed on */
	sigset_t old_mask; /* what to put back */
	bool active;
	bool no_stdin;         /* our standard input is not relayed to a terminal */
	struct notify *notify; /* borrowed; NULL: none. What the child tells the service manager */
};
#define FOREGROUND_NONE ((struct foreground){.signal_fd = FD_NONE})
#define autoforeground __attribute__((cleanup(foreground_leave)))

/* Before the process is made: from here on no signal is lost. */
int foreground_enter(struct foreground *f, struct error *err);
void foreground_leave(struct foreground *f);

/* Wait for @child to end. @terminal: the master of its terminal or FD_NONE (borrowed); our own terminal is put into raw
 * mode meanwhile and restored on every way out. @detach_keys: a sequence like "ctrl-p,ctrl-q" that is kept from the
 * program, NULL for none. @ret_exit: exit status, or 128+n when signal n ended it. */
int foreground_wait(struct foreground *f, const struct pidref *child, int terminal, const char *detach_keys,
		    int *ret_exit, struct error *err);

/* Parse "ctrl-p,ctrl-q", "a,b": at most @max bytes into @out. Returns the count, or -EINVAL. Pure. */
int foreground_parse_keys(const char *text, unsigned char *out, size_t max);

#endif
