/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer, from tar entries to files. Runs inside the sandbox; is as careful as if there were none.
 *
 * For each entry: make its path canonical, find the folder it belongs in by resolving inside the layer's root (symlinks
 * of the layer are followed there, as Docker and containerd do), then make the object by its last component alone, with
 * O_EXCL, and set everything else through its fd. What a name stood for before is removed first, never written through.
 *
 * Whiteouts become what overlayfs knows: a character device 0:0, or user.overlay.opaque on a folder (the runtime mounts
 * with userxattr). Device nodes are never made: below a container's own /dev they would have no use, elsewhere only a
 * bad one. Times of folders are set at the end, since making files changes them.
 */
#include "unpack/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/layer_path.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"
#include "unpack/implied.h"
#include "unpack/model.h"
#include "unpack/writer.h"

#define DIR_TIMES_MAX_BYTES (96u << 20) /* memory for the times of folders: about a million of them */
#define FILE_MODE 0777u                 /* what creating a file can set */
#define IMPLIED_MAX 65536u              /* folders without an entry that are told to the store */

struct dir_time {
	char *path; /* owned by unpacker.arena; without symlinks, as it was when the entry came */
	struct timespec mtime;
};

struct unpacker {
	int root_fd;
	const struct unpack_job *job;
	const struct unpack_talk *talk;
	struct unpack_report *report;
	struct tar tar;
	struct disk *disk;
	/* The folder that the last entry went into: archives list a folder's files in a row. */
	char parent_path[TAR_PATH_MAX + 1];
	char parent_true[PATH_MAX]; /* the same without the symlinks that may be on its way */
	int parent_fd;              /* owned */
	bool parent_stale; /* something was replaced since, which the path may have led through, or its owner changed */
	gid_t parent_gid;
	uid_t uid; /* ours, which new files have */
	gid_t gid;
	char what[DISK_NAME_MAX]; /* the entry, for errors */
	struct arena arena;
	struct dir_time *times;
	size_t time_count, time_bytes;
	struct implied implied;
};

static void unpacker_done(struct unpacker *u)
{
	fd_close(&u->parent_fd);
	arena_done(&u->arena);
	tar_done(&u->tar);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int set_opaque(int fd, struct error *err)
{
	if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) == 0)
		return 0;
	if (errno == EOPNOTSUPP)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "the store's file system has no user.* attributes, which an opaque folder needs");
	return error_sys(err, errno, "cannot mark the folder opaque");
}

/* Make the folder @name in @dir_fd for use as a parent; a whiteout of that name becomes an opaque folder. */
static int make_parent(struct unpacker *u, int dir_fd, const char *name, struct error *err)
{
	autofd int fd = FD_NONE;
	struct stat st;
	bool opaque = safepath_stat(dir_fd, name, &st) == 0 && is_whiteout(&st);

	if (opaque && safepath_unlink(dir_fd, name, false, err) < 0)
		return -err->code;
	if (safepath_mkdir(dir_fd, name, 0755, SAFEPATH_KEEP, NULL, err) < 0)
		return -err->code;
	fd = safepath_child(dir_fd, name, O_RDONLY | O_DIRECTORY, err);
	if (fd < 0 || (opaque && set_opaque(fd, err) < 0))
		return -err->code;
	u->report->entries++;
	return 0;
}

/* Room for one folder more that is seen to in the end? */
static int count_time(struct unpacker *u, const char *path, struct error *err)
{
	u->time_bytes += strlen(path) + 1 + sizeof(struct implied_dir);
	return u->time_bytes <= DIR_TIMES_MAX_BYTES
		       ? 0
		       : error_set(err, ERROR_LIMIT, E2BIG, "too many folders in one layer");
}

/* Remember when the folder was changed last. */
static int defer_time(struct unpacker *u, const char *path, struct timespec mtime, struct error *err)
{
	if (count_time(u, path, err) < 0)
		return -err->code;
	ARENA_PUSH(&u->arena, u->times, u->time_count) =
		(struct dir_time){.path = arena_strdup(&u->arena, path), .mtime = mtime};
	return 0;
}

