/* SPDX-License-Identifier: Apache-2.0 */
/* bothy version. */
#include <stdio.h>

#include "cli/bothy.h"

static int run_version(void *global, void *options, const struct args *args, struct error *err)
{
	(void)global;
	(void)options;
	(void)args;
	(void)err;
	printf("bothy version %s\nOCI runtime-spec 1.3.0, image-spec 1.1\n", BOTHY_VERSION);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.group = "About",
	.args = "",
	.summary = "print the version",
	.options_size = 1,
	.max_args = 0,
	.run = run_version,
};
