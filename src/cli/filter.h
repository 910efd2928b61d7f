/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

/*
 * --filter key=value, repeated: a thing is shown when for each key one of its values fits; of labels all must, and nothing
 * that is negated (key!=value) may. Source: docker's "Filtering" of images and ps.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct filter {
	const char *key, *value;
	bool negated;
};
struct filters {
	struct arena arena;
	struct filter *items;
	size_t count;
};
#define autofilters __attribute__((cleanup(filters_done)))

/* Parse @words; @known are the keys of this command (NULL-terminated), those of `all` semantics begin with '&' ("&label").
 * Returns 0, or <0 INVALID, with the nearest key or all of them in the hint. */
int filters_parse(const struct strv *words, const char *const *known, struct filters *ret, struct error *err);
void filters_done(struct filters *f);

/* Is @key asked for? */
bool filters_have(const struct filters *f, const char *key);
/* @match: does the thing fit @value of @key? Returns 1, 0, <0 (what @match returned). */
int filters_match(const struct filters *f, const char *const *known,
		  int (*match)(const char *key, const char *value, void *arg, struct error *err), void *arg,
		  struct error *err);

/* "true", "1", "false", "0"; else <0 INVALID. */
int filter_bool(const char *key, const char *value, bool *ret, struct error *err);
/* A moment: RFC 3339, a date, seconds since the epoch, or a duration back from now ("24h"). */
int filter_time(const char *key, const char *value, int64_t *ret_ns, struct error *err);
/* Does @text match the shell-like @pattern ('*' and '?' stop at '/', [] classes, \ quotes)? Source: Go's path.Match. */
bool filter_glob(const char *pattern, const char *text);
/* "key" or "key=value" against labels given as a function of the key. */
bool filter_label(const char *wanted, const char *(*get)(const void *labels, const char *key), const void *labels);

#endif
