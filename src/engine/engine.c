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
#include "safepath/safepath.h"

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

char *engine_embedded_root(void)
{
	/* Beside our own program: build/bin and build/share, or PREFIX/bin and PREFIX/share. */
	char exe[4096];
	struct error ignored;
	struct stat st;
	char *dir;

	if (safepath_host_readlink("/proc/self/exe", exe, sizeof(exe), &ignored) < 0)
		return NULL;
	for (int up = 0; up < 2; up++) {
		char *slash = __builtin_strrchr(exe, '/');

		if (!slash)
			return NULL;
		*slash = '\0';
	}
	dir = mem_printf("%s/share/bothy/embedded/rootfs", exe);
	if (safepath_host_stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		return dir;
	free(dir);
	return NULL;
}
