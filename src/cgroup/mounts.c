/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mount of type cgroup in config.json becomes, as a list that the runtime carries out. v2: one mount. v1 and hybrid:
 * a small tmpfs with a directory per hierarchy, and symbolic links for those mounted together (cpu -> cpu,cpuacct).
 *
 * In a new cgroup namespace the hierarchies are mounted afresh: such a mount shows the namespace's root, which is the
 * container's group. Without one, or where the kernel refuses (a user namespace that does not own the hierarchy), the
 * container's own directory is bound. Never more than that: hierarchies that the container did not join are left out.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"

void cgroup_mounts_done(struct cgroup_mounts *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->items[i].name);
		free(m->items[i].source);
		free(m->items[i].data);
		free(m->items[i].source2);
	}
	free(m->items);
	*m = (struct cgroup_mounts){};
}

static struct cgroup_mount *add(struct cgroup_mounts *m, enum cgroup_mount_kind kind, const char *name,
				const char *source)
{
	struct cgroup_mount *new = &VEC_PUSH(m->items, m->count);

	*new = (struct cgroup_mount){.kind = kind,
				     .name = mem_strdup(name),
				     .source = mem_strdup(source),
				     .data = mem_strdup("")};
	return new;
}

static void set_data(struct cgroup_mount *m, char *data_take)
{
	free(m->data);
	m->data = data_take;
}

/* The last component of where the host has it: "cpu,cpuacct", "systemd", "unified". */
static const char *dir_name(const struct cgroup_dir *d)
{
	const char *slash = strrchr(d->mount_point, '/');

	return slash ? slash + 1 : d->mount_point;
}

static void add_hierarchy(struct cgroup_mounts *out, const struct cgroup_dir *d, const char *name, bool cgroupns)
{
	char label[128];
	struct cgroup_mount *m;

	if (!cgroupns) {
		(void)add(out, CGROUP_MOUNT_BIND, name, d->path);
		return;
	}
	cgroup_dir_label(d, label);
	m = add(out, CGROUP_MOUNT_FS, name, d->v2 ? "cgroup2" : d->name ? d->name : "cgroup");
	m->fstype = d->v2 ? "cgroup2" : "cgroup";
	if (!d->v2)
		set_data(m, d->name ? mem_printf("none,name=%s", label) : mem_strdup(label));
	m->may_fail = true;
	m->source2 = mem_strdup(d->path);
}

/* Programs look for each controller by its own name. */
static void add_links(struct cgroup_mounts *out, const struct cgroup_dir *d)
{
	for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
		const char *name = cgroup_controller_name(c, false);

		if (d->v2 || !(d->controllers & CGROUP_BIT(c)) || str_eq(name, dir_name(d)))
			continue;
		(void)add(out, CGROUP_MOUNT_SYMLINK, name, dir_name(d));
	}
}

static int hand_over(struct cgroup_mounts *from, struct cgroup_mounts *ret)
{
	*ret = *from;
	*from = (struct cgroup_mounts){};
	return 0;
}

int cgroup_plan_mounts(const struct cgroup_host *host, const struct cgroup *cg, bool cgroupns,
		       struct cgroup_mounts *ret, struct error *err)
{
	autocgroupmounts struct cgroup_mounts out = {};
	struct cgroup_mount *m;

	(void)err;
	/* No group of its own: a new namespace's root is then where the container was started, which on v2 it may see (the
	 * caller mounts read-only); everywhere else there is nothing to show but an empty directory. */
	if (cg->count == 0 && host->mode == CGROUP_MODE_V2 && cgroupns) {
		m = add(&out, CGROUP_MOUNT_FS, "", "cgroup2");
		m->fstype = "cgroup2";
		m->may_fail = true;
		return hand_over(&out, ret);
	}
	if (cg->count > 0 && cg->mode == CGROUP_MODE_V2) {
		add_hierarchy(&out, &cg->dirs[0], "", cgroupns);
		return hand_over(&out, ret);
	}
	m = add(&out, CGROUP_MOUNT_TMPFS, "", "tmpfs");
	m->fstype = "tmpfs";
	set_data(m, mem_strdup("mode=755"));
	for (size_t i = 0; i < cg->count; i++)
		add_hierarchy(&out, &cg->dirs[i], dir_name(&cg->dirs[i]), cgroupns);
	for (size_t i = 0; i < cg->count; i++)
		add_links(&out, &cg->dirs[i]);
	return hand_over(&out, ret);
}
