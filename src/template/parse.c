/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words become a tree: lists of nodes (text, actions, blocks), pipelines of calls, operands. Names are resolved here: functions
 * to their rows, variables to slots, so that a run can only fail for what the value is. One word is looked ahead.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "template/internal.h"

struct variable {
	const char *name;
	size_t slot;
};
struct parser {
	struct template *t;
	struct lexer lexer;
	struct token token; /* the next one */
	struct error *err;
	struct variable variables[TEMPLATE_MAX_VARIABLES]; /* in scope */
	size_t variable_count;
	size_t depth;
	size_t loops;
};

static int advance(struct parser *p)
{
	return lex_next(&p->lexer, &p->token, p->err);
}

#define fail(p, at, ...) template_error((p)->t->source, (at), ERROR_INVALID, (p)->err, __VA_ARGS__)

/* The next word as it stands in the source, for messages. */
static const char *found(const struct parser *p, char out[static 48])
{
	const struct token *t = &p->token;
	const size_t len = p->lexer.p > t->at ? (size_t)(p->lexer.p - t->at) : 0;

	if (t->type == TOKEN_END)
		return "the end";
	(void)snprintf(out, 48, "\"%.*s\"", (int)(len > 40 ? 40 : len), t->at);
	return out;
}

static int enter(struct parser *p)
{
	if (++p->depth <= TEMPLATE_MAX_DEPTH)
		return 0;
	return template_error(p->t->source, p->token.at, ERROR_LIMIT, p->err, "nested more than %d deep",
			      TEMPLATE_MAX_DEPTH);
}

/* ---- pipelines ---- */

static int parse_pipe(struct parser *p, enum token_type end, struct pipe *ret);

static int parse_variable(struct parser *p, struct operand *o)
{
	for (size_t i = p->variable_count; i-- > 0;)
		if (str_eq(p->variables[i].name, p->token.text)) {
			o->type = OPERAND_VARIABLE;
			o->slot = p->variables[i].slot;
			return 0;
		}
	fail(p, p->token.at, "the variable %s is not set here", p->token.text);
	return error_hint(p->err, "set it with {{%s := ...}} first", p->token.text);
}

static int parse_word(struct parser *p, struct operand *o)
{
	const char *name = p->token.text;
	const char *near;

	if (str_eq(name, "true") || str_eq(name, "false")) {
		o->type = OPERAND_LITERAL;
		o->literal = json_new_bool(name[0] == 't');
		VEC_PUSH(p->t->literals, p->t->literal_count) = o->literal;
		return 0;
	}
	if (str_eq(name, "nil")) {
		o->type = OPERAND_NIL;
		return 0;
	}
	o->type = OPERAND_FUNCTION;
	o->function = function_find(name);
	if (o->function)
		return 0;
	fail(p, p->token.at, "there is no function \"%s\"", name);
	near = function_near(name);
	if (near)
		return error_hint(p->err, "did you mean %s?", near);
	return error_hint(p->err, "a field has a dot in front: .%s", name);
}

/* An operand with the fields behind it: `.A.B`, `$x.A`, `(index .L 0).A`. */
static int parse_operand(struct parser *p, struct operand *o)
{
	char buffer[48];
	struct pipe *inner;
	int r = 0;

	*o = (struct operand){.at = p->token.at};
	switch (p->token.type) {
	case TOKEN_DOT:
		o->type = OPERAND_DOT;
		break;
	case TOKEN_FIELD:
		o->type = OPERAND_DOT;
		ARENA_PUSH(&p->t->arena, o->fields, o->field_count) = p->token.text;
		break;
	case TOKEN_VARIABLE:
		r = parse_variable(p, o);
		break;
	case TOKEN_LITERAL:
		o->type = OPERAND_LITERAL;
		o->literal = p->token.literal;
		break;
	case TOKEN_WORD:
		r = parse_word(p, o);
		break;
	case TOKEN_LEFT:
		r = enter(p);
		inner = arena_alloc(&p->t->arena, 1, sizeof(*inner));
		o->type = OPERAND_PIPE;
		o->pipe = inner;
		if (r == 0)
			r = advance(p);
		if (r == 0)
			r = parse_pipe(p, TOKEN_RIGHT, inner);
		p->depth--;
		break;
	default:
		return fail(p, p->token.at, "expected a field, a value or a function, got %s", found(p, buffer));
	}
	if (r == 0)
		r = advance(p);
	while (r == 0 && p->token.type == TOKEN_FIELD && !p->token.spaced) {
		if (o->type == OPERAND_LITERAL || o->type == OPERAND_NIL || o->type == OPERAND_FUNCTION)
			return fail(p, p->token.at, "a constant or a function has no field .%s", p->token.text);
		ARENA_PUSH(&p->t->arena, o->fields, o->field_count) = p->token.text;
		r = advance(p);
	}
	return r;
}

