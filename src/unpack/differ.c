/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one image has and another has not. Runs inside the sandbox with the folder of all layers as its root, read-only. Both
 * images are walked side by side as merged trees (merge.c), one folder at a time in the order of names; where both have the very
 * same layers in a folder nothing below can differ, so that what images share costs nothing. Files of different layers are
 * compared by content. Times alone are no difference: they change with every build.
 *
 * A folder in which something changed counts as changed, as with Docker; it is said before what is in it.
 */
#include "unpack/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "safepath/safepath.h"
#include "unpack/merge.h"
#include "unpack/model.h"

#define DEPTH_MAX 1024u
#define LIST_MAX_BYTES (1u << 20) /* of the job's list of layers */
#define CHUNK_BYTES (128u << 10)
#define XATTR_LIST_BYTES 65536u

enum side { OLD, NEW, SIDE_COUNT };

/* A folder on the way down, with what is in it on both sides. */
struct level {
	struct merge_list list[SIDE_COUNT];
	size_t at[SIDE_COUNT];
	size_t path_len;
	bool said; /* that the folder changed; true at the root */
};

struct differ {
	const struct unpack_talk *talk;
	struct unpack_report *report;
	struct arena arena;
	struct merge_layers layers[SIDE_COUNT];
	struct level *levels; /* owned */
	size_t depth;
	struct buf path;
	char *room[SIDE_COUNT];  /* owned; CHUNK_BYTES */
	char *names[SIDE_COUNT]; /* owned; XATTR_LIST_BYTES */
};

static void level_done(struct level *l)
{
	merge_list_done(&l->list[OLD]);
	merge_list_done(&l->list[NEW]);
}

static void differ_done(struct differ *d)
{
	while (d->depth > 0)
		level_done(&d->levels[--d->depth]);
	free(d->levels);
	buf_done(&d->path);
	arena_done(&d->arena);
	for (int s = 0; s < SIDE_COUNT; s++) {
		free(d->room[s]);
		free(d->names[s]);
	}
}

/* ---- saying ---- */

static struct unpack_status status_of(const struct stat *st)
{
	return (struct unpack_status){.mode = st->st_mode,
				      .uid = st->st_uid,
				      .gid = st->st_gid,
				      .size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size};
}

static int say(struct differ *d, enum unpack_change_kind kind, uint32_t what, const char *path, size_t len,
	       const struct unpack_status *status, struct error *err)
{
	struct unpack_change c = {.kind = kind, .what = what};

	c.status[OLD] = status[OLD];
	c.status[NEW] = status[NEW];
	d->report->findings++;
	return unpack_say(d->talk, UNPACK_CHANGE, &c, sizeof(c), path, len, err);
}

