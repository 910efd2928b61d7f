/* SPDX-License-Identifier: Apache-2.0 */
/* One address that a user typed, from bothy's side. It is taken apart in bothy-fetch, by the parser that uses it. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "registry/internal.h"

bool registry_is_address(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

const char *registry_address_shown(struct arena *a, const char *url)
{
	const char *host = strstr(url, "://"), *at = NULL;
	size_t len;

	if (!host)
		return arena_strdup(a, url);
	host += 3;
	len = strcspn(host, "/?#");
	for (size_t i = 0; i < len; i++) {
		if (host[i] == '@')
			at = host + i + 1;
	}
	return at ? arena_printf(a, "%.*s%s", (int)(host - url), url, at) : arena_strdup(a, url);
}

int registry_open_address(const struct registry_address_options *o, struct registry **ret, struct error *err)
{
	autoclean(arena_done) struct arena a = {0};
	struct registry_endpoint e = {.insecure = o->no_verify};
	struct json *open, *list;

	if (o->cert_dir && registry_certs(&a, o->cert_dir, "", &e, err) < 0)
		return -err->code;
	open = json_new_object();
	list = json_new_array();
	json_push(list, session_endpoint_json(&e));
	json_set(open, "access", json_new_i64(REGISTRY_PULL));
	json_set(open, "endpoints", list);
	return session_open("the server", "the server", 0, open, ret, err);
}

int64_t registry_get_address(struct registry *r, const char *url, uint64_t max, int fd_consume, struct error *err)
{
	autofd int fd = fd_consume;
	struct json *j = session_request(r, "get_url");

	json_set_str(j, "url", url);
	json_set(j, "size", json_new_u64(max));
	return session_ask(r, j, NULL, 0, fd, err);
}
