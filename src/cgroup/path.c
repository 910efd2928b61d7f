/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container's group lies: linux.cgroupsPath (or the default) turned into a path below a hierarchy's mount point.
 * The rules are runc's: absolute counts from the mounted root of each hierarchy; relative (and the default, the id alone)
 * from the caller's own group, on a v2 host from that group's parent, because a group that holds processes cannot hand
 * controllers to groups below it. What is stricter here: ".." is refused instead of being folded away.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"

#define NAME_BYTES_MAX 255 /* kernfs: a component is no longer than NAME_MAX */

int cgroup_path_check(const char *path, const char *what, struct error *err)
{
	const char *at = path;

	if (strlen(path) >= CGROUP_PATH_MAX / 2)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "%s: longer than %d bytes", what,
				 CGROUP_PATH_MAX / 2);
	if (str_has_control(path))
		return error_set(err, ERROR_INVALID, EINVAL, "%s: control characters are not allowed", what);
	while (*at) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return error_set(err, ERROR_INVALID, EINVAL, "%s: \"%s\" must not contain \"..\"", what, path);
		if (len > NAME_BYTES_MAX)
			return error_set(err, ERROR_INVALID, ENAMETOOLONG, "%s: a part of it is longer than %d bytes",
					 what, NAME_BYTES_MAX);
		at += len;
		if (*at)
			at++;
	}
	return 0;
}

/* Append the components of @path to @out as "/a/b", leaving out empty ones and ".". */
static void add_clean(struct buf *out, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len > 0 && !(len == 1 && path[0] == '.')) {
			buf_putc(out, '/');
			buf_add(out, path, len);
		}
		path += len;
		if (*path)
			path++;
	}
}

/* The caller's own group, seen from the mount point. A mount that shows only a part of the hierarchy (a container's without
 * a cgroup namespace) has that part's path in front of both. When the group lies outside of what is mounted, there is
 * nothing better than the mount's root. */
static void add_own(struct buf *out, const struct cgroup_hierarchy *h, bool parent)
{
	const char *own = h->own, *root = h->mount_root;
	autofree char *copy = NULL;
	size_t len = strlen(root);

	if (str_starts(own, "/..") || str_starts(root, "/.."))
		return;
	if (!str_eq(root, "/")) {
		if (strncmp(own, root, len) != 0 || (own[len] != '/' && own[len] != '\0'))
			return;
		own += len;
	}
	copy = mem_strdup(own);
	if (parent && strrchr(copy, '/'))
		*strrchr(copy, '/') = '\0';
	add_clean(out, copy);
}

/* "machine.slice:libpod:0123": what engines pass when they talk to the systemd driver. */
static bool is_systemd_form(const char *path)
{
	const char *first = strchr(path, ':');

	return first && strchr(first + 1, ':') && !strchr(path, '/');
}

int cgroup_path_resolve(const struct cgroup_hierarchy *h, enum cgroup_mode mode, const char *path, const char *id,
			char **ret, struct error *err)
{
	autobuf struct buf out = BUF_INIT(CGROUP_PATH_MAX);
	size_t own_len;
	int r;

	if (path && is_systemd_form(path)) {
		(void)error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				"linux.cgroupsPath: \"%s\" is the systemd driver's form, which is not supported", path);
		return error_hint(err, "use the cgroupfs driver: Docker --exec-opt native.cgroupdriver=cgroupfs, "
				       "Podman --cgroup-manager=cgroupfs");
	}
	r = cgroup_path_check(path ? path : id, path ? "linux.cgroupsPath" : "container id", err);
	if (r < 0)
		return r;
	if (!path || path[0] != '/')
		add_own(&out, h, mode == CGROUP_MODE_V2);
	own_len = out.len;
	add_clean(&out, path && *path ? path : id);
	if (out.failed)
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG,
				 "linux.cgroupsPath: the whole path is longer than %d bytes", CGROUP_PATH_MAX);
	if (out.len == own_len)
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"linux.cgroupsPath: \"%s\" names the root of the hierarchy, not a group of the container's own",
			path);
	*ret = buf_take(&out);
	return 0;
}
