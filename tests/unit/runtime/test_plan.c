/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a fixed document, step by step: a change of order shows here before it shows anywhere else. */
#include "runtime/plan.h"

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "test.h"

static const struct runtime_create_options options = {.id = "fixed", .bundle = "/bundle"};

/* One line a step: the side, then the title. */
static void to_text(const struct plan *p, struct buf *out)
{
	char title[256];

	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < (side ? p->inside_count : p->host_count); i++) {
			plan_step_title(side ? &p->inside[i] : &p->host[i], title, sizeof(title));
			buf_printf(out, "%s %s\n", side ? "inside" : "host", title);
		}
}

static void build(struct spec *s, bool rootless)
{
	spec_default(s, rootless, 1000, 1000);
	s->root_path = "/root";
}

/* Is @first somewhere before @second? */
static bool in_order(const char *text, const char *first, const char *second)
{
	const char *a = strstr(text, first);
	const char *b = strstr(text, second);

	return a && b && a < b;
}

TEST(what_runs_before_what)
{
	static const char *const before[][2] = {
		{"host clone\n", "host id maps\n"},
		{"host id maps\n", "host record\n"},
		{"inside wait\n", "inside become root inside\n"},
		{"inside become root inside\n", "inside attach root '/root'\n"},
		{"inside attach root '/root'\n", "inside mount '/proc'\n"},
		{"inside mount '/proc'\n", "inside mount '/dev'\n"},
		{"inside mount '/dev'\n", "inside device '/dev/null'\n"},
		{"inside device '/dev/null'\n", "inside change root\n"},
		{"inside change root\n", "inside read-only path '/proc/sys'\n"},
		{"inside read-only path '/proc/sys'\n", "inside masked path '/proc/kcore'\n"},
		{"inside masked path '/proc/kcore'\n", "inside user\n"},
		{"inside user\n", "inside confine\n"},
		{"inside confine\n", "inside execute 'sh'\n"},
	};
	const struct plan_facts facts = {.euid = 1000, .egid = 1000};
	autobuf struct buf out = BUF_INIT(65536);
	autoplan struct plan p = {};
	struct spec s;
	struct error err = {};

	build(&s, true);
	REQUIRE(runtime_plan_build(&s, &options, &facts, false, &p, &err) == 0);
	to_text(&p, &out);
	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		ROW(before[i][0]);
		CHECK(in_order(buf_str(&out), before[i][0], before[i][1]));
	}
	CHECK(p.new_userns && p.new_mntns && p.bind_devices && !p.join);
	CHECK_CONTAINS(buf_str(&out), "host state folder 'fixed'");
	spec_done(&s);
}

TEST(the_same_document_gives_the_same_plan)
{
	const struct plan_facts facts = {.privileged = true};
	autobuf struct buf first = BUF_INIT(65536);
	autobuf struct buf second = BUF_INIT(65536);
	autoplan struct plan a = {};
	autoplan struct plan b = {};
	struct spec s;
	struct error err = {};

	build(&s, false);
	REQUIRE(runtime_plan_build(&s, &options, &facts, false, &a, &err) == 0);
	REQUIRE(runtime_plan_build(&s, &options, &facts, false, &b, &err) == 0);
	to_text(&a, &first);
	to_text(&b, &second);
	CHECK_STR(buf_str(&first), buf_str(&second));
	CHECK(!a.new_userns && !a.bind_devices);
	spec_done(&s);
}

/* ---- golden plans ---------------------------------------------------------------------------------------------------- */

/* The files below golden/ hold the whole plans, a string a line. A change that is meant: BOTHY_GOLDEN=DIR test_runtime_plan
 * writes them anew, and the difference is read in the review. */
static const char *const lowers[] = {"/layers/upper", "/layers/lower"};
static const struct runtime_overlay overlay = {.lowers = lowers,
					       .lower_count = 2,
					       .upper = "/c/upper",
					       .work = "/c/work"};
