/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms on the command line: see platform.h. */
#include "cli/platform.h"

#include <errno.h>

#include "base/mem.h"
#include "spec/image.h"

int platform_word(const struct platform_words *w, char **ret, struct error *err)
{
	const struct image_platform native = image_platform_native();
	const char *part = w->arch ? "--arch" : w->os ? "--os" : w->variant ? "--variant" : NULL;

	if (!part) {
		*ret = w->platform ? mem_strdup(w->platform) : NULL;
		return 0;
	}
	if (w->platform)
		return error_set(err, ERROR_INVALID, EINVAL, "--platform and %s cannot be given together", part);
	if (w->variant && !w->arch)
		return error_set(err, ERROR_INVALID, EINVAL, "--variant: of which architecture? --arch is missing");
	*ret = mem_printf("%s/%s%s%s", w->os ? w->os : native.os, w->arch ? w->arch : native.architecture,
			  w->variant ? "/" : "", w->variant ? w->variant : "");
	return 0;
}
