/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bothy-unpack answers, read by the store: the program has seen hostile bytes and may have been taken over. Whatever comes
 * through the socket, names end, numbers are in range, and an error's text has nothing that a terminal would obey.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take_change(const struct store_change *c, void *arg, struct error *err)
{
	(void)arg;
	(void)err;
	if (c->kind >= UNPACK_CHANGE_KIND_COUNT || strlen(c->path) > TAR_PATH_MAX)
		abort();
	return 0;
}

static void check_answer(const struct worker_answer *a)
{
	for (size_t i = 0; i < a->member_count; i++) {
		const struct worker_member *m = &a->members[i];

		if (m->type >= TAR_TYPE_COUNT || m->size < 0 || !m->name || !m->link || !digest_supported(m->digest))
			abort();
	}
	for (size_t i = 0; i < a->finding_count; i++) {
		if (a->findings[i].kind >= UNPACK_FINDING_KIND_COUNT || !a->findings[i].path || !a->findings[i].text)
			abort();
	}
	for (size_t i = 0; i < a->implied_count; i++) {
		if (!a->implied[i])
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclean(worker_answer_done) struct worker_answer answer = {0};
	struct worker w = WORKER_NONE;
	struct error err = {0};

	w.talk = fd_memory("answer", data, size);
	w.on_change = take_change;
	if (w.talk < 0)
		abort();
	if (worker_finish(&w, &answer, &err) == 0)
		check_answer(&answer);
	else if (err.code <= 0 || str_has_control(err.msg) || str_has_control(err.hint))
		abort();
	worker_done(&w);
	return 0;
}
