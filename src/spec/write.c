/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs back to JSON by the tables that read them (fields.h). A field is written when it is set: zero numbers, false,
 * empty strings and lists are left out, as Go's "omitempty" does, except in rows marked required or always.
 */
#include <string.h>

#include "spec/fields.h"

typedef struct json *write_fn(const struct field *f, const void *object);

static const void *at(const void *object, const struct field *f)
{
	return (const char *)object + f->offset;
}

static bool always(const struct field *f)
{
	return f->flags & (FIELD_REQUIRED | FIELD_ALWAYS);
}

static struct json *write_bool(const struct field *f, const void *object)
{
	bool v = *(const bool *)at(object, f);

	return v || always(f) ? json_new_bool(v) : NULL;
}

static struct json *write_opt_bool(const struct field *f, const void *object)
{
	const struct spec_opt_bool *o = at(object, f);

	return o->set ? json_new_bool(o->v) : NULL;
}

static struct json *write_int(const struct field *f, const void *object)
{
	uint64_t v = field_load(at(object, f), f->size, f->min < 0);

	if (v == 0 && !always(f))
		return NULL;
	return f->min < 0 ? json_new_i64((int64_t)v) : json_new_u64(v);
}

static struct json *write_opt_i64(const struct field *f, const void *object)
{
	const struct spec_opt_i64 *o = at(object, f);

	return o->set ? json_new_i64(o->v) : NULL;
}

static struct json *write_opt_u64(const struct field *f, const void *object)
{
	const struct spec_opt_u64 *o = at(object, f);

	return o->set ? json_new_u64(o->v) : NULL;
}

static struct json *write_text(const struct field *f, const void *object)
{
	const char *s = *(const char *const *)at(object, f);

	if (!s || (!*s && !always(f)))
		return NULL;
	return json_new_str(s);
}

static struct json *write_texts(const struct field *f, const void *object)
{
	const struct spec_strs *v = at(object, f);
	struct json *j;

	if (v->count == 0 && !always(f))
		return NULL;
	j = json_new_array();
	for (size_t i = 0; i < v->count; i++)
		json_push(j, json_new_str(v->items[i]));
	return j;
}

static struct json *write_map(const struct field *f, const void *object)
{
	const struct spec_map *m = at(object, f);
	struct json *j;

	if (m->count == 0)
		return NULL;
	j = json_new_object();
	for (size_t i = 0; i < m->count; i++)
		json_set(j, m->items[i].key, json_new_str(m->items[i].value));
	return j;
}

static struct json *write_name(const struct field *f, const void *object)
{
	uint64_t v = field_load(at(object, f), f->size, false);

	if (v == 0 && !always(f))
		return NULL;
	return json_new_str(field_value_name(f->names, v));
}

static struct json *write_flags(const struct field *f, const void *object)
{
	uint64_t bits = field_load(at(object, f), f->size, false);
	bool set = f->set_at && *(const bool *)((const char *)object + f->set_at - 1);
	struct json *j;

	if (bits == 0 && !set)
		return NULL;
	j = json_new_array();
	for (size_t i = 0; i < f->names->count; i++) {
		uint64_t v = f->names->rows[i].value;

		if (v && (bits & v) == v)
			json_push(j, json_new_str(f->names->rows[i].name));
	}
	return j;
}

static size_t count_of(const struct field *f, const void *object)
{
	return *(const size_t *)(const void *)((const char *)object + f->count_at);
}

static struct json *write_ids(const struct field *f, const void *object)
{
	const uint32_t *ids = *(uint32_t *const *)at(object, f);
	size_t count = count_of(f, object);
	struct json *j;

	if (count == 0)
		return NULL;
	j = json_new_array();
	for (size_t i = 0; i < count; i++)
		json_push(j, json_new_u64(ids[i]));
	return j;
}

static struct json *write_object(const struct field *f, const void *object)
{
	struct json *j;

	if (f->set_at && !*(const bool *)((const char *)object + f->set_at - 1))
		return NULL;
	j = field_write_object(f->child, at(object, f));
	return j || !(f->set_at || always(f)) ? j : json_new_object();
}

static struct json *write_objects(const struct field *f, const void *object)
{
	const char *items = *(char *const *)at(object, f);
	size_t count = count_of(f, object);
	struct json *j;

	if (count == 0)
		return NULL;
	j = json_new_array();
	for (size_t i = 0; i < count; i++) {
		struct json *item = field_write_object(f->child, items + i * f->child->size);

		json_push(j, item ? item : json_new_object());
	}
	return j;
}

static struct json *write_keyed(const struct field *f, const void *object)
{
	const char *items = *(char *const *)at(object, f);
	size_t count = count_of(f, object);
	struct json *j;

	if (count == 0)
		return NULL;
	j = json_new_object();
	for (size_t i = 0; i < count; i++) {
		const char *item = items + i * f->child->size;
		struct json *value = field_write_object(f->child, item);

		json_set(j, *(const char *const *)(const void *)item, value ? value : json_new_object());
	}
	return j;
}

/* Sections that are read for their shape only are not kept. */
static struct json *write_nothing(const struct field *f, const void *object)
{
	(void)f;
	(void)object;
	return NULL;
}

static struct json *write_custom(const struct field *f, const void *object)
{
	return f->write(f, object);
}

static write_fn *const writers[FIELD_KIND_COUNT] = {
	[FIELD_BOOL] = write_bool,       [FIELD_OPT_BOOL] = write_opt_bool, [FIELD_INT] = write_int,
	[FIELD_OPT_I64] = write_opt_i64, [FIELD_OPT_U64] = write_opt_u64,   [FIELD_TEXT] = write_text,
	[FIELD_TEXTS] = write_texts,     [FIELD_MAP] = write_map,           [FIELD_NAME] = write_name,
	[FIELD_FLAGS] = write_flags,     [FIELD_IDS] = write_ids,           [FIELD_OBJECT] = write_object,
	[FIELD_OBJECTS] = write_objects, [FIELD_KEYED] = write_keyed,       [FIELD_SHAPE] = write_nothing,
	[FIELD_CUSTOM] = write_custom,
};

struct json *field_write_object(const struct field_table *table, const void *object)
{
	struct json *j = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct field *f = &table->rows[i];
		struct json *value = writers[f->kind](f, object);

		if (!value)
			continue;
		if (!j)
			j = json_new_object();
		json_set(j, f->name, value);
	}
	return j;
}

struct json *spec_to_json(const struct spec *s)
{
	struct json *j = field_write_object(&spec_document_table, s);

	return j ? j : json_new_object();
}
