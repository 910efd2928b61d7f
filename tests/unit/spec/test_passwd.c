/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and groups out of an image's hostile files (V13 - V15).
 */
#include "spec/image.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "test.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "daemon:x:1:1::/usr/sbin:/bin/false\n"
			     "app:x:1000:1000:App,,,:/home/app:/bin/sh\n"
			     "app:x:6:6:second:/x:/bin/sh\n"
			     "1001:x:0:0:a number as a name:/root:/bin/sh\n"
			     "4294967296:x:0:0:another:/root:/bin/sh\n"
			     "-1:x:0:0:another:/root:/bin/sh\n"
			     "last:x:4294967294:4294967294::/last:\n"
			     "none:x:4294967295:0::/:\n"
			     "wrap:x:4294967296:0::/:\n"
			     "neg:x:-1:0::/:\n"
			     "plus:x:+5:0::/:\n"
			     "blank:x: 5:0::/:\n"
			     "hex:x:0x5:0::/:\n"
			     "empty:x::0::/:\n"
			     "evil:x:0:0::/h\x01:/\n"
			     "cr:x:7:7::/cr:/bin/sh\r\n"
			     "short:x:8:8::/\n"
			     "long:x:9:9::/::\n"
			     "::0:0:::\n"
			     "+::::::\n"
			     "relative:x:10:10::home:/\n"
			     "nohome:x:11:11:::";
static const char group[] = "root:x:0:\n"
			    "tty:x:5:app\n"
			    "video:x:44:daemon,app\n"
			    "app:x:1000:\n"
			    "near:x:45:apps,ap,xapp,app2\n"
			    "again:x:44:app\n"
			    "wrap:x:4294967296:app\n"
			    "short:x:46\n"
			    "long:x:47:app:\n"
			    "evil:x:48:app\t\n"
			    "empty:x::app\n"
			    "5:x:99:\n"
			    "spare:x:50:,app,";

