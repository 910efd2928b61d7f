/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the plan. Pure: it reads the document, the options and the facts, and writes two lists of steps.
 *
 * The order on the container's side follows from what each step needs: the id maps before anything privileged, the procfs
 * handle while the host's /proc is still in sight (the kernel wants to see one before it mounts another in a user
 * namespace), the cgroup namespace only once the process is in its group, hooks between the mounts and pivot_root
 * (runtime-spec "Lifecycle"), read-only paths before masks, credentials last, seccomp last of all.
 */
#include "runtime/plan.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "runtime/birth.h"

static void host(struct plan *p, enum plan_op op, size_t index, const char *name)
{
	ARENA_PUSH(&p->arena, p->host, p->host_count) =
		(struct plan_step){.op = op, .index = index, .name = name ? name : ""};
}

static void inside(struct plan *p, enum plan_op op, size_t index, const char *name)
{
	ARENA_PUSH(&p->arena, p->inside, p->inside_count) =
		(struct plan_step){.op = op, .index = index, .name = name ? name : ""};
}

/* runtime-spec config-linux.md "Default Devices"; /dev/console and /dev/ptmx are made by other steps. */
static const struct spec_device default_devices[] = {
	{.path = "/dev/null", .type = 'c', .major = 1, .minor = 3},
	{.path = "/dev/zero", .type = 'c', .major = 1, .minor = 5},
	{.path = "/dev/full", .type = 'c', .major = 1, .minor = 7},
	{.path = "/dev/random", .type = 'c', .major = 1, .minor = 8},
	{.path = "/dev/urandom", .type = 'c', .major = 1, .minor = 9},
	{.path = "/dev/tty", .type = 'c', .major = 5, .minor = 0},
};

static bool has_device(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->device_count; i++)
		if (str_eq(p->devices[i].path, path))
			return true;
	return false;
}

static const char *absolute(struct plan *p, const char *path)
{
	return path[0] == '/' ? path : arena_printf(&p->arena, "/%s", path);
}

/* Is something of the document mounted on @path itself? */
static bool is_mounted(const struct spec *s, const char *path)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if (str_eq(s->mounts[i].destination, path))
			return true;
	return false;
}

static void plan_devices(struct plan *p)
{
	const struct spec *s = p->spec;

	for (size_t i = 0; i < s->linux_.device_count; i++) {
		struct spec_device d = s->linux_.devices[i];

		d.path = absolute(p, d.path);
		/* The image or the document may mount its own node there: that one wins. */
		if (!is_mounted(s, d.path) && !has_device(p, d.path))
			ARENA_PUSH(&p->arena, p->devices, p->device_count) = d;
	}
	for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++)
		if (!has_device(p, default_devices[i].path) && !is_mounted(s, default_devices[i].path))
			ARENA_PUSH(&p->arena, p->devices, p->device_count) = default_devices[i];
}

static void allow_device(struct plan *p, char type, int64_t major, int64_t minor, uint8_t access)
{
	ARENA_PUSH(&p->arena, p->device_rules, p->device_rule_count) = (struct spec_device_rule){
		.allow = true, .type = type, .major = major, .minor = minor, .access = access};
}

/* Does the document speak of just this device? Then its word holds. */
static bool has_rule(const struct spec_resources *r, const struct spec_device *d)
{
	for (size_t i = 0; i < r->device_count; i++)
		if (r->devices[i].type == d->type && r->devices[i].major == d->major && r->devices[i].minor == d->minor)
			return true;
	return false;
}

/*
 * The rules start with "nothing" (V12), then come the document's, then what every container needs: making any node
 * (harmless without the right to use it), the default devices and terminals.
 */
