/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running: the tree is walked, values are looked up, text is appended. Every value that an evaluation gives is owned by who asked
 * for it. Work is counted (steps and bytes), so that no template and no value can keep a command busy.
 */
#include <strings.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "template/internal.h"

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

#define fail(r, at, ...) template_error((r)->t->source, (at), ERROR_INVALID, (r)->err, __VA_ARGS__)

static int too_much(struct run *r)
{
	return template_error(r->t->source, r->at, ERROR_LIMIT, r->err, "too much work for a format");
}

int run_charge(struct run *r, size_t units)
{
	r->work += units;
	return r->work > TEMPLATE_MAX_WORK ? too_much(r) : 0;
}

/* ---- fields ---- */

static int look_at_key(const char *key, struct json *value, void *arg)
{
	(void)value;
	(void)arg;
	return key[0] < 'A' || key[0] > 'Z';
}

/* Go's structs have exported fields; maps such as labels have any keys. An object without members says nothing. */
static bool looks_like_struct(const struct json *j)
{
	return json_len(j) > 0 && json_each(j, look_at_key, NULL) == 0;
}

struct nearest {
	const char *wanted;
	char name[64];
	size_t distance;
};

static int look_nearer(const char *key, struct json *value, void *arg)
{
	struct nearest *n = arg;
	const bool begins = strlen(n->wanted) >= 3 && str_starts(key, n->wanted);
	const size_t d = strcasecmp(key, n->wanted) == 0 ? 0
			 : begins                        ? 1
							 : str_distance(key, n->wanted, n->distance) + 1;

	(void)value;
	if (d < n->distance && strlen(key) < sizeof(n->name)) {
		n->distance = d;
		(void)str_copy(n->name, sizeof(n->name), key);
	}
	return 0;
}

static int no_field(struct run *r, const struct json *j, const char *name)
{
	struct nearest near = {.wanted = name, .distance = 4};

	if (!j)
		return fail(r, r->at, "can't evaluate field %s: there is nothing that could have it", name);
	if (json_type(j) != JSON_OBJECT)
		return fail(r, r->at, "can't evaluate field %s in %s", name, json_type_name(json_type(j)));
	fail(r, r->at, "can't evaluate field %s", name);
	(void)json_each(j, look_nearer, &near);
	if (near.name[0])
		return error_hint(r->err, "did you mean .%s?", near.name);
	return error_hint(r->err, "'{{json .}}' shows which fields there are");
}

struct wanted {
	const char *key;
	struct json *value;
	bool found;
};

static int look_for(const char *key, struct json *value, void *arg)
{
	struct wanted *w = arg;

	if (!str_eq(key, w->key))
		return 0;
	w->found = true;
	w->value = value;
	return 1;
}

/* Replaces @value, which it owns, by its field. */
static int take_field(struct run *r, const char *name, struct json **value)
{
	struct wanted w = {.key = name};

	if (json_type(*value) == JSON_OBJECT) {
		w.value = json_get(*value, name);
		/* NULL is null as well as nothing. */
		w.found = w.value || json_each(*value, look_for, &w) != 0;
	}
	if (!w.found && !r->headers && (json_type(*value) != JSON_OBJECT || looks_like_struct(*value)))
		return no_field(r, *value, name);
	struct json *field = json_ref(w.value);

	json_unref(*value);
	*value = field;
	return run_charge(r, 1);
}

/* ---- evaluating ---- */

static int run_pipe(struct run *r, const struct pipe *p, struct json *dot, size_t depth, struct json **ret);

static int run_operand(struct run *r, const struct operand *o, struct json *dot, size_t depth, struct json **ret)
{
	autojson struct json *value = NULL;
	int e = run_charge(r, 1);

	r->at = o->at;
	switch (o->type) {
	case OPERAND_DOT:
		value = json_ref(dot);
		break;
	case OPERAND_VARIABLE:
		value = json_ref(r->slots[o->slot]);
		break;
	case OPERAND_LITERAL:
		value = json_ref(o->literal);
		break;
	case OPERAND_PIPE:
		e = e < 0 ? e : run_pipe(r, o->pipe, dot, depth + 1, &value);
		break;
	case OPERAND_FUNCTION:
		/* A function among the arguments of another has none of its own. */
		if (o->function->min > 0)
			return fail(r, o->at, "%s takes at least %d argument(s): put it into parentheses with them",
				    o->function->name, o->function->min);
		e = e < 0 ? e : o->function->call(r, o->function, NULL, 0, &value);
		break;
	case OPERAND_NIL:
		break;
	}
	for (size_t i = 0; i < o->field_count && e == 0; i++) {
		r->at = o->at;
		e = take_field(r, o->fields[i], &value);
	}
	*ret = e < 0 ? NULL : take_ptr(&value);
	return e;
}

