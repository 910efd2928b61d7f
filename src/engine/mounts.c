/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts: the default ones, -v, --mount, --tmpfs, and the files that the engine gives (hosts, hostname, resolv.conf), which
 * are bound from the container's own folder and never written into the image (V26).
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define FILE_MAX_BYTES (1u << 20)

void engine_add_mount(struct spec *s, const struct spec_mount *mount)
{
	ARENA_PUSH(&s->arena, s->mounts, s->mount_count) = *mount;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(word, *list))
			return true;
	return false;
}

/* Options of -v and --mount that mount options don't know, or that have no meaning here. */
static const char *const ignored_options[] = {"z", "Z", "cached", "consistent", "delegated", "nocopy", "", NULL};
static const char *const passed_options[] = {"ro",       "rw",     "shared", "rshared", "slave",    "rslave", "private",
					     "rprivate", "nosuid", "suid",   "nodev",   "dev",      "noexec", "exec",
					     "bind",     "rbind",  "rro",    "noatime", "relatime", NULL};

static int finish_bind(struct arena *a, struct spec_mount *m, bool own_idmap, const char *what, struct error *err)
{
	bool has_bind = false;

	for (size_t i = 0; i < m->options.count; i++)
		has_bind |= str_eq(m->options.items[i], "bind") || str_eq(m->options.items[i], "rbind");
	if (!has_bind)
		spec_strs_push(a, &m->options, "rbind");
	if (own_idmap)
		spec_strs_push(a, &m->options, "idmap");
	m->type = "bind";
	return spec_mount_parse_options(a, m, what, err);
}

static int check_paths(const char *what, const char *text, const char *source, const char *target, struct error *err)
{
	if (!target || target[0] != '/')
		return error_set(err, ERROR_INVALID, EINVAL,
				 "%s \"%s\": the path inside the container must be absolute", what, text);
	if (str_eq(target, "/"))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "%s \"%s\": nothing can be mounted on the container's root", what, text);
	if (source && source[0] && source[0] != '/' && source[0] != '.')
		return error_hint((error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					     "%s \"%s\": named volumes are not supported yet", what, text),
				   err),
				  "for a folder of the host write ./%s or its full path", source);
	return 0;
}

/* Paths relative to where the user stands. */
static const char *absolute_source(struct arena *a, const char *source)
{
	autofree char *cwd = NULL;

	if (source[0] == '/')
		return arena_strdup(a, source);
	cwd = getcwd(NULL, 0);
	return arena_printf(a, "%s/%s", cwd ? cwd : "", source);
}

int engine_volume_parse(struct arena *a, const char *text, bool idmap, struct spec_mount *ret, bool *ret_create,
			struct error *err)
{
	autostrv struct strv parts = {};
	autostrv struct strv words = {};
	struct spec_mount m = {.type = "", .source = "", .data = ""};
	bool create = false;
	int r;

	strv_split(&parts, text, ':');
	if (parts.count < 2 || parts.count > 3)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL,
					     "--volume: expected SOURCE:TARGET[:OPTIONS], got \"%s\"", text),
				   err),
				  "for example -v /srv/data:/data:ro");
	r = check_paths("--volume", text, parts.items[0], parts.items[1], err);
	if (r < 0)
		return r;
	if (!parts.items[0][0])
		return error_set(err, ERROR_INVALID, EINVAL, "--volume \"%s\": the source is missing", text);
	m.source = absolute_source(a, parts.items[0]);
	m.destination = arena_strdup(a, parts.items[1]);
	if (parts.count == 3)
		strv_split(&words, parts.items[2], ',');
	for (size_t i = 0; i < words.count; i++) {
		const char *w = words.items[i];

		if (str_eq(w, "create"))
			create = true;
		else if (str_eq(w, "idmap") || str_eq(w, "noidmap"))
			idmap = idmap && w[0] == 'i';
		else if (is_one_of(w, passed_options))
			spec_strs_push(a, &m.options, w);
		else if (!is_one_of(w, ignored_options))
			return error_set(err, ERROR_INVALID, EINVAL, "--volume \"%s\": unknown option \"%s\"", text, w);
	}
	r = finish_bind(a, &m, idmap, "--volume", err);
	if (r < 0)
		return r;
	*ret = m;
	*ret_create = create;
	return 0;
}

/* One key=value of --mount. */
static int mount_key(struct arena *a, struct spec_mount *m, const char *key, const char *value, bool *idmap,
		     struct error *err)
{
	static const char *const flags[] = {"readonly", "ro", NULL};

