/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux.seccomp` of config.json (runtime-spec config-linux.md "Seccomp"). Names of system calls stay names: which
 * number they have, and whether this kernel has them, the filter's compiler knows.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "spec/fields.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* errno values: MAX_ERRNO of the kernel's include/linux/err.h; for TRACE all 16 data bits reach the tracer. */
#define ERRNO_MAX 4095
#define TRACE_MAX 65535

static const char *const architectures[] = {
	"SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
	"SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",    "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",
};

const char *spec_seccomp_arch_name(size_t i)
{
	return i < ARRAY_SIZE(architectures) ? architectures[i] : NULL;
}

static const struct field_name flag_rows[] = {
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};
static const struct field_names flag_names = FIELD_NAMES(flag_rows, "a SECCOMP_FILTER_FLAG_ name");

static const struct field arg_rows[] = {
	INT_ROW("index", struct spec_seccomp_arg, index, 0, 5, .flags = FIELD_REQUIRED),
	INT_ROW("value", struct spec_seccomp_arg, value, 0, UINT64_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("valueTwo", struct spec_seccomp_arg, value_two, 0, UINT64_MAX),
	{.name = "op",
	 .kind = FIELD_NAME,
	 AT(struct spec_seccomp_arg, op),
	 .names = &spec_seccomp_op_names,
	 .flags = FIELD_REQUIRED},
};
const struct field_table spec_seccomp_arg_table = FIELD_TABLE(arg_rows, struct spec_seccomp_arg);

/* "When the action doesn't support an errno, the runtime MUST print an error and fail." */
static int check_errno(struct reader *r, const char *name, enum spec_seccomp_action action,
		       const struct spec_opt_u64 *v)
{
	if (!v->set)
		return 0;
	if (action != SPEC_SECCOMP_ERRNO && action != SPEC_SECCOMP_TRACE)
		return field_fault_at(r, name, "does not go with %s", spec_seccomp_action_name(action));
	if (action == SPEC_SECCOMP_ERRNO && v->v > ERRNO_MAX)
		return field_fault_at(r, name, "expected an integer between 0 and %d, got %llu", ERRNO_MAX,
				      (unsigned long long)v->v);
	return 0;
}

int spec_seccomp_finish_rule(struct reader *r, void *object)
{
	const struct spec_seccomp_rule *rule = object;

	if (rule->names.count == 0)
		return field_fault_at(r, "names", "expected at least one system call, got an empty array");
	return check_errno(r, "errnoRet", rule->action, &rule->errno_ret);
}

static const struct field rule_rows[] = {
	TEXTS_ROW("names", struct spec_seccomp_rule, names, TEXT_KEY, .flags = FIELD_REQUIRED),
	{.name = "action",
	 .kind = FIELD_NAME,
	 AT(struct spec_seccomp_rule, action),
	 .names = &spec_seccomp_action_names,
	 .flags = FIELD_REQUIRED},
	U64_ROW("errnoRet", struct spec_seccomp_rule, errno_ret, TRACE_MAX),
	{.name = "args",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_seccomp_rule, args, arg_count),
	 .child = &spec_seccomp_arg_table},
};
static const struct field_table rule_table =
	FIELD_TABLE(rule_rows, struct spec_seccomp_rule, .finish = spec_seccomp_finish_rule);

static int finish_seccomp(struct reader *r, void *object)
{
	struct spec_seccomp *s = object;
	struct field_step list = {.up = r->where, .name = "architectures"};
	struct field_step step = {.up = &list};

	if (!s->architectures.items)
		s->architectures.items = arena_alloc(r->arena, 1, sizeof(*s->architectures.items));
	for (size_t i = 0; i < s->architectures.count; i++) {
		size_t k = 0;

		while (k < ARRAY_SIZE(architectures) && !str_eq(architectures[k], s->architectures.items[i]))
			k++;
		if (k < ARRAY_SIZE(architectures))
			continue;
		step.index = i;
		r->where = &step;
		return field_fault(r, "expected an SCMP_ARCH_ name, got \"%.40s\"", s->architectures.items[i]);
	}
	return check_errno(r, "defaultErrnoRet", s->default_action, &s->default_errno_ret);
}

/* `syscalls` is the last row, so that a profile, which reads it in its own form, can leave it out. */
static const struct field seccomp_rows[] = {
	{.name = "defaultAction",
	 .kind = FIELD_NAME,
	 AT(struct spec_seccomp, default_action),
	 .names = &spec_seccomp_action_names,
	 .flags = FIELD_REQUIRED},
	U64_ROW("defaultErrnoRet", struct spec_seccomp, default_errno_ret, TRACE_MAX),
	TEXTS_ROW("architectures", struct spec_seccomp, architectures, TEXT_KEY),
	{.name = "flags",
	 .kind = FIELD_FLAGS,
	 AT(struct spec_seccomp, flags),
	 SET_AT(struct spec_seccomp, flags_set),
	 .names = &flag_names},
	TEXT_ROW("listenerPath", struct spec_seccomp, listener_path, TEXT_ABSOLUTE),
	TEXT_ROW("listenerMetadata", struct spec_seccomp, listener_metadata, TEXT_ANY),
	{.name = "syscalls",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_seccomp, rules, rule_count),
	 .child = &rule_table},
};
const struct field_table spec_seccomp_table = FIELD_TABLE(seccomp_rows, struct spec_seccomp, .finish = finish_seccomp);

int spec_seccomp_read_frame(struct reader *r, const struct json *j, struct spec_seccomp *f)
{
	struct field_table frame = spec_seccomp_table;

	frame.count--;
	return field_read_object(r, &frame, j, f);
}
