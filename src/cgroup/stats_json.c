/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures as the `data` object of `events`, in runc's field names and order: engines and their users parse it. A field
 * that runc leaves out when it is zero is left out here as well ("omitempty" in runc's types/events.go). Pure.
 */
#include <string.h>

#include "base/cleanup.h"
#include "cgroup/group.h"

#define CPU_NUMBER_MAX 65535 /* runc's type for them has 16 bits */

static void set_unless_zero(struct json *o, const char *key, uint64_t v)
{
	if (v != 0)
		json_set(o, key, json_new_u64(v));
}

static void set_numbers(struct json *o, const char *key, const uint64_t *items, size_t count)
{
	struct json *list;

	if (count == 0)
		return;
	list = json_new_array();
	for (size_t i = 0; i < count; i++)
		json_push(list, json_new_u64(items[i]));
	json_set(o, key, list);
}

static struct json *psi_line(const struct cgroup_psi_line *l)
{
	struct json *o = json_new_object();

	json_set(o, "avg10", json_new_real(l->avg10));
	json_set(o, "avg60", json_new_real(l->avg60));
	json_set(o, "avg300", json_new_real(l->avg300));
	json_set(o, "total", json_new_u64(l->total_us));
	return o;
}

static void set_psi(struct json *o, const struct cgroup_psi *psi)
{
	struct json *p;

	if (!psi->set)
		return;
	p = json_new_object();
	json_set(p, "some", psi_line(&psi->some));
	json_set(p, "full", psi_line(&psi->full));
	json_set(o, "psi", p);
}

static struct json *cpu_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object(), *usage = json_new_object(), *throttling = json_new_object();

	set_unless_zero(usage, "total", s->cpu.total_ns);
	set_numbers(usage, "percpu", s->cpu.percpu_ns, s->cpu.percpu_count);
	set_numbers(usage, "percpu_kernel", s->cpu.percpu_kernel_ns, s->cpu.percpu_mode_count);
	set_numbers(usage, "percpu_user", s->cpu.percpu_user_ns, s->cpu.percpu_mode_count);
	json_set(usage, "kernel", json_new_u64(s->cpu.kernel_ns));
	json_set(usage, "user", json_new_u64(s->cpu.user_ns));
	json_set(o, "usage", usage);
	set_unless_zero(throttling, "periods", s->cpu.periods);
	set_unless_zero(throttling, "throttledPeriods", s->cpu.throttled_periods);
	set_unless_zero(throttling, "throttledTime", s->cpu.throttled_ns);
	json_set(o, "throttling", throttling);
	set_psi(o, &s->cpu.psi);
	return o;
}

/* "0-2,7" as an array of numbers. */
static void set_list(struct json *o, const char *key, const char *list)
{
	struct json *out;

	if (!list || !*list)
		return;
	out = json_new_array();
	while (*list) {
		unsigned from, to;
		int used = 0;

		if (sscanf(list, "%5u-%5u%n", &from, &to, &used) != 2 || used == 0) {
			if (sscanf(list, "%5u%n", &from, &used) != 1)
				break;
			to = from;
		}
		for (unsigned i = from; i <= to && i <= CPU_NUMBER_MAX; i++)
			json_push(out, json_new_u64(i));
		list += used;
		if (*list != ',')
			break;
		list++;
	}
	json_set(o, key, out);
}

static struct json *cpuset_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object();

	set_list(o, "cpus", s->cpuset.cpus);
	json_set(o, "cpu_exclusive", json_new_u64(s->cpuset.cpu_exclusive));
	set_list(o, "mems", s->cpuset.mems);
	json_set(o, "mem_hardwall", json_new_u64(s->cpuset.mem_hardwall));
	json_set(o, "mem_exclusive", json_new_u64(s->cpuset.mem_exclusive));
	json_set(o, "memory_migrate", json_new_u64(s->cpuset.memory_migrate));
	json_set(o, "memory_spread_page", json_new_u64(s->cpuset.memory_spread_page));
	json_set(o, "memory_spread_slab", json_new_u64(s->cpuset.memory_spread_slab));
	json_set(o, "memory_pressure", json_new_u64(s->cpuset.memory_pressure));
	json_set(o, "sched_load_balance", json_new_u64(s->cpuset.sched_load_balance));
	json_set(o, "sched_relax_domain_level", json_new_i64(s->cpuset.sched_relax_domain_level));
	return o;
}

static struct json *mem_json(const struct cgroup_mem_figures *m)
{
	struct json *o = json_new_object();

	json_set(o, "limit", json_new_u64(m->limit_bytes));
	set_unless_zero(o, "usage", m->usage_bytes);
	set_unless_zero(o, "max", m->max_usage_bytes);
	json_set(o, "failcnt", json_new_u64(m->failcnt));
	return o;
}

static struct json *memory_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object(), *raw;

	set_unless_zero(o, "cache", s->memory.cache_bytes);
	json_set(o, "usage", mem_json(&s->memory.usage));
	json_set(o, "swap", mem_json(&s->memory.swap));
	json_set(o, "kernel", mem_json(&s->memory.kernel));
	json_set(o, "kernelTCP", mem_json(&s->memory.kernel_tcp));
	if (s->memory.raw_count > 0) {
		raw = json_new_object();
		for (size_t i = 0; i < s->memory.raw_count; i++)
			json_set(raw, s->memory.raw[i].name, json_new_u64(s->memory.raw[i].value));
		json_set(o, "raw", raw);
	}
	set_psi(o, &s->memory.psi);
	return o;
}

static struct json *io_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object();

	for (int k = 0; k < CGROUP_IO_KIND_COUNT; k++) {
		const struct cgroup_io_figures *f = &s->io.kind[k];
		struct json *list;

		if (f->count == 0)
			continue;
		list = json_new_array();
		for (size_t i = 0; i < f->count; i++) {
			struct json *e = json_new_object();

			set_unless_zero(e, "major", f->items[i].major);
			set_unless_zero(e, "minor", f->items[i].minor);
			if (*f->items[i].op)
				json_set(e, "op", json_new_str(f->items[i].op));
			set_unless_zero(e, "value", f->items[i].value);
			json_push(list, e);
		}
		json_set(o, cgroup_io_kind_name(k), list);
	}
	set_psi(o, &s->io.psi);
	return o;
}

static struct json *pids_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object();

	set_unless_zero(o, "current", s->pids.current);
	if (s->pids.limit != UINT64_MAX)
		set_unless_zero(o, "limit", s->pids.limit);
	return o;
}

static struct json *hugetlb_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object();

	for (size_t i = 0; i < s->hugetlb_count; i++) {
		struct json *h = json_new_object();

		set_unless_zero(h, "usage", s->hugetlb[i].usage_bytes);
		set_unless_zero(h, "max", s->hugetlb[i].max_usage_bytes);
		json_set(h, "failcnt", json_new_u64(s->hugetlb[i].failcnt));
		json_set(o, s->hugetlb[i].page_size, h);
	}
	return o;
}

struct json *cgroup_stats_to_json(const struct cgroup_stats *s)
{
	struct json *o = json_new_object();

	json_set(o, "cpu", cpu_json(s));
	json_set(o, "cpuset", cpuset_json(s));
	json_set(o, "memory", memory_json(s));
	json_set(o, "pids", pids_json(s));
	json_set(o, "blkio", io_json(s));
	json_set(o, "hugetlb", hugetlb_json(s));
	json_set(o, "intel_rdt", json_new_object());
	json_set(o, "network_interfaces", NULL);
	return o;
}
