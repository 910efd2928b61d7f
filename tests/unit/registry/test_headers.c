/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/headers.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "test.h"

TEST(challenges)
{
	struct arena a = {0};
	struct challenge c[HEADER_CHALLENGES_MAX];
	size_t n;

	CHECK_INT(
		header_challenges(
			&a,
			"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull\"",
			c, &n),
		0);
	CHECK_INT(n, 1);
	CHECK_INT(c[0].scheme, CHALLENGE_BEARER);
	CHECK_STR(c[0].realm, "https://auth.docker.io/token");
	CHECK_STR(c[0].service, "registry.docker.io");
	CHECK_STR(c[0].scope, "repository:a/b:pull");
	CHECK(c[0].error == NULL);
	/* Several in one field; names in any case; an escaped quote; an unknown scheme between. */
	CHECK_INT(header_challenges(&a,
				    "basic Realm = \"a \\\"b\\\"\" , Digest nonce=x, qop=\"auth,int\", BEARER realm=r",
				    c, &n),
		  0);
	CHECK_INT(n, 3);
	CHECK_INT(c[0].scheme, CHALLENGE_BASIC);
	CHECK_STR(c[0].realm, "a \"b\"");
	CHECK_INT(c[1].scheme, CHALLENGE_OTHER);
	CHECK_INT(c[2].scheme, CHALLENGE_BEARER);
	CHECK_STR(c[2].realm, "r");
	CHECK_INT(header_challenges(&a, "Basic", c, &n), 0);
	CHECK_INT(n, 1);
	CHECK(c[0].realm == NULL);
	CHECK_INT(header_challenges(&a, " , ", c, &n), 0);
	CHECK_INT(n, 0);
	arena_done(&a);
}

TEST(challenges_refused)
{
	static const char *const rows[] = {
		"Bearer realm=\"x",       "Bearer realm=",           "Bearer =x",
		"Bearer realm=a realm=b", "Bearer realm=a, realm=b", "\"x\"",
		"Bearer;realm=x",         "Bearer realm=\"a\nb\"",   "a,b,c,d,e,f,g,h,i",
	};
	struct arena a = {0};
	struct challenge c[HEADER_CHALLENGES_MAX];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i]);
		CHECK_INT(header_challenges(&a, rows[i], c, &n), -EINVAL);
	}
	arena_done(&a);
}

TEST(content_range)
{
	static const char *const bad[] = {"",
					  "bytes",
					  "bytes 5-9",
					  "bytes 9-5/10",
					  "bytes 5-10/10",
					  "bytes -5-9/10",
					  "bytes 5-9/10 ",
					  "octets 5-9/10",
					  "bytes */10",
					  "bytes 99999999999999999999-9/10"};
	uint64_t first, last, total;

	CHECK_INT(header_content_range("bytes 5-9/10", &first, &last, &total), 0);
	CHECK(first == 5 && last == 9 && total == 10);
	CHECK_INT(header_content_range("Bytes 0-0/*", &first, &last, &total), 0);
	CHECK(first == 0 && last == 0 && total == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ROW(bad[i]);
		CHECK_INT(header_content_range(bad[i], &first, &last, &total), -EINVAL);
	}
}

TEST(upload_range)
{
	uint64_t n;

	CHECK_INT(header_upload_range("0-9", &n), 0);
	CHECK_INT(n, 10);
	CHECK_INT(header_upload_range("bytes=0-0", &n), 0);
	CHECK_INT(n, 1);
	CHECK_INT(header_upload_range("1-9", &n), -EINVAL);
	CHECK_INT(header_upload_range("0-18446744073709551615", &n), -EINVAL);
	CHECK_INT(header_upload_range("", &n), -EINVAL);
}

TEST(links)
{
	struct arena a = {0};

	CHECK_STR(header_link_next(&a, "</v2/_catalog?last=b&n=2>; rel=\"next\""), "/v2/_catalog?last=b&n=2");
	CHECK_STR(header_link_next(&a, "<a>; rel=prev, <b,c>; title=\"x, y\"; rel=next"), "b,c");
	CHECK(header_link_next(&a, "<a>; rel=nexter") == NULL);
	CHECK(header_link_next(&a, "<a; rel=next") == NULL);
	CHECK(header_link_next(&a, "a; rel=next") == NULL);
	CHECK(header_link_next(&a, "") == NULL);
	arena_done(&a);
}

TEST(retry_after)
{
	uint32_t s;

	CHECK_INT(header_retry_after("120", 0, &s), 0);
	CHECK_INT(s, 120);
	CHECK_INT(header_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 30, &s), 0);
	CHECK_INT(s, 30);
	CHECK_INT(header_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 1784111777, &s), 0);
	CHECK_INT(s, 0);
	CHECK_INT(header_retry_after("soon", 0, &s), -EINVAL);
	CHECK_INT(header_retry_after("-1", 0, &s), -EINVAL);
}
