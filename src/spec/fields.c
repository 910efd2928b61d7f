/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that reads JSON into structs by tables of rows (fields.h). One function per kind of field, chosen from a
 * table; the position in the document is a chain of steps on the C stack, turned into text only when an error needs
 * it (faults.c).
 *
 * Members come in document order and most writers keep the specification's order, so the row of a key is searched
 * from the one after the last hit: nearly always the first comparison fits, and nothing is hashed.
 *
 * JSON null counts as absent, unknown keys are skipped, of equal keys the last wins: what Go's decoder does, by which
 * all engines' documents are made and tested.
 */
#include "spec/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* ---- text and names -------------------------------------------------------------------------------------------------- */

int field_read_text(struct reader *r, enum text_rule rule, const struct json *j, const char **ret)
{
	const char *s = json_str(j);

	if (!s)
		return json_type(j) == JSON_STRING ? field_expected(r, j, field_text_expected(rule))
						   : field_wrong_type(r, j, "a string");
	if (!field_text_ok(rule, s))
		return field_expected(r, j, field_text_expected(rule));
	*ret = arena_strdup(r->arena, s);
	return 0;
}

bool field_name_value(const struct field_names *names, const char *word, uint64_t *ret)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->rows[i].name, word) == 0) {
			*ret = names->rows[i].value;
			return true;
		}
	}
	return false;
}

const char *field_value_name(const struct field_names *names, uint64_t value)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->rows[i].value == value)
			return names->rows[i].name;
	}
	return NULL;
}

void field_store(void *at, size_t size, uint64_t v)
{
	switch (size) {
	case 1:
		*(uint8_t *)at = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)at = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)at = (uint32_t)v;
		break;
	default:
		*(uint64_t *)at = v;
		break;
	}
}

