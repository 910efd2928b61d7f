/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by its three system calls. Rights that the running kernel does not know yet are left out, so that one program
 * works on all of them and is confined as far as each can.
 */
#include "kernel/landlock.h"

#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

int landlock_abi(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return v > 0 ? (int)v : 0;
}

uint64_t landlock_supported(uint64_t fs_access)
{
	/* The highest bit of each ABI; 13 is REFER, 14 TRUNCATE, 15 IOCTL_DEV. */
	static const int top[] = {0, 13, 14, 15, 15, 16};
	int abi = landlock_abi();

	if (abi >= (int)ARRAY_SIZE(top))
		abi = ARRAY_SIZE(top) - 1;
	return fs_access & ((UINT64_C(1) << top[abi]) - 1);
}

int landlock_new(uint64_t fs_access, struct error *err)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = landlock_supported(fs_access)};
	long fd;

	if (!attr.handled_access_fs)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "this kernel has no Landlock (5.13, and switched on at boot)");
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	return fd < 0 ? error_sys(err, errno, "make a Landlock ruleset") : (int)fd;
}

int landlock_allow(int ruleset_fd, int fd, uint64_t fs_access, struct error *err)
{
	struct landlock_path_beneath_attr attr = {.allowed_access = fs_access, .parent_fd = fd};

	if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		return error_sys(err, errno, "add a rule to a Landlock ruleset");
	return 0;
}

int landlock_enforce(int ruleset_fd, struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "set no_new_privs");
	if (syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0)
		return error_sys(err, errno, "confine ourselves by Landlock");
	return 0;
}
