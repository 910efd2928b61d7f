/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources as a list of writes to control files: pure, so that every conversion and order can be tested as data.
 * One function per controller and version; each knows the two or three facts of the present state (struct cgroup_now) that
 * an order or a combined value depends on. Device rules are in devices.c, carrying out is in apply.c.
 *
 * Zero means "not given" for the memory, quota, period, shares and weight fields, as in runc, because engines send it so.
 * Source: runtime-spec config-linux.md; kernel admin-guide/cgroup-v1/, cgroup-v2.rst; docs/cgroups.md for the conversions.
 */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroup/group.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MAX 10000
#define DEFAULT_PERIOD_US 100000 /* kernel default of both versions */

struct plan {
	const struct spec_resources *res;
	const struct cgroup_now *now;
	struct cgroup_writes *out;
};

void cgroup_writes_done(struct cgroup_writes *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free(w->items[i].file);
		free(w->items[i].value);
		free(w->items[i].field);
	}
	free(w->items);
	*w = (struct cgroup_writes){};
}

void cgroup_writes_add(struct cgroup_writes *w, enum cgroup_controller c, unsigned flags, const char *field,
		       const char *file, const char *fmt, ...)
{
	autobuf struct buf value = BUF_INIT(64u << 10);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&value, fmt, ap);
	va_end(ap);
	VEC_PUSH(w->items, w->count) = (struct cgroup_write){
		.controller = c,
		.flags = flags,
		.field = mem_strdup(field),
		.file = mem_strdup(file),
		.value = mem_strdup(buf_str(&value)),
	};
}

#define ADD(p, c, flags, field, file, ...) cgroup_writes_add((p)->out, c, flags, field, file, __VA_ARGS__)

/* ---- conversions ---- */

/* 2…262144 with 1024 as the middle onto 1…10000 with 100 as the middle. The straight line that runtimes used before
 * 2025 (1 + (s-2)*9999/262142) sends 1024 to 39, which gives a container less than a neighbour that never asked; this
 * curve, a parabola on logarithmic axes through the three points, is what runc 1.3.2 and crun 1.23 agreed on. */
uint64_t cgroup_shares_to_weight(uint64_t shares)
{
	double l, exponent, value;
	uint64_t weight;

	if (shares == 0)
		return 0;
	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	l = log2((double)shares);
	exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
	value = ceil(pow(10, exponent));
	weight = (uint64_t)value;
	return weight > WEIGHT_MAX ? WEIGHT_MAX : weight;
}

/* 10…1000 onto 1…10000, straight. */
uint64_t cgroup_blkio_to_io_weight(uint64_t weight)
{
	return weight == 0 ? 0 : 1 + (weight - 10) * 9999 / 990;
}

static bool given(struct spec_opt_i64 v)
{
	return v.set && v.v != 0;
}

static bool given_u(struct spec_opt_u64 v)
{
	return v.set && v.v != 0;
}

/* ---- memory ---- */

static int check_swap(const struct spec_resources *res, uint64_t limit, bool limit_known, struct error *err)
{
	if (!given(res->memory.swap) || res->memory.swap.v < 0)
		return 0;
	if (!limit_known)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "memory.swap: is memory plus swap and needs memory.limit to be set as well");
	if (limit != UINT64_MAX && (uint64_t)res->memory.swap.v < limit)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "memory.swap: %" PRId64
				 " is memory plus swap and must not be below memory.limit (%" PRIu64 ")",
				 res->memory.swap.v, limit);
	return 0;
}

static void debug_ignored(const struct spec_resources *res, bool v2)
{
	if (res->memory.kernel.set || (v2 && res->memory.kernel_tcp.set))
		log_debug("memory.kernel and memory.kernelTCP are ignored: kernels no longer limit them apart");
	if (v2 &&
	    (res->memory.swappiness.set || (res->memory.disable_oom_killer.set && res->memory.disable_oom_killer.v)))
		log_debug("memory.swappiness and memory.disableOOMKiller are ignored: cgroup v2 has neither");
	if (v2 && given_u(res->blkio.leaf_weight))
		log_debug("blockIO.leafWeight is ignored: cgroup v2 has no such thing");
}

