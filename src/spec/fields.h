/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_FIELDS_H
#define SPEC_FIELDS_H

/*
 * Private to spec/. A document part is a table of rows, one per field of the specification; fields.c reads JSON into
 * structs by walking rows, write.c makes JSON from structs by the same rows. So a field is described once, and every
 * message has the same form: "config.json: process.rlimits[2].type: expected …, got …".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "spec/spec.h"

/* The kind says how JSON becomes memory at the row's offset. */
enum field_kind {
	FIELD_BOOL,     /* bool */
	FIELD_OPT_BOOL, /* struct spec_opt_bool */
	FIELD_INT,      /* integer of `size` bytes, between min and max */
	FIELD_OPT_I64,  /* struct spec_opt_i64, between min and max */
	FIELD_OPT_U64,  /* struct spec_opt_u64, between min and max */
	FIELD_TEXT,     /* const char *, by the row's text rule; an empty one counts as absent */
	FIELD_TEXTS,    /* struct spec_strs, each by the text rule */
	FIELD_MAP,      /* struct spec_map: keys by the key rule, values by the text rule */
	FIELD_NAME,     /* a word of `names`, stored as integer of `size` bytes */
	FIELD_FLAGS,    /* an array of words of `names`, ORed into an integer of `size` bytes */
	FIELD_IDS,      /* array of uint32_t, count at count_at */
	FIELD_OBJECT,   /* an object read by `child` into the struct at offset */
	FIELD_OBJECTS,  /* an array of objects read by `child`; pointer at offset, count at count_at */
	FIELD_KEYED, /* an object of objects: as FIELD_OBJECTS, the key goes to the const char * at the child's start */
	FIELD_SHAPE, /* only its JSON type (`min`, an enum json_type) is checked; the bool at set_at is raised */
	FIELD_CUSTOM, /* `read` and `write` of the row */
	FIELD_KIND_COUNT
};

enum text_rule {
	TEXT_ANY,       /* NUL cannot be in it, all else may */
	TEXT_SET,       /* not empty */
	TEXT_PLAIN,     /* no control characters */
	TEXT_ABSOLUTE,  /* begins with '/' */
	TEXT_LIST,      /* numbers and ranges, "0-3,7" */
	TEXT_ENV,       /* NAME=value, no control characters in the name */
	TEXT_KEY,       /* not empty, no control characters */
	TEXT_FILE,      /* one component of a path, no control characters */
	TEXT_SYSCTL,    /* "net.ipv4.ip_forward" or the same with slashes */
	TEXT_HOSTNAME,  /* at most 64 bytes, no control characters */
	TEXT_NETDEV,    /* the name of a network device */
	TEXT_PAGESIZE,  /* "2MB" */
	TEXT_CLOSID,    /* a resctrl group */
	TEXT_DIGEST,    /* "sha256:…" */
	TEXT_IMAGE_ENV, /* NAME=value without control characters but tabs (V15, V18) */
	TEXT_VALUE,     /* for a file of the kernel: of control characters only tabs and line breaks */
	TEXT_VOLUME,    /* a path without ".." (V16) */
	TEXT_RULE_COUNT
};

#define FIELD_REQUIRED 1 /* missing is an error */
#define FIELD_ALWAYS 2   /* written even when zero */

struct reader;
struct field;

struct field_name {
	const char *name;
	uint64_t value;
};
struct field_names {
	const struct field_name *rows;
	size_t count;
	const char *expected; /* "an RLIMIT_ name": for messages */
};
#define FIELD_NAMES(array, words)                                                                                      \
	{                                                                                                              \
		.rows = (array), .count = ARRAY_SIZE(array), .expected = (words)                                       \
	}

struct field_table {
	const struct field *rows;
	size_t count;
	size_t size; /* of the struct that one object fills */
	/* After all members were read: rules between fields, defaults. May be NULL. */
	int (*finish)(struct reader *r, void *object);
	const char *strict; /* not NULL: other keys are refused, this tells what is expected */
};
#define FIELD_TABLE(array, type, ...)                                                                                  \
	{                                                                                                              \
		.rows = (array), .count = ARRAY_SIZE(array), .size = sizeof(type), __VA_ARGS__                         \
	}

struct field {
	const char *name;
	uint8_t kind; /* enum field_kind */
	uint8_t flags;
	uint8_t text; /* enum text_rule */
	uint8_t key;  /* enum text_rule of a map's keys */
	uint16_t size;
	uint32_t offset;
	uint32_t count_at;
	uint32_t set_at; /* offset + 1 of a bool that is raised when the field is there; 0: none */
	int64_t min;
	uint64_t max;
	const struct field_table *child;
	const struct field_names *names;
	int (*read)(struct reader *r, const struct field *f, const struct json *value, void *object);
	struct json *(*write)(const struct field *f, const void *object);
};

