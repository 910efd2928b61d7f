/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs on containers that exist: state, list, kill, delete, pause, resume, pids, update, stats, events.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "runtime/hooks.h"
#include "runtime/launch.h"
#include "runtime/remove.h"
#include "runtime/runtime.h"
#include "runtime/state.h"
#include "safepath/safepath.h"

#define INIT_END_MS 10000 /* how long a killed process may take to go; runc's figure */

/* A container with its group and init, loaded for one verb. */
struct subject {
	struct state state;
	struct cgroup *cgroup; /* owned; NULL when the record names none */
	enum runtime_status status;
	struct pidref init;
};
#define SUBJECT_NONE ((struct subject){.state = STATE_NONE, .init = PIDREF_NONE})
#define autosubject __attribute__((cleanup(subject_done)))

static void subject_done(struct subject *s)
{
	cgroup_free(s->cgroup);
	pidref_done(&s->init);
	state_done(&s->state);
}

static int subject_load(struct runtime *rt, const char *id, struct subject *s, struct error *err)
{
	struct json *cg;
	int r = state_load(rt, id, &s->state, err);

	if (r < 0)
		return r;
	cg = json_get(s->state.doc, "cgroup");
	if (cg) {
		r = cgroup_from_json(cg, &s->cgroup, err);
		if (r < 0)
			return error_wrap(err, "container '%s'", id);
	}
	return state_status(&s->state, &s->status, &s->init, err);
}

static int no_group(const struct subject *s, const char *what, struct error *err)
{
	return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "container '%s' has no control group to %s", s->state.id,
			 what);
}

static int not_running(struct error *err)
{
	return error_set(err, ERROR_CONFLICT, ESRCH, "container not running");
}

int runtime_status(struct runtime *rt, const char *id, enum runtime_status *ret, pid_t *ret_pid, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	*ret = s.status;
	if (ret_pid)
		*ret_pid = s.init.pid;
	return 0;
}

int runtime_state(struct runtime *rt, const char *id, struct json **ret, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	if (r == 0)
		*ret = state_to_json(&s.state, s.status, s.init.pid);
	return r;
}

static void set_owner(struct json *j, uid_t uid)
{
	autofree char *number = mem_printf("#%u", (unsigned)uid);

	json_set(j, "owner", json_new_str(uid == 0 ? "root" : number));
}

int runtime_list(struct runtime *rt, struct json **ret, struct error *err)
{
	autojson struct json *list = json_new_array();
	autodir DIR *dir = NULL;
	int fd;
	struct dirent *d;

	fd = openat(rt->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "list the state root '%s'", rt->root);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return error_sys(err, errno, "list the state root '%s'", rt->root);
	}
	while ((d = readdir(dir))) {
		autosubject struct subject s = SUBJECT_NONE;
		struct error broken;
		struct json *j;

		if (d->d_name[0] == '.' || (d->d_type != DT_DIR && d->d_type != DT_UNKNOWN) ||
		    spec_check_id(d->d_name, &broken) < 0)
			continue;
		if (subject_load(rt, d->d_name, &s, &broken) < 0) {
			log_warn("%s", broken.msg);
			continue;
		}
		j = state_to_json(&s.state, s.status, s.init.pid);
		set_owner(j, s.state.owner);
		json_push(list, j);
	}
	*ret = take_ptr(&list);
	return 0;
}

int runtime_kill(struct runtime *rt, const char *id, int sig, bool all, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	if (all && s.cgroup && !cgroup_is_empty(s.cgroup))
		return cgroup_kill(s.cgroup, sig, err);
	if (s.status == RUNTIME_STOPPED || !s.init.pid)
		return all ? 0 : not_running(err);
	r = pidref_kill(&s.init, sig);
	if (r == -ESRCH)
		return not_running(err);
	if (r < 0)
		return error_sys(err, -r, "signal %d to container '%s'", sig, id);
	/* A frozen process takes the signal only once it is thawed; for the deadly one nobody wants to wait. */
	if (sig == SIGKILL && s.status == RUNTIME_PAUSED)
		return cgroup_thaw(s.cgroup, err);
	return 0;
}

static void run_poststop(const struct state *s, const struct spec *spec)
{
	autojson struct json *j = NULL;
	autobuf struct buf text = BUF_INIT(1 << 20);

	if (!spec || !spec->hooks.count[SPEC_HOOK_POSTSTOP])
		return;
	j = state_to_json(s, RUNTIME_STOPPED, 0);
	if (json_write(j, false, &text))
		hooks_run_all(&spec->hooks, SPEC_HOOK_POSTSTOP, buf_str(&text), FD_NONE);
}

int remove_container(struct runtime *rt, const struct state *s, const struct spec *spec, struct cgroup *cg,
		     struct error *err)
{
	int r = 0;

