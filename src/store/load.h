/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LOAD_H
#define STORE_LOAD_H

/* What load.c (from an archive to images) and load_layers.c (unpacking their layers) share. */

#include "store/image_archive.h"
#include "store/staged.h"

struct load {
	struct store *store;
	const struct store_load_options *options;
	struct staged staged;
	struct archive archive;
	struct worker_answer split;
	struct archive_images images;
	int source;               /* borrowed: where the archive is read */
	uint64_t to_copy, copied; /* bytes of the blobs that a layout folder has and the store has not */
	int64_t told_ns;          /* when who watches was last told of these */
};

/* Unpack the staged layers, all of them: the largest first, some at a time, each with a worker of its own. Whoever watches is told.
 * Context: every blob is staged or pinned; the caller has nothing else to wait for. Returns 0, or <0: the first failure. */
int load_unpack_layers(struct load *l, struct error *err);

/* How far somebody has read @fd (borrowed; FD_NONE: 0), which he has from us. */
uint64_t load_position(int fd);

#endif
