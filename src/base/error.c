/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values. Nothing here allocates, takes a lock or reads the locale, so that the child between clone and exec
 * may use it too.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#undef error_set
#undef error_sys
#undef error_wrap
#undef error_hint

static const char *const kind_names[ERROR_KIND_COUNT] = {
	[ERROR_INTERNAL] = "internal",
	[ERROR_INVALID] = "invalid",
	[ERROR_NOT_FOUND] = "not found",
	[ERROR_CONFLICT] = "conflict",
	[ERROR_DENIED] = "denied",
	[ERROR_BUSY] = "busy",
	[ERROR_UNSUPPORTED] = "unsupported",
	[ERROR_LIMIT] = "limit",
	[ERROR_UNAVAILABLE] = "unavailable",
	[ERROR_NOT_EXECUTABLE] = "not executable",
	[ERROR_NO_PROGRAM] = "no program",
};

/* Where the words of the C libraries differ, glibc's are the ones that engines, scripts and people look for. */
/* clang-format off */
static const struct {
	int errnum;
	const char *text;
} errno_words[] = {
	{EIO, "Input/output error"},
	{ECHILD, "No child processes"},
	{ENOMEM, "Cannot allocate memory"},
	{EBUSY, "Device or resource busy"},
	{EXDEV, "Invalid cross-device link"},
	{EMFILE, "Too many open files"},
	{ENOTTY, "Inappropriate ioctl for device"},
	{ESPIPE, "Illegal seek"},
	{ERANGE, "Numerical result out of range"},
	{EDEADLK, "Resource deadlock avoided"},
	{ENAMETOOLONG, "File name too long"},
	{ELOOP, "Too many levels of symbolic links"},
	{EOVERFLOW, "Value too large for defined data type"},
	{ENOTSOCK, "Socket operation on non-socket"},
	{EMSGSIZE, "Message too long"},
	{EOPNOTSUPP, "Operation not supported"},
	{EADDRINUSE, "Address already in use"},
	{EADDRNOTAVAIL, "Cannot assign requested address"},
	{ENETUNREACH, "Network is unreachable"},
	{ENETRESET, "Network dropped connection on reset"},
	{ECONNABORTED, "Software caused connection abort"},
	{EISCONN, "Transport endpoint is already connected"},
	{ENOTCONN, "Transport endpoint is not connected"},
	{ESHUTDOWN, "Cannot send after transport endpoint shutdown"},
	{ETIMEDOUT, "Connection timed out"},
	{EHOSTUNREACH, "No route to host"},
	{EINPROGRESS, "Operation now in progress"},
	{EUCLEAN, "Structure needs cleaning"},
	{EDQUOT, "Disk quota exceeded"},
	{EOWNERDEAD, "Owner died"},
};
/* clang-format on */

/* A constant that no locale touches: strerror of glibc is neither. */
static const char *library_text(int errnum)
{
#ifdef __GLIBC__
	const char *text = strerrordesc_np(errnum);

	return text ? text : "unknown error";
#else
	return strerror(errnum);
#endif
}

const char *error_kind_name(enum error_kind kind)
{
	return (unsigned)kind < ERROR_KIND_COUNT ? kind_names[kind] : "unknown";
}

const char *error_text(int errnum)
{
	for (size_t i = 0; i < ARRAY_SIZE(errno_words); i++)
		if (errno_words[i].errnum == errnum)
			return errno_words[i].text;
	return library_text(errnum);
}

enum error_kind error_kind_from_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ESRCH:
	case ENODEV:
	case ENXIO:
		return ERROR_NOT_FOUND;
	case EEXIST:
	case ENOTEMPTY:
		return ERROR_CONFLICT;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERROR_DENIED;
	case EBUSY:
	case EAGAIN:
	case ETXTBSY:
		return ERROR_BUSY;
	case ENOSYS:
	case EOPNOTSUPP:
		return ERROR_UNSUPPORTED;
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case E2BIG:
	case EFBIG:
	case ENAMETOOLONG:
	case EOVERFLOW:
		return ERROR_LIMIT;
	case ECONNREFUSED:
	case ETIMEDOUT:
	case EHOSTUNREACH:
		return ERROR_UNAVAILABLE;
	case EINVAL:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ERANGE:
		return ERROR_INVALID;
	default:
		return ERROR_INTERNAL;
	}
}

/* A message must stay one line on a terminal: what came from outside may carry control characters. */
static void neutralise(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void fill(struct error *err, const char *fmt, va_list ap)
{
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	err->hint[0] = '\0';
	neutralise(err->msg);
}

int error_set(struct error *err, enum error_kind kind, int errnum, const char *fmt, ...)
{
	va_list ap;

	err->code = errnum > 0 ? errnum : EINVAL;
	err->kind = kind;
	va_start(ap, fmt);
	fill(err, fmt, ap);
	va_end(ap);
	return -err->code;
}

int error_sys(struct error *err, int errnum, const char *fmt, ...)
{
	const char *reason;
	va_list ap;
	size_t len;
	size_t most;

	err->code = errnum > 0 ? errnum : EINVAL;
	err->kind = error_kind_from_errno(err->code);
	va_start(ap, fmt);
	fill(err, fmt, ap);
	va_end(ap);
	reason = error_text(err->code);
	len = strlen(err->msg);
	/* A long name in front must not push the reason out. */
	most = sizeof(err->msg) - strlen(reason) - 3;
	if (len > most)
		len = most;
	(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", reason);
	return -err->code;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	va_list ap;
	size_t len;
	size_t room;

	memcpy(inner, err->msg, sizeof(inner));
	len = strlen(inner);
	room = sizeof(err->msg) - len;
	if (room <= 3)
		return -err->code;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, room - 2, fmt, ap);
	va_end(ap);
	neutralise(err->msg);
	room = strlen(err->msg);
	memcpy(err->msg + room, ": ", 2);
	memcpy(err->msg + room + 2, inner, len + 1);
	return -err->code;
}

int error_hint(struct error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	neutralise(err->hint);
	return -err->code;
}
