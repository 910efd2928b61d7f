/* SPDX-License-Identifier: Apache-2.0 */
/* bothy search: repositories of a registry. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/filter.h"
#include "cli/list.h"
#include "cli/registry_options.h"

#define DESCRIPTION_CHARS 45
#define LIMIT_MAX 100
#define LIMIT_DEFAULT 25

struct search_options {
	struct engine_registry_options registry;
	struct strv filters;
	struct option_bool tls_verify;
	const char *format, *limit;
	bool no_trunc, list_tags;
};

/* clang-format off */
static const struct option table[] = {
	{"list-tags", 0, OPTION_BOOL, offsetof(struct search_options, list_tags), NULL, "list the tags of the repository that is named", 0},
	{"limit", 0, OPTION_STRING, offsetof(struct search_options, limit), "N", "at most this many, 1 to 100 (default 25); of tags any number (default all)", 0},
	{"filter", 'f', OPTION_STRINGS, offsetof(struct search_options, filters), "KEY=VALUE", "stars=N (at least), is-official=BOOL, is-automated=BOOL", 0},
	{"no-trunc", 0, OPTION_BOOL, offsetof(struct search_options, no_trunc), NULL, "print whole descriptions", 0},
	{"format", 0, OPTION_STRING, offsetof(struct search_options, format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	REGISTRY_OPTIONS(struct search_options, registry),
	OPTION_END,
};

static const struct list_field fields[] = {
	{"Name", "NAME"}, {"Description", "DESCRIPTION"}, {"StarCount", "STARS"}, {"IsOfficial", "OFFICIAL"},
	{"IsAutomated", "AUTOMATED"}, {NULL, NULL},
};
static const struct list_kind kind = {
	fields, "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}", "{{.Name}}",
};
static const struct list_field tag_fields[] = {{"Name", "NAME"}, {"Tag", "TAG"}, {NULL, NULL}};
static const struct list_kind tag_kind = {tag_fields, "table {{.Name}}\t{{.Tag}}", "{{.Tag}}"};
static const char *const filter_keys[] = {"stars", "is-official", "is-automated", NULL};
/* clang-format on */

/* The first @chars characters of @text, then "…"; in place (a character is at least as long as the mark is replaced for). */
static char *cut(char *text_consume, size_t chars)
{
	autofree char *text = text_consume;
	size_t len = strlen(text), at = 0, last = 0, n = 0;

	while (at < len && n < chars) {
		size_t step = str_utf8_char(text + at, len - at);

		last = at;
		at += step ? step : 1;
		n++;
	}
	if (at >= len)
		return take_ptr(&text);
	return mem_printf("%.*s…", (int)last, text);
}

/* Does the repository @arg fit? */
static int matches(const char *key, const char *value, void *arg, struct error *err)
{
	const struct json *j = arg;
	uint64_t least, stars = 0;
	bool want;

	if (str_eq(key, "stars")) {
		if (str_to_u64(value, &least) < 0)
			return error_set(err, ERROR_INVALID, EINVAL, "--filter: stars: expected a number, got \"%s\"",
					 value);
		(void)json_u64(json_get(j, "star_count"), &stars); /* below zero: none */
		return stars >= least;
	}
	if (filter_bool(key, value, &want, err) < 0)
		return -err->code;
	return json_bool(json_get(j, str_eq(key, "is-official") ? "is_official" : "is_automated")) == want;
}

static struct json *make_row(const struct json *j, const struct search_options *o)
{
	const char *description = json_str(json_get(j, "description"));
	struct json *row = json_new_object();
	uint64_t stars = 0;
	char number[24];

	autofree char *name = str_neutral(json_str(json_get(j, "name")));
	autofree char *text = mem_strdup(description ? description : "");

	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	autofree char *shown = str_neutral(text);

	if (!o->no_trunc)
		shown = cut(shown, DESCRIPTION_CHARS);
	(void)json_u64(json_get(j, "star_count"), &stars); /* below zero: none */
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)stars);
	json_set(row, "Description", json_new_str(shown));
	json_set(row, "IsAutomated", json_new_str(json_bool(json_get(j, "is_automated")) ? "[OK]" : ""));
	json_set(row, "IsOfficial", json_new_str(json_bool(json_get(j, "is_official")) ? "[OK]" : ""));
	json_set(row, "Name", json_new_str(name));
	json_set(row, "StarCount", json_new_str(number));
	return row;
}

