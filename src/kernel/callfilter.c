/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One filter: the architecture, the caller's own instructions, then a comparison for each call with a jump to the end. Lists are
 * some seventy calls long, and their programs spend their time elsewhere: a tree would be no gain that shows.
 */
#include "kernel/callfilter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/process.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#elif defined(__s390x__)
#define OUR_ARCH AUDIT_ARCH_S390X
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OUR_ARCH AUDIT_ARCH_PPC64LE
#else
#error "name this machine's AUDIT_ARCH here"
#endif

#define DO(code_, k_) ((struct sock_filter)BPF_STMT((code_), (k_)))
#define IF_EQUAL(k_, yes_, no_) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k_), (yes_), (no_)))

int callfilter_install(const struct sock_filter *first, size_t first_count, const unsigned short *calls, size_t count,
		       struct error *err)
{
	const struct sock_filter head[] = {
		DO(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		IF_EQUAL(OUR_ARCH, 1, 0),
		DO(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		DO(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_filter code[ARRAY_SIZE(head) + CALLFILTER_FIRST_MAX + CALLFILTER_MAX + 2];
	unsigned short n = ARRAY_SIZE(head);

	assert(first_count <= CALLFILTER_FIRST_MAX && count <= CALLFILTER_MAX);
	memcpy(code, head, sizeof(head));
	for (size_t i = 0; i < first_count; i++)
		code[n++] = first[i];
	/* x32's numbers have a bit of their own and match nothing below. */
	for (size_t i = 0; i < count; i++)
		code[n++] = IF_EQUAL(calls[i], (unsigned char)(count - i), 0);
	code[n++] = DO(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	code[n++] = DO(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {.len = n, .filter = code};

	if (process_set_no_new_privs(err) < 0)
		return -err->code;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_sys(err, errno, "cannot install the system call filter");
	return 0;
}
