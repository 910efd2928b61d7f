/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_CGROUP_H
#define CGROUP_CGROUP_H

/*
 * Control groups: one face over cgroup v1 (several hierarchies), v2 (one) and hybrid (v1 controllers beside a cgroup2
 * hierarchy without any). A caller learns what the host has (cgroup_host_probe), makes a container's group
 * (cgroup_create), gives it limits (cgroup_apply) and puts processes into it (struct cgroup_join, cgroup_attach).
 *
 * The usual order when a container is made:
 *	cgroup_host_probe, cgroup_create, cgroup_apply, cgroup_join_open,
 *	clone3 (with join.clone_fd where it is an fd), in the child cgroup_join_self, in the parent cgroup_verify,
 *	cgroup_to_json into state.json; on any failure cgroup_delete with CGROUP_DELETE_UNDO.
 * The child joins before it makes its cgroup namespace, since that namespace's root is where its maker is.
 *
 * Nothing here moves, limits or removes a group that this module did not make for the caller, with one exception that
 * cgroup v2 needs: controllers are enabled in cgroup.subtree_control of the groups above (never disabled again).
 *
 * Source: kernel Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst; runtime-spec config-linux.md "Control groups";
 * cgroups(7). docs/cgroups.md has the rules in prose and the figures that led to them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "spec/spec.h"

/* ---- the host ----------------------------------------------------------------------------------------------------- */

/* What a hierarchy can control. The names are v1's; v2 has "io" for BLKIO, and no CPUACCT, DEVICES, FREEZER, NET_*
 * (accounting, freezing and the device filter are part of every v2 group). */
enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_BLKIO,
	CGROUP_PIDS,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_HUGETLB,
	CGROUP_NET_CLS,
	CGROUP_NET_PRIO,
	CGROUP_PERF_EVENT,
	CGROUP_RDMA,
	CGROUP_MISC,
	CGROUP_CONTROLLER_COUNT
};
#define CGROUP_BIT(c) (1u << (c))
const char *cgroup_controller_name(enum cgroup_controller c, bool v2); /* "blkio", or "io" with @v2 */

enum cgroup_mode {
	CGROUP_MODE_NONE,   /* no hierarchy is mounted, or cgroups are disabled */
	CGROUP_MODE_V1,     /* only v1 hierarchies */
	CGROUP_MODE_HYBRID, /* v1 hierarchies hold the controllers, cgroup2 is mounted beside them */
	CGROUP_MODE_V2,     /* cgroup2 alone (it may have no controllers at all) */
	CGROUP_MODE_COUNT
};
const char *cgroup_mode_name(enum cgroup_mode m); /* "hybrid" */

/* One mounted hierarchy. */
struct cgroup_hierarchy {
	bool v2;
	uint32_t controllers; /* CGROUP_BIT()s; for v2 those of cgroup.controllers at the mount's root */
	char *name;           /* owned; a named v1 hierarchy ("systemd"), else NULL */
	char *mount_point;    /* owned; absolute: "/sys/fs/cgroup/memory" */
	char *mount_root;     /* owned; which part of the hierarchy is mounted there, as mountinfo says; "/" mostly */
	char *own;            /* owned; group of the calling process as /proc/self/cgroup says */
};

#define CGROUP_HIERARCHY_MAX 24

struct cgroup_host {
	enum cgroup_mode mode;
	struct cgroup_hierarchy items[CGROUP_HIERARCHY_MAX];
	size_t count;
};

/* Look at the calling process's mount namespace: /proc/self/mountinfo, /proc/self/cgroup and (v2) cgroup.controllers.
 * Of several mounts of one hierarchy the one below /sys/fs/cgroup is taken. A host without cgroups gives mode NONE and
 * success. Returns 0, or <0: the system's error. Three to four short reads. */
int cgroup_host_probe(struct cgroup_host *ret, struct error *err);
void cgroup_host_done(struct cgroup_host *host);
#define autocgrouphost __attribute__((cleanup(cgroup_host_done)))

/* The same from given texts, for tests and for looking at another process: @mountinfo and @self_cgroup are the files'
 * content; paths found in it are taken below @root ("" for the real root). Pure but for cgroup.controllers of v2. */
int cgroup_host_parse(const char *mountinfo, const char *self_cgroup, const char *root, struct cgroup_host *ret,
		      struct error *err);

/* All controllers of all hierarchies. */
uint32_t cgroup_host_controllers(const struct cgroup_host *host);

/* ---- a container's group ------------------------------------------------------------------------------------------- */

