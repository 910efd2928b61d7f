/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

/* A store of the test's own. */

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "safepath/safepath.h"
#include "store/internal.h"

struct scratch {
	char path[64]; /* of the folder that has it */
	struct store *store;
};

static inline void scratch_done(struct scratch *s)
{
	struct error err;
	autofd int tmp = safepath_host_open_dir("/tmp", &err);

	store_free(s->store);
	safepath_remove_tree(tmp, s->path + strlen("/tmp/"), &err);
}

/* The store as a program that starts now sees it. */
static inline void scratch_reopen(struct scratch *s)
{
	autofree char *root = mem_printf("%s/store", s->path);
	struct store_options o = {.root = root};
	struct error err = {0};

	store_free(s->store);
	s->store = NULL;
	CHECK_INT(store_new(&o, &s->store, &err), 0);
	CHECK_STR(err.msg, "");
}

static inline struct scratch scratch_new(void)
{
	struct scratch s = {.path = "/tmp/bothy-test-store-XXXXXX"};

	if (!mkdtemp(s.path))
		abort();
	scratch_reopen(&s);
	return s;
}

#endif
