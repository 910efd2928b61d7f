/* SPDX-License-Identifier: Apache-2.0 */
/* bothy load: images from an archive or an OCI layout folder. */
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/failures.h"
#include "cli/progress.h"

struct load_options {
	struct strv inputs;
	const char *name, *platform, *progress;
	bool quiet, all_platforms;
};

/* clang-format off */
static const struct option table[] = {
	{"input", 'i', OPTION_STRINGS, offsetof(struct load_options, inputs), "FILE", "archive or folder to read (default: standard input); may be given several times", 0},
	{"all-platforms", 0, OPTION_BOOL, offsetof(struct load_options, all_platforms), NULL, "keep all of them, to be pushed or saved; this machine's can be run", 0},
	{"name", 0, OPTION_STRING, offsetof(struct load_options, name), "NAME[:TAG]", "call the image this", 0},
	{"platform", 0, OPTION_STRING, offsetof(struct load_options, platform), "OS/ARCH", "which one of several to take (default: this machine's)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct load_options, quiet), NULL, "print nothing but errors", 0},
	{"progress", 0, OPTION_STRING, offsetof(struct load_options, progress), PROGRESS_WORDS, "how to show how far it is (default: bars on a terminal)", 0},
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

static int load_one(struct store *store, const char *path, const struct store_load_options *lo, bool quiet,
		    struct strv *fresh, struct error *err)
{
	autoclean(store_load_result_done) struct store_load_result result = {0};

	if (store_load(store, path, path ? FD_NONE : STDIN_FILENO, lo, &result, err) < 0)
		return -err->code;
	if (!quiet)
		print(&result);
	for (size_t i = 0; i < result.count; i++)
		strv_push(fresh, result.images[i].id);
	return 0;
}

/* One that fails does not keep the others; the last failure is the one reported at the end. */
static int load_all(struct engine *e, struct store *store, const struct strv *paths,
		    const struct store_load_options *lo, const struct load_options *o, struct progress *progress,
		    struct error *err)
{
	autostrv struct strv fresh = {0};
	int failed = 0;

	for (size_t i = 0; i < paths->count; i++) {
		const char *path = str_eq(paths->items[i], "-") ? NULL : paths->items[i];
		struct error why = {0};
		int r = load_one(store, path, lo, o->quiet, &fresh, &why);

		progress_end(progress);
		if (r < 0)
			failed = failures_add(failed, &why, err);
	}
	collect_after(e, &fresh, o->quiet);
	return failed;
}

static int load(const struct bothy_global *g, const struct load_options *o, const struct strv *paths, struct error *err)
{
	autoclean(arena_done) struct arena a = {0};
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;
	struct store_load_options lo = {.name = o->name, .all_platforms = o->all_platforms};
	struct image_platform platform;
	struct store *store;

	if (progress_new(o->progress, o->quiet, "load", &progress, err) < 0)
		return -err->code;
	lo.watch = progress_watch(progress);
	lo.watch_arg = progress;
	if (o->platform) {
		if (image_platform_parse(&a, o->platform, &platform, err) < 0)
			return error_wrap(err, "--platform");
		lo.platform = &platform;
	}
	if (bothy_open(g, &e, err) < 0 || engine_store(e, &store, err) < 0)
		return -err->code;
	return load_all(e, store, paths, &lo, o, progress, err);
}

static int check(const struct load_options *o, const struct strv *paths, struct error *err)
{
	size_t from_stdin = 0;

	for (size_t i = 0; i < paths->count; i++)
		from_stdin += str_eq(paths->items[i], "-");
	if (from_stdin > 1)
		return error_set(err, ERROR_INVALID, EINVAL, "load: standard input can be read once");
	if (o->name && paths->count > 1)
		return error_set(err, ERROR_INVALID, EINVAL, "load: --name is for one archive, %zu were given",
				 paths->count);
	if (o->platform && o->all_platforms)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "load: --platform and --all-platforms cannot be given together");
	if (from_stdin && isatty(STDIN_FILENO))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "load: no archive was given"), err),
				  "name one: bothy load -i FILE, or pipe one in");
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct load_options *o = options;
	autostrv struct strv paths = {0};

	for (size_t i = 0; i < o->inputs.count; i++)
		strv_push(&paths, o->inputs.items[i]);
	for (size_t i = 0; i < args->count; i++)
		strv_push(&paths, args->items[i]);
	if (!paths.count)
		strv_push(&paths, "-");
	return check(o, &paths, err) < 0 ? -err->code : load(global, o, &paths, err);
}

static void done(void *options)
{
	struct load_options *o = options;

	strv_done(&o->inputs);
}

const struct command cmd_load = {
	.name = "load",
	.group = "Images",
	.args = "[FILE...]",
	.summary = "load images from an archive",
	.details =
		"Reads OCI layout folders, OCI archives and docker-archives, plain or compressed, as skopeo, podman, docker and\n"
		"umoci write them. Of several archives one that fails does not keep the others.",
	.options = table,
	.options_size = sizeof(struct load_options),
	.max_args = -1,
	.run = run,
	.done = done,
	.examples =
		"  bothy load -i debian.tar\n  docker save debian:12 | bothy load\n  bothy load ./oci-layout-folder\n"
		"  bothy load base.tar app.tar",
};
