/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying out the plan of limits.c and devices.c: write after write, with the few rules that a write may carry (a missing
 * file is fine, the next write is an alternative, try again at the end), good sentences for what the kernel refuses, and
 * for an update the old values put back when one write fails.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/bpf.h"
#include "kernel/cgroupfs.h"

#define VALUE_MAX 8192

/* One open control file: rules for devices are a dozen writes to the same one. */
struct open_file {
	const char *dir, *file; /* borrowed from the handle and the writes, which outlive it */
	int fd;
};

static void open_file_done(struct open_file *f)
{
	fd_close(&f->fd);
}

struct applying {
	struct cgroup *cg;
	struct cgroup_writes *writes;
	struct strv old; /* what was there before write i, "" unknown; only for updates */
	bool update;
	struct open_file file;
};

static void applying_done(struct applying *a)
{
	strv_done(&a->old);
	open_file_done(&a->file);
}

static int write_value(struct open_file *f, const char *dir, const char *file, const char *value)
{
	ssize_t n;

	if (f->fd < 0 || f->dir != dir || !str_eq(f->file, file)) {
		int fd = cgroupfs_open(dir, file, O_WRONLY);

		if (fd < 0)
			return fd;
		fd_close(&f->fd);
		*f = (struct open_file){.dir = dir, .file = file, .fd = fd};
	}
	do
		n = pwrite(f->fd, value, strlen(value), 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* ---- messages ---- */

static int refuse_memory(const char *dir, bool v2, const struct cgroup_write *w, struct error *err)
{
	char usage[32] = "?", peak[32] = "?";

	(void)cgroupfs_read(dir, v2 ? "memory.current" : "memory.usage_in_bytes", usage, sizeof(usage));
	(void)cgroupfs_read(dir, v2 ? "memory.peak" : "memory.max_usage_in_bytes", peak, sizeof(peak));
	(void)error_set(err, ERROR_INVALID, EBUSY,
			"unable to set memory limit to %s (current usage: %s, peak usage: %s)", w->value, usage, peak);
	return error_hint(err, "choose a limit above the current usage of %s", dir);
}

static int refuse_missing(const char *dir, const struct cgroup_write *w, struct error *err)
{
	char probe[VALUE_MAX];

	if (cgroupfs_read(dir, "cgroup.procs", probe, sizeof(probe)) == -ENOENT)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "%s: the control group %s is gone", w->field, dir);
	(void)error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "linux.resources.%s: this kernel has no %s in %s", w->field,
			w->file, dir);
	if (strstr(w->file, "memsw") || strstr(w->file, "swap"))
		return error_hint(err, "swap accounting is off: boot with swapaccount=1");
	return -err->code;
}

static int refuse(const struct cgroup_dir *d, const struct cgroup_write *w, int r, struct error *err)
{
	if (r == -ENOENT)
		return refuse_missing(d->path, w, err);
	if (r == -EBUSY && str_starts(w->file, "memory."))
		return refuse_memory(d->path, d->v2, w, err);
	if (r == -EINVAL || r == -ERANGE || r == -ENODEV || r == -EBUSY || r == -ENOSPC || r == -EOPNOTSUPP)
		(void)error_set(err, ERROR_INVALID, -r,
				"linux.resources.%s: the kernel does not take \"%s\" for %s in %s: %s", w->field,
				w->value, w->file, d->path, error_text(-r));
	else
		(void)error_sys(err, -r, "linux.resources.%s: write \"%s\" to %s in %s", w->field, w->value, w->file,
				d->path);
	if (str_eq(w->file, "memory.limit_in_bytes") && r == -EINVAL)
		return error_hint(
			err, "with cgroup v1 it cannot be above memory.swap (memory plus swap); change both at once");
	if (str_eq(w->file, "devices.allow") && r == -EPERM)
		return error_hint(err, "the group above does not allow this device itself");
	return -err->code;
}

/* ---- the present state ---- */

static void read_u64(const char *dir, const char *file, uint64_t *ret)
{
	char text[64];

	if (cgroupfs_read(dir, file, text, sizeof(text)) >= 0)
		(void)str_to_u64(text, ret); /* "max" leaves the caller's "none" */
}

static void now_v2(const char *dir, struct cgroup_now *now)
{
	char text[64];

	read_u64(dir, "memory.max", &now->memory_limit);
	if (cgroupfs_read(dir, "cpu.max", text, sizeof(text)) >= 0) {
		char *blank = strchr(text, ' ');

		if (blank) {
			*blank = '\0';
			(void)str_to_u64(blank + 1, &now->period_us);
		}
		(void)str_to_i64(text, &now->quota_us); /* "max" leaves -1 */
	}
}

