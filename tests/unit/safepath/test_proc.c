/* SPDX-License-Identifier: Apache-2.0 */
/* A procfs that can be believed, and one that cannot. */
#include "safepath/safepath.h"

#include <linux/mount.h>
#include <sched.h>

#include "base/fd.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "kernel/test_child.h"
#include "safepath/fixture.h"

static void use_proc(void)
{
	struct safepath_proc p autoproc = SAFEPATH_PROC_NONE;
	struct buf text autobuf = BUF_INIT(8192);
	struct error err;
	struct stat a;
	struct stat b;
	char name[64];
	int fd;

	REQUIRE(safepath_proc_open(&p, false, &err) == 0);
	CHECK_INT(safepath_proc_read(&p, 0, "comm", &text, &err), 0);
	CHECK(text.len > 0);
	fd = safepath_proc_self(&p, "", O_PATH | O_DIRECTORY, &err);
	CHECK(fd >= 0);
	CHECK_INT(safepath_name_of(fd, fd, name, sizeof(name), &err), 0);
	(void)snprintf(name, sizeof(name), "%d", getpid());
	CHECK(same_file(fd, p.fd, name));
	fd_close(&fd);
	fd = safepath_proc_self(&p, "ns/uts", O_RDONLY, &err);
	CHECK(fd >= 0 && fstat(fd, &a) == 0 && stat("/proc/self/ns/uts", &b) == 0 && a.st_ino == b.st_ino);
	fd_close(&fd);
	fd = safepath_proc_self(&p, "exe", O_PATH, &err);
	CHECK(fd >= 0 && fstat(fd, &a) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_ino == b.st_ino);
	fd_close(&fd);
	fd = safepath_proc_pid(&p, getppid(), "stat", O_RDONLY, &err);
	CHECK(fd >= 0);
	fd_close(&fd);
	fd = safepath_proc_global(&p, true, "kernel/ostype", O_RDONLY, &err);
	CHECK(fd >= 0);
	fd_close(&fd);
	/* No way out of it. */
	CHECK(safepath_proc_self(&p, "root/etc/passwd", O_RDONLY, &err) < 0);
	CHECK(safepath_proc_self(&p, "cwd/x", O_RDONLY, &err) < 0);
	CHECK(safepath_proc_global(&p, true, "../self/exe", O_RDONLY, &err) < 0);
	CHECK(safepath_proc_global(&p, false, "self/exe", O_RDONLY, &err) < 0);
}

TEST(ordinary_use)
{
	use_proc();
}

static void use_proc_filtered(void)
{
	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	REQUIRE(take_call_away(SYS_fsopen, EPERM));
	REQUIRE(take_call_away(SYS_open_tree, EPERM));
	use_proc();
}

TEST(without_the_new_calls)
{
	in_child(use_proc_filtered);
}

static void *private_root(struct fixture *f)
{
	struct error err;
	int root;

	if (unshare(CLONE_NEWNS) < 0 || !fixture_make(f))
		return NULL;
	root = open("/", O_PATH | O_CLOEXEC);
	CHECK_INT(mount_set_propagation(root, 1 << 18, true, &err), 0);
	close(root);
	return f;
}

