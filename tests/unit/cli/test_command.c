/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of commands: finding, suggesting, and what could be typed next. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "test.h"

struct got {
	bool flag, other;
	const char *text;
};

static const struct option table[] = {
	{"flag", 'f', OPTION_BOOL, offsetof(struct got, flag), NULL, "a flag", 0},
	{"text", 't', OPTION_STRING, offsetof(struct got, text), "red|green", "a word", 0},
	{"file", 0, OPTION_STRING, offsetof(struct got, text), "FILE", "a file", 0},
	{"secret", 0, OPTION_BOOL, offsetof(struct got, other), NULL, "", OPTION_HIDDEN},
	{"later", 'L', OPTION_OPTIONAL, 0, NULL, "do without", OPTION_LATER},
	OPTION_END,
};
static const struct option globals[] = {
	{"root", 0, OPTION_STRING, offsetof(struct got, text), "DIR", "a folder", 0},
	OPTION_END,
};
static const struct command create = {.name = "create", .group = "A", .summary = "x", .args = "NAME red|blue"};
static const struct command images = {
	.name = "images",
	.group = "A",
	.aliases = (const char *const[]){"list-images", NULL},
	.summary = "list",
	.args = "[IMAGE]",
	.options = table,
};
static const struct command rmi = {.name = "rmi", .group = "A", .summary = "remove", .args = "IMAGE [IMAGE...]"};
static const struct command run = {.name = "run",
				   .group = "A",
				   .summary = "x",
				   .args = "[IMAGE] [PROGRAM [ARG...]]",
				   .options = table,
				   .stop_at_first = true};
static const struct command_child children[] = {{"ls", "list", &images},
						{"rm", NULL, &rmi},
						{"df", NULL, &create},
						{NULL, NULL, NULL}};
static const struct command image = {.name = "image", .group = "A", .summary = "x", .children = children};
static const struct command hidden = {.name = "__hidden", .hidden = true, .summary = "x"};
static const struct command *const commands[] = {&create, &images, &rmi, &run, &image, &hidden, NULL};

static void values(void *global, const char *kind, struct completion *out)
{
	(void)global;
	if (str_eq(kind, "IMAGE")) {
		completion_add(out, "debian:12", NULL);
		completion_add(out, "team/app:1", NULL);
	}
}
static const struct program p = {.name = "p", .options = globals, .commands = commands, .values = values};

static size_t find(const char *const *words, struct command_place *place)
{
	return command_find(&p, (char *const *)words, place);
}

TEST(finding)
{
	struct command_place at;

	CHECK_INT(find((const char *const[]){"create", "ls", NULL}, &at), 1);
	CHECK(at.command == &create);
	CHECK_STR(at.path, "create");
	CHECK_INT(find((const char *const[]){"list-images", NULL}, &at), 1);
	CHECK(at.command == &images);
	CHECK_STR(at.path, "images");
	CHECK_INT(find((const char *const[]){"image", "list", "x", NULL}, &at), 2);
	CHECK(at.command == &images);
	CHECK_STR(at.path, "image ls");
	CHECK_INT(find((const char *const[]){"image", "nope", NULL}, &at), 1);
	CHECK(at.command == &image);
	CHECK_INT(find((const char *const[]){"__hidden", NULL}, &at), 1);
	CHECK_INT(find((const char *const[]){"crea", NULL}, &at), 0);
	CHECK_INT(find((const char *const[]){NULL}, &at), 0);
}

TEST(suggesting)
{
	static const struct {
		bool in_group;
		const char *typed, *near;
	} rows[] = {
		{false, "creeate", "create"},
		{false, "im", "images, image"},
		{false, "zzzzzzz", ""},
		{false, "ls", "image ls"},
		{false, "df", "image df"},
		{false, "__hidde", ""},
		{true, "lss", "image ls"},
		{true, "run", "run"},
		{true, "xx", ""},
	};
	struct command_place group;
	char near[128];

	CHECK_INT(find((const char *const[]){"image", NULL}, &group), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].typed);
		command_suggest(&p, rows[i].in_group ? &group : NULL, rows[i].typed, near, sizeof(near));
		CHECK_STR(near, rows[i].near);
	}
}

static int count(const struct command_place *place, void *arg)
{
	(*(int *)arg)++;
	return str_eq(place->path, "image rm");
}

TEST(walking_the_tree)
{
	int n = 0;

	CHECK_INT(command_each(&p, count, &n), 1);
	CHECK_INT(n, 7);
}

TEST(completing)
{
	static const struct {
		const char *words[5], *out;
	} rows[] = {
		{{"cr"}, "create\tx\n"},
		{{"im"}, "images\tlist\nimage\tx\n"},
		{{"__"}, ""},
		{{"image", ""}, "ls\tlist\nrm\tremove\ndf\tx\n"},
		{{"image", "r"}, "rm\tremove\n"},
		{{"image", "list", "d"}, "debian:12\n"},
		{{"image", "ls", "--f"}, "--flag\ta flag\n--file\ta file\n"},
		{{"images", "debian:"}, "debian:12\n"},
		{{"images", "debian:12", ""}, ""},
		{{"images", "--text", "gr"}, "green\n"},
		{{"images", "-t", ""}, "red\ngreen\n"},
		{{"images", "-ft", "r"}, "red\n"},
		{{"images", "--text=r"}, "--text=red\n"},
		{{"images", "--text", "red", "t"}, "team/app:1\n"},
		{{"images", "--file", "x"}, ":files\n"},
		{{"images", "--flag=t"}, "--flag=true\n"},
		{{"images", "--flag", "t"}, "team/app:1\n"},
		{{"images", "--nope=t"}, ""},
		{{"images", "--l"}, ""},
		{{"images", "--", "--f"}, ""},
		{{"--root", ""}, ":folders\n"},
		{{"--root", "x", "rm"}, "rmi\tremove\n"},
		{{"--r"}, "--root\ta folder\n"},
		{{"rmi", "a", "b", "t"}, "team/app:1\n"},
		{{"create", "a", "b"}, "blue\n"},
		{{"create", "a", "b", "b"}, ""},
		{{"run", "debian:12", "-"}, ""},
		{{"run", "-"}, "--flag\ta flag\n--text\ta word\n--file\ta file\n--help\tshow how it is used\n"},
		{{"nope", ""}, ""},
		{{"image", "nope", ""}, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autobuf struct buf out = BUF_INIT(4096);
		size_t n = 0;

		while (n < ARRAY_SIZE(rows[i].words) && rows[i].words[n])
			n++;
		ROW(rows[i].words[n - 1]);
		command_complete(&p, n, (char **)rows[i].words, NULL, &out);
		CHECK_STR(buf_str(&out), rows[i].out);
	}
}
