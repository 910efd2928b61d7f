/* SPDX-License-Identifier: Apache-2.0 */
/* What documents mean, asked of the compiled programs through the interpreter. x86_64 is the machine throughout. */
#include "test.h"

#include "base/error.h"
#include "seccomp/doc.h"

#define X86_64 "SCMP_ARCH_X86_64"
#define X86 "SCMP_ARCH_X86"
#define X32 "SCMP_ARCH_X32"

static bool build(const struct doc *d, struct seccomp_program *p)
{
	struct error err = {0};
	int rc = compile_for(&d->s, SECCOMP_ARCH_X86_64, false, p, &err);

	if (rc < 0)
		printf("\t%s\n", err.msg);
	return rc == 0;
}

static int refuse(const struct doc *d, struct error *err)
{
	autoseccomp struct seccomp_program p = {0};

	return compile_for(&d->s, SECCOMP_ARCH_X86_64, false, &p, err);
}

TEST(names_and_numbers)
{
	CHECK_INT(seccomp_syscall_number(X86_64, "read"), 0);
	CHECK_INT(seccomp_syscall_number(X86_64, "getppid"), 110);
	CHECK_INT(seccomp_syscall_number(X86, "socket"), 359);
	CHECK_INT(seccomp_syscall_number(X86, "socketcall"), 102);
	CHECK_INT(seccomp_syscall_number(X32, "read"), 0x40000000);
	CHECK_INT(seccomp_syscall_number("SCMP_ARCH_AARCH64", "read"), 63);
	CHECK_INT(seccomp_syscall_number("SCMP_ARCH_ARM", "set_tls"), 0xf0005);
	CHECK_INT(seccomp_syscall_number("SCMP_ARCH_MIPS", "read"), 4003);
	CHECK_INT(seccomp_syscall_number("SCMP_ARCH_S390X", "socketcall"), 102);
	CHECK_INT(seccomp_syscall_number("SCMP_ARCH_RISCV64", "fchmodat2"), 452);
	CHECK_INT(seccomp_syscall_number(X86_64, "socketcall"), -1);
	CHECK_INT(seccomp_syscall_number(X86_64, "no_such_call"), -1);
	CHECK_INT(seccomp_syscall_number("SCMP_ARCH_VAX", "read"), -1);
}

TEST(default_and_stub)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	doc_rule(&d, SPEC_SECCOMP_ALLOW, "read", "openat2", "no_such_call", NULL);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86_64, "read", 0, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "openat2", 0, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "write", 0, 0), EPERM_WORD);
	/* pidfd_getfd is 438, one above openat2: newer than the document knows. */
	CHECK_INT(ask_name(&p, X86_64, "pidfd_getfd", 0, 0), ENOSYS_WORD);
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, 0x3fffffff, NULL, NULL), ENOSYS_WORD);
	/* An unlisted architecture, and x32, are killed; -1 is a tracer's skip. */
	CHECK_INT(ask(&p, AUDIT_ARCH_I386, 3, NULL, NULL), SECCOMP_RET_KILL_THREAD);
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, 0x40000000, NULL, NULL), SECCOMP_RET_KILL_THREAD);
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, UINT32_MAX, NULL, NULL), EPERM_WORD);
}

