/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_CALLFILTER_H
#define KERNEL_CALLFILTER_H

/*
 * A system call filter for our own programs that lock themselves in (what containers get is made in seccomp/, from rules): a list
 * of calls that go through, all others fail. Source: seccomp(2), kernel Documentation/userspace-api/seccomp_filter.rst.
 */

#include <stddef.h>

#include "base/error.h"

struct sock_filter;

#define CALLFILTER_MAX 250      /* calls: a jump in a filter is a byte */
#define CALLFILTER_FIRST_MAX 64 /* instructions before the list */

/* Let the @count calls in @calls through from now on, for this thread and its children, and sets no_new_privs. Every other call
 * fails with EPERM; a call of another architecture kills the process.
 * @first: @first_count instructions that see the call before the list does, with its number in the accumulator: they return, or go
 * on behind their last one with the number still there. May be NULL with 0.
 * Returns 0 or <0: UNSUPPORTED and what seccomp(2) says. Async-signal-safe. */
int callfilter_install(const struct sock_filter *first, size_t first_count, const unsigned short *calls, size_t count,
		       struct error *err);

#endif
