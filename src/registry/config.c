/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user configured about registries: registries.conf as Podman's users write it (containers-registries.conf(5)) with its
 * drop-ins, and two keys of Docker's daemon.json. Files give documents, documents give one struct; no file is needed.
 *
 * Drop-ins come after the main file, in the order of their names: a list of search registries replaces the one before, a
 * [[registry]] replaces the one with the same prefix, aliases are added.
 */
#include "registry/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "registry/internal.h"
#include "base/toml.h"
#include "safepath/safepath.h"

#define FILE_BYTES_MAX (1u << 20)
#define DROP_INS_MAX 1000

const char *registry_env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

const char *registry_home(void)
{
	return registry_env("HOME");
}

/* ---- registries.conf ---- */

static int wrong(struct error *err, const char *name, const char *what, const char *key)
{
	return error_set(err, ERROR_INVALID, EINVAL, "%s: %s: %s", name, key, what);
}

/* "host[:port][/path]" as a location: no scheme, no blanks. */
static bool is_location(const char *s)
{
	return *s && !strstr(s, "://") && !str_has_control(s) && !strchr(s, ' ') && *s != '/' && strlen(s) < 512;
}

static int take_text(struct arena *a, const struct json *table, const char *key, const char *name, const char **ret,
		     struct error *err)
{
	const struct json *v = json_get(table, key);

	if (!v)
		return 0;
	if (!json_str(v))
		return wrong(err, name, "expected a string", key);
	*ret = arena_strdup(a, json_str(v));
	return 0;
}

static int take_bool(const struct json *table, const char *key, const char *name, bool *ret, struct error *err)
{
	const struct json *v = json_get(table, key);

	if (!v)
		return 0;
	if (json_type(v) != JSON_BOOL)
		return wrong(err, name, "expected true or false", key);
	*ret = json_bool(v);
	return 0;
}

static char *without_slash(struct arena *a, const char *s)
{
	size_t len = strlen(s);

	while (len > 0 && s[len - 1] == '/')
		len--;
	return arena_strndup(a, s, len);
}

static int take_mirror(struct registry_config *c, struct config_registry *r, const struct json *j, bool digests_only,
		       const char *name, struct error *err)
{
	const char *location = NULL, *pull = digests_only ? "digest-only" : "all";
	struct config_mirror *m;
	bool insecure = false;

	if (json_type(j) != JSON_OBJECT)
		return wrong(err, name, "expected tables", "registry.mirror");
	if (take_text(&c->arena, j, "location", name, &location, err) < 0 ||
	    take_text(&c->arena, j, "pull-from-mirror", name, &pull, err) < 0 ||
	    take_bool(j, "insecure", name, &insecure, err) < 0)
		return -err->code;
	if (!location || !is_location(location))
		return wrong(err, name, "expected host[:port][/path] without https://", "registry.mirror.location");
	if (!str_eq(pull, "all") && !str_eq(pull, "digest-only") && !str_eq(pull, "tag-only"))
		return wrong(err, name, "expected all, digest-only or tag-only", "pull-from-mirror");
	m = &ARENA_PUSH(&c->arena, r->mirrors, r->mirror_count);
	m->location = without_slash(&c->arena, location);
	m->insecure = insecure;
	m->tags = !str_eq(pull, "digest-only");
	m->digests = !str_eq(pull, "tag-only");
	return 0;
}

