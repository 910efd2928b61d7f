/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions: one row each. Strings count as bytes where Go's do (len, index, slice); what is cut for people (truncate) is
 * cut between characters.
 */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "template/internal.h"

#define fail(r, ...) template_error((r)->t->source, (r)->at, ERROR_INVALID, (r)->err, __VA_ARGS__)

/* A string out of @text, within the bounds of a run. */
static int give(struct run *r, const struct buf *text, struct json **ret)
{
	if (text->failed)
		return template_error(r->t->source, r->at, ERROR_LIMIT, r->err, "a string of more than %d bytes",
				      TEMPLATE_MAX_STRING);
	*ret = json_new_str(buf_str(text));
	return run_charge(r, 1 + text->len);
}

static int want_string(struct run *r, const struct function *f, const struct json *j)
{
	if (json_type(j) == JSON_STRING || !j)
		return 0;
	return fail(r, "%s needs a string, got %s", f->name, json_type_name(json_type(j)));
}

static int want_number(struct run *r, const struct function *f, const struct json *j, int64_t *ret)
{
	if (json_type(j) == JSON_INT && json_i64(j, ret) == 0)
		return 0;
	return fail(r, "%s needs a whole number, got %s", f->name, json_type_name(json_type(j)));
}

/* ---- logic ---- */

static int call_not(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	(void)r;
	(void)f;
	(void)count;
	*ret = json_new_bool(!value_true(args[0]));
	return 0;
}

static bool is_number(const struct json *j)
{
	return json_type(j) == JSON_INT || json_type(j) == JSON_REAL;
}

static int order_numbers(const struct json *a, const struct json *b)
{
	int64_t x, y;

	if (json_i64(a, &x) == 0 && json_i64(b, &y) == 0)
		return x < y ? -1 : x > y;
	return json_real(a) < json_real(b) ? -1 : json_real(a) > json_real(b);
}

/* <0, 0, >0 into @ret. @equal: only whether they are equal is asked. */
static int compare(struct run *r, const struct function *f, const struct json *a, const struct json *b, bool equal,
		   int *ret)
{
	if (is_number(a) && is_number(b)) {
		*ret = order_numbers(a, b);
		return 0;
	}
	if (json_type(a) == JSON_STRING && json_type(b) == JSON_STRING) {
		*ret = strcmp(value_text(a), value_text(b));
		return 0;
	}
	if (equal && (!a || !b)) {
		*ret = a != b;
		return 0;
	}
	if (equal && json_type(a) == JSON_BOOL && json_type(b) == JSON_BOOL) {
		*ret = json_bool(a) != json_bool(b);
		return 0;
	}
	return fail(r, "%s can't compare %s with %s", f->name, json_type_name(json_type(a)),
		    json_type_name(json_type(b)));
}

/* eq: is the first one of the others? */
static int call_eq(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	for (size_t i = 1; i < count; i++) {
		int order;

		if (compare(r, f, args[0], args[i], true, &order) < 0)
			return -r->err->code;
		if (order == 0) {
			*ret = json_new_bool(true);
			return 0;
		}
	}
	*ret = json_new_bool(false);
	return 0;
}

static int call_ne(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	int order;

	(void)count;
	if (compare(r, f, args[0], args[1], true, &order) < 0)
		return -r->err->code;
	*ret = json_new_bool(order != 0);
	return 0;
}

static int call_order(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	int order;

	(void)count;
	if (compare(r, f, args[0], args[1], false, &order) < 0)
		return -r->err->code;
	*ret = json_new_bool(f->judge(order));
	return 0;
}
static bool judge_lt(int order)
{
	return order < 0;
}
static bool judge_le(int order)
{
	return order <= 0;
}
static bool judge_gt(int order)
{
	return order > 0;
}
static bool judge_ge(int order)
{
	return order >= 0;
}

/* ---- members ---- */

static int call_len(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	const enum json_type type = json_type(args[0]);

	(void)f;
	(void)count;
	if (type != JSON_STRING && type != JSON_ARRAY && type != JSON_OBJECT && type != JSON_NULL)
		return fail(r, "len needs a string, a list or a map, got %s", json_type_name(type));
	*ret = json_new_u64(type == JSON_STRING ? strlen(value_text(args[0])) : json_len(args[0]));
	return 0;
}

static int call_index(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autojson struct json *at = json_ref(args[0]);

	(void)f;
	for (size_t i = 1; i < count; i++) {
		struct json *next = NULL;

		if (value_index(r, at, args[i], &next) < 0)
			return -r->err->code;
		json_unref(at);
		at = next;
	}
	*ret = take_ptr(&at);
	return 0;
}

