/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that a server names: redirects, upload locations, next pages. Parsed by curl's own parser, so that what was
 * checked is what is asked (two parsers that differ are how such checks are walked around).
 */
#include "registry/fetch.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define URL_BYTES_MAX 8192

static void url_cleanup(CURLU **u)
{
	curl_url_cleanup(*u);
}
#define autourl autoclean(url_cleanup)

/* A part of @u; NULL: none. Heap of ours. */
static char *part(CURLU *u, CURLUPart what, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(u, what, &text, flags) != CURLUE_OK)
		return NULL;
	copy = mem_strdup(text);
	curl_free(text);
	return copy;
}

static CURLU *parse(const char *url)
{
	CURLU *u = curl_url();

	if (!u)
		mem_out();
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK) {
		curl_url_cleanup(u);
		return NULL;
	}
	return u;
}

char *url_host(const char *url, bool *ret_https)
{
	autourl CURLU *u = parse(url);
	char *host = u ? part(u, CURLUPART_HOST, 0) : NULL;
	autofree char *scheme = u ? part(u, CURLUPART_SCHEME, 0) : NULL;

	for (char *c = host; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (ret_https)
		*ret_https = str_eq(scheme, "https");
	return host;
}

bool url_same_origin(const char *a, const char *b)
{
	static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
	autourl CURLU *ua = parse(a);
	autourl CURLU *ub = parse(b);

	if (!ua || !ub)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		autofree char *pa = part(ua, parts[i], CURLU_DEFAULT_PORT);
		autofree char *pb = part(ub, parts[i], CURLU_DEFAULT_PORT);

		if (!pa || !pb || strcasecmp(pa, pb) != 0)
			return false;
	}
	return true;
}

int url_resolve(const char *from, const char *location, char **ret, bool *ret_same, struct error *err)
{
	autourl CURLU *u = parse(from);
	autofree char *scheme = NULL;
	autofree char *url = NULL;
	bool from_https = str_starts(from, "https:");

	if (!u || !location || strlen(location) > URL_BYTES_MAX || str_has_control(location) ||
	    curl_url_set(u, CURLUPART_URL, location, CURLU_DISALLOW_USER) != CURLUE_OK)
		return error_set(err, ERROR_INVALID, EPROTO, "the server sends us to '%.200s', which is no address",
				 location ? location : "");
	(void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	scheme = part(u, CURLUPART_SCHEME, 0);
	if (!str_eq(scheme, "https") && (from_https || !str_eq(scheme, "http"))) {
		error_set(err, ERROR_DENIED, EPROTO, "the server sends us from https to '%.200s'", location);
		return error_hint(err, "a server behind a proxy must be told that it is reached by https");
	}
	url = part(u, CURLUPART_URL, 0);
	if (!url || strlen(url) > URL_BYTES_MAX)
		return error_set(err, ERROR_INVALID, EPROTO, "the server sends us to an address that is too long");
	*ret_same = url_same_origin(from, url);
	*ret = take_ptr(&url);
	return 0;
}

char *url_add_query(const char *url, const char *key, const char *value)
{
	autourl CURLU *u = parse(url);
	autofree char *pair = mem_printf("%s=%s", key, value);

	if (!u || curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) != CURLUE_OK)
		return NULL;
	return part(u, CURLUPART_URL, 0);
}

int url_open(const char *typed, char **ret_url, char **ret_host, bool *ret_https, char **ret_user, char **ret_password,
	     struct error *err)
{
	static const CURLUPart drop[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT};
	autourl CURLU *u = curl_url();

	if (!u)
		mem_out();
	/* curl forgives a third slash; then whoever looks for the login in the text (registry_address_shown) sees another host. */
	if (strlen(typed) > URL_BYTES_MAX || str_has_control(typed) || strstr(typed, ":///") ||
	    curl_url_set(u, CURLUPART_URL, typed, 0) != CURLUE_OK)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "this is no address of the form http(s)://HOST[:PORT]/PATH");
	autofree char *scheme = part(u, CURLUPART_SCHEME, 0);
	autofree char *name = part(u, CURLUPART_HOST, 0);
	autofree char *port = part(u, CURLUPART_PORT, 0);
	autofree char *user = part(u, CURLUPART_USER, CURLU_URLDECODE);
	autofree char *password = part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);

	if (!str_eq(scheme, "http") && !str_eq(scheme, "https"))
		return error_set(err, ERROR_INVALID, EINVAL, "only http and https are spoken");
	for (size_t i = 0; i < ARRAY_SIZE(drop); i++)
		(void)curl_url_set(u, drop[i], NULL, 0);
	*ret_https = str_eq(scheme, "https");
	*ret_url = part(u, CURLUPART_URL, 0);
	*ret_host = mem_printf("%s%s%s", name, port ? ":" : "", port ? port : "");
	*ret_user = take_ptr(&user);
	*ret_password = take_ptr(&password);
	return 0;
}
