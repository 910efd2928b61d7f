/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes become a document, which is compiled and asked. What must hold for every document: the program is one that the
 * kernel would take (length, jumps and loads inside, ends in returns: the interpreter checks as it runs), and its answer
 * is an action that the document contains, the default, ENOSYS, or the killing of an unlisted architecture.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "seccomp/plan.h"
#include "seccomp/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static uint8_t take(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static uint64_t take_value(struct input *in)
{
	uint64_t v = 0;

	for (unsigned n = take(in) % 9; n > 0; n--)
		v = v << 8 | take(in);
	return v;
}

static const char *take_name(struct input *in)
{
	uint16_t row = (uint16_t)(take(in) | (take(in) & 3) << 8);

	return syscall_row_exists(row) ? syscall_name(row) : "no_such_call";
}

static void take_rule(struct input *in, struct arena *a, struct spec_seccomp_rule *r)
{
	uint8_t shape = take(in);

	r->action = (enum spec_seccomp_action)(take(in) % SPEC_SECCOMP_ACTION_COUNT);
	r->errno_ret = (struct spec_opt_u64){shape & 0x80, take(in)};
	for (unsigned n = (shape & 7) + 1; n > 0; n--)
		ARENA_PUSH(a, r->names.items, r->names.count) = arena_strdup(a, take_name(in));
	for (unsigned n = shape >> 3 & 7; n > 0; n--) {
		struct spec_seccomp_arg arg = {.index = take(in) % 7,
					       .op = take(in) % (SPEC_SECCOMP_OP_COUNT + 1),
					       .value = take_value(in),
					       .value_two = take_value(in)};

		ARENA_PUSH(a, r->args, r->arg_count) = arg;
	}
}

static void take_document(struct input *in, struct arena *a, struct spec_seccomp *s)
{
	s->default_action = (enum spec_seccomp_action)(take(in) % SPEC_SECCOMP_ACTION_COUNT);
	for (unsigned n = take(in) % 5; n > 0; n--)
		ARENA_PUSH(a, s->architectures.items, s->architectures.count) =
			arena_strdup(a, arch_info((enum seccomp_arch)(take(in) % SECCOMP_ARCH_COUNT))->name);
	/* The high bit repeats the rule with other values, which makes long programs out of short inputs. */
	while (in->at < in->end && s->rule_count < 3000) {
		uint8_t repeat = take(in);
		struct spec_seccomp_rule rule = {0};

		take_rule(in, a, &rule);
		for (unsigned n = repeat & 0x80 ? repeat & 0x7f : 1; n > 0; n--) {
			if (rule.arg_count > 0) {
				struct spec_seccomp_arg *args = arena_alloc(a, rule.arg_count, sizeof(*args));

				memcpy(args, rule.args, rule.arg_count * sizeof(*args));
				args[0].value += n * UINT64_C(0x100000001);
				rule.args = args;
			}
			ARENA_PUSH(a, s->rules, s->rule_count) = rule;
		}
	}
}

static bool is_expected(const struct spec_seccomp *s, uint32_t ret)
{
	uint32_t action = ret & SECCOMP_RET_ACTION_FULL;
	static const uint32_t words[SPEC_SECCOMP_ACTION_COUNT] = {
		[SPEC_SECCOMP_KILL_THREAD] = SECCOMP_RET_KILL_THREAD,
		[SPEC_SECCOMP_KILL_PROCESS] = SECCOMP_RET_KILL_PROCESS,
		[SPEC_SECCOMP_TRAP] = SECCOMP_RET_TRAP,
		[SPEC_SECCOMP_ERRNO] = SECCOMP_RET_ERRNO,
		[SPEC_SECCOMP_TRACE] = SECCOMP_RET_TRACE,
		[SPEC_SECCOMP_ALLOW] = SECCOMP_RET_ALLOW,
		[SPEC_SECCOMP_LOG] = SECCOMP_RET_LOG,
		[SPEC_SECCOMP_NOTIFY] = SECCOMP_RET_USER_NOTIF,
	};

	if (ret == SECCOMP_RET_KILL_THREAD || ret == (SECCOMP_RET_ERRNO | ENOSYS) || action == words[s->default_action])
		return true;
	for (size_t i = 0; i < s->rule_count; i++)
		if (action == words[s->rules[i].action])
			return true;
	return false;
}

static bool is_listed(const struct spec_seccomp *s, enum seccomp_arch arch)
{
	for (size_t i = 0; i < s->architectures.count; i++)
		if (arch_from_name(s->architectures.items[i]) == arch)
			return true;
	return false;
}

static void ask_all(const struct spec_seccomp *s, const struct seccomp_program *p)
{
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
		/* The machines are asked always, the others where it can matter. */
		if (a != SECCOMP_ARCH_X86_64 && a != SECCOMP_ARCH_S390X && !is_listed(s, (enum seccomp_arch)a))
			continue;
		for (uint32_t nr = 0; nr < 480; nr++) {
			struct seccomp_data data = {.nr = (int)(nr | arch_info((enum seccomp_arch)a)->base),
						    .arch = arch_info((enum seccomp_arch)a)->audit,
						    .args = {nr, nr << 16, UINT64_MAX, 1}};
			uint32_t ret;

			if (seccomp_simulate(p->filter, p->len, &data, &ret, NULL) < 0 || !is_expected(s, ret))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.at = data, .end = data + size};
	struct arena arena = {0};
	struct spec_seccomp s = {.set = true};
	struct seccomp_program p = {0};
	struct error err = {0};
	enum seccomp_arch machine = take(&in) % 4 ? SECCOMP_ARCH_X86_64 : SECCOMP_ARCH_S390X;

	take_document(&in, &arena, &s);
	if (compile_for(&s, machine, false, &p, &err) == 0) {
		if (p.len == 0 || p.len > BPF_MAXINSNS)
			abort();
		ask_all(&s, &p);
	} else if (err.msg[0] == '\0' || p.filter) {
		abort();
	}
	seccomp_program_done(&p);
	arena_done(&arena);
	return 0;
}
