/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

/*
 * JSON values. Parsing is strict (RFC 8259, nothing beyond it): valid UTF-8, no trailing text, bounded depth and number of values (some
 * hundred thousand); errors say line and column.
 * A value is borrowed from its document unless a function says otherwise; json_unref ends a document.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct json; /* opaque; JSON null is a NULL pointer */

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_TYPE_COUNT };

#define JSON_MAX_DEPTH 64

/* Parse @len bytes of @text; @name is the file's name in messages.
 * Returns 0 and a document to json_unref, or <0: INVALID ("config.json: line 3, column 9: …"). */
int json_parse(const char *text, size_t len, const char *name, struct json **ret, struct error *err);
void json_unref(struct json *j);
static inline void json_cleanup(struct json **j)
{
	json_unref(*j);
}
#define autojson __attribute__((cleanup(json_cleanup)))

enum json_type json_type(const struct json *j);
/* "a string", "an object", …: for messages. */
const char *json_type_name(enum json_type t);

/* The member @key of object @j, or NULL (also when @j is no object). */
struct json *json_get(const struct json *j, const char *key);
size_t json_len(const struct json *j); /* members of an array or object, 0 for others */
struct json *json_at(const struct json *j, size_t i);
/* Calls @fn for each member in document order; a non-zero result stops and is returned. */
int json_each(const struct json *j, int (*fn)(const char *key, struct json *value, void *arg), void *arg);

/* The string, or NULL when it is none or holds a NUL byte (never valid in our documents). */
const char *json_str(const struct json *j);
bool json_bool(const struct json *j);
/* Integers: 0, or -EINVAL (no integer), -ERANGE. Reals without a fraction (1e3) count as integers. */
int json_i64(const struct json *j, int64_t *ret);
int json_u64(const struct json *j, uint64_t *ret);
/* Any number, 0 for other types; infinite where the text passes the range of a double (1e999). */
double json_real(const struct json *j);

/* Building. The setters take over @value. Adding to an object replaces an equal key. */
[[nodiscard]] struct json *json_new_object(void);
[[nodiscard]] struct json *json_new_array(void);
[[nodiscard]] struct json *json_new_str(const char *s); /* NULL gives JSON null */
[[nodiscard]] struct json *json_new_i64(int64_t v);
[[nodiscard]] struct json *json_new_u64(uint64_t v);
[[nodiscard]] struct json *json_new_bool(bool v);
[[nodiscard]] struct json *json_new_real(double v);  /* not finite gives JSON null */
[[nodiscard]] struct json *json_ref(struct json *j); /* another owner of the same value */
void json_set(struct json *object, const char *key, struct json *value);
void json_push(struct json *array, struct json *value);

/* Convenience: set a member unless the value is empty (NULL string). */
void json_set_str(struct json *object, const char *key, const char *s);

/* Text of @j appended to @out; @pretty indents by two spaces. What is not UTF-8 in a string
 * becomes U+FFFD. False when it did not fit. */
bool json_write(const struct json *j, bool pretty, struct buf *out);

#endif
