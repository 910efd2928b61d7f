/* SPDX-License-Identifier: Apache-2.0 */
#include "base/toml.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "test.h"

static struct json *parse(const char *text)
{
	struct json *j = NULL;
	struct error err = {0};

	return toml_parse(text, strlen(text), "x.conf", &j, &err) < 0 ? NULL : j;
}

/* The JSON text of what @text means; "error" when it is refused. */
static char *meaning(const char *text)
{
	autojson struct json *j = parse(text);
	struct buf out = BUF_INIT(65536);

	if (!j)
		return strdup("error");
	json_write(j, false, &out);
	return buf_take(&out);
}

TEST(what_people_write)
{
	static const struct {
		const char *toml, *json;
	} rows[] = {
		{"", "{}"},
		{"# only a comment\n\n", "{}"},
		{"a = \"x\"", "{\"a\":\"x\"}"},
		{"a = 'x\\y' # c\r\nb=true\n", "{\"a\":\"x\\\\y\",\"b\":true}"},
		{"a = [\"x\", 'y',\n  # c\n \"z\",\n]\n", "{\"a\":[\"x\",\"y\",\"z\"]}"},
		{"a = []", "{\"a\":[]}"},
		{"n = -12\n", "{\"n\":-12}"},
		{"a = \"\\u00e9\\t\\\"\"", "{\"a\":\"\xc3\xa9\\t\\\"\"}"},
		{"[t]\na = 1\n[t.u]\nb = 2", "{\"t\":{\"a\":1,\"u\":{\"b\":2}}}"},
		{"[[r]]\na = 1\n[[r.m]]\nb = 2\n[[r.m]]\nb = 3\n[[r]]\na = 4",
		 "{\"r\":[{\"a\":1,\"m\":[{\"b\":2},{\"b\":3}]},{\"a\":4}]}"},
		{"[aliases]\n\"a/b\" = \"c\"\n'd' = \"e\"", "{\"aliases\":{\"a/b\":\"c\",\"d\":\"e\"}}"},
		{"m = [{ location = \"x\", insecure = true }]", "{\"m\":[{\"location\":\"x\",\"insecure\":true}]}"},
		{"a.b.c = 1\na.d = 2", "{\"a\":{\"b\":{\"c\":1},\"d\":2}}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *got = meaning(rows[i].toml);

		CHECK_STR(got, rows[i].json);
	}
}

TEST(what_is_refused)
{
	static const char *const rows[] = {
		"a",
		"a =",
		"= 1",
		"a = 1 b = 2",
		"a = \"x",
		"a = 'x\ny'",
		"a = \"\\q\"",
		"a = \"\\ud800\"",
		"a = 1.5",
		"a = 2024-01-01",
		"a = \"\"\"x\"\"\"",
		"a = 1\na = 2",
		"[t]\n[t]",
		"[t",
		"[[t]",
		"a = [1 2]",
		"a = [",
		"a = {b = 1,}",
		"a = yes",
		"a = \"\x01\"",
		"a = \"\xff\"",
		"a = 1\n[a]\nb = 2",
		"[[a]]\n[a.b]\n[a.b]",
		"a = [1]\n[[a]]\nb = 1",
		"a.a.a.a.a.a.a.a.a = 1",
		"a = [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
		"a = 007",
		"\x80 = 1",
		"a = \"x\" \"y\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autojson struct json *j = parse(rows[i]);

		test_state.row = rows[i];
		CHECK(j == NULL);
	}
	test_state.row = NULL;
}

TEST(errors_name_file_and_line)
{
	struct json *j = NULL;
	struct error err = {0};
	const char *text = "a = 1\n\nb = x\n";

	CHECK(toml_parse(text, strlen(text), "/etc/x.conf", &j, &err) < 0);
	CHECK(str_starts(err.msg, "/etc/x.conf: line 3: "));
	CHECK(toml_parse("a = 1", 3, "x", &j, &err) < 0); /* the length counts, not a terminator */
}
