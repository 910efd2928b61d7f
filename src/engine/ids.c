/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids a container has on the host.
 *
 * As root each container gets a range of 65536 ids of its own. Nothing on disk depends on which one (layers and volumes
 * are idmapped when they are mounted), so ranges are taken for the life of a container only: a range is a file in the
 * state folder, made with O_EXCL, which needs no lock and no database. The ranges lie where no other program allocates
 * (systemd's documented "unused" part of the 31-bit ids) unless /etc/subuid gives some to the user "bothy".
 *
 * A plain user has what /etc/subuid gives, and container root is the user himself; where even that is missing, one id.
 */
#include <fcntl.h>
#include <pwd.h>
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

/* A slot whose container is gone was left by a crash. */
static bool is_stale(struct making *m, const char *name)
{
	autobuf struct buf id = BUF_INIT(256);
	struct error ignored;
	struct store *store;
	struct store_container folder;

	if (safepath_read_file(m->engine->ids_fd, name, &id, &ignored) < 0 || !id.len)
		return false; /* being made this moment */
	if (engine_store(m->engine, &store, &ignored) < 0)
		return false;
	if (store_container_open(store, buf_str(&id), &folder, &ignored) == 0) {
		store_container_done(&folder);
		return false;
	}
	return ignored.kind == ERROR_NOT_FOUND;
}

static int take_slot(struct making *m, unsigned slot, struct error *err)
{
	char name[16];
	autofd int fd = FD_NONE;
	int r;

	(void)snprintf(name, sizeof(name), "%u", slot);
	fd = safepath_create_file(m->engine->ids_fd, name, O_WRONLY, 0600, SAFEPATH_KEEP, err);
	if (fd == -EEXIST && is_stale(m, name)) {
		(void)safepath_unlink(m->engine->ids_fd, name, true, err);
		fd = safepath_create_file(m->engine->ids_fd, name, O_WRONLY, 0600, SAFEPATH_KEEP, err);
	}
	if (fd < 0)
		return fd;
	r = fd_write_all(fd, m->id, ENGINE_ID_LEN);
	if (r < 0)
		return error_sys(err, -r, "take a range of ids");
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
	    str_to_u32(parts.items[1], &m.host_id) < 0 || (parts.count == 3 && str_to_u32(parts.items[2], &m.size) < 0) || !m.size)
		return error_set(err, ERROR_INVALID, EINVAL, "%s: expected CONTAINER:HOST:COUNT in numbers, got \"%s\"", option, text);
	*ret = m;
	return 0;
}

/* --uidmap, --gidmap: one list given serves for both, as in Podman. */
static int explicit_maps(struct making *m, struct error *err)
{
	struct spec_linux *l = &m->spec.linux_;
	const struct strv *uids = m->opt->uidmaps.count ? &m->opt->uidmaps : &m->opt->gidmaps;
	const struct strv *gids = m->opt->gidmaps.count ? &m->opt->gidmaps : &m->opt->uidmaps;
	struct spec_id_map map;
	int r;

	for (size_t i = 0; i < uids->count; i++) {
		r = engine_ids_parse_map(uids->items[i], "--uidmap", &map, err);
		if (r < 0)
			return r;
		add_map(&m->spec.arena, &l->uid_mappings, map.container_id, map.host_id, map.size);
	}
	for (size_t i = 0; i < gids->count; i++) {
		r = engine_ids_parse_map(gids->items[i], "--gidmap", &map, err);
		if (r < 0)
			return r;
		add_map(&m->spec.arena, &l->gid_mappings, map.container_id, map.host_id, map.size);
	}
	return 0;
}