struct cgroup; /* opaque: one directory fd per hierarchy, and which directories were made */

struct cgroup_request {
	const char *path; /* linux.cgroupsPath; NULL: "/<id>" below the caller's own group */
	const char *id;   /* container id: the default's last part */
	/* What will be applied: decides which hierarchies are needed. NULL: nothing. Borrowed during the call. */
	const struct spec_resources *resources;
	/* True: missing rights are no error as long as @resources asks for nothing (--rootless, or a caller who is not
	 * root of the initial user namespace); the group is then an empty one (cgroup_is_empty). */
	bool may_lack_rights;
	bool disabled; /* --cgroup-manager disabled: always an empty group, limits are refused */
	/* Existing groups: false refuses one that holds processes or is frozen (create); true takes it (a pod's, tests). */
	bool may_hold_processes;
	/* Hand the group to the container's root (runtime-spec "cgroup ownership"): v2 only, ignored on v1. The caller
	 * sets this when cgroup is mounted rw, and a cgroup and a user namespace are new. */
	bool delegate;
	uid_t owner_uid; /* host ids */
	gid_t owner_gid;
};

/* Make the group in every hierarchy that the request needs (docs/cgroups.md, "which hierarchies"), parents included.
 * Path rules: absolute = below each mounted hierarchy's root; relative = below the caller's own group (v2: below its
 * parent, since a group with processes can't hand out controllers); "slice:prefix:name" is the systemd driver's form.
 * Returns 0 and an owned handle, or <0: INVALID (path), UNSUPPORTED (systemd form; a controller for a requested limit is
 * not there: the text names field and controller), CONFLICT (exists with processes, or frozen), DENIED. After a failure
 * nothing that was made is left. */
int cgroup_create(const struct cgroup_host *host, const struct cgroup_request *req, struct cgroup **ret,
		  struct error *err);

/* A handle on what cgroup_create() would make for @req, of which only path and id are read, in every hierarchy: to delete
 * what a crash left before it was recorded. Nothing is made or looked at; directories that are not there are no error.
 * Returns 0 and an owned handle, or <0: INVALID (path), UNSUPPORTED (systemd form). */
int cgroup_locate(const struct cgroup_host *host, const struct cgroup_request *req, struct cgroup **ret,
		  struct error *err);

/* v1: a hierarchy that the container did not need so far is joined when an update asks for a limit of it (hugetlb
 * and its like are not joined without need). Makes the group there and moves the container's processes; the caller
 * records the handle again. Returns 0, CGROUP_EXTENDED, or <0 as cgroup_create. */
#define CGROUP_EXTENDED 1
int cgroup_extend(struct cgroup *cg, const struct cgroup_host *host, const struct cgroup_request *req,
		  struct error *err);

/* Give up the handle; the groups stay. Accepts NULL. */
void cgroup_free(struct cgroup *cg);
static inline void cgroup_cleanup(struct cgroup **cg)
{
	cgroup_free(*cg);
}
#define autocgroup __attribute__((cleanup(cgroup_cleanup)))

/* True when the handle stands for no group at all (disabled, or rootless without delegation). Every operation below
 * then succeeds and does nothing; lists are empty. */
bool cgroup_is_empty(const struct cgroup *cg);
enum cgroup_mode cgroup_get_mode(const struct cgroup *cg);

/* The group's directory in the hierarchy that has @c: "/sys/fs/cgroup/memory/x". On v2 the one directory, for any @c.
 * NULL when there is none. Borrowed from @cg. */
const char *cgroup_dir(const struct cgroup *cg, enum cgroup_controller c);
/* The same, for CGROUP_CONTROLLER_COUNT: the cgroup2 directory of hybrid and v2. */

/* The handle as a JSON object for state.json, and back (directories are opened when first needed; one that has gone is
 * no error until then). Returns 0, or <0: INVALID. */
[[nodiscard]] struct json *cgroup_to_json(const struct cgroup *cg);
int cgroup_from_json(const struct json *j, struct cgroup **ret, struct error *err);

/* ---- limits --------------------------------------------------------------------------------------------------------- */

enum cgroup_apply_mode {
	CGROUP_APPLY_CREATE, /* everything, devices included; the group is empty */
	CGROUP_APPLY_UPDATE /* only what is set in @res; devices untouched; old values are put back when a write fails */
};

/* Set what @res asks for. Fields that this kernel no longer has (kernel memory) are skipped with a debug line; a limit
 * whose controller or file is missing is refused: "memory.swappiness: … controller …".
 * Returns 0, or <0: INVALID (the kernel refused the value), UNSUPPORTED, DENIED, LIMIT (checkBeforeUpdate),
 * NOT_FOUND (the group is gone). */