static void now_v1(const struct cgroup *cg, struct cgroup_now *now)
{
	const char *memory = cgroup_dir(cg, CGROUP_MEMORY);

	if (!memory)
		return;
	read_u64(memory, "memory.limit_in_bytes", &now->memory_limit);
	read_u64(memory, "memory.memsw.limit_in_bytes", &now->memsw_limit);
}

/* checkBeforeUpdate: v1's kernel refuses a limit below what cannot be reclaimed; v2's would kill instead. */
static int check_usage(const struct cgroup *cg, const struct spec_resources *res, struct error *err)
{
	const char *dir = cgroup_dir(cg, CGROUP_MEMORY);
	uint64_t usage = 0;

	if (cg->mode != CGROUP_MODE_V2 || !dir || !res->memory.check_before_update.set ||
	    !res->memory.check_before_update.v)
		return 0;
	read_u64(dir, "memory.current", &usage);
	if (res->memory.limit.set && res->memory.limit.v > 0 && (uint64_t)res->memory.limit.v < usage)
		return error_set(err, ERROR_LIMIT, ERANGE, "rejecting memory limit %" PRId64 " < usage %" PRIu64,
				 res->memory.limit.v, usage);
	return 0;
}

/* ---- writing ---- */

/* What to write to get the old state back. Files with a line per device: the line of that device, or its "no limit". */
static char *old_value(const char *dir, const struct cgroup_write *w)
{
	char text[VALUE_MAX], *line = text;
	size_t key;

	if (w->flags & CGROUP_WRITE_DEVICE || cgroupfs_read(dir, w->file, text, sizeof(text)) < 0)
		return mem_strdup("");
	key = strcspn(w->value, " ");
	if (!strchr(w->value, ':') || w->value[key] != ' ')
		return mem_strdup(text);
	do {
		size_t len = strcspn(line, "\n");

		if (len > key && strncmp(line, w->value, key + 1) == 0)
			return mem_strndup(line, len);
		line += len + (line[len] == '\n');
	} while (*line);
	if (str_eq(w->file, "io.max"))
		return mem_printf("%.*s=max", (int)strcspn(w->value, "="), w->value);
	return mem_printf("%.*s 0", (int)key, w->value);
}

static int write_one(struct applying *a, size_t i, struct error *err, int *ret_kernel)
{
	const struct cgroup_write *w = &a->writes->items[i];
	const struct cgroup_dir *d =
		w->controller == CGROUP_CONTROLLER_COUNT ? cgroup_find_v2(a->cg) : cgroup_find(a->cg, w->controller);

	if (!d) {
		(void)error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				"linux.resources.%s: cannot set %s limit: container could not join or create cgroup",
				w->field,
				w->controller == CGROUP_CONTROLLER_COUNT
					? "this"
					: cgroup_controller_name(w->controller, false));
		*ret_kernel = -EOPNOTSUPP;
		return -err->code;
	}
	if (a->update)
		strv_push_take(&a->old, old_value(d->path, w));
	*ret_kernel = write_value(&a->file, d->path, w->file, w->value);
	return *ret_kernel < 0 ? refuse(d, w, *ret_kernel, err) : 0;
}

static void put_back(struct applying *a)
{
	for (size_t i = a->old.count; i-- > 0;) {
		const struct cgroup_write *w = &a->writes->items[i];
		const struct cgroup_dir *d = cgroup_find(a->cg, w->controller);
		int r;

		if (!d || !*a->old.items[i])
			continue;
		r = write_value(&a->file, d->path, w->file, a->old.items[i]);
		if (r < 0 && r != -ENOENT)
			log_debug("cannot put back %s in %s: %s", w->file, d->path, error_text(-r));
	}
}

static int write_all(struct applying *a, struct error *err)
{
	struct error first = {};
	int r = 0, kernel;

	for (size_t i = 0; i < a->writes->count && r == 0; i++) {
		struct cgroup_write *w = &a->writes->items[i];

		r = write_one(a, i, err, &kernel);
		if (w->flags & CGROUP_WRITE_ELSE_NEXT) {
			if (kernel == -ENOENT) {
				r = 0;
				continue;
			}
			if (a->update)
				strv_push(&a->old, "");
			i++;
		} else if (r < 0 && w->flags & CGROUP_WRITE_IF_PRESENT && kernel == -ENOENT) {
			log_debug("%s: this kernel has no %s", w->field, w->file);
			r = 0;
		} else if (r < 0 && w->flags & CGROUP_WRITE_AGAIN && kernel == -EINVAL) {
			first = *err;
			r = 0;
		} else if (w->flags & CGROUP_WRITE_AGAIN) {
			w->flags &= ~CGROUP_WRITE_AGAIN; /* done */
		}
	}
	for (size_t i = 0; i < a->writes->count && r == 0 && first.code; i++) {
		const struct cgroup_write *w = &a->writes->items[i];
		const struct cgroup_dir *d = cgroup_find(a->cg, w->controller);

		if (!(w->flags & CGROUP_WRITE_AGAIN) || !d)
			continue;
		r = write_value(&a->file, d->path, w->file, w->value);
		if (r < 0)
			r = refuse(d, w, r, err);
	}
	return r;
}

