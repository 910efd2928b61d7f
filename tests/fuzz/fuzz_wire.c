/* SPDX-License-Identifier: Apache-2.0 */
/* What one end of the talk between bothy and bothy-fetch reads: frames. */
#include <stdint.h>
#include <stdlib.h>

#include "base/fd.h"
#include "registry/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_in in = WIRE_IN_INIT;
	struct wire_message m = {.fd = FD_NONE};
	struct error err;

	if (!buf_add(&in.buf, data, size))
		return 0;
	while (wire_next(&in, &m) > 0) {
		if (m.body_len > WIRE_BODY_MAX || json_type(m.head) != JSON_OBJECT)
			abort();
		wire_take_error(json_get(m.head, "error"), &err);
		if (err.code <= 0 || err.kind >= ERROR_KIND_COUNT)
			abort();
		wire_message_done(&m);
	}
	wire_in_done(&in);
	return 0;
}
