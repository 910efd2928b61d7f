/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins as a user sees them: tried at the registry first, kept only when they work. A registry is named as Docker's users do
 * it: "registry.example:5000", with a scheme in front or a path behind out of habit, nothing for Docker Hub.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/internal.h"

int engine_registry_name(struct arena *a, const char *typed, const char **ret, struct error *err)
{
	struct image_reference r;
	const char *s = typed ? typed : "docker.io";
	char *host;

	if (str_starts(s, "https://"))
		s += 8;
	else if (str_starts(s, "http://"))
		s += 7;
	host = arena_strdup(a, s);
	host[strcspn(host, "/")] = '\0';
	if (str_eq(host, "index.docker.io") || str_eq(host, "registry-1.docker.io"))
		host = arena_strdup(a, "docker.io");
	/* A word alone is a registry here, as in "bothy login registry": the grammar is that of a name's first part. */
	if (!*host ||
	    image_reference_parse(a, arena_printf(a, "%s%s/x", host, strpbrk(host, ".:") ? "" : ".x"), &r, err) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "'%.100s' is no registry: expected HOST[:PORT]", typed);
	*ret = host;
	return 0;
}

int engine_login(const char *domain, const struct engine_registry_options *o, const struct registry_login *login,
		 struct arena *a, const char **ret_where, struct error *err)
{
	struct engine_registry_options own = *o;
	autoregistry struct registry *session = NULL;
	autofree char *creds = mem_printf("%s:%s", login->username, login->password);
	struct registry_event ev;

	own.creds = creds;
	if (engine_registry_open(domain, NULL, REGISTRY_PULL, &own, &session, err) < 0)
		return -err->code;
	if (registry_wait(session, registry_ping(session, err), &ev, NULL, NULL, err) < 0) {
		if (err->kind == ERROR_DENIED)
			error_hint(err,
				   "the user name or the password is wrong; some registries want a token as password");
		return error_wrap(err, "log in to %s", domain);
	}
	return registry_login_save(a, o->authfile, domain, login, ret_where, err);
}

int engine_search(const char *domain, const char *term, uint32_t limit, const struct engine_registry_options *o,
		  struct json **ret, struct error *err)
{
	autoregistry struct registry *session = NULL;
	struct registry_event ev;

	if (engine_registry_open(domain, NULL, REGISTRY_PULL, o, &session, err) < 0 ||
	    registry_wait(session, registry_search(session, term, limit, err), &ev, NULL, NULL, err) < 0)
		return -err->code;
	return json_parse(ev.text, ev.len, "the list that bothy-fetch made", ret, err);
}

int engine_list_tags(const char *domain, const char *path, const struct engine_registry_options *o, struct json **ret,
		     struct error *err)
{
	autoregistry struct registry *session = NULL;
	struct registry_event ev;

	if (engine_registry_open(domain, path, REGISTRY_PULL, o, &session, err) < 0 ||
	    registry_wait(session, registry_list_tags(session, err), &ev, NULL, NULL, err) < 0)
		return -err->code;
	return json_parse(ev.text, ev.len, "the list that bothy-fetch made", ret, err);
}
