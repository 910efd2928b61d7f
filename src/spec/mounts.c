/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mounts` of config.json: rows, and the table that gives each mount option its meaning (runtime-spec config.md "Linux
 * mount options", mount(8), mount_setattr(2)). An option that no row knows belongs to the file system and goes to `data`.
 *
 * The access-time settings are one value of several bits, not flags: setting one puts the whole mask MOUNT_ATTR__ATIME
 * into the bits to clear, as mount_setattr(2) demands, and replaces what an earlier option asked for.
 */
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "spec/fields.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

enum option_kind {
	OPTION_NOTHING,     /* known, and what we do anyway or what only mount(8) itself acts on */
	OPTION_ATTR,        /* set `bits` on this mount */
	OPTION_ATTR_CLEAR,  /* clear them */
	OPTION_TREE,        /* the same for the whole tree */
	OPTION_TREE_CLEAR,
	OPTION_SUPER,       /* MS_ flag of the superblock */
	OPTION_SUPER_CLEAR,
	OPTION_PROPAGATION,
	OPTION_IDMAP,       /* `bits` is an enum spec_mount_idmap */
	OPTION_FLAG,        /* raise the bool at `offset` */
};

struct option {
	const char *name;
	enum option_kind kind;
	uint64_t bits;
	size_t offset;
};

#define FLAG(word, member)                                                                                             \
	{                                                                                                              \
		word, OPTION_FLAG, 0, offsetof(struct spec_mount, member)                                              \
	}
/* Sorted by name: looked up by bisection. */
static const struct option options[] = {
	{"_netdev", OPTION_NOTHING, 0, 0},
	{"async", OPTION_SUPER_CLEAR, MS_SYNCHRONOUS, 0},
	{"atime", OPTION_ATTR_CLEAR, MOUNT_ATTR_NOATIME, 0},
	{"auto", OPTION_NOTHING, 0, 0},
	FLAG("bind", bind),
	FLAG("copy-symlink", copy_symlink),
	{"defaults", OPTION_NOTHING, 0, 0},
	FLAG("dest-nofollow", dest_nofollow),
	{"dev", OPTION_ATTR_CLEAR, MOUNT_ATTR_NODEV, 0},
	{"diratime", OPTION_ATTR_CLEAR, MOUNT_ATTR_NODIRATIME, 0},
	{"dirsync", OPTION_SUPER, MS_DIRSYNC, 0},
	{"exec", OPTION_ATTR_CLEAR, MOUNT_ATTR_NOEXEC, 0},
	{"group", OPTION_NOTHING, 0, 0},
	{"idmap", OPTION_IDMAP, SPEC_MOUNT_IDMAP, 0},
	{"iversion", OPTION_SUPER, MS_I_VERSION, 0},
	{"lazytime", OPTION_SUPER, MS_LAZYTIME, 0},
	{"loud", OPTION_SUPER_CLEAR, MS_SILENT, 0},
	{"mand", OPTION_SUPER, MS_MANDLOCK, 0},
	{"noatime", OPTION_ATTR, MOUNT_ATTR_NOATIME, 0},
	{"noauto", OPTION_NOTHING, 0, 0},
	{"nodev", OPTION_ATTR, MOUNT_ATTR_NODEV, 0},
	{"nodiratime", OPTION_ATTR, MOUNT_ATTR_NODIRATIME, 0},
	{"noexec", OPTION_ATTR, MOUNT_ATTR_NOEXEC, 0},
	{"nofail", OPTION_NOTHING, 0, 0},
	{"nogroup", OPTION_NOTHING, 0, 0},
	{"noiversion", OPTION_SUPER_CLEAR, MS_I_VERSION, 0},
	{"nolazytime", OPTION_SUPER_CLEAR, MS_LAZYTIME, 0},
	{"nomand", OPTION_SUPER_CLEAR, MS_MANDLOCK, 0},
	{"noowner", OPTION_NOTHING, 0, 0},
	{"norelatime", OPTION_NOTHING, 0, 0}, /* relatime is what the kernel does when nothing else is asked */
	{"nostrictatime", OPTION_ATTR_CLEAR, MOUNT_ATTR_STRICTATIME, 0},
	{"nosuid", OPTION_ATTR, MOUNT_ATTR_NOSUID, 0},
	{"nosymfollow", OPTION_ATTR, MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"nouser", OPTION_NOTHING, 0, 0},
	{"nousers", OPTION_NOTHING, 0, 0},
	{"owner", OPTION_NOTHING, 0, 0},
	{"private", OPTION_PROPAGATION, MS_PRIVATE, 0},
	{"ratime", OPTION_TREE_CLEAR, MOUNT_ATTR_NOATIME, 0},
	FLAG("rbind", recursive_bind),
	{"rdev", OPTION_TREE_CLEAR, MOUNT_ATTR_NODEV, 0},
	{"rdiratime", OPTION_TREE_CLEAR, MOUNT_ATTR_NODIRATIME, 0},
	{"relatime", OPTION_ATTR, MOUNT_ATTR_RELATIME, 0},
	FLAG("remount", remount),
	{"rexec", OPTION_TREE_CLEAR, MOUNT_ATTR_NOEXEC, 0},
	{"ridmap", OPTION_IDMAP, SPEC_MOUNT_IDMAP_RECURSIVE, 0},
	{"rnoatime", OPTION_TREE, MOUNT_ATTR_NOATIME, 0},
	{"rnodev", OPTION_TREE, MOUNT_ATTR_NODEV, 0},
	{"rnodiratime", OPTION_TREE, MOUNT_ATTR_NODIRATIME, 0},
	{"rnoexec", OPTION_TREE, MOUNT_ATTR_NOEXEC, 0},
	{"rnorelatime", OPTION_TREE_CLEAR, MOUNT_ATTR_RELATIME, 0},
	{"rnostrictatime", OPTION_TREE_CLEAR, MOUNT_ATTR_STRICTATIME, 0},
	{"rnosuid", OPTION_TREE, MOUNT_ATTR_NOSUID, 0},
	{"rnosymfollow", OPTION_TREE, MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"ro", OPTION_ATTR, MOUNT_ATTR_RDONLY, 0},
	{"rprivate", OPTION_PROPAGATION, MS_PRIVATE | MS_REC, 0},
	{"rrelatime", OPTION_TREE, MOUNT_ATTR_RELATIME, 0},
	{"rro", OPTION_TREE, MOUNT_ATTR_RDONLY, 0},
	{"rrw", OPTION_TREE_CLEAR, MOUNT_ATTR_RDONLY, 0},
	{"rshared", OPTION_PROPAGATION, MS_SHARED | MS_REC, 0},
	{"rslave", OPTION_PROPAGATION, MS_SLAVE | MS_REC, 0},
	{"rstrictatime", OPTION_TREE, MOUNT_ATTR_STRICTATIME, 0},
	{"rsuid", OPTION_TREE_CLEAR, MOUNT_ATTR_NOSUID, 0},
	{"rsymfollow", OPTION_TREE_CLEAR, MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"runbindable", OPTION_PROPAGATION, MS_UNBINDABLE | MS_REC, 0},
	{"rw", OPTION_ATTR_CLEAR, MOUNT_ATTR_RDONLY, 0},
	{"shared", OPTION_PROPAGATION, MS_SHARED, 0},
	{"silent", OPTION_SUPER, MS_SILENT, 0},
	{"slave", OPTION_PROPAGATION, MS_SLAVE, 0},
	FLAG("src-nofollow", src_nofollow),
	{"strictatime", OPTION_ATTR, MOUNT_ATTR_STRICTATIME, 0},
	{"suid", OPTION_ATTR_CLEAR, MOUNT_ATTR_NOSUID, 0},
	{"symfollow", OPTION_ATTR_CLEAR, MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"sync", OPTION_SUPER, MS_SYNCHRONOUS, 0},
	FLAG("tmpcopyup", tmpcopyup),
	{"unbindable", OPTION_PROPAGATION, MS_UNBINDABLE, 0},
	{"user", OPTION_NOTHING, 0, 0},
	{"users", OPTION_NOTHING, 0, 0},
	FLAG("x-optional", optional_source),
};

static const struct option *find_option(const char *name)
{
	size_t low = 0;
	size_t high = ARRAY_SIZE(options);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(name, options[mid].name);

		if (order == 0)
			return &options[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const char *spec_mount_option_name(size_t i)
{
	size_t known = 0;

	for (size_t k = 0; k < ARRAY_SIZE(options); k++) {
		/* What is only there to be ignored, and our own word, is not worth telling (but the specification's). */
		if (str_starts(options[k].name, "x-") ||
		    (options[k].kind == OPTION_NOTHING && !str_eq(options[k].name, "defaults") &&
		     !str_eq(options[k].name, "norelatime")))
			continue;
		if (known++ == i)
			return options[k].name;
	}
	return NULL;
}

static void change_attrs(uint64_t *set, uint64_t *clear, uint64_t bits, bool raise)
{
	bool atime = bits == 0 || (bits & MOUNT_ATTR__ATIME);

	if (atime) {
		/* Taking back "noatime" leaves a wish for strictatime alone, and the other way round. */
		if (raise || bits == 0 || (*set & MOUNT_ATTR__ATIME) == bits)
			*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		*clear |= MOUNT_ATTR__ATIME;
		if (raise)
			*set |= bits;
	} else if (raise) {
		*set |= bits;
		*clear &= ~bits;
	} else {
		*set &= ~bits;
		*clear |= bits;
	}
}

static void apply_option(struct spec_mount *m, const struct option *o)
{
	switch (o->kind) {
	case OPTION_ATTR:
	case OPTION_ATTR_CLEAR:
		change_attrs(&m->attr_set, &m->attr_clear, o->bits, o->kind == OPTION_ATTR);
		break;
	case OPTION_TREE:
	case OPTION_TREE_CLEAR:
		change_attrs(&m->rec_set, &m->rec_clear, o->bits, o->kind == OPTION_TREE);
		break;
	case OPTION_SUPER:
		m->sb_flags |= o->bits;
		break;
	case OPTION_SUPER_CLEAR:
		m->sb_flags &= ~o->bits;
		break;
	case OPTION_PROPAGATION:
		m->propagation = o->bits & ~(uint64_t)MS_REC;
		m->propagation_recursive = o->bits & MS_REC;
		break;
	case OPTION_IDMAP:
		m->idmap = (enum spec_mount_idmap)o->bits;
		break;
	case OPTION_FLAG:
		*(bool *)(void *)((char *)m + o->offset) = true;
		break;
	case OPTION_NOTHING:
		break;
	}
}

/* What mount(8) keeps to itself and never hands to a file system. */
static bool is_comment(const char *option)
{
	return str_starts(option, "x-") || str_starts(option, "X-") || str_starts(option, "comment=");
}

int spec_mount_parse_options(struct arena *a, struct spec_mount *m, const char *field, struct error *err)
{
	struct buf data = BUF_INIT(SPEC_CONFIG_MAX_BYTES);

	for (size_t i = 0; i < m->options.count; i++) {
		const char *name = m->options.items[i];
		const struct option *o = find_option(name);

		if (str_has_control(name)) {
			buf_done(&data);
			return error_set(err, ERROR_INVALID, EINVAL,
					 "%s.options[%zu]: expected a string without control characters", field, i);
		}
		if (o)
			apply_option(m, o);
		else if (*name && !is_comment(name))
			(void)buf_printf(&data, "%s%s", data.len ? "," : "", name);
	}
	m->data = arena_strdup(a, buf_str(&data));
	buf_done(&data);

	m->bind = m->bind || m->recursive_bind || str_eq(m->type, "bind");
	/* A new superblock follows "ro" as with mount(2); a bind mount only restricts itself. */
	if (!m->bind && (m->attr_set & MOUNT_ATTR_RDONLY))
		m->sb_flags |= MS_RDONLY;
	if ((m->uid_mappings.count || m->gid_mappings.count) && m->idmap == SPEC_MOUNT_IDMAP_NONE)
		m->idmap = SPEC_MOUNT_IDMAP;
	return 0;
}

static const struct field id_map_rows[] = {
	INT_ROW("containerID", struct spec_id_map, container_id, 0, UINT32_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("hostID", struct spec_id_map, host_id, 0, UINT32_MAX, .flags = FIELD_REQUIRED),
	INT_ROW("size", struct spec_id_map, size, 1, UINT32_MAX, .flags = FIELD_REQUIRED),
};

static int finish_id_map(struct reader *r, void *object)
{
	const struct spec_id_map *m = object;

	/* The last id is 2^32 - 2; -1 is no id (kernel/user_namespace.c). */
	if (m->size > UINT32_MAX - m->container_id || m->size > UINT32_MAX - m->host_id)
		return field_fault_at(r, "size", "%u ids go beyond the last one, 4294967294", m->size);
	return 0;
}
const struct field_table spec_id_map_table = FIELD_TABLE(id_map_rows, struct spec_id_map, .finish = finish_id_map);

static int finish_mount(struct reader *r, void *object)
{
	struct spec_mount *m = object;
	char path[64];
	int rc;

	if (!m->type)
		m->type = "";
	if (!m->source)
		m->source = "";
	if (!m->options.items)
		m->options.items = arena_alloc(r->arena, 1, sizeof(*m->options.items));
	field_path(r->where, path, sizeof(path));
	rc = spec_mount_parse_options(r->arena, m, path, r->err);
	return rc < 0 ? error_wrap(r->err, "%s", r->document) : 0;
}

static const struct field mount_rows[] = {
	TEXT_ROW("destination", struct spec_mount, destination, TEXT_SET, .flags = FIELD_REQUIRED),
	TEXT_ROW("type", struct spec_mount, type, TEXT_PLAIN),
	TEXT_ROW("source", struct spec_mount, source, TEXT_ANY),
	TEXTS_ROW("options", struct spec_mount, options, TEXT_PLAIN),
	{.name = "uidMappings",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_mount, uid_mappings.items, uid_mappings.count),
	 .child = &spec_id_map_table},
	{.name = "gidMappings",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec_mount, gid_mappings.items, gid_mappings.count),
	 .child = &spec_id_map_table},
};
const struct field_table spec_mount_table = FIELD_TABLE(mount_rows, struct spec_mount, .finish = finish_mount);
