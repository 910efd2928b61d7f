/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving side of image scp: say which of the offered layers are missing, and load the archive that comes as any other. An
 * image that is fetched gets the name that was asked for and no other, whatever the archive says.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/scp.h"

/* @whole: bothy sends an index only with all of its platforms, docker and podman may send one with less. */
static int load_archive(const struct scp_sink *s, int fd, bool whole, struct engine_scp_result *ret, struct error *err)
{
	autoclean(store_load_result_done) struct store_load_result loaded = {0};
	autoclean(arena_done) struct arena a = {0};
	struct store_load_options lo = {.name = s->as, .no_names = s->no_names, .all_platforms = whole};
	struct image_platform platform;
	struct store *store;

	if (s->watch) {
		lo.watch = s->watch->fn;
		lo.watch_arg = s->watch->arg;
	}
	if (s->platform && !whole) {
		if (image_platform_parse(&a, s->platform, &platform, err) < 0)
			return error_wrap(err, "--platform");
		lo.platform = &platform;
	}
	if (engine_store(s->engine, &store, err) < 0 || store_load(store, NULL, fd, &lo, &loaded, err) < 0)
		return -err->code;
	for (size_t i = 0; i < loaded.count; i++) {
		spec_strs_push(&ret->arena, &ret->ids, arena_strdup(&ret->arena, loaded.images[i].id));
		for (size_t n = 0; n < loaded.images[i].names.count; n++)
			spec_strs_push(&ret->arena, &ret->names,
				       arena_strdup(&ret->arena, loaded.images[i].names.items[n]));
	}
	return 0;
}

/* What of the offer is not here. */
static int choose(struct engine *e, const struct scp_message *offer, struct scp_message *want,
		  struct engine_scp_result *ret, struct error *err)
{
	struct store *s;

	if (engine_store(e, &s, err) < 0)
		return -err->code;
	for (size_t i = 0; i < offer->digests.count; i++) {
		int known = store_blob_known(s, offer->digests.items[i], err);

		if (known < 0)
			return known;
		ret->layers++;
		ret->bytes += (uint64_t)offer->sizes[i];
		if (known)
			continue;
		ret->moved_layers++;
		ret->moved_bytes += (uint64_t)offer->sizes[i];
		spec_strs_push(&want->arena, &want->digests, offer->digests.items[i]);
	}
	return 0;
}

int scp_receive(const struct scp_sink *s, const struct scp_talk *t, int *out, struct engine_scp_result *ret,
		struct error *err)
{
	const struct scp_message hello = {.kind = SCP_HELLO};
	autoscp struct scp_message first = {0}, want = {.kind = SCP_WANT};

	if (scp_say(t, &hello, err) < 0 || scp_hear(t, &first, err) < 0)
		return -err->code;
	if (first.kind == SCP_ENGINE) {
		if (out)
			fd_close(out);
		ret->engine = arena_strdup(&ret->arena, first.text ? first.text : "?");
		return load_archive(s, t->in, false, ret, err);
	}
	if (first.kind != SCP_OFFER)
		return error_set(err, ERROR_INVALID, EPROTO, "the other host does not keep to the order of the talk");
	if (choose(s->engine, &first, &want, ret, err) < 0 || scp_say(t, &want, err) < 0)
		return -err->code;
	if (out)
		fd_close(out);
	return load_archive(s, t->in, true, ret, err);
}

int engine_scp_receive(struct engine *e, int in_fd, int out_fd, struct engine_scp_result *ret, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	const struct scp_sink s = {.engine = e};
	const struct scp_talk t = {.in = in_fd, .out = out_fd};
	struct scp_message m = {.kind = SCP_DONE};
	struct error lost;
	int r = scp_receive(&s, &t, NULL, &result, err);

	if (r < 0) {
		m = (struct scp_message){.kind = SCP_ERROR, .text = err->msg, .hint = err->hint[0] ? err->hint : NULL};
		return scp_say(&t, &m, &lost) < 0 ? r : ENGINE_SCP_TOLD;
	}
	m.digests = result.ids;
	m.names = result.names;
	if (scp_say(&t, &m, err) < 0)
		return -err->code;
	*ret = result;
	result = (struct engine_scp_result){0};
	return 0;
}
