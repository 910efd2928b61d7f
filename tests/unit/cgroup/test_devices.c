/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules. The BPF program is run here by a small interpreter and compared with a plain reading of the rules (for
 * each kind of access the last rule that matches decides, and none means no), on chosen lists and on thousands of random
 * ones; the v1 writes are replayed on a model of the kernel's exception list and compared with the same reading.
 */
#include <linux/bpf.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cgroup/group.h"
#include "test.h"

#define R SPEC_ACCESS_READ
#define W SPEC_ACCESS_WRITE
#define M SPEC_ACCESS_MKNOD
#define RWM (R | W | M)

struct request {
	char type;
	uint32_t major, minor;
	uint8_t access;
};

static bool rule_matches(const struct spec_device_rule *r, const struct request *q)
{
	return (r->type == 'a' || r->type == q->type) && (r->major < 0 || r->major == q->major) &&
	       (r->minor < 0 || r->minor == q->minor);
}

/* What the rules mean. */
static bool meaning(const struct spec_device_rule *rules, size_t count, const struct request *q)
{
	for (uint8_t bit = 1; bit <= 4; bit <<= 1) {
		bool allowed = false;

		if (!(q->access & bit))
			continue;
		for (size_t i = 0; i < count; i++)
			if (rule_matches(&rules[i], q) && rules[i].access & bit)
				allowed = rules[i].allow;
		if (!allowed)
			return false;
	}
	return true;
}

/* ---- BPF ---- */

/* Runs @insns; -1 for anything that the kernel's verifier would not take. */
static int run(const struct bpf_insn *insns, size_t count, const struct request *q)
{
	uint32_t access = (q->access & R ? BPF_DEVCG_ACC_READ : 0u) | (q->access & W ? BPF_DEVCG_ACC_WRITE : 0u) |
			  (q->access & M ? BPF_DEVCG_ACC_MKNOD : 0u);
	uint32_t ctx[3] = {access << 16 | (q->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), q->major,
			   q->minor};
	uint32_t reg[11] = {};

	for (size_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &insns[pc];
		uint32_t operand = BPF_SRC(i->code) == BPF_X ? reg[i->src_reg] : (uint32_t)i->imm;
		bool jump = false;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			if (i->src_reg != BPF_REG_1 || i->off < 0 || i->off > 8 || i->off % 4)
				return -1;
			reg[i->dst_reg] = ctx[i->off / 4];
			continue;
		case BPF_ALU | BPF_MOV | BPF_X:
		case BPF_ALU | BPF_MOV | BPF_K:
			reg[i->dst_reg] = operand;
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			reg[i->dst_reg] &= operand;
			continue;
		case BPF_ALU | BPF_RSH | BPF_K:
			reg[i->dst_reg] >>= operand;
			continue;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			jump = reg[i->dst_reg] != operand;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			jump = reg[i->dst_reg] == operand;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			return -1;
		}
		if (i->off < 0)
			return -1;
		if (jump)
			pc += (size_t)i->off;
	}
	return -1; /* fell off the end */
}

/* ---- v1 ---- */

/* The kernel's list: devices.deny "a" and devices.allow "a" set the default and clear it; otherwise one file adds
 * exceptions with the other default and the other takes away exact matches. */
static bool v1_allows(const struct cgroup_writes *w, const struct request *q)
{
	bool default_allow = true;
	uint8_t excepted = 0;

	for (size_t i = 0; i < w->count; i++) {
		const char *v = w->items[i].value;
		bool allow = strcmp(w->items[i].file, "devices.allow") == 0;
		char type, major[16], minor[16], access[8];

		if (strcmp(v, "a") == 0) {
			default_allow = allow;
			excepted = 0;
			continue;
		}
		if (sscanf(v, "%c %15[^:]:%15s %7s", &type, major, minor, access) != 4 || allow == default_allow)
			return !meaning(NULL, 0, q); /* not a write we expect: make the comparison fail */
		if (type != q->type || (*major != '*' && (uint32_t)strtod(major, NULL) != q->major) ||
		    (*minor != '*' && (uint32_t)strtod(minor, NULL) != q->minor))
			continue;
		excepted |= (uint8_t)((strchr(access, 'r') ? R : 0) | (strchr(access, 'w') ? W : 0) |
				      (strchr(access, 'm') ? M : 0));
	}
	return default_allow ? !(excepted & q->access) : (excepted & q->access) == q->access;
}

/* ---- comparing ---- */

/* Every kind of request that rules with numbers 0-3 can tell apart, and large numbers. */
static bool same_everywhere(const struct spec_device_rule *rules, size_t count, bool with_v1)
{
	static const uint32_t numbers[] = {0, 1, 2, 3, 0x80000001u, UINT32_MAX};
	autofree struct bpf_insn *insns = NULL;
	autocgroupwrites struct cgroup_writes w = {};
	size_t insn_count;
	struct error err = {};
	bool v1;

	if (!CHECK_INT(cgroup_devices_program(rules, count, &insns, &insn_count, &err), 0))
		return false;
	v1 = cgroup_devices_plan_v1(rules, count, &w, &err) == 0;
	if (with_v1 && !CHECK(v1))
		return false;
	for (size_t a = 0; a < ARRAY_SIZE(numbers); a++) {
		for (size_t b = 0; b < ARRAY_SIZE(numbers); b++) {
			for (uint8_t access = 1; access <= RWM; access++) {
				for (const char *type = "bc"; *type; type++) {
					struct request q = {*type, numbers[a], numbers[b], access};
					bool want = meaning(rules, count, &q);

					if (!CHECK_INT(insn_count ? run(insns, insn_count, &q) : 1, want))
						return false;
					if (v1 && !CHECK_INT(v1_allows(&w, &q), want))
						return false;
				}
			}
		}
	}
	return true;
}

