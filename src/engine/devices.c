/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices: --device, --device-cgroup-rule, and every device of the host for --privileged.
 *
 * A node has two locks: its owner and mode, and the cgroup's device rules. In a user namespace of its own the container
 * can't make nodes, and the host's nodes belong to ids that it has not. So root makes a node of the same number in the
 * container's folder, with the owner translated, and binds that; a plain user binds the host's node as it is, and can use
 * what he could use outside. Without a user namespace the runtime makes the node inside.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define NODES_MAX 4096

static void allow(struct making *m, struct spec_device_rule rule)
{
	struct spec_resources *r = &m->spec.linux_.resources;

	ARENA_PUSH(&m->spec.arena, r->devices, r->device_count) = rule;
}

static int access_bits(const char *text, uint8_t *ret)
{
	*ret = 0;
	for (; *text; text++)
		switch (*text) {
		case 'r':
			*ret |= SPEC_ACCESS_READ;
			break;
		case 'w':
			*ret |= SPEC_ACCESS_WRITE;
			break;
		case 'm':
			*ret |= SPEC_ACCESS_MKNOD;
			break;
		default:
			return -EINVAL;
		}
	return *ret ? 0 : -EINVAL;
}

int engine_device_parse(struct arena *a, const char *text, struct engine_device *ret, struct error *err)
{
	autostrv struct strv parts = {};
	struct engine_device d = {.access = SPEC_ACCESS_READ | SPEC_ACCESS_WRITE | SPEC_ACCESS_MKNOD};

	strv_split(&parts, text, ':');
	if (parts.count < 1 || parts.count > 3 || parts.items[0][0] != '/')
		return error_hint((error_set(err, ERROR_INVALID, EINVAL,
					     "--device: expected PATH[:PATH INSIDE][:rwm], got \"%s\"", text),
				   err),
				  "for example --device /dev/fuse or --device /dev/ttyUSB0:/dev/modem:rw");
	d.host = arena_strdup(a, parts.items[0]);
	d.inside = d.host;
	for (size_t i = 1; i < parts.count; i++) {
		const bool is_path = i == 1 && parts.items[i][0] == '/';

		if (is_path)
			d.inside = arena_strdup(a, parts.items[i]);
		else if (i != parts.count - 1 || access_bits(parts.items[i], &d.access) < 0)
			return error_set(err, ERROR_INVALID, EINVAL,
					 "--device \"%s\": expected letters of rwm, got \"%s\"", text, parts.items[i]);
	}
	*ret = d;
	return 0;
}

/* A node of our own in the container's folder; the path of it, or NULL where the folder takes none. */
static const char *make_node(struct making *m, const struct stat *st)
{
	struct safepath_owner owner;
	struct error ignored;
	uint32_t uid = 0;
	uint32_t gid = 0;
	char name[32];

	if (engine_ids_to_host(m, st->st_uid, st->st_gid, &uid, &gid) < 0 &&
	    engine_ids_to_host(m, 0, 0, &uid, &gid) < 0)
		return NULL;
	owner = (struct safepath_owner){uid, gid};
	(void)snprintf(name, sizeof(name), "device-%zu", m->node_count);
	if (safepath_mknod(m->folder.dir_fd, name, st->st_mode & (S_IFMT | 0777), st->st_rdev, &owner, NULL, &ignored) <
	    0)
		return NULL;
	m->node_count++;
	return arena_printf(&m->spec.arena, "%s/%s", m->bundle, name);
}

static int bind_node(struct making *m, const char *source, const char *inside, struct error *err)
{
	struct spec_mount mount = {.type = "bind", .data = "", .source = source, .destination = inside};
	int r;

	spec_strs_push(&m->spec.arena, &mount.options, "bind");
	spec_strs_push(&m->spec.arena, &mount.options, "rprivate");
	spec_strs_push(&m->spec.arena, &mount.options, "nosuid");
	spec_strs_push(&m->spec.arena, &mount.options, "noexec");
	r = spec_mount_parse_options(&m->spec.arena, &mount, "--device", err);
	if (r == 0)
		engine_add_mount(&m->spec, &mount);
	return r;
}

static int add_node(struct making *m, const char *host, const char *inside, const struct stat *st, uint8_t access,
		    struct error *err)
{
	const char type = S_ISBLK(st->st_mode) ? 'b' : 'c';
	const char *node = NULL;

	if (!m->opt->privileged)
		allow(m, (struct spec_device_rule){.allow = true,
						   .type = type,
						   .major = major(st->st_rdev),
						   .minor = minor(st->st_rdev),
						   .access = access});
	if (!m->own_userns) {
		ARENA_PUSH(&m->spec.arena, m->spec.linux_.devices, m->spec.linux_.device_count) = (struct spec_device){
			.path = arena_strdup(&m->spec.arena, inside),
			.type = type,
			.major = major(st->st_rdev),
			.minor = minor(st->st_rdev),
			.mode = {true, st->st_mode & 0777},
			.uid = {true, st->st_uid},
			.gid = {true, st->st_gid},
		};
		return 0;
	}
	if (m->engine->root)
		node = make_node(m, st);
	return bind_node(m, node ? node : arena_strdup(&m->spec.arena, host), arena_strdup(&m->spec.arena, inside),
			 err);
}

