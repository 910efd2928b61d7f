/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle and the making of a container's group: which hierarchies it needs, the directories, what must be true of one
 * that exists already, v1's cpuset inheritance, v2's controllers and ownership. Limits are set later (apply.c).
 *
 * Flow of cgroup_create: plan the limits to learn which controllers are needed, choose hierarchies, and per hierarchy make
 * the directory; the fast path is one mkdir. Whatever fails, what this call made is removed again.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

/* Joined wherever they are mounted: engines and language runtimes read their figures or limits there. The others
 * (hugetlb, net_cls, net_prio, perf_event, rdma, misc) only when the document asks for them, or later when an
 * update does (cgroup_extend). docs/cgroups.md has the cost of each. */
#define ALWAYS_JOINED                                                                                                  \
	(CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUACCT) | CGROUP_BIT(CGROUP_CPUSET) | CGROUP_BIT(CGROUP_MEMORY) | \
	 CGROUP_BIT(CGROUP_BLKIO) | CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_DEVICES))

static void dir_done(struct cgroup_dir *d)
{
	free(d->name);
	free(d->mount_point);
	free(d->path);
	free(d->shown);
	*d = (struct cgroup_dir){};
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->count; i++)
		dir_done(&cg->dirs[i]);
	free(cg);
}

bool cgroup_is_empty(const struct cgroup *cg)
{
	return cg->count == 0;
}

enum cgroup_mode cgroup_get_mode(const struct cgroup *cg)
{
	return cg->mode;
}

void cgroup_dir_label(const struct cgroup_dir *d, char out[static 128])
{
	cgroup_label(d->v2, d->name, d->controllers, out);
}

const struct cgroup_dir *cgroup_find_v2(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->dirs[i].v2)
			return &cg->dirs[i];
	return NULL;
}

const struct cgroup_dir *cgroup_find(const struct cgroup *cg, enum cgroup_controller c)
{
	if (cg->mode == CGROUP_MODE_V2 || c == CGROUP_CONTROLLER_COUNT)
		return cgroup_find_v2(cg);
	for (size_t i = 0; i < cg->count; i++)
		if (!cg->dirs[i].v2 && cg->dirs[i].controllers & CGROUP_BIT(c))
			return &cg->dirs[i];
	return NULL;
}

const char *cgroup_dir(const struct cgroup *cg, enum cgroup_controller c)
{
	const struct cgroup_dir *d = cgroup_find(cg, c);

	return d ? d->path : NULL;
}

/* ---- choosing ---- */

/* A cgroup2 mount beside v1 hierarchies can freeze (5.2) and kill (5.14) a group better than v1's freezer can; then that
 * hierarchy is spared. */
static bool unified_can_freeze(const struct cgroup_host *host)
{
	for (size_t i = 0; i < host->count; i++) {
		if (!host->items[i].v2)
			continue;
		/* The root group has no cgroup.freeze of its own; cgroup.pressure is younger (6.1) than both. Where it is
		 * missing, v1's freezer is joined as well, which is never wrong. */
		return cgroupfs_exists(host->items[i].mount_point, "cgroup.pressure");
	}
	return false;
}

static bool hierarchy_wanted(const struct cgroup_host *host, const struct cgroup_hierarchy *h, uint32_t needed,
			     bool spare_freezer)
{
	uint32_t always = ALWAYS_JOINED;

	if (h->v2 || host->mode == CGROUP_MODE_V2)
		return h->v2;
	if (h->name)
		return true;
	if (!spare_freezer)
		always |= CGROUP_BIT(CGROUP_FREEZER);
	return (h->controllers & (always | needed)) != 0;
}

/* The controllers that the limits of @res need; @ret_field names the first field of each. */
static int needed_controllers(const struct cgroup_host *host, const struct spec_resources *res, uint32_t *ret_needed,
			      char *fields[static CGROUP_CONTROLLER_COUNT], struct error *err)
{
	autocgroupwrites struct cgroup_writes writes = {};
	int r;

	*ret_needed = 0;
	if (!res)
		return 0;
	r = cgroup_limits_plan(res, host->mode == CGROUP_MODE_V2, NULL, &writes, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < writes.count; i++) {
		enum cgroup_controller c = writes.items[i].controller;

		if (c == CGROUP_CONTROLLER_COUNT || *ret_needed & CGROUP_BIT(c))
			continue;
		*ret_needed |= CGROUP_BIT(c);
		fields[c] = mem_strdup(writes.items[i].field);
	}
	return 0;
}

