/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan in words, ordered by the seven steps that courses teach, with what each step calls and, after a run, how long
 * it took. Steps of one kind that follow each other (mounts, devices, masks) are listed one by one: seeing them is the
 * point.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup/cgroup.h"
#include "kernel/kernel.h"
#include "runtime/launch.h"

/* clang-format off */
static const char *const headings[RUNTIME_RECIPE_COUNT] = {
	[RUNTIME_RECIPE_USER] = "1. User namespace: whose ids are these?",
	[RUNTIME_RECIPE_PID_UTS] = "2. PID, UTS, IPC and time namespaces: own processes, own names",
	[RUNTIME_RECIPE_MOUNT] = "3. Mount namespace: own view of the file systems",
	[RUNTIME_RECIPE_IMAGE] = "4. The image becomes the root, with what is mounted in it",
	[RUNTIME_RECIPE_NET] = "5. Network namespace and its devices",
	[RUNTIME_RECIPE_BRIDGE] = "6. Bridge: how it reaches others",
	[RUNTIME_RECIPE_LSM] = "7. Rules: capabilities, seccomp, AppArmor or SELinux",
	[RUNTIME_RECIPE_CGROUP] = "Beside them: limits (cgroups)",
	[RUNTIME_RECIPE_PROGRAM] = "And then: the program",
};
/* clang-format on */

#define WIDTH 96 /* a terminal of 100 columns, with some room */
#define INDENT 13
#define NAME_MAX_CHARS 40

/* Calls that depend on the step's object. */
static const char *calls_of(const struct plan *p, const struct plan_step *s)
{
	if (s->op == PLAN_MOUNT && s->index < p->spec->mount_count)
		return p->spec->mounts[s->index].bind ? "openat2 open_tree mount_setattr move_mount"
						      : "openat2 fsopen fsconfig fsmount move_mount";
	if (s->op == PLAN_DEVICE)
		return p->bind_devices ? "openat2 move_mount" : "mknodat";
	return plan_words(s->op)->calls;
}

static const char *meaning_of(const struct plan_step *s)
{
	switch (s->op) {
	case PLAN_MOUNT:
		return "on places that no link in the image can lead away";
	case PLAN_DEVICE:
		return "at their places in the container's own /dev";
	case PLAN_READONLY_PATH:
		return "parts of /proc and /sys that would change the host";
	case PLAN_MASK_PATH:
		return "parts that tell more about the host than they should";
	case PLAN_HOSTNAME:
	case PLAN_DOMAINNAME:
		return "shown to this container only";
	case PLAN_LOOKUP:
		return "by PATH, inside the new root";
	default:
		return plan_words(s->op)->meaning;
	}
}

/* The object's name; of long ones (files in the store) the end is what tells them apart. */
static void shorten(const char *name, char *out, size_t size)
{
	const size_t len = strlen(name);

	if (len <= NAME_MAX_CHARS)
		(void)snprintf(out, size, "%s", name);
	else
		(void)snprintf(out, size, "...%s", name + len - (NAME_MAX_CHARS - 3));
}

static const int64_t *times_of(const struct runtime_trace *t, bool is_inside, size_t i)
{
	return t && i < TRACE_STEPS_MAX ? (is_inside ? t->inside_ns[i] : t->host_ns[i]) : NULL;
}

static double to_ms(const int64_t *ns)
{
	return ns && ns[1] ? (double)(ns[1] - ns[0]) / 1e6 : 0;
}

/* Steps of one kind that follow each other are one paragraph: a line that says what and how, and the objects below it. */
static void print_group(const struct plan *p, const struct runtime_trace *t, bool is_inside, size_t first, size_t count,
			struct buf *out)
{
	const struct plan_step *steps = is_inside ? p->inside : p->host;
	const struct plan_step *s = &steps[first];
	const char *meaning = meaning_of(s);
	double total = 0;
	size_t column = WIDTH;
	char time[24] = "";
	char name[NAME_MAX_CHARS + 8];
	char item[NAME_MAX_CHARS + 32];

