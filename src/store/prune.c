/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage: images that nobody wants any more, by name, label, age, last use or the room they take; layers and blobs that no
 * image has; partial blobs that nobody came back for. What goes is decided and recorded in one transaction under both locks, as
 * in a removal (remove.c); a dry run takes the same way and rolls back.
 *
 * A pull publishes each layer as it comes, so for some time they have no owner. They are garbage when they are old, or, where
 * it is asked for, when nobody is bringing anything in: every staging folder but ours is free.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define PARTIAL_FOLDER "partial/sha256"

/* An image that may go. */
struct candidate {
	char id[DIGEST_TEXT_MAX];
	int64_t used_ns;
};
struct prune {
	struct store *store;
	const struct store_prune_options *options;
	struct store_prune_result *out;
	struct candidate *items; /* owned */
	size_t count;
	int64_t now;
};

static void prune_done(struct prune *p)
{
	free(p->items);
}

void store_prune_result_done(struct store_prune_result *r)
{
	store_remove_result_done(&r->removed);
	*r = (struct store_prune_result){0};
}

/* ---- which images ---- */

/* Nothing stands on it: 1, else 0; <0. */
static int is_free(struct prune *p, const char *id, struct error *err)
{
	if (remove_check_unused(p->store, id, err) == 0)
		return 1;
	if (err->kind != ERROR_BUSY)
		return -err->code;
	p->out->in_use++;
	return 0;
}

static int add_candidate(struct prune *p, const struct store_image_row *row, struct error *err)
{
	const struct store_prune_options *o = p->options;
	int64_t used = row->last_used_ns ? row->last_used_ns : row->loaded_ns;

	if ((row->name && !o->named) || (o->unused_ns && used > p->now - o->unused_ns))
		return 0;
	int fits = o->fits ? o->fits(o->arg, row->id, row->created_ns, err) : 1;

	if (fits > 0)
		fits = is_free(p, row->id, err);
	if (fits <= 0)
		return fits;
	struct candidate *c = &VEC_PUSH(p->items, p->count);

	c->used_ns = used;
	return str_copy(c->id, sizeof(c->id), row->id) < 0 ? error_set(err, ERROR_INTERNAL, EIO, "a damaged id") : 0;
}

static int by_use(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->used_ns < y->used_ns ? -1 : x->used_ns > y->used_ns;
}

/* The images that may go, the longest unused first. */
static int find_images(struct prune *p, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};

	if (store_image_list(p->store, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count; i++) {
		if (i > 0 && str_eq(list.rows[i].id, list.rows[i - 1].id))
			continue; /* a further name */
		if (add_candidate(p, &list.rows[i], err) < 0)
			return -err->code;
	}
	if (p->count)
		qsort(p->items, p->count, sizeof(*p->items), by_use);
	p->count -= p->options->keep < p->count ? p->options->keep : p->count;
	return 0;
}

/* ---- how much there is ---- */

struct totals {
	int64_t layers, blobs, bytes;
};

static int count_all(struct store *s, struct totals *ret, struct error *err)
{
	if (index_number(s, err, &ret->layers, "SELECT count(*) FROM layers", NULL) < 0 ||
	    index_number(s, err, &ret->blobs, "SELECT count(*) FROM blobs", NULL) < 0)
		return -err->code;
	return index_number(s, err, &ret->bytes,
			    "SELECT (SELECT coalesce(sum(size), 0) FROM layers)"
			    " + (SELECT coalesce(sum(size), 0) FROM blobs)",
			    NULL);
}

/* ---- layers and blobs without an owner ---- */

/* Is another command bringing something in? */
static bool others_work(struct store *s, const struct staging *ours)
{
	autostrv struct strv names = {0};
	struct error err;
	autofd int parent = store_folder(s, "staging", &err);
	bool busy = parent < 0 || safepath_list(parent, &names, &err) < 0;

	for (size_t i = 0; i < names.count && !busy; i++) {
		if (str_eq(names.items[i], ours->name))
			continue;
		autofd int fd = safepath_child(parent, names.items[i], O_RDONLY | O_DIRECTORY, &err);

		busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
	}
	return busy;
}

