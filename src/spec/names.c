/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and numbers of the kernel's objects that documents speak of: capabilities, resource limits, namespaces, hooks,
 * seccomp words, CPU and node lists, sysctls, container ids. Pure tables and grammars.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "spec/fields.h"

/* In the order of linux/capability.h. */
static const char *const cap_names[SPEC_CAP_COUNT] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

int spec_cap_from_name(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (int i = 0; i < SPEC_CAP_COUNT; i++) {
		if (strcasecmp(cap_names[i] + 4, name) == 0)
			return i;
	}
	return -1;
}

const char *spec_cap_name(int cap)
{
	return cap >= 0 && cap < SPEC_CAP_COUNT ? cap_names[cap] : NULL;
}

static const struct field_name rlimit_rows[] = {
	{"RLIMIT_AS", RLIMIT_AS},
	{"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},
	{"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},
	{"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},
	{"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", RLIMIT_STACK},
};
const struct field_names spec_rlimit_names = FIELD_NAMES(rlimit_rows, "an RLIMIT_ name");

int spec_rlimit_from_name(const char *name)
{
	if (strncasecmp(name, "RLIMIT_", 7) == 0)
		name += 7;
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_rows); i++) {
		if (strcasecmp(rlimit_rows[i].name + 7, name) == 0)
			return (int)rlimit_rows[i].value;
	}
	return -1;
}

const char *spec_rlimit_name(int resource)
{
	return resource < 0 ? NULL : field_value_name(&spec_rlimit_names, (uint64_t)resource);
}

static const struct {
	const char *name;
	const char *proc_name;
	uint64_t flag;
} namespaces[SPEC_NS_COUNT] = {
	[SPEC_NS_USER] = {"user", "user", CLONE_NEWUSER},
	[SPEC_NS_PID] = {"pid", "pid", CLONE_NEWPID},
	[SPEC_NS_NETWORK] = {"network", "net", CLONE_NEWNET},
	[SPEC_NS_MOUNT] = {"mount", "mnt", CLONE_NEWNS},
	[SPEC_NS_IPC] = {"ipc", "ipc", CLONE_NEWIPC},
	[SPEC_NS_UTS] = {"uts", "uts", CLONE_NEWUTS},
	[SPEC_NS_CGROUP] = {"cgroup", "cgroup", CLONE_NEWCGROUP},
	[SPEC_NS_TIME] = {"time", "time", CLONE_NEWTIME},
};

const char *spec_ns_name(enum spec_ns ns)
{
	return namespaces[ns].name;
}

const char *spec_ns_proc_name(enum spec_ns ns)
{
	return namespaces[ns].proc_name;
}

uint64_t spec_ns_clone_flag(enum spec_ns ns)
{
	return namespaces[ns].flag;
}

static const char *const hook_points[SPEC_HOOK_COUNT] = {
	[SPEC_HOOK_PRESTART] = "prestart",
	[SPEC_HOOK_CREATE_RUNTIME] = "createRuntime",
	[SPEC_HOOK_CREATE_CONTAINER] = "createContainer",
	[SPEC_HOOK_START_CONTAINER] = "startContainer",
	[SPEC_HOOK_POSTSTART] = "poststart",
	[SPEC_HOOK_POSTSTOP] = "poststop",
};

const char *spec_hook_point_name(enum spec_hook_point p)
{
	return hook_points[p];
}

static const struct field_name propagation_rows[] = {
	{"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
	{"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
	{"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
	{"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};
const struct field_names spec_propagation_names =
	FIELD_NAMES(propagation_rows, "[r]private, [r]shared, [r]slave or [r]unbindable");

/* The first name of a value is the one that is written. */
static const struct field_name action_rows[] = {
	{"SCMP_ACT_ALLOW", SPEC_SECCOMP_ALLOW},
	{"SCMP_ACT_ERRNO", SPEC_SECCOMP_ERRNO},
	{"SCMP_ACT_KILL_THREAD", SPEC_SECCOMP_KILL_THREAD},
	{"SCMP_ACT_KILL", SPEC_SECCOMP_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SPEC_SECCOMP_KILL_PROCESS},
	{"SCMP_ACT_TRAP", SPEC_SECCOMP_TRAP},
	{"SCMP_ACT_TRACE", SPEC_SECCOMP_TRACE},
	{"SCMP_ACT_LOG", SPEC_SECCOMP_LOG},
	{"SCMP_ACT_NOTIFY", SPEC_SECCOMP_NOTIFY},
};
const struct field_names spec_seccomp_action_names = FIELD_NAMES(action_rows, "an SCMP_ACT_ name");

const char *spec_seccomp_action_name(enum spec_seccomp_action a)
{
	return field_value_name(&spec_seccomp_action_names, a);
}

static const struct field_name op_rows[] = {
	{"SCMP_CMP_EQ", SPEC_SECCOMP_EQ},
	{"SCMP_CMP_NE", SPEC_SECCOMP_NE},
	{"SCMP_CMP_LT", SPEC_SECCOMP_LT},
	{"SCMP_CMP_LE", SPEC_SECCOMP_LE},
	{"SCMP_CMP_GE", SPEC_SECCOMP_GE},
	{"SCMP_CMP_GT", SPEC_SECCOMP_GT},
	{"SCMP_CMP_MASKED_EQ", SPEC_SECCOMP_MASKED_EQ},
};
const struct field_names spec_seccomp_op_names = FIELD_NAMES(op_rows, "an SCMP_CMP_ name");

const char *spec_seccomp_op_name(enum spec_seccomp_op op)
{
	return field_value_name(&spec_seccomp_op_names, op);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* Digits at *@s, at most 2^31. */
static int list_number(const char **s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!isdigit((unsigned char)**s))
		return -EINVAL;
	for (; isdigit((unsigned char)**s); ++*s) {
		v = v * 10 + (uint64_t)(**s - '0');
		if (v > INT32_MAX)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/* The kernel's own parser (lib/bitmap.c) takes blanks between ranges; engines write them now and then. */
static void list_blanks(const char **s)
{
	while (**s == ' ' || **s == '\t' || **s == '\n')
		++*s;
}

int spec_parse_list(const char *list, void *bits, size_t size)
{
	unsigned char *set = bits;
	const char *s = list;

	if (set)
		memset(set, 0, size);
	for (;;) {
		uint64_t from = 0;
		uint64_t to;
		int rc;

		list_blanks(&s);
		rc = list_number(&s, &from);
		to = from;
		if (rc == 0 && *s == '-') {
			s++;
			rc = list_number(&s, &to);
		}
		if (rc < 0)
			return rc;
		if (to < from)
			return -EINVAL;
		if (set && to / 8 >= size)
			return -ERANGE;
		for (uint64_t n = from; set && n <= to; n++)
			set[n / 8] |= (unsigned char)(1u << (n % 8));
		list_blanks(&s);
		if (*s == '\0')
			return 0;
		if (*s++ != ',')
			return -EINVAL;
	}
}

/* ---- sysctls ----------------------------------------------------------------------------------------------------- */

/* The separator of @key: the first of '.' and '/' (sysctl(8)). */
static char sysctl_separator(const char *key)
{
	return key[strcspn(key, "./")];
}

char *spec_sysctl_path(struct arena *a, const char *key)
{
	bool swap = sysctl_separator(key) == '.';
	char *path = arena_strdup(a, key);

	for (char *p = path; swap && *p; p++) {
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	}
	return path;
}

/* Does @key, whose separator is @separator, equal @name (or begin with it, when @name ends in a dot)? @name has dots. */
static bool sysctl_is(const char *key, char separator, const char *name)
{
	for (; *name; name++, key++) {
		if (*name == '.' ? *key != separator : *key != *name)
			return false;
	}
	return name[-1] == '.' || *key == '\0';
}

int spec_sysctl_namespace(const char *key)
{
	/* A name that ends in a dot stands for all below it. */
	static const struct {
		const char *name;
		enum spec_ns ns;
	} rows[] = {
		{"net.", SPEC_NS_NETWORK},
		{"fs.mqueue.", SPEC_NS_IPC},
		{"kernel.msgmax", SPEC_NS_IPC},
		{"kernel.msgmnb", SPEC_NS_IPC},
		{"kernel.msgmni", SPEC_NS_IPC},
		{"kernel.msg_next_id", SPEC_NS_IPC},
		{"kernel.sem", SPEC_NS_IPC},
		{"kernel.sem_next_id", SPEC_NS_IPC},
		{"kernel.shmall", SPEC_NS_IPC},
		{"kernel.shmmax", SPEC_NS_IPC},
		{"kernel.shmmni", SPEC_NS_IPC},
		{"kernel.shm_next_id", SPEC_NS_IPC},
		{"kernel.shm_rmid_forced", SPEC_NS_IPC},
		{"kernel.hostname", SPEC_NS_UTS},
		{"kernel.domainname", SPEC_NS_UTS},
		{"user.", SPEC_NS_USER},
	};
	char separator = sysctl_separator(key);

	if (!field_text_ok(TEXT_SYSCTL, key))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (sysctl_is(key, separator, rows[i].name))
			return (int)rows[i].ns;
	}
	return -1;
}

/* ---- container ids ----------------------------------------------------------------------------------------------- */

#define ID_BYTES_MAX 255

int spec_check_id(const char *id, struct error *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.";
	size_t len = strlen(id);

	if (len == 0)
		return error_set(err, ERROR_INVALID, EINVAL, "the container id is empty");
	if (len > ID_BYTES_MAX)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG,
				 "the container id has %zu bytes, at most %d are possible", len, ID_BYTES_MAX);
	if (strspn(id, allowed) != len || str_eq(id, ".") || str_eq(id, "..")) {
		(void)error_set(err, ERROR_INVALID, EINVAL, "the container id is not a valid name");
		return error_hint(err, "use letters, digits and the characters _ + - .");
	}
	return 0;
}
