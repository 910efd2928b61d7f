/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LIST_H
#define CLI_LIST_H

/*
 * What the listing commands share: rows are JSON objects with Docker's field names, and --format says how they look.
 *
 *	nothing, table            the command's own table
 *	json                      one object a line
 *	table {{.ID}}\t{{.Tag}}   a table of these columns, with headers
 *	anything else             a template; each row ends its line
 *
 *	autolist struct list *l = NULL;
 *	if (list_new(&kind, o->format, o->quiet, &l, err) < 0) ...
 *	row = json_new_object(); json_set(row, "ID", ...); if (list_add(l, row, err) < 0) ...
 *	return list_end(l, err);
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"

struct list_field {
	const char *name;   /* "CreatedSince"; NULL ends the table */
	const char *header; /* "CREATED" */
};
struct list_kind {
	const struct list_field *fields; /* all that a row may have */
	const char *table;               /* "table {{.Repository}}\t{{.ID}}" */
	const char *quiet;               /* "{{.ID}}": with -q and no other format */
};

struct list; /* opaque */
#define autolist __attribute__((cleanup(list_cleanup)))
/* Returns 0, or <0 INVALID with "--format" in front. */
int list_new(const struct list_kind *kind, const char *format, bool quiet, struct list **ret, struct error *err);
/* For commands whose own view is no table of rows: NULL in @ret when that is what is wanted (no format, or "table"); else as list_new,
 * where kind->table and kind->quiet are not needed. */
int list_new_unless_own(const struct list_kind *kind, const char *format, struct list **ret, struct error *err);
/* A table without its line of headers. Before the first row. */
void list_drop_heading(struct list *l);
void list_free(struct list *l);
static inline void list_cleanup(struct list **l)
{
	list_free(*l);
}

/* Is the field @name asked for? What costs time to know is left out otherwise. */
bool list_uses(const struct list *l, const char *name);
/* Show @row, which it takes over. Returns 0, or <0 as template_run. */
int list_add(struct list *l, struct json *row, struct error *err);
/* Print what is to be printed at the end. */
int list_end(struct list *l, struct error *err);

/* Print values (`inspect`): the array @values indented as Docker does, or with @format each by the template, a line each.
 * @format "json": without blanks. Returns 0, or <0 as template_run. */
int list_inspect(struct json *values, const char *format, struct error *err);

/* Text to standard output; on a terminal without anything that it would obey. */
void list_print(const char *text);

#endif
