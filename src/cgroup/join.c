/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting processes into the group. The cheap way, used for a container's first process and for exec: the child is born
 * into the cgroup2 directory (CLONE_INTO_CGROUP) and writes "0" to files that were opened before it existed.
 *
 * On v1 the file is `tasks`, not `cgroup.procs`: moving "the calling thread" needs no lock over the whole machine, while
 * moving a process waits for an RCU grace period (measured: 0.04 ms against 1 to 13 ms, docs/cgroups.md). A process with
 * one thread, and only such a one calls this, is moved whole by either.
 *
 * Rights are those of the opener (kernel since 5.16; before, those of the writer, who is then still ours).
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

#define ATTACH_TRIES 5 /* EINVAL: the process is just being made (TASK_NEW) */

void cgroup_join_done(struct cgroup_join *j)
{
	fd_close(&j->clone_fd);
	/* Opened one after the other they mostly have numbers in a row. */
	fd_close_all(j->fds, j->count);
	j->count = 0;
}

/* Open what is needed to join @path in the hierarchy of @d. */
static int open_one(const struct cgroup_dir *d, const char *path, struct cgroup_join *j, struct error *err)
{
	int fd = d->v2 ? cgroupfs_open(path, "", O_PATH | O_DIRECTORY) : cgroupfs_open(path, "tasks", O_WRONLY);

	if (fd < 0)
		return error_sys(err, -fd, "open the control group %s", path);
	if (d->v2)
		j->clone_fd = fd;
	else
		j->fds[j->count++] = fd;
	return 0;
}

static int hand_over(struct cgroup_join *from, struct cgroup_join *ret)
{
	*ret = *from;
	*from = CGROUP_JOIN_NONE;
	return 0;
}

int cgroup_join_open(const struct cgroup *cg, struct cgroup_join *ret, struct error *err)
{
	autocgroupjoin struct cgroup_join j = CGROUP_JOIN_NONE;

	for (size_t i = 0; i < cg->count; i++) {
		int r = open_one(&cg->dirs[i], cg->dirs[i].path, &j, err);

		if (r < 0)
			return r;
	}
	return hand_over(&j, ret);
}

/* ---- exec --cgroup ---- */

/* "CTRL[,CTRL]:PATH" applies to those hierarchies, "PATH" to all. */
static bool sub_applies(const struct cgroup_dir *d, const char *sub, const char **ret_path)
{
	const char *colon = strchr(sub, ':');
	autofree char *list = NULL;
	char label[128];

	*ret_path = colon ? colon + 1 : sub;
	if (!colon)
		return true;
	list = mem_strndup(sub, (size_t)(colon - sub));
	if (d->controllers & (d->v2 ? cgroup_parse_controllers(list, ' ') : cgroup_parse_controllers(list, ',')))
		return true;
	cgroup_dir_label(d, label);
	return str_eq(list, label) || (str_starts(list, "name=") && str_eq(list + 5, label));
}

static int check_sub(const struct cgroup *cg, const char *sub, struct error *err)
{
	const char *colon = strchr(sub, ':'), *path;

	if (colon && cg->mode == CGROUP_MODE_V2)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--cgroup %s: with cgroup v2 there is one hierarchy, give a path without controllers",
				 sub);
	for (size_t i = 0; i < cg->count; i++)
		if (sub_applies(&cg->dirs[i], sub, &path))
			return cgroup_path_check(path, "bad sub cgroup path", err);
	return error_set(err, ERROR_INVALID, EINVAL, "--cgroup %s: the container is in no such hierarchy", sub);
}

int cgroup_join_open_sub(const struct cgroup *cg, const struct spec_strs *subs, struct cgroup_join *ret,
			 struct error *err)
{
	autocgroupjoin struct cgroup_join j = CGROUP_JOIN_NONE;
	int r;

	for (size_t s = 0; s < subs->count; s++) {
		r = check_sub(cg, subs->items[s], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < cg->count; i++) {
		const char *below = "", *path;
		autofree char *full = NULL;

		for (size_t s = 0; s < subs->count; s++)
			if (sub_applies(&cg->dirs[i], subs->items[s], &path))
				below = path; /* the last one wins */
		while (*below == '/')
			below++;
		full = *below ? mem_printf("%s/%s", cg->dirs[i].path, below) : mem_strdup(cg->dirs[i].path);
		r = open_one(&cg->dirs[i], full, &j, err);
		if (r < 0)
			return r;
	}
	return hand_over(&j, ret);
}

/* ---- where a process is ---- */

/* The path that /proc/pid/cgroup has for the hierarchy of @d, in @text. NULL: not listed. Allocates. */
static char *shown_for(const char *text, const struct cgroup_dir *d)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		autofree char *line = mem_strndup(text, len);
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		bool match = false;