/* The subordinate ids of the calling user. */
static size_t subids(enum ids_kind kind, struct ids_range *ranges, size_t max)
{
	autobuf struct buf text = BUF_INIT(SUBID_MAX_BYTES);
	autobuf struct buf passwd = BUF_INIT(SUBID_MAX_BYTES);
	struct error ignored;
	char name[256] = "";
	char line_id[32];

	if (safepath_host_read(kind == IDS_UID ? "/etc/subuid" : "/etc/subgid", true, &text, &ignored) < 0)
		return 0;
	/* The user's name, without the name service: "name:x:UID:". */
	(void)snprintf(line_id, sizeof(line_id), ":%u:", (unsigned)getuid());
	if (safepath_host_read("/etc/passwd", true, &passwd, &ignored) == 0)
		for (const char *p = buf_str(&passwd); p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
			const char *colon = strchr(p, ':');
			const char *second = colon ? strchr(colon + 1, ':') : NULL;

			if (second && strncmp(second, line_id, strlen(line_id)) == 0 && (size_t)(colon - p) < sizeof(name)) {
				memcpy(name, p, (size_t)(colon - p));
				name[colon - p] = '\0';
				break;
			}
		}
	return ids_parse_subids(buf_str(&text), text.len, name[0] ? name : NULL, getuid(), 1, ranges, max);
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

/* "auto:size=N", "keep-id:uid=N,gid=N": what stands behind the colon. */
static int suboption(const char *text, const char *key, uint32_t *value, struct error *err)
{
	autostrv struct strv parts = {};

	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.count; i++) {
		const size_t len = strlen(key);

		if (strncmp(parts.items[i], key, len) != 0 || parts.items[i][len] != '=')
			continue;
		if (str_to_u32(parts.items[i] + len + 1, value) < 0)
			return error_set(err, ERROR_INVALID, EINVAL, "--userns: expected a number for %s, got \"%s\"", key,
					 parts.items[i] + len + 1);
	}
	return 0;
}

static int auto_maps(struct making *m, const char *rest, struct error *err)
{
	struct spec_linux *l = &m->spec.linux_;
	uint32_t size = RANGE_SIZE;
	uint32_t first = 0;
	int r = suboption(rest, "size", &size, err);

	if (r < 0)
		return r;
	if (size == 0 || size > RANGE_SIZE)
		return error_set(err, ERROR_INVALID, EINVAL, "--userns auto: size must be between 1 and %u", RANGE_SIZE);
	if (!m->engine->root) {
		rootless_maps(m, false, 0, 0);
		return 0;
	}
	r = take_range(m, &first, err);
	if (r < 0)
		return error_wrap(err, "user namespace");
	add_map(&m->spec.arena, &l->uid_mappings, 0, first, size);
	add_map(&m->spec.arena, &l->gid_mappings, 0, first, size);
	return 0;
}

static int keep_id(struct making *m, const char *rest, struct error *err)
{
	uint32_t uid = geteuid();
	uint32_t gid = getegid();
	int r;

	if (m->engine->root)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "--userns keep-id: root has no ids of its own to keep"), err),
				  "run as a plain user, or map with --uidmap and --gidmap");
	r = suboption(rest, "uid", &uid, err);
	if (r == 0)
		r = suboption(rest, "gid", &gid, err);
	if (r == 0)
		rootless_maps(m, true, uid, gid);
	return r;
}

int engine_ids_choose(struct making *m, struct error *err)
{
	const char *mode = m->opt->userns ? m->opt->userns : m->opt->privileged && m->engine->root ? "host" : "auto";
	const char *rest = strchr(mode, ':') ? strchr(mode, ':') + 1 : "";
	const size_t len = strcspn(mode, ":");
	int r;

	m->range_slot = -1;
	m->own_userns = true;
	if (m->opt->uidmaps.count || m->opt->gidmaps.count)
		r = explicit_maps(m, err);
	else if (len == 4 && strncmp(mode, "host", 4) == 0) {
		/* A plain user has no rights on the host: his own ids are all that "host" can mean. */
		m->own_userns = !m->engine->root;
		if (m->own_userns)
			rootless_maps(m, false, 0, 0);
		r = 0;
	} else if (len == 7 && strncmp(mode, "keep-id", 7) == 0)
		r = keep_id(m, rest, err);
	else if ((len == 4 && strncmp(mode, "auto", 4) == 0) || str_eq(mode, "private") || !mode[0])
		r = auto_maps(m, rest, err);
	else
		r = error_set(err, ERROR_INVALID, EINVAL, "--userns: expected auto, auto:size=N, keep-id or host, got \"%s\"", mode);
	m->spec.linux_.ns[SPEC_NS_USER].present = m->own_userns;
	m->idmap = m->own_userns && m->engine->root;
	return r;
}