TEST(no_stub_when_default_permits)
{
	static const struct {
		const char *name;
		enum spec_seccomp_action action;
		uint32_t want;
	} rows[] = {
		{"allow", SPEC_SECCOMP_ALLOW, SECCOMP_RET_ALLOW},
		{"log", SPEC_SECCOMP_LOG, SECCOMP_RET_LOG},
		{"trace", SPEC_SECCOMP_TRACE, SECCOMP_RET_TRACE | EPERM},
		{"kill", SPEC_SECCOMP_KILL_THREAD, ENOSYS_WORD},
		{"kill process", SPEC_SECCOMP_KILL_PROCESS, ENOSYS_WORD},
		{"trap", SPEC_SECCOMP_TRAP, ENOSYS_WORD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autodoc struct doc d = doc_new(rows[i].action);
		autoseccomp struct seccomp_program p = {0};
		struct spec_seccomp_rule *r = doc_rule(&d, SPEC_SECCOMP_ERRNO, "write", NULL);

		ROW(rows[i].name);
		r->errno_ret = (struct spec_opt_u64){true, EAGAIN};
		REQUIRE(build(&d, &p));
		CHECK_INT(ask_name(&p, X86_64, "write", 0, 0), SECCOMP_RET_ERRNO | EAGAIN);
		CHECK_INT(ask_name(&p, X86_64, "openat2", 0, 0), rows[i].want);
	}
}

TEST(errno_of_default_and_rule)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	d.s.default_errno_ret = (struct spec_opt_u64){true, EACCES};
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "openat2", NULL);
	doc_rule(&d, SPEC_SECCOMP_ERRNO, "write", NULL);
	doc_rule(&d, SPEC_SECCOMP_TRACE, "read", NULL)->errno_ret = (struct spec_opt_u64){true, 65535};
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86_64, "write", 0, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "close", 0, 0), SECCOMP_RET_ERRNO | EACCES);
	CHECK_INT(ask_name(&p, X86_64, "read", 0, 0), SECCOMP_RET_TRACE | 65535);
}

TEST(unconditional_wins)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_KILL_PROCESS, "mmap", NULL), 0, SPEC_SECCOMP_EQ, 7, 0);
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "mmap", NULL);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_KILL_PROCESS, "mmap", NULL), 0, SPEC_SECCOMP_EQ, 8, 0);
	doc_rule(&d, SPEC_SECCOMP_LOG, "mmap", NULL);
	/* A rule with the default action has no effect, even in front. */
	doc_rule(&d, SPEC_SECCOMP_ERRNO, "munmap", NULL);
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "munmap", NULL);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86_64, "mmap", 7, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "mmap", 8, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "munmap", 0, 0), ALLOW);
}

TEST(operators_on_64_bits)
{
	static const uint64_t values[] = {0,         1, 5, 0xffffffff, 0x100000000, 0x100000005, 0x7fffffffffffffff,
					  UINT64_MAX};
	static const uint64_t masks[] = {0, 1, 0xf0, 0xff00000000, 0x10000000f, UINT64_MAX};

	for (int op = 0; op < SPEC_SECCOMP_OP_COUNT; op++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++)
			for (size_t m = 0; m < (op == SPEC_SECCOMP_MASKED_EQ ? ARRAY_SIZE(masks) : 1); m++) {
				autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
				autoseccomp struct seccomp_program p = {0};
				bool masked = op == SPEC_SECCOMP_MASKED_EQ;

				doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "mmap", NULL), 0, (enum spec_seccomp_op)op,
					masked ? masks[m] : values[v], masked ? values[v] : 0);
				REQUIRE(build(&d, &p));
				for (size_t k = 0; k < 3 * ARRAY_SIZE(values); k++) {
					uint64_t a = values[k / 3] + k % 3 - 1;
					uint64_t x = values[v];
					bool want = op == SPEC_SECCOMP_NE   ? a != x
						    : op == SPEC_SECCOMP_LT ? a < x
						    : op == SPEC_SECCOMP_LE ? a <= x
						    : op == SPEC_SECCOMP_EQ ? a == x
						    : op == SPEC_SECCOMP_GE ? a >= x
						    : op == SPEC_SECCOMP_GT ? a > x
									    : (a & masks[m]) == (x & masks[m]);

					ROW(spec_seccomp_op_name((enum spec_seccomp_op)op));
					CHECK_INT(ask_name(&p, X86_64, "mmap", a, 0), want ? ALLOW : EPERM_WORD);
				}
			}
}

