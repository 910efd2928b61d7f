/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image scp, and the two commands that it starts at the far end. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/progress.h"

struct scp_options {
	const char *rsh, *platform, *progress;
	bool quiet;
};

/* clang-format off */
static const struct option table[] = {
	{"rsh", 'e', OPTION_STRING, offsetof(struct scp_options, rsh), "COMMAND", "reach the other host by this (default: $BOTHY_SSH, or ssh)", 0},
	{"platform", 0, OPTION_STRING, offsetof(struct scp_options, platform), "OS/ARCH[/VARIANT]", "of an image for several platforms, this one only (default: all that are there)", 0},
	{"progress", 0, OPTION_STRING, offsetof(struct scp_options, progress), PROGRESS_WORDS, "how to show how far it is (default: bars on a terminal)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct scp_options, quiet), NULL, "do not say how much moved", 0},
	OPTION_END,
};
static const struct option send_table[] = {
	{"platform", 0, OPTION_STRING, offsetof(struct scp_options, platform), "OS/ARCH[/VARIANT]", "of an image for several platforms, this one only", 0},
	OPTION_END,
};
static const struct option no_options[] = {
	OPTION_END,
};
/* clang-format on */

/* Lines of the other host, with everything that a terminal might obey taken out. */
static void print_theirs(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		(void)putchar(*p == '\n' || (*p >= 0x20 && *p < 0x7f) ? *p : '?');
}

static void print(const struct engine_scp_result *r)
{
	struct arena a = {0};

	for (size_t i = 0; i < r->names.count; i++) {
		const char *name = r->names.items[i];
		struct image_reference ref;
		struct error ignored;

		if (image_reference_parse(&a, name, &ref, &ignored) == 0)
			name = image_reference_familiar(&a, &ref);
		printf("Loaded image: %s\n", name);
	}
	for (size_t i = 0; !r->names.count && i < r->ids.count; i++)
		printf("Loaded image ID: %s\n", r->ids.items[i]);
	if (r->said)
		print_theirs(r->said);
	arena_done(&a);
}

static void print_amount(const struct engine_scp_result *r)
{
	char moved[16], all[16];

	if (!r->layers)
		return;
	str_from_size(r->moved_bytes, moved);
	str_from_size(r->bytes, all);
	(void)fprintf(stderr, "%zu of %zu layers moved, %s of %s\n", r->moved_layers, r->layers, moved, all);
}

static void collect(struct engine *e, const struct engine_scp_result *r, bool quiet)
{
	autostrv struct strv fresh = {0};

	for (size_t i = 0; i < r->ids.count; i++)
		strv_push(&fresh, r->ids.items[i]);
	collect_after(e, &fresh, quiet);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	const struct scp_options *o = options;
	const char *rsh = o->rsh ? o->rsh : getenv("BOTHY_SSH");
	struct engine_scp_options so = {
		.source = args->items[0],
		.destination = args->count > 1 ? args->items[1] : NULL,
		.rsh = rsh && *rsh ? rsh : "ssh",
		.platform = o->platform,
	};
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;

	if (progress_new(o->progress, o->quiet, "scp", &progress, err) < 0 || bothy_open(global, &e, err) < 0)
		return -err->code;
	so.watch = progress_watch(progress);
	so.watch_arg = progress;
	if (engine_scp(e, &so, &result, err) < 0)
		return error_wrap(err, "image scp");
	print(&result);
	if (!o->quiet)
		print_amount(&result);
	if (result.fetched)
		collect(e, &result, o->quiet);
	return 0;
}

static int run_send(void *global, void *options, const struct args *args, struct error *err)
{
	const struct scp_options *o = options;
	autoengine struct engine *e = NULL;

	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	int r = engine_scp_send(e, args->items[0], o->platform, STDIN_FILENO, STDOUT_FILENO, err);

	return r == ENGINE_SCP_TOLD ? 125 : r;
}

static int run_receive(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	autoengine struct engine *e = NULL;

	(void)options;
	(void)args;
	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	int r = engine_scp_receive(e, STDIN_FILENO, STDOUT_FILENO, &result, err);

	if (r == 0)
		collect(e, &result, false);
	return r == ENGINE_SCP_TOLD ? 125 : r;
}

const struct command cmd_image_scp = {
	.name = "scp",
	.group = "Images",
	.args = "IMAGE|HOST [HOST|IMAGE]",
	.summary = "copy an image to or from another host over ssh",
	.details =
		"A host is written ssh://[user@]host[:port][/name] or [user@]host::[name]. Only layers that the other end lacks\n"
		"move where it has bothy or docker; with podman there the whole image does. An image for several\n"
		"platforms moves with all that are there; docker and podman get this machine's, or that of --platform.",
	.options = table,
	.options_size = sizeof(struct scp_options),
	.min_args = 1,
	.max_args = 2,
	.run = run,
	.examples = "  bothy image scp team/app:2 ssh://root@build.example\n"
		    "  bothy image scp root@build.example::team/app:2\n"
		    "  bothy image scp -e 'ssh -i key' team/app:2 me@host::team/app:tested",
};

const struct command cmd_image_send = {
	.name = "send",
	.hidden = true,
	.args = "IMAGE",
	.summary = "the far end of `image scp`: offer an image on standard input and output",
	.options = send_table,
	.options_size = sizeof(struct scp_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_send,
};

const struct command cmd_image_receive = {
	.name = "receive",
	.hidden = true,
	.args = "",
	.summary = "the far end of `image scp`: take an image from standard input and output",
	.options = no_options,
	.options_size = 1,
	.max_args = 0,
	.run = run_receive,
};
