/* SPDX-License-Identifier: Apache-2.0 */
/* bothy artifact push, pull: files in a registry. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/bothy.h"

struct artifact_cli {
	struct engine_artifact_options o;
	struct option_bool tls_verify;
	const char *output;
	bool quiet;
};

#define REGISTRY_ROWS                                                                                                  \
	{"authfile",                                                                                                   \
	 0,                                                                                                            \
	 OPTION_STRING,                                                                                                \
	 offsetof(struct artifact_cli, o.registry.authfile),                                                           \
	 "FILE",                                                                                                       \
	 "logins (default: $REGISTRY_AUTH_FILE, Podman's auth.json, Docker's config.json)",                            \
	 0},                                                                                                           \
		{"creds",                                                                                              \
		 0,                                                                                                    \
		 OPTION_STRING,                                                                                        \
		 offsetof(struct artifact_cli, o.registry.creds),                                                      \
		 "USER:PASSWORD",                                                                                      \
		 "log in as this for once",                                                                            \
		 0},                                                                                                   \
		{"cert-dir",                                                                                           \
		 0,                                                                                                    \
		 OPTION_STRING,                                                                                        \
		 offsetof(struct artifact_cli, o.registry.cert_dir),                                                   \
		 "DIR",                                                                                                \
		 "certificates in place of certs.d",                                                                   \
		 0},                                                                                                   \
	{                                                                                                              \
		"tls-verify", 0, OPTION_TRISTATE, offsetof(struct artifact_cli, tls_verify), NULL,                     \
			"verify TLS (default true); false allows http as well", 0                                      \
	}

/* clang-format off */
static const struct option push_table[] = {
	{"artifact-type", 0, OPTION_STRING, offsetof(struct artifact_cli, o.type), "TYPE", "what it is, as a media type", 0},
	{"annotation", 'a', OPTION_STRINGS, offsetof(struct artifact_cli, o.annotations), "KEY=VALUE", "annotate it", 0},
	{"subject", 0, OPTION_STRING, offsetof(struct artifact_cli, o.subject), "TAG|DIGEST", "the manifest of the same repository that it belongs to", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct artifact_cli, quiet), NULL, "print nothing", 0},
	REGISTRY_ROWS,
	OPTION_END,
};
static const struct option pull_table[] = {
	{"output", 'o', OPTION_STRING, offsetof(struct artifact_cli, output), "DIR", "put the files there (default: .)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct artifact_cli, quiet), NULL, "print nothing", 0},
	REGISTRY_ROWS,
	OPTION_END,
};
/* clang-format on */

/* What the registry says begins with the name often: once is enough. */
static int failed(const char *what, const char *name, struct error *err)
{
	return str_starts(err->msg, name) ? error_wrap(err, "artifact %s", what)
					  : error_wrap(err, "artifact %s %s", what, name);
}

static int run_push(void *global, void *options, const struct args *args, struct error *err)
{
	struct artifact_cli *c = options;
	char digest[STORE_ID_MAX];

	(void)global;
	c->o.registry.no_verify = c->tls_verify.set && !c->tls_verify.v;
	if (engine_artifact_push(args->items[0], args->items + 1, args->count - 1, &c->o, digest, err) < 0)
		return failed("push", args->items[0], err);
	if (!c->quiet)
		printf("%s\n", digest);
	return 0;
}

static int run_pull(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(engine_artifact_result_done) struct engine_artifact_result result = {0};
	struct artifact_cli *c = options;

	(void)global;
	c->o.registry.no_verify = c->tls_verify.set && !c->tls_verify.v;
	if (engine_artifact_pull(args->items[0], c->output ? c->output : ".", &c->o.registry, &result, err) < 0)
		return failed("pull", args->items[0], err);
	for (size_t i = 0; !c->quiet && i < result.files.count; i++)
		printf("%s\n", result.files.items[i]); /* one component without control characters */
	return 0;
}

static void done(void *options)
{
	struct artifact_cli *c = options;

	strv_done(&c->o.annotations);
}

const struct command cmd_artifact_push = {
	.name = "push",
	.group = "Registries",
	.args = "NAME[:TAG] [FILE[:TYPE]...]",
	.summary = "put files into a registry",
	.details = "Prints the digest of the artifact.",
	.options = push_table,
	.options_size = sizeof(struct artifact_cli),
	.min_args = 1,
	.max_args = -1,
	.run = run_push,
	.done = done,
	.examples =
		"  bothy artifact push registry.example/notes:1 notes.txt:text/plain\n"
		"  bothy artifact push --artifact-type application/spdx+json --subject 1.5 registry.example/app:sbom sbom.json",
};

const struct command cmd_artifact_pull = {
	.name = "pull",
	.group = "Registries",
	.args = "NAME[:TAG|@DIGEST]",
	.summary = "get the files of an artifact",
	.details = "Prints their names. No file that is there is replaced, and a name never leads out of the folder.",
	.options = pull_table,
	.options_size = sizeof(struct artifact_cli),
	.min_args = 1,
	.max_args = 1,
	.run = run_pull,
	.done = done,
	.examples = "  bothy artifact pull -o ./notes registry.example/notes:1",
};

static const struct command_child children[] = {
	{"push", NULL, &cmd_artifact_push},
	{"pull", NULL, &cmd_artifact_pull},
	{NULL, NULL, NULL},
};

const struct command cmd_artifact = {
	.name = "artifact",
	.group = "Registries",
	.args = "COMMAND",
	.summary = "files in registries",
	.children = children,
};
