/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * The log sink: one per process, set by main. Library layers log at debug level only; what a user must know travels as
 * struct error. JSON lines have the fields "level", "msg" and "time" (RFC 3339), as engines expect of an OCI runtime.
 */

#include <stdbool.h>

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Where lines go. @fd is borrowed and stays open for the life of the process; default is standard error, text, warn. */
void log_setup(int fd, enum log_format format, enum log_level level);
enum log_level log_get_level(void);
bool log_is_stderr(void);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(...)                                                                                                 \
	do {                                                                                                           \
		if (__builtin_expect(log_get_level() == LOG_DEBUG, 0))                                                 \
			log_write(LOG_DEBUG, __VA_ARGS__);                                                             \
	} while (0)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)

/* One error line: message, then hint if there is one. */
void log_error(const struct error *err);

#endif
