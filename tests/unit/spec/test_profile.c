/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy's seccomp profile as data, and Docker's profile format.
 */
#include "spec/spec.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "test.h"

#define CAP(n) (UINT64_C(1) << (n))
#define AMD64 "SCMP_ARCH_X86_64"

/* What the filter's compiler does with @value as first argument of @call: the first rule that fits decides. Enough of a
 * model for the rules here, which never overlap with different actions. */
static enum spec_seccomp_action decide(const struct spec_seccomp *f, const char *call, uint64_t value)
{
	for (size_t i = 0; i < f->rule_count; i++) {
		const struct spec_seccomp_rule *r = &f->rules[i];
		bool named = false;

		for (size_t k = 0; k < r->names.count; k++)
			named = named || str_eq(r->names.items[k], call);
		if (!named)
			continue;
		if (r->arg_count == 0)
			return r->action;
		CHECK_INT(r->arg_count, 1);
		switch (r->args[0].op) {
		case SPEC_SECCOMP_LT:
			if (value < r->args[0].value)
				return r->action;
			break;
		case SPEC_SECCOMP_EQ:
			if (value == r->args[0].value)
				return r->action;
			break;
		case SPEC_SECCOMP_MASKED_EQ:
			if ((value & r->args[0].value) == r->args[0].value_two)
				return r->action;
			break;
		default:
			CHECK(!"an operator that the profile uses");
		}
	}
	return f->default_action;
}

static bool allows(const struct spec_seccomp *f, const char *call, uint64_t value)
{
	return decide(f, call, value) == SPEC_SECCOMP_ALLOW;
}

/* What no container gets without asking (V35). */
TEST(closed_without_capabilities)
{
	static const char *const closed[] = {
		"io_uring_setup",
		"io_uring_enter",
		"io_uring_register",
		"keyctl",
		"add_key",
		"request_key",
		"userfaultfd",
		"bpf",
		"perf_event_open",
		"fsopen",
		"fsmount",
		"fsconfig",
		"fspick",
		"open_tree",
		"move_mount",
		"mount_setattr",
		"mount",
		"umount",
		"umount2",
		"pivot_root",
		"unshare",
		"setns",
		"swapon",
		"swapoff",
		"kexec_load",
		"kexec_file_load",
		"init_module",
		"finit_module",
		"delete_module",
		"reboot",
		"acct",
		"settimeofday",
		"clock_settime",
		"stime",
		"iopl",
		"ioperm",
		"open_by_handle_at",
		"fanotify_init",
		"kcmp",
		"pidfd_getfd",
		"process_madvise",
		"syslog",
		"quotactl",
		"nfsservctl",
		"lookup_dcookie",
		"vm86",
		"vm86old",
		"uselib",
		"ustat",
		"sysfs",
		"_sysctl",
		"create_module",
		"get_kernel_syms",
		"query_module",
		"mbind",
		"set_mempolicy",
		"move_pages",
		"migrate_pages",
		"chroot",
		"vhangup",
		"sethostname",
		"setdomainname",
		"no_such_call",
	};
	autospec struct spec s = {0};

	spec_init(&s);
	spec_add_default_seccomp(&s, 0, AMD64, 6 << 16);
	CHECK_INT(s.linux_.seccomp.default_action, SPEC_SECCOMP_ERRNO);
	CHECK_INT(s.linux_.seccomp.default_errno_ret.v, EPERM);
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
		ROW(closed[i]);
		CHECK(!allows(&s.linux_.seccomp, closed[i], 0));
	}
	CHECK_INT(decide(&s.linux_.seccomp, "clone3", 0), SPEC_SECCOMP_ERRNO);
}

TEST(open_for_all)
{
	static const char *const open[] = {
		"read",
		"write",
		"openat",
		"openat2",
		"execve",
		"mmap",
		"futex",
		"futex_waitv",
		"epoll_pwait2",
		"clone",
		"fork",
		"vfork",
		"exit_group",
		"rt_sigreturn",
		"connect",
		"accept4",
		"statx",
		"rseq",
		"getrandom",
		"seccomp",
		"landlock_create_ruleset",
		"prctl",
		"setgroups",
		"setresuid32",
		"io_submit",
		"ptrace",
		"arch_prctl",
		"restart_syscall",
		"sigreturn",
		"ipc",
		"faccessat2",
		"close_range",
		"memfd_create",
		"pidfd_open",
		"clock_gettime64",
		"copy_file_range",
		"mknod",
	};
	autospec struct spec s = {0};

	spec_init(&s);
	spec_add_default_seccomp(&s, 0, AMD64, 6 << 16);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		ROW(open[i]);
		CHECK(allows(&s.linux_.seccomp, open[i], 0));
	}
	CHECK_INT(s.linux_.seccomp.architectures.count, 2);
	CHECK_STR(s.linux_.seccomp.architectures.items[0], AMD64);
	CHECK_STR(s.linux_.seccomp.architectures.items[1], "SCMP_ARCH_X86");
}

