/* SPDX-License-Identifier: Apache-2.0 */
/* Ids and moments as tables show them. */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

void show_id(const char *id, bool whole, char out[static 160])
{
	const char *hex = strchr(id, ':') ? strchr(id, ':') + 1 : id;

	(void)snprintf(out, 160, whole ? "%s" : "%.12s", whole ? id : hex);
}

void show_age(int64_t ns, char out[static 160])
{
	char age[CLOCK_AGE_MAX];

	clock_format_age(clock_realtime_ns() - ns, age);
	(void)snprintf(out, 160, "%s ago", age);
}

void show_moment(int64_t ns, char out[static 160])
{
	char text[CLOCK_RFC3339_MAX];

	/* Always UTC: what a container host says must not depend on who asks. */
	clock_format_rfc3339(ns, text);
	(void)snprintf(out, 160, "%.10s %.8s +0000 UTC", text, text + 11);
}