TEST(conditions_of_one_rule)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};
	struct spec_seccomp_rule *r = doc_rule(&d, SPEC_SECCOMP_ALLOW, "mmap", NULL);

	/* Different arguments: all must hold. */
	doc_arg(&d, r, 1, SPEC_SECCOMP_EQ, 2, 0);
	doc_arg(&d, r, 0, SPEC_SECCOMP_GE, 10, 0);
	/* One argument twice: each alone is enough (runc, and libseccomp's users before it). */
	r = doc_rule(&d, SPEC_SECCOMP_ALLOW, "mprotect", NULL);
	doc_arg(&d, r, 0, SPEC_SECCOMP_EQ, 1, 0);
	doc_arg(&d, r, 0, SPEC_SECCOMP_EQ, 3, 0);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86_64, "mmap", 10, 2), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "mmap", 9, 2), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "mmap", 10, 3), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "mprotect", 1, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "mprotect", 3, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "mprotect", 2, 0), EPERM_WORD);
}

/* CVE-2019-10063, CVE-2019-7303, and Docker's socket rules (V35): the kernel drops the high half of an int. */
TEST(v35_int_arguments_have_32_bits)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autodoc struct doc allow = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	autoseccomp struct seccomp_program q = {0};

	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_LT, 38, 0);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_EQ, 39, 0);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_GT, 40, 0);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86_64, "socket", 2, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "socket", 39, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "socket", 41, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "socket", 38, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "socket", 40, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "socket", 0x100000026, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "socket", 0xffffffff00000028, 0), EPERM_WORD);

	doc_arg(&allow, doc_rule(&allow, SPEC_SECCOMP_ERRNO, "ioctl", NULL), 1, SPEC_SECCOMP_EQ, 0x5412, 0);
	doc_arg(&allow, doc_rule(&allow, SPEC_SECCOMP_ERRNO, "kill", NULL), 0, SPEC_SECCOMP_EQ, UINT64_MAX, 0);
	doc_arg(&allow, doc_rule(&allow, SPEC_SECCOMP_ERRNO, "personality", NULL), 0, SPEC_SECCOMP_GE, 0x100000000, 0);
	REQUIRE(build(&allow, &q));
	CHECK_INT(ask_name(&q, X86_64, "ioctl", 0, 0x5412), EPERM_WORD);
	CHECK_INT(ask_name(&q, X86_64, "ioctl", 0, 0x7700005412), EPERM_WORD);
	CHECK_INT(ask_name(&q, X86_64, "ioctl", 0, 0x5413), ALLOW);
	/* -1 as 64 bits means -1; a bound that no int can pass is never passed. */
	CHECK_INT(ask_name(&q, X86_64, "kill", 0xffffffff, 0), EPERM_WORD);
	CHECK_INT(ask_name(&q, X86_64, "kill", UINT64_MAX, 0), EPERM_WORD);
	CHECK_INT(ask_name(&q, X86_64, "kill", 1, 0), ALLOW);
	CHECK_INT(ask_name(&q, X86_64, "personality", 0x100000008, 0), ALLOW);
	/* Arguments that are not ints keep their 64 bits. */
	CHECK_INT(ask_name(&p, X86_64, "mmap", 0, 0), EPERM_WORD);
}

TEST(v35_socketcall_of_i386)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	doc_arch(&d, X86);
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "bind", "semget", "recv", NULL);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_NE, 38, 0);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86, "socket", 2, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "socket", 38, 0), EPERM_WORD);
	/* The family lies in user memory: SYS_SOCKET cannot be told from the forbidden one. */
	CHECK_INT(ask_name(&p, X86, "socketcall", 1, 38), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "socketcall", 1, 2), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "bind", 0, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "socketcall", 2, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "socketcall", 10, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "socketcall", 3, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "socketcall", 0, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "socketcall", 21, 0), EPERM_WORD);
	/* ipc: the version in the upper half does not change which call it is. */
	CHECK_INT(ask_name(&p, X86, "ipc", 2, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "ipc", 0x10002, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "ipc", 3, 0), EPERM_WORD);
}

