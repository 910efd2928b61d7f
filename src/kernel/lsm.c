/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of AppArmor and SELinux. A label that is asked for and cannot be set is an error, never a silent no. The kernel
 * says that a profile is missing with ENOENT and that a label is wrong with EINVAL.
 */
#include "kernel/lsm.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "kernel/file.h"

#define LABEL_MAX 4096 /* a page: what the kernel takes */

static bool apparmor_enabled(void)
{
	autofd int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char c = 'N';

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

static bool selinux_enabled(void)
{
	autofd int fd = open("/sys/fs/selinux", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && file_is_fs(fd, SELINUX_MAGIC);
}

bool lsm_enabled(enum lsm_kind kind)
{
	return kind == LSM_APPARMOR ? apparmor_enabled() : selinux_enabled();
}

static int write_attr(int self_fd, const char *name, const char *text, size_t len)
{
	autofd int fd = file_open_proc(self_fd, name, O_WRONLY);

	return fd < 0 ? fd : file_write_once(fd, text, len);
}

int lsm_apparmor_set_exec(int self_fd, const char *profile, struct error *err)
{
	char text[LABEL_MAX];
	int n;
	int r;

	if (!profile || !*profile || str_eq(profile, "unconfined"))
		return 0;
	n = snprintf(text, sizeof(text), "exec %s", profile);
	if (n < 0 || (size_t)n >= sizeof(text))
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "the AppArmor profile's name is too long");
	/* The first is AppArmor's own (5.8); attr/exec belongs to whichever LSM is first on the list. */
	r = write_attr(self_fd, "attr/apparmor/exec", text, (size_t)n);
	if (r == -ENOENT && apparmor_enabled()) {
		int old = write_attr(self_fd, "attr/exec", text, (size_t)n);

		r = old == -EINVAL ? r : old;
	}
	if (r >= 0)
		return 0;
	if (r == -ENOENT && apparmor_enabled()) {
		error_set(err, ERROR_NOT_FOUND, -r, "the AppArmor profile '%s' is not loaded", profile);
		return error_hint(err, "load it with apparmor_parser, or choose another (--security-opt apparmor=…)");
	}
	if (r == -ENOENT || r == -EINVAL)
		return error_set(err, ERROR_UNSUPPORTED, -r,
				 "the AppArmor profile '%s' is asked for, but AppArmor is not active on this host",
				 profile);
	return error_sys(err, -r, "set the AppArmor profile '%s'", profile);
}

static int selinux_write(int self_fd, const char *file, const char *what, const char *label, struct error *err)
{
	int r;

	if (strlen(label) >= LABEL_MAX)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "the SELinux label is too long");
	/* The terminating zero is part of a label. */
	r = write_attr(self_fd, file, label, strlen(label) + 1);
	if (r == -EINVAL)
		return error_set(err, ERROR_INVALID, -r,
				 "set the SELinux label '%s' of %s: the policy does not know it", label, what);
	return r < 0 ? error_sys(err, -r, "set the SELinux label '%s' of %s", label, what) : 0;
}

int lsm_selinux_set_exec(int self_fd, const char *label, struct error *err)
{
	if (!label || !*label)
		return 0;
	if (!selinux_enabled())
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "the SELinux label '%s' is asked for, but SELinux is not active on this host", label);
	return selinux_write(self_fd, "attr/exec", "the process", label, err);
}

int lsm_selinux_set_key(int self_fd, const char *label, struct error *err)
{
	if (!label || !selinux_enabled())
		return 0;
	return selinux_write(self_fd, "attr/keycreate", "new keys", label, err);
}