	/* With a pid namespace of its own nothing outlives init; else others may still be in the group. */
	if (cg && !cgroup_is_empty(cg)) {
		const bool own_pids =
			spec && spec->linux_.ns[SPEC_NS_PID].present && !spec->linux_.ns[SPEC_NS_PID].path;

		/* No pid on record: create was killed while init lived, and nobody else knows that one. */
		if (!own_pids || !s->pid)
			r = cgroup_kill(cg, SIGKILL, err);
		if (r == 0)
			r = cgroup_delete(cg, CGROUP_DELETE_ALL, err);
	}
	if (r == 0)
		r = state_remove(rt, s->id, s->dir_fd, err);
	if (r == 0)
		run_poststop(s, spec);
	return r;
}

static int end_init(struct subject *s, struct error *err)
{
	struct pollfd p = {.fd = s->init.fd, .events = POLLIN};
	int r = pidref_kill(&s->init, SIGKILL);

	if (r < 0 && r != -ESRCH)
		return error_sys(err, -r, "kill container '%s'", s->state.id);
	if (s->cgroup && s->status == RUNTIME_PAUSED)
		(void)cgroup_thaw(s->cgroup, err);
	do
		r = poll(&p, 1, INIT_END_MS);
	while (r < 0 && errno == EINTR);
	return r > 0 ? 0
		     : error_set(err, ERROR_BUSY, EBUSY, "container '%s': container init still running after SIGKILL",
				 s->state.id);
}

/* A group made just before the crash is on no record yet, but the document is there and names it. Nothing was in it. */
static int delete_unrecorded_group(struct runtime *rt, const char *id, struct error *err)
{
	autostate struct state s = STATE_NONE;
	autospec struct spec spec;
	autoclean(cgroup_host_done) struct cgroup_host host = {};
	autocgroup struct cgroup *cg = NULL;
	struct cgroup_request req = {.id = id};
	struct error ignored;
	int r;

	spec_init(&spec);
	s.id = id;
	s.dir_fd = safepath_child(rt->root_fd, id, O_RDONLY | O_DIRECTORY, &ignored);
	if (s.dir_fd < 0 || state_load_spec(&s, &spec, &ignored) < 0)
		return 0; /* without a document there was no group either */
	req.path = spec.linux_.cgroups_path;
	r = cgroup_host_probe(&host, err);
	if (r == 0)
		r = cgroup_locate(&host, &req, &cg, err);
	return r < 0 ? r : cgroup_delete(cg, CGROUP_DELETE_ALL, err);
}

/* What a crash left: a folder whose record cannot be read. */
static int delete_remains(struct runtime *rt, const char *id, struct error *err)
{
	struct error ignored;

	if (spec_check_id(id, &ignored) < 0)
		return 0;
	if (delete_unrecorded_group(rt, id, &ignored) < 0)
		log_warn("%s", ignored.msg);
	return state_remove(rt, id, FD_NONE, err);
}

int runtime_delete(struct runtime *rt, const char *id, bool force, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	autospec struct spec spec;
	struct error broken;
	int r = subject_load(rt, id, &s, err);

	spec_init(&spec);
	if (r < 0) {
		int gone = force || err->kind == ERROR_NOT_FOUND ? delete_remains(rt, id, &broken) : r;

		if (gone < 0 && force)
			*err = broken;
		return gone == 0 && force ? 0 : r;
	}
	if (s.status != RUNTIME_STOPPED && s.status != RUNTIME_CREATED && !force)
		return error_hint((error_set(err, ERROR_CONFLICT, EBUSY,
					     "cannot delete container %s that is not stopped: %s", id,
					     runtime_status_name(s.status)),
				   err),
				  "`kill %s KILL` first, or `delete --force %s`", id, id);
	if (s.init.pid)
		r = end_init(&s, err);
	if (r < 0)
		return r;
	/* Without its document only the hooks are lost. */
	if (state_load_spec(&s.state, &spec, &broken) < 0)
		log_warn("%s", broken.msg);
	return remove_container(rt, &s.state, &spec, s.cgroup, err);
}

int runtime_pause(struct runtime *rt, const char *id, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	if (s.status != RUNTIME_RUNNING && s.status != RUNTIME_CREATED)
		return not_running(err);
	if (!s.cgroup || cgroup_is_empty(s.cgroup))
		return no_group(&s, "freeze", err);
	return cgroup_freeze(s.cgroup, err);
}

int runtime_resume(struct runtime *rt, const char *id, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	if (s.status != RUNTIME_PAUSED)
		return error_set(err, ERROR_CONFLICT, EINVAL, "container not paused");
	return cgroup_thaw(s.cgroup, err);
}

int runtime_pids(struct runtime *rt, const char *id, pid_t **ret, size_t *ret_count, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	struct cgroup_pids pids = {};
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	if (s.cgroup && !cgroup_is_empty(s.cgroup)) {
		r = cgroup_pids(s.cgroup, true, &pids, err);
		if (r < 0)
			return r;
	} else if (s.init.pid) {
		pids.items = mem_dup(&s.init.pid, sizeof(pid_t));
		pids.count = 1;
	}
	*ret = pids.items;
	*ret_count = pids.count;
	return 0;
}

