/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a JSON document. What is accepted must be writable, and what was written must read back as the same text:
 * a difference would mean that two readers of one document see two things.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int touch(const char *key, struct json *value, void *arg)
{
	uint64_t u = 0;
	int64_t i = 0;

	(void)key;
	(void)arg;
	(void)json_str(value);
	(void)json_u64(value, &u);
	(void)json_i64(value, &i);
	return json_each(value, touch, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf struct buf first = BUF_INIT(16 * size + 64 * 1024);
	autobuf struct buf second = BUF_INIT(16 * size + 64 * 1024);
	autojson struct json *j = NULL;
	autojson struct json *again = NULL;
	struct error err = {0};

	if (json_parse((const char *)data, size, "input", &j, &err) < 0) {
		if (err.code == 0 || err.msg[0] == '\0')
			abort();
		return 0;
	}
	(void)touch("", j, NULL);
	if (!json_write(j, false, &first))
		return 0;
	if (json_parse(buf_str(&first), first.len, "written", &again, &err) < 0)
		abort();
	if (!json_write(again, false, &second) || first.len != second.len ||
	    memcmp(first.data, second.data, first.len) != 0)
		abort();
	return 0;
}
