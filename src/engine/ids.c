/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids a container has on the host.
 *
 * As root each container gets a range of 65536 ids of its own. Nothing on disk depends on which one (layers and volumes
 * are idmapped when they are mounted), so ranges are taken for the life of a container only: a range is a symbolic link to the
 * container's id in the state folder. It is made whole by one system call, which needs no lock and no database. The ranges lie where no other program allocates
 * (systemd's documented "unused" part of the 31-bit ids) unless /etc/subuid gives some to the user "bothy".
 *
 * A plain user has what /etc/subuid gives, and container root is the user himself; where even that is missing, one id.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"

#define RANGE_SIZE 65536u
#define RANGE_FIRST UINT32_C(0x70000000) /* 1879048192; systemd's docs/UIDS-GIDS.md */
#define RANGE_COUNT 4095u                /* up to 0x7fff0000: below 2^31, which some programs take for negative */
#define SUBID_MAX_BYTES (1u << 20)

static int open_ids(struct engine *e, struct error *err)
{
	autofree char *dir = NULL;

	if (e->ids_fd >= 0)
		return 0;
	dir = mem_printf("%s/ids", e->state);
	e->ids_fd = safepath_state_open(dir, err);
	return e->ids_fd < 0 ? e->ids_fd : 0;
}

int engine_claim(struct engine *e, int dir_fd, const char *name, const char *id, struct error *err)
{
	int r = safepath_symlink(dir_fd, name, id, SAFEPATH_KEEP, err);
	char holder[ENGINE_ID_LEN + 1];
	struct error ignored;

	if (r == -EEXIST && safepath_readlink(dir_fd, name, holder, sizeof(holder), &ignored) == 0 &&
	    engine_owner_is_dead(e, holder)) {
		(void)safepath_unlink(dir_fd, name, true, &ignored);
		r = safepath_symlink(dir_fd, name, id, SAFEPATH_KEEP, err);
	}
	return r;
}

static int take_slot(struct making *m, unsigned slot, struct error *err)
{
	char name[16];
	int r;

	(void)snprintf(name, sizeof(name), "%u", slot);
	r = engine_claim(m->engine, m->engine->ids_fd, name, m->id, err);
	if (r < 0)
		return r == -EEXIST ? r : error_wrap(err, "take a range of ids in '%s'", m->engine->state);
	m->range_slot = (int)slot;
	return 0;
}

static int take_range(struct making *m, uint32_t *ret_first, struct error *err)
{
	uint32_t start = 0;
	int r = open_ids(m->engine, err);

	if (r < 0)
		return r;
	if (getrandom(&start, sizeof(start), GRND_NONBLOCK) < 0)
		start = (uint32_t)getpid();
	for (uint32_t i = 0; i < RANGE_COUNT; i++) {
		uint32_t slot = (start + i) % RANGE_COUNT;

		r = take_slot(m, slot, err);
		if (r == 0) {
			*ret_first = RANGE_FIRST + slot * RANGE_SIZE;
			return 0;
		}
		if (r != -EEXIST)
			return r;
	}
	return error_hint((error_set(err, ERROR_LIMIT, EUSERS, "all %u ranges of ids are taken", RANGE_COUNT), err),
			  "remove containers, or run with --userns host");
}

void engine_ids_release(struct making *m)
{
	struct error ignored;
	char name[16];

	if (m->range_slot < 0)
		return;
	(void)snprintf(name, sizeof(name), "%d", m->range_slot);
	(void)safepath_unlink(m->engine->ids_fd, name, true, &ignored); /* a stale one is found by the next taker */
	m->range_slot = -1;
}

static void add_map(struct arena *a, struct spec_id_maps *maps, uint32_t inside, uint32_t outside, uint32_t size)
{
	ARENA_PUSH(a, maps->items, maps->count) = (struct spec_id_map){inside, outside, size};
}

int engine_ids_parse_map(const char *text, const char *option, struct spec_id_map *ret, struct error *err)
{
	autostrv struct strv parts = {};
	struct spec_id_map m = {.size = 1};

	strv_split(&parts, text, ':');
	if (parts.count < 2 || parts.count > 3 || str_to_u32(parts.items[0], &m.container_id) < 0 ||
	    str_to_u32(parts.items[1], &m.host_id) < 0 ||
	    (parts.count == 3 && str_to_u32(parts.items[2], &m.size) < 0) || !m.size)
		return error_set(err, ERROR_INVALID, EINVAL, "%s: expected CONTAINER:HOST:COUNT in numbers, got \"%s\"",
				 option, text);
	*ret = m;
	return 0;
}

/* Our user's name, without the name service: "name:x:UID:" of /etc/passwd; "" when it is not there. */
static void own_name(char *out, size_t size)
{
	autobuf struct buf passwd = BUF_INIT(SUBID_MAX_BYTES);
	struct error ignored;
	char id[32];

	out[0] = '\0';
	(void)snprintf(id, sizeof(id), ":%u:", (unsigned)getuid());
	if (safepath_host_read("/etc/passwd", true, &passwd, &ignored) < 0)
		return;
	for (const char *p = buf_str(&passwd); p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		const char *colon = strchr(p, ':');
		const char *second = colon ? strchr(colon + 1, ':') : NULL;

		if (second && strncmp(second, id, strlen(id)) == 0 && (size_t)(colon - p) < size) {
			memcpy(out, p, (size_t)(colon - p));
			out[colon - p] = '\0';
			return;
		}
	}
}

/* For commands that the user is to type. */
static const char *user_name(void)
{
	const char *name = getenv("USER");

	return name && name[0] && !str_has_control(name) ? name : "$USER";
}

/* The subordinate ids of the calling user. */
static size_t subids(enum ids_kind kind, struct ids_range *ranges, size_t max)
{
	autobuf struct buf text = BUF_INIT(SUBID_MAX_BYTES);
	struct error ignored;
	char name[256];

	if (safepath_host_read(kind == IDS_UID ? "/etc/subuid" : "/etc/subgid", true, &text, &ignored) < 0)
		return 0;
	own_name(name, sizeof(name));
	return ids_parse_subids(buf_str(&text), text.len, name[0] ? name : NULL, getuid(), 1, ranges, max);
}

/* May a plain user have host ids @first..@first+@size-1 in a map: his own one, or subordinate ones? */
static bool is_allowed(enum ids_kind kind, uint32_t first, uint32_t size)
{
	struct ids_range ranges[16];
	size_t n = subids(kind, ranges, ARRAY_SIZE(ranges));

	if (size == 1 && first == (kind == IDS_UID ? geteuid() : getegid()))
		return true;
	for (size_t i = 0; i < n; i++)
		if (first >= ranges[i].outside && first - ranges[i].outside < ranges[i].count &&
		    size <= ranges[i].count - (first - ranges[i].outside))
			return true;
	return false;
}

static int check_maps(struct making *m, enum ids_kind kind, const char *option, const struct spec_id_maps *maps,
		      struct error *err)
{
	struct ids_range *ranges = arena_alloc(&m->spec.arena, maps->count + 1, sizeof(*ranges));
	const char *file = kind == IDS_UID ? "/etc/subuid" : "/etc/subgid";

	for (size_t i = 0; i < maps->count; i++) {
		const struct spec_id_map *e = &maps->items[i];

		ranges[i] = (struct ids_range){e->container_id, e->host_id, e->size};
		if (!m->engine->root && !is_allowed(kind, e->host_id, e->size))
			return error_hint((error_set(err, ERROR_DENIED, EPERM,
						     "%s: the ids %u-%u of the host are not yours to map", option,
						     e->host_id, e->host_id + e->size - 1),
					   err),
					  "%s lists what you may use, beside your own id", file);
	}
	return ids_check(option, ranges, maps->count, err);
}

static int parse_maps(struct making *m, const char *option, const struct strv *texts, struct spec_id_maps *out,
		      struct error *err)
{
	struct spec_id_map map;
	int r;

	for (size_t i = 0; i < texts->count; i++) {
		r = engine_ids_parse_map(texts->items[i], option, &map, err);
		if (r < 0)
			return r;
		add_map(&m->spec.arena, out, map.container_id, map.host_id, map.size);
	}
	return 0;
}

/* --uidmap, --gidmap: one list given serves for both, as in Podman. */
static int explicit_maps(struct making *m, struct error *err)
{
	struct spec_linux *l = &m->spec.linux_;
	const struct engine_run_options *o = m->opt;
	const char *uid_option = o->uidmaps.count ? "--uidmap" : "--gidmap";
	const char *gid_option = o->gidmaps.count ? "--gidmap" : "--uidmap";
	int r;

	if (o->userns)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--userns %s: cannot be used together with --uidmap or --gidmap", o->userns);
	r = parse_maps(m, uid_option, o->uidmaps.count ? &o->uidmaps : &o->gidmaps, &l->uid_mappings, err);
	if (r == 0)
		r = parse_maps(m, gid_option, o->gidmaps.count ? &o->gidmaps : &o->uidmaps, &l->gid_mappings, err);
	if (r == 0)
		r = check_maps(m, IDS_UID, uid_option, &l->uid_mappings, err);
	return r < 0 ? r : check_maps(m, IDS_GID, gid_option, &l->gid_mappings, err);
}

/* A plain user: root inside is the user, the rest are the subordinate ids. */
static void rootless_maps(struct making *m, bool keep_id, uint32_t keep_uid, uint32_t keep_gid)
{
	struct spec_linux *l = &m->spec.linux_;

	for (int kind = 0; kind < 2; kind++) {
		struct spec_id_maps *maps = kind ? &l->gid_mappings : &l->uid_mappings;
		const uint32_t own = kind ? getegid() : geteuid();
		const uint32_t keep = keep_id ? (kind ? keep_gid : keep_uid) : 0;
		struct ids_range ranges[16];
		size_t n = subids(kind ? IDS_GID : IDS_UID, ranges, ARRAY_SIZE(ranges));
		uint32_t next = 0;

		/* Ids below the kept one come from the subordinate ranges, then the user, then the rest. */
		for (size_t i = 0; i < n; i++) {
			uint32_t first = ranges[i].outside;
			uint32_t count = ranges[i].count;

			if (next < keep && count) {
				uint32_t part = keep - next < count ? keep - next : count;

				add_map(&m->spec.arena, maps, next, first, part);
				next += part;
				first += part;
				count -= part;
			}
			if (next == keep) {
				add_map(&m->spec.arena, maps, keep, own, 1);
				next = keep + 1;
			}
			if (count) {
				add_map(&m->spec.arena, maps, next, first, count);
				next += count;
			}
		}
		if (!n || next <= keep)
			add_map(&m->spec.arena, maps, n ? keep : 0, own, 1);
	}
}

/* Only the first @size ids. */
static void trim_maps(struct spec_id_maps *maps, uint32_t size)
{
	size_t kept = 0;

	for (size_t i = 0; i < maps->count; i++) {
		struct spec_id_map *e = &maps->items[i];

		if (e->container_id >= size)
			continue;
		if (e->size > size - e->container_id)
			e->size = size - e->container_id;
		maps->items[kept++] = *e;
	}
	maps->count = kept;
}

/* What may stand behind the colon of --userns MODE:KEY=VALUE,... */
struct userns_words {
	uint32_t size, uid, gid;
	bool size_set;
	struct spec_id_maps uidmapping, gidmapping;
};

static int suboption(struct making *m, const char *mode, const char *word, struct userns_words *w, struct error *err)
{
	const bool is_auto = str_eq(mode, "auto");
	const char *eq = strchr(word, '=');
	autofree char *key = eq ? mem_strndup(word, (size_t)(eq - word)) : mem_strdup(word);
	const char *value = eq ? eq + 1 : "";
	uint32_t *number = is_auto && str_eq(key, "size")   ? &w->size
			   : !is_auto && str_eq(key, "uid") ? &w->uid
			   : !is_auto && str_eq(key, "gid") ? &w->gid
							    : NULL;
	struct spec_id_map map;
	int r;

	if (number) {
		w->size_set |= is_auto;
		return str_to_u32(value, number) == 0
			       ? 0
			       : error_set(err, ERROR_INVALID, EINVAL,
					   "--userns %s: expected a number for %s, got \"%s\"", mode, key, value);
	}
	if (!is_auto || (!str_eq(key, "uidmapping") && !str_eq(key, "gidmapping")))
		return error_hint(
			(error_set(err, ERROR_INVALID, EINVAL, "--userns %s: unknown option \"%s\"", mode, key), err),
			is_auto ? "known are size=N, uidmapping=IN:OUT:N, gidmapping=IN:OUT:N"
				: "known are uid=N, gid=N");
	r = engine_ids_parse_map(value, key[0] == 'u' ? "--userns auto:uidmapping" : "--userns auto:gidmapping", &map,
				 err);
	if (r == 0)
		add_map(&m->spec.arena, key[0] == 'u' ? &w->uidmapping : &w->gidmapping, map.container_id, map.host_id,
			map.size);
	return r;
}

static int suboptions(struct making *m, const char *mode, const char *rest, struct userns_words *w, struct error *err)
{
	autostrv struct strv parts = {};
	int r = 0;

	strv_split(&parts, rest, ',');
	for (size_t i = 0; i < parts.count && r == 0; i++)
		r = suboption(m, mode, parts.items[i], w, err);
	return r;
}

/* The range from @first, with the holes that @fixed lines are put in. */
static void fill_around(struct making *m, struct spec_id_maps *out, const struct spec_id_maps *fixed, uint32_t first,
			uint32_t size)
{
	uint32_t at = 0;

	while (at < size) {
		uint32_t end = size;
		uint32_t skip = 0;

		for (size_t i = 0; i < fixed->count; i++) {
			const struct spec_id_map *f = &fixed->items[i];

			if (at >= f->container_id && at - f->container_id < f->size)
				skip = f->size - (at - f->container_id);
			else if (f->container_id > at && f->container_id < end)
				end = f->container_id;
		}
		if (!skip)
			add_map(&m->spec.arena, out, at, first + at, end - at);
		if (skip >= size - at)
			break;
		at = skip ? at + skip : end;
	}
	for (size_t i = 0; i < fixed->count; i++)
		add_map(&m->spec.arena, out, fixed->items[i].container_id, fixed->items[i].host_id,
			fixed->items[i].size);
}

static int auto_maps(struct making *m, const struct userns_words *w, struct error *err)
{
	struct spec_linux *l = &m->spec.linux_;
	uint32_t first = 0;
	int r;

	if (w->size == 0 || w->size > RANGE_SIZE)
		return error_set(err, ERROR_INVALID, EINVAL, "--userns auto: size must be between 1 and %u, got %u",
				 RANGE_SIZE, w->size);
	if (!m->engine->root) {
		if (w->uidmapping.count || w->gidmapping.count)
			return error_hint((error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
						     "--userns auto: uidmapping and gidmapping need root"),
					   err),
					  "give the whole table with --uidmap and --gidmap");
		rootless_maps(m, false, 0, 0);
		trim_maps(&l->uid_mappings, w->size_set ? w->size : UINT32_MAX);
		trim_maps(&l->gid_mappings, w->size_set ? w->size : UINT32_MAX);
		return 0;
	}
	r = take_range(m, &first, err);
	if (r < 0)
		return error_wrap(err, "user namespace");
	fill_around(m, &l->uid_mappings, &w->uidmapping, first, w->size);
	fill_around(m, &l->gid_mappings, &w->gidmapping, first, w->size);
	r = check_maps(m, IDS_UID, "--userns auto:uidmapping", &l->uid_mappings, err);
	return r < 0 ? r : check_maps(m, IDS_GID, "--userns auto:gidmapping", &l->gid_mappings, err);
}

