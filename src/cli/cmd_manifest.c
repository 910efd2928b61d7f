/* SPDX-License-Identifier: Apache-2.0 */
/* bothy manifest: one name for an image of several platforms. */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/bothy.h"
#include "cli/progress.h"
#include "cli/registry_options.h"
#include "cli/show.h"

struct manifest_options {
	struct engine_registry_options registry;
	struct option_bool tls_verify;
	bool all, amend, insecure, verbose, purge, quiet;
	const char *type;
	struct engine_list_entry entry;
};

/* clang-format off */
#define AT(f) offsetof(struct manifest_options, f)
#define REGISTRY_ROWS \
	REGISTRY_OPTIONS(struct manifest_options, registry), \
	{"insecure", 0, OPTION_BOOL, AT(insecure), NULL, "the same as --tls-verify=false", 0}
#define ENTRY_ROWS \
	{"arch", 0, OPTION_STRING, AT(entry.arch), "ARCH", "architecture of the image", 0}, \
	{"os", 0, OPTION_STRING, AT(entry.os), "OS", "operating system of the image", 0}, \
	{"variant", 0, OPTION_STRING, AT(entry.variant), "VARIANT", "variant of the architecture", 0}, \
	{"os-version", 0, OPTION_STRING, AT(entry.os_version), "VERSION", "version of the operating system", 0}, \
	{"features", 0, OPTION_STRINGS, AT(entry.features), "FEATURE", "what the image needs of the processor", 0}, \
	{"os-features", 0, OPTION_STRINGS, AT(entry.os_features), "FEATURE", "what the image needs of the operating system", 0}, \
	{"annotation", 0, OPTION_STRINGS, AT(entry.annotations), "KEY=VALUE", "annotation of the entry", 0}

static const struct option create_table[] = {
	{"amend", 'a', OPTION_BOOL, AT(amend), NULL, "add to a list that is there", 0},
	{"all", 0, OPTION_BOOL, AT(all), NULL, "of images for several platforms take all", 0},
	REGISTRY_ROWS,
	OPTION_END,
};
static const struct option add_table[] = {
	{"all", 0, OPTION_BOOL, AT(all), NULL, "of an image for several platforms take all", 0},
	ENTRY_ROWS,
	REGISTRY_ROWS,
	OPTION_END,
};
static const struct option annotate_table[] = {
	ENTRY_ROWS,
	OPTION_END,
};
static const struct option none_table[] = {
	OPTION_END,
};
static const struct option inspect_table[] = {
	{"verbose", 'v', OPTION_BOOL, AT(verbose), NULL, "with the descriptor, and what the list names", 0},
	REGISTRY_ROWS,
	OPTION_END,
};
static const struct option push_table[] = {
	{"all", 0, OPTION_BOOL, AT(all), NULL, "push what the list names as well: always done", 0},
	{"purge", 'p', OPTION_BOOL, AT(purge), NULL, "remove the list here once it is pushed", 0},
	{"rm", 0, OPTION_BOOL, AT(purge), NULL, "the same as --purge", 0},
	{"format", 'f', OPTION_STRING, AT(type), "oci", "form of the list: oci", 0},
	{"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "show no progress", 0},
	REGISTRY_ROWS,
	OPTION_END,
};
/* clang-format on */

static void done(void *options)
{
	struct manifest_options *o = options;

	strv_done(&o->entry.features);
	strv_done(&o->entry.os_features);
	strv_done(&o->entry.annotations);
}

static struct engine_registry_options registry_of(const struct manifest_options *o)
{
	struct engine_registry_options r = o->registry;

	r.no_verify = o->insecure || (o->tls_verify.set && !o->tls_verify.v);
	return r;
}

static int print_digest(int r, const char *digest)
{
	if (r == 0)
		printf("%s\n", digest);
	return r;
}

static int run_create(void *global, void *options, const struct args *args, struct error *err)
{
	const struct manifest_options *o = options;
	const struct engine_registry_options registry = registry_of(o);
	autoengine struct engine *e = NULL;
	char digest[80];
	int r = bothy_open(global, &e, err);

	if (r == 0)
		r = engine_list_create(e, args->items[0], args->items + 1, args->count - 1, o->amend, o->all, &registry,
				       digest, err);
	return print_digest(r, digest);
}

static int run_add(void *global, void *options, const struct args *args, struct error *err)
{
	const struct manifest_options *o = options;
	const struct engine_registry_options registry = registry_of(o);
	autoengine struct engine *e = NULL;
	char digest[80];
	int r = bothy_open(global, &e, err);

	for (size_t i = 1; r == 0 && i < args->count; i++)
		r = engine_list_add(e, args->items[0], args->items[i], o->all, &o->entry, &registry, digest, err);
	return print_digest(r, digest);
}

static int run_annotate(void *global, void *options, const struct args *args, struct error *err)
{
	const struct manifest_options *o = options;
	autoengine struct engine *e = NULL;
	char digest[80];
	int r = bothy_open(global, &e, err);

	if (r == 0)
		r = engine_list_annotate(e, args->items[0], args->items[1], &o->entry, digest, err);
	return print_digest(r, digest);
}

static int run_remove(void *global, void *options, const struct args *args, struct error *err)
{
	autoengine struct engine *e = NULL;
	char digest[80];
	int r = bothy_open(global, &e, err);

	(void)options;
	if (r == 0)
		r = engine_list_take_out(e, args->items[0], args->items[1], digest, err);
	return print_digest(r, digest);
}

/* Take the list away here. */
static int remove_list(struct engine *e, const char *name, bool say, struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	struct store *store;
	const char *full;

	if (engine_store(e, &store, err) < 0 || engine_list_find(e, name, &a, &full, err) < 0 ||
	    store_list_remove(store, full, err) < 0)
		return -err->code;
	if (say)
		show_familiar("Untagged", full);
	return 0;
}

static int run_rm(void *global, void *options, const struct args *args, struct error *err)
{
	autoengine struct engine *e = NULL;
	int r = bothy_open(global, &e, err);

	(void)options;
	for (size_t i = 0; r == 0 && i < args->count; i++)
		r = remove_list(e, args->items[i], true, err);
	return r;
}

static int run_exists(void *global, void *options, const struct args *args, struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	autoengine struct engine *e = NULL;
	const char *full;
	int r = bothy_open(global, &e, err);

	(void)options;
	if (r == 0)
		r = engine_list_find(e, args->items[0], &a, &full, err);
	return r < 0 && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_INVALID) ? 1 : r;
}

