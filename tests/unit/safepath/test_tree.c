/* SPDX-License-Identifier: Apache-2.0 */
/* Removing, visiting and copying trees. */
#include "safepath/safepath.h"

#include <dirent.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "kernel/test_child.h"
#include "safepath/fixture.h"

#define DEEP 1500

/* DEEP directories, one in the other, below root/deep, made without ever naming the whole path. */
static void make_deep(const struct fixture *f)
{
	int at;

	CHECK(mkdirat(f->root, "deep", 0755) == 0);
	at = openat(f->root, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEEP; i++) {
		int next;

		CHECK(mkdirat(at, "d", 0755) == 0);
		next = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	put_file(at, "bottom", "x");
	close(at);
}

static size_t open_fds(void)
{
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = count_entries(fd);

	close(fd);
	return n;
}

static void remove_things(void)
{
	struct fixture f;
	struct error err;
	size_t before;

	REQUIRE(fixture_make(&f));
	before = open_fds();
	make_deep(&f);
	CHECK_INT(safepath_remove_tree(f.root, "deep", &err), 0);
	CHECK(faccessat(f.root, "deep", F_OK, 0) < 0);
	CHECK_INT(safepath_remove_tree(f.root, "a", &err), 0);
	CHECK_INT(safepath_remove_tree(f.root, "out", &err), 0); /* the link, not what it names */
	CHECK_INT(safepath_remove_tree(f.root, "slash", &err), 0);
	CHECK_INT(safepath_remove_tree(f.root, "never", &err), 0);
	CHECK_INT(safepath_remove_tree(f.root, "..", &err), -EINVAL);
	CHECK_INT(count_entries(f.outside), 1);
	for (int i = 0; i < 700; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "swap/%d", i);
		if (i % 7)
			put_file(f.root, name, "x");
		else
			CHECK(mkdirat(f.root, name, 0755) == 0);
	}
	CHECK_INT(safepath_remove_tree(f.root, "swap", &err), 0);
	CHECK_INT(open_fds(), before);
	CHECK_INT(safepath_remove_tree(f.base_fd, "root", &err), 0);
	CHECK(mkdirat(f.base_fd, "root", 0755) == 0);
	fixture_drop(&f);
}

TEST(remove)
{
	remove_things();
}

static void remove_filtered(void)
{
	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	remove_things();
}

TEST(remove_without_openat2)
{
	in_child(remove_filtered);
}

static void remove_as_user(void)
{
	struct fixture f;
	struct error err;

	if (geteuid() == 0)
		REQUIRE(setresgid(4242, 4242, 4242) == 0 && setresuid(4242, 4242, 4242) == 0);
	REQUIRE(fixture_make(&f));
	CHECK(fchmodat(f.root, "a/b/c", 0, 0) == 0);
	CHECK(fchmodat(f.root, "a/b", 0500, 0) == 0);
	CHECK_INT(safepath_remove_tree(f.root, "a", &err), 0);
	fixture_drop(&f);
}

TEST(remove_what_a_user_locked_himself_out_of)
{
	in_child(remove_as_user);
}

static void remove_over_mount(void)
{
	struct fixture f;
	struct error err;
	int fd;

	if (unshare(CLONE_NEWNS) < 0)
		SKIP("mount namespaces need root");
	REQUIRE(fixture_make(&f));
	CHECK_INT(mount_set_propagation(open("/", O_PATH | O_CLOEXEC), 1 << 18 /* MS_PRIVATE */, true, &err), 0);
	fd = mount_new("tmpfs", "tmpfs", NULL, 0, NULL, 0, 0, &err);
	REQUIRE(fd >= 0);
	CHECK_INT(mount_attach_at(fd, f.root, "a/b", &err), 0);
	put_file(fd, "precious", "x");
	CHECK_INT(safepath_remove_tree(f.root, "a", &err), -EBUSY);
	CHECK_INT(err.kind, ERROR_BUSY);
	CHECK(faccessat(fd, "precious", F_OK, 0) == 0);
	CHECK_INT(mount_detach(f.root, "a/b", &err), 0);
	/* The same with a bind mount of the same file system, which no device number betrays. */
	close(fd);
	fd = mount_clone(f.outside, "", false, 0, &err);
	CHECK_INT(mount_attach_at(fd, f.root, "a/b", &err), 0);
	CHECK(safepath_remove_tree(f.root, "a", &err) < 0);
	CHECK_INT(count_entries(f.outside), 1);
	CHECK_INT(mount_detach(f.root, "a/b", &err), 0);
	fixture_drop(&f);
}

