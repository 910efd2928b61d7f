/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between fields that no single row can tell. Each rule is a function over the whole document; spec_validate runs
 * them in the order of the document and stops at the first that is broken. Nothing here looks at the host: whether a
 * kernel has a namespace, or whether a joined one is the host's, the runtime asks when it is there.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "spec/fields.h"

/* Lines of a uid_map that the kernel takes (UID_GID_MAP_MAX_EXTENTS). */
#define MAPPINGS_MAX 340
/* Names are compared pair by pair. */
#define NET_DEVICES_MAX 1024

#define BAD(err, ...) error_set((err), ERROR_INVALID, EINVAL, __VA_ARGS__)

static bool has_ns(const struct spec *s, enum spec_ns ns)
{
	return s->linux_.ns[ns].present;
}

static bool new_ns(const struct spec *s, enum spec_ns ns)
{
	return has_ns(s, ns) && !s->linux_.ns[ns].path;
}

static int check_root(const struct spec *s, struct error *err)
{
	return s->root_path ? 0 : BAD(err, "root: is required, but missing");
}

static int check_names(const struct spec *s, struct error *err)
{
	if (has_ns(s, SPEC_NS_UTS) || !(s->hostname || s->domainname))
		return 0;
	return BAD(err, "%s: needs a uts namespace in linux.namespaces, or it would be the host's name",
		   s->hostname ? "hostname" : "domainname");
}

/* ---- id mappings ------------------------------------------------------------------------------------------------- */

static bool overlap(uint32_t a, uint32_t b, uint32_t a_size, uint32_t b_size)
{
	return a < (uint64_t)b + b_size && b < (uint64_t)a + a_size;
}

static int check_maps(const char *field, const char *member, const struct spec_id_maps *m, struct error *err)
{
	if (m->count > MAPPINGS_MAX)
		return BAD(err, "%s%s: has %zu entries, the kernel takes at most %d", field, member, m->count,
			   MAPPINGS_MAX);
	for (size_t i = 0; i < m->count; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct spec_id_map *a = &m->items[i];
			const struct spec_id_map *b = &m->items[k];

			if (overlap(a->container_id, b->container_id, a->size, b->size))
				return BAD(err, "%s%s[%zu].containerID: the range overlaps with entry %zu", field,
					   member, i, k);
			if (overlap(a->host_id, b->host_id, a->size, b->size))
				return BAD(err, "%s%s[%zu].hostID: the range overlaps with entry %zu", field, member, i,
					   k);
		}
	}
	return 0;
}

static bool is_mapped(const struct spec_id_maps *m, uint32_t id)
{
	for (size_t i = 0; i < m->count; i++) {
		if (id >= m->items[i].container_id && id - m->items[i].container_id < m->items[i].size)
			return true;
	}
	return false;
}

static int check_mappings(const struct spec *s, struct error *err)
{
	const struct spec_linux *l = &s->linux_;
	int rc;

	if ((l->uid_mappings.count || l->gid_mappings.count) && !has_ns(s, SPEC_NS_USER))
		return BAD(err, "linux.%s: needs a user namespace in linux.namespaces",
			   l->uid_mappings.count ? "uidMappings" : "gidMappings");
	if (new_ns(s, SPEC_NS_USER) && (!l->uid_mappings.count || !l->gid_mappings.count))
		return BAD(err, "linux.%s: is required for a new user namespace",
			   l->uid_mappings.count ? "gidMappings" : "uidMappings");
	rc = check_maps("linux.", "uidMappings", &l->uid_mappings, err);
	return rc < 0 ? rc : check_maps("linux.", "gidMappings", &l->gid_mappings, err);
}

