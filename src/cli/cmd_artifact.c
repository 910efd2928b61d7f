/* SPDX-License-Identifier: Apache-2.0 */
/* bothy artifact: files under a name, in the store and in registries. Podman's words. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/failures.h"
#include "cli/list.h"
#include "cli/progress.h"
#include "cli/registry_options.h"
#include "cli/show.h"

struct artifact_cli {
	struct engine_artifact_options o;
	struct option_bool tls_verify;
	const char *output, *format, *progress, *title, *digest;
	bool quiet, all, no_trunc, ignore, append, replace;
};

/* clang-format off */
#define AT(f) offsetof(struct artifact_cli, f)
#define FILE_ROWS \
	{"artifact-type", 0, OPTION_STRING, AT(o.type), "TYPE", "what it is, as a media type", 0}, \
	{"type", 0, OPTION_STRING, AT(o.type), "TYPE", "the same", OPTION_HIDDEN}, \
	{"file-type", 0, OPTION_STRING, AT(o.file_type), "TYPE", "media type of the files that say none", 0}, \
	{"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "print nothing", 0}

/* -a is what the peers have: Podman's `add -a` appends, oras' `push -a` annotates. */
static const struct option add_table[] = {
	{"append", 'a', OPTION_BOOL, AT(append), NULL, "add the files to the artifact that has this name", 0},
	{"replace", 0, OPTION_BOOL, AT(replace), NULL, "take the name from the artifact that has it", 0},
	{"annotation", 0, OPTION_STRINGS, AT(o.annotations), "KEY=VALUE", "annotate it", 0},
	FILE_ROWS,
	OPTION_END,
};
static const struct option push_table[] = {
	{"annotation", 'a', OPTION_STRINGS, AT(o.annotations), "KEY=VALUE", "annotate it", 0},
	FILE_ROWS,
	{"subject", 0, OPTION_STRING, AT(o.subject), "TAG|DIGEST", "the manifest of the same repository that it belongs to", 0},
	REGISTRY_OPTIONS(struct artifact_cli, o.registry),
	OPTION_END,
};
static const struct option pull_table[] = {
	{"output", 'o', OPTION_STRING, AT(output), "DIR", "put the files there, and nothing into the store", 0},
	{"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "print nothing", 0},
	{"progress", 0, OPTION_STRING, AT(progress), PROGRESS_WORDS, "how to show how far it is (default: bars on a terminal)", 0},
	REGISTRY_OPTIONS(struct artifact_cli, o.registry),
	OPTION_END,
};
static const struct option extract_table[] = {
	{"title", 0, OPTION_STRING, AT(title), "NAME", "only the file of this name", 0},
	{"digest", 0, OPTION_STRING, AT(digest), "DIGEST", "only the blob with this digest, which becomes its name", 0},
	{"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "print nothing", 0},
	OPTION_END,
};
static const struct option ls_table[] = {
	{"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "print digests only", 0},
	{"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "print whole digests", 0},
	{"format", 0, OPTION_STRING, AT(format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	OPTION_END,
};
static const struct option inspect_table[] = {
	{"format", 'f', OPTION_STRING, AT(format), "FORMAT", "json, or a template", 0},
	OPTION_END,
};
static const struct option rm_table[] = {
	{"all", 'a', OPTION_BOOL, AT(all), NULL, "all artifacts", 0},
	{"ignore", 'i', OPTION_BOOL, AT(ignore), NULL, "no error when there is no such artifact", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"Digest", "DIGEST"}, {"Type", "TYPE"}, {"Created", "CREATED"},
	{"CreatedAt", "CREATED AT"}, {"Size", "SIZE"}, {NULL, NULL},
};
static const struct list_kind kind = {
	fields, "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.Created}}\t{{.Size}}", "{{.Digest}}",
};
/* clang-format on */

/* What the registry says begins with the name often: once is enough. */
static int failed(const char *what, const char *name, struct error *err)
{
	return str_starts(err->msg, name) ? error_wrap(err, "artifact %s", what)
					  : error_wrap(err, "artifact %s %s", what, name);
}

static void print_files(const struct engine_artifact_result *r, bool quiet)
{
	for (size_t i = 0; !quiet && i < r->files.count; i++)
		printf("%s\n", r->files.items[i]); /* one component without control characters */
}

/* ---- in and out ---- */

static int run_add(void *global, void *options, const struct args *args, struct error *err)
{
	struct artifact_cli *c = options;
	const enum engine_artifact_add how = c->append    ? ENGINE_ARTIFACT_APPEND
					     : c->replace ? ENGINE_ARTIFACT_REPLACE
							  : ENGINE_ARTIFACT_NEW;
	autoengine struct engine *e = NULL;
	char digest[STORE_ID_MAX];

	if (c->append && (c->replace || c->o.type))
		return error_set(err, ERROR_INVALID, EINVAL, "artifact add: --append and %s cannot be given together",
				 c->replace ? "--replace" : "--artifact-type");
	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	if (engine_artifact_add(e, args->items[0], args->items + 1, args->count - 1, how, &c->o, digest, err) < 0)
		return failed("add", args->items[0], err);
	if (!c->quiet)
		printf("%s\n", digest);
	collect_after(e, NULL, c->quiet);
	return 0;
}

/* The store's, which must be as it was made: what it is was said then. */
static int push_kept(void *global, struct artifact_cli *c, const char *name, char digest[static STORE_ID_MAX],
		     struct error *err)
{
	autoengine struct engine *e = NULL;

	if (c->o.type || c->o.file_type || c->o.subject || c->o.annotations.count)
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"--artifact-type, --file-type, --annotation and --subject are for files that are named here");
	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	if (engine_artifact_send(e, name, &c->o.registry, digest, err) == 0)
		return 0;
	if (err->kind == ERROR_NOT_FOUND && str_starts(err->msg, "there is no artifact"))
		return error_hint(err, "name its files: bothy artifact push NAME FILE...");
	return -err->code;
}

static int run_push(void *global, void *options, const struct args *args, struct error *err)
{
	struct artifact_cli *c = options;
	const char *name = args->items[0];
	char digest[STORE_ID_MAX];

	c->o.registry.no_verify = c->tls_verify.set && !c->tls_verify.v;
	if ((args->count > 1 ? engine_artifact_push(name, args->items + 1, args->count - 1, &c->o, digest, err)
			     : push_kept(global, c, name, digest, err)) < 0)
		return failed("push", name, err);
	if (!c->quiet)
		printf("%s\n", digest);
	return 0;
}

static int pull_to_store(void *global, const struct artifact_cli *c, const char *name, struct error *err)
{
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;
	char digest[STORE_ID_MAX];

	if (progress_new(c->progress, c->quiet, "pull", &progress, err) < 0 || bothy_open(global, &e, err) < 0)
		return -err->code;
	if (engine_artifact_fetch(e, name, &c->o.registry, progress_observer(progress), digest, err) < 0)
		return failed("pull", name, err);
	if (!c->quiet)
		printf("%s\n", digest);
	collect_after(e, NULL, c->quiet);
	return 0;
}

static int run_pull(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(engine_artifact_result_done) struct engine_artifact_result result = {0};
	struct artifact_cli *c = options;

	c->o.registry.no_verify = c->tls_verify.set && !c->tls_verify.v;
	if (!c->output)
		return pull_to_store(global, c, args->items[0], err);
	if (engine_artifact_pull(args->items[0], c->output, &c->o.registry, &result, err) < 0)
		return failed("pull", args->items[0], err);
	print_files(&result, c->quiet);
	return 0;
}

static int run_extract(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(engine_artifact_result_done) struct engine_artifact_result result = {0};
	const struct artifact_cli *c = options;
	autoengine struct engine *e = NULL;

	if (c->title && c->digest)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "artifact extract: --title and --digest cannot be given together");
	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	if (engine_artifact_extract(e, args->items[0], c->title, c->digest, args->items[1], &result, err) < 0)
		return failed("extract", args->items[0], err);
	print_files(&result, c->quiet);
	return 0;
}

/* ---- what is there ---- */

static struct json *make_row(const struct store_artifact *item, const struct artifact_cli *c)
{
	autoclean(arena_done) struct arena a = {0};
	struct json *j = json_new_object();
	const char *repository, *tag;
	char text[160];

	show_artifact_name(&a, item->name, &repository, &tag);
	json_set(j, "Repository", json_new_str(repository));
	json_set(j, "Tag", json_new_str(tag));
	show_id(item->manifest, c->no_trunc || c->quiet, text);
	json_set(j, "Digest", json_new_str(text));
	json_set(j, "Type", json_new_str(item->type));
	show_age(item->published_ns, text);
	json_set(j, "Created", json_new_str(text));
	show_moment(item->published_ns, text);
	json_set(j, "CreatedAt", json_new_str(text));
	str_from_size(item->size_bytes, text);
	json_set(j, "Size", json_new_str(text));
	return j;
}

static int run_ls(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(store_artifact_list_done) struct store_artifact_list artifacts = {0};
	const struct artifact_cli *c = options;
	autoengine struct engine *e = NULL;
	autolist struct list *l = NULL;
	struct store *store;

	(void)args;
	if (list_new(&kind, c->format, c->quiet, &l, err) < 0 || bothy_open_store(global, &e, &store, err) < 0 ||
	    store_artifact_list(store, &artifacts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < artifacts.count; i++) {
		if (list_add(l, make_row(&artifacts.items[i], c), err) < 0)
			return -err->code;
	}
	return list_end(l, err);
}

static int run_inspect(void *global, void *options, const struct args *args, struct error *err)
{
	const struct artifact_cli *c = options;
	autojson struct json *j = NULL, *one = json_new_array();
	autoengine struct engine *e = NULL;

	if (bothy_open(global, &e, err) < 0)
		return -err->code;
	if (engine_artifact_inspect(e, args->items[0], &j, err) < 0)
		return failed("inspect", args->items[0], err);
	/* Podman prints the object itself, not a list of one. */
	if (!c->format || !*c->format || str_eq(c->format, "json"))
		return list_inspect(j, c->format, err);
	json_push(one, json_ref(j));
	return list_inspect(one, c->format, err);
}

static int remove_one(struct store *store, const char *name, const struct artifact_cli *c, struct error *err)
{
	char digest[STORE_ID_MAX];

	if (store_artifact_remove(store, name, digest, err) < 0)
		return c->ignore && err->kind == ERROR_NOT_FOUND ? 0 : failed("rm", name, err);
	printf("Deleted: %s\n", digest);
	return 0;
}

static int remove_all(struct store *store, const struct artifact_cli *c, struct error *err)
{
	autoclean(store_artifact_list_done) struct store_artifact_list artifacts = {0};

	if (store_artifact_list(store, &artifacts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < artifacts.count; i++) {
		if (remove_one(store, artifacts.items[i].name, c, err) < 0 && err->kind != ERROR_NOT_FOUND)
			return -err->code; /* not found: removed meanwhile */
	}
	return 0;
}

static int run_rm(void *global, void *options, const struct args *args, struct error *err)
{
	const struct artifact_cli *c = options;
	autoengine struct engine *e = NULL;
	struct store *store;
	int failure = 0;

	if (c->all == (args->count > 0)) {
		error_set(err, ERROR_INVALID, EINVAL,
			  c->all ? "artifact rm: --all and names at once" : "artifact rm: no artifact was named");
		return error_hint(err, "usage: bothy artifact rm [OPTIONS] ARTIFACT [ARTIFACT...]");
	}
	if (bothy_open_store(global, &e, &store, err) < 0)
		return -err->code;
	if (c->all)
		return remove_all(store, c, err);
	/* One that fails does not keep the others; the last failure is the one reported at the end. */
	for (size_t i = 0; i < args->count; i++) {
		struct error why = {0};

		if (remove_one(store, args->items[i], c, &why) < 0)
			failure = failures_add(failure, &why, err);
	}
	return failure;
}

static void done(void *options)
{
	struct artifact_cli *c = options;

	strv_done(&c->o.annotations);
}

static const struct command cmd_artifact_add = {
	.name = "add",
	.args = "ARTIFACT[:TAG] FILE[:TYPE] [FILE[:TYPE]...]",
	.summary = "make an artifact of files",
	.details =
		"It is kept in the store, to be pushed. Prints its digest. With --append the files of the artifact stay, and these come\n"
		"behind them.",
	.options = add_table,
	.options_size = sizeof(struct artifact_cli),
	.min_args = 2,
	.max_args = -1,
	.run = run_add,
	.done = done,
	.examples = "  bothy artifact add registry.example/notes:1 notes.txt:text/plain\n"
		    "  bothy artifact add --append registry.example/notes:1 more.txt\n"
		    "  bothy artifact push registry.example/notes:1",
};

static const struct command cmd_artifact_push = {
	.name = "push",
	.args = "ARTIFACT[:TAG] [FILE[:TYPE]...]",
	.summary = "send an artifact to its registry",
	.details =
		"That of this name in the store, or with files one that is made of them and not kept. Prints its digest.",
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

static const struct command cmd_artifact_pull = {
	.name = "pull",
	.args = "NAME[:TAG|@DIGEST]",
	.summary = "get an artifact from its registry",
	.details =
		"Into the store, and prints its digest; with --output its files into a folder, and prints their names. No file that\n"
		"is there is replaced, and a name never leads out of the folder.",
	.options = pull_table,
	.options_size = sizeof(struct artifact_cli),
	.min_args = 1,
	.max_args = 1,
	.run = run_pull,
	.done = done,
	.examples = "  bothy artifact pull registry.example/notes:1\n"
		    "  bothy artifact pull -o ./notes registry.example/notes:1",
};

static const struct command cmd_artifact_extract = {
	.name = "extract",
	.args = "ARTIFACT FILE|DIR",
	.summary = "put the files of an artifact into a folder",
	.details =
		"Into a folder that is there, under their own names; else one file becomes the one that is named, and several go into\n"
		"a new folder. A '/' at the end says that it is a folder. What has no name is called by its digest. Prints the names.\n"
		"No file that is there is replaced, and a name never leads out of the folder.",
	.options = extract_table,
	.options_size = sizeof(struct artifact_cli),
	.min_args = 2,
	.max_args = 2,
	.run = run_extract,
	.done = done,
	.examples = "  bothy artifact extract registry.example/notes:1 ./notes/\n"
		    "  bothy artifact extract --title notes.txt registry.example/notes:1 ./my-notes.txt",
};

static const struct command cmd_artifact_ls = {
	.name = "ls",
	.args = "",
	.summary = "list the artifacts of the store",
	.options = ls_table,
	.options_size = sizeof(struct artifact_cli),
	.max_args = 0,
	.run = run_ls,
	.done = done,
	.examples = "  bothy artifact ls\n  bothy artifact ls --format '{{.Repository}}:{{.Tag}} {{.Type}}'",
};

static const struct command cmd_artifact_inspect = {
	.name = "inspect",
	.args = "ARTIFACT",
	.summary = "show the manifest of an artifact",
	.options = inspect_table,
	.options_size = sizeof(struct artifact_cli),
	.min_args = 1,
	.max_args = 1,
	.run = run_inspect,
	.done = done,
	.examples =
		"  bothy artifact inspect registry.example/notes:1\n"
		"  bothy artifact inspect --format '{{range .Manifest.layers}}{{.mediaType}} {{end}}' registry.example/notes:1",
};

static const struct command cmd_artifact_rm = {
	.name = "rm",
	.args = "ARTIFACT [ARTIFACT...]",
	.summary = "remove artifacts from the store",
	.details = "Prints the digest of each. What has another name stays under that.",
	.options = rm_table,
	.options_size = sizeof(struct artifact_cli),
	.max_args = -1,
	.run = run_rm,
	.done = done,
	.examples = "  bothy artifact rm registry.example/notes:1\n  bothy artifact rm --all",
};

/* clang-format off */
static const struct command_child children[] = {
	{"add", NULL, &cmd_artifact_add},
	{"extract", NULL, &cmd_artifact_extract},
	{"inspect", NULL, &cmd_artifact_inspect},
	{"ls", "list", &cmd_artifact_ls},
	{"pull", NULL, &cmd_artifact_pull},
	{"push", NULL, &cmd_artifact_push},
	{"rm", "remove", &cmd_artifact_rm},
	{NULL, NULL, NULL},
};
/* clang-format on */

const struct command cmd_artifact = {
	.name = "artifact",
	.group = "Registries",
	.args = "COMMAND",
	.summary = "files under a name, here and in registries",
	.examples = "  bothy artifact add registry.example.com/me/notes:1 notes.txt    a name for a file\n"
		    "  bothy artifact push registry.example.com/me/notes:1\n"
		    "  bothy artifact pull registry.example.com/me/notes:1             on another machine\n"
		    "  bothy artifact extract registry.example.com/me/notes:1 .",
	.children = children,
};
