/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a group as data. One reader per controller and version; a file that is not there leaves its part as it
 * was, since which files exist depends on kernel version and configuration. What v2 no longer counts is given in v1's
 * meaning where that can be computed (swap as memory plus swap), because engines' screens were made for it.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

#define SMALL 256
#define FIGURES_MAX 4096 /* devices times operations in one io file */
#define NS_PER_US 1000

void cgroup_stats_done(struct cgroup_stats *s)
{
	free(s->cpu.percpu_ns);
	free(s->cpu.percpu_user_ns);
	free(s->cpu.percpu_kernel_ns);
	free(s->cpuset.cpus);
	free(s->cpuset.mems);
	for (size_t i = 0; i < s->memory.raw_count; i++)
		free(s->memory.raw[i].name);
	free(s->memory.raw);
	for (int k = 0; k < CGROUP_IO_KIND_COUNT; k++)
		free(s->io.kind[k].items);
	for (size_t i = 0; i < s->hugetlb_count; i++)
		free(s->hugetlb[i].page_size);
	free(s->hugetlb);
	for (size_t i = 0; i < s->rdma_count; i++)
		free(s->rdma[i].device);
	free(s->rdma);
	*s = (struct cgroup_stats){};
}

/* ---- reading ---- */

/* A file with one number; "max" is UINT64_MAX. False: not there, or no number. */
static bool read_number(const char *dir, const char *file, uint64_t *ret)
{
	char text[SMALL];

	if (cgroupfs_read(dir, file, text, sizeof(text)) < 0)
		return false;
	if (str_eq(text, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	return str_to_u64(text, ret) == 0;
}

/* Call @fn with "key" and "rest" of each line of @dir/@file. False: no such file. */
static bool each_pair(const char *dir, const char *file, void (*fn)(const char *key, char *rest, void *arg), void *arg)
{
	autobuf struct buf text = BUF_INIT(CGROUP_FILE_MAX);
	char *line;

	if (cgroupfs_read_buf(dir, file, &text) < 0)
		return false;
	line = text.data;
	while (line && *line) {
		size_t len = strcspn(line, "\n");
		char *next = line + len + (line[len] == '\n'), *blank;

		line[len] = '\0';
		blank = strchr(line, ' ');
		if (blank) {
			*blank++ = '\0';
			fn(line, blank, arg);
		}
		line = next;
	}
	return true;
}

/* Pick some keys of a "key value" file. */
struct pick {
	const char *key;
	uint64_t *to;
	uint64_t times;
};
struct picks {
	const struct pick *items;
	size_t count;
};

static void pick_line(const char *key, char *rest, void *arg)
{
	const struct picks *p = arg;
	uint64_t v;

	for (size_t i = 0; i < p->count; i++)
		if (str_eq(p->items[i].key, key) && str_to_u64(rest, &v) == 0)
			*p->items[i].to = v * p->items[i].times;
}

#define PICK(dir, file, ...)                                                                                           \
	({                                                                                                             \
		const struct pick pick_[] = {__VA_ARGS__};                                                             \
		struct picks picks_ = {pick_, ARRAY_SIZE(pick_)};                                                      \
		each_pair(dir, file, pick_line, &picks_);                                                              \
	})

/* ---- pressure ---- */

/* "avg10=0.12 avg60=… avg300=… total=123" */
static void psi_line(const char *key, char *rest, void *arg)
{
	struct cgroup_psi *psi = arg;
	struct cgroup_psi_line l = {};

	if (sscanf(rest, "avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, &l.avg10, &l.avg60, &l.avg300, &l.total_us) !=
	    4)
		return;
	psi->set = true;
	*(str_eq(key, "some") ? &psi->some : &psi->full) = l;
}

static void read_psi(const char *dir, const char *file, struct cgroup_psi *psi)
{
	(void)each_pair(dir, file, psi_line, psi); /* without PSI in the kernel: stays unset */
}

/* ---- cpu ---- */

static void numbers_in(char *text, uint64_t **items, size_t *count)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		char *next = text + len + (text[len] == ' ');
		uint64_t v;

		text[len] = '\0';
		if (len > 0 && str_to_u64(text, &v) == 0)
			VEC_PUSH(*items, *count) = v;
		text = next;
	}
}

struct percpu {
	struct cgroup_stats *s;
	size_t user_count, kernel_count;
};

/* "cpu user system" and then a line per CPU: "0 123 456". */
static void percpu_line(const char *key, char *rest, void *arg)
{
	struct percpu *p = arg;
	char *blank = strchr(rest, ' ');
	uint64_t user, kernel;

	if (key[0] < '0' || key[0] > '9' || !blank)
		return;
	*blank++ = '\0';
	if (str_to_u64(rest, &user) < 0 || str_to_u64(blank, &kernel) < 0)
		return;
	VEC_PUSH(p->s->cpu.percpu_user_ns, p->user_count) = user;
	VEC_PUSH(p->s->cpu.percpu_kernel_ns, p->kernel_count) = kernel;
}

static void cpu_v1(const struct cgroup *cg, struct cgroup_stats *s)
{
	const char *acct = cgroup_dir(cg, CGROUP_CPUACCT), *cpu = cgroup_dir(cg, CGROUP_CPU);
	struct percpu per = {.s = s};
	autobuf struct buf text = BUF_INIT(1u << 20);

	if (acct && read_number(acct, "cpuacct.usage", &s->cpu.total_ns)) {
		s->cpu.set = true;
		(void)read_number(acct, "cpuacct.usage_user", &s->cpu.user_ns);
		(void)read_number(acct, "cpuacct.usage_sys", &s->cpu.kernel_ns);
		if (cgroupfs_read_buf(acct, "cpuacct.usage_percpu", &text) == 0 && text.len > 0) {
			text.data[strcspn(text.data, "\n")] = '\0';
			numbers_in(text.data, &s->cpu.percpu_ns, &s->cpu.percpu_count);
		}
		(void)each_pair(acct, "cpuacct.usage_all", percpu_line, &per);
		s->cpu.percpu_mode_count = per.user_count;
	}
	if (cpu)
		s->cpu.set |= PICK(cpu, "cpu.stat", {"nr_periods", &s->cpu.periods, 1},
				   {"nr_throttled", &s->cpu.throttled_periods, 1},
				   {"throttled_time", &s->cpu.throttled_ns, 1}, {"nr_bursts", &s->cpu.bursts, 1},
				   {"burst_time", &s->cpu.burst_ns, 1});
}

static void cpu_v2(const char *dir, struct cgroup_stats *s)
{
	s->cpu.set = PICK(dir, "cpu.stat", {"usage_usec", &s->cpu.total_ns, NS_PER_US},
			  {"user_usec", &s->cpu.user_ns, NS_PER_US}, {"system_usec", &s->cpu.kernel_ns, NS_PER_US},
			  {"nr_periods", &s->cpu.periods, 1}, {"nr_throttled", &s->cpu.throttled_periods, 1},
			  {"throttled_usec", &s->cpu.throttled_ns, NS_PER_US}, {"nr_bursts", &s->cpu.bursts, 1},
			  {"burst_usec", &s->cpu.burst_ns, NS_PER_US});
}

/* ---- cpuset ---- */

static char *read_list(const char *dir, const char *file, const char *fallback)
{
	char text[8192];
	ssize_t n = cgroupfs_read(dir, file, text, sizeof(text));

	if (n <= 0 && fallback)
		n = cgroupfs_read(dir, fallback, text, sizeof(text));
	return n > 0 ? mem_strdup(text) : NULL;
}

static void cpuset_both(const char *dir, bool v2, struct cgroup_stats *s)
{
	uint64_t level;
	char text[SMALL];
	const struct {
		const char *file;
		uint64_t *to;
	} numbers[] = {
		{"cpuset.cpu_exclusive", &s->cpuset.cpu_exclusive},
		{"cpuset.mem_exclusive", &s->cpuset.mem_exclusive},
		{"cpuset.mem_hardwall", &s->cpuset.mem_hardwall},
		{"cpuset.memory_migrate", &s->cpuset.memory_migrate},
		{"cpuset.memory_spread_page", &s->cpuset.memory_spread_page},
		{"cpuset.memory_spread_slab", &s->cpuset.memory_spread_slab},
		{"cpuset.memory_pressure", &s->cpuset.memory_pressure},
		{"cpuset.sched_load_balance", &s->cpuset.sched_load_balance},
	};

	s->cpuset.cpus = read_list(dir, "cpuset.cpus", v2 ? "cpuset.cpus.effective" : NULL);
	s->cpuset.mems = read_list(dir, "cpuset.mems", v2 ? "cpuset.mems.effective" : NULL);
	s->cpuset.set = s->cpuset.cpus != NULL;
	if (v2)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (read_number(dir, numbers[i].file, &level))
			*numbers[i].to = level;
	if (cgroupfs_read(dir, "cpuset.sched_relax_domain_level", text, sizeof(text)) >= 0)
		(void)str_to_i64(text, &s->cpuset.sched_relax_domain_level);
}

/* ---- memory ---- */

static void raw_line(const char *key, char *rest, void *arg)
{
	struct cgroup_stats *s = arg;
	uint64_t v;

	if (str_to_u64(rest, &v) == 0)
		VEC_PUSH(s->memory.raw, s->memory.raw_count) = (struct cgroup_named_figure){mem_strdup(key), v};
}

static uint64_t raw_get(const struct cgroup_stats *s, const char *name)
{
	for (size_t i = 0; i < s->memory.raw_count; i++)
		if (str_eq(s->memory.raw[i].name, name))
			return s->memory.raw[i].value;
	return 0;
}

static void mem_v1(const char *dir, const char *infix, struct cgroup_mem_figures *m)
{
	const struct {
		const char *suffix;
		uint64_t *to;
	} files[] = {
		{"usage_in_bytes", &m->usage_bytes},
		{"max_usage_in_bytes", &m->max_usage_bytes},
		{"limit_in_bytes", &m->limit_bytes},
		{"failcnt", &m->failcnt},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "memory.%s%s", infix, files[i].suffix);
		(void)read_number(dir, name, files[i].to);
	}
}

