/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COLLECT_H
#define CLI_COLLECT_H

#include "engine/engine.h"

/* For a command that bothy.toml bears on, and that can do without: a warning when it cannot be read. */
void collect_check_config(void);
/* For a command that brought the images @fresh (ids) in: keep the store within what is configured, and say on standard error what
 * went for them. A failure is a warning. @fresh NULL: what came is no image. */
void collect_after(struct engine *e, const struct strv *fresh, bool quiet);

#endif
