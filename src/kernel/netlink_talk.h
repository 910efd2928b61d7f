/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_NETLINK_TALK_H
#define KERNEL_NETLINK_TALK_H

/*
 * How netlink.c speaks with the kernel; nobody else's business. A request is built in a buffer of fixed size, sent,
 * and every message of the answer is handed to a function. No heap.
 * Source: netlink(7), rtnetlink(7), kernel Documentation/userspace-api/netlink/intro.rst.
 */

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/netlink.h"

#define NETLINK_REQUEST_MAX 1024

struct netlink_request {
	union {
		struct nlmsghdr head;
		char room[NETLINK_REQUEST_MAX];
	};
	bool overflow; /* something did not fit: sending it gives -EMSGSIZE */
};

/* One message of an answer, borrowed. Returns 0 to go on, or -errno, which ends the talk. */
typedef int (*netlink_message_fn)(const struct nlmsghdr *m, void *arg);

/* Begin a request of @type (RTM_*) with @flags (NLM_F_* besides NLM_F_REQUEST) and the @len bytes of the struct @body
 * that goes with it. */
void netlink_request_start(struct netlink_request *q, uint16_t type, uint16_t flags, const void *body, size_t len);

/* Add an attribute. What does not fit is left out and marks the request as overflown. */
void netlink_request_put(struct netlink_request *q, uint16_t type, const void *data, size_t len);
void netlink_request_put_u32(struct netlink_request *q, uint16_t type, uint32_t v);

/* Send @q and hand every message of the answer to @fn, to the end. Returns 0 or -errno: the kernel's, @fn's,
 * -EMSGSIZE for a request or an answer that is too large, -EBADMSG for an answer that makes no sense. */
int netlink_talk(struct netlink *nl, struct netlink_request *q, netlink_message_fn fn, void *arg);

/* The same for what is answered by an acknowledgement alone. */
int netlink_change(struct netlink *nl, struct netlink_request *q);

/* The attributes behind the @head bytes of the message's own struct, by type, into @out[@max]; those of a type beyond
 * are skipped, missing ones are NULL. Returns false when a length does not fit into the message. */
bool netlink_attrs_read(const struct nlmsghdr *m, size_t head, const struct rtattr **out, size_t max);

/* Copy an attribute of at most @size bytes. Returns its length, 0 when it is missing (NULL) or longer. */
size_t netlink_attr_copy(const struct rtattr *a, void *out, size_t size);

#endif
