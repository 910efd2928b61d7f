/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_STR_H
#define BASE_STR_H

/*
 * Strings, lists of strings, strict numbers, sizes and durations. Nothing here reads the locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

static inline bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && __builtin_strcmp(a, b) == 0);
}
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* True when @s has a byte below 0x20 or 0x7f. */
bool str_has_control(const char *s);
/* The length in bytes (1 to 4) of the valid UTF-8 character at @s, of which @len bytes may be read; 0 when there is none.
 * A NUL byte counts as none. Source: Unicode 15 table 3-7 (no overlong forms, no surrogates, nothing above U+10FFFF). */
size_t str_utf8_char(const char *s, size_t len);
/* The character @c (up to 0x10ffff) in UTF-8; returns its length, 1 to 4. */
size_t str_put_utf8(char out[static 4], uint32_t c);

/* A copy of @s (NULL: NULL) that may go to a terminal: control characters, C1 controls and what is not UTF-8 become '?'. For
 * text from outside (names of files, annotations, answers of registries) that a command prints. Freed with free(3). */
[[nodiscard]] char *str_neutral(const char *s);

/* A NULL-terminated list of owned strings; @items may be NULL when the list is empty. */
struct strv {
	char **items;
	size_t count;
};
#define autostrv __attribute__((cleanup(strv_done)))
void strv_done(struct strv *v);
void strv_push(struct strv *v, const char *s);
void strv_push_take(struct strv *v, char *s);
/* Set `KEY=value` style entry @kv: replaces the entry with the same key, else appends. */
void strv_set_env(struct strv *v, const char *kv);
/* The value of @key in a list of KEY=value strings, or NULL. Borrowed. */
const char *strv_get_env(const struct strv *v, const char *key);
bool strv_contains(const struct strv *v, const char *s);
/* Split @s at each @sep; empty parts are kept (an empty @s gives no parts). */
void strv_split(struct strv *v, const char *s, char sep);
/* Append copies of all of @from to @to. */
void strv_copy(struct strv *to, const struct strv *from);

/* Strict decimal numbers: digits only (a leading '-' for the signed form), no spaces, no overflow, whole string.
 * Returns 0 or -EINVAL/-ERANGE. (CVE-2026-30892, CVE-2024-40635: no wrapping, no partial parse.) */
int str_to_u64(const char *s, uint64_t *ret);
int str_to_u32(const char *s, uint32_t *ret);
int str_to_i64(const char *s, int64_t *ret);
/* Octal digits only, at most @max. */
int str_to_mode(const char *s, uint32_t max, uint32_t *ret);

/* A size in bytes as Docker's users write it: digits, optional fraction, optional unit b k m g t p (powers of 1024) with
 * optional "b"/"ib" behind, any case; one blank may stand before the unit. Rounded down to whole bytes. "-1" only where
 * @minus_one is true (gives -1). Returns 0 or -EINVAL/-ERANGE. */
int str_to_size(const char *s, bool minus_one, int64_t *ret_bytes);

/* A duration as Go writes it: "1h30m", "1.5s", "300ms", "10us", with optional sign; a bare number is seconds.
 * Result in nanoseconds. Returns 0 or -EINVAL/-ERANGE. */
int str_to_duration(const char *s, int64_t *ret_ns);

/* Bytes for people: "1.5kB", "79.2MB" (powers of 1000, as Docker prints image sizes). @out gets at most 16 bytes. */
void str_from_size(uint64_t bytes, char out[static 16]);

/* The number of single-letter changes between @a and @b, for "did you mean"; at most @limit is counted. */
size_t str_distance(const char *a, const char *b, size_t limit);

/* Copy @s to @out of @size bytes, always terminated. Returns 0 or -ENAMETOOLONG when it was cut. */
int str_copy(char *out, size_t size, const char *s);

#endif
