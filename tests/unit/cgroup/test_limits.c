/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources as writes: conversions, orders, refusals, for both versions. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "cgroup/group.h"
#include "test.h"

/* "file=value\n…" of a plan, or "error: …". */
static const char *plan(const struct spec_resources *res, bool v2, const struct cgroup_now *now)
{
	static char text[8192];
	autocgroupwrites struct cgroup_writes w = {};
	struct error err = {};
	size_t len = 0;

	if (cgroup_limits_plan(res, v2, now, &w, &err) < 0) {
		(void)snprintf(text, sizeof(text), "error: %s", err.msg);
		return text;
	}
	text[0] = '\0';
	for (size_t i = 0; i < w.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s=%s\n", w.items[i].file, w.items[i].value);
	return text;
}

#define V1(...) plan(&(struct spec_resources){__VA_ARGS__}, false, NULL)
#define V2(...) plan(&(struct spec_resources){__VA_ARGS__}, true, NULL)
#define SET(n)                                                                                                         \
	{                                                                                                              \
		true, n                                                                                                \
	}

TEST(nothing_asked_nothing_written)
{
	CHECK_STR(V1(), "");
	CHECK_STR(V2(), "");
}

/* Values of runc 1.3.2's own table and its end points. */
TEST(shares_to_weight)
{
	static const struct {
		uint64_t shares, weight;
	} rows[] = {{0, 0}, {1, 1},    {2, 1},    {1024, 100}, {262144, 10000}, {1000000, 10000},
		    {3, 2}, {100, 17}, {512, 59}, {2048, 174}, {4096, 303}};
	uint64_t last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_INT(cgroup_shares_to_weight(rows[i].shares), rows[i].weight);
	for (uint64_t s = 2; s <= 262144; s += 7) { /* never falls, never leaves the range */
		uint64_t w = cgroup_shares_to_weight(s);

		if (!CHECK(w >= last && w >= 1 && w <= 10000))
			break;
		last = w;
	}
}

TEST(blkio_to_io_weight)
{
	CHECK_INT(cgroup_blkio_to_io_weight(0), 0);
	CHECK_INT(cgroup_blkio_to_io_weight(10), 1);
	CHECK_INT(cgroup_blkio_to_io_weight(500), 4950);
	CHECK_INT(cgroup_blkio_to_io_weight(1000), 10000);
}

TEST(memory_v1)
{
	CHECK_STR(V1(.memory.limit = SET(100)), "memory.limit_in_bytes=100\n");
	CHECK_STR(V1(.memory.limit = SET(0)), "");
	CHECK_STR(V1(.memory = {.limit = SET(100), .swap = SET(200)}),
		  "memory.limit_in_bytes=100\nmemory.memsw.limit_in_bytes=200\n");
	CHECK_STR(V1(.memory = {.limit = SET(100), .swap = SET(-1)}),
		  "memory.memsw.limit_in_bytes=-1\nmemory.limit_in_bytes=100\n");
	CHECK_STR(V1(.memory.limit = SET(-1)), "memory.memsw.limit_in_bytes=-1\nmemory.limit_in_bytes=-1\n");
	CHECK_STR(V1(.memory = {.reservation = SET(5), .swappiness = SET(0), .disable_oom_killer = SET(true)}),
		  "memory.soft_limit_in_bytes=5\nmemory.oom_control=1\nmemory.swappiness=0\n");
	CHECK_STR(V1(.memory = {.kernel = SET(5), .kernel_tcp = SET(5), .use_hierarchy = SET(true)}),
		  "memory.kmem.tcp.limit_in_bytes=5\n");
	CHECK_CONTAINS(V1(.memory.swap = SET(200)), "error: memory.swap");
	CHECK_CONTAINS(V1(.memory = {.limit = SET(300), .swap = SET(200)}), "error: memory.swap");
}

/* memory.limit may at no moment be above memory plus swap. */
TEST(memory_v1_order_follows_the_direction)
{
	const struct cgroup_now now = {.update = true, .memory_limit = 100, .memsw_limit = 200};
	const struct spec_resources up = {.memory = {.limit = SET(300), .swap = SET(400)}};
	const struct spec_resources down = {.memory = {.limit = SET(50), .swap = SET(60)}};
	const struct spec_resources swap_only = {.memory = {.swap = SET(150)}};

	CHECK_STR(plan(&up, false, &now), "memory.memsw.limit_in_bytes=400\nmemory.limit_in_bytes=300\n");
	CHECK_STR(plan(&down, false, &now), "memory.limit_in_bytes=50\nmemory.memsw.limit_in_bytes=60\n");
	CHECK_STR(plan(&swap_only, false, &now), "memory.memsw.limit_in_bytes=150\n");
}

TEST(memory_v2)
{
	const struct cgroup_now now = {.update = true, .memory_limit = 100};
	const struct spec_resources swap_only = {.memory.swap = SET(250)};

	CHECK_STR(V2(.memory.limit = SET(100)), "memory.max=100\n");
	CHECK_STR(V2(.memory = {.limit = SET(100), .swap = SET(250)}), "memory.swap.max=150\nmemory.max=100\n");
	CHECK_STR(V2(.memory = {.limit = SET(100), .swap = SET(100)}), "memory.swap.max=0\nmemory.max=100\n");
	CHECK_STR(V2(.memory = {.limit = SET(100), .swap = SET(-1)}), "memory.swap.max=max\nmemory.max=100\n");
	CHECK_STR(V2(.memory.limit = SET(-1)), "memory.swap.max=max\nmemory.max=max\n");
	CHECK_STR(V2(.memory = {.limit = SET(-1), .swap = SET(70)}), "memory.swap.max=70\nmemory.max=max\n");
	CHECK_STR(V2(.memory.reservation = SET(7)), "memory.low=7\n");
	CHECK_STR(V2(.memory = {.swappiness = SET(5), .disable_oom_killer = SET(true)}), "");
	CHECK_STR(plan(&swap_only, true, &now), "memory.swap.max=150\n");
	CHECK_CONTAINS(V2(.memory.swap = SET(250)), "error: memory.swap");
	CHECK_CONTAINS(V2(.memory = {.limit = SET(100), .swap = SET(99)}), "error: memory.swap");
}

TEST(cpu_v1)
{
	CHECK_STR(V1(.cpu = {.shares = SET(512), .quota_us = SET(50000), .period_us = SET(100000), .burst_us = SET(0)}),
		  "cpu.shares=512\ncpu.cfs_period_us=100000\ncpu.cfs_burst_us=0\ncpu.cfs_quota_us=50000\n");
	CHECK_STR(V1(.cpu.quota_us = SET(-1)), "cpu.cfs_quota_us=-1\n");
	CHECK_STR(V1(.cpu = {.shares = SET(0), .quota_us = SET(0), .period_us = SET(0)}), "");
	CHECK_STR(V1(.cpu = {.rt_period_us = SET(1000), .rt_runtime_us = SET(500)}),
		  "cpu.rt_period_us=1000\ncpu.rt_runtime_us=500\n");
	CHECK_CONTAINS(V1(.cpu.shares = SET(1)), "minimum allowed cpu-shares is 2");
	CHECK_CONTAINS(V1(.cpu.shares = SET(262145)), "maximum allowed cpu-shares is 262144");
}

TEST(idle_and_weight_order)
{
	CHECK_STR(V1(.cpu = {.shares = SET(512), .idle = SET(1)}), "cpu.shares=512\ncpu.idle=1\n");
	CHECK_STR(V1(.cpu = {.shares = SET(512), .idle = SET(0)}), "cpu.idle=0\ncpu.shares=512\n");
	CHECK_STR(V2(.cpu = {.shares = SET(1024), .idle = SET(1)}), "cpu.weight=100\ncpu.idle=1\n");
}

TEST(cpu_v2)
{
	const struct cgroup_now now = {.update = true, .period_us = 20000, .quota_us = 7000};
	const struct spec_resources quota = {.cpu.quota_us = SET(5000)}, period = {.cpu.period_us = SET(50000)};

	CHECK_STR(V2(.cpu = {.quota_us = SET(50000), .period_us = SET(200000)}), "cpu.max=50000 200000\n");
	CHECK_STR(V2(.cpu.quota_us = SET(50000)), "cpu.max=50000 100000\n");
	CHECK_STR(V2(.cpu.quota_us = SET(-1)), "cpu.max=max 100000\n");
	CHECK_STR(V2(.cpu.period_us = SET(1000)), "cpu.max=max 1000\n");
	CHECK_STR(V2(.cpu.burst_us = SET(3)), "cpu.max.burst=3\n");
	/* the half that is not given stays */
	CHECK_STR(plan(&quota, true, &now), "cpu.max=5000 20000\n");
	CHECK_STR(plan(&period, true, &now), "cpu.max=7000 50000\n");
	CHECK_CONTAINS(V2(.cpu.rt_runtime_us = SET(3)), "error: cpu.realtimeRuntime");
}

TEST(cpuset)
{
	CHECK_STR(V1(.cpu = {.cpus = "0-1", .mems = "0"}), "cpuset.cpus=0-1\ncpuset.mems=0\n");
	CHECK_STR(V2(.cpu = {.cpus = "0-1", .mems = ""}), "cpuset.cpus=0-1\n");
}

TEST(pids_as_spec_1_3)
{
	CHECK_STR(V1(.pids_limit = SET(10)), "pids.max=10\n");
	CHECK_STR(V2(.pids_limit = SET(-1)), "pids.max=max\n");
	CHECK_STR(V2(.pids_limit = SET(0)), "pids.max=1\n");
}

static unsigned flags_of(const struct spec_resources *res, bool v2, size_t i)
{
	autocgroupwrites struct cgroup_writes w = {};
	struct error err = {};

	return cgroup_limits_plan(res, v2, NULL, &w, &err) == 0 && i < w.count ? w.items[i].flags : ~0u;
}

TEST(block_io)
{
	struct spec_blkio_weight wd[] = {{8, 0, SET(500), {}}};
	struct spec_blkio_throttle rbps[] = {{8, 0, 1000}, {8, 16, 0}}, wiops[] = {{8, 0, 5}};
	const struct spec_resources res = {
		.blkio = {
			.weight = SET(500),
			.weight_devices = wd,
			.weight_device_count = 1,
			.throttle = {[SPEC_BLKIO_READ_BPS] = rbps, [SPEC_BLKIO_WRITE_IOPS] = wiops},
			.throttle_count = {[SPEC_BLKIO_READ_BPS] = 2, [SPEC_BLKIO_WRITE_IOPS] = 1},
		}};

	CHECK_STR(plan(&res, false, NULL),
		  "blkio.bfq.weight=500\nblkio.weight=500\n"
		  "blkio.bfq.weight_device=8:0 500\nblkio.weight_device=8:0 500\n"
		  "blkio.throttle.read_bps_device=8:0 1000\nblkio.throttle.read_bps_device=8:16 0\n"
		  "blkio.throttle.write_iops_device=8:0 5\n");
	CHECK_STR(plan(&res, true, NULL),
		  "io.bfq.weight=500\nio.weight=4950\nio.bfq.weight=8:0 500\nio.weight=8:0 4950\n"
		  "io.max=8:0 rbps=1000\nio.max=8:16 rbps=max\nio.max=8:0 wiops=5\n");
	CHECK_INT(flags_of(&res, true, 0), CGROUP_WRITE_ELSE_NEXT);
	CHECK_INT(flags_of(&res, true, 1), 0);
	CHECK_CONTAINS(V1(.blkio.weight = SET(9)), "error: blockIO.weight");
	CHECK_CONTAINS(V2(.blkio.weight = SET(1001)), "error: blockIO.weight");
}

TEST(hugepages_network_rdma)
{
	struct spec_hugepage huge[] = {{"2MB", 4096}};
	struct spec_net_priority prio[] = {{"eth0", 5}};
	struct spec_rdma rdma[] = {{"mlx4_0", SET(3), SET(10000)}, {"mlx4_1", SET(1), {}}};

	CHECK_STR(V1(.hugepages = huge, .hugepage_count = 1),
		  "hugetlb.2MB.limit_in_bytes=4096\nhugetlb.2MB.rsvd.limit_in_bytes=4096\n");
	CHECK_STR(V2(.hugepages = huge, .hugepage_count = 1), "hugetlb.2MB.max=4096\nhugetlb.2MB.rsvd.max=4096\n");
	CHECK_STR(V1(.network = {.class_id = SET(1048577), .priorities = prio, .priority_count = 1}),
		  "net_cls.classid=1048577\nnet_prio.ifpriomap=eth0 5\n");
	CHECK_CONTAINS(V2(.network = {.priorities = prio, .priority_count = 1}), "net_prio");
	CHECK_STR(V2(.rdma = rdma, .rdma_count = 2),
		  "rdma.max=mlx4_0 hca_handle=3 hca_object=10000\nrdma.max=mlx4_1 hca_handle=1\n");
}

TEST(unified_keys)
{
	struct spec_pair ok[] = {{"memory.high", "1000"}, {"io.max", "8:0 rbps=1\n8:16 rbps=2\n"}, {"new.file", "x"}};
	struct spec_pair bad[] = {
		{"../x.y", "1"}, {"nodot", "1"}, {"cgroup.procs", "1"}, {"cgroup.kill", "1"}, {"a.b/c", "1"}};

	CHECK_STR(V2(.unified = {ok, 3}), "memory.high=1000\nio.max=8:0 rbps=1\nio.max=8:16 rbps=2\nnew.file=x\n");
	CHECK_CONTAINS(V1(.unified = {ok, 1}), "needs cgroup v2");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ROW(bad[i].key);
		CHECK_CONTAINS(V2(.unified = {&bad[i], 1}), "error: unified");
	}
}
