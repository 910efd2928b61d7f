/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `process` of config.json: rows for what runs inside and with which rights (runtime-spec config.md "Process").
 */
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <string.h>

#include "spec/fields.h"

/* ---- capabilities ------------------------------------------------------------------------------------------------ */

static int read_caps(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct field_step step = {.up = r->where};
	uint64_t mask = 0;

	if (json_type(j) != JSON_ARRAY)
		return field_fault(r, "expected an array of strings, got %s", json_type_name(json_type(j)));
	for (; step.index < json_len(j); step.index++) {
		const char *name = json_str(json_at(j, step.index));
		/* Only the exact spelling grants anything, as with runc. */
		int cap = name && strncmp(name, "CAP_", 4) == 0 ? spec_cap_from_name(name) : -1;

		r->where = &step;
		if (!name)
			return field_expected(r, json_at(j, step.index), "the name of a capability");
		if (cap >= 0 && str_eq(name, spec_cap_name(cap)))
			mask |= UINT64_C(1) << cap;
		else /* One of a newer kernel: runc ignores it with a warning, and so its users expect. */
			field_warn(r, "capability \"%.40s\" is not known here and is left out", name);
		r->where = step.up;
	}
	*(uint64_t *)(void *)((char *)object + f->offset) = mask;
	return 0;
}

static struct json *write_caps(const struct field *f, const void *object)
{
	uint64_t mask = *(const uint64_t *)(const void *)((const char *)object + f->offset);
	struct json *j;

	if (!mask)
		return NULL;
	j = json_new_array();
	for (int i = 0; i < SPEC_CAP_COUNT; i++) {
		if (mask & (UINT64_C(1) << i))
			json_push(j, json_new_str(spec_cap_name(i)));
	}
	return j;
}

#define CAPS_ROW(word, member)                                                                                         \
	{                                                                                                              \
		.name = (word), .kind = FIELD_CUSTOM, AT(struct spec_caps, member), .read = read_caps,                 \
		.write = write_caps                                                                                    \
	}
static const struct field caps_rows[] = {
	CAPS_ROW("bounding", bounding),   CAPS_ROW("effective", effective), CAPS_ROW("inheritable", inheritable),
	CAPS_ROW("permitted", permitted), CAPS_ROW("ambient", ambient),
};
static const struct field_table caps_table = FIELD_TABLE(caps_rows, struct spec_caps);

/* ---- limits, scheduling ------------------------------------------------------------------------------------------ */

static int finish_rlimit(struct reader *r, void *object)
{
	const struct spec_rlimit *l = object;

	if (l->soft > l->hard)
		return field_fault_at(r, "soft", "%llu is above the hard limit %llu", (unsigned long long)l->soft,
				      (unsigned long long)l->hard);
	return 0;
}

