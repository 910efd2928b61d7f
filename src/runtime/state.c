/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of containers on disk. Every reader tolerates a missing or torn record: such a container "does not exist" (its
 * folder can still be deleted). Whether a container runs is never read from the record but asked from the kernel.
 */
#include "runtime/state.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "safepath/safepath.h"

#define RECORD_MAX_BYTES (4u << 20)

void state_done(struct state *s)
{
	fd_close(&s->dir_fd);
	json_unref(s->doc);
	s->doc = NULL;
	arena_done(&s->arena);
}

static int no_such_container(const char *id, struct error *err)
{
	error_set(err, ERROR_NOT_FOUND, ENOENT, "container '%s' does not exist", id);
	return error_hint(err, "`list` shows the containers of this --root");
}

int state_create(struct runtime *rt, const char *id, int *ret_dir_fd, struct error *err)
{
	autofd int fd = FD_NONE;
	int r = safepath_mkdir(rt->root_fd, id, 0700, SAFEPATH_KEEP, &fd, err);

	if (r == 0 || (r < 0 && err->kind == ERROR_CONFLICT))
		return error_set(err, ERROR_CONFLICT, EEXIST,
				 "container '%s' already exists: container with given ID already exists", id);
	if (r < 0)
		return error_wrap(err, "state root '%s'", rt->root);
	*ret_dir_fd = take_fd(&fd);
	return 0;
}

int state_remove(struct runtime *rt, const char *id, int dir_fd, struct error *err)
{
	/* Our own few files, by name (the socket only of a container that was never started); whatever else may be there goes
	 * the long way. */
	static const char *const files[] = {STATE_RECORD, STATE_CONFIG, NULL, STATE_START, NULL};
	struct error ignored;
	autofd int opened = dir_fd >= 0 ? FD_NONE : safepath_child(rt->root_fd, id, O_PATH | O_DIRECTORY, &ignored);
	const int dir = dir_fd >= 0 ? dir_fd : opened;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(files) && dir >= 0; i++) {
		if (files[i])
			(void)safepath_unlink(dir, files[i], true, &ignored);
		else if (safepath_rmdir(rt->root_fd, id, true, &ignored) == 0)
			return 0;
	}
	r = safepath_remove_tree(rt->root_fd, id, err);
	return r < 0 ? error_wrap(err, "remove the state of container '%s'", id) : 0;
}

static int add_annotation(const char *key, struct json *value, void *arg)
{
	struct state *s = arg;

	if (json_str(value))
		spec_map_set(&s->arena, &s->annotations, key, json_str(value));
	return 0;
}

static const char *member(struct state *s, const char *key)
{
	const char *v = json_str(json_get(s->doc, key));

	return v ? arena_strdup(&s->arena, v) : "";
}

/* A record that we did not write, or not like this. A pid counts only with the time its process began: without it the
 * number could by now be anybody's, and `delete --force` kills it. */
static bool is_damaged(const struct state *s, int64_t schema, int64_t pid)
{
	struct json *cg = json_get(s->doc, "cgroup");
	autocgroup struct cgroup *group = NULL;
	struct error ignored;

	return schema != STATE_SCHEMA || !str_eq(json_str(json_get(s->doc, "id")), s->id) || pid < 0 ||
	       pid > INT32_MAX || (pid && !s->start_time) || (cg && cgroup_from_json(cg, &group, &ignored) < 0);
}

/* Returns 0, or -EUCLEAN for what no verb should act on. */
static int fill(struct state *s)
{
	int64_t schema = 0;
	int64_t pid = -1;
	int64_t owner = 0;

	(void)json_i64(json_get(s->doc, "schema"), &schema);
	(void)json_i64(json_get(s->doc, "pid"), &pid);
	(void)json_u64(json_get(s->doc, "startTime"), &s->start_time);
	(void)json_i64(json_get(s->doc, "owner"), &owner);
	if (is_damaged(s, schema, pid))
		return -EUCLEAN;
	s->pid = (pid_t)pid;
	s->owner = (uid_t)owner;
	s->oci_version = member(s, "ociVersion");
	s->bundle = member(s, "bundle");
	s->rootfs = member(s, "rootfs");
	s->created = member(s, "created");
	(void)json_each(json_get(s->doc, "annotations"), add_annotation, s);
	return 0;
}

