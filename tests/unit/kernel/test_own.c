/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities, terminals, Landlock, BPF, labels, probes: against the kernel the tests run on. */
#include "kernel/kernel.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "kernel/test_child.h"

#define CAP(n) (UINT64_C(1) << (n))

static void capabilities(void)
{
	struct caps_sets s;
	struct caps_sets want = {.effective = CAP(0) | CAP(10), .permitted = CAP(0) | CAP(10)};
	uint64_t missing = 1;
	struct error err;

	CHECK(caps_last() >= 37 && caps_last() < 64);
	CHECK_INT(caps_get(&s, &err), 0);
	if (!(s.permitted & CAP(10)) || !caps_have(8))
		SKIP("needs root");
	CHECK_INT(caps_drop_bounding(CAP(0) | CAP(10) | CAP(7), &err), 0);
	/* V09: what was inheritable and ambient does not survive. */
	s.inheritable = CAP(10);
	s.ambient = CAP(10);
	CHECK_INT(caps_set(&s, NULL, &err), 0);
	CHECK_INT(caps_get(&s, &err), 0);
	CHECK_INT(s.ambient, CAP(10));
	CHECK_INT(caps_keep(true, &err), 0);
	CHECK_INT(ids_set_groups(NULL, 0, &err), 0);
	CHECK_INT(ids_set_gid(4242, &err), 0);
	CHECK_INT(ids_set_uid(4242, &err), 0);
	CHECK_INT(caps_set(&want, &missing, &err), 0);
	CHECK_INT(missing, 0);
	CHECK_INT(caps_get(&s, &err), 0);
	CHECK_INT(s.effective, CAP(0) | CAP(10));
	CHECK_INT(s.permitted, CAP(0) | CAP(10));
	CHECK_INT(s.inheritable, 0);
	CHECK_INT(s.ambient, 0);
	CHECK_INT(s.bounding, CAP(0) | CAP(10) | CAP(7));
	CHECK(caps_have(10) && !caps_have(21));
	/* More than we have is left out and told. */
	want.permitted |= CAP(21);
	want.effective |= CAP(21) | CAP(63);
	CHECK_INT(caps_set(&want, &missing, &err), 0);
	CHECK_INT(missing, CAP(21));
	CHECK_INT(ids_set_uid(0, &err), -EPERM);
}

TEST(cve_2022_29162_capability_sets)
{
	in_child(capabilities);
}

TEST(no_id_is_no_id)
{
	struct error err;

	CHECK_INT(ids_set_uid(UINT32_MAX, &err), -EINVAL);
	CHECK_INT(ids_set_gid(UINT32_MAX, &err), -EINVAL);
}

static void fs_ids(void)
{
	struct error err;
	struct stat st;
	int fd;

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK_INT(ids_set_fs(4242, 4243, &err), 0);
	fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == 4242 && st.st_gid == 4243);
	CHECK_INT(ids_set_fs(0, 0, &err), 0);
}

TEST(file_system_ids)
{
	in_child(fs_ids);
}