/* and, or: the first argument that decides, later ones are not evaluated. */
static int run_lazy(struct run *r, const struct call *c, struct json *last, bool piped, struct json *dot, size_t depth,
		    struct json **ret)
{
	const bool until = c->args[0].function->name[0] == 'o';
	const size_t count = c->count + piped;

	for (size_t i = 1; i < count; i++) {
		autojson struct json *value = NULL;

		if (i == c->count)
			value = json_ref(last);
		else if (run_operand(r, &c->args[i], dot, depth, &value) < 0)
			return -r->err->code;
		if (i + 1 == count || value_true(value) == until) {
			*ret = take_ptr(&value);
			return 0;
		}
	}
	return 0;
}

static void unref_all(struct json **args, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_unref(args[i]);
	free(args);
}

/* Which argument is the header: the first that is not a constant. */
static size_t header_of(const struct call *c, size_t count)
{
	for (size_t i = 1; i < c->count; i++)
		if (c->args[i].type != OPERAND_LITERAL)
			return i - 1;
	return count - 1;
}

static int run_function(struct run *r, const struct call *c, struct json *last, bool piped, struct json *dot,
			size_t depth, struct json **ret)
{
	const struct function *f = c->args[0].function;
	const size_t count = c->count - 1 + piped;
	struct json **args;
	int e = 0;

	if (f->lazy)
		return run_lazy(r, c, last, piped, dot, depth, ret);
	args = mem_zalloc(count + 1, sizeof(struct json *));
	for (size_t i = 1; i < c->count && e == 0; i++)
		e = run_operand(r, &c->args[i], dot, depth, &args[i - 1]);
	if (piped)
		args[count - 1] = json_ref(last);
	r->at = c->args[0].at;
	if (e == 0 && r->headers && f->plain_headers)
		*ret = json_ref(args[header_of(c, count)]);
	else if (e == 0)
		e = f->call(r, f, args, count, ret);
	unref_all(args, count);
	return e;
}

static int run_pipe(struct run *r, const struct pipe *p, struct json *dot, size_t depth, struct json **ret)
{
	autojson struct json *value = NULL;

	if (depth > TEMPLATE_MAX_DEPTH)
		return too_much(r);
	for (size_t i = 0; i < p->count; i++) {
		const struct call *c = &p->calls[i];
		struct json *next = NULL;
		const int e = c->args[0].type == OPERAND_FUNCTION ? run_function(r, c, value, i > 0, dot, depth, &next)
								  : run_operand(r, &c->args[0], dot, depth, &next);

		if (e < 0) {
			json_unref(next);
			return e;
		}
		json_unref(value);
		value = next;
	}
	*ret = take_ptr(&value);
	return 0;
}

static void set_slot(struct run *r, size_t slot, struct json *value)
{
	struct json *old = r->slots[slot];

	r->slots[slot] = json_ref(value);
	json_unref(old);
}

/* ---- blocks ---- */

static int run_nodes(struct run *r, const struct nodes *l, struct json *dot, size_t depth, enum flow *flow);

static int run_action(struct run *r, const struct node *n, struct json *dot, size_t depth)
{
	autojson struct json *value = NULL;
	const size_t before = r->out->len;

	if (run_pipe(r, &n->pipe, dot, depth, &value) < 0)
		return -r->err->code;
	if (n->pipe.slot_count) {
		set_slot(r, n->pipe.slots[0], value);
		return 0;
	}
	r->at = n->at;
	if (!(value ? print_value(r->out, value, 0) : r->headers || buf_puts(r->out, "<no value>")))
		return too_much(r);
	return run_charge(r, r->out->len - before);
}

static int run_choice(struct run *r, const struct node *n, struct json *dot, size_t depth, enum flow *flow)
{
	autojson struct json *value = NULL;

	if (run_pipe(r, &n->pipe, dot, depth, &value) < 0)
		return -r->err->code;
	if (n->pipe.slot_count)
		set_slot(r, n->pipe.slots[0], value);
	if (!value_true(value))
		return run_nodes(r, &n->otherwise, dot, depth + 1, flow);
	return run_nodes(r, &n->body, n->type == NODE_WITH ? value : dot, depth + 1, flow);
}

