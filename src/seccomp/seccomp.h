/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECCOMP_SECCOMP_H
#define SECCOMP_SECCOMP_H

/*
 * From the document's `linux.seccomp` to a classic BPF program, and from there into the kernel.
 *
 * The compiler is our own: libseccomp's rule engine needs milliseconds for Docker's default profile, this one needs tens
 * of microseconds. What a document means follows runc with libseccomp; docs/seccomp.md has the one table of intended
 * differences (each of them closes a way around the filter or lets a call through that the document names).
 *
 * Memory: a program owns its instructions and nothing else.
 * Source: runtime-spec v1.3.0 config-linux.md "Seccomp"; seccomp(2); kernel Documentation/userspace-api/seccomp_filter.rst;
 * runc libcontainer/seccomp (which rules it hands to libseccomp, and the ENOSYS rule of patchbpf).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/error.h"
#include "spec/spec.h"

/* Names in one document, over all rules. There are fewer than 600 system calls, so this leaves room for much repetition. */
#define SECCOMP_NAMES_MAX 65536
/* Conditions on arguments in one document: each costs at least one of the kernel's 4096 instructions. */
#define SECCOMP_MATCHES_MAX BPF_MAXINSNS

struct seccomp_program {
	struct sock_filter *filter; /* owned; heap */
	uint16_t len;               /* instructions, 1-4096 */
	uint32_t flags; /* SECCOMP_FILTER_FLAG_… the document asked for, and NEW_LISTENER where a rule notifies */
	uint32_t flags_optional; /* flags that are tried first and dropped when the kernel does not know them */
	bool notify;             /* a rule has SCMP_ACT_NOTIFY: installing returns a listener */
};

/* Compile @s for the architecture of this build and those it lists.
 * @log_unknown: say at debug level which names are unknown and skipped (runc does; costs a line per name).
 * @ret: owned by the caller, seccomp_program_done it; untouched on failure.
 * Returns 0, or <0: INVALID (two actions for the same call and arguments, NOTIFY as the default action or for write(2),
 * an unknown architecture, an argument index above 5), LIMIT (more than 4096 instructions, or the bounds above).
 * Context: parent, before clone; pure, allocates, no rights needed. */
int seccomp_compile(const struct spec_seccomp *s, bool log_unknown, struct seccomp_program *ret, struct error *err);
void seccomp_program_done(struct seccomp_program *p);
#define autoseccomp __attribute__((cleanup(seccomp_program_done)))

/* Put the filter on the calling thread; there is no way back.
 * @ret_listener: the notification fd (O_CLOEXEC by the kernel, owned by the caller) when @p->notify, else FD_NONE.
 * Returns 0, or <0: DENIED (neither no_new_privs nor CAP_SYS_ADMIN in the thread's user namespace), UNSUPPORTED (a flag
 * or the system call is unknown to this kernel; the message names the flag), BUSY (a listener exists already), LIMIT
 * (the filters of the thread together pass the kernel's 32768 instructions).
 * Context: the container's process as late as possible before exec. Async-signal-safe: no allocation, no locks, four
 * system calls at most. What follows must be allowed by the filter (execve, and writing an error report).
 * SECCOMP_FILTER_FLAG_TSYNC is accepted and not used: the caller has one thread (runc does the same). */
int seccomp_install(const struct seccomp_program *p, int *ret_listener, struct error *err);

/* What the `features` verb prints; arrays of @…_count strings, constant. Source: runtime-spec features-linux.md. */
struct seccomp_features {
	const char *const *actions;
	size_t action_count;
	const char *const *operators;
	size_t operator_count;
	const char *const *archs;
	size_t arch_count;
	const char *const *known_flags;
	size_t known_flag_count;
	const char *supported_flags[8]; /* those of known_flags that this kernel takes */
	size_t supported_flag_count;
};
/* Fill @ret; asks the kernel about each flag with calls that cannot install anything (a NULL filter). Any process. */
void seccomp_features(struct seccomp_features *ret);

/* The number of system call @name for the OCI architecture @arch ("SCMP_ARCH_X86_64"; NULL: this build's), -1 unknown. */
int64_t seccomp_syscall_number(const char *arch, const char *name);
/* This build's architecture in the document's words. */
const char *seccomp_native_arch(void);

/* What @p does with this build's system call @nr with the arguments @args (NULL: all 0): the action (SECCOMP_RET_… without
 * its data). KILL_PROCESS for a malformed program. Pure. */
uint32_t seccomp_action_on(const struct seccomp_program *p, long nr, const uint64_t args[6]);

/* Run @filter on @data as the kernel's interpreter would, for tests and explanations.
 * @ret: the action word (SECCOMP_RET_…); @ret_steps: instructions executed (may be NULL).
 * Returns 0, or -EINVAL when the program is malformed (jump or load outside, unknown instruction, division by zero). */
int seccomp_simulate(const struct sock_filter *filter, size_t len, const struct seccomp_data *data, uint32_t *ret,
		     unsigned *ret_steps);

#endif
