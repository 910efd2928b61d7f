/* SPDX-License-Identifier: Apache-2.0 */
/* What a command that brought images in says of those that had to go for them: see collect.h. */
#include "cli/collect.h"

#include <stdio.h>

#include "base/cleanup.h"

static void warn(const struct error *err)
{
	(void)fprintf(stderr, "Warning: %s\n", err->msg);
	if (err->hint[0])
		(void)fprintf(stderr, "Hint: %s\n", err->hint);
}

void collect_check_config(void)
{
	struct error err = {0};

	if (engine_config_check(&err) < 0)
		warn(&err);
}

void collect_after(struct engine *e, const struct strv *fresh, bool quiet)
{
	autoclean(store_prune_result_done) struct store_prune_result r = {0};
	struct error err = {0};
	char size[16];

	/* What came is there: that the others could not be looked after does not make it a failure. */
	if (engine_collect(e, fresh ? fresh->items : NULL, fresh ? fresh->count : 0, &r, &err) < 0) {
		warn(&err);
		return;
	}
	for (size_t i = 0; !quiet && i < r.removed.untagged.count; i++)
		(void)fprintf(stderr, "Removed, as gc is configured: %s\n", r.removed.untagged.items[i]);
	str_from_size(r.freed, size);
	if (!quiet && r.removed.untagged.count)
		(void)fprintf(stderr, "Reclaimed space: %s\n", size);
}
