/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECCOMP_FLAGS_H
#define SECCOMP_FLAGS_H

/* The filter flags by name, and whether the running kernel takes them. Private to the module. */

#include <stdbool.h>
#include <stdint.h>
#include <linux/seccomp.h>

struct flag_word {
	const char *name;
	uint32_t bit;
};
#define FLAG_WORDS 5       /* the last, NEW_LISTENER, is not for documents */
#define FLAG_WORDS_KNOWN 4 /* those that a document may list */
extern const struct flag_word flag_words[FLAG_WORDS];

/* Asks with a call that cannot install anything. */
bool flags_known_to_kernel(uint32_t flags);

#endif
