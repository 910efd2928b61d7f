/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FORTIFY_H
#define BASE_FORTIFY_H

/*
 * What _FORTIFY_SOURCE=3 does for programs with glibc, for bothy-oci with musl, which has no such checks: where the compiler
 * knows how large a buffer is, a call that would write behind its end stops the program (main/fortify.c). The build includes
 * this file in front of every other, for that program only. The calls are those that we use and that write to a buffer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define FORTIFY_ROOM(p) __builtin_dynamic_object_size((p), 0)
#define FORTIFY extern __inline__ __attribute__((__always_inline__, __gnu_inline__, __artificial__))

/* Say which call it was, and abort. */
void fortify_failed(const char *call) __attribute__((noreturn, cold));

FORTIFY void *memcpy(void *to, const void *from, size_t n)
{
	return __builtin___memcpy_chk(to, from, n, FORTIFY_ROOM(to));
}

FORTIFY void *memmove(void *to, const void *from, size_t n)
{
	return __builtin___memmove_chk(to, from, n, FORTIFY_ROOM(to));
}

FORTIFY void *memset(void *to, int byte, size_t n)
{
	return __builtin___memset_chk(to, byte, n, FORTIFY_ROOM(to));
}

FORTIFY int vsnprintf(char *to, size_t n, const char *format, va_list args)
{
	return __builtin___vsnprintf_chk(to, n, 0, FORTIFY_ROOM(to), format, args);
}

#ifndef __clang__ /* which cannot hand on the arguments of a variadic function that it puts in place */
FORTIFY int snprintf(char *to, size_t n, const char *format, ...)
{
	return __builtin___snprintf_chk(to, n, 0, FORTIFY_ROOM(to), format, __builtin_va_arg_pack());
}
#endif

#define FORTIFY_REAL(name) __asm__(#name)

extern ssize_t fortify_real_read(int fd, void *to, size_t n) FORTIFY_REAL(read);
extern ssize_t fortify_real_pread(int fd, void *to, size_t n, off_t at) FORTIFY_REAL(pread);
extern ssize_t fortify_real_recv(int fd, void *to, size_t n, int flags) FORTIFY_REAL(recv);
extern ssize_t fortify_real_readlinkat(int dir, const char *path, char *to, size_t n) FORTIFY_REAL(readlinkat);
extern ssize_t fortify_real_readlink(const char *path, char *to, size_t n) FORTIFY_REAL(readlink);

FORTIFY ssize_t read(int fd, void *to, size_t n)
{
	if (n > FORTIFY_ROOM(to))
		fortify_failed("read");
	return fortify_real_read(fd, to, n);
}

FORTIFY ssize_t pread(int fd, void *to, size_t n, off_t at)
{
	if (n > FORTIFY_ROOM(to))
		fortify_failed("pread");
	return fortify_real_pread(fd, to, n, at);
}

FORTIFY ssize_t recv(int fd, void *to, size_t n, int flags)
{
	if (n > FORTIFY_ROOM(to))
		fortify_failed("recv");
	return fortify_real_recv(fd, to, n, flags);
}

FORTIFY ssize_t readlinkat(int dir, const char *path, char *to, size_t n)
{
	if (n > FORTIFY_ROOM(to))
		fortify_failed("readlinkat");
	return fortify_real_readlinkat(dir, path, to, n);
}

FORTIFY ssize_t readlink(const char *path, char *to, size_t n)
{
	if (n > FORTIFY_ROOM(to))
		fortify_failed("readlink");
	return fortify_real_readlink(path, to, n);
}

#endif