static int check_user(const struct spec *s, struct error *err)
{
	const struct spec_user *u = &s->process.user;
	const struct spec_linux *l = &s->linux_;

	if (!s->process.set || !new_ns(s, SPEC_NS_USER))
		return 0;
	if (!is_mapped(&l->uid_mappings, u->uid))
		return BAD(err, "process.user.uid: %u is not in linux.uidMappings", u->uid);
	if (!is_mapped(&l->gid_mappings, u->gid))
		return BAD(err, "process.user.gid: %u is not in linux.gidMappings", u->gid);
	for (size_t i = 0; i < u->additional_gid_count; i++) {
		if (!is_mapped(&l->gid_mappings, u->additional_gids[i]))
			return BAD(err, "process.user.additionalGids[%zu]: %u is not in linux.gidMappings", i,
				   u->additional_gids[i]);
	}
	return 0;
}

/* capset(2) and PR_CAP_AMBIENT refuse these. (Ambient ones that are not inheritable are dropped by the runtime, since
 * documents of runc 1.1 ask for them.) */
static int check_caps(const struct spec *s, struct error *err)
{
	const struct spec_caps *c = &s->process.caps;
	uint64_t extra = c->effective & ~c->permitted;

	if (s->process.set && c->set && extra)
		return BAD(err, "process.capabilities.effective: %s is not in permitted",
			   spec_cap_name(__builtin_ctzll(extra)));
	return 0;
}

/* ---- mounts ------------------------------------------------------------------------------------------------------ */

static int check_mount(const struct spec *s, size_t i, struct error *err)
{
	const struct spec_mount *m = &s->mounts[i];
	char field[32];
	int rc;

	(void)snprintf(field, sizeof(field), "mounts[%zu].", i);
	if (m->bind && !*m->source)
		return BAD(err, "%ssource: is required for a bind mount", field);
	if ((m->uid_mappings.count == 0) != (m->gid_mappings.count == 0))
		return BAD(err, "%s%s: uidMappings and gidMappings must be given together", field,
			   m->uid_mappings.count ? "gidMappings" : "uidMappings");
	if (m->idmap != SPEC_MOUNT_IDMAP_NONE && !m->uid_mappings.count && !has_ns(s, SPEC_NS_USER))
		return BAD(err,
			   "%soptions: an id-mapped mount needs uidMappings and gidMappings, or a user namespace in "
			   "linux.namespaces",
			   field);
	rc = check_maps(field, "uidMappings", &m->uid_mappings, err);
	return rc < 0 ? rc : check_maps(field, "gidMappings", &m->gid_mappings, err);
}

static int check_mounts(const struct spec *s, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->mount_count; i++)
		rc = check_mount(s, i, err);
	return rc;
}

static int check_paths(const struct spec *s, struct error *err)
{
	const struct spec_linux *l = &s->linux_;

	if (has_ns(s, SPEC_NS_MOUNT) || !(l->masked_paths.count || l->readonly_paths.count))
		return 0;
	return BAD(err, "linux.%s: needs a mount namespace in linux.namespaces, or the host's files would be changed",
		   l->masked_paths.count ? "maskedPaths" : "readonlyPaths");
}

/* ---- linux ------------------------------------------------------------------------------------------------------- */

static int check_sysctls(const struct spec *s, struct error *err)
{
	for (size_t i = 0; i < s->linux_.sysctl.count; i++) {
		const char *key = s->linux_.sysctl.items[i].key;
		int ns = spec_sysctl_namespace(key);

		if (ns < 0)
			return BAD(err, "linux.sysctl[\"%.80s\"]: belongs to no namespace, so it would change the host",
				   key);
		if (!has_ns(s, (enum spec_ns)ns))
			return BAD(err,
				   "linux.sysctl[\"%.80s\"]: needs \"%s\" in linux.namespaces, or it would change "
				   "the host",
				   key, spec_ns_name((enum spec_ns)ns));
		if (strcmp(key, "kernel.hostname") == 0 || strcmp(key, "kernel/hostname") == 0)
			return BAD(err, "linux.sysctl[\"%s\"]: is set by the field hostname", key);
	}
	return 0;
}

