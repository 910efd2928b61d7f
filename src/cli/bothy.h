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

/* The engine by the global options. @ret: owned by the caller. Errors: engine_new's. */
int bothy_open(const struct bothy_global *g, struct engine **ret, struct error *err);
/* The same and its store, which lives as long as the engine. @ret is set as soon as there is one, also when the store then fails. */
int bothy_open_store(const struct bothy_global *g, struct engine **ret, struct store **ret_store, struct error *err);

extern const struct command *const bothy_commands[];
extern const struct program bothy_program;

/* One a line, sorted: many people add to this. */
extern const struct command cmd_artifact;
extern const struct command cmd_complete;
extern const struct command cmd_completion;
extern const struct command cmd_history;
extern const struct command cmd_image;
extern const struct command cmd_image_diff;
extern const struct command cmd_image_exists;
extern const struct command cmd_image_inspect;
extern const struct command cmd_image_mount;
extern const struct command cmd_image_prune;
extern const struct command cmd_image_receive;
extern const struct command cmd_image_scp;
extern const struct command cmd_image_send;
extern const struct command cmd_image_tree;
extern const struct command cmd_image_unmount;
extern const struct command cmd_image_verify;
extern const struct command cmd_images;
extern const struct command cmd_import;
extern const struct command cmd_info;
extern const struct command cmd_inspect;
extern const struct command cmd_load;
extern const struct command cmd_login;
extern const struct command cmd_logout;
extern const struct command cmd_manifest;
extern const struct command cmd_pull;
extern const struct command cmd_push;
extern const struct command cmd_rmi;
extern const struct command cmd_run;
extern const struct command cmd_save;
extern const struct command cmd_search;
extern const struct command cmd_system;
extern const struct command cmd_system_check;
extern const struct command cmd_system_df;
extern const struct command cmd_system_prune;
extern const struct command cmd_tag;
extern const struct command cmd_untag;
extern const struct command cmd_version;

/* What the store knows of a kind of thing, for completion. */
void bothy_values(void *global, const char *kind, struct completion *out);

#endif