static const struct {
	const char *spec;
	const char *error; /* NULL: resolved */
	uint32_t uid, gid;
	const char *home, *name;
	const char *groups;
} rows[] = {
	{"", NULL, 0, 0, "/root", "root", "0"},
	{"root", NULL, 0, 0, "/root", "root", "0"},
	{"0", NULL, 0, 0, "/root", "root", "0"},
	{"app", NULL, 1000, 1000, "/home/app", "app", "1000 5 44 50"},
	{"1000", NULL, 1000, 1000, "/home/app", "app", "1000 5 44 50"},
	{"app:", NULL, 1000, 1000, "/home/app", "app", "1000 5 44 50"},
	{"app:video", NULL, 1000, 44, "/home/app", "app", "44"},
	{"app:7", NULL, 1000, 7, "/home/app", "app", "7"},
	{"1:0", NULL, 1, 0, "/usr/sbin", "daemon", "0"},
	{"2000", NULL, 2000, 0, "/", NULL, "0"},
	{"2000:2000", NULL, 2000, 2000, "/", NULL, "2000"},
	{":44", NULL, 0, 44, "/root", "root", "44"},
	{"last", NULL, 4294967294, 4294967294, "/last", "last", "4294967294"},
	{"4294967294", NULL, 4294967294, 4294967294, "/last", "last", "4294967294"},
	{"relative", NULL, 10, 10, "/", "relative", "10"},
	{"nohome", NULL, 11, 11, "/", "nohome", "11"},
	/* Digits are a number, whatever the file says. */
	{"1001", NULL, 1001, 0, "/", NULL, "0"},
	{"0:5", NULL, 0, 5, "/root", "root", "5"},
	{"4294967295", "the user '4294967295' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	{"4294967296", "the user '4294967296' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	{"-1", "the user '-1' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	{"+1", "the user '+1' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	{"18446744073709551616", "the user '18446744073709551616' is not a number between 0 and 4294967294", 0, 0, NULL,
	 NULL, NULL},
	{"00000000000", "the user '00000000000' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	{"app:4294967296", "the group '4294967296' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	{"app:-5", "the group '-5' is not a number between 0 and 4294967294", 0, 0, NULL, NULL, NULL},
	/* Lines that are not strictly right do not exist. */
	{"none", "no user 'none' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"wrap", "no user 'wrap' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"neg", "no user 'neg' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"plus", "no user 'plus' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"blank", "no user 'blank' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"hex", "no user 'hex' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"empty", "no user 'empty' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"evil", "no user 'evil' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"cr", "no user 'cr' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"short", "no user 'short' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"long", "no user 'long' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"0x5", "no user '0x5' in the image's /etc/passwd", 0, 0, NULL, NULL, NULL},
	{"app:nosuch", "no group 'nosuch' in the image's /etc/group", 0, 0, NULL, NULL, NULL},
	{"app:wrap", "no group 'wrap' in the image's /etc/group", 0, 0, NULL, NULL, NULL},
	{"app:evil", "no group 'evil' in the image's /etc/group", 0, 0, NULL, NULL, NULL},
	{"app:a:b", "no group 'a:b' in the image's /etc/group", 0, 0, NULL, NULL, NULL},
	{"a\nb", "the user has control characters", 0, 0, NULL, NULL, NULL},
};

static char *group_list(const struct image_user *u)
{
	struct buf b = BUF_INIT(4096);

	for (size_t i = 0; i < u->group_count; i++)
		buf_printf(&b, "%s%u", i ? " " : "", u->groups[i]);
	return buf_take(&b);
}

TEST(who)
{
	struct arena a = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct image_user u = {0};
		struct error err = {0};
		int rc = image_user_resolve(&a, rows[i].spec, passwd, sizeof(passwd) - 1, group, sizeof(group) - 1,
					    NULL, &u, &err);

		ROW(rows[i].spec);
		if (rows[i].error) {
			CHECK(rc < 0);
			CHECK_STR(err.msg, rows[i].error);
			continue;
		}
		if (!CHECK_INT(rc, 0))
			continue;
		autofree char *list = group_list(&u);

		CHECK_INT(u.uid, rows[i].uid);
		CHECK_INT(u.gid, rows[i].gid);
		CHECK_STR(u.home, rows[i].home);
		CHECK_STR(u.name, rows[i].name);
		CHECK_STR(list, rows[i].groups);
	}
	arena_done(&a);
}

TEST(missing_files)
{
	struct arena a = {0};
	struct image_user u = {0};
	struct error err = {0};

	CHECK_INT(image_user_resolve(&a, "5:6", NULL, 0, NULL, 0, NULL, &u, &err), 0);
	CHECK_INT(u.uid, 5);
	CHECK_INT(u.gid, 6);
	CHECK_STR(u.home, "/");
	CHECK_INT(image_user_resolve(&a, "", NULL, 0, NULL, 0, NULL, &u, &err), 0);
	CHECK_INT(u.uid, 0);
	CHECK(image_user_resolve(&a, "root", NULL, 0, NULL, 0, NULL, &u, &err) < 0);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	arena_done(&a);
}

TEST(added_groups)
{
	char *const some[] = {(char[]){"video"}, (char[]){"7"}, (char[]){"1000"}, NULL};
	char *const unknown[] = {(char[]){"nosuch"}, NULL};
	char *const too_big[] = {(char[]){"4294967295"}, NULL};
	char *const control[] = {(char[]){"a\nb"}, NULL};
	struct arena a = {0};
	struct image_user u = {0};
	struct error err = {0};

	REQUIRE(image_user_resolve(&a, "1000:1000", passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, some, &u,
				   &err) == 0);
	autofree char *list = group_list(&u);
	CHECK_STR(list, "1000 44 7");
	CHECK(image_user_resolve(&a, "0", passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, unknown, &u, &err) < 0);
	CHECK_STR(err.msg, "no group 'nosuch' in the image's /etc/group");
	CHECK(image_user_resolve(&a, "0", passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, too_big, &u, &err) < 0);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK(image_user_resolve(&a, "0", passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, control, &u, &err) < 0);
	arena_done(&a);
}

TEST(bounds)
{
	struct buf big = BUF_INIT(2 << 20);
	struct arena a = {0};
	struct image_user u = {0};
	struct error err = {0};

	for (int i = 0; i < 1100; i++)
		buf_printf(&big, "g%d:x:%d:app\n", i, 2000 + i);
	CHECK(image_user_resolve(&a, "app", passwd, sizeof(passwd) - 1, big.data, big.len, NULL, &u, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	while (big.len <= IMAGE_PASSWD_MAX_BYTES)
		buf_puts(&big, "#################################################################\n");
	CHECK(image_user_resolve(&a, "app", big.data, big.len, NULL, 0, NULL, &u, &err) < 0);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK_STR(err.msg, "the image's /etc/passwd has more than 1048576 bytes");
	buf_done(&big);
	arena_done(&a);
}

/* The text need not end in a NUL byte: only its bytes are looked at. */
TEST(exact_bytes)
{
	autofree char *exact = mem_dup("app:x:12:13::/h:/", 17);
	struct arena a = {0};
	struct image_user u = {0};
	struct error err = {0};

	CHECK_INT(image_user_resolve(&a, "app", exact, 17, NULL, 0, NULL, &u, &err), 0);
	CHECK_INT(u.gid, 13);
	CHECK_STR(u.home, "/h");
	arena_done(&a);
}
