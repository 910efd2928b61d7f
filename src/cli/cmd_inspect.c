/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy inspect: all that is known, as JSON. What is found is printed also when something else is not, as Docker does; then the exit
 * status is 1.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/bothy.h"
#include "cli/list.h"

struct inspect_options {
	const char *format, *type;
	bool size;
};

/* clang-format off */
static const struct option table[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct inspect_options, format), "FORMAT", "json, or a template for each object", 0},
	{"type", 0, OPTION_STRING, offsetof(struct inspect_options, type), "image", "what the names mean", 0},
	{"size", 's', OPTION_BOOL, offsetof(struct inspect_options, size), NULL, "for scripts: sizes are always there", 0},
	OPTION_END,
};
static const struct option image_table[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct inspect_options, format), "FORMAT", "json, or a template for each image", 0},
	OPTION_END,
};
/* clang-format on */

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct inspect_options *o = options;
	autojson struct json *found = json_new_array();
	autoengine struct engine *e = NULL;
	bool missing = false;

	if (o->type && !str_eq(o->type, "image")) {
		error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "--type: expected image, got \"%s\"", o->type);
		return error_hint(
			err, "containers live as long as their `bothy run`: nothing is kept that could be looked at");
	}
	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	for (size_t i = 0; i < args->count; i++) {
		struct json *one = NULL;
		struct error why = {};

		if (engine_image_inspect(e, args->items[i], &one, &why) == 0) {
			json_push(found, one);
			continue;
		}
		missing = true;
		(void)fprintf(stderr, "Error: %s\n", why.msg);
		if (why.hint[0] && i + 1 == args->count)
			(void)fprintf(stderr, "Hint: %s\n", why.hint);
	}
	if (list_inspect(found, o->format, err) < 0)
		return -err->code;
	return missing;
}

const struct command cmd_inspect = {
	.name = "inspect",
	.group = "Images",
	.args = "IMAGE [IMAGE...]",
	.summary = "show all that is known of images",
	.details =
		"Prints a JSON array with Docker's field names, or with --format what the template says of each. Exit status 1 when one\n"
		"of the names means nothing; the others are printed.",
	.options = table,
	.options_size = sizeof(struct inspect_options),
	.min_args = 1,
	.max_args = -1,
	.run = run,
	.examples = "  bothy inspect debian:12\n"
		    "  bothy inspect -f '{{.Os}}/{{.Architecture}} {{join .RepoTags \", \"}}' debian:12\n"
		    "  bothy inspect -f '{{index .Config.Labels \"org.opencontainers.image.version\"}}' app",
};

const struct command cmd_image_inspect = {
	.name = "inspect",
	.group = "Images",
	.args = "IMAGE [IMAGE...]",
	.summary = "show all that is known of images",
	.details = "As `bothy inspect --type image`.",
	.options = image_table,
	.options_size = sizeof(struct inspect_options),
	.min_args = 1,
	.max_args = -1,
	.run = run,
	.examples = "  bothy image inspect -f '{{json .Config}}' debian:12",
};
