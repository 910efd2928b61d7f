/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rules to ranges of system call numbers with one outcome each, for one audit number of the kernel.
 *
 * Per call, as in libseccomp: the first unconditional rule wins over everything; without one, the conjunctions of all
 * conditional rules are tried in libseccomp's order (match_order) and the default action follows. Above the largest
 * number that the document names, ENOSYS is given instead of a forbidding default action, as runc's patchbpf does, so
 * that a C library newer than the profile falls back to older calls.
 *
 * Multiplexed calls: socketcall(2) and ipc(2) carry the arguments of their sub-calls in user memory, where no filter can
 * look. An unconditional rule for `bind` also covers socketcall's sub-call 2. A conditional rule for `socket` cannot be
 * checked there, so the sub-call gets the strictest of the rule's actions and the default one.
 */
#include "seccomp/plan.h"

#include <stdlib.h>
#include <string.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "seccomp/seccomp.h"

#define LINK_NONE UINT32_MAX

/* What the rules say about one call. */
struct slot {
	bool decided; /* an unconditional rule exists; `action` is its */
	uint32_t action;
	uint32_t first_link, last_link; /* conditional rules; valid unless LINK_NONE */
	uint16_t row;
};
struct link {
	uint32_t match;
	uint32_t next;
};
struct mux_slot {
	bool decided;
	bool unclear; /* conditional rules exist; `action` is the strictest */
	uint32_t action;
};

/* Working state for one architecture. */
struct build {
	const struct plan *plan;
	enum seccomp_arch arch;
	const struct arch_info *info;
	const uint32_t *numbers;
	size_t number_count;
	struct slot *slots; /* owned; one per number */
	struct link *links; /* owned */
	size_t link_count;
	struct mux_slot mux[2][SYSCALL_MUX_MAX]; /* socketcall, ipc */
	bool mux_used[2];
	int32_t largest; /* rank of the largest number the document names; -1 none */
};

static void build_done(struct build *b)
{
	free(b->slots);
	free(b->links);
}

static int32_t data_less(uint32_t action)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL);
}

/* The kernel ranks actions by their signed value: the smaller, the stricter. */
static uint32_t stricter(uint32_t a, uint32_t b)
{
	return data_less(b) < data_less(a) ? b : a;
}

static int op_class(enum spec_seccomp_op op)
{
	switch (op) {
	case SPEC_SECCOMP_GE:
	case SPEC_SECCOMP_GT:
		return 1;
	case SPEC_SECCOMP_LE:
	case SPEC_SECCOMP_LT:
		return 2;
	default:
		return 3;
	}
}

/* One comparison of 32 bits, as libseccomp keeps it in its tree. */
struct node {
	int class;
	bool masked;
	enum spec_seccomp_op op; /* of the low half; the high half of an order is always compared the same way */
	uint32_t mask, datum;
};

static struct node node_of(const struct spec_seccomp_arg *a, bool high)
{
	bool masked = a->op == SPEC_SECCOMP_MASKED_EQ;
	uint64_t mask = masked ? a->value : UINT64_MAX;
	uint64_t datum = masked ? a->value_two & mask : a->value;
	struct node n = {.class = op_class(a->op), .masked = masked, .op = high ? SPEC_SECCOMP_EQ : a->op};

	n.mask = (uint32_t)(high ? mask >> 32 : mask);
	n.datum = (uint32_t)(high ? datum >> 32 : datum);
	/* "Is" and "is not" ask the same question. */
	if (n.class == 3)
		n.op = SPEC_SECCOMP_EQ;
	return n;
}

enum node_order { NODE_FIRST, NODE_AFTER, NODE_SAME, NODE_TIE };

static enum node_order node_order(const struct node *x, const struct node *y)
{
	if (x->class != y->class)
		return x->class > y->class ? NODE_FIRST : NODE_AFTER;
	/* The narrower condition first: the larger bound of "at least", the smaller of "at most". */
	if (x->datum != y->datum)
		return (x->datum > y->datum) == (x->class != 2) ? NODE_FIRST : NODE_AFTER;
	return x->masked == y->masked && x->mask == y->mask && x->op == y->op ? NODE_SAME : NODE_TIE;
}