static int check_offsets(const struct spec *s, struct error *err)
{
	if (!s->linux_.time_monotonic.set && !s->linux_.time_boottime.set)
		return 0;
	if (!has_ns(s, SPEC_NS_TIME))
		return BAD(err, "linux.timeOffsets: needs a time namespace in linux.namespaces");
	if (!new_ns(s, SPEC_NS_TIME))
		return BAD(err, "linux.timeOffsets: cannot be set in a time namespace that is joined by path");
	return 0;
}

static int check_net_devices(const struct spec *s, struct error *err)
{
	const struct spec_linux *l = &s->linux_;

	if (l->net_device_count && !has_ns(s, SPEC_NS_NETWORK))
		return BAD(err, "linux.netDevices: needs a network namespace in linux.namespaces");
	if (l->net_device_count > NET_DEVICES_MAX)
		return BAD(err, "linux.netDevices: has %zu entries, at most %d are accepted", l->net_device_count,
			   NET_DEVICES_MAX);
	for (size_t i = 0; i < l->net_device_count; i++) {
		const struct spec_net_device *a = &l->net_devices[i];

		for (size_t k = 0; k < i; k++) {
			const struct spec_net_device *b = &l->net_devices[k];
			const char *name = a->name ? a->name : a->host_name;

			if (!strchr(name, '%') && str_eq(name, b->name ? b->name : b->host_name))
				return BAD(err, "linux.netDevices[\"%s\"].name: \"%s\" is also the name of \"%s\"",
					   a->host_name, name, b->host_name);
		}
	}
	return 0;
}

/* A filter that asks user space about the call with which the process tells its parent of the listener would wait for
 * itself. The others (read, close, sendmsg, ...) may be asked about, as with runc. */
static bool blocks_hand_over(const struct spec_seccomp_rule *rule)
{
	for (size_t i = 0; i < rule->names.count; i++) {
		if (str_eq(rule->names.items[i], "write"))
			return true;
	}
	return false;
}

static int check_seccomp(const struct spec *s, struct error *err)
{
	const struct spec_seccomp *f = &s->linux_.seccomp;
	bool notify = false;

	if (!f->set)
		return 0;
	if (f->default_action == SPEC_SECCOMP_NOTIFY)
		return BAD(
			err,
			"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default, the process could not even "
			"hand over its listener");
	for (size_t i = 0; i < f->rule_count; i++) {
		if (f->rules[i].action != SPEC_SECCOMP_NOTIFY)
			continue;
		notify = true;
		if (blocks_hand_over(&f->rules[i]))
			return BAD(
				err,
				"linux.seccomp.syscalls[%zu].action: SCMP_ACT_NOTIFY cannot be used for write, by which "
				"the listener is handed over",
				i);
	}
	if (notify && !f->listener_path)
		return BAD(err, "linux.seccomp.listenerPath: is required by SCMP_ACT_NOTIFY, but missing");
	if (f->listener_metadata && !f->listener_path)
		return BAD(err, "linux.seccomp.listenerMetadata: does not go without listenerPath");
	return 0;
}

static int check_memory(const struct spec *s, struct error *err)
{
	const struct spec_opt_i64 *limit = &s->linux_.resources.memory.limit;
	const struct spec_opt_i64 *swap = &s->linux_.resources.memory.swap;

	if (limit->set && swap->set && swap->v > 0 && (limit->v < 0 || limit->v > swap->v))
		return BAD(err,
			   "linux.resources.memory.swap: %lld is memory and swap together, so it cannot be below limit",
			   (long long)swap->v);
	return 0;
}

int spec_validate(const struct spec *s, struct error *err)
{
	static int (*const rules[])(const struct spec *, struct error *) = {
		check_root,    check_names,  check_user,        check_caps,    check_mounts, check_mappings,
		check_sysctls, check_memory, check_net_devices, check_seccomp, check_paths,  check_offsets,
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(rules); i++)
		rc = rules[i](s, err);
	return rc;
}
