/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver: openat2 and the walk must agree, and neither may ever leave the root, whoever renames meanwhile. */
#include "safepath/resolve.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "kernel/test_child.h"
#include "safepath/fixture.h"

#define RACE_ROUNDS 4000

static int walk(int root, const char *path, int flags, bool nofollow)
{
	struct resolve_how how = {.flags = flags, .nofollow = nofollow};
	bool created = false;

	return resolve_walk(root, path, &how, &created);
}

static int both(int root, const char *path, int flags, bool nofollow)
{
	struct resolve_how how = {.flags = flags, .nofollow = nofollow};
	bool created = false;

	return resolve_open(root, path, &how, &created);
}

static const struct {
	const char *path;
	bool nofollow;
	const char *want; /* path from the base without symlinks; NULL: an error */
	int error;
} cases[] = {
	{"a/b/c/file", false, "root/a/b/c/file", 0},
	{"/a/b/c/file", false, "root/a/b/c/file", 0},
	{"//a///b/./c//file", false, "root/a/b/c/file", 0},
	{"abs/c/file", false, "root/a/b/c/file", 0},
	{"rel/c/../c/file", false, "root/a/b/c/file", 0},
	{"a/back/etc/passwd", false, "root/etc/passwd", 0},
	{"up/passwd", false, "root/etc/passwd", 0},
	{"../../../etc/passwd", false, "root/etc/passwd", 0},
	{"a/../../../../../etc/passwd", false, "root/etc/passwd", 0},
	{"slash/slash/slash/etc", false, "root/etc", 0},
	{"", false, "root", 0},
	{"/", false, "root", 0},
	{"..", false, "root", 0},
	{"a/b/..", false, "root/a", 0},
	{"tofile", false, "root/a/b/c/file", 0},
	{"tofile", true, "root/tofile", 0},
	{"abs", true, "root/abs", 0},
	{"abs/", false, "root/a/b", 0},
	{"out", false, NULL, ENOENT},
	{"out/secret", false, NULL, ENOENT},
	{"../outside/secret", false, NULL, ENOENT},
	{"loop", false, NULL, ELOOP},
	{"loop/x", false, NULL, ELOOP},
	{"loop", true, "root/loop", 0},
	{"dangling", false, NULL, ENOENT},
	{"a/b/c/file/", false, NULL, ENOTDIR},
	{"a/b/c/file/x", false, NULL, ENOTDIR},
	{"a/b/c/file/..", false, NULL, ENOTDIR},
	{"tofile/", false, NULL, ENOTDIR},
	{"nowhere", false, NULL, ENOENT},
	{"nowhere/..", false, NULL, ENOENT},
};

static void run_cases(const struct fixture *f, int (*resolve)(int, const char *, int, bool))
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = resolve(f->root, cases[i].path, O_PATH, cases[i].nofollow);

		if (cases[i].want ? !(fd >= 0 && same_file(fd, f->base_fd, cases[i].want)) : fd != -cases[i].error) {
			printf("\tpath '%s': got %d (%s)\n", cases[i].path, fd, fd < 0 ? strerror(-fd) : "an fd");
			CHECK(!"case as expected");
		}
		fd_close(&fd);
	}
}

TEST(known_paths_by_the_walk)
{
	struct fixture f;

	REQUIRE(fixture_make(&f));
	run_cases(&f, walk);
	fixture_drop(&f);
}

/* The path of what the walk came to, where that is a folder; and whether it went there straight. */
static void run_true_cases(void)
{
	struct fixture f;

	REQUIRE(fixture_make(&f));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct resolve_how straight = {.flags = O_PATH, .straight = true};
		char is[PATH_MAX] = "nowhere";
		struct error err = {0};
		bool created = false;
		struct stat st;

		if (!cases[i].want || cases[i].nofollow || fstatat(f.base_fd, cases[i].want, &st, 0) < 0)
			continue;
		ROW(cases[i].path);
		int fd = safepath_open_true(f.root, cases[i].path, is, &err);

		if (!S_ISDIR(st.st_mode)) {
			CHECK_INT(fd, -ENOTDIR);
			continue;
		}
		CHECK(fd >= 0 && same_file(fd, f.root, *is ? is : "."));
		CHECK_STR(is, cases[i].want + strlen("root") + (cases[i].want[4] == '/'));
		fd_close(&fd);
		/* Where the path is that of the result, it leads there straight; where it has more, by a symlink or by dots. */
		fd = resolve_open(f.root, is, &straight, &created);
		CHECK(fd >= 0 && same_file(fd, f.root, *is ? is : "."));
		fd_close(&fd);
	}
	static const char *const crooked[] = {"abs",    "abs/c", "a/back/a",   "slash",
					      "tofile", "loop",  "dangling/x", "up"};

	for (size_t i = 0; i < sizeof(crooked) / sizeof(crooked[0]); i++) {
		struct error err = {0};

		ROW(crooked[i]);
		CHECK_INT(safepath_open_straight(f.root, crooked[i], &err), -ELOOP);
	}
	fixture_drop(&f);
}

