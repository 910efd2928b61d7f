/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image verify: proves that what is unpacked is what the digests say. */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/bothy.h"
#include "cli/list.h"

struct verify_options {
	bool quiet;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"quiet", 'q', OPTION_BOOL, offsetof(struct verify_options, quiet), NULL, "print findings only", 0},
	{"format", 0, OPTION_STRING, offsetof(struct verify_options, format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"Image", "IMAGE"}, {"Layer", "LAYER"}, {"Blob", "BLOB"}, {"Path", "PATH"}, {"Kind", "KIND"}, {"Text", "TEXT"}, {NULL, NULL},
};
static const struct list_kind kind = {.fields = fields};
/* clang-format on */

struct verify {
	const struct verify_options *options;
	struct store *store;
	struct list *list; /* borrowed; NULL: the command's own lines */
	struct store_findings findings;
};

static void show_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	char size[16], of[16];

	str_from_size(done, size);
	str_from_size(total, of);
	(void)fprintf(stderr, "\r\033[K%s: %s, %s of %s", (const char *)arg, what, size, of);
}

static struct json *finding_json(const struct store_finding *f)
{
	struct json *j = json_new_object();

	json_set(j, "Image", json_new_str(f->image ? f->image : ""));
	json_set(j, "Layer", json_new_str(f->layer ? f->layer : ""));
	json_set(j, "Blob", json_new_str(f->blob ? f->blob : ""));
	json_set(j, "Path", json_new_str(f->path ? f->path : ""));
	json_set(j, "Kind", json_new_str(store_finding_name(f->kind)));
	json_set(j, "Text", json_new_str(f->text));
	return j;
}

static void print_finding(const struct store_finding *f)
{
	autofree char *path = str_neutral(f->path), *text = str_neutral(f->text);

	printf("  %-8s ", store_finding_name(f->kind));
	if (f->layer)
		printf("layer %.12s ", f->layer + 7);
	if (f->path)
		printf("/%s", path);
	else if (f->blob)
		printf("blob %.19s", f->blob);
	printf("%s%s\n", f->layer || f->path || f->blob ? ": " : "", text);
}

/* The findings from @before on, in the command's own lines. @total: of this image, also those that were not kept. */
static void print_own(const struct verify *v, const char *shown, size_t before, uint64_t total)
{
	const struct store_findings *findings = &v->findings;

	if (total == 0 && !v->options->quiet)
		printf("%s: good\n", shown);
	if (total > 0)
		printf("%s: %llu finding%s\n", shown, (unsigned long long)total, total == 1 ? "" : "s");
	for (size_t i = before; i < findings->count; i++)
		print_finding(&findings->items[i]);
	if (total > findings->count - before)
		printf("  and %llu more\n", (unsigned long long)total - (findings->count - before));
}

/* Verify one image and print what was found. Returns 0 or <0; v->findings has all so far. */
static int verify_one(struct verify *v, const char *name, struct error *err)
{
	bool tty = isatty(STDERR_FILENO);
	autofree char *shown = str_neutral(name);
	const struct store_verify_options how = {.progress = tty && !v->options->quiet ? show_progress : NULL,
						 .arg = shown};
	const size_t before = v->findings.count;
	const uint64_t total = v->findings.total;
	int r = store_image_verify(v->store, name, &how, &v->findings, err);

	if (how.progress)
		(void)fprintf(stderr, "\r\033[K");
	if (r < 0)
		return error_wrap(err, "verify %s", name);
	if (!v->list)
		print_own(v, shown, before, v->findings.total - total);
	for (size_t i = before; v->list && i < v->findings.count; i++) {
		if (list_add(v->list, finding_json(&v->findings.items[i]), err) < 0)
			return -err->code;
	}
	return 0;
}

static int verify_all(struct verify *v, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};

	if (store_image_list(v->store, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count; i++) {
		const struct store_image_row *row = &list.rows[i];

		if (i > 0 && str_eq(row->id, list.rows[i - 1].id))
			continue; /* a further name */
		if (verify_one(v, row->name ? row->name : row->id, err) < 0 &&
		    err->kind != ERROR_NOT_FOUND) /* removed meanwhile */
			return -err->code;
	}
	return 0;
}

static int verify_named(struct verify *v, const struct args *args, struct error *err)
{
	for (size_t i = 0; i < args->count; i++) {
		if (verify_one(v, args->items[i], err) < 0)
			return -err->code;
	}
	return args->count ? 0 : verify_all(v, err);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct verify v = {.options = options};
	autolist struct list *list = NULL;
	autoengine struct engine *e = NULL;
	int r;

	if (list_new_unless_own(&kind, v.options->format, &list, err) < 0 ||
	    bothy_open_store(global, &e, &v.store, err) < 0)
		return -err->code;
	v.list = list;
	r = verify_named(&v, args, err);
	if (r == 0 && list)
		r = list_end(list, err);
	if (r == 0)
		r = v.findings.total > 0;
	store_findings_done(&v.findings);
	return r;
}

const struct command cmd_image_verify = {
	.name = "verify",
	.args = "[IMAGE...]",
	.summary = "prove that images are what their digests say",
	.details =
		"Reads every blob of the images (all of them without an argument) again, and compares each file of the unpacked "
		"layers with the archive that it came from: content, type, mode, owner, times, links, attributes; nothing "
		"missing and nothing more. Changes nothing. The exit status is 0 when all is good, 1 when something was found.",
	.examples = "  bothy image verify debian:12\n  bothy image verify --format json",
	.options = table,
	.options_size = sizeof(struct verify_options),
	.min_args = 0,
	.max_args = -1,
	.run = run,
};
