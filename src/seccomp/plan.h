/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECCOMP_PLAN_H
#define SECCOMP_PLAN_H

/*
 * What lies between the document and the instructions. Private to the module.
 *
 *   document --plan_init--> rules with action words, names as table rows
 *            --policy_build, per architecture--> ranges of system call numbers with one outcome each
 *            --code_dispatch--> instructions
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "seccomp/arch.h"
#include "seccomp/emit.h"
#include "seccomp/syscalls.h"
#include "spec/spec.h"

#define MATCH_ARGS_MAX 6

/* One conjunction of conditions on arguments, in rising order of the argument. */
struct match {
	uint32_t action; /* SECCOMP_RET_… with its data */
	uint32_t count;
	struct spec_seccomp_arg args[MATCH_ARGS_MAX];
};

/* A rule of the document. */
struct plan_rule {
	uint32_t action;
	uint32_t first_match, match_count; /* 0 matches: unconditional */
	bool redundant;                    /* its action is the default: no effect but on what counts as a new call */
};

struct plan_use {
	uint32_t rule;
	uint16_t row; /* of the table of system calls */
};

struct plan {
	uint32_t default_action;
	bool stub; /* calls newer than the document's newest give ENOSYS */
	enum seccomp_arch native;
	bool archs[SECCOMP_ARCH_COUNT];
	struct plan_rule *rules; /* owned */
	struct match *matches;   /* owned */
	size_t match_count;
	struct plan_use *uses; /* owned; in document order */
	size_t use_count;
};

/* Read @s for a machine of architecture @native. Fills @p (plan_done it in every case). */
int plan_init(struct plan *p, const struct spec_seccomp *s, enum seccomp_arch native, bool log_unknown,
	      struct error *err);
void plan_done(struct plan *p);

/* What happens to a system call: an action at once, or a block that looks at the arguments. */
struct outcome {
	bool is_block;
	uint32_t value; /* action word, or index of the block */
};

/* From @start to the next range's start. The first starts at 0. */
struct range {
	uint32_t start;
	struct outcome to;
};
struct ranges {
	struct range *items; /* owned */
	size_t count;
};

struct block {
	enum seccomp_arch arch;
	uint8_t int_args;             /* as struct syscall_row */
	const struct match **matches; /* owned array, borrowed matches; tried in this order */
	size_t match_count;
	struct ranges mux;  /* outcome by sub-call number when no match applies; empty: the default action */
	uint32_t mux_mask;  /* what of argument 0 is the sub-call number */
	struct target code; /* set by code_policy */
};

/* Everything the kernel reports under one audit number (x86_64 and x32 share one). */
struct policy {
	uint32_t default_action;
	struct ranges ranges;
	struct block *blocks; /* owned */
	size_t block_count;
};

/* @first: an architecture of the plan; x32 is added by itself where it shares the number. */
int policy_build(struct policy *y, const struct plan *p, enum seccomp_arch first, struct error *err);
void policy_done(struct policy *y);

/* Order in which libseccomp tries conjunctions of one call; <0: @a first, >0: @b first, 0: as in the document. Not a total
 * order: it follows the levels of libseccomp's tree. @wide: 64-bit arguments. */
int match_order(const struct match *a, const struct match *b, bool wide);

/* The code for @y, entered with nothing in the accumulator. */
struct target code_policy(struct emit *e, struct policy *y);

/* seccomp_compile for any architecture, for tests. */
struct seccomp_program;
int compile_for(const struct spec_seccomp *s, enum seccomp_arch native, bool log_unknown, struct seccomp_program *ret,
		struct error *err);

#endif
