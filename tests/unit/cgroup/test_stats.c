/* SPDX-License-Identifier: Apache-2.0 */
/* Figures: from files as kernels write them to data, and to the JSON that runc's users read. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "test.h"

struct tree {
	char root[64];
	struct strv files;
};

static void put(struct tree *t, const char *name, const char *text)
{
	char *path = mem_printf("%s/g/%s", t->root, name);
	autofile FILE *f = fopen(path, "w");

	if (f)
		(void)fputs(text, f);
	strv_push_take(&t->files, path);
}

static void tree_end(struct tree *t)
{
	autofree char *dir = mem_printf("%s/g", t->root);

	for (size_t i = 0; i < t->files.count; i++)
		(void)remove(t->files.items[i]);
	(void)rmdir(dir);
	(void)rmdir(t->root);
	strv_done(&t->files);
}
#define autotree __attribute__((cleanup(tree_end)))

/* One directory that stands for all hierarchies. */
static struct cgroup *open_group(struct tree *t, bool v2)
{
	autojson struct json *j = NULL;
	autofree char *text = NULL, *dir = NULL;
	struct cgroup *cg = NULL;
	struct error err = {};

	(void)str_copy(t->root, sizeof(t->root), "/tmp/bothy-test-cgroup-XXXXXX");
	if (!mkdtemp(t->root))
		return NULL;
	dir = mem_printf("%s/g", t->root);
	(void)mkdir(dir, 0755);
	text = mem_printf(
		"{\"mode\":\"%s\",\"directories\":[{\"path\":\"%s\",\"mountPoint\":\"%s\",\"shown\":\"/g\",\"v2\":%s,"
		"\"controllers\":%u,\"made\":0}]}",
		v2 ? "v2" : "v1", dir, t->root, v2 ? "true" : "false", CGROUP_BIT(CGROUP_CONTROLLER_COUNT) - 1);
	if (json_parse(text, strlen(text), "t", &j, &err) < 0 || cgroup_from_json(j, &cg, &err) < 0)
		return NULL;
	put(t, "cgroup.procs", "");
	return cg;
}

static const char *json_text(const struct cgroup_stats *s, const char *part)
{
	static char out[8192];
	autojson struct json *j = cgroup_stats_to_json(s);
	autobuf struct buf b = BUF_INIT(sizeof(out) - 1);

	out[0] = '\0';
	if (json_write(json_get(j, part), false, &b))
		(void)str_copy(out, sizeof(out), buf_str(&b));
	return out;
}

