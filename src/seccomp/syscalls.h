/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECCOMP_SYSCALLS_H
#define SECCOMP_SYSCALLS_H

/*
 * Names and numbers of system calls, a constant table made at build time (gen_syscalls.c) from libseccomp's. Private to
 * the module. A row is a name; a rank is a call's place among the numbers of one architecture, in rising order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seccomp/arch.h"

#define SYSCALL_ROW_NONE UINT16_MAX
#define SYSCALL_RANK_NONE UINT16_MAX
/* struct syscall_row.mux: the sub-call of socketcall(2), or with this bit of ipc(2); 0 none. */
#define SYSCALL_MUX_IPC 0x80
#define SYSCALL_MUX_MAX 32 /* sub-call numbers are below this */

struct syscall_row {
	uint16_t name;    /* offset in the pool of names */
	uint8_t mux;      /* see above */
	uint8_t int_args; /* bit n: the kernel takes argument n as 32 bits, the high half is not looked at */
	uint16_t rank[SECCOMP_ARCH_COUNT]; /* SYSCALL_RANK_NONE: not there */
};

/* The hash of a name in the generated table; the generator uses the same. FNV-1a. */
static inline uint32_t syscall_hash(const char *name)
{
	uint32_t h = UINT32_C(2166136261);

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * UINT32_C(16777619);
	return h ^ (h >> 15);
}

/* The row of @name, SYSCALL_ROW_NONE when no architecture has it. */
uint16_t syscall_find(const char *name);
const struct syscall_row *syscall_row(uint16_t row);
/* Rows are numbered from 0 without gaps. */
bool syscall_row_exists(uint16_t row);
const char *syscall_name(uint16_t row);
/* The numbers of @arch in rising order; @ret_count 0: the table does not know this architecture. */
const uint32_t *syscall_numbers(enum seccomp_arch arch, size_t *ret_count);

#endif
