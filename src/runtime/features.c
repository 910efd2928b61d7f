/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The features document: what engines ask before they rely on something. Source: runtime-spec features.md,
 * features-linux.md.
 */
#include "base/cleanup.h"
#include "kernel/kernel.h"
#include "runtime/runtime.h"
#include "seccomp/seccomp.h"

static struct json *strings(const char *const *items, size_t count)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < count; i++)
		json_push(a, json_new_str(items[i]));
	return a;
}

static struct json *enabled(bool on)
{
	struct json *o = json_new_object();

	json_set(o, "enabled", json_new_bool(on));
	return o;
}

static struct json *namespaces(void)
{
	struct json *a = json_new_array();

	for (int i = 0; i < SPEC_NS_COUNT; i++)
		json_push(a, json_new_str(spec_ns_name((enum spec_ns)i)));
	return a;
}

static struct json *capabilities(void)
{
	struct json *a = json_new_array();

	for (int i = 0; i < SPEC_CAP_COUNT; i++)
		json_push(a, json_new_str(spec_cap_name(i)));
	return a;
}

static struct json *cgroup(void)
{
	struct json *o = json_new_object();

	json_set(o, "v1", json_new_bool(true));
	json_set(o, "v2", json_new_bool(true));
	json_set(o, "systemd", json_new_bool(false));
	json_set(o, "systemdUser", json_new_bool(false));
	json_set(o, "rdma", json_new_bool(true));
	return o;
}

static struct json *seccomp(void)
{
	struct json *o = enabled(true);
	struct seccomp_features f;

	seccomp_features(&f);
	json_set(o, "actions", strings(f.actions, f.action_count));
	json_set(o, "operators", strings(f.operators, f.operator_count));
	json_set(o, "archs", strings(f.archs, f.arch_count));
	json_set(o, "knownFlags", strings(f.known_flags, f.known_flag_count));
	json_set(o, "supportedFlags", strings(f.supported_flags, f.supported_flag_count));
	return o;
}

static struct json *memory_policy(void)
{
	static const char *const modes[] = {
		"MPOL_BIND",      "MPOL_DEFAULT",        "MPOL_INTERLEAVE",         "MPOL_LOCAL",
		"MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"};
	static const char *const flags[] = {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"};
	struct json *o = json_new_object();

	json_set(o, "modes", strings(modes, ARRAY_SIZE(modes)));
	json_set(o, "flags", strings(flags, ARRAY_SIZE(flags)));
	return o;
}

static struct json *linux_features(void)
{
	struct json *o = json_new_object();
	struct json *ext = json_new_object();

	json_set(o, "namespaces", namespaces());
	json_set(o, "capabilities", capabilities());
	json_set(o, "cgroup", cgroup());
	json_set(o, "seccomp", seccomp());
	json_set(o, "apparmor", enabled(true));
	json_set(o, "selinux", enabled(true));
	json_set(o, "intelRdt", enabled(false));
	json_set(o, "memoryPolicy", memory_policy());
	json_set(ext, "idmap", enabled(true));
	json_set(o, "mountExtensions", ext);
	json_set(o, "netDevices", enabled(true));
	return o;
}

struct json *runtime_features(void)
{
	/* The words that spec_mount_parse_options knows, sorted. */
	static const char *const options[] = {
		"async",          "atime",         "bind",         "copy-symlink",
		"defaults",       "dest-nofollow", "dev",          "diratime",
		"dirsync",        "exec",          "idmap",        "iversion",
		"lazytime",       "loud",          "mand",         "noatime",
		"nodev",          "nodiratime",    "noexec",       "noiversion",
		"nolazytime",     "nomand",        "norelatime",   "nostrictatime",
		"nosuid",         "nosymfollow",   "private",      "ratime",
		"rbind",          "rdev",          "rdiratime",    "relatime",
		"remount",        "rexec",         "ridmap",       "rnoatime",
		"rnodev",         "rnodiratime",   "rnoexec",      "rnorelatime",
		"rnostrictatime", "rnosuid",       "rnosymfollow", "ro",
		"rprivate",       "rrelatime",     "rro",          "rrw",
		"rshared",        "rslave",        "rstrictatime", "rsuid",
		"rsymfollow",     "runbindable",   "rw",           "shared",
		"silent",         "slave",         "src-nofollow", "strictatime",
		"suid",           "symfollow",     "sync",         "tmpcopyup",
		"unbindable",
	};
	struct json *o = json_new_object();
	struct json *hooks = json_new_array();
	struct json *notes = json_new_object();
	struct json *unsafe = json_new_array();

	for (int i = 0; i < SPEC_HOOK_COUNT; i++)
		json_push(hooks, json_new_str(spec_hook_point_name((enum spec_hook_point)i)));
	json_set(o, "ociVersionMin", json_new_str("1.0.0"));
	json_set(o, "ociVersionMax", json_new_str("1.3.0"));
	json_set(o, "hooks", hooks);
	json_set(o, "mountOptions", strings(options, ARRAY_SIZE(options)));
	json_set(o, "linux", linux_features());
	json_set(notes, "org.opencontainers.runc.checkpoint.enabled", json_new_str("false"));
	json_set(notes, "io.bothy.version", json_new_str(BOTHY_VERSION));
	json_set(o, "annotations", notes);
	json_push(unsafe, json_new_str("bundle"));
	json_set(o, "potentiallyUnsafeConfigAnnotations", unsafe);
	return o;
}
