/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interpreter for the part of classic BPF that seccomp filters may use (kernel/seccomp.c, seccomp_check_filter): so
 * that a test can ask what a filter does with a call without making it. Nothing here trusts the program.
 */
#include "seccomp/seccomp.h"

#include <string.h>

#include "seccomp/arch.h"

struct machine {
	uint32_t a, x;
	uint32_t mem[BPF_MEMWORDS];
};

static int step_alu(struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		m->a += v;
		return 0;
	case BPF_SUB:
		m->a -= v;
		return 0;
	case BPF_MUL:
		m->a *= v;
		return 0;
	case BPF_DIV:
		if (v == 0)
			return -EINVAL;
		m->a /= v;
		return 0;
	case BPF_AND:
		m->a &= v;
		return 0;
	case BPF_OR:
		m->a |= v;
		return 0;
	case BPF_XOR:
		m->a ^= v;
		return 0;
	case BPF_LSH:
		m->a = v < 32 ? m->a << v : 0;
		return 0;
	case BPF_RSH:
		m->a = v < 32 ? m->a >> v : 0;
		return 0;
	case BPF_NEG:
		m->a = -m->a;
		return 0;
	default:
		return -EINVAL;
	}
}

static int step_load(struct machine *m, const struct sock_filter *f, const struct seccomp_data *data)
{
	uint32_t v;

	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		if (f->k % 4 != 0 || f->k > sizeof(*data) - 4 || BPF_SIZE(f->code) != BPF_W ||
		    BPF_CLASS(f->code) != BPF_LD)
			return -EINVAL;
		memcpy(&v, (const char *)data + f->k, sizeof(v));
		break;
	case BPF_IMM:
		v = f->k;
		break;
	case BPF_MEM:
		if (f->k >= BPF_MEMWORDS)
			return -EINVAL;
		v = m->mem[f->k];
		break;
	case BPF_LEN:
		v = sizeof(*data);
		break;
	default:
		return -EINVAL;
	}
	*(BPF_CLASS(f->code) == BPF_LD ? &m->a : &m->x) = v;
	return 0;
}

/* How many instructions to skip; -EINVAL. */
static int64_t step_jump(const struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JA:
		return f->k;
	case BPF_JEQ:
		return m->a == v ? f->jt : f->jf;
	case BPF_JGT:
		return m->a > v ? f->jt : f->jf;
	case BPF_JGE:
		return m->a >= v ? f->jt : f->jf;
	case BPF_JSET:
		return m->a & v ? f->jt : f->jf;
	default:
		return -EINVAL;
	}
}

static int step_other(struct machine *m, const struct sock_filter *f, const struct seccomp_data *data)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		return step_load(m, f, data);
	case BPF_ST:
	case BPF_STX:
		if (f->k >= BPF_MEMWORDS)
			return -EINVAL;
		m->mem[f->k] = BPF_CLASS(f->code) == BPF_ST ? m->a : m->x;
		return 0;
	case BPF_ALU:
		return step_alu(m, f);
	case BPF_MISC:
		if (BPF_MISCOP(f->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
		return 0;
	default:
		return -EINVAL;
	}
}

int seccomp_simulate(const struct sock_filter *filter, size_t len, const struct seccomp_data *data, uint32_t *ret,
		     unsigned *ret_steps)
{
	struct machine m = {0};
	unsigned steps = 0;

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &filter[pc];
		int64_t skip = 0;

		steps++;
		if (BPF_CLASS(f->code) == BPF_RET) {
			*ret = BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
			if (ret_steps)
				*ret_steps = steps;
			return 0;
		}
		if (BPF_CLASS(f->code) == BPF_JMP)
			skip = step_jump(&m, f);
		else
			skip = step_other(&m, f, data);
		if (skip < 0 || skip >= (int64_t)(len - pc))
			return -EINVAL;
		pc += (size_t)skip;
	}
	return -EINVAL;
}

uint32_t seccomp_action_on(const struct seccomp_program *p, long nr, const uint64_t args[6])
{
	struct seccomp_data d = {.nr = (int)nr, .arch = arch_info(arch_native())->audit};
	uint32_t action;

	if (args)
		memcpy(d.args, args, sizeof(d.args));
	if (seccomp_simulate(p->filter, p->len, &d, &action, NULL) < 0)
		return SECCOMP_RET_KILL_PROCESS;
	return action & SECCOMP_RET_ACTION_FULL;
}
