/* SPDX-License-Identifier: Apache-2.0 */
/* The table of architectures, and which of them this build is for. */
#include "seccomp/arch.h"

#include <string.h>

#include "seccomp/seccomp.h"
#include "seccomp/syscalls.h"

#define ARCH_ROW(name, audit, base, wide, big, mux)                                                                    \
	[SECCOMP_ARCH_##name] = {"SCMP_ARCH_" #name, audit, base, wide, big, mux},
static const struct arch_info archs[SECCOMP_ARCH_COUNT] = {SECCOMP_ARCHS(ARCH_ROW)};

const struct arch_info *arch_info(enum seccomp_arch arch)
{
	return &archs[arch];
}

enum seccomp_arch arch_native(void)
{
#if defined(__x86_64__) && defined(__ILP32__)
	return SECCOMP_ARCH_X32;
#elif defined(__x86_64__)
	return SECCOMP_ARCH_X86_64;
#elif defined(__i386__)
	return SECCOMP_ARCH_X86;
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
	return SECCOMP_ARCH_AARCH64;
#elif defined(__arm__)
	return SECCOMP_ARCH_ARM;
#elif defined(__riscv) && __riscv_xlen == 64
	return SECCOMP_ARCH_RISCV64;
#elif defined(__s390x__)
	return SECCOMP_ARCH_S390X;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return SECCOMP_ARCH_PPC64LE;
#elif defined(__mips64) && defined(__MIPSEL__)
	return SECCOMP_ARCH_MIPSEL64;
#elif defined(__loongarch64)
	return SECCOMP_ARCH_LOONGARCH64;
#else
#error "seccomp: name this architecture here"
#endif
}

enum seccomp_arch arch_from_name(const char *name)
{
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++)
		if (strcmp(archs[a].name, name) == 0)
			return (enum seccomp_arch)a;
	return SECCOMP_ARCH_COUNT;
}

const char *seccomp_native_arch(void)
{
	return archs[arch_native()].name;
}

int64_t seccomp_syscall_number(const char *arch, const char *name)
{
	enum seccomp_arch a = arch ? arch_from_name(arch) : arch_native();
	uint16_t row = syscall_find(name);
	size_t count;

	if (a == SECCOMP_ARCH_COUNT || row == SYSCALL_ROW_NONE || syscall_row(row)->rank[a] == SYSCALL_RANK_NONE)
		return -1;
	return syscall_numbers(a, &count)[syscall_row(row)->rank[a]];
}