TEST(v1_figures)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = open_group(&t, false);
	autocgroupstats struct cgroup_stats s = {};
	struct error err = {};

	REQUIRE(cg);
	put(&t, "cpuacct.usage", "1000\n");
	put(&t, "cpuacct.usage_user", "600\n");
	put(&t, "cpuacct.usage_sys", "400\n");
	put(&t, "cpuacct.usage_percpu", "700 300 \n");
	put(&t, "cpuacct.usage_all", "cpu user system\n0 500 200\n1 100 200\n");
	put(&t, "cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 99\n");
	put(&t, "memory.stat", "cache 11\nrss 22\n");
	put(&t, "memory.usage_in_bytes", "33\n");
	put(&t, "memory.max_usage_in_bytes", "44\n");
	put(&t, "memory.limit_in_bytes", "9223372036854771712\n");
	put(&t, "memory.failcnt", "1\n");
	put(&t, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	put(&t, "pids.current", "5\n");
	put(&t, "pids.max", "max\n");
	put(&t, "cpuset.cpus", "0-2,7\n");
	put(&t, "cpuset.mems", "0\n");
	put(&t, "cpuset.sched_relax_domain_level", "-1\n");
	put(&t, "blkio.throttle.io_service_bytes_recursive", "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n");
	put(&t, "blkio.throttle.io_serviced_recursive", "8:0 Read 1\nTotal 1\n");
	put(&t, "hugetlb.2MB.usage_in_bytes", "7\n");
	put(&t, "hugetlb.2MB.max_usage_in_bytes", "8\n");
	put(&t, "hugetlb.2MB.failcnt", "9\n");
	CHECK_INT(cgroup_stats(cg, &s, &err), 0);
	CHECK_STR(json_text(&s, "cpu"), "{\"usage\":{\"total\":1000,\"percpu\":[700,300],\"percpu_kernel\":[200,200],"
					"\"percpu_user\":[500,100],\"kernel\":400,\"user\":600},"
					"\"throttling\":{\"periods\":4,\"throttledPeriods\":2,\"throttledTime\":99}}");
	CHECK_STR(
		json_text(&s, "cpuset"),
		"{\"cpus\":[0,1,2,7],\"cpu_exclusive\":0,\"mems\":[0],\"mem_hardwall\":0,\"mem_exclusive\":0,\"memory_migrate\":0,"
		"\"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
		"\"sched_relax_domain_level\":-1}");
	CHECK_STR(
		json_text(&s, "memory"),
		"{\"cache\":11,\"usage\":{\"limit\":9223372036854771712,\"usage\":33,\"max\":44,\"failcnt\":1},"
		"\"swap\":{\"limit\":0,\"failcnt\":0},\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0},"
		"\"raw\":{\"cache\":11,\"rss\":22}}");
	CHECK_INT(s.memory.oom_kills, 3);
	CHECK_STR(json_text(&s, "pids"), "{\"current\":5}");
	CHECK_STR(
		json_text(&s, "blkio"),
		"{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":10},{\"major\":8,\"op\":\"Write\",\"value\":20},"
		"{\"major\":8,\"op\":\"Total\",\"value\":30}],\"ioServicedRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":1}]}");
	CHECK_STR(json_text(&s, "hugetlb"), "{\"2MB\":{\"usage\":7,\"max\":8,\"failcnt\":9}}");
}

TEST(v2_figures)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = open_group(&t, true);
	autocgroupstats struct cgroup_stats s = {};
	uint64_t kills = 9;
	struct error err = {};

	REQUIRE(cg);
	put(&t, "cpu.stat",
	    "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 7\nnr_bursts 0\n");
	put(&t, "cpu.pressure",
	    "some avg10=1.50 avg60=0.25 avg300=0.00 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
	put(&t, "memory.stat", "anon 1\nfile 2\n");
	put(&t, "memory.current", "100\n");
	put(&t, "memory.max", "1000\n");
	put(&t, "memory.peak", "150\n");
	put(&t, "memory.swap.current", "10\n");
	put(&t, "memory.swap.max", "500\n");
	put(&t, "memory.events", "low 0\nhigh 0\nmax 6\noom 2\noom_kill 1\noom_group_kill 0\n");
	put(&t, "io.stat", "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:1 \n");
	put(&t, "pids.current", "2\n");
	put(&t, "pids.max", "64\n");
	put(&t, "rdma.current", "mlx4_0 hca_handle=2 hca_object=20\n");
	put(&t, "rdma.max", "mlx4_0 hca_handle=3 hca_object=max\n");
	CHECK_INT(cgroup_stats(cg, &s, &err), 0);
	CHECK_INT(s.cpu.total_ns, 5000);
	CHECK_INT(s.cpu.throttled_ns, 7000);
	CHECK(s.cpu.psi.set);
	CHECK(s.cpu.psi.some.avg10 > 1.49 && s.cpu.psi.some.avg10 < 1.51);
	CHECK_INT(s.cpu.psi.some.total_us, 42);
	CHECK_INT(s.memory.cache_bytes, 2);
	CHECK_INT(s.memory.usage.limit_bytes, 1000);
	CHECK_INT(s.memory.usage.max_usage_bytes, 150);
	CHECK_INT(s.memory.swap.usage_bytes, 110);
	CHECK_INT(s.memory.swap.limit_bytes, 1500);
	CHECK_INT(s.memory.oom_kills, 1);
	CHECK_INT(s.pids.limit, 64);
	REQUIRE(s.io.kind[CGROUP_IO_SERVICE_BYTES].count == 3);
	CHECK_INT(s.io.kind[CGROUP_IO_SERVICE_BYTES].items[1].value, 2);
	CHECK_STR(s.io.kind[CGROUP_IO_SERVICE_BYTES].items[1].op, "Write");
	CHECK_INT(s.io.kind[CGROUP_IO_SERVICE_BYTES].items[1].major, 254);
	REQUIRE(s.rdma_count == 1);
	CHECK_INT(s.rdma[0].handles_max, 3);
	CHECK_INT(s.rdma[0].objects, 20);
	CHECK_INT(s.rdma[0].objects_max == UINT64_MAX, 1);
	CHECK_INT(cgroup_oom_kills(cg, &kills, &err), 0);
	CHECK_INT(kills, 1);
}

