/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container may do: capabilities, seccomp, labels, masked paths, devices, sysctls. The defaults are in
 * SECURITY.md; --privileged, --security-opt and --profile change them.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"
#include "seccomp/seccomp.h"

#define BIT(c) (UINT64_C(1) << (c))
#define PING_GROUP_MAX 65535u
#define PROFILE_MAX_BYTES (4u << 20)

/* Docker's set without NET_RAW (ping works through ping_group_range), MKNOD and AUDIT_WRITE. */
static const uint64_t default_caps = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) | BIT(CAP_FOWNER) |
				     BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) |
				     BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL);

/* What --security-opt collected. */
struct security {
	const char *seccomp; /* file, "unconfined", or NULL */
	const char *apparmor, *label;
	bool no_new_privs, unmask_all;
	struct strv mask, unmask;
};

static int collect(const struct engine_run_options *o, struct security *s, struct error *err)
{
	for (size_t i = 0; i < o->security_opt.count; i++) {
		const char *text = o->security_opt.items[i];
		size_t len = strcspn(text, "=:");
		const char *value = text[len] ? text + len + 1 : "";
		autofree char *key = mem_strndup(text, len);

		if (str_eq(key, "no-new-privileges"))
			s->no_new_privs = !str_eq(value, "false");
		else if (str_eq(key, "seccomp") && value[0])
			s->seccomp = value;
		else if (str_eq(key, "apparmor") && value[0])
			s->apparmor = value;
		else if (str_eq(key, "label") && value[0])
			s->label = value;
		else if (str_eq(key, "mask") && value[0])
			strv_split(&s->mask, value, ':');
		else if (str_eq(key, "unmask") && value[0]) {
			s->unmask_all |= str_eq(value, "ALL") || str_eq(value, "all");
			strv_split(&s->unmask, value, ':');
		} else if (str_eq(key, "systempaths") && str_eq(value, "unconfined"))
			s->unmask_all = true;
		else
			return error_hint(
				(error_set(err, ERROR_INVALID, EINVAL, "--security-opt: unknown option \"%s\"", text),
				 err),
				"known are seccomp=FILE|unconfined, apparmor=PROFILE, label=LABEL, no-new-privileges, mask=PATH, unmask=PATH|ALL");
	}
	return 0;
}

static int cap_list(const char *option, const struct strv *names, uint64_t *ret, bool *ret_all, struct error *err)
{
	for (size_t i = 0; i < names->count; i++) {
		int cap;

		if (strcasecmp(names->items[i], "ALL") == 0) {
			*ret_all = true;
			continue;
		}
		cap = spec_cap_from_name(names->items[i]);
		if (cap < 0)
			return error_hint((error_set(err, ERROR_INVALID, EINVAL, "%s: unknown capability \"%s\"",
						     option, names->items[i]),
					   err),
					  "capabilities(7) lists them: NET_ADMIN, SYS_PTRACE, … or ALL");
		*ret |= BIT(cap);
	}
	return 0;
}

static uint64_t known_caps(void)
{
	int last = caps_last();

	return last >= 63 ? UINT64_MAX : BIT(last + 1) - 1;
}

static int capabilities(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	const bool restricted = str_eq(o->profile, "restricted");
	uint64_t caps = restricted ? 0 : o->privileged ? known_caps() : default_caps;
	uint64_t add = 0;
	uint64_t drop = 0;
	bool add_all = false;
	bool drop_all = false;
	int r = cap_list("--cap-add", &o->cap_add, &add, &add_all, err);

	if (r == 0)
		r = cap_list("--cap-drop", &o->cap_drop, &drop, &drop_all, err);
	if (r < 0)
		return r;
	if (restricted && (add & ~BIT(CAP_NET_BIND_SERVICE) || add_all || o->privileged))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--profile restricted allows no capability but NET_BIND_SERVICE");
	if (drop_all)
		caps = 0;
	if (add_all)
		caps = known_caps();
	caps = (caps | add) & ~drop;
	m->spec.process.caps = (struct spec_caps){.set = true, .bounding = caps, .effective = caps, .permitted = caps};
	/* A user that is not root gets what was asked for by name, by way of the ambient set; the defaults are root's. */
	if (m->spec.process.user.uid != 0) {
		m->spec.process.caps.effective = m->spec.process.caps.permitted = add & caps;
		m->spec.process.caps.inheritable = m->spec.process.caps.ambient = add & caps;
	}
	return 0;
}