static int take_registry(struct registry_config *c, const struct json *j, const char *name, struct error *err)
{
	const char *prefix = NULL, *location = NULL;
	struct config_registry r = {0}, *place = NULL;
	const struct json *mirrors = json_get(j, "mirror");
	bool digests_only = false;

	if (json_type(j) != JSON_OBJECT)
		return wrong(err, name, "expected tables", "registry");
	if (take_text(&c->arena, j, "prefix", name, &prefix, err) < 0 ||
	    take_text(&c->arena, j, "location", name, &location, err) < 0 ||
	    take_bool(j, "insecure", name, &r.insecure, err) < 0 ||
	    take_bool(j, "blocked", name, &r.blocked, err) < 0 ||
	    take_bool(j, "mirror-by-digest-only", name, &digests_only, err) < 0)
		return -err->code;
	if (!prefix)
		prefix = location;
	if (!prefix || !is_location(prefix))
		return wrong(err, name, "expected host[:port][/path] without https://", "registry.prefix");
	if (location && !is_location(location))
		return wrong(err, name, "expected host[:port][/path] without https://", "registry.location");
	if (strchr(prefix, '*') && (!str_starts(prefix, "*.") || strchr(prefix + 1, '*') || strchr(prefix, '/')))
		return wrong(err, name, "a * may stand only before the first dot of a host, without a path",
			     "registry.prefix");
	r.prefix = without_slash(&c->arena, prefix);
	r.location = location ? without_slash(&c->arena, location) : NULL;
	for (size_t i = 0; i < json_len(mirrors); i++)
		if (take_mirror(c, &r, json_at(mirrors, i), digests_only, name, err) < 0)
			return -err->code;
	for (size_t i = 0; i < c->registry_count; i++)
		if (str_eq(c->registries[i].prefix, r.prefix))
			place = &c->registries[i];
	if (!place)
		place = &ARENA_PUSH(&c->arena, c->registries, c->registry_count);
	*place = r;
	return 0;
}

static int take_list(struct registry_config *c, const struct json *doc, const char *key, const char *name,
		     const char ***ret, size_t *ret_count, struct error *err)
{
	const struct json *v = json_get(doc, key);
	const char **list = NULL;
	size_t count = 0;

	if (!v)
		return 0;
	if (json_type(v) != JSON_ARRAY)
		return wrong(err, name, "expected a list of strings", key);
	for (size_t i = 0; i < json_len(v); i++) {
		const char *s = json_str(json_at(v, i));

		if (!s || !is_location(s))
			return wrong(err, name, "expected host[:port] without https://", key);
		ARENA_PUSH(&c->arena, list, count) = without_slash(&c->arena, s);
	}
	*ret = list;
	*ret_count = count;
	return 0;
}

struct alias_job {
	struct registry_config *c;
	const char *name;
	struct error *err;
};

static int take_alias(const char *key, struct json *value, void *arg)
{
	struct alias_job *job = arg;
	struct registry_config *c = job->c;
	const char *target = json_str(value);
	struct config_alias *alias = NULL;

	if (!target)
		return wrong(job->err, job->name, "expected a string", "aliases");
	for (size_t i = 0; i < c->alias_count; i++)
		if (str_eq(c->aliases[i].name, key))
			alias = &c->aliases[i];
	if (!alias)
		alias = &ARENA_PUSH(&c->arena, c->aliases, c->alias_count);
	*alias = (struct config_alias){.name = arena_strdup(&c->arena, key), .target = arena_strdup(&c->arena, target)};
	return 0;
}

int config_take_registries(struct registry_config *c, const char *text, size_t len, const char *name, struct error *err)
{
	autojson struct json *doc = NULL;
	const struct json *list, *aliases;
	const char *mode = NULL;

	if (toml_parse(text, len, name, &doc, err) < 0)
		return -err->code;
	if (json_get(doc, "registries")) {
		error_set(err, ERROR_INVALID, EINVAL, "%s is of the old version 1", name);
		return error_hint(err,
				  "write unqualified-search-registries and [[registry]] instead of [registries.…]");
	}
	if (take_list(c, doc, "unqualified-search-registries", name, &c->search, &c->search_count, err) < 0 ||
	    take_text(&c->arena, doc, "short-name-mode", name, &mode, err) < 0)
		return -err->code;
	if (mode && !str_eq(mode, "enforcing") && !str_eq(mode, "permissive") && !str_eq(mode, "disabled"))
		return wrong(err, name, "expected enforcing, permissive or disabled", "short-name-mode");
	if (mode)
		c->enforcing = str_eq(mode, "enforcing");
	list = json_get(doc, "registry");
	if (list && json_type(list) != JSON_ARRAY)
		return wrong(err, name, "expected [[registry]]", "registry");
	for (size_t i = 0; i < json_len(list); i++)
		if (take_registry(c, json_at(list, i), name, err) < 0)
			return -err->code;
	aliases = json_get(doc, "aliases");
	if (aliases && json_type(aliases) != JSON_OBJECT)
		return wrong(err, name, "expected a table", "aliases");
	return aliases ? json_each(aliases, take_alias, &(struct alias_job){c, name, err}) : 0;
}

