/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document that `bothy-oci spec` writes (the same as runc's, so that scripts which edit it keep working), and the
 * engine's own defaults: mounts, masked and read-only paths. All of it is data in tables.
 */
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#include "spec/fields.h"

#define OPTIONS_MAX 7

struct default_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char *options[OPTIONS_MAX];
};

static void add_mount(struct spec *s, const struct default_mount *d)
{
	struct spec_mount m = {
		.destination = arena_strdup(&s->arena, d->destination),
		.type = arena_strdup(&s->arena, d->type),
		.source = arena_strdup(&s->arena, d->source),
		.options.items = arena_alloc(&s->arena, 1, sizeof(char *)),
	};
	struct error err = {0};

	for (size_t i = 0; i < OPTIONS_MAX && d->options[i]; i++)
		spec_strs_push(&s->arena, &m.options, d->options[i]);
	(void)spec_mount_parse_options(&s->arena, &m, d->destination, &err); /* our own words: cannot fail */
	ARENA_PUSH(&s->arena, s->mounts, s->mount_count) = m;
}

static void add_strings(struct arena *a, struct spec_strs *to, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		spec_strs_push(a, to, words[i]);
}

static void add_namespace(struct spec *s, enum spec_ns ns)
{
	s->linux_.ns[ns].present = true;
}

static const char *const masked_paths[] = {
	"/proc/acpi",       "/proc/asound",      "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
};
static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* ---- bothy-oci spec ---------------------------------------------------------------------------------------------- */

static void default_process(struct spec *s)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=xterm",
	};
	struct spec_process *p = &s->process;
	uint64_t caps = UINT64_C(1) << CAP_AUDIT_WRITE | UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_NET_BIND_SERVICE;

	p->set = true;
	p->terminal = true;
	p->cwd = "/";
	p->no_new_privileges = true;
	spec_strs_push(&s->arena, &p->args, "sh");
	add_strings(&s->arena, &p->env, env, ARRAY_SIZE(env));
	p->caps = (struct spec_caps){.set = true, .bounding = caps, .effective = caps, .permitted = caps};
	ARENA_PUSH(&s->arena, p->rlimits, p->rlimit_count) =
		(struct spec_rlimit){.resource = RLIMIT_NOFILE, .soft = 1024, .hard = 1024};
}

