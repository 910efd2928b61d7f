/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_BIRTH_H
#define RUNTIME_BIRTH_H

/*
 * The last clone of a process that goes to live among others: into a pid namespace in which somebody may have
 * CAP_SYS_PTRACE over it (V02). See birth.c.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/pidref.h"
#include "kernel/process.h"
#include "runtime/entry.h"
#include "spec/spec.h"

/* May those who share the container's pid namespace look into a process of ours that is born there with our rights? They
 * may when it is in no user namespace of its own: there capabilities of theirs don't reach it. Pure. */
bool birth_is_watched(const struct spec_linux *lin);

/* Inside, as the last thing before the READY: the process is in all namespaces but the pid namespace (which it has entered
 * for its children), its root and working directory are the container's, it has the program's rights and label. It takes
 * on the filter when that allows what is left to do, clones the process that goes on with @fn(@arg), with the descriptors
 * 0-2, those preserved and @keep, tells its number over @sock and ends. @fn is to call birth_settle first.
 * Returns only on failure, <0. */
int birth_give(struct entry *e, int sock, const int *keep, size_t keep_count, process_fn fn, void *arg,
	       struct error *err);

/* In the new process: a session of its own, with the terminal (@terminal: standard input is one) as the controlling one. */
int birth_settle(bool terminal, struct error *err);

/* Host's side: wait until the process @p has been replaced by the one it made, which becomes @p; both are our children.
 * A terminal that comes meanwhile goes to @ret_terminal. Returns 0 or <0. */
int birth_wait(int sock, struct pidref *p, int *ret_terminal, struct error *err);

#endif
