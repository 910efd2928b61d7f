/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image prune: images that nothing needs. */
#include "cli/prune.h"

static const struct option table[] = {PRUNE_ROWS, OPTION_END};

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	(void)args;
	return prune_run(global, options, false, err);
}

const struct command cmd_image_prune = {
	.name = "prune",
	.args = "",
	.summary = "remove images that nothing needs",
	.details =
		"Without options: images that have no name. Shows what will go and asks. What a container stands on stays.",
	.examples =
		"  bothy image prune                          images without a name\n"
		"  bothy image prune -a --filter until=240h   everything unused that is older than ten days\n"
		"  bothy image prune --max 20g --keep 5       the longest unused, until 20 GB are left; not the last five\n"
		"  bothy image prune -a --dry-run             what would go",
	.options = table,
	.options_size = sizeof(struct prune_options),
	.max_args = 0,
	.run = run,
	.done = prune_done,
};
