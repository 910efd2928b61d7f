/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_compile: plan, then per audit number of the kernel a policy and its code, then the dispatch over the audit
 * numbers with the native one first. A call under any other audit number is killed, as libseccomp does.
 */
#include "seccomp/seccomp.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "seccomp/plan.h"

#define WORD_ARCH ((uint32_t)offsetof(struct seccomp_data, arch))

/* Does @arch get its code from an architecture before it? */
static bool is_shared(const struct plan *p, enum seccomp_arch arch)
{
	return arch == SECCOMP_ARCH_X32 && p->archs[SECCOMP_ARCH_X86_64];
}

static int code_archs(struct emit *e, const struct plan *p, struct error *err)
{
	const uint32_t native_audit = arch_info(p->native)->audit;
	struct target sections[SECCOMP_ARCH_COUNT];
	struct target next = emit_return(SECCOMP_RET_KILL_THREAD);
	bool done[SECCOMP_ARCH_COUNT] = {0};
	int rc;

	/* Two rounds, because what is written last is nearest to the start: the native section. */
	for (int round = 0; round < 2; round++)
		for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
			autoclean(policy_done) struct policy y = {0};

			if (!p->archs[a] || is_shared(p, (enum seccomp_arch)a) ||
			    (arch_info((enum seccomp_arch)a)->audit == native_audit) != (round == 1))
				continue;
			if ((rc = policy_build(&y, p, (enum seccomp_arch)a, err)) < 0)
				return rc;
			sections[a] = code_policy(e, &y);
			done[a] = true;
		}
	for (int round = 0; round < 2; round++)
		for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
			uint32_t audit = arch_info((enum seccomp_arch)a)->audit;

			if (!done[a] || (audit == native_audit) != (round == 1))
				continue;
			next = emit_test(e, WORD_ARCH, BPF_JEQ, audit, &sections[a], &next);
		}
	(void)emit_entry(e, &next, EMIT_WORD_NONE);
	return 0;
}

static bool any_notify(const struct spec_seccomp *s)
{
	for (size_t i = 0; i < s->rule_count; i++)
		if (s->rules[i].action == SPEC_SECCOMP_NOTIFY && s->rules[i].names.count > 0)
			return true;
	return false;
}

static void set_flags(struct seccomp_program *ret, const struct spec_seccomp *s)
{
	ret->notify = any_notify(s);
	/* One thread installs the filter and execs: there is nobody to synchronise (runc ignores it as well). */
	ret->flags = s->flags & ~(uint32_t)SECCOMP_FILTER_FLAG_TSYNC;
	if (ret->notify)
		ret->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		ret->flags &= ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; /* EINVAL without a listener */
	/* Without `flags`, runc asks for SPEC_ALLOW where the kernel has it. */
	ret->flags_optional = s->flags_set ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
}

int compile_for(const struct spec_seccomp *s, enum seccomp_arch native, bool log_unknown, struct seccomp_program *ret,
		struct error *err)
{
	autoclean(plan_done) struct plan p = {0};
	autoclean(emit_done) struct emit e = {0};
	int rc;

	if ((rc = plan_init(&p, s, native, log_unknown, err)) < 0)
		return rc;
	emit_init(&e);
	if ((rc = code_archs(&e, &p, err)) < 0)
		return rc;
	if (e.full)
		return error_set(
			err, ERROR_LIMIT, E2BIG,
			"seccomp: the filter passes the kernel's %d instructions; list fewer rules or architectures",
			BPF_MAXINSNS);
	*ret = (struct seccomp_program){
		.filter = mem_dup(e.code + BPF_MAXINSNS - e.pos, e.pos * sizeof(*e.code)),
		.len = (uint16_t)e.pos,
	};
	set_flags(ret, s);
	return 0;
}

int seccomp_compile(const struct spec_seccomp *s, bool log_unknown, struct seccomp_program *ret, struct error *err)
{
	return compile_for(s, arch_native(), log_unknown, ret, err);
}

void seccomp_program_done(struct seccomp_program *p)
{
	free(p->filter);
	*p = (struct seccomp_program){0};
}
