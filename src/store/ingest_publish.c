/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is complete goes to its place: file and tree are renamed and recorded in one transaction, each layer as soon as it can
 * be. A layer that did not list a folder waits for the layers below it, whose owner and mode that takes; its blob does not.
 */
#include "store/ingest.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

/* A layer that was there has gone: look for it again. */
static void look_again(struct store_ingest *g, const char *chain)
{
	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];

		if (j->at == INGEST_IDLE && j->blob.state == STORE_BLOB_DONE && j->chains &&
		    str_eq(j->chains->items[j->position], chain))
			ingest_again(g, j);
	}
}

/* Are the layers below in place, or complete with us? */
static int can_stack(struct store_ingest *g, const struct staged_layer *l, struct error *err)
{
	int all = 1;

	for (size_t i = 0; i < l->position && l->answer.implied_count > 0; i++) {
		const char *chain = l->chains->items[i];
		int known = 0;

		for (size_t k = 0; k < g->staged.layer_count && !known; k++)
			known = g->staged.layers[k].complete && str_eq(g->staged.layers[k].chain, chain);
		if (!known)
			known = staged_layer_stored(&g->staged, chain, err);
		if (known < 0)
			return known;
		if (!known)
			look_again(g, chain);
		all &= known;
	}
	return all;
}

/* Stack what can be. Outside of the lock: the changes of owners and modes must be durable before the record. Returns whether
 * there is something to publish. */
static int stack_complete(struct store_ingest *g, struct error *err)
{
	bool any = false, changed = false;

	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];
		struct staged_layer *l = ingest_layer(g, j);
		int ready = 1;

		if (j->at != INGEST_COMPLETE && j->at != INGEST_STACKING)
			continue;
		if (l)
			ready = can_stack(g, l, err);
		if (ready < 0)
			return ready;
		if (ready && l) {
			changed |= l->position > 0 && l->answer.implied_count > 0;
			staged_layer_adopt(&g->staged, l);
		}
		j->stacked = ready;
		any |= ready || j->at == INGEST_COMPLETE;
	}
	if (changed && syncfs(g->staged.staging.fd) < 0)
		return error_sys(err, errno, "cannot make layers durable in %s", store_root(g->staged.store));
	return any;
}

static int publish_job(struct store_ingest *g, struct ingest_job *j, int partial_dir, struct error *err)
{
	const struct staged_layer *l = ingest_layer(g, j);

	if (j->at == INGEST_COMPLETE && j->partial_fd >= 0 &&
	    publish_blob(g->staged.store, partial_dir, image_digest_hex(j->blob.digest), j->blob.digest, j->blob.size,
			 err) < 0)
		return -err->code;
	if (j->stacked && l && publish_layer(&g->staged, l, err) < 0)
		return -err->code;
	j->at = INGEST_STACKING;
	j->published = j->stacked;
	return 0;
}

/* Those blobs that are pinned and that nobody has recorded any more come back with our link. */
static int publish_pinned(struct store_ingest *g, struct error *err)
{
	struct staged *st = &g->staged;

	for (size_t i = 0; i < st->blob_count; i++) {
		if (publish_blob(st->store, st->staging.fd, st->blobs[i].file, st->blobs[i].digest, st->blobs[i].size,
				 err) < 0)
			return -err->code;
	}
	st->blob_count = 0;
	return 0;
}

static int publish_round(struct store_ingest *g, struct error *err)
{
	struct store *s = g->staged.store;
	autofd int partial = store_folder(s, INGEST_PARTIAL, err);

	if (partial < 0 || publish_pinned(g, err) < 0)
		return -err->code;
	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];

		if ((j->at == INGEST_COMPLETE || j->at == INGEST_STACKING) && publish_job(g, j, partial, err) < 0)
			return error_wrap(err, "layer %s", j->blob.digest);
	}
	return publish_sync(s, err);
}

/* Complete, with all that its layer needs. */
static bool is_waiting(const struct ingest_job *j)
{
	return (j->at == INGEST_COMPLETE || j->at == INGEST_STACKING) && j->stacked;
}

bool ingest_ready(const struct store_ingest *g)
{
	for (size_t i = 0; i < g->job_count; i++) {
		if (g->jobs[i].blob.state != STORE_BLOB_DONE && !is_waiting(&g->jobs[i]))
			return false;
	}
	return true;
}

int ingest_publish_last(struct store_ingest *g, struct error *err)
{
	for (size_t i = 0; i < g->job_count; i++) {
		if (is_waiting(&g->jobs[i]))
			return publish_round(g, err);
	}
	return 0;
}

int ingest_publish(struct store_ingest *g, struct error *err)
{
	struct store *s = g->staged.store;
	int any = stack_complete(g, err);

	if (any <= 0 || ingest_ready(g))
		return any < 0 ? any : 0;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);

	autotransaction struct index_transaction t = {0};

	if (lock < 0 || index_begin(s, &t, err) < 0 || publish_round(g, err) < 0 || index_commit_more(&t, err) < 0)
		return -err->code;
	ingest_published(g);
	return 0;
}

void ingest_published(struct store_ingest *g)
{
	for (size_t i = 0; i < g->job_count; i++) {
		struct ingest_job *j = &g->jobs[i];

		if (j->at != INGEST_STACKING)
			continue;
		fd_close(&j->partial_fd); /* with the lock: who waits finds the blob in its place */
		if (j->published) {
			j->at = INGEST_IDLE;
			j->blob.state = STORE_BLOB_DONE;
		}
	}
}
