/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns a container, and what happens to those whose owner has died.
 *
 * A `bothy run` in the foreground holds a lock (flock) on its container's folder in the store for as long as it lives. The
 * kernel gives the lock back however it ends, so a folder that nobody holds belonged to somebody who was killed: his program has
 * been killed with him (runtime.h, end_with_us), and what is left on disk is cleared away here. Nothing is recorded about pids,
 * so none can be mistaken.
 *
 * Who clears: whoever runs into a name or a range of ids of the dead, and each run looks at one other container.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define ENTRIES_MAX 100000

int engine_owner_take(int dir_fd)
{
	struct stat st;

	if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	/* He who cleared it thought that we were dead: it was not ours yet. */
	return fstat(dir_fd, &st) == 0 && st.st_nlink > 0 ? 0 : -EBUSY;
}

struct entries {
	int dir_fd;
	const char *id;
};

static int drop_if_its(const struct safepath_entry *e, void *arg, struct error *err)
{
	const struct entries *x = arg;
	struct error ignored;
	char target[ENGINE_ID_LEN + 1];

	if (S_ISLNK(e->st->st_mode) && safepath_readlink(e->dir_fd, e->name, target, sizeof(target), &ignored) == 0 &&
	    str_eq(target, x->id))
		return safepath_unlink(e->dir_fd, e->name, true, err);
	return 0;
}

/* Names and ranges of ids are links to the container's id. */
static void drop_links(struct engine *e, const char *folder, const char *id)
{
	autofree char *path = mem_printf("%s/%s", e->state, folder);
	struct error err;
	autofd int dir = safepath_state_open(path, &err);
	struct entries x = {dir, id};

	if (dir < 0 || safepath_walk(dir, SAFEPATH_PRE, ENTRIES_MAX, drop_if_its, &x, &err) < 0)
		log_debug("%s", err.msg);
}

bool engine_owner_is_dead(struct engine *e, const char *id)
{
	struct store_container folder;
	struct runtime *rt;
	struct store *store;
	enum runtime_status status;
	struct error err;
	pid_t pid;
	bool dead;

	if (engine_store(e, &store, &err) < 0 || engine_runtime(e, &rt, &err) < 0)
		return false;
	/* The folder is the first that is made of a container and the last that goes. */
	if (store_container_open(store, id, &folder, &err) < 0)
		/* Stores (--root) may share a state folder: what runs by it is alive, wherever its own folder is. */
		return err.kind == ERROR_NOT_FOUND && runtime_status(rt, id, &status, &pid, &err) < 0 &&
		       err.kind == ERROR_NOT_FOUND;
	dead = flock(folder.dir_fd, LOCK_EX | LOCK_NB) == 0;
	if (dead) {
		log_debug("container %s: its owner has died, what it left is removed", id);
		if (runtime_delete(rt, id, true, &err) < 0 && err.kind != ERROR_NOT_FOUND)
			log_warn("%s", err.msg);
		drop_links(e, "names", id);
		drop_links(e, "ids", id);
		engine_files_remove(e, id);
		if (store_container_delete(store, id, &err) < 0)
			log_warn("%s", err.msg);
	}
	store_container_done(&folder);
	return dead;
}

void engine_owner_look_at_one(struct engine *e, const char *own_id)
{
	autostrv struct strv ids = {};
	struct store *store;
	struct error err;
	uint32_t chance = 0;

	if (engine_store(e, &store, &err) < 0 || store_container_list(store, &ids, &err) < 0 || ids.count < 2)
		return;
	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	/* One of the others. */
	for (size_t i = 0; i < ids.count; i++) {
		const char *id = ids.items[(chance + i) % ids.count];

		if (!str_eq(id, own_id)) {
			(void)engine_owner_is_dead(e, id);
			return;
		}
	}
}

/* ---- what a user calls a container -------------------------------------------------------------------------------------- */

static int by_beginning(struct engine *e, const char *text, char *out, struct error *err)
{
	autostrv struct strv ids = {};
	struct store *store;
	size_t found = 0;
	int r = engine_store(e, &store, err);

	if (r == 0)
		r = store_container_list(store, &ids, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ids.count; i++) {
		if (!str_starts(ids.items[i], text) || strlen(ids.items[i]) > ENGINE_ID_LEN)
			continue;
		found++;
		(void)str_copy(out, ENGINE_ID_LEN + 1, ids.items[i]);
	}
	if (found > 1)
		return error_hint((error_set(err, ERROR_CONFLICT, EEXIST, "'%s': %zu containers begin so", text, found),
				   err),
				  "type more of the id, or the name");
	if (!found)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "no container '%s'", text);
	return 0;
}

int engine_container_find(struct engine *e, const char *text, char out[static ENGINE_ID_LEN + 1], struct error *err)
{
	autofree char *path = mem_printf("%s/names", e->state);
	struct error ignored;
	autofd int names = safepath_state_open(path, &ignored);

	if (names >= 0 && safepath_name_valid(text) &&
	    safepath_readlink(names, text, out, ENGINE_ID_LEN + 1, &ignored) == 0)
		return 0;
	if (!text[0])
		return error_set(err, ERROR_INVALID, EINVAL, "an empty text names no container");
	return by_beginning(e, text, out, err);
}
