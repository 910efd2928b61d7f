/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins: found in the files of Podman and Docker, kept in Docker's. The two formats are one: "auths" by registry (Podman's also
 * by repository), "credHelpers" by registry, "credsStore" for all. Files are rewritten whole, beside and renamed, with what we
 * do not know left as it was.
 */
#include "registry/login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "registry/internal.h"
#include "safepath/safepath.h"

#define FILE_BYTES_MAX (1u << 20)
#define FILES_MAX 4
#define HUB_KEY "https://index.docker.io/v1/"

const char *login_key(const char *domain)
{
	return str_eq(domain, "docker.io") ? HUB_KEY : domain;
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *login_base64_decode(const char *text)
{
	size_t len = strlen(text), n = 0;
	autofree char *out = mem_alloc(len + 1);
	uint32_t bits = 0;
	unsigned have = 0;

	while (len > 0 && text[len - 1] == '=')
		len--;
	if (strlen(text) % 4 || strlen(text) - len > 2)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(alphabet, text[i]);

		if (!at)
			return NULL;
		bits = bits << 6 | (uint32_t)(at - alphabet);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n] = (char)(bits >> have & 0xff);
			if (!out[n++])
				return NULL;
		}
	}
	out[n] = '\0';
	return take_ptr(&out);
}

char *login_base64_encode(const char *text)
{
	size_t len = strlen(text);
	char *out = mem_alloc((len + 2) / 3 * 4 + 1), *o = out;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			bits |= (unsigned char)text[i + 2];
		*o++ = alphabet[bits >> 18];
		*o++ = alphabet[bits >> 12 & 63];
		*o++ = i + 1 < len ? alphabet[bits >> 6 & 63] : '=';
		*o++ = i + 2 < len ? alphabet[bits & 63] : '=';
	}
	*o = '\0';
	return out;
}

/* ---- keys ---- */

/* A key as people and programs write it: with a scheme, an API version, a slash at its end. In @a. */
static char *normal_key(struct arena *a, const char *key)
{
	char *k;
	size_t len;

	if (str_starts(key, "https://"))
		key += 8;
	else if (str_starts(key, "http://"))
		key += 7;
	k = arena_strdup(a, key);
	len = strlen(k);
	while (len > 0 && k[len - 1] == '/')
		k[--len] = '\0';
	if (str_ends(k, "/v1") || str_ends(k, "/v2"))
		k[len - 3] = '\0';
	return str_eq(k, "index.docker.io") || str_eq(k, "registry-1.docker.io") ? arena_strdup(a, "docker.io") : k;
}

struct search {
	struct arena *a;
	const char *domain, *name; /* the name: domain/path */
	const char *best_key;      /* of the document */
	struct json *best;
	size_t best_len;
};

static int look_at_key(const char *key, struct json *value, void *arg)
{
	struct search *s = arg;
	const char *k = normal_key(s->a, key);
	size_t len = strlen(k);

	if (!str_starts(s->name, k) || (s->name[len] && s->name[len] != '/') || len < strlen(s->domain))
		return 0;
	if (len > s->best_len) {
		s->best = value;
		s->best_key = key;
		s->best_len = len;
	}
	return 0;
}

/* The value of the most specific key of @object for the search. */
static struct json *best_of(struct search *s, const struct json *object)
{
	s->best = NULL;
	s->best_key = NULL;
	s->best_len = 0;
	(void)json_each(object, look_at_key, s);
	return s->best;
}

static int take_entry(struct arena *a, const struct json *entry, const char *name, const char *key,
		      struct registry_login *ret, struct error *err)
{
	const char *auth = json_str(json_get(entry, "auth"));
	const char *identity = json_str(json_get(entry, "identitytoken"));
	autofree char *text = NULL;
	char *colon;

	if (identity && *identity) {
		ret->identity_token = arena_strdup(a, identity);
		ret->source = arena_strdup(a, name);
	}
	if (!auth || !*auth) {
		const char *user = json_str(json_get(entry, "username")),
			   *password = json_str(json_get(entry, "password"));

		if (user && *user && password) {
			ret->username = arena_strdup(a, user);
			ret->password = arena_strdup(a, password);
			ret->source = arena_strdup(a, name);
		}
		return ret->source != NULL;
	}
	text = login_base64_decode(auth);
	colon = text ? strchr(text, ':') : NULL;
	if (!colon || str_has_control(text))
		return error_set(err, ERROR_INVALID, EINVAL, "%s: auths: \"%s\": auth is not base64 of user:password",
				 name, key);
	*colon = '\0';
	ret->username = arena_strdup(a, text);
	ret->password = arena_strdup(a, colon + 1);
	ret->source = arena_strdup(a, name);
	return 1;
}

