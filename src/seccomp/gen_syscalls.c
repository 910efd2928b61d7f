/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build-time program: writes the table of system call names and numbers (syscall_table.h) to standard output. Names and
 * numbers come from libseccomp, asked number by number, because that way it tells the directly wired calls also where an
 * architecture has a multiplexed form. Calls that are newer than the installed libseccomp come from `newer` below; since
 * Linux 5.1 a new call has one number on all architectures.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <seccomp.h>

#include "seccomp/arch.h"
#include "seccomp/syscalls.h"

#define ROWS_MAX 1024
#define NUMBERS_MAX 1024
#define HASH_SIZE 2048

struct row {
	char name[40];
	uint8_t mux;
	uint8_t int_args;
	int64_t number[SECCOMP_ARCH_COUNT]; /* -1: not there */
};

struct table {
	struct row rows[ROWS_MAX];
	size_t row_count;
};

#define ARCH_ROW(name, audit, base, wide, big, mux)                                                                    \
	[SECCOMP_ARCH_##name] = {"SCMP_ARCH_" #name, audit, base, wide, big, mux},
static const struct arch_info archs[SECCOMP_ARCH_COUNT] = {SECCOMP_ARCHS(ARCH_ROW)};

/* Source: linux/net.h SYS_SOCKET…, linux/ipc.h SEMOP…. */
static const struct {
	const char *name;
	uint8_t mux;
} muxes[] = {
	{"socket", 1},
	{"bind", 2},
	{"connect", 3},
	{"listen", 4},
	{"accept", 5},
	{"getsockname", 6},
	{"getpeername", 7},
	{"socketpair", 8},
	{"send", 9},
	{"recv", 10},
	{"sendto", 11},
	{"recvfrom", 12},
	{"shutdown", 13},
	{"setsockopt", 14},
	{"getsockopt", 15},
	{"sendmsg", 16},
	{"recvmsg", 17},
	{"accept4", 18},
	{"recvmmsg", 19},
	{"sendmmsg", 20},
	{"semop", SYSCALL_MUX_IPC | 1},
	{"semget", SYSCALL_MUX_IPC | 2},
	{"semctl", SYSCALL_MUX_IPC | 3},
	{"semtimedop", SYSCALL_MUX_IPC | 4},
	{"msgsnd", SYSCALL_MUX_IPC | 11},
	{"msgrcv", SYSCALL_MUX_IPC | 12},
	{"msgget", SYSCALL_MUX_IPC | 13},
	{"msgctl", SYSCALL_MUX_IPC | 14},
	{"shmat", SYSCALL_MUX_IPC | 21},
	{"shmdt", SYSCALL_MUX_IPC | 22},
	{"shmget", SYSCALL_MUX_IPC | 23},
	{"shmctl", SYSCALL_MUX_IPC | 24},
};

/*
 * Arguments that the kernel declares as int or unsigned int (include/linux/syscalls.h): it drops the high half of the
 * register, so a filter that compares all 64 bits can be walked around by setting a bit up there (CVE-2019-10063 and
 * CVE-2019-7303 did it with ioctl). Only calls that filters look into are listed.
 */
static const struct {
	const char *name;
	const char *args;
} int_args[] = {
	{"accept4", "03"},
	{"access", "1"},
	{"add_key", "4"},
	{"arch_prctl", "0"},
	{"bind", "0"},
	{"bpf", "02"},
	{"clock_adjtime", "0"},
	{"clock_settime", "0"},
	{"close_range", "012"},
	{"connect", "0"},
	{"dup3", "012"},
	{"epoll_create1", "0"},
	{"eventfd2", "01"},
	{"faccessat2", "023"},
	{"fanotify_init", "01"},
	{"fchmod", "01"},
	{"fchmodat", "02"},
	{"fchmodat2", "023"},
	{"fchownat", "0234"},
	{"fcntl", "01"},
	{"fcntl64", "01"},
	{"fsconfig", "014"},
	{"fsmount", "012"},
	{"fsopen", "1"},
	{"fspick", "02"},
	{"futex", "12"},
	{"getsockopt", "012"},
	{"inotify_init1", "0"},
	{"io_uring_enter", "0123"},
	{"io_uring_register", "013"},
	{"io_uring_setup", "0"},
	{"ioctl", "01"},
	{"ioprio_set", "012"},
	{"keyctl", "0"},
	{"kill", "01"},
	{"landlock_restrict_self", "01"},
	{"listen", "01"},
	{"madvise", "2"},
	{"memfd_create", "1"},
	{"memfd_secret", "0"},
	{"mkdir", "1"},
	{"mkdirat", "02"},
	{"mknod", "12"},
	{"mknodat", "023"},
	{"mount_setattr", "02"},
	{"move_mount", "024"},
	{"open", "12"},
	{"open_by_handle_at", "02"},
	{"open_tree", "02"},
	{"openat", "023"},
	{"personality", "0"},
	{"pidfd_getfd", "012"},
	{"pidfd_open", "01"},
	{"pidfd_send_signal", "013"},
	{"pipe2", "1"},
	{"prctl", "0"},
	{"prlimit64", "01"},
	{"process_madvise", "034"},
	{"quotactl", "02"},
	{"reboot", "012"},
	{"recvfrom", "03"},
	{"recvmmsg", "023"},
	{"recvmsg", "02"},
	{"renameat2", "024"},
	{"sched_setscheduler", "01"},
	{"seccomp", "01"},
	{"sendmmsg", "023"},
	{"sendmsg", "02"},
	{"sendto", "03"},
	{"setns", "01"},
	{"setpriority", "012"},
	{"setsockopt", "0124"},
	{"shutdown", "01"},
	{"signalfd4", "03"},
	{"socket", "012"},
	{"socketpair", "012"},
	{"syslog", "02"},
	{"tgkill", "012"},
	{"timerfd_create", "01"},
	{"tkill", "01"},
	{"userfaultfd", "0"},
	{"utimensat", "03"},
	{"waitid", "03"},
};

/* Calls that libseccomp 2.5 does not know. Source: kernel scripts/syscall.tbl and arch/x86/entry/syscalls up to 6.18. */
static const struct {
	const char *name;
	unsigned number;
	int arch; /* SECCOMP_ARCH_COUNT: all */
} newer[] = {
	{"cachestat", 451, SECCOMP_ARCH_COUNT},         {"fchmodat2", 452, SECCOMP_ARCH_COUNT},
	{"map_shadow_stack", 453, SECCOMP_ARCH_COUNT},  {"futex_wake", 454, SECCOMP_ARCH_COUNT},
	{"futex_wait", 455, SECCOMP_ARCH_COUNT},        {"futex_requeue", 456, SECCOMP_ARCH_COUNT},
	{"statmount", 457, SECCOMP_ARCH_COUNT},         {"listmount", 458, SECCOMP_ARCH_COUNT},
	{"lsm_get_self_attr", 459, SECCOMP_ARCH_COUNT}, {"lsm_set_self_attr", 460, SECCOMP_ARCH_COUNT},
	{"lsm_list_modules", 461, SECCOMP_ARCH_COUNT},  {"mseal", 462, SECCOMP_ARCH_COUNT},
	{"setxattrat", 463, SECCOMP_ARCH_COUNT},        {"getxattrat", 464, SECCOMP_ARCH_COUNT},
	{"listxattrat", 465, SECCOMP_ARCH_COUNT},       {"removexattrat", 466, SECCOMP_ARCH_COUNT},
	{"open_tree_attr", 467, SECCOMP_ARCH_COUNT},    {"file_getattr", 468, SECCOMP_ARCH_COUNT},
	{"file_setattr", 469, SECCOMP_ARCH_COUNT},      {"uretprobe", 335, SECCOMP_ARCH_X86_64},
	{"uprobe", 336, SECCOMP_ARCH_X86_64},           {"riscv_hwprobe", 258, SECCOMP_ARCH_RISCV64},
};

static void die(const char *what)
{
	fprintf(stderr, "gen_syscalls: %s\n", what);
	exit(1);
}

static struct row *row_get(struct table *t, const char *name)
{
	struct row *r;

	for (size_t i = 0; i < t->row_count; i++)
		if (strcmp(t->rows[i].name, name) == 0)
			return &t->rows[i];
	if (t->row_count == ROWS_MAX || strlen(name) >= sizeof(r->name))
		die("too many or too long names");
	r = &t->rows[t->row_count++];
	memcpy(r->name, name, strlen(name) + 1);
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++)
		r->number[a] = -1;
	return r;
}

