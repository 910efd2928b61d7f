/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause, resume, update; and the plain answer to checkpoint and restore.
 */
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/oci.h"
#include "safepath/safepath.h"

static int run_pause(void *global, void *options, const struct args *args, struct error *err)
{
	autoruntime struct runtime *rt = NULL;
	int r = oci_open(global, &rt, err);

	(void)options;
	return r < 0 ? r : runtime_pause(rt, args->items[0], err);
}

const struct command oci_pause = {
	.name = "pause",
	.group = "Change",
	.args = "ID",
	.summary = "stop all processes of a container for a while",
	.examples = "  bothy-oci pause c1",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_pause,
};

static int run_resume(void *global, void *options, const struct args *args, struct error *err)
{
	autoruntime struct runtime *rt = NULL;
	int r = oci_open(global, &rt, err);

	(void)options;
	return r < 0 ? r : runtime_resume(rt, args->items[0], err);
}

const struct command oci_resume = {
	.name = "resume",
	.group = "Change",
	.args = "ID",
	.summary = "let them go on",
	.examples = "  bothy-oci resume c1",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_resume,
};

struct update_options {
	const char *resources, *cpus, *mems, *l3, *mem_bw;
	struct option_u64 weight, period, burst, share, rt_period;
	struct option_i64 quota, rt_runtime, idle, pids;
	struct option_i64 memory, reservation, swap, kernel, kernel_tcp;
};

