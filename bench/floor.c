/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what the kernel alone needs for the container that `runc spec` describes, with memory, cpu and pids limits.
 * The same groups, namespaces, mounts, devices, masks and capabilities as a runtime makes, in straight system calls with
 * strings that are ready beforehand: nothing is read from a document, nothing is checked, nothing is recorded, nothing is
 * safe. A runtime's time divided by this one's is the price of everything that a runtime does besides.
 *
 * One container after the other, `--count` of them. Each step's time is taken in the breakdown (--steps), and the loop's
 * as a whole without it. Run with --count 1 it is a program that makes one container, as a runtime is.
 *
 * usage: floor [--count N] [--steps] [--userns] [--no-net] [--no-cgroup] [--no-limits] [--no-devices] [--no-masks]
 *              [--overlay DIR] [--idmap] [--procs] [--filter FILE] ROOTFS [PROGRAM]
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Not in the C library's headers of Debian 12, and <linux/sched.h> and <linux/mount.h> fight with the C library's. */
struct floor_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define GROUPS_MAX 24
#define HOST_ID 100000

enum step {
	STEP_CGROUP_MAKE,
	STEP_DEVICE_RULES,
	STEP_OVERLAY_DIRS,
	STEP_CLONE,
	STEP_CGROUP_LIMITS,
	STEP_ID_MAPS,
	STEP_OVERLAY,
	STEP_CHILD_STARTS,
	STEP_JOIN,
	STEP_MAPPED,
	STEP_SESSION,
	STEP_LOOPBACK,
	STEP_ROOT,
	STEP_PROC,
	STEP_DEV,
	STEP_DEVPTS,
	STEP_SHM,
	STEP_MQUEUE,
	STEP_SYS,
	STEP_CGROUP_MOUNT,
	STEP_DEVICES,
	STEP_PIVOT,
	STEP_HOSTNAME,
	STEP_READ_ONLY,
	STEP_MASKS,
	STEP_IDENTITY,
	STEP_EXEC_EXIT,
	STEP_CGROUP_REMOVE,
	STEP_COUNT
};

static const char *const step_names[STEP_COUNT] = {
	[STEP_CGROUP_MAKE] = "cgroups: mkdir",
	[STEP_DEVICE_RULES] = "cgroups: device rules",
	[STEP_OVERLAY_DIRS] = "overlay: folders",
	[STEP_CLONE] = "clone3 (until the parent is back)",
	[STEP_CGROUP_LIMITS] = "cgroups: limits (beside the child)",
	[STEP_ID_MAPS] = "id maps",
	[STEP_OVERLAY] = "overlay: mount",
	[STEP_CHILD_STARTS] = "clone3 (until the child runs)",
	[STEP_JOIN] = "cgroups: join",
	[STEP_MAPPED] = "wait for the maps, become root",
	[STEP_SESSION] = "session, keyring, group namespace",
	[STEP_LOOPBACK] = "loopback up",
	[STEP_ROOT] = "propagation, root bind",
	[STEP_PROC] = "mount /proc",
	[STEP_DEV] = "mount /dev",
	[STEP_DEVPTS] = "mount /dev/pts",
	[STEP_SHM] = "mount /dev/shm",
	[STEP_MQUEUE] = "mount /dev/mqueue",
	[STEP_SYS] = "mount /sys",
	[STEP_CGROUP_MOUNT] = "mount /sys/fs/cgroup",
	[STEP_DEVICES] = "device nodes, links",
	[STEP_PIVOT] = "pivot_root, old root off",
	[STEP_HOSTNAME] = "hostname",
	[STEP_READ_ONLY] = "read-only paths and root",
	[STEP_MASKS] = "masked paths",
	[STEP_IDENTITY] = "capabilities, ids, filter",
	[STEP_EXEC_EXIT] = "exec, run, exit, wait",
	[STEP_CGROUP_REMOVE] = "cgroups: rmdir",
};

/* One group of the container in one hierarchy; the names are made ready before the clock starts. */
struct group {
	char parent[512]; /* folder of our own group */
	char name[32];    /* name of the hierarchy's folder, "" for cgroup v2 alone */
	char path[640];   /* the container's group */
	int join_fd;      /* its tasks file, or -1 */
};