TEST(remove_leaves_mounts_alone)
{
	in_child(remove_over_mount);
}

/* While a tree is removed somebody swaps one of its directories for a link to the outside, or moves it there. */
TEST(remove_while_swapped)
{
	for (int round = 0; round < 150; round++) {
		struct fixture f;
		struct error err;
		pid_t pid;

		REQUIRE(fixture_make(&f));
		CHECK(mkdirat(f.root, "a/b/t", 0755) == 0);
		CHECK(symlinkat("../../../../outside", f.root, "a/b/l") == 0);
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				(void)syscall(SYS_renameat2, f.root, "a/b/t", f.root, "a/b/l", 2);
				(void)renameat(f.root, "a/b", f.outside, "b");
				(void)renameat(f.outside, "b", f.root, "a/b");
			}
		}
		for (int i = 0; i < 5; i++)
			(void)safepath_remove_tree(f.root, "a", &err);
		CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
		CHECK(faccessat(f.outside, "secret", F_OK, 0) == 0);
		fixture_drop(&f);
	}
}

struct seen {
	char text[4096];
	size_t len, count;
	const char *skip;
};

static int note(const struct safepath_entry *e, void *arg, struct error *err)
{
	struct seen *s = arg;

	(void)err;
	s->count++;
	if (S_ISDIR(e->st->st_mode))
		s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s:%zu ", e->path, e->depth);
	CHECK(faccessat(e->dir_fd, e->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	return s->skip && strcmp(s->skip, e->path) == 0;
}

static void walk_things(void)
{
	struct fixture f;
	struct error err;
	struct seen s = {0};

	REQUIRE(fixture_make(&f));
	CHECK_INT(safepath_walk(f.root, SAFEPATH_PRE, 1000, note, &s, &err), 0);
	CHECK_INT(s.count, 5 + 9 + 3); /* directories, links, files */
	CHECK_CONTAINS(s.text, "a:0 a/b:1 a/b/c:2 ");
	s = (struct seen){0};
	CHECK_INT(safepath_walk(f.root, SAFEPATH_POST, 1000, note, &s, &err), 0);
	CHECK_CONTAINS(s.text, "a/b/c:2 a/b:1 a:0 ");
	s = (struct seen){.skip = "a/b"};
	CHECK_INT(safepath_walk(f.root, SAFEPATH_PRE, 1000, note, &s, &err), 0);
	CHECK(strstr(s.text, "a/b/c") == NULL);
	s = (struct seen){0};
	CHECK_INT(safepath_walk(f.root, SAFEPATH_PRE, 3, note, &s, &err), -E2BIG);
	CHECK_INT(err.kind, ERROR_LIMIT);
	fixture_drop(&f);
}

TEST(walk)
{
	walk_things();
}

static int count_only(const struct safepath_entry *e, void *arg, struct error *err)
{
	(void)e;
	(void)err;
	(*(size_t *)arg)++;
	return 0;
}

TEST(walk_deep)
{
	struct fixture f;
	struct error err;
	size_t n = 0;

	REQUIRE(fixture_make(&f));
	make_deep(&f);
	CHECK_INT(safepath_walk(f.root, SAFEPATH_POST, 10000, count_only, &n, &err), 0);
	CHECK_INT(n, 17 + DEEP + 2);
	CHECK_INT(safepath_remove_tree(f.root, "deep", &err), 0);
	fixture_drop(&f);
}

static int list_meta(const struct safepath_entry *e, void *arg, struct error *err)
{
	struct buf *out = arg;
	char target[256] = "";

	if (S_ISLNK(e->st->st_mode))
		CHECK_INT(safepath_readlink(e->dir_fd, e->name, target, sizeof(target), err), 0);
	buf_printf(out, "%s %o %u:%u %lld.%ld %s\n", e->path, e->st->st_mode, e->st->st_uid, e->st->st_gid,
		   (long long)e->st->st_mtim.tv_sec, e->st->st_mtim.tv_nsec, target);
	return 0;
}

TEST(copy_keeps_everything)
{
	const struct safepath_copy_limits limits = {.max_entries = 1000, .max_bytes = 1000000};
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 123456789, .tv_nsec = 5}};
	struct buf a autobuf = BUF_INIT(100000);
	struct buf b autobuf = BUF_INIT(100000);
	struct strv lines autostrv = {0};
	struct fixture f;
	struct error err;
	char text[8] = "";
	bool xattrs;
	int to;
	int fd;

	REQUIRE(fixture_make(&f));
	CHECK(fchmodat(f.root, "a/b/c/file", 04711, 0) == 0);
	CHECK(fchmodat(f.root, "a/b", 01750, 0) == 0);
	CHECK(mkfifoat(f.root, "fifo", 0600) == 0);
	CHECK(utimensat(f.root, "a/b/c/file", old, 0) == 0 && utimensat(f.root, "a/b", old, 0) == 0);
	if (geteuid() == 0)
		CHECK(fchownat(f.root, "etc/passwd", 7, 8, 0) == 0 &&
		      fchownat(f.root, "abs", 9, 10, AT_SYMLINK_NOFOLLOW) == 0);
	fd = openat(f.root, "etc/passwd", O_RDONLY | O_CLOEXEC);
	xattrs = fsetxattr(fd, "user.colour", "blue", 4, 0) == 0;
	close(fd);
	CHECK(mkdirat(f.base_fd, "copy", 0755) == 0);
	to = openat(f.base_fd, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(safepath_copy_up(f.root, to, &limits, &err), 0);
	CHECK_INT(safepath_walk(f.root, SAFEPATH_PRE, 1000, list_meta, &a, &err), 0);
	CHECK_INT(safepath_walk(to, SAFEPATH_PRE, 1000, list_meta, &b, &err), 0);
	/* Directories list in an order of their own: compare as sets of lines. */
	CHECK_INT(a.len, b.len);
	strv_split(&lines, buf_str(&a), '\n');
	CHECK(lines.count > 15);
	for (size_t i = 0; i < lines.count; i++)
		CHECK_CONTAINS(buf_str(&b), lines.items[i]);
	fd = openat(to, "a/b/c/file", O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, text, sizeof(text)) == 4);
	CHECK_STR(text, "file");
	close(fd);
	fd = openat(to, "etc/passwd", O_RDONLY | O_CLOEXEC);
	if (xattrs)
		CHECK(fgetxattr(fd, "user.colour", text, sizeof(text)) == 4 && memcmp(text, "blue", 4) == 0);
	close(fd);
	close(to);
	fixture_drop(&f);
}

