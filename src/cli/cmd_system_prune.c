/* SPDX-License-Identifier: Apache-2.0 */
/* bothy system prune: images that nothing needs, and what pulls that nobody came back for have left. */
#include "cli/prune.h"

static const struct option table[] = {PRUNE_ROWS, OPTION_END};

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	(void)args;
	return prune_run(global, options, true, err);
}

const struct command cmd_system_prune = {
	.name = "prune",
	.args = "",
	.summary = "remove everything that nothing needs",
	.details = "As image prune, and partial blobs of pulls that were cut, whatever their age.",
	.examples = "  bothy system prune -af    everything that no container stands on",
	.options = table,
	.options_size = sizeof(struct prune_options),
	.max_args = 0,
	.run = run,
	.done = prune_done,
};