static int keep_id(struct making *m, const struct userns_words *w, struct error *err)
{
	if (m->engine->root)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL,
					     "--userns keep-id: root has no ids of its own to keep"),
				   err),
				  "run as a plain user, or map with --uidmap and --gidmap");
	if (!engine_ids_has_subids())
		return error_hint(
			(error_set(err, ERROR_NOT_FOUND, ENOENT, "--userns keep-id: you have no subordinate ids"), err),
			"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s", user_name());
	rootless_maps(m, true, w->uid, w->gid);
	m->keep_id = true;
	m->keep_uid = w->uid;
	m->keep_gid = w->gid;
	return 0;
}

bool engine_ids_has_subids(void)
{
	struct ids_range ranges[1];

	return subids(IDS_UID, ranges, 1) && subids(IDS_GID, ranges, 1);
}

static int choose_mode(struct making *m, struct error *err)
{
	const char *text = m->opt->userns ? m->opt->userns : m->opt->privileged && m->engine->root ? "host" : "auto";
	const char *colon = strchr(text, ':');
	autofree char *typed = mem_strndup(text, strcspn(text, ":"));
	const char *mode = str_eq(typed, "private") || !typed[0] ? "auto" : typed;
	struct userns_words w = {.size = RANGE_SIZE, .uid = geteuid(), .gid = getegid()};
	int r = suboptions(m, mode, colon && (str_eq(mode, "auto") || str_eq(mode, "keep-id")) ? colon + 1 : "", &w,
			   err);

	if (r < 0)
		return r;
	if (str_eq(mode, "auto"))
		return auto_maps(m, &w, err);
	if (str_eq(mode, "keep-id"))
		return keep_id(m, &w, err);
	if (!str_eq(text, "host"))
		return error_hint(
			(error_set(err, ERROR_INVALID, EINVAL, "--userns: unknown mode \"%s\"", text), err),
			"known are auto, auto:size=N, auto:uidmapping=IN:OUT:N, keep-id, keep-id:uid=N,gid=N and host");
	/* A plain user has no rights on the host: his own ids are all that "host" can mean. */
	m->own_userns = !m->engine->root;
	if (m->own_userns)
		rootless_maps(m, false, 0, 0);
	return 0;
}