/* One turn. Returns 1 at a break. */
static int run_turn(struct run *r, const struct node *n, struct json *key, struct json *value, size_t depth)
{
	enum flow flow = FLOW_NEXT;

	if (run_charge(r, 32) < 0) /* about what a turn costs, in steps */
		return -r->err->code;
	if (n->pipe.slot_count == 2)
		set_slot(r, n->pipe.slots[0], key);
	if (n->pipe.slot_count)
		set_slot(r, n->pipe.slots[n->pipe.slot_count - 1], value);
	if (run_nodes(r, &n->body, value, depth + 1, &flow) < 0)
		return -r->err->code;
	return flow == FLOW_BREAK;
}

static int range_list(struct run *r, const struct node *n, struct json *list, size_t depth)
{
	int e = 0;

	for (size_t i = 0; i < json_len(list) && e == 0; i++) {
		autojson struct json *key = json_new_u64(i);

		e = run_turn(r, n, key, json_at(list, i), depth);
	}
	return e;
}

static int range_number(struct run *r, const struct node *n, int64_t count, size_t depth)
{
	int e = 0;

	for (int64_t i = 0; i < count && e == 0; i++) {
		autojson struct json *key = json_new_i64(i);

		e = run_turn(r, n, key, key, depth);
	}
	return e;
}

static int range_map(struct run *r, const struct node *n, struct json *map, size_t depth)
{
	struct arena a = {};
	size_t count;
	const char **keys = value_keys(&a, map, &count);
	int e = run_charge(r, 16 * count);

	for (size_t i = 0; i < count && e == 0; i++) {
		autojson struct json *key = json_new_str(keys[i]);

		e = run_turn(r, n, key, json_get(map, keys[i]), depth);
	}
	arena_done(&a);
	return e;
}

static int run_range(struct run *r, const struct node *n, struct json *dot, size_t depth, enum flow *flow)
{
	autojson struct json *value = NULL;
	int64_t number = 0;
	int e;

	if (run_pipe(r, &n->pipe, dot, depth, &value) < 0)
		return -r->err->code;
	r->at = n->pipe.at;
	if (!value_true(value) && (!value || json_type(value) == JSON_ARRAY || json_type(value) == JSON_OBJECT ||
				   json_type(value) == JSON_INT))
		return run_nodes(r, &n->otherwise, dot, depth + 1, flow);
	switch (json_type(value)) {
	case JSON_ARRAY:
		e = range_list(r, n, value, depth);
		break;
	case JSON_OBJECT:
		e = range_map(r, n, value, depth);
		break;
	case JSON_INT:
		if (json_i64(value, &number) < 0 || number < 0)
			return run_nodes(r, &n->otherwise, dot, depth + 1, flow);
		e = range_number(r, n, number, depth);
		break;
	default:
		return fail(r, r->at, "range needs a list, a map or a whole number, got %s",
			    json_type_name(json_type(value)));
	}
	return e < 0 ? e : 0;
}

static int run_node(struct run *r, const struct node *n, struct json *dot, size_t depth, enum flow *flow)
{
	switch (n->type) {
	case NODE_TEXT:
		if (!buf_add(r->out, n->text, n->len))
			return too_much(r);
		return run_charge(r, n->len);
	case NODE_ACTION:
		return run_action(r, n, dot, depth);
	case NODE_RANGE:
		return run_range(r, n, dot, depth, flow);
	case NODE_BREAK:
		*flow = FLOW_BREAK;
		return 0;
	case NODE_CONTINUE:
		*flow = FLOW_CONTINUE;
		return 0;
	default:
		return run_choice(r, n, dot, depth, flow);
	}
}

static int run_nodes(struct run *r, const struct nodes *l, struct json *dot, size_t depth, enum flow *flow)
{
	for (size_t i = 0; i < l->count && *flow == FLOW_NEXT; i++) {
		r->at = l->items[i].at;
		if (run_charge(r, 1) < 0 || run_node(r, &l->items[i], dot, depth, flow) < 0)
			return -r->err->code;
	}
	return 0;
}

static int run_template(const struct template *t, struct json *value, bool headers, struct buf *out, struct error *err)
{
	struct run r = {.t = t, .out = out, .err = err, .headers = headers, .at = t->source};
	enum flow flow = FLOW_NEXT;
	int e;

	set_slot(&r, 0, value);
	e = run_nodes(&r, &t->root, value, 0, &flow);
	for (size_t i = 0; i < t->slot_count; i++)
		json_unref(r.slots[i]);
	return e;
}

int template_run(const struct template *t, struct json *value, struct buf *out, struct error *err)
{
	return run_template(t, value, false, out, err);
}

int template_run_headers(const struct template *t, struct json *headers, struct buf *out, struct error *err)
{
	return run_template(t, headers, true, out, err);
}
