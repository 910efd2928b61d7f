/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PLATFORM_H
#define CLI_PLATFORM_H

/* A platform in Docker's one word (--platform linux/arm64/v8) or in Podman's three (--arch, --os, --variant). */

#include "cli/cli.h"

struct platform_words {
	const char *platform, *arch, *os, *variant; /* as given; NULL: not */
};

/* clang-format off */
#define PLATFORM_OPTIONS(type, place, help) \
	{"platform", 0, OPTION_STRING, offsetof(type, place.platform), "OS/ARCH[/VARIANT]", help, 0}, \
	PLATFORM_PARTS(type, place)
#define PLATFORM_PARTS(type, place) \
	{"arch", 0, OPTION_STRING, offsetof(type, place.arch), "ARCH", "the architecture, in place of --platform", 0}, \
	{"os", 0, OPTION_STRING, offsetof(type, place.os), "OS", "the operating system, in place of --platform", 0}, \
	{"variant", 0, OPTION_STRING, offsetof(type, place.variant), "VARIANT", "of the architecture, in place of --platform", 0}
/* clang-format on */

/* The one word for what was given, NULL for nothing; what is missing of the three is this machine's. Heap.
 * Returns 0, or <0 INVALID: both ways at once, a variant without its architecture. */
int platform_word(const struct platform_words *w, char **ret, struct error *err);

#endif
