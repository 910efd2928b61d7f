/* SPDX-License-Identifier: Apache-2.0 */
/* bothy load: images from an archive or an OCI layout folder. */
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/bothy.h"

struct load_options {
	const char *input, *name, *platform;
	bool quiet, all_platforms;
};

/* clang-format off */
static const struct option table[] = {
	{"input", 'i', OPTION_STRING, offsetof(struct load_options, input), "FILE", "archive or folder to read (default: standard input)", 0},
	{"all-platforms", 0, OPTION_BOOL, offsetof(struct load_options, all_platforms), NULL, "keep all of them, to be pushed or saved; this machine's can be run", 0},
	{"name", 0, OPTION_STRING, offsetof(struct load_options, name), "NAME[:TAG]", "call the image this", 0},
	{"platform", 0, OPTION_STRING, offsetof(struct load_options, platform), "OS/ARCH", "which one of several to take (default: this machine's)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct load_options, quiet), NULL, "print nothing but errors", 0},
	OPTION_END,
};
/* clang-format on */

static void print(const struct store_load_result *r)
{
	struct arena a = {};

	for (size_t i = 0; i < r->count; i++) {
		for (size_t k = 0; k < r->images[i].names.count; k++) {
			struct image_reference ref;
			struct error ignored;
			const char *name = r->images[i].names.items[k];

			if (image_reference_parse(&a, name, &ref, &ignored) == 0)
				name = image_reference_familiar(&a, &ref);
			printf("Loaded image: %s\n", name);
		}
		if (!r->images[i].names.count)
			printf("Loaded image ID: %s\n", r->images[i].id);
	}
	arena_done(&a);
}

static int load(const struct bothy_global *g, const struct load_options *o, const char *path, struct error *err)
{
	autoengine struct engine *e = NULL;
	struct store_load_options lo = {.name = o->name, .all_platforms = o->all_platforms};
	struct store_load_result result;
	struct image_platform platform;
	struct arena a = {};
	struct store *store;
	int r = bothy_open(g, &e, err);

	if (r == 0 && o->platform) {
		r = image_platform_parse(&a, o->platform, &platform, err);
		lo.platform = &platform;
	}
	if (r == 0)
		r = engine_store(e, &store, err);
	if (r == 0)
		r = store_load(store, path, path ? -1 : STDIN_FILENO, &lo, &result, err);
	if (r == 0) {
		if (!o->quiet)
			print(&result);
		store_load_result_done(&result);
	}
	arena_done(&a);
	return r;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct load_options *o = options;
	const char *path = o->input ? o->input : args->count ? args->items[0] : NULL;

	if (o->input && args->count)
		return error_set(err, ERROR_INVALID, EINVAL, "load: the archive is named twice");
	if (o->platform && o->all_platforms)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "load: --platform and --all-platforms cannot be given together");
	if (path && str_eq(path, "-"))
		path = NULL;
	if (!path && isatty(STDIN_FILENO))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "load: no archive was given"), err),
				  "name one: bothy load -i FILE, or pipe one in");
	return load(global, o, path, err);
}

const struct command cmd_load = {
	.name = "load",
	.group = "Images",
	.args = "[FILE]",
	.summary = "load images from an archive",
	.details =
		"Reads OCI layout folders, OCI archives and docker-archives, plain or compressed, as skopeo, podman, docker and\n"
		"umoci write them.",
	.options = table,
	.options_size = sizeof(struct load_options),
	.max_args = 1,
	.run = run,
	.examples =
		"  bothy load -i debian.tar\n  docker save debian:12 | bothy load\n  bothy load ./oci-layout-folder",
};
