/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

/* Lines of cells as a table: columns as wide as they must be, three blanks between, at least ten wide (as Docker's). */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct table; /* opaque */
struct table *table_new(void);
void table_free(struct table *t);
static inline void table_cleanup(struct table **t)
{
	table_free(*t);
}
#define autotable __attribute__((cleanup(table_cleanup)))

/* Append a line: @text with tabs between its cells, which are made fit for a terminal. */
void table_add(struct table *t, const char *text);

/* The whole table. @width: of the terminal, 0: not known; a table that is wider gets its widest columns cut, never below the
 * width of their header (the first line), with "…" where something is missing. */
void table_write(const struct table *t, size_t width, struct buf *out);

#endif
