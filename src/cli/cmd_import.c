/* SPDX-License-Identifier: Apache-2.0 */
/* bothy import: a root file system as an image of one layer. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/platform.h"
#include "cli/progress.h"
#include "safepath/safepath.h"

struct import_options {
	struct strv changes;
	struct platform_words platform;
	const char *message, *progress, *cert_dir;
	struct option_bool tls_verify;
	bool quiet;
};

/* clang-format off */
static const struct option table[] = {
	{"change", 'c', OPTION_STRINGS, offsetof(struct import_options, changes), "INSTRUCTION", "apply this instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR", 0},
	{"message", 'm', OPTION_STRING, offsetof(struct import_options, message), "TEXT", "the comment in the image's history", 0},
	PLATFORM_OPTIONS(struct import_options, platform, "what it is made for (default: this machine)"),
	{"quiet", 'q', OPTION_BOOL, offsetof(struct import_options, quiet), NULL, "show no progress", 0},
	{"progress", 0, OPTION_STRING, offsetof(struct import_options, progress), PROGRESS_WORDS, "of an address: how to show how far it is (default: bars on a terminal)", 0},
	{"cert-dir", 0, OPTION_STRING, offsetof(struct import_options, cert_dir), "DIR", "of an address: certificates and keys for its server", 0},
	{"tls-verify", 0, OPTION_TRISTATE, offsetof(struct import_options, tls_verify), NULL, "of an address: check its server's certificate (default: yes)", 0},
	OPTION_END,
};
/* clang-format on */

static int apply_changes(const struct strv *changes, struct json *config, struct error *err)
{
	for (size_t i = 0; i < changes->count; i++) {
		if (engine_change_apply(changes->items[i], config, err) < 0)
			return -err->code;
	}
	return 0;
}

/* The name that the image shall have, in full; NULL there: none. */
static int parse_name(struct arena *a, const char *text, const char **ret, struct error *err)
{
	struct image_reference ref;

	if (!text)
		return 0;
	if (image_reference_parse(a, text, &ref, err) < 0)
		return -err->code;
	if (ref.digest)
		return error_set(err, ERROR_INVALID, EINVAL, "import: '%.200s': a new image cannot have a given digest",
				 text);
	if (!ref.tag)
		ref.tag = "latest";
	*ret = image_reference_full(a, &ref);
	return 0;
}

static int open_source(const char *source, struct error *err)
{
	if (!str_eq(source, "-")) {
		int file = safepath_host_open(source, O_RDONLY, 0, err);

		return file < 0 && strstr(source, "://")
			       ? error_hint(err, "addresses that are fetched begin with http:// or https://")
			       : file;
	}
	if (isatty(STDIN_FILENO))
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "import: no archive was given"), err),
				  "pipe one in: tar -C ROOT -c . | bothy import -");
	int fd = fd_dup_min(STDIN_FILENO, 3);

	return fd < 0 ? error_sys(err, -fd, "import: take standard input") : fd;
}

static int import_file(struct engine *e, const char *source, const struct store_import_options *io,
		       char id[static STORE_ID_MAX], struct error *err)
{
	autofd int fd = open_source(source, err);
	struct store *store;

	if (fd < 0 || engine_store(e, &store, err) < 0)
		return -err->code;
	return store_import(store, fd, io, id, err);
}

static int import_address(struct engine *e, const struct import_options *o, const char *url,
			  const struct store_import_options *io, char id[static STORE_ID_MAX], struct error *err)
{
	autoprogress struct progress *progress = NULL;
	struct engine_address_options ao = {.url = url,
					    .cert_dir = o->cert_dir,
					    .no_verify = o->tls_verify.set && !o->tls_verify.v};

	if (progress_new(o->progress, o->quiet, "import", &progress, err) < 0)
		return -err->code;
	ao.observer = progress_observer(progress);
	return engine_import_address(e, &ao, io, id, err);
}

static int import(const struct bothy_global *g, const struct import_options *o, const struct args *args,
		  struct arena *a, struct error *err)
{
	const bool is_address = registry_is_address(args->items[0]);
	const char *source = is_address ? registry_address_shown(a, args->items[0]) : args->items[0];
	autojson struct json *config = json_new_object();
	autofree char *comment = mem_printf("Imported from %s", source);
	struct store_import_options io = {.config = config, .comment = o->message ? o->message : comment};
	autostrv struct strv fresh = {0};
	autoengine struct engine *e = NULL;
	autofree char *word = NULL;
	struct image_platform platform;
	char id[STORE_ID_MAX];
	int r;

	if (platform_word(&o->platform, &word, err) < 0 || apply_changes(&o->changes, config, err) < 0 ||
	    parse_name(a, args->count > 1 ? args->items[1] : NULL, &io.name, err) < 0)
		return -err->code;
	if (word && image_platform_parse(a, word, &platform, err) < 0)
		return -err->code;
	io.platform = word ? &platform : NULL;
	if (bothy_open(g, &e, err) < 0)
		return -err->code;
	r = is_address ? import_address(e, o, args->items[0], &io, id, err)
		       : import_file(e, args->items[0], &io, id, err);
	if (r < 0)
		return error_wrap(err, "import %s", source);
	printf("%s\n", id);
	strv_push(&fresh, id);
	collect_after(e, &fresh, o->quiet);
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct arena a = {0};
	int r = import(global, options, args, &a, err);

	arena_done(&a);
	return r;
}

static void done(void *options)
{
	struct import_options *o = options;

	strv_done(&o->changes);
}

const struct command cmd_import = {
	.name = "import",
	.group = "Images",
	.args = "FILE|URL|- [REPOSITORY[:TAG]]",
	.summary = "make an image of a root file system",
	.details =
		"Reads a tar archive, plain or compressed with gzip or zstd, and prints the id of the image. An address (http or\n"
		"https) is fetched; a login in it, https://USER:PASSWORD@HOST/, is for that host and is kept nowhere.",
	.options = table,
	.options_size = sizeof(struct import_options),
	.min_args = 1,
	.max_args = 2,
	.run = run,
	.done = done,
	.examples = "  mmdebstrap --variant=minbase bookworm - | bothy import - debian:mine\n"
		    "  bothy import -c 'CMD [\"/bin/sh\"]' -c 'ENV LANG=C.UTF-8' root.tar.gz team/base:1\n"
		    "  bothy import https://example.com/rootfs.tar.zst team/base:2",
};
