/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "test.h"

static int ends[2];
static char line[8192];

/* Start capturing with a fresh pipe. */
static bool capture(enum log_format format, enum log_level level)
{
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	log_setup(ends[1], format, level);
	return true;
}

/* All that was logged; ends capturing. */
static const char *captured(void)
{
	ssize_t n = read(ends[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	close(ends[1]);
	log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_WARN);
	return line;
}

/* Parse the captured line: it must be one valid JSON document with a newline at its end. */
static struct json *captured_json(void)
{
	struct error err = {0};
	struct json *j = NULL;
	size_t len = strlen(captured());

	CHECK(len > 1 && line[len - 1] == '\n');
	CHECK(strchr(line, '\n') == line + len - 1);
	if (json_parse(line, len, "line", &j, &err) < 0) {
		CHECK_STR(err.msg, "");
		return NULL;
	}
	return j;
}

TEST(levels_filter)
{
	REQUIRE(capture(LOG_FORMAT_TEXT, LOG_WARN));
	CHECK_INT(log_get_level(), LOG_WARN);
	CHECK(!log_is_stderr());
	log_debug("d %d", 1);
	log_info("i");
	log_warn("w %s", "x");
	CHECK_STR(captured(), "warning: w x\n");
	CHECK(log_is_stderr());
}

TEST(debug_is_written_when_asked)
{
	REQUIRE(capture(LOG_FORMAT_TEXT, LOG_DEBUG));
	log_debug("step %d", 3);
	CHECK_STR(captured(), "debug: step 3\n");
}

TEST(text_of_an_error)
{
	struct error err = {0};

	(void)error_set(&err, ERROR_INVALID, EINVAL, "bad thing");
	REQUIRE(capture(LOG_FORMAT_TEXT, LOG_ERROR));
	log_error(&err);
	CHECK_STR(captured(), "error: bad thing\n");
	(void)error_hint(&err, "do this");
	REQUIRE(capture(LOG_FORMAT_TEXT, LOG_ERROR));
	log_error(&err);
	CHECK_STR(captured(), "error: bad thing (do this)\n");
}

TEST(text_stays_one_line)
{
	REQUIRE(capture(LOG_FORMAT_TEXT, LOG_WARN));
	log_warn("a\nerror: forged\x1b[2J");
	CHECK_STR(captured(), "warning: a?error: forged?[2J\n");
}

TEST(json_has_the_fields_of_an_oci_runtime)
{
	autojson struct json *j = NULL;
	int64_t then = 0;
	int64_t now = clock_realtime_ns();

	REQUIRE(capture(LOG_FORMAT_JSON, LOG_INFO));
	log_info("say \"%s\"", "hi\\");
	j = captured_json();
	CHECK_STR(json_str(json_get(j, "level")), "info");
	CHECK_STR(json_str(json_get(j, "msg")), "say \"hi\\\"");
	REQUIRE(json_str(json_get(j, "time")));
	CHECK_INT(clock_parse_rfc3339(json_str(json_get(j, "time")), &then), 0);
	CHECK(now - then < 5 * NS_PER_S && then - now < 5 * NS_PER_S);
	CHECK_INT(json_len(j), 3);
}

TEST(json_escapes_control_characters)
{
	autojson struct json *j = NULL;

	REQUIRE(capture(LOG_FORMAT_JSON, LOG_WARN));
	log_warn("a\n\t\x01\x1f\x7f");
	j = captured_json();
	CHECK_STR(json_str(json_get(j, "msg")), "a\n\t\x01\x1f\x7f");
}

TEST(json_is_valid_for_bytes_that_are_no_utf8)
{
	autojson struct json *j = NULL;

	REQUIRE(capture(LOG_FORMAT_JSON, LOG_WARN));
	log_warn("name \xff\xc3( \xc3\xa9");
	j = captured_json();
	CHECK_STR(json_str(json_get(j, "msg")), "name \?\?( \xc3\xa9");
}

TEST(long_messages_are_cut_but_valid)
{
	static char text[6000];

	for (int fill = 0; fill < 3; fill++) {
		autojson struct json *j = NULL;

		/* plain, all escapes, and two-byte letters that the cut may hit in the middle */
		for (size_t i = 0; i < sizeof(text) - 1; i++)
			text[i] = fill == 0 ? 'x' : fill == 1 ? '\x01' : i % 2 ? '\xa9' : '\xc3';
		REQUIRE(capture(LOG_FORMAT_JSON, LOG_WARN));
		log_warn("%s%s", fill == 2 ? "y" : "", text);
		j = captured_json();
		CHECK(json_str(json_get(j, "msg")) != NULL);
		CHECK(json_str(json_get(j, "time")) != NULL);
	}
	REQUIRE(capture(LOG_FORMAT_TEXT, LOG_WARN));
	log_warn("%s", text);
	CHECK(strlen(captured()) > 1000);
	CHECK_INT(line[strlen(line) - 1], '\n');
}
