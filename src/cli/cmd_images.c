/* SPDX-License-Identifier: Apache-2.0 */
/* bothy images: what is in the store, newest first. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/bothy.h"

struct images_options {
	bool quiet, no_trunc, digests;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"quiet", 'q', OPTION_BOOL, offsetof(struct images_options, quiet), NULL, "print the ids only", 0},
	{"no-trunc", 0, OPTION_BOOL, offsetof(struct images_options, no_trunc), NULL, "print whole ids", 0},
	{"digests", 0, OPTION_BOOL, offsetof(struct images_options, digests), NULL, "print the digests of the manifests", 0},
	{"format", 0, OPTION_STRING, offsetof(struct images_options, format), "FORMAT", "table, or json: one object a line", 0},
	OPTION_END,
};
/* clang-format on */

struct row {
	const char *repository, *tag, *digest;
	char id[80], age[CLOCK_AGE_MAX + 8], size[16];
};

static void fill(struct row *out, const struct store_image_row *in, const struct images_options *o)
{
	const char *hex = strchr(in->id, ':') ? strchr(in->id, ':') + 1 : in->id;

	out->repository = in->repository ? in->repository : "<none>";
	out->tag = in->tag ? in->tag : "<none>";
	out->digest = in->manifest_digest ? in->manifest_digest : "<none>";
	if (o->no_trunc)
		(void)snprintf(out->id, sizeof(out->id), "%s", in->id);
	else
		(void)snprintf(out->id, sizeof(out->id), "%.12s", hex);
	if (in->created_ns) {
		char age[CLOCK_AGE_MAX];

		clock_format_age(clock_realtime_ns() - in->created_ns, age);
		(void)snprintf(out->age, sizeof(out->age), "%s ago", age);
	} else {
		(void)str_copy(out->age, sizeof(out->age), "N/A");
	}
	str_from_size((uint64_t)(in->size_bytes > 0 ? in->size_bytes : 0), out->size);
}

static void print_json_line(const struct row *r)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(65536);

	json_set(j, "Containers", json_new_str("N/A"));
	json_set(j, "CreatedSince", json_new_str(r->age));
	json_set(j, "Digest", json_new_str(r->digest));
	json_set(j, "ID", json_new_str(r->id));
	json_set(j, "Repository", json_new_str(r->repository));
	json_set(j, "Size", json_new_str(r->size));
	json_set(j, "Tag", json_new_str(r->tag));
	if (json_write(j, false, &text))
		printf("%s\n", buf_str(&text));
}

static void print_table(const struct store_image_list *list, const struct images_options *o)
{
	int repository = 10;
	int tag = 3;
	struct row r;

	for (size_t i = 0; i < list->count; i++) {
		fill(&r, &list->rows[i], o);
		repository = (int)strlen(r.repository) > repository ? (int)strlen(r.repository) : repository;
		tag = (int)strlen(r.tag) > tag ? (int)strlen(r.tag) : tag;
	}
	printf("%-*s   %-*s   ", repository, "REPOSITORY", tag, "TAG");
	if (o->digests)
		printf("%-71s   ", "DIGEST");
	printf("%-*s   %-14s   SIZE\n", o->no_trunc ? 71 : 12, "IMAGE ID", "CREATED");
	for (size_t i = 0; i < list->count; i++) {
		fill(&r, &list->rows[i], o);
		printf("%-*s   %-*s   ", repository, r.repository, tag, r.tag);
		if (o->digests)
			printf("%-71s   ", r.digest);
		printf("%-*s   %-14s   %s\n", o->no_trunc ? 71 : 12, r.id, r.age, r.size);
	}
}

static void print(const struct store_image_list *list, const struct images_options *o)
{
	struct row r;

	if (!o->quiet && !str_eq(o->format, "json")) {
		print_table(list, o);
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		fill(&r, &list->rows[i], o);
		if (!o->quiet)
			print_json_line(&r);
		else if (i == 0 || !str_eq(list->rows[i].id, list->rows[i - 1].id))
			printf("%s\n", r.id);
	}
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct images_options *o = options;
	autoengine struct engine *e = NULL;
	struct store_image_list list;
	struct store *store;
	int r = 0;

	(void)args;
	if (o->format && !str_eq(o->format, "json") && !str_eq(o->format, "table"))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "--format: expected table or json, got \"%s\"",
				 o->format);
	r = bothy_open(global, &e, err);
	if (r == 0)
		r = engine_store(e, &store, err);
	if (r == 0)
		r = store_image_list(store, &list, err);
	if (r < 0)
		return r;
	print(&list, o);
	store_image_list_done(&list);
	return 0;
}

const struct command cmd_images = {
	.name = "images",
	.group = "Images",
	.args = "",
	.summary = "list the images",
	.options = table,
	.options_size = sizeof(struct images_options),
	.max_args = 0,
	.run = run,
};
