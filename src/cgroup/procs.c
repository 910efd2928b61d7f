/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a group: listing, signalling all so that none escapes by forking, waiting until the last is gone.
 * v2 (and the cgroup2 side of hybrid) has the means built in: cgroup.kill and the events file. v1 has neither: there the
 * group is frozen, so that the list holds still, each process is signalled, and the group is thawed.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

#define KILL_ROUNDS 100 /* without a freezer: each round catches what the round before forked */

void cgroup_pids_done(struct cgroup_pids *p)
{
	free(p->items);
	*p = (struct cgroup_pids){};
}

/* The numbers in a cgroup.procs text. 0 stands for a process outside of our pid namespace. */
static void parse_pids(const char *text, struct cgroup_pids *out)
{
	uint64_t n = 0;

	for (; *text; text++) {
		if (*text >= '0' && *text <= '9') {
			n = n > INT32_MAX ? n : n * 10 + (uint64_t)(*text - '0');
			continue;
		}
		if (n > 0 && n <= INT32_MAX)
			VEC_PUSH(out->items, out->count) = (pid_t)n;
		n = 0;
	}
	if (n > 0 && n <= INT32_MAX)
		VEC_PUSH(out->items, out->count) = (pid_t)n;
}

/* Adds to @ret. A threaded group cannot list processes (EOPNOTSUPP); they are listed by the domain above it. */
int cgroup_read_procs(const char *dir, struct cgroup_pids *ret)
{
	autobuf struct buf text = BUF_INIT(CGROUP_FILE_MAX);
	int r = cgroupfs_read_buf(dir, "cgroup.procs", &text);

	if (r < 0)
		return r;
	parse_pids(buf_str(&text), ret);
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static void sort_pids(struct cgroup_pids *p)
{
	size_t kept = 0;

	if (p->count == 0)
		return;
	qsort(p->items, p->count, sizeof(*p->items), compare_pids);
	for (size_t i = 0; i < p->count; i++)
		if (kept == 0 || p->items[kept - 1] != p->items[i])
			p->items[kept++] = p->items[i];
	p->count = kept;
}

static int add_procs(const char *dir, void *arg)
{
	int r = cgroup_read_procs(dir, arg);

	return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
}

static int list_dir(const char *dir, bool recursive, struct cgroup_pids *ret, struct error *err)
{
	int r = add_procs(dir, ret);

	if (r == 0 && recursive)
		r = cgroupfs_walk(dir, CGROUP_DEPTH_MAX, add_procs, ret);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return error_sys(err, -r, "list the processes of %s", dir);
	sort_pids(ret);
	return 0;
}

/* The hierarchy whose list is taken: cgroup2's where there is one, since processes are born into it. */
static const struct cgroup_dir *listing_dir(const struct cgroup *cg)
{
	const struct cgroup_dir *d = cgroup_find_v2(cg);

	if (!d)
		d = cgroup_find(cg, CGROUP_FREEZER);
	if (!d)
		d = cgroup_find(cg, CGROUP_DEVICES);
	return d ? d : cg->count ? &cg->dirs[0] : NULL;
}

int cgroup_pids(const struct cgroup *cg, bool recursive, struct cgroup_pids *ret, struct error *err)
{
	autocgrouppids struct cgroup_pids out = {};
	const struct cgroup_dir *d = listing_dir(cg);
	int r;

	if (d) {
		r = list_dir(d->path, recursive, &out, err);
		if (r < 0)
			return r;
	}
	*ret = out;
	out = (struct cgroup_pids){};
	return 0;
}

/* ---- signalling ---- */

/* Signal all that are listed; @ret_count how many were there. */
static int signal_listed(const char *dir, int sig, size_t *ret_count, struct error *err)
{
	autocgrouppids struct cgroup_pids pids = {};
	int r = list_dir(dir, true, &pids, err);

	if (r < 0)
		return r;
	*ret_count = pids.count;
	for (size_t i = 0; i < pids.count; i++) {
		autopidref struct pidref p = PIDREF_NONE;
		struct error gone;

		if (pidref_open(pids.items[i], 0, &p, &gone) < 0)
			continue;
		r = pidref_kill(&p, sig);
		if (r < 0 && r != -ESRCH)
			return error_sys(err, -r, "send signal %d to process %d of %s", sig, (int)pids.items[i], dir);
	}
	return 0;
}

/* Without any freezer: repeat until a round finds nothing new. Only for SIGKILL, where repeating does no harm; other
 * signals are sent once to those who are there. */
static int signal_moving(const char *dir, int sig, struct error *err)
{
	size_t count = 0;
	int r = 0;

	for (int round = 0; round < KILL_ROUNDS; round++) {
		r = signal_listed(dir, sig, &count, err);
		if (r < 0 || count == 0 || sig != SIGKILL)
			return r;
	}
	return 0;
}

/* The list holds still while the group is frozen. v1's frozen processes do not even die, so thawing is part of killing;
 * a group that was paused before stays paused for other signals. */
static int signal_frozen(const struct cgroup *cg, const char *dir, int sig, struct error *err)
{
	struct error thaw_err;
	bool was_frozen = cgroup_is_frozen(cg, err) == 1;
	size_t count;
	int r;

	if (!was_frozen && cgroup_freeze(cg, err) < 0) {
		log_debug("%s; signalling without it", err->msg);
		return signal_moving(dir, sig, err);
	}
	r = signal_listed(dir, sig, &count, err);
	if ((!was_frozen || sig == SIGKILL) && cgroup_thaw(cg, &thaw_err) < 0 && r == 0) {
		*err = thaw_err;
		r = -err->code;
	}
	return r;
}

int cgroup_kill(const struct cgroup *cg, int sig, struct error *err)
{
	const struct cgroup_dir *v2 = cgroup_find_v2(cg), *list = listing_dir(cg), *freezer;
	int r;

	if (!list)
		return 0;
	if (v2 && sig == SIGKILL) {
		r = cgroupfs_write(v2->path, "cgroup.kill", "1");
		if (r == 0 || r == -ENODEV)
			return 0;
		if (r != -ENOENT) /* ENOENT: before Linux 5.14, or the group is gone */
			return error_sys(err, -r, "kill the processes of %s", v2->path);
	}
	freezer = v2 ? v2 : cgroup_find(cg, CGROUP_FREEZER);
	if (!freezer || cgroup_dir_frozen(freezer) < 0)
		return signal_moving(list->path, sig, err);
	return signal_frozen(cg, list->path, sig, err);
}

/* ---- waiting ---- */

static int64_t ms_left(int64_t end_ns)
{
	int64_t left = end_ns - clock_monotonic_ns();

	return left <= 0 ? 0 : left / NS_PER_MS + 1;
}

/* 1: still populated at the end, 0 empty or gone, <0 -errno. The events file polls POLLPRI when "populated" changes. */
static int wait_events(const char *dir, int64_t end_ns)
{
	autofd int fd = cgroupfs_open(dir, "cgroup.events", O_RDONLY);

	if (fd < 0)
		return fd == -ENOENT || fd == -ENODEV ? 0 : fd;
	for (;;) {
		char text[256];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		int64_t left = ms_left(end_ns);

		if (n < 0)
			return errno == ENODEV ? 0 : -errno;
		text[n] = '\0';
		if (strstr(text, "populated 0"))
			return 0;
		if (left == 0)
			return 1;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}

/* The same with the means of v1: wait for one listed process after the other. */
static int wait_listed(const char *dir, int64_t end_ns, struct error *err)
{
	for (;;) {
		autocgrouppids struct cgroup_pids pids = {};
		int r = list_dir(dir, true, &pids, err);

		if (r < 0)
			return r;
		if (pids.count == 0)
			return 0;
		for (size_t i = 0; i < pids.count; i++) {
			autopidref struct pidref p = PIDREF_NONE;
			struct error gone;
			struct pollfd pfd;

			if (pidref_open(pids.items[i], 0, &p, &gone) < 0)
				continue;
			pfd = (struct pollfd){.fd = p.fd, .events = POLLIN};
			if (poll(&pfd, 1, (int)ms_left(end_ns)) < 0 && errno != EINTR)
				return error_sys(err, errno, "wait for process %d", (int)pids.items[i]);
		}
		if (ms_left(end_ns) == 0)
			return 1;
	}
}

static int still_there(const char *dir, struct error *err)
{
	autocgrouppids struct cgroup_pids pids = {};
	int r = list_dir(dir, true, &pids, err);

	if (r < 0)
		return r;
	return error_set(err, ERROR_BUSY, EBUSY, "%s still holds %zu process(es), one of them is %d", dir, pids.count,
			 pids.count ? (int)pids.items[0] : 0);
}

int cgroup_wait_empty(const struct cgroup *cg, int timeout_ms, struct error *err)
{
	const struct cgroup_dir *v2 = cgroup_find_v2(cg);
	int64_t end_ns = clock_monotonic_ns() + (int64_t)timeout_ms * NS_PER_MS;
	int r;

	if (v2) {
		r = wait_events(v2->path, end_ns);
		if (r < 0)
			return error_sys(err, -r, "wait until %s is empty", v2->path);
		return r > 0 ? still_there(v2->path, err) : 0;
	}
	for (size_t i = 0; i < cg->count; i++) {
		r = wait_listed(cg->dirs[i].path, end_ns, err);
		if (r != 0)
			return r < 0 ? r : still_there(cg->dirs[i].path, err);
	}
	return 0;
}
