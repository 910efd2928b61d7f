/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only cgroup v2 asks of a new group: controllers are handed down level by level in cgroup.subtree_control, a group in
 * a threaded tree is of no use for a container, and a group may be given to the container's root.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

/* The types that cannot take what we want to do, with a reason in words. */
static int check_type(const char *dir, struct error *err)
{
	char type[64];

	if (cgroupfs_read(dir, "cgroup.type", type, sizeof(type)) < 0)
		return 0; /* the hierarchy's root has none */
	if (str_eq(type, "domain invalid") || str_eq(type, "threaded")) {
		(void)error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "cannot use %s: its type is \"%s\"", dir, type);
		return error_hint(err, "a group above it is threaded; choose a linux.cgroupsPath outside of it");
	}
	return 0;
}

/* Switch on, for what is below @dir, the controllers of @want that are off. One write for all, as that is the common
 * case; when it is refused each alone, so that one missing controller does not cost the others. */
static int enable_in(const char *dir, uint32_t want)
{
	char list[512];
	autobuf struct buf all = BUF_INIT(1024);
	int r;

	if (cgroupfs_read(dir, "cgroup.subtree_control", list, sizeof(list)) < 0)
		return -ENOENT;
	want &= ~cgroup_parse_controllers(list, ' ');
	if (!want)
		return 0;
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
		if (want & CGROUP_BIT(c))
			buf_printf(&all, "%s+%s", all.len ? " " : "", cgroup_controller_name(c, true));
	r = cgroupfs_write(dir, "cgroup.subtree_control", buf_str(&all));
	if (r == 0)
		return 0;
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
		char one[32];
		int q;

		if (!(want & CGROUP_BIT(c)))
			continue;
		(void)snprintf(one, sizeof(one), "+%s", cgroup_controller_name(c, true));
		q = cgroupfs_write(dir, "cgroup.subtree_control", one);
		if (q < 0)
			log_debug("%s: cannot enable %s below: %s", dir, one + 1, error_text(-q));
	}
	return r;
}

/* Controllers come down from the mount's root level by level. */
int cgroup_v2_enable(const struct cgroup_dir *d, uint32_t needed, char *const *fields, struct error *err)
{
	char list[512];
	autofree char *dir = NULL;
	size_t at = strlen(d->mount_point), len = strlen(d->path);
	int last = 0;

	if (cgroupfs_read(d->path, "cgroup.controllers", list, sizeof(list)) < 0)
		list[0] = '\0';
	if (!(d->controllers & ~cgroup_parse_controllers(list, ' ')))
		return 0; /* everything is there: the usual second container */
	dir = mem_strdup(d->path);
	while (at < len) {
		int r;

		dir[at] = '\0';
		r = enable_in(dir, d->controllers);
		last = r ? r : last;
		dir[at] = '/';
		at++;
		at += strcspn(dir + at, "/");
	}
	if (cgroupfs_read(d->path, "cgroup.controllers", list, sizeof(list)) < 0)
		list[0] = '\0';
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
		if (!(needed & ~cgroup_parse_controllers(list, ' ') & CGROUP_BIT(c)))
			continue;
		(void)error_set(
			err, cgroup_no_rights(last) ? ERROR_DENIED : ERROR_UNSUPPORTED, last ? -last : EOPNOTSUPP,
			"linux.resources.%s: cannot set this limit: the %s controller cannot be enabled for %s: %s",
			fields[c], cgroup_controller_name(c, true), d->path,
			last == -EBUSY ? "a group above it holds processes itself"
			: last         ? error_text(-last)
				       : "it is not handed down to here");
		return error_hint(err, "choose a linux.cgroupsPath whose parents hold no processes%s",
				  cgroup_no_rights(last) ? " and that is delegated to this user" : "");
	}
	return check_type(d->path, err);
}

static int chown_one(const char *dir, const char *name, const struct cgroup_request *req)
{
	int r = cgroupfs_chown(dir, name, req->owner_uid, req->owner_gid);

	return r == -ENOENT ? 0 : r;
}

/* runtime-spec "Cgroup ownership": the directory and the files that the kernel lists, and nothing else. */
int cgroup_v2_delegate(const struct cgroup_dir *d, const struct cgroup_request *req, struct error *err)
{
	char list[4096], *line = list;
	int r = chown_one(d->path, "", req);

	if (cgroupfs_read("/sys/kernel/cgroup", "delegate", list, sizeof(list)) < 0)
		(void)str_copy(list, sizeof(list), "cgroup.procs\ncgroup.subtree_control\ncgroup.threads");
	while (r == 0 && *line) {
		size_t len = strcspn(line, "\n");
		bool more = line[len] != '\0';

		line[len] = '\0';
		if (len > 0 && !strchr(line, '/'))
			r = chown_one(d->path, line, req);
		line += len + more;
	}
	return r < 0 ? error_sys(err, -r, "give %s to user %u", d->path, req->owner_uid) : 0;
}