struct options {
	bool steps, userns, net, cgroup, limits, devices, masks, idmap, procs;
	const char *count, *overlay, *filter, *rootfs, *program;
};

static struct options opt = {.count = "1", .net = true, .cgroup = true, .limits = true, .devices = true, .masks = true};
static struct group groups[GROUPS_MAX];
static size_t group_count;
static bool v2_only;
static struct sock_fprog filter;
static uint64_t *spent_ns; /* shared with the child: sum per step */
static uint64_t mark_ns;
static pid_t owner;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void done(enum step s)
{
	uint64_t t;

	if (!opt.steps)
		return;
	t = now();
	spent_ns[s] += t - mark_ns;
	mark_ns = t;
}

/* The groups that are there are taken away again; they may be none, or busy. */
static void give_up(int status)
{
	for (size_t i = 0; getpid() == owner && i < group_count; i++)
		(void)rmdir(groups[i].path);
	_exit(status);
}

static void must(long r, const char *what)
{
	if (r < 0) {
		warn("%s", what);
		give_up(111);
	}
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[768];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd, path);
	must(write(fd, text, strlen(text)), path);
	close(fd);
}

/* Our own groups, from /proc/self/cgroup; the usual places. */
static void find_groups(void)
{
	char line[1024];
	FILE *f = fopen("/proc/self/cgroup", "re");
	struct stat st;

	v2_only = stat("/sys/fs/cgroup/cgroup.controllers", &st) == 0;
	while (f && fgets(line, sizeof(line), f) && group_count < GROUPS_MAX) {
		struct group *g = &groups[group_count];
		char *name = strchr(line, ':');
		char *path = name ? strchr(name + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		name++;
		if (strncmp(name, "name=", 5) == 0)
			name += 5;
		/* No runtime needs the freezer before somebody pauses. */
		if (strcmp(name, "freezer") == 0)
			continue;
		(void)snprintf(g->name, sizeof(g->name), "%s", name[0] ? name : v2_only ? "" : "unified");
		(void)snprintf(g->parent, sizeof(g->parent), "/sys/fs/cgroup/%s%s",
			       name[0]   ? name
			       : v2_only ? ""
					 : "unified",
			       strcmp(path, "/") == 0 ? "" : path);
		if (stat(g->parent, &st) == 0)
			group_count++;
	}
	if (f)
		(void)fclose(f);
}

static void name_groups(unsigned i)
{
	for (size_t k = 0; k < group_count; k++) {
		(void)snprintf(groups[k].path, sizeof(groups[k].path), "%s/floor-%d-%u", groups[k].parent,
			       (int)getpid(), i);
		groups[k].join_fd = -1;
	}
}

static bool is_unified(const struct group *g)
{
	return v2_only || strcmp(g->name, "unified") == 0;
}

static void copy_setting(const struct group *g, const char *file)
{
	char path[768];
	char text[256];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", g->parent, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd, path);
	n = read(fd, text, sizeof(text) - 1);
	must(n, path);
	close(fd);
	text[n] = '\0';
	put(g->path, file, text);
}

static void make_groups(int *ret_unified)
{
	for (size_t i = 0; i < group_count; i++) {
		struct group *g = &groups[i];
		char path[768];

		must(mkdir(g->path, 0755), g->path);
		if (is_unified(g)) {
			*ret_unified = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			must(*ret_unified, g->path);
			continue;
		}
		if (strcmp(g->name, "cpuset") == 0) {
			copy_setting(g, "cpuset.cpus");
			copy_setting(g, "cpuset.mems");
		}
		(void)snprintf(path, sizeof(path), "%s/%s", g->path, opt.procs ? "cgroup.procs" : "tasks");
		g->join_fd = open(path, O_WRONLY | O_CLOEXEC);
		must(g->join_fd, path);
	}
}

static const char *const device_rules[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm",   "c 1:7 rwm",
					   "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 136:* rwm", "c 5:2 rwm"};

/* cgroup v2's device rules are a program; the shortest one that the kernel takes. */
static void limit_devices_v2(int group)
{
	struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
				   {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
			       .insns = (uintptr_t)insns,
			       .insn_cnt = 2,
			       .license = (uintptr_t) "Apache-2.0"};
	union bpf_attr attach = {.target_fd = (uint32_t)group, .attach_type = BPF_CGROUP_DEVICE};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	must(fd, "bpf");
	attach.attach_bpf_fd = (uint32_t)fd;
	must(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)), "bpf attach");
	close(fd);
}

