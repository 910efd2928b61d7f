/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BOTHY_H
#define CLI_BOTHY_H

/* The commands of `bothy`, one file each (cmd_<name>.c); commands.c is the only list. */

#include "cli/cli.h"
#include "engine/engine.h"

struct bothy_global {
	struct engine_options engine;
	bool debug, version;
	char *const *argv; /* of the whole program */
};

int bothy_open(const struct bothy_global *g, struct engine **ret, struct error *err);

extern const struct command *const bothy_commands[];
extern const struct program bothy_program;
extern const struct command cmd_run, cmd_load, cmd_import, cmd_save, cmd_image, cmd_images, cmd_rmi, cmd_version,
	cmd_completion, cmd_complete;
extern const struct command cmd_pull;
extern const struct command cmd_image_diff, cmd_image_verify;

/* What the store knows of a kind of thing, for completion. */
void bothy_values(void *global, const char *kind, struct completion *out);

#endif