int match_order(const struct match *a, const struct match *b, bool wide)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++) {
		if (a->args[i].index != b->args[i].index)
			return a->args[i].index > b->args[i].index ? -1 : 1;
		for (int high = wide ? 1 : 0; high >= 0; high--) {
			struct node x = node_of(&a->args[i], high == 1);
			struct node y = node_of(&b->args[i], high == 1);
			enum node_order order = node_order(&x, &y);

			if (order == NODE_TIE)
				return 0;
			if (order != NODE_SAME)
				return order == NODE_FIRST ? -1 : 1;
		}
	}
	/* The one with fewer conditions covers the other. */
	return (a->count > b->count) - (a->count < b->count);
}

static bool same_conditions(const struct match *a, const struct match *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->args[i].index != b->args[i].index || a->args[i].op != b->args[i].op ||
		    a->args[i].value != b->args[i].value ||
		    (a->args[i].op == SPEC_SECCOMP_MASKED_EQ && a->args[i].value_two != b->args[i].value_two))
			return false;
	return true;
}

/* A conjunction that holds for every call: all its conditions have an empty mask. */
static bool always_holds(const struct match *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->args[i].op != SPEC_SECCOMP_MASKED_EQ || m->args[i].value != 0)
			return false;
	return true;
}

static void slot_decide(struct slot *s, uint32_t action)
{
	if (s->decided)
		return;
	s->decided = true;
	s->action = action;
}

static int slot_add(struct build *b, struct slot *s, uint32_t match, struct error *err)
{
	struct link *l;

	if (always_holds(&b->plan->matches[match])) {
		slot_decide(s, b->plan->matches[match].action);
		return 0;
	}
	if (b->link_count == SECCOMP_MATCHES_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG,
				 "seccomp: the filter for %s passes the kernel's %d instructions", b->info->name,
				 BPF_MAXINSNS);
	l = &VEC_PUSH(b->links, b->link_count);
	*l = (struct link){.match = match, .next = LINK_NONE};
	if (s->first_link == LINK_NONE)
		s->first_link = (uint32_t)b->link_count - 1;
	else
		b->links[s->last_link].next = (uint32_t)b->link_count - 1;
	s->last_link = (uint32_t)b->link_count - 1;
	return 0;
}

static void mux_add(struct build *b, uint8_t mux, const struct plan_rule *r)
{
	unsigned which = mux & SYSCALL_MUX_IPC ? 1 : 0;
	struct mux_slot *m = &b->mux[which][mux & ~SYSCALL_MUX_IPC];

	b->mux_used[which] = true;
	if (m->decided)
		return;
	if (r->match_count == 0) {
		m->decided = true;
		m->action = r->action;
		return;
	}
	m->action = stricter(m->unclear ? m->action : b->plan->default_action, r->action);
	m->unclear = true;
}

static int read_uses(struct build *b, struct error *err)
{
	int rc;

	for (size_t i = 0; i < b->plan->use_count; i++) {
		const struct plan_use *u = &b->plan->uses[i];
		const struct plan_rule *r = &b->plan->rules[u->rule];
		const struct syscall_row *row = syscall_row(u->row);
		uint16_t rank = row->rank[b->arch];

		if (row->mux && b->info->mux && !r->redundant)
			mux_add(b, row->mux, r);
		if (rank == SYSCALL_RANK_NONE)
			continue;
		if (rank > b->largest)
			b->largest = rank;
		if (r->redundant)
			continue;
		b->slots[rank].row = u->row;
		if (r->match_count == 0)
			slot_decide(&b->slots[rank], r->action);
		for (uint32_t k = 0; k < r->match_count; k++)
			if ((rc = slot_add(b, &b->slots[rank], r->first_match + k, err)) < 0)
				return rc;
	}
	return 0;
}

static void ranges_push(struct ranges *v, uint32_t start, struct outcome to)
{
	struct range *last = v->count ? &v->items[v->count - 1] : NULL;

	/* An empty range is one that another starts at. */
	if (last && last->start == start) {
		v->count--;
		last = v->count ? &v->items[v->count - 1] : NULL;
	}
	if (last && last->to.is_block == to.is_block && last->to.value == to.value)
		return;
	VEC_PUSH(v->items, v->count) = (struct range){.start = start, .to = to};
}

