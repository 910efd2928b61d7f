/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands a program to the kernel, in the process that will exec. Async-signal-safe: it only makes system calls and fills
 * the caller's error.
 */
#include "seccomp/seccomp.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "seccomp/flags.h"

static long sys_seccomp(unsigned op, uint32_t flags, const void *arg)
{
	return syscall(SYS_seccomp, op, flags, arg);
}

/* With no program to read, the kernel checks the flags first and then fails with EFAULT: nothing gets installed. */
bool flags_known_to_kernel(uint32_t flags)
{
	/* The kernel takes this one only together with a listener. */
	if (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

const struct flag_word flag_words[FLAG_WORDS] = {
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	{"SECCOMP_FILTER_FLAG_NEW_LISTENER", SECCOMP_FILTER_FLAG_NEW_LISTENER},
};

static int explain(const struct seccomp_program *p, int errnum, struct error *err)
{
	switch (errnum) {
	case EACCES:
		(void)error_set(err, ERROR_DENIED, errnum,
				"install the seccomp filter: it needs no_new_privs or CAP_SYS_ADMIN");
		return error_hint(err, "set process.noNewPrivileges to true in config.json");
	case EBUSY:
		return error_set(err, ERROR_BUSY, errnum,
				 "install the seccomp filter: the process has a seccomp listener already");
	case ENOMEM:
		return error_set(
			err, ERROR_LIMIT, errnum,
			"install the seccomp filter: %u instructions are too many on top of the filters in place",
			p->len);
	case ENOSYS:
		return error_set(err, ERROR_UNSUPPORTED, errnum,
				 "install the seccomp filter: this kernel has no seccomp(2)");
	case EINVAL:
		for (unsigned i = 0; i < FLAG_WORDS; i++)
			if ((p->flags & flag_words[i].bit) && !flags_known_to_kernel(flag_words[i].bit))
				return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
						 "install the seccomp filter: this kernel does not know %s",
						 flag_words[i].name);
		return error_sys(err, errnum, "install the seccomp filter of %u instructions, flags 0x%x", p->len,
				 p->flags);
	default:
		return error_sys(err, errnum, "install the seccomp filter");
	}
}

int seccomp_install(const struct seccomp_program *p, int *ret_listener, struct error *err)
{
	const struct sock_fprog prog = {.len = p->len, .filter = p->filter};
	long rc = sys_seccomp(SECCOMP_SET_MODE_FILTER, p->flags | p->flags_optional, &prog);

	if (rc < 0 && errno == EINVAL && p->flags_optional != 0)
		rc = sys_seccomp(SECCOMP_SET_MODE_FILTER, p->flags, &prog);
	/* Kernels before 3.17, and sandboxes that hide seccomp(2). */
	if (rc < 0 && errno == ENOSYS && p->flags == 0)
		rc = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
	if (rc < 0)
		return explain(p, errno, err);
	*ret_listener = p->notify ? (int)rc : FD_NONE;
	return 0;
}
