/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/cleanup.h"
#include "store/unpack_path.h"

TEST(canonical_form)
{
	static const struct {
		const char *in, *out, *base;
	} rows[] = {
		{"a", "a", "a"},
		{"./a", "a", "a"},
		{"/a/b", "a/b", "b"},
		{"//a///b//", "a/b", "b"},
		{"./", "", ""},
		{"/", "", ""},
		{".", "", ""},
		{"a/./b", "a/b", "b"},
		{"...", "...", "..."},
		{"..a/b..", "..a/b..", "b.."},
		{".wh.x", ".wh.x", ".wh.x"},
	};
	struct unpack_path p;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].in);
		CHECK_INT(unpack_path_parse(rows[i].in, &p, &err), 0);
		CHECK_STR(p.text, rows[i].out);
		CHECK_STR(p.text + p.base, rows[i].base);
	}
}

TEST(v27_no_way_up)
{
	static const char *const rows[] = {"..",  "../a",   "a/..",           "a/../b",
					   "/..", "./../a", "a/b/../../../c", "a//..//b"};
	struct unpack_path p;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i]);
		CHECK(unpack_path_parse(rows[i], &p, &err) < 0);
	}
}

TEST(v30_lengths)
{
	char name[5000];
	struct unpack_path p;
	struct error err;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	CHECK_INT(unpack_path_parse(name, &p, &err), 0);
	name[255] = 'n';
	name[256] = '\0';
	CHECK(unpack_path_parse(name, &p, &err) < 0);
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 ? '/' : 'd';
	name[4095] = '\0';
	CHECK_INT(unpack_path_parse(name, &p, &err), 0);
	name[4095] = '/';
	name[4999] = '\0';
	CHECK(unpack_path_parse(name, &p, &err) < 0);
}

TEST(v28_whiteouts)
{
	const char *name = NULL;
	struct error err;

	CHECK_INT(unpack_path_whiteout("file", &name, &err), UNPACK_NORMAL);
	CHECK_INT(unpack_path_whiteout(".wh", &name, &err), UNPACK_NORMAL);
	CHECK_INT(unpack_path_whiteout(".wh.file", &name, &err), UNPACK_HIDE);
	CHECK_STR(name, "file");
	CHECK_INT(unpack_path_whiteout(".wh..hidden", &name, &err), UNPACK_HIDE);
	CHECK_STR(name, ".hidden");
	CHECK_INT(unpack_path_whiteout(".wh..wh..opq", &name, &err), UNPACK_OPAQUE);
	CHECK_INT(unpack_path_whiteout(".wh..wh.plnk", &name, &err), UNPACK_AUFS);
	CHECK(unpack_path_whiteout(".wh.", &name, &err) < 0);
	CHECK(unpack_path_whiteout(".wh..", &name, &err) < 0);
	CHECK(unpack_path_whiteout(".wh...", &name, &err) < 0);
}