int cgroup_apply(struct cgroup *cg, const struct spec_resources *res, enum cgroup_apply_mode mode, struct error *err);

/* One write that cgroup_apply would do. */
struct cgroup_write {
	enum cgroup_controller controller;
	char *file;  /* owned: "memory.limit_in_bytes" */
	char *value; /* owned */
	char *field; /* owned: "memory.limit", the document's field it comes from */
	unsigned flags;
};
struct cgroup_writes {
	struct cgroup_write *items;
	size_t count;
};
void cgroup_writes_done(struct cgroup_writes *w);
#define autocgroupwrites __attribute__((cleanup(cgroup_writes_done)))

/* The limits as writes, in order, for @host (conversions done). Pure. For --explain and tests. The v2 device filter is
 * no write and not in the list. Returns 0, or <0 INVALID/UNSUPPORTED as above. */
int cgroup_plan_limits(const struct cgroup_host *host, const struct spec_resources *res, struct cgroup_writes *ret,
		       struct error *err);

/* What cgroup_create would make: the directories, one per hierarchy, absolute. For --explain. */
int cgroup_plan_dirs(const struct cgroup_host *host, const struct cgroup_request *req, struct strv *ret,
		     struct error *err);

/* ---- joining --------------------------------------------------------------------------------------------------------- */

#define CGROUP_JOIN_MAX CGROUP_HIERARCHY_MAX

/* How a process that is about to be made gets in. */
struct cgroup_join {
	int clone_fd;             /* owned; for clone3's CLONE_INTO_CGROUP; FD_NONE: no cgroup2 here */
	int fds[CGROUP_JOIN_MAX]; /* owned; files to write "0" to, in this order (v1 hierarchies) */
	size_t count;
};
#define CGROUP_JOIN_NONE ((struct cgroup_join){.clone_fd = FD_NONE})
#define autocgroupjoin __attribute__((cleanup(cgroup_join_done)))
void cgroup_join_done(struct cgroup_join *j);

/* Prepare to join the container's own group. */
int cgroup_join_open(const struct cgroup *cg, struct cgroup_join *ret, struct error *err);

/* Prepare to join for exec. @subs are the values of --cgroup, each "PATH" or "CTRL[,CTRL]:PATH", relative to the
 * container's group, existing; none: the container's group.
 * When clone3 with clone_fd says EBUSY (v2: the group hands controllers to children and so may hold no process), call
 * cgroup_join_open_like for @init_pid.
 * Returns 0, or <0: INVALID ("..", unknown controller), NOT_FOUND. */
int cgroup_join_open_sub(const struct cgroup *cg, const struct spec_strs *subs, struct cgroup_join *ret,
			 struct error *err);

/* Prepare to join where process @pid is now, provided that is the container's group or below it. */
int cgroup_join_open_like(const struct cgroup *cg, pid_t pid, struct cgroup_join *ret, struct error *err);

/* The calling process, which must have one thread, joins. @cloned: clone_fd was used to make it, so only fds are left.
 * Returns 0 or -errno. Async-signal-safe; needs no rights but those of the one who opened. */
int cgroup_join_self(const struct cgroup_join *j, bool cloned);

/* Move process @pid (all its threads) into the group, in every hierarchy, and verify. */
int cgroup_attach(const struct cgroup *cg, pid_t pid, struct error *err);

/* Check that @pid is in the group (or below it) in every hierarchy of the handle (V34), by /proc/pid/cgroup.
 * Returns 0, or <0: INTERNAL naming the hierarchy and where the process is, NOT_FOUND (no such process). */
int cgroup_verify(const struct cgroup *cg, pid_t pid, struct error *err);

/* ---- processes -------------------------------------------------------------------------------------------------------- */

struct cgroup_pids {
	pid_t *items; /* owned; ascending, unique */
	size_t count;
};
void cgroup_pids_done(struct cgroup_pids *p);
#define autocgrouppids __attribute__((cleanup(cgroup_pids_done)))

/* Process ids (thread group leaders) in the group and, with @recursive, below it, as seen in the caller's pid namespace
 * (those outside of it are left out). A group that is gone gives an empty list. */
int cgroup_pids(const struct cgroup *cg, bool recursive, struct cgroup_pids *ret, struct error *err);

