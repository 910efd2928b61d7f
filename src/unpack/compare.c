/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a layer on disk what its archive says? Runs inside the sandbox, with the layer's folder as its root, read-only. The
 * archive becomes a tree in memory (model.c); then the folder is walked once, each object compared with its node, and what
 * was never met is missing. Differences are said one by one, at most FINDINGS_MAX; all are counted.
 */
#include "unpack/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "safepath/safepath.h"
#include "unpack/model.h"

#define FINDINGS_MAX 1000u
#define XATTR_LIST_BYTES 65536u /* XATTR_LIST_MAX */

struct compare {
	int root_fd;
	const struct unpack_job *job;
	const struct unpack_talk *talk;
	struct unpack_report *report;
	struct model model;
	char *names, *value; /* owned; room for extended attributes */
};

static void compare_done(struct compare *c)
{
	model_done(&c->model);
	free(c->names);
	free(c->value);
}

static int finding(struct compare *c, enum unpack_finding_kind kind, const char *path, struct error *err,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static int finding(struct compare *c, enum unpack_finding_kind kind, const char *path, struct error *err,
		   const char *fmt, ...)
{
	struct unpack_finding f = {.kind = kind};
	char text[512], tail[TAR_PATH_MAX + sizeof(text)];
	va_list ap;

	if (c->report->findings++ >= FINDINGS_MAX)
		return 0;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f.path_len = (uint16_t)strnlen(path, TAR_PATH_MAX);
	f.text_len = (uint16_t)strlen(text);
	memcpy(tail, path, f.path_len);
	memcpy(tail + f.path_len, text, f.text_len);
	return unpack_say(c->talk, UNPACK_FINDING, &f, sizeof(f), tail, (size_t)f.path_len + f.text_len, err);
}

/* ---- extended attributes ---- */

/* linux/capability.h's vfs_cap_data: the kernel turns version 2 into 3 and back, by who asks; the sets stay. */
static bool same_capability(const unsigned char *a, size_t a_len, const unsigned char *b, size_t b_len)
{
	return a_len >= 20 && b_len >= 20 && (a[0] & 1) == (b[0] & 1) && memcmp(a + 4, b + 4, 16) == 0;
}

static bool same_value(const struct tar_xattr *x, const char *value, size_t len)
{
	if (str_eq(x->name, "security.capability") && x->len != 12)
		return same_capability(x->value, x->len, (const unsigned char *)value, len);
	return x->len == len && (len == 0 || memcmp(x->value, value, len) == 0);
}

/* What the layer lists must be there. (A file system without user.* attributes has none to compare.) */
static int compare_listed(struct compare *c, int fd, const char *path, const struct model_inode *i, struct error *err)
{
	for (size_t k = 0; k < i->xattr_count; k++) {
		const struct tar_xattr *x = &i->xattrs[k];
		ssize_t n = fgetxattr(fd, x->name, c->value, TAR_XATTR_VALUE_MAX);

		if (n < 0 && errno == EOPNOTSUPP && str_starts(x->name, "user."))
			continue;
		if (n < 0 &&
		    finding(c, UNPACK_FINDING_XATTR, path, err, "the attribute %.100s is missing", x->name) < 0)
			return -err->code;
		if (n >= 0 && !same_value(x, c->value, (size_t)n) &&
		    finding(c, UNPACK_FINDING_XATTR, path, err, "the attribute %.100s has another value", x->name) < 0)
			return -err->code;
	}
	return 0;
}

static bool listed(const struct model_inode *i, const char *name)
{
	for (size_t k = 0; k < i->xattr_count; k++) {
		if (str_eq(i->xattrs[k].name, name))
			return true;
	}
	return false;
}

static int compare_xattrs(struct compare *c, int fd, const char *path, const struct model_inode *i, struct error *err)
{
	ssize_t len = flistxattr(fd, c->names, XATTR_LIST_BYTES);
	bool opaque = false;

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(c->names + at) + 1) {
		const char *name = c->names + at;

		if (str_eq(name, "user.overlay.opaque"))
			opaque = true;
		else if ((str_starts(name, "user.") || str_eq(name, "security.capability")) && !listed(i, name) &&
			 finding(c, UNPACK_FINDING_XATTR, path, err, "the attribute %.100s is not the layer's", name) <
				 0)
			return -err->code;
	}
	if (opaque != i->opaque && finding(c, UNPACK_FINDING_WHITEOUT, path, err,
					   opaque ? "the folder hides lower layers, and should not"
						  : "the folder should hide lower layers") < 0)
		return -err->code;
	return compare_listed(c, fd, path, i, err);
}

