/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: the command line's words into linux.resources and process.rlimits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define CPU_PERIOD_US 100000
#define DEFAULT_PIDS 2048    /* a fork bomb stops here; Podman's figure */
#define SET_BYTES 128        /* 1024 CPUs */
#define MEMORY_MIN (6 << 20) /* below this nothing starts; Docker's figure */

int engine_cpus_to_quota(const char *text, int64_t *ret_quota_us, struct error *err)
{
	uint64_t whole = 0;
	uint64_t fraction = 0;
	uint64_t scale = CPU_PERIOD_US;
	const char *p = text;
	bool digits = false;

	for (; *p >= '0' && *p <= '9' && whole < 1000000; p++, digits = true)
		whole = whole * 10 + (uint64_t)(*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, digits = true)
			if (scale >= 10) {
				scale /= 10;
				fraction += (uint64_t)(*p - '0') * scale;
			}
	if (*p || !digits || whole >= 1000000 || whole * CPU_PERIOD_US + fraction < 1000)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--cpus: expected a number of CPUs such as 0.5 or 2 (at least 0.01), got \"%s\"",
				 text);
	*ret_quota_us = (int64_t)(whole * CPU_PERIOD_US + fraction);
	return 0;
}

static int memory(const struct engine_run_options *o, struct spec_resources *r, struct error *err)
{
	if (o->memory.set && o->memory.v > 0 && o->memory.v < MEMORY_MIN)
		return error_set(err, ERROR_INVALID, EINVAL, "--memory: at least 6m is needed, got %lld bytes",
				 (long long)o->memory.v);
	if (o->memory_swap.set && o->memory_swap.v > 0) {
		if (!o->memory.set)
			return error_set(
				err, ERROR_INVALID, EINVAL,
				"--memory-swap: it is the limit of memory and swap together, so --memory is needed too");
		if (o->memory_swap.v < o->memory.v)
			return error_set(err, ERROR_INVALID, EINVAL, "--memory-swap: must not be less than --memory");
	}
	if (o->memory_reservation.set && o->memory.set && o->memory.v > 0 && o->memory_reservation.v > o->memory.v)
		return error_set(err, ERROR_INVALID, EINVAL, "--memory-reservation: must not be more than --memory");
	if (o->memory_swappiness.set && o->memory_swappiness.v > 100)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--memory-swappiness: expected a number between 0 and 100, got %llu",
				 (unsigned long long)o->memory_swappiness.v);
	r->memory.limit = o->memory;
	r->memory.swap = o->memory_swap;
	/* Docker's rule: without a word on it, as much swap as memory. */
	if (o->memory.set && o->memory.v > 0 && !o->memory_swap.set)
		r->memory.swap = (struct spec_opt_i64){true, o->memory.v > INT64_MAX / 2 ? -1 : 2 * o->memory.v};
	r->memory.reservation = o->memory_reservation;
	r->memory.swappiness = o->memory_swappiness;
	if (o->oom_kill_disable)
		r->memory.disable_oom_killer = (struct spec_opt_bool){true, true};
	return 0;
}

/* Is every number of @list in the host's own list @path? */
static int check_set(const char *option, const char *list, const char *path, const char *what, struct error *err)
{
	unsigned char asked[SET_BYTES] = {0};
	unsigned char there[SET_BYTES] = {0};
	autobuf struct buf text = BUF_INIT(4096);
	struct error ignored;
	int r = spec_parse_list(list, asked, sizeof(asked));

	if (r < 0 && r != -ERANGE)
		return error_set(err, ERROR_INVALID, EINVAL, "%s: expected a list such as 0-3,7, got \"%s\"", option,
				 list);
	if (safepath_host_read(path, true, &text, &ignored) < 0)
		return 0; /* the kernel will judge */
	if (text.len)
		((char *)buf_str(&text))[strcspn(buf_str(&text), "\n")] = '\0';
	if (spec_parse_list(buf_str(&text), there, sizeof(there)) < 0)
		return 0;
	for (size_t i = 0; i < SET_BYTES; i++)
		if (r < 0 || (asked[i] & ~there[i]))
			return error_set(err, ERROR_INVALID, EINVAL, "%s: \"%s\" is not on this machine, it has %s %s",
					 option, list, what, buf_str(&text));
	return 0;
}