/* ---- inspect ---- */

/* Docker's form of --verbose: the reference, the descriptor, and the document. */
static struct json *verbose(const char *ref, const char *digest, const struct json *entry, size_t len,
			    struct json *document)
{
	struct json *j = json_new_object(), *descriptor = json_new_object();
	const char *type = json_str(json_get(document, "mediaType"));
	struct json *platform = entry ? json_get(entry, "platform") : NULL;

	json_set(j, "Ref", json_new_str(ref));
	json_set_str(descriptor, "mediaType", type);
	json_set(descriptor, "digest", json_new_str(digest));
	json_set(descriptor, "size", json_new_u64(len));
	if (platform)
		json_set(descriptor, "platform", json_ref(platform));
	json_set(j, "Descriptor", descriptor);
	json_set(j, str_starts(type ? type : "", "application/vnd.docker.") ? "SchemaV2Manifest" : "OCIManifest",
		 json_ref(document));
	return j;
}

static int verbose_children(struct engine *e, const char *name, const struct engine_registry_options *registry,
			    const struct json *list, struct json *out, struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	struct image_reference ref;

	if (image_reference_parse(&a, str_starts(name, "docker://") ? name + 9 : name, &ref, err) < 0)
		return -err->code;
	for (size_t i = 0; i < json_len(list); i++) {
		const char *digest = json_str(json_get(json_at(list, i), "digest"));
		autojson struct json *child = NULL;
		autofree char *text = NULL;
		char is[80];
		size_t len;

		if (!digest)
			continue;
		const char *full = arena_printf(&a, "%s/%s@%s", ref.domain, ref.path, digest);

		if (engine_manifest_read(e, full, registry, &text, &len, is, err) < 0 ||
		    json_parse(text, len, full, &child, err) < 0)
			return -err->code;
		json_push(out, verbose(full, digest, json_at(list, i), len, child));
	}
	return 0;
}

static int run_inspect(void *global, void *options, const struct args *args, struct error *err)
{
	const struct manifest_options *o = options;
	const struct engine_registry_options registry = registry_of(o);
	autobuf struct buf text = BUF_INIT(64 << 20);
	autojson struct json *j = NULL, *all = NULL;
	autoengine struct engine *e = NULL;
	autofree char *document = NULL;
	const char *name = args->items[args->count - 1]; /* docker: [LIST] MANIFEST */
	char digest[80];
	size_t len;
	int r = bothy_open(global, &e, err);

	if (r == 0)
		r = engine_manifest_read(e, name, &registry, &document, &len, digest, err);
	if (r == 0)
		r = json_parse(document, len, name, &j, err);
	if (r < 0)
		return r;
	if (o->verbose && json_get(j, "manifests")) {
		all = json_new_array();
		if (verbose_children(e, name, &registry, json_get(j, "manifests"), all, err) < 0)
			return -err->code;
	} else {
		all = o->verbose ? verbose(name, digest, NULL, len, j) : json_ref(j);
	}
	if (!json_write(all, true, &text))
		return error_set(err, ERROR_LIMIT, E2BIG, "the documents are too large to be shown");
	printf("%s\n", buf_str(&text));
	return 0;
}

