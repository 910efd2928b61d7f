/* SPDX-License-Identifier: Apache-2.0 */
/* bothy push: an image to its registry. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/progress.h"
#include "safepath/safepath.h"
#include "cli/registry_options.h"

struct push_options {
	struct engine_registry_options registry;
	const char *digestfile, *progress;
	struct option_bool tls_verify;
	bool all_tags, quiet, trust;
};

/* clang-format off */
static const struct option table[] = {
	{"all-tags", 'a', OPTION_BOOL, offsetof(struct push_options, all_tags), NULL, "push every tag of the repository", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct push_options, quiet), NULL, "print the name alone", 0},
	{"progress", 0, OPTION_STRING, offsetof(struct push_options, progress), PROGRESS_WORDS, "how to show how far it is (default: bars on a terminal)", 0},
	{"digestfile", 0, OPTION_STRING, offsetof(struct push_options, digestfile), "FILE", "write the digest that the name now has to this file", 0},
	REGISTRY_OPTIONS(struct push_options, registry),
	{"disable-content-trust", 0, OPTION_BOOL, offsetof(struct push_options, trust), NULL, "accepted for Docker's sake", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

static int write_digest(const char *path, const char *digest, struct error *err)
{
	autofd int fd = safepath_host_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	int r;

	if (fd < 0)
		return error_wrap(err, "--digestfile");
	r = fd_write_all(fd, digest, strlen(digest));
	return r < 0 ? error_sys(err, -r, "--digestfile: write '%s'", path) : 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct push_options *o = options;
	struct engine_push_options po = {
		.registry = o->registry,
		.all_tags = o->all_tags,
	};
	autoclean(engine_push_result_done) struct engine_push_result result = {0};
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;

	po.registry.no_verify = o->tls_verify.set && !o->tls_verify.v;
	if (progress_new(o->progress, o->quiet, "push", &progress, err) < 0)
		return -err->code;
	po.observer = progress_observer(progress);
	if (bothy_open(global, &e, err) < 0 || engine_push(e, args->items[0], &po, &result, err) < 0)
		return -err->code;
	for (size_t i = 0; i < result.count; i++) {
		const struct engine_pushed *p = &result.pushed[i];

		if (p->one_platform && !o->quiet)
			(void)fprintf(stderr, "%s: only this machine's platform is here, and was pushed\n", p->tag);
		if (o->quiet)
			printf("%s\n", p->name);
		else
			printf("%s: digest: %s size: %zu\n", p->tag, p->digest, p->size);
	}
	if (o->digestfile && result.count)
		return write_digest(o->digestfile, result.pushed[result.count - 1].digest, err);
	return 0;
}

const struct command cmd_push = {
	.name = "push",
	.group = "Registries",
	.args = "IMAGE[:TAG]",
	.summary = "send an image to its registry",
	.details =
		"The name says where: HOST[:PORT]/PATH[:TAG], without a host Docker Hub. Only what is missing there is sent; what\n"
		"another repository of the same registry has is taken from it. A cut link is taken up again where it was cut.",
	.options = table,
	.options_size = sizeof(struct push_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
	.examples =
		"  bothy tag debian:12 registry.example/team/debian:12\n  bothy push registry.example/team/debian:12",
};