/* A limit of a hierarchy that was not needed so far: join it now, and write that down. */
static int extend_cgroup(struct subject *s, const struct spec_resources *res, struct error *err)
{
	autocgrouphost struct cgroup_host host = {};
	autospec struct spec spec;
	struct cgroup_request req = {.id = s->state.id, .resources = res, .may_hold_processes = true};
	int r = cgroup_host_probe(&host, err);

	spec_init(&spec);
	if (r == 0)
		r = state_load_spec(&s->state, &spec, err);
	req.path = spec.linux_.cgroups_path;
	if (r == 0)
		r = cgroup_extend(s->cgroup, &host, &req, err);
	return r == CGROUP_EXTENDED ? state_save(s->state.dir_fd, &s->state, cgroup_to_json(s->cgroup), err) : r;
}

int runtime_update(struct runtime *rt, const char *id, const struct spec_resources *res, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	if (s.status == RUNTIME_STOPPED)
		return not_running(err);
	if (!s.cgroup || cgroup_is_empty(s.cgroup))
		return no_group(&s, "limit", err);
	r = extend_cgroup(&s, res, err);
	return r < 0 ? r : cgroup_apply(s.cgroup, res, CGROUP_APPLY_UPDATE, err);
}

static struct json *event(const char *type, const char *id, struct json *data)
{
	struct json *j = json_new_object();

	json_set(j, "type", json_new_str(type));
	json_set(j, "id", json_new_str(id));
	if (data)
		json_set(j, "data", data);
	return j;
}

static int stats_event(const struct subject *s, struct json **ret, struct error *err)
{
	autocgroupstats struct cgroup_stats st = {};
	int r;

	if (s->status == RUNTIME_STOPPED || !s->cgroup)
		return error_set(err, ERROR_CONFLICT, ESRCH, "container with id %s is not running", s->state.id);
	r = cgroup_stats(s->cgroup, &st, err);
	if (r == 0)
		*ret = event("stats", s->state.id, cgroup_stats_to_json(&st));
	return r;
}

int runtime_stats(struct runtime *rt, const char *id, struct json **ret, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	int r = subject_load(rt, id, &s, err);

	return r < 0 ? r : stats_event(&s, ret, err);
}

static int print_line(int fd, struct json *j_take, struct error *err)
{
	autojson struct json *j = j_take;
	autobuf struct buf text = BUF_INIT(4u << 20);
	int r;

	if (!json_write(j, false, &text) || !buf_putc(&text, '\n'))
		return error_set(err, ERROR_LIMIT, EFBIG, "the event is too large");
	r = fd_write_all(fd, text.data, text.len);
	return r < 0 ? error_sys(err, -r, "write the event") : 0;
}

static int open_timer(int64_t interval_ns, struct error *err)
{
	struct itimerspec when = {
		.it_interval = {interval_ns / NS_PER_S, interval_ns % NS_PER_S},
		.it_value = {interval_ns / NS_PER_S, interval_ns % NS_PER_S},
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
		return error_sys(err, errno, "make a timer for the figures");
	return fd;
}

static int report_oom(const struct subject *s, struct cgroup_oom_watch *watch, int fd, bool *ret_gone,
		      struct error *err)
{
	uint64_t kills = 0;
	int r = cgroup_oom_watch_read(watch, &kills, ret_gone, err);

	for (; r == 0 && kills; kills--)
		r = print_line(fd, event("oom", s->state.id, NULL), err);
	return r;
}

static int follow(const struct subject *s, int64_t interval_ns, int fd, struct error *err)
{
	struct cgroup_oom_watch watch = CGROUP_OOM_WATCH_NONE;
	struct error no_oom;
	autofd int timer = open_timer(interval_ns, err);
	bool gone = false;
	int r = timer < 0 ? timer : 0;

	if (r == 0 && cgroup_oom_watch_open(s->cgroup, &watch, &no_oom) < 0)
		log_debug("%s", no_oom.msg);
	while (r == 0 && !gone) {
		struct pollfd p[3] = {
			{.fd = s->init.fd, .events = POLLIN},
			{.fd = timer, .events = POLLIN},
			{.fd = watch.fd, .events = POLLIN},
		};
		uint64_t ticks;

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			r = error_sys(err, errno, "wait for events");
		if (r == 0 && p[2].revents)
			r = report_oom(s, &watch, fd, &gone, err);
		if (p[0].revents)
			break;
		if (r == 0 && p[1].revents && read(timer, &ticks, sizeof(ticks)) > 0) {
			struct json *j;

			r = stats_event(s, &j, err);
			if (r == 0)
				r = print_line(fd, j, err);
		}
	}
	cgroup_oom_watch_done(&watch);
	return r;
}

int runtime_events(struct runtime *rt, const char *id, int64_t interval_ns, bool once, int fd, struct error *err)
{
	autosubject struct subject s = SUBJECT_NONE;
	struct json *j;
	int r = subject_load(rt, id, &s, err);

	if (r < 0)
		return r;
	if (interval_ns <= 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--interval: duration interval must be greater than 0");
	if (!once) {
		if (s.status == RUNTIME_STOPPED || !s.cgroup)
			return error_set(err, ERROR_CONFLICT, ESRCH, "container with id %s is not running", id);
		return follow(&s, interval_ns, fd, err);
	}
	r = stats_event(&s, &j, err);
	return r < 0 ? r : print_line(fd, j, err);
}
