/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_PROBE_H
#define KERNEL_PROBE_H

/*
 * What this kernel (as an outer seccomp filter lets it through) can do. Each answer is asked once, at the first question,
 * and kept in a struct of the caller: no hidden state. Async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>

enum probe_feature {
	PROBE_OPENAT2,           /* 5.6 */
	PROBE_CLOSE_RANGE,       /* 5.9 */
	PROBE_CLONE3,            /* 5.3 */
	PROBE_CLONE_INTO_CGROUP, /* 5.7 */
	PROBE_PIDFD_OPEN,        /* 5.3 */
	PROBE_MOUNT_API,         /* 5.2: fsopen, fsmount, open_tree, move_mount */
	PROBE_MOUNT_SETATTR,     /* 5.12 */
	PROBE_TIME_NS,           /* 5.6 */
	PROBE_USER_NS,           /* user namespaces are not switched off for us */
	PROBE_SETNS_PIDFD,       /* 5.8 */
	PROBE_STATMOUNT,         /* 6.8 */
	PROBE_SECCOMP_NOTIFY,    /* 5.0 */
	PROBE_FEATURE_COUNT
};

struct probe {
	uint32_t asked, has; /* bit per feature */
};

bool probe_has(struct probe *p, enum probe_feature f);
/* "openat2 (Linux 5.6)", for features and check output. */
const char *probe_name(enum probe_feature f);
/* major << 16 | minor of uname(2); 0 when it cannot be read. */
uint32_t probe_kernel_version(void);

#endif
