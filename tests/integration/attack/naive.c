/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A runtime with every mistake of the advisories, to show that the tests' attacks are real: what fails against bothy works
 * against this. It handles paths as text, checks before it acts, keeps descriptors open and parses numbers with wrapping.
 *
 *	naive enter ROOT [leak=PATH] [cwd=PATH] [label=TEXT] [sysctl=KEY=VALUE] [inh] [nogroups] [uid=N] [gid=N] -- PROGRAM...
 *	naive exec-into PID LEAK MS     join PID's namespaces, dumpable and with LEAK open, and wait MS
 *	naive self ROOT MS SECONDS      run /proc/self/exe inside again and again while the probe tries to write it
 *	naive mounts ROOT TARGET N OUT  make and bind-mount ROOT/TARGET/N by path, N times; count what shows up in OUT
 *	naive mask ROOT PATH            bind ROOT/dev/null on ROOT/PATH, then write through it
 *	naive console ROOT              make ROOT/dev/console by path
 *	naive dev ROOT                  make /dev's links and nodes by path
 *	naive workdir ROOT PATH         mkdir -p by path
 *	naive late GROUP PROGRAM...     start first, place into the control group later
 *	naive uid TEXT                  wrapping parse
 *	naive passwd FILE MIB           read it whole, as far as MIB of memory allow
 *	naive attrs LENGTH              a length in 16 bits
 *	naive with-inh PROGRAM...       run with full inheritable and ambient sets
 *
 * A plain user gets a user namespace first.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "naive: %s: %s\n", what, strerror(errno));
	exit(99);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "naive: write '%s': %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static const char *join(const char *root, const char *path)
{
	static char text[8][4096];
	static unsigned n;
	char *out = text[n++ % 8];

	snprintf(out, 4096, "%s/%s", root, path);
	return out;
}

