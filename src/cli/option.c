/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing words by a table of options. Values are checked strictly here, so that a command sees only valid numbers; what
 * they mean is the command's business.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

void args_done(struct args *a)
{
	free(a->items);
	*a = (struct args){};
}

static void add_arg(struct args *a, char *word)
{
	a->items = mem_realloc(a->items, a->count + 2, sizeof(char *));
	a->items[a->count++] = word;
	a->items[a->count] = NULL;
}

static const struct option *find_long(const struct option *t, const char *name, size_t len)
{
	for (; t && t->name; t++)
		if (strncmp(t->name, name, len) == 0 && !t->name[len])
			return t;
	return NULL;
}

static const struct option *find_letter(const struct option *t, char c)
{
	for (; t && t->name; t++)
		if (t->letter == c)
			return t;
	return NULL;
}

static int bad(const struct option *o, const char *value, const char *expected, struct error *err)
{
	return error_set(err, ERROR_INVALID, EINVAL, "--%s: expected %s, got \"%s\"", o->name, expected, value);
}

static int to_bool(const struct option *o, const char *v, bool *ret, struct error *err)
{
	static const char *const yes[] = {"true", "1", "t", "T", "TRUE", "True", NULL};
	static const char *const no[] = {"false", "0", "f", "F", "FALSE", "False", NULL};

	for (size_t i = 0; yes[i]; i++) {
		if (str_eq(v, yes[i])) {
			*ret = true;
			return 0;
		}
		if (str_eq(v, no[i])) {
			*ret = false;
			return 0;
		}
	}
	return bad(o, v, "true or false", err);
}

static int set_number(const struct option *o, void *field, const char *v, struct error *err)
{
	struct option_u64 *u = field;
	struct option_i64 *i = field;
	uint32_t v32;
	int r;

	switch (o->type) {
	case OPTION_U32:
		r = str_to_u32(v, &v32);
		if (r < 0)
			return bad(o, v, "a number between 0 and 4294967295", err);
		*u = (struct option_u64){true, v32};
		return 0;
	case OPTION_U64:
		if (str_to_u64(v, &u->v) < 0)
			return bad(o, v, "a number that is not negative", err);
		u->set = true;
		return 0;
	case OPTION_I64:
		if (str_to_i64(v, &i->v) < 0)
			return bad(o, v, "a whole number", err);
		break;
	case OPTION_SIZE:
		if (str_to_size(v, o->flags & OPTION_MINUS_ONE, &i->v) < 0)
			return bad(o, v,
				   o->flags & OPTION_MINUS_ONE ? "a size such as 512m or 2g, or -1 for no limit"
							       : "a size such as 512m or 2g",
				   err);
		break;
	default:
		if (str_to_duration(v, &i->v) < 0)
			return bad(o, v, "a duration such as 500ms, 10s or 1m30s", err);
		break;
	}
	i->set = true;
	return 0;
}

static int set_value(const struct option *o, void *out, char *value, struct error *err)
{
	void *field = (char *)out + o->offset;
	int r;

	if (o->flags & OPTION_LATER) {
		error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "--%s is not supported yet", o->name);
		return error_hint(err, "%s", o->help);
	}

	switch (o->type) {
	case OPTION_BOOL:
		return to_bool(o, value ? value : "true", field, err);
	case OPTION_TRISTATE:
		r = to_bool(o, value ? value : "true", &((struct option_bool *)field)->v, err);
		((struct option_bool *)field)->set = r == 0;
		return r;
	case OPTION_OPTIONAL:
		*(const char **)field = value ? value : "";
		return 0;
	case OPTION_STRING:
		*(const char **)field = value;
		return 0;
	case OPTION_STRINGS:
		strv_push(field, value);
		return 0;
	default:
		return set_number(o, field, value, err);
	}
}

static bool takes_value(const struct option *o)
{
	return o->type != OPTION_BOOL && o->type != OPTION_TRISTATE && o->type != OPTION_OPTIONAL;
}

/* What stands between @typed and @name: letters that differ, or nothing when one begins the other. */
static size_t distance_to(const char *typed, const char *name, size_t limit)
{
	if (strlen(typed) >= 3 && str_starts(name, typed))
		return 0;
	return str_distance(typed, name, limit);
}