static const struct spec_id_map range = {0, 0x70000000, 65536};

struct golden {
	const char *name;
	const char *text;
	struct plan_facts facts;
	struct runtime_create_options opt;
	bool rootless, wait_start;
	void (*edit)(struct spec *s);
};

static void own_ids(struct spec *s)
{
	s->linux_.ns[SPEC_NS_USER].present = true;
	ARENA_PUSH(&s->arena, s->linux_.uid_mappings.items, s->linux_.uid_mappings.count) = range;
	ARENA_PUSH(&s->arena, s->linux_.gid_mappings.items, s->linux_.gid_mappings.count) = range;
}

/* As much as one document can ask for. */
static void everything(struct spec *s)
{
	s->hostname = "hut";
	s->domainname = "moor";
	s->process.terminal = true;
	s->process.apparmor_profile = "a-profile";
	s->process.cwd = "/work";
	s->process.oom_score_adj.set = true;
	s->linux_.seccomp.set = true;
	s->linux_.ns[SPEC_NS_TIME].present = true;
	s->linux_.rootfs_propagation = MS_PRIVATE;
	spec_map_set(&s->arena, &s->linux_.sysctl, "net.ipv4.ip_forward", "1");
	for (int point = 0; point < SPEC_HOOK_COUNT; point++) {
		s->hooks.items[point] = arena_alloc(&s->arena, 1, sizeof(struct spec_hook));
		s->hooks.items[point][0] = (struct spec_hook){.path = "/hook"};
		s->hooks.count[point] = 1;
	}
	ARENA_PUSH(&s->arena, s->mounts, s->mount_count) = (struct spec_mount){
		.type = "bind", .bind = true, .source = "/data", .destination = "/data", .data = ""};
}

/* A pod's container: its pid namespace is another's. */
static void shared_pid(struct spec *s)
{
	s->linux_.ns[SPEC_NS_PID].present = true;
	s->linux_.ns[SPEC_NS_PID].path = "/proc/1/ns/pid";
	s->process.oom_score_adj.set = true;
	s->linux_.seccomp.set = true;
}

static const struct golden goldens[] = {
	{
		.name = "run_as_root",
		.text =
#include "golden/run_as_root.inc"
			,
		.facts = {.privileged = true},
		.opt = {.id = "fixed", .bundle = "/bundle"},
	},
	{
		.name = "create_as_root_everything",
		.text =
#include "golden/create_as_root_everything.inc"
			,
		.facts = {.privileged = true},
		.opt = {.id = "fixed",
			.bundle = "/bundle",
			.console_socket = "/s",
			.pidfd_socket = "/p",
			.pid_file = "/pid"},
		.wait_start = true,
		.edit = everything,
	},
	{
		.name = "create_rootless",
		.text =
#include "golden/create_rootless.inc"
			,
		.facts = {.euid = 1000, .egid = 1000},
		.opt = {.id = "fixed", .bundle = "/bundle"},
		.rootless = true,
		.wait_start = true,
	},
	{
		.name = "engine_image_with_own_ids",
		.text =
#include "golden/engine_image_with_own_ids.inc"
			,
		.facts = {.privileged = true},
		.opt = {.id = "fixed", .bundle = "/c", .overlay = &overlay, .idmap_root = true, .end_with_us = true},
		.edit = own_ids,
	},
	{
		.name = "create_beside_others",
		.text =
#include "golden/create_beside_others.inc"
			,
		.facts = {.privileged = true},
		.opt = {.id = "fixed", .bundle = "/bundle"},
		.wait_start = true,
		.edit = shared_pid,
	},
};