/* The path of @name in the folder @parent. */
static int join(char out[static PATH_MAX], const char *parent, const char *name, struct error *err)
{
	return snprintf(out, PATH_MAX, "%s%s%s", parent, *parent ? "/" : "", name) < PATH_MAX
		       ? 0
		       : error_set(err, ERROR_LIMIT, ENAMETOOLONG, "its path is too long when symlinks are followed");
}

/* Open @name in the folder @dir_fd, whose path is @path; make it when it is missing. @path becomes its path, free of symlinks. */
static int open_or_make(struct unpacker *u, int dir_fd, char path[static PATH_MAX], const char *name, struct error *err)
{
	char full[PATH_MAX];
	struct stat st = {0};

	if (join(full, path, name, err) < 0)
		return -err->code;
	(void)safepath_stat(dir_fd, name, &st); /* not there: no type */
	if (S_ISLNK(st.st_mode))
		return safepath_open_true(u->root_fd, full, path, err);
	memcpy(path, full, sizeof(full));
	if (S_ISDIR(st.st_mode))
		return safepath_child(dir_fd, name, O_RDONLY | O_DIRECTORY, err);
	if (make_parent(u, dir_fd, name, err) < 0)
		return -err->code;
	autofd int fd = safepath_child(dir_fd, name, O_RDONLY | O_DIRECTORY, err);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "look at the folder '%s'", path);
	if (count_time(u, path, err) < 0)
		return -err->code;
	implied_forget(&u->implied, &st);
	implied_add(&u->implied, &u->arena, path, &st);
	return take_fd(&fd);
}

/* Open @path, making what is missing of it, one component after the other. The slow way: most layers list their folders, by their
 * own names. */
static int make_parents(struct unpacker *u, const char *path, char ret_true[static PATH_MAX], struct error *err)
{
	autofd int fd = safepath_open_dir(u->root_fd, "", false, err);
	char name[NAME_MAX + 1];

	ret_true[0] = '\0';
	while (fd >= 0 && *path) {
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX)
			return error_set(err, ERROR_INVALID, ENAMETOOLONG, "a name is too long");
		memcpy(name, path, len);
		name[len] = '\0';
		int next = open_or_make(u, fd, ret_true, name, err);

		fd_close(&fd);
		fd = next;
		path += len + (path[len] == '/');
	}
	return fd < 0 ? -err->code : take_fd(&fd);
}

/* The folder that @p lies in, borrowed until the next call. Returns the fd or <0. */
static int open_parent(struct unpacker *u, const struct layer_path *p, struct error *err)
{
	size_t len = p->base ? p->base - 1 : 0;
	struct error missing;
	struct stat st;
	int fd;

	if (u->parent_fd >= 0 && !u->parent_stale && strncmp(u->parent_path, p->text, len) == 0 &&
	    u->parent_path[len] == '\0')
		return u->parent_fd;
	fd_close(&u->parent_fd);
	u->parent_stale = false;
	memcpy(u->parent_path, p->text, len);
	u->parent_path[len] = '\0';
	memcpy(u->parent_true, u->parent_path, len + 1);
	fd = safepath_open_straight(u->root_fd, u->parent_path, &missing);
	if (fd < 0) /* something is missing, or a symlink is on the way */
		fd = make_parents(u, u->parent_path, u->parent_true, err);
	if (fd < 0)
		return error_wrap(err, "the folder it lies in");
	u->parent_fd = fd;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "look at the folder it lies in");
	u->parent_gid = st.st_gid;
	return fd;
}

static int set_xattrs(struct unpacker *u, int fd, const struct tar_entry *e, struct error *err)
{
	for (size_t i = 0; i < e->xattr_count; i++) {
		const struct tar_xattr *x = &e->xattrs[i];

		if (!model_xattr_wanted(x->name)) {
			u->report->xattrs_dropped++;
			continue;
		}
		if (fsetxattr(fd, x->name, x->value, x->len, 0) == 0)
			continue;
		/* A file system without user.* attributes loses them, as everywhere; capabilities would be missed. */
		if ((errno == EOPNOTSUPP || errno == EPERM) && x->name[0] == 'u') {
			u->report->xattrs_dropped++;
			continue;
		}
		return error_sys(err, errno, "cannot set the extended attribute '%.64s'", x->name);
	}
	return 0;
}

