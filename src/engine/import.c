/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An import whose archive comes from an address: bothy-fetch writes it into a pipe, the store reads that pipe through
 * read_address, which also hears what bothy-fetch tells. The end of the pipe alone says nothing; only with the event that all has
 * come is it the end of the archive.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/engine.h"

struct source {
	struct registry *registry; /* owned */
	int pipe;                  /* owned; FD_NONE: its end was seen */
	bool complete;
	const struct engine_observer *observer;
	struct engine_layer layer;
};

static void source_done(struct source *s)
{
	registry_close(s->registry);
	fd_close(&s->pipe);
}

static void observe(struct source *s, enum engine_layer_state state)
{
	s->layer.state = state;
	if (s->observer && s->observer->layers)
		s->observer->layers(s->observer->arg, &s->layer, 1);
}

static int take_event(struct source *s, const struct registry_event *e, struct error *err)
{
	if (e->type == REGISTRY_FAILED) {
		*err = e->err;
		return -err->code;
	}
	if (e->type == REGISTRY_RETRY && s->observer && s->observer->note) {
		autofree char *text = mem_printf("%s; trying again", e->err.msg);

		s->observer->note(s->observer->arg, text);
		return 0;
	}
	s->layer.at = e->bytes;
	s->layer.size = e->size;
	s->complete = e->type == REGISTRY_DONE;
	observe(s, s->complete ? ENGINE_LAYER_FETCHED : ENGINE_LAYER_FETCHING);
	return 0;
}

static int take_events(struct source *s, struct error *err)
{
	struct registry_event event;
	int r;

	while ((r = registry_next(s->registry, &event, err)) > 0) {
		if (take_event(s, &event, err) < 0)
			return -err->code;
	}
	return r;
}

/* For the store: the next bytes. */
static ssize_t read_address(void *arg, void *data, size_t len, struct error *err)
{
	struct source *s = arg;

	while (s->pipe >= 0 || !s->complete) {
		struct pollfd fds[] = {{.fd = s->pipe, .events = POLLIN},
				       {.fd = s->complete ? FD_NONE : registry_fd(s->registry), .events = POLLIN}};
		ssize_t n;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for the server");
		if (fds[1].revents && take_events(s, err) < 0)
			return -err->code;
		if (!fds[0].revents)
			continue;
		n = read(s->pipe, data, len);
		if (n > 0)
			return n;
		if (n < 0 && errno != EINTR)
			return error_sys(err, errno, "read what the server sends");
		if (n == 0)
			fd_close(&s->pipe);
	}
	return 0;
}

static int open_source(struct source *s, const struct engine_address_options *o, uint64_t max, struct error *err)
{
	const struct registry_address_options ro = {.cert_dir = o->cert_dir, .no_verify = o->no_verify};
	int ends[2];
	int64_t id;

	if (registry_open_address(&ro, &s->registry, err) < 0)
		return -err->code;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	s->pipe = ends[0];
	id = registry_get_address(s->registry, o->url, max, ends[1], err);
	return id < 0 ? (int)id : 0;
}

int engine_import_address(struct engine *e, const struct engine_address_options *o,
			  const struct store_import_options *io, char ret_id[static STORE_ID_MAX], struct error *err)
{
	autoclean(source_done) struct source s = {.pipe = FD_NONE,
						  .observer = o->observer,
						  .layer = {.digest = "archive"}};
	const uint64_t max = io->limits.layer_bytes ? io->limits.layer_bytes : STORE_LIMIT_LAYER_BYTES;
	struct store_import_options with = *io;
	struct store *store;
	int r;

	if (engine_store(e, &store, err) < 0 || open_source(&s, o, max, err) < 0)
		return -err->code;
	observe(&s, ENGINE_LAYER_FETCHING);
	with.read = read_address;
	with.read_arg = &s;
	r = store_import(store, FD_NONE, &with, ret_id, err);
	if (o->observer && o->observer->end)
		o->observer->end(o->observer->arg);
	return r;
}