/* Refuse a limit that no hierarchy can keep, before anything is made. */
static int check_available(const struct cgroup_host *host, uint32_t needed, char *const *fields, struct error *err)
{
	uint32_t have = cgroup_host_controllers(host);

	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
		const char *name = cgroup_controller_name(c, host->mode == CGROUP_MODE_V2);

		if (!(needed & ~have & CGROUP_BIT(c)))
			continue;
		(void)error_set(
			err, ERROR_UNSUPPORTED, EOPNOTSUPP,
			"linux.resources.%s: cannot set this limit: the %s controller is not available on this host (cgroup %s)",
			fields[c], name, cgroup_mode_name(host->mode));
		return host->mode == CGROUP_MODE_V2
			       ? error_hint(err,
					    "see /sys/fs/cgroup/cgroup.controllers; a plain user needs it delegated "
					    "(systemd: Delegate=%s for user@.service)",
					    name)
			       : error_hint(err,
					    "mount the %s hierarchy, or enable it on the kernel's command line "
					    "(cgroup_enable=%s)",
					    name, name);
	}
	return 0;
}

/* ---- making ---- */

/* Make @d->path; parents that are missing too. Counts in @d->made. -EEXIST: the group itself was there. */
static int make_dir(struct cgroup_dir *d)
{
	size_t root = strlen(d->mount_point);
	char *slash;
	int r = cgroupfs_mkdir(d->path);

	if (r == 0)
		d->made = 1;
	if (r != -ENOENT)
		return r;
	slash = strrchr(d->path, '/');
	if ((size_t)(slash - d->path) <= root)
		return r; /* the mount point itself is gone */
	*slash = '\0';
	r = make_dir(d);
	*slash = '/';
	if (r < 0 && r != -EEXIST)
		return r;
	/* Somebody may remove the empty parent between the two calls: that is an error like any other here. */
	r = cgroupfs_mkdir(d->path);
	if (r == 0)
		d->made++;
	return r;
}

static int remove_made(struct cgroup_dir *d)
{
	autofree char *path = mem_strdup(d->path);
	int r = 0;

	for (; d->made > 0; d->made--) {
		int q = cgroupfs_rmdir(path);

		if (q < 0 && q != -ENOENT)
			r = q; /* a parent in use by others stays */
		*strrchr(path, '/') = '\0';
	}
	return r;
}