static const struct field rlimit_rows[] = {
	{.name = "type",
	 .kind = FIELD_NAME,
	 AT(struct spec_rlimit, resource),
	 .names = &spec_rlimit_names,
	 .flags = FIELD_REQUIRED},
	INT_ROW("hard", struct spec_rlimit, hard, 0, UINT64_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("soft", struct spec_rlimit, soft, 0, UINT64_MAX, .flags = FIELD_REQUIRED),
};
static const struct field_table rlimit_table = FIELD_TABLE(rlimit_rows, struct spec_rlimit, .finish = finish_rlimit);

static const struct field_name policy_names_rows[] = {
	{"SCHED_OTHER", SCHED_NORMAL},      {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
	{"SCHED_BATCH", SCHED_BATCH},       {"SCHED_ISO", 4},           {"SCHED_IDLE", SCHED_IDLE},
	{"SCHED_DEADLINE", SCHED_DEADLINE},
};
static const struct field_names policy_names = FIELD_NAMES(policy_names_rows, "a SCHED_ policy");
static const struct field_name sched_flag_rows[] = {
	{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
	{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
	{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
	{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
	{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
	{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
	{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};
static const struct field_names sched_flag_names = FIELD_NAMES(sched_flag_rows, "a SCHED_FLAG_ name");

/* sched_setattr(2): which members go with which policy. */
static int finish_scheduler(struct reader *r, void *object)
{
	const struct spec_scheduler *s = object;
	bool realtime = s->policy == SCHED_FIFO || s->policy == SCHED_RR;

	if (s->priority && !realtime)
		return field_fault_at(r, "priority", "only goes with SCHED_FIFO and SCHED_RR");
	if ((s->runtime_ns || s->deadline_ns || s->period_ns) && s->policy != SCHED_DEADLINE)
		return field_fault_at(r, "policy", "runtime, deadline and period only go with SCHED_DEADLINE");
	return 0;
}

static const struct field scheduler_rows[] = {
	{.name = "policy",
	 .kind = FIELD_NAME,
	 AT(struct spec_scheduler, policy),
	 .names = &policy_names,
	 .flags = FIELD_REQUIRED},
	INT_ROW("nice", struct spec_scheduler, nice, -20, 19),
	INT_ROW("priority", struct spec_scheduler, priority, 0, 99),
	{.name = "flags", .kind = FIELD_FLAGS, AT(struct spec_scheduler, flags), .names = &sched_flag_names},
	INT_ROW("runtime", struct spec_scheduler, runtime_ns, 0, UINT64_MAX),
	INT_ROW("deadline", struct spec_scheduler, deadline_ns, 0, UINT64_MAX),
	INT_ROW("period", struct spec_scheduler, period_ns, 0, UINT64_MAX),
};
static const struct field_table scheduler_table =
	FIELD_TABLE(scheduler_rows, struct spec_scheduler, .finish = finish_scheduler);

static const struct field_name io_class_rows[] = {
	{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
	{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
	{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
};
static const struct field_names io_class_names = FIELD_NAMES(io_class_rows, "an IOPRIO_CLASS_ name");
static const struct field io_priority_rows[] = {
	{.name = "class",
	 .kind = FIELD_NAME,
	 AT(struct spec_io_priority, class),
	 .names = &io_class_names,
	 .flags = FIELD_REQUIRED},
	INT_ROW("priority", struct spec_io_priority, priority, 0, 7, .flags = FIELD_ALWAYS),
};
static const struct field_table io_priority_table = FIELD_TABLE(io_priority_rows, struct spec_io_priority);

/* ---- process ----------------------------------------------------------------------------------------------------- */

/* Ids up to 2^32 - 2: the last one means "no change" to the kernel (CVE-2024-40635 began with such a number). */
#define ID_MAX (UINT32_MAX - 1)

static const struct field user_rows[] = {
	INT_ROW("uid", struct spec_user, uid, 0, ID_MAX, .flags = FIELD_ALWAYS),
	INT_ROW("gid", struct spec_user, gid, 0, ID_MAX, .flags = FIELD_ALWAYS),
	U64_ROW("umask", struct spec_user, umask, 0777),
	{.name = "additionalGids",
	 .kind = FIELD_IDS,
	 LIST_AT(struct spec_user, additional_gids, additional_gid_count),
	 .max = ID_MAX},
	{.name = "username", .kind = FIELD_SHAPE, .min = JSON_STRING}, /* Windows */
};
static const struct field_table user_table = FIELD_TABLE(user_rows, struct spec_user);

static const struct field console_rows[] = {
	INT_ROW("height", struct spec_process, console_rows, 0, UINT16_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("width", struct spec_process, console_cols, 0, UINT16_MAX, .flags = FIELD_REQUIRED),
};
static const struct field_table console_table = FIELD_TABLE(console_rows, struct spec_process);

static int read_console(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	(void)f;
	return field_read_object(r, &console_table, j, object);
}

static struct json *write_console(const struct field *f, const void *object)
{
	const struct spec_process *p = object;

	(void)f;
	return p->console_rows || p->console_cols ? field_write_object(&console_table, p) : NULL;
}

static const struct field affinity_rows[] = {
	TEXT_ROW("initial", struct spec_process, cpu_affinity_initial, TEXT_LIST),
	TEXT_ROW("final", struct spec_process, cpu_affinity_final, TEXT_LIST),
};
static const struct field_table affinity_table = FIELD_TABLE(affinity_rows, struct spec_process);

static int finish_process(struct reader *r, void *object)
{
	struct spec_process *p = object;

	if (p->args.count == 0)
		return field_fault_at(r, "args", "expected at least the program, got an empty array");
	if (!*p->args.items[0])
		return field_fault_at(r, "args", "the program's name (the first element) is empty");
	for (size_t i = 0; i < p->rlimit_count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (p->rlimits[k].resource == p->rlimits[i].resource)
				return field_fault_at(r, "rlimits", "%s is listed twice",
						      spec_rlimit_name(p->rlimits[i].resource));
		}
	}
	if (!p->env.items)
		p->env.items = arena_alloc(r->arena, 1, sizeof(*p->env.items));
	return 0;
}

static const struct field process_rows[] = {
	BOOL_ROW("terminal", struct spec_process, terminal),
	{.name = "consoleSize", .kind = FIELD_CUSTOM, .read = read_console, .write = write_console},
	{.name = "user",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_process, user),
	 .child = &user_table,
	 .flags = FIELD_ALWAYS},
	TEXTS_ROW("args", struct spec_process, args, TEXT_ANY, .flags = FIELD_REQUIRED),
	{.name = "commandLine", .kind = FIELD_SHAPE, .min = JSON_STRING},                  /* Windows */
	TEXTS_ROW("env", struct spec_process, env, TEXT_ENV),
	TEXT_ROW("cwd", struct spec_process, cwd, TEXT_ABSOLUTE, .flags = FIELD_REQUIRED),
	{.name = "capabilities",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_process, caps),
	 SET_AT(struct spec_process, caps.set),
	 .child = &caps_table},
	{.name = "rlimits",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_process, rlimits, rlimit_count),
	 .child = &rlimit_table},
	BOOL_ROW("noNewPrivileges", struct spec_process, no_new_privileges),
	TEXT_ROW("apparmorProfile", struct spec_process, apparmor_profile, TEXT_PLAIN),
	I64_ROW("oomScoreAdj", struct spec_process, oom_score_adj, -1000, 1000),
	{.name = "scheduler",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_process, scheduler),
	 SET_AT(struct spec_process, scheduler.set),
	 .child = &scheduler_table},
	TEXT_ROW("selinuxLabel", struct spec_process, selinux_label, TEXT_PLAIN),
	{.name = "ioPriority",
	 .kind = FIELD_OBJECT,
	 AT(struct spec_process, io_priority),
	 SET_AT(struct spec_process, io_priority.set),
	 .child = &io_priority_table},
	{.name = "execCPUAffinity", .kind = FIELD_OBJECT, .child = &affinity_table},
};
const struct field_table spec_process_table = FIELD_TABLE(process_rows, struct spec_process, .finish = finish_process);

int spec_parse_process(const char *text, size_t len, const char *name, struct arena *a, struct spec_process *ret,
		       struct error *err)
{
	struct spec_process p = {.set = true};
	int rc;

	rc = field_read_document(text, len, name, &spec_process_table, a, &p, err);
	if (rc < 0)
		return rc;
	*ret = p;
	return 0;
}
