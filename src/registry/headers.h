/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_HEADERS_H
#define REGISTRY_HEADERS_H

/* The header fields of HTTP that carry a grammar. All are from outside: bounded, strict, no partial results. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum challenge_scheme { CHALLENGE_OTHER, CHALLENGE_BASIC, CHALLENGE_BEARER };
struct challenge {
	enum challenge_scheme scheme;
	const char *realm, *service, *scope, *error; /* NULL: not given */
};
#define HEADER_CHALLENGES_MAX 8

/* WWW-Authenticate (RFC 9110, 11.6.1; RFC 6750; several may share a field). Returns 0 with up to HEADER_CHALLENGES_MAX in @ret
 * (memory in @a), or -EINVAL: not of that grammar. */
int header_challenges(struct arena *a, const char *text, struct challenge ret[static HEADER_CHALLENGES_MAX],
		      size_t *ret_count);

/* "bytes 5-9/10" or with total "*" (then UINT64_MAX). Returns 0 or -EINVAL. */
int header_content_range(const char *text, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_total);
/* What an upload has: "0-9" or "bytes=0-9" gives 10; "0-0" gives 1 (some registries mean none by it: ask the caller's own
 * count). Returns 0 or -EINVAL. */
int header_upload_range(const char *text, uint64_t *ret_count);
/* The target of the first rel="next" of a Link field (RFC 8288), in @a; NULL: none. */
const char *header_link_next(struct arena *a, const char *text);
/* Retry-After in seconds (RFC 9110, 10.2.3); a date is taken against @now_s (seconds since the epoch). Returns 0 or -EINVAL. */
int header_retry_after(const char *text, int64_t now_s, uint32_t *ret_s);

#endif