/* memory.limit_in_bytes may never be above memory.memsw.limit_in_bytes, so the order depends on the direction. */
static int memory_v1(struct plan *p, struct error *err)
{
	const struct spec_resources *res = p->res;
	bool limit = given(res->memory.limit), swap = given(res->memory.swap);
	int64_t swap_value = res->memory.swap.v;
	unsigned swap_flags = 0;
	bool swap_first;
	int r;

	r = check_swap(res, limit ? (uint64_t)res->memory.limit.v : p->now->memory_limit, limit || p->now->update, err);
	if (r < 0)
		return r;
	if (limit && !swap && res->memory.limit.v == -1) { /* unlimited memory means unlimited both */
		swap = true;
		swap_value = -1;
		swap_flags = CGROUP_WRITE_IF_PRESENT;
	}
	swap_first = swap && (swap_value == -1 || p->now->memsw_limit < (uint64_t)swap_value);
	for (int turn = 0; turn < 2; turn++) {
		if (swap && (turn == 0) == swap_first)
			ADD(p, CGROUP_MEMORY, swap_flags, "memory.swap", "memory.memsw.limit_in_bytes", "%" PRId64,
			    swap_value);
		if (limit && (turn == 0) != swap_first)
			ADD(p, CGROUP_MEMORY, 0, "memory.limit", "memory.limit_in_bytes", "%" PRId64,
			    res->memory.limit.v);
	}
	if (given(res->memory.reservation))
		ADD(p, CGROUP_MEMORY, 0, "memory.reservation", "memory.soft_limit_in_bytes", "%" PRId64,
		    res->memory.reservation.v);
	if (given(res->memory.kernel_tcp))
		ADD(p, CGROUP_MEMORY, CGROUP_WRITE_IF_PRESENT, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes",
		    "%" PRId64, res->memory.kernel_tcp.v);
	if (res->memory.disable_oom_killer.set && (res->memory.disable_oom_killer.v || p->now->update))
		ADD(p, CGROUP_MEMORY, 0, "memory.disableOOMKiller", "memory.oom_control", "%d",
		    res->memory.disable_oom_killer.v);
	if (res->memory.swappiness.set)
		ADD(p, CGROUP_MEMORY, 0, "memory.swappiness", "memory.swappiness", "%" PRIu64,
		    res->memory.swappiness.v);
	return 0;
}

static void add_bytes_v2(struct plan *p, unsigned flags, const char *field, const char *file, int64_t value)
{
	if (value < 0)
		ADD(p, CGROUP_MEMORY, flags, field, file, "max");
	else
		ADD(p, CGROUP_MEMORY, flags, field, file, "%" PRId64, value);
}

/* The document's swap is memory plus swap, v2's is swap alone. */
static int memory_v2(struct plan *p, struct error *err)
{
	const struct spec_resources *res = p->res;
	bool limit = given(res->memory.limit), swap = given(res->memory.swap);
	uint64_t limit_value =
		limit ? (res->memory.limit.v < 0 ? UINT64_MAX : (uint64_t)res->memory.limit.v) : p->now->memory_limit;
	int r = check_swap(res, limit_value, limit || p->now->update, err);

	if (r < 0)
		return r;
	if (swap || (limit && res->memory.limit.v < 0)) {
		int64_t only = -1;

		if (swap && res->memory.swap.v > 0)
			only = limit_value == UINT64_MAX ? res->memory.swap.v
							 : res->memory.swap.v - (int64_t)limit_value;
		/* Without swap accounting in the kernel, no swap and unlimited swap are what there is anyway. */
		add_bytes_v2(p, only <= 0 ? CGROUP_WRITE_IF_PRESENT : 0, "memory.swap", "memory.swap.max", only);
	}
	if (limit)
		add_bytes_v2(p, 0, "memory.limit", "memory.max", res->memory.limit.v);
	if (given(res->memory.reservation))
		add_bytes_v2(p, 0, "memory.reservation", "memory.low", res->memory.reservation.v);
	return 0;
}

/* ---- cpu ---- */

