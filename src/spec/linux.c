/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux` of config.json (runtime-spec config-linux.md), but for its resources and seccomp parts, which have their own
 * files.
 */
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/personality.h>

#include "spec/fields.h"

/* ---- namespaces -------------------------------------------------------------------------------------------------- */

struct listed_namespace {
	enum spec_ns ns;
	const char *path;
};

static const struct field_name ns_name_rows[] = {
	{"pid", SPEC_NS_PID},       {"network", SPEC_NS_NETWORK},
	{"ipc", SPEC_NS_IPC},       {"uts", SPEC_NS_UTS},
	{"mount", SPEC_NS_MOUNT},   {"user", SPEC_NS_USER},
	{"cgroup", SPEC_NS_CGROUP}, {"time", SPEC_NS_TIME},
};
static const struct field_names ns_names =
	FIELD_NAMES(ns_name_rows, "pid, network, ipc, uts, mount, user, cgroup or time");
static const struct field ns_rows[] = {
	{.name = "type",
	 .kind = FIELD_NAME,
	 AT(struct listed_namespace, ns),
	 .names = &ns_names,
	 .flags = FIELD_REQUIRED},
	TEXT_ROW("path", struct listed_namespace, path, TEXT_ABSOLUTE),
};
static const struct field_table ns_table = FIELD_TABLE(ns_rows, struct listed_namespace);

static int read_namespaces(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct spec_linux *l = object;
	struct field_step step = {.up = r->where};
	int rc = 0;

	(void)f;
	if (json_type(j) != JSON_ARRAY)
		return field_fault(r, "expected an array of objects, got %s", json_type_name(json_type(j)));
	r->where = &step;
	for (; rc == 0 && step.index < json_len(j); step.index++) {
		struct listed_namespace listed = {0};

		rc = field_read_object(r, &ns_table, json_at(j, step.index), &listed);
		if (rc < 0)
			break;
		if (l->ns[listed.ns].present) {
			rc = field_fault_at(r, "type", "\"%s\" is listed twice", spec_ns_name(listed.ns));
			break;
		}
		l->ns[listed.ns] = (struct spec_namespace){.present = true, .path = listed.path};
	}
	r->where = step.up;
	return rc;
}

static struct json *write_namespaces(const struct field *f, const void *object)
{
	const struct spec_linux *l = object;
	struct json *list = NULL;

	(void)f;
	for (size_t i = 0; i < ns_names.count; i++) {
		const struct spec_namespace *ns = &l->ns[ns_name_rows[i].value];
		struct json *j;

		if (!ns->present)
			continue;
		j = json_new_object();
		json_set_str(j, "type", ns_name_rows[i].name);
		json_set_str(j, "path", ns->path);
		if (!list)
			list = json_new_array();
		json_push(list, j);
	}
	return list;
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

/* Numbers that a document must give for 'c' and 'b' are stored as number + 1 until the object is complete. */
#define NO_NUMBER 0

static const struct field_name device_type_rows[] = {{"c", 'c'}, {"u", 'c'}, {"b", 'b'}, {"p", 'p'}};
static const struct field_names device_types = FIELD_NAMES(device_type_rows, "\"c\", \"b\", \"u\" or \"p\"");

static int read_device_number(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	char expected[64];
	uint64_t v;

	if (json_u64(j, &v) < 0 || v > f->max) {
		(void)snprintf(expected, sizeof(expected), "an integer between 0 and %llu", (unsigned long long)f->max);
		return field_expected(r, j, expected);
	}
	*(uint32_t *)(void *)((char *)object + f->offset) = (uint32_t)v + 1;
	return 0;
}

static struct json *write_device_number(const struct field *f, const void *object)
{
	const struct spec_device *d = object;

	return d->type == 'p' ? NULL
			      : json_new_u64(*(const uint32_t *)(const void *)((const char *)object + f->offset));
}

static int finish_device(struct reader *r, void *object)
{
	struct spec_device *d = object;

	if (d->type == 'p') {
		d->major = d->minor = 0;
	} else if (d->major == NO_NUMBER || d->minor == NO_NUMBER) {
		return field_fault_at(r, d->major == NO_NUMBER ? "major" : "minor", "is required, but missing");
	} else {
		d->major--;
		d->minor--;
	}
	/* Some engines leave the type bits of stat(2) in. */
	d->mode.v &= 07777;
	if (*d->path != '/')
		d->path = arena_printf(r->arena, "/%s", d->path);
	return 0;
}

static const struct field device_rows[] = {
	TEXT_ROW("path", struct spec_device, path, TEXT_SET, .flags = FIELD_REQUIRED),
	{.name = "type",
	 .kind = FIELD_NAME,
	 AT(struct spec_device, type),
	 .names = &device_types,
	 .flags = FIELD_REQUIRED},
	/* 12 and 20 bits: include/linux/kdev_t.h. */
	{.name = "major",
	 .kind = FIELD_CUSTOM,
	 AT(struct spec_device, major),
	 .max = 4095,
	 .read = read_device_number,
	 .write = write_device_number},
	{.name = "minor",
	 .kind = FIELD_CUSTOM,
	 AT(struct spec_device, minor),
	 .max = 1048575,
	 .read = read_device_number,
	 .write = write_device_number},
	U64_ROW("fileMode", struct spec_device, mode, UINT32_MAX),
	U64_ROW("uid", struct spec_device, uid, UINT32_MAX - 1),
	U64_ROW("gid", struct spec_device, gid, UINT32_MAX - 1),
};
static const struct field_table device_table = FIELD_TABLE(device_rows, struct spec_device, .finish = finish_device);

static int finish_net_device(struct reader *r, void *object)
{
	const struct spec_net_device *d = object;

	if (!field_text_ok(TEXT_NETDEV, d->host_name))
		return field_fault(r, "the key is not the name of a network device (1-15 bytes, no '/', ':' or blank)");
	return 0;
}

static const struct field net_device_rows[] = {
	TEXT_ROW("name", struct spec_net_device, name, TEXT_NETDEV),
};
static const struct field_table net_device_table =
	FIELD_TABLE(net_device_rows, struct spec_net_device, .finish = finish_net_device);

/* ---- the smaller parts ------------------------------------------------------------------------------------------- */

static const struct field offset_rows[] = {
	INT_ROW("secs", struct spec_time_offset, secs, INT64_MIN, INT64_MAX),
	INT_ROW("nanosecs", struct spec_time_offset, nanosecs, 0, 999999999),
};
static const struct field_table offset_table = FIELD_TABLE(offset_rows, struct spec_time_offset);
#define CLOCK(word, member)                                                                                            \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OBJECT, AT(struct spec_linux, member),                                   \
		SET_AT(struct spec_linux, member.set), .child = &offset_table                                          \
	}
static const struct field offsets_rows[] = {
	CLOCK("monotonic", time_monotonic),
	CLOCK("boottime", time_boottime),
};
static const struct field_table offsets_table =
	FIELD_TABLE(offsets_rows, struct spec_linux, .strict = "\"monotonic\" or \"boottime\"");

#ifndef MPOL_WEIGHTED_INTERLEAVE
#define MPOL_WEIGHTED_INTERLEAVE 6 /* Linux 6.9 */
#endif
static const struct field_name policy_mode_rows[] = {
	{"MPOL_DEFAULT", MPOL_DEFAULT},
	{"MPOL_BIND", MPOL_BIND},
	{"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
	{"MPOL_WEIGHTED_INTERLEAVE", MPOL_WEIGHTED_INTERLEAVE},
	{"MPOL_PREFERRED", MPOL_PREFERRED},
	{"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
	{"MPOL_LOCAL", MPOL_LOCAL},
};
static const struct field_names policy_modes = FIELD_NAMES(policy_mode_rows, "an MPOL_ mode");
static const struct field_name policy_flag_rows[] = {
	{"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
	{"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
	{"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
};
static const struct field_names policy_flags = FIELD_NAMES(policy_flag_rows, "an MPOL_F_ flag");

/* set_mempolicy(2): which modes take nodes. */
static int finish_policy(struct reader *r, void *object)
{
	const struct spec_memory_policy *p = object;
	const char *mode = field_value_name(&policy_modes, (uint64_t)p->mode);

	if (p->mode == MPOL_DEFAULT || p->mode == MPOL_LOCAL)
		return p->nodes ? field_fault_at(r, "nodes", "%s takes no nodes", mode) : 0;
	if (p->mode != MPOL_PREFERRED && !p->nodes)
		return field_fault_at(r, "nodes", "%s needs at least one node", mode);
	if ((p->mode_flags & MPOL_F_STATIC_NODES) && (p->mode_flags & MPOL_F_RELATIVE_NODES))
		return field_fault_at(r, "flags", "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
	return 0;
}

static const struct field policy_rows[] = {
	{.name = "mode",
	 .kind = FIELD_NAME,
	 AT(struct spec_memory_policy, mode),
	 .names = &policy_modes,
	 .flags = FIELD_REQUIRED},
	TEXT_ROW("nodes", struct spec_memory_policy, nodes, TEXT_LIST),
	{.name = "flags", .kind = FIELD_FLAGS, AT(struct spec_memory_policy, mode_flags), .names = &policy_flags},
};
static const struct field_table policy_table =
	FIELD_TABLE(policy_rows, struct spec_memory_policy, .finish = finish_policy);

static int finish_rdt(struct reader *r, void *object)
{
	struct spec_rdt *rdt = object;

	if (!rdt->schemata.items)
		rdt->schemata.items = arena_alloc(r->arena, 1, sizeof(*rdt->schemata.items));
	return 0;
}

static const struct field rdt_rows[] = {
	TEXT_ROW("closID", struct spec_rdt, clos_id, TEXT_CLOSID),
	TEXTS_ROW("schemata", struct spec_rdt, schemata, TEXT_KEY),
	/* Several lines in one string are how resctrl schemata were written before `schemata`. */
	TEXT_ROW("l3CacheSchema", struct spec_rdt, l3_cache_schema, TEXT_VALUE),
	TEXT_ROW("memBwSchema", struct spec_rdt, mem_bw_schema, TEXT_VALUE),
	BOOL_ROW("enableMonitoring", struct spec_rdt, enable_monitoring),
};
static const struct field_table rdt_table = FIELD_TABLE(rdt_rows, struct spec_rdt, .finish = finish_rdt);

static const struct field_name domain_rows[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};
static const struct field_names domains = FIELD_NAMES(domain_rows, "LINUX or LINUX32");

/* No flag has a meaning yet; runc ignores what is there, with a warning. */
static int read_personality_flags(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	(void)f;
	(void)object;
	if (json_type(j) != JSON_ARRAY)
		return field_fault(r, "expected an array of strings, got %s", json_type_name(json_type(j)));
	if (json_len(j))
		field_warn(r, "no personality flags are supported, they are left out");
	return 0;
}

static struct json *write_personality_flags(const struct field *f, const void *object)
{
	(void)f;
	(void)object;
	return NULL;
}

static const struct field personality_rows[] = {
	{.name = "domain",
	 .kind = FIELD_NAME,
	 AT(struct spec_linux, personality),
	 .names = &domains,
	 .flags = FIELD_REQUIRED},
	{.name = "flags", .kind = FIELD_CUSTOM, .read = read_personality_flags, .write = write_personality_flags},
};
static const struct field_table personality_table = FIELD_TABLE(personality_rows, struct spec_linux);

/* ---- linux ------------------------------------------------------------------------------------------------------- */

static const struct field linux_rows[] = {
	{.name = "uidMappings",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_linux, uid_mappings.items, uid_mappings.count),
	 .child = &spec_id_map_table},
	{.name = "gidMappings",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_linux, gid_mappings.items, gid_mappings.count),
	 .child = &spec_id_map_table},
	{.name = "sysctl", .kind = FIELD_MAP, AT(struct spec_linux, sysctl), .key = TEXT_SYSCTL, .text = TEXT_VALUE},
	{.name = "resources", .kind = FIELD_OBJECT, AT(struct spec_linux, resources), .child = &spec_resources_table},
	TEXT_ROW("cgroupsPath", struct spec_linux, cgroups_path, TEXT_PLAIN),
	{.name = "namespaces", .kind = FIELD_CUSTOM, .read = read_namespaces, .write = write_namespaces},
	{.name = "devices",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_linux, devices, device_count),
	 .child = &device_table},
	{.name = "netDevices",
	 .kind = FIELD_KEYED,
	 LIST_AT(struct spec_linux, net_devices, net_device_count),
	 .child = &net_device_table},
	{.name = "seccomp",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_linux, seccomp),
	 SET_AT(struct spec_linux, seccomp.set),
	 .child = &spec_seccomp_table},
	{.name = "rootfsPropagation",
	 .kind = FIELD_NAME,
	 AT(struct spec_linux, rootfs_propagation),
	 .names = &spec_propagation_names},
	TEXTS_ROW("maskedPaths", struct spec_linux, masked_paths, TEXT_ABSOLUTE),
	TEXTS_ROW("readonlyPaths", struct spec_linux, readonly_paths, TEXT_ABSOLUTE),
	TEXT_ROW("mountLabel", struct spec_linux, mount_label, TEXT_PLAIN),
	{.name = "intelRdt",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_linux, intel_rdt),
	 SET_AT(struct spec_linux, intel_rdt.set),
	 .child = &rdt_table},
	{.name = "memoryPolicy",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_linux, memory_policy),
	 SET_AT(struct spec_linux, memory_policy.set),
	 .child = &policy_table},
	{.name = "personality",
	 .kind = FIELD_OBJECT,
	 SET_AT(struct spec_linux, personality_set),
	 .child = &personality_table},
	{.name = "timeOffsets", .kind = FIELD_OBJECT, .child = &offsets_table},
};

static int finish_linux(struct reader *r, void *object)
{
	struct spec_linux *l = object;

	if (!l->masked_paths.items)
		l->masked_paths.items = arena_alloc(r->arena, 1, sizeof(*l->masked_paths.items));
	if (!l->readonly_paths.items)
		l->readonly_paths.items = arena_alloc(r->arena, 1, sizeof(*l->readonly_paths.items));
	return 0;
}
const struct field_table spec_linux_table = FIELD_TABLE(linux_rows, struct spec_linux, .finish = finish_linux);
