/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

/*
 * How far a transfer has come, on standard error: a bar for each layer and one for all on a terminal, lines for a log, JSON
 * for programs. It hides nothing and changes no mode of the terminal, so that there is nothing to give back.
 */

#include "engine/engine.h"

#define PROGRESS_WORDS "auto|tty|plain|json|quiet"

enum progress_mode { PROGRESS_QUIET, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_TTY };

struct progress; /* opaque */

/* @word: one of PROGRESS_WORDS; NULL is auto: bars on a terminal, else quiet. @verb: what is done, "pull", "push", "load", …
 * Returns 0 and one to progress_free, or <0 INVALID. */
int progress_new(const char *word, bool quiet, const char *verb, struct progress **ret, struct error *err);
/* Leaves the cursor on a line of its own. */
void progress_free(struct progress *p);
static inline void progress_cleanup(struct progress **p)
{
	progress_free(*p);
}
#define autoprogress __attribute__((cleanup(progress_cleanup)))
/* For the engine; NULL when quiet. Borrowed. */
const struct engine_observer *progress_observer(const struct progress *p);

/* For the store's load and save, with the progress itself as its argument; NULL when quiet. What follows begins below after
 * progress_end. */
store_watch_fn progress_watch(const struct progress *p);
void progress_end(struct progress *p);

/* One layer's line, without colours: for tests. @columns: at most so wide. */
void progress_line(const struct engine_layer *l, int columns, bool utf8, char *out, size_t size);

#endif
