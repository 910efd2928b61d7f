/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction of a Dockerfile for --change. Whatever is taken must leave a config that our own strict reader takes or
 * refuses with a sentence; what is refused must say so.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autojson struct json *config = json_new_object();
	struct error err = {0};
	struct arena a = {0};
	const char *text = arena_strndup(&a, (const char *)data, size);

	for (int again = 0; again < 2; again++) {
		autobuf struct buf out = BUF_INIT(16 << 20);

		if (engine_change_apply(text, config, &err) < 0 && !err.msg[0])
			abort();
		if (json_type(config) != JSON_OBJECT || !json_write(config, false, &out))
			abort();
	}
	arena_done(&a);
	return 0;
}