/* With a user namespace of its own no neighbour has rights over it, and one process does it all. */
TEST(last_clone_only_where_neighbours_have_rights)
{
	for (int with_userns = 0; with_userns < 2; with_userns++) {
		struct runtime_create_options opt = {.id = "fixed", .bundle = "/bundle"};
		struct plan_facts facts = {.privileged = true};
		autospec struct spec s;
		autoplan struct plan p = {};
		struct error err;

		build(&s, false);
		shared_pid(&s);
		if (with_userns)
			own_ids(&s);
		if (!CHECK_INT(runtime_plan_build(&s, &opt, &facts, true, &p, &err), 0))
			return;
		CHECK(p.late_pid == !with_userns);
		for (size_t i = 0; i < p.inside_count; i++)
			CHECK(p.inside[i].op != (with_userns ? PLAN_BIRTH : PLAN_READY_TELL));
	}
}

static void write_golden(const char *dir, const struct golden *g, const char *text)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.inc", dir, g->name);
	f = fopen(path, "we");
	REQUIRE(f);
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		(void)fprintf(f, "\"%.*s\\n\"\n", (int)(end - line), line);
	(void)fclose(f);
}

TEST(golden_plans)
{
	const char *dir = getenv("BOTHY_GOLDEN");

	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];
		autobuf struct buf out = BUF_INIT(65536);
		autoplan struct plan p = {};
		struct error err = {};
		struct spec s;

		ROW(g->name);
		build(&s, g->rootless);
		if (g->edit)
			g->edit(&s);
		CHECK_INT(runtime_plan_build(&s, &g->opt, &g->facts, g->wait_start, &p, &err), 0);
		CHECK_STR(err.msg, "");
		to_text(&p, &out);
		if (dir)
			write_golden(dir, g, buf_str(&out));
		else
			CHECK_STR(buf_str(&out), g->text);
		spec_done(&s);
	}
}

TEST(every_step_has_words)
{
	for (int op = PLAN_END + 1; op < PLAN_OP_COUNT; op++) {
		if (op == PLAN_HOST_OP_COUNT && !plan_words((enum plan_op)op)->name)
			continue;
		CHECK(plan_words((enum plan_op)op)->name != NULL);
		CHECK(plan_words((enum plan_op)op)->recipe >= RUNTIME_RECIPE_USER &&
		      plan_words((enum plan_op)op)->recipe < RUNTIME_RECIPE_COUNT);
	}
}

TEST(a_rule_of_the_document_holds_for_its_device)
{
	const struct plan_facts facts = {.privileged = true};
	struct spec s;
	struct error err = {};
	autoplan struct plan p = {};
	uint8_t access = 0;

	build(&s, false);
	ARENA_PUSH(&s.arena, s.linux_.devices, s.linux_.device_count) =
		(struct spec_device){.path = "/dev/x", .type = 'b', .major = 254, .minor = 7};
	ARENA_PUSH(&s.arena, s.linux_.resources.devices, s.linux_.resources.device_count) = (struct spec_device_rule){
		.allow = true, .type = 'b', .major = 254, .minor = 7, .access = SPEC_ACCESS_READ};
	REQUIRE(runtime_plan_build(&s, &options, &facts, false, &p, &err) == 0);
	for (size_t i = 0; i < p.device_rule_count; i++)
		if (p.device_rules[i].type == 'b' && p.device_rules[i].major == 254)
			access |= p.device_rules[i].access;
	CHECK_INT(access, SPEC_ACCESS_READ);
	spec_done(&s);
}

TEST(what_is_refused)
{
	const struct plan_facts plain = {.euid = 1000};
	struct spec s;
	struct error err = {};
	autoplan struct plan p = {};

	build(&s, false);
	CHECK_INT(runtime_plan_build(&s, &options, &plain, false, &p, &err) < 0, 1);
	CHECK_CONTAINS(err.msg, "user namespace");
	s.linux_.intel_rdt.set = true;
	CHECK_INT(runtime_plan_build(&s, &options, &(struct plan_facts){.privileged = true}, false, &p, &err) < 0, 1);
	CHECK_CONTAINS(err.msg, "intelRdt");
	spec_done(&s);
}
