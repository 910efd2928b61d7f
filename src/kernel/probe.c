/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features of the kernel, each asked by a call that cannot do anything: wrong arguments that fail with another errno than
 * ENOSYS, or a harmless success. An outer seccomp filter's EPERM counts as "not there", because it is no use to us.
 */
#include "kernel/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <linux/sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

static const char *const names[PROBE_FEATURE_COUNT] = {
	[PROBE_OPENAT2] = "openat2 (Linux 5.6)",
	[PROBE_CLOSE_RANGE] = "close_range (Linux 5.9)",
	[PROBE_CLONE3] = "clone3 (Linux 5.3)",
	[PROBE_CLONE_INTO_CGROUP] = "clone into a cgroup (Linux 5.7)",
	[PROBE_PIDFD_OPEN] = "pidfd_open (Linux 5.3)",
	[PROBE_MOUNT_API] = "the new mount API (Linux 5.2)",
	[PROBE_MOUNT_SETATTR] = "mount_setattr (Linux 5.12)",
	[PROBE_TIME_NS] = "time namespaces (Linux 5.6)",
	[PROBE_USER_NS] = "user namespaces",
	[PROBE_SETNS_PIDFD] = "setns by pidfd (Linux 5.8)",
	[PROBE_STATMOUNT] = "statmount (Linux 6.8)",
	[PROBE_SECCOMP_NOTIFY] = "seccomp notification (Linux 5.0)",
};

const char *probe_name(enum probe_feature f)
{
	return (unsigned)f < PROBE_FEATURE_COUNT ? names[f] : "unknown feature";
}

uint32_t probe_kernel_version(void)
{
	struct utsname u;
	uint32_t v[2] = {0, 0};
	const char *p = u.release;

	if (uname(&u) < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		for (; *p >= '0' && *p <= '9' && v[i] < 0xffff; p++)
			v[i] = v[i] * 10 + (uint32_t)(*p - '0');
		if (*p == '.')
			p++;
	}
	return v[0] << 16 | (v[1] & 0xffff);
}

/* Did the call get as far as looking at its arguments? */
static bool reached(long r)
{
	return r >= 0 || (errno != ENOSYS && errno != EPERM);
}

static bool probe_openat2(void)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC};
	autofd int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	return fd >= 0;
}

static bool probe_into_cgroup(void)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .cgroup = UINT64_MAX};

	/* A kernel that knows the flag finds no such fd (EINVAL for the number, which older ones give for the flag): so use a
	 * number in range that is never open. */
	args.cgroup = 0x7fffffff;
	return syscall(SYS_clone3, &args, sizeof(args)) < 0 && errno == EBADF;
}

static bool probe_setns_pidfd(void)
{
	autofd int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	/* Entering nothing is EINVAL everywhere; entering one's own UTS namespace needs a right: EPERM or success. */
	if (self < 0)
		return false;
	return setns(self, CLONE_NEWUTS) == 0 || errno == EPERM;
}

static bool probe_user_ns(void)
{
	char c = '0';
	autofd int fd = open("/proc/sys/user/max_user_namespaces", O_RDONLY | O_CLOEXEC);
	autofd int debian = open("/proc/sys/kernel/unprivileged_userns_clone", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &c, 1) != 1 || c == '0')
		return false;
	return geteuid() == 0 || debian < 0 || (read(debian, &c, 1) == 1 && c == '1');
}

static bool ask(enum probe_feature f)
{
	uint32_t notif[8];

	switch (f) {
	case PROBE_OPENAT2:
		return probe_openat2();
	case PROBE_CLOSE_RANGE:
		return syscall(SYS_close_range, ~0U, ~0U, 0) == 0;
	case PROBE_CLONE3:
		return reached(syscall(SYS_clone3, NULL, 0));
	case PROBE_CLONE_INTO_CGROUP:
		return probe_into_cgroup();
	case PROBE_PIDFD_OPEN:
		return reached(syscall(SYS_pidfd_open, 0, 0));
	case PROBE_MOUNT_API:
		return reached(syscall(SYS_open_tree, FD_NONE, "", ~0U));
	case PROBE_MOUNT_SETATTR:
		return reached(syscall(SYS_mount_setattr, FD_NONE, "", ~0U, NULL, 0));
	case PROBE_TIME_NS:
		return access("/proc/self/ns/time", F_OK) == 0;
	case PROBE_USER_NS:
		return probe_user_ns();
	case PROBE_SETNS_PIDFD:
		return probe_setns_pidfd();
	case PROBE_STATMOUNT:
		return reached(syscall(457, NULL, NULL, 0, ~0U));
	case PROBE_SECCOMP_NOTIFY:
		return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, notif) == 0;
	case PROBE_FEATURE_COUNT:
		break;
	}
	return false;
}

bool probe_has(struct probe *p, enum probe_feature f)
{
	uint32_t bit = UINT32_C(1) << f;

	if (!(p->asked & bit)) {
		p->asked |= bit;
		if (ask(f))
			p->has |= bit;
	}
	return p->has & bit;
}
