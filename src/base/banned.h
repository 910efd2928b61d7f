/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/*
 * Functions that nobody here calls. The build puts this header in front of every source file, so a use is a compile
 * error. The headers that declare the functions come first, because a poisoned name may not even be declared.
 */

#include <inttypes.h>
#include <linux/bpf.h> /* pastes strtol and strtoul into names of its own */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef alloca   /* a macro in glibc */
#undef vsprintf /* a macro when clang compiles with fortified calls */
#undef sprintf

/* No bound, or a bound that leaves the result unterminated: str_copy, snprintf, mem_printf, buf_add. */
#pragma GCC poison strcpy stpcpy strcat strncpy stpncpy strncat sprintf vsprintf gets
/* Hidden state between calls: strv_split. */
#pragma GCC poison strtok
/* Accept blanks, signs and rubbish behind the number, wrap or saturate: str_to_u64 and its family. */
#pragma GCC poison atoi atol atoll atof strtol strtoll strtoul strtoull strtoimax strtoumax
/* A shell between us and the program. */
#pragma GCC poison system popen
/* Stack growth decided by data. */
#pragma GCC poison alloca
/* A name that another process can take before we do: O_TMPFILE, or openat with O_EXCL under safepath. */
#pragma GCC poison mktemp tmpnam tempnam

#endif
