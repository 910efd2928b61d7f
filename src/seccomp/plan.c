/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document's rules, with names as table rows and actions as the kernel's words. Which rules count is runc's
 * (libcontainer/seccomp InitSeccomp and matchCall): the native architecture is always in, a rule with the default action
 * has no effect, an unknown name is skipped, and a rule with several conditions on one argument falls apart into one
 * rule per condition.
 */
#include "seccomp/plan.h"

#include <stdlib.h>
#include <string.h>
#include <linux/seccomp.h>

#include "base/log.h"
#include "base/mem.h"
#include "seccomp/seccomp.h"

/* errnoRet belongs to ERRNO and TRACE; without it both carry EPERM. */
static uint32_t action_word(enum spec_seccomp_action action, const struct spec_opt_u64 *errno_ret)
{
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

	if (action != SPEC_SECCOMP_ERRNO && action != SPEC_SECCOMP_TRACE)
		return words[action];
	return words[action] | (errno_ret->set ? (uint32_t)errno_ret->v & SECCOMP_RET_DATA : (uint32_t)EPERM);
}

static int read_archs(struct plan *p, const struct spec_seccomp *s, struct error *err)
{
	p->archs[p->native] = true;
	for (size_t i = 0; i < s->architectures.count; i++) {
		const char *name = s->architectures.items[i];
		enum seccomp_arch a = arch_from_name(name);
		size_t numbers;

		if (a == SECCOMP_ARCH_COUNT)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "seccomp: architectures[%zu]: expected a SCMP_ARCH_… word, got \"%s\"", i,
					 name);
		(void)syscall_numbers(a, &numbers);
		/* This kernel never reports an architecture of the other byte order; one without numbers is
		 * refused by the filter as any unlisted one. */
		if (numbers == 0 || arch_info(a)->big != arch_info(p->native)->big)
			log_debug("seccomp: architecture %s cannot occur here, ignored", name);
		else
			p->archs[a] = true;
	}
	return 0;
}

static int add_match(struct plan *p, uint32_t action, const struct spec_seccomp_arg *args, size_t count,
		     struct error *err)
{
	struct match *m;

	if (p->match_count == SECCOMP_MATCHES_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG,
				 "seccomp: more than %d conditions on arguments; the kernel takes %d instructions",
				 SECCOMP_MATCHES_MAX, BPF_MAXINSNS);
	m = &VEC_PUSH(p->matches, p->match_count);
	*m = (struct match){.action = action};
	for (size_t i = 0; i < count; i++) {
		uint32_t at = m->count++;

		for (; at > 0 && m->args[at - 1].index > args[i].index; at--)
			m->args[at] = m->args[at - 1];
		m->args[at] = args[i];
	}
	return 0;
}

static int read_args(struct plan *p, struct plan_rule *r, const struct spec_seccomp_rule *rule, size_t index,
		     struct error *err)
{
	unsigned seen = 0;
	bool repeated = false;
	int rc;

	for (size_t i = 0; i < rule->arg_count; i++) {
		if (rule->args[i].index >= MATCH_ARGS_MAX || rule->args[i].op >= SPEC_SECCOMP_OP_COUNT)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "seccomp: syscalls[%zu].args[%zu].index: expected 0-5, got %u", index, i,
					 rule->args[i].index);
		repeated = repeated || (seen & (1u << rule->args[i].index));
		seen |= 1u << rule->args[i].index;
	}
	r->first_match = (uint32_t)p->match_count;
	if (!repeated) {
		if (rule->arg_count > 0 && (rc = add_match(p, r->action, rule->args, rule->arg_count, err)) < 0)
			return rc;
	} else {
		for (size_t i = 0; i < rule->arg_count; i++)
			if ((rc = add_match(p, r->action, &rule->args[i], 1, err)) < 0)
				return rc;
	}
	r->match_count = (uint32_t)p->match_count - r->first_match;
	return 0;
}

static int read_names(struct plan *p, const struct spec_seccomp *s, size_t index, bool log_unknown, struct error *err)
{
	const struct spec_seccomp_rule *rule = &s->rules[index];

	for (size_t i = 0; i < rule->names.count; i++) {
		const char *name = rule->names.items[i];
		uint16_t row = syscall_find(name);

		/* The process that installs the filter must tell its parent the listener's number with write(2). */
		if (rule->action == SPEC_SECCOMP_NOTIFY && strcmp(name, "write") == 0)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "seccomp: syscalls[%zu]: SCMP_ACT_NOTIFY cannot be used for write", index);
		if (row == SYSCALL_ROW_NONE) {
			if (log_unknown)
				log_debug("seccomp: unknown system call '%s' ignored", name);
			continue;
		}
		if (p->use_count == SECCOMP_NAMES_MAX)
			return error_set(err, ERROR_LIMIT, E2BIG, "seccomp: more than %d names of system calls",
					 SECCOMP_NAMES_MAX);
		VEC_PUSH(p->uses, p->use_count) = (struct plan_use){.rule = (uint32_t)index, .row = row};
	}
	return 0;
}

int plan_init(struct plan *p, const struct spec_seccomp *s, enum seccomp_arch native, bool log_unknown,
	      struct error *err)
{
	int rc;

	*p = (struct plan){.native = native};
	if (s->default_action == SPEC_SECCOMP_NOTIFY)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "seccomp: SCMP_ACT_NOTIFY cannot be used as default action");
	if (s->rule_count > SECCOMP_NAMES_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "seccomp: more than %d rules", SECCOMP_NAMES_MAX);
	p->default_action = action_word(s->default_action, &s->default_errno_ret);
	/* A tracer or a log reader is there to see new calls; hiding them with ENOSYS would be in its way. */
	p->stub = s->default_action != SPEC_SECCOMP_ALLOW && s->default_action != SPEC_SECCOMP_LOG &&
		  s->default_action != SPEC_SECCOMP_TRACE;
	if ((rc = read_archs(p, s, err)) < 0)
		return rc;
	p->rules = mem_zalloc(s->rule_count, sizeof(*p->rules));
	for (size_t i = 0; i < s->rule_count; i++) {
		struct plan_rule *r = &p->rules[i];

		r->action = action_word(s->rules[i].action, &s->rules[i].errno_ret);
		r->redundant = r->action == p->default_action;
		if (!r->redundant && (rc = read_args(p, r, &s->rules[i], i, err)) < 0)
			return rc;
		if ((rc = read_names(p, s, i, log_unknown, err)) < 0)
			return rc;
	}
	return 0;
}

void plan_done(struct plan *p)
{
	free(p->rules);
	free(p->matches);
	free(p->uses);
	*p = (struct plan){0};
}
