/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json: whatever is accepted must be written as a document that is accepted again and says the same, and must
 * pass through the rules across fields without harm.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct spec *s, struct buf *out)
{
	struct json *j = spec_to_json(s);

	if (!json_write(j, false, out))
		abort();
	json_unref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first = BUF_INIT(64 << 20);
	struct buf second = BUF_INIT(64 << 20);
	struct error err = {0};
	struct error ignored = {0};
	struct spec a;
	struct spec b;

	log_setup(2, LOG_FORMAT_TEXT, LOG_ERROR);
	if (spec_parse((const char *)data, size, "config.json", &a, &err) < 0) {
		if (strncmp(err.msg, "config.json: ", 13) != 0 || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	(void)spec_validate(&a, &ignored);
	write_again(&a, &first);
	if (spec_parse(first.data, first.len, "again", &b, &err) < 0)
		abort();
	write_again(&b, &second);
	if (strcmp(first.data, second.data) != 0)
		abort();
	spec_done(&a);
	spec_done(&b);
	buf_done(&first);
	buf_done(&second);
	return 0;
}
