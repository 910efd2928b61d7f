/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

/* What the user configured: $BOTHY_CONFIG, else a plain user's ~/.config/bothy/bothy.toml, else /etc/bothy/bothy.toml. */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct engine_config {
	uint64_t gc_max_bytes; /* the store is kept within this; 0: no limit */
	uint64_t gc_keep;      /* images that stay whatever the others take: those used last */
	int64_t gc_unused_ns;  /* images not used for so long go; 0: none for that */
};
/* Read it; without a file all is 0. Returns 0, or <0 INVALID: "<file>: line 3: …". */
int engine_config_load(struct engine_config *ret, struct error *err);
/* @len bytes of @text; @file for messages. Pure. */
int engine_config_parse(const char *text, size_t len, const char *file, struct engine_config *ret, struct error *err);

#endif
