/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf(2) for the device filter. The union is cleared whole before each call: the kernel refuses unknown bytes that are not
 * zero. When the verifier refuses, the load is repeated with a log, and the end of the log goes into the message.
 */
#include "kernel/bpf.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define LOG_BYTES (64u << 10)
#define LOG_SHOWN 300

static int call(int cmd, union bpf_attr *attr)
{
	long r;

	/* EAGAIN: the verifier was interrupted by a signal. */
	for (int i = 0; i < 5; i++) {
		r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));
		if (r >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return r < 0 ? -errno : (int)r;
}

static int load(const struct bpf_insn *insns, size_t count, char *log)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0"; /* no GPL-only function is called */
	memcpy(attr.prog_name, "bothy_devices", sizeof("bothy_devices"));
	if (log) {
		attr.log_buf = (uint64_t)(uintptr_t)log;
		attr.log_size = LOG_BYTES;
		attr.log_level = 1;
	}
	return call(BPF_PROG_LOAD, &attr);
}

/* The verifier's last words. The log lives in a mapping of its own: it is large, and there is no heap here. */
static int refused(const struct bpf_insn *insns, size_t count, int errnum, struct error *err)
{
	char *log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t len;
	int fd;

	if (log == MAP_FAILED)
		return error_sys(err, errnum, "load the device filter");
	fd = load(insns, count, log);
	if (fd >= 0) {
		munmap(log, LOG_BYTES);
		return fd;
	}
	len = strnlen(log, LOG_BYTES - 1);
	error_set(err, ERROR_INVALID, -fd, "load the device filter: the kernel refuses the program: %s: %s",
		  error_text(-fd), log + (len > LOG_SHOWN ? len - LOG_SHOWN : 0));
	munmap(log, LOG_BYTES);
	return -err->code;
}

int bpf_load_device_filter(const struct bpf_insn *insns, size_t count, struct error *err)
{
	int fd = load(insns, count, NULL);

	if (fd >= 0)
		return fd;
	if (fd == -ENOSYS)
		return error_set(err, ERROR_UNSUPPORTED, ENOSYS, "load the device filter: this kernel has no bpf");
	if (fd == -EPERM) {
		error_set(err, ERROR_DENIED, EPERM, "load the device filter: not allowed");
		return error_hint(err, "CAP_BPF (or CAP_SYS_ADMIN) on the host is needed");
	}
	return refused(insns, count, -fd, err);
}

static int attach(int cgroup_fd, int prog_fd, uint32_t flags, int replace_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = flags;
	if (flags & BPF_F_REPLACE)
		attr.replace_bpf_fd = (uint32_t)replace_fd;
	return call(BPF_PROG_ATTACH, &attr);
}

int bpf_cgroup_attach(int cgroup_fd, int prog_fd, int replace_fd, struct error *err)
{
	int r;

	if (replace_fd < 0) {
		r = attach(cgroup_fd, prog_fd, BPF_F_ALLOW_MULTI, FD_NONE);
		return r < 0 ? error_sys(err, -r, "attach the device filter to the cgroup") : 0;
	}
	r = attach(cgroup_fd, prog_fd, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, replace_fd);
	/* Before 5.6 there is no replacing. Every attached program must agree, so with both the old rules still hold. */
	if (r == -EINVAL) {
		r = attach(cgroup_fd, prog_fd, BPF_F_ALLOW_MULTI, FD_NONE);
		if (r == 0)
			return bpf_cgroup_detach(cgroup_fd, replace_fd, err);
	}
	return r < 0 ? error_sys(err, -r, "replace the cgroup's device filter") : 0;
}

int bpf_cgroup_detach(int cgroup_fd, int prog_fd, struct error *err)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	r = call(BPF_PROG_DETACH, &attr);
	return r < 0 ? error_sys(err, -r, "detach a device filter from the cgroup") : 0;
}

int bpf_cgroup_query(int cgroup_fd, uint32_t *ret_ids, size_t max, size_t *ret_count, struct error *err)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ret_ids;
	attr.query.prog_cnt = (uint32_t)max;
	r = call(BPF_PROG_QUERY, &attr);
	/* ENOSPC: more than fit; the count is right all the same. */
	if (r < 0 && r != -ENOSPC)
		return error_sys(err, -r, "list the cgroup's device filters");
	*ret_count = attr.query.prog_cnt;
	return 0;
}

int bpf_prog_open(uint32_t id, struct error *err)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	fd = call(BPF_PROG_GET_FD_BY_ID, &attr);
	return fd < 0 ? error_sys(err, -fd, "open BPF program %u", id) : fd;
}
