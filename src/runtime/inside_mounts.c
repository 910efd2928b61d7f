/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document's mounts. A mount is made detached, gets its attributes while nobody can see it, and is then moved onto its
 * place, which was resolved to a descriptor inside the root (V05): there is no moment at which it is writable before it
 * is read-only, and no path that a racing process could swap.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/inside.h"

#define COPY_UP_ENTRIES 1000000
#define COPY_UP_BYTES (UINT64_C(8) << 30)

static int set_propagation(const struct launch *l, int tree, const struct spec_mount *m, struct error *err)
{
	/* In a user namespace a peer of the host's mounts must not be made: what it mounts would show on the host. */
	if (m->propagation == MS_SHARED && l->plan.new_userns) {
		int r = mount_set_attrs(tree, 0, 0, MS_SLAVE, FD_NONE, m->propagation_recursive, err);

		if (r < 0)
			return r;
	}
	return m->propagation ? mount_set_attrs(tree, 0, 0, m->propagation, FD_NONE, m->propagation_recursive, err) : 0;
}

/* Attributes and propagation of a detached mount, before anybody sees it. */
static int finish_detached(struct launch *l, int tree, const struct spec_mount *m, bool bind, struct error *err)
{
	int r = 0;

	/* A new file system was made with its attributes; a clone gets them here. */
	if (bind && (m->attr_set || m->attr_clear))
		r = mount_set_attrs(tree, m->attr_set, m->attr_clear, 0, FD_NONE, false, err);
	if (r == 0 && (m->rec_set || m->rec_clear))
		r = mount_set_attrs(tree, m->rec_set, m->rec_clear, 0, FD_NONE, true, err);
	/* Without a word on it a bind mount follows the root: a slave of the host's. */
	if (r == 0 && bind && !m->propagation)
		r = mount_set_attrs(tree, 0, 0, MS_SLAVE, FD_NONE, true, err);
	return r < 0 ? r : set_propagation(l, tree, m, err);
}

/* /proc and /sys must be what they seem: a link or file there could send our writes elsewhere (V03, CVE-2019-19921). */
static int open_kernel_fs_place(struct launch *l, const char *dest, int *ret, struct error *err)
{
	struct error absent;
	struct stat st;
	/* The usual case is one call, which takes a real folder and nothing else. */
	int r = safepath_open(l->new_root, dest, O_PATH | O_DIRECTORY | O_NOFOLLOW, &absent);

	if (r >= 0) {
		*ret = r;
		return 0;
	}
	r = safepath_make_target(l->new_root, dest, true, true, 0755, SAFEPATH_KEEP, ret, err);
	if (r < 0)
		return r;
	if (fstat(*ret, &st) < 0 || !S_ISDIR(st.st_mode)) {
		fd_close(ret);
		return error_set(err, ERROR_INVALID, ENOTDIR, "'%s' of the root file system is not a directory", dest);
	}
	return 0;
}

static const char *labelled(const struct launch *l, const struct spec_mount *m, char *out, size_t size)
{
	if (!l->spec->linux_.mount_label || !lsm_enabled(LSM_SELINUX))
		return m->data;
	(void)snprintf(out, size, "%s%scontext=\"%s\"", m->data, m->data[0] ? "," : "", l->spec->linux_.mount_label);
	return out;
}

/* tmpcopyup: the new tmpfs starts with what the image has at its place. */
static int copy_up(struct launch *l, const struct spec_mount *m, int tree, struct error *err)
{
	const struct safepath_copy_limits limits = {COPY_UP_ENTRIES, COPY_UP_BYTES};
	autofd int from = safepath_open_dir(l->new_root, m->destination, false, err);
	autofd int to = FD_NONE;
	struct stat st;
	int r;

	if (from < 0)
		return err->kind == ERROR_NOT_FOUND ? 0 : from;
	to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0 || fstat(to, &st) < 0)
		return error_sys(err, errno, "open the new tmpfs");
	r = safepath_copy_up(from, to, &limits, err);
	/* Its own mode it has already: the directory's, or what the document says (with_mode()). */
	if (r == 0 && fchmod(to, st.st_mode & 07777) < 0)
		return error_sys(err, errno, "set the mode of the new tmpfs");
	return r;
}