static void memory_v1(const char *dir, struct cgroup_stats *s)
{
	s->memory.set = each_pair(dir, "memory.stat", raw_line, s);
	s->memory.cache_bytes = raw_get(s, "cache");
	mem_v1(dir, "", &s->memory.usage);
	mem_v1(dir, "memsw.", &s->memory.swap);
	mem_v1(dir, "kmem.", &s->memory.kernel);
	mem_v1(dir, "kmem.tcp.", &s->memory.kernel_tcp);
	(void)PICK(dir, "memory.oom_control", {"oom_kill", &s->memory.oom_kills, 1});
}

static void memory_v2(const char *dir, struct cgroup_stats *s)
{
	struct cgroup_mem_figures *usage = &s->memory.usage, *swap = &s->memory.swap;

	s->memory.set =
		each_pair(dir, "memory.stat", raw_line, s) && read_number(dir, "memory.current", &usage->usage_bytes);
	s->memory.cache_bytes = raw_get(s, "file");
	(void)read_number(dir, "memory.max", &usage->limit_bytes);
	(void)read_number(dir, "memory.peak", &usage->max_usage_bytes); /* since 5.19 */
	(void)PICK(dir, "memory.events", {"oom_kill", &s->memory.oom_kills, 1}, {"max", &usage->failcnt, 1});
	if (read_number(dir, "memory.swap.current", &swap->usage_bytes)) {
		(void)read_number(dir, "memory.swap.max", &swap->limit_bytes);
		if (swap->limit_bytes != UINT64_MAX)
			swap->limit_bytes =
				usage->limit_bytes == UINT64_MAX ? UINT64_MAX : swap->limit_bytes + usage->limit_bytes;
		swap->usage_bytes += usage->usage_bytes;
	}
	read_psi(dir, "memory.pressure", &s->memory.psi);
}