static void plan_device_rules(struct plan *p)
{
	const struct spec_resources *r = &p->spec->linux_.resources;
	const uint8_t rwm = SPEC_ACCESS_READ | SPEC_ACCESS_WRITE | SPEC_ACCESS_MKNOD;

	ARENA_PUSH(&p->arena, p->device_rules, p->device_rule_count) =
		(struct spec_device_rule){.type = 'a', .major = -1, .minor = -1, .access = rwm};
	for (size_t i = 0; i < r->device_count; i++)
		ARENA_PUSH(&p->arena, p->device_rules, p->device_rule_count) = r->devices[i];
	allow_device(p, 'c', -1, -1, SPEC_ACCESS_MKNOD);
	allow_device(p, 'b', -1, -1, SPEC_ACCESS_MKNOD);
	for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++)
		allow_device(p, 'c', default_devices[i].major, default_devices[i].minor, rwm);
	allow_device(p, 'c', 136, -1, rwm); /* /dev/pts/N */
	allow_device(p, 'c', 5, 2, rwm);    /* /dev/ptmx */
	for (size_t i = 0; i < p->spec->linux_.device_count; i++) {
		const struct spec_device *d = &p->spec->linux_.devices[i];

		if (d->type != 'p' && !has_rule(r, d))
			allow_device(p, d->type, d->major, d->minor, rwm);
	}
}

static void plan_namespaces(struct plan *p)
{
	const struct spec_namespace *ns = p->spec->linux_.ns;

	for (int i = 0; i < SPEC_NS_COUNT; i++) {
		if (!ns[i].present)
			continue;
		if (ns[i].path) {
			p->join = true;
			continue;
		}
		switch (i) {
		case SPEC_NS_CGROUP: /* must be made by a process that is in its group already */
			p->new_cgroupns = true;
			break;
		case SPEC_NS_TIME: /* offsets can be set only before the first process enters */
			p->new_timens = true;
			break;
		default:
			p->clone_flags |= spec_ns_clone_flag((enum spec_ns)i);
		}
	}
	p->late_pid = ns[SPEC_NS_PID].path && birth_is_watched(&p->spec->linux_);
	p->new_userns = p->clone_flags & CLONE_NEWUSER;
	p->new_mntns = p->clone_flags & CLONE_NEWNS;
}

static bool has_idmap(const struct plan *p);

/* Sources are cloned inside, in the order of the mounts, where the rights inside are the host's: since Linux 6.8 mountinfo
 * lists mounts by age, and the validation suite (mounts) and tools read that order as the order of config.json. */
static bool binds_by_host(const struct plan *p)
{
	const struct spec_linux *lin = &p->spec->linux_;

	return p->sources_by_host &&
	       (p->new_userns || lin->ns[SPEC_NS_USER].path || lin->ns[SPEC_NS_MOUNT].path || has_idmap(p));
}

static void plan_host_before(struct plan *p)
{
	const struct spec *s = p->spec;

	host(p, PLAN_STATE_DIR, 0, p->opt->id);
	if (p->opt->overlay) {
		if (p->sources_by_host)
			host(p, PLAN_LAYERS, 0, "");
	} else {
		host(p, PLAN_ROOT_OPEN, 0, s->root_path);
	}
	/* Where the root is shared (engines say so for rshared volumes), a shared mount must stay the host's peer: cloned
	 * inside it would be a slave, and what it mounts would not show. */
	for (size_t i = 0; i < s->mount_count && p->sources_by_host; i++)
		if (s->mounts[i].bind && !s->mounts[i].remount &&
		    (binds_by_host(p) ||
		     (s->mounts[i].propagation == MS_SHARED && (s->linux_.rootfs_propagation & MS_SHARED))))
			host(p, PLAN_SOURCE, i, s->mounts[i].source);
	for (size_t i = 0; i < p->device_count && p->bind_devices && p->sources_by_host; i++)
		host(p, PLAN_DEVICE_SOURCE, i, p->devices[i].path);
	if (s->linux_.seccomp.set)
		host(p, PLAN_SECCOMP_COMPILE, 0, "");
	if (p->wait_start)
		host(p, PLAN_START_SOCKET, 0, "");
	if (p->opt->console_socket || p->opt->pidfd_socket)
		host(p, PLAN_SOCKETS, 0, "");
	if (p->need_cgroup)
		host(p, PLAN_CGROUP_CREATE, 0, "");
	/* Before anybody is in: they hold from the first instruction, and v1's device rules, which begin with "nothing", must not
	 * meet a process that is making nodes. */
	if (p->need_cgroup)
		host(p, PLAN_CGROUP_LIMITS, 0, "");
	host(p, PLAN_CLONE, 0, "");
}

