/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.devices: who may use which device node. One meaning for both versions: rules are read in order, for each
 * kind of access (read, write, mknod) the last rule that matches a device decides, and where none matches it is denied
 * (SECURITY.md V12, GHSA-g54h-m393-cpwq: a list that forgot its first rule must not open everything).
 *
 * v2: the rules become a BPF program that walks them from the last to the first. v1: the kernel keeps a list of exceptions
 * from one default, so the rules are folded into such a list first; one that takes a part out of an allowed range cannot be
 * kept by that list and is refused rather than forgotten.
 *
 * Pure: programs and writes come out as data. Source: kernel admin-guide/cgroup-v1/devices.rst, cgroup-v2.rst "Device
 * controller", linux/bpf.h struct bpf_cgroup_dev_ctx.
 */
#include <linux/bpf.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"

#define RWM (SPEC_ACCESS_READ | SPEC_ACCESS_WRITE | SPEC_ACCESS_MKNOD)
#define RULES_MAX 4096 /* far below what a program may hold (a million instructions), far above any document */

static int check_rules(const struct spec_device_rule *rules, size_t count, struct error *err)
{
	if (count > RULES_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "resources.devices: more than %d rules", RULES_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct spec_device_rule *r = &rules[i];

		if (r->major > UINT32_MAX || r->minor > UINT32_MAX || !(r->access & RWM) || !strchr("abc", r->type))
			return error_set(err, ERROR_INVALID, EINVAL, "resources.devices[%zu]: not a rule for a device",
					 i);
	}
	return 0;
}

/* ---- v2 ---- */

struct program {
	struct bpf_insn *items;
	size_t count;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	VEC_PUSH(p->items, p->count) =
		(struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

/* Registers: 2 type, 3 the access bits that no rule has decided yet, 4 major, 5 minor, 6 scratch. */
static void emit_start(struct program *p)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

static void emit_return(struct program *p, int value)
{
	emit(p, BPF_ALU | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int32_t kernel_access(uint8_t access)
{
	return (access & SPEC_ACCESS_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & SPEC_ACCESS_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & SPEC_ACCESS_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* One rule. Numbers are compared as 32 bits: the 64-bit form would extend the sign of large ones. */
static void emit_rule(struct program *p, const struct spec_device_rule *r)
{
	int32_t access = kernel_access(r->access);
	size_t skips[4], skip_count = 0;

	if (r->type != 'a') {
		skips[skip_count++] = p->count;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_2, 0, 0,
		     r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	}
	if (r->major >= 0) {
		skips[skip_count++] = p->count;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)(uint32_t)r->major);
	}
	if (r->minor >= 0) {
		skips[skip_count++] = p->count;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t)(uint32_t)r->minor);
	}
	if (r->allow) {
		/* These bits are decided; when none is left, so is the whole. */
		emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0, ~access);
		skips[skip_count++] = p->count;
		emit(p, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, 0);
		emit_return(p, 1);
	} else {
		emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_3, 0, 0);
		emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_6, 0, 0, access);
		skips[skip_count++] = p->count;
		emit(p, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_6, 0, 0, 0);
		emit_return(p, 0);
	}
	for (size_t i = 0; i < skip_count; i++)
		p->items[skips[i]].off = (int16_t)(p->count - skips[i] - 1);
}

static bool covers_all(const struct spec_device_rule *r)
{
	return r->type == 'a' && r->major < 0 && r->minor < 0 && (r->access & RWM) == RWM;
}

int cgroup_devices_program(const struct spec_device_rule *rules, size_t count, struct bpf_insn **ret, size_t *ret_count,
			   struct error *err)
{
	struct program p = {};
	int r = check_rules(rules, count, err);

	if (r < 0)
		return r;
	*ret = NULL;
	*ret_count = 0;
	if (count > 0 && covers_all(&rules[count - 1]) && rules[count - 1].allow)
		return 0;
	emit_start(&p);
	for (size_t i = count; i-- > 0;) {
		if (covers_all(&rules[i])) {
			/* What stands before it cannot matter. */
			emit_return(&p, rules[i].allow);
			break;
		}
		emit_rule(&p, &rules[i]);
		if (i == 0)
			emit_return(&p, 0);
	}
	if (count == 0)
		emit_return(&p, 0);
	*ret = p.items;
	*ret_count = p.count;
	return 0;
}

