/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `hooks` of config.json (runtime-spec config.md "POSIX-platform Hooks").
 */
#include "spec/fields.h"

static int finish_hook(struct reader *r, void *object)
{
	struct spec_hook *h = object;

	if (!h->args.items)
		h->args.items = arena_alloc(r->arena, 1, sizeof(*h->args.items));
	if (!h->env.items)
		h->env.items = arena_alloc(r->arena, 1, sizeof(*h->env.items));
	return 0;
}

static const struct field hook_rows[] = {
	TEXT_ROW("path", struct spec_hook, path, TEXT_ABSOLUTE, .flags = FIELD_REQUIRED),
	TEXTS_ROW("args", struct spec_hook, args, TEXT_ANY),
	TEXTS_ROW("env", struct spec_hook, env, TEXT_ENV),
	I64_ROW("timeout", struct spec_hook, timeout_s, 1, INT32_MAX),
};
static const struct field_table hook_table = FIELD_TABLE(hook_rows, struct spec_hook, .finish = finish_hook);

#define POINT(word, point)                                                                                             \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OBJECTS, LIST_AT(struct spec_hooks, items[point], count[point]),         \
		.child = &hook_table                                                                                   \
	}
static const struct field hooks_rows[] = {
	POINT("prestart", SPEC_HOOK_PRESTART),
	POINT("createRuntime", SPEC_HOOK_CREATE_RUNTIME),
	POINT("createContainer", SPEC_HOOK_CREATE_CONTAINER),
	POINT("startContainer", SPEC_HOOK_START_CONTAINER),
	POINT("poststart", SPEC_HOOK_POSTSTART),
	POINT("poststop", SPEC_HOOK_POSTSTOP),
};
const struct field_table spec_hooks_table = FIELD_TABLE(hooks_rows, struct spec_hooks);