static int call_slice(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	const struct json *j = args[0];
	const bool text = json_type(j) == JSON_STRING;
	autobuf struct buf part = BUF_INIT(TEMPLATE_MAX_STRING);
	const size_t len = text ? strlen(value_text(j)) : json_len(j);
	int64_t from = 0;
	int64_t to = (int64_t)len;

	if (!text && json_type(j) != JSON_ARRAY)
		return fail(r, "slice needs a string or a list, got %s", json_type_name(json_type(j)));
	if ((count > 1 && want_number(r, f, args[1], &from) < 0) || (count > 2 && want_number(r, f, args[2], &to) < 0))
		return -r->err->code;
	if (from < 0 || to < from || (uint64_t)to > len)
		return fail(r, "slice from %lld to %lld is out of range: there are %zu", (long long)from, (long long)to,
			    len);
	if (text) {
		buf_add(&part, value_text(j) + from, (size_t)(to - from));
		return give(r, &part, ret);
	}
	*ret = json_new_array();
	for (int64_t i = from; i < to; i++)
		json_push(*ret, json_ref(json_at(j, (size_t)i)));
	return run_charge(r, (size_t)(to - from) + 1);
}

/* ---- text ---- */

static int call_json(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);

	(void)f;
	(void)count;
	(void)json_write(args[0], false, &text);
	return give(r, &text, ret);
}

/* As fmt.Sprint: blanks between operands when neither is a string; fmt.Sprintln: between all. */
static int print_all(struct run *r, struct json **args, size_t count, bool line, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);

	for (size_t i = 0; i < count; i++) {
		if (i && (line || (json_type(args[i]) != JSON_STRING && json_type(args[i - 1]) != JSON_STRING)))
			buf_putc(&text, ' ');
		(void)print_value(&text, args[i], 0);
	}
	if (line)
		buf_putc(&text, '\n');
	return give(r, &text, ret);
}

static int call_print(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	(void)f;
	return print_all(r, args, count, false, ret);
}

static int call_println(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	(void)f;
	return print_all(r, args, count, true, ret);
}

static int call_printf(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);

	if (want_string(r, f, args[0]) < 0)
		return -r->err->code;
	(void)print_format(r, args, count, &text);
	return give(r, &text, ret);
}

/* join LIST SEPARATOR; also SEPARATOR behind a pipe: {{.Names | join ","}} is what Podman's pages write. */
static int call_join(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);
	const bool turned = json_type(args[0]) == JSON_STRING && json_type(args[1]) != JSON_STRING;
	const struct json *list = args[turned ? 1 : 0];
	const struct json *separator = args[turned ? 0 : 1];

	(void)count;
	if (list && json_type(list) != JSON_ARRAY)
		return fail(r, "join needs a list and a separator, got %s", json_type_name(json_type(list)));
	if (want_string(r, f, separator) < 0)
		return -r->err->code;
	for (size_t i = 0; i < json_len(list); i++) {
		if (i)
			buf_puts(&text, value_text(separator));
		(void)print_value(&text, json_at(list, i), 0);
	}
	return give(r, &text, ret);
}

static int call_split(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	const char *text = value_text(args[0]);
	const char *separator = value_text(args[1]);

	(void)count;
	if (want_string(r, f, args[0]) < 0 || want_string(r, f, args[1]) < 0 ||
	    run_charge(r, 1 + 16 * strlen(text)) < 0)
		return -r->err->code;
	*ret = json_new_array();
	while (separator[0] || text[0]) {
		const char *end =
			separator[0] ? strstr(text, separator) : text + (str_utf8_char(text, strlen(text)) ?: 1);
		autofree char *part = NULL;

		if (!end || (!separator[0] && !*end)) {
			json_push(*ret, json_new_str(text));
			break;
		}
		part = mem_strndup(text, (size_t)(end - text));
		json_push(*ret, json_new_str(part));
		text = end + strlen(separator);
	}
	return 0;
}

static int call_case(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);
	bool start = true;

	(void)count;
	if (want_string(r, f, args[0]) < 0)
		return -r->err->code;
	for (const char *s = value_text(args[0]); *s; s++) {
		const unsigned char c = (unsigned char)*s;
		const bool up = f->name[0] == 'u' || (f->name[0] == 't' && start);

		buf_putc(&text, (char)(c >= 0x80 ? c : up ? toupper(c) : f->name[0] == 'l' ? tolower(c) : c));
		start = c < 0x80 && !isalnum(c) && c != '_' && c != '\'';
	}
	return give(r, &text, ret);
}

