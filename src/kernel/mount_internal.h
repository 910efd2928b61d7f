/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_MOUNT_INTERNAL_H
#define KERNEL_MOUNT_INTERNAL_H

/* What the files mount*.c share, and nobody else's business. All of it is async-signal-safe. */

#include "base/error.h"

/* mount(2)'s flags that <linux/mount.h> lacks; glibc's <sys/mount.h> cannot be included beside it. */
#ifndef MNT_DETACH
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8
#endif

/* The kernel has no @call (a name for the message), or a filter around us refuses it: the two look alike to the user.
 * @errnum: the positive errno that the call gave. Returns -errnum; the kind is UNSUPPORTED. */
int mount_missing_call(struct error *err, const char *call, int errnum);

#endif