static bool has_idmap(const struct plan *p)
{
	if (p->opt->idmap_root && p->new_userns)
		return true;
	for (size_t i = 0; i < p->spec->mount_count; i++)
		if (p->spec->mounts[i].idmap != SPEC_MOUNT_IDMAP_NONE)
			return true;
	return false;
}

/* Does the container's side have to wait for ids, idmapped mounts or the overlay? */
static bool needs_mapped(const struct plan *p)
{
	return p->new_userns || has_idmap(p) || (p->opt->overlay && p->sources_by_host);
}

static bool has_runtime_hooks(const struct spec *s)
{
	return s->hooks.count[SPEC_HOOK_PRESTART] || s->hooks.count[SPEC_HOOK_CREATE_RUNTIME];
}

static bool has_userns(const struct plan *p)
{
	return p->new_userns || p->spec->linux_.ns[SPEC_NS_USER].path;
}

/* Those that the two sides meet for; createContainer hooks need the pid that only the host's side knows. */
static bool has_early_hooks(const struct spec *s)
{
	return has_runtime_hooks(s) || s->hooks.count[SPEC_HOOK_CREATE_CONTAINER];
}

static void plan_host_after(struct plan *p)
{
	const struct spec *s = p->spec;

	if (p->new_userns)
		host(p, PLAN_ID_MAPS, 0, "");
	if (has_idmap(p))
		host(p, PLAN_IDMAP_MOUNTS, 0, "");
	if (p->opt->overlay && p->sources_by_host)
		host(p, PLAN_OVERLAY, 0, "");
	/* Before the other side goes on and makes itself undumpable: then the file belongs to root, and a plain user cannot write it. */
	if (s->process.oom_score_adj.set && !p->late_pid)
		host(p, PLAN_OOM_SCORE, 0, "");
	if (needs_mapped(p))
		host(p, PLAN_MAPPED_TELL, 0, "");
	if (s->process.rlimit_count && has_userns(p))
		host(p, PLAN_RLIMITS, 0, "");
	if (s->linux_.net_device_count)
		host(p, PLAN_NET_DEVICES, 0, "");
	if (has_early_hooks(s)) {
		host(p, PLAN_PREPARED_WAIT, 0, "");
		if (has_runtime_hooks(s))
			host(p, PLAN_HOOKS_RUNTIME, 0, "");
		host(p, PLAN_HOOKED_TELL, 0, "");
	}
	host(p, p->late_pid ? PLAN_BIRTH_WAIT : PLAN_READY_WAIT, 0, "");
	if (s->process.oom_score_adj.set && p->late_pid)
		host(p, PLAN_OOM_SCORE, 0, "");
	if (p->need_cgroup)
		host(p, PLAN_CGROUP_VERIFY, 0, "");
	if (p->opt->pidfd_socket)
		host(p, PLAN_PIDFD_SEND, 0, "");
	if (!p->wait_start)
		host(p, PLAN_GO_TELL, 0, "");
	host(p, PLAN_RECORD, 0, "");
	if (p->opt->pid_file)
		host(p, PLAN_PID_FILE, 0, p->opt->pid_file);
	if (p->wait_start)
		host(p, PLAN_RECORDED_TELL, 0, "");
}

static bool has_mntns(const struct plan *p)
{
	return p->new_mntns || p->spec->linux_.ns[SPEC_NS_MOUNT].path;
}

