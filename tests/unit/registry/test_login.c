/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/login.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "test.h"

static const char document[] = "{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"aHViOnBhc3M=\"},"
			       " \"reg.example\": {\"auth\": \"dXNlcjpzZTpjcmV0\"},"
			       " \"reg.example/team\": {\"auth\": \"dGVhbTp4\"},"
			       " \"tok.example\": {\"identitytoken\": \"abc\"},"
			       " \"http://old.example/v2/\": {\"username\": \"u\", \"password\": \"p\"},"
			       " \"empty.example\": {}},"
			       " \"credHelpers\": {\"gcr.example\": \"gcloud\"}, \"credsStore\": \"pass\"}";

TEST(keys)
{
	static const struct {
		const char *domain, *path, *want;
	} rows[] = {
		{"docker.io", "library/debian", "hub:pass"},
		{"reg.example", "x", "user:se:cret"},
		{"reg.example", NULL, "user:se:cret"},
		{"reg.example", "team/app", "team:x"},
		{"reg.example", "teams", "user:se:cret"},
		{"tok.example", "x", "token abc"},
		{"old.example", "x", "u:p"},
		{"empty.example", "x", "helper pass"},
		{"gcr.example", "x", "helper gcloud"},
		{"reg.example.org", "x", "helper pass"},
		{"example", "x", "helper pass"},
	};
	autojson struct json *j = NULL;
	struct error err = {0};

	REQUIRE(json_parse(document, strlen(document), "x", &j, &err) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = {0};
		struct registry_login login = {0};
		const char *helper = NULL;
		char got[256];

		ROW(rows[i].domain);
		CHECK_INT(login_from_document(&a, j, "x", rows[i].domain, rows[i].path, &login, &helper, &err), 1);
		if (helper)
			(void)snprintf(got, sizeof(got), "helper %s", helper);
		else if (login.identity_token)
			(void)snprintf(got, sizeof(got), "token %s", login.identity_token);
		else
			(void)snprintf(got, sizeof(got), "%s:%s", login.username, login.password);
		CHECK_STR(got, rows[i].want);
		arena_done(&a);
	}
}

TEST(refused_and_none)
{
	struct arena a = {0};
	struct registry_login login = {0};
	const char *helper;
	struct error err = {0};
	static const char *const bad[] = {"{\"auths\":{\"r\":{\"auth\":\"!\"}}}",
					  "{\"auths\":{\"r\":{\"auth\":\"dXNlcg==\"}}}",
					  "{\"auths\":{\"r\":{\"auth\":\"AAAA\"}}}",
					  "{\"auths\":{\"r\":{\"auth\":\"YTpiCg==\"}}}"};
	static const char *const none[] = {"{}", "{\"auths\":[]}", "{\"auths\":{\"q\":{}}}",
					   "{\"auths\":{\"\":{\"auth\":\"YTpi\"}}}", "{\"auths\":{\"r\":1}}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad) + ARRAY_SIZE(none); i++) {
		const char *text = i < ARRAY_SIZE(bad) ? bad[i] : none[i - ARRAY_SIZE(bad)];
		autojson struct json *j = NULL;

		ROW(text);
		REQUIRE(json_parse(text, strlen(text), "x", &j, &err) == 0);
		if (i < ARRAY_SIZE(bad))
			CHECK(login_from_document(&a, j, "x", "r", "x", &login, &helper, &err) < 0);
		else
			CHECK_INT(login_from_document(&a, j, "x", "r", "x", &login, &helper, &err), 0);
	}
	arena_done(&a);
}

TEST(base64)
{
	static const char *const texts[] = {"", "a", "ab", "abc", "user:p\xc3\xa4ss", "a longer text with + and /?"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autofree char *coded = login_base64_encode(texts[i]);
		autofree char *back = login_base64_decode(coded);

		CHECK_STR(back, texts[i]);
	}
	CHECK(login_base64_decode("a") == NULL);
	CHECK(login_base64_decode("====") == NULL);
	CHECK(login_base64_decode("a=b=") == NULL);
	CHECK(login_base64_decode("YTpi\n") == NULL);
}