static int check_shares(uint64_t shares, struct error *err)
{
	if (shares < SHARES_MIN)
		return error_set(err, ERROR_INVALID, ERANGE, "cpu.shares: the minimum allowed cpu-shares is %d",
				 SHARES_MIN);
	if (shares > SHARES_MAX)
		return error_set(err, ERROR_INVALID, ERANGE, "cpu.shares: the maximum allowed cpu-shares is %d",
				 SHARES_MAX);
	return 0;
}

/* The kernel refuses a weight for an idle group, so becoming idle comes last and ceasing to be first. */
static void idle_and_shares(struct plan *p, const char *file, uint64_t value)
{
	const struct spec_resources *res = p->res;
	bool ceasing = res->cpu.idle.set && res->cpu.idle.v == 0;

	if (ceasing)
		ADD(p, CGROUP_CPU, 0, "cpu.idle", "cpu.idle", "0");
	if (given_u(res->cpu.shares))
		ADD(p, CGROUP_CPU, 0, "cpu.shares", file, "%" PRIu64, value);
	if (res->cpu.idle.set && !ceasing)
		ADD(p, CGROUP_CPU, 0, "cpu.idle", "cpu.idle", "%" PRId64, res->cpu.idle.v);
}

/* Period, burst and quota are checked against each other (and the parent's) by the kernel at each write: what is refused
 * before the quota has changed is tried again after it. */
static int cpu_v1(struct plan *p, struct error *err)
{
	const struct spec_resources *res = p->res;
	unsigned again = given(res->cpu.quota_us) ? CGROUP_WRITE_AGAIN : 0;
	int r;

	if (given_u(res->cpu.shares) && (r = check_shares(res->cpu.shares.v, err)) < 0)
		return r;
	if (given_u(res->cpu.rt_period_us))
		ADD(p, CGROUP_CPU, given(res->cpu.rt_runtime_us) ? CGROUP_WRITE_AGAIN : 0, "cpu.realtimePeriod",
		    "cpu.rt_period_us", "%" PRIu64, res->cpu.rt_period_us.v);
	if (given(res->cpu.rt_runtime_us))
		ADD(p, CGROUP_CPU, 0, "cpu.realtimeRuntime", "cpu.rt_runtime_us", "%" PRId64, res->cpu.rt_runtime_us.v);
	idle_and_shares(p, "cpu.shares", res->cpu.shares.v);
	if (given_u(res->cpu.period_us))
		ADD(p, CGROUP_CPU, again, "cpu.period", "cpu.cfs_period_us", "%" PRIu64, res->cpu.period_us.v);
	if (res->cpu.burst_us.set)
		ADD(p, CGROUP_CPU, again | CGROUP_WRITE_IF_PRESENT, "cpu.burst", "cpu.cfs_burst_us", "%" PRIu64,
		    res->cpu.burst_us.v);
	if (given(res->cpu.quota_us))
		ADD(p, CGROUP_CPU, 0, "cpu.quota", "cpu.cfs_quota_us", "%" PRId64, res->cpu.quota_us.v);
	return 0;
}

static int cpu_v2(struct plan *p, struct error *err)
{
	const struct spec_resources *res = p->res;
	bool quota = given(res->cpu.quota_us), period = given_u(res->cpu.period_us);

	if (given_u(res->cpu.rt_period_us) || given(res->cpu.rt_runtime_us))
		return error_set(
			err, ERROR_UNSUPPORTED, EOPNOTSUPP,
			"cpu.realtimeRuntime: cgroup v2 has no real-time limits (they exist with cgroup v1 only)");
	idle_and_shares(p, "cpu.weight", cgroup_shares_to_weight(res->cpu.shares.v));
	if (res->cpu.burst_us.set)
		ADD(p, CGROUP_CPU, quota ? CGROUP_WRITE_AGAIN : 0, "cpu.burst", "cpu.max.burst", "%" PRIu64,
		    res->cpu.burst_us.v);
	if (quota || period) {
		int64_t q = quota ? res->cpu.quota_us.v : p->now->quota_us;
		uint64_t per = period ? res->cpu.period_us.v : p->now->period_us;

		if (q > 0)
			ADD(p, CGROUP_CPU, 0, quota ? "cpu.quota" : "cpu.period", "cpu.max", "%" PRId64 " %" PRIu64, q,
			    per);
		else
			ADD(p, CGROUP_CPU, 0, quota ? "cpu.quota" : "cpu.period", "cpu.max", "max %" PRIu64, per);
	}
	return 0;
}

