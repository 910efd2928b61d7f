/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log sink. Each line is built in a bounded buffer on the stack and written with one write(2), so lines of several
 * processes on one file do not mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
} sink = {.fd = STDERR_FILENO, .format = LOG_FORMAT_TEXT, .level = LOG_WARN};

static const char *const level_names[LOG_LEVEL_COUNT] = {"debug", "info", "warning", "error"};

void log_setup(int fd, enum log_format format, enum log_level level)
{
	sink.fd = fd;
	sink.format = format;
	sink.level = level;
}

enum log_level log_get_level(void)
{
	return sink.level;
}

bool log_is_stderr(void)
{
	return sink.fd == STDERR_FILENO;
}

static size_t add_escaped(char *out, size_t len, size_t size, const char *s)
{
	for (; *s && len + 7 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			out[len++] = '\\';
			out[len++] = (char)c;
		} else if (c < 0x20) {
			len += (size_t)snprintf(out + len, size - len, "\\u%04x", c);
		} else {
			out[len++] = (char)c;
		}
	}
	return len;
}

static void emit(enum log_level level, const char *msg)
{
	char line[2048];
	size_t len;

	if (sink.format == LOG_FORMAT_JSON) {
		struct timespec now;
		struct tm tm;
		char when[40];

		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
		len = (size_t)snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"", level_names[level]);
		len = add_escaped(line, len, sizeof(line) - 64, msg);
		len += (size_t)snprintf(line + len, sizeof(line) - len, "\",\"time\":\"%s\"}\n", when);
	} else {
		len = (size_t)snprintf(line, sizeof(line) - 1, "%s: %s", level_names[level], msg);
		if (len > sizeof(line) - 2)
			len = sizeof(line) - 2;
		line[len++] = '\n';
	}
	(void)fd_write_all(sink.fd, line, len); /* nowhere left to complain */
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char msg[1536];
	va_list ap;

	if (level < sink.level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	emit(level, msg);
}

void log_error(const struct error *err)
{
	char msg[sizeof(err->msg) + sizeof(err->hint) + 8];

	(void)snprintf(msg, sizeof(msg), err->hint[0] ? "%s (%s)" : "%s", err->msg, err->hint);
	emit(LOG_ERROR, msg);
}
