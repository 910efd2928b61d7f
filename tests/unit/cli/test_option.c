/* SPDX-License-Identifier: Apache-2.0 */
/* Words by tables: every form that Docker's, Podman's and runc's users type, and what is said to the rest. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "test.h"

struct got {
	bool flag, other;
	const char *text, *maybe;
	struct strv list;
	struct option_i64 size, number;
	struct option_u64 count;
};

static const struct option table[] = {
	{"flag", 'f', OPTION_BOOL, offsetof(struct got, flag), NULL, "", 0},
	{"other", 'o', OPTION_BOOL, offsetof(struct got, other), NULL, "", 0},
	{"text", 't', OPTION_STRING, offsetof(struct got, text), "TEXT", "", 0},
	{"maybe", 0, OPTION_OPTIONAL, offsetof(struct got, maybe), NULL, "", 0},
	{"list", 'l', OPTION_STRINGS, offsetof(struct got, list), "X", "", 0},
	{"size", 0, OPTION_SIZE, offsetof(struct got, size), "SIZE", "", OPTION_MINUS_ONE},
	{"number", 0, OPTION_I64, offsetof(struct got, number), "N", "", 0},
	{"count", 0, OPTION_U32, offsetof(struct got, count), "N", "", 0},
	{"secret", 0, OPTION_BOOL, offsetof(struct got, other), NULL, "", OPTION_HIDDEN},
	{"later", 'L', OPTION_OPTIONAL, 0, NULL, "do without", OPTION_LATER},
	OPTION_END,
};

static int parse(const char *const *words, bool stop, struct got *g, struct args *rest, struct error *err)
{
	int n = 0;

	while (words[n])
		n++;
	return option_parse(table, n, (char **)words, stop, g, rest, err);
}

TEST(every_form)
{
	static const char *const forms[][4] = {
		{"--text", "x", NULL}, {"--text=x", NULL}, {"-t", "x", NULL}, {"-tx", NULL},
		{"-t=x", NULL},        {"-ft", "x", NULL}, {"-foftx", NULL},  {"-text", "x", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct got g = {};
		struct error err = {};
		autoargs struct args rest = {};

		ROW(forms[i][0]);
		CHECK(parse(forms[i], false, &g, &rest, &err) > 0);
		CHECK_STR(g.text, "x");
		CHECK_INT(rest.count, 0);
	}
}

TEST(values_lists_and_rest)
{
	const char *const words[] = {"-f=false", "--other=true", "-l",          "a",       "--list=b",
				     "--size",   "1.5k",         "--number=-3", "--maybe", "--count",
				     "7",        "cmd",          "--",          "-f",      NULL};
	struct got g = {.flag = true};
	struct error err = {};
	autoargs struct args rest = {};

	CHECK(parse(words, false, &g, &rest, &err) > 0);
	CHECK(!g.flag && g.other);
	CHECK_INT(g.list.count, 2);
	CHECK_INT(g.size.v, 1536);
	CHECK_INT(g.number.v, -3);
	CHECK_INT(g.count.v, 7);
	CHECK_STR(g.maybe, "");
	REQUIRE(rest.count == 2);
	CHECK_STR(rest.items[0], "cmd");
	CHECK_STR(rest.items[1], "-f");
	strv_done(&g.list);
}

TEST(stops_at_the_first_argument)
{
	const char *const words[] = {"-f", "image", "-o", "--unknown", NULL};
	struct got g = {};
	struct error err = {};
	autoargs struct args rest = {};

	CHECK(parse(words, true, &g, &rest, &err) > 0);
	CHECK(g.flag && !g.other);
	CHECK_INT(rest.count, 3);
}

TEST(what_is_wrong_is_said)
{
	static const struct {
		const char *words[3];
		const char *error, *hint;
	} rows[] = {
		{{"--texxt", NULL}, "unknown option: --texxt", "--text"},
		{{"--num", NULL}, "unknown option: --num", "--number"},
		{{"--secrte", NULL}, "unknown option: --secrte", ""},     /* hidden ones are not suggested */
		{{"-x", NULL}, "unknown option: -x", ""},
		{{"-fx", NULL}, "unknown option: -fx", ""},
		{{"--text", NULL}, "--text needs a value: TEXT", ""},
		{{"-t", NULL}, "--text needs a value", ""},
		{{"--flag=maybe", NULL}, "--flag: expected true or false, got \"maybe\"", ""},
		{{"--size=x", NULL}, "--size: expected a size", ""},
		{{"--number=1x", NULL}, "--number: expected a whole number", ""},
		{{"--count=4294967296", NULL}, "--count: expected a number", ""},
		{{"--count=-1", NULL}, "--count: expected a number", ""},
		{{"--later", NULL}, "--later is not supported yet", "do without"},
		{{"-L", NULL}, "--later is not supported yet", "do without"},
		{{"--later=x", NULL}, "--later is not supported yet", "do without"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct got g = {};
		struct error err = {};
		autoargs struct args rest = {};

		ROW(rows[i].words[0]);
		CHECK(parse(rows[i].words, false, &g, &rest, &err) < 0);
		CHECK_CONTAINS(err.msg, rows[i].error);
		CHECK_CONTAINS(err.hint, rows[i].hint);
	}
}

TEST(which_options_take_the_next_word)
{
	CHECK(option_has_next(table, "--text") && option_has_next(table, "-t") && option_has_next(table, "-ft"));
	CHECK(!option_has_next(table, "--text=x") && !option_has_next(table, "-tx") &&
	      !option_has_next(table, "--flag"));
	CHECK(!option_has_next(table, "--maybe") && !option_has_next(table, "x") && !option_has_next(table, "--nope") &&
	      !option_has_next(table, "-L"));
}