/* clang-format off */
static const struct option update_table[] = {
	{"resources", 'r', OPTION_STRING, offsetof(struct update_options, resources), "FILE", "linux.resources as JSON; - is standard input; other options are then ignored", 0},
	{"blkio-weight", 0, OPTION_U32, offsetof(struct update_options, weight), "N", "weight of block I/O, 10 to 1000", 0},
	{"cpu-period", 0, OPTION_U64, offsetof(struct update_options, period), "US", "length of a CPU period in microseconds", 0},
	{"cpu-quota", 0, OPTION_I64, offsetof(struct update_options, quota), "US", "CPU time in a period in microseconds, -1 for no limit", 0},
	{"cpu-burst", 0, OPTION_U64, offsetof(struct update_options, burst), "US", "unused CPU time that may be saved up", 0},
	{"cpu-share", 0, OPTION_U64, offsetof(struct update_options, share), "N", "share of CPU time against others", 0},
	{"cpu-rt-period", 0, OPTION_U64, offsetof(struct update_options, rt_period), "US", "real-time period", 0},
	{"cpu-rt-runtime", 0, OPTION_I64, offsetof(struct update_options, rt_runtime), "US", "real-time run time", 0},
	{"cpuset-cpus", 0, OPTION_STRING, offsetof(struct update_options, cpus), "LIST", "CPUs to use, 0-3,7", 0},
	{"cpuset-mems", 0, OPTION_STRING, offsetof(struct update_options, mems), "LIST", "memory nodes to use", 0},
	{"cpu-idle", 0, OPTION_I64, offsetof(struct update_options, idle), "0|1", "run only when nothing else wants to", 0},
	{"memory", 0, OPTION_SIZE, offsetof(struct update_options, memory), "SIZE", "memory limit, -1 for none", OPTION_MINUS_ONE},
	{"memory-reservation", 0, OPTION_SIZE, offsetof(struct update_options, reservation), "SIZE", "soft memory limit", OPTION_MINUS_ONE},
	{"memory-swap", 0, OPTION_SIZE, offsetof(struct update_options, swap), "SIZE", "limit of memory and swap together", OPTION_MINUS_ONE},
	{"pids-limit", 0, OPTION_I64, offsetof(struct update_options, pids), "N", "most processes, -1 for no limit", 0},
	{"kernel-memory", 0, OPTION_SIZE, offsetof(struct update_options, kernel), "SIZE", "ignored: kernels no longer have it", OPTION_HIDDEN | OPTION_MINUS_ONE},
	{"kernel-memory-tcp", 0, OPTION_SIZE, offsetof(struct update_options, kernel_tcp), "SIZE", "ignored", OPTION_HIDDEN | OPTION_MINUS_ONE},
	{"l3-cache-schema", 0, OPTION_STRING, offsetof(struct update_options, l3), "SCHEMA", "not supported", OPTION_HIDDEN},
	{"mem-bw-schema", 0, OPTION_STRING, offsetof(struct update_options, mem_bw), "SCHEMA", "not supported", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

static struct spec_opt_u64 as_u64(struct option_u64 o)
{
	return (struct spec_opt_u64){o.set, o.v};
}

static struct spec_opt_i64 as_i64(struct option_i64 o)
{
	return (struct spec_opt_i64){o.set, o.v};
}

static int check_list(const char *name, const char *list, struct error *err)
{
	if (list && list[0] && spec_parse_list(list, NULL, 0) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--%s: expected a list such as 0-3,7, got \"%s\"", name,
				 list);
	return 0;
}

static int from_options(const struct update_options *o, struct spec_resources *res, struct error *err)
{
	int r = check_list("cpuset-cpus", o->cpus, err);

	if (r == 0)
		r = check_list("cpuset-mems", o->mems, err);
	if (r < 0)
		return r;
	if (o->l3 || o->mem_bw)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "--%s: limits of caches and memory bandwidth (Intel RDT) are not supported",
				 o->l3 ? "l3-cache-schema" : "mem-bw-schema");
	res->blkio.weight = as_u64(o->weight);
	res->cpu.period_us = as_u64(o->period);
	res->cpu.quota_us = as_i64(o->quota);
	res->cpu.burst_us = as_u64(o->burst);
	res->cpu.shares = as_u64(o->share);
	res->cpu.rt_period_us = as_u64(o->rt_period);
	res->cpu.rt_runtime_us = as_i64(o->rt_runtime);
	res->cpu.idle = as_i64(o->idle);
	res->cpu.cpus = o->cpus && o->cpus[0] ? o->cpus : NULL;
	res->cpu.mems = o->mems && o->mems[0] ? o->mems : NULL;
	res->memory.limit = as_i64(o->memory);
	res->memory.reservation = as_i64(o->reservation);
	res->memory.swap = as_i64(o->swap);
	res->pids_limit = as_i64(o->pids);
	if (o->kernel.set || o->kernel_tcp.set)
		log_warn("--kernel-memory is ignored: kernels no longer have it");
	return 0;
}

static int run_update(void *global, void *options, const struct args *args, struct error *err)
{
	const struct update_options *o = options;
	autobuf struct buf text = BUF_INIT(SPEC_CONFIG_MAX_BYTES);
	autoruntime struct runtime *rt = NULL;
	struct spec_resources res = {};
	struct arena arena = {};
	int r;

	if (!o->resources)
		r = from_options(o, &res, err);
	else if (str_eq(o->resources, "-"))
		r = fd_read_to_end(STDIN_FILENO, &text, "standard input", err);
	else
		r = safepath_host_read(o->resources, true, &text, err);
	if (r == 0 && o->resources)
		r = spec_parse_resources(buf_str(&text), text.len, "--resources", &arena, &res, err);
	if (r == 0)
		r = oci_open(global, &rt, err);
	/* "No memory limit" without a word on swap means none there either. */
	if (r == 0 && res.memory.limit.set && res.memory.limit.v == -1 && !res.memory.swap.set)
		res.memory.swap = (struct spec_opt_i64){true, -1};
	if (r == 0)
		r = runtime_update(rt, args->items[0], &res, err);
	arena_done(&arena);
	return r;
}

const struct command oci_update = {
	.name = "update",
	.group = "Change",
	.args = "ID",
	.summary = "change the limits of a running container",
	.options = update_table,
	.options_size = sizeof(struct update_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_update,
	.examples =
		"  bothy-oci update --memory 512m --pids-limit 100 c1\n  echo '{\"cpu\":{\"shares\":512}}' | bothy-oci update -r - c1",
};

static int run_unsupported(void *global, void *options, const struct args *args, struct error *err)
{
	(void)global;
	(void)options;
	(void)args;
	return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "checkpoint and restore are not supported");
}

const struct command oci_checkpoint = {
	.name = "checkpoint",
	.group = "Not yet",
	.args = "ID",
	.summary = "not supported yet",
	.options_size = 1,
	.max_args = -1,
	.stop_at_first = true,
	.run = run_unsupported,
};

const struct command oci_restore = {
	.name = "restore",
	.group = "Not yet",
	.args = "ID",
	.summary = "not supported yet",
	.options_size = 1,
	.max_args = -1,
	.stop_at_first = true,
	.run = run_unsupported,
};