static void terminals(void)
{
	struct pty_raw raw = PTY_RAW_NONE;
	struct error err;
	struct termios before;
	struct termios now;
	uint16_t rows = 0;
	uint16_t cols = 0;
	int master = FD_NONE;
	int peer = FD_NONE;
	int null;

	if (pty_open(FD_NONE, &master, &peer, &err) < 0)
		SKIP("no pseudo-terminals here");
	CHECK(pty_number(master) >= 0);
	CHECK_INT(pty_set_size(master, 24, 80, &err), 0);
	CHECK_INT(pty_get_size(peer, &rows, &cols), 0);
	CHECK(rows == 24 && cols == 80);
	CHECK(tcgetattr(peer, &before) == 0);
	CHECK_INT(pty_raw_enter(peer, &raw, &err), 0);
	CHECK(tcgetattr(peer, &now) == 0 && !(now.c_lflag & ICANON));
	pty_raw_leave(&raw);
	pty_raw_leave(&raw);
	CHECK(tcgetattr(peer, &now) == 0 && now.c_lflag == before.c_lflag && now.c_iflag == before.c_iflag);
	CHECK_INT(pty_clear_onlcr(peer, &err), 0);
	CHECK(tcgetattr(peer, &now) == 0 && !(now.c_oflag & ONLCR));
	CHECK_INT(pty_make_controlling(peer, &err), 0);
	CHECK_INT(tcgetsid(peer), getpid());
	CHECK_INT(pty_make_controlling(peer, &err), 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(pty_raw_enter(null, &raw, &err) < 0);
	CHECK_INT(raw.fd, FD_NONE);
	CHECK_INT(pty_get_size(null, &rows, &cols), -ENOTTY);
}

TEST(terminals_by_fd)
{
	in_child(terminals);
}

/* CVE-2025-52565: the devpts handed over is not one, or its ptmx is something else. */
static void fake_devpts(void)
{
	struct error err;
	char base[] = "/tmp/bothy-pts-XXXXXX";
	int master = FD_NONE;
	int peer = FD_NONE;
	int dir;
	int pts;

	REQUIRE(mkdtemp(base));
	dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(symlinkat("/dev/ptmx", dir, "ptmx") == 0);
	CHECK_INT(pty_open(dir, &master, &peer, &err), -ELOOP);
	CHECK(unlinkat(dir, "ptmx", 0) == 0);
	close(openat(dir, "ptmx", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	CHECK_INT(pty_open(dir, &master, &peer, &err), -EXDEV);
	CHECK_INT(err.kind, ERROR_DENIED);
	CHECK(unlinkat(dir, "ptmx", 0) == 0);
	if (mknodat(dir, "ptmx", S_IFCHR | 0666, 5 << 8 | 2) == 0) {
		CHECK(pty_open(dir, &master, &peer, &err) < 0);
		CHECK(unlinkat(dir, "ptmx", 0) == 0);
	}
	CHECK_INT(master, FD_NONE);
	CHECK(rmdir(base) == 0);
	if (unshare(CLONE_NEWNS) < 0)
		SKIP("a devpts of one's own needs root");
	pts = mount_new("devpts", NULL, NULL, 0, "newinstance,ptmxmode=0666,mode=0620", 0,
			MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &err);
	REQUIRE(pts >= 0);
	CHECK_INT(pty_open(pts, &master, &peer, &err), 0);
	CHECK_INT(pty_number(master), 0);
	CHECK(file_is_fs(peer, DEVPTS_SUPER_MAGIC));
}

TEST(cve_2025_52565_only_a_real_ptmx)
{
	in_child(fake_devpts);
}

static void confined(void)
{
	struct error err;
	int tmp;
	int ruleset;

	if (!landlock_abi())
		SKIP("no Landlock");
	CHECK_INT(landlock_supported(1), 1);
	CHECK_INT(landlock_supported(UINT64_C(1) << 40), 0);
	ruleset = landlock_new(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | UINT64_C(1) << 40, &err);
	REQUIRE(ruleset >= 0);
	tmp = open("/proc", O_PATH | O_CLOEXEC);
	CHECK_INT(landlock_allow(ruleset, tmp, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, &err), 0);
	CHECK_INT(landlock_enforce(ruleset, &err), 0);
	CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	CHECK(open("/proc/self/stat", O_RDONLY | O_CLOEXEC) >= 0);
}

TEST(landlock)
{
	in_child(confined);
}

static void device_filter(void)
{
	static const struct bpf_insn allow[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	static const struct bpf_insn bad[] = {{.code = BPF_JMP | BPF_EXIT}}; /* r0 was never set */
	struct error err;
	uint32_t ids[4] = {0};
	size_t count = 99;
	char name[64];
	int top = open("/sys/fs/cgroup/unified", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int group;
	int a;
	int b;

	if (top < 0)
		top = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	a = bpf_load_device_filter(allow, 2, &err);
	if (a < 0) {
		CHECK(err.kind == ERROR_DENIED || err.kind == ERROR_UNSUPPORTED);
		SKIP("no device filters for us");
	}
	CHECK(bpf_load_device_filter(bad, 1, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_CONTAINS(err.msg, "R0 !read_ok"); /* the verifier's words */
	b = bpf_load_device_filter(allow, 2, &err);
	(void)snprintf(name, sizeof(name), "bothy-bpf-%d", getpid());
	if (faccessat(top, "cgroup.procs", F_OK, 0) < 0 || mkdirat(top, name, 0755) < 0)
		SKIP("no writable cgroup v2");
	group = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(bpf_cgroup_query(group, ids, 4, &count, &err), 0);
	CHECK_INT(count, 0);
	CHECK_INT(bpf_cgroup_attach(group, a, FD_NONE, &err), 0);
	CHECK_INT(bpf_cgroup_query(group, ids, 4, &count, &err), 0);
	CHECK_INT(count, 1);
	CHECK_INT(bpf_cgroup_attach(group, b, a, &err), 0);
	CHECK_INT(bpf_cgroup_query(group, ids + 1, 3, &count, &err), 0);
	CHECK_INT(count, 1);
	CHECK(ids[0] != ids[1]);
	fd_close(&a);
	a = bpf_prog_open(ids[1], &err);
	CHECK(a >= 0);
	CHECK_INT(bpf_cgroup_detach(group, a, &err), 0);
	CHECK_INT(bpf_cgroup_query(group, ids, 4, &count, &err), 0);
	CHECK_INT(count, 0);
	CHECK_INT(bpf_prog_open(0xfffffff0, &err), -ENOENT);
	CHECK(unlinkat(top, name, AT_REMOVEDIR) == 0);
}

TEST(device_filters)
{
	in_child(device_filter);
}

TEST(labels_are_set_or_refused)
{
	struct error err;
	int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(lsm_apparmor_set_exec(self, NULL, &err), 0);
	CHECK_INT(lsm_apparmor_set_exec(self, "unconfined", &err), 0);
	CHECK_INT(lsm_selinux_set_exec(self, NULL, &err), 0);
	if (lsm_enabled(LSM_APPARMOR)) {
		CHECK(lsm_apparmor_set_exec(self, "bothy-no-such-profile", &err) < 0);
		CHECK_INT(err.kind, ERROR_NOT_FOUND);
	} else {
		CHECK(lsm_apparmor_set_exec(self, "some-profile", &err) < 0);
		CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	}
	if (!lsm_enabled(LSM_SELINUX)) {
		CHECK(lsm_selinux_set_exec(self, "a:b:c:s0", &err) < 0);
		CHECK_INT(err.kind, ERROR_UNSUPPORTED);
		CHECK_INT(lsm_selinux_set_key(self, "a:b:c:s0", &err), 0);
	}
	/* A directory that is not procfs' is never written to. */
	CHECK(lsm_apparmor_set_exec(tmp, "some-profile", &err) < 0);
	close(self);
	close(tmp);
}

static void probes_filtered(void)
{
	struct probe p = {0};

	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	REQUIRE(take_call_away(SYS_clone3, EPERM));
	REQUIRE(take_call_away(SYS_mount_setattr, ENOSYS));
	CHECK(!probe_has(&p, PROBE_OPENAT2));
	CHECK(!probe_has(&p, PROBE_CLONE3));
	CHECK(!probe_has(&p, PROBE_CLONE_INTO_CGROUP));
	CHECK(!probe_has(&p, PROBE_MOUNT_SETATTR));
	CHECK(probe_has(&p, PROBE_MOUNT_API));
}

TEST(probes)
{
	struct probe p = {0};
	uint32_t v = probe_kernel_version();

	CHECK(v >= (5u << 16));
	/* What the version promises is there, where nobody filters us. */
	CHECK(probe_has(&p, PROBE_CLONE3) || v < (5u << 16 | 3));
	CHECK(probe_has(&p, PROBE_OPENAT2) || v < (5u << 16 | 6));
	CHECK(probe_has(&p, PROBE_CLONE_INTO_CGROUP) || v < (5u << 16 | 7));
	CHECK(probe_has(&p, PROBE_SETNS_PIDFD) || v < (5u << 16 | 8));
	CHECK(probe_has(&p, PROBE_CLOSE_RANGE) || v < (5u << 16 | 9));
	CHECK(probe_has(&p, PROBE_MOUNT_SETATTR) || v < (5u << 16 | 12));
	CHECK_INT(probe_has(&p, PROBE_STATMOUNT), v >= (6u << 16 | 8));
	/* Asked once. */
	p.has ^= UINT32_C(1) << PROBE_OPENAT2;
	CHECK(!probe_has(&p, PROBE_OPENAT2));
	for (int f = 0; f < PROBE_FEATURE_COUNT; f++)
		CHECK(strcmp(probe_name((enum probe_feature)f), "unknown feature") != 0);
	in_child(probes_filtered);
}
