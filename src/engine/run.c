/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy run: from the words of the command line to a finished container.
 *
 *	id -> folder in the store (with the image held) -> id range -> namespaces, process, limits, security, mounts as a
 *	spec -> runtime_run in this process -> folder and range given back
 *
 * What is made outside the runtime is undone here on every way out; what a crash leaves, later commands remove (owner.c).
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/signal.h"
#include "safepath/safepath.h"

/* The names of so many layers fit into the one short text that older kernels take (runtime/overlay.c), with one more. */
#define LAYERS_WITH_POINTS 40

static int new_id(char out[static ENGINE_ID_LEN + 1], struct error *err)
{
	unsigned char bytes[ENGINE_ID_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_sys(err, errno, "random bytes for the container's id");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static bool has_image(const struct making *m)
{
	return m->opt->image && !m->opt->rootfs;
}

/* No such image: one that is spelled nearly so, or the program of that name in the embedded image. */
static int suggest_image(struct making *m, struct error *err)
{
	const char *typed = m->opt->image;
	autofree char *embedded = engine_embedded_root();
	autofree char *program = embedded ? mem_printf("%s/bin/%s", embedded, typed) : NULL;
	struct store_image_list list;
	struct error ignored;
	struct stat st;
	char near[256];

	if (store_image_list(m->engine->store, &list, &ignored) == 0) {
		store_nearest_images(&list, typed, near, sizeof(near));
		store_image_list_done(&list);
		if (near[0])
			return error_hint(err, "did you mean %s?", near);
	}
	if (program && !strchr(typed, '/') &&
	    (safepath_host_readlink(program, near, sizeof(near), &ignored) == 0 ||
	     safepath_host_stat(program, &st) == 0))
		return error_hint(err, "to run %s in the image that comes with bothy: bothy run embedded %s", typed,
				  typed);
	return -err->code;
}

/* The folder, and with it the image: nobody can remove it from under us. And we own it: see owner.c. */
static int make_folder(struct making *m, struct error *err)
{
	struct store *store;
	unsigned flags = m->opt->rootfs ? 0 : STORE_CONTAINER_WRITABLE;
	int r = engine_store(m->engine, &store, err);

	if (r == 0)
		r = new_id(m->id, err);
	if (r == 0)
		r = store_container_create(store, m->id, has_image(m) ? m->opt->image : NULL, flags, &m->image,
					   &m->folder, err);
	if (r < 0)
		return r;
	if (engine_owner_take(m->folder.dir_fd) < 0) {
		store_container_done(&m->folder);
		if (has_image(m))
			store_image_done(&m->image);
		return -EAGAIN;
	}
	m->folder_made = true;
	m->have_image = has_image(m);
	m->bundle = arena_printf(&m->spec.arena, "%s/containers/%s", store_root(store), m->id);
	return 0;
}

/* The same; an image that is missing is pulled, and looked for once more. */
static int make_folder_with_image(struct making *m, struct error *err)
{
	int r = make_folder(m, err);

	if (r == 0 || !has_image(m) || err->kind != ERROR_NOT_FOUND || r == -EAGAIN)
		return r;
	r = engine_run_pull(m, true, err);
	if (r == 0)
		r = make_folder(m, err);
	/* An image that lacks only this platform was spelled right, and its error says what it has. */
	if (r < 0 && r != -EAGAIN && r != -EINTR && err->kind != ERROR_UNSUPPORTED)
		r = suggest_image(m, err);
	return r;
}

static int add_layer(struct making *m, const char *path, struct error *err)
{
	int fd = safepath_host_open_dir(path, err);

	if (fd < 0)
		return fd;
	m->layer_fds = mem_realloc(m->layer_fds, m->layer_count + 1, sizeof(int));
	m->layer_fds[m->layer_count++] = fd;
	return 0;
}

/* Of another processor there may be an interpreter (binfmt_misc), and else the exec says so; of another system there is none. */
static int check_platform(struct making *m, struct error *err)
{
	const struct image_platform *is = &m->image.config.platform;
	struct arena *a = &m->spec.arena;
	struct image_platform want;

	if (!m->have_image || !is->os || !is->architecture)
		return 0;
	if (m->opt->platform && image_platform_parse(a, m->opt->platform, &want, err) < 0)
		return error_wrap(err, "--platform");
	if (m->opt->platform && !image_platform_match(&want, is)) {
		error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "image %s is made for %s, not for %s", m->opt->image,
			  image_platform_text(a, is), image_platform_text(a, &want));
		return error_hint(err, "leave --platform out to run it as it is");
	}
	if (str_eq(is->os, "linux"))
		return 0;
	error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
		  "image %s is made for %s: a container runs on this machine's kernel, which is Linux", m->opt->image,
		  image_platform_text(a, is));
	return error_hint(err, "what has several platforms may have one: bothy pull --platform linux/%s NAME",
			  image_platform_native().architecture);
}

