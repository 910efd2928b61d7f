/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that the engine gives to a container (hosts, hostname, resolv.conf). They are made anew for each run and end with
 * it, so they lie with the state, which is memory where /run is, and not in the store: each file there would be made and
 * removed on a disk.
 *
 *	STATE/files/ID/NAME
 *
 * They belong to the container's root, so that it may change them, and are bound as they are: no id-mapped mount is needed,
 * which a tmpfs can have since Linux 6.3 only.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

static int open_all(struct engine *e, struct error *err)
{
	autofree char *path = mem_printf("%s/files", e->state);

	return safepath_state_open(path, err);
}

int engine_files_write(struct making *m, const char *name, const char *text, size_t len, const char **ret_path,
		       struct error *err)
{
	struct safepath_owner owner;
	autofd int all = m->files_made ? FD_NONE : open_all(m->engine, err);
	autofd int fd = FD_NONE;
	uint32_t uid;
	uint32_t gid;

	if (!m->files_made && (all < 0 || safepath_mkdir(all, m->id, 0700, SAFEPATH_KEEP, &m->files_fd, err) < 0))
		return -err->code;
	m->files_made = true;
	/* Where ids are not mapped, or the container has no root, they stay ours. */
	const bool mapped = m->idmap && engine_ids_to_host(m, 0, 0, &uid, &gid) == 0;

	if (mapped)
		owner = (struct safepath_owner){uid, gid};
	fd = safepath_create_file(m->files_fd, name, O_WRONLY, 0644, mapped ? &owner : SAFEPATH_KEEP, err);
	if (fd < 0)
		return fd;
	if (fd_write_all(fd, text, len) < 0)
		return error_sys(err, errno, "write '%s/files/%s/%s'", m->engine->state, m->id, name);
	*ret_path = arena_printf(&m->spec.arena, "%s/files/%s/%s", m->engine->state, m->id, name);
	return 0;
}

void engine_files_remove(struct engine *e, const char *id)
{
	struct error err;
	autofd int all = open_all(e, &err);

	/* Best effort: nothing looks there, and a restart of the machine empties it. */
	if (all >= 0)
		(void)safepath_remove_tree(all, id, &err);
}
