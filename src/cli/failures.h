/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FAILURES_H
#define CLI_FAILURES_H

/* For commands that take several things, where one that fails does not keep the others. */

#include "base/error.h"

/* Another one failed, for the reason @why. The last failure is the command's own, which is told at its end: the one before it,
 * *@err, is told here, with its hint unless @why has the same. @failed: what the previous call returned, 0: none has failed so far.
 * Returns -why->code; *@err becomes *@why.
 *
 *	if (remove_one(..., &why) < 0)
 *		failed = failures_add(failed, &why, err);
 *	...
 *	return failed;
 */
int failures_add(int failed, const struct error *why, struct error *err);

#endif