static void limit_v1(const struct group *g)
{
	if (strcmp(g->name, "memory") == 0)
		put(g->path, "memory.limit_in_bytes", "134217728");
	else if (strcmp(g->name, "cpu") == 0 || strncmp(g->name, "cpu,", 4) == 0)
		put(g->path, "cpu.shares", "512");
	else if (strcmp(g->name, "pids") == 0)
		put(g->path, "pids.max", "100");
}

/* Before the child is there: between the first of these lines and the last it could make no node. */
static void limit_devices_v1(void)
{
	for (size_t i = 0; i < group_count; i++) {
		const struct group *g = &groups[i];
		char path[768];
		int fd;

		if (strcmp(g->name, "devices") != 0)
			continue;
		put(g->path, "devices.deny", "a");
		(void)snprintf(path, sizeof(path), "%s/devices.allow", g->path);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		must(fd, path);
		for (size_t k = 0; k < sizeof(device_rules) / sizeof(device_rules[0]); k++)
			must(write(fd, device_rules[k], strlen(device_rules[k])), device_rules[k]);
		close(fd);
	}
}

static void limit_groups(int unified)
{
	for (size_t i = 0; i < group_count; i++) {
		if (!v2_only) {
			limit_v1(&groups[i]);
			continue;
		}
		put(groups[i].path, "memory.max", "134217728");
		put(groups[i].path, "cpu.weight", "59");
		put(groups[i].path, "pids.max", "100");
		limit_devices_v2(unified);
	}
}

static void remove_groups(void)
{
	for (size_t i = group_count; i-- > 0;)
		must(rmdir(groups[i].path), groups[i].path);
}

/* Everything below runs in the child. */

static void loopback_up(void)
{
	struct ifreq req = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd, "socket");
	must(ioctl(fd, SIOCSIFFLAGS, &req), "lo");
	close(fd);
}

static void bind_read_only(const char *source, const char *target)
{
	must(mount(source, target, NULL, MS_BIND, NULL), target);
	must(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
	     target);
}

static void mount_groups(void)
{
	char path[768];

	if (v2_only) {
		must(mount("cgroup2", "sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL),
		     "cgroup2");
		return;
	}
	must(mount("tmpfs", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"), "sys/fs/cgroup");
	for (size_t i = 0; i < group_count; i++) {
		(void)snprintf(path, sizeof(path), "sys/fs/cgroup/%s", groups[i].name);
		must(mkdir(path, 0755), path);
		bind_read_only(groups[i].path, path);
	}
	must(mount(NULL, "sys/fs/cgroup", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		   NULL),
	     "ro");
}

static void make_devices(void)
{
	static const struct {
		const char *name, *host;
		unsigned major, minor;
	} nodes[] = {
		{"dev/null", "/dev/null", 1, 3},
		{"dev/zero", "/dev/zero", 1, 5},
		{"dev/full", "/dev/full", 1, 7},
		{"dev/random", "/dev/random", 1, 8},
		{"dev/urandom", "/dev/urandom", 1, 9},
		{"dev/tty", "/dev/tty", 5, 0},
	};

	(void)umask(0);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (!opt.userns) {
			must(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)),
			     nodes[i].name);
			continue;
		}
		must(mknod(nodes[i].name, S_IFREG | 0666, 0), nodes[i].name);
		must(mount(nodes[i].host, nodes[i].name, NULL, MS_BIND, NULL), nodes[i].name);
	}
	(void)umask(022);
	must(symlink("/proc/self/fd", "dev/fd"), "dev/fd");
	must(symlink("/proc/self/fd/0", "dev/stdin"), "dev/stdin");
	must(symlink("/proc/self/fd/1", "dev/stdout"), "dev/stdout");
	must(symlink("/proc/self/fd/2", "dev/stderr"), "dev/stderr");
	must(symlink("pts/ptmx", "dev/ptmx"), "dev/ptmx");
}

