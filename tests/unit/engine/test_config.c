/* SPDX-License-Identifier: Apache-2.0 */
/* bothy.toml: what each key becomes, and that nothing else is taken. */
#include "engine/config.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "test.h"

TEST(keys)
{
	static const struct {
		const char *text;
		uint64_t max_bytes, keep;
		int64_t unused_ns;
		const char *error; /* NULL: good */
	} rows[] = {
		{"", 0, 0, 0, NULL},
		{"# nothing\n", 0, 0, 0, NULL},
		{"[gc]\n", 0, 0, 0, NULL},
		{"[gc]\nmax = \"20g\"\nkeep = 5\nunused = \"720h\"\n", UINT64_C(20) << 30, 5, 720 * 3600 * NS_PER_S,
		 NULL},
		{"gc.max = '1k'\n", 1024, 0, 0, NULL},
		{"gc = {max = '1.5m', keep = 0}\n", 3 << 19, 0, 0, NULL},
		{"[gc]\nmax = 20\n", 0, 0, 0, "bothy.toml: gc.max: expected a size"},
		{"[gc]\nmax = \"0\"\n", 0, 0, 0, "gc.max: expected a size"},
		{"[gc]\nmax = \"-1\"\n", 0, 0, 0, "gc.max: expected a size"},
		{"[gc]\nkeep = \"5\"\n", 0, 0, 0, "gc.keep: expected a number"},
		{"[gc]\nkeep = -1\n", 0, 0, 0, "gc.keep: expected a number"},
		{"[gc]\nunused = \"-1h\"\n", 0, 0, 0, "gc.unused: expected a duration"},
		{"[gc]\nunused = true\n", 0, 0, 0, "gc.unused: expected a duration"},
		{"[gc]\nmaximum = \"1g\"\n", 0, 0, 0, "'gc.maximum' is no key"},
		{"max = \"1g\"\n", 0, 0, 0, "'max' is no key"},
		{"gc = 5\n", 0, 0, 0, "'gc' is no key"},
		{"[gc.max]\n", 0, 0, 0, "gc.max: expected a size"},
		{"[[gc]]\nmax = \"1g\"\n", 0, 0, 0, "'gc' is no key"},
		{"[gc]\nmax = \"1g\"\nmax = \"2g\"\n", 0, 0, 0, "line 3"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct engine_config c = {.gc_keep = 77};
		struct error err = {0};
		int r = engine_config_parse(rows[i].text, strlen(rows[i].text), "bothy.toml", &c, &err);

		ROW(rows[i].text);
		CHECK_INT(r < 0, rows[i].error != NULL);
		if (rows[i].error) {
			CHECK(strstr(err.msg, rows[i].error) != NULL);
			CHECK_INT((int64_t)c.gc_keep, 77);
			continue;
		}
		CHECK_INT((int64_t)c.gc_max_bytes, (int64_t)rows[i].max_bytes);
		CHECK_INT((int64_t)c.gc_keep, (int64_t)rows[i].keep);
		CHECK_INT(c.gc_unused_ns, rows[i].unused_ns);
	}
}