	if (str_eq(key, "type"))
		m->type = arena_strdup(a, value);
	else if (str_eq(key, "source") || str_eq(key, "src"))
		m->source = arena_strdup(a, value);
	else if (str_eq(key, "target") || str_eq(key, "dst") || str_eq(key, "destination"))
		m->destination = arena_strdup(a, value);
	else if (is_one_of(key, flags)) {
		if (!value[0] || str_eq(value, "true") || str_eq(value, "1"))
			spec_strs_push(a, &m->options, "ro");
	} else if (str_eq(key, "bind-propagation") && is_one_of(value, passed_options))
		spec_strs_push(a, &m->options, value);
	else if (str_eq(key, "bind-nonrecursive"))
		spec_strs_push(a, &m->options, str_eq(value, "false") ? "rbind" : "bind");
	else if (str_eq(key, "idmap"))
		*idmap = *idmap && !str_eq(value, "false");
	else if (str_eq(key, "tmpfs-size")) {
		int64_t bytes;

		if (str_to_size(value, false, &bytes) < 0)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "--mount: tmpfs-size: expected a size such as 64m, got \"%s\"", value);
		spec_strs_push(a, &m->options, arena_printf(a, "size=%lld", (long long)bytes));
	} else if (str_eq(key, "tmpfs-mode")) {
		uint32_t mode;

		if (str_to_mode(value, 07777, &mode) < 0)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "--mount: tmpfs-mode: expected octal digits, got \"%s\"", value);
		spec_strs_push(a, &m->options, arena_printf(a, "mode=%o", mode));
	} else if (!str_eq(key, "consistency"))
		return error_set(err, ERROR_INVALID, EINVAL, "--mount: unknown key \"%s\"", key);
	return 0;
}

int engine_mount_parse(struct arena *a, const char *text, bool idmap, struct spec_mount *ret, struct error *err)
{
	autostrv struct strv parts = {};
	struct spec_mount m = {.type = "volume", .source = "", .data = ""};
	int r = 0;

	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.count && r == 0; i++) {
		char *eq = strchr(parts.items[i], '=');

		if (eq)
			*eq++ = '\0';
		r = mount_key(a, &m, parts.items[i], eq ? eq : "", &idmap, err);
	}
	if (r == 0)
		r = check_paths("--mount", text, str_eq(m.type, "bind") ? m.source : NULL, m.destination, err);
	if (r < 0)
		return r;
	if (str_eq(m.type, "bind") && m.source[0]) {
		m.source = absolute_source(a, m.source);
		r = finish_bind(a, &m, idmap, "--mount", err);
	} else if (str_eq(m.type, "tmpfs")) {
		m.source = "tmpfs";
		spec_strs_push(a, &m.options, "nosuid");
		spec_strs_push(a, &m.options, "nodev");
		r = spec_mount_parse_options(a, &m, "--mount", err);
	} else if (str_eq(m.type, "bind")) {
		r = error_set(err, ERROR_INVALID, EINVAL, "--mount \"%s\": a bind mount needs source=PATH", text);
	} else {
		r = error_hint((error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					  "--mount: type \"%s\" is not supported yet", m.type),
				err),
			       "type=bind and type=tmpfs are");
	}
	if (r == 0)
		*ret = m;
	return r;
}

/* One option of --tmpfs: a flag of mounts, or tmpfs' own (tmpfs(5)). */
static int check_tmpfs_word(const char *text, const char *word, struct error *err)
{
	static const char *const own[] = {"size",      "mode",      "uid",         "gid",         "nr_inodes",
					  "nr_blocks", "huge",      "mpol",        "inode32",     "inode64",
					  "noswap",    "tmpcopyup", "notmpcopyup", "strictatime", "sync",
					  "async",     "dirsync",   "nodiratime",  NULL};
	const char *eq = strchr(word, '=');
	autofree char *key = mem_strndup(word, eq ? (size_t)(eq - word) : strlen(word));
	const bool is_size = eq && (str_eq(key, "size") || str_eq(key, "nr_inodes") || str_eq(key, "nr_blocks"));
	uint32_t number;
	int64_t bytes;

	if (str_eq(word, "bind") || str_eq(word, "rbind") || (!is_one_of(word, passed_options) && !is_one_of(key, own)))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "--tmpfs \"%s\": unknown option \"%s\"", text,
					     word),
				   err),
				  "for example size=64m, mode=1777, uid=1000, gid=1000, ro, noexec");
	if (is_size && !str_ends(word, "%") && str_to_size(eq + 1, false, &bytes) < 0)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--tmpfs \"%s\": expected a size such as 64m for %s, got \"%s\"", text, key, eq + 1);
	if (str_eq(key, "mode") && str_to_mode(eq ? eq + 1 : "", 07777, &number) < 0)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--tmpfs \"%s\": expected octal digits for mode, got \"%s\"", text, eq ? eq + 1 : "");
	if ((str_eq(key, "uid") || str_eq(key, "gid")) && str_to_u32(eq ? eq + 1 : "", &number) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--tmpfs \"%s\": expected a number for %s, got \"%s\"",
				 text, key, eq ? eq + 1 : "");
	return 0;
}