static void pids_both(const char *dir, struct cgroup_stats *s)
{
	s->pids.limit = UINT64_MAX;
	s->pids.set = read_number(dir, "pids.current", &s->pids.current);
	(void)read_number(dir, "pids.max", &s->pids.limit);
}

/* ---- io ---- */

static const char *const io_ops[] = {"Read", "Write", "Sync", "Async", "Discard", "Total", "Flush"};

static const char *io_op(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(io_ops); i++)
		if (str_eq(io_ops[i], word))
			return io_ops[i];
	return NULL;
}

static bool parse_device(const char *text, uint32_t *major, uint32_t *minor)
{
	char copy[32], *colon;

	if (str_copy(copy, sizeof(copy), text) < 0 || !(colon = strchr(copy, ':')))
		return false;
	*colon = '\0';
	return str_to_u32(copy, major) == 0 && str_to_u32(colon + 1, minor) == 0;
}

static void io_add(struct cgroup_io_figures *f, uint32_t major, uint32_t minor, const char *op, uint64_t value)
{
	if (f->count < FIGURES_MAX)
		VEC_PUSH(f->items, f->count) = (struct cgroup_io_figure){major, minor, op, value};
}

/* "8:0 Read 1282048", "8:0 6792"; the line "Total 5" has no device and is left out. */
static void io_v1_line(const char *key, char *rest, void *arg)
{
	char *blank = strchr(rest, ' ');
	const char *op = "";
	uint32_t major, minor;
	uint64_t value;

	if (!parse_device(key, &major, &minor))
		return;
	if (blank) {
		*blank++ = '\0';
		op = io_op(rest);
	}
	if (op && str_to_u64(blank ? blank : rest, &value) == 0)
		io_add(arg, major, minor, op, value);
}