/* Send @sig to every process in the group and below, so that none escapes by forking: SIGKILL through cgroup.kill where
 * there is one, else freeze, signal by pidfd, thaw. A frozen group: v1 is thawed after SIGKILL. Returns 0 or <0. Does
 * not wait for the processes to end. */
int cgroup_kill(const struct cgroup *cg, int sig, struct error *err);

/* Wait until no process is left in the group and below, at most @timeout_ms. Woken by cgroup.events (v2, hybrid) or by
 * pidfds (v1). Returns 0, or <0: BUSY (still there; the text has a pid). */
int cgroup_wait_empty(const struct cgroup *cg, int timeout_ms, struct error *err);

/* Stop and continue all processes. Freezing waits until it has happened (BUSY, and thawed again, when a process can't be
 * stopped within some seconds). An empty handle: UNSUPPORTED. */
int cgroup_freeze(const struct cgroup *cg, struct error *err);
int cgroup_thaw(const struct cgroup *cg, struct error *err);
/* 1: frozen (or freezing), 0: not (also when the group is gone), <0: error. */
int cgroup_is_frozen(const struct cgroup *cg, struct error *err);

enum cgroup_delete_mode {
	CGROUP_DELETE_UNDO, /* creation failed: remove only directories that this handle made */
	CGROUP_DELETE_ALL   /* the container's group even if it was there before, with all groups below it, and the
	                     * parents that were made for it, as far as they are empty */
};
/* Remove the directories, bottom up, by exact name. Groups that hold processes are waited for (they must be dying);
 * those that are gone already are fine. Returns 0, or <0: BUSY naming the directory and a process in it. */
int cgroup_delete(struct cgroup *cg, enum cgroup_delete_mode mode, struct error *err);

/* ---- figures ------------------------------------------------------------------------------------------------------------ */

struct cgroup_psi_line {
	double avg10, avg60, avg300; /* per cent */
	uint64_t total_us;
};
struct cgroup_psi {
	bool set;
	struct cgroup_psi_line some, full;
};
struct cgroup_mem_figures {
	uint64_t usage_bytes, max_usage_bytes, limit_bytes, failcnt; /* limit UINT64_MAX: none */
};
struct cgroup_io_figure {
	uint32_t major, minor;
	const char *op; /* static: "Read", "Write", "Sync", "Async", "Discard", "Total"; "" for files without one */
	uint64_t value;
};
struct cgroup_io_figures {
	struct cgroup_io_figure *items; /* owned */
	size_t count;
};
enum cgroup_io_kind {
	CGROUP_IO_SERVICE_BYTES,
	CGROUP_IO_SERVICED,
	CGROUP_IO_QUEUED,
	CGROUP_IO_SERVICE_TIME,
	CGROUP_IO_WAIT_TIME,
	CGROUP_IO_MERGED,
	CGROUP_IO_TIME,
	CGROUP_IO_SECTORS,
	CGROUP_IO_KIND_COUNT
};
const char *cgroup_io_kind_name(enum cgroup_io_kind k); /* "ioServiceBytesRecursive": runc's key in events */
struct cgroup_named_figure {
	char *name; /* owned */
	uint64_t value;
};
struct cgroup_hugetlb_figures {
	char *page_size; /* owned: "2MB" */
	uint64_t usage_bytes, max_usage_bytes, failcnt;
};
struct cgroup_rdma_figures {
	char *device; /* owned */
	uint64_t handles, objects, handles_max, objects_max;
};

struct cgroup_stats {
	struct {
		bool set;
		uint64_t total_ns, user_ns, kernel_ns;
		uint64_t *percpu_ns, *percpu_user_ns, *percpu_kernel_ns; /* owned; v1 only */
		size_t percpu_count, percpu_mode_count;
		uint64_t periods, throttled_periods, throttled_ns, bursts, burst_ns;
		struct cgroup_psi psi;
	} cpu;
	struct {
		bool set;
		char *cpus, *mems; /* owned lists in effect ("0-3"), NULL: unknown */
		uint64_t cpu_exclusive, mem_exclusive, mem_hardwall, memory_migrate, memory_spread_page,
			memory_spread_slab, memory_pressure, sched_load_balance;
		int64_t sched_relax_domain_level;
	} cpuset;
	struct {
		bool set;
		uint64_t cache_bytes;
		struct cgroup_mem_figures usage, swap, kernel, kernel_tcp; /* swap is memory+swap also on v2 */
		struct cgroup_named_figure *raw;                           /* owned; memory.stat */
		size_t raw_count;
		uint64_t oom_kills;
		struct cgroup_psi psi;
	} memory;
	struct {
		bool set;
		uint64_t current, limit; /* limit UINT64_MAX: none */
	} pids;
	struct {
		bool set;
		struct cgroup_io_figures kind[CGROUP_IO_KIND_COUNT];
		struct cgroup_psi psi;
	} io;
	struct cgroup_hugetlb_figures *hugetlb; /* owned */
	size_t hugetlb_count;
	struct cgroup_rdma_figures *rdma; /* owned */
	size_t rdma_count;
};
void cgroup_stats_done(struct cgroup_stats *s);
#define autocgroupstats __attribute__((cleanup(cgroup_stats_done)))