/* Call @fn for each directory from the first one made (or the group itself) down to the group. */
static int each_made(const struct cgroup_dir *d, int (*fn)(const char *dir, const char *parent, bool made))
{
	for (unsigned up = d->made ? d->made : 1; up-- > 0;) {
		autofree char *dir = mem_strdup(d->path), *parent = NULL;
		int r;

		for (unsigned i = 0; i < up; i++)
			*strrchr(dir, '/') = '\0';
		parent = mem_strdup(dir);
		*strrchr(parent, '/') = '\0';
		r = fn(dir, parent, d->made > 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A new v1 cpuset has no CPU and no memory node, and takes no process until it has both. */
static int inherit_cpuset(const char *dir, const char *parent, bool made)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	char value[8192];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ssize_t n = made ? 0 : cgroupfs_read(dir, files[i], value, sizeof(value));

		if (n > 0)
			continue;
		if (n == 0)
			n = cgroupfs_read(parent, files[i], value, sizeof(value));
		if (n >= 0)
			n = cgroupfs_write(dir, files[i], value);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

/* A group that exists is refused when it could make this container act on others' processes. */
static int check_existing(const struct cgroup_dir *d, struct error *err)
{
	autocgrouppids struct cgroup_pids pids = {};
	int r = cgroup_read_procs(d->path, &pids);

	if (r < 0 && r != -EOPNOTSUPP)
		return error_sys(err, -r, "read %s/cgroup.procs", d->path);
	if (pids.count > 0) {
		(void)error_set(err, ERROR_CONFLICT, EBUSY,
				"container's cgroup is not empty: %zu process(es) found in %s", pids.count, d->path);
		return error_hint(err, "choose another linux.cgroupsPath, or end process %d and its like",
				  (int)pids.items[0]);
	}
	if (cgroup_dir_frozen(d) == 1)
		return error_set(err, ERROR_CONFLICT, EBUSY, "container's cgroup unexpectedly frozen: %s", d->path);
	return 0;
}

/* ---- the whole ---- */

struct making {
	const struct cgroup_host *host;
	const struct cgroup_request *req;
	uint32_t needed;                       /* controllers that a limit asks for */
	char *fields[CGROUP_CONTROLLER_COUNT]; /* owned; the field that asks */
};

static void making_done(struct making *m)
{
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
		free(m->fields[c]);
}

/* Rights are missing: fine when nothing is asked of this hierarchy. Returns 0: go on without it. */
static int lacking(const struct making *m, const struct cgroup_dir *d, int r, struct error *err)
{
	uint32_t asked = d->controllers & m->needed;

	if (m->req->may_lack_rights && !m->req->path && !asked) {
		log_debug("no group in %s: %s", d->path, error_text(-r));
		return 0;
	}
	if (!m->req->may_lack_rights)
		return error_sys(err, -r, "make the control group %s", d->path);
	(void)error_set(
		err, ERROR_DENIED, -r,
		"make the control group %s: %s; without root no limits%s can be had unless cgroups are delegated",
		d->path, error_text(-r), asked ? "" : " and no linux.cgroupsPath");
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
		if (asked & CGROUP_BIT(c))
			return error_hint(err,
					  "drop %s, or run as root, or under systemd with cgroup v2: "
					  "systemd-run --user --scope -p Delegate=yes …",
					  m->fields[c]);
	return error_hint(err, "drop linux.cgroupsPath, or run as root");
}

/* Make and prepare the group in one hierarchy. Returns 0, 1 (left out), <0. */
static int make_in(const struct making *m, struct cgroup_dir *d, struct error *err)
{
	int r = make_dir(d);

	if (r < 0 && r != -EEXIST) {
		if (!cgroup_no_rights(r))
			return error_sys(err, -r, "make the control group %s", d->path);
		r = lacking(m, d, r, err);
		return r < 0 ? r : 1;
	}
	if (r == -EEXIST && !m->req->may_hold_processes) {
		r = check_existing(d, err);
		if (r < 0)
			return r;
	}
	if (!d->v2 && d->controllers & CGROUP_BIT(CGROUP_CPUSET)) {
		r = each_made(d, inherit_cpuset);
		if (r < 0)
			return error_sys(err, -r, "give %s the CPUs and memory nodes of its parent", d->path);
	}
	if (!d->v2 || m->host->mode != CGROUP_MODE_V2)
		return 0;
	r = cgroup_v2_enable(d, m->needed, m->fields, err);
	if (r == 0 && m->req->delegate)
		r = cgroup_v2_delegate(d, m->req, err);
	return r;
}

static int dir_init(const struct making *m, const struct cgroup_hierarchy *h, struct cgroup_dir *d, struct error *err)
{
	autofree char *below = NULL;
	int r = cgroup_path_resolve(h, m->host->mode, m->req->path, m->req->id, &below, err);

	if (r < 0)
		return r;
	*d = (struct cgroup_dir){
		.v2 = h->v2,
		.controllers = h->controllers,
		.name = mem_strdup(h->name),
		.mount_point = mem_strdup(h->mount_point),
		.path = mem_printf("%s%s", h->mount_point, below),
		.shown = str_starts(h->mount_root, "/..")
				 ? mem_strdup(below)
				 : mem_printf("%s%s", str_eq(h->mount_root, "/") ? "" : h->mount_root, below),
	};
	return 0;
}

static int refuse_limits(const struct making *m, struct error *err)
{
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
		if (m->needed & CGROUP_BIT(c))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "linux.resources.%s: cannot set this limit: %s", m->fields[c],
					 m->req->disabled ? "control groups are switched off for this container"
							  : "no control group hierarchy is mounted");
	return 0;
}

static int make_all(const struct making *m, struct cgroup *cg, struct error *err)
{
	bool spare_freezer = m->host->mode == CGROUP_MODE_HYBRID && unified_can_freeze(m->host);

	for (size_t i = 0; i < m->host->count; i++) {
		const struct cgroup_hierarchy *h = &m->host->items[i];
		struct cgroup_dir *d = &cg->dirs[cg->count];
		int r;

		if (!hierarchy_wanted(m->host, h, m->needed, spare_freezer))
			continue;
		r = dir_init(m, h, d, err);
		if (r < 0)
			return r;
		r = make_in(m, d, err);
		if (r == 1)
			dir_done(d);
		else
			cg->count++;
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_create(const struct cgroup_host *host, const struct cgroup_request *req, struct cgroup **ret,
		  struct error *err)
{
	autoclean(making_done) struct making m = {.host = host, .req = req};
	autocgroup struct cgroup *cg = mem_zalloc(1, sizeof(*cg));
	int r;

	cg->mode = host->mode;
	cg->devices_optional = req->may_lack_rights;
	r = needed_controllers(host, req->resources, &m.needed, m.fields, err);
	if (r < 0)
		return r;
	if (req->disabled || host->mode == CGROUP_MODE_NONE)
		r = refuse_limits(&m, err);
	else if ((r = check_available(host, m.needed, m.fields, err)) == 0)
		r = make_all(&m, cg, err);
	if (r < 0) {
		for (size_t i = cg->count; i-- > 0;)
			(void)remove_made(&cg->dirs[i]); /* err already says what failed first */
		return r;
	}
	*ret = take_ptr(&cg);
	return 0;
}

/* Whoever forks meanwhile is found in the next round; a group that grows faster than that is left with its error. */
#define EXTEND_ROUNDS 16

static int move_all(const struct cgroup *cg, const struct cgroup_dir *d, struct error *err)
{
	for (int round = 0; round < EXTEND_ROUNDS; round++) {
		autocgrouppids struct cgroup_pids all = {}, there = {};
		int r = cgroup_pids(cg, true, &all, err);

		if (r < 0)
			return r;
		if (cgroup_read_procs(d->path, &there) == 0 && there.count >= all.count)
			return 0;
		for (size_t i = 0; i < all.count; i++) {
			char text[16];

			(void)snprintf(text, sizeof(text), "%d", (int)all.items[i]);
			r = cgroupfs_write(d->path, "cgroup.procs", text);
			if (r < 0 && r != -ESRCH)
				return error_sys(err, -r, "move process %d to %s", (int)all.items[i], d->path);
		}
	}
	return error_set(err, ERROR_BUSY, EBUSY, "the container makes processes faster than they can be moved to %s",
			 d->path);
}

int cgroup_extend(struct cgroup *cg, const struct cgroup_host *host, const struct cgroup_request *req,
		  struct error *err)
{
	autoclean(making_done) struct making m = {.host = host, .req = req};
	int extended = 0;
	int r = needed_controllers(host, req->resources, &m.needed, m.fields, err);

	if (r < 0 || cg->count == 0 || cg->mode == CGROUP_MODE_V2)
		return r;
	for (size_t i = 0; i < host->count && cg->count < CGROUP_HIERARCHY_MAX; i++) {
		const struct cgroup_hierarchy *h = &host->items[i];
		struct cgroup_dir *d = &cg->dirs[cg->count];
		bool has = h->v2 || !(h->controllers & m.needed);

		for (size_t k = 0; k < cg->count && !has; k++)
			has = !cg->dirs[k].v2 && (cg->dirs[k].controllers & h->controllers);
		if (has)
			continue;
		r = dir_init(&m, h, d, err);
		if (r == 0)
			r = make_in(&m, d, err);
		if (r == 0)
			r = move_all(cg, d, err);
		if (r != 0) {
			(void)remove_made(d);
			dir_done(d);
			return r < 0 ? r : extended;
		}
		cg->count++;
		extended = CGROUP_EXTENDED;
	}
	return extended;
}

int cgroup_locate(const struct cgroup_host *host, const struct cgroup_request *req, struct cgroup **ret,
		  struct error *err)
{
	autoclean(making_done) struct making m = {.host = host, .req = req};
	autocgroup struct cgroup *cg = mem_zalloc(1, sizeof(*cg));

	cg->mode = host->mode;
	for (size_t i = 0; i < host->count; i++) {
		int r = dir_init(&m, &host->items[i], &cg->dirs[cg->count], err);

		if (r < 0)
			return r;
		cg->count++;
	}
	*ret = take_ptr(&cg);
	return 0;
}

int cgroup_plan_dirs(const struct cgroup_host *host, const struct cgroup_request *req, struct strv *ret,
		     struct error *err)
{
	autoclean(making_done) struct making m = {.host = host, .req = req};
	bool spare_freezer = host->mode == CGROUP_MODE_HYBRID && unified_can_freeze(host);
	int r = needed_controllers(host, req->resources, &m.needed, m.fields, err);

	if (r == 0 && !req->disabled)
		r = check_available(host, m.needed, m.fields, err);
	for (size_t i = 0; r == 0 && !req->disabled && i < host->count; i++) {
		autoclean(dir_done) struct cgroup_dir d = {};

		if (!hierarchy_wanted(host, &host->items[i], m.needed, spare_freezer))
			continue;
		r = dir_init(&m, &host->items[i], &d, err);
		if (r == 0)
			strv_push(ret, d.path);
	}
	return r;
}
