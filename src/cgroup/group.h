/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_GROUP_H
#define CGROUP_GROUP_H

/* What the files of cgroup/ share: the handle, the operations of a version, the tables of names. */

#include "cgroup/cgroup.h"

/* The group in one hierarchy. */
struct cgroup_dir {
	bool v2;
	uint32_t controllers; /* of the hierarchy (v2: of the mount's root) */
	char *name;           /* owned; named v1 hierarchy or NULL */
	char *mount_point;    /* owned */
	char *path;           /* owned; absolute */
	char *shown;          /* owned; the end of what /proc/PID/cgroup shows for a process in it */
	unsigned made;        /* how many of the last components of @path this handle made; 0: it was there */
};

struct cgroup {
	enum cgroup_mode mode;
	bool devices_optional; /* may_lack_rights: a device filter that is refused is no error */
	struct cgroup_dir dirs[CGROUP_HIERARCHY_MAX];
	size_t count; /* 0: the empty handle */
};

#define CGROUP_PATH_MAX 4096
#define CGROUP_DEPTH_MAX 64        /* levels of groups that a container may make below its own */
#define CGROUP_FILE_MAX (4u << 20) /* most bytes of one cgroup file (cgroup.procs of a busy group) */

/* The directory with controller @c (v2: the one), or NULL. */
const struct cgroup_dir *cgroup_find(const struct cgroup *cg, enum cgroup_controller c);
/* The cgroup2 directory, or NULL. */
const struct cgroup_dir *cgroup_find_v2(const struct cgroup *cg);
/* Words for one hierarchy: "memory", "cpu,cpuacct", "systemd", "unified". */
void cgroup_dir_label(const struct cgroup_dir *d, char out[static 128]);
void cgroup_label(bool v2, const char *name, uint32_t mask, char out[static 128]);

/* True for the errors of a missing right or a read-only mount. */
static inline bool cgroup_no_rights(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS;
}

/* v2.c: enable the hierarchy's controllers from the mount's root down to @d; an error when one of @needed (a mask;
 * @fields names the field that asks for each) cannot be had. */
int cgroup_v2_enable(const struct cgroup_dir *d, uint32_t needed, char *const *fields, struct error *err);
/* Give the group to the request's owner. */
int cgroup_v2_delegate(const struct cgroup_dir *d, const struct cgroup_request *req, struct error *err);

/* path.c: the group's path below the mount point of @h ("/x/y", never ending in '/'; "" for the mount's root).
 * Allocates @ret. */
int cgroup_path_resolve(const struct cgroup_hierarchy *h, enum cgroup_mode mode, const char *path, const char *id,
			char **ret, struct error *err);
/* Check a path or one relative to the group (exec --cgroup). <0 INVALID. */
int cgroup_path_check(const char *path, const char *what, struct error *err);

/* host.c */
uint32_t cgroup_parse_controllers(const char *list, char sep);
int cgroup_controller_parse(const char *name, bool v2); /* enum value or -1 */

/* flags of struct cgroup_write */
#define CGROUP_WRITE_IF_PRESENT 1u /* a missing file is fine: the value means "as if it were not there" */
#define CGROUP_WRITE_ELSE_NEXT 2u  /* a missing file: the next write does the same; else the next is left out */
#define CGROUP_WRITE_AGAIN 4u      /* EINVAL: try once more after all other writes of this controller */
#define CGROUP_WRITE_DEVICE 8u     /* v1 device rule: not undone */

/* limits.c: what the limits look like now, for changes that depend on them. */
struct cgroup_now {
	bool update;                        /* the values below are real; else those of a new group */
	uint64_t memory_limit, memsw_limit; /* bytes; UINT64_MAX: none */
	uint64_t period_us;
	int64_t quota_us; /* -1: none */
	bool idle;
};
/* The writes for @res. @v2: of which kind; @hybrid only words the refusal of `unified`. Pure. */
int cgroup_limits_plan(const struct spec_resources *res, bool v2, const struct cgroup_now *now,
		       struct cgroup_writes *ret, struct error *err);
void cgroup_writes_add(struct cgroup_writes *w, enum cgroup_controller c, unsigned flags, const char *field,
		       const char *file, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Conversions (docs/cgroups.md). */
uint64_t cgroup_shares_to_weight(uint64_t shares);
uint64_t cgroup_blkio_to_io_weight(uint64_t weight);

/* devices.c: rules as v1 writes. */
int cgroup_devices_plan_v1(const struct spec_device_rule *rules, size_t count, struct cgroup_writes *ret,
			   struct error *err);
/* v2: the filter as a BPF program. *@ret is malloc'ed; *@ret_count 0 means everything is allowed: no program. */
struct bpf_insn;
int cgroup_devices_program(const struct spec_device_rule *rules, size_t count, struct bpf_insn **ret, size_t *ret_count,
			   struct error *err);

/* procs.c */
int cgroup_read_procs(const char *dir, struct cgroup_pids *ret);
/* freeze.c: 1 frozen, 0 not, -errno */
int cgroup_dir_frozen(const struct cgroup_dir *d);

#endif
