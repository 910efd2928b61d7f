/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our compiler against runc's way through libseccomp: random documents go both ways and must decide alike for every
 * system call of every listed architecture with arguments around the document's values. Where we differ on purpose
 * (docs/seccomp.md, "Differences"), `excused` names the reason; test_compile.c says what we do there instead.
 *
 * BOTHY_TEST_DOCUMENTS=n runs n documents instead of the short form's; BOTHY_TEST_SEED=n starts elsewhere.
 */
#include "test.h"

#include <inttypes.h>

#include "base/str.h"
#include "seccomp/reference.h"

/* libseccomp forgets some memory when it refuses a rule. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libseccomp\nleak:seccomp_rule_add_array\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

#define DOCUMENTS_SHORT 200
#define VECTORS 12

static uint64_t rng_state;

static uint32_t rnd(uint32_t below)
{
	/* splitmix64 */
	uint64_t z = (rng_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static uint64_t rnd_value(bool large)
{
	static const uint64_t values[] = {0, 1, 2, 3, 5, 8, 38, 40, 0x7e020000, 0x7fffffff, 0x80000000, 0xffffffff};
	uint64_t v = rnd(3) ? values[rnd(ARRAY_SIZE(values))] : rnd(16);
	uint32_t shift = large && rnd(2) ? rnd(33) : 0;

	return v << shift | v;
}

static const char *rnd_name(struct doc *d)
{
	static const char *const names[] = {
		"socket", "bind",   "recv",     "semget",       "semop",       "shmat",       "socketcall",
		"ipc",    "stat64", "set_tls",  "no_such_call", "ioctl",       "personality", "clone",
		"mmap",   "mmap2",  "mprotect", "read",         "close_range",
	};
	char *resolved;
	char *copy;
	int nr;

	if (rnd(4) == 0)
		return names[rnd(ARRAY_SIZE(names))];
	nr = (int)rnd(449);
	resolved = seccomp_syscall_resolve_num_arch(rnd(2) ? SCMP_ARCH_X86_64 : SCMP_ARCH_X86, nr);
	copy = arena_strdup(&d->arena, resolved ? resolved : "read");
	free(resolved);
	return copy;
}

struct traits {
	bool mixed; /* conditional rules with different actions */
	bool large; /* values of more than 32 bits */
	enum spec_seccomp_action action;
};

/* One random number a statement: the order of arguments' evaluation differs between compilers. */
static void rnd_arg(struct doc *d, struct spec_seccomp_rule *r, uint32_t index, uint64_t value, uint64_t value_two)
{
	enum spec_seccomp_op op = (enum spec_seccomp_op)rnd(SPEC_SECCOMP_OP_COUNT);

	doc_arg(d, r, index, op, value, value_two);
}

static void rnd_rule(struct doc *d, const struct traits *t)
{
	enum spec_seccomp_action action = rnd(3) ? t->action : (enum spec_seccomp_action)rnd(SPEC_SECCOMP_ACTION_COUNT);
	bool conditional = rnd(3) == 0;
	struct spec_seccomp_rule *r;
	uint32_t names = conditional ? 1 + rnd(3) : 1 + rnd(24);

	if (action == SPEC_SECCOMP_NOTIFY || (conditional && !t->mixed))
		action = t->action;
	r = doc_rule_new(d, action);
	if (action == SPEC_SECCOMP_ERRNO && rnd(2))
		r->errno_ret = (struct spec_opt_u64){true, 1 + rnd(100)};
	if (conditional && !t->mixed)
		r->errno_ret.set = false;
	for (uint32_t i = 0; i < names; i++)
		doc_push(d, &r->names, rnd_name(d));
	for (uint32_t i = 0; conditional && i < 1 + rnd(3); i++) {
		uint32_t index = rnd(rnd(4) ? 2 : 6);
		uint64_t value = rnd_value(t->large);
		uint64_t value_two = rnd_value(t->large);

		rnd_arg(d, r, index, value, value_two);
	}
}

static struct doc rnd_doc(struct traits *t)
{
	static const char *const archs[] = {"SCMP_ARCH_X86_64",  "SCMP_ARCH_X86", "SCMP_ARCH_X32",
					    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64",
					    "SCMP_ARCH_PPC64LE"};
	enum spec_seccomp_action defaults[] = {SPEC_SECCOMP_ERRNO, SPEC_SECCOMP_ERRNO, SPEC_SECCOMP_KILL_THREAD,
					       SPEC_SECCOMP_ALLOW, SPEC_SECCOMP_LOG,   SPEC_SECCOMP_KILL_PROCESS};
	struct doc d = doc_new(defaults[rnd(ARRAY_SIZE(defaults))]);
	uint32_t rules = 1 + rnd(8);

	*t = (struct traits){.mixed = rnd(4) == 0};
	t->large = rnd(4) == 0;
	t->action = d.s.default_action == SPEC_SECCOMP_ALLOW || d.s.default_action == SPEC_SECCOMP_LOG
			    ? SPEC_SECCOMP_ERRNO
			    : SPEC_SECCOMP_ALLOW;
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
		if (rnd(3) == 0)
			doc_arch(&d, archs[i]);
	for (uint32_t i = 0; i < rules; i++)
		rnd_rule(&d, t);
	return d;
}

/* ---- where we differ on purpose -------------------------------------------------------------------------------- */

struct question {
	enum seccomp_arch arch;
	uint32_t nr;
	uint16_t row; /* SYSCALL_ROW_NONE: a number without name */
	uint64_t args[6];
};

static bool rule_names(const struct spec_seccomp_rule *r, uint16_t row)
{
	for (size_t i = 0; i < r->names.count; i++)
		if (syscall_find(r->names.items[i]) == row)
			return true;
	return false;
}

static bool is_mux_call(const struct question *q)
{
	return arch_info(q->arch)->mux && q->row != SYSCALL_ROW_NONE &&
	       (strcmp(syscall_name(q->row), "socketcall") == 0 || strcmp(syscall_name(q->row), "ipc") == 0);
}

static bool has_conditional_mux(const struct spec_seccomp *s)
{
	for (size_t i = 0; i < s->rule_count; i++)
		for (size_t k = 0; s->rules[i].arg_count > 0 && k < s->rules[i].names.count; k++) {
			uint16_t row = syscall_find(s->rules[i].names.items[k]);

			if (row != SYSCALL_ROW_NONE &&
			    (syscall_row(row)->mux || strcmp(syscall_name(row), "ipc") == 0 ||
			     strcmp(syscall_name(row), "socketcall") == 0))
				return true;
		}
	return false;
}

/* "32-bit values": does a condition on this call compare a 32-bit argument with a value of more bits? */
static bool compares_beyond_32(const struct spec_seccomp *s, const struct question *q)
{
	for (size_t i = 0; q->row != SYSCALL_ROW_NONE && i < s->rule_count; i++)
		for (size_t k = 0; rule_names(&s->rules[i], q->row) && k < s->rules[i].arg_count; k++) {
			const struct spec_seccomp_arg *a = &s->rules[i].args[k];
			bool narrow = !arch_info(q->arch)->wide || syscall_row(q->row)->int_args >> a->index & 1;

			if (narrow && (a->value >> 32 || (a->op == SPEC_SECCOMP_MASKED_EQ && a->value_two >> 32)))
				return true;
		}
	return false;
}

static bool has_high_int(const struct question *q)
{
	for (unsigned i = 0; q->row != SYSCALL_ROW_NONE && i < 6; i++)
		if (q->args[i] >> 32 && (!arch_info(q->arch)->wide || syscall_row(q->row)->int_args >> i & 1))
			return true;
	return false;
}

/* Is the number above the reference's largest only because the reference does not count directly wired calls? */
static bool is_uncounted(const struct reference *ref, const struct question *q, const struct spec_seccomp *s)
{
	int64_t largest = 0;

	if (!ref->stub || !arch_info(q->arch)->mux)
		return false;
	for (size_t i = 0; i < s->rule_count; i++)
		for (size_t k = 0; k < s->rules[i].names.count; k++) {
			uint16_t row = syscall_find(s->rules[i].names.items[k]);
			int64_t nr = seccomp_syscall_number(arch_info(q->arch)->name, s->rules[i].names.items[k]);

			if (row != SYSCALL_ROW_NONE && syscall_row(row)->mux) {
				/* The multiplexer counts as well. */
				int64_t m =
					seccomp_syscall_number(arch_info(q->arch)->name,
							       syscall_row(row)->mux & SYSCALL_MUX_IPC ? "ipc"
												       : "socketcall");
				largest = m > largest ? m : largest;
			}
			largest = nr > largest ? nr : largest;
		}
	return largest > ref->largest[q->arch];
}

static const char *excused(const struct reference *ref, const struct doc *d, const struct question *q)
{
	if (is_mux_call(q) && (has_conditional_mux(&d->s) || q->args[0] >> 16))
		return "multiplexed call";
	if (compares_beyond_32(&d->s, q))
		return "value beyond 32 bits";
	if (has_high_int(q))
		return "high half of an int";
	if (is_uncounted(ref, q, &d->s))
		return "directly wired calls count for ENOSYS";
	return NULL;
}

/* ---- a third opinion: what the words of the document say ---------------------------------------------------------- */

static bool condition_holds(const struct spec_seccomp_arg *c, uint64_t arg, bool wide)
{
	uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;
	uint64_t a = arg & mask;
	uint64_t v = c->value & mask;

	switch (c->op) {
	case SPEC_SECCOMP_NE:
		return a != v;
	case SPEC_SECCOMP_LT:
		return a < v;
	case SPEC_SECCOMP_LE:
		return a <= v;
	case SPEC_SECCOMP_EQ:
		return a == v;
	case SPEC_SECCOMP_GE:
		return a >= v;
	case SPEC_SECCOMP_GT:
		return a > v;
	default:
		return (a & v) == (c->value_two & v);
	}
}

static bool rule_holds(const struct spec_seccomp_rule *r, const struct question *q)
{
	bool wide = arch_info(q->arch)->wide;
	unsigned held = 0;
	unsigned seen = 0;
	bool repeated = false;

	for (size_t k = 0; k < r->arg_count; k++) {
		held += condition_holds(&r->args[k], q->args[r->args[k].index], wide);
		repeated = repeated || (seen & 1u << r->args[k].index);
		seen |= 1u << r->args[k].index;
	}
	return repeated ? held > 0 : held == r->arg_count;
}

/* Does the document give @action for this call of a listed architecture, below the newest it names? Rules for sub-calls
 * are not looked at. */
static bool document_says(const struct spec_seccomp *s, const struct question *q, uint32_t action)
{
	uint32_t fallback = reference_action(s->default_action, &s->default_errno_ret);
	bool any = false;
	bool said = false;

	for (size_t i = 0; i < s->rule_count; i++) {
		const struct spec_seccomp_rule *r = &s->rules[i];
		uint32_t word = reference_action(r->action, &r->errno_ret);

		if (word == fallback || !rule_names(r, q->row))
			continue;
		if (r->arg_count == 0)
			return word == action; /* the first of these wins */
	}
	for (size_t i = 0; i < s->rule_count; i++) {
		const struct spec_seccomp_rule *r = &s->rules[i];
		uint32_t word = reference_action(r->action, &r->errno_ret);

		if (word == fallback || !rule_names(r, q->row) || !rule_holds(r, q))
			continue;
		any = true;
		said = said || word == action;
	}
	return any ? said : action == fallback;
}

/* ---- the comparison -------------------------------------------------------------------------------------------- */

struct tally {
	unsigned documents, refused_by_both, refused_by_them, refused_by_us;
	uint64_t questions, excused, differ, mixed_differ;
	uint64_t wrong; /* libseccomp's filter differs and is not what the document says; ours is */
};

static void rnd_args(const struct spec_seccomp *s, struct question *q, bool wide)
{
	uint64_t values[64] = {0, UINT32_MAX, 1};
	uint32_t count = 3;

	for (size_t i = 0; i < s->rule_count; i++)
		for (size_t k = 0;
		     q->row != SYSCALL_ROW_NONE && rule_names(&s->rules[i], q->row) && k < s->rules[i].arg_count; k++)
			if (count < ARRAY_SIZE(values) - 2) {
				values[count++] = s->rules[i].args[k].value;
				values[count++] = s->rules[i].args[k].value_two;
			}
	for (unsigned i = 0; i < 6; i++) {
		uint64_t v = values[rnd(count)];

		v += rnd(3);
		v--;
		if (rnd(8) == 0)
			v ^= UINT64_C(1) << rnd(64);
		q->args[i] = wide ? v : (uint32_t)v;
	}
}

static void report(const struct doc *d, const struct question *q, uint32_t ours, uint32_t theirs)
{
	printf("\t%s %s (%u), args %#" PRIx64 " %#" PRIx64 " %#" PRIx64 ": ours %#x, theirs %#x\n",
	       arch_info(q->arch)->name, q->row == SYSCALL_ROW_NONE ? "?" : syscall_name(q->row), q->nr, q->args[0],
	       q->args[1], q->args[2], ours, theirs);
	for (size_t i = 0; q->row != SYSCALL_ROW_NONE && i < d->s.rule_count; i++) {
		const struct spec_seccomp_rule *r = &d->s.rules[i];

		if (!rule_names(r, q->row))
			continue;
		printf("\t\trule %zu: %s", i, spec_seccomp_action_name(r->action));
		for (size_t k = 0; k < r->arg_count; k++)
			printf(" [%u %s %#" PRIx64 " %#" PRIx64 "]", r->args[k].index,
			       spec_seccomp_op_name(r->args[k].op), r->args[k].value, r->args[k].value_two);
		printf("\n");
	}
}

static bool has_conditions(const struct spec_seccomp *s, uint16_t row)
{
	for (size_t i = 0; i < s->rule_count; i++)
		if (s->rules[i].arg_count > 0 && rule_names(&s->rules[i], row))
			return true;
	return false;
}

static void compare_one(const struct doc *d, const struct traits *t, const struct seccomp_program *p,
			const struct reference *ref, const struct question *q, struct tally *n)
{
	uint32_t audit = arch_info(q->arch)->audit;
	uint32_t ours = ask(p, audit, q->nr, q->args, NULL);
	uint32_t theirs = reference_ask(ref, audit, q->nr, q->args, NULL);

	n->questions++;
	/* The third opinion speaks for every call with a name. */
	if (q->row != SYSCALL_ROW_NONE && ref->listed[q->arch] && ours != ENOSYS_WORD && !is_mux_call(q) &&
	    !compares_beyond_32(&d->s, q) && !has_high_int(q) && !document_says(&d->s, q, ours)) {
		if (n->differ++ < 10)
			report(d, q, ours, theirs);
		return;
	}
	if (ours == theirs)
		return;
	if (excused(ref, d, q)) {
		n->excused++;
		return;
	}
	if (q->row != SYSCALL_ROW_NONE && has_conditions(&d->s, q->row) && document_says(&d->s, q, ours) &&
	    !document_says(&d->s, q, theirs)) {
		n->wrong++;
		return;
	}
	if (t->mixed) {
		n->mixed_differ++;
		if (getenv("BOTHY_TEST_SHOW_MIXED"))
			report(d, q, ours, theirs);
		return;
	}
	if (n->differ++ < 10)
		report(d, q, ours, theirs);
}

static void compare_arch(const struct doc *d, const struct traits *t, const struct seccomp_program *p,
			 const struct reference *ref, enum seccomp_arch arch, struct tally *n)
{
	static const uint32_t odd[] = {0x3fffffff, 0x40000000, 0x40000fff, 0x7fffffff, 0x80000000, 0xbfffffff,
				       0xc0000000, 0xfffffffe, 0xffffffff, 4000,       600,        1023};
	size_t count;
	const uint32_t *numbers = syscall_numbers(arch, &count);
	uint16_t rows[1024];

	memset(rows, 0xff, sizeof(rows));
	for (uint16_t row = 0; row < 2048 && syscall_row_exists(row); row++)
		if (syscall_row(row)->rank[arch] != SYSCALL_RANK_NONE)
			rows[syscall_row(row)->rank[arch]] = row;
	for (size_t i = 0; i < count; i++) {
		struct question q = {.arch = arch, .nr = numbers[i], .row = rows[i]};
		unsigned vectors = has_conditions(&d->s, q.row) || is_mux_call(&q) ? VECTORS : 1;

		for (unsigned v = 0; v < vectors; v++) {
			rnd_args(&d->s, &q, arch_info(arch)->wide);
			if (is_mux_call(&q))
				q.args[0] = rnd(26);
			compare_one(d, t, p, ref, &q, n);
		}
		q.nr++;
		q.row = SYSCALL_ROW_NONE;
		if (i + 1 < count && numbers[i + 1] != q.nr)
			compare_one(d, t, p, ref, &q, n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct question q = {.arch = arch, .nr = odd[i], .row = SYSCALL_ROW_NONE};

		compare_one(d, t, p, ref, &q, n);
	}
}

static void compare(const struct doc *d, const struct traits *t, struct tally *n)
{
	autoseccomp struct seccomp_program p = {0};
	autoreference struct reference ref = reference_new(&d->s);
	struct error err;
	int rc = seccomp_compile(&d->s, false, &p, &err);

	n->documents++;
	if (ref.refused || rc < 0) {
		n->refused_by_both += ref.refused && rc < 0;
		n->refused_by_them += ref.refused && rc == 0;
		n->refused_by_us += !ref.refused && rc < 0;
		if (!ref.refused && rc < 0 && n->refused_by_us < 5)
			printf("\trefused by us: %s\n", err.msg);
		return;
	}
	/* Listed or not: the unlisted must be killed both ways. */
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++)
		if (!arch_info((enum seccomp_arch)a)->big)
			compare_arch(d, t, &p, &ref, (enum seccomp_arch)a, n);
}

/* Rules of one call whose conditions overlap and whose actions differ: which comes first is libseccomp's order. */
static struct doc rnd_overlapping(void)
{
	static const enum spec_seccomp_action actions[] = {SPEC_SECCOMP_ALLOW, SPEC_SECCOMP_LOG, SPEC_SECCOMP_TRACE};
	struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	uint32_t rules = 2 + rnd(2);

	for (uint32_t i = 0; i < rules; i++) {
		struct spec_seccomp_rule *r = doc_rule(&d, actions[rnd(ARRAY_SIZE(actions))], "mmap", NULL);
		uint32_t first = rnd(2);

		for (uint32_t index = first; index <= (first == 0 && rnd(2) ? 1u : first); index++) {
			uint64_t value = 1 + rnd(6);

			rnd_arg(&d, r, index, value, 1 + rnd(6));
		}
	}
	return d;
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
	uint64_t v;
	const char *s = getenv(name);

	return s && str_to_u64(s, &v) == 0 ? v : fallback;
}

TEST(random_documents)
{
	struct tally n = {0};
	uint64_t documents = env_number("BOTHY_TEST_DOCUMENTS", DOCUMENTS_SHORT);
	uint64_t seed = env_number("BOTHY_TEST_SEED", 1);

	if (arch_native() != SECCOMP_ARCH_X86_64)
		SKIP("documents are made for x86_64");
	for (uint64_t i = 0; i < documents; i++) {
		struct traits t;
		struct doc d;

		rng_state = seed + i;
		d = rnd_doc(&t);
		if (n.differ > 0) {
			doc_done(&d);
			break;
		}
		compare(&d, &t, &n);
		if (n.differ > 0)
			printf("\tin the document of seed %" PRIu64 "\n", seed + i);
		doc_done(&d);
	}
	printf("%u documents (refused by both %u, by libseccomp %u, by us %u), %" PRIu64 " questions, %" PRIu64
	       " excused, %" PRIu64 " differ, %" PRIu64 " differ in mixed documents, libseccomp wrong %" PRIu64 "\n",
	       n.documents, n.refused_by_both, n.refused_by_them, n.refused_by_us, n.questions, n.excused, n.differ,
	       n.mixed_differ, n.wrong);
	CHECK_INT(n.differ, 0);
	CHECK_INT(n.refused_by_us, 0);
	CHECK(n.questions > 100 * documents);
	/* The excuses must stay rare, or the comparison would say nothing. */
	CHECK(n.excused * 50 < n.questions);
	CHECK(n.wrong * 500 < n.questions);
}

/* These documents only: libseccomp 2.5.4 hangs on some of the next thousand. */
TEST(overlapping_rules)
{
	struct tally n = {0};
	struct traits t = {.mixed = true};
	if (arch_native() != SECCOMP_ARCH_X86_64)
		SKIP("documents are made for x86_64");
	for (uint64_t i = 0; i < DOCUMENTS_SHORT; i++) {
		struct doc d;

		rng_state = 1 + i;
		d = rnd_overlapping();
		compare(&d, &t, &n);
		doc_done(&d);
	}
	printf("%u documents (refused by both %u, by libseccomp %u, by us %u), %" PRIu64
	       " differ, libseccomp wrong %" PRIu64 ", other order %" PRIu64 "\n",
	       n.documents, n.refused_by_both, n.refused_by_them, n.refused_by_us, n.differ, n.wrong, n.mixed_differ);
	CHECK_INT(n.differ, 0);
	CHECK_INT(n.refused_by_us, 0);
	/* What is left is libseccomp's merging of ranges with conditions behind them (docs/seccomp.md). */
	CHECK(n.mixed_differ <= 20);
}

/* A document of the size and shape of the engines' default profiles: everything but a list, some calls with conditions,
 * three architectures. Names that the installed libseccomp does not know are left out of it. */
static void add_large(struct doc *d)
{
	static const char *const left_out[] = {
		"socketcall",
		"socket",
		"clone",
		"clone3",
		"personality",
		"mount",
		"umount2",
		"bpf",
		"kexec_load",
		"init_module",
		"finit_module",
		"delete_module",
		"reboot",
		"swapon",
		"swapoff",
		"keyctl",
		"add_key",
		"request_key",
		"perf_event_open",
		"userfaultfd",
		"open_by_handle_at",
		"pivot_root",
		"ptrace",
		"setns",
		"unshare",
		"io_uring_setup",
		"io_uring_enter",
		"io_uring_register",
		"quotactl",
		"acct",
		"settimeofday",
		"clock_settime",
		"iopl",
		"ioperm",
		"vhangup",
		"syslog",
		"sethostname",
		"setdomainname",
		"fsopen",
		"fsmount",
		"fsconfig",
		"fspick",
		"move_mount",
		"open_tree",
		"nfsservctl",
		"uselib",
		"_sysctl",
		"ustat",
	};
	static const uint64_t personalities[] = {0, 8, 0x20000, 0x20008, UINT32_MAX};
	struct spec_seccomp_rule *r;

	doc_arch(d, "SCMP_ARCH_X86_64");
	doc_arch(d, "SCMP_ARCH_X86");
	doc_arch(d, "SCMP_ARCH_X32");
	r = doc_rule_new(d, SPEC_SECCOMP_ALLOW);
	for (uint16_t row = 0; syscall_row_exists(row); row++) {
		const char *name = syscall_name(row);
		bool out = seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR;

		for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
			out = out || strcmp(left_out[i], name) == 0;
		if (!out)
			doc_push(d, &r->names, name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
		doc_arg(d, doc_rule(d, SPEC_SECCOMP_ALLOW, "personality", NULL), 0, SPEC_SECCOMP_EQ, personalities[i],
			0);
	doc_arg(d, doc_rule(d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_LT, 38, 0);
	doc_arg(d, doc_rule(d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_GT, 40, 0);
	doc_arg(d, doc_rule(d, SPEC_SECCOMP_ALLOW, "clone", NULL), 0, SPEC_SECCOMP_MASKED_EQ, 0x7e020000, 0);
	doc_rule(d, SPEC_SECCOMP_ERRNO, "clone3", NULL)->errno_ret = (struct spec_opt_u64){true, ENOSYS};
}

TEST(large_document)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	struct traits t = {0};
	struct tally n = {0};

	add_large(&d);
	rng_state = 1;
	compare(&d, &t, &n);
	CHECK_INT(n.refused_by_them + n.refused_by_us + n.refused_by_both, 0);
	CHECK_INT(n.differ, 0);
	CHECK(n.questions > 4000);
}

/* A call must cost no more than in libseccomp's filter at its best optimisation. */
TEST(large_document_costs_no_more)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};
	autoreference struct reference ref = {0};
	struct error err;
	uint64_t total_ours = 0;
	uint64_t total_theirs = 0;
	uint64_t args[6] = {0};

	if (arch_native() != SECCOMP_ARCH_X86_64)
		SKIP("documents are made for x86_64");
	add_large(&d);
	ref = reference_new(&d.s);
	REQUIRE(seccomp_compile(&d.s, false, &p, &err) == 0);
	for (uint32_t nr = 0; nr < 450; nr++) {
		unsigned ours = 0;
		unsigned theirs = 0;

		(void)ask(&p, AUDIT_ARCH_X86_64, nr, args, &ours);
		(void)reference_ask(&ref, AUDIT_ARCH_X86_64, nr, args, &theirs);
		total_ours += ours;
		total_theirs += theirs;
		if (nr == (uint32_t)seccomp_syscall_number(NULL, "getppid"))
			CHECK(ours <= theirs);
	}
	CHECK(total_ours < total_theirs);
	CHECK(p.len < ref.len);
}