static void cpuset_both(struct plan *p)
{
	if (p->res->cpu.cpus && *p->res->cpu.cpus)
		ADD(p, CGROUP_CPUSET, 0, "cpu.cpus", "cpuset.cpus", "%s", p->res->cpu.cpus);
	if (p->res->cpu.mems && *p->res->cpu.mems)
		ADD(p, CGROUP_CPUSET, 0, "cpu.mems", "cpuset.mems", "%s", p->res->cpu.mems);
}

/* runtime-spec 1.3: -1 is no limit and 0 a limit like any other. systemd cannot store 0, so runc and crun write 1, which
 * comes to the same: a group of one task can make no second. */
static void pids_both(struct plan *p)
{
	if (!p->res->pids_limit.set)
		return;
	if (p->res->pids_limit.v < 0)
		ADD(p, CGROUP_PIDS, 0, "pids.limit", "pids.max", "max");
	else
		ADD(p, CGROUP_PIDS, 0, "pids.limit", "pids.max", "%" PRId64,
		    p->res->pids_limit.v ? p->res->pids_limit.v : 1);
}

/* ---- blkio ---- */

static int check_weight(struct spec_opt_u64 w, const char *field, struct error *err)
{
	if (given_u(w) && (w.v < 10 || w.v > 1000))
		return error_set(err, ERROR_INVALID, ERANGE, "%s: %" PRIu64 " is not between 10 and 1000", field, w.v);
	return 0;
}

static int check_weights(const struct spec_resources *res, struct error *err)
{
	int r = check_weight(res->blkio.weight, "blockIO.weight", err);

	if (r == 0)
		r = check_weight(res->blkio.leaf_weight, "blockIO.leafWeight", err);
	for (size_t i = 0; r == 0 && i < res->blkio.weight_device_count; i++) {
		r = check_weight(res->blkio.weight_devices[i].weight, "blockIO.weightDevice.weight", err);
		if (r == 0)
			r = check_weight(res->blkio.weight_devices[i].leaf_weight, "blockIO.weightDevice.leafWeight",
					 err);
	}
	return r;
}