uint64_t field_load(const void *at, size_t size, bool is_signed)
{
	switch (size) {
	case 1:
		return is_signed ? (uint64_t)(int64_t) * (const int8_t *)at : *(const uint8_t *)at;
	case 2:
		return is_signed ? (uint64_t)(int64_t) * (const int16_t *)at : *(const uint16_t *)at;
	case 4:
		return is_signed ? (uint64_t)(int64_t) * (const int32_t *)at : *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

/* ---- one function per kind --------------------------------------------------------------------------------------- */

typedef int read_fn(struct reader *r, const struct field *f, const struct json *j, void *object);

static void *at(void *object, const struct field *f)
{
	return (char *)object + f->offset;
}

static int read_bool(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	if (json_type(j) != JSON_BOOL)
		return field_wrong_type(r, j, "true or false");
	*(bool *)at(object, f) = json_bool(j);
	return 0;
}

static int read_opt_bool(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	if (json_type(j) != JSON_BOOL)
		return field_wrong_type(r, j, "true or false");
	*(struct spec_opt_bool *)at(object, f) = (struct spec_opt_bool){.set = true, .v = json_bool(j)};
	return 0;
}

static int read_number(struct reader *r, const struct field *f, const struct json *j, uint64_t *ret)
{
	char expected[80];
	int64_t i = 0;
	uint64_t u = 0;
	bool ok;

	/* The part below zero is read as signed, the part above INT64_MAX as unsigned. */
	if (json_i64(j, &i) == 0) {
		ok = i >= f->min && (i < 0 || (uint64_t)i <= f->max);
		u = (uint64_t)i;
	} else {
		ok = json_u64(j, &u) == 0 && u <= f->max;
	}
	if (ok) {
		*ret = u;
		return 0;
	}
	(void)snprintf(expected, sizeof(expected), "an integer between %" PRId64 " and %" PRIu64, f->min, f->max);
	if (json_type(j) == JSON_INT || json_type(j) == JSON_REAL)
		return field_expected(r, j, expected);
	return field_wrong_type(r, j, expected);
}

static int read_int(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	uint64_t v = 0;
	int rc = read_number(r, f, j, &v);

	if (rc == 0)
		field_store(at(object, f), f->size, v);
	return rc;
}

static int read_opt_i64(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	uint64_t v = 0;
	int rc = read_number(r, f, j, &v);

	if (rc == 0)
		*(struct spec_opt_i64 *)at(object, f) = (struct spec_opt_i64){.set = true, .v = (int64_t)v};
	return rc;
}

static int read_opt_u64(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	uint64_t v = 0;
	int rc = read_number(r, f, j, &v);

	if (rc == 0)
		*(struct spec_opt_u64 *)at(object, f) = (struct spec_opt_u64){.set = true, .v = v};
	return rc;
}

static int read_text(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	const char *s = json_str(j);

	if (s && !*s && !(f->flags & FIELD_REQUIRED))
		return 0;
	return field_read_text(r, f->text, j, at(object, f));
}

/* Calls @each for the elements of the array @j with the reader's place set. */
static int each_element(struct reader *r, const struct json *j,
			int (*each)(struct reader *, const struct json *, size_t, void *), void *arg)
{
	struct field_step step = {.up = r->where};
	size_t count = json_len(j);
	int rc = 0;

	r->where = &step;
	for (; rc == 0 && step.index < count; step.index++)
		rc = each(r, json_at(j, step.index), step.index, arg);
	r->where = step.up;
	return rc;
}

/* A power of two: spec_strs_push, spec_map_set and ARENA_PUSH take it that the room follows from the count. */
static size_t room_for(size_t count)
{
	size_t room = 1;

	while (room < count)
		room *= 2;
	return room;
}

struct texts_arg {
	const struct field *field;
	struct spec_strs *to;
};

static int read_one_text(struct reader *r, const struct json *j, size_t i, void *p)
{
	const struct texts_arg *arg = p;

	return field_read_text(r, arg->field->text, j, (const char **)&arg->to->items[i]);
}

static int read_texts(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct spec_strs *to = at(object, f);
	struct texts_arg arg = {.field = f, .to = to};
	int rc;

	if (json_type(j) != JSON_ARRAY)
		return field_wrong_type(r, j, "an array of strings");
	to->count = json_len(j);
	to->items = arena_alloc(r->arena, room_for(to->count + 1), sizeof(*to->items));
	rc = each_element(r, j, read_one_text, &arg);
	if (rc < 0)
		*to = (struct spec_strs){.items = arena_alloc(r->arena, 1, sizeof(*to->items))};
	return rc;
}

struct map_arg {
	struct reader *r;
	const struct field *field;
	struct spec_map *to;
};

static int read_pair(const char *key, struct json *value, void *p)
{
	const struct map_arg *arg = p;
	struct reader *r = arg->r;
	struct field_step step = {.up = r->where, .name = key, .quoted = true};
	struct spec_pair *pair = &arg->to->items[arg->to->count];
	int rc;

	if (!value)
		return 0;
	r->where = &step;
	if (field_text_ok(arg->field->key, key))
		rc = field_read_text(r, arg->field->text, value, &pair->value);
	else
		rc = field_fault(r, "the key is not %s", field_text_expected(arg->field->key));
	r->where = step.up;
	if (rc < 0)
		return rc;
	pair->key = arena_strdup(r->arena, key);
	arg->to->count++;
	return 0;
}

static int read_map(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct spec_map *to = at(object, f);
	struct map_arg arg = {.r = r, .field = f, .to = to};

	if (json_type(j) != JSON_OBJECT)
		return field_wrong_type(r, j, "an object of strings");
	*to = (struct spec_map){.items = arena_alloc(r->arena, room_for(json_len(j)), sizeof(*to->items))};
	return json_each(j, read_pair, &arg);
}

static int read_word(struct reader *r, const struct field_names *names, const struct json *j, uint64_t *ret)
{
	const char *s = json_str(j);

	if (s && field_name_value(names, s, ret))
		return 0;
	return field_expected(r, j, names->expected);
}

static int read_name(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	const char *s = json_str(j);
	uint64_t v = 0;
	int rc;

	if (s && !*s && !(f->flags & FIELD_REQUIRED))
		return 0;
	rc = read_word(r, f->names, j, &v);
	if (rc == 0)
		field_store(at(object, f), f->size, v);
	return rc;
}

struct flags_arg {
	const struct field *field;
	uint64_t bits;
};

static int read_one_flag(struct reader *r, const struct json *j, size_t i, void *p)
{
	struct flags_arg *arg = p;
	uint64_t v = 0;
	int rc = read_word(r, arg->field->names, j, &v);

	(void)i;
	if (rc == 0)
		arg->bits |= v;
	return rc;
}

static int read_flags(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct flags_arg arg = {.field = f};
	int rc;

	if (json_type(j) != JSON_ARRAY)
		return field_wrong_type(r, j, "an array of strings");
	rc = each_element(r, j, read_one_flag, &arg);
	if (rc == 0)
		field_store(at(object, f), f->size, arg.bits);
	return rc;
}

struct ids_arg {
	const struct field *field;
	uint32_t *to;
};

static int read_one_id(struct reader *r, const struct json *j, size_t i, void *p)
{
	const struct ids_arg *arg = p;
	uint64_t v = 0;
	int rc = read_number(r, arg->field, j, &v);

	if (rc == 0)
		arg->to[i] = (uint32_t)v;
	return rc;
}

/* An array's storage in @object: pointer at the row's offset, number of elements at its count_at. */
static int new_items(struct reader *r, const struct field *f, const struct json *j, size_t size, void *object,
		     char **ret)
{
	size_t count = json_len(j);

	if (count > FIELD_ITEMS_MAX) {
		int rc = field_fault(r, "has %zu elements, at most %d are accepted", count, FIELD_ITEMS_MAX);

		r->err->kind = ERROR_LIMIT;
		return rc;
	}
	*ret = arena_alloc(r->arena, room_for(count), size);
	*(void **)at(object, f) = *ret;
	*(size_t *)((char *)object + f->count_at) = 0;
	return 0;
}

static int read_ids(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct ids_arg arg = {.field = f};
	char *items = NULL;
	int rc;

	if (json_type(j) != JSON_ARRAY)
		return field_wrong_type(r, j, "an array of integers");
	rc = new_items(r, f, j, sizeof(uint32_t), object, &items);
	if (rc < 0)
		return rc;
	arg.to = (uint32_t *)(void *)items;
	rc = each_element(r, j, read_one_id, &arg);
	if (rc == 0)
		*(size_t *)((char *)object + f->count_at) = json_len(j);
	return rc;
}

static int read_object(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	return field_read_object(r, f->child, j, at(object, f));
}

struct objects_arg {
	struct reader *r;
	const struct field_table *table;
	char *items;
	size_t *count;
};

static int read_one_object(struct reader *r, const struct json *j, size_t i, void *p)
{
	const struct objects_arg *arg = p;
	int rc = field_read_object(r, arg->table, j, arg->items + i * arg->table->size);

	if (rc == 0)
		*arg->count = i + 1;
	return rc;
}

static int read_objects(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct objects_arg arg = {.table = f->child, .count = (size_t *)(void *)((char *)object + f->count_at)};
	int rc;

	if (json_type(j) != JSON_ARRAY)
		return field_wrong_type(r, j, "an array of objects");
	rc = new_items(r, f, j, f->child->size, object, &arg.items);
	return rc < 0 ? rc : each_element(r, j, read_one_object, &arg);
}

static int read_keyed_object(const char *key, struct json *value, void *p)
{
	const struct objects_arg *arg = p;
	struct reader *r = arg->r;
	struct field_step step = {.up = r->where, .name = key, .quoted = true};
	char *item = arg->items + *arg->count * arg->table->size;
	int rc;

	if (!value)
		return 0;
	r->where = &step;
	*(const char **)(void *)item = arena_strdup(r->arena, key);
	rc = field_read_object(r, arg->table, value, item);
	if (rc == 0)
		++*arg->count;
	r->where = step.up;
	return rc;
}

static int read_keyed(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct objects_arg arg = {.r = r, .table = f->child, .count = (size_t *)(void *)((char *)object + f->count_at)};
	int rc;

	if (json_type(j) != JSON_OBJECT)
		return field_wrong_type(r, j, "an object of objects");
	rc = new_items(r, f, j, f->child->size, object, &arg.items);
	return rc < 0 ? rc : json_each(j, read_keyed_object, &arg);
}

static int read_shape(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	(void)object;
	return json_type(j) == (enum json_type)f->min ? 0
						      : field_wrong_type(r, j, json_type_name((enum json_type)f->min));
}

static int read_custom(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	return f->read(r, f, j, object);
}

static read_fn *const readers[FIELD_KIND_COUNT] = {
	[FIELD_BOOL] = read_bool,       [FIELD_OPT_BOOL] = read_opt_bool, [FIELD_INT] = read_int,
	[FIELD_OPT_I64] = read_opt_i64, [FIELD_OPT_U64] = read_opt_u64,   [FIELD_TEXT] = read_text,
	[FIELD_TEXTS] = read_texts,     [FIELD_MAP] = read_map,           [FIELD_NAME] = read_name,
	[FIELD_FLAGS] = read_flags,     [FIELD_IDS] = read_ids,           [FIELD_OBJECT] = read_object,
	[FIELD_OBJECTS] = read_objects, [FIELD_KEYED] = read_keyed,       [FIELD_SHAPE] = read_shape,
	[FIELD_CUSTOM] = read_custom,
};

/* ---- objects ----------------------------------------------------------------------------------------------------- */

struct object_arg {
	struct reader *r;
	const struct field_table *table;
	char *object;
	size_t cursor; /* the row where the search begins */
	uint64_t seen; /* bit n: row n was there */
};

static int read_member(const char *key, struct json *value, void *p)
{
	struct object_arg *arg = p;
	struct reader *r = arg->r;
	const struct field_table *t = arg->table;
	struct field_step step = {.up = r->where, .name = key};
	size_t row = arg->cursor;
	int rc;

	for (size_t tried = 0;; row++) {
		if (row >= t->count)
			row = 0;
		if (tried++ == t->count) {
			if (!t->strict)
				return 0;
			step.quoted = true;
			r->where = &step;
			rc = field_fault(r, "unknown, expected %s", t->strict);
			r->where = step.up;
			return rc;
		}
		if (strcmp(t->rows[row].name, key) == 0)
			break;
	}
	arg->cursor = row + 1;
	if (!value) /* JSON null */
		return 0;
	arg->seen |= UINT64_C(1) << row;
	r->where = &step;
	rc = readers[t->rows[row].kind](r, &t->rows[row], value, arg->object);
	r->where = step.up;
	if (rc == 0 && t->rows[row].set_at)
		*(bool *)(void *)(arg->object + t->rows[row].set_at - 1) = true;
	return rc;
}

int field_read_object(struct reader *r, const struct field_table *table, const struct json *j, void *object)
{
	struct object_arg arg = {.r = r, .table = table, .object = object};
	int rc;

	if (json_type(j) != JSON_OBJECT)
		return field_wrong_type(r, j, "an object");
	rc = json_each(j, read_member, &arg);
	for (size_t i = 0; rc == 0 && i < table->count; i++) {
		if ((table->rows[i].flags & FIELD_REQUIRED) && !(arg.seen & (UINT64_C(1) << i)))
			rc = field_fault_at(r, table->rows[i].name, "is required, but missing");
	}
	if (rc == 0 && table->finish)
		rc = table->finish(r, object);
	return rc;
}

int field_read_document(const char *text, size_t len, const char *document, const struct field_table *table,
			struct arena *a, void *object, struct error *err)
{
	struct reader r = {.arena = a, .document = document, .err = err};
	autojson struct json *j = NULL;
	int rc;

	rc = json_parse(text, len, document, &j, err);
	if (rc < 0)
		return rc;
	return field_read_object(&r, table, j, object);
}