TEST(an_empty_list_denies_everything)
{
	CHECK(same_everywhere(NULL, 0, true));
}

/* SECURITY.md V12, GHSA-g54h-m393-cpwq: the rule "deny all" is missing at the start. */
TEST(a_list_without_its_first_rule_denies_the_rest)
{
	static const struct spec_device_rule rules[] = {{true, 'c', 1, 3, RWM}};
	autocgroupwrites struct cgroup_writes w = {};
	struct error err = {};

	CHECK(same_everywhere(rules, 1, true));
	CHECK_INT(cgroup_devices_plan_v1(rules, 1, &w, &err), 0);
	REQUIRE(w.count == 2);
	CHECK_STR(w.items[0].file, "devices.deny");
	CHECK_STR(w.items[0].value, "a");
	CHECK_STR(w.items[1].value, "c 1:3 rwm");
}

TEST(chosen_lists)
{
	static const struct spec_device_rule defaults[] = {{false, 'a', -1, -1, RWM},
							   {true, 'c', -1, -1, M},
							   {true, 'b', -1, -1, M},
							   {true, 'c', 1, 3, RWM},
							   {true, 'c', 2, -1, RWM}};
	static const struct spec_device_rule privileged[] = {{false, 'a', -1, -1, RWM}, {true, 'a', -1, -1, RWM}};
	static const struct spec_device_rule but_one[] = {{true, 'a', -1, -1, RWM}, {false, 'c', 1, 3, W}};
	static const struct spec_device_rule again[] = {{true, 'a', -1, -1, RWM},
							{false, 'c', 1, -1, RWM},
							{false, 'a', -1, -1, RWM},
							{true, 'b', 2, 2, R}};
	static const struct spec_device_rule pieces[] = {{true, 'c', 1, 1, R},
							 {true, 'c', 1, 1, W},
							 {true, 'c', 1, 1, M}};
	static const struct spec_device_rule big[] = {{true, 'c', UINT32_MAX, 0x80000001u, RWM}};
	static const struct spec_device_rule any_read[] = {{true, 'a', -1, -1, R}};

	CHECK(same_everywhere(defaults, ARRAY_SIZE(defaults), true));
	CHECK(same_everywhere(privileged, ARRAY_SIZE(privileged), true));
	CHECK(same_everywhere(but_one, ARRAY_SIZE(but_one), true));
	CHECK(same_everywhere(again, ARRAY_SIZE(again), true));
	CHECK(same_everywhere(pieces, ARRAY_SIZE(pieces), true));
	CHECK(same_everywhere(big, ARRAY_SIZE(big), true));
	CHECK(same_everywhere(any_read, ARRAY_SIZE(any_read), true));
}

TEST(all_allowed_needs_no_program)
{
	static const struct spec_device_rule rules[] = {{false, 'c', 1, 3, RWM}, {true, 'a', -1, -1, RWM}};
	autofree struct bpf_insn *insns = NULL;
	autocgroupwrites struct cgroup_writes w = {};
	size_t count = 9;
	struct error err = {};

	CHECK_INT(cgroup_devices_program(rules, 2, &insns, &count, &err), 0);
	CHECK_INT(count, 0);
	CHECK_INT(cgroup_devices_plan_v1(rules, 2, &w, &err), 0);
	CHECK_INT(w.count, 0);
}

TEST(v1_refuses_what_it_cannot_keep)
{
	static const struct spec_device_rule hole[] = {{true, 'c', -1, -1, RWM}, {false, 'c', 1, 3, RWM}};
	autocgroupwrites struct cgroup_writes w = {};
	struct error err = {};

	CHECK(cgroup_devices_plan_v1(hole, 2, &w, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.msg, "resources.devices[1]");
	CHECK(same_everywhere(hole, 2, false)); /* v2 can */
}

TEST(bad_rules_are_refused)
{
	static const struct spec_device_rule bad[] = {{true, 'x', 1, 1, RWM},
						      {true, 'c', 1LL << 32, 1, RWM},
						      {true, 'c', 1, 1LL << 40, RWM},
						      {true, 'c', 1, 1, 0}};
	autofree struct bpf_insn *insns = NULL;
	size_t count;
	struct error err = {};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(cgroup_devices_program(&bad[i], 1, &insns, &count, &err) < 0);
}

/* A fixed seed, so that a failure can be repeated. */
TEST(random_lists)
{
	uint32_t seed = 12345;
	unsigned v1_refused = 0;

	for (int round = 0; round < 3000; round++) {
		struct spec_device_rule rules[6];
		autocgroupwrites struct cgroup_writes w = {};
		struct error err = {};
		size_t count;

#define NEXT(n) ((seed = seed * 1664525u + 1013904223u) >> 16) % (n)
		count = NEXT(7);
		for (size_t i = 0; i < count; i++) {
			rules[i].allow = NEXT(2);
			rules[i].type = "abc"[NEXT(3)];
			rules[i].major = (int64_t)(NEXT(4)) - 1;
			rules[i].minor = (int64_t)(NEXT(4)) - 1;
			rules[i].access = (uint8_t)(1 + NEXT(7));
		}
		if (!same_everywhere(rules, count, false))
			return;
		v1_refused += cgroup_devices_plan_v1(rules, count, &w, &err) < 0;
	}
	CHECK(v1_refused > 0 && v1_refused < 2900); /* both ways of v1 were walked */
}
