/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

/*
 * The templates of --format: the part of Go's text/template that users of Docker and Podman type, over JSON values.
 *
 *	{{.Field.Sub}}  {{$x := .A}}  {{json .}}  {{.Names | join ","}}  {{- trimmed -}}  comments
 *	{{if}} {{else if}} {{else}} {{range $k, $v := .}} {{with}} {{break}} {{continue}} {{end}}
 *	and or not eq ne lt le gt ge, index len slice, print printf println,
 *	join json lower pad split title trim truncate upper
 *
 * A backslash with t or n outside of {{ }} is a tab or a line's end, since a shell hands them over as they are typed.
 * "table " in front makes a table: template_is_table.
 *
 * Where it differs from Go (all because a JSON value does not tell its type): numbers compare by value; null is an empty
 * list or map to range, len, join and index; a field that is not there is an error where the object looks like a struct
 * (each of its keys begins with a capital) and <no value> where it looks like a map.
 * Source: https://pkg.go.dev/text/template, and docker's and podman's pages about --format.
 *
 * Templates and values are both taken for hostile: depth, work and output are bounded. Pure: no process state.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

#define TEMPLATE_MAX_BYTES 65536 /* of a template */
#define TEMPLATE_MAX_DEPTH 64    /* of nested blocks, parentheses and values */
#define TEMPLATE_MAX_STRING 1048576
#define TEMPLATE_MAX_WORK 16777216 /* steps and bytes of one run */

struct template; /* opaque */

/* Parse @text. Returns 0 and a template to template_free, or <0: INVALID with the column and what was expected,
 * UNSUPPORTED (define, template, block), LIMIT. The messages have no "--format" in front: callers wrap them. */
int template_parse(const char *text, struct template **ret, struct error *err);
void template_free(struct template *t);
static inline void template_cleanup(struct template **t)
{
	template_free(*t);
}
#define autotemplate __attribute__((cleanup(template_cleanup)))

/* Did it begin with "table "? */
bool template_is_table(const struct template *t);

/* Append what @t says of @value to @out; no line's end is added. May leave a part of the text there when it fails.
 * Returns 0, or <0: INVALID (no such field: the hint names the nearest; types that do not fit), LIMIT. */
int template_run(const struct template *t, struct json *value, struct buf *out, struct error *err);

/* The same for the line of headers: @headers has a text for each field, and functions that would change it do not. */
int template_run_headers(const struct template *t, struct json *headers, struct buf *out, struct error *err);

/* Does @t use the field @name of the value itself? Callers leave out what is costly to know and not asked for.
 * True as well when the value is used as a whole ({{json .}}). */
bool template_uses(const struct template *t, const char *name);

#endif
