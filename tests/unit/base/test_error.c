/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <limits.h>
#include <stdlib.h>

#include "test.h"

/* Tests put control characters and over-long texts into errors through an argument, as outside input arrives. */
static char long_text[4096];

static const char *letters(char c, size_t count)
{
	memset(long_text, c, count);
	long_text[count] = '\0';
	return long_text;
}

TEST(set_fills_everything)
{
	struct error err = {0};

	CHECK_INT(error_set(&err, ERROR_INVALID, EINVAL, "read '%s'", "x"), -EINVAL);
	CHECK_INT(err.code, EINVAL);
	CHECK_INT(err.kind, ERROR_INVALID);
	CHECK_STR(err.msg, "read 'x'");
	CHECK_STR(err.hint, "");
}

TEST(code_is_never_zero)
{
	struct error err = {0};

	CHECK_INT(error_set(&err, ERROR_INTERNAL, 0, "x"), -EINVAL);
	CHECK_INT(error_set(&err, ERROR_INTERNAL, -5, "x"), -EINVAL);
	CHECK_INT(error_sys(&err, 0, "x"), -EINVAL);
}

TEST(sys_adds_the_reason)
{
	struct error err = {0};

	CHECK_INT(error_sys(&err, ENOENT, "open '%s'", "/x"), -ENOENT);
	CHECK_STR(err.msg, "open '/x': No such file or directory");
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_INT(error_sys(&err, 99999, "x"), -99999);
	CHECK_STR(err.msg, "x: unknown error");
}

TEST(wrap_puts_context_in_front)
{
	struct error err = {0};

	(void)error_sys(&err, EACCES, "open '/x'");
	CHECK_INT(error_wrap(&err, "load container '%s'", "c1"), -EACCES);
	CHECK_STR(err.msg, "load container 'c1': open '/x': Permission denied");
	CHECK_INT(err.kind, ERROR_DENIED);
}

TEST(wrap_cuts_the_context_never_the_cause)
{
	struct error err = {0};

	(void)error_set(&err, ERROR_INVALID, EINVAL, "the cause");
	(void)error_wrap(&err, "%s", letters('c', 2000));
	CHECK(strlen(err.msg) < ERROR_MSG_MAX);
	CHECK_CONTAINS(err.msg, "ccc");
	CHECK_CONTAINS(err.msg, "c: the cause");
	for (int i = 0; i < 20; i++)
		(void)error_wrap(&err, "level %d", i);
	CHECK_CONTAINS(err.msg, ": the cause");
	CHECK(strlen(err.msg) < ERROR_MSG_MAX);
}

TEST(wrap_of_a_full_message_leaves_it)
{
	struct error err = {0};

	for (size_t len = ERROR_MSG_MAX - 8; len < ERROR_MSG_MAX + 4; len++) {
		char cause[ERROR_MSG_MAX];

		(void)error_set(&err, ERROR_INVALID, EINVAL, "%s", letters('x', len));
		memcpy(cause, err.msg, sizeof(cause));
		(void)error_wrap(&err, "context");
		CHECK(strlen(err.msg) < ERROR_MSG_MAX);
		CHECK_CONTAINS(err.msg, cause);
	}
}

TEST(a_long_cause_stays_in_bounds)
{
	struct error err = {0};

	(void)error_sys(&err, ENOENT, "%s", letters('x', 4000));
	CHECK(strlen(err.msg) < ERROR_MSG_MAX);
	/* The system's reason is the cause: it must survive a long name in front. */
	CHECK_CONTAINS(err.msg, ": No such file or directory");
}

TEST(messages_are_one_line)
{
	struct error err = {0};

	(void)error_set(&err, ERROR_INVALID, EINVAL, "name '%s'", "a\nb\x1b[31m\x7f");
	CHECK_STR(err.msg, "name 'a?b?[31m?'");
	(void)error_wrap(&err, "%s", "x\ry");
	CHECK_STR(err.msg, "x?y: name 'a?b?[31m?'");
	(void)error_hint(&err, "try '%s'", "a\tb");
	CHECK_STR(err.hint, "try 'a?b'");
}

TEST(hint_is_replaced_and_cleared)
{
	struct error err = {0};

	(void)error_set(&err, ERROR_DENIED, EPERM, "x");
	CHECK_INT(error_hint(&err, "one"), -EPERM);
	(void)error_hint(&err, "two");
	CHECK_STR(err.hint, "two");
	(void)error_wrap(&err, "y");
	CHECK_STR(err.hint, "two");
	(void)error_set(&err, ERROR_DENIED, EPERM, "new");
	CHECK_STR(err.hint, "");
}

TEST(kinds_have_names)
{
	for (int i = 0; i < ERROR_KIND_COUNT; i++) {
		const char *name = error_kind_name((enum error_kind)i);

		REQUIRE(name);
		CHECK(name[0] >= 'a' && name[0] <= 'z');
		for (int j = 0; j < i; j++)
			CHECK(strcmp(name, error_kind_name((enum error_kind)j)) != 0);
	}
	CHECK_STR(error_kind_name(ERROR_KIND_COUNT), "unknown");
}

TEST(kinds_follow_errno)
{
	CHECK_INT(error_kind_from_errno(ENOENT), ERROR_NOT_FOUND);
	CHECK_INT(error_kind_from_errno(EEXIST), ERROR_CONFLICT);
	CHECK_INT(error_kind_from_errno(EPERM), ERROR_DENIED);
	CHECK_INT(error_kind_from_errno(EBUSY), ERROR_BUSY);
	CHECK_INT(error_kind_from_errno(ENOSYS), ERROR_UNSUPPORTED);
	CHECK_INT(error_kind_from_errno(ENOSPC), ERROR_LIMIT);
	CHECK_INT(error_kind_from_errno(ECONNREFUSED), ERROR_UNAVAILABLE);
	CHECK_INT(error_kind_from_errno(EINVAL), ERROR_INVALID);
	CHECK_INT(error_kind_from_errno(EIO), ERROR_INTERNAL);
}

/* With any C library: engines and scripts look for these words. */
TEST(the_words_of_errno_are_those_of_glibc)
{
	for (int e = 1; e < 134; e++) {
		const char *text = strerrordesc_np(e);

		CHECK_STR(error_text(e), text ? text : "unknown error");
	}
}

TEST(fits_one_atomic_pipe_write)
{
	CHECK(sizeof(struct error) <= PIPE_BUF);
}
