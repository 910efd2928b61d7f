/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capability sets of the calling thread, by capget, capset and prctl. libcap would allocate, and its setters act on all
 * threads through signals; we have one thread and want neither.
 */
#include "kernel/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char *const names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

const char *caps_name(int cap)
{
	return cap >= 0 && (size_t)cap < ARRAY_SIZE(names) ? names[cap] : "unknown";
}

int caps_last(void)
{
	int low = 0;   /* known */
	int high = 64; /* unknown */

	while (high - low > 1) {
		int mid = (low + high) / 2;

		if (prctl(PR_CAPBSET_READ, (unsigned long)mid, 0L, 0L, 0L) >= 0)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static uint64_t known(void)
{
	return (UINT64_C(2) << caps_last()) - 1;
}

static int get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &head, data) < 0 ? -errno : 0;
}

int caps_get_own(struct caps_sets *ret, struct error *err)
{
	struct __user_cap_data_struct data[2];
	int r = get(data);

	if (r < 0)
		return error_sys(err, -r, "read the capabilities");
	*ret = (struct caps_sets){
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
	return 0;
}

int caps_get(struct caps_sets *ret, struct error *err)
{
	struct caps_sets s;
	int r = caps_get_own(&s, err);
	int last = caps_last();

	if (r < 0)
		return r;
	for (int cap = 0; cap <= last; cap++) {
		if (prctl(PR_CAPBSET_READ, (unsigned long)cap, 0L, 0L, 0L) == 1)
			s.bounding |= UINT64_C(1) << cap;
		if (prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_IS_SET, (unsigned long)cap, 0L, 0L) == 1)
			s.ambient |= UINT64_C(1) << cap;
	}
	*ret = s;
	return 0;
}

int caps_drop_bounding(uint64_t keep, struct error *err)
{
	/* Upwards until the kernel knows no more: no need to ask for the last one first. */
	for (int cap = 0; cap < 64; cap++) {
		int r;

		if (keep & UINT64_C(1) << cap)
			continue;
		r = prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0L, 0L, 0L);
		if (r == 0)
			continue;
		if (errno == EINVAL)
			break;
		/* Without the right to drop it is fine as long as it is not there. */
		if (prctl(PR_CAPBSET_READ, (unsigned long)cap, 0L, 0L, 0L) == 0)
			continue;
		return error_sys(err, EPERM, "drop capability %s from the bounding set", caps_name(cap));
	}
	return 0;
}

int caps_keep(bool on, struct error *err)
{
	if (prctl(PR_SET_KEEPCAPS, on ? 1L : 0L, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "keep capabilities over a change of user");
	return 0;
}

static int set_ambient(uint64_t ambient, struct error *err)
{
	if (prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) < 0)
		return error_sys(err, errno, "clear the ambient capabilities");
	for (int cap = 0; ambient >> cap; cap++) {
		if (!(ambient >> cap & 1))
			continue;
		if (prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_RAISE, (unsigned long)cap, 0L, 0L) < 0)
			return error_sys(err, errno, "raise the ambient capability %s", caps_name(cap));
		if (cap == 63)
			break;
	}
	return 0;
}

int caps_set(const struct caps_sets *s, uint64_t *ret_missing, struct error *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint64_t permitted;
	uint64_t effective;
	uint64_t inheritable;
	int r = get(data);

	if (r < 0)
		return error_sys(err, -r, "read the capabilities");
	permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	/* New inheritable ones must be permitted now (or CAP_SETPCAP and the bounding set hold them: permitted is the part
	 * that always works); new permitted ones must be permitted now. */
	inheritable = s->inheritable & (inheritable | permitted);
	permitted &= s->permitted;
	effective = s->effective & permitted;
	for (int i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return error_sys(err, errno, "set the capabilities");
	r = set_ambient(s->ambient & permitted & inheritable, err);
	if (r < 0)
		return r;
	if (ret_missing)
		*ret_missing = ((s->permitted & ~permitted) | (s->effective & ~effective)) & known();
	return 0;
}

void caps_drop_for_nonroot(struct caps_sets *s)
{
	s->effective = s->ambient;
	s->permitted = s->ambient;
}

bool caps_have(int cap)
{
	struct __user_cap_data_struct data[2];

	if (cap < 0 || cap > 63 || get(data) < 0)
		return false;
	return data[cap / 32].effective >> (cap % 32) & 1;
}