static int set_owner(struct unpacker *u, int fd, const struct tar_entry *e, struct error *err)
{
	if (u->job->flags & UNPACK_SINGLE_ID)
		return 0;
	/* What was just made has our ids; a folder may give its own group to what is in it (set-gid, grpid). */
	if (e->type == TAR_FILE && e->uid == u->uid && e->gid == u->gid && u->parent_gid == u->gid)
		return 0;
	if (safepath_chown(fd, e->uid, e->gid, err) == 0)
		return 0;
	if (err->code == EINVAL)
		return error_set(err, ERROR_UNSUPPORTED, EINVAL,
				 "its owner %u:%u is outside the ids that this user has (/etc/subuid, /etc/subgid)",
				 e->uid, e->gid);
	return -err->code;
}

static struct timespec entry_mtime(const struct tar_entry *e)
{
	return (struct timespec){.tv_sec = e->mtime_s, .tv_nsec = e->mtime_ns};
}

/* Owner first: changing it clears set-id bits and capabilities. */
static int set_all(struct unpacker *u, int fd, const struct tar_entry *e, struct error *err)
{
	struct timespec times[2] = {entry_mtime(e), entry_mtime(e)};

	if (set_owner(u, fd, e, err) < 0)
		return -err->code;
	/* Files are made with their mode; set-id bits come last. */
	if ((e->type != TAR_FILE || e->mode & ~FILE_MODE) && safepath_chmod(fd, e->mode, err) < 0)
		return -err->code;
	if (set_xattrs(u, fd, e, err) < 0)
		return -err->code;
	if (e->type != TAR_DIR && futimens(fd, times) < 0)
		return error_sys(err, errno, "cannot set its time");
	return 0;
}

/* A sparse file's pieces, each at its place. */
static int write_pieces(struct unpacker *u, int fd, const struct tar_entry *e, struct error *err)
{
	const unsigned char *data;
	struct writer w;
	uint64_t offset;
	size_t len;
	int r;

	while ((r = tar_data(&u->tar, &data, &len, &offset, err)) > 0) {
		/* Without a size: no piece is worth a direct write. */
		writer_begin(&w, u->disk, fd, offset, 0, NULL);
		if (writer_add(&w, data, len, err) < 0)
			return -err->code;
	}
	if (r == 0 && ftruncate(fd, (off_t)e->size) < 0)
		return error_sys(err, errno, "cannot set the size");
	return r;
}

/* The content of a file that is no sparse one. */
static int write_whole(struct unpacker *u, struct writer *w, struct error *err)
{
	const unsigned char *data;
	uint64_t offset;
	size_t len;
	int r;

	while ((r = tar_data(&u->tar, &data, &len, &offset, err)) > 0) {
		if (writer_add(w, data, len, err) < 0)
			return -err->code;
	}
	return r;
}

static int write_data(struct unpacker *u, int fd, const struct tar_entry *e, struct error *err)
{
	struct writer w;

	if (e->pieces)
		return write_pieces(u, fd, e, err);
	writer_begin(&w, u->disk, fd, 0, e->size, u->what);
	return write_whole(u, &w, err) < 0 ? -err->code : writer_end(&w, err);
}

/* A large file of which nothing is left to do behind its content but to set its time: the disk does that, and we go on with the
 * next entry. Set-id bits and attributes are not among that, since writing takes them away. */
static bool disk_can_finish(const struct tar_entry *e)
{
	return e->size >= WRITER_DIRECT_BYTES && !e->pieces && e->xattr_count == 0 && !(e->mode & ~FILE_MODE);
}

static int hand_over(struct unpacker *u, int *fd, const struct tar_entry *e, struct error *err)
{
	struct writer w;

	if (set_owner(u, *fd, e, err) < 0)
		return -err->code;
	writer_begin(&w, u->disk, *fd, 0, e->size, u->what);
	return write_whole(u, &w, err) < 0 ? -err->code : writer_finish(&w, fd, entry_mtime(e), err);
}

/* Take away what has the name now. *@ret_hidden: it was a whiteout, so lower layers' content of that name stays hidden. */
static int clear_name(struct unpacker *u, int dir_fd, const char *name, bool *ret_hidden, struct error *err)
{
	struct stat st;

	if (safepath_stat(dir_fd, name, &st) < 0)
		return 0;
	*ret_hidden = is_whiteout(&st);
	u->parent_stale = true;
	if (S_ISDIR(st.st_mode))
		return safepath_remove_tree(dir_fd, name, err);
	return safepath_unlink(dir_fd, name, false, err);
}

