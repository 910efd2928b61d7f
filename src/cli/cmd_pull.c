/* SPDX-License-Identifier: Apache-2.0 */
/* bothy pull: an image from a registry. */
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/platform.h"
#include "cli/progress.h"
#include "cli/registry_options.h"
#include "kernel/signal.h"

struct pull_options {
	struct engine_registry_options registry;
	struct platform_words platform;
	const char *progress, *policy;
	struct option_bool tls_verify;
	bool quiet, all_tags, all_platforms, trust;
};

/* clang-format off */
static const struct option table[] = {
	{"all-tags", 'a', OPTION_BOOL, offsetof(struct pull_options, all_tags), NULL, "every tag of the repository", 0},
	PLATFORM_OPTIONS(struct pull_options, platform, "which one of several to take (default: this machine's)"),
	{"all-platforms", 0, OPTION_BOOL, offsetof(struct pull_options, all_platforms), NULL, "keep all of them, to be pushed or saved; this machine's can be run", 0},
	{"policy", 0, OPTION_STRING, offsetof(struct pull_options, policy), "always|missing|newer|never", "when to ask the registry (default: always)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct pull_options, quiet), NULL, "print the name only", 0},
	{"progress", 0, OPTION_STRING, offsetof(struct pull_options, progress), PROGRESS_WORDS, "how to show how far it is (default: bars on a terminal)", 0},
	REGISTRY_OPTIONS(struct pull_options, registry),
	{"disable-content-trust", 0, OPTION_BOOL, offsetof(struct pull_options, trust), NULL, "accepted for Docker's sake", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

static void print(const struct engine_pulled *p, bool quiet)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct engine_pulled_image *image = &p->images[i];

		if (!quiet) {
			printf("Digest: %s\n", image->digest);
			printf("Status: %s for %s\n",
			       image->unchanged ? "Image is up to date" : "Downloaded newer image", image->familiar);
		}
		printf("%s\n", image->name);
		if (image->platform)
			(void)fprintf(stderr, "Warning: %s is made for %s, not for %s\n", image->familiar,
				      image->platform, p->platform);
	}
}

static void collect(struct engine *e, const struct engine_pulled *p, bool quiet)
{
	autostrv struct strv fresh = {0};

	for (size_t i = 0; i < p->count; i++)
		strv_push(&fresh, p->images[i].id);
	collect_after(e, &fresh, quiet);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct pull_options *o = options;
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;
	struct engine_pulled pulled = {0};
	autofree char *platform = NULL;
	autofd int stop = FD_NONE;
	struct engine_pull_options po = {
		.all_platforms = o->all_platforms,
		.all_tags = o->all_tags,
		.creds = o->registry.creds,
		.authfile = o->registry.authfile,
		.cert_dir = o->registry.cert_dir,
		.no_verify = o->tls_verify.set && !o->tls_verify.v,
	};

	if (platform_word(&o->platform, &platform, err) < 0)
		return -err->code;
	po.platform = platform;
	if ((o->policy && engine_pull_policy_parse(o->policy, "--policy", &po.policy, err) < 0) ||
	    progress_new(o->progress, o->quiet, "pull", &progress, err) < 0 || bothy_open(global, &e, err) < 0)
		return -err->code;
	stop = signal_open_fd((const int[]){SIGINT, SIGTERM, SIGHUP}, 3, NULL, err);
	if (stop < 0)
		return stop;
	po.stop_fd = stop;
	po.observer = progress_observer(progress);
	int r = engine_pull(e, args->items[0], &po, &pulled, err);

	if (r == 0) {
		print(&pulled, o->quiet);
		collect(e, &pulled, o->quiet);
	}
	engine_pulled_done(&pulled);
	return r;
}

const struct command cmd_pull = {
	.name = "pull",
	.group = "Registries",
	.args = "NAME[:TAG|@DIGEST]",
	.summary = "bring an image in from a registry",
	.details =
		"What a pull has received stays, whatever ends it: the next one goes on from there. Layers that are in the store\n"
		"are not asked for. Several pulls at once share what they have in common.",
	.options = table,
	.options_size = sizeof(struct pull_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
	.examples = "  bothy pull debian:12\n  bothy pull --platform linux/arm64 debian:12\n"
		    "  bothy pull -q registry.example.com:5000/app@sha256:…",
};