static void read_only_paths(void)
{
	static const char *const paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (mount(paths[i], paths[i], NULL, MS_BIND | MS_REC, NULL) < 0)
			continue; /* not in this kernel */
		must(mount(NULL, paths[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			   NULL),
		     paths[i]);
	}
	if (!opt.overlay)
		must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "read-only root");
}

static void mask_paths(void)
{
	static const char *const files[] = {"/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
					    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug"};
	static const char *const folders[] = {"/proc/acpi", "/proc/asound", "/sys/firmware", "/proc/scsi"};
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)mount("/dev/null", files[i], NULL, MS_BIND, NULL);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		int r = first ? mount(first, folders[i], NULL, MS_BIND, NULL)
			      : mount("tmpfs", folders[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
				      "size=0k,mode=755");

		if (r == 0 && !first)
			first = folders[i];
	}
}

static void identity(void)
{
	const uint32_t keep = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {{keep, keep, 0}, {0, 0, 0}};
	gid_t none = 0;

	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (c >= 32 || !(keep & 1u << c))
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	must(syscall(SYS_setgroups, 0, &none), "setgroups");
	must(syscall(SYS_setresgid, 0, 0, 0), "setresgid");
	must(syscall(SYS_setresuid, 0, 0, 0), "setresuid");
	must(syscall(SYS_capset, &head, caps), "capset");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	if (filter.len)
		must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter), "seccomp");
}

static void join_groups(void)
{
	for (size_t i = 0; i < group_count; i++)
		if (groups[i].join_fd >= 0)
			must(write(groups[i].join_fd, "0", 1), groups[i].path);
}

static void mount_all(void)
{
	must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	done(STEP_PROC);
	must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"), "dev");
	done(STEP_DEV);
	must(mkdir("dev/pts", 0755), "dev/pts");
	must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
	     "devpts");
	done(STEP_DEVPTS);
	must(mkdir("dev/shm", 0755), "dev/shm");
	must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k"), "shm");
	done(STEP_SHM);
	must(mkdir("dev/mqueue", 0755), "dev/mqueue");
	must(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mqueue");
	done(STEP_MQUEUE);
	if (opt.net || !opt.userns)
		must(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL), "sys");
	else
		must(mount("/sys", "sys", NULL, MS_BIND | MS_REC, NULL), "sys");
	done(STEP_SYS);
	if (opt.cgroup)
		mount_groups();
	done(STEP_CGROUP_MOUNT);
}

static int wait_for_parent(int sock)
{
	char room[CMSG_SPACE(sizeof(int))];
	char c;
	struct iovec data = {&c, 1};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int overlay = -1;

	must(recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1 ? 0 : -1, "go");
	if (m.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&overlay, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return overlay;
}

static void child(int go, const char *root)
{
	char *argv[] = {(char *)opt.program, NULL};
	char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL};
	int overlay = -1;

	done(STEP_CHILD_STARTS);
	if (opt.cgroup)
		join_groups();
	done(STEP_JOIN);
	if (opt.userns || opt.overlay) {
		overlay = wait_for_parent(go);
		must(syscall(SYS_setresgid, 0, 0, 0), "setresgid");
		must(syscall(SYS_setresuid, 0, 0, 0), "setresuid");
	}
	done(STEP_MAPPED);
	must(setsid(), "setsid");
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "floor", 0, 0, 0);
	if (opt.userns)
		must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
	done(STEP_SESSION);
	if (opt.net)
		loopback_up();
	done(STEP_LOOPBACK);
	must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "propagation");
	if (overlay >= 0)
		must(move_mount(overlay, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH), root);
	else
		must(mount(root, root, NULL, MS_BIND | MS_REC, NULL), root);
	must(chdir(root), root);
	done(STEP_ROOT);
	mount_all();
	if (opt.devices)
		make_devices();
	done(STEP_DEVICES);
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "umount");
	must(chdir("/"), "/");
	done(STEP_PIVOT);
	must(sethostname("floor", 5), "hostname");
	done(STEP_HOSTNAME);
	if (opt.masks)
		read_only_paths();
	done(STEP_READ_ONLY);
	if (opt.masks)
		mask_paths();
	done(STEP_MASKS);
	identity();
	done(STEP_IDENTITY);
	if (opt.steps)
		spent_ns[STEP_COUNT] = mark_ns;
	execve(opt.program, argv, env);
	must(-1, opt.program);
}

