/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields of registries: challenges, ranges, links, delays. Texts that come out are parts of what went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {0};
	struct challenge list[HEADER_CHALLENGES_MAX];
	char *text = arena_strndup(&a, (const char *)data, size);
	uint64_t first, last, total;
	size_t count = 0;
	const char *link;
	uint32_t seconds;

	if (header_challenges(&a, text, list, &count) == 0) {
		if (count > HEADER_CHALLENGES_MAX)
			abort();
		for (size_t i = 0; i < count; i++)
			if (list[i].realm && (strlen(list[i].realm) > size || strchr(list[i].realm, '\n')))
				abort();
	}
	if (header_content_range(text, &first, &last, &total) == 0 && (first > last || last >= total))
		abort();
	if (header_upload_range(text, &first) == 0 && first == 0)
		abort();
	link = header_link_next(&a, text);
	if (link && !strstr(text, link))
		abort();
	(void)header_retry_after(text, 1000000, &seconds);
	arena_done(&a);
	return 0;
}