int engine_tmpfs_parse(struct arena *a, const char *text, struct spec_mount *ret, struct error *err)
{
	autostrv struct strv words = {};
	struct spec_mount m = {.type = "tmpfs", .source = "tmpfs", .data = ""};
	const char *colon = strchr(text, ':');
	bool has_mode = false;
	int r;

	m.destination = arena_strndup(a, text, colon ? (size_t)(colon - text) : strlen(text));
	r = check_paths("--tmpfs", text, NULL, m.destination, err);
	if (r < 0)
		return r;
	/* Docker's defaults; what is typed comes later and wins. */
	spec_strs_push(a, &m.options, "noexec");
	spec_strs_push(a, &m.options, "nosuid");
	spec_strs_push(a, &m.options, "nodev");
	if (colon)
		strv_split(&words, colon + 1, ',');
	for (size_t i = 0; i < words.count; i++) {
		if (!words.items[i][0])
			continue;
		r = check_tmpfs_word(text, words.items[i], err);
		if (r < 0)
			return r;
		has_mode |= str_starts(words.items[i], "mode=");
		spec_strs_push(a, &m.options, words.items[i]);
	}
	if (!has_mode)
		spec_strs_push(a, &m.options, "mode=1777");
	r = spec_mount_parse_options(a, &m, "--tmpfs", err);
	if (r == 0)
		*ret = m;
	return r;
}

/* A typing error must not make a folder of root's on the host, as it does elsewhere: say what is missing. */
static int check_source(const char *option, const struct spec_mount *m, bool create, struct error *err)
{
	struct stat st;
	int r = safepath_host_stat(m->source, &st);

	if (r == 0)
		return 0;
	if (r == -ENOENT && create)
		return safepath_host_mkdir_all(m->source, 0755, err) < 0 ? error_wrap(err, "%s", option) : 0;
	error_sys(err, -r, "%s: source '%s'", option, m->source);
	return r == -ENOENT ? error_hint(err, "check the spelling, or let it be made: -v %s:%s:create", m->source,
					 m->destination)
			    : r;
}

static int user_mounts(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	struct spec_mount mount;
	bool create;
	int r = 0;

	for (size_t i = 0; i < o->volumes.count && r == 0; i++) {
		r = engine_volume_parse(&m->spec.arena, o->volumes.items[i], m->idmap, &mount, &create, err);
		if (r == 0)
			r = check_source("--volume", &mount, create, err);
		if (r == 0)
			engine_add_mount(&m->spec, &mount);
	}
	for (size_t i = 0; i < o->mounts.count && r == 0; i++) {
		r = engine_mount_parse(&m->spec.arena, o->mounts.items[i], m->idmap, &mount, err);
		if (r == 0 && mount.bind)
			r = check_source("--mount", &mount, false, err);
		if (r == 0)
			engine_add_mount(&m->spec, &mount);
	}
	for (size_t i = 0; i < o->tmpfs.count && r == 0; i++) {
		r = engine_tmpfs_parse(&m->spec.arena, o->tmpfs.items[i], &mount, err);
		if (r == 0)
			engine_add_mount(&m->spec, &mount);
	}
	return r;
}

static bool is_taken(const struct spec *s, const char *destination)
{
	for (size_t i = 0; i < s->mount_count; i++)
		if (str_eq(s->mounts[i].destination, destination))
			return true;
	return false;
}

/* A file system of a namespace that is the host's (or another container's) can't be mounted anew from ours: what the host
 * has is bound, and left out where the host has none. */
static void adapt_default_mounts(struct making *m, bool own_pidns)
{
	struct spec *s = &m->spec;
	struct error ignored;
	struct stat st;
	size_t kept = 0;

	for (size_t i = 0; i < s->mount_count; i++) {
		struct spec_mount *mount = &s->mounts[i];

		if (str_eq(mount->destination, "/proc") && !own_pidns && m->own_userns) {
			*mount = (struct spec_mount){.destination = "/proc",
						     .type = "bind",
						     .source = "/proc",
						     .data = ""};
			spec_strs_push(&s->arena, &mount->options, "rbind");
			spec_strs_push(&s->arena, &mount->options, "rprivate");
			spec_strs_push(&s->arena, &mount->options, "nosuid");
			spec_strs_push(&s->arena, &mount->options, "noexec");
			spec_strs_push(&s->arena, &mount->options, "nodev");
			(void)spec_mount_parse_options(&s->arena, mount, "/proc",
						       &ignored); /* our own words: cannot fail */
		}
		if (mount->bind && safepath_host_stat(mount->source, &st) == -ENOENT)
			continue;
		if (str_eq(m->opt->ipc, "none") && str_eq(mount->destination, "/dev/shm"))
			continue;
		/* --privileged: sysctls and control groups are to be written. */
		if (m->opt->privileged &&
		    (str_eq(mount->destination, "/sys") || str_eq(mount->destination, "/sys/fs/cgroup"))) {
			mount->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
			mount->rec_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
			mount->sb_flags &= ~(uint64_t)MS_RDONLY;
		}
		s->mounts[kept++] = *mount;
	}
	s->mount_count = kept;
}

