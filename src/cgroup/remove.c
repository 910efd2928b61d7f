/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a group away: rmdir of its own directory, with the groups that the container made below it first, and of the
 * parents that were made for it. Only rmdir is used, so nothing that holds a process or another's group can go. A directory
 * that is busy because processes are still dying is waited for by events, once, for a bounded time.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

#define EMPTY_TIMEOUT_MS 5000

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

static int remove_below(const char *dir, void *arg)
{
	int r = cgroupfs_rmdir(dir);

	(void)arg;
	return is_gone(r) ? 0 : r;
}

/* 0, or -EBUSY when processes are in the way. */
static int remove_tree(const char *dir)
{
	int r = cgroupfs_rmdir(dir);

	if (r != -EBUSY && r != -ENOTEMPTY)
		return is_gone(r) ? 0 : r;
	r = cgroupfs_walk(dir, CGROUP_DEPTH_MAX, remove_below, NULL);
	if (r < 0 && !is_gone(r))
		return r;
	r = cgroupfs_rmdir(dir);
	return is_gone(r) ? 0 : r;
}

/* The parents made for this group, nearest first, as far as they are empty. */
static void remove_parents(const struct cgroup_dir *d)
{
	autofree char *path = mem_strdup(d->path);

	for (unsigned i = 1; i < d->made; i++) {
		*strrchr(path, '/') = '\0';
		if (cgroupfs_rmdir(path) < 0)
			return; /* in use by others: it stays */
	}
}

static int busy(const struct cgroup_dir *d, int r, struct error *err)
{
	autocgrouppids struct cgroup_pids pids = {};

	if (r == -EBUSY && cgroup_read_procs(d->path, &pids) == 0 && pids.count > 0)
		return error_set(err, ERROR_BUSY, EBUSY, "remove the control group %s: it holds process %d", d->path,
				 (int)pids.items[0]);
	return error_sys(err, -r, "remove the control group %s", d->path);
}

int cgroup_delete(struct cgroup *cg, enum cgroup_delete_mode mode, struct error *err)
{
	bool waited = false;
	int ret = 0;

	/* In the reverse order of making. One that fails does not keep the others from going. */
	for (size_t i = cg->count; i-- > 0;) {
		struct cgroup_dir *d = &cg->dirs[i];
		int r;

		if (mode == CGROUP_DELETE_UNDO && d->made == 0)
			continue;
		r = remove_tree(d->path);
		if (r == -EBUSY && !waited) {
			struct error ignored;

			waited = true;
			(void)cgroup_wait_empty(cg, EMPTY_TIMEOUT_MS,
						&ignored); /* the rmdir below says what is wrong */
			r = remove_tree(d->path);
		}
		if (r < 0) {
			ret = ret ? ret : busy(d, r, err);
			continue;
		}
		remove_parents(d);
		d->made = 0;
	}
	return ret;
}
