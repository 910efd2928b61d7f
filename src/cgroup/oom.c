/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills by the out-of-memory killer: counted, and watched through an fd that fits into a poll loop. v2: inotify on
 * memory.events (the kernel raises "modified") and on cgroup.events, to learn of the end; v1: an eventfd registered in
 * cgroup.event_control, which is raised for each kill and once when the group is removed.
 *
 * Source: kernel admin-guide/cgroup-v1/memory.rst "OOM Control", cgroup-v2.rst "memory.events".
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

void cgroup_oom_watch_done(struct cgroup_oom_watch *w)
{
	fd_close(&w->fd);
	fd_close(&w->events_fd);
}

/* The number behind "oom_kill " in @text. */
static uint64_t count_in(const char *text)
{
	uint64_t v = 0;

	for (const char *at = text; at; at = (at = strchr(at, '\n')) ? at + 1 : NULL) {
		char number[24];
		size_t len;

		if (!str_starts(at, "oom_kill "))
			continue;
		at += strlen("oom_kill ");
		len = strcspn(at, "\n");
		if (len < sizeof(number)) {
			memcpy(number, at, len);
			number[len] = '\0';
			(void)str_to_u64(number, &v); /* no number: 0 */
		}
	}
	return v;
}

/* Returns 0, or -errno (-ENODEV: the group was removed). */
static int read_count(int fd, uint64_t *ret)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	*ret = count_in(text);
	return 0;
}

static const char *file_for(const struct cgroup_dir *d)
{
	return d->v2 ? "memory.events" : "memory.oom_control";
}

static int watch_v2(const struct cgroup_dir *d, struct cgroup_oom_watch *w, struct error *err)
{
	static const char *const files[] = {"memory.events", "cgroup.events"};

	w->v2 = true;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0)
		return error_sys(err, errno, "make an inotify instance to watch %s", d->path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = cgroupfs_watch(w->fd, d->path, files[i]);

		if (r < 0)
			return error_sys(err, -r, "watch %s of %s", files[i], d->path);
	}
	return 0;
}

static int watch_v1(const struct cgroup_dir *d, struct cgroup_oom_watch *w, struct error *err)
{
	char text[64];
	int r;

	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return error_sys(err, errno, "make an eventfd to watch %s", d->path);
	(void)snprintf(text, sizeof(text), "%d %d", w->fd, w->events_fd);
	r = cgroupfs_write(d->path, "cgroup.event_control", text);
	return r < 0 ? error_sys(err, -r, "watch memory.oom_control of %s", d->path) : 0;
}

int cgroup_oom_watch_open(const struct cgroup *cg, struct cgroup_oom_watch *ret, struct error *err)
{
	__attribute__((cleanup(cgroup_oom_watch_done))) struct cgroup_oom_watch w = CGROUP_OOM_WATCH_NONE;
	const struct cgroup_dir *d = cgroup_find(cg, CGROUP_MEMORY);
	int r;

	if (!d)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "cannot watch for out of memory: no memory controller");
	w.events_fd = cgroupfs_open(d->path, file_for(d), O_RDONLY);
	if (w.events_fd == -ENOENT)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "cannot watch for out of memory: no %s in %s",
				 file_for(d), d->path);
	if (w.events_fd < 0)
		return error_sys(err, -w.events_fd, "open %s of %s", file_for(d), d->path);
	r = d->v2 ? watch_v2(d, &w, err) : watch_v1(d, &w, err);
	if (r < 0)
		return r;
	r = read_count(w.events_fd, &w.kills);
	if (r < 0)
		return error_sys(err, -r, "read %s of %s", file_for(d), d->path);
	*ret = w;
	w = CGROUP_OOM_WATCH_NONE;
	return 0;
}

int cgroup_oom_watch_read(struct cgroup_oom_watch *w, uint64_t *ret_kills, bool *ret_gone, struct error *err)
{
	char drain[4096];
	uint64_t now = w->kills;
	ssize_t n;
	int r;

	do
		n = read(w->fd, drain, sizeof(drain));
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 && errno != EAGAIN)
		return error_sys(err, errno, "read out-of-memory events");
	r = read_count(w->events_fd, &now);
	if (r < 0 && r != -ENODEV && r != -ENOENT)
		return error_sys(err, -r, "read the count of out-of-memory kills");
	*ret_gone = r < 0;
	*ret_kills = now > w->kills ? now - w->kills : 0;
	w->kills = now;
	return 0;
}

int cgroup_oom_kills(const struct cgroup *cg, uint64_t *ret, struct error *err)
{
	const struct cgroup_dir *d = cgroup_find(cg, CGROUP_MEMORY);
	char text[1024];
	ssize_t n;

	*ret = 0;
	if (!d)
		return 0;
	n = cgroupfs_read(d->path, file_for(d), text, sizeof(text));
	if (n == -ENOENT || n == -ENODEV)
		return 0;
	if (n < 0)
		return error_sys(err, (int)-n, "read %s of %s", file_for(d), d->path);
	*ret = count_in(text);
	return 0;
}
