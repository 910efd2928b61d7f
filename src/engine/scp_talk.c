/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of image scp on their streams. What comes in is hostile: bounded, and passed over where it is no line of ours. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/scp.h"

/* Who has ended does not listen; why is in what he said before, or in its lack: whoever hears next finds out. */
int scp_say(const struct scp_talk *t, const struct scp_message *m, struct error *err)
{
	autobuf struct buf line = BUF_INIT(SCP_LINE_MAX);

	if (!scp_format(m, &line))
		return error_set(err, ERROR_LIMIT, E2BIG, "the image has too many layers to talk about");
	int r = fd_write_all(t->out, buf_str(&line), line.len);

	return r < 0 && r != -EPIPE ? error_sys(err, -r, "cannot speak to the other host") : 0;
}

/* One line; what stands behind it is not read: an archive may follow. Returns 1, 0 at the end, <0. */
static int read_line(int fd, struct buf *line, struct error *err)
{
	char c;

	buf_reset(line);
	for (;;) {
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot hear the other host");
		if (n == 0)
			return line->len > 0;
		if (c == '\n')
			return 1;
		if (!buf_putc(line, c))
			return error_set(err, ERROR_LIMIT, E2BIG, "the other host sends a line without end");
	}
}

/* The next message. Lines that are none (a greeting of the login shell) are passed over. */
int scp_hear(const struct scp_talk *t, struct scp_message *ret, struct error *err)
{
	autobuf struct buf line = BUF_INIT(SCP_LINE_MAX);
	int r;

	for (size_t lines = 0; lines < SCP_LINES_MAX; lines++) {
		r = read_line(t->in, &line, err);
		if (r < 0)
			return r;
		if (r == 0)
			return error_set(err, ERROR_UNAVAILABLE, EPIPE, "the other host ends the connection");
		if (!str_starts(buf_str(&line), "{\"bothy\":") && !str_starts(buf_str(&line), "[\"sha256:"))
			continue;
		if (scp_parse(buf_str(&line), line.len, ret, err) < 0)
			return -err->code;
		if (ret->kind != SCP_ERROR)
			return 0;
		error_set(err, ERROR_UNAVAILABLE, EREMOTEIO, "the other host says: %s",
			  ret->text ? ret->text : "error");
		if (ret->hint)
			error_hint(err, "%s", ret->hint);
		scp_message_done(ret);
		return -err->code;
	}
	return error_set(err, ERROR_LIMIT, E2BIG, "the other host talks without end");
}

int scp_hear_kind(const struct scp_talk *t, enum scp_kind kind, struct scp_message *ret, struct error *err)
{
	if (scp_hear(t, ret, err) < 0)
		return -err->code;
	if (ret->kind == kind)
		return 0;
	scp_message_done(ret);
	return error_set(err, ERROR_INVALID, EPROTO, "the other host does not keep to the order of the talk");
}
