/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs: command, environment, user and working directory, from the image's configuration and the command line.
 *
 * The environment has only what the image and the user name, never the host's (V18). Users are looked up in the image's
 * own files, layer by layer from the top, as text of bounded size (V15); a layer that deletes the file hides those below.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define ENV_FILE_MAX_BYTES (1u << 20)
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int add_env(struct strv *env, const char *kv, const char *option, struct error *err)
{
	const char *value;

	if (!kv[0] || kv[0] == '=')
		return error_set(err, ERROR_INVALID, EINVAL, "%s: expected NAME=VALUE or NAME, got \"%s\"", option, kv);
	if (strchr(kv, '=')) {
		strv_set_env(env, kv);
		return 0;
	}
	/* A bare name takes the value from our own environment, when there is one. */
	value = getenv(kv);
	if (value) {
		autofree char *full = mem_printf("%s=%s", kv, value);

		strv_set_env(env, full);
	}
	return 0;
}

static int add_env_file(struct strv *env, const char *path, struct error *err)
{
	autobuf struct buf text = BUF_INIT(ENV_FILE_MAX_BYTES);
	autostrv struct strv lines = {};
	int r = safepath_host_read(path, true, &text, err);

	if (r < 0)
		return error_wrap(err, "--env-file");
	strv_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count && r == 0; i++) {
		char *line = lines.items[i];
		size_t len = strlen(line);

		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		const size_t name = strcspn(line, "=");

		r = strcspn(line, " \t") < name
			    ? error_set(err, ERROR_INVALID, EINVAL,
					"--env-file %s: the name in \"%s\" has a blank in it", path, line)
			    : add_env(env, line, "--env-file", err);
	}
	return r;
}

static int environment(struct making *m, struct error *err)
{
	autostrv struct strv env = {};
	autofree char *host = mem_printf("HOSTNAME=%s", m->spec.hostname ? m->spec.hostname : "");
	int r = 0;

	strv_push(&env, DEFAULT_PATH);
	if (m->spec.hostname)
		strv_push(&env, host);
	if (m->opt->tty)
		strv_push(&env, "TERM=xterm");
	for (size_t i = 0; m->have_image && i < m->image.config.env.count; i++)
		strv_set_env(&env, m->image.config.env.items[i]);
	for (size_t i = 0; i < m->opt->env_files.count && r == 0; i++)
		r = add_env_file(&env, m->opt->env_files.items[i], err);
	for (size_t i = 0; i < m->opt->env.count && r == 0; i++)
		r = add_env(&env, m->opt->env.items[i], "--env", err);
	for (size_t i = 0; i < env.count; i++)
		spec_strs_push(&m->spec.arena, &m->spec.process.env, env.items[i]);
	return r;
}

static int command(struct making *m, struct error *err)
{
	struct spec_strs *out = &m->spec.process.args;
	const struct image_config *c = m->have_image ? &m->image.config : NULL;
	bool any = false;

	if (m->opt->init) {
		spec_strs_push(&m->spec.arena, out, "/run/bothy-init");
		spec_strs_push(&m->spec.arena, out, "--");
	}
	if (m->opt->entrypoint_set && m->opt->entrypoint[0]) {
		spec_strs_push(&m->spec.arena, out, m->opt->entrypoint);
		any = true;
	}
	for (size_t i = 0; c && !m->opt->entrypoint_set && i < c->entrypoint.count; i++, any = true)
		spec_strs_push(&m->spec.arena, out, c->entrypoint.items[i]);
	for (char *const *a = m->opt->args; a && *a; a++, any = true)
		spec_strs_push(&m->spec.arena, out, *a);
	/* The image's arguments go with the image's entry point only. */
	for (size_t i = 0; c && !m->opt->entrypoint_set && !(m->opt->args && m->opt->args[0]) && i < c->cmd.count;
	     i++, any = true)
		spec_strs_push(&m->spec.arena, out, c->cmd.items[i]);
	if (any)
		return 0;
	if (!m->opt->image) {
		spec_strs_push(&m->spec.arena, out, "/bin/sh");
		return 0;
	}
	return error_hint((error_set(err, ERROR_INVALID, EINVAL, "image '%s' names no program to run", m->opt->image),
			   err),
			  "add one: bothy run %s PROGRAM", m->opt->image);
}