	for (size_t i = first; i < first + count; i++)
		total += to_ms(times_of(t, is_inside, i));
	if (total > 0)
		(void)snprintf(time, sizeof(time), "%8.3f ms  ", total);
	else if (t)
		(void)snprintf(time, sizeof(time), "%13s", "");
	buf_printf(out, "  %-8s %-20s %s%s\n", is_inside ? "inside" : "host", plan_words(s->op)->name, time,
		   calls_of(p, s));
	if (meaning[0])
		buf_printf(out, "%*s%s\n", INDENT, "", meaning);
	if (count == 1 && !s->name[0])
		return;
	for (size_t i = first; i < first + count; i++) {
		double ms = to_ms(times_of(t, is_inside, i));

		shorten(steps[i].name, name, sizeof(name));
		if (count > 1 && ms > 0)
			(void)snprintf(item, sizeof(item), "%s %.3f", name, ms);
		else
			(void)snprintf(item, sizeof(item), "%s", name);
		if (column + strlen(item) + 2 > WIDTH) {
			buf_printf(out, "%s%*s%s", i == first ? "" : "\n", INDENT, "", item);
			column = INDENT + strlen(item);
		} else {
			buf_printf(out, "  %s", item);
			column += strlen(item) + 2;
		}
	}
	buf_puts(out, "\n");
}

static void print_recipe(const struct plan *p, enum runtime_recipe recipe, const struct runtime_trace *t,
			 struct buf *out)
{
	bool any = false;

	for (int side = 0; side < 2; side++) {
		const struct plan_step *steps = side ? p->inside : p->host;
		const size_t count = side ? p->inside_count : p->host_count;
		size_t same;

		for (size_t i = 0; i < count; i += same) {
			same = 1;
			if (plan_words(steps[i].op)->recipe != recipe)
				continue;
			while (i + same < count && steps[i + same].op == steps[i].op &&
			       str_eq(calls_of(p, &steps[i + same]), calls_of(p, &steps[i])))
				same++;
			print_group(p, t, side, i, same, out);
			any = true;
		}
	}
	if (!any)
		buf_puts(out, "  (nothing to do here)\n");
}

static void print_namespaces(const struct spec *s, struct buf *out)
{
	static const char *const kinds[] = {"new", "the host's", "joined"};

	for (int kind = 0; kind < 3; kind++) {
		bool any = false;

		for (int i = 0; i < SPEC_NS_COUNT; i++) {
			const struct spec_namespace *ns = &s->linux_.ns[i];

			if ((!ns->present ? 1 : ns->path ? 2 : 0) != kind)
				continue;
			if (!any)
				buf_printf(out, "Namespaces, %s:%*s", kinds[kind], (int)(10 - strlen(kinds[kind])), "");
			any = true;
			buf_printf(out, " %s%s%s", spec_ns_name((enum spec_ns)i), ns->path ? "=" : "",
				   ns->path ? ns->path : "");
		}
		buf_puts(out, any ? "\n" : "");
	}
	for (size_t i = 0; i < s->linux_.uid_mappings.count; i++) {
		const struct spec_id_map *m = &s->linux_.uid_mappings.items[i];

		buf_printf(out, "User ids:               %u-%u inside are %u-%u on the host\n", m->container_id,
			   m->container_id + m->size - 1, m->host_id, m->host_id + m->size - 1);
	}
}

int runtime_explain(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		    const struct runtime_trace *trace, struct buf *out, struct error *err)
{
	autocgrouphost struct cgroup_host host = {};
	autoplan struct plan p = {};
	struct error ignored;
	struct plan_facts facts = {.privileged = caps_have(21), .euid = geteuid(), .egid = getegid()};
	int r = spec_validate(spec, err);

	(void)rt;
	if (r == 0)
		r = cgroup_host_probe(&host, err);
	if (r < 0)
		return r;
	facts.in_userns = launch_in_userns(&ignored);
	r = runtime_plan_build(spec, opt, &facts, false, &p, err);
	if (r < 0)
		return r;
	print_namespaces(spec, out);
	for (int i = RUNTIME_RECIPE_USER; i < RUNTIME_RECIPE_COUNT; i++) {
		buf_printf(out, "\n%s\n", headings[i]);
		print_recipe(&p, (enum runtime_recipe)i, trace, out);
	}
	return 0;
}