static int call_trim(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);
	const char *s = value_text(args[0]);
	size_t len;

	(void)count;
	if (want_string(r, f, args[0]) < 0)
		return -r->err->code;
	s += strspn(s, " \t\r\n\v\f");
	len = strlen(s);
	while (len && strchr(" \t\r\n\v\f", s[len - 1]))
		len--;
	buf_add(&text, s, len);
	return give(r, &text, ret);
}

static int call_truncate(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);
	const char *s = value_text(args[0]);
	const size_t have = strlen(s);
	size_t len = 0;
	int64_t most;

	(void)count;
	if (want_string(r, f, args[0]) < 0 || want_number(r, f, args[1], &most) < 0)
		return -r->err->code;
	if (most < 0)
		return fail(r, "truncate needs a length that is not negative, got %lld", (long long)most);
	while (len < have) {
		const size_t n = str_utf8_char(s + len, have - len) ?: 1;

		if (len + n > (uint64_t)most)
			break;
		len += n;
	}
	buf_add(&text, s, len);
	return give(r, &text, ret);
}

/* pad TEXT BEFORE AFTER: blanks around what is not empty. */
static int call_pad(struct run *r, const struct function *f, struct json **args, size_t count, struct json **ret)
{
	autobuf struct buf text = BUF_INIT(TEMPLATE_MAX_STRING);
	int64_t before, after;

	(void)count;
	if (want_string(r, f, args[0]) < 0 || want_number(r, f, args[1], &before) < 0 ||
	    want_number(r, f, args[2], &after) < 0)
		return -r->err->code;
	if (before < 0 || after < 0 || before > TEMPLATE_MAX_STRING || after > TEMPLATE_MAX_STRING)
		return fail(r, "pad needs numbers of blanks, got %lld and %lld", (long long)before, (long long)after);
	if (value_text(args[0])[0])
		buf_printf(&text, "%*s%s%*s", (int)before, "", value_text(args[0]), (int)after, "");
	return give(r, &text, ret);
}

/* clang-format off */
static const struct function functions[] = {
	{.name = "and", .min = 1, .max = -1, .lazy = true},
	{.name = "eq", .min = 2, .max = -1, .call = call_eq},
	{.name = "ge", .min = 2, .max = 2, .call = call_order, .judge = judge_ge},
	{.name = "gt", .min = 2, .max = 2, .call = call_order, .judge = judge_gt},
	{.name = "index", .min = 1, .max = -1, .call = call_index},
	{.name = "join", .min = 2, .max = 2, .call = call_join, .plain_headers = true},
	{.name = "json", .min = 1, .max = 1, .call = call_json, .plain_headers = true},
	{.name = "le", .min = 2, .max = 2, .call = call_order, .judge = judge_le},
	{.name = "len", .min = 1, .max = 1, .call = call_len},
	{.name = "lower", .min = 1, .max = 1, .call = call_case, .plain_headers = true},
	{.name = "lt", .min = 2, .max = 2, .call = call_order, .judge = judge_lt},
	{.name = "ne", .min = 2, .max = 2, .call = call_ne},
	{.name = "not", .min = 1, .max = 1, .call = call_not},
	{.name = "or", .min = 1, .max = -1, .lazy = true},
	{.name = "pad", .min = 3, .max = 3, .call = call_pad},
	{.name = "print", .min = 0, .max = -1, .call = call_print},
	{.name = "printf", .min = 1, .max = -1, .call = call_printf},
	{.name = "println", .min = 0, .max = -1, .call = call_println},
	{.name = "slice", .min = 1, .max = 3, .call = call_slice},
	{.name = "split", .min = 2, .max = 2, .call = call_split, .plain_headers = true},
	{.name = "title", .min = 1, .max = 1, .call = call_case, .plain_headers = true},
	{.name = "trim", .min = 1, .max = 1, .call = call_trim, .plain_headers = true},
	{.name = "truncate", .min = 2, .max = 2, .call = call_truncate, .plain_headers = true},
	{.name = "upper", .min = 1, .max = 1, .call = call_case, .plain_headers = true},
};
/* clang-format on */

const struct function *function_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (str_eq(functions[i].name, name))
			return &functions[i];
	return NULL;
}

const char *function_near(const char *name)
{
	const char *best = NULL;
	size_t distance = 3;

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		const size_t d = str_distance(name, functions[i].name, distance);

		if (d < distance) {
			distance = d;
			best = functions[i].name;
		}
	}
	return best;
}
