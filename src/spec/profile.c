/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp profiles for people: bothy's own deny-by-default one, as a table, and Docker's file format, whose rules carry
 * conditions (capabilities, architectures, kernel version) that are resolved here into a plain runtime-spec filter.
 *
 * bothy's profile denies with EPERM what no row allows. It was made from the kernel's list of calls by what programs in
 * containers need; Docker's published profile served as the list of what its users depend on. Left out on purpose
 * (SECURITY.md V35): io_uring, the kernel keyring, userfaultfd, bpf and perf_event_open without their capabilities, the
 * mount calls without CAP_SYS_ADMIN, and all socket families from 38 on (AF_ALG, AF_VSOCK and the rarely fixed rest).
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "spec/fields.h"

/* ---- architectures ----------------------------------------------------------------------------------------------- */

/* Word of Docker's profiles, name of libseccomp, and what of it else runs on such a machine. */
static const struct {
	const char *word;
	const char *name;
	const char *also; /* NULL: nothing */
} arches[] = {
	/* x32 is left out of amd64: nothing uses it, and kernels are built or booted without it. */
	{"amd64", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86"},
	{"x86", "SCMP_ARCH_X86", NULL},
	{"x32", "SCMP_ARCH_X32", NULL},
	{"arm64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"},
	{"arm", "SCMP_ARCH_ARM", NULL},
	{"mips", "SCMP_ARCH_MIPS", NULL},
	{"mips64", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS"},
	{"mips64n32", "SCMP_ARCH_MIPS64N32", NULL},
	{"mipsel", "SCMP_ARCH_MIPSEL", NULL},
	{"mipsel64", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL"},
	{"mipsel64n32", "SCMP_ARCH_MIPSEL64N32", NULL},
	{"ppc", "SCMP_ARCH_PPC", NULL},
	{"ppc64", "SCMP_ARCH_PPC64", NULL},
	{"ppc64le", "SCMP_ARCH_PPC64LE", NULL},
	{"s390", "SCMP_ARCH_S390", NULL},
	{"s390x", "SCMP_ARCH_S390X", "SCMP_ARCH_S390"},
	{"riscv64", "SCMP_ARCH_RISCV64", NULL},
	{"loong64", "SCMP_ARCH_LOONGARCH64", NULL},
};

/* The word of Docker's profiles for "SCMP_ARCH_…", "" when it has none. */
static const char *arch_word(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		if (str_eq(arches[i].name, name))
			return arches[i].word;
	}
	return "";
}

/* Is @word one of the blank-separated @list? */
static bool word_in(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list && len) {
		size_t n = strcspn(list, " ");

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

/* ---- bothy's profile --------------------------------------------------------------------------------------------- */

#define KERNEL(major, minor) ((major) << 16 | (minor))
#define CAP(n) (UINT64_C(1) << (n))

struct profile_row {
	uint64_t caps;      /* any of these must be in the bounding set; 0: no condition */
	uint64_t not_caps;  /* none of these may */
	uint32_t kernel;    /* oldest kernel; 0: any */
	const char *arches; /* Docker's words; NULL: all */
	const char *not_arches;
	const char *names;           /* blank-separated */
	struct spec_seccomp_arg arg; /* condition on one argument, when has_arg */
	bool has_arg;
	int errno_ret; /* 0: allow, else fail with it */
};

/* All CLONE_NEW flags but NEWTIME, whose bit is part of clone's exit signal and so means nothing there. */
#define NAMESPACE_FLAGS 0x7e020000u
#define ONE_ARG(n, o, v, v2) .has_arg = true, .arg = {.index = (n), .op = (o), .value = (v), .value_two = (v2)}

/* clang-format off */
static const struct profile_row profile_rows[] = {
	/* Files and directories. */
	{.names = "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 "
		"fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync "
		"fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
		"ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 "
		"inotify_rm_watch fanotify_mark ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek "
		"lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat "
		"openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr "
		"removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs "
		"statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime "
		"utimensat utimensat_time64 utimes vmsplice write writev listmount statmount cachestat file_getattr file_setattr"},
	/* Memory. */
	{.names = "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 "
		"mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages"},
	/* Processes, ids, scheduling, limits. */
	{.names = "capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 "
		"getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32 "
		"getrlimit get_robust_list getrusage getsid get_thread_area gettid getuid getuid32 ioprio_get ioprio_set "
		"landlock_add_rule landlock_create_ruleset landlock_restrict_self pause pidfd_open pidfd_send_signal prctl prlimit64 "
		"process_mrelease restart_syscall riscv_hwprobe rseq sched_getaffinity sched_getattr sched_getparam "
		"sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
		"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp "
		"setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority setregid "
		"setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid "
		"set_thread_area set_tid_address setuid setuid32 sysinfo times ugetrlimit uname uretprobe uprobe vfork wait4 waitid "
		"waitpid"},
	/* Signals, time, waiting. */
	{.names = "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
		"clock_nanosleep clock_nanosleep_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
		"epoll_wait epoll_wait_old eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake "
		"getitimer gettimeofday kill nanosleep _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 rt_sigaction "
		"rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
		"rt_tgsigqueueinfo select setitimer sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn "
		"sigsuspend tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
		"timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 tkill getrandom"},
	/* Pipes, sockets, System V and POSIX queues, asynchronous I/O of the old kind. */
	{.names = "accept accept4 bind connect getpeername getsockname getsockopt io_cancel io_destroy io_getevents io_pgetevents "
		"io_pgetevents_time64 io_setup io_submit ipc listen mq_getsetattr mq_notify mq_open mq_timedreceive "
		"mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 recv "
		"recvfrom recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg sendmsg "
		"sendto setsockopt shmat shmctl shmdt shmget shutdown socketpair"},

	/* Families below AF_ALG. A comparison that is true for small numbers only cannot be passed by setting the upper half
	 * of the register, which the kernel ignores; "not equal 38" could. */
	{.names = "socket", ONE_ARG(0, SPEC_SECCOMP_LT, 38, 0)},
	/* The 32-bit multiplexer hides the family behind a pointer, so its function 1 (SYS_SOCKET) is closed and 2-20 are
	 * open, as bit patterns for the same reason. Old 32-bit C libraries that know no other way cannot make sockets: images of
	 * such programs get it opened (spec_allow_socketcall). */
	{.names = "socketcall", ONE_ARG(0, SPEC_SECCOMP_MASKED_EQ, ~UINT64_C(1), 2)},
	{.names = "socketcall", ONE_ARG(0, SPEC_SECCOMP_MASKED_EQ, ~UINT64_C(3), 4)},
	{.names = "socketcall", ONE_ARG(0, SPEC_SECCOMP_MASKED_EQ, ~UINT64_C(7), 8)},
	{.names = "socketcall", ONE_ARG(0, SPEC_SECCOMP_MASKED_EQ, ~UINT64_C(15), 16)},

	/* PER_LINUX, PER_LINUX32, both with UNAME26, and the question. ADDR_NO_RANDOMIZE would weaken programs. */
	{.names = "personality", ONE_ARG(0, SPEC_SECCOMP_EQ, 0x0, 0)},
	{.names = "personality", ONE_ARG(0, SPEC_SECCOMP_EQ, 0x8, 0)},
	{.names = "personality", ONE_ARG(0, SPEC_SECCOMP_EQ, 0x20000, 0)},
	{.names = "personality", ONE_ARG(0, SPEC_SECCOMP_EQ, 0x20008, 0)},
	{.names = "personality", ONE_ARG(0, SPEC_SECCOMP_EQ, 0xffffffff, 0)},

	/* New namespaces only with CAP_SYS_ADMIN. clone3 keeps its flags in memory, where a filter cannot look: ENOSYS makes
	 * C libraries fall back to clone. */
	{.not_caps = CAP(CAP_SYS_ADMIN), .not_arches = "s390 s390x", .names = "clone",
	 ONE_ARG(0, SPEC_SECCOMP_MASKED_EQ, NAMESPACE_FLAGS, 0)},
	{.not_caps = CAP(CAP_SYS_ADMIN), .arches = "s390 s390x", .names = "clone",
	 ONE_ARG(1, SPEC_SECCOMP_MASKED_EQ, NAMESPACE_FLAGS, 0)},
	{.not_caps = CAP(CAP_SYS_ADMIN), .names = "clone3", .errno_ret = ENOSYS},

	/* Before 4.8 a tracer could get round seccomp. */
	{.kernel = KERNEL(4, 8), .names = "ptrace process_vm_readv process_vm_writev"},

	{.arches = "amd64 x32", .names = "arch_prctl"},
	{.arches = "amd64 x32 x86", .names = "modify_ldt"},
	{.arches = "arm arm64", .names = "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"},
	{.arches = "mips mips64 mips64n32 mipsel mipsel64 mipsel64n32", .names = "cacheflush cachectl sysmips"},
	{.arches = "ppc64le", .names = "sync_file_range2 swapcontext"},
	{.arches = "riscv64", .names = "riscv_flush_icache"},
	{.arches = "s390 s390x", .names = "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"},

	{.caps = CAP(CAP_SYS_ADMIN), .names = "clone clone3 fanotify_init fsconfig fsmount fsopen fspick lsm_get_self_attr "
		"lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr pivot_root quotactl "
		"quotactl_fd setdomainname sethostname setns umount umount2 unshare"},
	{.caps = CAP(CAP_SYS_ADMIN) | CAP(CAP_SYSLOG), .names = "syslog"},
	{.caps = CAP(CAP_DAC_READ_SEARCH), .names = "open_by_handle_at"},
	{.caps = CAP(CAP_SYS_BOOT), .names = "reboot"},
	{.caps = CAP(CAP_SYS_CHROOT), .names = "chroot"},
	{.caps = CAP(CAP_SYS_MODULE), .names = "delete_module init_module finit_module"},
	{.caps = CAP(CAP_SYS_PACCT), .names = "acct"},
	{.caps = CAP(CAP_SYS_PTRACE), .names = "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
	{.caps = CAP(CAP_SYS_RAWIO), .names = "iopl ioperm"},
	{.caps = CAP(CAP_SYS_TIME), .names = "settimeofday stime clock_settime clock_settime64"},
	{.caps = CAP(CAP_SYS_TTY_CONFIG), .names = "vhangup"},
	{.caps = CAP(CAP_SYS_NICE), .names = "get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node"},
	{.caps = CAP(CAP_BPF), .names = "bpf"},
	{.caps = CAP(CAP_PERFMON), .names = "perf_event_open"},
};
/* clang-format on */

static void push_words(struct arena *a, struct spec_strs *to, const char *words)
{
	while (*words) {
		size_t n = strcspn(words, " ");
		char word[64];

		memcpy(word, words, n);
		word[n] = '\0';
		spec_strs_push(a, to, word);
		words += n + (words[n] == ' ');
	}
}

static bool row_applies(const struct profile_row *row, uint64_t caps, uint32_t kernel, const char *word)
{
	if ((row->caps && !(row->caps & caps)) || (row->not_caps & caps))
		return false;
	if (row->kernel > kernel || (row->arches && !word_in(row->arches, word)))
		return false;
	return !row->not_arches || !word_in(row->not_arches, word);
}

void spec_add_default_seccomp(struct spec *s, uint64_t caps, const char *arch_native, uint32_t kernel)
{
	struct spec_seccomp *f = &s->linux_.seccomp;
	struct spec_seccomp_rule plain = {.action = SPEC_SECCOMP_ALLOW};
	const char *word = arch_word(arch_native);

	*f = (struct spec_seccomp){
		.set = true,
		.default_action = SPEC_SECCOMP_ERRNO,
		.default_errno_ret = {.set = true, .v = EPERM},
	};
	spec_strs_push(&s->arena, &f->architectures, arch_native);
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
		if (str_eq(arches[i].name, arch_native) && arches[i].also)
			spec_strs_push(&s->arena, &f->architectures, arches[i].also);
	}
	for (size_t i = 0; i < ARRAY_SIZE(profile_rows); i++) {
		const struct profile_row *row = &profile_rows[i];
		struct spec_seccomp_rule rule = {.action = row->errno_ret ? SPEC_SECCOMP_ERRNO : SPEC_SECCOMP_ALLOW};

		if (!row_applies(row, caps, kernel, word))
			continue;
		if (!row->has_arg && !row->errno_ret) { /* all plain ones make one rule */
			push_words(&s->arena, &plain.names, row->names);
			continue;
		}
		push_words(&s->arena, &rule.names, row->names);
		if (row->errno_ret)
			rule.errno_ret = (struct spec_opt_u64){.set = true, .v = (uint64_t)row->errno_ret};
		if (row->has_arg)
			ARENA_PUSH(&s->arena, rule.args, rule.arg_count) = row->arg;
		ARENA_PUSH(&s->arena, f->rules, f->rule_count) = rule;
	}
	ARENA_PUSH(&s->arena, f->rules, f->rule_count) = plain;
}

void spec_allow_socketcall(struct spec *s)
{
	struct spec_seccomp_rule rule = {.action = SPEC_SECCOMP_ALLOW};

	spec_strs_push(&s->arena, &rule.names, "socketcall");
	ARENA_PUSH(&s->arena, s->linux_.seccomp.rules, s->linux_.seccomp.rule_count) = rule;
}

/* ---- Docker's format --------------------------------------------------------------------------------------------- */

struct filter {
	struct spec_strs caps;
	struct spec_strs arches;
	uint32_t min_kernel; /* 0: not given */
};

struct conditional_rule {
	struct spec_seccomp_rule rule;
	const char *name; /* the old form of one name */
	struct filter includes, excludes;
};

struct arch_entry {
	const char *name;
	struct spec_strs subs;
};

struct profile {
	struct spec_seccomp filter;
	struct conditional_rule *rules;
	size_t rule_count;
	struct arch_entry *arch_map;
	size_t arch_count;
};

/* "4.8" */
static int read_kernel(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	const char *s = json_str(j);
	uint32_t part[2] = {0, 0};
	int parts = 0;

	(void)f;
	if (s && !*s)
		return 0;
	for (; s && parts < 2; parts++) {
		size_t digits = strspn(s, "0123456789");

		if (digits == 0 || digits > 4)
			break;
		for (; digits > 0; digits--, s++)
			part[parts] = part[parts] * 10 + (uint32_t)(*s - '0');
		if (parts == 0 && *s++ != '.')
			break;
	}
	if (!s || parts < 2 || *s || part[0] > 255 || part[1] > 255 || (part[0] == 0 && part[1] == 0))
		return field_expected(r, j, "a kernel version such as \"4.8\"");
	((struct filter *)object)->min_kernel = KERNEL(part[0], part[1]);
	return 0;
}

static const struct field filter_rows[] = {
	TEXTS_ROW("caps", struct filter, caps, TEXT_KEY),
	TEXTS_ROW("arches", struct filter, arches, TEXT_KEY),
	{.name = "minKernel", .kind = FIELD_CUSTOM, .read = read_kernel},
};
static const struct field_table filter_table = FIELD_TABLE(filter_rows, struct filter);

static int finish_conditional(struct reader *r, void *object)
{
	struct conditional_rule *c = object;

	if (c->name && c->rule.names.count)
		return field_fault_at(r, "name", "does not go with names");
	if (c->name)
		spec_strs_push(r->arena, &c->rule.names, c->name);
	return spec_seccomp_finish_rule(r, &c->rule);
}

static const struct field conditional_rows[] = {
	TEXTS_ROW("names", struct conditional_rule, rule.names, TEXT_KEY),
	TEXT_ROW("name", struct conditional_rule, name, TEXT_KEY),
	{.name = "action",
	 .kind = FIELD_NAME,
	 AT(struct conditional_rule, rule.action),
	 .names = &spec_seccomp_action_names,
	 .flags = FIELD_REQUIRED},
	U64_ROW("errnoRet", struct conditional_rule, rule.errno_ret, UINT16_MAX),
	{.name = "args",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct conditional_rule, rule.args, rule.arg_count),
	 .child = &spec_seccomp_arg_table},
	{.name = "comment", .kind = FIELD_SHAPE, .min = JSON_STRING},
	{.name = "includes", .kind = FIELD_OBJECT, AT(struct conditional_rule, includes), .child = &filter_table},
	{.name = "excludes", .kind = FIELD_OBJECT, AT(struct conditional_rule, excludes), .child = &filter_table},
};
static const struct field_table conditional_table =
	FIELD_TABLE(conditional_rows, struct conditional_rule, .finish = finish_conditional);

static const struct field arch_entry_rows[] = {
	TEXT_ROW("architecture", struct arch_entry, name, TEXT_KEY, .flags = FIELD_REQUIRED),
	TEXTS_ROW("subArchitectures", struct arch_entry, subs, TEXT_KEY),
};
static const struct field_table arch_entry_table = FIELD_TABLE(arch_entry_rows, struct arch_entry);

static const struct field profile_only_rows[] = {
	{.name = "syscalls",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct profile, rules, rule_count),
	 .child = &conditional_table},
	{.name = "archMap",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct profile, arch_map, arch_count),
	 .child = &arch_entry_table},
};
static const struct field_table profile_only_table = FIELD_TABLE(profile_only_rows, struct profile);

