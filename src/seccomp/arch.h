/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECCOMP_ARCH_H
#define SECCOMP_ARCH_H

/*
 * The architectures a document may list: names, the kernel's audit number, width, byte order, multiplexed calls.
 * Private to the module; also included by the table generator, so it depends on nothing of ours.
 * Source: runtime-spec config-linux.md "architectures"; linux/audit.h; libseccomp's SCMP_ARCH_… words.
 */

#include <stdbool.h>
#include <stdint.h>
#include <linux/audit.h>
#include <linux/elf-em.h>

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#ifndef AUDIT_ARCH_LOONGARCH64
#define AUDIT_ARCH_LOONGARCH64 (EM_LOONGARCH | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)
#endif

/* Columns: word, audit number, first system call number, 64-bit arguments, big-endian, has socketcall(2) and ipc(2).
 * x32 has 64-bit registers, but its calls take 32-bit arguments, and libseccomp compares them so. */
#define SECCOMP_ARCHS(X)                                                                                               \
	X(X86, AUDIT_ARCH_I386, 0, false, false, true)                                                                 \
	X(X86_64, AUDIT_ARCH_X86_64, 0, true, false, false)                                                            \
	X(X32, AUDIT_ARCH_X86_64, 0x40000000, false, false, false)                                                     \
	X(ARM, AUDIT_ARCH_ARM, 0, false, false, false)                                                                 \
	X(AARCH64, AUDIT_ARCH_AARCH64, 0, true, false, false)                                                          \
	X(MIPS, AUDIT_ARCH_MIPS, 4000, false, true, true)                                                              \
	X(MIPS64, AUDIT_ARCH_MIPS64, 5000, true, true, false)                                                          \
	X(MIPS64N32, AUDIT_ARCH_MIPS64N32, 6000, false, true, false)                                                   \
	X(MIPSEL, AUDIT_ARCH_MIPSEL, 4000, false, false, true)                                                         \
	X(MIPSEL64, AUDIT_ARCH_MIPSEL64, 5000, true, false, false)                                                     \
	X(MIPSEL64N32, AUDIT_ARCH_MIPSEL64N32, 6000, false, false, false)                                              \
	X(PPC, AUDIT_ARCH_PPC, 0, false, true, true)                                                                   \
	X(PPC64, AUDIT_ARCH_PPC64, 0, true, true, true)                                                                \
	X(PPC64LE, AUDIT_ARCH_PPC64LE, 0, true, false, true)                                                           \
	X(S390, AUDIT_ARCH_S390, 0, false, true, true)                                                                 \
	X(S390X, AUDIT_ARCH_S390X, 0, true, true, true)                                                                \
	X(PARISC, AUDIT_ARCH_PARISC, 0, false, true, false)                                                            \
	X(PARISC64, AUDIT_ARCH_PARISC64, 0, true, true, false)                                                         \
	X(RISCV64, AUDIT_ARCH_RISCV64, 0, true, false, false)                                                          \
	X(LOONGARCH64, AUDIT_ARCH_LOONGARCH64, 0, true, false, false)                                                  \
	X(M68K, AUDIT_ARCH_M68K, 0, false, true, true)                                                                 \
	X(SH, AUDIT_ARCH_SHEL, 0, false, false, true)                                                                  \
	X(SHEB, AUDIT_ARCH_SH, 0, false, true, true)

#define SECCOMP_ARCH_ENUM(name, audit, base, wide, big, mux) SECCOMP_ARCH_##name,
enum seccomp_arch { SECCOMP_ARCHS(SECCOMP_ARCH_ENUM) SECCOMP_ARCH_COUNT };

struct arch_info {
	const char *name; /* "SCMP_ARCH_X86_64" */
	uint32_t audit;   /* seccomp_data.arch */
	uint32_t base;    /* smallest system call number */
	bool wide;        /* arguments are compared with 64 bits */
	bool big;         /* big-endian: the high half of an argument comes first */
	bool mux;         /* has socketcall(2) and ipc(2) */
};

/* Bit of an x32 call in seccomp_data.nr (asm/unistd.h __X32_SYSCALL_BIT). */
#define SECCOMP_X32_BIT UINT32_C(0x40000000)

const struct arch_info *arch_info(enum seccomp_arch arch);
enum seccomp_arch arch_native(void);
/* SECCOMP_ARCH_COUNT: unknown word. */
enum seccomp_arch arch_from_name(const char *name);

#endif