TEST(v35_socketcall_of_a_blocking_document)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autodoc struct doc named = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};
	autoseccomp struct seccomp_program q = {0};

	doc_arch(&d, X86);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ERRNO, "socket", NULL), 0, SPEC_SECCOMP_EQ, 38, 0);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_KILL_PROCESS, "socket", NULL), 0, SPEC_SECCOMP_EQ, 40, 0);
	doc_rule(&d, SPEC_SECCOMP_ERRNO, "shmat", NULL);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86, "socketcall", 1, 0), SECCOMP_RET_KILL_PROCESS);
	CHECK_INT(ask_name(&p, X86, "socketcall", 2, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "ipc", 21, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "ipc", 0x10015, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "ipc", 22, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "socket", 38, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "socket", 39, 0), ALLOW);

	/* A document that names socketcall itself gets what it says. */
	doc_arch(&named, X86);
	doc_arg(&named, doc_rule(&named, SPEC_SECCOMP_ALLOW, "socket", NULL), 0, SPEC_SECCOMP_NE, 38, 0);
	doc_rule(&named, SPEC_SECCOMP_ALLOW, "socketcall", NULL);
	REQUIRE(build(&named, &q));
	CHECK_INT(ask_name(&q, X86, "socketcall", 1, 0), ALLOW);
}

TEST(narrow_architectures)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};

	doc_arch(&d, X86);
	doc_arch(&d, X32);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "mprotect", NULL), 0, SPEC_SECCOMP_EQ, 5, 0);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "munmap", NULL), 0, SPEC_SECCOMP_EQ, 0x100000005, 0);
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "brk", NULL), 0, SPEC_SECCOMP_LT, 0x100000005, 0);
	REQUIRE(build(&d, &p));
	CHECK_INT(ask_name(&p, X86, "mprotect", 5, 0), ALLOW);
	CHECK_INT(ask_name(&p, X32, "mprotect", 5, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86, "munmap", 5, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "munmap", 0x100000005, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "munmap", 5, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "brk", UINT32_MAX, 0), ALLOW);
	/* With x32 listed, numbers beyond its largest are new calls like any. */
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, 0x40000fff, NULL, NULL), ENOSYS_WORD);
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, UINT32_MAX, NULL, NULL), ENOSYS_WORD);
}

TEST(big_endian_machine)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};
	struct error err;
	uint64_t hi_first[6] = {UINT64_C(0x0000000700000001)}; /* as a big-endian kernel lays out 0x1_00000007 */

	doc_arch(&d, "SCMP_ARCH_S390");
	doc_arch(&d, X86_64); /* cannot occur on such a machine */
	doc_arg(&d, doc_rule(&d, SPEC_SECCOMP_ALLOW, "mprotect", NULL), 0, SPEC_SECCOMP_EQ, 0x100000007, 0);
	doc_rule(&d, SPEC_SECCOMP_ALLOW, "close_range", NULL);
	REQUIRE(compile_for(&d.s, SECCOMP_ARCH_S390X, false, &p, &err) == 0);
	CHECK_INT(ask(&p, AUDIT_ARCH_S390X, 125, hi_first, NULL), ALLOW);
	hi_first[0]++;
	CHECK_INT(ask(&p, AUDIT_ARCH_S390X, 125, hi_first, NULL), EPERM_WORD);
	/* Number 0 is what the kernel leaves of a call it does not know. */
	CHECK_INT(ask(&p, AUDIT_ARCH_S390X, 0, NULL, NULL), ENOSYS_WORD);
	CHECK_INT(ask(&p, AUDIT_ARCH_S390, 0, NULL, NULL), ENOSYS_WORD);
	CHECK_INT(ask(&p, AUDIT_ARCH_S390X, 1, NULL, NULL), EPERM_WORD);
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, 0, NULL, NULL), SECCOMP_RET_KILL_THREAD);
}