static bool any_cap(const struct spec_strs *names, uint64_t caps, bool all)
{
	for (size_t i = 0; i < names->count; i++) {
		int cap = spec_cap_from_name(names->items[i]);
		bool have = cap >= 0 && (caps & CAP(cap));

		if (have != all)
			return have;
	}
	return all;
}

static bool has_word(const struct spec_strs *v, const char *word)
{
	for (size_t i = 0; i < v->count; i++) {
		if (str_eq(v->items[i], word))
			return true;
	}
	return false;
}

static bool rule_applies(const struct conditional_rule *c, const char *word, uint64_t caps, uint32_t kernel)
{
	const struct filter *in = &c->includes;
	const struct filter *out = &c->excludes;

	if (has_word(&out->arches, word) || any_cap(&out->caps, caps, false) ||
	    (out->min_kernel && kernel >= out->min_kernel))
		return false;
	if (in->arches.count && !has_word(&in->arches, word))
		return false;
	return any_cap(&in->caps, caps, true) && kernel >= in->min_kernel;
}

/* Leave in @p->filter what holds for this machine and container. */
static int resolve(struct reader *r, struct profile *p, const char *arch_native, uint64_t caps, uint32_t kernel)
{
	struct spec_seccomp *f = &p->filter;
	const char *word = arch_word(arch_native);

	if (p->arch_count && f->architectures.count)
		return field_fault_at(r, "archMap", "does not go with architectures");
	for (size_t i = 0; i < p->arch_count; i++) {
		if (!str_eq(p->arch_map[i].name, arch_native))
			continue;
		spec_strs_push(r->arena, &f->architectures, p->arch_map[i].name);
		for (size_t k = 0; k < p->arch_map[i].subs.count; k++)
			spec_strs_push(r->arena, &f->architectures, p->arch_map[i].subs.items[k]);
		break;
	}
	f->rules = NULL;
	f->rule_count = 0;
	for (size_t i = 0; i < p->rule_count; i++) {
		if (rule_applies(&p->rules[i], word, caps, kernel))
			ARENA_PUSH(r->arena, f->rules, f->rule_count) = p->rules[i].rule;
	}
	return spec_seccomp_table.finish(r, f); /* names of the architectures */
}

int spec_parse_seccomp_profile(const char *text, size_t len, const char *name, const char *arch_native, uint64_t caps,
			       uint32_t kernel, struct arena *a, struct spec_seccomp *ret, struct error *err)
{
	struct reader r = {.arena = a, .document = name, .err = err};
	struct profile p = {.filter.set = true};
	autojson struct json *j = NULL;
	int rc;

	if (len > SPEC_CONFIG_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, EFBIG, "%s: has %zu bytes, at most %u are accepted", name, len,
				 SPEC_CONFIG_MAX_BYTES);
	rc = json_parse(text, len, name, &j, err);
	if (rc == 0)
		rc = spec_seccomp_read_frame(&r, j, &p.filter);
	if (rc == 0)
		rc = field_read_object(&r, &profile_only_table, j, &p);
	if (rc == 0)
		rc = resolve(&r, &p, arch_native, caps, kernel);
	if (rc < 0)
		return rc;
	*ret = p.filter;
	return 0;
}
