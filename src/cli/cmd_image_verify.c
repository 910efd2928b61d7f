/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image verify: proves that what is unpacked is what the digests say. */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/bothy.h"

struct verify_options {
	bool quiet;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"quiet", 'q', OPTION_BOOL, offsetof(struct verify_options, quiet), NULL, "print findings only", 0},
	{"format", 0, OPTION_STRING, offsetof(struct verify_options, format), "FORMAT", "table, or json: one object a finding", 0},
	OPTION_END,
};
/* clang-format on */

static void show_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	char size[16], of[16];

	str_from_size(done, size);
	str_from_size(total, of);
	(void)fprintf(stderr, "\r\033[K%s: %s, %s of %s", (const char *)arg, what, size, of);
}

static void print_json_line(const struct store_finding *f)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(1 << 20);

	json_set_str(j, "Image", f->image);
	json_set_str(j, "Layer", f->layer);
	json_set_str(j, "Blob", f->blob);
	json_set_str(j, "Path", f->path);
	json_set(j, "Kind", json_new_str(store_finding_name(f->kind)));
	json_set(j, "Text", json_new_str(f->text));
	if (json_write(j, false, &text))
		printf("%s\n", buf_str(&text));
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

/* Verify one image and print what was found. Returns 0 or <0; @findings has all so far. */
static int verify_one(struct store *store, const char *name, const struct verify_options *o,
		      struct store_findings *findings, struct error *err)
{
	bool tty = isatty(STDERR_FILENO);
	autofree char *shown = str_neutral(name);
	const struct store_verify_options how = {.progress = tty && !o->quiet ? show_progress : NULL, .arg = shown};
	size_t before = findings->count;
	uint64_t total = findings->total;
	int r = store_image_verify(store, name, &how, findings, err);

	if (how.progress)
		(void)fprintf(stderr, "\r\033[K");
	if (r < 0)
		return error_wrap(err, "verify %s", name);
	total = findings->total - total;
	if (str_eq(o->format, "json")) {
		for (size_t i = before; i < findings->count; i++)
			print_json_line(&findings->items[i]);
		return 0;
	}
	if (total == 0 && !o->quiet)
		printf("%s: good\n", shown);
	if (total > 0)
		printf("%s: %llu finding%s\n", shown, (unsigned long long)total, total == 1 ? "" : "s");
	for (size_t i = before; i < findings->count; i++)
		print_finding(&findings->items[i]);
	if (total > findings->count - before)
		printf("  and %llu more\n", (unsigned long long)total - (findings->count - before));
	return 0;
}

static int verify_all(struct store *store, const struct verify_options *o, struct store_findings *findings,
		      struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};

	if (store_image_list(store, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count; i++) {
		const struct store_image_row *row = &list.rows[i];

		if (i > 0 && str_eq(row->id, list.rows[i - 1].id))
			continue; /* a further name */
		if (verify_one(store, row->name ? row->name : row->id, o, findings, err) < 0 &&
		    err->kind != ERROR_NOT_FOUND) /* removed meanwhile */
			return -err->code;
	}
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(store_findings_done) struct store_findings findings = {0};
	const struct verify_options *o = options;
	autoengine struct engine *e = NULL;
	struct store *store;
	int r;

	if (o->format && !str_eq(o->format, "json") && !str_eq(o->format, "table"))
		return error_set(err, ERROR_INVALID, EINVAL, "--format: expected table or json, got \"%s\"", o->format);
	r = bothy_open(global, &e, err);
	if (r == 0)
		r = engine_store(e, &store, err);
	if (r == 0 && args->count == 0)
		r = verify_all(store, o, &findings, err);
	for (size_t i = 0; r == 0 && i < args->count; i++)
		r = verify_one(store, args->items[i], o, &findings, err);
	return r < 0 ? r : findings.total > 0;
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
