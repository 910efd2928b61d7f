/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/cleanup.h"
#include "store/internal.h"

TEST(the_largest_goes_first)
{
	static const struct {
		int64_t size, largest;
		uint32_t nice;
	} rows[] = {
		{100, 100, 0}, {0, 0, 0},    {99, 100, 1},    {81, 100, 1},
		{79, 100, 2},  {50, 100, 4}, {1, 1000000, 7}, {0, 100, 7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_INT(worker_nice(rows[i].size, rows[i].largest), rows[i].nice);
}