/* Which files there are depends on the scheduler and the kernel's age. The first set whose first file has content is
 * taken. (CFQ's went with 5.0; BFQ's without debugging has two files only.) */
#define IO_SETS 4
static const char *const io_files[IO_SETS][CGROUP_IO_KIND_COUNT] = {
	{
		[CGROUP_IO_SERVICE_BYTES] = "blkio.bfq.io_service_bytes_recursive",
		[CGROUP_IO_SERVICED] = "blkio.bfq.io_serviced_recursive",
		[CGROUP_IO_QUEUED] = "blkio.bfq.io_queued_recursive",
		[CGROUP_IO_SERVICE_TIME] = "blkio.bfq.io_service_time_recursive",
		[CGROUP_IO_WAIT_TIME] = "blkio.bfq.io_wait_time_recursive",
		[CGROUP_IO_MERGED] = "blkio.bfq.io_merged_recursive",
		[CGROUP_IO_TIME] = "blkio.bfq.time_recursive",
		[CGROUP_IO_SECTORS] = "blkio.bfq.sectors_recursive",
	},
	{
		[CGROUP_IO_SERVICE_BYTES] = "blkio.io_service_bytes_recursive",
		[CGROUP_IO_SERVICED] = "blkio.io_serviced_recursive",
		[CGROUP_IO_QUEUED] = "blkio.io_queued_recursive",
		[CGROUP_IO_SERVICE_TIME] = "blkio.io_service_time_recursive",
		[CGROUP_IO_WAIT_TIME] = "blkio.io_wait_time_recursive",
		[CGROUP_IO_MERGED] = "blkio.io_merged_recursive",
		[CGROUP_IO_TIME] = "blkio.time_recursive",
		[CGROUP_IO_SECTORS] = "blkio.sectors_recursive",
	},
	{
		[CGROUP_IO_SERVICE_BYTES] = "blkio.throttle.io_service_bytes_recursive",
		[CGROUP_IO_SERVICED] = "blkio.throttle.io_serviced_recursive",
	},
	{
		[CGROUP_IO_SERVICE_BYTES] = "blkio.throttle.io_service_bytes",
		[CGROUP_IO_SERVICED] = "blkio.throttle.io_serviced",
	},
};

