/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template and, behind a NUL byte, a JSON document: any template over any value, as rows and as headers. Whatever it says must be
 * said with an error that has words, and twice the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(const struct template *t, struct json *value, struct buf *out)
{
	struct error err = {};
	const int r = template_run(t, value, out, &err);

	if (r < 0 && (err.code == 0 || err.msg[0] == '\0'))
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf struct buf first = BUF_INIT(64 * 1024);
	autobuf struct buf second = BUF_INIT(64 * 1024);
	autotemplate struct template *t = NULL;
	autojson struct json *value = NULL;
	struct error err = {};
	const uint8_t *end = memchr(data, 0, size);
	const size_t len = end ? (size_t)(end - data) : size;
	autofree char *text = mem_strndup((const char *)data, len);

	if (template_parse(text, &t, &err) < 0) {
		if (err.code == 0 || err.msg[0] == '\0')
			abort();
		return 0;
	}
	if (end && json_parse((const char *)end + 1, size - len - 1, "input", &value, &err) < 0)
		return 0;
	(void)template_uses(t, "Name");
	if (run(t, value, &first) != run(t, value, &second) || first.len != second.len ||
	    (first.len && memcmp(first.data, second.data, first.len) != 0))
		abort();
	buf_reset(&first);
	(void)template_run_headers(t, value, &first, &err);
	return 0;
}