static const struct default_mount document_mounts[] = {
	{"/proc", "proc", "proc", {NULL}},
	{"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
	{"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
	{"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
	{"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
	{"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
};

/* What differs when there is a user namespace of one id and no network namespace: group 5 does not exist, and only the
 * owner of the network namespace may mount sysfs. */
static const struct default_mount rootless_mounts[] = {
	{"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
	{"/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}},
};

static void default_document_mounts(struct spec *s, bool rootless)
{
	for (size_t i = 0; i < ARRAY_SIZE(document_mounts); i++) {
		const struct default_mount *d = &document_mounts[i];

		for (size_t k = 0; rootless && k < ARRAY_SIZE(rootless_mounts); k++) {
			if (str_eq(d->destination, rootless_mounts[k].destination))
				d = &rootless_mounts[k];
		}
		add_mount(s, d);
	}
}

void spec_default(struct spec *s, bool rootless, uint32_t euid, uint32_t egid)
{
	struct spec_linux *l = &s->linux_;

	spec_init(s);
	s->oci_version = "1.3.0";
	s->root_path = "rootfs";
	s->root_readonly = true;
	s->hostname = "bothy";
	default_process(s);
	default_document_mounts(s, rootless);
	add_strings(&s->arena, &l->masked_paths, masked_paths, ARRAY_SIZE(masked_paths));
	add_strings(&s->arena, &l->readonly_paths, readonly_paths, ARRAY_SIZE(readonly_paths));
	add_namespace(s, SPEC_NS_PID);
	add_namespace(s, SPEC_NS_IPC);
	add_namespace(s, SPEC_NS_UTS);
	add_namespace(s, SPEC_NS_MOUNT);
	if (rootless) {
		add_namespace(s, SPEC_NS_USER);
		ARENA_PUSH(&s->arena, l->uid_mappings.items, l->uid_mappings.count) =
			(struct spec_id_map){.host_id = euid, .size = 1};
		ARENA_PUSH(&s->arena, l->gid_mappings.items, l->gid_mappings.count) =
			(struct spec_id_map){.host_id = egid, .size = 1};
		return;
	}
	add_namespace(s, SPEC_NS_NETWORK);
	ARENA_PUSH(&s->arena, l->resources.devices, l->resources.device_count) = (struct spec_device_rule){
		.type = 'a',
		.major = -1,
		.minor = -1,
		.access = SPEC_ACCESS_READ | SPEC_ACCESS_WRITE | SPEC_ACCESS_MKNOD,
	};
}

/* ---- bothy run --------------------------------------------------------------------------------------------------- */

/* When a row of engine_mounts applies. */
enum when { ALWAYS, OWN_NET, HOST_NET, OWN_CGROUP, HOST_CGROUP, OWN_IPC, HOST_IPC };

/* A namespace that is the host's belongs to the host's user namespace, so its file system cannot be mounted anew from
 * ours; what the host has mounted is bound instead. */
static const struct {
	enum when when;
	struct default_mount mount;
} engine_mounts[] = {
	{ALWAYS, {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}}},
	{ALWAYS, {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}}},
	{ALWAYS,
	 {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}}},
	{OWN_NET, {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}}},
	{HOST_NET, {"/sys", "none", "/sys", {"rbind", "rprivate", "nosuid", "noexec", "nodev", "rro"}}},
	{OWN_CGROUP, {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"}}},
	{HOST_CGROUP,
	 {"/sys/fs/cgroup", "none", "/sys/fs/cgroup", {"rbind", "rprivate", "nosuid", "noexec", "nodev", "rro"}}},
	{OWN_IPC, {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}}},
	{HOST_IPC, {"/dev/mqueue", "none", "/dev/mqueue", {"bind", "nosuid", "noexec", "nodev", "x-optional"}}},
	{OWN_IPC, {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777"}}},
	{HOST_IPC, {"/dev/shm", "none", "/dev/shm", {"bind", "nosuid", "noexec", "nodev"}}},
};

#define TTY_GID 5

/* In a user namespace without group 5 devpts refuses "gid=5" (fs/devpts/inode.c). */
static bool tty_group_exists(const struct spec *s)
{
	const struct spec_id_maps *m = &s->linux_.gid_mappings;

	if (!s->linux_.ns[SPEC_NS_USER].present || m->count == 0)
		return true;
	for (size_t i = 0; i < m->count; i++) {
		if (m->items[i].container_id <= TTY_GID && TTY_GID - m->items[i].container_id < m->items[i].size)
			return true;
	}
	return false;
}

void spec_add_default_mounts(struct spec *s, bool own_netns, bool own_cgroupns, bool own_ipcns, uint64_t shm_bytes)
{
	const bool applies[] = {
		[ALWAYS] = true,
		[OWN_NET] = own_netns,
		[HOST_NET] = !own_netns,
		[OWN_CGROUP] = own_cgroupns,
		[HOST_CGROUP] = !own_cgroupns,
		[OWN_IPC] = own_ipcns,
		[HOST_IPC] = !own_ipcns,
	};

	for (size_t i = 0; i < ARRAY_SIZE(engine_mounts); i++) {
		struct default_mount d = engine_mounts[i].mount;

		if (!applies[engine_mounts[i].when])
			continue;
		if (str_eq(d.type, "devpts") && !tty_group_exists(s))
			d.options[5] = NULL; /* gid=5 is the last one */
		if (str_eq(d.source, "shm"))
			d.options[4] = arena_printf(&s->arena, "size=%llu", (unsigned long long)shm_bytes);
		add_mount(s, &d);
	}
}

/* Docker's list, newest (SECURITY.md "Defaults to meet or beat"): what is there beyond runc's tells of the host's
 * interrupts and energy use, which are side channels (GHSA-6fw5-f8r9-fgfm, GHSA-jq35-85cj-fj4p). */
static const char *const extra_masked_paths[] = {"/proc/interrupts", "/sys/devices/virtual/powercap"};

void spec_add_default_masks(struct spec *s)
{
	struct spec_linux *l = &s->linux_;

	add_strings(&s->arena, &l->masked_paths, masked_paths, ARRAY_SIZE(masked_paths));
	add_strings(&s->arena, &l->masked_paths, extra_masked_paths, ARRAY_SIZE(extra_masked_paths));
	add_strings(&s->arena, &l->readonly_paths, readonly_paths, ARRAY_SIZE(readonly_paths));
}
