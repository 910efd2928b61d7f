/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of an artifact on their way out: which of them, under which names, and into what. Podman's words (artifact extract), but
 * that nothing is ever replaced.
 *
 * What a registry calls a file is hostile: a name is one component, no file that is there is replaced, and a file has its name
 * only after its digest was checked (oras CVE-2026-50162, V27).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/artifact.h"
#include "safepath/safepath.h"

/* ---- which ---- */

/* "sha256:…" as a file is called, where a colon would be in the way: Podman's form. */
static char *name_of_digest(struct arena *a, const char *digest)
{
	char *name = arena_strdup(a, digest), *colon = strchr(name, ':');

	if (colon)
		*colon = '-';
	return name;
}

static int none_chosen(const struct artifact_choice *choice, struct error *err)
{
	if (!choice->title && !choice->digest)
		return error_set(err, ERROR_NOT_FOUND, ENOENT,
				 "nothing in it has a file name: it is no artifact of files");
	error_set(err, ERROR_NOT_FOUND, ENOENT, "it has no file %s '%.200s'",
		  choice->title ? "called" : "with the digest", choice->title ? choice->title : choice->digest);
	return error_hint(err, "`bothy artifact inspect` shows which it has");
}

int artifact_choose(const struct image_manifest *m, const struct artifact_choice *choice, struct arena *a,
		    struct artifact_chosen *ret, struct error *err)
{
	struct artifact_chosen chosen = {0};

	for (size_t i = 0; i < m->layer_count; i++) {
		const struct image_descriptor *d = &m->layers[i];
		const char *title = spec_map_get(&d->annotations, ARTIFACT_TITLE), *name = title;

		if ((choice->title && !str_eq(title, choice->title)) ||
		    (choice->digest && !str_eq(d->digest, choice->digest)))
			continue;
		if (choice->digest || (!title && choice->untitled))
			name = name_of_digest(a, d->digest);
		if (!name)
			continue;
		__auto_type item = &ARENA_PUSH(a, chosen.items, chosen.count);

		item->d = d;
		item->name = name;
		if (choice->digest)
			break; /* twice in it: the same bytes */
	}
	if (chosen.count == 0)
		return none_chosen(choice, err);
	*ret = chosen;
	return 0;
}

/* ---- into a folder ---- */

static int check_names(const struct artifact_chosen *c, int dir_fd, struct error *err)
{
	struct stat st;

	for (size_t i = 0; i < c->count; i++) {
		const char *name = c->items[i].name;

		if (!safepath_name_valid(name) || name[0] == '-' || str_has_control(name))
			return error_set(err, ERROR_INVALID, EINVAL,
					 "the artifact has a file called '%.200s': that is no name for one here", name);
		if (!str_starts(c->items[i].d->digest, "sha256:"))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "digest '%.100s': only sha256 is supported", c->items[i].d->digest);
		if (safepath_stat(dir_fd, name, &st) == 0) {
			error_set(err, ERROR_CONFLICT, EEXIST, "'%.200s' is there already", name);
			return error_hint(err, "no file is replaced: remove it, or name another folder");
		}
		for (size_t k = 0; k < i; k++) {
			if (str_eq(c->items[k].name, name))
				return error_set(err, ERROR_INVALID, EEXIST,
						 "the artifact has two files called '%.200s'", name);
		}
	}
	return 0;
}

/* One file: received under a temporary name, checked, then given its own if that is still free. */
static int place_file(const struct image_descriptor *d, const char *name, int dir_fd, artifact_fill fill, void *arg,
		      struct error *err)
{
	char temporary[SAFEPATH_TEMPORARY_MAX], is[STORE_ID_MAX];
	int64_t size;

	/* A name that no other pull into the folder uses: what is renamed later must be our own file. */
	safepath_temporary_name("bothy", temporary);
	autofd int fd = safepath_create_file(dir_fd, temporary, O_RDWR, 0644, SAFEPATH_KEEP, err);
	if (fd < 0)
		return fd;
	int result = fill(arg, d, fd, err);

	if (result >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = error_sys(err, errno, "read it again");
	if (result >= 0)
		result = store_digest_file(fd, is, &size, err);
	if (result >= 0 && (size != d->size || !str_eq(is, d->digest)))
		result = error_set(err, ERROR_INVALID, EBADMSG, "its content has digest %s, not %s", is, d->digest);
	if (result >= 0)
		result = safepath_rename(dir_fd, temporary, dir_fd, name, RENAME_NOREPLACE, err);
	if (result < 0) {
		struct error ignored;

		(void)safepath_unlink(dir_fd, temporary, true, &ignored);
		return error_wrap(err, "file '%.200s'", name);
	}
	return 0;
}

int artifact_place(const struct artifact_chosen *chosen, int dir_fd, artifact_fill fill, void *arg,
		   struct engine_artifact_result *ret, struct error *err)
{
	if (check_names(chosen, dir_fd, err) < 0)
		return -err->code;
	for (size_t i = 0; i < chosen->count; i++) {
		if (place_file(chosen->items[i].d, chosen->items[i].name, dir_fd, fill, arg, err) < 0)
			return -err->code;
		spec_strs_push(&ret->arena, &ret->files, chosen->items[i].name);
	}
	return 0;
}

/* ---- to where the user says ---- */

int artifact_place_at(struct artifact_chosen *chosen, const char *target, artifact_fill fill, void *arg,
		      struct engine_artifact_result *ret, struct error *err)
{
	const size_t len = strlen(target);
	const char *slash = strrchr(target, '/');
	autofree char *folder = mem_strdup(target);
	struct stat st;
	int there = safepath_host_stat(target, &st);

	if (there == 0 && !S_ISDIR(st.st_mode) && chosen->count > 1)
		return error_set(err, ERROR_CONFLICT, ENOTDIR, "it has %zu files, and '%.200s' is no folder for them",
				 chosen->count, target);
	if ((there == 0 && S_ISDIR(st.st_mode)) || chosen->count > 1 || len == 0 || target[len - 1] == '/') {
		if (safepath_host_mkdir_all(folder, 0777, err) < 0)
			return -err->code;
	} else { /* the file itself, in a folder that is there */
		chosen->items[0].name = slash ? slash + 1 : target;
		folder[slash ? (size_t)(slash + 1 - target) : 0] = '\0';
	}
	autofd int dir = safepath_host_open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY, 0, err);

	return dir < 0 ? dir : artifact_place(chosen, dir, fill, arg, ret, err);
}
