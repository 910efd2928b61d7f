/* SPDX-License-Identifier: Apache-2.0 */
/* The only list of bothy's commands. docs/adding-a-command.md has the recipe. */
#include "cli/bothy.h"

/* clang-format off */
static const struct command_child image_children[] = {
	{"ls", "list", &cmd_images},
	{"inspect", NULL, &cmd_image_inspect},
	{"history", NULL, &cmd_history},
	{"tag", NULL, &cmd_tag},
	{"untag", NULL, &cmd_untag},
	{"exists", NULL, &cmd_image_exists},
	{"load", NULL, &cmd_load},
	{"import", NULL, &cmd_import},
	{"pull", NULL, &cmd_pull},
	{"save", NULL, &cmd_save},
	{"scp", NULL, &cmd_image_scp},
	{"send", NULL, &cmd_image_send},
	{"receive", NULL, &cmd_image_receive},
	{"push", NULL, &cmd_push},
	{"rm", "remove", &cmd_rmi},
	{"prune", NULL, &cmd_image_prune},
	{"tree", NULL, &cmd_image_tree},
	{"mount", NULL, &cmd_image_mount},
	{"unmount", "umount", &cmd_image_unmount},
	{"diff", NULL, &cmd_image_diff},
	{"verify", NULL, &cmd_image_verify},
	{NULL, NULL, NULL},
};
static const struct command_child system_children[] = {
	{"df", NULL, &cmd_system_df},
	{"info", NULL, &cmd_info},
	{"check", NULL, &cmd_system_check},
	{"prune", NULL, &cmd_system_prune},
	{NULL, NULL, NULL},
};
/* clang-format on */

const struct command cmd_image = {
	.name = "image",
	.group = "Images",
	.args = "COMMAND",
	.summary = "all that can be done with images",
	.examples = "  bothy image ls                    the same as bothy images\n"
		    "  bothy image tree debian:12        what it is made of, and who shares it\n"
		    "  bothy image verify                is every file what the digests say?\n"
		    "  bothy image prune                 what no name means and no container needs goes",
	.children = image_children,
};

const struct command cmd_system = {
	.name = "system",
	.group = "System",
	.args = "COMMAND",
	.summary = "the store as a whole",
	.examples = "  bothy system df       what takes how much room\n"
		    "  bothy system check    is the store sound?\n"
		    "  bothy system prune    what nothing needs goes",
	.children = system_children,
};

/* clang-format off */
const struct command *const bothy_commands[] = {
	&cmd_run,
	&cmd_images,
	&cmd_image,
	&cmd_inspect,
	&cmd_history,
	&cmd_tag,
	&cmd_untag,
	&cmd_rmi,
	&cmd_load,
	&cmd_save,
	&cmd_import,
	&cmd_pull,
	&cmd_push,
	&cmd_manifest,
	&cmd_artifact,
	&cmd_login,
	&cmd_logout,
	&cmd_search,
	&cmd_system,
	&cmd_info,
	&cmd_version,
	&cmd_completion,
	&cmd_complete,
	NULL,
};
/* clang-format on */
