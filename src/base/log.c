/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log sink. Each line is built in a bounded buffer on the stack and written with one write(2), so lines of several
 * processes on one file do not mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

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

/* Append @s as the inside of a JSON string. What is not UTF-8 becomes '?', since engines read the file strictly. */
static size_t add_escaped(char *out, size_t len, size_t size, const char *s)
{
	while (*s && len + 7 < size) {
		unsigned char c = (unsigned char)*s;
		size_t n = str_utf8_char(s, strnlen(s, 4));

		if (c == '"' || c == '\\') {
			out[len++] = '\\';
			out[len++] = (char)c;
		} else if (c < 0x20) {
			len += (size_t)snprintf(out + len, size - len, "\\u%04x", c);
		} else if (n == 0) {
			out[len++] = '?';
		} else {
			memcpy(out + len, s, n);
			len += n;
		}
		s += n ? n : 1;
	}
	return len;
}

static size_t json_line(char *out, size_t size, enum log_level level, const char *msg)
{
	char when[CLOCK_RFC3339_MAX];
	size_t len;

	clock_format_rfc3339(clock_realtime_ns(), when);
	len = (size_t)snprintf(out, size, "{\"level\":\"%s\",\"msg\":\"", level_names[level]);
	len = add_escaped(out, len, size - 64, msg);
	return len + (size_t)snprintf(out + len, size - len, "\",\"time\":\"%s\"}\n", when);
}

/* A message may hold what came from outside: it must not forge a line or steer the terminal. */
static size_t text_line(char *out, size_t size, enum log_level level, const char *msg)
{
	size_t len = (size_t)snprintf(out, size - 1, "%s: %s", level_names[level], msg);

	if (len > size - 2)
		len = size - 2;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			out[i] = '?';
	out[len++] = '\n';
	return len;
}

static void emit(enum log_level level, const char *msg)
{
	char line[2048];
	size_t len;

	if (sink.format == LOG_FORMAT_JSON)
		len = json_line(line, sizeof(line), level, msg);
	else
		len = text_line(line, sizeof(line), level, msg);
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