/* Read the figures; a file that is missing leaves its part unset. Returns 0, or <0: NOT_FOUND (the group is gone). */
int cgroup_stats(const struct cgroup *cg, struct cgroup_stats *ret, struct error *err);

/* The figures as the `data` object of "events --stats" in runc's field names and order (intel_rdt {} and
 * network_interfaces null included). Pure. */
[[nodiscard]] struct json *cgroup_stats_to_json(const struct cgroup_stats *s);

/* Watching for the out-of-memory killer: an fd that polls readable when something happened. */
struct cgroup_oom_watch {
	int fd;         /* owned; poll for POLLIN */
	int events_fd;  /* owned; v2's memory.events, v1's memory.oom_control */
	uint64_t kills; /* seen so far */
	bool v2;
};
#define CGROUP_OOM_WATCH_NONE ((struct cgroup_oom_watch){.fd = FD_NONE, .events_fd = FD_NONE})
void cgroup_oom_watch_done(struct cgroup_oom_watch *w);
/* Returns 0, or <0: UNSUPPORTED (no memory controller). */
int cgroup_oom_watch_open(const struct cgroup *cg, struct cgroup_oom_watch *ret, struct error *err);
/* After the fd was readable: @ret_kills new kills since the last call, @ret_gone: the group was removed. */
int cgroup_oom_watch_read(struct cgroup_oom_watch *w, uint64_t *ret_kills, bool *ret_gone, struct error *err);
/* Kills by the out-of-memory killer so far (for the reason of an exit); 0 without a memory controller. */
int cgroup_oom_kills(const struct cgroup *cg, uint64_t *ret, struct error *err);

/* ---- the view inside ------------------------------------------------------------------------------------------------------ */

enum cgroup_mount_kind {
	CGROUP_MOUNT_TMPFS,   /* a small tmpfs: the directory of v1's hierarchies (made ro after it was filled) */
	CGROUP_MOUNT_BIND,    /* bind @source */
	CGROUP_MOUNT_FS,      /* a new mount of @fstype with @data (inside a new cgroup namespace) */
	CGROUP_MOUNT_SYMLINK, /* a symbolic link @name -> @source in the tmpfs */
	CGROUP_MOUNT_KIND_COUNT
};
struct cgroup_mount {
	enum cgroup_mount_kind kind;
	char *name;         /* owned; one component below the destination, "" for the destination itself */
	char *source;       /* owned; BIND: host path, SYMLINK: target, FS and TMPFS: the source shown */
	char *data;         /* owned; FS: "memory" or "none,name=systemd", TMPFS: "mode=755"; else "" */
	const char *fstype; /* static: "cgroup", "cgroup2", "tmpfs"; NULL for the others */
	bool may_fail; /* FS: when the kernel refuses (EPERM, EBUSY in a user ns) bind @source2, or nothing if NULL */
	char *source2; /* owned; host path for that fallback; NULL: none */
};
struct cgroup_mounts {
	struct cgroup_mount *items; /* in the order to be done */
	size_t count;
};
void cgroup_mounts_done(struct cgroup_mounts *m);
#define autocgroupmounts __attribute__((cleanup(cgroup_mounts_done)))

/* What a mount of type "cgroup" (or "cgroup2") in config.json becomes. @cgroupns: the container has a new cgroup
 * namespace. Only hierarchies that the container joined are listed: nothing of the host's groups is shown. With an empty
 * handle that leaves an empty tmpfs (on v2 with @cgroupns a cgroup2 mount, which may fail with no fallback: then as well).
 * The caller mounts everything read-only, nosuid, nodev, noexec unless the document says rw (V10, CVE-2023-25809,
 * CVE-2022-0492: without a cgroup namespace always read-only). Pure. */
int cgroup_plan_mounts(const struct cgroup_host *host, const struct cgroup *cg, bool cgroupns,
		       struct cgroup_mounts *ret, struct error *err);

#endif
