/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document as a whole: its top rows, life cycle, parsing, and the small containers (string lists and maps) that all
 * parts use. Parts are in process.c, mounts.c, hooks.c, linux.c, resources.c and seccomp.c, the engine in fields.c.
 */
#include <ctype.h>
#include <string.h>

#include "spec/fields.h"

/* ---- containers -------------------------------------------------------------------------------------------------- */

void spec_strs_push(struct arena *a, struct spec_strs *v, const char *s)
{
	size_t used = v->count + 1; /* with the terminator */

	/* The room is the next power of two; a list that was never filled may have none. */
	if (!v->items || (used & (used - 1)) == 0) {
		char **items = arena_alloc(a, 2 * used, sizeof(*items));

		if (v->items)
			memcpy(items, v->items, v->count * sizeof(*items));
		v->items = items;
	}
	v->items[v->count++] = arena_strdup(a, s);
	v->items[v->count] = NULL;
}

const char *spec_map_get(const struct spec_map *m, const char *key)
{
	for (size_t i = 0; i < m->count; i++) {
		if (str_eq(m->items[i].key, key))
			return m->items[i].value;
	}
	return NULL;
}

void spec_map_set(struct arena *a, struct spec_map *m, const char *key, const char *value)
{
	for (size_t i = 0; i < m->count; i++) {
		if (str_eq(m->items[i].key, key)) {
			m->items[i].value = arena_strdup(a, value);
			return;
		}
	}
	ARENA_PUSH(a, m->items, m->count) =
		(struct spec_pair){.key = arena_strdup(a, key), .value = arena_strdup(a, value)};
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Dot-separated identifiers of semver ("rc.1", "build-5"), none empty. */
static bool semver_words(const char *s, size_t len)
{
	size_t word = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' && word > 0)
			word = 0;
		else if (isalnum((unsigned char)s[i]) || s[i] == '-')
			word++;
		else
			return false;
	}
	return word > 0;
}

/* 1.x.y of semver.org: all of major version 1 is compatible with us, nothing else is. */
static bool is_version_1(const char *s)
{
	size_t pre;

	for (int part = 0; part < 3; part++) {
		size_t digits = strspn(s, "0123456789");

		if (digits == 0 || digits > 9 || (digits > 1 && *s == '0') || (part == 0 && (digits != 1 || *s != '1')))
			return false;
		s += digits;
		if (part < 2 && *s++ != '.')
			return false;
	}
	if (*s == '-') {
		pre = strcspn(++s, "+");
		if (!semver_words(s, pre))
			return false;
		s += pre;
	}
	return *s == '\0' || (*s == '+' && semver_words(s + 1, strlen(s + 1)));
}

static int read_version(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct spec *s = object;

	(void)f;
	if (!json_str(j) || !is_version_1(json_str(j)))
		return field_expected(r, j, "a version 1.x.y of the specification");
	s->oci_version = arena_strdup(r->arena, json_str(j));
	return 0;
}

static struct json *write_version(const struct field *f, const void *object)
{
	(void)f;
	return json_new_str(((const struct spec *)object)->oci_version);
}

static const struct field root_rows[] = {
	TEXT_ROW("path", struct spec, root_path, TEXT_SET, .flags = FIELD_REQUIRED),
	BOOL_ROW("readonly", struct spec, root_readonly),
};
static const struct field_table root_table = FIELD_TABLE(root_rows, struct spec);

#define FOREIGN(word, member)                                                                                          \
	{                                                                                                              \
		.name = (word), .kind = FIELD_SHAPE, .min = JSON_OBJECT, SET_AT(struct spec, member)                   \
	}
static const struct field document_rows[] = {
	{.name = "ociVersion",
	 .kind = FIELD_CUSTOM,
	 .read = read_version,
	 .write = write_version,
	 .flags = FIELD_REQUIRED},
	{.name = "process",
	 .kind = FIELD_OBJECT,
	 AT(struct spec, process),
	 SET_AT(struct spec, process.set),
	 .child = &spec_process_table},
	{.name = "root", .kind = FIELD_OBJECT, .child = &root_table},
	TEXT_ROW("hostname", struct spec, hostname, TEXT_HOSTNAME),
	TEXT_ROW("domainname", struct spec, domainname, TEXT_HOSTNAME),
	{.name = "mounts",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct spec, mounts, mount_count),
	 .child = &spec_mount_table},
	{.name = "hooks", .kind = FIELD_OBJECT, AT(struct spec, hooks), .child = &spec_hooks_table},
	{.name = "annotations", .kind = FIELD_MAP, AT(struct spec, annotations), .key = TEXT_SET, .text = TEXT_ANY},
	{.name = "linux", .kind = FIELD_OBJECT, AT(struct spec, linux_), .child = &spec_linux_table},
	FOREIGN("solaris", has_foreign),
	FOREIGN("windows", has_foreign),
	FOREIGN("vm", has_vm),
	FOREIGN("zos", has_foreign),
	FOREIGN("freebsd", has_foreign),
};
const struct field_table spec_document_table = FIELD_TABLE(document_rows, struct spec);

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

void spec_init(struct spec *s)
{
	*s = (struct spec){0};

	struct spec_strs *const lists[] = {
		&s->process.args,
		&s->process.env,
		&s->linux_.masked_paths,
		&s->linux_.readonly_paths,
		&s->linux_.seccomp.architectures,
		&s->linux_.intel_rdt.schemata,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		lists[i]->items = arena_alloc(&s->arena, 1, sizeof(char *));
}

void spec_done(struct spec *s)
{
	arena_done(&s->arena);
}

int spec_parse(const char *text, size_t len, const char *name, struct spec *ret, struct error *err)
{
	autospec struct spec s = {0};
	int rc;

	if (len > SPEC_CONFIG_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, EFBIG, "%s: has %zu bytes, at most %u are accepted", name, len,
				 SPEC_CONFIG_MAX_BYTES);
	spec_init(&s);
	rc = field_read_document(text, len, name, &spec_document_table, &s.arena, &s, err);
	if (rc < 0)
		return rc;
	*ret = s;
	s.arena = (struct arena){0};
	return 0;
}