/* A tmpfs over a directory of the image takes on its mode, as runc's does: what was private stays so. A mode in the document
 * wins. */
static const char *with_mode(const struct spec_mount *m, int place, const char *data, char *out, size_t size)
{
	struct stat st;
	int n;

	if (!str_eq(m->type, "tmpfs") || str_starts(data, "mode=") || strstr(data, ",mode=") || fstat(place, &st) < 0)
		return data;
	n = snprintf(out, size, "mode=%04o%s%s", (unsigned)(st.st_mode & 07777), data[0] ? "," : "", data);
	return n < 0 || (size_t)n >= size ? data : out;
}

/* What follows a new tmpfs on /dev in most documents: /dev/pts, /dev/shm and /dev/mqueue go into it by their names, since nobody
 * else has been there. Returns false where the place must be looked for. */
static bool attach_in_fresh_dev(struct launch *l, const struct spec_mount *m, int tree)
{
	const char *name = m->destination + 5;
	struct error ignored;

	return l->fresh_dev >= 0 && str_starts(m->destination, "/dev/") && safepath_name_valid(name) &&
	       safepath_new_dir(l->fresh_dev, name, 0755, &ignored) == 0 &&
	       mount_attach_at(tree, l->fresh_dev, name, &ignored) == 0;
}

/* A file system that takes nothing from its place, into the new /dev. 1: not there. */
static int mount_in_fresh_dev(struct launch *l, const struct spec_mount *m, struct error *err)
{
	char label[1024];
	autofd int tree = FD_NONE;
	int r;

	if (l->fresh_dev < 0 || !str_starts(m->destination, "/dev/") || m->tmpcopyup)
		return 1;
	tree = mount_new(m->type, m->source[0] ? m->source : m->type, NULL, 0, labelled(l, m, label, sizeof(label)),
			 m->sb_flags, m->attr_set, err);
	if (tree < 0)
		return tree;
	r = finish_detached(l, tree, m, false, err);
	if (r < 0)
		return r;
	return attach_in_fresh_dev(l, m, tree) ? 0 : 1;
}

static int new_file_system(struct launch *l, const struct spec_mount *m, const char *data, uint64_t sb_flags,
			   uint64_t attrs, struct error *err)
{
	const char *source = m->source[0] ? m->source : m->type;

	/* We are not in the pid namespace that it shows yet. */
	if (l->plan.late_pid && str_eq(m->type, "proc"))
		return mount_new_proc(l->pid_ns, source, data, sb_flags, attrs, err);
	return mount_new(m->type, source, NULL, 0, data, sb_flags, attrs, err);
}

