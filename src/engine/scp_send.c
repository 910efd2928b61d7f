/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of image scp: offer the layers, leave out what the other end has, write the rest as an archive. To bothy a name
 * of several platforms goes with all that are here, as save writes it; docker and podman get an image for one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/scp.h"

static void count(const struct store_save_plan *p, struct engine_scp_result *r)
{
	for (size_t i = 0; i < p->blob_count; i++) {
		r->layers += p->blobs[i].layer;
		r->bytes += p->blobs[i].layer ? (uint64_t)p->blobs[i].size : 0;
		if (p->blobs[i].layer && !p->blobs[i].skip) {
			r->moved_layers++;
			r->moved_bytes += (uint64_t)p->blobs[i].size;
		}
	}
}

/* Leave out of the archive what the other end has. */
static int agree(const struct scp_talk *t, struct store_save_plan *p, struct error *err)
{
	autoscp struct scp_message offer = {.kind = SCP_OFFER}, want = {0};
	size_t sizes = 0;

	for (size_t i = 0; i < p->blob_count; i++) {
		if (!p->blobs[i].layer)
			continue;
		spec_strs_push(&offer.arena, &offer.digests, p->blobs[i].digest);
		ARENA_PUSH(&offer.arena, offer.sizes, sizes) = p->blobs[i].size;
	}
	if (scp_say(t, &offer, err) < 0 || scp_hear_kind(t, SCP_WANT, &want, err) < 0)
		return -err->code;
	for (size_t i = 0; i < p->blob_count; i++) {
		p->blobs[i].skip = p->blobs[i].layer;
		for (size_t k = 0; k < want.digests.count && p->blobs[i].skip; k++)
			p->blobs[i].skip = !str_eq(want.digests.items[k], p->blobs[i].digest);
	}
	return 0;
}

/* Images of the far engine, and how many of the lowest layers of ours it has: a layer counts with all below it. */
static void note_layers(const struct scp_message *m, const struct store_saved_image *image, size_t *have)
{
	size_t n = 0;

	while (n < image->diff_ids.count && n < m->digests.count &&
	       str_eq(image->diff_ids.items[n], m->digests.items[n]))
		n++;
	if (n > *have)
		*have = n;
}

/* docker or podman: hear what it has, then it takes an archive. */
static int agree_with_engine(const struct scp_talk *t, struct store_save_plan *p, struct error *err)
{
	const struct store_saved_image *image = &p->images[0];
	size_t have = 0;

	for (;;) {
		autoscp struct scp_message m = {0};

		if (scp_hear(t, &m, err) < 0)
			return -err->code;
		if (m.kind == SCP_READY)
			break;
		if (m.kind == SCP_LAYERS)
			note_layers(&m, image, &have);
	}
	for (size_t i = 0; i < have; i++)
		p->blobs[image->layers[i]].skip = true;
	/* The same blob may be a higher layer as well. */
	for (size_t i = have; i < image->diff_ids.count; i++)
		p->blobs[image->layers[i]].skip = false;
	return 0;
}

/* What the other end made of the archive. @wrote: how writing it ended. */
static int hear_done(const struct scp_talk *t, int wrote, struct engine_scp_result *ret, struct error *err)
{
	autoscp struct scp_message done = {0};
	struct error writing = *err;

	/* A reader that gave up has said why. */
	if (scp_hear_kind(t, SCP_DONE, &done, err) < 0) {
		if (wrote < 0 && err->code == EPIPE)
			*err = writing;
		return -err->code;
	}
	for (size_t i = 0; i < done.names.count; i++)
		spec_strs_push(&ret->arena, &ret->names, arena_strdup(&ret->arena, done.names.items[i]));
	for (size_t i = 0; i < done.digests.count; i++)
		spec_strs_push(&ret->arena, &ret->ids, arena_strdup(&ret->arena, done.digests.items[i]));
	return wrote;
}