TEST(true_paths)
{
	run_true_cases();
}

static void true_paths_filtered(void)
{
	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	run_true_cases();
}

TEST(true_paths_without_openat2)
{
	in_child(true_paths_filtered);
}

TEST(a_true_path_that_is_too_deep)
{
	char path[2 * (SAFEPATH_MAX_DEPTH + 2)], is[PATH_MAX];
	struct error err = {0};
	struct fixture f;

	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '/' : 'n';
	path[sizeof(path) - 1] = '\0';
	REQUIRE(fixture_make(&f));
	int fd = FD_NONE;

	CHECK_INT(safepath_mkdir_all(f.root, path + 2, 0755, SAFEPATH_KEEP, &fd, &err), SAFEPATH_CREATED);
	fd_close(&fd);
	fd = safepath_open_true(f.root, path + 2, is, &err);
	CHECK(fd >= 0);
	CHECK_STR(is, path + 2);
	fd_close(&fd);
	CHECK_INT(safepath_open_true(f.root, path, is, &err), -ENAMETOOLONG);
	fixture_drop(&f);
}

TEST(known_paths_by_openat2)
{
	struct fixture f;

	REQUIRE(fixture_make(&f));
	run_cases(&f, both);
	fixture_drop(&f);
}

static void known_paths_filtered(void)
{
	struct fixture f;

	REQUIRE(fixture_make(&f));
	REQUIRE(take_call_away(SYS_openat2, ENOSYS));
	CHECK(syscall(SYS_openat2, 0, "", NULL, 0) < 0 && errno == ENOSYS);
	run_cases(&f, both);
	fixture_drop(&f);
}

TEST(known_paths_without_openat2)
{
	in_child(known_paths_filtered);
}

static void known_paths_eperm(void)
{
	struct fixture f;

	REQUIRE(fixture_make(&f));
	REQUIRE(take_call_away(SYS_openat2, EPERM));
	run_cases(&f, both);
	fixture_drop(&f);
}

TEST(known_paths_with_openat2_refused)
{
	in_child(known_paths_eperm);
}

/* Random paths: whatever the kernel answers, the walk answers. */
TEST(walk_agrees_with_kernel)
{
	static const char *const parts[] = {"a",      "b",      "c",        "file",    "..",    ".",    "",
					    "abs",    "rel",    "up",       "out",     "slash", "back", "etc",
					    "passwd", "tofile", "dangling", "nowhere", "loop"};
	struct fixture f;
	unsigned seed = 12345;
	unsigned found = 0;

	REQUIRE(fixture_make(&f));
	for (int round = 0; round < 5000; round++) {
		struct stat a = {0};
		struct stat b = {0};
		char path[256] = "";
		size_t len = 0;
		int n = 1 + rand_r(&seed) % 7;
		bool nofollow = rand_r(&seed) % 4 == 0;
		int x;
		int y;

		for (int i = 0; i < n; i++)
			len += (size_t)snprintf(path + len, sizeof(path) - len, "%s%s", i ? "/" : "",
						parts[(size_t)rand_r(&seed) % (sizeof(parts) / sizeof(parts[0]))]);
		x = both(f.root, path, O_PATH, nofollow);
		y = walk(f.root, path, O_PATH, nofollow);
		if (x >= 0 && y >= 0) {
			CHECK(fstat(x, &a) == 0 && fstat(y, &b) == 0);
			found++;
		}
		if ((x < 0 || y < 0) ? x != y : a.st_ino != b.st_ino) {
			printf("\tpath '%s' nofollow %d: kernel %d, walk %d\n", path, nofollow, x, y);
			CHECK(!"same answer");
		}
		fd_close(&x);
		fd_close(&y);
	}
	CHECK(found > 500);
	fixture_drop(&f);
}