static void ask_range(struct table *t, int arch, uint32_t token, uint32_t first, uint32_t count)
{
	for (uint32_t n = first; n < first + count; n++) {
		char *name = seccomp_syscall_resolve_num_arch(token, (int)n);

		if (name)
			row_get(t, name)->number[arch] = n;
		free(name);
	}
}

static void ask_libseccomp(struct table *t)
{
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
		char word[40];
		uint32_t token;

		/* "SCMP_ARCH_X86_64" is "x86_64" for libseccomp. */
		(void)snprintf(word, sizeof(word), "%s", archs[a].name + strlen("SCMP_ARCH_"));
		for (char *c = word; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
		token = seccomp_arch_resolve_name(word);
		if (token == 0)
			continue; /* newer than this libseccomp */
		ask_range(t, a, token, archs[a].base, NUMBERS_MAX);
		if (a == SECCOMP_ARCH_ARM)
			ask_range(t, a, token, 0x0f0000, 0x20); /* __ARM_NR_BASE */
	}
}

static int64_t number_of(const struct table *t, const char *name, int arch)
{
	for (size_t i = 0; i < t->row_count; i++)
		if (strcmp(t->rows[i].name, name) == 0)
			return t->rows[i].number[arch];
	return -1;
}

/* Where libseccomp knows a name, its word stands for all architectures. */
static void add_newer(struct table *t)
{
	size_t asked = t->row_count;

	for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++)
		for (int a = 0; a < SECCOMP_ARCH_COUNT; a++) {
			struct row *r;

			if (newer[i].arch != SECCOMP_ARCH_COUNT && newer[i].arch != a)
				continue;
			/* An architecture without table stays so: half a table would be worse. */
			if (number_of(t, "read", a) < 0)
				continue;
			r = row_get(t, newer[i].name);
			if (r >= &t->rows[asked])
				r->number[a] = archs[a].base + newer[i].number;
		}
}

