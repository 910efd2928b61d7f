/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_DIAGNOSE_H
#define RUNTIME_DIAGNOSE_H

#include "base/error.h"

/*
 * Why a program can't be started, in words: the kernel has one errno for many causes. The sentences keep the fragments
 * that engines match on ("executable file not found in $PATH", "no such file or directory", "permission denied").
 * Context: inside the container's root, as its user; reads files of the image with bounds, allocates nothing.
 */

/* @name was not found (ENOENT), is a directory (EISDIR) or not executable (EACCES). @envp gives PATH for the nearest name.
 * Fills @err with NO_PROGRAM or NOT_EXECUTABLE. Returns -errno. */
int diagnose_missing(const char *name, int errnum, char *const *envp, struct error *err);

/* execve of @path failed with @errnum: look at the file for a missing interpreter or ELF loader, a wrong architecture,
 * a missing execute bit, CRLF in the shebang, an empty file. Returns -errno. */
int diagnose_exec(const char *path, int errnum, struct error *err);

#endif