static void printable(char *out, size_t size, const char *s)
{
	size_t i = 0;

	for (; s[i] && i + 1 < size; i++)
		out[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	out[i] = '\0';
}

/* What errors call the entry. */
static void name_entry(struct unpacker *u, const struct tar_entry *e)
{
	char name[200];

	printable(name, sizeof(name), e->path);
	(void)snprintf(u->what, sizeof(u->what), "entry '%s'", name);
}

static int apply_file(struct unpacker *u, int dir_fd, const char *name, const struct tar_entry *e, struct error *err)
{
	autofd int fd = safepath_new_file(dir_fd, name, e->mode & FILE_MODE, err);

	if (fd < 0)
		return fd;
	if (e->size >= WRITER_DIRECT_BYTES)
		name_entry(u, e);
	if (disk_can_finish(e))
		return hand_over(u, &fd, e, err);
	if (write_data(u, fd, e, err) < 0)
		return -err->code;
	if (e->size < WRITER_DIRECT_BYTES)
		flusher_note(u->talk->flusher, e->size);
	return set_all(u, fd, e, err);
}

static int apply_symlink(struct unpacker *u, int dir_fd, const char *name, const struct tar_entry *e, struct error *err)
{
	struct safepath_owner owner = {.uid = e->uid, .gid = e->gid};
	bool single = u->job->flags & UNPACK_SINGLE_ID;

	u->report->xattrs_dropped += e->xattr_count;
	if (safepath_symlink(dir_fd, name, e->link, single ? NULL : &owner, err) < 0)
		return -err->code;
	struct timespec mtime = entry_mtime(e);

	return safepath_set_mtime(dir_fd, name, &mtime, err);
}

static int apply_fifo(struct unpacker *u, int dir_fd, const char *name, const struct tar_entry *e, struct error *err)
{
	struct safepath_owner owner = {.uid = e->uid, .gid = e->gid};
	bool single = u->job->flags & UNPACK_SINGLE_ID;

	u->report->xattrs_dropped += e->xattr_count;
	if (safepath_mknod(dir_fd, name, S_IFIFO | e->mode, 0, single ? NULL : &owner, NULL, err) < 0)
		return -err->code;
	struct timespec mtime = entry_mtime(e);

	return safepath_set_mtime(dir_fd, name, &mtime, err);
}

/* The target must be in this layer (as with Docker: a link across layers has no meaning) and no folder. The link itself is
 * made by names in two folders that we hold; nothing is set on it, so that a link can change no other entry. */
static int apply_hardlink(struct unpacker *u, int dir_fd, const char *name, const struct tar_entry *e,
			  struct error *err)
{
	struct layer_path target;
	autofd int from_fd = FD_NONE;
	struct stat st;

	if (layer_path_parse(e->link, &target, err) < 0)
		return error_wrap(err, "link target");
	if (!target.text[0])
		return error_set(err, ERROR_INVALID, EISDIR, "the link's target is the layer's root");
	const char *base = target.text + target.base;
	char parent[TAR_PATH_MAX + 1];
	size_t len = target.base ? target.base - 1 : 0;

	memcpy(parent, target.text, len);
	parent[len] = '\0';
	from_fd = safepath_open_dir(u->root_fd, parent, true, err);
	if (from_fd < 0)
		return error_wrap(err, "the link's target");
	int r = safepath_stat(from_fd, base, &st);

	if (r < 0)
		return error_set(err, ERROR_INVALID, -r, "the link's target is not in this layer");
	if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode))
		return error_set(err, ERROR_INVALID, EPERM, "the link's target is no file");
	return safepath_link(from_fd, base, dir_fd, name, err);
}

