/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the store within what is configured (bothy.toml, gc), each time something came in. Images go as `image prune` takes
 * them, the longest unused first; what just came, what a container stands on and what is mounted stays, also above the limit.
 */
#include "base/cleanup.h"
#include "engine/config.h"
#include "engine/engine.h"

struct fresh {
	char *const *ids;
	size_t count;
};

/* For the store: may the image go? */
static int fits(void *arg, const char *id, int64_t created_ns, struct error *err)
{
	const struct fresh *f = arg;

	(void)created_ns;
	(void)err;
	for (size_t i = 0; i < f->count; i++) {
		if (str_eq(f->ids[i], id))
			return 0;
	}
	return 1;
}

/* One after the other: what is too old goes whatever the size is. */
static int prune(struct store *s, const struct engine_config *c, struct fresh *f, struct store_prune_result *ret,
		 struct error *err)
{
	/* What just came is among those that are kept. */
	const size_t keep = c->gc_keep > f->count ? (size_t)c->gc_keep - f->count : 0;
	struct store_prune_options po = {.images = true, .named = true, .keep = keep, .fits = fits, .arg = f};
	autoclean(store_prune_result_done) struct store_prune_result old = {0};

	po.unused_ns = c->gc_unused_ns;
	if (c->gc_unused_ns && store_prune(s, &po, &old, err) < 0)
		return -err->code;
	po.unused_ns = 0;
	po.max_bytes = c->gc_max_bytes;
	if (c->gc_max_bytes && store_prune(s, &po, ret, err) < 0)
		return -err->code;
	for (size_t i = 0; i < old.removed.untagged.count; i++)
		spec_strs_push(&ret->removed.arena, &ret->removed.untagged,
			       arena_strdup(&ret->removed.arena, old.removed.untagged.items[i]));
	ret->freed += old.freed;
	return 0;
}

int engine_collect(struct engine *e, char *const *fresh, size_t count, struct store_prune_result *ret,
		   struct error *err)
{
	autoclean(store_prune_result_done) struct store_prune_result result = {0};
	struct fresh f = {.ids = fresh, .count = count};
	struct engine_config config;
	struct store *store;

	if (engine_config_load(&config, err) < 0)
		return -err->code;
	if ((config.gc_max_bytes || config.gc_unused_ns) &&
	    (engine_store(e, &store, err) < 0 || prune(store, &config, &f, &result, err) < 0))
		return error_wrap(err, "keep the store within what is configured (gc)");
	*ret = result;
	result = (struct store_prune_result){0};
	return 0;
}
