/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and making inside a root, and single names. */
#include "safepath/safepath.h"

#include <limits.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "kernel/test_child.h"
#include "safepath/fixture.h"

static mode_t mode_of(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & 07777 : 07777;
}

static void make_dirs(void)
{
	struct fixture f;
	struct error err;
	int fd = FD_NONE;

	REQUIRE(fixture_make(&f));
	CHECK_INT(safepath_mkdir_all(f.root, "/new/x/y", 0711, SAFEPATH_KEEP, &fd, &err), SAFEPATH_CREATED);
	CHECK(same_file(fd, f.root, "new/x/y"));
	CHECK_INT(mode_of(f.root, "new/x/y"), 0711);
	fd_close(&fd);
	CHECK_INT(safepath_mkdir_all(f.root, "new/x/y", 0700, SAFEPATH_KEEP, &fd, &err), 0);
	CHECK_INT(mode_of(f.root, "new/x/y"), 0711);
	fd_close(&fd);
	/* Links lead where they lead inside the root. */
	CHECK_INT(safepath_mkdir_all(f.root, "up/conf.d", 0755, SAFEPATH_KEEP, &fd, &err), SAFEPATH_CREATED);
	CHECK(same_file(fd, f.root, "etc/conf.d"));
	fd_close(&fd);
	CHECK_INT(safepath_mkdir_all(f.root, "dangling/z", 0755, SAFEPATH_KEEP, &fd, &err), SAFEPATH_CREATED);
	CHECK(same_file(fd, f.root, "made/by/link/z"));
	fd_close(&fd);
	CHECK_INT(safepath_mkdir_all(f.root, "out/z", 0755, SAFEPATH_KEEP, &fd, &err), SAFEPATH_CREATED);
	CHECK(same_file(fd, f.root, "outside/z"));
	fd_close(&fd);
	CHECK_INT(count_entries(f.outside), 1);
	CHECK_INT(safepath_mkdir_all(f.root, "tofile/z", 0755, SAFEPATH_KEEP, &fd, &err), -ENOTDIR);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_INT(safepath_mkdir_all(f.root, "loop/z", 0755, SAFEPATH_KEEP, &fd, &err), -ELOOP);
	CHECK_INT(fd, FD_NONE);
	fixture_drop(&f);
}

TEST(directories)
{
	make_dirs();
}

static void make_dirs_filtered(void)
{
	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	make_dirs();
}

TEST(directories_without_openat2)
{
	in_child(make_dirs_filtered);
}

static void make_dirs_umask(void)
{
	(void)umask(0777);
	make_dirs();
}

TEST(modes_whatever_the_umask)
{
	if (geteuid() != 0)
		SKIP("the fixture itself needs root under such a umask");
	in_child(make_dirs_umask);
}

TEST(cve_2026_55686_workdir_stays_inside)
{
	struct fixture f;
	struct error err;
	int fd = FD_NONE;

	/* WORKDIR through a symlink to the host: made inside, nothing outside touched (V17). */
	REQUIRE(fixture_make(&f));
	CHECK(symlinkat("/../../../../../../tmp", f.root, "work") == 0);
	CHECK_INT(safepath_mkdir_all(f.root, "work/bothy-escape", 0755, SAFEPATH_KEEP, &fd, &err), SAFEPATH_CREATED);
	CHECK(same_file(fd, f.root, "tmp/bothy-escape"));
	fd_close(&fd);
	CHECK(access("/tmp/bothy-escape", F_OK) < 0);
	fixture_drop(&f);
}

TEST(mount_targets)
{
	struct fixture f;
	struct error err;
	int fd = FD_NONE;

	REQUIRE(fixture_make(&f));
	CHECK_INT(safepath_make_target(f.root, "/mnt/data/file", false, false, 0644, SAFEPATH_KEEP, &fd, &err),
		  SAFEPATH_CREATED);
	CHECK(same_file(fd, f.root, "mnt/data/file"));
	fd_close(&fd);
	CHECK_INT(safepath_make_target(f.root, "tofile", false, false, 0644, SAFEPATH_KEEP, &fd, &err), 0);
	CHECK(same_file(fd, f.root, "a/b/c/file"));
	fd_close(&fd);
	CHECK_INT(safepath_make_target(f.root, "tofile", false, true, 0644, SAFEPATH_KEEP, &fd, &err), 0);
	CHECK(same_file(fd, f.root, "tofile"));
	fd_close(&fd);
	CHECK_INT(safepath_make_target(f.root, "/etc", false, false, 0644, SAFEPATH_KEEP, &fd, &err), -EISDIR);
	CHECK_CONTAINS(err.msg, "'/etc' cannot be the place of a file");
	CHECK_INT(safepath_make_target(f.root, "/etc/passwd", true, false, 0755, SAFEPATH_KEEP, &fd, &err), -ENOTDIR);
	CHECK_CONTAINS(err.msg, "cannot be the place of a directory");
	CHECK_INT(fd, FD_NONE);
	fixture_drop(&f);
}

