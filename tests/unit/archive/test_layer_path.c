/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "archive/layer_path.h"
#include "base/cleanup.h"

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
	struct layer_path p;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].in);
		CHECK_INT(layer_path_parse(rows[i].in, &p, &err), 0);
		CHECK_STR(p.text, rows[i].out);
		CHECK_STR(p.text + p.base, rows[i].base);
	}
}

TEST(v27_no_way_up)
{
	static const char *const rows[] = {"..",  "../a",   "a/..",           "a/../b",
					   "/..", "./../a", "a/b/../../../c", "a//..//b"};
	struct layer_path p;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i]);
		CHECK(layer_path_parse(rows[i], &p, &err) < 0);
	}
}

TEST(v30_lengths)
{
	char name[5000];
	struct layer_path p;
	struct error err;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	CHECK_INT(layer_path_parse(name, &p, &err), 0);
	name[255] = 'n';
	name[256] = '\0';
	CHECK(layer_path_parse(name, &p, &err) < 0);
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 ? '/' : 'd';
	name[4095] = '\0';
	CHECK_INT(layer_path_parse(name, &p, &err), 0);
	name[4095] = '/';
	name[4999] = '\0';
	CHECK(layer_path_parse(name, &p, &err) < 0);
}

TEST(v28_whiteouts)
{
	const char *name = NULL;
	struct error err;

	CHECK_INT(layer_path_whiteout("file", &name, &err), LAYER_NORMAL);
	CHECK_INT(layer_path_whiteout(".wh", &name, &err), LAYER_NORMAL);
	CHECK_INT(layer_path_whiteout(".wh.file", &name, &err), LAYER_HIDE);
	CHECK_STR(name, "file");
	CHECK_INT(layer_path_whiteout(".wh..hidden", &name, &err), LAYER_HIDE);
	CHECK_STR(name, ".hidden");
	CHECK_INT(layer_path_whiteout(".wh..wh..opq", &name, &err), LAYER_OPAQUE);
	CHECK_INT(layer_path_whiteout(".wh..wh.plnk", &name, &err), LAYER_AUFS);
	CHECK(layer_path_whiteout(".wh.", &name, &err) < 0);
	CHECK(layer_path_whiteout(".wh..", &name, &err) < 0);
	CHECK(layer_path_whiteout(".wh...", &name, &err) < 0);
}