static int drop_ownerless(struct prune *p, const struct staging *ours, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM layers WHERE published_ns <= ?1 + 0 AND NOT EXISTS"
		" (SELECT 1 FROM image_layers o WHERE o.chain = layers.chain)",
		"DELETE FROM blobs WHERE published_ns <= ?1 + 0 AND NOT EXISTS"
		" (SELECT 1 FROM image_blobs o WHERE o.digest = blobs.digest)",
	};
	bool all = p->options->images && !others_work(p->store, ours);
	autofree char *before = mem_printf("%lld", (long long)(all ? p->now : p->now - STORE_KEEP_NS));

	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		if (index_run(p->store, err, statements[i], before, NULL) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- partial blobs ---- */

/* Those that nobody holds. A receiver that finds its file gone makes it anew. */
static int drop_partials(struct prune *p, struct error *err)
{
	autostrv struct strv names = {0};
	struct error none;
	autofd int dir = safepath_open_dir(p->store->root_fd, PARTIAL_FOLDER, false, &none);

	if (dir < 0)
		return 0;
	if (safepath_list(dir, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		struct stat st, named;
		autofd int fd = safepath_child(dir, names.items[i], O_RDWR | O_NONBLOCK, &none);

		if (fd < 0 || fstat(fd, &st) < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		/* Between open and lock its receiver may have published it, and another may have begun a new one. */
		if (safepath_stat(dir, names.items[i], &named) < 0 || named.st_dev != st.st_dev ||
		    named.st_ino != st.st_ino)
			continue;
		if (!p->options->partial && st.st_mtim.tv_sec * NS_PER_S > p->now - STORE_KEEP_NS)
			continue;
		p->out->partials++;
		p->out->freed += (uint64_t)st.st_blocks * 512;
		if (!p->options->dry_run && safepath_unlink(dir, names.items[i], true, err) < 0)
			return -err->code;
	}
	return 0;
}

/* ---- all together ---- */

static int drop_images(struct prune *p, struct error *err)
{
	struct totals now;

	for (size_t i = 0; i < p->count; i++) {
		if (p->options->max_bytes) {
			if (count_all(p->store, &now, err) < 0)
				return -err->code;
			if ((uint64_t)now.bytes <= p->options->max_bytes)
				return 0;
		}
		if (remove_whole_image(p->store, p->items[i].id, &p->out->removed, err) < 0)
			return -err->code;
	}
	return 0;
}

/* Inside the transaction. */
static int drop_records(struct prune *p, const struct staging *ours, struct error *err)
{
	struct totals before, after;

	if (count_all(p->store, &before, err) < 0 || drop_ownerless(p, ours, err) < 0 || drop_images(p, err) < 0 ||
	    count_all(p->store, &after, err) < 0)
		return -err->code;
	p->out->layers = (uint64_t)(before.layers - after.layers);
	p->out->blobs = (uint64_t)(before.blobs - after.blobs);
	p->out->freed = (uint64_t)(before.bytes - after.bytes);
	return 0;
}

int store_prune(struct store *s, const struct store_prune_options *options, struct store_prune_result *ret,
		struct error *err)
{
	static const struct store_prune_options defaults = {0};
	autoclean(store_prune_result_done) struct store_prune_result result = {0};
	autoclean(staging_done) struct staging g = STAGING_NONE;
	autoclean(prune_done) struct prune p = {
		.store = s,
		.options = options ? options : &defaults,
		.out = &result,
		.now = clock_realtime_ns(),
	};
	struct error ignored;

	staging_clean(s);
	if (index_open(s, true, err) < 0 || staging_new(s, &g, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);
	autofd int use = lock < 0 ? FD_NONE : safepath_lock(s->root_fd, STORE_USE_LOCK, true, true, err);
	autotransaction struct index_transaction t = {0};

	if (lock < 0 || use < 0 || (p.options->images && find_images(&p, err) < 0) || index_begin(s, &t, err) < 0)
		return -err->code;
	if (drop_records(&p, &g, err) < 0 || (!p.options->dry_run && index_commit(&t, err) < 0))
		return error_wrap(err, "prune");
	index_transaction_done(&t); /* a dry run */
	if (!p.options->dry_run)
		(void)staging_collect_orphans(s, &g, &ignored);
	fd_close(&use);
	fd_close(&lock);
	if (drop_partials(&p, err) < 0)
		return error_wrap(err, "prune");
	*ret = result;
	result = (struct store_prune_result){0};
	return 0;
}
