/* SPDX-License-Identifier: Apache-2.0 */
/* What a value is to a template: true or not, of which type, with which members. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "template/internal.h"

bool value_true(const struct json *j)
{
	int64_t v;
	uint64_t u;

	switch (json_type(j)) {
	case JSON_BOOL:
		return json_bool(j);
	case JSON_INT:
		return json_i64(j, &v) == 0 ? v != 0 : json_u64(j, &u) == 0;
	case JSON_REAL:
		return json_real(j) != 0;
	case JSON_STRING:
		return value_text(j)[0] != '\0';
	default:
		return json_len(j) > 0;
	}
}

const char *value_type(const struct json *j)
{
	static const char *const names[JSON_TYPE_COUNT] = {
		[JSON_NULL] = "<nil>",
		[JSON_BOOL] = "bool",
		[JSON_INT] = "int",
		[JSON_REAL] = "float64",
		[JSON_STRING] = "string",
		[JSON_ARRAY] = "[]interface {}",
		[JSON_OBJECT] = "map[string]interface {}",
	};

	return names[json_type(j)];
}

const char *value_text(const struct json *j)
{
	const char *s = json_str(j);

	return s ? s : "";
}

struct collecting {
	struct arena *arena;
	const char **keys;
	size_t count;
};

static int collect(const char *key, struct json *value, void *arg)
{
	struct collecting *c = arg;

	(void)value;
	ARENA_PUSH(c->arena, c->keys, c->count) = key;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **value_keys(struct arena *a, const struct json *j, size_t *ret_count)
{
	struct collecting c = {.arena = a};

	(void)json_each(j, collect, &c);
	if (c.count)
		qsort(c.keys, c.count, sizeof(*c.keys), compare);
	*ret_count = c.count;
	return c.keys;
}

#define fail(r, ...) template_error((r)->t->source, (r)->at, ERROR_INVALID, (r)->err, __VA_ARGS__)

static int not_a_string(const char *key, struct json *value, void *arg)
{
	(void)key;
	(void)arg;
	return json_type(value) != JSON_STRING;
}

static int index_map(struct run *r, struct json *j, struct json *key, struct json **ret)
{
	if (json_type(key) != JSON_STRING)
		return fail(r, "the index of a map is a string, got %s", json_type_name(json_type(key)));
	*ret = json_ref(json_get(j, value_text(key)));
	/* A map of strings (labels) gives the empty string for what it has not, any other map nothing. */
	if (!*ret && json_each(j, not_a_string, NULL) == 0)
		*ret = json_new_str("");
	return run_charge(r, 1);
}

int value_index(struct run *r, struct json *j, struct json *key, struct json **ret)
{
	const enum json_type type = json_type(j);
	int64_t i;

	if (type == JSON_OBJECT || (type == JSON_NULL && json_type(key) == JSON_STRING))
		return index_map(r, j, key, ret);
	if (type != JSON_ARRAY && type != JSON_STRING && type != JSON_NULL)
		return fail(r, "index needs a list or a map, got %s", json_type_name(type));
	if (json_type(key) != JSON_INT || json_i64(key, &i) < 0)
		return fail(r, "the index of a list is a whole number, got %s", json_type_name(json_type(key)));
	const size_t len = type == JSON_STRING ? strlen(value_text(j)) : json_len(j);

	if (i < 0 || (uint64_t)i >= len)
		return fail(r, "the index %lld is out of range: there are %zu", (long long)i, len);
	*ret = type == JSON_STRING ? json_new_i64((unsigned char)value_text(j)[i]) : json_ref(json_at(j, (size_t)i));
	return run_charge(r, 1);
}