TEST(copy_is_bounded)
{
	struct safepath_copy_limits limits = {.max_entries = 1000, .max_bytes = 10};
	struct fixture f;
	struct error err;
	int to;

	REQUIRE(fixture_make(&f));
	CHECK(mkdirat(f.base_fd, "copy", 0755) == 0);
	to = openat(f.base_fd, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(safepath_copy_up(f.root, to, &limits, &err), -EFBIG);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK_INT(safepath_remove_tree(f.base_fd, "copy", &err), 0);
	CHECK(mkdirat(f.base_fd, "copy", 0755) == 0);
	close(to);
	to = openat(f.base_fd, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	limits = (struct safepath_copy_limits){.max_entries = 5, .max_bytes = 1000};
	CHECK_INT(safepath_copy_up(f.root, to, &limits, &err), -E2BIG);
	close(to);
	fixture_drop(&f);
}

TEST(names_of_a_folder_in_order)
{
	autostrv struct strv names = {0};
	struct fixture f;
	struct error err;
	int dir;

	REQUIRE(fixture_make(&f));
	put_file(f.root, "a/.hidden", "");
	put_file(f.root, "a/z", "");
	put_file(f.root, "a/A", "");
	dir = openat(f.root, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int twice = 0; twice < 2; twice++)
		CHECK_INT(safepath_list(dir, &names, &err), 0);
	REQUIRE(names.count == 8);
	CHECK_STR(names.items[0], "A");
	CHECK_STR(names.items[1], "b");
	CHECK_STR(names.items[2], "back");
	CHECK_STR(names.items[3], "z");
	CHECK_STR(names.items[4], "A");
	close(dir);
	dir = openat(f.root, "a/z", O_RDONLY | O_CLOEXEC);
	CHECK_INT(safepath_list(dir, &names, &err), -ENOTDIR);
	close(dir);
	fixture_drop(&f);
}
