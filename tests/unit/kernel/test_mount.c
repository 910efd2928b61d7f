/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts by fd, in a mount namespace of the test's own. */
#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/fd.h"
#include "kernel/ids.h"
#include "kernel/process.h"
#include "kernel/test_child.h"

static char base[64];

static bool set_up(void)
{
	struct error err;
	int root;

	if (unshare(CLONE_NEWNS) < 0) {
		test_state.skip = "mount namespaces need root";
		return false;
	}
	root = open("/", O_PATH | O_CLOEXEC);
	CHECK_INT(mount_set_propagation(root, MS_PRIVATE, true, &err), 0);
	close(root);
	(void)snprintf(base, sizeof(base), "/tmp/bothy-mount-XXXXXX");
	return CHECK(mkdtemp(base));
}

static void make_and_attach(void)
{
	const struct mount_param params[] = {{.key = "size", .value = "64k", .fd = -1},
					     {.key = "mode", .value = "0711", .fd = -1}};
	struct error err;
	struct statfs fs;
	struct stat st;
	uint64_t attrs = 0;
	int target;
	int copy;
	int fd;

	if (!set_up())
		return;
	fd = mount_new("tmpfs", "mine", params, 2, "nr_inodes=50,,uid=7", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		       &err);
	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fstatfs(fd, &fs) == 0 && fs.f_blocks * (unsigned long)fs.f_bsize == 65536 && fs.f_files == 50);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0711 && st.st_uid == 7);
	CHECK_INT(mount_get_attrs(fd, &attrs), 0);
	CHECK_INT(attrs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	CHECK_STR(mount_fs_name(fd), "tmpfs");
	/* Attributes while nobody sees it; the atime bits are one field. */
	CHECK_INT(mount_set_attrs(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, 0, -1, false, &err), 0);
	CHECK_INT(mount_get_attrs(fd, &attrs), 0);
	CHECK_INT(attrs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
	CHECK_INT(mount_set_attrs(fd, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_RDONLY, MS_PRIVATE, -1, true, &err), 0);
	CHECK_INT(mount_get_attrs(fd, &attrs), 0);
	CHECK_INT(attrs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
	target = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(mount_attach(fd, target, base, &err), 0);
	CHECK(stat(base, &st) == 0 && st.st_uid == 7);
	/* A clone is a mount of its own. */
	copy = mount_clone(AT_FDCWD, base, false, 0, &err);
	CHECK(copy >= 0);
	CHECK_INT(mount_set_attrs(copy, MOUNT_ATTR_RDONLY, 0, 0, -1, false, &err), 0);
	CHECK(mkdirat(copy, "x", 0755) < 0 && errno == EROFS);
	CHECK(mkdirat(fd, "x", 0755) == 0);
	fd_close(&copy);
	CHECK_INT(mount_detach(AT_FDCWD, base, &err), 0);
	CHECK_INT(mount_detach(AT_FDCWD, base, &err), -EINVAL);
	/* A place held by fd, and a file. */
	fd_close(&fd);
	fd = mount_clone(AT_FDCWD, "/tmp", false, 0, &err);
	CHECK_INT(mount_attach_at(fd, AT_FDCWD, base, &err), 0);
	copy = open("/", O_PATH | O_CLOEXEC);
	CHECK_INT(mount_detach(copy, base + 1, &err), 0);
	fd_close(&copy);
	fd_close(&fd);
	close(target);
	CHECK(rmdir(base) == 0);
}

TEST(make_attach_change_detach)
{
	in_child(make_and_attach);
}

static void refusals(void)
{
	struct error err;
	char data[400];
	int fd;

	if (!set_up())
		return;
	CHECK_INT(mount_new("nosuchfs", NULL, NULL, 0, NULL, 0, 0, &err), -ENODEV);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_STR(err.msg, "this kernel has no file system called 'nosuchfs'");
	CHECK_INT(mount_new("tmpfs", NULL, NULL, 0, "size=64k,colour=blue", 0, 0, &err), -EINVAL);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_CONTAINS(err.msg, "colour");
	CHECK_CONTAINS(err.msg, "Unknown parameter"); /* the kernel's own words */
	CHECK_INT(mount_new("tmpfs", NULL, NULL, 0, "size=blue", 0, 0, &err), -EINVAL);
	memset(data, 'x', sizeof(data));
	memcpy(data, "mode=", 5);
	data[sizeof(data) - 1] = '\0';
	CHECK_INT(mount_new("tmpfs", NULL, NULL, 0, data, 0, 0, &err), -E2BIG);
	CHECK_INT(err.kind, ERROR_LIMIT);
	fd = mount_new("tmpfs", NULL, NULL, 0, NULL, MS_RDONLY, 0, &err);
	CHECK(fd >= 0 && mkdirat(fd, "x", 0755) < 0 && errno == EROFS);
	fd_close(&fd);
	CHECK_INT(mount_clone(AT_FDCWD, "/no/such", false, 0, &err), -ENOENT);
	CHECK(rmdir(base) == 0);
}

TEST(refusals_in_words)
{
	in_child(refusals);
}

static void quoted_data(void)
{
	struct error err;
	int fd;

	if (!set_up())
		return;
	/* A comma in quotes does not split; without SELinux the option itself is unknown, by its whole name. */
	fd = mount_new("tmpfs", NULL, NULL, 0, "context=\"a:b:c:s0:c1,c2\"", 0, 0, &err);
	if (fd < 0) {
		CHECK_CONTAINS(err.msg, "context=a:b:c:s0:c1,c2");
		CHECK(strstr(err.msg, "'c2") == NULL);
	}
	fd_close(&fd);
	CHECK(rmdir(base) == 0);
}

TEST(data_with_commas_in_quotes)
{
	in_child(quoted_data);
}

static void without_new_calls(void)
{
	struct error err;

	if (!set_up())
		return;
	REQUIRE(take_call_away(SYS_fsopen, ENOSYS));
	REQUIRE(take_call_away(SYS_open_tree, ENOSYS));
	CHECK(mount_new("tmpfs", NULL, NULL, 0, NULL, 0, 0, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK(err.hint[0] != '\0');
	CHECK(mount_clone(AT_FDCWD, "/tmp", false, 0, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK(rmdir(base) == 0);
}

TEST(clear_words_without_the_mount_calls)
{
	in_child(without_new_calls);
}

/* 5.4 to 5.11: a mount's attributes can be changed once it is attached. */
static void old_attributes(void)
{
	struct error err;
	uint64_t attrs = 0;
	int fd;

	if (!set_up())
		return;
	REQUIRE(take_call_away(SYS_mount_setattr, ENOSYS));
	fd = mount_new("tmpfs", NULL, NULL, 0, NULL, 0, MOUNT_ATTR_NODEV, &err);
	REQUIRE(fd >= 0);
	CHECK_INT(mount_set_attrs(fd, MOUNT_ATTR_RDONLY, 0, 0, -1, false, &err), -ENOSYS);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_INT(mount_attach_at(fd, AT_FDCWD, base, &err), 0);
	CHECK_INT(mount_set_attrs(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, 0, MS_SLAVE, -1, false, &err), 0);
	CHECK_INT(mount_get_attrs(fd, &attrs), 0);
	CHECK_INT(attrs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
	CHECK_INT(mount_set_attrs(fd, 0, MOUNT_ATTR_RDONLY, 0, 0, false, &err), -ENOSYS); /* id mapping: not there */
	CHECK_INT(mount_detach(AT_FDCWD, base, &err), 0);
	fd_close(&fd);
	CHECK(rmdir(base) == 0);
}

TEST(attributes_without_mount_setattr)
{
	in_child(old_attributes);
}

static int sleeper(void *arg)
{
	char c;

	return (int)read(*(int *)arg, &c, 1);
}

static void idmapped(void)
{
	const struct ids_range map[] = {{0, 100000, 65536}};
	struct process_clone how = PROCESS_CLONE_INIT;
	struct pidref p = PIDREF_NONE;
	struct error err;
	struct stat st;
	char path[64];
	int pipefd[2];
	int status;
	int userns;
	int dir;
	int fd;
	int proc;

	if (!set_up())
		return;
	CHECK(pipe2(pipefd, O_CLOEXEC) == 0);
	how.flags = CLONE_NEWUSER;
	REQUIRE(process_clone(&how, sleeper, &pipefd[0], &p, &err) == 0);
	(void)snprintf(path, sizeof(path), "/proc/%d", p.pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(ids_write_map(dir, IDS_UID, map, 1, &err), 0);
	CHECK_INT(ids_write_map(dir, IDS_GID, map, 1, &err), 0);
	userns = openat(dir, "ns/user", O_RDONLY | O_CLOEXEC);
	fd = mount_clone(AT_FDCWD, base, true, 0, &err);
	if (mount_set_attrs(fd, 0, 0, 0, userns, true, &err) == 0) {
		CHECK(fstat(fd, &st) == 0);
		CHECK_INT(st.st_uid, 100000);
	} else {
		CHECK_INT(err.kind, ERROR_UNSUPPORTED);
		CHECK_CONTAINS(err.msg, mount_fs_name(fd));
	}
	fd_close(&fd);
	/* One that no kernel can map: the message names the file system. */
	proc = mount_new("proc", NULL, NULL, 0, NULL, 0, 0, &err);
	CHECK(proc >= 0 && mount_set_attrs(proc, 0, 0, 0, userns, false, &err) < 0);
	CHECK_INT(err.kind, ERROR_UNSUPPORTED);
	CHECK_CONTAINS(err.msg, "'proc'");
	fd_close(&proc);
	CHECK(write(pipefd[1], "x", 1) == 1);
	CHECK_INT(pidref_wait(&p, &status), 0);
	pidref_done(&p);
	CHECK(rmdir(base) == 0);
}

TEST(id_mapped)
{
	in_child(idmapped);
}

/* A root of a tmpfs with a "here" in it, made "/" one way or the other. */
static int new_root(void)
{
	struct error err;
	int fd = mount_new("tmpfs", NULL, NULL, 0, NULL, 0, 0, &err);

	CHECK(fd >= 0);
	CHECK_INT(mount_attach_at(fd, AT_FDCWD, base, &err), 0);
	CHECK(mkdirat(fd, "here", 0755) == 0 && mkdirat(fd, "proc", 0755) == 0);
	return fd;
}

static void check_new_root(void)
{
	struct stat st;

	CHECK(stat("/here", &st) == 0);
	CHECK(stat("here", &st) == 0);
	CHECK(stat("/usr", &st) < 0 && stat("/../../usr", &st) < 0);
}

static void pivot(void)
{
	struct error err;
	int host = -1;
	int fd;

	if (!set_up())
		return;
	host = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = new_root();
	CHECK_INT(mount_pivot(fd, &err), 0);
	check_new_root();
	/* The mount namespace that we came from keeps its root; the directory goes through the fd held. */
	(void)unlinkat(host, base + 5, AT_REMOVEDIR);
	close(host);
}

TEST(pivot_root)
{
	in_child(pivot);
	(void)rmdir(base);
}

/* Something is mounted over "/", of which our root lies beneath. */
static void hide_root(void)
{
	struct error err;
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = mount_new("tmpfs", NULL, NULL, 0, NULL, 0, 0, &err);

	CHECK(fd >= 0);
	CHECK(mkdirat(fd, "usr", 0755) == 0);
	CHECK_INT(mount_attach(fd, root, "/", &err), 0);
	close(fd);
	close(root);
}

/* Neither what hid the old root nor the old root itself stays, and the new one is the mount namespace's. */
static void pivot_from_a_hidden_root(void)
{
	struct error err;
	int host;
	int fd;

	if (!set_up())
		return;
	host = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	hide_root();
	fd = new_root();
	hide_root();
	CHECK_INT(mount_pivot(fd, &err), 0);
	check_new_root();
	CHECK_INT(unshare(CLONE_NEWUSER), 0); /* refused to a process whose root is not that of its mount namespace */
	(void)unlinkat(host, base + 5, AT_REMOVEDIR);
	close(host);
}

TEST(pivot_root_from_a_hidden_root)
{
	in_child(pivot_from_a_hidden_root);
}

static int root_over_root(struct error *err)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = mount_new("tmpfs", NULL, NULL, 0, NULL, 0, 0, err);

	CHECK(fd >= 0 && mkdirat(fd, "here", 0755) == 0 && mkdirat(fd, "proc", 0755) == 0);
	CHECK_INT(mount_attach(fd, root, "/", err), 0);
	close(root);
	(void)rmdir(base);
	return fd;
}

static void pivot_over_root(void)
{
	struct error err;

	if (!set_up())
		return;
	hide_root();
	CHECK_INT(mount_pivot(root_over_root(&err), &err), 0);
	check_new_root();
	CHECK_INT(unshare(CLONE_NEWUSER), 0);
}

TEST(pivot_root_to_what_lies_on_the_root)
{
	in_child(pivot_over_root);
}

static void move_over_root(void)
{
	struct error err;

	if (!set_up())
		return;
	CHECK_INT(mount_move_root(root_over_root(&err), &err), 0);
	check_new_root();
	CHECK_INT(unshare(CLONE_NEWUSER), 0);
}

TEST(move_root_that_lies_on_the_root)
{
	in_child(move_over_root);
}

/* What lies on the new root would be the root of all who enter the mount namespace. */
static void pivot_to_a_hidden_root(void)
{
	struct error err;
	int host;
	int top;
	int fd;

	if (!set_up())
		return;
	host = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = new_root();
	top = mount_new("tmpfs", NULL, NULL, 0, NULL, 0, 0, &err);
	CHECK_INT(mount_attach(top, fd, "/", &err), 0);
	CHECK_INT(mount_pivot(fd, &err), -EBUSY);
	CHECK_CONTAINS(err.msg, "on the new root directory");
	(void)unlinkat(host, base + 5, AT_REMOVEDIR);
	close(host);
}

TEST(pivot_root_to_a_hidden_root)
{
	in_child(pivot_to_a_hidden_root);
}

static void move(void)
{
	struct error err;
	int host;
	int fd;

	if (!set_up())
		return;
	host = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = new_root();
	CHECK_INT(mount_move_root(fd, &err), 0);
	check_new_root();
	/* No procfs of the host is left to be reached from a root moved over it. */
	CHECK(faccessat(host, "../proc/self", F_OK, 0) < 0);
	CHECK(faccessat(host, "../sys/kernel", F_OK, 0) < 0);
	(void)unlinkat(host, base + 5, AT_REMOVEDIR);
	close(host);
}

TEST(move_root)
{
	in_child(move);
}
