/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

/*
 * The OCI documents as data: runtime-spec 1.3 (config.json for Linux) and image-spec 1.1 (image config, manifest, index).
 * Parsing turns names into numbers (capabilities, mount options, seccomp actions), checks type, range and length of every
 * field, and says in one line which field is wrong and what was expected. Nothing here touches the system.
 *
 * Memory: all strings and arrays live in the document's arena and are borrowed from it.
 * Source: github.com/opencontainers/runtime-spec v1.3.0 config.md, config-linux.md, features.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

/* Optional scalars: a field that is absent differs from one that is zero. */
struct spec_opt_i64 {
	bool set;
	int64_t v;
};
struct spec_opt_u64 {
	bool set;
	uint64_t v;
};
struct spec_opt_bool {
	bool set;
	bool v;
};

/* A NULL-terminated array of strings as well as a counted one; items is never NULL after parsing or spec_init. */
struct spec_strs {
	char **items;
	size_t count;
};
void spec_strs_push(struct arena *a, struct spec_strs *v, const char *s); /* copies @s into the arena */

struct spec_pair {
	const char *key;
	const char *value;
};
struct spec_map {
	struct spec_pair *items; /* in document order, keys unique */
	size_t count;
};
const char *spec_map_get(const struct spec_map *m, const char *key);
/* Set or replace; copies both into the arena. */
void spec_map_set(struct arena *a, struct spec_map *m, const char *key, const char *value);

/* ---- process ---------------------------------------------------------------------------------------------------- */

