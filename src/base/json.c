/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values: reading them and building them. json_parse.c makes them from text, json_write.c text from them, and
 * json_value.h says how they lie in memory.
 *
 * Objects keep the order of their members. Small ones are searched from the front; larger ones have the positions of their
 * members sorted by key beside them, which no choice of keys can make slow, as it could with a hash.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_value.h"
#include "base/mem.h"

/* The first whole number above INT64_MAX, exactly. */
#define TWO_TO_63 9223372036854775808.0

/* --- life ------------------------------------------------------------------------------------------------------------ */

static void end_document(struct json_document *d)
{
	struct arena arena = d->arena; /* the document lies in it */

	for (size_t i = 0; i < d->held_count; i++)
		json_unref(d->held[i]);
	for (size_t i = 0; i < d->grown_count; i++) {
		struct json *j = d->grown[i];

		if (j->type == JSON_ARRAY) {
			free(j->items);
			continue;
		}
		free(j->members);
		free(j->index);
	}
	arena_done(&arena);
}

static void end_built(struct json *j)
{
	if (j->type == JSON_ARRAY) {
		for (uint32_t i = 0; i < j->count; i++)
			json_unref(j->items[i]);
		free(j->items);
	} else if (j->type == JSON_OBJECT) {
		for (uint32_t i = 0; i < j->count; i++) {
			free((void *)(uintptr_t)j->members[i].key);
			json_unref(j->members[i].value);
		}
		free(j->members);
		free(j->index);
	}
	free(j);
}

struct json *json_ref(struct json *j)
{
	if (j && j->document)
		j->document->refs++;
	else if (j)
		j->refs++;
	return j;
}

void json_unref(struct json *j)
{
	if (!j)
		return;
	if (j->document) {
		if (--j->document->refs == 0)
			end_document(j->document);
	} else if (--j->refs == 0) {
		end_built(j);
	}
}

/* --- reading --------------------------------------------------------------------------------------------------------- */

enum json_type json_type(const struct json *j)
{
	return j ? j->type : JSON_NULL;
}