/* A misspelt name would be closed for ever, silently. */
TEST(all_names_are_calls)
{
	/* Newer than the libseccomp of Debian 12 (2.5.4). */
	static const char *const newer[] = {
		"cachestat",         "fchmodat2",         "file_getattr",
		"file_setattr",      "futex_requeue",     "futex_wait",
		"futex_wake",        "getxattrat",        "listmount",
		"listxattrat",       "lsm_get_self_attr", "lsm_list_modules",
		"lsm_set_self_attr", "map_shadow_stack",  "mseal",
		"open_tree_attr",    "removexattrat",     "riscv_hwprobe",
		"setxattrat",        "statmount",         "uprobe",
		"uretprobe",
	};
	autospec struct spec s = {0};
	const struct spec_seccomp *f = &s.linux_.seccomp;

	spec_init(&s);
	spec_add_default_seccomp(&s, SPEC_CAP_ALL, AMD64, 6 << 16);
	for (size_t i = 0; i < f->rule_count; i++) {
		for (size_t k = 0; k < f->rules[i].names.count; k++) {
			const char *name = f->rules[i].names.items[k];
			bool known = seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR;

			for (size_t n = 0; n < ARRAY_SIZE(newer); n++)
				known = known || str_eq(newer[n], name);
			ROW(name);
			CHECK(known);
		}
	}
}

TEST(no_name_twice)
{
	autospec struct spec s = {0};
	const struct spec_seccomp_rule *plain;

	spec_init(&s);
	spec_add_default_seccomp(&s, 0, AMD64, 6 << 16);
	plain = &s.linux_.seccomp.rules[s.linux_.seccomp.rule_count - 1];
	CHECK(plain->names.count > 300);
	for (size_t i = 0; i < plain->names.count; i++) {
		ROW(plain->names.items[i]);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(plain->names.items[i], plain->names.items[k]) != 0);
	}
}

/* Families 38 (AF_ALG) and 40 (AF_VSOCK), with rubbish in the upper half too: the kernel takes an int (V35). */
TEST(socket_families)
{
	static const uint64_t closed[] = {38,         40,        44, 0x100000026, 0x100000028, 0x8000000000000026,
					  UINT64_MAX, 0xffffffff};
	autospec struct spec s = {0};
	const struct spec_seccomp *f = &s.linux_.seccomp;

	spec_init(&s);
	spec_add_default_seccomp(&s, SPEC_CAP_ALL, AMD64, 6 << 16);
	CHECK(allows(f, "socket", 1));
	CHECK(allows(f, "socket", 2));
	CHECK(allows(f, "socket", 10));
	CHECK(allows(f, "socket", 16));
	CHECK(allows(f, "socket", 17));
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		CHECK(!allows(f, "socket", closed[i]));
	/* The multiplexer: all of 2-20, never 1. */
	for (uint64_t call = 0; call < 32; call++)
		CHECK_INT(allows(f, "socketcall", call), call >= 2);
	CHECK(!allows(f, "socketcall", 0x100000001));
	CHECK(!allows(f, "socketcall", 0x100000003));
}

TEST(new_namespaces_need_sys_admin)
{
	static const uint32_t flags[] = {0x00020000, 0x02000000, 0x04000000, 0x08000000,
					 0x10000000, 0x20000000, 0x40000000};
	autospec struct spec s = {0};
	const struct spec_seccomp *f = &s.linux_.seccomp;

	spec_init(&s);
	spec_add_default_seccomp(&s, 0, AMD64, 6 << 16);
	CHECK(allows(f, "clone", 17));
	CHECK(allows(f, "clone", 0x3d0f00));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		CHECK(!allows(f, "clone", flags[i]));
		CHECK(!allows(f, "clone", 17 | flags[i] | UINT64_C(1) << 40));
	}
	spec_add_default_seccomp(&s, CAP(CAP_SYS_ADMIN), AMD64, 6 << 16);
	CHECK(allows(f, "clone", 0x10000000));
	CHECK(allows(f, "clone3", 0));
	CHECK(allows(f, "mount", 0));
	CHECK(allows(f, "syslog", 0));
	CHECK(!allows(f, "bpf", 0));
	CHECK(!allows(f, "io_uring_setup", 0));
}