static int cpu(struct making *m, struct spec_resources *r, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	const long online = sysconf(_SC_NPROCESSORS_ONLN);
	int rc;

	if (o->cpus && (o->cpu_quota.set || o->cpu_period.set))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--cpus cannot be used together with --cpu-quota or --cpu-period");
	r->cpu.shares = o->cpu_shares;
	r->cpu.quota_us = o->cpu_quota;
	r->cpu.period_us = o->cpu_period;
	if (o->cpus) {
		r->cpu.quota_us.set = true;
		rc = engine_cpus_to_quota(o->cpus, &r->cpu.quota_us.v, err);
		if (rc < 0)
			return rc;
		r->cpu.period_us = (struct spec_opt_u64){true, CPU_PERIOD_US};
	}
	if (o->cpus && r->cpu.quota_us.v > online * CPU_PERIOD_US)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--cpus: expected a number between 0.01 and %ld, the CPUs of this machine, got \"%s\"",
				 online, o->cpus);
	rc = o->cpuset_cpus ? check_set("--cpuset-cpus", o->cpuset_cpus, "/sys/devices/system/cpu/online", "CPUs", err)
			    : 0;
	if (rc == 0 && o->cpuset_mems)
		rc = check_set("--cpuset-mems", o->cpuset_mems, "/sys/devices/system/node/online", "memory nodes", err);
	if (rc < 0)
		return rc;
	r->cpu.cpus = arena_strdup(&m->spec.arena, o->cpuset_cpus);
	r->cpu.mems = arena_strdup(&m->spec.arena, o->cpuset_mems);
	return 0;
}

/* "PATH:VALUE": the block device and what stands behind it. */
static int device_value(const char *option, const char *text, uint32_t *major_, uint32_t *minor_,
			const char **ret_value, struct error *err)
{
	const char *colon = strrchr(text, ':');
	autofree char *path = NULL;
	struct stat st;
	int r;

	if (!colon || colon == text)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "%s: expected DEVICE:VALUE such as /dev/sda:10m, got \"%s\"", option, text);
	path = mem_strndup(text, (size_t)(colon - text));
	r = safepath_host_stat(path, &st);
	if (r < 0)
		return error_sys(err, -r, "%s: '%s'", option, path);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, ERROR_INVALID, ENOTBLK, "%s: '%s' is not a block device", option, path);
	*major_ = major(st.st_rdev);
	*minor_ = minor(st.st_rdev);
	*ret_value = colon + 1;
	return 0;
}

static int throttle(struct making *m, enum spec_blkio_limit kind, const char *option, const struct strv *list,
		    bool bytes, struct error *err)
{
	struct spec_resources *r = &m->spec.linux_.resources;

	for (size_t i = 0; i < list->count; i++) {
		struct spec_blkio_throttle t = {};
		const char *value;
		int64_t n;
		int rc = device_value(option, list->items[i], &t.major, &t.minor, &value, err);

		if (rc < 0)
			return rc;
		if (bytes ? str_to_size(value, false, &n) < 0 : str_to_i64(value, &n) < 0 || n < 0)
			return error_set(err, ERROR_INVALID, EINVAL, "%s: expected %s, got \"%s\"", option,
					 bytes ? "a rate in bytes such as 10m" : "a number of operations a second",
					 value);
		t.rate = (uint64_t)n;
		ARENA_PUSH(&m->spec.arena, r->blkio.throttle[kind], r->blkio.throttle_count[kind]) = t;
	}
	return 0;
}

static int check_weight(const char *option, uint64_t w, struct error *err)
{
	return w >= 10 && w <= 1000
		       ? 0
		       : error_set(err, ERROR_INVALID, EINVAL, "%s: expected a number between 10 and 1000, got %llu",
				   option, (unsigned long long)w);
}

static int blkio(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	struct spec_resources *res = &m->spec.linux_.resources;
	int r = 0;

	if (o->blkio_weight.set && o->blkio_weight.v) {
		r = check_weight("--blkio-weight", o->blkio_weight.v, err);
		res->blkio.weight = o->blkio_weight;
	}
	for (size_t i = 0; i < o->blkio_weight_device.count && r == 0; i++) {
		struct spec_blkio_weight w = {};
		const char *value;

		r = device_value("--blkio-weight-device", o->blkio_weight_device.items[i], &w.major, &w.minor, &value,
				 err);
		if (r == 0 && str_to_u64(value, &w.weight.v) < 0)
			r = error_set(err, ERROR_INVALID, EINVAL,
				      "--blkio-weight-device: expected a number, got \"%s\"", value);
		if (r == 0)
			r = check_weight("--blkio-weight-device", w.weight.v, err);
		w.weight.set = true;
		if (r == 0)
			ARENA_PUSH(&m->spec.arena, res->blkio.weight_devices, res->blkio.weight_device_count) = w;
	}
	if (r == 0)
		r = throttle(m, SPEC_BLKIO_READ_BPS, "--device-read-bps", &o->read_bps, true, err);
	if (r == 0)
		r = throttle(m, SPEC_BLKIO_WRITE_BPS, "--device-write-bps", &o->write_bps, true, err);
	if (r == 0)
		r = throttle(m, SPEC_BLKIO_READ_IOPS, "--device-read-iops", &o->read_iops, false, err);
	return r < 0 ? r : throttle(m, SPEC_BLKIO_WRITE_IOPS, "--device-write-iops", &o->write_iops, false, err);
}

