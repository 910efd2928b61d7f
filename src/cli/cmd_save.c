/* SPDX-License-Identifier: Apache-2.0 */
/* bothy save: images into an archive or a folder. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/bothy.h"
#include "cli/progress.h"
#include "safepath/safepath.h"

struct save_options {
	const char *output, *format, *platform, *progress;
	bool quiet, multi;
};

/* clang-format off */
static const struct option table[] = {
	{"output", 'o', OPTION_STRING, offsetof(struct save_options, output), "FILE", "write here (default: standard output)", 0},
	{"format", 0, OPTION_STRING, offsetof(struct save_options, format), "FORMAT", "docker-archive, oci-archive, oci-dir or docker-dir (default: an archive that is the first two at once)", 0},
	{"platform", 0, OPTION_STRING, offsetof(struct save_options, platform), "OS/ARCH", "of an image for several platforms, this one only (default: all that are here)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct save_options, quiet), NULL, "show no progress", 0},
	{"progress", 0, OPTION_STRING, offsetof(struct save_options, progress), PROGRESS_WORDS, "how to show how far it is (default: bars on a terminal)", 0},
	{"multi-image-archive", 'm', OPTION_BOOL, offsetof(struct save_options, multi), NULL, "several images: always possible", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

static int write_output(const struct store_save_plan *p, enum store_save_format f, const char *path,
			struct progress *progress, struct error *err)
{
	autoclean(safepath_output_done) struct safepath_output out = SAFEPATH_OUTPUT_NONE;

	if (!path)
		return store_save_write(p, f, STDOUT_FILENO, progress_watch(progress), progress, err);
	if (safepath_output_open(path, store_save_is_folder(f), &out, err) < 0 ||
	    store_save_write(p, f, out.fd, progress_watch(progress), progress, err) < 0)
		return -err->code;
	return safepath_output_commit(&out, err);
}

static int check(const struct save_options *o, enum store_save_format *ret_format, struct error *err)
{
	*ret_format = STORE_SAVE_BOTH;
	if (o->format && store_save_format_parse(o->format, ret_format, err) < 0)
		return -err->code;
	if (o->output)
		return 0;
	if (store_save_is_folder(*ret_format))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "save: %s is a folder and needs a name",
					     store_save_format_name(*ret_format)),
				   err),
				  "say where: -o FOLDER");
	if (isatty(STDOUT_FILENO))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "save: an archive is nothing for a terminal"),
				   err),
				  "say where it goes: -o FILE, or pipe it on");
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct save_options *o = options;
	autoengine struct engine *e = NULL;
	autosave struct store_save_plan plan = {0};
	autoprogress struct progress *progress = NULL;
	autoclean(arena_done) struct arena a = {0};
	struct image_platform platform;
	struct store_save_options so = {0};
	enum store_save_format format;
	struct store *store;

	if (check(o, &format, err) < 0 || progress_new(o->progress, o->quiet, "save", &progress, err) < 0)
		return -err->code;
	if (o->platform && image_platform_parse(&a, o->platform, &platform, err) < 0)
		return error_wrap(err, "--platform");
	so.platform = o->platform ? &platform : NULL;
	so.single = format == STORE_SAVE_DOCKER_ARCHIVE || format == STORE_SAVE_DOCKER_DIR;
	if (bothy_open_store(global, &e, &store, err) < 0 ||
	    store_save_plan(store, args->items, args->count, &so, &plan, err) < 0)
		return -err->code;
	if (write_output(&plan, format, o->output && !str_eq(o->output, "-") ? o->output : NULL, progress, err) < 0)
		return error_wrap(err, "save");
	return 0;
}

const struct command cmd_save = {
	.name = "save",
	.group = "Images",
	.args = "IMAGE [IMAGE...]",
	.summary = "write images to an archive",
	.details =
		"The archive is an OCI layout and a docker-archive at once: docker, podman, skopeo, umoci, containerd and bothy\n"
		"load it. A repository without a tag stands for all of its tags. A name of an image for several platforms that are\n"
		"all here (pull --all-platforms, manifest create) is saved with all of them, in the forms of docker with this\n"
		"machine's. A file has its name only when it is complete.",
	.options = table,
	.options_size = sizeof(struct save_options),
	.min_args = 1,
	.max_args = -1,
	.run = run,
	.examples = "  bothy save -o debian.tar debian:12\n  bothy save debian:12 | ssh host docker load\n"
		    "  bothy save --format oci-dir -o ./layout debian:12\n"
		    "  bothy save --platform linux/arm64 -o arm.tar debian:12",
};
