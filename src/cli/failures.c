/* SPDX-License-Identifier: Apache-2.0 */
/* Failures of a command that goes on after one: see failures.h. */
#include "cli/failures.h"

#include <stdio.h>

#include "base/str.h"

int failures_add(int failed, const struct error *why, struct error *err)
{
	if (failed) {
		(void)fprintf(stderr, "Error: %s\n", err->msg);
		if (err->hint[0] && !str_eq(err->hint, why->hint))
			(void)fprintf(stderr, "Hint: %s\n", err->hint);
	}
	*err = *why;
	return -why->code;
}
