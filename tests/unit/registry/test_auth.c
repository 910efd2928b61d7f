/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials may go, and what addresses a server may name. */
#include "registry/fetch.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "test.h"

TEST(token_services)
{
	static const struct {
		const char *host, *realm;
		bool insecure, login, want;
	} rows[] = {
		{"registry-1.docker.io", "https://auth.docker.io/token", false, true, true},
		{"ghcr.io", "https://ghcr.io/token", false, true, true},
		{"registry.gitlab.com", "https://gitlab.com/jwt/auth", false, true, true},
		{"reg.example.com:5000", "https://reg.example.com:5001/t", false, true, true},
		{"reg.example.com", "https://REG.example.com/t", false, true, true},
		/* somebody else's */
		{"reg.example.com", "https://evil.org/t", false, true, false},
		{"reg.example.com", "https://reg.example.com.evil.org/t", false, true, false},
		{"reg.example.com", "https://reg.example.com@evil.org/t", false, true, false},
		{"a.github.io", "https://b.github.io/t", false, true, false},
		{"a.co.uk", "https://b.co.uk/t", false, true, false},
		{"10.0.0.1:5000", "https://10.0.0.2/t", false, true, false},
		{"10.0.0.1:5000", "https://10.0.0.1/t", false, true, true},
		/* not https */
		{"reg.example.com", "http://reg.example.com/t", false, true, false},
		{"reg.example.com", "http://reg.example.com/t", true, true, true},
		{"reg.example.com", "ftp://reg.example.com/t", true, true, false},
		{"reg.example.com", "//reg.example.com/t", false, true, false},
		{"reg.example.com", "", false, true, false},
		/* there is nothing to lose */
		{"reg.example.com", "https://evil.org/t", false, false, true},
		{"reg.example.com", "http://evil.org/t", false, false, false},
		/* named by the user */
		{"reg.example.com", "https://trusted.example.net/t", false, true, true},
	};
	const char *realms[] = {"trusted.example.net"};
	const struct fetch f = {.realms = realms, .realm_count = 1};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint e = {.host = rows[i].host, .insecure = rows[i].insecure, .plain = rows[i].insecure};
		struct error err;

		if (rows[i].login) {
			e.user = "u";
			e.password = "p";
		}
		ROW(rows[i].realm);
		CHECK_INT(auth_realm_allowed(&f, &e, rows[i].realm, &err), rows[i].want);
	}
}

TEST(redirects)
{
	static const struct {
		const char *from, *location, *to; /* NULL: refused */
		bool same;
	} rows[] = {
		{"https://a.example/v2/x/blobs/y", "/z?q=1", "https://a.example/z?q=1", true},
		{"https://a.example/v2/x", "https://b.example/z", "https://b.example/z", false},
		{"https://a.example/v2/x", "https://a.example:444/z", "https://a.example:444/z", false},
		{"https://a.example/v2/x", "https://A.example:443/z", "https://a.example:443/z", true},
		{"https://a.example/v2/x", "//b.example/z", "https://b.example/z", false},
		{"http://a.example/v2/x", "https://a.example/z", "https://a.example/z", false},
		{"http://a.example/v2/x", "http://b.example/z", "http://b.example/z", false},
		{"https://a.example/v2/x", "http://a.example/z", NULL, false},
		{"https://a.example/v2/x", "file:///etc/passwd", NULL, false},
		{"https://a.example/v2/x", "ftp://b.example/z", NULL, false},
		{"https://a.example/v2/x", "https://u:p@b.example/z", NULL, false},
		{"https://a.example/v2/x", "https://b.example/\r\nX: y", NULL, false},
		{"https://a.example/v2/x", NULL, NULL, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *to = NULL;
		bool same = false;
		struct error err;
		int r = url_resolve(rows[i].from, rows[i].location, &to, &same, &err);

		ROW(rows[i].location ? rows[i].location : "NULL");
		CHECK_INT(r == 0, rows[i].to != NULL);
		if (r < 0 || !rows[i].to)
			continue;
		CHECK(strcasecmp(to, rows[i].to) == 0);
		CHECK_INT(same, rows[i].same);
	}
}

TEST(addresses)
{
	static const struct {
		const char *typed, *url, *host, *user, *password, *shown; /* url NULL: refused */
	} rows[] = {
		{"https://a.example/x?y#z", "https://a.example/x?y", "a.example", NULL, NULL,
		 "https://a.example/x?y#z"},
		{"http://A.example:8080/x", "http://A.example:8080/x", "A.example:8080", NULL, NULL,
		 "http://A.example:8080/x"},
		{"http://u:p%20q@a.example/", "http://a.example/", "a.example", "u", "p q", "http://a.example/"},
		{"http://u@a.example/@b", "http://a.example/@b", "a.example", "u", NULL, "http://a.example/@b"},
		{"http://[::1]:80/x", "http://[::1]:80/x", "[::1]:80", NULL, NULL, "http://[::1]:80/x"},
		{"http:///u:p@a.example/", NULL, NULL, NULL, NULL, NULL},
		{"http://", NULL, NULL, NULL, NULL, NULL},
		{"http://a.example:x/", NULL, NULL, NULL, NULL, NULL},
		{"http://a b/", NULL, NULL, NULL, NULL, NULL},
		{"http://a.example/\r\nX: y", NULL, NULL, NULL, NULL, NULL},
		{"ftp://a.example/x", NULL, NULL, NULL, NULL, NULL},
		{"file:///etc/passwd", NULL, NULL, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *url = NULL, *host = NULL, *user = NULL, *password = NULL;
		autoclean(arena_done) struct arena a = {0};
		struct error err;
		bool https;
		int r = url_open(rows[i].typed, &url, &host, &https, &user, &password, &err);

		ROW(rows[i].typed);
		CHECK_INT(r == 0, rows[i].url != NULL);
		if (r < 0 || !rows[i].url)
			continue;
		CHECK_STR(url, rows[i].url);
		CHECK_STR(host, rows[i].host);
		CHECK_STR(user, rows[i].user);
		CHECK_STR(password, rows[i].password);
		CHECK_INT(https, str_starts(rows[i].typed, "https"));
		CHECK_STR(registry_address_shown(&a, rows[i].typed), rows[i].shown);
	}
}

TEST(queries)
{
	autofree char *a = url_add_query("https://a.example/x?s=1", "digest", "sha256:ab");
	autofree char *b = url_add_query("https://a.example/x", "q", "a&b=c d");

	CHECK_STR(a, "https://a.example/x?s=1&digest=sha256%3aab");
	CHECK_STR(b, "https://a.example/x?q=a%26b%3dc+d");
}