static bool dev_is_bound(const struct spec *s)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if (s->mounts[i].bind &&
		    (str_eq(s->mounts[i].destination, "/dev") || str_eq(s->mounts[i].destination, "/dev/")))
			return true;
	return false;
}

static void plan_inside_mounts(struct plan *p)
{
	const struct spec *s = p->spec;
	/* A mount namespace copied into a new user namespace is a slave already. */
	if (p->new_mntns && !p->new_userns)
		inside(p, PLAN_PROPAGATION, 0, "");
	inside(p, PLAN_ROOT_ATTACH, 0, p->opt->overlay ? "overlay" : s->root_path);
	if (!has_mntns(p))
		return;
	for (size_t i = 0; i < s->mount_count; i++)
		inside(p, PLAN_MOUNT, i, s->mounts[i].destination);
	/* A /dev that is bound from elsewhere is complete and not ours to change. */
	for (size_t i = 0; i < p->device_count && !dev_is_bound(s); i++)
		inside(p, PLAN_DEVICE, i, p->devices[i].path);
	if (!dev_is_bound(s))
		inside(p, PLAN_DEV_LINKS, 0, "/dev");
	if (s->process.set && s->process.terminal)
		inside(p, PLAN_CONSOLE, 0, "/dev/console");
}

static void plan_inside_root(struct plan *p)
{
	const struct spec *s = p->spec;

	if (has_early_hooks(s)) {
		inside(p, PLAN_PREPARED_TELL, 0, "");
		inside(p, PLAN_HOOKED_WAIT, 0, "");
	}
	if (s->hooks.count[SPEC_HOOK_CREATE_CONTAINER])
		inside(p, PLAN_HOOKS_CONTAINER, 0, "");
	inside(p, PLAN_PIVOT, 0, "");
	if (s->hostname)
		inside(p, PLAN_HOSTNAME, 0, s->hostname);
	if (s->domainname)
		inside(p, PLAN_DOMAINNAME, 0, s->domainname);
	for (size_t i = 0; i < s->linux_.sysctl.count; i++)
		inside(p, PLAN_SYSCTL, i, s->linux_.sysctl.items[i].key);
	for (size_t i = 0; i < s->linux_.readonly_paths.count && has_mntns(p); i++)
		inside(p, PLAN_READONLY_PATH, i, s->linux_.readonly_paths.items[i]);
	for (size_t i = 0; i < s->linux_.masked_paths.count && has_mntns(p); i++)
		inside(p, PLAN_MASK_PATH, i, s->linux_.masked_paths.items[i]);
	if (s->process.set && !str_eq(s->process.cwd, "/"))
		inside(p, PLAN_WORK_DIR, 0, s->process.cwd);
	if (s->root_readonly && has_mntns(p))
		inside(p, PLAN_ROOT_READONLY, 0, "/");
	if (s->linux_.rootfs_propagation && has_mntns(p))
		inside(p, PLAN_ROOT_PROPAGATION, 0, "/");
}

static bool has_label(const struct spec_process *p)
{
	return p->apparmor_profile || p->selinux_label;
}

/* A procfs of our own costs a superblock: only those who write there get one. */
static bool needs_proc(const struct plan *p)
{
	const struct spec_process *pr = &p->spec->process;

	return p->new_timens || p->spec->linux_.sysctl.count || has_label(pr);
}

