/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SECCOMP_DOC_H
#define TEST_SECCOMP_DOC_H

/* Documents written by hand, and questions to the programs compiled from them. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <linux/audit.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "seccomp/plan.h"
#include "seccomp/seccomp.h"
#include "spec/spec.h"

#define ALLOW SECCOMP_RET_ALLOW
#define EPERM_WORD (SECCOMP_RET_ERRNO | EPERM)
#define ENOSYS_WORD (SECCOMP_RET_ERRNO | ENOSYS)
#define BROKEN 0xdeadbeef /* the program is malformed */

struct doc {
	struct arena arena;
	struct spec_seccomp s;
};

static inline void doc_done(struct doc *d)
{
	arena_done(&d->arena);
}
#define autodoc __attribute__((cleanup(doc_done)))

static inline struct doc doc_new(enum spec_seccomp_action default_action)
{
	struct doc d = {.s = {.set = true, .default_action = default_action, .flags_set = true}};

	return d;
}

static inline void doc_push(struct doc *d, struct spec_strs *v, const char *s)
{
	ARENA_PUSH(&d->arena, v->items, v->count) = arena_strdup(&d->arena, s);
}

static inline void doc_arch(struct doc *d, const char *name)
{
	doc_push(d, &d->s.architectures, name);
}

static inline struct spec_seccomp_rule *doc_rule_new(struct doc *d, enum spec_seccomp_action action)
{
	struct spec_seccomp_rule *r = &ARENA_PUSH(&d->arena, d->s.rules, d->s.rule_count);

	*r = (struct spec_seccomp_rule){.action = action};
	return r;
}

/* Names end with NULL. */
static inline struct spec_seccomp_rule *doc_rule(struct doc *d, enum spec_seccomp_action action, ...)
{
	struct spec_seccomp_rule *r = doc_rule_new(d, action);
	const char *name;
	va_list ap;

	va_start(ap, action);
	while ((name = va_arg(ap, const char *)))
		doc_push(d, &r->names, name);
	va_end(ap);
	return r;
}

static inline void doc_arg(struct doc *d, struct spec_seccomp_rule *r, uint32_t index, enum spec_seccomp_op op,
			   uint64_t value, uint64_t value_two)
{
	ARENA_PUSH(&d->arena, r->args, r->arg_count) =
		(struct spec_seccomp_arg){.index = index, .op = op, .value = value, .value_two = value_two};
}

static inline uint32_t ask(const struct seccomp_program *p, uint32_t arch, uint32_t nr, const uint64_t args[6],
			   unsigned *steps)
{
	struct seccomp_data data = {.nr = (int)nr, .arch = arch};
	uint32_t ret;

	if (args)
		memcpy(data.args, args, sizeof(data.args));
	return seccomp_simulate(p->filter, p->len, &data, &ret, steps) == 0 ? ret : BROKEN;
}

/* The action for a call by its name on the named architecture, with up to two arguments. */
static inline uint32_t ask_name(const struct seccomp_program *p, const char *arch, const char *name, uint64_t a0,
				uint64_t a1)
{
	int64_t nr = seccomp_syscall_number(arch, name);
	enum seccomp_arch a = arch ? arch_from_name(arch) : arch_native();
	uint64_t args[6] = {a0, a1};

	return nr < 0 ? BROKEN : ask(p, arch_info(a)->audit, (uint32_t)nr, args, NULL);
}

#endif
