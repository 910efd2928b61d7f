/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux.resources` of config.json (runtime-spec config-linux.md "Control groups"): rows only. What a value means for
 * cgroup v1 or v2 is the cgroup module's business.
 */
#include <string.h>

#include "spec/fields.h"

/* Device numbers as the kernel has them: 12 bits of major, 20 of minor (include/linux/kdev_t.h). */
#define MAJOR_MAX 4095
#define MINOR_MAX 1048575

/* ---- device rules ------------------------------------------------------------------------------------------------ */

static const struct {
	char letter;
	uint8_t bit;
} access_letters[] = {{'r', SPEC_ACCESS_READ}, {'w', SPEC_ACCESS_WRITE}, {'m', SPEC_ACCESS_MKNOD}};

static int read_access(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct spec_device_rule *rule = object;
	const char *s = json_str(j);

	(void)f;
	if (!s || strspn(s, "rwm") != strlen(s))
		return field_expected(r, j, "letters of \"rwm\"");
	for (size_t i = 0; i < ARRAY_SIZE(access_letters); i++) {
		if (strchr(s, access_letters[i].letter))
			rule->access |= access_letters[i].bit;
	}
	return 0;
}

static struct json *write_access(const struct field *f, const void *object)
{
	const struct spec_device_rule *rule = object;
	char text[4] = "";
	size_t n = 0;

	(void)f;
	for (size_t i = 0; i < ARRAY_SIZE(access_letters); i++) {
		if (rule->access & access_letters[i].bit)
			text[n++] = access_letters[i].letter;
	}
	return n ? json_new_str(text) : NULL;
}

/* A number of which -1 and absence mean "all", stored as number + 1 until the object is read, since rows begin at 0. */
static int finish_rule(struct reader *r, void *object)
{
	struct spec_device_rule *rule = object;

	(void)r;
	rule->major--;
	rule->minor--;
	if (!rule->type)
		rule->type = 'a';
	return 0;
}

static int read_device_number(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	char expected[64];
	int64_t v;

	if (json_i64(j, &v) < 0 || v < -1 || v > (int64_t)f->max) {
		(void)snprintf(expected, sizeof(expected), "an integer between -1 and %llu",
			       (unsigned long long)f->max);
		return field_expected(r, j, expected);
	}
	*(int64_t *)(void *)((char *)object + f->offset) = v + 1;
	return 0;
}

static struct json *write_device_number(const struct field *f, const void *object)
{
	int64_t v = *(const int64_t *)(const void *)((const char *)object + f->offset);

	return v >= 0 ? json_new_i64(v) : NULL;
}

static const struct field_name rule_type_rows[] = {{"a", 'a'}, {"b", 'b'}, {"c", 'c'}, {"u", 'c'}};
static const struct field_names rule_types = FIELD_NAMES(rule_type_rows, "\"a\", \"b\" or \"c\"");

static int read_rule_type(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct spec_device_rule *rule = object;
	const char *s = json_str(j);
	uint64_t v;

	(void)f;
	if (s && !*s)
		return 0;
	if (!s || !field_name_value(&rule_types, s, &v))
		return field_expected(r, j, rule_types.expected);
	rule->type = (char)v;
	return 0;
}

static struct json *write_rule_type(const struct field *f, const void *object)
{
	const struct spec_device_rule *rule = object;

	(void)f;
	return rule->type == 'a' ? NULL : json_new_str(field_value_name(&rule_types, (uint64_t)rule->type));
}

static const struct field rule_rows[] = {
	BOOL_ROW("allow", struct spec_device_rule, allow, .flags = FIELD_ALWAYS),
	{.name = "type", .kind = FIELD_CUSTOM, .read = read_rule_type, .write = write_rule_type},
	{.name = "major",
	 .kind = FIELD_CUSTOM,
	 AT(struct spec_device_rule, major),
	 .max = MAJOR_MAX,
	 .read = read_device_number,
	 .write = write_device_number},
	{.name = "minor",
	 .kind = FIELD_CUSTOM,
	 AT(struct spec_device_rule, minor),
	 .max = MINOR_MAX,
	 .read = read_device_number,
	 .write = write_device_number},
	{.name = "access", .kind = FIELD_CUSTOM, .read = read_access, .write = write_access},
};
static const struct field_table rule_table = FIELD_TABLE(rule_rows, struct spec_device_rule, .finish = finish_rule);

/* ---- memory, cpu, pids ------------------------------------------------------------------------------------------- */

#define MEMORY(word, member) I64_ROW(word, struct spec_resources, memory.member, -1, INT64_MAX)
#define OPT_BOOL(word, member)                                                                                         \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OPT_BOOL, AT(struct spec_resources, member)                              \
	}
static const struct field memory_rows[] = {
	MEMORY("limit", limit),
	MEMORY("reservation", reservation),
	MEMORY("swap", swap),
	MEMORY("kernel", kernel),
	MEMORY("kernelTCP", kernel_tcp),
	U64_ROW("swappiness", struct spec_resources, memory.swappiness, 100),
	OPT_BOOL("disableOOMKiller", memory.disable_oom_killer),
	OPT_BOOL("useHierarchy", memory.use_hierarchy),
	OPT_BOOL("checkBeforeUpdate", memory.check_before_update),
};
static const struct field_table memory_table = FIELD_TABLE(memory_rows, struct spec_resources);

static const struct field cpu_rows[] = {
	U64_ROW("shares", struct spec_resources, cpu.shares, UINT64_MAX),
	I64_ROW("quota", struct spec_resources, cpu.quota_us, -1, INT64_MAX),
	U64_ROW("burst", struct spec_resources, cpu.burst_us, UINT64_MAX),
	U64_ROW("period", struct spec_resources, cpu.period_us, UINT64_MAX),
	I64_ROW("realtimeRuntime", struct spec_resources, cpu.rt_runtime_us, -1, INT64_MAX),
	U64_ROW("realtimePeriod", struct spec_resources, cpu.rt_period_us, UINT64_MAX),
	TEXT_ROW("cpus", struct spec_resources, cpu.cpus, TEXT_LIST),
	TEXT_ROW("mems", struct spec_resources, cpu.mems, TEXT_LIST),
	I64_ROW("idle", struct spec_resources, cpu.idle, 0, 1),
};
static const struct field_table cpu_table = FIELD_TABLE(cpu_rows, struct spec_resources);

static const struct field pids_rows[] = {
	I64_ROW("limit", struct spec_resources, pids_limit, -1, INT64_MAX),
};
static const struct field_table pids_table = FIELD_TABLE(pids_rows, struct spec_resources);

/* ---- block devices ----------------------------------------------------------------------------------------------- */

#define WEIGHT_MAX 1000 /* the kernel's range is 10-1000; 0 is what some engines write for "not given" */

static const struct field weight_rows[] = {
	INT_ROW("major", struct spec_blkio_weight, major, 0, MAJOR_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("minor", struct spec_blkio_weight, minor, 0, MINOR_MAX, .flags = FIELD_REQUIRED),
	U64_ROW("weight", struct spec_blkio_weight, weight, WEIGHT_MAX),
	U64_ROW("leafWeight", struct spec_blkio_weight, leaf_weight, WEIGHT_MAX),
};
static const struct field_table weight_table = FIELD_TABLE(weight_rows, struct spec_blkio_weight);

static const struct field throttle_rows[] = {
	INT_ROW("major", struct spec_blkio_throttle, major, 0, MAJOR_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("minor", struct spec_blkio_throttle, minor, 0, MINOR_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("rate", struct spec_blkio_throttle, rate, 0, UINT64_MAX, .flags = FIELD_REQUIRED),
};
static const struct field_table throttle_table = FIELD_TABLE(throttle_rows, struct spec_blkio_throttle);

#define THROTTLE(word, limit)                                                                                          \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OBJECTS,                                                                 \
		LIST_AT(struct spec_resources, blkio.throttle[limit], blkio.throttle_count[limit]),                    \
		.child = &throttle_table                                                                               \
	}
static const struct field blkio_rows[] = {
	U64_ROW("weight", struct spec_resources, blkio.weight, WEIGHT_MAX),
	U64_ROW("leafWeight", struct spec_resources, blkio.leaf_weight, WEIGHT_MAX),
	{.name = "weightDevice",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_resources, blkio.weight_devices, blkio.weight_device_count),
	 .child = &weight_table},
	THROTTLE("throttleReadBpsDevice", SPEC_BLKIO_READ_BPS),
	THROTTLE("throttleWriteBpsDevice", SPEC_BLKIO_WRITE_BPS),
	THROTTLE("throttleReadIOPSDevice", SPEC_BLKIO_READ_IOPS),
	THROTTLE("throttleWriteIOPSDevice", SPEC_BLKIO_WRITE_IOPS),
};
static const struct field_table blkio_table = FIELD_TABLE(blkio_rows, struct spec_resources);

/* ---- the smaller controllers ------------------------------------------------------------------------------------- */

static const struct field hugepage_rows[] = {
	TEXT_ROW("pageSize", struct spec_hugepage, page_size, TEXT_PAGESIZE, .flags = FIELD_REQUIRED),
	INT_ROW("limit", struct spec_hugepage, limit_bytes, 0, UINT64_MAX, .flags = FIELD_REQUIRED),
};
static const struct field_table hugepage_table = FIELD_TABLE(hugepage_rows, struct spec_hugepage);

static const struct field priority_rows[] = {
	TEXT_ROW("name", struct spec_net_priority, name, TEXT_NETDEV, .flags = FIELD_REQUIRED),
	INT_ROW("priority", struct spec_net_priority, priority, 0, UINT32_MAX, .flags = FIELD_REQUIRED),
};
static const struct field_table priority_table = FIELD_TABLE(priority_rows, struct spec_net_priority);
static const struct field network_rows[] = {
	U64_ROW("classID", struct spec_resources, network.class_id, UINT32_MAX),
	{.name = "priorities",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_resources, network.priorities, network.priority_count),
	 .child = &priority_table},
};
static const struct field_table network_table = FIELD_TABLE(network_rows, struct spec_resources);

static const struct field rdma_rows[] = {
	U64_ROW("hcaHandles", struct spec_rdma, handles, UINT32_MAX),
	U64_ROW("hcaObjects", struct spec_rdma, objects, UINT32_MAX),
};

static int finish_rdma(struct reader *r, void *object)
{
	const struct spec_rdma *d = object;

	/* The name begins a line of rdma.max that goes on with blank-separated words. */
	if (!field_text_ok(TEXT_FILE, d->device) || strchr(d->device, ' '))
		return field_fault(r, "the name of the device is not a file name without blanks");
	if (!d->handles.set && !d->objects.set)
		return field_fault(r, "expected hcaHandles, hcaObjects or both");
	return 0;
}
static const struct field_table rdma_table = FIELD_TABLE(rdma_rows, struct spec_rdma, .finish = finish_rdma);

/* The parts share one struct, so their offsets count from its start. */
#define PART(word, table)                                                                                              \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OBJECT, .child = &(table)                                                \
	}
static const struct field resources_rows[] = {
	{.name = "devices",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_resources, devices, device_count),
	 .child = &rule_table},
	PART("memory", memory_table),
	PART("cpu", cpu_table),
	PART("pids", pids_table),
	PART("blockIO", blkio_table),
	{.name = "hugepageLimits",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_resources, hugepages, hugepage_count),
	 .child = &hugepage_table},
	PART("network", network_table),
	{.name = "rdma", .kind = FIELD_KEYED, LIST_AT(struct spec_resources, rdma, rdma_count), .child = &rdma_table},
	{.name = "unified",
	 .kind = FIELD_MAP,
	 AT(struct spec_resources, unified),
	 .key = TEXT_FILE,
	 .text = TEXT_VALUE},
};
const struct field_table spec_resources_table = FIELD_TABLE(resources_rows, struct spec_resources);

int spec_parse_resources(const char *text, size_t len, const char *name, struct arena *a, struct spec_resources *ret,
			 struct error *err)
{
	struct spec_resources res = {0};
	int rc;

	rc = field_read_document(text, len, name, &spec_resources_table, a, &res, err);
	if (rc < 0)
		return rc;
	*ret = res;
	return 0;
}
