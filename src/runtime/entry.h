/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_ENTRY_H
#define RUNTIME_ENTRY_H

/*
 * The last steps of a process on its way into the container, the same for the first process and for exec: attributes,
 * finding the program, stdio, user and capabilities, confinement, execve. Everything works on the calling process; nothing
 * allocates. Context: the container's side, after its root is "/".
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/caps.h"
#include "safepath/safepath.h"
#include "seccomp/seccomp.h"
#include "spec/spec.h"

struct entry {
	const struct spec_process *process;   /* borrowed */
	const struct spec_linux *lin;         /* borrowed: personality, memory policy, seccomp, mappings */
	const struct seccomp_program *filter; /* borrowed; NULL: none */
	const char *apparmor, *selinux;       /* NULL: none */
	char *const *argv;                    /* borrowed */
	char **envp;                          /* borrowed, NULL-terminated, with room for HOME */
	unsigned preserve_fds;
	bool is_exec;                /* CPU affinity is for exec only */
	struct safepath_proc proc;   /* owned */
	int self_fd;                 /* owned; our own directory in it */
	char path[PATH_MAX];         /* what will be executed; filled by entry_lookup */
	struct caps_sets final_caps; /* in force from entry_confine on */
	bool confined;               /* entry_confine has been done already */
	bool caps_held;              /* CAP_SYS_ADMIN is kept in the permitted set for the filter's installation */
};

/* Prepare environment and bookkeeping (host's side, allocates from @a): HOME is reserved, PATH looked at later. */
void entry_init(struct entry *e, struct arena *a, const struct spec_process *process, const struct spec_linux *lin);

/* A profile of an LSM that this host does not run cannot be applied: warn, and go on without. (Engines ask for it only where it
 * is active; the validation suite asks always.) */
void entry_drop_inactive_labels(struct entry *e);

/* personality, scheduler, io priority, memory policy, CPU affinity. */
int entry_attributes(struct entry *e, struct error *err);
/* Standard streams belong to the program's user, so that it can reopen /dev/stdout. */
int entry_stdio(struct entry *e, struct error *err);
/* Bounding set, groups, ids, working directory, capabilities, umask; HOME is set from the container's /etc/passwd. */
int entry_user(struct entry *e, struct error *err);
/* Find argv[0] by PATH. <0: NO_PROGRAM, NOT_EXECUTABLE, in the words that engines look for. */
int entry_lookup(struct entry *e, struct error *err);
/* LSM label for the exec to come. Early, so that a profile that is not loaded fails `create`, as with runc; programs that are
 * run before (startContainer hooks) get it, too. */
int entry_label(struct entry *e, struct error *err);
/* no_new_privs, descriptors, final capabilities, seccomp. @ret_notify: the listener's fd or
 * FD_NONE. After this only entry_exec may follow (and handing over @ret_notify). */
int entry_confine(struct entry *e, int *ret_notify, struct error *err);
/* entry_confine some steps before the execve, for a filter without a listener that allows these steps; no right is held
 * back for it any longer. The entry_confine that comes later does nothing. */
int entry_confine_now(struct entry *e, struct error *err);
/* Does not return but on failure: NO_PROGRAM or NOT_EXECUTABLE with the cause found by looking at the file. */
int entry_exec(struct entry *e, struct error *err);

#endif
