/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a pull: what the store wants is asked of the registry, whose program writes it into the pipe of the store's
 * worker. This process sees no byte of a layer; it polls both, passes descriptors, and tells the observer.
 */
#include "engine/pull.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"

#define TICK_MS 200 /* for the observer's clock */

struct transfer {
	int64_t id; /* of the request; 0: none */
	uint64_t at;
	bool failed;
	struct error why;
};

struct transfers {
	struct pull *pull;
	struct store_ingest *ingest;
	struct transfer *items;      /* owned; one for each blob */
	struct engine_layer *layers; /* owned */
	size_t count;
};

static void transfers_done(struct transfers *t)
{
	free(t->items);
	free(t->layers);
}

static enum engine_layer_state shown(const struct store_ingest_blob *b)
{
	static const enum engine_layer_state states[STORE_BLOB_STATE_COUNT] = {
		[STORE_BLOB_QUEUED] = ENGINE_LAYER_QUEUED,       [STORE_BLOB_WAITING] = ENGINE_LAYER_WAITING,
		[STORE_BLOB_WANTED] = ENGINE_LAYER_PULLING,      [STORE_BLOB_RECEIVING] = ENGINE_LAYER_PULLING,
		[STORE_BLOB_UNPACKING] = ENGINE_LAYER_UNPACKING, [STORE_BLOB_CUT] = ENGINE_LAYER_PULLING,
		[STORE_BLOB_DONE] = ENGINE_LAYER_DONE,
	};

	return b->state == STORE_BLOB_DONE && b->existed ? ENGINE_LAYER_EXISTED : states[b->state];
}

static void observe(struct transfers *t)
{
	const struct engine_observer *o = t->pull->o->observer;

	if (!o || !o->layers)
		return;
	for (size_t i = 0; i < t->count; i++) {
		const struct store_ingest_blob *b = store_ingest_blob(t->ingest, i);
		struct engine_layer *l = &t->layers[i];

		*l = (struct engine_layer){.digest = b->digest,
					   .state = shown(b),
					   .size = (uint64_t)b->size,
					   .at = t->items[i].at > b->offset ? t->items[i].at : b->offset,
					   .offset = b->offset};
		if (l->state >= ENGINE_LAYER_UNPACKING)
			l->at = l->size;
		else if (l->state == ENGINE_LAYER_PULLING && l->at == l->size)
			l->state = ENGINE_LAYER_UNPACKING;
	}
	o->layers(o->arg, t->layers, t->count);
}

/* Ask for what is wanted. */
static int ask(struct transfers *t, struct error *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct store_ingest_blob *b = store_ingest_blob(t->ingest, i);

		if (b->state != STORE_BLOB_WANTED)
			continue;
		t->items[i] = (struct transfer){.at = b->offset};
		t->items[i].id = registry_get_blob(t->pull->registry, b->digest, (uint64_t)b->size, b->offset,
						   b->primary_only, store_ingest_pipe_take(t->ingest, i), err);
		if (t->items[i].id < 0)
			return (int)t->items[i].id;
	}
	return 0;
}

static void take_event(struct transfers *t, const struct registry_event *e)
{
	if (e->type == REGISTRY_RETRY)
		pull_note_retry(t->pull, e);
	for (size_t i = 0; i < t->count; i++) {
		struct transfer *x = &t->items[i];

		if (x->id != e->id)
			continue;
		if (e->type == REGISTRY_PROGRESS || e->type == REGISTRY_DONE)
			x->at = e->bytes;
		if (e->type == REGISTRY_FAILED) {
			x->failed = true;
			x->why = e->err;
		}
		if (e->type == REGISTRY_FAILED || e->type == REGISTRY_DONE)
			x->id = 0;
	}
}

/* A transfer that ended too early has two who tell: the registry's words are the better ones, and may come second. */
static int check_cut(const struct transfers *t, struct error *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct store_ingest_blob *b = store_ingest_blob(t->ingest, i);

		if (b->state == STORE_BLOB_CUT && t->items[i].id == 0) {
			*err = t->items[i].failed ? t->items[i].why : *store_ingest_why(t->ingest, i);
			return error_wrap(err, "layer %.19s", b->digest);
		}
	}
	return 0;
}

static int wait_for_more(struct transfers *t, struct error *err)
{
	struct pollfd fds[STORE_INGEST_FDS + 2] = {
		{.fd = registry_fd(t->pull->registry), .events = POLLIN},
		{.fd = t->pull->o->stop_fd, .events = POLLIN},
	};
	size_t n = 2 + store_ingest_fds(t->ingest, fds + 2, STORE_INGEST_FDS);
	const bool clock = t->pull->o->observer && t->pull->o->observer->layers;

	if (poll(fds, n, clock ? TICK_MS : -1) < 0 && errno != EINTR)
		return error_sys(err, errno, "wait for the registry");
	return pull_stopped(t->pull, err);
}

static int go_round(struct transfers *t, struct error *err)
{
	struct registry_event e;
	int r, all;

	while ((r = registry_next(t->pull->registry, &e, err)) > 0)
		take_event(t, &e);
	if (r < 0)
		return r;
	all = store_ingest_step(t->ingest, err);
	if (all < 0 || ask(t, err) < 0 || check_cut(t, err) < 0)
		return -err->code;
	observe(t);
	return all;
}

static int run(struct transfers *t, struct error *err)
{
	int r;

	for (;;) {
		r = go_round(t, err);
		if (r > 0) {
			r = store_ingest_commit(t->ingest, err);
			if (r == 0)
				observe(t); /* the last of them is in its place */
			if (r <= 0)
				return r;
			continue;
		}
		if (r < 0 || wait_for_more(t, err) < 0)
			return -err->code;
	}
}

int pull_layers(struct pull *p, struct store_ingest *g, struct error *err)
{
	const size_t count = store_ingest_count(g);
	autoclean(transfers_done) struct transfers t = {
		.pull = p,
		.ingest = g,
		.count = count,
		.items = mem_zalloc(count + 1, sizeof(struct transfer)),
		.layers = mem_zalloc(count + 1, sizeof(struct engine_layer)),
	};
	const struct engine_observer *o = p->o->observer;
	int r = run(&t, err);

	if (r < 0) {
		/* What has come is not lost: the workers see the end of their pipes, and keep what is in them. */
		registry_close(p->registry);
		p->registry = NULL;
		store_ingest_drain(g);
	}
	if (o && o->end)
		o->end(o->arg);
	return r;
}
