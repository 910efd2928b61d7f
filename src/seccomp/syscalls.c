/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in the generated table of system calls. The table is constant data without pointers, so it costs no
 * relocation at start, and only the pages that a look-up touches are read.
 */
#include "seccomp/syscalls.h"

#include <string.h>

#include "seccomp/syscall_table.h"

uint16_t syscall_find(const char *name)
{
	uint32_t h = syscall_hash(name) % HASH_SIZE;

	while (hash_slots[h] != SYSCALL_ROW_NONE) {
		if (strcmp(name_pool + rows[hash_slots[h]].name, name) == 0)
			return hash_slots[h];
		h = (h + 1) % HASH_SIZE;
	}
	return SYSCALL_ROW_NONE;
}

const struct syscall_row *syscall_row(uint16_t row)
{
	return &rows[row];
}

bool syscall_row_exists(uint16_t row)
{
	return row < sizeof(rows) / sizeof(rows[0]);
}

const char *syscall_name(uint16_t row)
{
	return name_pool + rows[row].name;
}

const uint32_t *syscall_numbers(enum seccomp_arch arch, size_t *ret_count)
{
	*ret_count = number_start[arch + 1] - number_start[arch];
	return numbers + number_start[arch];
}