TEST(opens_with_the_flags_asked)
{
	struct fixture f;
	char text[8] = "";
	int fd;

	REQUIRE(fixture_make(&f));
	fd = walk(f.root, "tofile", O_RDONLY, false);
	CHECK(fd >= 0 && read(fd, text, sizeof(text)) == 4);
	CHECK_STR(text, "file");
	fd_close(&fd);
	CHECK_INT(walk(f.root, "tofile", O_RDONLY, true), -ELOOP);
	CHECK_INT(walk(f.root, "tofile", O_PATH | O_DIRECTORY, false), -ENOTDIR);
	fixture_drop(&f);
}

TEST(bounds)
{
	struct fixture f;
	char path[PATH_MAX + 10];
	char name[16];

	REQUIRE(fixture_make(&f));
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	CHECK_INT(walk(f.root, path, O_PATH, false), -ENAMETOOLONG);
	path[300] = '\0';
	CHECK_INT(walk(f.root, path, O_PATH, false), -ENAMETOOLONG);
	/* 41 links one behind the other are one too many, 40 are not. */
	CHECK(symlinkat("a", f.root, "l0") == 0);
	for (int i = 1; i <= 41; i++) {
		char target[16];

		(void)snprintf(target, sizeof(target), "l%d", i - 1);
		(void)snprintf(name, sizeof(name), "l%d", i);
		CHECK(symlinkat(target, f.root, name) == 0);
	}
	CHECK_INT(walk(f.root, "l40", O_PATH, false), -ELOOP);
	CHECK_INT(both(f.root, "l40", O_PATH, false), -ELOOP);
	for (int i = 0; i < 2; i++) {
		int fd = i ? walk(f.root, "l39", O_PATH, false) : both(f.root, "l39", O_PATH, false);

		CHECK(fd >= 0 && same_file(fd, f.root, "a"));
		fd_close(&fd);
	}
	fixture_drop(&f);
}

/* ---- races ------------------------------------------------------------------------------------------------------------------ */

/* A process that swaps the directory "swap" for the symlink "out" without pause, until killed. */
static pid_t start_swapper(const struct fixture *f)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)syscall(SYS_renameat2, f->root, "swap", f->root, "out", 2 /* RENAME_EXCHANGE */);
	}
	return pid;
}

static void stop_swapper(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

static bool reads_secret(int fd)
{
	char text[16] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) == 6 && strcmp(text, "secret") == 0;
}

static void race(int (*resolve)(int, const char *, int, bool))
{
	struct fixture f;
	unsigned naive = 0;
	unsigned inside = 0;
	pid_t pid;

	REQUIRE(fixture_make(&f));
	pid = start_swapper(&f);
	/* On a busy machine the other side may not run for a while: on until both have happened. */
	for (int i = 0; i < RACE_ROUNDS || (i < 50 * RACE_ROUNDS && !(naive && inside)); i++) {
		int fd = openat(f.root, "swap/secret", O_RDONLY | O_CLOEXEC);

		naive += reads_secret(fd);
		fd_close(&fd);
		fd = resolve(f.root, "swap/secret", O_RDONLY, false);
		inside += fd >= 0;
		CHECK(!reads_secret(fd));
		fd_close(&fd);
	}
	stop_swapper(pid);
	/* Without the defence the secret was read; with it the file inside still could be. */
	CHECK(inside > 0);
	fixture_drop(&f);
	if (!naive)
		SKIP("vacuous: the attack never came through, defended or not");
}

TEST(cve_2021_30465_swap_against_openat2)
{
	race(both);
}

TEST(cve_2021_30465_swap_against_the_walk)
{
	race(walk);
}

/* Making directories and files through the swapped name must leave the outside empty (CVE-2024-45310). */
static void race_make(enum resolve_make kind)
{
	struct resolve_how how = {.make = kind, .mode = 0755, .parent_mode = 0755};
	struct fixture f;
	unsigned made = 0;
	pid_t pid;

	REQUIRE(fixture_make(&f));
	pid = start_swapper(&f);
	for (int i = 0; i < RACE_ROUNDS; i++) {
		char path[64];
		bool created = false;
		int fd;

		(void)snprintf(path, sizeof(path), "swap/d%d/x", i % 50);
		fd = resolve_open(f.root, path, &how, &created);
		made += fd >= 0;
		fd_close(&fd);
	}
	stop_swapper(pid);
	CHECK(made > 0);
	CHECK_INT(count_entries(f.outside), 1);
	fixture_drop(&f);
}

TEST(cve_2024_45310_directories_while_swapped)
{
	race_make(RESOLVE_MAKE_DIR);
}

TEST(cve_2024_45310_files_while_swapped)
{
	race_make(RESOLVE_MAKE_FILE);
}