int engine_ids_choose(struct making *m, struct error *err)
{
	int r;

	m->range_slot = -1;
	m->own_userns = true;
	r = m->opt->uidmaps.count || m->opt->gidmaps.count ? explicit_maps(m, err) : choose_mode(m, err);
	m->spec.linux_.ns[SPEC_NS_USER].present = m->own_userns;
	m->idmap = m->own_userns && m->engine->root;
	return r;
}

bool engine_ids_groups_denied(const struct making *m)
{
	const struct spec_id_maps *g = &m->spec.linux_.gid_mappings;

	return m->own_userns && !m->engine->root && g->count == 1 && g->items[0].size == 1;
}

/* @id of the container on the host. */
static int to_host(const struct spec_id_maps *maps, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < maps->count; i++)
		if (id >= maps->items[i].container_id && id - maps->items[i].container_id < maps->items[i].size) {
			*ret = maps->items[i].host_id + (id - maps->items[i].container_id);
			return 0;
		}
	return -ENOENT;
}

int engine_ids_to_host(const struct making *m, uint32_t uid, uint32_t gid, uint32_t *ret_uid, uint32_t *ret_gid)
{
	int r = to_host(&m->spec.linux_.uid_mappings, uid, ret_uid);

	return r < 0 ? r : to_host(&m->spec.linux_.gid_mappings, gid, ret_gid);
}

int engine_ids_check_user(const struct making *m, struct error *err)
{
	const struct spec_user *u = &m->spec.process.user;
	uint32_t ignored;
	const char *what = "user";
	uint32_t id = u->uid;
	int r = m->own_userns ? to_host(&m->spec.linux_.uid_mappings, u->uid, &ignored) : 0;

	if (r == 0 && m->own_userns) {
		what = "group";
		id = u->gid;
		r = to_host(&m->spec.linux_.gid_mappings, u->gid, &ignored);
	}
	if (r == 0)
		return 0;
	error_set(err, ERROR_INVALID, EINVAL, "--user: %s %u does not exist in the container's user namespace", what,
		  id);
	if (m->opt->uidmaps.count || m->opt->gidmaps.count)
		return error_hint(err, "add a line that maps it: --%s %u:HOST ID:1",
				  str_eq(what, "user") ? "uidmap" : "gidmap", id);
	if (!m->engine->root && !engine_ids_has_subids())
		return error_hint(
			err,
			"you have a single id; for more, as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
			user_name());
	return error_hint(err, "choose another user, or a larger range: --userns auto:size=65536");
}