/* A folder that is there keeps its content; anything else of that name goes. */
static int apply_dir(struct unpacker *u, int dir_fd, const char *name, const struct tar_entry *e, struct error *err)
{
	autofd int fd = FD_NONE;
	char path[PATH_MAX];
	bool hidden = false;
	struct stat st;

	if (safepath_stat(dir_fd, name, &st) < 0 || !S_ISDIR(st.st_mode)) {
		if (clear_name(u, dir_fd, name, &hidden, err) < 0 ||
		    safepath_mkdir(dir_fd, name, 0700, SAFEPATH_KEEP, NULL, err) < 0)
			return -err->code;
	}
	fd = safepath_child(dir_fd, name, O_RDONLY | O_DIRECTORY, err);
	if (fd < 0 || set_all(u, fd, e, err) < 0 || (hidden && set_opaque(fd, err) < 0))
		return -err->code;
	if (u->implied.count > 0 && fstat(fd, &st) == 0)
		implied_forget(&u->implied, &st);
	if (join(path, u->parent_true, name, err) < 0)
		return -err->code;
	return defer_time(u, path, entry_mtime(e), err);
}

static int apply_root(struct unpacker *u, const struct tar_entry *e, struct error *err)
{
	if (e->type != TAR_DIR)
		return error_set(err, ERROR_INVALID, ENOTDIR, "the layer's root would become %s",
				 tar_type_name(e->type));
	autofd int fd = safepath_open_dir(u->root_fd, "", false, err);

	if (fd < 0 || set_all(u, fd, e, err) < 0)
		return -err->code;
	u->parent_stale = true; /* its group may be another now */
	return defer_time(u, "", entry_mtime(e), err);
}

/* Hide @name of lower layers. If this layer has something there already, that covers it; a folder must also say that
 * nothing is to be merged into it. */
static int hide(int dir_fd, const char *name, struct error *err)
{
	struct stat st;

	if (safepath_stat(dir_fd, name, &st) < 0)
		return safepath_mknod(dir_fd, name, S_IFCHR, makedev(0, 0), SAFEPATH_KEEP, NULL, err);
	if (!S_ISDIR(st.st_mode))
		return 0;
	autofd int fd = safepath_child(dir_fd, name, O_RDONLY | O_DIRECTORY, err);

	return fd < 0 ? fd : set_opaque(fd, err);
}

typedef int (*apply_fn)(struct unpacker *u, int dir_fd, const char *name, const struct tar_entry *e, struct error *err);
static const apply_fn apply_by_type[TAR_TYPE_COUNT] = {
	[TAR_FILE] = apply_file,
	[TAR_HARDLINK] = apply_hardlink,
	[TAR_SYMLINK] = apply_symlink,
	[TAR_FIFO] = apply_fifo,
};

static int apply_plain(struct unpacker *u, int dir_fd, const struct layer_path *p, const struct tar_entry *e,
		       struct error *err)
{
	const char *name = p->text + p->base;
	bool hidden = false;

	if (e->type == TAR_CHAR && e->dev_major == 0 && e->dev_minor == 0)
		return error_set(err, ERROR_INVALID, EPERM, "a device 0:0 would forge a whiteout");
	if (e->type == TAR_CHAR || e->type == TAR_BLOCK) {
		u->report->devices_skipped++;
		return 0;
	}
	if (e->type == TAR_DIR)
		return apply_dir(u, dir_fd, name, e, err);
	/* A link onto itself must not remove what it points to. */
	if (e->type == TAR_HARDLINK) {
		struct layer_path target;

		if (layer_path_parse(e->link, &target, err) < 0)
			return error_wrap(err, "link target");
		if (str_eq(target.text, p->text))
			return error_set(err, ERROR_INVALID, ELOOP, "a hard link to itself");
	}
	/* All of them make the name first, and only where it is free. */
	int r = apply_by_type[e->type](u, dir_fd, name, e, err);

	if (r < 0 && err->code == EEXIST) {
		if (clear_name(u, dir_fd, name, &hidden, err) < 0)
			return -err->code;
		r = apply_by_type[e->type](u, dir_fd, name, e, err);
	}
	return r;
}

