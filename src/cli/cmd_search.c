/* SPDX-License-Identifier: Apache-2.0 */
/* bothy search: repositories of a registry. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bothy.h"

#define DESCRIPTION_CHARS 45
#define LIMIT_MAX 100

struct search_options {
	struct engine_registry_options registry;
	struct option_u64 limit;
	struct strv filters;
	struct option_bool tls_verify;
	const char *format;
	bool no_trunc;
};

/* clang-format off */
static const struct option table[] = {
	{"limit", 0, OPTION_U32, offsetof(struct search_options, limit), "N", "at most this many, 1 to 100 (default 25)", 0},
	{"filter", 'f', OPTION_STRINGS, offsetof(struct search_options, filters), "KEY=VALUE", "stars=N (at least), is-official=BOOL, is-automated=BOOL", 0},
	{"no-trunc", 0, OPTION_BOOL, offsetof(struct search_options, no_trunc), NULL, "print whole descriptions", 0},
	{"format", 0, OPTION_STRING, offsetof(struct search_options, format), "FORMAT", "table, or json: one object a line", 0},
	{"authfile", 0, OPTION_STRING, offsetof(struct search_options, registry.authfile), "FILE", "logins (default: $REGISTRY_AUTH_FILE, Podman's auth.json, Docker's config.json)", 0},
	{"creds", 0, OPTION_STRING, offsetof(struct search_options, registry.creds), "USER:PASSWORD", "log in as this for once", 0},
	{"cert-dir", 0, OPTION_STRING, offsetof(struct search_options, registry.cert_dir), "DIR", "certificates in place of certs.d", 0},
	{"tls-verify", 0, OPTION_TRISTATE, offsetof(struct search_options, tls_verify), NULL, "verify TLS (default true); false allows http as well", 0},
	OPTION_END,
};
/* clang-format on */

struct filter {
	uint64_t stars;
	struct option_bool official, automated;
};

static int parse_bool(const char *text, struct option_bool *ret)
{
	ret->set = true;
	ret->v = str_eq(text, "true") || str_eq(text, "1");
	return ret->v || str_eq(text, "false") || str_eq(text, "0") ? 0 : -EINVAL;
}

static int parse_filter(const char *text, struct filter *f, struct error *err)
{
	int r = -EINVAL;

	if (str_starts(text, "stars="))
		r = str_to_u64(text + strlen("stars="), &f->stars);
	else if (str_starts(text, "is-official="))
		r = parse_bool(text + strlen("is-official="), &f->official);
	else if (str_starts(text, "is-automated="))
		r = parse_bool(text + strlen("is-automated="), &f->automated);
	return r < 0 ? error_set(err, ERROR_INVALID, EINVAL,
				 "--filter: expected stars=N, is-official=BOOL or is-automated=BOOL, got \"%s\"", text)
		     : 0;
}

struct row {
	char *name, *description; /* owned */
	uint64_t stars;
	bool official, automated;
};

static void row_done(struct row *r)
{
	free(r->name);
	free(r->description);
}

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

static void fill(struct row *r, const struct json *j, const struct search_options *o)
{
	const char *description = json_str(json_get(j, "description"));

	*r = (struct row){.name = str_neutral(json_str(json_get(j, "name"))),
			  .official = json_bool(json_get(j, "is_official")),
			  .automated = json_bool(json_get(j, "is_automated"))};
	r->description = str_neutral(description ? description : "");
	for (char *c = r->description; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	if (!o->no_trunc)
		r->description = cut(r->description, DESCRIPTION_CHARS);
	(void)json_u64(json_get(j, "star_count"), &r->stars); /* below zero: none */
}

static bool passes(const struct row *r, const struct filter *f)
{
	return r->stars >= f->stars && (!f->official.set || f->official.v == r->official) &&
	       (!f->automated.set || f->automated.v == r->automated);
}

static void print_json_line(const struct row *r)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(1u << 20);
	char stars[24];

	(void)snprintf(stars, sizeof(stars), "%llu", (unsigned long long)r->stars);
	json_set(j, "Description", json_new_str(r->description));
	json_set(j, "IsAutomated", json_new_str(r->automated ? "true" : "false"));
	json_set(j, "IsOfficial", json_new_str(r->official ? "true" : "false"));
	json_set(j, "Name", json_new_str(r->name));
	json_set(j, "StarCount", json_new_str(stars));
	if (json_write(j, false, &text))
		printf("%s\n", buf_str(&text));
}

static int chars_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_table(const struct row *rows, size_t count)
{
	int name = 4, description = 11;

	for (size_t i = 0; i < count; i++) {
		name = chars_of(rows[i].name) > name ? chars_of(rows[i].name) : name;
		description = chars_of(rows[i].description) > description ? chars_of(rows[i].description) : description;
	}
	printf("%-*s   %-*s   %-5s   OFFICIAL\n", name, "NAME", description, "DESCRIPTION", "STARS");
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		printf("%s%*s   %s%*s   %-5llu   %s\n", r->name, name - chars_of(r->name), "", r->description,
		       description - chars_of(r->description), "", (unsigned long long)r->stars,
		       r->official ? "[OK]" : "");
	}
}

static void print(const struct json *results, const struct filter *f, const struct search_options *o)
{
	struct row *rows = NULL;
	size_t count = 0;

	for (size_t i = 0; i < json_len(results); i++) {
		struct row r;

		fill(&r, json_at(results, i), o);
		if (passes(&r, f))
			VEC_PUSH(rows, count) = r;
		else
			row_done(&r);
	}
	if (!str_eq(o->format, "json"))
		print_table(rows, count);
	for (size_t i = 0; i < count; i++) {
		if (str_eq(o->format, "json"))
			print_json_line(&rows[i]);
		row_done(&rows[i]);
	}
	free(rows);
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

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct search_options *o = options;
	autoclean(arena_done) struct arena a = {0};
	autojson struct json *found = NULL;
	uint32_t limit = o->limit.set ? (uint32_t)o->limit.v : 25;
	struct filter filter = {0};
	const char *domain, *term = NULL;

	(void)global;
	if (o->format && !str_eq(o->format, "json") && !str_eq(o->format, "table"))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "--format: expected table or json, got \"%s\"",
				 o->format);
	if (limit < 1 || limit > LIMIT_MAX)
		return error_set(err, ERROR_INVALID, EINVAL, "--limit: expected 1 to %d, got %u", LIMIT_MAX, limit);
	for (size_t i = 0; i < o->filters.count; i++)
		if (parse_filter(o->filters.items[i], &filter, err) < 0)
			return -err->code;
	o->registry.no_verify = o->tls_verify.set && !o->tls_verify.v;
	if (split_term(&a, args->items[0], &domain, &term, err) < 0 ||
	    engine_search(domain, term, limit, &o->registry, &found, err) < 0)
		return -err->code;
	print(json_get(found, "results"), &filter, o);
	return 0;
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
		"catalogue) is used.",
	.options = table,
	.options_size = sizeof(struct search_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
	.done = done,
	.examples = "  bothy search --filter is-official=true nginx\n  bothy search registry.example:5000/team",
};
