/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another host says about an image (a line of JSON), and the words for such a host: the first byte chooses. What is taken
 * must be usable as it is: digests that can be file names, names that are references, no option and no shell word in a place.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/scp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const struct scp_message *m)
{
	autobuf struct buf again = BUF_INIT(SCP_LINE_MAX);

	if (m->kind >= SCP_KIND_COUNT || m->digests.count > SCP_BLOBS_MAX)
		abort();
	for (size_t i = 0; i < m->digests.count; i++) {
		if (!image_digest_valid(m->digests.items[i]) || (m->kind == SCP_OFFER && m->sizes[i] < 0))
			abort();
	}
	if (scp_format(m, &again) && (again.len < 2 || memchr(again.data, '\n', again.len - 1)))
		abort();
}

static void check_place(const struct scp_place *p)
{
	if (p->destination[0] == '-' || !p->destination[0] || strpbrk(p->destination, " \t\n'\"$`\\;&|<>(){}*?[]!#~%="))
		abort();
	/* Of an IPv6 address in brackets: a pattern of file names to a shell, which gets names in quotes. */
	if (p->name && strpbrk(p->name, " \t\n'\"$`\\;&|<>(){}*?!#~%="))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoscp struct scp_message m = {0};
	struct scp_place place;
	struct error err = {0};
	struct arena a = {0};
	int r;

	if (size < 1)
		return 0;
	const char *text = arena_strndup(&a, (const char *)data + 1, size - 1);
	if (data[0] == 'p') {
		r = scp_place_parse(&a, text, &place, &err);
		if (r > 0)
			check_place(&place);
	} else {
		r = scp_parse((const char *)data + 1, size - 1, &m, &err);
		if (r == 0)
			check_message(&m);
	}
	if (r < 0 && !err.msg[0])
		abort();
	arena_done(&a);
	return 0;
}