/* ---- daemon.json ---- */

static int take_hub_mirror(struct registry_config *c, const char *url, const char *name, struct error *err)
{
	bool plain = str_starts(url, "http://");
	const char *location = plain ? url + 7 : str_starts(url, "https://") ? url + 8 : url;
	struct config_mirror *m;

	if (!is_location(location))
		return wrong(err, name, "expected https://host[:port][/path]", "registry-mirrors");
	m = &ARENA_PUSH(&c->arena, c->hub_mirrors, c->hub_mirror_count);
	*m = (struct config_mirror){.location = without_slash(&c->arena, location),
				    .insecure = plain,
				    .tags = true,
				    .digests = true};
	return 0;
}

int config_take_daemon(struct registry_config *c, const char *text, size_t len, const char *name, struct error *err)
{
	autojson struct json *doc = NULL;
	const struct json *mirrors, *insecure;

	if (json_parse(text, len, name, &doc, err) < 0)
		return -err->code;
	mirrors = json_get(doc, "registry-mirrors");
	insecure = json_get(doc, "insecure-registries");
	for (size_t i = 0; i < json_len(mirrors); i++) {
		const char *url = json_str(json_at(mirrors, i));

		if (!url)
			return wrong(err, name, "expected a list of strings", "registry-mirrors");
		if (take_hub_mirror(c, url, name, err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < json_len(insecure); i++) {
		const char *host = json_str(json_at(insecure, i));

		if (!host)
			return wrong(err, name, "expected a list of strings", "insecure-registries");
		ARENA_PUSH(&c->arena, c->insecure, c->insecure_count) = arena_strdup(&c->arena, host);
	}
	return 0;
}

/* ---- files ---- */

typedef int (*take_fn)(struct registry_config *c, const char *text, size_t len, const char *name, struct error *err);

/* Read @path when it exists; @needed: it must. Returns 1 when it was read, 0 when it is not there. */
static int read_file(struct registry_config *c, const char *path, bool needed, take_fn take, struct error *err)
{
	autobuf struct buf text = BUF_INIT(FILE_BYTES_MAX);

	if (safepath_host_read(path, true, &text, err) < 0) {
		if (!needed && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_DENIED))
			return 0;
		return -err->code;
	}
	return take(c, buf_str(&text), text.len, path, err) < 0 ? -err->code : 1;
}

/* <folder>/<x>.conf in the order of their names. */
static int read_drop_ins(struct registry_config *c, const char *folder, struct error *err)
{
	autostrv struct strv names = {0};
	struct error missing;
	autofd int fd = safepath_host_open(folder, O_RDONLY | O_DIRECTORY, 0, &missing);
	size_t taken = 0;

	if (fd < 0)
		return 0;
	if (safepath_list(fd, &names, err) < 0)
		return error_wrap(err, "'%s'", folder);
	for (size_t i = 0; i < names.count && taken < DROP_INS_MAX; i++) {
		autofree char *path = mem_printf("%s/%s", folder, names.items[i]);

		if (!str_ends(path, ".conf"))
			continue;
		taken++;
		if (read_file(c, path, false, config_take_registries, err) < 0)
			return -err->code;
	}
	return 0;
}

static char *user_config(const char *rest)
{
	const char *config = registry_env("XDG_CONFIG_HOME"), *home = registry_home();

	if (config && *config == '/')
		return mem_printf("%s/%s", config, rest);
	return home ? mem_printf("%s/.config/%s", home, rest) : NULL;
}

static int load_registries(struct registry_config *c, const char *given, struct error *err)
{
	autofree char *users = user_config("containers/registries.conf");
	autofree char *users_folder = user_config("containers/registries.conf.d");
	const char *env = registry_env("CONTAINERS_REGISTRIES_CONF");
	int r = 0;

	if (given || env)
		return read_file(c, given ? given : env, true, config_take_registries, err);
	if (geteuid() != 0 && users)
		r = read_file(c, users, false, config_take_registries, err);
	if (r == 0)
		r = read_file(c, "/etc/containers/registries.conf", false, config_take_registries, err);
	if (r >= 0)
		r = read_drop_ins(c, "/etc/containers/registries.conf.d", err);
	if (r >= 0 && geteuid() != 0 && users_folder)
		r = read_drop_ins(c, users_folder, err);
	return r;
}

static int load_daemon(struct registry_config *c, const char *given, struct error *err)
{
	autofree char *users = user_config("docker/daemon.json");

	if (given)
		return read_file(c, given, true, config_take_daemon, err);
	if (geteuid() != 0 && users) {
		int r = read_file(c, users, false, config_take_daemon, err);

		if (r != 0)
			return r;
	}
	return read_file(c, "/etc/docker/daemon.json", false, config_take_daemon, err);
}

int registry_config_load(const struct registry_config_options *options, struct registry_config **ret, struct error *err)
{
	autoregistryconfig struct registry_config *c = mem_zalloc(1, sizeof(*c));

	if (load_registries(c, options ? options->registries_conf : NULL, err) < 0 ||
	    load_daemon(c, options ? options->daemon_json : NULL, err) < 0)
		return -err->code;
	*ret = take_ptr(&c);
	return 0;
}

void registry_config_free(struct registry_config *c)
{
	if (!c)
		return;
	arena_done(&c->arena);
	free(c);
}

/* ---- short names ---- */

static void push_candidate(struct arena *a, struct image_reference **list, size_t *count,
			   const struct image_reference *r)
{
	ARENA_PUSH(a, *list, *count) = *r;
}

/* @target with the tag and digest of @typed. */
static int from_alias(struct arena *a, const char *target, const struct image_reference *typed,
		      struct image_reference *ret, struct error *err)
{
	if (image_reference_parse(a, target, ret, err) < 0)
		return error_wrap(err, "the alias for what was typed");
	if (typed->tag)
		ret->tag = typed->tag;
	if (typed->digest)
		ret->digest = typed->digest;
	return 0;
}

/* What was typed without a registry: its name up to tag and digest. */
static char *short_name(struct arena *a, const char *text)
{
	char *name = arena_strdup(a, text);
	char *colon;

	name[strcspn(name, "@")] = '\0';
	colon = strrchr(name, ':');
	if (colon && !strchr(colon, '/'))
		*colon = '\0';
	return name;
}

int registry_config_candidates(const struct registry_config *c, struct arena *a, const char *text,
			       struct image_reference **ret, size_t *ret_count, struct error *err)
{
	struct image_reference typed, one, *list = NULL;
	size_t count = 0;
	const char *name, *familiar;
	bool aliased;

	if (image_reference_parse(a, text, &typed, err) < 0)
		return -err->code;
	name = short_name(a, text);
	familiar = arena_printf(a, "%s/", typed.domain);
	/* Was a registry typed? Then the name begins with it. */
	if (!str_starts(text, familiar) && !str_starts(text, "index.docker.io/")) {
		for (size_t i = 0; i < c->alias_count; i++) {
			if (!str_eq(c->aliases[i].name, name))
				continue;
			if (from_alias(a, c->aliases[i].target, &typed, &one, err) < 0)
				return -err->code;
			push_candidate(a, &list, &count, &one);
		}
		aliased = count > 0;
		if (!aliased && c->search_count > 1 && c->enforcing) {
			error_set(err, ERROR_CONFLICT, EINVAL,
				  "'%.80s' may be in any of %zu registries, and short-name-mode is enforcing", text,
				  c->search_count);
			return error_hint(err, "name the registry: %.60s/%.80s", c->search[0], text);
		}
		for (size_t i = 0; !aliased && i < c->search_count; i++) {
			if (image_reference_parse(a, arena_printf(a, "%s/%s", c->search[i], text), &one, err) < 0)
				return -err->code;
			push_candidate(a, &list, &count, &one);
		}
	}
	if (!count)
		push_candidate(a, &list, &count, &typed);
	*ret = list;
	*ret_count = count;
	return 0;
}
