/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a fixed document, step by step: a change of order shows here before it shows anywhere else. */
#include "runtime/plan.h"

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