static void write_maps(pid_t pid)
{
	char dir[64];

	(void)snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	put(dir, "uid_map", "0 100000 65536");
	put(dir, "gid_map", "0 100000 65536");
}

/* Made by the parent, who has the rights, and handed over; idmapped layers need the child's user namespace. */
static int make_overlay(pid_t pid, const char *dir)
{
	char lower[512];
	char path[600];
	int tree = -1;
	int fs;
	int overlay;

	(void)snprintf(lower, sizeof(lower), "%s", opt.rootfs);
	if (opt.idmap) {
		struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
		int userns;

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		userns = open(path, O_RDONLY | O_CLOEXEC);
		must(userns, path);
		tree = open_tree(AT_FDCWD, opt.rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		must(tree, "open_tree");
		attr.userns_fd = (uint64_t)userns;
		must(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)), "idmap");
		close(userns);
		(void)snprintf(lower, sizeof(lower), "/proc/self/fd/%d", tree);
	}
	fs = fsopen("overlay", FSOPEN_CLOEXEC);
	must(fs, "fsopen");
	must(fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0), "lowerdir");
	(void)snprintf(path, sizeof(path), "%s/u", dir);
	must(fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", path, 0), "upperdir");
	(void)snprintf(path, sizeof(path), "%s/w", dir);
	must(fsconfig(fs, FSCONFIG_SET_STRING, "workdir", path, 0), "workdir");
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "overlay");
	overlay = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	must(overlay, "fsmount");
	close(fs);
	if (tree >= 0)
		close(tree);
	return overlay;
}

union fd_message {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

/* Let the child go on, with the overlay where there is one. */
static void tell(int sock, int overlay)
{
	union fd_message fds = {};
	struct iovec data = {(char *)"g", 1};
	struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};

	if (overlay >= 0) {
		m.msg_control = &fds;
		m.msg_controllen = sizeof(fds);
		fds.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&fds.head), &overlay, sizeof(int));
	}
	must(sendmsg(sock, &m, 0), "tell");
	if (overlay >= 0)
		close(overlay);
}

static void overlay_folders(const char *dir)
{
	static const char *const names[] = {"", "/u", "/w", "/m"};
	char path[600];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", dir, names[i]);
		must(mkdir(path, 0755), path);
		if (i == 1 && opt.userns)
			must(chown(path, HOST_ID, HOST_ID), path);
	}
}

static void remove_overlay(const char *dir)
{
	static const char *const names[] = {"/u", "/w/work", "/w", "/m", ""};
	char path[600];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", dir, names[i]);
		(void)rmdir(path);
	}
}

static pid_t start(int go[2], int unified, const char *root)
{
	struct floor_clone_args how = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
		.exit_signal = SIGCHLD,
	};
	pid_t pid;

	if (opt.net)
		how.flags |= CLONE_NEWNET;
	if (opt.userns)
		how.flags |= CLONE_NEWUSER;
	if (unified >= 0) {
		how.flags |= CLONE_INTO_CGROUP;
		how.cgroup = (uint64_t)unified;
	}
	pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
	must(pid, "clone3");
	if (pid == 0)
		child(go[0], root);
	done(STEP_CLONE);
	return pid;
}

