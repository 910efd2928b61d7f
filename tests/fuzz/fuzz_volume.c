/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind -v, --mount, --tmpfs and --device, chosen by the first letter (v, m, t, d). What is taken must have an
 * absolute target inside that is not the root, and a source where one is needed; what is refused must say so.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mount(const struct spec_mount *m)
{
	if (!m->destination || m->destination[0] != '/' || !m->destination[1])
		abort();
	if (m->bind && (!m->source || m->source[0] != '/'))
		abort();
	if (!m->bind && !str_eq(m->type, "tmpfs"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_device device = {};
	struct spec_mount m = {};
	struct error err = {};
	struct arena a = {};
	bool create = false;
	char *text;
	int r;

	if (size < 1)
		return 0;
	text = arena_strndup(&a, (const char *)data + 1, size - 1);
	switch (data[0]) {
	case 'v':
		r = engine_volume_parse(&a, text, true, &m, &create, &err);
		break;
	case 'm':
		r = engine_mount_parse(&a, text, true, &m, &err);
		break;
	case 't':
		r = engine_tmpfs_parse(&a, text, &m, &err);
		break;
	default:
		r = engine_device_parse(&a, text, &device, &err);
		if (r == 0 && (device.host[0] != '/' || device.inside[0] != '/' || !device.access || device.access > 7))
			abort();
	}
	if (r == 0 && m.destination)
		check_mount(&m);
	if (r < 0 && !err.msg[0])
		abort();
	arena_done(&a);
	return 0;
}
