/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

/*
 * Scope-bound ownership. A variable declared with one of these attributes gives its resource back when the scope
 * ends, on every path; handing it over is written `*ret = take_ptr(&p)` or `take_fd(&fd)` and empties the variable.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* Run @fn(&variable) at the end of the scope. @fn must accept an empty or half-built object. */
#define autoclean(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Heap memory, freed with free(3). Declare as `autofree char *p = NULL;`. */
#define autofree autoclean(cleanup_free)
/* A stdio stream, closed with fclose(3). */
#define autofile autoclean(cleanup_file)
/* A directory stream, closed with closedir(3). */
#define autodir autoclean(cleanup_dir)

/* Hand over a pointer: yields the value of *@pp and leaves NULL there. */
#define take_ptr(pp)                                                                                                   \
	({                                                                                                             \
		__auto_type take_pp_ = (pp);                                                                           \
		__auto_type take_p_ = *take_pp_;                                                                       \
		*take_pp_ = NULL;                                                                                      \
		take_p_;                                                                                               \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
