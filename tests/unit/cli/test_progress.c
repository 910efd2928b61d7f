/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/progress.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(lines)
{
	static const struct {
		struct engine_layer layer;
		int columns;
		bool utf8;
		const char *want;
	} rows[] = {
		{{DIGEST, ENGINE_LAYER_QUEUED, 1000, 0, 0}, 80, false, "0123456789ab Queued"},
		{{DIGEST, ENGINE_LAYER_DONE, 1000, 1000, 0}, 80, false, "0123456789ab Pull complete"},
		{{DIGEST, ENGINE_LAYER_EXISTED, 1000, 0, 0}, 80, false, "0123456789ab Already exists"},
		{{DIGEST, ENGINE_LAYER_PULLING, 1000, 0, 0}, 64, false, "0123456789ab Pulling    [          ] 0B/1kB"},
		{{DIGEST, ENGINE_LAYER_PULLING, 1000, 500, 0},
		 64,
		 false,
		 "0123456789ab Pulling    [=====>    ] 500B/1kB"},
		{{DIGEST, ENGINE_LAYER_PULLING, 1000, 1000, 0},
		 64,
		 false,
		 "0123456789ab Pulling    [==========] 1kB/1kB"},
		{{DIGEST, ENGINE_LAYER_PULLING, 1000, 500, 0},
		 64,
		 true,
		 "0123456789ab Pulling    [━━━━━╸    ] 500B/1kB"},
		{{DIGEST, ENGINE_LAYER_PULLING, 1000, 500, 0}, 50, false, "0123456789ab Pulling 500B/1kB"},
		{{DIGEST, ENGINE_LAYER_PULLING, 0, 0, 0}, 64, false, "0123456789ab Pulling 0B"},
		{{"archive", ENGINE_LAYER_FETCHING, 0, 500, 0}, 64, false, "archive Fetching 500B"},
		{{"archive", ENGINE_LAYER_FETCHED, 1000, 1000, 0}, 64, false, "archive Fetched"},
		{{DIGEST, ENGINE_LAYER_DONE, 1000, 1000, 0}, 20, false, "0123456789ab Pull co"},
	};
	char line[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ROW(rows[i].want);
		progress_line(&rows[i].layer, rows[i].columns, rows[i].utf8, line, sizeof(line));
		CHECK_STR(line, rows[i].want);
	}
}

TEST(words)
{
	static const struct {
		const char *word;
		bool quiet, seen;
	} rows[] = {{"plain", false, true}, {"json", false, true}, {"quiet", false, false}, {"plain", true, false}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoprogress struct progress *p = NULL;
		struct error err = {0};

		ROW(rows[i].word);
		CHECK_INT(progress_new(rows[i].word, rows[i].quiet, "pull", &p, &err), 0);
		CHECK_INT(progress_observer(p) != NULL, rows[i].seen);
	}
	struct progress *none = NULL;
	struct error err = {0};

	CHECK(progress_new("loud", false, "pull", &none, &err) < 0);
	CHECK_CONTAINS(err.msg, "auto|tty|plain|json|quiet");
}
