/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

/*
 * Time namespaces. Offsets can be set only while no process is inside, so the order is: unshare, write, enter.
 * Source: time_namespaces(7).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs; /* 0-999999999, added to secs */
};

/* Make a time namespace with these offsets and enter it ourselves. @self_fd: our directory in a verified procfs.
 * Returns 0, or <0: UNSUPPORTED (kernel before 5.6), DENIED (CAP_SYS_TIME over it is needed), LIMIT/INVALID (offset out of range).
 * Context: the container's first process, after clone (memory not shared with another process), before exec.
 * Async-signal-safe. */
int time_ns_make(int self_fd, const struct time_offset *monotonic, const struct time_offset *boottime,
		 struct error *err);

#endif