struct folder {
	struct making *making;
	const char *host, *inside;
	uint8_t access;
	size_t found;
};

static int add_entry(const struct safepath_entry *e, void *arg, struct error *err)
{
	static const char *const left_out[] = {"pts",  "shm",  "mqueue", "console", "ptmx",   "tty",
					       "null", "zero", "full",   "random",  "urandom"};
	struct folder *f = arg;
	autofree char *host = NULL;
	autofree char *inside = NULL;

	/* What a container has of its own. */
	for (size_t i = 0; i < ARRAY_SIZE(left_out) && e->depth == 0 && str_eq(f->inside, "/dev"); i++)
		if (str_eq(e->name, left_out[i]))
			return S_ISDIR(e->st->st_mode) ? 1 : 0;
	if (!S_ISCHR(e->st->st_mode) && !S_ISBLK(e->st->st_mode))
		return 0;
	host = mem_printf("%s/%s", f->host, e->path);
	inside = mem_printf("%s/%s", f->inside, e->path);
	f->found++;
	return add_node(f->making, host, inside, e->st, f->access, err);
}

/* All devices in a folder, as /dev/snd. */
static int add_folder(struct making *m, const struct engine_device *d, size_t *ret_found, struct error *err)
{
	struct folder f = {.making = m, .host = d->host, .inside = d->inside, .access = d->access};
	autofd int dir = safepath_host_open(d->host, O_RDONLY | O_DIRECTORY, 0, err);
	int r;

	if (dir < 0)
		return dir;
	r = safepath_walk(dir, SAFEPATH_PRE, NODES_MAX, add_entry, &f, err);
	*ret_found = f.found;
	return r;
}

static int device(struct making *m, const char *text, struct error *err)
{
	struct engine_device d;
	struct stat st;
	size_t found = 0;
	int r = engine_device_parse(&m->spec.arena, text, &d, err);

	if (r < 0)
		return r;
	r = safepath_host_stat(d.host, &st);
	if (r < 0)
		return error_sys(err, -r, "--device '%s'", d.host);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return add_node(m, d.host, d.inside, &st, d.access, err);
	if (S_ISDIR(st.st_mode)) {
		r = add_folder(m, &d, &found, err);
		if (r < 0 || found)
			return r < 0 ? error_wrap(err, "--device") : 0;
	}
	return error_set(err, ERROR_INVALID, ENODEV, "--device '%s': it is not a device%s", d.host,
			 S_ISDIR(st.st_mode) ? ", and there is none in it" : "");
}

int engine_device_rule_parse(const char *text, struct spec_device_rule *ret, struct error *err)
{
	struct spec_device_rule rule = {.allow = true, .major = -1, .minor = -1};
	autostrv struct strv parts = {};
	char *colon;
	uint32_t v;

	strv_split(&parts, text, ' ');
	colon = parts.count == 3 ? strchr(parts.items[1], ':') : NULL;
	if (!colon || strlen(parts.items[0]) != 1 || !strchr("abc", parts.items[0][0]) ||
	    access_bits(parts.items[2], &rule.access) < 0)
		goto bad;
	*colon++ = '\0';
	rule.type = parts.items[0][0];
	if (!str_eq(parts.items[1], "*")) {
		if (str_to_u32(parts.items[1], &v) < 0)
			goto bad;
		rule.major = v;
	}
	if (!str_eq(colon, "*")) {
		if (str_to_u32(colon, &v) < 0)
			goto bad;
		rule.minor = v;
	}
	*ret = rule;
	return 0;
bad:
	return error_set(err, ERROR_INVALID, EINVAL,
			 "--device-cgroup-rule: expected \"TYPE MAJOR:MINOR ACCESS\" such as \"c 1:* rwm\", got \"%s\"",
			 text);
}

int engine_devices(struct making *m, struct error *err)
{
	const struct engine_device all = {.host = "/dev", .inside = "/dev", .access = 7};
	struct spec_device_rule rule;
	size_t found;
	int r = 0;

	if (m->opt->privileged) {
		allow(m, (struct spec_device_rule){.allow = true, .type = 'a', .major = -1, .minor = -1, .access = 7});
		if (!m->own_userns)
			r = add_folder(m, &all, &found, err);
	}
	for (size_t i = 0; i < m->opt->devices.count && r == 0; i++)
		r = device(m, m->opt->devices.items[i], err);
	for (size_t i = 0; i < m->opt->device_rules.count && r == 0; i++) {
		r = engine_device_rule_parse(m->opt->device_rules.items[i], &rule, err);
		if (r == 0)
			allow(m, rule);
	}
	return r;
}