static void own_mounts(int more)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS | more | (uid ? CLONE_NEWUSER : 0)) < 0)
		die("unshare");
	if (uid) {
		put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		put("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		put("/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("private");
}

static void all_inheritable(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		die("capget");
	d[0].inheritable = d[0].permitted;
	d[1].inheritable = d[1].permitted;
	if (syscall(SYS_capset, &h, d) < 0)
		die("capset");
	for (unsigned long cap = 0; cap < 64; cap++)
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

static const char *option(char **argv, const char *name)
{
	size_t len = strlen(name);

	for (; *argv && strcmp(*argv, "--") != 0; argv++)
		if (strncmp(*argv, name, len) == 0)
			return *argv + len;
	return NULL;
}

static void set_sysctl(const char *text)
{
	char path[512];
	const char *eq = strchr(text, '=');

	snprintf(path, sizeof(path), "/proc/sys/%.*s", (int)(eq - text), text);
	for (char *p = path; *p; p++)
		if (*p == '.')
			*p = '/';
	put(path, eq + 1);
}

static int enter(char **argv)
{
	const char *root = *argv++;
	const char *leak = option(argv, "leak=");
	const char *cwd = option(argv, "cwd=");
	const char *label = option(argv, "label=");
	const char *sysctl = option(argv, "sysctl=");
	const char *uid = option(argv, "uid=");
	const char *gid = option(argv, "gid=");
	pid_t child;
	int status;

	own_mounts(CLONE_NEWPID | CLONE_NEWNET);
	child = fork();
	if (child) {
		waitpid(child, &status, 0);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
	}
	if (leak) {
		int fd = open(leak, O_RDONLY);

		if (fd < 0 || dup2(fd, 9) < 0)
			die("leak");
	}
	/* Over whatever the name leads to, unless the test has something there already. */
	if (!option(argv, "noproc") && mount("proc", join(root, "proc"), "proc", 0, NULL) < 0)
		die("proc");
	if (chroot(root) < 0 || chdir("/") < 0)
		die("chroot");
	if (label)
		put("/proc/self/attr/exec", label);
	if (sysctl)
		set_sysctl(sysctl);
	if (option(argv, "inh"))
		all_inheritable();
	if (option(argv, "nogroups") && setgroups(0, NULL) < 0)
		die("setgroups");
	if (uid || option(argv, "inh"))
		prctl(PR_SET_KEEPCAPS, 1);
	if (gid && setresgid((gid_t)atoi(gid), (gid_t)atoi(gid), (gid_t)atoi(gid)) < 0)
		die("gid");
	if (uid && setresuid((uid_t)atoi(uid), (uid_t)atoi(uid), (uid_t)atoi(uid)) < 0)
		die("uid");
	if (option(argv, "inh"))
		all_inheritable();
	if (cwd && chdir(cwd) < 0)
		die("cwd");
	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	if (*argv)
		execvp(argv[1], argv + 1);
	die("exec");
	return 99;
}

static int exec_into(char **argv)
{
	static const char *const names[] = {"user", "pid", "mnt"};
	const int ms = atoi(argv[2]);
	pid_t child;
	int leak = open(argv[1], O_RDONLY);
	int ns[3];

	for (int i = 0; i < 3; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%s/ns/%s", argv[0], names[i]);
		ns[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	for (int i = 0; i < 3; i++)
		if (setns(ns[i], 0) < 0 && i > 0)
			die("setns");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 1);
		usleep((useconds_t)ms * 1000);
		_exit(leak < 0);
	}
	waitpid(child, NULL, 0);
	return 0;
}

/* The probe and this program share a root; the program is started from inside by its own link in procfs. */
static int self(char **argv)
{
	const char *root = argv[0];
	pid_t probe;
	pid_t init;

	own_mounts(CLONE_NEWPID);
	init = fork();
	if (init) {
		/* The host's runtime has ended when the attacker writes: a program that runs is busy. */
		execlp("true", "true", (char *)NULL);
		die("true");
	}
	if (mount("proc", join(root, "proc"), "proc", 0, NULL) < 0 || chroot(root) < 0 || chdir("/") < 0)
		die("enter");
	probe = fork();
	if (probe == 0) {
		execl("/probe", "probe", "overwrite", argv[2], (char *)NULL);
		die("probe");
	}
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0) {
			execl("/proc/self/exe", "naive", "pause", argv[1], (char *)NULL);
			die("exec");
		}
		waitpid(child, NULL, 0);
	}
	/* Nothing may run this file when the probe writes. */
	execl("/probe", "probe", "reap", (char *)NULL);
	die("wait");
	return 0;
}

static int make_all(const char *path)
{
	char part[4096];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(part, 0755);
			*p = '/';
		}
	return mkdir(part, 0755);
}

static int mounts(char **argv)
{
	const char *root = argv[0];
	const int n = atoi(argv[2]);
	int escaped = 0;

	own_mounts(0);
	for (int i = 0; i < n; i++) {
		char name[64];
		struct stat st;

		snprintf(name, sizeof(name), "%s/%d", argv[1], i);
		/* The check... */
		if (lstat(join(root, argv[1]), &st) < 0 || S_ISLNK(st.st_mode))
			continue;
		/* ...and the use. */
		(void)make_all(join(root, name));
		if (mount(root, join(root, name), NULL, MS_BIND, NULL) == 0)
			(void)umount2(join(root, name), MNT_DETACH);
		snprintf(name, sizeof(name), "%d", i);
		escaped += access(join(argv[3], name), F_OK) == 0;
	}
	printf("escaped %d of %d\n", escaped, n);
	return 0;
}

static int mask(char **argv)
{
	own_mounts(0);
	if (mount(join(argv[0], "dev/null"), join(argv[0], argv[1]), NULL, MS_BIND, NULL) < 0)
		die("mask");
	put(join(argv[0], argv[1]), "written through the mask");
	return 0;
}

