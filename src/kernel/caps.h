/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_CAPS_H
#define KERNEL_CAPS_H

/*
 * Capability sets of the calling thread as bit masks (bit n = capability n). capset and prctl directly. Async-signal-safe.
 * Order for a container's process: caps_drop_bounding, caps_keep(true), change groups, gid, uid (kernel/ids.h), caps_set.
 * Source: capabilities(7), prctl(2).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct caps_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* The highest capability this kernel knows (40 on 5.9 and newer). */
int caps_last(void);

/* Read all five sets. */
int caps_get(struct caps_sets *ret, struct error *err);

/* The same without the bounding and ambient sets, which cost a call for each capability. */
int caps_get_own(struct caps_sets *ret, struct error *err);

/* Drop from the bounding set what is not in @keep. Needs CAP_SETPCAP unless nothing is to be dropped. */
int caps_drop_bounding(uint64_t keep, struct error *err);

/* PR_SET_KEEPCAPS: keep the permitted set over a change of uid from 0; exec clears it. */
int caps_keep(bool on, struct error *err);

/* Set effective, permitted and inheritable as given, then the ambient set to exactly @s->ambient (cleared first; only
 * what is permitted and inheritable can be raised). Bits this kernel does not know, and those outside what we may have, are
 * left out silently; @ret_missing (may be NULL) gets those of effective/permitted that were left out for the caller to
 * log (SECURITY V09: inheritable and ambient are what the caller asked, nothing is kept). The bounding set is not touched. */
int caps_set(const struct caps_sets *s, uint64_t *ret_missing, struct error *err);

/* What a user that is not root shall have (V41): effective and permitted become the ambient set. Pure. */
void caps_drop_for_nonroot(struct caps_sets *s);

/* Has the caller capability @cap in its effective set? */
bool caps_have(int cap);

/* The name of @cap in lower case without "cap_" ("sys_admin"), "unknown" beyond the table. */
const char *caps_name(int cap);

#endif
