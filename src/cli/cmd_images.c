/* SPDX-License-Identifier: Apache-2.0 */
/* bothy images, image ls: what is in the store, newest first, one row for each name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/filter.h"
#include "cli/list.h"
#include "cli/show.h"

#define SORT_WORDS "created|id|repository|size|tag"

struct images_options {
	bool all, quiet, no_trunc, digests, no_heading;
	const char *format, *sort;
	struct strv filters;
};

/* clang-format off */
static const struct option table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct images_options, all), NULL, "for scripts: every image is shown anyway", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct images_options, quiet), NULL, "print the ids only", 0},
	{"no-trunc", 0, OPTION_BOOL, offsetof(struct images_options, no_trunc), NULL, "print whole ids", 0},
	{"digests", 0, OPTION_BOOL, offsetof(struct images_options, digests), NULL, "print what the names mean in their registries", 0},
	{"sort", 0, OPTION_STRING, offsetof(struct images_options, sort), SORT_WORDS, "in the order of this (default: created, newest first)", 0},
	{"noheading", 'n', OPTION_BOOL, offsetof(struct images_options, no_heading), NULL, "print no headers", 0},
	{"filter", 'f', OPTION_STRINGS, offsetof(struct images_options, filters), "KEY=VALUE", "show only what fits; KEY!=VALUE for what does not", 0},
	{"format", 0, OPTION_STRING, offsetof(struct images_options, format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"ID", "IMAGE ID"}, {"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"Digest", "DIGEST"}, {"CreatedSince", "CREATED"},
	{"CreatedAt", "CREATED AT"}, {"Size", "SIZE"}, {"Containers", "CONTAINERS"}, {"SharedSize", "SHARED SIZE"},
	{"UniqueSize", "UNIQUE SIZE"}, {"VirtualSize", "VIRTUAL SIZE"}, {NULL, NULL},
};
static const struct list_kind kinds[2] = {
	{fields, "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", "{{.ID}}"},
	{fields, "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", "{{.ID}}"},
};

static const char *const filter_keys[] = {
	"dangling", "&label", "before", "since", "until", "reference", "id", "digest", "containers", "readonly", "intermediate", NULL,
};
/* clang-format on */

/* ---- which ---- */

/* Repositories that `images NAME` and reference= mean: a pattern for the name as it is shown or in full, with a tag or without. */
static bool fits_reference(const struct store_image_row *row, const char *pattern)
{
	autofree char *tagged = NULL;
	autofree char *bare = NULL;

	if (!row->repository || !row->name)
		return false;
	tagged = mem_printf("%s:%s", row->repository, row->tag);
	bare = mem_strndup(row->name, (size_t)(strrchr(row->name, ':') - row->name));
	return filter_glob(pattern, tagged) || filter_glob(pattern, row->repository) ||
	       filter_glob(pattern, row->name) || filter_glob(pattern, bare);
}

struct deciding {
	struct store *store;
	const struct store_image_row *row;
	const struct strv *used; /* ids of images that containers stand on; filled when it is asked for */
};

static int created_of(struct store *s, const char *name, int64_t *ret, struct error *err)
{
	autoimage struct store_image image = {};

	if (store_image_find(s, name, &image, err) < 0)
		return error_wrap(err, "--filter");
	*ret = image.created_ns;
	return 0;
}

static const char *get_label(const void *labels, const char *key)
{
	return spec_map_get(labels, key);
}

static int fits_label(const struct deciding *d, const char *value, struct error *err)
{
	autoimage struct store_image image = {};

	if (store_image_find(d->store, d->row->id, &image, err) < 0)
		return err->kind == ERROR_NOT_FOUND ? 0 : -err->code; /* it went meanwhile */
	return filter_label(value, get_label, &image.config.labels);
}

static bool fits_digest(const struct store_image_row *row, const char *value)
{
	bool fits = str_starts(row->manifest_digest, value) || (row->target && str_starts(row->target, value));

	for (size_t i = 0; i < row->digests.count && !fits; i++)
		fits = str_starts(strrchr(row->digests.items[i], '@') + 1, value);
	return fits;
}

static int fits(const char *key, const char *value, void *arg, struct error *err)
{
	const struct deciding *d = arg;
	const struct store_image_row *row = d->row;
	int64_t moment;
	bool yes;

	switch (key[0]) {
	case 'l':
		return fits_label(d, value, err);
	case 'b': /* before */
		return created_of(d->store, value, &moment, err) < 0 ? -err->code : row->created_ns < moment;
	case 's': /* since */
		return created_of(d->store, value, &moment, err) < 0 ? -err->code : row->created_ns > moment;
	case 'u': /* until */
		return filter_time(key, value, &moment, err) < 0 ? -err->code : row->created_ns < moment;
	}
	if (str_eq(key, "reference"))
		return fits_reference(row, value);
	if (str_eq(key, "id"))
		return str_starts(row->id, value) || str_starts(row->id + strlen("sha256:"), value);
	if (str_eq(key, "digest"))
		return fits_digest(row, value);
	if (filter_bool(key, value, &yes, err) < 0)
		return -err->code;
	/* Nothing here is read-only or an intermediate image. */
	return yes == (str_eq(key, "dangling")     ? !row->tag
		       : str_eq(key, "containers") ? strv_contains(d->used, row->id)
						   : false);
}

/* ---- rows ---- */

static void digest_of(const struct store_image_row *row, char out[static 160])
{
	/* An image without a name may still have come from a repository: pulled by digest, or its name went to a newer one. */
	const char *digest = row->target && row->target[0] ? row->target
			     : row->digests.count          ? strrchr(row->digests.items[0], '@') + 1
							   : "<none>";

	(void)str_copy(out, 160, digest);
}

static struct json *make_row(const struct store_image_row *row, const struct images_options *o)
{
	struct json *j = json_new_object();
	char text[160];
	struct image_reference ref;
	struct arena a = {};
	struct error err;
	const char *repository = row->repository;

	if (!repository && row->digests.count && image_reference_parse(&a, row->digests.items[0], &ref, &err) == 0) {
		ref.digest = NULL;
		repository = image_reference_familiar(&a, &ref);
	}
	json_set(j, "Containers", json_new_str("N/A"));
	show_moment(row->created_ns, text);
	json_set(j, "CreatedAt", json_new_str(row->created_ns ? text : "N/A"));
	show_age(row->created_ns, text);
	json_set(j, "CreatedSince", json_new_str(row->created_ns ? text : "N/A"));
	digest_of(row, text);
	json_set(j, "Digest", json_new_str(text));
	show_id(row->id, o->no_trunc, text);
	json_set(j, "ID", json_new_str(text));
	json_set(j, "Repository", json_new_str(repository ? repository : "<none>"));
	json_set(j, "SharedSize", json_new_str("N/A"));
	str_from_size(row->size_bytes > 0 ? (uint64_t)row->size_bytes : 0, text);
	json_set(j, "Size", json_new_str(text));
	json_set(j, "Tag", json_new_str(row->tag ? row->tag : "<none>"));
	json_set(j, "UniqueSize", json_new_str("N/A"));
	json_set(j, "VirtualSize", json_new_str(text));
	arena_done(&a);
	return j;
}

/* ---- in which order ---- */

static int by_name(const struct store_image_row *a, const struct store_image_row *b)
{
	int r = strcmp(a->repository ? a->repository : "", b->repository ? b->repository : "");

	return r ? r : strcmp(a->tag ? a->tag : "", b->tag ? b->tag : "");
}

static int by_created(const void *a, const void *b)
{
	const struct store_image_row *x = a, *y = b;

	return x->created_ns != y->created_ns ? (x->created_ns > y->created_ns ? -1 : 1) : by_name(x, y);
}

static int by_id(const void *a, const void *b)
{
	const struct store_image_row *x = a, *y = b;
	int r = strcmp(x->id, y->id);

	return r ? r : by_name(x, y);
}

static int by_repository(const void *a, const void *b)
{
	return by_name(a, b);
}

static int by_size(const void *a, const void *b)
{
	const struct store_image_row *x = a, *y = b;

	return x->size_bytes != y->size_bytes ? (x->size_bytes < y->size_bytes ? -1 : 1) : by_name(x, y);
}

static int by_tag(const void *a, const void *b)
{
	const struct store_image_row *x = a, *y = b;
	int r = strcmp(x->tag ? x->tag : "", y->tag ? y->tag : "");

	return r ? r : by_name(x, y);
}

static int sort(struct store_image_list *images, const char *word, struct error *err)
{
	static const struct {
		const char *word;
		int (*compare)(const void *a, const void *b);
	} orders[] = {{"created", by_created},
		      {"id", by_id},
		      {"repository", by_repository},
		      {"size", by_size},
		      {"tag", by_tag}};

	for (size_t i = 0; word && i < ARRAY_SIZE(orders); i++) {
		if (!str_eq(orders[i].word, word))
			continue;
		if (images->count)
			qsort(images->rows, images->count, sizeof(*images->rows), orders[i].compare);
		return 0;
	}
	return !word ? 0 : error_set(err, ERROR_INVALID, EINVAL, "--sort: expected %s, got \"%s\"", SORT_WORDS, word);
}

static int used_images(struct store *s, struct strv *ret, struct error *err)
{
	autostrv struct strv ids = {};
	struct error gone;

	if (store_container_list(s, &ids, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ids.count; i++) {
		char *image = NULL;

		if (store_container_image(s, ids.items[i], &image, &gone) == 0 && image)
			strv_push_take(ret, image);
	}
	return 0;
}

static int print(struct store *s, const struct store_image_list *images, const struct images_options *o,
		 const struct filters *f, const char *pattern, struct error *err)
{
	autolist struct list *l = NULL;
	autostrv struct strv used = {}, seen = {};
	struct deciding d = {.store = s, .used = &used};
	int r = list_new(&kinds[o->digests], o->format, o->quiet, &l, err);

	if (r == 0 && o->no_heading)
		list_drop_heading(l);

	if (r == 0 && filters_have(f, "containers"))
		r = used_images(s, &used, err);
	for (size_t i = 0; i < images->count && r >= 0; i++) {
		d.row = &images->rows[i];
		/* An id is printed once, however many names it has. */
		if ((pattern && !fits_reference(d.row, pattern)) ||
		    (o->quiet && !o->format && strv_contains(&seen, d.row->id)))
			continue;
		r = filters_match(f, filter_keys, fits, &d, err);
		if (r > 0) {
			if (o->quiet)
				strv_push(&seen, d.row->id);
			r = list_add(l, make_row(d.row, o), err);
		}
	}
	return r < 0 ? r : list_end(l, err);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct images_options *o = options;
	autoclean(store_image_list_done) struct store_image_list images = {};
	autofilters struct filters f = {};
	autoengine struct engine *e = NULL;
	struct store *store;

	if (filters_parse(&o->filters, filter_keys, &f, err) < 0 || bothy_open_store(global, &e, &store, err) < 0 ||
	    store_image_list(store, &images, err) < 0 || sort(&images, o->sort, err) < 0)
		return -err->code;
	return print(store, &images, o, &f, args->count ? args->items[0] : NULL, err);
}

static void done(void *options)
{
	strv_done(&((struct images_options *)options)->filters);
}

const struct command cmd_images = {
	.name = "images",
	.group = "Images",
	.args = "[REPOSITORY[:TAG]]",
	.summary = "list the images",
	.details =
		"Filters: dangling=true|false, label=KEY[=VALUE], before=IMAGE, since=IMAGE, until=TIME, reference=PATTERN, id=ID,\n"
		"digest=DIGEST, containers=true|false. Values of one key are alternatives (labels: all must fit), keys restrict each\n"
		"other.",
	.options = table,
	.options_size = sizeof(struct images_options),
	.max_args = 1,
	.run = run,
	.done = done,
	.examples = "  bothy images 'debian:*'\n"
		    "  bothy images --filter label=team=core --filter 'reference!=*:latest'\n"
		    "  bothy images --format 'table {{.Repository}}:{{.Tag}}\\t{{.Size}}'\n"
		    "  bothy rmi $(bothy images -q --filter dangling=true)",
};