static struct outcome act(uint32_t action)
{
	return (struct outcome){.value = action};
}

/* Sort the conditional rules of a call into @k, each in front of the first that must come after it; refuse two actions
 * for the same conditions. */
static int block_matches(const struct build *b, const struct slot *s, struct block *k, struct error *err)
{
	for (uint32_t l = s->first_link; l != LINK_NONE; l = b->links[l].next) {
		const struct match *m = &b->plan->matches[b->links[l].match];
		size_t same = 0;
		size_t at = 0;

		while (same < k->match_count && !same_conditions(k->matches[same], m))
			same++;
		if (same < k->match_count && k->matches[same]->action != m->action)
			return error_set(err, ERROR_INVALID, EEXIST,
					 "seccomp: '%s' has two actions for the same arguments", syscall_name(s->row));
		if (same < k->match_count)
			continue;
		while (at < k->match_count && match_order(k->matches[at], m, b->info->wide) <= 0)
			at++;
		(void)VEC_PUSH(k->matches, k->match_count);
		memmove(&k->matches[at + 1], &k->matches[at], (k->match_count - 1 - at) * sizeof(*k->matches));
		k->matches[at] = m;
	}
	return 0;
}

static void block_mux(const struct build *b, unsigned which, struct block *k)
{
	/* ipc(2) carries a version in the upper half of its number (ipc/syscall.c). */
	k->mux_mask = which == 1 ? 0xffff : UINT32_MAX;
	for (uint32_t n = 0; n < SYSCALL_MUX_MAX; n++) {
		const struct mux_slot *m = &b->mux[which][n];

		ranges_push(&k->mux, n, act(m->decided || m->unclear ? m->action : b->plan->default_action));
	}
	ranges_push(&k->mux, SYSCALL_MUX_MAX, act(b->plan->default_action));
}

/* The rank of socketcall or ipc; -1 where the architecture has none or no rule needs it. */
static int32_t mux_rank(const struct build *b, unsigned which)
{
	uint16_t row = syscall_find(which == 1 ? "ipc" : "socketcall");
	uint16_t rank = row == SYSCALL_ROW_NONE ? SYSCALL_RANK_NONE : syscall_row(row)->rank[b->arch];

	return b->mux_used[which] && rank != SYSCALL_RANK_NONE ? rank : -1;
}

static int slot_outcome(struct build *b, struct policy *y, size_t rank, int mux, struct outcome *ret, struct error *err)
{
	const struct slot *s = &b->slots[rank];
	struct block *k;

	*ret = act(s->decided ? s->action : b->plan->default_action);
	if (s->decided || (s->first_link == LINK_NONE && mux < 0))
		return 0;
	*ret = (struct outcome){.is_block = true, .value = (uint32_t)y->block_count};
	k = &VEC_PUSH(y->blocks, y->block_count);
	*k = (struct block){.arch = b->arch};
	if (s->first_link != LINK_NONE)
		k->int_args = syscall_row(s->row)->int_args;
	if (mux >= 0)
		block_mux(b, (unsigned)mux, k);
	return block_matches(b, s, k, err);
}

/* The numbers of one architecture, from its first to its largest named one. @above: what follows. */
static int push_arch(struct build *b, struct policy *y, uint32_t above, struct error *err)
{
	int32_t mux[2] = {mux_rank(b, 0), mux_rank(b, 1)};
	int rc;

	for (unsigned i = 0; i < 2; i++)
		if (mux[i] > b->largest)
			b->largest = mux[i];
	for (int32_t rank = 0; rank <= b->largest; rank++) {
		uint32_t n = b->numbers[rank];
		struct outcome to;

		rc = slot_outcome(b, y, (size_t)rank, rank == mux[0] ? 0 : rank == mux[1] ? 1 : -1, &to, err);
		if (rc < 0)
			return rc;
		ranges_push(&y->ranges, n, to);
		if (rank < b->largest && b->numbers[rank + 1] != n + 1)
			ranges_push(&y->ranges, n + 1, act(b->plan->default_action));
	}
	if (b->largest >= 0)
		ranges_push(&y->ranges, b->numbers[b->largest] + 1, act(above));
	return 0;
}