static void container(unsigned i)
{
	char dir[512] = "";
	char merged[600];
	int unified = -1;
	int overlay = -1;
	int go[2];
	int status;
	pid_t pid;

	name_groups(i);
	(void)snprintf(dir, sizeof(dir), "%s/%d-%u", opt.overlay ? opt.overlay : "", (int)getpid(), i);
	(void)snprintf(merged, sizeof(merged), "%s/m", dir);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, go), "socketpair");
	mark_ns = opt.steps ? now() : 0;
	if (opt.cgroup)
		make_groups(&unified);
	done(STEP_CGROUP_MAKE);
	if (opt.cgroup && opt.limits)
		limit_devices_v1();
	done(STEP_DEVICE_RULES);
	if (opt.overlay)
		overlay_folders(dir);
	done(STEP_OVERLAY_DIRS);
	pid = start(go, unified, opt.overlay ? merged : opt.rootfs);
	if (opt.userns)
		write_maps(pid);
	done(STEP_ID_MAPS);
	if (opt.overlay)
		overlay = make_overlay(pid, dir);
	done(STEP_OVERLAY);
	if (opt.userns || opt.overlay)
		tell(go[1], overlay);
	if (opt.cgroup && opt.limits)
		limit_groups(unified);
	done(STEP_CGROUP_LIMITS);
	must(waitpid(pid, &status, 0), "wait");
	if (status) {
		warnx("the container's program ended with status 0x%x", (unsigned)status);
		give_up(1);
	}
	if (opt.steps) {
		mark_ns = now();
		spent_ns[STEP_EXEC_EXIT] += mark_ns - spent_ns[STEP_COUNT];
	}
	for (size_t k = 0; k < group_count; k++)
		if (groups[k].join_fd >= 0)
			close(groups[k].join_fd);
	if (unified >= 0)
		close(unified);
	close(go[0]);
	close(go[1]);
	if (opt.cgroup)
		remove_groups();
	done(STEP_CGROUP_REMOVE);
	if (opt.overlay)
		remove_overlay(dir);
}

static void load_filter(void)
{
	static struct sock_filter insns[BPF_MAXINSNS];
	int fd = open(opt.filter, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	must(fd, opt.filter);
	n = read(fd, insns, sizeof(insns));
	must(n, opt.filter);
	close(fd);
	filter = (struct sock_fprog){(unsigned short)((size_t)n / sizeof(insns[0])), insns};
}

static void parse(int argc, char *argv[])
{
	static struct {
		const char *name;
		bool *flag;
		const char **text;
		bool value;
	} words[] = {
		{"steps", &opt.steps, NULL, true},
		{"userns", &opt.userns, NULL, true},
		{"no-net", &opt.net, NULL, false},
		{"no-cgroup", &opt.cgroup, NULL, false},
		{"no-limits", &opt.limits, NULL, false},
		{"no-devices", &opt.devices, NULL, false},
		{"no-masks", &opt.masks, NULL, false},
		{"idmap", &opt.idmap, NULL, true},
		{"procs", &opt.procs, NULL, true},
		{"count", NULL, &opt.count, true},
		{"overlay", NULL, &opt.overlay, true},
		{"filter", NULL, &opt.filter, true},
	};
	const size_t n = sizeof(words) / sizeof(words[0]);
	int at = 1;

	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
		size_t i = 0;

		while (i < n && strcmp(argv[at] + 2, words[i].name) != 0)
			i++;
		if (i == n || (words[i].text && at + 1 == argc))
			errx(2, "see the head of bench/floor.c");
		if (words[i].flag)
			*words[i].flag = words[i].value;
		else
			*words[i].text = argv[++at];
	}
	if (at == argc)
		errx(2, "no root file system given");
	opt.userns = opt.userns || opt.idmap;
	opt.rootfs = argv[at];
	opt.program = at + 1 < argc ? argv[at + 1] : "/bin/true";
}

int main(int argc, char *argv[])
{
	unsigned long count;
	uint64_t t;

	parse(argc, argv);
	owner = getpid();
	count = strtoul(opt.count, NULL, 10);
	if (opt.cgroup)
		find_groups();
	if (opt.filter)
		load_filter();
	spent_ns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (spent_ns == MAP_FAILED)
		err(1, "mmap");
	t = now();
	for (unsigned i = 0; i < count; i++)
		container(i);
	t = now() - t;
	if (opt.steps)
		for (int s = 0; s < STEP_COUNT; s++)
			printf("%-40s %8.1f us\n", step_names[s], (double)spent_ns[s] / 1e3 / (double)count);
	if (count > 1)
		printf("%.1f us each\n", (double)t / 1e3 / (double)count);
	return 0;
}