/* What the root is made of: image layers, the embedded image, or a folder. */
static int choose_root(struct making *m, struct error *err)
{
	const size_t n = m->have_image ? m->image.layer_count : 1;
	const char *points;
	struct store *store;
	autofree char *embedded = NULL;
	autofree char *real = NULL;
	int r = engine_store(m->engine, &store, err);

	if (r < 0)
		return r;
	if (m->opt->rootfs) {
		r = safepath_host_realpath(m->opt->rootfs, &real, err);
		if (r < 0)
			return error_wrap(err, "--rootfs");
		m->spec.root_path = arena_strdup(&m->spec.arena, real);
		return add_layer(m, real, err);
	}
	m->lowers = arena_alloc(&m->spec.arena, n + 1, sizeof(char *));
	if (!m->have_image) {
		r = engine_embedded_open(m->engine, &embedded, err);
		if (r < 0)
			return r;
		m->lowers[0] = arena_strdup(&m->spec.arena, embedded);
		r = add_layer(m, embedded, err);
	}
	/* The store lists the lowest first, overlayfs wants the uppermost first. */
	for (size_t i = 0; m->have_image && i < n && r == 0; i++) {
		const char *path = arena_printf(&m->spec.arena, "%s/%s", store_root(store), m->image.layers[i].path);

		m->lowers[n - 1 - i] = path;
		r = add_layer(m, path, err);
	}
	/* Below all others, so that whatever the image says of /etc counts. */
	points = n < LAYERS_WITH_POINTS ? store_mount_points(store) : NULL;
	if (points)
		m->lowers[n] = arena_printf(&m->spec.arena, "%s/%s", store_root(store), points);
	m->overlay = (struct runtime_overlay){
		.lowers = m->lowers,
		.lower_count = n + (points ? 1 : 0),
		.upper = arena_printf(&m->spec.arena, "%s/upper", m->bundle),
		.work = arena_printf(&m->spec.arena, "%s/work", m->bundle),
	};
	m->spec.root_path = arena_printf(&m->spec.arena, "%s/rootfs", m->bundle);
	return r;
}

static int annotate(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	struct spec *s = &m->spec;

	for (size_t i = 0; i < o->annotations.count + o->labels.count; i++) {
		const bool label = i >= o->annotations.count;
		const char *text = label ? o->labels.items[i - o->annotations.count] : o->annotations.items[i];
		const char *eq = strchr(text, '=');
		autofree char *key = mem_strndup(text, eq ? (size_t)(eq - text) : strlen(text));
		autofree char *full = mem_printf("%s%s", label ? "io.bothy.label." : "", key);

		if (!key[0])
			return error_set(err, ERROR_INVALID, EINVAL, "%s: expected KEY=VALUE, got \"%s\"",
					 label ? "--label" : "--annotation", text);
		spec_map_set(&s->arena, &s->annotations, full, eq ? eq + 1 : "");
	}
	if (o->name)
		spec_map_set(&s->arena, &s->annotations, "io.bothy.name", o->name);
	if (o->stop_signal || (m->have_image && m->image.config.stop_signal))
		spec_map_set(&s->arena, &s->annotations, "org.opencontainers.image.stopSignal",
			     o->stop_signal ? o->stop_signal : m->image.config.stop_signal);
	return 0;
}

