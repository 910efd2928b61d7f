/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Time: monotonic nanoseconds for measuring, RFC 3339 text for people and documents. */

#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t clock_monotonic_ns(void);
/* CLOCK_REALTIME in nanoseconds since the epoch. */
int64_t clock_realtime_ns(void);

#define CLOCK_RFC3339_MAX 40
/* @ns since the epoch as UTC "2026-01-02T03:04:05.123456789Z". */
void clock_format_rfc3339(int64_t ns, char out[static CLOCK_RFC3339_MAX]);
/* Parse RFC 3339 with any offset and up to nine fraction digits. An instant outside of the range of @ret_ns
 * (the years 1677 to 2262) becomes its nearest end, since Go programs write "0001-01-01T00:00:00Z" for "not known".
 * Returns 0 or -EINVAL. */
int clock_parse_rfc3339(const char *s, int64_t *ret_ns);
/* The time span @ns: "3 minutes", "2 weeks", as Docker's tables say it. */
#define CLOCK_AGE_MAX 32
void clock_format_age(int64_t ns, char out[static CLOCK_AGE_MAX]);

#endif
