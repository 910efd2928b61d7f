/* SPDX-License-Identifier: Apache-2.0 */
/* The only list of bothy's commands. docs/adding-a-command.md has the recipe. */
#include "cli/bothy.h"

const struct command *const bothy_commands[] = {
	&cmd_run, &cmd_images, &cmd_load, &cmd_rmi, &cmd_version, &cmd_completion, NULL,
};