static bool ends_call(const struct parser *p, enum token_type end)
{
	return p->token.type == TOKEN_PIPE || p->token.type == end || p->token.type == TOKEN_CLOSE ||
	       p->token.type == TOKEN_RIGHT || p->token.type == TOKEN_END;
}

static int parse_call(struct parser *p, enum token_type end, struct call *c)
{
	char buffer[48];

	*c = (struct call){.at = p->token.at};
	do {
		struct operand o;

		if (c->count && !p->token.spaced)
			return fail(p, p->token.at, "expected a blank before %s", found(p, buffer));
		if (parse_operand(p, &o) < 0)
			return -p->err->code;
		ARENA_PUSH(&p->t->arena, c->args, c->count) = o;
	} while (!ends_call(p, end));
	return 0;
}

/* What Go refuses before it runs: a constant that is given something, `nil` as a command, wrong numbers of arguments. */
static int check_call(struct parser *p, const struct call *c, bool piped)
{
	const struct operand *o = &c->args[0];
	const int count = (int)c->count - 1 + piped;

	if (o->type == OPERAND_NIL)
		return fail(p, o->at, "nil is no command");
	if (o->type != OPERAND_FUNCTION) {
		if (count == 0)
			return 0;
		if (piped && c->count == 1)
			return fail(p, o->at, "expected a function behind |");
		return fail(p, c->args[1].at, "only functions take arguments, and this is behind a value");
	}
	if (count >= o->function->min && (o->function->max < 0 || count <= o->function->max))
		return 0;
	return fail(p, o->at, "%s takes %s%d argument%s, here it has %d", o->function->name,
		    o->function->max == o->function->min ? ""
		    : count < o->function->min           ? "at least "
							 : "at most ",
		    count < o->function->min ? o->function->min : o->function->max,
		    (count < o->function->min ? o->function->min : o->function->max) == 1 ? "" : "s", count);
}

static int new_slot(struct parser *p, const char *name, struct pipe *pipe)
{
	if (p->t->slot_count == TEMPLATE_MAX_VARIABLES)
		return template_error(p->t->source, p->token.at, ERROR_LIMIT, p->err, "more than %d variables",
				      TEMPLATE_MAX_VARIABLES - 1);
	pipe->names[pipe->slot_count] = name;
	pipe->slots[pipe->slot_count++] = p->t->slot_count++;
	return 0;
}

/* New variables are known behind their pipeline, so that {{$x := $x.A}} means the old one. */
static void declare(struct parser *p, const struct pipe *pipe)
{
	for (size_t i = 0; i < pipe->slot_count; i++)
		if (pipe->names[i])
			p->variables[p->variable_count++] = (struct variable){pipe->names[i], pipe->slots[i]};
}

/* `$x := `, `$k, $v := `, `$x = ` in front of a pipeline. What comes is only known at the sign, so the place is kept. */
static int parse_targets(struct parser *p, struct pipe *ret, bool two)
{
	const struct token first = p->token;
	const struct lexer start = p->lexer;
	struct token names[2] = {first};
	struct operand o;
	size_t count = 1;
	int r = advance(p);

	if (r == 0 && two && p->token.type == TOKEN_COMMA) {
		r = advance(p);
		if (r == 0 && p->token.type != TOKEN_VARIABLE)
			return fail(p, p->token.at, "expected a variable behind the comma");
		names[count++] = p->token;
		r = r == 0 ? advance(p) : r;
	}
	if (r < 0)
		return r;
	if (p->token.type != TOKEN_DECLARE && p->token.type != TOKEN_ASSIGN) {
		if (count == 2)
			return fail(p, p->token.at, "expected := behind the variables");
		p->lexer = start;
		p->token = first;
		return 0;
	}
	if (p->token.type == TOKEN_DECLARE) {
		for (size_t i = 0; i < count && r == 0; i++)
			r = new_slot(p, names[i].text, ret);
		return r < 0 ? r : advance(p);
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		p->token = names[i];
		r = parse_variable(p, &o);
		ret->slots[ret->slot_count++] = o.slot;
	}
	return r < 0 ? r : advance(p);
}

