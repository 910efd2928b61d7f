/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing. Lengths are checked before a byte is kept, so that a broken bothy-fetch costs its session and nothing more.
 * Descriptors are queued in the order they came: a frame says how many are its own (none or one).
 */
#include "registry/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define RECEIVE_BYTES 65536

void wire_in_done(struct wire_in *in)
{
	buf_done(&in->buf);
	for (size_t i = 0; i < in->fd_count; i++)
		fd_close(&in->fds[i]);
	in->fd_count = 0;
}

void wire_message_done(struct wire_message *m)
{
	json_unref(m->head);
	m->head = NULL;
	fd_close(&m->fd);
}

int wire_pack(struct buf *out, const struct json *head, const void *body, size_t body_len, size_t fd_count)
{
	autobuf struct buf text = BUF_INIT(WIRE_HEAD_MAX);
	struct wire_frame f = {.magic = WIRE_MAGIC, .body_len = (uint32_t)body_len, .fd_count = (uint32_t)fd_count};

	if (body_len > WIRE_BODY_MAX || !json_write(head, false, &text))
		return -EMSGSIZE;
	f.head_len = (uint32_t)text.len;
	if (!buf_add(out, &f, sizeof(f)) || !buf_add(out, text.data, text.len) || !buf_add(out, body, body_len))
		return -EMSGSIZE;
	return 0;
}

static void keep_fds(struct wire_in *in, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (in->fd_count < WIRE_FDS_MAX)
				in->fds[in->fd_count++] = fd;
			else
				fd_close(&fd);
		}
	}
}

int wire_receive(struct wire_in *in, int sock)
{
	char control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec iov = {.iov_len = RECEIVE_BYTES};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n;

	iov.iov_base = buf_reserve(&in->buf, RECEIVE_BYTES);
	if (!iov.iov_base)
		return -EMSGSIZE;
	do
		n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	keep_fds(in, &m);
	buf_commit(&in->buf, (size_t)n);
	return (int)n;
}

static int take_fd_of(struct wire_in *in, const struct wire_frame *f, struct wire_message *m)
{
	if (f->fd_count == 0)
		return 0;
	if (f->fd_count > 1 || in->fd_count == 0)
		return -EPROTO;
	m->fd = in->fds[0];
	in->fd_count--;
	memmove(in->fds, in->fds + 1, in->fd_count * sizeof(int));
	return 0;
}

/* Forget the message that was taken last. */
static void drop_used(struct wire_in *in)
{
	if (in->used == 0)
		return;
	memmove(in->buf.data, in->buf.data + in->used, in->buf.len - in->used + 1);
	in->buf.len -= in->used;
	in->used = 0;
}

int wire_next(struct wire_in *in, struct wire_message *ret)
{
	struct wire_message m = {.fd = FD_NONE};
	struct wire_frame f;
	struct error err;
	const char *head;

	drop_used(in);
	if (in->buf.len < sizeof(f))
		return 0;
	memcpy(&f, in->buf.data, sizeof(f));
	if (f.magic != WIRE_MAGIC || f.head_len > WIRE_HEAD_MAX || f.body_len > WIRE_BODY_MAX)
		return -EPROTO;
	if (in->buf.len < sizeof(f) + f.head_len + f.body_len)
		return 0;
	head = in->buf.data + sizeof(f);
	if (json_parse(head, f.head_len, "message", &m.head, &err) < 0)
		return -EPROTO;
	if (json_type(m.head) != JSON_OBJECT || take_fd_of(in, &f, &m) < 0) {
		wire_message_done(&m);
		return -EPROTO;
	}
	m.body = head + f.head_len;
	m.body_len = f.body_len;
	in->used = sizeof(f) + f.head_len + f.body_len;
	*ret = m;
	return 1;
}

int wire_send(int sock, const void *data, size_t len, int fd)
{
	const char *p = data;

	while (len > 0) {
		char control[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec iov = {.iov_base = (void *)p, .iov_len = len};
		struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		if (fd >= 0) {
			struct cmsghdr *c;

			m.msg_control = control;
			m.msg_controllen = sizeof(control);
			c = CMSG_FIRSTHDR(&m);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &fd, sizeof(int));
		}
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = sock, .events = POLLOUT};

			(void)poll(&wait, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		fd = FD_NONE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

struct json *wire_error(const struct error *err)
{
	struct json *j = json_new_object();

	json_set(j, "kind", json_new_i64(err->kind));
	json_set(j, "code", json_new_i64(err->code));
	json_set(j, "text", json_new_str(err->msg));
	json_set(j, "hint", json_new_str(err->hint));
	return j;
}

void wire_take_error(const struct json *j, struct error *ret)
{
	const char *text = json_str(json_get(j, "text"));
	const char *hint = json_str(json_get(j, "hint"));
	int64_t kind = ERROR_INTERNAL, code = EPROTO;

	if (json_i64(json_get(j, "kind"), &kind) < 0 || kind < 0 || kind >= ERROR_KIND_COUNT)
		kind = ERROR_INTERNAL;
	if (json_i64(json_get(j, "code"), &code) < 0 || code <= 0 || code > 4095)
		code = EPROTO;
	error_set(ret, (enum error_kind)kind, (int)code, "%s", text ? text : "the fetcher gave no reason");
	if (hint && *hint)
		error_hint(ret, "%s", hint);
}