/* ---- one object ---- */

static int type_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return MODEL_FILE;
	case S_IFDIR:
		return MODEL_DIR;
	case S_IFLNK:
		return MODEL_SYMLINK;
	case S_IFIFO:
		return MODEL_FIFO;
	case S_IFCHR:
		return st->st_rdev == makedev(0, 0) ? MODEL_WHITEOUT : -1;
	default:
		return -1;
	}
}

static const char *type_text(const struct stat *st)
{
	int type = type_of(st);

	return type < 0 ? "a device or socket" : model_type_name((enum model_type)type);
}

static int compare_status(struct compare *c, const char *path, const struct model_inode *i, const struct stat *st,
			  struct error *err)
{
	bool owned = !(c->job->flags & UNPACK_SINGLE_ID);

	if (i->type == MODEL_WHITEOUT || i->implied)
		return 0;
	if (i->type != MODEL_SYMLINK && (st->st_mode & 07777) != i->mode &&
	    finding(c, UNPACK_FINDING_MODE, path, err, "mode %04o, the layer has %04o", st->st_mode & 07777, i->mode) <
		    0)
		return -err->code;
	if (owned && (st->st_uid != i->uid || st->st_gid != i->gid) &&
	    finding(c, UNPACK_FINDING_OWNER, path, err, "owner %u:%u, the layer has %u:%u", st->st_uid, st->st_gid,
		    i->uid, i->gid) < 0)
		return -err->code;
	return 0;
}

/* Coarser clocks of file systems (ext3: seconds) keep less of a time than the layer has. */
static int compare_time(struct compare *c, const char *path, const struct model_inode *i, const struct stat *st,
			struct error *err)
{
	if (!i->dated || (st->st_mtim.tv_sec == i->mtime_s &&
			  (st->st_mtim.tv_nsec == (long)i->mtime_ns || st->st_mtim.tv_nsec == 0)))
		return 0;
	return finding(c, UNPACK_FINDING_TIME, path, err, "changed at %lld.%09ld, the layer has %lld.%09u",
		       (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long long)i->mtime_s, i->mtime_ns);
}

static int compare_file(struct compare *c, const struct safepath_entry *e, const struct model_inode *i,
			struct error *err)
{
	unsigned char content[DIGEST_RAW_BYTES];
	struct error unreadable;

	if ((uint64_t)e->st->st_size != i->size)
		return finding(c, UNPACK_FINDING_CONTENT, e->path, err, "%lld bytes, the layer has %llu",
			       (long long)e->st->st_size, (unsigned long long)i->size);
	autofd int fd = safepath_child(e->dir_fd, e->name, O_RDONLY, &unreadable);

	if (fd < 0 || content_of_file(fd, content, &unreadable) < 0)
		return finding(c, UNPACK_FINDING_CONTENT, e->path, err, "%s", unreadable.msg);
	if (memcmp(content, i->content, sizeof(content)) != 0 &&
	    finding(c, UNPACK_FINDING_CONTENT, e->path, err, "its content differs") < 0)
		return -err->code;
	return compare_xattrs(c, fd, e->path, i, err);
}

static int compare_dir(struct compare *c, const struct safepath_entry *e, const struct model_inode *i,
		       struct error *err)
{
	autofd int fd = safepath_child(e->dir_fd, e->name, O_RDONLY | O_DIRECTORY, err);

	return fd < 0 ? fd : compare_xattrs(c, fd, e->path, i, err);
}

static int compare_symlink(struct compare *c, const struct safepath_entry *e, const struct model_inode *i,
			   struct error *err)
{
	char target[TAR_PATH_MAX + 1];
	struct error unreadable;

	if (safepath_readlink(e->dir_fd, e->name, target, sizeof(target), &unreadable) < 0)
		return finding(c, UNPACK_FINDING_LINK, e->path, err, "%s", unreadable.msg);
	if (str_eq(target, i->link))
		return 0;
	return finding(c, UNPACK_FINDING_LINK, e->path, err, "leads to '%.200s', in the layer to '%.200s'", target,
		       i->link);
}

/* Names that are one file in the layer must be one on disk, and no others. Returns 1: it was compared under another name. */
static int compare_links(struct compare *c, const struct safepath_entry *e, struct model_inode *i, struct error *err)
{
	bool first = i->disk_ino == 0;

	if (first)
		i->disk_ino = (uint64_t)e->st->st_ino;
	if ((uint64_t)e->st->st_ino == i->disk_ino && e->st->st_nlink == i->links)
		return !first;
	return finding(c, UNPACK_FINDING_LINK, e->path, err, "%llu names, the layer has %u",
		       (unsigned long long)e->st->st_nlink, i->links);
}