static int seccomp_profile(struct making *m, const struct security *s, struct error *err)
{
	const char *arch = seccomp_native_arch();
	autobuf struct buf text = BUF_INIT(PROFILE_MAX_BYTES);
	int r;

	if (str_eq(s->seccomp, "unconfined") || (m->opt->privileged && !s->seccomp))
		return 0;
	if (!s->seccomp || str_eq(s->seccomp, "builtin") || str_eq(s->seccomp, "default")) {
		spec_add_default_seccomp(&m->spec, m->spec.process.caps.bounding, arch, probe_kernel_version());
		if (m->have_image && m->image.config.platform.architecture &&
		    str_eq(m->image.config.platform.architecture, "386"))
			spec_allow_socketcall(&m->spec);
		return 0;
	}
	r = safepath_host_read(s->seccomp, true, &text, err);
	if (r == 0)
		r = spec_parse_seccomp_profile(buf_str(&text), text.len, s->seccomp, arch,
					       m->spec.process.caps.bounding, probe_kernel_version(), &m->spec.arena,
					       &m->spec.linux_.seccomp, err);
	return r < 0 ? error_wrap(err, "--security-opt seccomp") : 0;
}

static void remove_path(struct spec_strs *list, const char *path)
{
	size_t kept = 0;
	const size_t len = strlen(path);
	const bool prefix = len && path[len - 1] == '*';

	for (size_t i = 0; i < list->count; i++)
		if (prefix ? strncmp(list->items[i], path, len - 1) != 0 : !str_eq(list->items[i], path))
			list->items[kept++] = list->items[i];
	list->count = kept;
	list->items[kept] = NULL;
}

/* How often each CPU was slowed down tells of the neighbours' work (V36). All CPUs have the counters or none. */
static void mask_throttle_counters(struct making *m)
{
	const long count = sysconf(_SC_NPROCESSORS_CONF);
	struct stat st;

	for (long i = 0; i < count; i++) {
		const char *path = arena_printf(&m->spec.arena, "/sys/devices/system/cpu/cpu%ld/thermal_throttle", i);

		if (i == 0 && safepath_host_stat(path, &st) < 0)
			return;
		spec_strs_push(&m->spec.arena, &m->spec.linux_.masked_paths, path);
	}
}

static void masks(struct making *m, const struct security *s)
{
	if (!m->opt->privileged && !s->unmask_all) {
		spec_add_default_masks(&m->spec);
		mask_throttle_counters(m);
	}
	for (size_t i = 0; i < s->unmask.count && !s->unmask_all; i++) {
		remove_path(&m->spec.linux_.masked_paths, s->unmask.items[i]);
		remove_path(&m->spec.linux_.readonly_paths, s->unmask.items[i]);
	}
	for (size_t i = 0; i < s->mask.count; i++)
		spec_strs_push(&m->spec.arena, &m->spec.linux_.masked_paths, s->mask.items[i]);
}

/* The largest id up to @max that exists in the container. */
static uint32_t last_id(const struct spec_id_maps *maps, uint32_t max)
{
	uint32_t top = 0;

	for (size_t i = 0; i < maps->count; i++) {
		const struct spec_id_map *e = &maps->items[i];
		const uint32_t last = e->size - 1 > max ? max : e->container_id + (e->size - 1);

		if (e->container_id <= max && (last > max ? max : last) > top)
			top = last > max ? max : last;
	}
	return top;
}

