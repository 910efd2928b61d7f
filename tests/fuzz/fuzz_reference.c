/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references, platforms and container ids. What is accepted must be the same after it was written out in full and
 * in the short form, and can never walk up in a path.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct arena *a, const char *text, const struct image_reference *want)
{
	struct image_reference r;
	struct error err = {0};

	if (image_reference_parse(a, text, &r, &err) < 0 || !str_eq(r.domain, want->domain) ||
	    !str_eq(r.path, want->path) || !str_eq(r.tag, want->tag) || !str_eq(r.digest, want->digest))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {0};
	char *text = arena_strndup(&a, (const char *)data, size);
	struct image_platform p;
	struct image_platform native = image_platform_native();
	struct image_reference r;
	struct error err = {0};

	if (image_reference_parse(&a, text, &r, &err) == 0) {
		if (strstr(r.path, "..") || *r.path == '/' || strchr(r.domain, '/') || (r.tag && strchr(r.tag, '/')))
			abort();
		same(&a, image_reference_full(&a, &r), &r);
		same(&a, image_reference_familiar(&a, &r), &r);
	}
	if (image_platform_parse(&a, text, &p, &err) == 0)
		(void)image_platform_match(&p, &native);
	if (spec_check_id(text, &err) == 0 && (strchr(text, '/') || strlen(text) > 255 || !*text))
		abort();
	arena_done(&a);
	return 0;
}
