/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SECCOMP_REFERENCE_H
#define TEST_SECCOMP_REFERENCE_H

/*
 * The other way from a document to a filter, as runc goes it: libseccomp's rule engine, and in front of its filter the
 * rule that newer calls give ENOSYS. Written from the facts in runc's libcontainer/seccomp.
 */

#include <sys/mman.h>
#include <unistd.h>
#include <seccomp.h>

#include "seccomp/doc.h"

struct reference {
	struct sock_filter *filter; /* owned */
	size_t len;
	bool stub;
	int64_t largest[SECCOMP_ARCH_COUNT]; /* 0: none; of the listed architectures */
	bool listed[SECCOMP_ARCH_COUNT];
	bool refused; /* libseccomp did not take the document */
};

static inline void reference_done(struct reference *r)
{
	free(r->filter);
}
#define autoreference __attribute__((cleanup(reference_done)))

static uint32_t reference_token(enum seccomp_arch a)
{
	char word[40];

	(void)snprintf(word, sizeof(word), "%s", arch_info(a)->name + strlen("SCMP_ARCH_"));
	for (char *c = word; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return seccomp_arch_resolve_name(word);
}

static uint32_t reference_action(enum spec_seccomp_action action, const struct spec_opt_u64 *v)
{
	uint32_t code = v->set ? (uint32_t)v->v : EPERM;

	switch (action) {
	case SPEC_SECCOMP_KILL_THREAD:
		return SCMP_ACT_KILL_THREAD;
	case SPEC_SECCOMP_KILL_PROCESS:
		return SCMP_ACT_KILL_PROCESS;
	case SPEC_SECCOMP_TRAP:
		return SCMP_ACT_TRAP;
	case SPEC_SECCOMP_ERRNO:
		return SCMP_ACT_ERRNO(code);
	case SPEC_SECCOMP_TRACE:
		return SCMP_ACT_TRACE(code);
	case SPEC_SECCOMP_LOG:
		return SCMP_ACT_LOG;
	case SPEC_SECCOMP_NOTIFY:
		return SCMP_ACT_NOTIFY;
	default:
		return SCMP_ACT_ALLOW;
	}
}

static int reference_rule(scmp_filter_ctx ctx, uint32_t action, int nr, const struct spec_seccomp_rule *r)
{
	static const enum scmp_compare ops[SPEC_SECCOMP_OP_COUNT] = {
		[SPEC_SECCOMP_NE] = SCMP_CMP_NE,
		[SPEC_SECCOMP_LT] = SCMP_CMP_LT,
		[SPEC_SECCOMP_LE] = SCMP_CMP_LE,
		[SPEC_SECCOMP_EQ] = SCMP_CMP_EQ,
		[SPEC_SECCOMP_GE] = SCMP_CMP_GE,
		[SPEC_SECCOMP_GT] = SCMP_CMP_GT,
		[SPEC_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};
	struct scmp_arg_cmp cmp[6 * 4];
	unsigned seen = 0;
	bool repeated = false;
	int rc = 0;

	for (size_t i = 0; i < r->arg_count; i++) {
		cmp[i] = (struct scmp_arg_cmp){.arg = r->args[i].index,
					       .op = ops[r->args[i].op],
					       .datum_a = r->args[i].value,
					       .datum_b = r->args[i].value_two};
		repeated = repeated || (seen & 1u << r->args[i].index);
		seen |= 1u << r->args[i].index;
	}
	if (!repeated)
		return seccomp_rule_add_array(ctx, action, nr, (unsigned)r->arg_count, cmp);
	for (size_t i = 0; i < r->arg_count && rc == 0; i++)
		rc = seccomp_rule_add_array(ctx, action, nr, 1, &cmp[i]);
	return rc;
}

static void reference_largest(struct reference *r, const struct spec_seccomp *s)
{
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++)
		for (size_t i = 0; r->listed[a] && i < s->rule_count; i++)
			for (size_t k = 0; k < s->rules[i].names.count; k++) {
				int nr = seccomp_syscall_resolve_name_arch(reference_token((enum seccomp_arch)a),
									   s->rules[i].names.items[k]);

				if (nr > r->largest[a])
					r->largest[a] = nr;
			}
}

static int reference_export(struct reference *r, scmp_filter_ctx ctx)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size;

	if (fd < 0 || seccomp_export_bpf(ctx, fd) < 0)
		return -1;
	size = lseek(fd, 0, SEEK_END);
	r->len = (size_t)size / sizeof(*r->filter);
	r->filter = malloc((size_t)size);
	if (pread(fd, r->filter, (size_t)size, 0) != size)
		return -1;
	return close(fd);
}

static int reference_fill(struct reference *r, scmp_filter_ctx ctx, const struct spec_seccomp *s)
{
	uint32_t default_action = reference_action(s->default_action, &s->default_errno_ret);
	size_t names = 0;

	r->listed[arch_native()] = true;
	for (size_t i = 0; i < s->architectures.count; i++) {
		enum seccomp_arch a = arch_from_name(s->architectures.items[i]);
		int rc = seccomp_arch_add(ctx, reference_token(a));

		if (rc < 0 && rc != -EEXIST)
			return rc;
		r->listed[a] = true;
	}
	for (size_t i = 0; i < s->rule_count; i++)
		names += s->rules[i].names.count;
	/* runc does this above 32 names; a smaller filter without it can lack the load of the call's number (libseccomp
	 * 2.5.4: it goes with the first call of the list, which may be one that the architecture does not have). */
	if (names > 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < s->rule_count; i++) {
		uint32_t action = reference_action(s->rules[i].action, &s->rules[i].errno_ret);

		for (size_t k = 0; k < s->rules[i].names.count && action != default_action; k++) {
			int nr = seccomp_syscall_resolve_name(s->rules[i].names.items[k]);
			int rc = nr == __NR_SCMP_ERROR ? 0 : reference_rule(ctx, action, nr, &s->rules[i]);

			if (rc < 0)
				return rc;
		}
	}
	reference_largest(r, s);
	return reference_export(r, ctx);
}

static struct reference reference_new(const struct spec_seccomp *s)
{
	struct reference r = {.stub = s->default_action != SPEC_SECCOMP_ALLOW &&
				      s->default_action != SPEC_SECCOMP_LOG && s->default_action != SPEC_SECCOMP_TRACE};
	scmp_filter_ctx ctx = seccomp_init(reference_action(s->default_action, &s->default_errno_ret));

	r.refused = !ctx || reference_fill(&r, ctx, s) < 0;
	seccomp_release(ctx);
	return r;
}

/* Is it the stub's ENOSYS? */
static bool reference_stub(const struct reference *r, uint32_t audit, uint32_t nr)
{
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
		const struct arch_info *info = arch_info((enum seccomp_arch)a);
		bool x32 = a == SECCOMP_ARCH_X32;

		if (!r->listed[a] || info->audit != audit || r->largest[a] == 0)
			continue;
		if (audit == AUDIT_ARCH_X86_64 && x32 != !!(nr & SECCOMP_X32_BIT))
			continue;
		if (nr > r->largest[a])
			return true;
	}
	return false;
}

static uint32_t reference_ask(const struct reference *r, uint32_t audit, uint32_t nr, const uint64_t args[6],
			      unsigned *steps)
{
	struct seccomp_program p = {.filter = r->filter, .len = (uint16_t)r->len};

	if (r->stub && reference_stub(r, audit, nr))
		return ENOSYS_WORD;
	return ask(&p, audit, nr, args, steps);
}

#endif
