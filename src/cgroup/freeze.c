/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping a group and letting it go on. v2 is told once and reports in cgroup.events when the last process has stopped;
 * v1's freezer has no such report, and may stay in FREEZING while a process waits in the kernel or forks, so there the
 * state is read again a bounded number of times, with a thaw now and then to let what blocks it pass.
 *
 * Source: kernel admin-guide/cgroup-v2.rst "cgroup.freeze", cgroup-v1/freezer-subsystem.rst ("FREEZING … retry").
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

#define FREEZE_TIMEOUT_MS 10000
#define V1_TRIES 1000 /* each up to V1_STEP_MS: ten seconds, as with v2 */
#define V1_STEP_MS 10
#define V1_QUICK_TRIES 20 /* most groups freeze within microseconds: no waiting at first */
#define V1_THAW_EVERY 50

static const struct cgroup_dir *freezer_dir(const struct cgroup *cg)
{
	const struct cgroup_dir *d = cgroup_find_v2(cg);

	/* A hybrid host whose cgroup2 is too old to freeze (before 5.2) has joined v1's freezer as well. */
	if (d && cg->mode == CGROUP_MODE_HYBRID && cgroup_find(cg, CGROUP_FREEZER))
		return cgroup_find(cg, CGROUP_FREEZER);
	return d ? d : cgroup_find(cg, CGROUP_FREEZER);
}

int cgroup_dir_frozen(const struct cgroup_dir *d)
{
	char text[32];
	ssize_t n;

	if (!d->v2 && !(d->controllers & CGROUP_BIT(CGROUP_FREEZER)))
		return 0;
	n = cgroupfs_read(d->path, d->v2 ? "cgroup.freeze" : "freezer.state", text, sizeof(text));
	if (n < 0)
		return (int)n;
	return d->v2 ? str_eq(text, "1") : !str_eq(text, "THAWED");
}

int cgroup_is_frozen(const struct cgroup *cg, struct error *err)
{
	const struct cgroup_dir *d = freezer_dir(cg);
	int r;

	if (!d)
		return 0;
	r = cgroup_dir_frozen(d);
	if (r == -ENOENT || r == -ENODEV)
		return 0;
	return r < 0 ? error_sys(err, -r, "read whether %s is frozen", d->path) : r;
}

/* 1: frozen, 0: the time is over, -errno. */
static int wait_frozen_v2(const char *dir)
{
	autofd int fd = cgroupfs_open(dir, "cgroup.events", O_RDONLY);
	int64_t end_ns = clock_monotonic_ns() + FREEZE_TIMEOUT_MS * NS_PER_MS;

	if (fd < 0)
		return fd;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		int64_t left = (end_ns - clock_monotonic_ns()) / NS_PER_MS;
		char text[256];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (strstr(text, "frozen 1"))
			return 1;
		if (left <= 0)
			return 0;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

static int freeze_v2(const char *dir)
{
	int r = cgroupfs_write(dir, "cgroup.freeze", "1");

	return r < 0 ? r : wait_frozen_v2(dir);
}

/* There is nothing to poll on: v1 has no event for this. The kernel looks at the processes when the state is read. */
static int freeze_v1(const char *dir)
{
	for (int i = 0; i < V1_TRIES; i++) {
		char state[32];
		ssize_t n;
		int r;

		/* Forking, or a process in a vfork or ptrace stop, keeps the group from getting there: let it pass. */
		if (i % V1_THAW_EVERY == V1_THAW_EVERY - 1) {
			(void)cgroupfs_write(dir, "freezer.state", "THAWED");
			(void)poll(NULL, 0, 1);
		}
		r = cgroupfs_write(dir, "freezer.state", "FROZEN");
		if (r < 0)
			return r;
		n = cgroupfs_read(dir, "freezer.state", state, sizeof(state));
		if (n < 0)
			return (int)n;
		if (str_eq(state, "FROZEN"))
			return 1;
		if (i >= V1_QUICK_TRIES)
			(void)poll(NULL, 0, V1_STEP_MS);
	}
	return 0;
}

static int thaw_dir(const struct cgroup_dir *d)
{
	return d->v2 ? cgroupfs_write(d->path, "cgroup.freeze", "0")
		     : cgroupfs_write(d->path, "freezer.state", "THAWED");
}

int cgroup_freeze(const struct cgroup *cg, struct error *err)
{
	const struct cgroup_dir *d = freezer_dir(cg);
	int r;

	if (!d)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "cannot pause: the container has no control group to freeze");
	r = d->v2 ? freeze_v2(d->path) : freeze_v1(d->path);
	if (r > 0)
		return 0;
	(void)thaw_dir(d); /* a half stopped container is worse than a running one */
	if (r == 0)
		return error_set(err, ERROR_BUSY, EBUSY, "freeze %s: a process could not be stopped within %d s",
				 d->path, FREEZE_TIMEOUT_MS / 1000);
	return error_sys(err, -r, "freeze %s", d->path);
}

int cgroup_thaw(const struct cgroup *cg, struct error *err)
{
	const struct cgroup_dir *d = freezer_dir(cg);
	int r;

	if (!d)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "cannot resume: the container has no control group");
	r = thaw_dir(d);
	return r < 0 ? error_sys(err, -r, "thaw %s", d->path) : 0;
}