/* Parts of rows. */
#define AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define LIST_AT(type, member, counter) .offset = offsetof(type, member), .count_at = offsetof(type, counter)
#define SET_AT(type, member) .set_at = offsetof(type, member) + 1
#define INT_ROW(word, type, member, low, high, ...)                                                                    \
	{                                                                                                              \
		.name = (word), .kind = FIELD_INT, AT(type, member), .min = (low), .max = (high), ##__VA_ARGS__        \
	}
#define I64_ROW(word, type, member, low, high)                                                                         \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OPT_I64, AT(type, member), .min = (low), .max = (high)                   \
	}
#define U64_ROW(word, type, member, high)                                                                              \
	{                                                                                                              \
		.name = (word), .kind = FIELD_OPT_U64, AT(type, member), .max = (high)                                 \
	}
#define TEXT_ROW(word, type, member, rule, ...)                                                                        \
	{                                                                                                              \
		.name = (word), .kind = FIELD_TEXT, AT(type, member), .text = (rule), ##__VA_ARGS__                    \
	}
#define TEXTS_ROW(word, type, member, rule, ...)                                                                       \
	{                                                                                                              \
		.name = (word), .kind = FIELD_TEXTS, AT(type, member), .text = (rule), ##__VA_ARGS__                   \
	}
#define BOOL_ROW(word, type, member, ...)                                                                              \
	{                                                                                                              \
		.name = (word), .kind = FIELD_BOOL, AT(type, member), ##__VA_ARGS__                                    \
	}

/* Most elements of an array of objects; what a config.json needs stays far below, and the kernel's own limit of mounts
 * in a namespace is of this size. */
#define FIELD_ITEMS_MAX 65536

/* Where the reader stands in the document, for messages; lives on the C stack. */
struct field_step {
	const struct field_step *up;
	const char *name; /* NULL: an array element */
	size_t index;
	bool quoted; /* name is a free key */
};

struct reader {
	struct arena *arena;
	const char *document; /* name in messages */
	const struct field_step *where;
	struct error *err;
	unsigned warnings; /* told so far; bounded, a hostile document must not flood the log */
};

/* Parse @text and read it by @table into @object (zeroed by the caller). */
int field_read_document(const char *text, size_t len, const char *document, const struct field_table *table,
			struct arena *a, void *object, struct error *err);
/* Read the object @j by @table into @object. */
int field_read_object(struct reader *r, const struct field_table *table, const struct json *j, void *object);
/* The JSON of @object by @table; NULL when nothing is set. */
struct json *field_write_object(const struct field_table *table, const void *object);

/* ---- faults.c ---- */

/* Errors at where the reader stands. All return -errno with the kind INVALID. field_expected says what came instead; field_fault is a sentence of its own. */
int field_expected(struct reader *r, const struct json *got, const char *expected);
/* A value of a wrong JSON type: its type is told, not its content. */
int field_wrong_type(struct reader *r, const struct json *got, const char *expected);
int field_fault(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for member @name of where the reader stands. */
int field_fault_at(struct reader *r, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The path of where the reader stands ("mounts[3].options"). */
void field_path(const struct field_step *where, char *out, size_t size);
/* One line for the log about a value that is ignored. */
void field_warn(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- fields.c, text.c ---- */

/* The text of @j by @rule, copied into the arena. */
int field_read_text(struct reader *r, enum text_rule rule, const struct json *j, const char **ret);
bool field_text_ok(enum text_rule rule, const char *s);
/* "an absolute path" */
const char *field_text_expected(enum text_rule rule);
/* The value of a word, false when unknown. */
bool field_name_value(const struct field_names *names, const char *word, uint64_t *ret);
const char *field_value_name(const struct field_names *names, uint64_t value);

/* Integers of 1 to 8 bytes in a struct. */
void field_store(void *at, size_t size, uint64_t v);
uint64_t field_load(const void *at, size_t size, bool is_signed);

/* The tables of the document's parts. */
extern const struct field_table spec_document_table;
extern const struct field_table spec_process_table;
extern const struct field_table spec_mount_table;
extern const struct field_table spec_hooks_table;
extern const struct field_table spec_linux_table;
extern const struct field_table spec_resources_table;
extern const struct field_table spec_seccomp_table;
extern const struct field_table spec_seccomp_arg_table;
extern const struct field_table spec_id_map_table;
/* The checks at the end of one seccomp rule, also for Docker's profiles. */
int spec_seccomp_finish_rule(struct reader *r, void *object);
/* Read all of a filter but its `syscalls`. */
int spec_seccomp_read_frame(struct reader *r, const struct json *j, struct spec_seccomp *f);

extern const struct field_names spec_rlimit_names;
extern const struct field_names spec_propagation_names;
extern const struct field_names spec_seccomp_action_names;
extern const struct field_names spec_seccomp_op_names;

#endif