/* CVE-2019-16884: /proc is a tmpfs of the container's with believable files in it. */
static void fake_proc(void)
{
	struct safepath_proc p = SAFEPATH_PROC_NONE;
	struct fixture f;
	struct error err;
	char text[8] = "";
	int fd;

	if (!private_root(&f))
		SKIP("mount namespaces need root");
	fd = mount_new("tmpfs", "tmpfs", NULL, 0, NULL, 0, 0, &err);
	REQUIRE(fd >= 0);
	REQUIRE(mount_attach_at(fd, AT_FDCWD, "/proc", &err) == 0);
	CHECK(mkdirat(fd, "self", 0755) == 0 && mkdirat(fd, "self/attr", 0755) == 0);
	put_file(fd, "self/attr/exec", "fake");
	/* The attack works where one believes the path. */
	close(fd);
	fd = open("/proc/self/attr/exec", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 4);
	close(fd);
	/* Ours is another one, or none. */
	CHECK_INT(safepath_proc_open(&p, true, &err), 0);
	CHECK(p.private_mount);
	fd = safepath_proc_self(&p, "stat", O_RDONLY, &err);
	CHECK(fd >= 0 && strcmp(mount_fs_name(fd), "proc") == 0);
	fd_close(&fd);
	safepath_proc_close(&p);
	REQUIRE(take_call_away(SYS_fsopen, EPERM));
	CHECK(safepath_proc_open(&p, true, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_INT(p.fd, FD_NONE);
	fixture_drop(&f);
}

TEST(cve_2019_16884_proc_is_fake)
{
	in_child(fake_proc);
}

/* CVE-2025-52881: a file is mounted over one entry, so that a write to it lands elsewhere. */
static void covered_entry(void)
{
	struct safepath_proc p = SAFEPATH_PROC_NONE;
	struct fixture f;
	struct error err;
	char text[64] = "";
	int trap;
	int fd;

	if (!private_root(&f))
		SKIP("mount namespaces need root");
	REQUIRE(unshare(CLONE_NEWNET) == 0);
	put_file(f.root, "trap", "");
	trap = openat(f.root, "trap", O_RDONLY | O_CLOEXEC);
	fd = mount_clone(trap, "", false, 0, &err);
	REQUIRE(fd >= 0);
	REQUIRE(mount_attach_at(fd, AT_FDCWD, "/proc/sys/net/ipv4/ip_default_ttl", &err) == 0);
	close(fd);
	/* Believing the path writes into the trap. */
	fd = open("/proc/sys/net/ipv4/ip_default_ttl", O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, "7", 1) == 1);
	close(fd);
	CHECK(pread(trap, text, sizeof(text), 0) == 1);
	/* /proc as it stands, which is all there is without the mount calls: refused, and nothing written. */
	fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(safepath_proc_from_fd(fd, &p, &err), 0);
	CHECK_INT(safepath_proc_write_sysctl(&p, "net.ipv4.ip_default_ttl", "99", &err), -EXDEV);
	CHECK_INT(err.kind, ERROR_DENIED);
	safepath_proc_close(&p);
	CHECK(pread(trap, text, sizeof(text), 0) == 1);
	/* Our own: the real one is written. */
	CHECK_INT(safepath_proc_open(&p, false, &err), 0);
	CHECK(p.private_mount);
	CHECK_INT(safepath_proc_write_sysctl(&p, "net.ipv4.ip_default_ttl", "99", &err), 0);
	fd = safepath_proc_global(&p, true, "net/ipv4/ip_default_ttl", O_RDONLY, &err);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 3 && memcmp(text, "99\n", 3) == 0);
	fd_close(&fd);
	CHECK(pread(trap, text, sizeof(text), 0) == 1);
	CHECK_INT(safepath_proc_write_sysctl(&p, "net.ipv4.ip_default_ttl", "many", &err), -EINVAL);
	CHECK_INT(safepath_proc_write_sysctl(&p, "net.ipv4.no_such_thing", "1", &err), -ENOENT);
	CHECK_INT(safepath_proc_write_sysctl(&p, "net/../kernel/core_pattern", "|x", &err), -EINVAL);
	CHECK_INT(safepath_proc_write_sysctl(&p, "net..ipv4", "1", &err), -EINVAL);
	CHECK_INT(safepath_proc_write_sysctl(&p, "", "1", &err), -EINVAL);
	/* sysctl(8)'s rule for dots in interface names. */
	CHECK_INT(safepath_proc_write_sysctl(&p, "net/ipv4/conf/lo/forwarding", "1", &err), 0);
	safepath_proc_close(&p);
	close(trap);
	CHECK_INT(mount_detach(AT_FDCWD, "/proc/sys/net/ipv4/ip_default_ttl", &err), 0);
	fixture_drop(&f);
}

TEST(cve_2025_52881_entry_is_covered)
{
	in_child(covered_entry);
}

TEST(other_file_systems_are_refused)
{
	struct safepath_proc p = SAFEPATH_PROC_NONE;
	struct error err;
	int fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(safepath_proc_from_fd(fd, &p, &err), -EINVAL);
	close(fd);
	fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(safepath_proc_from_fd(fd, &p, &err), -EINVAL);
	close(fd);
}