int login_from_document(struct arena *a, const struct json *doc, const char *name, const char *domain, const char *path,
			struct registry_login *ret, const char **ret_helper, struct error *err)
{
	struct search s = {.a = a, .domain = domain, .name = path ? arena_printf(a, "%s/%s", domain, path) : domain};
	const struct json *entry;
	const char *store = json_str(json_get(doc, "credsStore"));
	struct registry_login login = {0};

	*ret_helper = json_str(best_of(&s, json_get(doc, "credHelpers")));
	if (*ret_helper)
		return 1;
	entry = best_of(&s, json_get(doc, "auths"));
	/* With a store for all, an empty entry says only that there is something in it. */
	if (entry && json_len(entry) > 0) {
		int r = take_entry(a, entry, name, s.best_key, &login, err);

		if (r < 0)
			return r;
		if (r > 0) {
			*ret = login;
			return 1;
		}
	}
	*ret_helper = store && *store ? store : NULL;
	return *ret_helper != NULL;
}

/* ---- files ---- */

static char *docker_file(void)
{
	const char *folder = registry_env("DOCKER_CONFIG"), *home = registry_home();

	if (folder)
		return mem_printf("%s/config.json", folder);
	return home ? mem_printf("%s/.docker/config.json", home) : NULL;
}

/* The files to be read, in order. */
static void list_files(const char *authfile, struct strv *files)
{
	const char *env = registry_env("REGISTRY_AUTH_FILE"), *runtime = registry_env("XDG_RUNTIME_DIR");
	const char *config = registry_env("XDG_CONFIG_HOME"), *home = registry_home();

	if (authfile || env) {
		strv_push(files, authfile ? authfile : env);
		return;
	}
	if (runtime)
		strv_push_take(files, mem_printf("%s/containers/auth.json", runtime));
	if (geteuid() == 0)
		strv_push_take(files, mem_printf("/run/containers/0/auth.json"));
	if (config)
		strv_push_take(files, mem_printf("%s/containers/auth.json", config));
	else if (home)
		strv_push_take(files, mem_printf("%s/.config/containers/auth.json", home));
	char *docker = docker_file();

	if (docker)
		strv_push_take(files, docker);
}

/* Returns 1 with a document, 0 when the file is not there (or empty), or <0. */
static int read_document(const char *path, struct json **ret, struct error *err)
{
	autobuf struct buf text = BUF_INIT(FILE_BYTES_MAX);
	autojson struct json *doc = NULL;

	if (safepath_host_read(path, true, &text, err) < 0)
		return err->kind == ERROR_NOT_FOUND ? 0 : -err->code;
	if (text.len == 0)
		return 0;
	if (json_parse(buf_str(&text), text.len, path, &doc, err) < 0)
		return -err->code;
	if (json_type(doc) != JSON_OBJECT)
		return error_set(err, ERROR_INVALID, EINVAL, "%s: expected an object", path);
	*ret = take_ptr(&doc);
	return 1;
}

int registry_login_find(struct arena *a, const char *authfile, const char *domain, const char *path,
			struct registry_login *ret, struct error *err)
{
	autostrv struct strv files = {0};
	struct registry_login login = {0};
	struct stat st;

	if (authfile && safepath_host_stat(authfile, &st) == -ENOENT) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "--authfile: there is no file '%s'", authfile);
		return error_hint(err, "bothy login --authfile FILE makes one");
	}
	list_files(authfile, &files);
	for (size_t i = 0; i < files.count; i++) {
		autojson struct json *doc = NULL;
		const char *helper = NULL;
		int r = read_document(files.items[i], &doc, err);

		if (r < 0)
			return error_wrap(err, "logins");
		if (r == 0)
			continue;
		r = login_from_document(a, doc, files.items[i], domain, path, &login, &helper, err);
		if (r > 0 && helper)
			r = helper_get(a, helper, login_key(domain), &login, err);
		if (r < 0)
			return r;
		if (r > 0)
			break;
	}
	*ret = login;
	return 0;
}

/* ---- keeping ---- */