/* The folders above that were not said yet. */
static int say_folders(struct differ *d, struct error *err)
{
	for (size_t i = 1; i < d->depth; i++) {
		struct level *l = &d->levels[i];
		struct unpack_status none[SIDE_COUNT] = {{.mode = S_IFDIR}, {.mode = S_IFDIR}};

		if (l->said)
			continue;
		l->said = true;
		if (say(d, UNPACK_CHANGE_MODIFIED, UNPACK_CHANGED_BELOW, buf_str(&d->path), l->path_len, none, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- comparing two objects ---- */

static bool xattr_in(const char *names, ssize_t len, const char *name)
{
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		if (str_eq(names + at, name))
			return true;
	}
	return false;
}

static bool same_xattrs(struct differ *d, const int *fd)
{
	ssize_t len[SIDE_COUNT];

	for (int s = 0; s < SIDE_COUNT; s++)
		len[s] = flistxattr(fd[s], d->names[s], XATTR_LIST_BYTES);
	for (int s = 0; s < SIDE_COUNT; s++) {
		for (ssize_t at = 0; at < len[s]; at += (ssize_t)strlen(d->names[s] + at) + 1) {
			const char *name = d->names[s] + at;

			if (!model_xattr_wanted(name))
				continue;
			if (!xattr_in(d->names[!s], len[!s], name))
				return false;
			ssize_t a = fgetxattr(fd[0], name, d->room[0], CHUNK_BYTES);
			ssize_t b = fgetxattr(fd[1], name, d->room[1], CHUNK_BYTES);

			if (a != b || (a > 0 && memcmp(d->room[0], d->room[1], (size_t)a) != 0))
				return false;
		}
	}
	return true;
}

/* Returns 1 the same, 0, <0. */
static int same_content(struct differ *d, const int *fd, const char *path, struct error *err)
{
	for (;;) {
		ssize_t n = read(fd[0], d->room[0], CHUNK_BYTES);

		if (n < 0)
			return error_sys(err, errno, "read '%s'", path);
		if (n == 0)
			return 1;
		int r = fd_read_all(fd[1], d->room[1], (size_t)n);

		if (r == -ENODATA)
			return 0;
		if (r < 0)
			return error_sys(err, -r, "read '%s'", path);
		if (memcmp(d->room[0], d->room[1], (size_t)n) != 0)
			return 0;
	}
}

/* Returns 1 the same, 0, <0. */
static int same_target(struct differ *d, const struct merge_entry *const *e, struct error *err)
{
	for (int s = 0; s < SIDE_COUNT; s++) {
		if (merge_readlink(&d->layers[s], e[s]->layers[0], buf_str(&d->path), d->room[s], CHUNK_BYTES, err) < 0)
			return -err->code;
	}
	return str_eq(d->room[OLD], d->room[NEW]);
}

/* What differs between the two objects at the path, whose types are the same. */
static int compare_inside(struct differ *d, const struct merge_entry *const *e, const struct stat *st, uint32_t *what,
			  struct error *err)
{
	bool is_file = S_ISREG(st[OLD].st_mode);
	const char *path = buf_str(&d->path);
	int r = 0;

	if (is_file && st[OLD].st_size != st[NEW].st_size)
		*what |= UNPACK_CHANGED_CONTENT;
	if (S_ISLNK(st[OLD].st_mode)) {
		r = same_target(d, e, err);
		*what |= r == 0 ? UNPACK_CHANGED_LINK : 0;
		return r < 0 ? r : 0;
	}
	if (!is_file && !S_ISDIR(st[OLD].st_mode))
		return 0;
	autofd int old = merge_open(&d->layers[OLD], e[OLD]->layers[0], path, O_RDONLY, err);
	autofd int new = old < 0 ? FD_NONE : merge_open(&d->layers[NEW], e[NEW]->layers[0], path, O_RDONLY, err);
	const int fd[SIDE_COUNT] = {old, new};

	if (old < 0 || new < 0)
		return -err->code;
	if (!same_xattrs(d, fd))
		*what |= UNPACK_CHANGED_XATTR;
	if (is_file && !(*what & UNPACK_CHANGED_CONTENT)) {
		r = same_content(d, fd, path, err);
		*what |= r == 0 ? UNPACK_CHANGED_CONTENT : 0;
	}
	return r < 0 ? r : 0;
}

static int compare(struct differ *d, const struct merge_entry *const *e, struct stat *st, uint32_t *what,
		   struct error *err)
{
	for (int s = 0; s < SIDE_COUNT; s++) {
		if (merge_stat(&d->layers[s], e[s]->layers[0], buf_str(&d->path), &st[s], err) < 0)
			return -err->code;
	}
	if ((st[OLD].st_mode & S_IFMT) != (st[NEW].st_mode & S_IFMT)) {
		*what = UNPACK_CHANGED_TYPE;
		return 0;
	}
	if (!S_ISLNK(st[OLD].st_mode) && (st[OLD].st_mode & 07777) != (st[NEW].st_mode & 07777))
		*what |= UNPACK_CHANGED_MODE;
	if (st[OLD].st_uid != st[NEW].st_uid || st[OLD].st_gid != st[NEW].st_gid)
		*what |= UNPACK_CHANGED_OWNER;
	return compare_inside(d, e, st, what, err);
}

static const char *layer_name(const struct differ *d, enum side s, const struct merge_entry *e, size_t i)
{
	return d->layers[s].names[e->layers[i]];
}

/* The same layers have it on both sides: then it is the same, with all below. */
static bool shared(const struct differ *d, const struct merge_entry *const *e)
{
	if (e[OLD]->is_dir != e[NEW]->is_dir || e[OLD]->layer_count != e[NEW]->layer_count)
		return false;
	for (size_t i = 0; i < e[OLD]->layer_count; i++) {
		if (!str_eq(layer_name(d, OLD, e[OLD], i), layer_name(d, NEW, e[NEW], i)))
			return false;
	}
	return true;
}

/* ---- the walk ---- */

/* Go into the folder at the path; a side that has none there is NULL. */
static int enter(struct differ *d, const struct merge_entry *const *e, bool said, struct error *err)
{
	struct level *l;

	if (d->depth >= DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "folders are nested deeper than %u", DEPTH_MAX);
	l = &VEC_PUSH(d->levels, d->depth);
	*l = (struct level){.path_len = d->path.len, .said = said};
	for (int s = 0; s < SIDE_COUNT; s++) {
		if (e[s] && e[s]->is_dir && merge_read(&d->layers[s], e[s], buf_str(&d->path), &l->list[s], err) < 0)
			return -err->code;
	}
	return 0;
}

/* One name, which a side may lack. The path stands in d->path. */
static int take_name(struct differ *d, const struct merge_entry *const *e, struct error *err)
{
	struct unpack_status status[SIDE_COUNT] = {0};
	struct stat st[SIDE_COUNT] = {0};
	uint32_t what = 0;

	if (e[OLD] && e[NEW]) {
		if (shared(d, e))
			return 0;
		if (compare(d, e, st, &what, err) < 0)
			return -err->code;
		status[OLD] = status_of(&st[OLD]);
		status[NEW] = status_of(&st[NEW]);
		if (what && (say_folders(d, err) < 0 ||
			     say(d, UNPACK_CHANGE_MODIFIED, what, buf_str(&d->path), d->path.len, status, err) < 0))
			return -err->code;
		/* What an exchanged folder had is gone with it, and is not told one by one. */
		return e[NEW]->is_dir ? enter(d, e, what != 0, err) : 0;
	}
	enum side s = e[NEW] ? NEW : OLD;

	if (merge_stat(&d->layers[s], e[s]->layers[0], buf_str(&d->path), &st[s], err) < 0)
		return -err->code;
	status[s] = status_of(&st[s]);
	if (say_folders(d, err) < 0 || say(d, s == NEW ? UNPACK_CHANGE_ADDED : UNPACK_CHANGE_DELETED, 0,
					   buf_str(&d->path), d->path.len, status, err) < 0)
		return -err->code;
	return s == NEW && e[NEW]->is_dir ? enter(d, e, true, err) : 0;
}

static void cut_path(struct differ *d, size_t len)
{
	d->path.len = len;
	if (d->path.data)
		d->path.data[len] = '\0';
}

/* The next name of the innermost folder, or out of it. */
static int step(struct differ *d, struct error *err)
{
	struct level *l = &d->levels[d->depth - 1];
	const struct merge_entry *e[SIDE_COUNT];
	int order = 0;

	for (int s = 0; s < SIDE_COUNT; s++)
		e[s] = l->at[s] < l->list[s].count ? &l->list[s].items[l->at[s]] : NULL;
	if (!e[OLD] && !e[NEW]) {
		level_done(l);
		d->depth--;
		return 0;
	}
	if (e[OLD] && e[NEW])
		order = strcmp(e[OLD]->name, e[NEW]->name);
	if (order > 0)
		e[OLD] = NULL;
	if (order < 0)
		e[NEW] = NULL;
	for (int s = 0; s < SIDE_COUNT; s++)
		l->at[s] += e[s] != NULL;
	cut_path(d, l->path_len);
	if ((l->path_len && !buf_putc(&d->path, '/')) || !buf_puts(&d->path, e[OLD] ? e[OLD]->name : e[NEW]->name))
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "a path is longer than %u bytes", TAR_PATH_MAX);
	return take_name(d, e, err);
}

/* "a<layer>" and "b<layer>" a line, the upper ones first. */
static int read_layers(struct differ *d, int layers_fd, int in_fd, struct error *err)
{
	autobuf struct buf text = BUF_INIT(LIST_MAX_BYTES);
	autostrv struct strv lines = {0};

	if (fd_read_to_end(in_fd, &text, "the list of layers", err) < 0)
		return -err->code;
	strv_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		struct merge_layers *l = &d->layers[lines.items[i][0] == 'b'];

		if (!lines.items[i][0])
			continue;
		if (!safepath_name_valid(lines.items[i] + 1) || l->count >= UINT16_MAX)
			return error_set(err, ERROR_INVALID, EINVAL, "the list of layers makes no sense");
		ARENA_PUSH(&d->arena, l->names, l->count) = arena_strdup(&d->arena, lines.items[i] + 1);
	}
	d->layers[OLD].fd = d->layers[NEW].fd = layers_fd;
	return 0;
}

int unpack_diff(int layers_fd, int in_fd, const struct unpack_talk *talk, struct unpack_report *report,
		struct error *err)
{
	autoclean(differ_done) struct differ d = {.talk = talk, .report = report, .path = BUF_INIT(TAR_PATH_MAX)};

	for (int s = 0; s < SIDE_COUNT; s++) {
		d.room[s] = mem_alloc(CHUNK_BYTES);
		d.names[s] = mem_alloc(XATTR_LIST_BYTES);
	}
	if (read_layers(&d, layers_fd, in_fd, err) < 0)
		return -err->code;
	const struct merge_entry old = merge_root(&d.layers[OLD], &d.arena), new = merge_root(&d.layers[NEW], &d.arena);

	if (enter(&d, (const struct merge_entry *const[]){&old, &new}, true, err) < 0)
		return -err->code;
	while (d.depth > 0) {
		if (step(&d, err) < 0)
			return -err->code;
	}
	return 0;
}