static int compare_object(struct compare *c, const struct safepath_entry *e, struct model_inode *i, struct error *err)
{
	typedef int (*compare_fn)(struct compare *, const struct safepath_entry *, const struct model_inode *,
				  struct error *);
	static const compare_fn by_type[MODEL_TYPE_COUNT] = {
		[MODEL_FILE] = compare_file, [MODEL_DIR] = compare_dir, [MODEL_SYMLINK] = compare_symlink};

	int r = i->type != MODEL_DIR ? compare_links(c, e, i, err) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	if (compare_status(c, e->path, i, e->st, err) < 0 || compare_time(c, e->path, i, e->st, err) < 0)
		return -err->code;
	return by_type[i->type] ? by_type[i->type](c, e, i, err) : 0;
}

static int visit(const struct safepath_entry *e, void *arg, struct error *err)
{
	struct compare *c = arg;
	struct model_node *n = model_find(&c->model, e->path);
	int leave = S_ISDIR(e->st->st_mode); /* what is below has no counterpart */

	if (!n) {
		if (finding(c, UNPACK_FINDING_EXTRA, e->path, err, "%s that the layer does not have",
			    type_text(e->st)) < 0)
			return -err->code;
		return leave;
	}
	n->seen = true;
	if (type_of(e->st) == (int)n->inode->type)
		return compare_object(c, e, n->inode, err);
	n->skipped = true;
	if (finding(c, UNPACK_FINDING_TYPE, e->path, err, "%s, the layer has %s", type_text(e->st),
		    model_type_name(n->inode->type)) < 0)
		return -err->code;
	return leave;
}

static int find_missing(struct compare *c, struct error *err)
{
	char path[TAR_PATH_MAX + 1];
	bool below = true;

	for (struct model_node *n = model_next(&c->model, NULL, true); n; n = model_next(&c->model, n, below)) {
		below = n->seen && !n->skipped;
		if (n->seen)
			continue;
		model_path(n, path);
		if (finding(c, UNPACK_FINDING_MISSING, path, err, "%s is missing", model_type_name(n->inode->type)) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- the whole ---- */

static int compare_root(struct compare *c, struct error *err)
{
	autofd int fd = safepath_open_dir(c->root_fd, "", false, err);
	const struct model_inode *i = c->model.root->inode;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot look at the layer's root");
	if (compare_status(c, "", i, &st, err) < 0 || compare_time(c, "", i, &st, err) < 0)
		return -err->code;
	return compare_xattrs(c, fd, "", i, err);
}

/* A folder that the layer does not list has owner and mode of a lower layer's: the store compares those. */
static int say_implied(struct compare *c, struct error *err)
{
	char path[TAR_PATH_MAX + 1];

	for (struct model_node *n = model_next(&c->model, NULL, true); n; n = model_next(&c->model, n, true)) {
		if (!n->inode->implied || !n->seen)
			continue;
		model_path(n, path);
		if (unpack_say(c->talk, UNPACK_IMPLIED, path, strlen(path), NULL, 0, err) < 0)
			return -err->code;
	}
	return 0;
}

int unpack_verify(int root_fd, struct tar_source in, const struct unpack_job *job, const struct unpack_talk *talk,
		  struct unpack_report *report, struct error *err)
{
	autoclean(compare_done) struct compare c = {
		.root_fd = root_fd,
		.job = job,
		.talk = talk,
		.report = report,
		.names = mem_alloc(XATTR_LIST_BYTES),
		.value = mem_alloc(TAR_XATTR_VALUE_MAX),
	};
	autoclean(tar_done) struct tar tar;
	const struct tar_entry *e;
	int r;

	model_init(&c.model);
	tar_init(&tar, in);
	while ((r = tar_next(&tar, &e, err)) > 0) {
		if (++report->entries > job->limits.layer_entries)
			return error_set(err, ERROR_LIMIT, E2BIG, "more than %llu entries",
					 (unsigned long long)job->limits.layer_entries);
		if (model_apply(&c.model, &tar, e, err) < 0)
			return error_wrap(err, "entry '%.200s'", e->path);
	}
	if (r < 0)
		return r;
	model_finish(&c.model);
	if (compare_root(&c, err) < 0 || safepath_walk(root_fd, SAFEPATH_PRE, UINT64_MAX, visit, &c, err) < 0 ||
	    find_missing(&c, err) < 0)
		return -err->code;
	return say_implied(&c, err);
}
