/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEMPLATE_INTERNAL_H
#define TEMPLATE_INTERNAL_H

/* What the files of template/ share: words, the tree that parsing makes of them, and a run of it. */

#include <stdint.h>

#include "base/arena.h"
#include "template/template.h"

/* ---- words (lex.c) ---------------------------------------------------------------------------------------------- */

enum token_type {
	TOKEN_END,      /* of the template */
	TOKEN_TEXT,     /* between actions */
	TOKEN_OPEN,     /* {{ */
	TOKEN_CLOSE,    /* }} */
	TOKEN_WORD,     /* if, index, true: a keyword, a function, or a constant */
	TOKEN_FIELD,    /* .Name; text is without the dot */
	TOKEN_DOT,      /* . alone */
	TOKEN_VARIABLE, /* $name; text with the $ */
	TOKEN_LITERAL,  /* a number or a string */
	TOKEN_LEFT,     /* ( */
	TOKEN_RIGHT,    /* ) */
	TOKEN_PIPE,     /* | */
	TOKEN_COMMA,
	TOKEN_DECLARE,  /* := */
	TOKEN_ASSIGN,   /* = */
};
struct token {
	enum token_type type;
	bool spaced;      /* a blank stands before it */
	const char *at;   /* in the source, for messages */
	const char *text; /* in the arena; NULL for signs */
	size_t len;
	struct json *literal; /* owned by the template */
};

struct lexer {
	struct template *t;
	const char *source, *p;
	bool inside;    /* an action */
	bool trim_left; /* the last action ended with -}} */
};
int lex_next(struct lexer *l, struct token *ret, struct error *err);
/* An error that says where: "column 7: <text>". */
int template_error(const char *source, const char *at, enum error_kind kind, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6), cold));

/* ---- the tree (parse.c) ------------------------------------------------------------------------------------------- */

struct call;
struct pipe {
	const char *at;
	size_t slots[2];      /* variables that it sets */
	const char *names[2]; /* of those that are new with it */
	size_t slot_count;
	struct call *calls; /* each gets the last one's result as its last argument */
	size_t count;
};
enum operand_type { OPERAND_DOT, OPERAND_VARIABLE, OPERAND_LITERAL, OPERAND_NIL, OPERAND_PIPE, OPERAND_FUNCTION };
struct operand {
	enum operand_type type;
	const char *at;
	size_t slot;
	struct json *literal; /* owned by the template */
	const struct pipe *pipe;
	const struct function *function;
	const char **fields; /* .A.B behind it */
	size_t field_count;
};
struct call {
	const char *at;
	struct operand *args; /* the first may be a function */
	size_t count;
};

struct node;
struct nodes {
	struct node *items;
	size_t count;
};
enum node_type { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_RANGE, NODE_WITH, NODE_BREAK, NODE_CONTINUE };
struct node {
	enum node_type type;
	const char *at;
	const char *text; /* NODE_TEXT */
	size_t len;
	struct pipe pipe;
	struct nodes body, otherwise;
};

#define TEMPLATE_MAX_VARIABLES 128

struct template
{
	struct arena arena;
	const char *source;
	bool table;
	struct nodes root;
	size_t slot_count;
	struct json **literals; /* owned */
	size_t literal_count;
};

/* ---- running (run.c, functions.c, print.c) ------------------------------------------------------------------------- */

struct run {
	const struct template *t;
	struct buf *out;
	struct error *err;
	bool headers;
	size_t work;
	struct json *slots[TEMPLATE_MAX_VARIABLES]; /* owned */
	const char *at;                             /* what is being evaluated, for messages */
};

/* Count @units of work; <0 LIMIT when the run has had its share. */
int run_charge(struct run *r, size_t units);

/* @args are borrowed; the result is owned by the caller. */
struct function {
	const char *name;
	int min, max; /* arguments; max -1: any number */
	int (*call)(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret);
	bool (*judge)(int order); /* lt, le, gt, ge */
	bool plain_headers;       /* a header goes through it unchanged */
	bool lazy;                /* and, or: the caller evaluates as far as needed */
};
const struct function *function_find(const char *name);
/* The nearest name, or NULL. */
const char *function_near(const char *name);

/* Go's idea of truth: not false, 0, "", null, empty. */
bool value_true(const struct json *j);
/* What kind of thing it is, in Go's words for decoded JSON ("[]interface {}"). */
const char *value_type(const struct json *j);
/* The text of a string, never NULL. */
const char *value_text(const struct json *j);
/* The keys of an object, sorted; in @a. */
const char **value_keys(struct arena *a, const struct json *j, size_t *ret_count);
/* A member of an object or array as `index` gives it; owned. */
int value_index(struct run *r, struct json *j, struct json *key, struct json **ret);

/* As fmt's %v. False when it did not fit. */
bool print_value(struct buf *out, const struct json *j, size_t depth);
int print_format(struct run *r, struct json **args, size_t count, struct buf *out);

#endif
