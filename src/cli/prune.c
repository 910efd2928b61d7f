/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what nothing needs: see prune.h. What would go is shown before the question is asked. */
#include "cli/prune.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/collect.h"
#include "cli/filter.h"

static const char *const filter_keys[] = {"until", "&label", NULL};

struct deciding {
	struct store *store;
	const struct filters *filters;
	int64_t created_ns;
	const struct image_config *config;
};

static const char *get_label(const void *labels, const char *key)
{
	return spec_map_get(labels, key);
}

static int match(const char *key, const char *value, void *arg, struct error *err)
{
	const struct deciding *d = arg;
	int64_t moment;

	if (str_eq(key, "label"))
		return filter_label(value, get_label, &d->config->labels);
	return filter_time(key, value, &moment, err) < 0 ? -err->code : d->created_ns < moment;
}

static int fits(void *arg, const char *id, int64_t created_ns, struct error *err)
{
	struct deciding *d = arg;
	autoimage struct store_image image = {0};

	if (store_image_find(d->store, id, &image, err) < 0)
		return 0; /* a record that is damaged: for the check */
	d->created_ns = created_ns;
	d->config = &image.config;
	return filters_match(d->filters, filter_keys, match, d, err);
}

static void print_ids(const char *word, const struct spec_strs *list)
{
	for (size_t i = 0; i < list->count; i++)
		printf("%s: %s\n", word, list->items[i]);
}

static void print_result(const struct store_prune_result *r, bool would)
{
	char size[16];

	if (r->removed.untagged.count + r->removed.deleted.count > 0)
		printf("%s\n", would ? "These would go:" : "Deleted Images:");
	print_ids("untagged", &r->removed.untagged);
	print_ids("deleted", &r->removed.deleted);
	if (r->removed.untagged.count + r->removed.deleted.count > 0)
		printf("\n");
	if (r->layers + r->blobs + r->partials > 0)
		printf("%llu layers, %llu blobs, %llu partial blobs\n", (unsigned long long)r->layers,
		       (unsigned long long)r->blobs, (unsigned long long)r->partials);
	if (r->in_use > 0)
		(void)fprintf(stderr, "%llu image%s kept: in use by containers, or mounted\n",
			      (unsigned long long)r->in_use, r->in_use == 1 ? "" : "s");
	str_from_size(r->freed, size);
	printf("%s: %s\n", would ? "Space to be reclaimed" : "Total reclaimed space", size);
}

/* Returns 1 for yes, 0, <0 when nobody can be asked. */
static int ask(struct error *err)
{
	char answer[8] = "";

	if (!isatty(STDIN_FILENO)) {
		error_set(err, ERROR_INVALID, EINVAL, "nobody can be asked whether to remove this");
		return error_hint(err, "add --force to remove it, or --dry-run to see what it would be");
	}
	(void)fprintf(stderr, "Remove this? [y/N] ");
	(void)fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int prune_run(void *global, const struct prune_options *o, bool partial, struct error *err)
{
	autoclean(store_prune_result_done) struct store_prune_result would = {0}, done = {0};
	autofilters struct filters filters = {0};
	autoengine struct engine *e = NULL;
	struct deciding deciding = {.filters = &filters};
	struct store_prune_options how = {
		.images = true,
		.named = o->all || o->unused.set || o->max.set || o->keep.set,
		.partial = partial,
		.unused_ns = o->unused.v,
		.keep = o->keep.v,
		.max_bytes = o->max.set ? (uint64_t)o->max.v : 0,
		.arg = &deciding,
	};

	if (o->max.set && o->max.v <= 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--max: expected a size above 0");
	collect_check_config();
	if (filters_parse(&o->filters, filter_keys, &filters, err) < 0 ||
	    bothy_open_store(global, &e, &deciding.store, err) < 0)
		return -err->code;
	how.fits = filters.count ? fits : NULL;
	if (o->dry_run || !o->force) {
		how.dry_run = true;
		if (store_prune(deciding.store, &how, &would, err) < 0)
			return -err->code;
		print_result(&would, true);
		if (o->dry_run || would.freed + would.layers + would.blobs + would.removed.deleted.count == 0)
			return 0;
		int yes = ask(err);

		if (yes <= 0)
			return yes;
		how.dry_run = false;
	}
	if (store_prune(deciding.store, &how, &done, err) < 0)
		return -err->code;
	print_result(&done, false);
	return 0;
}

void prune_done(void *options)
{
	struct prune_options *o = options;

	strv_done(&o->filters);
}
