/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle in state.json, so that later commands find the group that create made, also when the document or the host's
 * mounts have changed since. What is read back is checked: a path must lie below its mount point and hold no "..".
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"

struct json *cgroup_to_json(const struct cgroup *cg)
{
	struct json *top = json_new_object(), *list = json_new_array();

	json_set(top, "mode", json_new_str(cgroup_mode_name(cg->mode)));
	if (cg->devices_optional)
		json_set(top, "devicesOptional", json_new_bool(true));
	for (size_t i = 0; i < cg->count; i++) {
		const struct cgroup_dir *d = &cg->dirs[i];
		struct json *o = json_new_object();

		json_set(o, "path", json_new_str(d->path));
		json_set(o, "mountPoint", json_new_str(d->mount_point));
		json_set(o, "shown", json_new_str(d->shown));
		json_set(o, "v2", json_new_bool(d->v2));
		json_set(o, "controllers", json_new_u64(d->controllers));
		json_set_str(o, "name", d->name);
		json_set(o, "made", json_new_u64(d->made));
		json_push(list, o);
	}
	json_set(top, "directories", list);
	return top;
}

static int dir_from_json(const struct json *o, struct cgroup_dir *d)
{
	const char *path = json_str(json_get(o, "path")), *mount = json_str(json_get(o, "mountPoint"));
	const char *shown = json_str(json_get(o, "shown"));
	uint64_t mask, made;

	if (!path || !mount || !shown || path[0] != '/' || strlen(path) >= CGROUP_PATH_MAX ||
	    !str_starts(path, mount) || path[strlen(mount)] != '/' || json_u64(json_get(o, "controllers"), &mask) < 0 ||
	    mask > UINT32_MAX || json_u64(json_get(o, "made"), &made) < 0)
		return -EINVAL;
	d->path = mem_strdup(path);
	d->mount_point = mem_strdup(mount);
	d->shown = mem_strdup(shown);
	d->name = mem_strdup(json_str(json_get(o, "name")));
	d->v2 = json_bool(json_get(o, "v2"));
	d->controllers = (uint32_t)mask;
	/* Never more than there is between the mount point and the group. */
	for (const char *p = path + strlen(mount); *p; p++)
		if (*p == '/' && d->made < made)
			d->made++;
	return 0;
}

int cgroup_from_json(const struct json *j, struct cgroup **ret, struct error *err)
{
	autocgroup struct cgroup *cg = mem_zalloc(1, sizeof(*cg));
	const char *mode = json_str(json_get(j, "mode"));
	const struct json *list = json_get(j, "directories");

	for (cg->mode = 0; cg->mode < CGROUP_MODE_COUNT && !str_eq(mode, cgroup_mode_name(cg->mode)); cg->mode++)
		;
	if (cg->mode == CGROUP_MODE_COUNT || json_type(list) != JSON_ARRAY || json_len(list) > CGROUP_HIERARCHY_MAX)
		return error_set(err, ERROR_INVALID, EINVAL, "the record of the control group is damaged");
	cg->devices_optional = json_bool(json_get(j, "devicesOptional"));
	for (size_t i = 0; i < json_len(list); i++) {
		if (dir_from_json(json_at(list, i), &cg->dirs[cg->count++]) < 0)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "the record of the control group is damaged (directory %zu)", i);
		if (cgroup_path_check(cg->dirs[i].path, "the record of the control group", err) < 0)
			return -err->code;
	}
	*ret = take_ptr(&cg);
	return 0;
}
