/* SPDX-License-Identifier: Apache-2.0 */
/* What is on its way into the store: bounds, and what counts as known. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/staged.h"

#define GIB (UINT64_C(1) << 30)

/* An image of @count layers of the same content. */
static const struct staged_chains *same_layers(struct staged *g, size_t count, char diff[static DIGEST_TEXT_MAX])
{
	struct spec_strs diffs = {.items = arena_alloc(&g->arena, count, sizeof(char *)), .count = count};

	digest_of("x", 1, diff);
	for (size_t i = 0; i < count; i++)
		diffs.items[i] = arena_strdup(&g->arena, diff);
	return staged_chains_of(g, &diffs);
}

/* Layer @position comes complete with @bytes. */
static int finish(struct staged *g, const struct staged_chains *chains, size_t position, const char *diff,
		  uint64_t bytes, struct error *err)
{
	struct worker_answer answer = {.report = {.bytes_out = bytes}};
	struct staged_layer *l = staged_add_layer(g, chains, position, diff, diff);
	struct digest d;

	digest_init(&d);
	digest_add(&d, "x", 1);
	digest_end(&d, answer.report.digest_out);
	return staged_layer_finish_take(g, l, &answer, err);
}

static void done(struct staged *g)
{
	staged_forget(g);
	free(g->layers);
	arena_done(&g->arena);
}

TEST(v30_the_same_layer_again_and_again)
{
	struct staged g = {.staging = STAGING_NONE};
	char diff[DIGEST_TEXT_MAX];
	struct error err = {0};

	worker_limits(NULL, &g.limits);
	const struct staged_chains *chains = same_layers(&g, 500, diff);

	CHECK_INT(finish(&g, chains, 0, diff, 3 * GIB, &err), 0);
	CHECK_INT(finish(&g, chains, 1, diff, 3 * GIB, &err), 0);
	CHECK_INT(finish(&g, chains, 2, diff, 3 * GIB, &err), -EFBIG);
	CHECK_INT(err.kind, ERROR_LIMIT);
	CHECK_CONTAINS(err.msg, "again and again");
	done(&g);
}

TEST(empty_layers_may_be_repeated)
{
	struct staged g = {.staging = STAGING_NONE};
	char diff[DIGEST_TEXT_MAX];
	struct error err = {0};

	worker_limits(NULL, &g.limits);
	const struct staged_chains *chains = same_layers(&g, 500, diff);

	for (size_t i = 0; i < 500; i++)
		CHECK_INT(finish(&g, chains, i, diff, 1024, &err), 0);
	done(&g);
}

TEST(two_images_on_one_layer_are_no_repetition)
{
	struct staged g = {.staging = STAGING_NONE};
	char diff[DIGEST_TEXT_MAX];
	struct error err = {0};

	worker_limits(NULL, &g.limits);
	for (size_t i = 0; i < 5; i++)
		CHECK_INT(finish(&g, same_layers(&g, 1, diff), 0, diff, 3 * GIB, &err), 0);
	done(&g);
}

TEST(all_layers_together)
{
	struct staged g = {.staging = STAGING_NONE};
	char diff[DIGEST_TEXT_MAX];
	struct error err = {0};

	worker_limits(NULL, &g.limits);
	CHECK_INT(finish(&g, same_layers(&g, 1, diff), 0, diff, STORE_LIMIT_IMAGE_BYTES, &err), 0);
	CHECK_INT(finish(&g, same_layers(&g, 1, diff), 0, diff, 1, &err), -EFBIG);
	CHECK_CONTAINS(err.msg, "all layers together");
	done(&g);
}
