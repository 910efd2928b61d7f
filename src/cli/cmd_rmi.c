/* SPDX-License-Identifier: Apache-2.0 */
/* bothy rmi: take names from images, and images with their last name. */
#include <stdio.h>

#include "cli/bothy.h"

struct rmi_options {
	bool force, ignore;
};

/* clang-format off */
static const struct option table[] = {
	{"force", 'f', OPTION_BOOL, offsetof(struct rmi_options, force), NULL, "by id also when it has several names", 0},
	{"ignore", 0, OPTION_BOOL, offsetof(struct rmi_options, ignore), NULL, "no error when there is no such image", 0},
	OPTION_END,
};
/* clang-format on */

static int remove_one(struct store *store, const char *name, const struct rmi_options *o, struct error *err)
{
	struct store_remove_result result;
	int r = store_image_remove(store, name, o->force, &result, err);

	if (r < 0)
		return o->ignore && err->kind == ERROR_NOT_FOUND ? 0 : r;
	for (size_t i = 0; i < result.untagged.count; i++)
		printf("Untagged: %s\n", result.untagged.items[i]);
	for (size_t i = 0; i < result.deleted.count; i++)
		printf("Deleted: %s\n", result.deleted.items[i]);
	store_remove_result_done(&result);
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	autoengine struct engine *e = NULL;
	struct store *store;
	int failed = 0;
	int r = bothy_open(global, &e, err);

	if (r == 0)
		r = engine_store(e, &store, err);
	if (r < 0)
		return r;
	/* One that fails does not keep the others; the last failure is the one reported at the end. */
	for (size_t i = 0; i < args->count; i++) {
		if (failed)
			(void)fprintf(stderr, "Error: %s\n", err->msg);
		failed = remove_one(store, args->items[i], options, err) < 0 ? -err->code : 0;
		r = failed ? failed : r;
	}
	return r;
}

const struct command cmd_rmi = {
	.name = "rmi",
	.group = "Images",
	.args = "IMAGE [IMAGE...]",
	.summary = "remove images",
	.options = table,
	.options_size = sizeof(struct rmi_options),
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