/* Capability sets as bit masks, bit n = capability n of linux/capability.h. */
struct spec_caps {
	bool set; /* false: the document has no `capabilities` object */
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct spec_rlimit {
	int resource;        /* RLIMIT_… */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct spec_scheduler {
	bool set;
	uint32_t policy; /* SCHED_… */
	int32_t nice;
	uint32_t priority;
	uint64_t flags; /* SCHED_FLAG_… */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct spec_io_priority {
	bool set;
	int class;    /* IOPRIO_CLASS_… (1 RT, 2 BE, 3 IDLE) */
	int priority; /* 0-7 */
};

struct spec_user {
	uint32_t uid, gid;
	struct spec_opt_u64 umask; /* 0-0777 */
	uint32_t *additional_gids;
	size_t additional_gid_count;
};

struct spec_process {
	bool set; /* false: the document has no `process` (allowed for create, not for start) */
	bool terminal;
	uint16_t console_rows, console_cols; /* 0: not given */
	struct spec_user user;
	struct spec_strs args;
	struct spec_strs env; /* each KEY=value */
	const char *cwd;      /* absolute */
	struct spec_caps caps;
	struct spec_rlimit *rlimits;
	size_t rlimit_count;
	bool no_new_privileges;
	const char *apparmor_profile;      /* NULL: not given */
	const char *selinux_label;         /* NULL: not given */
	struct spec_opt_i64 oom_score_adj; /* -1000…1000 */
	struct spec_scheduler scheduler;
	struct spec_io_priority io_priority;
	const char *cpu_affinity_initial; /* CPU list, checked; NULL: not given */
	const char *cpu_affinity_final;
};

/* ---- mounts ----------------------------------------------------------------------------------------------------- */

struct spec_id_map {
	uint32_t container_id, host_id, size;
};
struct spec_id_maps {
	struct spec_id_map *items;
	size_t count;
};

enum spec_mount_idmap {
	SPEC_MOUNT_IDMAP_NONE,
	SPEC_MOUNT_IDMAP,          /* option "idmap" */
	SPEC_MOUNT_IDMAP_RECURSIVE /* option "ridmap" */
};

struct spec_mount {
	const char *destination;  /* as written; relative is accepted and means below "/" */
	const char *type;         /* "" when not given */
	const char *source;       /* "" when not given */
	struct spec_strs options; /* as written, for those who want to show them */

	/* What the options mean (see spec_mount_parse_options). */
	bool bind;           /* "bind" or "rbind", or type "bind" */
	bool recursive_bind; /* "rbind" */
	bool remount;
	uint64_t attr_set, attr_clear; /* MOUNT_ATTR_… for this mount (linux/mount.h) */
	uint64_t rec_set, rec_clear;   /* MOUNT_ATTR_… for the whole tree (rro, rnosuid, …) */
	uint64_t propagation;          /* one of MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE or 0 */
	bool propagation_recursive;    /* "rshared", … */
	uint64_t
		sb_flags; /* superblock flags as MS_…: MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, MS_LAZYTIME, MS_RDONLY… */
	bool tmpcopyup;
	bool copy_symlink;    /* "copy-symlink": a symlink source is copied as a symlink */
	bool src_nofollow;    /* "src-nofollow": the source's last component is not followed */
	bool dest_nofollow;   /* "dest-nofollow": mount on a symlink itself */
	bool optional_source; /* "x-optional" never set by documents of others */
	enum spec_mount_idmap idmap;
	const char *data; /* what is left for the file system: "size=64k,mode=1777"; "" when none */

	struct spec_id_maps uid_mappings, gid_mappings;
};

/* Translate options (runtime-spec config.md "mounts", config-linux.md, mount(8)) into the fields above; @field is the path
 * of the mount in messages ("mounts[3]"). Returns 0 or <0 INVALID. Pure. */
int spec_mount_parse_options(struct arena *a, struct spec_mount *m, const char *field, struct error *err);

/* ---- hooks ------------------------------------------------------------------------------------------------------ */

struct spec_hook {
	const char *path;      /* absolute */
	struct spec_strs args; /* argv including argv[0]; empty: the path alone */
	struct spec_strs env;
	struct spec_opt_i64 timeout_s; /* > 0 when set */
};
enum spec_hook_point {
	SPEC_HOOK_PRESTART,
	SPEC_HOOK_CREATE_RUNTIME,
	SPEC_HOOK_CREATE_CONTAINER,
	SPEC_HOOK_START_CONTAINER,
	SPEC_HOOK_POSTSTART,
	SPEC_HOOK_POSTSTOP,
	SPEC_HOOK_COUNT
};
const char *spec_hook_point_name(enum spec_hook_point p); /* "createRuntime" */
struct spec_hooks {
	struct spec_hook *items[SPEC_HOOK_COUNT];
	size_t count[SPEC_HOOK_COUNT];
};

/* ---- linux ------------------------------------------------------------------------------------------------------ */

enum spec_ns {
	SPEC_NS_USER,
	SPEC_NS_PID,
	SPEC_NS_NETWORK,
	SPEC_NS_MOUNT,
	SPEC_NS_IPC,
	SPEC_NS_UTS,
	SPEC_NS_CGROUP,
	SPEC_NS_TIME,
	SPEC_NS_COUNT
};
const char *spec_ns_name(enum spec_ns ns);      /* "network": the document's word */
const char *spec_ns_proc_name(enum spec_ns ns); /* "net": the name below /proc/pid/ns */
uint64_t spec_ns_clone_flag(enum spec_ns ns);   /* CLONE_NEWNET */
struct spec_namespace {
	bool present;     /* listed in the document */
	const char *path; /* join this one; NULL: a new one is made */
};

struct spec_device {
	const char *path; /* absolute, inside the container */
	char type;        /* 'c', 'b' or 'p' ('u' is read as 'c') */
	uint32_t major, minor;
	struct spec_opt_u64 mode; /* permission bits */
	struct spec_opt_u64 uid, gid;
};

struct spec_net_device {
	const char *host_name;
	const char *name; /* inside; NULL: keep */
};

struct spec_device_rule {
	bool allow;
	char type;            /* 'a', 'c' or 'b' */
	int64_t major, minor; /* -1: all */
	uint8_t access;       /* SPEC_ACCESS_* */
};
#define SPEC_ACCESS_READ 4
#define SPEC_ACCESS_WRITE 2
#define SPEC_ACCESS_MKNOD 1

struct spec_blkio_weight {
	uint32_t major, minor;
	struct spec_opt_u64 weight, leaf_weight;
};
struct spec_blkio_throttle {
	uint32_t major, minor;
	uint64_t rate; /* bytes or operations a second */
};
enum spec_blkio_limit {
	SPEC_BLKIO_READ_BPS,
	SPEC_BLKIO_WRITE_BPS,
	SPEC_BLKIO_READ_IOPS,
	SPEC_BLKIO_WRITE_IOPS,
	SPEC_BLKIO_LIMIT_COUNT
};

struct spec_hugepage {
	const char *page_size; /* "2MB", "64KB", checked */
	uint64_t limit_bytes;
};
struct spec_net_priority {
	const char *name;
	uint32_t priority;
};
struct spec_rdma {
	const char *device;
	struct spec_opt_u64 handles, objects;
};

struct spec_resources {
	struct spec_device_rule *devices;
	size_t device_count;
	struct {
		struct spec_opt_i64 limit, reservation, swap, kernel,
			kernel_tcp;             /* bytes, -1 unlimited; swap is memory+swap */
		struct spec_opt_u64 swappiness; /* 0-100 */
		struct spec_opt_bool disable_oom_killer, use_hierarchy, check_before_update;
	} memory;
	struct {
		struct spec_opt_u64 shares, burst_us, period_us, rt_period_us;
		struct spec_opt_i64 quota_us, rt_runtime_us, idle; /* quota -1: no limit */
		const char *cpus, *mems;                           /* lists, checked; NULL: not given */
	} cpu;
	struct spec_opt_i64 pids_limit; /* 1.3: -1 unlimited, 0 means none may be made */
	struct {
		struct spec_opt_u64 weight, leaf_weight;
		struct spec_blkio_weight *weight_devices;
		size_t weight_device_count;
		struct spec_blkio_throttle *throttle[SPEC_BLKIO_LIMIT_COUNT];
		size_t throttle_count[SPEC_BLKIO_LIMIT_COUNT];
	} blkio;
	struct spec_hugepage *hugepages;
	size_t hugepage_count;
	struct {
		struct spec_opt_u64 class_id;
		struct spec_net_priority *priorities;
		size_t priority_count;
	} network;
	struct spec_rdma *rdma;
	size_t rdma_count;
	struct spec_map unified; /* keys are single file names without '/' */
};

/* SPEC_SECCOMP_KILL_THREAD is also plain SCMP_ACT_KILL. */
enum spec_seccomp_action {
	SPEC_SECCOMP_KILL_THREAD,
	SPEC_SECCOMP_KILL_PROCESS,
	SPEC_SECCOMP_TRAP,
	SPEC_SECCOMP_ERRNO,
	SPEC_SECCOMP_TRACE,
	SPEC_SECCOMP_ALLOW,
	SPEC_SECCOMP_LOG,
	SPEC_SECCOMP_NOTIFY,
	SPEC_SECCOMP_ACTION_COUNT
};
enum spec_seccomp_op {
	SPEC_SECCOMP_NE,
	SPEC_SECCOMP_LT,
	SPEC_SECCOMP_LE,
	SPEC_SECCOMP_EQ,
	SPEC_SECCOMP_GE,
	SPEC_SECCOMP_GT,
	SPEC_SECCOMP_MASKED_EQ,
	SPEC_SECCOMP_OP_COUNT
};
const char *spec_seccomp_action_name(enum spec_seccomp_action a); /* "SCMP_ACT_ERRNO" */
const char *spec_seccomp_op_name(enum spec_seccomp_op op);

struct spec_seccomp_arg {
	uint32_t index; /* 0-5 */
	uint64_t value, value_two;
	enum spec_seccomp_op op;
};
struct spec_seccomp_rule {
	struct spec_strs names;
	enum spec_seccomp_action action;
	struct spec_opt_u64 errno_ret; /* <= 4095 for ERRNO, 16 bits for TRACE */
	struct spec_seccomp_arg *
		args; /* all must hold; several for one index are kept (the compiler ORs them, as libseccomp's users expect) */
	size_t arg_count;
};
struct spec_seccomp {
	bool set;
	enum spec_seccomp_action default_action;
	struct spec_opt_u64 default_errno_ret;
	struct spec_strs architectures; /* "SCMP_ARCH_X86_64"; empty: the native one */
	uint32_t flags;                 /* SECCOMP_FILTER_FLAG_… of linux/seccomp.h, without NEW_LISTENER */
	bool flags_set;                 /* the document has `flags`, even if empty */
	const char *listener_path, *listener_metadata; /* NULL: not given */
	struct spec_seccomp_rule *rules;
	size_t rule_count;
};

struct spec_time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

struct spec_memory_policy {
	bool set;
	int mode;            /* MPOL_… */
	unsigned mode_flags; /* MPOL_F_… */
	const char *nodes;   /* list, checked; NULL: none */
};

struct spec_rdt {
	bool set;
	const char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct spec_strs schemata;
	bool enable_monitoring;
};

struct spec_linux {
	struct spec_namespace ns[SPEC_NS_COUNT];
	struct spec_id_maps uid_mappings, gid_mappings;
	struct spec_map sysctl;
	struct spec_resources resources;
	const char *cgroups_path; /* NULL: not given */
	struct spec_device *devices;
	size_t device_count;
	struct spec_net_device *net_devices;
	size_t net_device_count;
	struct spec_seccomp seccomp;
	uint64_t rootfs_propagation; /* MS_SHARED, … | MS_REC; 0: not given */
	struct spec_strs masked_paths, readonly_paths;
	const char *mount_label; /* NULL: not given */
	bool personality_set;
	unsigned long personality; /* PER_… and flags */
	struct spec_time_offset time_monotonic, time_boottime;
	struct spec_memory_policy memory_policy;
	struct spec_rdt intel_rdt;
};

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

struct spec {
	struct arena arena; /* owns everything below */
	const char *oci_version;
	const char *root_path; /* as written; NULL: no root object */
	bool root_readonly;
	const char *hostname, *domainname; /* NULL: not given */
	struct spec_process process;
	struct spec_mount *mounts;
	size_t mount_count;
	struct spec_hooks hooks;
	struct spec_map annotations;
	struct spec_linux linux_; /* `linux` is a macro in GNU C */
	bool has_vm, has_foreign; /* sections of other platforms, parsed for shape and otherwise ignored */
};

#define SPEC_CONFIG_MAX_BYTES (16u << 20) /* a config.json with thousands of mounts stays below 1 MiB */

/* An empty document (arena ready, lists empty). */
void spec_init(struct spec *s);
void spec_done(struct spec *s);
#define autospec __attribute__((cleanup(spec_done)))

/* Parse config.json text. @name is used in messages. Unknown fields are ignored (runtime-spec "extensibility"); a known
 * one of a wrong type, range or length is refused: "config.json: process.rlimits[2].type: expected …, got \"X\"".
 * Returns 0 and fills @ret (spec_done it), or <0 INVALID/LIMIT. Pure. */
int spec_parse(const char *text, size_t len, const char *name, struct spec *ret, struct error *err);

/* Parse a bare `process` object (exec --process). Memory lives in @a. */
int spec_parse_process(const char *text, size_t len, const char *name, struct arena *a, struct spec_process *ret,
		       struct error *err);

/* Parse a bare `resources` object (update -r). Memory lives in @a. */
int spec_parse_resources(const char *text, size_t len, const char *name, struct arena *a, struct spec_resources *ret,
			 struct error *err);

/* Parse a bare `seccomp` object in the runtime-spec's form, or Docker's profile form (archMap, includes/excludes with
 * caps/arches/minKernel, syscalls[].name), which is resolved for @arch_native, @caps (bounding mask) and @kernel
 * (major << 16 | minor). For --security-opt seccomp=FILE. */
int spec_parse_seccomp_profile(const char *text, size_t len, const char *name, const char *arch_native, uint64_t caps,
			       uint32_t kernel, struct arena *a, struct spec_seccomp *ret, struct error *err);

/* Rules across fields that a single field cannot tell (runtime-spec MUSTs): mappings need a user namespace, offsets a
 * time namespace, hostname a UTS namespace, no duplicate namespace types, sysctls namespaced and their namespace owned
 * (V20), SPEC_NS_USER joined by path with mappings, seccomp listenerPath iff notify, terminal size, netDevices need a
 * new or joined net namespace, ids mapped, … Each message names the field, without a document's name in front (wrap it).
 * Mappings beside a joined user namespace pass: engines write both, and whether they agree only the runtime can see.
 * Ambient capabilities that are not inheritable pass too; they are dropped when capabilities are set. Pure. */
int spec_validate(const struct spec *s, struct error *err);

/* The document as JSON in the spec's field order, only what is set. Round trip: parse(write(s)) equals s. */
[[nodiscard]] struct json *spec_to_json(const struct spec *s);

/* The default document that `bothy-oci spec` writes (same content as runc's: sh, default mounts, caps, namespaces, masked
 * and read-only paths); @rootless: user namespace with one id each from @euid/@egid, no net/resources, rbind /sys.
 * On a host with cgroup v2 alone runc adds a cgroup namespace; the caller who knows the host does the same. */
void spec_default(struct spec *s, bool rootless, uint32_t euid, uint32_t egid);

/* bothy's default set for the engine: mounts, masked and read-only paths. See SECURITY.md "defaults". What the host's own
 * namespaces are bound instead of mounted anew; "gid=5" of devpts is left out when linux.gidMappings, if there are any by
 * then, have no group 5. Docker also masks .../cpuN/thermal_throttle for each CPU of the host: the caller's to add. */
void spec_add_default_mounts(struct spec *s, bool own_netns, bool own_cgroupns, bool own_ipcns, uint64_t shm_bytes);
void spec_add_default_masks(struct spec *s);
/* bothy's default seccomp profile for @caps (bounding mask) on @arch_native ("SCMP_ARCH_X86_64") and @kernel (major << 16
 * | minor); deny by default, with the 32-bit architecture of the machine but without x32. Replaces what was there. */
void spec_add_default_seccomp(struct spec *s, uint64_t caps, const char *arch_native, uint32_t kernel);
/* What an image of 32-bit x86 needs besides (after spec_add_default_seccomp): its C library makes sockets by socketcall(2), whose
 * family no filter can see. So programs of such an image may open families that the profile closes to all others (AF_ALG, AF_VSOCK);
 * who runs one accepts that, who runs other images is not opened by it. */
void spec_allow_socketcall(struct spec *s);

/* ---- names and numbers ------------------------------------------------------------------------------------------- */

/* "CAP_NET_ADMIN", "net_admin", any case, → number 0-63; -1 unknown. Names up to CAP_CHECKPOINT_RESTORE (40). */
int spec_cap_from_name(const char *name);
const char *spec_cap_name(int cap); /* "CAP_NET_ADMIN", NULL when unknown */
#define SPEC_CAP_COUNT 41
#define SPEC_CAP_ALL ((UINT64_C(1) << SPEC_CAP_COUNT) - 1)

/* "RLIMIT_NOFILE" or "nofile" → RLIMIT_…; -1 unknown. */
int spec_rlimit_from_name(const char *name);
const char *spec_rlimit_name(int resource);

/* CPU and node lists ("0-3,7"). Returns 0 and, if asked, the set as bits (@size bytes, little-endian words), or -EINVAL /
 * -ERANGE when a number is beyond the bits. */
int spec_parse_list(const char *list, void *bits, size_t size);

/* Is @key a sysctl that belongs to a namespace, and to which (SPEC_NS_NETWORK for net.*, SPEC_NS_IPC, SPEC_NS_UTS for
 * kernel.hostname/domainname, SPEC_NS_USER for user.*)? -1: it is the host's and must be refused (V20). */
int spec_sysctl_namespace(const char *key);
/* The file of a sysctl below /proc/sys: "net.ipv4.ip_forward" and "net/ipv4/ip_forward" both give the latter; the separator
 * is the first of the two characters, the other one is swapped back (sysctl(8)). Keys of a parsed document never give a
 * path with "..", empty components or a leading '/'. */
[[nodiscard]] char *spec_sysctl_path(struct arena *a, const char *key);

/* The @i-th mount option / seccomp architecture that is understood, NULL behind the last: for `features`. */
const char *spec_mount_option_name(size_t i);
const char *spec_seccomp_arch_name(size_t i);

/* A container id: runc's rule — [A-Za-z0-9_+.-]+, not "." or "..", 1-1024 bytes (we cap at 255: it is a file name). */
int spec_check_id(const char *id, struct error *err);

#endif
