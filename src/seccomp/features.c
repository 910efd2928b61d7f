/* SPDX-License-Identifier: Apache-2.0 */
/* What the `features` verb says about seccomp. Words in alphabetical order, as runc prints them. */
#include "seccomp/seccomp.h"

#include "base/cleanup.h"
#include "seccomp/arch.h"
#include "seccomp/flags.h"

static const char *const actions[] = {
	"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",  "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
	"SCMP_ACT_LOG",   "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
};

static const char *const operators[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
};

static const char *const archs[] = {
	"SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",         "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
	"SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
	"SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC",      "SCMP_ARCH_PPC64",       "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",
	"SCMP_ARCH_S390",     "SCMP_ARCH_S390X",       "SCMP_ARCH_SH",          "SCMP_ARCH_SHEB",
	"SCMP_ARCH_X32",      "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64",
};
_Static_assert(ARRAY_SIZE(archs) == SECCOMP_ARCH_COUNT, "one row each");

static const char *const known_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};
_Static_assert(ARRAY_SIZE(known_flags) == FLAG_WORDS_KNOWN, "one row each");

void seccomp_features(struct seccomp_features *ret)
{
	*ret = (struct seccomp_features){
		.actions = actions,
		.action_count = ARRAY_SIZE(actions),
		.operators = operators,
		.operator_count = ARRAY_SIZE(operators),
		.archs = archs,
		.arch_count = ARRAY_SIZE(archs),
		.known_flags = known_flags,
		.known_flag_count = ARRAY_SIZE(known_flags),
	};
	for (unsigned i = 0; i < FLAG_WORDS_KNOWN; i++)
		if (flags_known_to_kernel(flag_words[i].bit))
			ret->supported_flags[ret->supported_flag_count++] = flag_words[i].name;
}
