/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/wire.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "test.h"

TEST(frames_and_descriptors)
{
	autoclean(wire_in_done) struct wire_in in = WIRE_IN_INIT;
	autobuf struct buf frames = BUF_INIT(65536);
	autojson struct json *head = json_new_object();
	struct wire_message m = {.fd = FD_NONE};
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	json_set(head, "op", json_new_str("x"));
	CHECK_INT(wire_pack(&frames, head, "body", 4, 1), 0);
	CHECK_INT(wire_receive(&in, pair[1]), -EAGAIN);
	CHECK_INT(wire_send(pair[0], frames.data, 5, null), 0);
	CHECK_INT(wire_receive(&in, pair[1]), 5);
	CHECK_INT(wire_next(&in, &m), 0);
	CHECK_INT(wire_send(pair[0], frames.data + 5, frames.len - 5, FD_NONE), 0);
	CHECK(wire_receive(&in, pair[1]) > 0);
	CHECK_INT(wire_next(&in, &m), 1);
	CHECK_STR(json_str(json_get(m.head, "op")), "x");
	CHECK(m.body_len == 4 && memcmp(m.body, "body", 4) == 0 && m.fd >= 0);
	wire_message_done(&m);
	CHECK_INT(wire_next(&in, &m), 0);
	close(pair[0]);
	CHECK_INT(wire_receive(&in, pair[1]), 0);
	close(pair[1]);
	close(null);
}

TEST(broken_frames)
{
	static const struct wire_frame rows[] = {
		{1, 2, 0, 0},
		{WIRE_MAGIC, WIRE_HEAD_MAX + 1, 0, 0},
		{WIRE_MAGIC, 2, WIRE_BODY_MAX + 1, 0},
		{WIRE_MAGIC, 2, 0, 1},                 /* no descriptor came */
		{WIRE_MAGIC, 1, 0, 0},                 /* not JSON */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoclean(wire_in_done) struct wire_in in = WIRE_IN_INIT;
		struct wire_message m = {.fd = FD_NONE};

		buf_add(&in.buf, &rows[i], sizeof(rows[i]));
		buf_puts(&in.buf, "{}");
		CHECK_INT(wire_next(&in, &m), -EPROTO);
	}
}

TEST(errors_travel)
{
	struct error err, back;

	error_set(&err, ERROR_DENIED, EACCES, "no \x1b[31mway");
	error_hint(&err, "type this");
	autojson struct json *j = wire_error(&err);

	wire_take_error(j, &back);
	CHECK_INT(back.kind, ERROR_DENIED);
	CHECK_INT(back.code, EACCES);
	CHECK_STR(back.msg, "no ?[31mway");
	CHECK_STR(back.hint, "type this");
	wire_take_error(NULL, &back);
	CHECK(back.code > 0);
}