/* Up to and with @end, of which the caller takes the place. The token that follows is not read yet. */
static int parse_calls(struct parser *p, enum token_type end, struct pipe *ret)
{
	char buffer[48];

	for (;;) {
		struct call c;

		if (parse_call(p, end, &c) < 0 || check_call(p, &c, ret->count > 0) < 0)
			return -p->err->code;
		ARENA_PUSH(&p->t->arena, ret->calls, ret->count) = c;
		if (p->token.type == end) {
			declare(p, ret);
			return 0;
		}
		if (p->token.type != TOKEN_PIPE)
			return fail(p, p->token.at, "expected %s, got %s", end == TOKEN_RIGHT ? ")" : "}}",
				    found(p, buffer));
		if (advance(p) < 0)
			return -p->err->code;
	}
}

static int parse_pipe(struct parser *p, enum token_type end, struct pipe *ret)
{
	*ret = (struct pipe){.at = p->token.at};
	if (p->token.type == TOKEN_VARIABLE && parse_targets(p, ret, false) < 0)
		return -p->err->code;
	return parse_calls(p, end, ret);
}

/* ---- blocks ---- */

enum stop { STOP_END, STOP_ELSE };

static int parse_nodes(struct parser *p, bool top, struct nodes *ret, enum stop *ret_stop);

static int parse_head(struct parser *p, struct node *n)
{
	const bool two = n->type == NODE_RANGE;

	n->pipe = (struct pipe){.at = p->token.at};
	if (p->token.type == TOKEN_VARIABLE && parse_targets(p, &n->pipe, two) < 0)
		return -p->err->code;
	return parse_calls(p, TOKEN_CLOSE, &n->pipe);
}

static int parse_block(struct parser *p, enum node_type type, const char *at, struct node *n);

/* Behind {{else: nothing, or `if` and `with`, which are a block of their own with the end shared. */
static int parse_else(struct parser *p, struct node *n)
{
	static const char *const words[] = {[NODE_IF] = "if", [NODE_WITH] = "with"};
	char buffer[48];
	enum stop stop;
	struct node below;

	if (p->token.type == TOKEN_WORD && n->type != NODE_RANGE && str_eq(p->token.text, words[n->type])) {
		const char *at = p->token.at;

		if (advance(p) < 0 || parse_block(p, n->type, at, &below) < 0)
			return -p->err->code;
		ARENA_PUSH(&p->t->arena, n->otherwise.items, n->otherwise.count) = below;
		return 0;
	}
	if (p->token.type != TOKEN_CLOSE)
		return fail(p, p->token.at, "expected }} behind else, got %s", found(p, buffer));
	if (parse_nodes(p, false, &n->otherwise, &stop) < 0)
		return -p->err->code;
	if (stop == STOP_ELSE)
		return fail(p, p->token.at, "a second else");
	return 0;
}

static int parse_block(struct parser *p, enum node_type type, const char *at, struct node *n)
{
	const size_t scope = p->variable_count;
	enum stop stop;
	int r = enter(p);

	*n = (struct node){.type = type, .at = at};
	if (r == 0)
		r = parse_head(p, n);
	p->loops += type == NODE_RANGE;
	if (r == 0)
		r = parse_nodes(p, false, &n->body, &stop);
	p->loops -= type == NODE_RANGE;
	if (r == 0 && stop == STOP_ELSE)
		r = parse_else(p, n);
	p->variable_count = scope;
	p->depth--;
	return r;
}

