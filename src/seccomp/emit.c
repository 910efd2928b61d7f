/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backward assembler (emit.h). Knows instructions and distances, nothing of rules or system calls. When the program
 * gets too long it stops writing and remembers that; callers go on without checks and look at `full` once.
 */
#include "seccomp/emit.h"

#include <stdlib.h>

#include "base/mem.h"

/* Farthest jump of a conditional instruction, less one for a second target that may have to be brought near as well. */
#define REACH 254

void emit_init(struct emit *e)
{
	*e = (struct emit){.code = mem_alloc(BPF_MAXINSNS * sizeof(*e->code))};
}

void emit_done(struct emit *e)
{
	free(e->code);
	e->code = NULL;
}

static uint32_t put(struct emit *e, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (e->pos == BPF_MAXINSNS) {
		e->full = true;
		return e->pos;
	}
	e->pos++;
	e->code[BPF_MAXINSNS - e->pos] = (struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
	return e->pos;
}

struct target emit_return(uint32_t value)
{
	return (struct target){.is_return = true, .value = value, .word = EMIT_WORD_NONE};
}

static bool is_near(const struct emit *e, uint32_t label)
{
	return e->pos - label <= REACH;
}

/* A return instruction of @value that the next instruction can reach. */
static uint32_t near_return(struct emit *e, uint32_t value)
{
	for (unsigned i = 0; i < EMIT_RETURNS; i++) {
		if (e->returns[i].label == 0 || e->returns[i].value != value)
			continue;
		if (!is_near(e, e->returns[i].label))
			e->returns[i].label = put(e, BPF_RET | BPF_K, 0, 0, value);
		return e->returns[i].label;
	}
	e->returns[e->next_return].value = value;
	e->returns[e->next_return].label = put(e, BPF_RET | BPF_K, 0, 0, value);
	e->next_return = (e->next_return + 1) % EMIT_RETURNS;
	return e->pos;
}

static uint32_t near_code(struct emit *e, uint32_t label)
{
	if (is_near(e, label))
		return label;
	return put(e, BPF_JMP | BPF_JA, 0, 0, e->pos - label);
}

uint32_t emit_load(struct emit *e, uint32_t word, uint32_t next)
{
	if (next != e->pos)
		(void)put(e, BPF_JMP | BPF_JA, 0, 0, e->pos - next);
	return put(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, word);
}

uint32_t emit_entry(struct emit *e, struct target *t, uint32_t acc)
{
	if (t->is_return)
		return near_return(e, t->value);
	if (t->loaded != 0 && t->word == acc)
		return t->loaded = near_code(e, t->loaded);
	if (t->label == 0)
		t->label = emit_load(e, t->word, t->loaded);
	return t->label = near_code(e, t->label);
}

uint32_t emit_jump(struct emit *e, uint16_t code, uint32_t k, struct target *yes, struct target *no, uint32_t acc)
{
	uint32_t a = emit_entry(e, yes, acc);
	uint32_t b = emit_entry(e, no, acc);

	/* Bringing the second near wrote at most a load and two jumps; the first may have moved out of reach. */
	if (e->pos - a > UINT8_MAX)
		a = emit_entry(e, yes, acc);
	return put(e, BPF_JMP | code | BPF_K, (uint8_t)(e->pos - a), (uint8_t)(e->pos - b), k);
}

struct target emit_test(struct emit *e, uint32_t word, uint16_t code, uint32_t k, struct target *yes, struct target *no)
{
	return (struct target){.loaded = emit_jump(e, code, k, yes, no, word), .word = word};
}

struct target emit_load_masked(struct emit *e, uint32_t word, uint32_t mask, uint32_t next)
{
	struct target t = {.word = EMIT_WORD_NONE};

	if (next != e->pos)
		(void)put(e, BPF_JMP | BPF_JA, 0, 0, e->pos - next);
	if (mask != UINT32_MAX)
		(void)put(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	t.label = put(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, word);
	return t;
}
