/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of rtnetlink by hand. netlink_request_put() never writes beyond its buffer and checks every length before
 * it goes into a 16-bit field (CVE-2021-43784 was a length that wrapped there). A reply is read message by message;
 * an attribute is used only when its length fits what is read from it. Replies from anyone but the kernel are
 * dropped.
 */
#include "kernel/netlink_talk.h"

#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/process.h"

#define REPLY_MAX (32u << 10) /* the kernel fills dumps in pieces of at most this */

void netlink_request_start(struct netlink_request *q, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(NLMSG_DATA(&q->head), body, len);
}

void netlink_request_put(struct netlink_request *q, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(q->head.nlmsg_len);
	struct rtattr attr = {.rta_type = type};

	if (len > NETLINK_REQUEST_MAX || at + RTA_SPACE(len) > NETLINK_REQUEST_MAX) {
		q->overflow = true;
		return;
	}
	attr.rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(q->room + at, &attr, sizeof(attr));
	memcpy(q->room + at + RTA_LENGTH(0), data, len);
	q->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

void netlink_request_put_u32(struct netlink_request *q, uint16_t type, uint32_t v)
{
	netlink_request_put(q, type, &v, sizeof(v));
}

/* ---- talking ---- */

static int open_socket(void)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int one = 1;

	if (fd < 0)
		return -errno;
	/* Short acknowledgements, and dumps filtered by the kernel where it can (4.20); both are only conveniences. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return -errno;
	return take_fd(&fd);
}

int netlink_open(struct netlink *ret, struct error *err)
{
	int fd = open_socket();

	if (fd < 0)
		return error_sys(err, -fd, "open a route socket");
	*ret = (struct netlink){.fd = fd};
	return 0;
}

static int open_joined(void *arg)
{
	*(int *)arg = open_socket();
	return 0;
}

int netlink_open_in(int netns_fd, struct netlink *ret, struct error *err)
{
	struct process_join in = PROCESS_JOIN_NONE;
	int fd = FD_NONE;
	int r;

	in.ns[0] = (struct process_ns){.fd = netns_fd, .flag = CLONE_NEWNET};
	in.ns_count = 1;
	r = process_run_joined(&in, open_joined, &fd, err);
	if (r < 0)
		return r;
	if (fd < 0)
		return error_sys(err, -fd, "open a route socket in another network namespace");
	*ret = (struct netlink){.fd = fd};
	return 0;
}

void netlink_close(struct netlink *nl)
{
	fd_close(&nl->fd);
}

static int send_request(struct netlink *nl, struct netlink_request *q)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	if (q->overflow)
		return -EMSGSIZE;
	q->head.nlmsg_seq = ++nl->seq;
	do
		n = sendto(nl->fd, q->room, q->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* One datagram of the kernel's. Returns its length or -errno. */
static ssize_t receive(struct netlink *nl, char *room, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		struct iovec iov = {.iov_base = room, .iov_len = size};
		struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(nl->fd, &msg, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0)
			continue; /* somebody else's */
		return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
	}
}

/* Handle the messages of one datagram. Returns 1 for more, 0 for the end, -errno. */
static int each_message(struct netlink *nl, char *room, size_t len, netlink_message_fn fn, void *arg)
{
	size_t at = 0;
	bool multi = false;

	while (len - at >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *m = (const struct nlmsghdr *)(void *)(room + at);
		int code;
		int r;

		if (m->nlmsg_len < sizeof(*m) || m->nlmsg_len > len - at)
			return -EBADMSG;
		at += NLMSG_ALIGN(m->nlmsg_len) < len - at ? NLMSG_ALIGN(m->nlmsg_len) : len - at;
		if (m->nlmsg_seq != nl->seq)
			continue;
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			if (m->nlmsg_len < NLMSG_LENGTH(sizeof(int)))
				return -EBADMSG;
			memcpy(&code, NLMSG_DATA(m), sizeof(code));
			return code < 0 ? code : 0;
		}
		multi = m->nlmsg_flags & NLM_F_MULTI;
		r = fn ? fn(m, arg) : 0;
		if (r < 0)
			return r;
		if (!multi)
			return 0;
	}
	return 1;
}

int netlink_talk(struct netlink *nl, struct netlink_request *q, netlink_message_fn fn, void *arg)
{
	char room[REPLY_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = send_request(nl, q);

	if (r < 0)
		return r;
	do {
		ssize_t n = receive(nl, room, sizeof(room));

		if (n < 0)
			return (int)n;
		r = each_message(nl, room, (size_t)n, fn, arg);
	} while (r == 1);
	return r;
}

int netlink_change(struct netlink *nl, struct netlink_request *q)
{
	q->head.nlmsg_flags |= NLM_F_ACK;
	return netlink_talk(nl, q, NULL, NULL);
}

/* ---- reading attributes ---- */

bool netlink_attrs_read(const struct nlmsghdr *m, size_t head, const struct rtattr **out, size_t max)
{
	const char *p = (const char *)m + NLMSG_SPACE(head);
	size_t left;

	memset(out, 0, max * sizeof(*out));
	if (m->nlmsg_len < NLMSG_LENGTH(head))
		return false;
	left = m->nlmsg_len > NLMSG_SPACE(head) ? m->nlmsg_len - NLMSG_SPACE(head) : 0;
	while (left >= sizeof(struct rtattr)) {
		const struct rtattr *a = (const struct rtattr *)(const void *)p;
		size_t step;

		if (a->rta_len < sizeof(*a) || a->rta_len > left)
			return false;
		if ((a->rta_type & NLA_TYPE_MASK) < max)
			out[a->rta_type & NLA_TYPE_MASK] = a;
		step = RTA_ALIGN(a->rta_len);
		if (step >= left)
			break;
		p += step;
		left -= step;
	}
	return true;
}

size_t netlink_attr_copy(const struct rtattr *a, void *out, size_t size)
{
	size_t len = a ? RTA_PAYLOAD(a) : 0;

	if (len > size)
		return 0;
	if (len)
		memcpy(out, RTA_DATA(a), len);
	return len;
}