static int sysctls(struct making *m, struct error *err)
{
	struct spec_map *out = &m->spec.linux_.sysctl;

	if (m->own_netns && !m->opt->privileged) {
		/* ping without NET_RAW, and ports below 1024 for everybody: both only touch the container's own network. */
		const uint32_t top =
			m->own_userns ? last_id(&m->spec.linux_.gid_mappings, PING_GROUP_MAX) : PING_GROUP_MAX;

		spec_map_set(&m->spec.arena, out, "net.ipv4.ping_group_range",
			     arena_printf(&m->spec.arena, "0 %u", top));
		spec_map_set(&m->spec.arena, out, "net.ipv4.ip_unprivileged_port_start", "0");
	}
	for (size_t i = 0; i < m->opt->sysctls.count; i++) {
		const char *text = m->opt->sysctls.items[i];
		const char *eq = strchr(text, '=');
		autofree char *key = eq ? mem_strndup(text, (size_t)(eq - text)) : NULL;

		if (!key || !key[0])
			return error_set(err, ERROR_INVALID, EINVAL, "--sysctl: expected KEY=VALUE, got \"%s\"", text);
		if (spec_sysctl_namespace(key) < 0)
			return error_hint(
				(error_set(err, ERROR_DENIED, EPERM, "--sysctl: \"%s\" belongs to the host", key), err),
				"only those of a namespace can be set: net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*");
		spec_map_set(&m->spec.arena, out, key, eq + 1);
	}
	return 0;
}

/* Kubernetes' "restricted" Pod Security Standard, as far as it speaks of one container. */
static int check_restricted(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;

	if (m->spec.process.user.uid == 0)
		return error_hint((error_set(err, ERROR_DENIED, EPERM,
					     "--profile restricted: the program must not run as root"),
				   err),
				  "choose a user: --user 1000");
	if (!m->own_netns || str_eq(o->pid, "host") || str_eq(o->ipc, "host") || str_eq(o->uts, "host") ||
	    str_eq(o->userns, "host"))
		return error_set(err, ERROR_DENIED, EPERM,
				 "--profile restricted: no namespace of the host may be shared");
	if (o->volumes.count)
		return error_set(err, ERROR_DENIED, EPERM,
				 "--profile restricted: no folder of the host may be mounted");
	if (o->devices.count || o->device_rules.count)
		return error_set(err, ERROR_DENIED, EPERM, "--profile restricted: no device of the host may be given");
	return 0;
}

static int labels(struct making *m, const struct security *s, struct error *err)
{
	struct spec_process *p = &m->spec.process;

	if (s->apparmor && !str_eq(s->apparmor, "unconfined")) {
		if (!lsm_enabled(LSM_APPARMOR))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "--security-opt apparmor=%s: AppArmor is not enabled on this host",
					 s->apparmor);
		p->apparmor_profile = arena_strdup(&m->spec.arena, s->apparmor);
	}
	if (s->label && !str_eq(s->label, "disable")) {
		if (!lsm_enabled(LSM_SELINUX))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "--security-opt label=%s: SELinux is not enabled on this host", s->label);
		p->selinux_label = arena_strdup(&m->spec.arena, s->label);
	}
	return 0;
}

int engine_security(struct making *m, struct error *err)
{
	const bool restricted = str_eq(m->opt->profile, "restricted");
	struct security s = {};
	int r = 0;

	if (m->opt->profile && !restricted && !str_eq(m->opt->profile, "default"))
		r = error_set(err, ERROR_INVALID, EINVAL, "--profile: expected default or restricted, got \"%s\"",
			      m->opt->profile);
	if (r == 0)
		r = collect(m->opt, &s, err);
	if (r == 0 && restricted && (str_eq(s.seccomp, "unconfined") || s.unmask_all || m->opt->privileged))
		r = error_set(err, ERROR_DENIED, EPERM,
			      "--profile restricted: privileged, unconfined and unmasked containers are refused");
	if (r == 0 && restricted)
		r = check_restricted(m, err);
	if (r == 0)
		r = capabilities(m, err);
	m->spec.process.no_new_privileges = s.no_new_privs || restricted;
	if (r == 0)
		r = seccomp_profile(m, &s, err);
	if (r == 0)
		r = labels(m, &s, err);
	if (r == 0)
		masks(m, &s);
	if (r == 0)
		r = sysctls(m, err);
	strv_done(&s.mask);
	strv_done(&s.unmask);
	return r;
}
