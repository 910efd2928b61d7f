/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_PTY_H
#define KERNEL_PTY_H

/*
 * Pseudo-terminals by fd: the peer is opened from the master (TIOCGPTPEER), never by its name, so that nothing in a
 * container's /dev can stand in for it (CVE-2025-52565). Async-signal-safe.
 * Source: pts(4), ioctl_tty(2), TIOCGPTPEER(2const).
 */

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/error.h"

/* A new pair. @devpts_fd: the root of a devpts mount (its "ptmx" is opened, and must be character device 5:2 on devpts);
 * FD_NONE: the host's /dev/ptmx. @ret_master, @ret_peer: owned, close-on-exec, O_NOCTTY.
 * Returns 0, or <0: LIMIT (no ptys left), DENIED, UNSUPPORTED (kernel before 4.13), NOT_FOUND. */
int pty_open(int devpts_fd, int *ret_master, int *ret_peer, struct error *err);

/* One more peer of @master, close-on-exec, O_NOCTTY. Returns the fd (owned) or -errno. */
int pty_open_peer(int master);

/* The number N of /dev/pts/N. Returns >= 0 or -errno. */
int pty_number(int master);

/* Window size; pixels are kept 0. */
int pty_set_size(int fd, uint16_t rows, uint16_t cols, struct error *err);
/* Returns 0 or -errno (-ENOTTY: no terminal). */
int pty_get_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols);

/* Become leader of a new session (if not yet) with @peer as its controlling terminal. */
int pty_make_controlling(int peer, struct error *err);
/* Put @peer on 0, 1 and 2 (not close-on-exec there). */
int pty_to_stdio(int peer, struct error *err);

/* A terminal put into raw mode and how to put it back. */
struct pty_raw {
	int fd; /* borrowed; FD_NONE: nothing to restore */
	struct termios saved;
};
#define PTY_RAW_NONE ((struct pty_raw){.fd = FD_NONE})
/* Raw mode for @fd; @ret remembers what was. <0: INVALID (no terminal). */
int pty_raw_enter(int fd, struct pty_raw *ret, struct error *err);
/* Put it back; safe to call twice, from a signal handler too. */
void pty_raw_leave(struct pty_raw *raw);
#define autopty_raw __attribute__((cleanup(pty_raw_leave)))
/* Turn off ONLCR of a new terminal, as runc does: output is passed through as it is. */
int pty_clear_onlcr(int fd, struct error *err);

#endif
