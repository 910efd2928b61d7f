/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image of `bothy run`, brought in when it is missing or when the user wants it asked for. The hot path comes here only
 * with a policy that says so: a run whose image is there finds it by one query and knows nothing of registries.
 */
#include <errno.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/signal.h"

/* The container is what the user wants; what went for its image is in the log. */
static void collect(struct engine *e, const struct engine_pulled *p)
{
	autoclean(store_prune_result_done) struct store_prune_result result = {0};
	autostrv struct strv fresh = {0};
	struct error err;

	for (size_t i = 0; i < p->count; i++)
		strv_push(&fresh, p->images[i].id);
	if (engine_collect(e, fresh.items, fresh.count, &result, &err) < 0)
		log_warn("%s", err.msg);
	for (size_t i = 0; i < result.removed.untagged.count; i++)
		log_debug("removed, as gc is configured: %s", result.removed.untagged.items[i]);
}

static int pull(struct making *m, enum engine_pull_policy policy, struct error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct engine_run_options *o = m->opt;
	autoclean(engine_pulled_done) struct engine_pulled pulled = {0};
	struct engine_pull_options po = {.policy = policy, .platform = o->platform, .observer = o->observer};
	sigset_t before;
	autofd int stop = signal_open_fd(signals, ARRAY_SIZE(signals), &before, err);

	if (stop < 0)
		return stop;
	po.stop_fd = stop;
	int r = engine_pull(m->engine, o->image, &po, &pulled, err);

	/* A signal that came after the last look is the container's business. */
	(void)signal_restore_mask(&before);
	if (r == 0)
		collect(m->engine, &pulled);
	return r;
}

int engine_run_pull(struct making *m, bool missing, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	enum engine_pull_policy policy = ENGINE_PULL_MISSING;

	if (!o->image || o->rootfs)
		return 0;
	if (o->pull && engine_pull_policy_parse(o->pull, "--pull", &policy, err) < 0)
		return -err->code;
	if (!missing && policy == ENGINE_PULL_MISSING && !o->platform)
		return 0;
	if (policy == ENGINE_PULL_NEVER || (missing && policy != ENGINE_PULL_MISSING))
		return missing ? -err->code : 0; /* it was asked already, or must not be */
	if (missing && o->observer && o->observer->note) {
		autofree char *text = mem_printf("Unable to find image '%s' locally", o->image);

		o->observer->note(o->observer->arg, text);
	}
	return pull(m, policy, err);
}
