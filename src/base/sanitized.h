/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SANITIZED_H
#define BASE_SANITIZED_H

/* SANITIZED: AddressSanitizer is in the program. Its shadow memory is terabytes of address space, so that a bound on that cannot
 * be kept. gcc says it by a macro, clang by a feature. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

/* In a program that locks itself in, once: looking for leaks at the end takes a process that traces us, which it may not have. */
#if SANITIZED
#define SANITIZED_WITHOUT_LEAKS                                                                                        \
	const char *__lsan_default_options(void);                                                                      \
	const char *__lsan_default_options(void)                                                                       \
	{                                                                                                              \
		return "detect_leaks=0";                                                                               \
	}
#else
#define SANITIZED_WITHOUT_LEAKS
#endif

#endif