const char *json_type_name(enum json_type t)
{
	static const char *const names[JSON_TYPE_COUNT] = {
		[JSON_NULL] = "null",        [JSON_BOOL] = "a boolean",
		[JSON_INT] = "an integer",   [JSON_REAL] = "a number with a fraction",
		[JSON_STRING] = "a string",  [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return (unsigned)t < JSON_TYPE_COUNT ? names[t] : "unknown";
}

long json_find(const struct json *object, const char *key, uint32_t *ret_place)
{
	uint32_t low = 0;
	uint32_t high = object->count;

	if (!object->index) {
		for (uint32_t i = 0; i < object->count; i++)
			if (strcmp(object->members[i].key, key) == 0)
				return (long)i;
		return -1;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(object->members[object->index[middle]].key, key);

		if (order == 0)
			return (long)object->index[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (ret_place)
		*ret_place = low;
	return -1;
}

struct json *json_get(const struct json *j, const char *key)
{
	long at = json_type(j) == JSON_OBJECT ? json_find(j, key, NULL) : -1;

	return at < 0 ? NULL : j->members[at].value;
}

size_t json_len(const struct json *j)
{
	return json_type(j) == JSON_ARRAY || json_type(j) == JSON_OBJECT ? j->count : 0;
}

struct json *json_at(const struct json *j, size_t i)
{
	return json_type(j) == JSON_ARRAY && i < j->count ? j->items[i] : NULL;
}

int json_each(const struct json *j, int (*fn)(const char *key, struct json *value, void *arg), void *arg)
{
	const uint32_t n = json_type(j) == JSON_OBJECT ? j->count : 0;

	for (uint32_t i = 0; i < n; i++) {
		int r = fn(j->members[i].key, j->members[i].value, arg);

		if (r)
			return r;
	}
	return 0;
}

const char *json_str(const struct json *j)
{
	return json_type(j) == JSON_STRING && !j->has_nul ? j->text : NULL;
}

bool json_bool(const struct json *j)
{
	return json_type(j) == JSON_BOOL && j->truth;
}

double json_real(const struct json *j)
{
	switch (json_type(j)) {
	case JSON_INT:
		return j->negative ? (double)j->i : (double)j->u;
	case JSON_REAL:
		return strtod(j->text, NULL);
	default:
		return 0;
	}
}

int json_i64(const struct json *j, int64_t *ret)
{
	double real;

	switch (json_type(j)) {
	case JSON_INT:
		if (!j->negative && j->u > INT64_MAX)
			return -ERANGE;
		*ret = j->i;
		return 0;
	case JSON_REAL:
		real = json_real(j);
		if (isfinite(real) && real != trunc(real))
			return -EINVAL;
		if (!(real >= -TWO_TO_63 && real < TWO_TO_63))
			return -ERANGE;
		*ret = (int64_t)real;
		return 0;
	default:
		return -EINVAL;
	}
}

int json_u64(const struct json *j, uint64_t *ret)
{
	double real;

	switch (json_type(j)) {
	case JSON_INT:
		if (j->negative)
			return -ERANGE;
		*ret = j->u;
		return 0;
	case JSON_REAL:
		real = json_real(j);
		if (isfinite(real) && real != trunc(real))
			return -EINVAL;
		if (!(real >= 0 && real < 2 * TWO_TO_63))
			return -ERANGE;
		*ret = (uint64_t)real;
		return 0;
	default:
		return -EINVAL;
	}
}

/* --- building -------------------------------------------------------------------------------------------------------- */

/* A value with @len bytes of text behind it; @text NULL for the types that have none. */
static struct json *built(enum json_type type, const char *text, size_t len)
{
	struct json *j;

	if (len >= UINT32_MAX)
		mem_out();
	j = mem_zalloc(1, sizeof(*j) + (text ? len + 1 : 0));

	j->refs = 1;
	j->type = type;
	if (text) {
		j->text = memcpy((char *)(j + 1), text, len);
		j->count = (uint32_t)len;
	}
	return j;
}

struct json *json_new_object(void)
{
	return built(JSON_OBJECT, NULL, 0);
}

struct json *json_new_array(void)
{
	return built(JSON_ARRAY, NULL, 0);
}

struct json *json_new_str(const char *s)
{
	return s ? built(JSON_STRING, s, strlen(s)) : NULL;
}

struct json *json_new_i64(int64_t v)
{
	struct json *j = built(JSON_INT, NULL, 0);

	j->i = v;
	j->negative = v < 0;
	return j;
}

struct json *json_new_u64(uint64_t v)
{
	struct json *j = built(JSON_INT, NULL, 0);

	j->u = v;
	return j;
}

struct json *json_new_bool(bool v)
{
	struct json *j = built(JSON_BOOL, NULL, 0);

	j->truth = v;
	return j;
}

struct json *json_new_real(double v)
{
	char text[40];

	if (!isfinite(v))
		return NULL; /* JSON has no word for it but null */
	/* The shortest text that reads back as the same number: 0.1, not 0.10000000000000001. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return built(JSON_REAL, text, strlen(text));
}

/* @items, with room for one more element than before. What a document has in its arena moves to the heap for that. */
static void *with_room(struct json *j, void *items, size_t size, uint32_t room)
{
	void *more;

	if (j->room || !j->document)
		return mem_realloc(items, room, size);
	more = mem_alloc(room * size);
	return items ? memcpy(more, items, j->count * size) : more;
}

static void make_room(struct json *j)
{
	const uint32_t room = j->count < 4 ? 4 : 2 * j->count;

	if (j->count < j->room)
		return;
	if (j->count > UINT32_MAX / 4)
		mem_out();
	if (j->type == JSON_ARRAY)
		j->items = with_room(j, j->items, sizeof(*j->items), room);
	else
		j->members = with_room(j, j->members, sizeof(*j->members), room);
	if (j->type == JSON_OBJECT && j->index)
		j->index = with_room(j, j->index, sizeof(*j->index), room);
	if (j->document && !j->room)
		ARENA_PUSH(&j->document->arena, j->document->grown, j->document->grown_count) = j;
	j->room = room;
}

/* Take over @value as a member of @j: whoever ends @j gives it back. */
static struct json *adopt(struct json *j, struct json *value)
{
	struct json_document *d = j->document;

	if (!d || !value)
		return value;
	if (value->document == d)
		json_unref(
			value); /* lives as long as the document anyway; its own reference would keep that for ever */
	else
		ARENA_PUSH(&d->arena, d->held, d->held_count) = value;
	return value;
}

/* The two halves of a merge sort; depth is that of the count's bits. */
static void sort_into(const struct json_member *m, uint32_t *index, uint32_t *spare, uint32_t count)
{
	const uint32_t half = count / 2;
	uint32_t a = 0;
	uint32_t b = half;

	if (count < 2)
		return;
	sort_into(m, index, spare, half);
	sort_into(m, index + half, spare, count - half);
	memcpy(spare, index, count * sizeof(*spare));
	for (uint32_t i = 0; i < count; i++) {
		bool first = b == count || (a < half && strcmp(m[spare[a]].key, m[spare[b]].key) <= 0);

		index[i] = first ? spare[a++] : spare[b++];
	}
}

void json_sort(const struct json_member *members, uint32_t *index, uint32_t count)
{
	uint32_t *spare = mem_realloc(NULL, count, sizeof(*spare));

	for (uint32_t i = 0; i < count; i++)
		index[i] = i;
	sort_into(members, index, spare, count);
	free(spare);
}

void json_set(struct json *object, const char *key, struct json *value)
{
	struct json_document *d = object->document;
	uint32_t place = 0;
	long at = json_find(object, key, &place);

	if (at >= 0) {
		struct json *old = object->members[at].value;

		object->members[at].value = adopt(object, value);
		if (!d)
			json_unref(old);
		return;
	}
	make_room(object);
	object->members[object->count] = (struct json_member){
		.key = d ? arena_strdup(&d->arena, key) : mem_strdup(key),
		.value = adopt(object, value),
	};
	if (object->index) {
		memmove(object->index + place + 1, object->index + place,
			(object->count - place) * sizeof(*object->index));
		object->index[place] = object->count;
	}
	object->count++;
	if (!object->index && object->count >= JSON_INDEXED) {
		object->index = mem_realloc(NULL, object->room, sizeof(*object->index));
		json_sort(object->members, object->index, object->count);
	}
}

void json_push(struct json *array, struct json *value)
{
	make_room(array);
	array->items[array->count++] = adopt(array, value);
}

void json_set_str(struct json *object, const char *key, const char *s)
{
	if (s)
		json_set(object, key, json_new_str(s));
}
