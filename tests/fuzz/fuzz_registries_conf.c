/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries.conf, and daemon.json when it begins with a brace. What was taken must give candidates and matches without a
 * fault, and each of its names must be one that an address can be made of.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct registry_config *c)
{
	struct arena a = {0};
	struct image_reference *list;
	struct error err = {0};
	size_t count;

	for (size_t i = 0; i < c->registry_count; i++) {
		(void)config_find(c, c->registries[i].prefix);
		for (size_t k = 0; k < c->registries[i].mirror_count; k++)
			if (strchr(c->registries[i].mirrors[k].location, ' ') ||
			    strchr(c->registries[i].mirrors[k].location, '\n'))
				abort();
	}
	(void)config_host_insecure(c, "10.0.0.1:5000");
	if (registry_config_candidates(c, &a, "debian:12", &list, &count, &err) == 0 && count == 0)
		abort();
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry_config c = {0};
	struct error err = {0};
	int r;

	if (size > 0 && data[0] == '{')
		r = config_take_daemon(&c, (const char *)data, size, "daemon.json", &err);
	else
		r = config_take_registries(&c, (const char *)data, size, "registries.conf", &err);
	if (r < 0 && (!err.msg[0] || err.code <= 0))
		abort();
	if (r == 0)
		look(&c);
	arena_done(&c.arena);
	return 0;
}