/* Can the file be mounted on @destination: is it there, or can the container's root make it? */
static bool has_place(struct making *m, const char *destination)
{
	struct error ignored;
	struct stat st;
	autofd int etc = FD_NONE;
	autofd int there = FD_NONE;

	if (m->engine->root || !m->opt->rootfs)
		return true;
	there = safepath_open(m->layer_fds[0], destination, O_PATH, &ignored);
	if (there >= 0)
		return true;
	etc = safepath_open(m->layer_fds[0], "/etc", O_PATH, &ignored);
	return etc >= 0 && fstat(etc, &st) == 0 && st.st_uid == geteuid();
}

/* Make a file of the container's own and bind it at @destination. */
static int give_file(struct making *m, const char *name, const char *destination, const char *text, size_t len,
		     struct error *err)
{
	struct spec_mount mount = {.type = "bind", .data = "", .destination = destination};
	int r;

	if (is_taken(&m->spec, destination) || !has_place(m, destination))
		return 0;
	r = engine_files_write(m, name, text, len, &mount.source, err);
	if (r < 0)
		return r;
	spec_strs_push(&m->spec.arena, &mount.options, "bind");
	spec_strs_push(&m->spec.arena, &mount.options, "rprivate");
	r = spec_mount_parse_options(&m->spec.arena, &mount, destination, err);
	if (r == 0)
		engine_add_mount(&m->spec, &mount);
	return r;
}

static int give_files(struct making *m, struct error *err)
{
	autobuf struct buf hosts = BUF_INIT(FILE_MAX_BYTES);
	autobuf struct buf resolv = BUF_INIT(FILE_MAX_BYTES);
	struct error ignored;
	const char *name = m->spec.hostname ? m->spec.hostname : "localhost";
	char line[80];
	int n = snprintf(line, sizeof(line), "%s\n", name);
	int r = give_file(m, "hostname", "/etc/hostname", line, (size_t)n, err);

	if (r < 0)
		return r;
	if (m->own_netns || safepath_host_read("/etc/hosts", true, &hosts, &ignored) < 0) {
		buf_reset(&hosts);
		buf_printf(&hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t%s\n",
			   name);
	}
	r = give_file(m, "hosts", "/etc/hosts", buf_str(&hosts), hosts.len, err);
	if (r < 0 || m->own_netns)
		return r;
	if (safepath_host_read("/etc/resolv.conf", true, &resolv, &ignored) < 0)
		return 0;
	return give_file(m, "resolv.conf", "/etc/resolv.conf", buf_str(&resolv), resolv.len, err);
}

static int give_init(struct making *m, struct error *err)
{
	struct spec_mount mount = {.type = "bind", .data = "", .destination = "/run/bothy-init"};
	char exe[4096];
	struct stat st;
	int r;

	if (!m->opt->init)
		return 0;
	r = safepath_host_self(exe, sizeof(exe) - 8, err);
	if (r < 0)
		return r;
	*strrchr(exe, '/') = '\0';
	mount.source = arena_printf(&m->spec.arena, "%s/bothy-init", exe);
	if (safepath_host_stat(mount.source, &st) < 0)
		mount.source = arena_printf(&m->spec.arena, "%s/../libexec/bothy/bothy-init", exe);
	spec_strs_push(&m->spec.arena, &mount.options, "bind");
	spec_strs_push(&m->spec.arena, &mount.options, "ro");
	spec_strs_push(&m->spec.arena, &mount.options, "rprivate");
	r = spec_mount_parse_options(&m->spec.arena, &mount, "--init", err);
	if (r == 0)
		engine_add_mount(&m->spec, &mount);
	return r;
}

int engine_mounts(struct making *m, struct error *err)
{
	const uint64_t shm = m->opt->shm_size.set ? (uint64_t)m->opt->shm_size.v : UINT64_C(64) << 20;
	int r;

	if (shm == 0 || shm > INT64_MAX)
		return error_set(err, ERROR_INVALID, EINVAL, "--shm-size: expected a size such as 64m, got 0");
	spec_add_default_mounts(&m->spec, m->own_netns, m->own_cgroupns, m->own_ipcns, shm);
	adapt_default_mounts(m, m->own_pidns);
	r = user_mounts(m, err);
	if (r == 0)
		r = give_files(m, err);
	if (r == 0)
		r = give_init(m, err);
	m->spec.root_readonly = m->opt->read_only;
	return r;
}
