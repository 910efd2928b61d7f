/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PRUNE_H
#define CLI_PRUNE_H

/* What `image prune` and `system prune` share: the options, the question before anything goes, and the report. */

#include "cli/bothy.h"

struct prune_options {
	bool all, force, dry_run;
	struct strv filters;
	struct option_u64 keep;
	struct option_i64 max, unused;
};
/* @partial: partial blobs go whatever their age. Returns the exit status or <0. */
int prune_run(void *global, const struct prune_options *o, bool partial, struct error *err);
void prune_done(void *options);

/* clang-format off */
#define PRUNE_ROWS                                                                                                     \
	{"all", 'a', OPTION_BOOL, offsetof(struct prune_options, all), NULL, "images with names too, unless a container stands on them", 0},                         \
	{"force", 'f', OPTION_BOOL, offsetof(struct prune_options, force), NULL, "do not ask", 0},                      \
	{"dry-run", 0, OPTION_BOOL, offsetof(struct prune_options, dry_run), NULL, "only show what would go", 0},       \
	{"filter", 0, OPTION_STRINGS, offsetof(struct prune_options, filters), "KEY=VALUE", "only images made before a time (until=24h), or with a label (label=KEY[=VALUE])", 0}, \
	{"unused", 0, OPTION_DURATION, offsetof(struct prune_options, unused), "DURATION", "only images that were not used for so long (720h)", 0}, \
	{"keep", 0, OPTION_U64, offsetof(struct prune_options, keep), "N", "keep the N images used last", 0},           \
	{"max", 0, OPTION_SIZE, offsetof(struct prune_options, max), "SIZE", "remove only until the store is that small (20g), longest unused first", 0}
/* clang-format on */

#endif
