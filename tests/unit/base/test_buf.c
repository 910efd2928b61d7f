/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "test.h"

TEST(empty_is_a_string)
{
	autobuf struct buf b = BUF_INIT(4);
	autofree char *s = NULL;

	CHECK_STR(buf_str(&b), "");
	CHECK(buf_add(&b, "", 0));
	CHECK_STR(buf_str(&b), "");
	s = buf_take(&b);
	CHECK_STR(s, "");
}

TEST(exactly_full_fits)
{
	autobuf struct buf b = BUF_INIT(4);

	CHECK(buf_puts(&b, "abcd"));
	CHECK_INT(b.len, 4);
	CHECK(!b.failed);
	CHECK_STR(buf_str(&b), "abcd");
	CHECK(!buf_putc(&b, 'e'));
	CHECK(b.failed);
	CHECK_STR(buf_str(&b), "abcd");
}

TEST(failure_sticks)
{
	autobuf struct buf b = BUF_INIT(4);

	CHECK(buf_puts(&b, "ab"));
	CHECK(!buf_puts(&b, "cde"));
	CHECK(!buf_putc(&b, 'c')); /* would fit, but a hole in the text is worse than its end */
	CHECK_STR(buf_str(&b), "ab");
	buf_reset(&b);
	CHECK(!b.failed);
	CHECK(buf_puts(&b, "xyz"));
	CHECK_STR(buf_str(&b), "xyz");
}

TEST(printf_short_and_long)
{
	autobuf struct buf b = BUF_INIT(1000);

	CHECK(buf_printf(&b, "%d-%s", 7, "x"));
	CHECK_STR(buf_str(&b), "7-x");
	CHECK(buf_printf(&b, "%0600d", 1)); /* longer than the small room inside */
	CHECK_INT(b.len, 603);
	CHECK_INT(b.data[602], '1');
	CHECK_INT(b.data[603], 0);
	CHECK(!buf_printf(&b, "%0600d", 1));
	CHECK(b.failed);
	CHECK_INT(b.len, 603);
}

TEST(printf_exactly_full)
{
	autobuf struct buf b = BUF_INIT(300);

	CHECK(buf_printf(&b, "%0300d", 5));
	CHECK_INT(b.len, 300);
	CHECK(!b.failed);
	CHECK(!buf_printf(&b, "%s", "x"));
}

TEST(reserve_one_over_but_commit_not)
{
	autobuf struct buf b = BUF_INIT(8);
	char *room;

	room = buf_reserve(&b, 9);
	REQUIRE(room);
	memset(room, 'x', 9);
	buf_commit(&b, 9);
	CHECK(b.failed);
	CHECK_INT(b.len, 8);
	CHECK_STR(buf_str(&b), "xxxxxxxx");
	buf_reset(&b);
	CHECK(buf_reserve(&b, 10) == NULL);
	CHECK(b.failed);
}

TEST(reserve_of_everything_is_refused)
{
	autobuf struct buf b = BUF_INIT(100);

	CHECK(buf_puts(&b, "abc"));
	CHECK(buf_reserve(&b, SIZE_MAX) == NULL);
	buf_reset(&b);
	CHECK(!buf_add(&b, "x", SIZE_MAX));
}

TEST(holds_nul_bytes_and_grows)
{
	autobuf struct buf b = BUF_INIT(1 << 20);
	autofree char *s = NULL;

	for (int i = 0; i < 100000; i++)
		REQUIRE(buf_putc(&b, (char)i));
	CHECK_INT(b.len, 100000);
	CHECK(b.cap <= 1 << 18);
	CHECK_INT((unsigned char)b.data[256 + 7], 7);
	s = buf_take(&b);
	CHECK_INT(b.len, 0);
	CHECK(b.data == NULL);
	CHECK_INT(s[100000], 0);
	CHECK(buf_puts(&b, "usable after take"));
}

TEST(characters_in_utf8)
{
	static const struct {
		uint32_t c;
		const char *text;
	} rows[] = {
		{'A', "A"},
		{0x7f, "\x7f"},
		{0x80, "\xc2\x80"},
		{0xfc, "ü"},
		{0x7ff, "\xdf\xbf"},
		{0x800, "\xe0\xa0\x80"},
		{0x20ac, "€"},
		{0xffff, "\xef\xbf\xbf"},
		{0x10000, "\xf0\x90\x80\x80"},
		{0x1f600, "😀"},
		{0x10ffff, "\xf4\x8f\xbf\xbf"},
	};
	autobuf struct buf full = BUF_INIT(2);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		autobuf struct buf b = BUF_INIT(8);

		CHECK(buf_put_utf8(&b, rows[i].c));
		CHECK_STR(buf_str(&b), rows[i].text);
	}
	CHECK(!buf_put_utf8(&full, 0x20ac));
}