/* An action whose first word says what it is. Returns 1 when it is none of these. */
static int parse_keyword(struct parser *p, struct node *n)
{
	static const struct {
		const char *word;
		enum node_type type;
	} blocks[] = {{"if", NODE_IF}, {"range", NODE_RANGE}, {"with", NODE_WITH}};
	static const char *const later[] = {"define", "template", "block"};
	static const struct {
		const char *word;
		enum node_type type;
	} jumps[] = {{"break", NODE_BREAK}, {"continue", NODE_CONTINUE}};
	const struct token word = p->token;

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		if (str_eq(word.text, blocks[i].word))
			return advance(p) < 0 ? -p->err->code : parse_block(p, blocks[i].type, word.at, n);
	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		if (!str_eq(word.text, jumps[i].word))
			continue;
		if (!p->loops)
			return fail(p, word.at, "%s stands outside of a range", word.text);
		*n = (struct node){.type = jumps[i].type, .at = word.at};
		if (advance(p) < 0)
			return -p->err->code;
		return p->token.type == TOKEN_CLOSE ? 0 : fail(p, p->token.at, "expected }} behind %s", word.text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (str_eq(word.text, later[i]))
			return template_error(p->t->source, word.at, ERROR_UNSUPPORTED, p->err,
					      "{{%s}} is not supported: a format is one template", word.text);
	return 1;
}

/* What stands behind {{. Returns 1 at `end` and `else`, with @ret_stop. */
static int parse_action(struct parser *p, bool top, struct node *n, enum stop *ret_stop)
{
	const struct token first = p->token;
	const bool is_else = first.type == TOKEN_WORD && str_eq(first.text, "else");
	int r;

	if (first.type == TOKEN_CLOSE)
		return fail(p, first.at, "expected something between {{ and }}");
	if (is_else || (first.type == TOKEN_WORD && str_eq(first.text, "end"))) {
		if (top)
			return fail(p, first.at, "{{%s}} without a block that it belongs to", first.text);
		if (advance(p) < 0)
			return -p->err->code;
		if (!is_else && p->token.type != TOKEN_CLOSE)
			return fail(p, p->token.at, "expected }} behind end");
		*ret_stop = is_else ? STOP_ELSE : STOP_END;
		return 1;
	}
	r = first.type == TOKEN_WORD ? parse_keyword(p, n) : 1;
	if (r <= 0)
		return r;
	*n = (struct node){.type = NODE_ACTION, .at = first.at};
	return parse_head(p, n);
}

static int parse_nodes(struct parser *p, bool top, struct nodes *ret, enum stop *ret_stop)
{
	const char *start = p->token.at;
	int r;

	for (;;) {
		struct node n;

		if (advance(p) < 0)
			return -p->err->code;
		if (p->token.type == TOKEN_END)
			break;
		if (p->token.type == TOKEN_TEXT) {
			n = (struct node){.type = NODE_TEXT,
					  .at = p->token.at,
					  .text = p->token.text,
					  .len = p->token.len};
		} else {
			if (advance(p) < 0)
				return -p->err->code;
			r = parse_action(p, top, &n, ret_stop);
			if (r != 0)
				return r < 0 ? r : 0;
		}
		ARENA_PUSH(&p->t->arena, ret->items, ret->count) = n;
	}
	return top ? 0 : fail(p, start, "the block has no {{end}}");
}

static const char *skip_table(const char *text, bool *ret_table)
{
	text += strspn(text, " ");
	*ret_table = str_starts(text, "table ");
	return *ret_table ? text + 6 : text;
}

int template_parse(const char *text, struct template **ret, struct error *err)
{
	struct template *t = mem_zalloc(1, sizeof(*t));
	struct parser p = {.t = t, .err = err};
	enum stop stop;
	int r;

	if (strlen(text) > TEMPLATE_MAX_BYTES) {
		free(t);
		return error_set(err, ERROR_LIMIT, E2BIG, "longer than %d bytes", TEMPLATE_MAX_BYTES);
	}
	t->source = arena_strdup(&t->arena, text);
	t->slot_count = 1;
	p.variables[p.variable_count++] = (struct variable){"$", 0};
	p.lexer = (struct lexer){.t = t, .source = t->source, .p = skip_table(t->source, &t->table)};
	p.token.at = p.lexer.p;
	r = parse_nodes(&p, true, &t->root, &stop);
	if (r < 0) {
		template_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->literal_count; i++)
		json_unref(t->literals[i]);
	free(t->literals);
	arena_done(&t->arena);
	free(t);
}

bool template_is_table(const struct template *t)
{
	return t->table;
}
