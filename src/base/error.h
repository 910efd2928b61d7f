/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/*
 * An error is a value that carries its own sentence. A fallible function returns 0, a negative errno with @err filled,
 * or a positive outcome named in its header. The struct has a fixed size and no heap, so that it works when memory is
 * out and can be sent whole through a pipe (it is below PIPE_BUF: one atomic write).
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* What a caller may branch on. One table maps it to exit codes, another to HTTP status. */
enum error_kind {
	ERROR_INTERNAL,       /* our own fault, or the kernel's for no known reason */
	ERROR_INVALID,        /* what the user gave is wrong */
	ERROR_NOT_FOUND,      /* the named object is not there */
	ERROR_CONFLICT,       /* it exists already, or is in the wrong state */
	ERROR_DENIED,         /* rights are missing */
	ERROR_BUSY,           /* in use; may work later */
	ERROR_UNSUPPORTED,    /* this kernel, host or build cannot do it */
	ERROR_LIMIT,          /* a bound was passed */
	ERROR_UNAVAILABLE,    /* a service or resource outside is not answering */
	ERROR_NOT_EXECUTABLE, /* the container's program exists but cannot be invoked (exit code 126) */
	ERROR_NO_PROGRAM,     /* the container's program was not found (exit code 127) */
	ERROR_KIND_COUNT
};

#define ERROR_MSG_MAX 768

struct error {
	int code; /* positive errno, never 0 once set */
	enum error_kind kind;
	char msg[ERROR_MSG_MAX]; /* what was tried, on which object, the reason; no newline */
	char hint[256];          /* what to type or change next; empty when unknown */
};

/* Fill @err at the origin. @errnum is a positive errno (0 becomes EINVAL); the reason in words is NOT added to the text
 * by itself, use error_sys() for that. Returns -errnum. */
int error_set(struct error *err, enum error_kind kind, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/* The same for a failed system call: the kind follows from @errnum, and ": <strerror>" is appended. */
int error_sys(struct error *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4), cold));

/* Put context in front of what @err says: "<context>: <text>". When the room is full the outer context is cut, never the
 * cause. Returns -err->code. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Say what to do next; replaces an earlier hint. Returns -err->code. */
int error_hint(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* The analysers read one file at a time, so they cannot know that the four never return 0 or more, and would see every
 * out-parameter behind them as unset. */
#if defined(__clang_analyzer__) || defined(BOTHY_ANALYSE)
static inline int error_negative(int r)
{
	if (r >= 0)
		__builtin_unreachable();
	return r;
}
#define error_set(...) error_negative(error_set(__VA_ARGS__))
#define error_sys(...) error_negative(error_sys(__VA_ARGS__))
#define error_wrap(...) error_negative(error_wrap(__VA_ARGS__))
#define error_hint(...) error_negative(error_hint(__VA_ARGS__))
#endif

/* The kind that an errno most often means. */
enum error_kind error_kind_from_errno(int errnum);

/* The lower-case name of @kind ("not found"), for logs and JSON. */
const char *error_kind_name(enum error_kind kind);

/* The text of an errno, as strerror(3), but a constant string and safe between clone and exec. */
const char *error_text(int errnum);

#endif