static int build_init(struct build *b, const struct plan *p, enum seccomp_arch arch, struct error *err)
{
	*b = (struct build){.plan = p, .arch = arch, .info = arch_info(arch), .largest = -1};
	b->numbers = syscall_numbers(arch, &b->number_count);
	b->slots = mem_alloc((b->number_count + 1) * sizeof(*b->slots));
	for (size_t i = 0; i < b->number_count; i++)
		b->slots[i] = (struct slot){.first_link = LINK_NONE};
	return read_uses(b, err);
}

/* Does ENOSYS stand for the numbers above the largest? As in runc, not when that is number 0 or there is none. */
static bool has_stub(const struct build *b)
{
	return b->plan->stub && b->largest >= 0 && b->numbers[b->largest] != 0;
}

static uint32_t above(const struct build *b)
{
	return has_stub(b) ? SECCOMP_RET_ERRNO | ENOSYS : b->plan->default_action;
}

/* x86_64 and x32 share an audit number and are told apart by bit 30 of the call's number. Without x32, such a number is
 * of an unlisted architecture, except -1, which a tracer sets to skip a call (seccomp(2)). */
static int build_x86(struct policy *y, const struct plan *p, struct error *err)
{
	autoclean(build_done) struct build b64 = {0};
	autoclean(build_done) struct build b32 = {0};
	const uint32_t bad = SECCOMP_RET_KILL_THREAD;
	bool has64 = p->archs[SECCOMP_ARCH_X86_64];
	bool has32 = p->archs[SECCOMP_ARCH_X32];
	uint32_t over64 = bad;
	uint32_t over32 = bad;
	int rc;

	ranges_push(&y->ranges, 0, act(has64 ? p->default_action : bad));
	if (has64) {
		if ((rc = build_init(&b64, p, SECCOMP_ARCH_X86_64, err)) < 0 ||
		    (rc = push_arch(&b64, y, above(&b64), err)) < 0)
			return rc;
		over64 = has_stub(&b64) || has32 ? above(&b64) : bad;
	}
	ranges_push(&y->ranges, SECCOMP_X32_BIT, act(has32 ? p->default_action : bad));
	if (has32) {
		if ((rc = build_init(&b32, p, SECCOMP_ARCH_X32, err)) < 0 ||
		    (rc = push_arch(&b32, y, above(&b32), err)) < 0)
			return rc;
		over32 = above(&b32);
	}
	ranges_push(&y->ranges, SECCOMP_X32_BIT << 1, act(over64));
	ranges_push(&y->ranges, SECCOMP_X32_BIT | SECCOMP_X32_BIT << 1, act(over32));
	if (!has32)
		ranges_push(&y->ranges, UINT32_MAX, act(p->default_action));
	return 0;
}

static int build_plain(struct policy *y, const struct plan *p, enum seccomp_arch arch, struct error *err)
{
	autoclean(build_done) struct build b = {0};
	bool is_s390 = arch == SECCOMP_ARCH_S390 || arch == SECCOMP_ARCH_S390X;
	int rc;

	ranges_push(&y->ranges, 0, act(p->default_action));
	if ((rc = build_init(&b, p, arch, err)) < 0)
		return rc;
	/* A call that the kernel does not know keeps number 0 there (patchbpf, s390xMultiplexSyscall). */
	if (is_s390 && has_stub(&b)) {
		ranges_push(&y->ranges, 0, act(SECCOMP_RET_ERRNO | ENOSYS));
		ranges_push(&y->ranges, 1, act(p->default_action));
	}
	return push_arch(&b, y, above(&b), err);
}

int policy_build(struct policy *y, const struct plan *p, enum seccomp_arch first, struct error *err)
{
	*y = (struct policy){.default_action = p->default_action};
	if (arch_info(first)->audit == AUDIT_ARCH_X86_64)
		return build_x86(y, p, err);
	return build_plain(y, p, first, err);
}

void policy_done(struct policy *y)
{
	for (size_t i = 0; i < y->block_count; i++) {
		free(y->blocks[i].matches);
		free(y->blocks[i].mux.items);
	}
	free(y->blocks);
	free(y->ranges.items);
	*y = (struct policy){0};
}