static int mount_file_system(struct launch *l, const struct spec_mount *m, struct error *err)
{
	const bool kernel_fs = str_eq(m->type, "proc") || str_eq(m->type, "sysfs");
	const bool is_dev = str_eq(m->destination, "/dev") || str_eq(m->destination, "/dev/");
	const bool late_ro = (is_dev || m->tmpcopyup) && (m->attr_set & MOUNT_ATTR_RDONLY);
	const uint64_t attrs = m->attr_set & ~(late_ro ? (uint64_t)MOUNT_ATTR_RDONLY : 0);
	char label[1024], mode[PATH_MAX];
	const char *data = labelled(l, m, label, sizeof(label));
	autofd int place = FD_NONE, tree = FD_NONE;
	int r = mount_in_fresh_dev(l, m, err);

	if (r <= 0)
		return r;
	r = kernel_fs ? open_kernel_fs_place(l, m->destination, &place, err)
		      : safepath_make_target(l->new_root, m->destination, true, m->dest_nofollow, 0755, SAFEPATH_KEEP,
					     &place, err);

	if (r < 0)
		return r;
	if (r != SAFEPATH_CREATED)
		data = with_mode(m, place, data, mode, sizeof(mode));
	tree = new_file_system(l, m, data, late_ro ? m->sb_flags & ~(uint64_t)MS_RDONLY : m->sb_flags, attrs, err);
	if (tree < 0)
		return tree;
	if (m->tmpcopyup && r != SAFEPATH_CREATED)
		r = copy_up(l, m, tree, err);
	if (r >= 0)
		r = finish_detached(l, tree, m, false, err);
	if (r >= 0 && late_ro && !is_dev)
		r = mount_set_attrs(tree, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, false, err);
	if (r >= 0)
		r = mount_attach(tree, place, m->destination, err);
	/* A mount namespace that was joined has others in it. */
	if (r >= 0 && is_dev && str_eq(m->type, "tmpfs") && !m->tmpcopyup && !l->spec->linux_.ns[SPEC_NS_MOUNT].path)
		l->fresh_dev = fcntl(tree, F_DUPFD_CLOEXEC, 3);
	if (r >= 0 && late_ro && is_dev)
		l->dev_fd = take_fd(&tree);
	return r < 0 ? r : 0;
}

/* A symlink as a source is copied, not followed ("copy-symlink", crun's extension). */
static int copy_symlink(struct launch *l, const struct spec_mount *m, bool *ret_done, struct error *err)
{
	char target[PATH_MAX];
	char name[256];
	struct error probe;
	autofd int parent = FD_NONE;

	*ret_done = false;
	if (safepath_host_readlink(m->source, target, sizeof(target), &probe) < 0)
		return 0;
	parent = safepath_open_parent(l->new_root, m->destination, name, err);
	if (parent < 0)
		return parent;
	*ret_done = true;
	return safepath_symlink(parent, name, target, SAFEPATH_KEEP, err);
}

static int mount_bind(struct launch *l, const struct plan_step *s, const struct spec_mount *m, struct error *err)
{
	autofd int tree = l->mount_fds[s->index];
	autofd int place = FD_NONE;
	const char *source = m->source;
	char path[PATH_MAX];
	struct stat st;
	int r;

	l->mount_fds[s->index] = FD_NONE;
	if (m->copy_symlink) {
		bool done;

		r = copy_symlink(l, m, &done, err);
		if (r < 0 || done)
			return r;
	}
	/* A plain user's host side may not clone mounts: done here, where we are root of our own mount namespace. */
	if (tree < 0 && m->source[0] != '/') {
		int n = snprintf(path, sizeof(path), "%s/%s", l->opt->bundle, m->source);

		if (n < 0 || (size_t)n >= sizeof(path))
			return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "mounts[%zu].source is too long", s->index);
		source = path;
	}
	if (tree < 0)
		tree = mount_clone(AT_FDCWD, source, m->recursive_bind, m->src_nofollow ? AT_SYMLINK_NOFOLLOW : 0, err);
	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return error_sys(err, errno, "bind source '%s'", m->source);
	r = finish_detached(l, tree, m, true, err);
	if (r == 0)
		r = safepath_make_target(l->new_root, m->destination, S_ISDIR(st.st_mode), m->dest_nofollow, 0755,
					 SAFEPATH_KEEP, &place, err);
	return r < 0 ? r : mount_attach(tree, place, m->destination, err);
}

/* "remount": new attributes on what is mounted at the destination. */
static int remount(struct launch *l, const struct spec_mount *m, struct error *err)
{
	autofd int place = safepath_open(l->new_root, m->destination, O_PATH, err);

	if (place < 0)
		return place;
	return mount_set_attrs(place, m->attr_set, m->attr_clear, m->propagation, FD_NONE, m->recursive_bind, err);
}