static void io_v1(const char *dir, struct cgroup_stats *s)
{
	for (size_t set = 0; set < IO_SETS; set++) {
		for (int k = 0; k < CGROUP_IO_KIND_COUNT; k++)
			if (io_files[set][k])
				s->io.set |= each_pair(dir, io_files[set][k], io_v1_line, &s->io.kind[k]);
		if (s->io.kind[CGROUP_IO_SERVICE_BYTES].count > 0)
			return;
	}
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void io_v2_line(const char *key, char *rest, void *arg)
{
	static const struct {
		const char *key;
		enum cgroup_io_kind kind;
		const char *op;
	} fields[] = {
		{"rbytes", CGROUP_IO_SERVICE_BYTES, "Read"},    {"wbytes", CGROUP_IO_SERVICE_BYTES, "Write"},
		{"rios", CGROUP_IO_SERVICED, "Read"},           {"wios", CGROUP_IO_SERVICED, "Write"},
		{"dbytes", CGROUP_IO_SERVICE_BYTES, "Discard"}, {"dios", CGROUP_IO_SERVICED, "Discard"},
	};
	struct cgroup_stats *s = arg;
	uint32_t major, minor;
	uint64_t value;

	if (!parse_device(key, &major, &minor))
		return;
	while (*rest) {
		size_t len = strcspn(rest, " ");
		char *next = rest + len + (rest[len] == ' '), *equals;

		rest[len] = '\0';
		equals = strchr(rest, '=');
		if (equals)
			*equals++ = '\0';
		for (size_t i = 0; equals && i < ARRAY_SIZE(fields); i++)
			if (str_eq(fields[i].key, rest) && str_to_u64(equals, &value) == 0)
				io_add(&s->io.kind[fields[i].kind], major, minor, fields[i].op, value);
		rest = next;
	}
}

static void io_v2(const char *dir, struct cgroup_stats *s)
{
	s->io.set = each_pair(dir, "io.stat", io_v2_line, s);
	read_psi(dir, "io.pressure", &s->io.psi);
}

const char *cgroup_io_kind_name(enum cgroup_io_kind k)
{
	static const char *const names[CGROUP_IO_KIND_COUNT] = {
		[CGROUP_IO_SERVICE_BYTES] = "ioServiceBytesRecursive",
		[CGROUP_IO_SERVICED] = "ioServicedRecursive",
		[CGROUP_IO_QUEUED] = "ioQueueRecursive",
		[CGROUP_IO_SERVICE_TIME] = "ioServiceTimeRecursive",
		[CGROUP_IO_WAIT_TIME] = "ioWaitTimeRecursive",
		[CGROUP_IO_MERGED] = "ioMergedRecursive",
		[CGROUP_IO_TIME] = "ioTimeRecursive",
		[CGROUP_IO_SECTORS] = "sectorsRecursive",
	};

	return names[k];
}

/* ---- huge pages, rdma ---- */

/* Every size that Linux has on some machine; those of this one are the ones with a file. */
static const char *const page_sizes[] = {"64KB", "512KB", "1MB",   "2MB", "8MB", "16MB",
					 "32MB", "256MB", "512MB", "1GB", "2GB", "16GB"};

static void hugetlb_both(const char *dir, bool v2, struct cgroup_stats *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(page_sizes); i++) {
		struct cgroup_hugetlb_figures h = {};
		char name[64];

		/* Reserved pages are what a program can run out of; kernels before 5.7 count used ones only. */
		for (const char *const *kind = (const char *const[]){".rsvd", "", NULL}; *kind; kind++) {
			(void)snprintf(name, sizeof(name), "hugetlb.%s%s.%s", page_sizes[i], *kind,
				       v2 ? "current" : "usage_in_bytes");
			if (!read_number(dir, name, &h.usage_bytes))
				continue;
			if (v2) {
				(void)snprintf(name, sizeof(name), "hugetlb.%s.events", page_sizes[i]);
				(void)PICK(dir, name, {"max", &h.failcnt, 1});
			} else {
				(void)snprintf(name, sizeof(name), "hugetlb.%s%s.max_usage_in_bytes", page_sizes[i],
					       *kind);
				(void)read_number(dir, name, &h.max_usage_bytes);
				(void)snprintf(name, sizeof(name), "hugetlb.%s%s.failcnt", page_sizes[i], *kind);
				(void)read_number(dir, name, &h.failcnt);
			}
			h.page_size = mem_strdup(page_sizes[i]);
			VEC_PUSH(s->hugetlb, s->hugetlb_count) = h;
			break;
		}
	}
}

