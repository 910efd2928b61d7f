/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TOML_H
#define BASE_TOML_H

/*
 * The part of TOML 1.0 that people write in configuration files: tables, arrays of tables, strings of one line, booleans,
 * integers, arrays, inline tables, dotted and quoted keys. Floats, dates and strings of several lines are refused by name; so
 * is all that TOML forbids (a key twice, a table twice, control characters, text that is not UTF-8).
 */

#include <stddef.h>

#include "base/json.h"

/* @len bytes of @text as a JSON object. @name is the file's, for messages ("<name>: line 3: …").
 * Returns 0 and a document to json_unref, or <0 INVALID. */
int toml_parse(const char *text, size_t len, const char *name, struct json **ret, struct error *err);

#endif
