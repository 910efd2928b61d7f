/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

/* Values as people read them in tables, as Docker writes them. */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* An id: twelve hex digits, or with @whole all of it with its "sha256:". */
void show_id(const char *id, bool whole, char out[static 160]);
/* "3 minutes ago". */
void show_age(int64_t ns, char out[static 160]);
/* "2024-01-02 03:04:05 +0000 UTC" */
void show_moment(int64_t ns, char out[static 160]);
/* Print "@what: @name" with the full @name of an image as people type it. */
void show_familiar(const char *what, const char *name);

/* The full @name of an artifact in two columns; the texts are in @a or borrowed from @name. */
void show_artifact_name(struct arena *a, const char *name, const char **ret_repository, const char **ret_tag);

#endif
