/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_VALUE_H
#define BASE_JSON_VALUE_H

/*
 * What a JSON value is in memory: for json.c, json_parse.c and json_write.c alone. Everybody else includes json.h.
 *
 * A value that was parsed lives in the arena of its document with all others of the text: one allocation per 16 KB, and
 * the owners of a document are counted once for all of its values. A value that was built (json_new_…) is an allocation of
 * its own and has its own count. Either may be a member of the other: a document lists the values from elsewhere that were
 * set into it, and gives them back at its end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"

struct json_document {
	struct arena arena; /* owned: the document itself, its values, keys and strings */
	size_t refs;        /* owners of the document or of any value in it */
	struct json **
		held; /* in the arena; a reference each: values from elsewhere that became members of this document's */
	size_t held_count;
	struct json **grown; /* in the arena: containers that were added to, whose arrays are on the heap since */
	size_t grown_count;
};

struct json_member {
	const char *key; /* of the document, or owned by a built object */
	struct json *value;
};

/* From this many members on an object has an index, so that neither reading nor building one takes quadratic time. */
#define JSON_INDEXED 17

struct json {
	struct json_document *document; /* where the value lives; NULL for one that was built */
	uint32_t refs;                  /* owners of a built value */
	enum json_type type;
	bool negative : 1; /* JSON_INT: the value is i, else u */
	bool truth : 1;    /* JSON_BOOL */
	bool has_nul : 1;  /* JSON_STRING: a NUL byte within */
	uint32_t count;    /* members; bytes of a string or of a real's text */
	uint32_t room;     /* members that the arrays have room for, when they are on the heap; else 0 */
	union {
		uint64_t u;
		int64_t i;
		const char *
			text; /* JSON_STRING, and JSON_REAL as it was written; NUL-terminated, behind the struct when built */
		struct json **items;
		struct {
			struct json_member *members; /* in document order */
			uint32_t *index;             /* positions by key; NULL below JSON_INDEXED members */
		};
	};
};

/* The position of @key among the members of @object; without one, *ret_place (may be NULL) is where the index would have it,
 * and the result is -1. */
long json_find(const struct json *object, const char *key, uint32_t *ret_place);
/* Fill @index with the positions of the @count @members in the order of their keys; of equal keys the first comes first. */
void json_sort(const struct json_member *members, uint32_t *index, uint32_t count);

#endif
