/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the engine. Store and runtime are opened on first need, so that a command pays only for what it uses.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/kernel.h"

int engine_new(const struct engine_options *options, struct engine **ret, struct error *err)
{
	struct engine *e = mem_zalloc(1, sizeof(*e));

	(void)err;
	if (options)
		e->options = *options;
	e->state = e->options.state ? mem_strdup(e->options.state) : runtime_default_root("bothy");
	e->ids_fd = FD_NONE;
	e->root = geteuid() == 0 && caps_have(21 /* CAP_SYS_ADMIN */);
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	store_free(e->store);
	runtime_close(e->runtime);
	fd_close(&e->ids_fd);
	free(e->state);
	free(e);
}

int engine_store(struct engine *e, struct store **ret, struct error *err)
{
	const struct store_options so = {.root = e->options.root};
	int r = e->store ? 0 : store_new(&so, &e->store, err);

	if (r == 0)
		*ret = e->store;
	return r;
}

int engine_runtime(struct engine *e, struct runtime **ret, struct error *err)
{
	autofree char *root = NULL;
	int r = 0;

	if (!e->runtime) {
		root = mem_printf("%s/containers", e->state);
		r = runtime_open(root, &e->runtime, err);
	}
	if (r == 0)
		*ret = e->runtime;
	return r;
}
