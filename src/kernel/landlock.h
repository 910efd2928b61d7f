/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_LANDLOCK_H
#define KERNEL_LANDLOCK_H

/*
 * Landlock: a ruleset over file hierarchies, for our own helpers (unpacker). Async-signal-safe.
 * Source: landlock(7).
 */

#include <stdint.h>

#include "base/error.h"

/* The ABI version, or 0 when Landlock is not there. */
int landlock_abi(void);

/* A ruleset that handles @fs_access (LANDLOCK_ACCESS_FS_*; bits the kernel's ABI lacks are left out). Returns the fd
 * (owned) or <0: UNSUPPORTED. */
int landlock_new(uint64_t fs_access, struct error *err);
/* Allow @fs_access beneath the file or directory @fd (bits not handled by the ruleset must be left out by the caller
 * through landlock_supported). */
int landlock_allow(int ruleset_fd, int fd, uint64_t fs_access, struct error *err);
/* The part of @fs_access that this kernel knows. */
uint64_t landlock_supported(uint64_t fs_access);
/* Enforce on ourselves; sets no_new_privs. */
int landlock_enforce(int ruleset_fd, struct error *err);

#endif