TEST(nothing_there_gives_nothing)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = open_group(&t, true);
	autocgroupstats struct cgroup_stats s = {};
	struct error err = {};

	REQUIRE(cg);
	CHECK_INT(cgroup_stats(cg, &s, &err), 0);
	CHECK(!s.cpu.set && !s.memory.set && !s.pids.set && !s.io.set);
	CHECK_STR(json_text(&s, "blkio"), "{}");
	CHECK_STR(json_text(&s, "hugetlb"), "{}");
}

TEST(a_group_that_is_gone)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = open_group(&t, false);
	autocgroupstats struct cgroup_stats s = {};
	autocgrouppids struct cgroup_pids pids = {};
	struct error err = {};

	REQUIRE(cg);
	tree_end(&t);
	t = (struct tree){};
	CHECK(cgroup_stats(cg, &s, &err) < 0);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_INT(cgroup_pids(cg, true, &pids, &err), 0);
	CHECK_INT(pids.count, 0);
	CHECK_INT(cgroup_is_frozen(cg, &err), 0);
}

TEST(rubbish_in_the_files)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = open_group(&t, false);
	autocgroupstats struct cgroup_stats s = {};
	struct error err = {};

	REQUIRE(cg);
	put(&t, "cpuacct.usage", "abc\n");
	put(&t, "cpuacct.usage_percpu", "1 x 2\n");
	put(&t, "cpu.stat", "nr_periods\nnr_throttled -1\n\n\n");
	put(&t, "memory.stat", "cache\nrss 1 2\n x 3\n");
	put(&t, "blkio.throttle.io_service_bytes",
	    "8 Read 1\n8:x Read 1\n8:0 Odd 1\n8:0 Read x\n99999999999:0 Read 1\n");
	put(&t, "rdma.current", "dev hca_handle=\ndev2 x\n");
	put(&t, "cpuset.cpus", "0-70000,5-,x\n");
	CHECK_INT(cgroup_stats(cg, &s, &err), 0);
	CHECK_INT(s.io.kind[CGROUP_IO_SERVICE_BYTES].count, 0);
	CHECK_INT(s.rdma_count, 0);
	(void)json_text(&s, "cpuset"); /* bounded by the 16-bit type: no endless list */
}

TEST(pids_are_sorted_and_unique)
{
	autotree struct tree t = {};
	autocgroup struct cgroup *cg = open_group(&t, false);
	autocgrouppids struct cgroup_pids pids = {};
	struct error err = {};

	REQUIRE(cg);
	put(&t, "cgroup.procs", "30\n0\n4\n30\n999999999999\n12");
	CHECK_INT(cgroup_pids(cg, true, &pids, &err), 0);
	REQUIRE(pids.count == 3);
	CHECK_INT(pids.items[0], 4);
	CHECK_INT(pids.items[1], 12);
	CHECK_INT(pids.items[2], 30);
}
