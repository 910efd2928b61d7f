/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp profiles in Docker's format, resolved for a machine. What comes out must be a filter that a document may have.
 */
#include <stdint.h>
#include <stdlib.h>

#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec s;
	struct error err = {0};
	struct json *j;
	struct buf text = BUF_INIT(64 << 20);
	struct spec again;

	spec_default(&s, false, 0, 0);
	if (spec_parse_seccomp_profile((const char *)data, size, "profile", "SCMP_ARCH_X86_64", 1u << 21, 6 << 16 | 1,
				       &s.arena, &s.linux_.seccomp, &err) == 0) {
		j = spec_to_json(&s);
		if (!json_write(j, false, &text) || spec_parse(text.data, text.len, "again", &again, &err) < 0)
			abort();
		spec_done(&again);
		json_unref(j);
	}
	buf_done(&text);
	spec_done(&s);
	return 0;
}
