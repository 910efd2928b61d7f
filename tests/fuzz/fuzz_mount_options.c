/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options, one on each line. The result must be consistent: one propagation or none, an access-time setting only
 * together with its mask, no bit both set and cleared but those of the mask, and nothing for a file system but what was
 * given.
 */
#include <linux/mount.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_attrs(uint64_t set, uint64_t clear)
{
	if (((set & clear) & ~(uint64_t)MOUNT_ATTR__ATIME) != 0)
		abort();
	if ((set & MOUNT_ATTR__ATIME) && (clear & MOUNT_ATTR__ATIME) != MOUNT_ATTR__ATIME)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec_mount m = {.type = "tmpfs"};
	struct arena a = {0};
	struct error err = {0};
	char *text = arena_strndup(&a, (const char *)data, size);
	size_t len = strlen(text);

	for (char *line = text; line;) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		spec_strs_push(&a, &m.options, line);
		line = next;
	}
	if (spec_mount_parse_options(&a, &m, "mounts[0]", &err) == 0) {
		check_attrs(m.attr_set, m.attr_clear);
		check_attrs(m.rec_set, m.rec_clear);
		if (m.propagation & (m.propagation - 1) || strlen(m.data) > len || str_has_control(m.data))
			abort();
	}
	arena_done(&a);
	return 0;
}
