/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXTURE_H
#define FIXTURE_H

/*
 * A directory with a root that resolution must not leave, and a secret beside it:
 *	outside/secret
 *	root/a/b/c/file   root/etc/passwd   root/swap/file
 *	root/abs -> /a/b      root/rel -> a/b     root/up -> ../../../../etc   root/out -> ../outside
 *	root/loop -> loop     root/dangling -> /made/by/link      root/slash -> /
 */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

struct fixture {
	char base[64];
	int base_fd, root, outside;
};

static inline void put_file(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static inline bool fixture_make(struct fixture *f)
{
	static const char *const dirs[] = {"outside",    "root",     "root/a",   "root/a/b",
					   "root/a/b/c", "root/etc", "root/swap"};
	static const struct {
		const char *name, *target;
	} links[] = {
		{"root/abs", "/a/b"},
		{"root/rel", "a/b"},
		{"root/up", "../../../../etc"},
		{"root/out", "../outside"},
		{"root/dangling", "/made/by/link"},
		{"root/loop", "loop"},
		{"root/slash", "/"},
		{"root/a/back", "../a/b/../.."},
		{"root/tofile", "a/b/c/file"},
	};

	(void)snprintf(f->base, sizeof(f->base), "/tmp/bothy-safepath-XXXXXX");
	if (!CHECK(mkdtemp(f->base)))
		return false;
	f->base_fd = open(f->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		CHECK(mkdirat(f->base_fd, dirs[i], 0755) == 0);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		CHECK(symlinkat(links[i].target, f->base_fd, links[i].name) == 0);
	put_file(f->base_fd, "outside/secret", "secret");
	put_file(f->base_fd, "root/a/b/c/file", "file");
	put_file(f->base_fd, "root/etc/passwd", "inside");
	put_file(f->base_fd, "root/swap/secret", "harmless");
	f->root = openat(f->base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->outside = openat(f->base_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return CHECK(f->root >= 0 && f->outside >= 0);
}

static inline int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static inline void fixture_drop(struct fixture *f)
{
	close(f->base_fd);
	close(f->root);
	close(f->outside);
	CHECK(nftw(f->base, fixture_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static inline bool same_file(int fd, int dir, const char *path)
{
	struct stat a;
	struct stat b;

	return fstat(fd, &a) == 0 && fstatat(dir, path, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static inline size_t count_entries(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n >= 2 ? n - 2 : 0;
}

#endif