static int print(const struct json *results, const struct filters *filters, const struct search_options *o,
		 struct list *l, struct error *err)
{
	for (size_t i = 0; i < json_len(results); i++) {
		struct json *j = json_at(results, i);
		int r = filters_match(filters, filter_keys, matches, j, err);

		if (r > 0)
			r = list_add(l, make_row(j, o), err);
		if (r < 0)
			return r;
	}
	return list_end(l, err);
}

/* "registry.example/term" asks there, anything else Docker Hub. */
static int split_term(struct arena *a, const char *text, const char **ret_domain, const char **ret_term,
		      struct error *err)
{
	const char *slash = strchr(text, '/');
	char *first = slash ? arena_strndup(a, text, (size_t)(slash - text)) : NULL;

	if (!*text || str_has_control(text) || strlen(text) > 500)
		return error_set(err, ERROR_INVALID, EINVAL, "search: expected a word to look for");
	if (!first || !(strpbrk(first, ".:") || str_eq(first, "localhost"))) {
		*ret_domain = "docker.io";
		*ret_term = text;
		return 0;
	}
	*ret_term = slash + 1;
	return engine_registry_name(a, first, ret_domain, err);
}

/* Podman's `search --list-tags`. */
static int list_tags(const char *typed, const struct search_options *o, struct error *err)
{
	autoclean(arena_done) struct arena a = {0};
	autojson struct json *found = NULL;
	autolist struct list *l = NULL;
	struct image_reference ref;
	uint32_t limit = UINT32_MAX;
	const struct json *tags;

	if (o->limit && (str_to_u32(o->limit, &limit) < 0 || limit < 1))
		return error_set(err, ERROR_INVALID, EINVAL, "--limit: expected a number above 0, got \"%s\"",
				 o->limit);
	if (o->filters.count)
		return error_set(err, ERROR_INVALID, EINVAL, "--filter: tags have nothing to filter by");
	if (list_new(&tag_kind, o->format, false, &l, err) < 0 || image_reference_parse(&a, typed, &ref, err) < 0)
		return -err->code;
	if (ref.tag || ref.digest)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--list-tags: expected a repository, '%s' is one image of it", typed);
	if (engine_list_tags(ref.domain, ref.path, &o->registry, &found, err) < 0)
		return -err->code;
	tags = json_get(found, "tags");
	for (size_t i = 0; i < json_len(tags) && i < limit; i++) {
		autofree char *tag = str_neutral(json_str(json_at(tags, i)));
		struct json *row = json_new_object();

		json_set(row, "Name", json_new_str(arena_printf(&a, "%s/%s", ref.domain, ref.path)));
		json_set(row, "Tag", json_new_str(tag));
		if (list_add(l, row, err) < 0)
			return -err->code;
	}
	return list_end(l, err);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct search_options *o = options;
	autoclean(arena_done) struct arena a = {0};
	autojson struct json *found = NULL;
	uint32_t limit = LIMIT_DEFAULT;
	autoclean(filters_done) struct filters filters = {0};
	autolist struct list *l = NULL;
	const char *domain, *term = NULL;

	(void)global;
	o->registry.no_verify = o->tls_verify.set && !o->tls_verify.v;
	if (o->list_tags)
		return list_tags(args->items[0], o, err);
	if (o->limit && (str_to_u32(o->limit, &limit) < 0 || limit < 1 || limit > LIMIT_MAX))
		return error_set(err, ERROR_INVALID, EINVAL, "--limit: expected a number from 1 to %d, got \"%s\"",
				 LIMIT_MAX, o->limit);
	if (list_new(&kind, o->format, false, &l, err) < 0 ||
	    filters_parse(&o->filters, filter_keys, &filters, err) < 0 ||
	    split_term(&a, args->items[0], &domain, &term, err) < 0 ||
	    engine_search(domain, term, limit, &o->registry, &found, err) < 0)
		return -err->code;
	return print(json_get(found, "results"), &filters, o, l, err);
}

static void done(void *options)
{
	strv_done(&((struct search_options *)options)->filters);
}

const struct command cmd_search = {
	.name = "search",
	.group = "Registries",
	.args = "[REGISTRY/]TERM",
	.summary = "find repositories in a registry",
	.details =
		"Docker Hub is asked unless the term begins with a registry: that one's search (or where it has none, its\n"
		"catalogue) is used. With --list-tags it is the name of one repository.",
	.options = table,
	.options_size = sizeof(struct search_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
	.done = done,
	.examples = "  bothy search --filter is-official=true nginx\n  bothy search registry.example:5000/team\n"
		    "  bothy search --list-tags registry.example:5000/team/app",
};