/* ---- v2's device filter ---- */

static int apply_device_filter(struct cgroup *cg, const struct spec_resources *res, struct error *err)
{
	const struct cgroup_dir *d = cgroup_find_v2(cg);
	autofree struct bpf_insn *insns = NULL;
	autofd int prog = FD_NONE, dir = FD_NONE;
	size_t count;
	int r = cgroup_devices_program(res->devices, res->device_count, &insns, &count, err);

	if (r < 0 || count == 0 || !d)
		return r;
	prog = bpf_load_device_filter(insns, count, err);
	if (prog < 0)
		return prog;
	dir = cgroupfs_open(d->path, "", O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return error_sys(err, -dir, "open the control group %s", d->path);
	return bpf_cgroup_attach(dir, prog, FD_NONE, err);
}

/* Without rights there is no device filter; a container in a user namespace without real root cannot make nodes, so this
 * is what every rootless runtime accepts. */
static int apply_devices_v2(struct cgroup *cg, const struct spec_resources *res, struct error *err)
{
	int r;

	if (cg->devices_optional && res->device_count == 0)
		return 0;
	r = apply_device_filter(cg, res, err);
	if (r < 0 && cg->devices_optional && (err->kind == ERROR_DENIED || err->kind == ERROR_UNSUPPORTED)) {
		log_debug("no device filter: %s", err->msg);
		return 0;
	}
	return r < 0 ? error_wrap(err, "linux.resources.devices") : r;
}

/* v1: the hierarchy must be there, else every device would be open. */
static int plan_devices_v1(struct cgroup *cg, const struct spec_resources *res, struct cgroup_writes *writes,
			   struct error *err)
{
	size_t before = writes->count;
	int r;

	if (cg->devices_optional && res->device_count == 0)
		return 0;
	r = cgroup_devices_plan_v1(res->devices, res->device_count, writes, err);
	if (r < 0 || writes->count == before || cgroup_find(cg, CGROUP_DEVICES))
		return r;
	if (cg->devices_optional) {
		while (writes->count > before) {
			struct cgroup_write *w = &writes->items[--writes->count];

			free(w->file);
			free(w->value);
			free(w->field);
		}
		return 0;
	}
	(void)error_set(
		err, ERROR_UNSUPPORTED, EOPNOTSUPP,
		"linux.resources.devices: cannot keep the container from devices: the devices controller is not mounted");
	return error_hint(err, "mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices");
}

int cgroup_apply(struct cgroup *cg, const struct spec_resources *res, enum cgroup_apply_mode mode, struct error *err)
{
	bool v2 = cg->mode == CGROUP_MODE_V2;
	struct cgroup_now now = {.update = mode == CGROUP_APPLY_UPDATE,
				 .memory_limit = UINT64_MAX,
				 .memsw_limit = UINT64_MAX,
				 .period_us = 100000,
				 .quota_us = -1};
	autocgroupwrites struct cgroup_writes writes = {};
	autoclean(applying_done) struct applying a = {.cg = cg,
						      .writes = &writes,
						      .update = now.update,
						      .file.fd = FD_NONE};
	int r;

	if (now.update && v2 && cg->count > 0)
		now_v2(cg->dirs[0].path, &now);
	else if (now.update)
		now_v1(cg, &now);
	r = cgroup_limits_plan(res, v2, &now, &writes, err);
	if (r == 0)
		r = check_usage(cg, res, err);
	if (r < 0 || (cg->count == 0 && writes.count == 0))
		return r;
	if (mode == CGROUP_APPLY_CREATE && !v2)
		r = plan_devices_v1(cg, res, &writes, err);
	if (r == 0)
		r = write_all(&a, err);
	if (r < 0 && now.update)
		put_back(&a);
	if (r == 0 && mode == CGROUP_APPLY_CREATE && v2)
		r = apply_devices_v2(cg, res, err);
	return r;
}

int cgroup_plan_limits(const struct cgroup_host *host, const struct spec_resources *res, struct cgroup_writes *ret,
		       struct error *err)
{
	bool v2 = host->mode == CGROUP_MODE_V2;
	autocgroupwrites struct cgroup_writes out = {};
	int r = cgroup_limits_plan(res, v2, NULL, &out, err);

	if (r == 0 && !v2 && host->mode != CGROUP_MODE_NONE)
		r = cgroup_devices_plan_v1(res->devices, res->device_count, &out, err);
	if (r < 0)
		return r;
	*ret = out;
	out = (struct cgroup_writes){};
	return 0;
}
