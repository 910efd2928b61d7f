/* SPDX-License-Identifier: Apache-2.0 */
/* Host's side: the control group, made and limited before the process is born, looked at before the program starts. */
#include "runtime/host.h"

#include <linux/mount.h>

#include "base/str.h"
#include "kernel/kernel.h"

static bool cgroup_is_writable(const struct spec *s)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if ((str_eq(s->mounts[i].type, "cgroup") || str_eq(s->mounts[i].type, "cgroup2")) &&
		    !(s->mounts[i].attr_set & MOUNT_ATTR_RDONLY))
			return true;
	return false;
}

/* The document's limits with the device rules completed; a shallow copy that borrows everything. */
static struct spec_resources resources(const struct launch *l)
{
	struct spec_resources res = l->spec->linux_.resources;

	res.devices = l->plan.device_rules;
	res.device_count = l->plan.device_rule_count;
	return res;
}

int host_cgroup_create(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_resources res = resources(l);
	struct cgroup_request req = {
		.path = l->spec->linux_.cgroups_path,
		.id = l->opt->id,
		.resources = &res,
		.may_lack_rights = !l->facts.privileged || l->facts.in_userns,
		.delegate = l->plan.new_userns && l->plan.new_cgroupns && cgroup_is_writable(l->spec),
		.owner_uid = host_id(&l->spec->linux_.uid_mappings, 0),
		.owner_gid = host_id(&l->spec->linux_.gid_mappings, 0),
	};
	int r;

	(void)s;
	/* A plain user can't set device rules; the user namespace keeps him from making nodes anyway. */
	if (req.may_lack_rights) {
		struct spec_resources plain = l->spec->linux_.resources;

		plain.device_count = 0;
		req.resources = &plain;
		r = cgroup_create(&l->cgroup_host, &req, &l->cgroup, err);
	} else {
		r = cgroup_create(&l->cgroup_host, &req, &l->cgroup, err);
	}
	if (r < 0)
		return r;
	/* Recorded before anything is in it, so that a crash leaves nothing that delete does not know. */
	r = state_save(l->state.dir_fd, &l->state, cgroup_to_json(l->cgroup), err);
	return r < 0 ? r : cgroup_join_open(l->cgroup, &l->join, err);
}

int host_cgroup_limits(struct launch *l, const struct plan_step *s, struct error *err)
{
	struct spec_resources res = resources(l);

	(void)s;
	if (!l->facts.privileged || l->facts.in_userns)
		res.device_count = 0;
	return cgroup_apply(l->cgroup, &res, CGROUP_APPLY_CREATE, err);
}

/* V34: limits hold only for those who are in. */
int host_cgroup_verify(struct launch *l, const struct plan_step *s, struct error *err)
{
	(void)s;
	return cgroup_verify(l->cgroup, l->init.pid, err);
}