enum found { FOUND, MISSING, HIDDEN };

/* @path in one layer. HIDDEN: a whiteout there or above it ends the search. */
static enum found read_in_layer(int layer, const char *dir, const char *path, struct buf *out)
{
	struct error ignored;
	struct stat st;
	autofd int fd = safepath_open(layer, path, O_PATH | O_NOFOLLOW, &ignored);
	autofd int real = FD_NONE;

	if (fd < 0) {
		autofd int parent = safepath_open(layer, dir, O_PATH | O_NOFOLLOW, &ignored);

		if (parent >= 0 && fstat(parent, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0)
			return HIDDEN;
		return MISSING;
	}
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return HIDDEN;
	real = safepath_open(layer, path, O_RDONLY | O_NONBLOCK, &ignored);
	if (real < 0 || fstat(real, &st) < 0 || !S_ISREG(st.st_mode))
		return MISSING;
	return fd_read_to_end(real, out, path, &ignored) == 0 ? FOUND : HIDDEN;
}

static bool read_in_image(struct making *m, const char *dir, const char *path, struct buf *out)
{
	for (size_t i = m->layer_count; i-- > 0;) {
		switch (read_in_layer(m->layer_fds[i], dir, path, out)) {
		case FOUND:
			return true;
		case HIDDEN:
			return false;
		default:
			break;
		}
	}
	return false;
}

static int user(struct making *m, struct error *err)
{
	autobuf struct buf passwd = BUF_INIT(IMAGE_PASSWD_MAX_BYTES);
	autobuf struct buf group = BUF_INIT(IMAGE_PASSWD_MAX_BYTES);
	char kept[32];
	const char *want = m->opt->user ? m->opt->user : m->have_image ? m->image.config.user : "";
	const bool have_passwd = read_in_image(m, "/etc", "/etc/passwd", &passwd);
	const bool have_group = read_in_image(m, "/etc", "/etc/group", &group);
	struct spec_user *u = &m->spec.process.user;
	struct image_user found = {};
	int r;

	(void)snprintf(kept, sizeof(kept), "%u:%u", m->keep_uid, m->keep_gid);
	r = image_user_resolve(&m->spec.arena, m->keep_id && !m->opt->user ? kept : want,
			       have_passwd ? buf_str(&passwd) : NULL, passwd.len, have_group ? buf_str(&group) : NULL,
			       group.len, m->opt->group_add.items, &found, err);

	if (r < 0) {
		for (size_t i = 0; i < m->opt->group_add.count; i++) {
			autofree char *quoted = mem_printf("'%s'", m->opt->group_add.items[i]);

			if (strstr(err->msg, quoted))
				return error_wrap(err, "--group-add");
		}
		return error_wrap(err, "--user");
	}
	u->uid = found.uid;
	u->gid = found.gid;
	u->additional_gids = found.groups;
	u->additional_gid_count = found.group_count;
	/* Without newgidmap's help the kernel lets nobody change groups. */
	if (engine_ids_groups_denied(m)) {
		if (m->opt->group_add.count)
			return error_hint(
				(error_set(
					 err, ERROR_DENIED, EPERM,
					 "--group-add: a container with a single group id can have no further groups"),
				 err),
				"get a range of ids, as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER");
		u->additional_gid_count = 0;
	}
	return 0;
}

static int workdir(struct making *m, struct error *err)
{
	const char *dir = m->opt->workdir ? m->opt->workdir : m->have_image ? m->image.config.working_dir : "";

	if (m->opt->workdir && dir[0] != '/')
		return error_set(err, ERROR_INVALID, EINVAL, "--workdir: expected an absolute path, got \"%s\"", dir);
	m->spec.process.cwd = arena_strdup(&m->spec.arena, dir[0] == '/' ? dir : "/");
	return 0;
}

int engine_process(struct making *m, struct error *err)
{
	int r;

	m->spec.process.set = true;
	m->spec.process.terminal = m->opt->tty;
	r = environment(m, err);
	if (r == 0)
		r = command(m, err);
	if (r == 0)
		r = user(m, err);
	return r < 0 ? r : workdir(m, err);
}