/* "team/app" is its tag "latest" here, where save would take all of its tags. An id stays one. */
static int choose_word(const struct scp_source *s, struct store *store, char **ret, struct error *err)
{
	autoclean(arena_done) struct arena a = {0};
	autoimage struct store_image found = {0};
	struct store_name known;
	struct image_reference ref;
	int r;

	*ret = NULL;
	if (image_reference_parse(&a, s->name, &ref, err) == 0 && !ref.tag && !ref.digest) {
		ref.tag = "latest";
		const char *full = image_reference_full(&a, &ref);

		r = store_name_find(store, full, &a, &known, err);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret = mem_strdup(full);
			return 0;
		}
		if (store_image_find(store, s->name, &found, err) < 0)
			return -err->code;
		*ret = mem_strdup(found.name ? found.name : found.id);
		return 0;
	}
	*ret = mem_strdup(s->name);
	return 0;
}

/* @single: in a form that knows no indexes, for docker and podman. */
static int make_plan(struct scp_source *s, bool single, struct error *err)
{
	autosave struct store_save_plan plan = {0};
	autoclean(arena_done) struct arena a = {0};
	struct store_save_options so = {.single = single};
	struct image_platform platform;
	struct image_reference ref;
	struct store *store;
	autofree char *word = NULL;

	if (s->platform && image_platform_parse(&a, s->platform, &platform, err) < 0)
		return error_wrap(err, "--platform");
	so.platform = s->platform ? &platform : NULL;
	if (engine_store(s->engine, &store, err) < 0 || choose_word(s, store, &word, err) < 0 ||
	    store_save_plan(store, &word, 1, &so, &plan, err) < 0)
		return -err->code;
	if (s->as) {
		if (image_reference_parse(&plan.arena, s->as, &ref, err) < 0)
			return -err->code;
		ref.digest = NULL;
		if (!ref.tag)
			ref.tag = "latest";
		plan.images[0].names = (struct spec_strs){0};
		spec_strs_push(&plan.arena, &plan.images[0].names, image_reference_full(&plan.arena, &ref));
	}
	store_save_done(&s->plan);
	s->plan = plan;
	plan = (struct store_save_plan){0};
	return 0;
}

int scp_source_open(struct scp_source *s, struct error *err)
{
	return make_plan(s, false, err);
}

void scp_source_done(struct scp_source *s)
{
	store_save_done(&s->plan);
}

int scp_send(struct scp_source *s, struct scp_talk *t, int *out, bool answered, struct engine_scp_result *ret,
	     struct error *err)
{
	autoscp struct scp_message first = {0};
	bool engine;

	if (scp_hear(t, &first, err) < 0)
		return -err->code;
	engine = first.kind == SCP_ENGINE;
	if (!engine && first.kind != SCP_HELLO)
		return error_set(err, ERROR_INVALID, EPROTO, "the other host does not keep to the order of the talk");
	ret->engine = engine && first.text ? arena_strdup(&ret->arena, first.text) : NULL;
	if (engine && make_plan(s, true, err) < 0)
		return -err->code;
	if ((engine ? agree_with_engine(t, &s->plan, err) : agree(t, &s->plan, err)) < 0)
		return -err->code;
	count(&s->plan, ret);
	int r = store_save_write(&s->plan, engine ? STORE_SAVE_DOCKER_ARCHIVE : STORE_SAVE_OCI_ARCHIVE, t->out,
				 s->watch ? s->watch->fn : NULL, s->watch ? s->watch->arg : NULL, err);

	fd_close(out);
	t->out = FD_NONE;
	return engine || !answered ? r : hear_done(t, r, ret, err);
}

int engine_scp_send(struct engine *e, const char *name, const char *platform, int in_fd, int out_fd, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	autoclean(scp_source_done) struct scp_source s = {.engine = e, .name = name, .platform = platform};
	struct scp_talk t = {.in = in_fd, .out = out_fd};
	autofd int out = out_fd;

	if (scp_source_open(&s, err) == 0)
		return scp_send(&s, &t, &out, false, &result, err);
	struct scp_message m = {.kind = SCP_ERROR, .text = err->msg, .hint = err->hint[0] ? err->hint : NULL};
	struct error lost;

	return scp_say(&t, &m, &lost) < 0 ? -err->code : ENGINE_SCP_TOLD;
}