static int apply_entry(struct unpacker *u, const struct tar_entry *e, struct error *err)
{
	struct layer_path p;
	const char *hidden;

	if (layer_path_parse(e->path, &p, err) < 0)
		return -err->code;
	if (!p.text[0])
		return apply_root(u, e, err);
	/* A whiteout is about its last component; one further up would be a folder in the way of a hidden name. */
	if (strncmp(p.text, ".wh.", 4) == 0 ? p.base > 0
					    : strstr(p.text, "/.wh.") && strstr(p.text, "/.wh.") + 1 < p.text + p.base)
		return error_set(err, ERROR_INVALID, EINVAL, "it lies below a whiteout");
	int kind = layer_path_whiteout(p.text + p.base, &hidden, err);

	if (kind < 0)
		return kind;
	if (kind == LAYER_AUFS)
		return 0;
	int dir_fd = open_parent(u, &p, err);

	if (dir_fd < 0)
		return dir_fd;
	if (kind == LAYER_OPAQUE)
		return set_opaque(dir_fd, err);
	if (kind == LAYER_HIDE)
		return hide(dir_fd, hidden, err);
	return apply_plain(u, dir_fd, &p, e, err);
}

static int count_entry(struct unpacker *u, const struct tar_entry *e, struct error *err)
{
	const struct unpack_limits *l = &u->job->limits;

	if (++u->report->entries > l->layer_entries)
		return error_set(err, ERROR_LIMIT, E2BIG, "more than %llu entries",
				 (unsigned long long)l->layer_entries);
	/* Holes count too: a file of an exabyte costs nothing here, but whoever copies it. */
	if (e->size > l->layer_bytes - u->report->file_bytes)
		return error_set(err, ERROR_LIMIT, EFBIG, "files of more than %llu bytes",
				 (unsigned long long)l->layer_bytes);
	u->report->file_bytes += e->size;
	return 0;
}

/* The folders without an entry that are there in the end: not the time of unpacking (the same layer is the same tree wherever it
 * is unpacked), and the store is told. Before the times of those that are listed. */
static int end_implied(struct unpacker *u, struct error *err)
{
	const struct timespec epoch[2] = {0};
	size_t told = 0;

	for (const struct implied_dir *d = u->implied.first; d; d = d->later) {
		struct error gone;
		struct stat st;
		autofd int fd = d->gone ? FD_NONE : safepath_open_straight(u->root_fd, d->path, &gone);

		if (fd < 0 || fstat(fd, &st) < 0 || !implied_is(d, &st))
			continue;
		if (futimens(fd, epoch) < 0)
			return error_sys(err, errno, "cannot set the time of the folder '%s'", d->path);
		if (told++ < IMPLIED_MAX &&
		    unpack_say(u->talk, UNPACK_IMPLIED, d->path, strlen(d->path), NULL, 0, err) < 0)
			return -err->code;
	}
	return 0;
}

/* In the order of the archive, so that the last word counts. What is no folder any more, or a symlink leads to, was replaced. */
static int set_dir_times(struct unpacker *u, struct error *err)
{
	for (size_t i = 0; i < u->time_count; i++) {
		const struct dir_time *t = &u->times[i];
		struct timespec times[2] = {t->mtime, t->mtime};
		struct error gone;
		autofd int fd = safepath_open_straight(u->root_fd, t->path, &gone);

		if (fd >= 0 && futimens(fd, times) < 0)
			return error_sys(err, errno, "cannot set the time of the folder '%s'", t->path);
	}
	return 0;
}

int unpack_layer(int root_fd, struct tar_source in, const struct unpack_job *job, const struct unpack_talk *talk,
		 struct unpack_report *report, struct error *err)
{
	autoclean(disk_done) struct disk own = DISK_NONE; /* for writing by ourselves */
	autoclean(unpacker_done) struct unpacker u = {
		.root_fd = root_fd,
		.job = job,
		.talk = talk,
		.report = report,
		.parent_fd = FD_NONE,
		.disk = talk->disk ? talk->disk : &own,
		.uid = geteuid(),
		.gid = getegid(),
	};
	const struct tar_entry *e;
	int r;

	process_set_umask(0); /* files are made with the mode they shall have */
	tar_init(&u.tar, in);
	if (defer_time(&u, "", (struct timespec){0}, err) < 0)
		return -err->code;
	while ((r = tar_next(&u.tar, &e, err)) > 0) {
		if (count_entry(&u, e, err) < 0 || apply_entry(&u, e, err) < 0) {
			if (u.disk->failed) /* perhaps with an entry before; it said which */
				return -err->code;
			name_entry(&u, e);
			return error_wrap(err, "%s", u.what);
		}
	}
	if (r < 0 || disk_settle(u.disk, err) < 0)
		return -err->code;
	return end_implied(&u, err) < 0 ? -err->code : set_dir_times(&u, err);
}