struct rdma_reading {
	struct cgroup_stats *s;
	bool limits;
};

/* "mlx4_0 hca_handle=2 hca_object=max" */
static void rdma_line(const char *key, char *rest, void *arg)
{
	struct rdma_reading *r = arg;
	struct cgroup_rdma_figures *f = NULL;
	char handle[24], object[24];
	uint64_t h = UINT64_MAX, o = UINT64_MAX;

	if (sscanf(rest, "hca_handle=%23s hca_object=%23s", handle, object) != 2)
		return;
	(void)str_to_u64(handle, &h); /* "max" leaves none */
	(void)str_to_u64(object, &o);
	for (size_t i = 0; i < r->s->rdma_count; i++)
		if (str_eq(r->s->rdma[i].device, key))
			f = &r->s->rdma[i];
	if (!f) {
		f = &VEC_PUSH(r->s->rdma, r->s->rdma_count);
		*f = (struct cgroup_rdma_figures){.device = mem_strdup(key),
						  .handles_max = UINT64_MAX,
						  .objects_max = UINT64_MAX};
	}
	*(r->limits ? &f->handles_max : &f->handles) = h;
	*(r->limits ? &f->objects_max : &f->objects) = o;
}

static void rdma_both(const char *dir, struct cgroup_stats *s)
{
	struct rdma_reading r = {.s = s};

	(void)each_pair(dir, "rdma.current", rdma_line, &r); /* no devices, no lines */
	r.limits = true;
	(void)each_pair(dir, "rdma.max", rdma_line, &r);
}

/* ---- the whole ---- */

static void stats_v1(const struct cgroup *cg, struct cgroup_stats *s)
{
	const char *dir;

	cpu_v1(cg, s);
	if ((dir = cgroup_dir(cg, CGROUP_CPUSET)))
		cpuset_both(dir, false, s);
	if ((dir = cgroup_dir(cg, CGROUP_MEMORY)))
		memory_v1(dir, s);
	if ((dir = cgroup_dir(cg, CGROUP_PIDS)))
		pids_both(dir, s);
	if ((dir = cgroup_dir(cg, CGROUP_BLKIO)))
		io_v1(dir, s);
	if ((dir = cgroup_dir(cg, CGROUP_HUGETLB)))
		hugetlb_both(dir, false, s);
	if ((dir = cgroup_dir(cg, CGROUP_RDMA)))
		rdma_both(dir, s);
	/* A hybrid host's cgroup2 side keeps pressure without any controller. */
	if ((dir = cgroup_dir(cg, CGROUP_CONTROLLER_COUNT))) {
		read_psi(dir, "cpu.pressure", &s->cpu.psi);
		read_psi(dir, "memory.pressure", &s->memory.psi);
		read_psi(dir, "io.pressure", &s->io.psi);
	}
}

static void stats_v2(const char *dir, struct cgroup_stats *s)
{
	cpu_v2(dir, s);
	read_psi(dir, "cpu.pressure", &s->cpu.psi);
	cpuset_both(dir, true, s);
	memory_v2(dir, s);
	pids_both(dir, s);
	io_v2(dir, s);
	hugetlb_both(dir, true, s);
	rdma_both(dir, s);
}

int cgroup_stats(const struct cgroup *cg, struct cgroup_stats *ret, struct error *err)
{
	autocgroupstats struct cgroup_stats s = {};
	autobuf struct buf procs = BUF_INIT(CGROUP_FILE_MAX);

	if (cg->count > 0 && cgroupfs_read_buf(cg->dirs[0].path, "cgroup.procs", &procs) == -ENOENT)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "the control group %s is gone", cg->dirs[0].path);
	if (cg->mode == CGROUP_MODE_V2 && cg->count > 0)
		stats_v2(cg->dirs[0].path, &s);
	else
		stats_v1(cg, &s);
	*ret = s;
	s = (struct cgroup_stats){};
	return 0;
}