/* ---- push ---- */

static int run_push(void *global, void *options, const struct args *args, struct error *err)
{
	const struct manifest_options *o = options;
	struct engine_push_options po = {.registry = registry_of(o)};
	autoclean(engine_push_result_done) struct engine_push_result result = {0};
	struct arena a autoclean(arena_done) = {0};
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;
	const char *to = args->items[args->count - 1];

	if (o->type && !str_eq(o->type, "oci"))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "--format: lists are pushed as oci, not as %s",
				 o->type);
	if (progress_new(NULL, o->quiet, "push", &progress, err) < 0)
		return -err->code;
	po.observer = progress_observer(progress);
	if (bothy_open(global, &e, err) < 0 || engine_list_find(e, args->items[0], &a, &po.from, err) < 0)
		return -err->code;
	if (engine_push(e, str_starts(to, "docker://") ? to + 9 : to, &po, &result, err) < 0)
		return -err->code;
	for (size_t i = 0; i < result.count; i++)
		printf("%s\n", result.pushed[i].digest);
	return o->purge ? remove_list(e, args->items[0], false, err) : 0;
}

/* ---- the list of commands ---- */

#define MANIFEST_COMMAND(variable, word, parameters, line, lines, rows, least, most, function)                         \
	static const struct command variable = {                                                                       \
		.name = word,                                                                                          \
		.args = parameters,                                                                                    \
		.summary = line,                                                                                       \
		.examples = lines,                                                                                     \
		.options = rows,                                                                                       \
		.options_size = sizeof(struct manifest_options),                                                       \
		.min_args = least,                                                                                     \
		.max_args = most,                                                                                      \
		.run = function,                                                                                       \
		.done = done,                                                                                          \
	}

/* clang-format off */
MANIFEST_COMMAND(manifest_create, "create", "LIST [IMAGE...]", "make a list of images", "  bothy manifest create me/app:1", create_table, 1, -1, run_create);
MANIFEST_COMMAND(manifest_add, "add", "LIST IMAGE [IMAGE...]", "add images to a list", "  bothy manifest add me/app:1 registry.example.com/me/app:1-arm64\n  bothy manifest add --arch arm --variant v7 me/app:1 me/app:1-armhf", add_table, 2, -1, run_add);
MANIFEST_COMMAND(manifest_annotate, "annotate", "LIST IMAGE", "change what a list says of an image", "  bothy manifest annotate --variant v8 me/app:1 registry.example.com/me/app:1-arm64", annotate_table, 2, 2, run_annotate);
MANIFEST_COMMAND(manifest_exists, "exists", "LIST", "exit with 0 when there is such a list, with 1 when not", "  bothy manifest exists me/app:1 || bothy manifest create me/app:1", none_table, 1, 1, run_exists);
MANIFEST_COMMAND(manifest_inspect, "inspect", "[LIST] IMAGE", "print a manifest or list, from here or from its registry", "  bothy manifest inspect debian:12\n  bothy manifest inspect me/app:1 | jq -r .manifests[].digest", inspect_table, 1, 2, run_inspect);
MANIFEST_COMMAND(manifest_push, "push", "LIST [DESTINATION]", "send a list and all it names to a registry", "  bothy manifest push me/app:1 registry.example.com/me/app:1\n  bothy manifest push --purge registry.example.com/me/app:1", push_table, 1, 2, run_push);
MANIFEST_COMMAND(manifest_remove, "remove", "LIST DIGEST", "take an image out of a list", "  bothy manifest remove me/app:1 sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", none_table, 2, 2, run_remove);
MANIFEST_COMMAND(manifest_rm, "rm", "LIST [LIST...]", "remove lists", "  bothy manifest rm me/app:1", none_table, 1, -1, run_rm);

static const struct command_child children[] = {
	{"create", NULL, &manifest_create},
	{"add", NULL, &manifest_add},
	{"annotate", NULL, &manifest_annotate},
	{"exists", NULL, &manifest_exists},
	{"inspect", NULL, &manifest_inspect},
	{"push", NULL, &manifest_push},
	{"remove", NULL, &manifest_remove},
	{"rm", NULL, &manifest_rm},
	{NULL, NULL, NULL},
};
/* clang-format on */

const struct command cmd_manifest = {
	.name = "manifest",
	.group = "Registries",
	.args = "COMMAND",
	.summary = "one name for images of several platforms",
	.details =
		"A manifest list (OCI: an index) names one image for each platform; whoever pulls it gets the one for his machine. "
		"What is added to a list is brought into the store first, so that the list can always be pushed whole.",
	.examples =
		"  bothy manifest create me/app:1\n"
		"  bothy manifest add me/app:1 registry.example.com/me/app:1-amd64 registry.example.com/me/app:1-arm64\n"
		"  bothy manifest push me/app:1 registry.example.com/me/app:1",
	.children = children,
};