/* Every architecture with a table compiles as the machine, and means the same. */
TEST(each_architecture_as_the_machine)
{
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
		autodoc struct doc d = doc_new(SPEC_SECCOMP_ERRNO);
		autoseccomp struct seccomp_program p = {0};
		struct error err;
		const char *name = arch_info((enum seccomp_arch)a)->name;
		size_t count;

		ROW(name);
		(void)syscall_numbers((enum seccomp_arch)a, &count);
		doc_rule(&d, SPEC_SECCOMP_ALLOW, "read", "openat2", NULL);
		REQUIRE(compile_for(&d.s, (enum seccomp_arch)a, false, &p, &err) == 0);
		if (count == 0)
			continue;
		CHECK_INT(ask_name(&p, name, "read", 0, 0), ALLOW);
		CHECK_INT(ask_name(&p, name, "write", 0, 0), EPERM_WORD);
		CHECK_INT(ask_name(&p, name, "openat2", 0, 0), ALLOW);
		CHECK_INT(ask_name(&p, name, "fchmodat2", 0, 0), ENOSYS_WORD);
	}
}

TEST(refused_documents)
{
	autodoc struct doc twice = doc_new(SPEC_SECCOMP_ERRNO);
	autodoc struct doc notify = doc_new(SPEC_SECCOMP_NOTIFY);
	autodoc struct doc writes = doc_new(SPEC_SECCOMP_ERRNO);
	autodoc struct doc arch = doc_new(SPEC_SECCOMP_ERRNO);
	autodoc struct doc index = doc_new(SPEC_SECCOMP_ERRNO);
	struct error err = {0};

	doc_arg(&twice, doc_rule(&twice, SPEC_SECCOMP_ALLOW, "mmap", NULL), 0, SPEC_SECCOMP_EQ, 1, 0);
	doc_arg(&twice, doc_rule(&twice, SPEC_SECCOMP_LOG, "mmap", NULL), 0, SPEC_SECCOMP_EQ, 1, 0);
	CHECK_INT(refuse(&twice, &err), -EEXIST);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_CONTAINS(err.msg, "'mmap' has two actions");
	CHECK_INT(refuse(&notify, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "default action");
	doc_rule(&writes, SPEC_SECCOMP_NOTIFY, "mkdir", "write", NULL);
	CHECK_INT(refuse(&writes, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "syscalls[0]");
	doc_arch(&arch, "SCMP_ARCH_VAX");
	CHECK_INT(refuse(&arch, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "SCMP_ARCH_VAX");
	doc_arg(&index, doc_rule(&index, SPEC_SECCOMP_ALLOW, "mmap", NULL), 6, SPEC_SECCOMP_EQ, 1, 0);
	CHECK_INT(refuse(&index, &err), -EINVAL);
	CHECK_CONTAINS(err.msg, "args[0].index");
}

TEST(limits)
{
	autodoc struct doc many = doc_new(SPEC_SECCOMP_ERRNO);
	autodoc struct doc fits = doc_new(SPEC_SECCOMP_ERRNO);
	autoseccomp struct seccomp_program p = {0};
	struct error err = {0};

	for (uint64_t i = 0; i < 2000; i++)
		doc_arg(&many, doc_rule(&many, SPEC_SECCOMP_ALLOW, "mmap", NULL), 0, SPEC_SECCOMP_EQ, i << 33 | i, 0);
	CHECK_INT(refuse(&many, &err), -E2BIG);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK_CONTAINS(err.msg, "4096");
	/* Far jumps everywhere: 900 values of one argument, then 20 of each of ten calls. */
	for (uint64_t i = 0; i < 900; i++)
		doc_arg(&fits, doc_rule(&fits, SPEC_SECCOMP_ALLOW, "mmap", NULL), 0, SPEC_SECCOMP_EQ, i << 33 | i, 0);
	REQUIRE(build(&fits, &p));
	for (uint64_t i = 0; i < 900; i++) {
		CHECK_INT(ask_name(&p, X86_64, "mmap", i << 33 | i, 0), ALLOW);
		CHECK_INT(ask_name(&p, X86_64, "mmap", i << 33 | (i + 1), 0), EPERM_WORD);
	}
}

TEST(flags_and_listener)
{
	autodoc struct doc d = doc_new(SPEC_SECCOMP_ALLOW);
	autodoc struct doc n = doc_new(SPEC_SECCOMP_ALLOW);
	autoseccomp struct seccomp_program p = {0};
	autoseccomp struct seccomp_program q = {0};

	d.s.flags_set = false;
	REQUIRE(build(&d, &p));
	CHECK_INT(p.flags, 0);
	CHECK_INT(p.flags_optional, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	CHECK(!p.notify);
	CHECK_INT(ask(&p, AUDIT_ARCH_X86_64, 5, NULL, NULL), ALLOW);

	n.s.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	doc_rule(&n, SPEC_SECCOMP_NOTIFY, "mkdir", NULL);
	REQUIRE(build(&n, &q));
	CHECK(q.notify);
	CHECK_INT(q.flags,
		  SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER);
	CHECK_INT(q.flags_optional, 0);
	CHECK_INT(ask_name(&q, X86_64, "mkdir", 0, 0), SECCOMP_RET_USER_NOTIF);
}

/* bothy's own profile (spec_add_default_seccomp) through this compiler. */
TEST(default_profile)
{
	static const char *const denied[] = {"io_uring_setup",  "keyctl",    "userfaultfd", "bpf",
					     "perf_event_open", "mount",     "setns",       "kexec_load",
					     "init_module",     "pivot_root"};
	static const char *const allowed[] = {"read", "openat", "futex", "execve", "clone", "getppid", "exit_group"};
	autospec struct spec s;
	autoseccomp struct seccomp_program p = {0};
	struct error err = {0};

	spec_init(&s);
	spec_add_default_seccomp(&s, 0, X86_64, 6 << 16);
	REQUIRE(compile_for(&s.linux_.seccomp, SECCOMP_ARCH_X86_64, false, &p, &err) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		ROW(denied[i]);
		CHECK_INT(ask_name(&p, X86_64, denied[i], 0, 0), EPERM_WORD);
		CHECK_INT(ask_name(&p, X86, denied[i], 0, 0), EPERM_WORD);
	}
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		ROW(allowed[i]);
		CHECK_INT(ask_name(&p, X86_64, allowed[i], 0, 0), ALLOW);
		CHECK_INT(ask_name(&p, X86, allowed[i], 0, 0), ALLOW);
	}
	ROW("sockets");
	CHECK_INT(ask_name(&p, X86_64, "socket", 2, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "socket", 38, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86_64, "socket", 0x100000026, 0), EPERM_WORD);
	CHECK_INT(ask_name(&p, X86, "socketcall", 1, 0), EPERM_WORD);
	for (uint64_t n = 2; n <= 20; n++)
		CHECK_INT(ask_name(&p, X86, "socketcall", n, 0), ALLOW);
	CHECK_INT(ask_name(&p, X86_64, "clone", 0x10000000, 0), EPERM_WORD); /* CLONE_NEWUSER */
	CHECK_INT(ask_name(&p, X86_64, "clone3", 0, 0), ENOSYS_WORD);
}

TEST(features)
{
	struct seccomp_features f;

	seccomp_features(&f);
	CHECK_INT(f.action_count, 9);
	CHECK_INT(f.operator_count, SPEC_SECCOMP_OP_COUNT);
	CHECK_INT(f.arch_count, SECCOMP_ARCH_COUNT);
	for (size_t i = 0; i < f.arch_count; i++)
		CHECK(arch_from_name(f.archs[i]) != SECCOMP_ARCH_COUNT);
	for (size_t i = 0; i < f.operator_count; i++) {
		unsigned found = 0;

		for (int op = 0; op < SPEC_SECCOMP_OP_COUNT; op++)
			found += strcmp(spec_seccomp_op_name((enum spec_seccomp_op)op), f.operators[i]) == 0;
		CHECK_INT(found, 1);
	}
	CHECK(f.supported_flag_count <= f.known_flag_count);
}