/* ---- v1 ---- */

/* What the kernel keeps: one default, and exceptions from it. */
struct folded {
	bool allow;                     /* the default */
	struct spec_device_rule *items; /* owned; type 'b' or 'c' */
	size_t count;
};

static void folded_done(struct folded *f)
{
	free(f->items);
}

static bool field_covers(int64_t outer, int64_t inner)
{
	return outer < 0 || outer == inner;
}

static bool overlaps(const struct spec_device_rule *a, const struct spec_device_rule *b)
{
	return a->type == b->type && (field_covers(a->major, b->major) || field_covers(b->major, a->major)) &&
	       (field_covers(a->minor, b->minor) || field_covers(b->minor, a->minor));
}

static bool contains(const struct spec_device_rule *outer, const struct spec_device_rule *inner)
{
	return field_covers(outer->major, inner->major) && field_covers(outer->minor, inner->minor);
}

static void add_exception(struct folded *f, const struct spec_device_rule *r)
{
	for (size_t i = 0; i < f->count; i++) {
		struct spec_device_rule *e = &f->items[i];

		if (e->type == r->type && e->major == r->major && e->minor == r->minor) {
			e->access |= r->access;
			return;
		}
	}
	VEC_PUSH(f->items, f->count) = *r;
}

/* @r returns to the default what it covers. Returns false when an exception is wider than @r. */
static bool drop_exceptions(struct folded *f, const struct spec_device_rule *r)
{
	size_t kept = 0;
	bool whole = true;

	for (size_t i = 0; i < f->count; i++) {
		struct spec_device_rule e = f->items[i];

		if (overlaps(&e, r) && e.access & r->access) {
			if (contains(r, &e))
				e.access &= (uint8_t)~r->access;
			else
				whole = false;
		}
		if (e.access)
			f->items[kept++] = e;
	}
	f->count = kept;
	return whole;
}

static bool fold_one(struct folded *f, const struct spec_device_rule *r)
{
	if (r->type == 'a') {
		struct spec_device_rule part = *r;

		for (const char *t = "bc"; *t; t++) {
			part.type = *t;
			if (!fold_one(f, &part))
				return false;
		}
		return true;
	}
	if (r->allow == f->allow)
		return drop_exceptions(f, r);
	add_exception(f, r);
	return true;
}

static void add_rule_write(struct cgroup_writes *out, const char *file, const struct spec_device_rule *r)
{
	char major[24] = "*", minor[24] = "*", access[4] = "";
	size_t n = 0;

	if (r->major >= 0)
		(void)snprintf(major, sizeof(major), "%" PRId64, r->major);
	if (r->minor >= 0)
		(void)snprintf(minor, sizeof(minor), "%" PRId64, r->minor);
	if (r->access & SPEC_ACCESS_READ)
		access[n++] = 'r';
	if (r->access & SPEC_ACCESS_WRITE)
		access[n++] = 'w';
	if (r->access & SPEC_ACCESS_MKNOD)
		access[n++] = 'm';
	cgroup_writes_add(out, CGROUP_DEVICES, CGROUP_WRITE_DEVICE, "devices", file, "%c %s:%s %s", r->type, major,
			  minor, access);
}

int cgroup_devices_plan_v1(const struct spec_device_rule *rules, size_t count, struct cgroup_writes *ret,
			   struct error *err)
{
	autoclean(folded_done) struct folded f = {};
	int r = check_rules(rules, count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (covers_all(&rules[i])) {
			f.allow = rules[i].allow;
			f.count = 0;
			continue;
		}
		if (!fold_one(&f, &rules[i]))
			return error_set(
				err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				"resources.devices[%zu]: takes a part out of what an earlier rule %s; cgroup v1 cannot keep that",
				i, rules[i].allow ? "denies" : "allows");
	}
	/* A new group has its parent's rules. Where everything is allowed there is nothing to add to that: what the parent
	 * denies cannot be allowed below it. */
	if (!f.allow)
		cgroup_writes_add(ret, CGROUP_DEVICES, CGROUP_WRITE_DEVICE, "devices", "devices.deny", "a");
	for (size_t i = 0; i < f.count; i++)
		add_rule_write(ret, f.allow ? "devices.deny" : "devices.allow", &f.items[i]);
	return 0;
}