static void plan_inside(struct plan *p)
{
	const struct spec *s = p->spec;

	/* First of all: what it does from here on counts against its limits, and a cgroup namespace begins where its maker is. */
	if (p->need_cgroup)
		inside(p, PLAN_CGROUP_JOIN, 0, "");
	if (needs_mapped(p))
		inside(p, PLAN_MAPPED_WAIT, 0, "");
	if (p->new_userns || s->linux_.ns[SPEC_NS_USER].path)
		inside(p, PLAN_BECOME_ROOT, 0, "");
	if (p->new_cgroupns)
		inside(p, PLAN_CGROUP_NS, 0, "");
	inside(p, PLAN_SESSION, 0, "");
	if (needs_proc(p))
		inside(p, PLAN_PROC_HANDLE, 0, "");
	if (p->new_timens)
		inside(p, PLAN_TIME_NS, 0, "");
	if (p->clone_flags & CLONE_NEWNET)
		inside(p, PLAN_LOOPBACK, 0, "lo");
	plan_inside_mounts(p);
	plan_inside_root(p);
	if (p->late_pid)
		inside(p, PLAN_PID_NS, 0, s->linux_.ns[SPEC_NS_PID].path);
	if (s->process.set) {
		/* With the host's rights the process sets its own, before it gives them up; in a user namespace it has none to
		 * raise a limit with, so the host's side does it. */
		if (s->process.rlimit_count && !has_userns(p))
			inside(p, PLAN_OWN_RLIMITS, 0, "");
		inside(p, PLAN_PROCESS, 0, "");
		inside(p, PLAN_STDIO, 0, "");
		inside(p, PLAN_USER, 0, "");
		inside(p, PLAN_LOOKUP, 0, s->process.args.items[0]);
		if (has_label(&s->process))
			inside(p, PLAN_LABEL, 0, "");
	}
	inside(p, p->late_pid ? PLAN_BIRTH : PLAN_READY_TELL, 0, "");
	inside(p, PLAN_START_WAIT, 0, "");
	if (!s->process.set) /* `start` ends the container here */
		return;
	if (s->hooks.count[SPEC_HOOK_START_CONTAINER])
		inside(p, PLAN_HOOKS_START, 0, "");
	inside(p, PLAN_CONFINE, 0, "");
	inside(p, PLAN_EXEC, 0, s->process.args.items[0]);
}

static int check_supported(const struct spec *s, const struct runtime_create_options *opt, struct error *err)
{
	if (opt->systemd_cgroup)
		return error_hint(
			(error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				   "--systemd-cgroup: the systemd cgroup driver is not supported"),
			 err),
			"use the cgroupfs driver: Docker --exec-opt native.cgroupdriver=cgroupfs, Podman --cgroup-manager=cgroupfs");
	if (s->linux_.intel_rdt.set)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "linux.intelRdt is not supported");
	if (s->has_vm)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "vm: containers in a virtual machine are not supported");
	if (!opt->overlay && !s->root_path)
		return error_set(err, ERROR_INVALID, EINVAL, "root: the document has no root file system");
	return 0;
}

int runtime_plan_build(const struct spec *spec, const struct runtime_create_options *opt,
		       const struct plan_facts *facts, bool wait_start, struct plan *ret, struct error *err)
{
	struct plan p = {.spec = spec, .opt = opt, .wait_start = wait_start, .need_cgroup = true};
	int r = check_supported(spec, opt, err);

	if (r < 0)
		return r;
	/* create may do without a process (config.md: "REQUIRED when start is called"), whoever runs it may not. */
	if (spec->process.set ? !spec->process.args.count : !wait_start)
		return error_set(err, ERROR_INVALID, EINVAL, "process: the document has no process to run");
	plan_namespaces(&p);
	if (!facts->privileged && !p.new_userns && !spec->linux_.ns[SPEC_NS_USER].path)
		return error_hint((error_set(err, ERROR_DENIED, EPERM,
					     "linux.namespaces: a container without a user namespace needs root"),
				   err),
				  "add {\"type\":\"user\"} with mappings, or run as root");
	p.sources_by_host = facts->privileged;
	/* mknod is for the host's root; inside another user namespace nodes are borrowed from the host. */
	p.bind_devices = p.new_userns || spec->linux_.ns[SPEC_NS_USER].path || facts->in_userns;
	plan_devices(&p);
	plan_device_rules(&p);
	plan_host_before(&p);
	plan_host_after(&p);
	plan_inside(&p);
	*ret = p;
	return 0;
}

