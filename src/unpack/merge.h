/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_MERGE_H
#define UNPACK_MERGE_H

/*
 * Layers as one tree without mounting them: what overlayfs would show, by its rules (kernel Documentation/filesystems/
 * overlayfs.rst, "Upper and Lower", "whiteouts and opaque directories"). One folder is listed at a time. For trees that
 * nobody changes meanwhile. Paths are resolved inside each layer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/error.h"

#define MERGE_DIR_MAX_ENTRIES 1000000u /* of one folder, all layers together */

struct merge_layers {
	int fd;             /* borrowed; the folder that has them all, as <name>/diff */
	const char **names; /* borrowed; top first */
	size_t count;
};

/* One name of a merged folder. */
struct merge_entry {
	const char *name;
	bool is_dir;
	uint16_t *
		layers; /* where it is: one, for a folder all that are merged; numbers in struct merge_layers, top first */
	size_t layer_count;
};
struct merge_list {
	struct arena arena;
	struct merge_entry *items; /* sorted by name, byte by byte */
	size_t count;
};
void merge_list_done(struct merge_list *l);

/* The merged root of all layers. Memory in @a. */
struct merge_entry merge_root(const struct merge_layers *l, struct arena *a);
/* What is in the merged folder @dir, whose path is @path ("" for the root). Returns 0, or <0: LIMIT, the system's. */
int merge_read(const struct merge_layers *l, const struct merge_entry *dir, const char *path, struct merge_list *ret,
	       struct error *err);

/* Open or look at the object at @path as the layer number @layer has it. */
int merge_open(const struct merge_layers *l, uint16_t layer, const char *path, int flags, struct error *err);
/* The target of the symlink at @path; @out gets PATH_MAX bytes. */
int merge_readlink(const struct merge_layers *l, uint16_t layer, const char *path, char *out, size_t size,
		   struct error *err);
int merge_stat(const struct merge_layers *l, uint16_t layer, const char *path, struct stat *ret, struct error *err);

#endif
