/* SPDX-License-Identifier: Apache-2.0 */
/* bothy rmi: take names from images, and images with their last name. */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/bothy.h"
#include "cli/failures.h"
#include "cli/show.h"

struct rmi_options {
	bool all, force, ignore, no_prune;
};

/* clang-format off */
static const struct option table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct rmi_options, all), NULL, "all images that no container stands on", 0},
	{"force", 'f', OPTION_BOOL, offsetof(struct rmi_options, force), NULL, "by id also when it has several names; no error when there is none", 0},
	{"ignore", 'i', OPTION_BOOL, offsetof(struct rmi_options, ignore), NULL, "no error when there is no such image", 0},
	{"no-prune", 0, OPTION_BOOL, offsetof(struct rmi_options, no_prune), NULL, "for scripts: there are no untagged parents that could go along", 0},
	OPTION_END,
};
/* clang-format on */

static int remove_one(struct store *store, const char *name, const struct rmi_options *o, struct error *err)
{
	struct store_remove_result result;
	int r = store_image_remove(store, name, o->force || o->all, &result, err);

	if (r < 0)
		return (o->ignore || o->force) && err->kind == ERROR_NOT_FOUND ? 0 : r;
	for (size_t i = 0; i < result.untagged.count; i++)
		show_familiar("Untagged", result.untagged.items[i]);
	for (size_t i = 0; i < result.deleted.count; i++)
		printf("Deleted: %s\n", result.deleted.items[i]);
	store_remove_result_done(&result);
	return 0;
}

/* All images: what a container stands on stays, and is no error. */
static int remove_all(struct store *store, const struct rmi_options *o, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list images = {};
	const char *last = NULL;

	if (store_image_list(store, &images, err) < 0)
		return -err->code;
	for (size_t i = 0; i < images.count; i++) {
		const char *id = images.rows[i].id;

		if (!str_eq(last, id) && remove_one(store, id, o, err) < 0 && err->kind != ERROR_BUSY &&
		    err->kind != ERROR_NOT_FOUND)
			return -err->code;
		last = id;
	}
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct rmi_options *o = options;
	autoengine struct engine *e = NULL;
	struct store *store;
	int failed = 0;
	int r;

	if (o->all == (args->count > 0)) {
		error_set(err, ERROR_INVALID, EINVAL,
			  o->all ? "rmi: --all and names at once" : "rmi: no image was named");
		return error_hint(err, "usage: bothy rmi [OPTIONS] IMAGE [IMAGE...]");
	}
	r = bothy_open_store(global, &e, &store, err);
	if (r < 0)
		return r;
	if (o->all)
		return remove_all(store, o, err);
	/* One that fails does not keep the others; the last failure is the one reported at the end. */
	for (size_t i = 0; i < args->count; i++) {
		struct error why = {};

		if (remove_one(store, args->items[i], o, &why) < 0)
			failed = failures_add(failed, &why, err);
	}
	return failed;
}

const struct command cmd_rmi = {
	.name = "rmi",
	.group = "Images",
	.args = "IMAGE [IMAGE...]",
	.summary = "remove images",
	.details =
		"A name is taken away, and the image with its last name; an id means the image. What a container stands on stays.",
	.options = table,
	.options_size = sizeof(struct rmi_options),
	.max_args = -1,
	.run = run,
	.examples = "  bothy rmi debian:12\n  bothy rmi --all",
};
