/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checked forms that base/fortify.h makes of calls whose buffer's size is known. The names are the compiler's: it calls
 * them where it could not show itself that the call fits.
 */
#include "base/fortify.h"

#include <stdlib.h>

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__memset_chk(void *to, int byte, size_t n, size_t room);
int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, va_list args);
int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...);

/* The functions themselves, past the checks of the header. */
void *real_memcpy(void *to, const void *from, size_t n) FORTIFY_REAL(memcpy);
void *real_memmove(void *to, const void *from, size_t n) FORTIFY_REAL(memmove);
void *real_memset(void *to, int byte, size_t n) FORTIFY_REAL(memset);
int real_vsnprintf(char *to, size_t n, const char *format, va_list args) FORTIFY_REAL(vsnprintf);

void fortify_failed(const char *call)
{
	static const char text[] = ": a buffer would have been written beyond its end\n";

	(void)!write(STDERR_FILENO, call, strlen(call));
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	if (n > room)
		fortify_failed("memcpy");
	return real_memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	if (n > room)
		fortify_failed("memmove");
	return real_memmove(to, from, n);
}

void *__memset_chk(void *to, int byte, size_t n, size_t room)
{
	if (n > room)
		fortify_failed("memset");
	return real_memset(to, byte, n);
}

int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, va_list args)
{
	(void)flag;
	if (n > room)
		fortify_failed("vsnprintf");
	return real_vsnprintf(to, n, format, args);
}

int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	if (n > room)
		fortify_failed("snprintf");
	va_start(args, format);
	r = real_vsnprintf(to, n, format, args);
	va_end(args);
	return r;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