static void add_traits(struct table *t)
{
	for (size_t i = 0; i < sizeof(muxes) / sizeof(muxes[0]); i++)
		row_get(t, muxes[i].name)->mux = muxes[i].mux;
	for (size_t i = 0; i < sizeof(int_args) / sizeof(int_args[0]); i++)
		for (const char *c = int_args[i].args; *c; c++)
			row_get(t, int_args[i].name)->int_args |= (uint8_t)(1u << (*c - '0'));
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The numbers of one architecture, and each row's rank among them. Returns how many there are. */
static size_t put_arch(const struct table *t, int a, uint16_t (*rank)[SECCOMP_ARCH_COUNT])
{
	uint32_t numbers[ROWS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < t->row_count; i++)
		if (t->rows[i].number[a] >= 0)
			numbers[count++] = (uint32_t)t->rows[i].number[a];
	qsort(numbers, count, sizeof(numbers[0]), by_number);
	for (size_t i = 1; i < count; i++)
		if (numbers[i] == numbers[i - 1])
			die("two names with one number");
	printf("\t/* %s */", archs[a].name);
	for (size_t i = 0; i < count; i++)
		printf("%s%u,", i % 16 ? "" : "\n\t", numbers[i]);
	printf("\n");
	for (size_t i = 0; i < t->row_count; i++) {
		rank[i][a] = SYSCALL_RANK_NONE;
		for (size_t k = 0; k < count && t->rows[i].number[a] >= 0; k++)
			if (numbers[k] == (uint32_t)t->rows[i].number[a])
				rank[i][a] = (uint16_t)k;
	}
	return count;
}

static void put_numbers(const struct table *t, uint16_t (*rank)[SECCOMP_ARCH_COUNT])
{
	size_t start[SECCOMP_ARCH_COUNT + 1] = {0};

	printf("static const uint32_t numbers[] = {\n");
	for (int a = 0; a < SECCOMP_ARCH_COUNT; a++)
		start[a + 1] = start[a] + put_arch(t, a, rank);
	printf("};\nstatic const uint16_t number_start[] = {");
	for (int a = 0; a <= SECCOMP_ARCH_COUNT; a++)
		printf("%zu,", start[a]);
	printf("};\n");
}

static void put_hash(const struct table *t)
{
	uint16_t slots[HASH_SIZE];

	memset(slots, 0xff, sizeof(slots));
	for (size_t i = 0; i < t->row_count; i++) {
		uint32_t h = syscall_hash(t->rows[i].name) % HASH_SIZE;

		while (slots[h] != SYSCALL_ROW_NONE)
			h = (h + 1) % HASH_SIZE;
		slots[h] = (uint16_t)i;
	}
	printf("#define HASH_SIZE %d\nstatic const uint16_t hash_slots[HASH_SIZE] = {", HASH_SIZE);
	for (size_t i = 0; i < HASH_SIZE; i++)
		printf("%s%u,", i % 24 ? "" : "\n\t", slots[i]);
	printf("\n};\n");
}

static void put_rows(const struct table *t, uint16_t (*rank)[SECCOMP_ARCH_COUNT])
{
	size_t offset = 0;

	printf("static const char name_pool[] =\n");
	for (size_t i = 0; i < t->row_count; i++)
		printf("\t\"%s\\0\"\n", t->rows[i].name);
	printf("\t;\nstatic const struct syscall_row rows[] = {\n");
	for (size_t i = 0; i < t->row_count; i++) {
		printf("\t{%zu, %u, %u, {", offset, t->rows[i].mux, t->rows[i].int_args);
		for (int a = 0; a < SECCOMP_ARCH_COUNT; a++)
			printf("%u,", rank[i][a]);
		printf("}},\n");
		offset += strlen(t->rows[i].name) + 1;
	}
	if (offset > UINT16_MAX)
		die("names pass 64 KiB");
	printf("};\n");
}

int main(void)
{
	static struct table table;
	static uint16_t rank[ROWS_MAX][SECCOMP_ARCH_COUNT];

	ask_libseccomp(&table);
	if (number_of(&table, "read", SECCOMP_ARCH_X86_64) != 0)
		die("libseccomp gives no numbers");
	add_newer(&table);
	add_traits(&table);
	printf("/* Made by gen_syscalls.c. */\n");
	put_numbers(&table, rank);
	put_rows(&table, rank);
	put_hash(&table);
	return fflush(stdout) != 0 || ferror(stdout);
}
