/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECCOMP_EMIT_H
#define SECCOMP_EMIT_H

/*
 * An assembler that writes a classic BPF program from its end to its start. BPF jumps forward only, so every target is
 * known when a jump to it is written, and the one hard part of the format, jumps of at most 255 instructions, is solved
 * on the spot: a far `return` is repeated nearby, any other far target gets a long jump nearby. Private to the module.
 *
 * A label is a distance from the end of the program: 1 is the last instruction, 0 is no label.
 */

#include <stdbool.h>
#include <stdint.h>
#include <linux/filter.h>

#define EMIT_RETURNS 16 /* return instructions remembered; more distinct ones only cost repeated instructions */
#define EMIT_WORD_NONE UINT32_MAX

struct emit {
	struct sock_filter *code; /* owned; BPF_MAXINSNS of them, filled from the end */
	uint32_t pos;             /* instructions so far = label of the newest */
	bool full;                /* did not fit; the content is useless */
	struct {
		uint32_t value;
		uint32_t label;
	} returns[EMIT_RETURNS]; /* newest place of each return value */
	unsigned next_return;    /* the entry to replace next */
};

/* Where a jump may go: a `return`, or code. Code that starts by loading a word of seccomp_data may be entered behind that
 * load by those that have the word in the accumulator already; the load itself is written when somebody needs it. */
struct target {
	bool is_return;
	uint32_t value;  /* of the return */
	uint32_t label;  /* of the code with its load; 0: not written yet */
	uint32_t loaded; /* of the code behind the load; 0: code without such a load, only `label` */
	uint32_t word;   /* the offset in seccomp_data that it loads; EMIT_WORD_NONE with `loaded` 0 */
};

void emit_init(struct emit *e);
void emit_done(struct emit *e);

struct target emit_return(uint32_t value);

/* The functions below write in front of what is there. @acc is the word that is in the accumulator when the instruction
 * runs (EMIT_WORD_NONE: changed or unknown); targets may be given their load on the way, hence the pointers. */

/* A conditional jump; @code is BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET. Returns the label. */
uint32_t emit_jump(struct emit *e, uint16_t code, uint32_t k, struct target *yes, struct target *no, uint32_t acc);
/* The same as code that expects @word loaded. */
struct target emit_test(struct emit *e, uint32_t word, uint16_t code, uint32_t k, struct target *yes,
			struct target *no);
/* Load @word, apply @mask, and go to the code labelled @next. */
struct target emit_load_masked(struct emit *e, uint32_t word, uint32_t mask, uint32_t next);
/* Load @word and go to the code labelled @next. */
uint32_t emit_load(struct emit *e, uint32_t word, uint32_t next);
/* The label of @t for somebody whose accumulator holds @acc; writes what is missing. */
uint32_t emit_entry(struct emit *e, struct target *t, uint32_t acc);

#endif
