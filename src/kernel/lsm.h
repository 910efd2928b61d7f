/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_LSM_H
#define KERNEL_LSM_H

/*
 * AppArmor profile and SELinux labels of the next exec, and SELinux' label of new keyrings. Everything is written through
 * a directory of a verified procfs, and the file is checked to be procfs after opening, because a container could mount
 * something else there and so make the label a no-op (CVE-2019-16884, -19921, CVE-2023-27561, CVE-2025-52881).
 * @self_fd: the calling thread's own directory in it: safepath_proc_self(p, "", O_PATH|O_DIRECTORY).
 * Async-signal-safe.
 */

#include <stdbool.h>

#include "base/error.h"

enum lsm_kind { LSM_APPARMOR, LSM_SELINUX, LSM_KIND_COUNT };

/* Is it active on this host? (AppArmor: /sys/module/apparmor/parameters/enabled is Y and securityfs or attr is there;
 * SELinux: the attr files take labels and selinuxfs is mounted.) */
bool lsm_enabled(enum lsm_kind kind);

/* The AppArmor profile for the next exec ("exec <profile>" to attr/apparmor/exec, else attr/exec). "unconfined" and NULL:
 * nothing is written. <0: UNSUPPORTED (AppArmor is off), NOT_FOUND (profile not loaded), DENIED, INVALID. */
int lsm_apparmor_set_exec(int self_fd, const char *profile, struct error *err);

/* The SELinux label of the next exec. NULL: nothing is written. <0: UNSUPPORTED (SELinux is off), INVALID, DENIED. */
int lsm_selinux_set_exec(int self_fd, const char *label, struct error *err);
/* The SELinux label of keys made from now on; "" resets. Does nothing when SELinux is off. */
int lsm_selinux_set_key(int self_fd, const char *label, struct error *err);

#endif
