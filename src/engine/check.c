/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking the store, with what only the engine knows: which containers run, and where images can be had again.
 */
#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/internal.h"

struct checking {
	struct engine *engine;
	const struct engine_check_options *options;
};

/* One whose state cannot be read counts as running: its layers are left alone. */
static bool runs(void *arg, const char *id)
{
	struct checking *c = arg;
	enum runtime_status status;
	struct runtime *rt;
	struct error err;
	pid_t pid;

	if (engine_runtime(c->engine, &rt, &err) < 0)
		return true;
	if (runtime_status(rt, id, &status, &pid, &err) < 0)
		return err.kind != ERROR_NOT_FOUND;
	return status != RUNTIME_STOPPED;
}

/* By its digest, from where it came from. */
static int fetch(void *arg, const char *reference, struct error *err)
{
	struct checking *c = arg;
	const struct engine_pull_options how = {.policy = ENGINE_PULL_ALWAYS, .stop_fd = FD_NONE};
	autoclean(engine_pulled_done) struct engine_pulled pulled = {0};

	return engine_pull(c->engine, reference, &how, &pulled, err);
}

static void progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct checking *c = arg;

	if (c->options->progress)
		c->options->progress(c->options->arg, what, done, total);
}

int engine_check(struct engine *e, const struct engine_check_options *o, struct store_check_result *ret,
		 struct error *err)
{
	struct checking checking = {.engine = e, .options = o};
	const struct store_check_options how = {
		.quick = o->quick,
		.repair = o->repair,
		.fetch = fetch,
		.runs = runs,
		.progress = progress,
		.arg = &checking,
	};
	struct store *s;
	int r = engine_store(e, &s, err);

	return r < 0 ? r : store_check(s, &how, ret, err);
}
