/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions for a policy: a balanced tree of comparisons over the ranges of call numbers, and behind its leaves the
 * blocks that look at arguments. Everything is written from its end (emit.h), so a piece of code comes after what it
 * jumps to.
 *
 * Only loads of words, AND, the four comparisons, jumps and returns are used: these are what the kernel (5.11 and newer,
 * seccomp_is_const_allow) evaluates itself to find the calls that are always allowed; for them no filter runs at all.
 */
#include "seccomp/plan.h"

#include <stddef.h>
#include <linux/seccomp.h>

/* A condition cut down to 32 bits. */
enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_OPEN };

#define WORD_NR ((uint32_t)offsetof(struct seccomp_data, nr))

static uint32_t word_low(const struct arch_info *info, uint32_t arg)
{
	return (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg + (info->big ? 4 : 0);
}

static uint32_t word_high(const struct arch_info *info, uint32_t arg)
{
	return (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg + (info->big ? 0 : 4);
}

static uint32_t high(uint64_t v)
{
	return (uint32_t)(v >> 32);
}

static uint32_t low(uint64_t v)
{
	return (uint32_t)v;
}

/* A negative number as 64 bits stands for the same number as 32. */
static bool is_negative_int(uint64_t v)
{
	return high(v) == UINT32_MAX && low(v) >> 31;
}

/* What a condition means for an argument of 32 bits: OPEN, compare the low halves; else it is decided already. */
static enum truth narrow(const struct spec_seccomp_arg *a)
{
	if (a->op == SPEC_SECCOMP_MASKED_EQ) {
		uint64_t v = a->value_two & a->value;

		if (high(v) != 0 && !(is_negative_int(a->value_two) && high(v) == high(a->value)))
			return TRUTH_FALSE;
		return low(a->value) == 0 ? TRUTH_TRUE : TRUTH_OPEN;
	}
	if (high(a->value) == 0 || is_negative_int(a->value))
		return TRUTH_OPEN;
	switch (a->op) {
	case SPEC_SECCOMP_NE:
	case SPEC_SECCOMP_LT:
	case SPEC_SECCOMP_LE:
		return TRUTH_TRUE;
	default:
		return TRUTH_FALSE;
	}
}

/* (word & mask) == value */
static struct target test_masked(struct emit *e, uint32_t word, uint32_t mask, uint32_t value, struct target *yes,
				 struct target *no)
{
	if (mask == UINT32_MAX)
		return emit_test(e, word, BPF_JEQ, value, yes, no);
	if (value == 0)
		return emit_test(e, word, BPF_JSET, mask, no, yes);
	if (value == mask && (mask & (mask - 1)) == 0)
		return emit_test(e, word, BPF_JSET, mask, yes, no);
	return emit_load_masked(e, word, mask, emit_jump(e, BPF_JEQ, value, yes, no, EMIT_WORD_NONE));
}

static struct target test32(struct emit *e, uint32_t word, const struct spec_seccomp_arg *a, struct target *yes,
			    struct target *no)
{
	uint32_t v = low(a->value);

	switch (a->op) {
	case SPEC_SECCOMP_EQ:
		return emit_test(e, word, BPF_JEQ, v, yes, no);
	case SPEC_SECCOMP_NE:
		return emit_test(e, word, BPF_JEQ, v, no, yes);
	case SPEC_SECCOMP_GT:
		return emit_test(e, word, BPF_JGT, v, yes, no);
	case SPEC_SECCOMP_GE:
		return emit_test(e, word, BPF_JGE, v, yes, no);
	case SPEC_SECCOMP_LT:
		return emit_test(e, word, BPF_JGE, v, no, yes);
	case SPEC_SECCOMP_LE:
		return emit_test(e, word, BPF_JGT, v, no, yes);
	default:
		return test_masked(e, word, v, low(a->value_two) & v, yes, no);
	}
}

/* high > v.high, or high == v.high and low beyond v.low in the sense of @code. */
static struct target test_above(struct emit *e, const struct arch_info *info, uint32_t arg, uint16_t code, uint64_t v,
				struct target *yes, struct target *no)
{
	struct target on_low = emit_test(e, word_low(info, arg), code, low(v), yes, no);
	struct target on_equal = emit_test(e, word_high(info, arg), BPF_JEQ, high(v), &on_low, no);

	return emit_test(e, word_high(info, arg), BPF_JGT, high(v), yes, &on_equal);
}

static struct target test64(struct emit *e, const struct arch_info *info, const struct spec_seccomp_arg *a,
			    struct target *yes, struct target *no)
{
	uint32_t lo = word_low(info, a->index);
	uint32_t hi = word_high(info, a->index);
	uint64_t masked = a->value_two & a->value;
	struct target t;

	switch (a->op) {
	case SPEC_SECCOMP_EQ:
		t = emit_test(e, lo, BPF_JEQ, low(a->value), yes, no);
		return emit_test(e, hi, BPF_JEQ, high(a->value), &t, no);
	case SPEC_SECCOMP_NE:
		t = emit_test(e, lo, BPF_JEQ, low(a->value), no, yes);
		return emit_test(e, hi, BPF_JEQ, high(a->value), &t, yes);
	case SPEC_SECCOMP_GT:
		return test_above(e, info, a->index, BPF_JGT, a->value, yes, no);
	case SPEC_SECCOMP_GE:
		return test_above(e, info, a->index, BPF_JGE, a->value, yes, no);
	case SPEC_SECCOMP_LT:
		return test_above(e, info, a->index, BPF_JGE, a->value, no, yes);
	case SPEC_SECCOMP_LE:
		return test_above(e, info, a->index, BPF_JGT, a->value, no, yes);
	default:
		t = *yes;
		if (low(a->value) != 0)
			t = test_masked(e, lo, low(a->value), low(masked), yes, no);
		if (high(a->value) != 0)
			t = test_masked(e, hi, high(a->value), high(masked), &t, no);
		return t;
	}
}

static struct target code_match(struct emit *e, const struct block *k, const struct match *m, struct target *no)
{
	const struct arch_info *info = arch_info(k->arch);
	struct target t = emit_return(m->action);

	for (uint32_t i = m->count; i > 0; i--) {
		const struct spec_seccomp_arg *a = &m->args[i - 1];
		enum truth truth = TRUTH_OPEN;
		struct target yes = t;

		if (info->wide && !(k->int_args & (1u << a->index))) {
			t = test64(e, info, a, &yes, no);
			continue;
		}
		truth = narrow(a);
		if (truth == TRUTH_FALSE)
			return *no;
		if (truth == TRUTH_OPEN)
			t = test32(e, word_low(info, a->index), a, &yes, no);
	}
	return t;
}

/* A tree over @v, entered with the number in the accumulator; @blocks[i] is the code of block i. */
static struct target code_tree(struct emit *e, const struct range *v, size_t count, const struct block *blocks)
{
	struct target left;
	struct target right;

	if (count == 1)
		return v->to.is_block ? blocks[v->to.value].code : emit_return(v->to.value);
	/* One number that stands out of a range: a single comparison. */
	if (count == 3 && v[2].start == v[1].start + 1 && v[0].to.is_block == v[2].to.is_block &&
	    v[0].to.value == v[2].to.value) {
		left = code_tree(e, &v[0], 1, blocks);
		right = code_tree(e, &v[1], 1, blocks);
		return (struct target){.label = emit_jump(e, BPF_JEQ, v[1].start, &right, &left, EMIT_WORD_NONE),
				       .word = EMIT_WORD_NONE};
	}
	right = code_tree(e, v + count / 2, count - count / 2, blocks);
	left = code_tree(e, v, count / 2, blocks);
	return (struct target){.label = emit_jump(e, BPF_JGE, v[count / 2].start, &right, &left, EMIT_WORD_NONE),
			       .word = EMIT_WORD_NONE};
}

static struct target code_block(struct emit *e, const struct block *k, uint32_t default_action)
{
	const struct arch_info *info = arch_info(k->arch);
	struct target next = emit_return(default_action);

	if (k->mux.count > 1) {
		struct target tree = code_tree(e, k->mux.items, k->mux.count, NULL);

		next = emit_load_masked(e, word_low(info, 0), k->mux_mask, emit_entry(e, &tree, EMIT_WORD_NONE));
	}
	for (size_t i = k->match_count; i > 0; i--)
		next = code_match(e, k, k->matches[i - 1], &next);
	return next;
}

struct target code_policy(struct emit *e, struct policy *y)
{
	struct target tree;

	for (size_t i = 0; i < y->block_count; i++) {
		y->blocks[i].code = code_block(e, &y->blocks[i], y->default_action);
		if (!y->blocks[i].code.is_return)
			(void)emit_entry(e, &y->blocks[i].code, EMIT_WORD_NONE);
	}
	tree = code_tree(e, y->ranges.items, y->ranges.count, y->blocks);
	return (struct target){.label = emit_load(e, WORD_NR, emit_entry(e, &tree, EMIT_WORD_NONE)),
			       .word = EMIT_WORD_NONE};
}
