/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_WIRE_H
#define REGISTRY_WIRE_H

/*
 * The talk between a session and its bothy-fetch: frames over a Unix stream socket. A frame is a fixed head, a JSON object,
 * and bytes (a document); descriptors come with its first byte. Both sides are of one version, which the head's magic
 * states; a side that reads anything else gives up.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "spec/image.h"

#define WIRE_MAGIC 0x62663031u /* "bf01": raise it with each change of a message */
#define WIRE_HEAD_MAX (4u << 20)
#define WIRE_BODY_MAX IMAGE_MANIFEST_MAX_BYTES
#define WIRE_FDS_MAX 32

struct wire_frame {
	uint32_t magic, head_len, body_len, fd_count;
};

/* The receiving end. */
struct wire_in {
	struct buf buf; /* what came and was not taken yet */
	size_t used;    /* of it by the message taken last */
	int fds[WIRE_FDS_MAX];
	size_t fd_count;
};
#define WIRE_IN_INIT                                                                                                   \
	((struct wire_in){.buf = BUF_INIT(2 * (sizeof(struct wire_frame) + WIRE_HEAD_MAX + WIRE_BODY_MAX))})
void wire_in_done(struct wire_in *in);

struct wire_message {
	struct json *head; /* owned */
	const char *body;  /* borrowed from the wire_in until the next wire_next */
	size_t body_len;
	int fd; /* owned; FD_NONE: none came */
};
void wire_message_done(struct wire_message *m);

/* Append a frame to @out. Returns 0 or -EMSGSIZE. */
int wire_pack(struct buf *out, const struct json *head, const void *body, size_t body_len, size_t fd_count);

/* Take what the socket has, without waiting. Returns bytes, 0 at the end of the talk, or -errno (-EAGAIN: nothing now). */
int wire_receive(struct wire_in *in, int sock);
/* The next whole frame of what was received. Returns 1, 0 (not whole yet), or -EPROTO. */
int wire_next(struct wire_in *in, struct wire_message *ret);

/* Send all of @data, waiting where the socket is full; @fd (FD_NONE: none) goes with the first byte. Returns 0 or -errno. */
int wire_send(int sock, const void *data, size_t len, int fd);

/* An error as an object, and back: bounded, and neutralised like any text from outside. */
struct json *wire_error(const struct error *err);
void wire_take_error(const struct json *j, struct error *ret);

#endif
