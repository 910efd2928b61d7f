/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_MODEL_H
#define UNPACK_MODEL_H

/*
 * A layer as a tree in memory: what unpacking its archive must leave on disk, without the disk. The rules are those of
 * docs/store.md, "Unpacking", written a second time, so that each of the two tells of the other's mistakes (fuzz_verify
 * unpacks and compares). Content is kept as a digest. Pure but for its source.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/tar.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "unpack/content.h"

#define MODEL_MAX_BYTES (UINT64_C(384) << 20) /* about two million files; the worker has 512 MiB */

enum model_type { MODEL_FILE, MODEL_DIR, MODEL_SYMLINK, MODEL_FIFO, MODEL_WHITEOUT, MODEL_TYPE_COUNT };
/* "a file", "a folder", … */
const char *model_type_name(enum model_type t);

/* What a name stands for; hard links share one. */
struct model_inode {
	enum model_type type;
	bool implied; /* a folder that the layer does not list: owner, mode and time are not its own */
	bool opaque;
	bool dated; /* mtime is given */
	uint32_t mode, uid, gid;
	uint32_t mtime_ns;
	int64_t mtime_s;
	uint64_t size;
	const char *link; /* a symlink's target */
	struct tar_xattr *xattrs;
	size_t xattr_count;
	unsigned char content[DIGEST_RAW_BYTES];
	uint32_t links;    /* model_finish: how many names it has */
	uint64_t disk_ino; /* for the comparison: where it was met first; 0: not yet */
};

struct model_node {
	struct model_node *parent; /* NULL: the root */
	struct model_node *next, *first_child;
	struct model_inode *inode;
	bool dead;    /* removed by a later entry */
	bool seen;    /* for the comparison: met on disk */
	bool skipped; /* for the comparison: what is below was not compared */
	char name[];
};

struct model {
	struct arena arena;
	uint64_t bytes; /* of the arena: bounded */
	uint64_t seed;
	struct model_node **slots; /* owned; open addressing by parent and name */
	size_t slot_count, used;
	struct model_node *root;
	uint64_t node_count;
	struct buf path; /* room for following symlinks */
};

void model_init(struct model *m);
void model_done(struct model *m);

/* The layer's next entry @e of @t; reads its data. Returns 0, or <0: INVALID (a layer that cannot be unpacked), LIMIT. */
int model_apply(struct model *m, struct tar *t, const struct tar_entry *e, struct error *err);
/* All entries have come. */
void model_finish(struct model *m);

/* The node at the canonical path "a/b" ("" is the root); no symlink is followed. NULL: none. */
struct model_node *model_find(struct model *m, const char *path);
/* The path of @n, at most TAR_PATH_MAX bytes, into @out. */
void model_path(const struct model_node *n, char out[static TAR_PATH_MAX + 1]);
/* The next of all living nodes, parents first; NULL begins and ends. @below false: leave out what is below @n. */
struct model_node *model_next(const struct model *m, struct model_node *n, bool below);

/* Does the store keep this attribute of a layer's entry? Overlay's must not come from outside (V28), labels and signatures belong
 * to the host they were made on, ACLs hold ids that no map would shift. */
bool model_xattr_wanted(const char *name);

#endif