/* The file that is written: its folder (made when missing) as an fd, and its name. */
static int open_place(const char *path, char name[static 256], struct error *err)
{
	autofree char *real = NULL;
	struct error missing;
	const char *slash;
	int fd;

	/* A link to a file that is kept elsewhere stays a link. */
	if (safepath_host_realpath(path, &real, &missing) == 0)
		path = real;
	slash = strrchr(path, '/');
	if (str_copy(name, 256, slash ? slash + 1 : path) < 0 || !safepath_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is no name of a file", path);
	autofree char *folder =
		slash ? mem_printf("%.*s", slash == path ? 1 : (int)(slash - path), path) : mem_strdup(".");

	if (safepath_host_mkdir_all(folder, 0700, err) < 0)
		return -err->code;
	fd = safepath_host_open(folder, O_RDONLY | O_DIRECTORY, 0, err);
	return fd;
}

static int write_document(const char *path, const struct json *doc, struct error *err)
{
	autobuf struct buf text = BUF_INIT(FILE_BYTES_MAX);
	char name[256];
	autofd int folder = open_place(path, name, err);

	if (folder < 0)
		return folder;
	if (!json_write(doc, true, &text) || !buf_putc(&text, '\n'))
		return error_set(err, ERROR_LIMIT, EFBIG, "%s would be larger than %u bytes", path, FILE_BYTES_MAX);
	return safepath_write_file(folder, name, text.data, text.len, 0600, true, err);
}

static char *written_file(const char *authfile, struct error *err)
{
	const char *env = registry_env("REGISTRY_AUTH_FILE");
	char *path = authfile ? mem_strdup(authfile) : env ? mem_strdup(env) : docker_file();

	if (!path) {
		error_set(err, ERROR_INVALID, ENOENT, "there is no place for the login: HOME is not set");
		error_hint(err, "set HOME, or give --authfile");
	}
	return path;
}

static struct json *member(struct json *doc, const char *key)
{
	struct json *j = json_get(doc, key);

	if (json_type(j) != JSON_OBJECT) {
		j = json_new_object();
		json_set(doc, key, j);
	}
	return j;
}

/* The helper that @doc names for @domain, or NULL. */
static const char *helper_for(struct arena *a, const struct json *doc, const char *domain)
{
	struct search s = {.a = a, .domain = domain, .name = domain};
	const char *helper = json_str(best_of(&s, json_get(doc, "credHelpers")));
	const char *store = json_str(json_get(doc, "credsStore"));

	return helper ? helper : store && *store ? store : NULL;
}

int registry_login_save(struct arena *a, const char *authfile, const char *domain, const struct registry_login *login,
			const char **ret_where, struct error *err)
{
	autofree char *path = written_file(authfile, err);
	autojson struct json *doc = NULL;
	const char *helper;
	struct json *entry;
	int r;

	if (!path)
		return -err->code;
	r = read_document(path, &doc, err);
	if (r < 0)
		return r;
	if (r == 0)
		doc = json_new_object();
	helper = helper_for(a, doc, domain);
	entry = json_new_object();
	if (helper) {
		if (helper_store(helper, login_key(domain), login, err) < 0) {
			json_unref(entry);
			return -err->code;
		}
		*ret_where = arena_printf(a, "docker-credential-%s", helper);
	} else {
		autofree char *pair = mem_printf("%s:%s", login->username, login->password);
		autofree char *auth = login_base64_encode(pair);

		json_set_str(entry, "auth", auth);
		json_set_str(entry, "identitytoken", login->identity_token);
		*ret_where = arena_strdup(a, path);
	}
	json_set(member(doc, "auths"), login_key(domain), entry);
	if (write_document(path, doc, err) < 0)
		return error_wrap(err, "keep the login");
	return helper ? 0 : REGISTRY_LOGIN_PLAIN;
}

struct removal {
	struct arena *a;
	const char *domain;
	struct json *kept;
	size_t removed;
};

/* Keep what is not of the domain itself (keys of its repositories are other logins). */
static int keep_others(const char *key, struct json *value, void *arg)
{
	struct removal *r = arg;

	if (!r->domain || str_eq(normal_key(r->a, key), r->domain))
		r->removed++;
	else
		json_set(r->kept, key, json_ref(value));
	return 0;
}

static int erase_from_helpers(struct arena *a, const struct json *doc, const char *domain, size_t *count,
			      struct error *err)
{
	const char *helper = domain ? helper_for(a, doc, domain) : NULL;

	if (!helper)
		return 0;
	if (helper_erase(helper, login_key(domain), err) < 0)
		return -err->code;
	++*count;
	return 0;
}

static int remove_from(struct arena *a, const char *path, const char *domain, size_t *count, struct error *err)
{
	struct removal removal = {.a = a, .domain = domain};
	autojson struct json *doc = NULL;
	int r = read_document(path, &doc, err);

	if (r <= 0)
		return r;
	removal.kept = json_new_object();
	(void)json_each(json_get(doc, "auths"), keep_others, &removal);
	if (removal.removed && erase_from_helpers(a, doc, domain, count, err) < 0) {
		json_unref(removal.kept);
		return -err->code;
	}
	json_set(doc, "auths", removal.kept);
	*count += removal.removed;
	return removal.removed ? write_document(path, doc, err) : 0;
}

int registry_login_remove(struct arena *a, const char *authfile, const char *domain, struct error *err)
{
	autostrv struct strv files = {0};
	size_t count = 0;

	list_files(authfile, &files);
	for (size_t i = 0; i < files.count; i++)
		if (remove_from(a, files.items[i], domain, &count, err) < 0)
			return -err->code;
	if (count == 0)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "there is no login for %s",
				 domain ? domain : "any registry");
	return 0;
}