static int parse_limit(const char *text, uint64_t *ret)
{
	if (str_eq(text, "-1") || str_eq(text, "unlimited")) {
		*ret = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, ret);
}

int engine_ulimit_parse(const char *text, struct spec_rlimit *ret, struct error *err)
{
	struct spec_rlimit l;
	const char *eq = strchr(text, '=');
	autofree char *name = mem_strndup(text, eq ? (size_t)(eq - text) : strlen(text));
	autofree char *soft = mem_strdup(eq ? eq + 1 : "");
	char *hard = strchr(soft, ':');

	if (hard)
		*hard++ = '\0';
	l.resource = spec_rlimit_from_name(name);
	if (l.resource < 0)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "--ulimit: unknown limit \"%s\"", name), err),
				  "for example nofile, nproc, core, memlock, stack");
	if (!eq || parse_limit(soft, &l.soft) < 0 || parse_limit(hard ? hard : soft, &l.hard) < 0)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--ulimit: expected NAME=SOFT[:HARD] in numbers or -1, got \"%s\"", text);
	if (l.soft > l.hard)
		return error_set(err, ERROR_INVALID, EINVAL, "--ulimit \"%s\": the soft limit is above the hard one",
				 text);
	*ret = l;
	return 0;
}

static int ulimit(struct making *m, const char *text, struct error *err)
{
	struct spec_process *p = &m->spec.process;
	struct spec_rlimit l;
	int r = engine_ulimit_parse(text, &l, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->rlimit_count; i++)
		if (p->rlimits[i].resource == l.resource) {
			p->rlimits[i] = l;
			return 0;
		}
	ARENA_PUSH(&m->spec.arena, p->rlimits, p->rlimit_count) = l;
	return 0;
}

/* --cgroup-conf KEY=VALUE: raw cgroup v2 files. */
static int unified(struct making *m, const char *text, struct error *err)
{
	const char *eq = strchr(text, '=');
	autofree char *key = eq ? mem_strndup(text, (size_t)(eq - text)) : NULL;

	if (!key || !key[0] || strchr(key, '/'))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--cgroup-conf: expected FILE=VALUE such as memory.high=1g, got \"%s\"", text);
	spec_map_set(&m->spec.arena, &m->spec.linux_.resources.unified, key, eq + 1);
	return 0;
}

int engine_limits(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	struct spec_resources *res = &m->spec.linux_.resources;
	int r = memory(o, res, err);

	if (r == 0)
		r = cpu(m, res, err);
	if (r == 0)
		r = blkio(m, err);
	for (size_t i = 0; i < o->ulimits.count && r == 0; i++)
		r = ulimit(m, o->ulimits.items[i], err);
	for (size_t i = 0; i < o->cgroup_conf.count && r == 0; i++)
		r = unified(m, o->cgroup_conf.items[i], err);
	if (r < 0)
		return r;
	if (o->pids_limit.set)
		res->pids_limit = (struct spec_opt_i64){true, o->pids_limit.v > 0 ? o->pids_limit.v : -1};
	else if (m->engine->root)
		res->pids_limit = (struct spec_opt_i64){true, DEFAULT_PIDS};
	if (o->oom_score_adj.set) {
		if (o->oom_score_adj.v < -1000 || o->oom_score_adj.v > 1000)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "--oom-score-adj: expected a number between -1000 and 1000, got %lld",
					 (long long)o->oom_score_adj.v);
		m->spec.process.oom_score_adj = o->oom_score_adj;
	}
	if (o->cgroup_parent)
		m->spec.linux_.cgroups_path =
			arena_printf(&m->spec.arena, "%s%s/bothy-%s", o->cgroup_parent[0] == '/' ? "" : "/",
				     o->cgroup_parent, m->id);
	else if (m->engine->root)
		m->spec.linux_.cgroups_path = arena_printf(&m->spec.arena, "/bothy-%s", m->id);
	return 0;
}