static int build_spec(struct making *m, struct error *err)
{
	int r;

	m->spec.oci_version = "1.3.0";
	r = engine_ids_choose(m, err);
	if (r == 0)
		r = engine_namespaces(m, err);
	if (r == 0)
		r = engine_process(m, err);
	if (r == 0)
		r = engine_ids_check_user(m, err);
	if (r == 0)
		r = engine_limits(m, err);
	if (r == 0)
		r = engine_security(m, err);
	if (r == 0)
		r = engine_mounts(m, err);
	if (r == 0)
		r = engine_devices(m, err); /* behind the mount of /dev */
	if (r == 0)
		r = annotate(m, err);
	return r;
}

static int explain(struct making *m, struct runtime *rt, const struct runtime_create_options *opt,
		   const struct runtime_trace *trace, int fd, struct error *err)
{
	autobuf struct buf out = BUF_INIT(4u << 20);
	int r = runtime_explain(rt, &m->spec, opt, trace, &out, err);

	if (r == 0 && fd_write_all(fd, buf_str(&out), out.len) < 0)
		r = error_sys(err, EIO, "--explain: print the plan");
	return r;
}

static int go(struct making *m, int *ret_exit, struct error *err)
{
	const bool timed = str_eq(m->opt->explain, "time");
	struct runtime_create_options opt = {
		.id = m->id,
		.bundle = m->bundle,
		.overlay = m->opt->rootfs ? NULL : &m->overlay,
		.idmap_root = m->idmap,
		.detach_keys = m->opt->tty ? (m->opt->detach_keys ? m->opt->detach_keys : "ctrl-p,ctrl-q") : NULL,
		.no_stdin = !m->opt->interactive,
		.end_with_us = true,              /* nobody else would know of it */
	};
	struct runtime *rt;
	int r = engine_runtime(m->engine, &rt, err);

	if (r == 0 && timed)
		r = runtime_trace_new(&opt.trace, err);
	if (r == 0 && m->opt->explain && !timed) {
		*ret_exit = 0;
		return explain(m, rt, &opt, NULL, STDOUT_FILENO, err);
	}
	if (r == 0)
		r = runtime_run(rt, &m->spec, &opt, false, ret_exit, err);
	if (r < 0)
		r = engine_words(m, err);
	if (r == 0 && timed)
		r = explain(m, rt, &opt, opt.trace, STDERR_FILENO, err);
	runtime_trace_free(opt.trace);
	return r;
}

/* --name: a link to the id, so that two containers can't have the same. */
static int take_name(struct making *m, int *ret_dir, struct error *err)
{
	autofree char *path = NULL;
	autofd int dir = FD_NONE;
	int r;

	if (!m->opt->name)
		return 0;
	if (spec_check_id(m->opt->name, err) < 0 || !isalnum((unsigned char)m->opt->name[0]))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "--name: \"%s\" is not a valid name",
					     m->opt->name),
				   err),
				  "use letters, digits and the characters _ + - . with a letter or digit in front");
	path = mem_printf("%s/names", m->engine->state);
	dir = safepath_state_open(path, err);
	if (dir < 0)
		return dir;
	r = engine_claim(m->engine, dir, m->opt->name, m->id, err);
	if (r == -EEXIST)
		return error_hint((error_set(err, ERROR_CONFLICT, EEXIST,
					     "--name: a container called '%s' exists already", m->opt->name),
				   err),
				  "choose another name");
	if (r < 0)
		return r;
	*ret_dir = take_fd(&dir);
	return 0;
}

static void undo(struct making *m, int names_dir)
{
	struct error ignored;

	if (names_dir >= 0) {
		(void)safepath_unlink(names_dir, m->opt->name, true, &ignored);
		fd_close(&names_dir);
	}
	engine_ids_release(m);
	if (m->files_made) {
		fd_close(&m->files_fd);
		engine_files_remove(m->engine, m->id);
	}
	if (m->folder_made) {
		store_container_done(&m->folder);
		if (store_container_delete(m->engine->store, m->id, &ignored) < 0)
			log_warn("%s", ignored.msg);
	}
	for (size_t i = 0; i < m->layer_count; i++)
		fd_close(&m->layer_fds[i]);
	free(m->layer_fds);
	if (m->have_image)
		store_image_done(&m->image);
	spec_done(&m->spec);
}