int state_load(struct runtime *rt, const char *id, struct state *ret, struct error *err)
{
	autostate struct state s = STATE_NONE;
	autobuf struct buf text = BUF_INIT(RECORD_MAX_BYTES);
	int r = spec_check_id(id, err);

	if (r < 0)
		return r;
	if (rt->root_fd < 0)
		return no_such_container(id, err);
	s.dir_fd = safepath_child(rt->root_fd, id, O_RDONLY | O_DIRECTORY, err);
	if (s.dir_fd < 0)
		return err->kind == ERROR_NOT_FOUND ? no_such_container(id, err) : s.dir_fd;
	r = safepath_read_file(s.dir_fd, STATE_RECORD, &text, err);
	if (r < 0)
		return err->kind == ERROR_NOT_FOUND ? no_such_container(id, err) : r;
	s.id = arena_strdup(&s.arena, id);
	/* A torn record is a container that never came to be. */
	if (json_parse(buf_str(&text), text.len, STATE_RECORD, &s.doc, err) < 0 || fill(&s) < 0) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "container '%s' does not exist: its record is damaged", id);
		return error_hint(err, "`delete --force %s` removes what is left of it", id);
	}
	*ret = s;
	s = STATE_NONE;
	return 0;
}

static struct json *annotations_to_json(const struct spec_map *m)
{
	struct json *j = json_new_object();

	for (size_t i = 0; i < m->count; i++)
		json_set(j, m->items[i].key, json_new_str(m->items[i].value));
	return j;
}

int state_write_new(int dir_fd, const char *name, const void *data, size_t len, struct error *err)
{
	autofd int fd = safepath_create_file(dir_fd, name, O_WRONLY, 0600, SAFEPATH_KEEP, err);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_all(fd, data, len);
	return r < 0 ? error_sys(err, -r, "write '%s'", name) : 0;
}

int state_save(int dir_fd, const struct state *s, struct json *cgroup_take, struct error *err)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(RECORD_MAX_BYTES);

	json_set(j, "schema", json_new_i64(STATE_SCHEMA));
	json_set(j, "ociVersion", json_new_str(s->oci_version));
	json_set(j, "id", json_new_str(s->id));
	json_set(j, "pid", json_new_i64(s->pid));
	json_set(j, "startTime", json_new_u64(s->start_time));
	json_set(j, "bundle", json_new_str(s->bundle));
	json_set(j, "rootfs", json_new_str(s->rootfs));
	json_set(j, "created", json_new_str(s->created));
	json_set(j, "owner", json_new_i64(s->owner));
	if (s->annotations.count)
		json_set(j, "annotations", annotations_to_json(&s->annotations));
	if (cgroup_take)
		json_set(j, "cgroup", cgroup_take);
	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the record of container '%s' is too large", s->id);
	if (!s->pid)
		return state_write_new(dir_fd, STATE_RECORD, text.data, text.len, err);
	return safepath_write_file(dir_fd, STATE_RECORD, text.data, text.len, 0600, false, err);
}

int state_load_spec(const struct state *s, struct spec *ret, struct error *err)
{
	autobuf struct buf text = BUF_INIT(SPEC_CONFIG_MAX_BYTES);
	int r = safepath_read_file(s->dir_fd, STATE_CONFIG, &text, err);

	if (r == 0)
		r = spec_parse(buf_str(&text), text.len, STATE_CONFIG, ret, err);
	return r < 0 ? error_wrap(err, "container '%s'", s->id) : 0;
}

int state_status(const struct state *s, enum runtime_status *ret, struct pidref *ret_init, struct error *err)
{
	autopidref struct pidref init = PIDREF_NONE;
	autocgroup struct cgroup *cg = NULL;
	struct error ignored;
	struct stat st;
	int state;

	if (!s->pid) {
		*ret = RUNTIME_CREATING;
		if (ret_init)
			*ret_init = PIDREF_NONE;
		return 0;
	}
	state = pidref_open(s->pid, s->start_time, &init, &ignored) < 0 ? -ESRCH : pidref_state(&init);
	if (state < 0 || state == 'Z' || state == 'X') {
		*ret = RUNTIME_STOPPED;
		if (ret_init)
			*ret_init = PIDREF_NONE;
		return 0;
	}
	*ret = safepath_stat(s->dir_fd, STATE_START, &st) == 0 ? RUNTIME_CREATED : RUNTIME_RUNNING;
	if (cgroup_from_json(json_get(s->doc, "cgroup"), &cg, &ignored) == 0 && cgroup_is_frozen(cg, &ignored) == 1)
		*ret = RUNTIME_PAUSED;
	if (ret_init) {
		*ret_init = init;
		init = PIDREF_NONE;
	}
	(void)err;
	return 0;
}

struct json *state_to_json(const struct state *s, enum runtime_status status, pid_t pid)
{
	struct json *j = json_new_object();

	json_set(j, "ociVersion", json_new_str(s->oci_version));
	json_set(j, "id", json_new_str(s->id));
	json_set(j, "pid", json_new_i64(status == RUNTIME_STOPPED ? 0 : pid));
	json_set(j, "status", json_new_str(runtime_status_name(status)));
	json_set(j, "bundle", json_new_str(s->bundle));
	json_set(j, "rootfs", json_new_str(s->rootfs));
	json_set(j, "created", json_new_str(s->created));
	if (s->annotations.count)
		json_set(j, "annotations", annotations_to_json(&s->annotations));
	json_set(j, "owner", json_new_str(""));
	return j;
}
