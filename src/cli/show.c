/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, names and moments as tables and lists show them. */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/str.h"
#include "spec/image.h"

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

void show_familiar(const char *what, const char *name)
{
	struct arena a = {};
	struct image_reference ref;
	struct error err;

	printf("%s: %s\n", what,
	       image_reference_parse(&a, name, &ref, &err) == 0 ? image_reference_familiar(&a, &ref) : name);
	arena_done(&a);
}

void show_artifact_name(struct arena *a, const char *name, const char **ret_repository, const char **ret_tag)
{
	struct image_reference ref;
	struct error none;

	*ret_repository = name;
	*ret_tag = "<none>";
	if (image_reference_parse(a, name, &ref, &none) < 0)
		return;
	*ret_repository = arena_printf(a, "%s/%s", ref.domain, ref.path);
	if (ref.tag)
		*ret_tag = ref.tag;
}
