/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: nodes, links and the console. All names are made relative to descriptors inside the root, so that a link in the
 * image's /dev leads nowhere (V08, CVE-2026-41579). Where mknod is refused (a user namespace), the host's node is bound
 * instead.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/inside.h"

static mode_t node_type(char t)
{
	return t == 'b' ? S_IFBLK : t == 'p' ? S_IFIFO : S_IFCHR;
}

/* Is @fd the node that the document means? */
static bool is_node(int fd, const struct spec_device *d)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != node_type(d->type))
		return false;
	return d->type == 'p' || st.st_rdev == makedev(d->major, d->minor);
}

static int bind_node(struct launch *l, const struct spec_device *d, int source, struct error *err)
{
	autofd int tree = source;
	autofd int place = FD_NONE;
	int r;

	if (tree < 0)
		tree = mount_clone(AT_FDCWD, d->path, false, 0, err);
	if (tree < 0)
		return tree;
	if (!is_node(tree, d))
		return error_hint((error_set(err, ERROR_UNSUPPORTED, ENODEV,
					     "the host's '%s' is not the device %c %u:%u", d->path, d->type, d->major,
					     d->minor),
				   err),
				  "in a user namespace only nodes that exist on the host can be given to a container");
	r = mount_set_attrs(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0, FD_NONE, false, err);
	if (r == 0)
		r = safepath_make_target(l->new_root, d->path, false, false, 0755, SAFEPATH_KEEP, &place, err);
	return r < 0 ? r : mount_attach(tree, place, d->path, err);
}

/* A tmpfs that this document mounts on /dev has only what we put there. */
static bool dev_is_ours(const struct spec *s)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if (str_eq(s->mounts[i].destination, "/dev"))
			return str_eq(s->mounts[i].type, "tmpfs") && !s->mounts[i].tmpcopyup;
	return false;
}

static bool is_in_dev(const char *path)
{
	return strncmp(path, "/dev/", 5) == 0 && !strchr(path + 5, '/');
}

/* The folder of @path, made when it is missing. */
static int open_parent(struct launch *l, const char *path, char name[static 256], int *ret, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (str_copy(name, 256, slash + 1) < 0 || (size_t)(slash - path) >= sizeof(dir))
		return error_set(err, ERROR_LIMIT, ENAMETOOLONG, "device path '%s' is too long", path);
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return safepath_mkdir_all(l->new_root, dir[0] ? dir : "/", 0755, SAFEPATH_KEEP, ret, err);
}

static int make_node(struct launch *l, const struct spec_device *d, struct error *err)
{
	const struct safepath_owner owner = {d->uid.set ? (uid_t)d->uid.v : 0, d->gid.set ? (gid_t)d->gid.v : 0};
	const mode_t mode = node_type(d->type) | (d->mode.set ? (mode_t)d->mode.v & 07777 : 0666);
	autofd int parent = FD_NONE;
	autofd int there = FD_NONE;
	struct error probe;
	char name[256];
	int r;

	if (l->dev_dir < 0 && dev_is_ours(l->spec)) {
		l->dev_dir = safepath_open_dir(l->new_root, "/dev", true, err);
		if (l->dev_dir < 0)
			return l->dev_dir;
	}
	/* The usual case in one call; a name that is taken goes the long way. */
	if (l->dev_dir >= 0 && is_in_dev(d->path) && !owner.uid && !owner.gid &&
	    safepath_new_node(l->dev_dir, d->path + 5, mode, makedev(d->major, d->minor), &probe) == 0)
		return 0;
	r = open_parent(l, d->path, name, &parent, err);
	if (r < 0)
		return r;
	r = safepath_mknod(parent, name, mode, makedev(d->major, d->minor), &owner, NULL, err);
	if (r >= 0 || err->kind != ERROR_CONFLICT)
		return r;
	there = safepath_child(parent, name, O_PATH | O_NOFOLLOW, &probe);
	if (there >= 0 && is_node(there, d))
		return 0;
	/* The image has something else of that name: the real node covers it. */
	return d->type == 'p' ? r : bind_node(l, d, FD_NONE, err);
}

int inside_device(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_device *d = &l->plan.devices[s->index];
	int source = FD_NONE;

	if (!l->plan.bind_devices || d->type == 'p')
		return make_node(l, d, err);
	if (l->device_fds)
		source = take_fd(&l->device_fds[s->index]);
	return bind_node(l, d, source, err);
}

int inside_dev_links(struct launch *l, const struct plan_step *s, struct error *err)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
	};
	autofd int opened = FD_NONE;
	struct stat st;
	int r = l->dev_dir >= 0 ? 0 : safepath_mkdir_all(l->new_root, "/dev", 0755, SAFEPATH_KEEP, &opened, err);
	const int dev = l->dev_dir >= 0 ? l->dev_dir : opened;

	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(links) && r >= 0; i++) {
		r = safepath_symlink(dev, links[i].name, links[i].target, SAFEPATH_KEEP, err);
		if (r < 0 && err->kind == ERROR_CONFLICT)
			r = 0;
	}
	/* The image's own ptmx would be the host's. */
	if (r >= 0 && safepath_stat(dev, "pts", &st) == 0) {
		r = safepath_unlink(dev, "ptmx", true, err);
		if (r >= 0)
			r = safepath_symlink(dev, "ptmx", "pts/ptmx", SAFEPATH_KEEP, err);
	}
	return r < 0 ? r : 0;
}

static int cover_console(struct launch *l, int peer, struct error *err)
{
	autofd int place = FD_NONE;
	autofd int tree = mount_clone(peer, "", false, 0, err);
	int r;

	if (tree < 0)
		return tree;
	r = safepath_make_target(l->new_root, "/dev/console", false, false, 0755, SAFEPATH_KEEP, &place, err);
	return r < 0 ? r : mount_attach(tree, place, "/dev/console", err);
}

/* The console receiver wants the peer's name and the master's descriptor in one message. */
static int hand_over(struct launch *l, int master, struct error *err)
{
	char name[32];
	int n = pty_number(master);
	int r;

	if (l->console_fd < 0) {
		r = launch_send(l->sync_inside, LAUNCH_CONSOLE, 0, NULL, master);
	} else {
		(void)snprintf(name, sizeof(name), "/dev/pts/%d", n < 0 ? 0 : n);
		r = fd_send(l->console_fd, name, strlen(name), &master, 1);
		fd_close(&l->console_fd);
	}
	return r < 0 ? error_sys(err, -r, "send the terminal to '%s'",
				 l->opt->console_socket ? l->opt->console_socket : "bothy-oci")
		     : 0;
}

int inside_console(struct launch *l, const struct plan_step *s, struct error *err)
{
	const struct spec_process *p = &l->spec->process;
	autofd int devpts = safepath_open_dir(l->new_root, "/dev/pts", true, err);
	autofd int master = FD_NONE;
	autofd int peer = FD_NONE;
	int r;

	(void)s;
	if (devpts < 0)
		return error_hint(err, "process.terminal needs a devpts mount at /dev/pts");
	r = pty_open(devpts, &master, &peer, err);
	if (r < 0)
		return r;
	if (p->console_rows && p->console_cols)
		r = pty_set_size(master, p->console_rows, p->console_cols, err);
	if (r == 0)
		r = cover_console(l, peer, err);
	/* A last clone makes the session that has it. */
	if (r == 0 && !l->plan.late_pid)
		r = pty_make_controlling(peer, err);
	if (r == 0)
		r = hand_over(l, master, err);
	return r < 0 ? r : pty_to_stdio(peer, err);
}