TEST(capabilities_open_calls)
{
	static const struct {
		int cap;
		const char *call;
	} rows[] = {
		{CAP_BPF, "bpf"},
		{CAP_PERFMON, "perf_event_open"},
		{CAP_SYS_CHROOT, "chroot"},
		{CAP_SYS_BOOT, "reboot"},
		{CAP_SYS_MODULE, "init_module"},
		{CAP_SYS_PACCT, "acct"},
		{CAP_SYS_PTRACE, "kcmp"},
		{CAP_SYS_RAWIO, "iopl"},
		{CAP_SYS_TIME, "clock_settime64"},
		{CAP_SYSLOG, "syslog"},
		{CAP_SYS_NICE, "mbind"},
		{CAP_DAC_READ_SEARCH, "open_by_handle_at"},
		{CAP_SYS_TTY_CONFIG, "vhangup"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autospec struct spec s = {0};

		ROW(rows[i].call);
		spec_init(&s);
		spec_add_default_seccomp(&s, SPEC_CAP_ALL & ~CAP(rows[i].cap) & ~CAP(CAP_SYS_ADMIN), AMD64, 6 << 16);
		CHECK(!allows(&s.linux_.seccomp, rows[i].call, 0));
		spec_add_default_seccomp(&s, CAP(rows[i].cap), AMD64, 6 << 16);
		CHECK(allows(&s.linux_.seccomp, rows[i].call, 0));
	}
}

TEST(kernel_and_architecture)
{
	autospec struct spec s = {0};
	const struct spec_seccomp *f = &s.linux_.seccomp;

	spec_init(&s);
	spec_add_default_seccomp(&s, 0, AMD64, 4 << 16 | 7);
	CHECK(!allows(f, "ptrace", 0));
	spec_add_default_seccomp(&s, 0, AMD64, 4 << 16 | 8);
	CHECK(allows(f, "ptrace", 0));
	CHECK(allows(f, "modify_ldt", 0));
	spec_add_default_seccomp(&s, 0, "SCMP_ARCH_AARCH64", 6 << 16);
	CHECK(!allows(f, "modify_ldt", 0));
	CHECK(allows(f, "cacheflush", 0));
	CHECK_STR(f->architectures.items[1], "SCMP_ARCH_ARM");
	spec_add_default_seccomp(&s, 0, "SCMP_ARCH_S390X", 6 << 16);
	/* Its clone has the flags second: the rule must look there. */
	for (size_t i = 0; i < f->rule_count; i++) {
		if (str_eq(f->rules[i].names.items[0], "clone"))
			CHECK_INT(f->rules[i].args[0].index, 1);
	}
}

TEST(personalities)
{
	autospec struct spec s = {0};
	const struct spec_seccomp *f = &s.linux_.seccomp;

	spec_init(&s);
	spec_add_default_seccomp(&s, SPEC_CAP_ALL, AMD64, 6 << 16);
	CHECK(allows(f, "personality", 0));
	CHECK(allows(f, "personality", 8));
	CHECK(allows(f, "personality", 0xffffffff));
	CHECK(!allows(f, "personality", 0x0040000)); /* ADDR_NO_RANDOMIZE */
}

/* ---- Docker's format ---------------------------------------------------------------------------------------------- */

static const char profile[] =
	"{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':1,'archMap':[{'architecture':'SCMP_ARCH_AARCH64','subArchitectures':"
	"['SCMP_ARCH_ARM']},{'architecture':'SCMP_ARCH_X86_64','subArchitectures':['SCMP_ARCH_X86','SCMP_ARCH_X32']},"
	"{'architecture':'SCMP_ARCH_RISCV64','subArchitectures':null}],'syscalls':["
	"{'names':['read'],'action':'SCMP_ACT_ALLOW','args':null,'comment':'','includes':{},'excludes':{}},"
	"{'names':['bpf'],'action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_BPF','CAP_SYS_ADMIN']}},"
	"{'names':['clone'],'action':'SCMP_ACT_ALLOW','excludes':{'caps':['CAP_SYS_ADMIN','CAP_KILL'],'arches':['s390x']}},"
	"{'names':['ptrace'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4.8'}},"
	"{'names':['old'],'action':'SCMP_ACT_ALLOW','excludes':{'minKernel':'4.8'}},"
	"{'names':['modify_ldt'],'action':'SCMP_ACT_ALLOW','includes':{'arches':['amd64','x86']}},"
	"{'name':'single','action':'SCMP_ACT_ERRNO','errnoRet':38}]}";

static int parse(const char *text, const char *arch, uint64_t caps, uint32_t kernel, struct arena *a,
		 struct spec_seccomp *f, struct error *err)
{
	autofree char *json = mem_strdup(text);

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return spec_parse_seccomp_profile(json, strlen(json), "profile.json", arch, caps, kernel, a, f, err);
}

TEST(conditions)
{
	struct arena a = {0};
	struct error err = {0};
	struct spec_seccomp f;

	REQUIRE(parse(profile, AMD64, 0, 6 << 16, &a, &f, &err) == 0);
	CHECK(f.set);
	CHECK_INT(f.architectures.count, 3);
	CHECK_STR(f.architectures.items[2], "SCMP_ARCH_X32");
	CHECK(allows(&f, "read", 0) && allows(&f, "clone", 0) && allows(&f, "ptrace", 0) &&
	      allows(&f, "modify_ldt", 0));
	CHECK(!allows(&f, "bpf", 0) && !allows(&f, "old", 0));
	CHECK_INT(f.rules[f.rule_count - 1].errno_ret.v, 38);
	CHECK_STR(f.rules[f.rule_count - 1].names.items[0], "single");

	/* Of `includes` all capabilities are needed, of `excludes` one is enough. */
	REQUIRE(parse(profile, AMD64, CAP(CAP_BPF), 6 << 16, &a, &f, &err) == 0);
	CHECK(!allows(&f, "bpf", 0));
	REQUIRE(parse(profile, AMD64, CAP(CAP_BPF) | CAP(CAP_SYS_ADMIN), 6 << 16, &a, &f, &err) == 0);
	CHECK(allows(&f, "bpf", 0) && !allows(&f, "clone", 0));
	REQUIRE(parse(profile, AMD64, CAP(CAP_KILL), 4 << 16 | 7, &a, &f, &err) == 0);
	CHECK(!allows(&f, "clone", 0) && !allows(&f, "ptrace", 0) && allows(&f, "old", 0));

	REQUIRE(parse(profile, "SCMP_ARCH_S390X", 0, 6 << 16, &a, &f, &err) == 0);
	CHECK_INT(f.architectures.count, 0);
	CHECK(!allows(&f, "clone", 0) && !allows(&f, "modify_ldt", 0));
	REQUIRE(parse(profile, "SCMP_ARCH_RISCV64", 0, 6 << 16, &a, &f, &err) == 0);
	CHECK_INT(f.architectures.count, 1);
	arena_done(&a);
}

/* clang-format off */
static const struct {
	const char *text;
	const char *message; /* behind "profile.json: "; NULL: accepted */
} rows[] = {
	{"{'defaultAction':'SCMP_ACT_ALLOW'}", NULL},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':null}", NULL},
	{"{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X86_64'],'syscalls':[]}", NULL},
	{"{}", "defaultAction: is required, but missing"},
	{"[]", "expected an object, got an array"},
	{"{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X86'],'archMap':[{'architecture':'SCMP_ARCH_X86_64'}]}",
	 "archMap: does not go with architectures"},
	{"{'defaultAction':'SCMP_ACT_ALLOW','archMap':[{'architecture':'SCMP_ARCH_X86_64','subArchitectures':['VAX']}]}",
	 "architectures[1]: expected an SCMP_ARCH_ name, got \"VAX\""},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'name':'a','names':['b'],'action':'SCMP_ACT_ALLOW'}]}",
	 "syscalls[0].name: does not go with names"},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'action':'SCMP_ACT_ALLOW'}]}",
	 "syscalls[0].names: expected at least one system call, got an empty array"},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'X'}]}",
	 "syscalls[0].action: expected an SCMP_ACT_ name, got \"X\""},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4'}}]}",
	 "syscalls[0].includes.minKernel: expected a kernel version such as \"4.8\", got \"4\""},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4.8.1'}}]}",
	 "syscalls[0].includes.minKernel: expected a kernel version such as \"4.8\", got \"4.8.1\""},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'256.0'}}]}",
	 "syscalls[0].includes.minKernel: expected a kernel version such as \"4.8\", got \"256.0\""},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':4.8}}]}",
	 "syscalls[0].includes.minKernel: expected a kernel version such as \"4.8\", got 4.8"},
	{"{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW','excludes':{'caps':'CAP_KILL'}}]}",
	 "syscalls[0].excludes.caps: expected an array of strings, got a string"},
};
/* clang-format on */

TEST(bad_profiles)
{
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *message = mem_printf("profile.json: %s", rows[i].message ? rows[i].message : "");
		struct error err = {0};
		struct spec_seccomp f;
		int rc = parse(rows[i].text, AMD64, 0, 6 << 16, &a, &f, &err);

		ROW(rows[i].text);
		CHECK_INT(rc < 0, rows[i].message != NULL);
		CHECK_STR(err.msg, rows[i].message ? message : "");
	}
	arena_done(&a);
}