		text += len + (text[len] == '\n');
		if (!path)
			continue;
		*path++ = '\0';
		list++;
		if (d->v2)
			match = *list == '\0';
		else if (d->name)
			match = str_starts(list, "name=") && str_eq(list + 5, d->name);
		else
			match = (cgroup_parse_controllers(list, ',') & d->controllers) != 0;
		if (match)
			return mem_strdup(path);
	}
	return NULL;
}

static int read_where(pid_t pid, struct buf *out, struct error *err)
{
	char dir[32];
	int r;

	(void)snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	r = cgroupfs_read_buf(dir, "cgroup", out);
	return r < 0 ? error_sys(err, r == -ENOENT ? ESRCH : -r, "read the control groups of process %d", (int)pid) : 0;
}

/* What follows the group's own path in what is shown: "" in it, "/x" below it, NULL elsewhere. */
static const char *below_group(const struct cgroup_dir *d, const char *shown)
{
	size_t len = strlen(d->shown);
	const char *at = shown;

	/* Mostly a prefix. A mount whose root lies above ours (its mountinfo root is "/..") shows more in front. */
	while (at && strncmp(at, d->shown, len) != 0)
		at = strchr(at + 1, '/');
	if (!at || (at != shown && !str_starts(shown, "/..")))
		return NULL;
	return at[len] == '\0' || at[len] == '/' ? at + len : NULL;
}

int cgroup_join_open_like(const struct cgroup *cg, pid_t pid, struct cgroup_join *ret, struct error *err)
{
	autocgroupjoin struct cgroup_join j = CGROUP_JOIN_NONE;
	autobuf struct buf text = BUF_INIT(64u << 10);
	int r = read_where(pid, &text, err);

	for (size_t i = 0; r == 0 && i < cg->count; i++) {
		const struct cgroup_dir *d = &cg->dirs[i];
		autofree char *shown = shown_for(buf_str(&text), d), *full = NULL;
		const char *below = shown ? below_group(d, shown) : NULL;

		if (!below)
			return error_set(err, ERROR_CONFLICT, EBUSY,
					 "process %d is in %s, not in the container's group %s", (int)pid,
					 shown ? shown : "no group", d->path);
		full = mem_printf("%s%s", d->path, below);
		r = cgroup_path_check(full, "control group", err);
		if (r == 0)
			r = open_one(d, full, &j, err);
	}
	return r < 0 ? r : hand_over(&j, ret);
}

int cgroup_verify(const struct cgroup *cg, pid_t pid, struct error *err)
{
	autobuf struct buf text = BUF_INIT(64u << 10);
	int r;

	if (cg->count == 0)
		return 0;
	r = read_where(pid, &text, err);
	for (size_t i = 0; r == 0 && i < cg->count; i++) {
		autofree char *shown = shown_for(buf_str(&text), &cg->dirs[i]);
		char label[128];

		if (shown && below_group(&cg->dirs[i], shown))
			continue;
		cgroup_dir_label(&cg->dirs[i], label);
		return error_set(err, ERROR_INTERNAL, EBADE,
				 "process %d is in the %s group \"%s\" and not in %s: its limits would not hold",
				 (int)pid, label, shown ? shown : "none", cg->dirs[i].path);
	}
	return r;
}

/* ---- joining ---- */

/* Async-signal-safe: only write(2), and openat(2) where the kernel could not clone into the group. */
int cgroup_join_self(const struct cgroup_join *j, bool cloned)
{
	for (size_t i = 0; i < j->count; i++)
		if (write(j->fds[i], "0", 1) < 0)
			return -errno;
	if (j->clone_fd >= 0 && !cloned) {
		int fd = openat(j->clone_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC), r = 0;

		if (fd < 0)
			return -errno;
		if (write(fd, "0", 1) < 0)
			r = -errno;
		close(fd);
		return r;
	}
	return 0;
}

int cgroup_attach(const struct cgroup *cg, pid_t pid, struct error *err)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < cg->count; i++) {
		int r = -EINVAL;

		for (int try = 0; try < ATTACH_TRIES && r == -EINVAL; try++)
			r = cgroupfs_write(cg->dirs[i].path, "cgroup.procs", text);
		if (r < 0)
			return error_sys(err, -r, "move process %d into %s", (int)pid, cg->dirs[i].path);
	}
	return cgroup_verify(cg, pid, err);
}