static int cgroup_source(const struct cgroup_mount *c, uint64_t attrs, struct error *err)
{
	int fd;

	switch (c->kind) {
	case CGROUP_MOUNT_TMPFS:
		return mount_new("tmpfs", "tmpfs", NULL, 0, c->data, 0, attrs & ~(uint64_t)MOUNT_ATTR_RDONLY, err);
	case CGROUP_MOUNT_BIND:
		return mount_clone(AT_FDCWD, c->source, false, 0, err);
	case CGROUP_MOUNT_FS:
		fd = mount_new(c->fstype, c->source ? c->source : "cgroup", NULL, 0, c->data, 0, attrs, err);
		if (fd >= 0 || !c->may_fail || !c->source2)
			return fd;
		return mount_clone(AT_FDCWD, c->source2, false, 0, err);
	default:
		return error_set(err, ERROR_INTERNAL, EINVAL, "unexpected kind of cgroup mount");
	}
}

/* One entry of the list that cgroup/ made for a mount of type "cgroup". @base: the tmpfs of v1's hierarchies. */
static int mount_cgroup_entry(struct launch *l, const struct cgroup_mount *c, const char *dest, uint64_t attrs,
			      int *base, struct error *err)
{
	autofd int tree = FD_NONE;
	autofd int place = FD_NONE;
	int r;

	if (c->kind == CGROUP_MOUNT_SYMLINK)
		return safepath_symlink(*base, c->name, c->source, SAFEPATH_KEEP, err);
	tree = cgroup_source(c, attrs, err);
	if (tree < 0)
		return tree;
	r = c->kind == CGROUP_MOUNT_TMPFS ? 0 : mount_set_attrs(tree, attrs, 0, MS_PRIVATE, FD_NONE, false, err);
	/* The tmpfs is new and ours alone: names in it need no second look. */
	if (r == 0 && c->name[0]) {
		r = safepath_new_dir(*base, c->name, 0755, err);
		return r < 0 ? r : mount_attach_at(tree, *base, c->name, err);
	}
	if (r == 0)
		r = safepath_make_target(l->new_root, dest, true, false, 0755, SAFEPATH_KEEP, &place, err);
	if (r < 0)
		return r;
	r = mount_attach(tree, place, dest, err);
	if (r == 0 && c->kind == CGROUP_MOUNT_TMPFS)
		*base = take_fd(&tree);
	return r;
}

static int mount_cgroups(struct launch *l, const struct spec_mount *m, struct error *err)
{
	autocgroupmounts struct cgroup_mounts list = {};
	const bool own_ns = l->plan.new_cgroupns;
	const uint64_t attrs =
		m->attr_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
		(own_ns ? 0 : MOUNT_ATTR_RDONLY); /* V10: without a namespace of its own never writable */
	autofd int base = FD_NONE;
	int r = cgroup_plan_mounts(&l->cgroup_host, l->cgroup, own_ns, &list, err);

	for (size_t i = 0; i < list.count && r >= 0; i++)
		r = mount_cgroup_entry(l, &list.items[i], m->destination, attrs, &base, err);
	if (r >= 0 && base >= 0 && (attrs & MOUNT_ATTR_RDONLY))
		r = mount_set_attrs(base, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, false, err);
	return r < 0 ? r : 0;
}

int inside_mount(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_mount *m = &l->spec->mounts[s->index];
	int r;

	/* Anything mounted elsewhere might cover it. */
	if (!str_starts(m->destination, "/dev/"))
		fd_close(&l->fresh_dev);
	if (m->remount)
		r = remount(l, m, err);
	else if (m->bind)
		r = mount_bind(l, s, m, err);
	else if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2"))
		r = mount_cgroups(l, m, err);
	else
		r = mount_file_system(l, m, err);
	return r < 0 ? error_wrap(err, "mounts[%zu]", s->index) : 0;
}
