/* SPDX-License-Identifier: Apache-2.0 */
/* Which image a wrong name may have meant. */
#include "base/cleanup.h"
#include "store/store.h"
#include "test.h"

TEST(names_that_are_nearly_right)
{
	struct store_image_row rows[] = {{.repository = "debian", .tag = "12"},
					 {.repository = "team/app", .tag = "latest"},
					 {.repository = NULL, .tag = NULL}};
	const struct store_image_list list = {.rows = rows, .count = ARRAY_SIZE(rows)};
	char near[256];

	store_nearest_images(&list, "debiam", near, sizeof(near));
	CHECK_STR(near, "'debian:12'");
	store_nearest_images(&list, "debian:13", near, sizeof(near));
	CHECK_STR(near, "'debian:12'");
	store_nearest_images(&list, "app", near, sizeof(near));
	CHECK_STR(near, "'team/app:latest'");
	store_nearest_images(&list, "postgres", near, sizeof(near));
	CHECK_STR(near, "");
	store_nearest_images(&list, "", near, sizeof(near));
	CHECK_STR(near, "");
}