TEST(parents)
{
	struct fixture f;
	struct error err;
	char name[256] = "";
	int fd;

	REQUIRE(fixture_make(&f));
	fd = safepath_open_parent(f.root, "up/new.conf/", name, &err);
	CHECK(fd >= 0 && same_file(fd, f.root, "etc"));
	CHECK_STR(name, "new.conf");
	fd_close(&fd);
	fd = safepath_open_parent(f.root, "top", name, &err);
	CHECK(fd >= 0 && same_file(fd, f.base_fd, "root"));
	fd_close(&fd);
	CHECK_INT(safepath_open_parent(f.root, "a/..", name, &err), -EINVAL);
	CHECK_INT(safepath_open_parent(f.root, "/", name, &err), -EINVAL);
	CHECK_INT(safepath_open_parent(f.root, "", name, &err), -EINVAL);
	fixture_drop(&f);
}

TEST(names)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	CHECK(!safepath_name_valid(name));
	name[255] = '\0';
	CHECK(safepath_name_valid(name));
	CHECK(!safepath_name_valid(""));
	CHECK(!safepath_name_valid("."));
	CHECK(!safepath_name_valid(".."));
	CHECK(!safepath_name_valid("a/b"));
	CHECK(!safepath_name_valid("/"));
	CHECK(safepath_name_valid("..."));
}

static void single_names(void)
{
	struct fixture f;
	struct error err;
	struct stat st;
	char text[64];
	int fd = FD_NONE;

	REQUIRE(fixture_make(&f));
	CHECK_INT(safepath_mkdir(f.root, "a", 0700, SAFEPATH_KEEP, NULL, &err), 0);
	CHECK_INT(safepath_mkdir(f.root, "abs", 0700, SAFEPATH_KEEP, NULL, &err), -EEXIST);
	CHECK_INT(err.kind, ERROR_CONFLICT);
	CHECK_INT(safepath_mkdir(f.root, "sub/dir", 0700, SAFEPATH_KEEP, NULL, &err), -EINVAL);
	CHECK_INT(safepath_child(f.root, "abs", O_RDONLY, &err), -ELOOP);
	CHECK_INT(safepath_create_file(f.root, "dangling", O_WRONLY, 0600, SAFEPATH_KEEP, &err), -EEXIST);
	fd = safepath_create_file(f.root, "new", O_WRONLY, 0666, SAFEPATH_KEEP, &err);
	CHECK(fd >= 0 && (mode_of(f.root, "new") == 0666));
	fd_close(&fd);
	CHECK_INT(safepath_symlink(f.root, "sl", "../x", SAFEPATH_KEEP, &err), 0);
	CHECK_INT(safepath_readlink(f.root, "sl", text, sizeof(text), &err), 0);
	CHECK_STR(text, "../x");
	CHECK(safepath_readlink(f.root, "sl", text, 4, &err) < 0);
	CHECK_INT(safepath_mknod(f.root, "fifo", S_IFIFO | 0622, 0, SAFEPATH_KEEP, &fd, &err), 0);
	CHECK(fd >= 0 && mode_of(f.root, "fifo") == 0622);
	/* A mode on an O_PATH fd, and on what it stands for only. */
	CHECK_INT(safepath_chmod(fd, 0640, &err), 0);
	CHECK_INT(mode_of(f.root, "fifo"), 0640);
	fd_close(&fd);
	CHECK_INT(safepath_rename(f.root, "new", f.outside, "secret", 1 /* RENAME_NOREPLACE */, &err), -EEXIST);
	CHECK_INT(safepath_stat(f.root, "gone", &st), -ENOENT);
	CHECK_INT(safepath_unlink(f.root, "gone", true, &err), 0);
	CHECK_INT(safepath_unlink(f.root, "gone", false, &err), -ENOENT);
	CHECK_INT(safepath_rmdir(f.root, "a", false, &err), -ENOTEMPTY);
	fixture_drop(&f);
}

TEST(single_components)
{
	single_names();
}

static void single_names_filtered(void)
{
	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	REQUIRE(take_call_away(452, ENOSYS)); /* fchmodat2 */
	single_names();
}

TEST(single_components_on_old_kernels)
{
	in_child(single_names_filtered);
}

TEST(devices_and_owners)
{
	const struct safepath_owner owner = {12345, 23456};
	struct fixture f;
	struct error err;
	struct stat st = {0};
	int fd = FD_NONE;

	if (geteuid() != 0)
		SKIP("needs root");
	REQUIRE(fixture_make(&f));
	if (safepath_mknod(f.root, "null", S_IFCHR | 0666, makedev(1, 3), &owner, &fd, &err) == -EPERM) {
		fixture_drop(&f);
		SKIP("this root may not make devices");
	}
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) && (st.st_mode & 07777) == 0666);
	CHECK_INT(st.st_uid, 12345);
	CHECK_INT(st.st_gid, 23456);
	fd_close(&fd);
	CHECK_INT(safepath_mkdir_all(f.root, "own/ed", 02755, &owner, &fd, &err), SAFEPATH_CREATED);
	CHECK(fstat(fd, &st) == 0 && st.st_uid == 12345 && st.st_gid == 23456);
	fd_close(&fd);
	fixture_drop(&f);
}
