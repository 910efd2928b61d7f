/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders for work in progress, and getting rid of what others left. A staging folder belongs to whoever holds the flock on
 * it: a crash gives the lock back, so that no record of pids is needed and nothing has to be guessed. Making and cleaning
 * exclude each other by a lock on the folder that holds them, taken only for the moment in between mkdir and flock.
 */
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/file.h"

static void random_name(char out[static 33])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[16];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		abort(); /* cannot happen for 16 bytes after boot */
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = hex[raw[i] >> 4];
		out[2 * i + 1] = hex[raw[i] & 15];
	}
	out[32] = '\0';
}

int staging_new(struct store *s, struct staging *ret, struct error *err)
{
	struct staging g = {.store = s, .fd = FD_NONE};
	autofd int parent = store_folder(s, "staging", err), fd = FD_NONE;

	if (parent < 0)
		return parent;
	if (flock(parent, LOCK_EX) < 0)
		return error_sys(err, errno, "cannot lock %s/staging", s->root);
	random_name(g.name);
	if (safepath_mkdir(parent, g.name, 0700, SAFEPATH_KEEP, NULL, err) < 0)
		return error_wrap(err, "%s/staging", s->root);
	fd = safepath_child(parent, g.name, O_RDONLY | O_DIRECTORY, err);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_sys(err, errno, "cannot lock %s/staging/%s", s->root, g.name);
	/* Layers are unpacked side by side below it. Each in block groups of its own, they do not wait for each other; and
	 * where trees were removed a moment ago, ext4 without a journal spends half a millisecond on finding an inode. */
	file_spread_folders(fd);
	g.fd = take_fd(&fd);
	*ret = g;
	return 0;
}

/* Remove what is in the folder @name by a worker, which reaches the owners that our user namespace maps. */
static int remove_by_worker(struct store *s, int dir_fd, const char *name, struct error *err)
{
	autoclean(worker_answer_done) struct worker_answer answer = {0};
	autoclean(worker_done) struct worker w = WORKER_NONE;
	struct unpack_limits limits;
	autofd int fd = safepath_child(dir_fd, name, O_RDONLY | O_DIRECTORY, err);

	if (fd < 0)
		return fd;
	worker_limits(NULL, &limits);
	if (worker_start(s, UNPACK_REMOVE, &limits, FD_NONE, fd, &w, err) < 0 || worker_finish(&w, &answer, err) < 0)
		return -err->code;
	return safepath_rmdir(dir_fd, name, true, err);
}

int staging_remove_tree(struct store *s, int dir_fd, const char *name, struct error *err)
{
	int r = safepath_remove_tree(dir_fd, name, err);

	if (r == 0 || (r != -EACCES && r != -EPERM) || geteuid() == 0)
		return r;
	return remove_by_worker(s, dir_fd, name, err);
}

static void remove_quietly(struct store *s, int parent, const char *name)
{
	struct error err;

	if (staging_remove_tree(s, parent, name, &err) < 0)
		log_debug("staging: %s stays for the next cleaning: %s", name, err.msg);
}

void staging_done(struct staging *g)
{
	struct error err;

	if (g->fd < 0)
		return;
	autofd int parent = store_folder(g->store, "staging", &err);

	if (parent >= 0)
		remove_quietly(g->store, parent, g->name);
	fd_close(&g->fd);
}

void staging_clean(struct store *s)
{
	struct error err;
	autostrv struct strv names = {0};
	autofd int parent = store_folder(s, "staging", &err);

	if (parent < 0 || safepath_list(parent, &names, &err) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		if (flock(parent, LOCK_EX) < 0)
			return;
		autofd int fd = safepath_child(parent, names.items[i], O_RDONLY | O_DIRECTORY, &err);
		bool stale = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

		flock(parent, LOCK_UN);
		if (stale)
			remove_quietly(s, parent, names.items[i]);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Move what @folder holds and @sql (all digests, sorted) does not know into @g. */
static int collect(struct store *s, struct staging *g, const char *folder, const char *sql, struct error *err)
{
	autostrv struct strv names = {0}, known = {0};
	autostmt sqlite3_stmt *q = NULL;
	autofd int dir = store_folder(s, folder, err);
	int r;

	if (dir < 0 || safepath_list(dir, &names, err) < 0 || index_prepare(s, sql, &q, err) < 0)
		return -err->code;
	while ((r = index_step(s, q, err)) > 0)
		strv_push(&known, index_text(q, 0));
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.count; i++) {
		autofree char *digest = mem_printf("sha256:%s", names.items[i]);
		autofree char *to = mem_printf("%.1s-%s", folder, names.items[i]);

		if ((known.count && bsearch(&digest, known.items, known.count, sizeof(*known.items), by_text)) ||
		    !safepath_name_valid(to))
			continue;
		log_debug("store: %s/%s has no record, removed", folder, names.items[i]);
		if (safepath_rename(dir, names.items[i], g->fd, to, 0, err) < 0)
			return -err->code;
	}
	return 0;
}

int staging_collect_orphans(struct store *s, struct staging *g, struct error *err)
{
	if (collect(s, g, "layers", "SELECT chain FROM layers ORDER BY 1", err) < 0 ||
	    collect(s, g, "blobs/sha256", "SELECT digest FROM blobs ORDER BY 1", err) < 0)
		return error_wrap(err, "cleaning the store");
	return 0;
}