static const struct {
	const char *field, *v1, *v2;
} throttles[SPEC_BLKIO_LIMIT_COUNT] = {
	[SPEC_BLKIO_READ_BPS] = {"blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
	[SPEC_BLKIO_WRITE_BPS] = {"blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
	[SPEC_BLKIO_READ_IOPS] = {"blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
	[SPEC_BLKIO_WRITE_IOPS] = {"blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"},
};

static void throttles_both(struct plan *p, bool v2)
{
	for (int kind = 0; kind < SPEC_BLKIO_LIMIT_COUNT; kind++) {
		for (size_t i = 0; i < p->res->blkio.throttle_count[kind]; i++) {
			const struct spec_blkio_throttle *t = &p->res->blkio.throttle[kind][i];

			if (!v2)
				ADD(p, CGROUP_BLKIO, 0, throttles[kind].field, throttles[kind].v1, "%u:%u %" PRIu64,
				    t->major, t->minor, t->rate);
			else if (t->rate == 0) /* v1's word for "no limit" */
				ADD(p, CGROUP_BLKIO, 0, throttles[kind].field, "io.max", "%u:%u %s=max", t->major,
				    t->minor, throttles[kind].v2);
			else
				ADD(p, CGROUP_BLKIO, 0, throttles[kind].field, "io.max", "%u:%u %s=%" PRIu64, t->major,
				    t->minor, throttles[kind].v2, t->rate);
		}
	}
}

/* BFQ's own file where that scheduler is built in, else CFQ's (kernels before 5.0). */
static int blkio_v1(struct plan *p, struct error *err)
{
	const struct spec_resources *res = p->res;
	int r = check_weights(res, err);

	if (r < 0)
		return r;
	if (given_u(res->blkio.weight)) {
		ADD(p, CGROUP_BLKIO, CGROUP_WRITE_ELSE_NEXT, "blockIO.weight", "blkio.bfq.weight", "%" PRIu64,
		    res->blkio.weight.v);
		ADD(p, CGROUP_BLKIO, 0, "blockIO.weight", "blkio.weight", "%" PRIu64, res->blkio.weight.v);
	}
	if (given_u(res->blkio.leaf_weight))
		ADD(p, CGROUP_BLKIO, 0, "blockIO.leafWeight", "blkio.leaf_weight", "%" PRIu64,
		    res->blkio.leaf_weight.v);
	for (size_t i = 0; i < res->blkio.weight_device_count; i++) {
		const struct spec_blkio_weight *w = &res->blkio.weight_devices[i];

		if (given_u(w->weight)) {
			ADD(p, CGROUP_BLKIO, CGROUP_WRITE_ELSE_NEXT, "blockIO.weightDevice", "blkio.bfq.weight_device",
			    "%u:%u %" PRIu64, w->major, w->minor, w->weight.v);
			ADD(p, CGROUP_BLKIO, 0, "blockIO.weightDevice", "blkio.weight_device", "%u:%u %" PRIu64,
			    w->major, w->minor, w->weight.v);
		}
		if (given_u(w->leaf_weight))
			ADD(p, CGROUP_BLKIO, 0, "blockIO.weightDevice", "blkio.leaf_weight_device", "%u:%u %" PRIu64,
			    w->major, w->minor, w->leaf_weight.v);
	}
	throttles_both(p, false);
	return 0;
}

/* io.bfq.weight takes the document's range as it is, io.weight (io.cost) is 1-10000. */
static int io_v2(struct plan *p, struct error *err)
{
	const struct spec_resources *res = p->res;
	int r = check_weights(res, err);

	if (r < 0)
		return r;
	if (given_u(res->blkio.weight)) {
		ADD(p, CGROUP_BLKIO, CGROUP_WRITE_ELSE_NEXT, "blockIO.weight", "io.bfq.weight", "%" PRIu64,
		    res->blkio.weight.v);
		ADD(p, CGROUP_BLKIO, 0, "blockIO.weight", "io.weight", "%" PRIu64,
		    cgroup_blkio_to_io_weight(res->blkio.weight.v));
	}
	for (size_t i = 0; i < res->blkio.weight_device_count; i++) {
		const struct spec_blkio_weight *w = &res->blkio.weight_devices[i];

		if (!given_u(w->weight))
			continue;
		ADD(p, CGROUP_BLKIO, CGROUP_WRITE_ELSE_NEXT, "blockIO.weightDevice", "io.bfq.weight", "%u:%u %" PRIu64,
		    w->major, w->minor, w->weight.v);
		ADD(p, CGROUP_BLKIO, 0, "blockIO.weightDevice", "io.weight", "%u:%u %" PRIu64, w->major, w->minor,
		    cgroup_blkio_to_io_weight(w->weight.v));
	}
	throttles_both(p, true);
	return 0;
}

/* ---- the rest ---- */

static void hugetlb_both(struct plan *p, bool v2)
{
	for (size_t i = 0; i < p->res->hugepage_count; i++) {
		const struct spec_hugepage *h = &p->res->hugepages[i];

		for (int reserved = 0; reserved < 2; reserved++) {
			autofree char *file = mem_printf("hugetlb.%s%s.%s", h->page_size, reserved ? ".rsvd" : "",
							 v2 ? "max" : "limit_in_bytes");

			ADD(p, CGROUP_HUGETLB, reserved ? CGROUP_WRITE_IF_PRESENT : 0, "hugepageLimits", file,
			    "%" PRIu64, h->limit_bytes);
		}
	}
}

static int network(struct plan *p, bool v2, struct error *err)
{
	const struct spec_resources *res = p->res;
	bool class = given_u(res->network.class_id);

	if (v2 && (class || res->network.priority_count > 0))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "network.%s: the %s controller exists with cgroup v1 only",
				 class ? "classID" : "priorities", class ? "net_cls" : "net_prio");
	if (class)
		ADD(p, CGROUP_NET_CLS, 0, "network.classID", "net_cls.classid", "%" PRIu64, res->network.class_id.v);
	for (size_t i = 0; i < res->network.priority_count; i++)
		ADD(p, CGROUP_NET_PRIO, 0, "network.priorities", "net_prio.ifpriomap", "%s %u",
		    res->network.priorities[i].name, res->network.priorities[i].priority);
	return 0;
}

static void rdma_both(struct plan *p)
{
	for (size_t i = 0; i < p->res->rdma_count; i++) {
		const struct spec_rdma *d = &p->res->rdma[i];
		autobuf struct buf line = BUF_INIT(1024);

		buf_puts(&line, d->device);
		if (d->handles.set)
			buf_printf(&line, " hca_handle=%" PRIu64, d->handles.v);
		if (d->objects.set)
			buf_printf(&line, " hca_object=%" PRIu64, d->objects.v);
		ADD(p, CGROUP_RDMA, 0, "rdma", "rdma.max", "%s", buf_str(&line));
	}
}

/* Files whose content moves, kills or stops processes are no limits: a document could reach processes of others. */
static bool unified_forbidden(const char *key)
{
	static const char *const keys[] = {"cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze",
					   "cgroup.type"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (str_eq(key, keys[i]))
			return true;
	return false;
}

static int unified_one(struct plan *p, const struct spec_pair *pair, struct error *err)
{
	autofree char *field = mem_printf("unified.%s", pair->key);
	const char *dot = strchr(pair->key, '.'), *line = pair->value;
	autofree char *prefix = NULL;
	int c;

	if (!dot || strchr(pair->key, '/') || str_has_control(pair->key))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "unified: \"%s\" must be a file name of the form CONTROLLER.PARAMETER", pair->key);
	if (unified_forbidden(pair->key))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "unified: \"%s\" moves, stops or kills processes and is no limit", pair->key);
	prefix = mem_strndup(pair->key, (size_t)(dot - pair->key));
	c = cgroup_controller_parse(prefix, true);
	/* One write per line, as the kernel takes them. */
	do {
		size_t len = strcspn(line, "\n");

		if (len > 0)
			ADD(p, c < 0 ? CGROUP_CONTROLLER_COUNT : (enum cgroup_controller)c, 0, field, pair->key, "%.*s",
			    (int)len, line);
		line += len;
	} while (*line++);
	return 0;
}

static int unified(struct plan *p, bool v2, struct error *err)
{
	if (p->res->unified.count > 0 && !v2)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "unified: \"%s\" needs cgroup v2; this host's controllers are with cgroup v1",
				 p->res->unified.items[0].key);
	for (size_t i = 0; i < p->res->unified.count; i++) {
		int r = unified_one(p, &p->res->unified.items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_limits_plan(const struct spec_resources *res, bool v2, const struct cgroup_now *now,
		       struct cgroup_writes *ret, struct error *err)
{
	static const struct cgroup_now fresh = {.memory_limit = UINT64_MAX,
						.memsw_limit = UINT64_MAX,
						.period_us = DEFAULT_PERIOD_US,
						.quota_us = -1};
	autocgroupwrites struct cgroup_writes out = {};
	struct plan p = {.res = res, .now = now ? now : &fresh, .out = &out};
	int r;

	debug_ignored(res, v2);
	cpuset_both(&p);
	r = v2 ? memory_v2(&p, err) : memory_v1(&p, err);
	if (r == 0)
		r = v2 ? cpu_v2(&p, err) : cpu_v1(&p, err);
	pids_both(&p);
	if (r == 0)
		r = v2 ? io_v2(&p, err) : blkio_v1(&p, err);
	hugetlb_both(&p, v2);
	if (r == 0)
		r = network(&p, v2, err);
	rdma_both(&p);
	if (r == 0)
		r = unified(&p, v2, err);
	if (r < 0)
		return r;
	*ret = out;
	out = (struct cgroup_writes){};
	return 0;
}