static int unknown(const struct option *table, const char *word, struct error *err)
{
	const char *name = word + strspn(word, "-");
	size_t len = strcspn(name, "=");
	size_t limit = len <= 4 ? 2 : 3;
	char typed[64];
	char near[128] = "";
	size_t at = 0;
	size_t found = 0;

	error_set(err, ERROR_INVALID, EINVAL, "unknown option: %s", word);
	if (len == 0 || len >= sizeof(typed))
		return -EINVAL;
	memcpy(typed, name, len);
	typed[len] = '\0';
	/* The nearest first, three at most. */
	for (size_t want = 0; want < limit; want++)
		for (const struct option *o = table; o && o->name && found < 3 && at < sizeof(near); o++)
			if (!(o->flags & (OPTION_HIDDEN | OPTION_LATER)) &&
			    distance_to(typed, o->name, limit) == want) {
				at += (size_t)snprintf(near + at, sizeof(near) - at, "%s--%s", found ? ", " : "",
						       o->name);
				found++;
			}
	return found ? error_hint(err, "did you mean %s?", near) : -EINVAL;
}

static int missing_value(const struct option *o, struct error *err)
{
	return error_set(err, ERROR_INVALID, EINVAL, "--%s needs a value%s%s", o->name, o->arg ? ": " : "",
			 o->arg ? o->arg : "");
}

/* "--name", "--name=value", "-name" (Go's form). Returns words used, 0 when it is none of ours. */
static int parse_long(const struct option *table, int argc, char **argv, void *out, struct error *err)
{
	const char *name = argv[0] + (argv[0][1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	const struct option *o = find_long(table, name, len);
	char *value = name[len] == '=' ? (char *)name + len + 1 : NULL;
	int used = 1;
	int r;

	if (!o)
		return 0;
	if (!value && takes_value(o) && !(o->flags & OPTION_LATER)) {
		if (argc < 2)
			return missing_value(o, err);
		value = argv[1];
		used = 2;
	}
	r = set_value(o, out, value, err);
	return r < 0 ? r : used;
}

/* "-x", "-xyz", "-x value", "-xvalue", "-x=value". */
static int parse_letters(const struct option *table, int argc, char **argv, void *out, struct error *err)
{
	char *p = argv[0] + 1;

	for (; *p; p++) {
		const struct option *o = find_letter(table, *p);
		char *value = p[1] ? p + 1 + (p[1] == '=') : NULL;
		int r;

		if (!o)
			return unknown(table, argv[0], err);
		if (!takes_value(o)) {
			r = set_value(o, out, p[1] == '=' ? value : NULL, err);
			if (r < 0 || p[1] == '=')
				return r < 0 ? r : 1;
			continue;
		}
		if (!value && argc < 2)
			return missing_value(o, err);
		r = set_value(o, out, value ? value : argv[1], err);
		return r < 0 ? r : value ? 1 : 2;
	}
	return 1;
}

bool option_has_next(const struct option *table, const char *word)
{
	const struct option *o = NULL;

	if (word[0] != '-' || strchr(word, '='))
		return false;
	o = find_long(table, word + (word[1] == '-' ? 2 : 1), strlen(word + (word[1] == '-' ? 2 : 1)));
	/* Of letters in a bundle only the last can have a value of its own. */
	for (const char *p = word + 1; !o && word[1] != '-' && *p; p++) {
		o = find_letter(table, *p);
		if (o && takes_value(o) && p[1])
			return false;
		if (o && !takes_value(o) && p[1])
			o = NULL;
		else if (!o)
			return false;
	}
	return o && takes_value(o) && !(o->flags & OPTION_LATER);
}

int option_parse(const struct option *table, int argc, char **argv, bool stop_at_first, void *out,
		 struct args *ret_args, struct error *err)
{
	int i = 0;

	while (i < argc) {
		int r;

		if (str_eq(argv[i], "--")) {
			i++;
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			if (stop_at_first)
				break;
			add_arg(ret_args, argv[i++]);
			continue;
		}
		r = parse_long(table, argc - i, argv + i, out, err);
		if (r == 0 && argv[i][1] == '-')
			r = unknown(table, argv[i], err);
		else if (r == 0)
			r = parse_letters(table, argc - i, argv + i, out, err);
		if (r < 0)
			return r;
		i += r;
	}
	while (i < argc)
		add_arg(ret_args, argv[i++]);
	return i;
}