static int console(char **argv)
{
	int fd = open(join(argv[0], "dev/console"), O_CREAT | O_WRONLY, 0600);

	printf("console %s\n", fd < 0 ? strerror(errno) : "ok");
	return 0;
}

static int dev(char **argv)
{
	(void)symlink("/proc/self/fd", join(argv[0], "dev/fd"));
	(void)symlink("pts/ptmx", join(argv[0], "dev/ptmx"));
	(void)mknod(join(argv[0], "dev/null"), S_IFCHR | 0666, makedev(1, 3));
	return 0;
}

static int workdir(char **argv)
{
	return make_all(join(argv[0], argv[1])) < 0 && errno != EEXIST;
}

static int late(char **argv)
{
	pid_t child = fork();
	char children[64];
	char pid[16];
	char first;
	ssize_t got;
	int fd;

	if (child == 0) {
		execvp(argv[1], argv + 1);
		die("exec");
	}
	snprintf(pid, sizeof(pid), "%d", child);
	/* What comes too late here comes at any time after the first fork. */
	snprintf(children, sizeof(children), "/proc/%d/task/%d/children", child, child);
	do {
		usleep(10000);
		fd = open(children, O_RDONLY);
		got = fd < 0 ? -1 : read(fd, &first, 1);
		close(fd);
	} while (got == 0);
	put(join(argv[0], "cgroup.procs"), pid);
	waitpid(child, NULL, 0);
	return 0;
}

static int uid(char **argv)
{
	printf("%u\n", (uint32_t)strtoull(argv[0], NULL, 10));
	return 0;
}

static int passwd(char **argv)
{
	const rlim_t bytes = (rlim_t)atoi(argv[1]) << 20;
	const struct rlimit lim = {bytes, bytes};
	char *text = NULL;
	size_t size = 0;
	int fd;

	if (setrlimit(RLIMIT_AS, &lim) < 0)
		die("setrlimit");
	fd = open(argv[0], O_RDONLY);
	if (fd < 0)
		die("open");
	for (;;) {
		char *more = realloc(text, size + 65536);
		ssize_t n;

		if (!more) {
			printf("out of memory after %zu bytes\n", size);
			return 0;
		}
		text = more;
		n = read(fd, text + size, 65536);
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	printf("read %zu bytes\n", size);
	return 0;
}

/* Type and length as netlink has them, the value, then the next attribute: where the reader goes on is the attacker's. */
static int attrs(char **argv)
{
	const size_t len = strtoul(argv[0], NULL, 10);
	unsigned char *message = calloc(1, len + 64);
	uint16_t seen;
	uint16_t head[2] = {(uint16_t)(len + 4), 1};

	if (!message)
		return 1;
	memcpy(message, head, 4);
	/* The value carries an attribute of its own at the place where the wrapped length ends. */
	if (((len + 4) & 0xffff) < len)
		memcpy(message + ((len + 4) & 0xffff), (uint16_t[2]){8, 99}, 4);
	memcpy(&seen, message, 2);
	memcpy(head, message + seen, 4);
	printf("next attribute %u\n", head[1]);
	free(message);
	return 0;
}

static int with_inh(char **argv)
{
	all_inheritable();
	execvp(argv[0], argv);
	die("exec");
	return 99;
}

static int pause_ms(char **argv)
{
	return usleep((useconds_t)atoi(argv[0]) * 1000);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **);
		int args;
	} verbs[] = {
		{"enter", enter, 3},
		{"exec-into", exec_into, 3},
		{"self", self, 3},
		{"mounts", mounts, 4},
		{"mask", mask, 2},
		{"console", console, 1},
		{"dev", dev, 1},
		{"workdir", workdir, 2},
		{"late", late, 2},
		{"uid", uid, 1},
		{"passwd", passwd, 2},
		{"attrs", attrs, 1},
		{"with-inh", with_inh, 1},
		{"pause", pause_ms, 1},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].args)
			return verbs[i].run(argv + 2);
	fprintf(stderr, "naive: unknown verb\n");
	return 2;
}
