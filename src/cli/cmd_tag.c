/* SPDX-License-Identifier: Apache-2.0 */
/* bothy tag, untag and image exists: names of images, and whether there is one. */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/bothy.h"

static int run_tag(void *global, void *options, const struct args *args, struct error *err)
{
	autoengine struct engine *e = NULL;
	struct store *store;

	(void)options;
	if (bothy_open_store(global, &e, &store, err) < 0)
		return -err->code;
	for (size_t i = 1; i < args->count; i++)
		if (store_image_tag(store, args->items[0], args->items[i], err) < 0)
			return -err->code;
	return 0;
}

const struct command cmd_tag = {
	.name = "tag",
	.group = "Images",
	.args = "IMAGE NAME[:TAG] [NAME[:TAG]...]",
	.summary = "give an image further names",
	.details = "Without TAG it is \"latest\". An image that has the name already loses it.",
	.options_size = 1,
	.min_args = 2,
	.max_args = -1,
	.run = run_tag,
	.examples = "  bothy tag debian:12 registry.example.com/base:stable",
};

static int run_untag(void *global, void *options, const struct args *args, struct error *err)
{
	struct store_remove_result result;
	autoengine struct engine *e = NULL;
	struct store *store;

	(void)options;
	if (bothy_open_store(global, &e, &store, err) < 0 ||
	    store_image_untag(store, args->items[0], args->items + 1, args->count - 1, &result, err) < 0)
		return -err->code;
	store_remove_result_done(&result);
	return 0;
}

const struct command cmd_untag = {
	.name = "untag",
	.group = "Images",
	.args = "IMAGE [NAME[:TAG]...]",
	.summary = "take names from an image, which stays",
	.details = "Without NAME it loses all of its names. `rmi` removes an image with its last name; this does not.",
	.options_size = 1,
	.min_args = 1,
	.max_args = -1,
	.run = run_untag,
	.examples = "  bothy untag app:old",
};

static int run_exists(void *global, void *options, const struct args *args, struct error *err)
{
	autoimage struct store_image image = {};
	autoengine struct engine *e = NULL;
	struct store *store;
	int r;

	(void)options;
	if (bothy_open_store(global, &e, &store, err) < 0)
		return -err->code;
	r = store_image_find(store, args->items[0], &image, err);
	if (r < 0 && err->kind == ERROR_NOT_FOUND)
		return 1;
	return r < 0 ? r : 0;
}

const struct command cmd_image_exists = {
	.name = "exists",
	.group = "Images",
	.args = "IMAGE",
	.summary = "tell by the exit status whether an image is there",
	.details = "0: it is there; 1: it is not; 125: it could not be looked up. Nothing is printed.",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_exists,
	.examples = "  bothy image exists app:2 || bothy load -i app-2.tar",
};
