/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan in words, ordered by the seven steps that courses teach, with what each step calls and, after a run, how long
 * it took. Steps of one kind that follow each other (mounts, devices, masks) are listed one by one: seeing them is the
 * point.
 */
#include <stdio.h>
#include <string.h>

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

static void print_step(const struct plan_step *s, const char *side, const int64_t *ns, struct buf *out)
{
	const struct plan_words *w = plan_words(s->op);
	char title[160];
	char time[24] = "";

	plan_step_title(s, title, sizeof(title));
	if (ns && ns[1])
		(void)snprintf(time, sizeof(time), "%8.3f ms", (double)(ns[1] - ns[0]) / 1e6);
	buf_printf(out, "   %-9s %-44s %s%s%s\n", side, title, time, time[0] ? "  " : "", w->calls);
	if (w->meaning[0])
		buf_printf(out, "   %-9s   %s\n", "", w->meaning);
}

static void print_recipe(const struct plan *p, enum runtime_recipe recipe, const struct runtime_trace *t, struct buf *out)
{
	bool any = false;

	for (int side = 0; side < 2; side++) {
		const struct plan_step *steps = side ? p->inside : p->host;
		const size_t count = side ? p->inside_count : p->host_count;

		for (size_t i = 0; i < count; i++) {
			const int64_t *ns = t && i < TRACE_STEPS_MAX ? (side ? t->inside_ns[i] : t->host_ns[i]) : NULL;

			if (plan_words(steps[i].op)->recipe != recipe)
				continue;
			print_step(&steps[i], side ? "inside" : "host", ns, out);
			any = true;
		}
	}
	if (!any)
		buf_puts(out, "   (nothing to do here)\n");
}

static void print_namespaces(const struct spec *s, struct buf *out)
{
	buf_puts(out, "Namespaces:");
	for (int i = 0; i < SPEC_NS_COUNT; i++) {
		const struct spec_namespace *ns = &s->linux_.ns[i];

		buf_printf(out, " %s=%s", spec_ns_name((enum spec_ns)i), !ns->present ? "host" : ns->path ? ns->path : "new");
	}
	buf_puts(out, "\n");
	for (size_t i = 0; i < s->linux_.uid_mappings.count; i++) {
		const struct spec_id_map *m = &s->linux_.uid_mappings.items[i];

		buf_printf(out, "User ids:   %u-%u inside are %u-%u on the host\n", m->container_id,
			   m->container_id + m->size - 1, m->host_id, m->host_id + m->size - 1);
	}
}

int runtime_explain(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		    const struct runtime_trace *trace, struct buf *out, struct error *err)
{
	autocgrouphost struct cgroup_host host = {};
	autoplan struct plan p = {};
	struct error ignored;
	struct plan_facts facts = {.privileged = caps_have(21), .euid = 0, .egid = 0};
	int r = spec_validate(spec, err);

	(void)rt;
	if (r == 0)
		r = cgroup_host_probe(&host, err);
	if (r < 0)
		return r;
	facts.cgroup_v2_only = host.mode == CGROUP_MODE_V2;
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