void runtime_plan_done(struct plan *p)
{
	arena_done(&p->arena);
	*p = (struct plan){};
}

/* clang-format off */
static const struct plan_words words[PLAN_OP_COUNT] = {
	[PLAN_STATE_DIR] = {"state folder", "a folder in the state root that names the container", "mkdirat openat write", RUNTIME_RECIPE_PROGRAM},
	[PLAN_ROOT_OPEN] = {"root file system", "the root folder as a descriptor", "openat fstat", RUNTIME_RECIPE_IMAGE},
	[PLAN_LAYERS] = {"layers", "each layer as a detached mount", "open_tree", RUNTIME_RECIPE_IMAGE},
	[PLAN_SOURCE] = {"bind source", "the source of a bind mount as a detached mount", "open_tree", RUNTIME_RECIPE_IMAGE},
	[PLAN_DEVICE_SOURCE] = {"device source", "a device node of the host as a detached mount", "open_tree fstat", RUNTIME_RECIPE_IMAGE},
	[PLAN_SECCOMP_COMPILE] = {"seccomp filter", "compile the rules to a BPF program", "", RUNTIME_RECIPE_LSM},
	[PLAN_START_SOCKET] = {"start socket", "where `start` will knock", "socket bind listen", RUNTIME_RECIPE_PROGRAM},
	[PLAN_SOCKETS] = {"sockets", "connect to the receivers of console and pidfd", "socket connect", RUNTIME_RECIPE_PROGRAM},
	[PLAN_CGROUP_CREATE] = {"cgroup", "make the control group", "mkdirat", RUNTIME_RECIPE_CGROUP},
	[PLAN_CGROUP_LIMITS] = {"limits", "write the limits", "openat write bpf", RUNTIME_RECIPE_CGROUP},
	[PLAN_CLONE] = {"clone", "a new process in new namespaces", "clone3", RUNTIME_RECIPE_PID_UTS},
	[PLAN_ID_MAPS] = {"id maps", "which ids inside are which ids outside", "openat write /proc/PID/{uid_map,gid_map,setgroups}", RUNTIME_RECIPE_USER},
	[PLAN_IDMAP_MOUNTS] = {"idmapped mounts", "the same translation on mounts, so that nothing is chowned", "mount_setattr(MOUNT_ATTR_IDMAP)", RUNTIME_RECIPE_USER},
	[PLAN_OVERLAY] = {"overlay", "the layers, one over the other, with a writable one on top", "fsopen fsconfig fsmount", RUNTIME_RECIPE_IMAGE},
	[PLAN_MAPPED_TELL] = {"tell", "the container may go on: its ids are mapped", "sendto", RUNTIME_RECIPE_USER},
	[PLAN_CGROUP_VERIFY] = {"check cgroup", "is the process in its group?", "read /proc/PID/cgroup", RUNTIME_RECIPE_CGROUP},
	[PLAN_RLIMITS] = {"rlimits", "resource limits of the process", "prlimit64", RUNTIME_RECIPE_PROGRAM},
	[PLAN_OOM_SCORE] = {"oom score", "how readily the kernel kills it when memory is out", "write /proc/PID/oom_score_adj", RUNTIME_RECIPE_CGROUP},
	[PLAN_NET_DEVICES] = {"network devices", "move interfaces of the host into the container", "netlink RTM_NEWLINK RTM_NEWADDR", RUNTIME_RECIPE_NET},
	[PLAN_PREPARED_WAIT] = {"wait", "until the mounts are made", "recvfrom", RUNTIME_RECIPE_PROGRAM},
	[PLAN_HOOKS_RUNTIME] = {"hooks prestart, createRuntime", "programs of the engine, in the host's namespaces", "clone execve wait", RUNTIME_RECIPE_BRIDGE},
	[PLAN_HOOKED_TELL] = {"tell", "the hooks have run", "sendto", RUNTIME_RECIPE_PROGRAM},
	[PLAN_READY_WAIT] = {"wait", "until everything inside is ready", "recvfrom", RUNTIME_RECIPE_PROGRAM},
	[PLAN_BIRTH_WAIT] = {"wait", "until everything inside is ready and has made the process that goes on", "recvfrom wait", RUNTIME_RECIPE_PROGRAM},
	[PLAN_PIDFD_SEND] = {"pidfd", "hand the pidfd to the receiver", "sendmsg", RUNTIME_RECIPE_PROGRAM},
	[PLAN_GO_TELL] = {"tell", "the program may start", "sendto", RUNTIME_RECIPE_PROGRAM},
	[PLAN_RECORD] = {"record", "the container's state for later verbs", "openat write renameat", RUNTIME_RECIPE_PROGRAM},
	[PLAN_PID_FILE] = {"pid file", "the process id for the engine", "openat write rename", RUNTIME_RECIPE_PROGRAM},
	[PLAN_RECORDED_TELL] = {"tell", "the container is on record and may wait", "sendto", RUNTIME_RECIPE_PROGRAM},
	[PLAN_SESSION] = {"session", "a session and a kernel keyring of its own", "setsid keyctl", RUNTIME_RECIPE_PID_UTS},
	[PLAN_MAPPED_WAIT] = {"wait", "until the ids are mapped", "recvfrom", RUNTIME_RECIPE_USER},
	[PLAN_BECOME_ROOT] = {"become root inside", "uid and gid 0 of the user namespace", "setresgid setresuid setgroups", RUNTIME_RECIPE_USER},
	[PLAN_TIME_NS] = {"time namespace", "own offsets of the monotonic and boot clocks", "unshare write /proc/self/timens_offsets setns", RUNTIME_RECIPE_PID_UTS},
	[PLAN_PROC_HANDLE] = {"procfs handle", "a procfs that nobody can redirect", "fsopen fsmount", RUNTIME_RECIPE_MOUNT},
	[PLAN_LOOPBACK] = {"loopback", "bring lo up", "ioctl(SIOCSIFFLAGS)", RUNTIME_RECIPE_NET},
	[PLAN_PROPAGATION] = {"propagation", "no mount made here shows on the host", "mount_setattr", RUNTIME_RECIPE_MOUNT},
	[PLAN_ROOT_ATTACH] = {"attach root", "the root file system as a mount of its own", "open_tree fsopen fsmount move_mount", RUNTIME_RECIPE_IMAGE},
	[PLAN_MOUNT] = {"mount", "", "openat2 fsopen fsconfig fsmount open_tree mount_setattr move_mount", RUNTIME_RECIPE_IMAGE},
	[PLAN_CGROUP_JOIN] = {"enter cgroup", "the process enters its group", "write tasks (v1), or born there (v2)", RUNTIME_RECIPE_CGROUP},
	[PLAN_CGROUP_NS] = {"cgroup namespace", "its group looks like the root", "unshare", RUNTIME_RECIPE_CGROUP},
	[PLAN_DEVICE] = {"device", "", "mknodat or open_tree move_mount", RUNTIME_RECIPE_IMAGE},
	[PLAN_DEV_LINKS] = {"device links", "fd, stdin, stdout, stderr, ptmx", "symlinkat", RUNTIME_RECIPE_IMAGE},
	[PLAN_CONSOLE] = {"console", "a terminal from the container's own devpts", "openat ioctl(TIOCGPTPEER) move_mount sendmsg", RUNTIME_RECIPE_IMAGE},
	[PLAN_PREPARED_TELL] = {"tell", "the mounts are made", "sendto", RUNTIME_RECIPE_PROGRAM},
	[PLAN_HOOKED_WAIT] = {"wait", "until the engine's hooks have run", "recvfrom", RUNTIME_RECIPE_PROGRAM},
	[PLAN_HOOKS_CONTAINER] = {"hooks createContainer", "programs of the engine, in the container's namespaces", "clone execve wait", RUNTIME_RECIPE_MOUNT},
	[PLAN_PIVOT] = {"change root", "the new root becomes /, the host's mounts are let go", "pivot_root umount2", RUNTIME_RECIPE_IMAGE},
	[PLAN_HOSTNAME] = {"host name", "", "sethostname", RUNTIME_RECIPE_PID_UTS},
	[PLAN_DOMAINNAME] = {"domain name", "", "setdomainname", RUNTIME_RECIPE_PID_UTS},
	[PLAN_SYSCTL] = {"sysctl", "a kernel parameter of the new namespaces", "openat2 write", RUNTIME_RECIPE_NET},
	[PLAN_READONLY_PATH] = {"read-only path", "", "open_tree mount_setattr move_mount", RUNTIME_RECIPE_IMAGE},
	[PLAN_MASK_PATH] = {"masked path", "", "open_tree move_mount", RUNTIME_RECIPE_IMAGE},
	[PLAN_ROOT_READONLY] = {"read-only root", "", "mount_setattr", RUNTIME_RECIPE_IMAGE},
	[PLAN_ROOT_PROPAGATION] = {"root propagation", "", "mount_setattr", RUNTIME_RECIPE_MOUNT},
	[PLAN_WORK_DIR] = {"working directory", "made when it is missing", "openat2 mkdirat", RUNTIME_RECIPE_IMAGE},
	[PLAN_OWN_RLIMITS] = {"rlimits", "resource limits of the process", "prlimit64", RUNTIME_RECIPE_PROGRAM},
	[PLAN_PROCESS] = {"process attributes", "scheduler, io priority, memory policy, personality, umask", "sched_setattr ioprio_set set_mempolicy personality umask", RUNTIME_RECIPE_PROGRAM},
	[PLAN_LOOKUP] = {"find program", "", "openat2", RUNTIME_RECIPE_PROGRAM},
	[PLAN_STDIO] = {"stdio", "standard input and output belong to the user", "fchown", RUNTIME_RECIPE_PROGRAM},
	[PLAN_USER] = {"user", "capabilities, groups, ids, working directory", "prctl setgroups setresgid setresuid capset chdir", RUNTIME_RECIPE_LSM},
	[PLAN_LABEL] = {"LSM label", "which AppArmor profile or SELinux label the program runs under", "write /proc/self/attr/exec", RUNTIME_RECIPE_LSM},
	[PLAN_READY_TELL] = {"tell", "everything inside is ready", "sendto", RUNTIME_RECIPE_PROGRAM},
	[PLAN_PID_NS] = {"pid namespace", "where the process to come will live with others", "setns", RUNTIME_RECIPE_PID_UTS},
	[PLAN_BIRTH] = {"last clone", "the process that goes on is born among the others with the program's rights and nothing of the host", "seccomp close_range clone3 sendmsg", RUNTIME_RECIPE_PID_UTS},
	[PLAN_START_WAIT] = {"wait", "for the word to start", "accept4 recvfrom", RUNTIME_RECIPE_PROGRAM},
	[PLAN_HOOKS_START] = {"hooks startContainer", "programs of the container", "clone execve wait", RUNTIME_RECIPE_PROGRAM},
	[PLAN_CONFINE] = {"confine", "no_new_privs, seccomp", "prctl seccomp close_range", RUNTIME_RECIPE_LSM},
	[PLAN_EXEC] = {"execute", "the program takes over", "execve", RUNTIME_RECIPE_PROGRAM},
};
/* clang-format on */

const struct plan_words *plan_words(enum plan_op op)
{
	return &words[op];
}

void plan_step_title(const struct plan_step *s, char *out, size_t size)
{
	const char *name = words[s->op].name ? words[s->op].name : "step";

	if (s->name[0])
		(void)snprintf(out, size, "%s '%s'", name, s->name);
	else
		(void)snprintf(out, size, "%s", name);
}