static int check_hostname(const char *option, const char *name, struct error *err)
{
	const size_t len = name ? strlen(name) : 1;

	if (name && (len == 0 || len > 64 || name[0] == '-' || name[0] == '.' ||
		     strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != len))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "%s: \"%s\" is not a host name", option, name),
				   err),
				  "use at most 64 letters, digits, dots and dashes");
	return 0;
}

static int check_options(const struct engine_run_options *o, struct error *err)
{
	int r = check_hostname("--hostname", o->hostname, err);

	if (r == 0)
		r = check_hostname("--domainname", o->domainname, err);
	if (r < 0)
		return r;
	if (o->image && o->rootfs)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--rootfs: an image and a root folder cannot be given together");
	if (o->tty && o->interactive && !isatty(STDIN_FILENO) && !(o->explain && !str_eq(o->explain, "time")))
		return error_hint((error_set(err, ERROR_INVALID, ENOTTY, "the input device is not a TTY"), err),
				  "leave out -t when standard input is no terminal");
	if (o->explain && o->explain[0] && !str_eq(o->explain, "time") && !str_eq(o->explain, "plan"))
		return error_set(err, ERROR_INVALID, EINVAL, "--explain: expected plan or time, got \"%s\"",
				 o->explain);
	if (o->stop_signal && signal_from_name(o->stop_signal) < 0)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "--stop-signal: unknown signal \"%s\"",
					     o->stop_signal),
				   err),
				  "for example SIGTERM, QUIT or 15");
	if (o->detach_keys && runtime_check_detach_keys(o->detach_keys) < 0)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL,
					     "--detach-keys: expected keys with commas between, got \"%s\"",
					     o->detach_keys),
				   err),
				  "each is a letter or ctrl-<letter>: ctrl-p,ctrl-q");
	return 0;
}

/* Without -i the program's input is empty. */
static int close_input(const struct engine_run_options *o, struct error *err)
{
	autofd int null = FD_NONE;

	if (o->interactive || o->tty)
		return 0;
	null = safepath_host_open("/dev/null", O_RDONLY, 0, err);
	if (null < 0)
		return null;
	return dup2(null, STDIN_FILENO) < 0 ? error_sys(err, errno, "put /dev/null on standard input") : 0;
}

/* V01: where the container's root is the host's, what runs inside must not reach our own file. Before anything is made. */
static int protect_self(struct engine *e, const struct engine_run_options *o, struct error *err)
{
	const bool maps = o->uidmaps.count || o->gidmaps.count;
	const bool host = !maps && (o->userns ? str_eq(o->userns, "host") : o->privileged);
	struct spec_id_map map;
	struct error ignored;
	bool exposed = host;

	for (size_t i = 0; i < o->uidmaps.count; i++)
		exposed |=
			engine_ids_parse_map(o->uidmaps.items[i], "--uidmap", &map, &ignored) == 0 && map.host_id == 0;
	return e->root && exposed && o->self_argv ? runtime_protect_self(o->self_argv, err) : 0;
}

int engine_run(struct engine *e, const struct engine_run_options *o, int *ret_exit, struct error *err)
{
	struct making m = {.engine = e, .opt = o, .range_slot = -1};
	int names_dir = FD_NONE;
	int r = check_options(o, err);

	if (r == 0)
		r = protect_self(e, o, err);
	if (r < 0)
		return r;
	spec_init(&m.spec);
	r = close_input(o, err);
	if (r == 0)
		r = engine_run_pull(&m, false, err);
	/* Folder before name and range: what they link to is there, and owned, as long as they are. */
	for (int i = 0; i < 16 && r == 0 && !m.folder_made; i++) {
		r = make_folder_with_image(&m, err);
		r = r == -EAGAIN ? 0 : r;
	}
	if (r == 0 && !m.folder_made)
		r = error_set(err, ERROR_BUSY, EBUSY, "somebody removes the folders of new containers");
	if (r == 0)
		r = take_name(&m, &names_dir, err);
	if (r == 0)
		engine_owner_look_at_one(e, m.id);
	if (r == 0)
		r = check_platform(&m, err);
	if (r == 0)
		r = choose_root(&m, err);
	if (r == 0)
		r = build_spec(&m, err);
	if (r == 0)
		r = go(&m, ret_exit, err);
	undo(&m, names_dir);
	return r;
}
