/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink by hand. A request is built in a buffer of fixed size by put(), which never writes beyond it and checks every
 * length before it goes into a 16-bit field (CVE-2021-43784 was a length that wrapped there). A reply is read message by
 * message; an attribute is used only when its length fits what is read from it. Replies from anyone but the kernel are
 * dropped.
 */
#include "kernel/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/process.h"

#define REQUEST_MAX 1024
#define REPLY_MAX (32u << 10) /* the kernel fills dumps in pieces of at most this */

struct request {
	union {
		struct nlmsghdr head;
		char room[REQUEST_MAX];
	};
	bool overflow;
};

static void start(struct request *q, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(NLMSG_DATA(&q->head), body, len);
}

static void put(struct request *q, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(q->head.nlmsg_len);
	struct rtattr attr = {.rta_type = type};

	if (len > REQUEST_MAX || at + RTA_SPACE(len) > REQUEST_MAX) {
		q->overflow = true;
		return;
	}
	attr.rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(q->room + at, &attr, sizeof(attr));
	memcpy(q->room + at + RTA_LENGTH(0), data, len);
	q->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

static void put_u32(struct request *q, uint16_t type, uint32_t v)
{
	put(q, type, &v, sizeof(v));
}

/* ---- talking ------------------------------------------------------------------------------------------------------------ */

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

static int send_request(struct netlink *nl, struct request *q)
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

typedef int (*message_fn)(const struct nlmsghdr *m, void *arg);

/* Handle the messages of one datagram. Returns 1 for more, 0 for the end, -errno. */
static int each_message(struct netlink *nl, char *room, size_t len, message_fn fn, void *arg)
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

/* Send @q and hand every message of the answer to @fn, to the end. Returns 0 or -errno. */
static int talk(struct netlink *nl, struct request *q, message_fn fn, void *arg)
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

static int change(struct netlink *nl, struct request *q)
{
	q->head.nlmsg_flags |= NLM_F_ACK;
	return talk(nl, q, NULL, NULL);
}

/* ---- reading attributes ---------------------------------------------------------------------------------------------------- */

/* The attributes behind the @head bytes of the message's own struct, by type; those beyond @max are skipped. */
static bool read_attrs(const struct nlmsghdr *m, size_t head, const struct rtattr **out, size_t max)
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

/* Copy an attribute of at most @size bytes. Returns its length, 0 when it is missing or longer. */
static size_t attr_copy(const struct rtattr *a, void *out, size_t size)
{
	size_t len = a ? RTA_PAYLOAD(a) : 0;

	if (len > size)
		return 0;
	if (len)
		memcpy(out, RTA_DATA(a), len);
	return len;
}

/* ---- links -------------------------------------------------------------------------------------------------------------------- */

bool netlink_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("/:%", *p))
			return false;
	return true;
}

static bool parse_link(const struct nlmsghdr *m, struct netlink_link *ret)
{
	const struct rtattr *attrs[IFLA_MTU + 1];
	struct ifinfomsg info;
	struct netlink_link l = {0};

	if (m->nlmsg_type != RTM_NEWLINK || !read_attrs(m, sizeof(info), attrs, ARRAY_SIZE(attrs)))
		return false;
	memcpy(&info, NLMSG_DATA(m), sizeof(info));
	l.index = info.ifi_index;
	l.flags = info.ifi_flags;
	(void)attr_copy(attrs[IFLA_IFNAME], l.name, sizeof(l.name));
	l.name[sizeof(l.name) - 1] = '\0';
	(void)attr_copy(attrs[IFLA_MTU], &l.mtu, sizeof(l.mtu));
	l.mac_len = attr_copy(attrs[IFLA_ADDRESS], l.mac, sizeof(l.mac));
	*ret = l;
	return true;
}

struct link_list {
	struct netlink_link *items;
	size_t max, count;
};

static int collect_link(const struct nlmsghdr *m, void *arg)
{
	struct link_list *list = arg;
	struct netlink_link l;

	if (!parse_link(m, &l))
		return 0;
	if (list->count < list->max)
		list->items[list->count] = l;
	list->count++;
	return 0;
}

int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *ret, struct error *err)
{
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
	struct netlink_link found;
	struct link_list list = {.items = &found, .max = 1};
	struct request q;
	int r;

	if (!netlink_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not the name of a network interface", name);
	start(&q, RTM_GETLINK, 0, &info, sizeof(info));
	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	/* No acknowledgement: the answer, or the error, is the only message. */
	r = talk(nl, &q, collect_link, &list);
	if (r == -ENODEV || (r == 0 && list.count == 0))
		return error_set(err, ERROR_NOT_FOUND, ENODEV, "there is no network interface '%s'", name);
	if (r < 0)
		return error_sys(err, -r, "look for the network interface '%s'", name);
	*ret = found;
	return 0;
}

int netlink_link_list(struct netlink *nl, struct netlink_link *ret, size_t max, size_t *ret_count, struct error *err)
{
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
	struct link_list list = {.items = ret, .max = max};
	struct request q;
	int r;

	start(&q, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	r = talk(nl, &q, collect_link, &list);
	if (r < 0)
		return error_sys(err, -r, "list the network interfaces");
	*ret_count = list.count;
	return 0;
}

int netlink_link_set_up(struct netlink *nl, int index, bool up, struct error *err)
{
	struct ifinfomsg info = {.ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = up ? IFF_UP : 0};
	struct request q;
	int r;

	start(&q, RTM_NEWLINK, 0, &info, sizeof(info));
	r = change(nl, &q);
	return r < 0 ? error_sys(err, -r, "bring network interface %d %s", index, up ? "up" : "down") : 0;
}

/* One call in place of netlink's socket, options, request and answer; IPv4 may be missing in a kernel. */
static bool up_by_ioctl(void)
{
	struct ifreq q = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	autofd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &q) == 0;
}

int netlink_loopback_up(struct error *err)
{
	autonetlink struct netlink nl = NETLINK_NONE;
	int r;

	if (up_by_ioctl())
		return 0;
	r = netlink_open(&nl, err);
	return r < 0 ? r : netlink_loopback_up_by(&nl, err);
}

int netlink_loopback_up_by(struct netlink *nl, struct error *err)
{
	/* In a network namespace of its own lo is always number 1. */
	int r = netlink_link_set_up(nl, 1, true, err);

	return r < 0 ? error_wrap(err, "loopback") : 0;
}

int netlink_link_set_mtu(struct netlink *nl, int index, uint32_t mtu, struct error *err)
{
	struct ifinfomsg info = {.ifi_index = index};
	struct request q;
	int r;

	start(&q, RTM_NEWLINK, 0, &info, sizeof(info));
	put_u32(&q, IFLA_MTU, mtu);
	r = change(nl, &q);
	return r < 0 ? error_sys(err, -r, "set the MTU of network interface %d to %u", index, mtu) : 0;
}

int netlink_link_send(struct netlink *nl, int index, int netns_fd, const char *new_name, struct error *err)
{
	struct ifinfomsg info = {.ifi_index = index};
	struct request q;
	int r;

	if (new_name && !netlink_name_valid(new_name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a name for a network interface", new_name);
	start(&q, RTM_NEWLINK, 0, &info, sizeof(info));
	put_u32(&q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	if (new_name)
		put(&q, IFLA_IFNAME, new_name, strlen(new_name) + 1);
	r = change(nl, &q);
	if (r == -EEXIST)
		return error_set(err, ERROR_CONFLICT, EEXIST,
				 "move a network interface: the container has one called '%s'",
				 new_name ? new_name : "the same");
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return error_set(err, ERROR_INVALID, -r,
				 "move a network interface: one of this kind cannot leave its network namespace");
	return r < 0 ? error_sys(err, -r, "move a network interface into the container") : 0;
}

/* ---- addresses ---------------------------------------------------------------------------------------------------------------- */

struct addr_list {
	struct netlink_addr *items;
	size_t max, count;
	int index;
};

static size_t addr_len(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static int collect_addr(const struct nlmsghdr *m, void *arg)
{
	const struct rtattr *attrs[IFA_FLAGS + 1];
	struct addr_list *list = arg;
	struct netlink_addr a = {0};
	struct ifaddrmsg info;
	uint8_t address[16];
	size_t len;

	if (m->nlmsg_type != RTM_NEWADDR || !read_attrs(m, sizeof(info), attrs, ARRAY_SIZE(attrs)))
		return 0;
	memcpy(&info, NLMSG_DATA(m), sizeof(info));
	len = addr_len(info.ifa_family);
	if ((int)info.ifa_index != list->index || !len)
		return 0;
	a.family = info.ifa_family;
	a.prefix_len = info.ifa_prefixlen;
	a.scope = info.ifa_scope;
	a.flags = info.ifa_flags;
	(void)attr_copy(attrs[IFA_FLAGS], &a.flags, sizeof(a.flags));
	if (attr_copy(attrs[IFA_ADDRESS], address, len) != len)
		return 0;
	if (attr_copy(attrs[IFA_LOCAL], a.addr, len) != len)
		memcpy(a.addr, address, len);
	a.has_peer = memcmp(a.addr, address, len) != 0;
	memcpy(a.peer, address, len);
	a.has_broadcast = len == 4 && attr_copy(attrs[IFA_BROADCAST], a.broadcast, 4) == 4;
	if (list->count < list->max)
		list->items[list->count] = a;
	list->count++;
	return 0;
}

int netlink_addr_list(struct netlink *nl, int index, struct netlink_addr *ret, size_t max, size_t *ret_count,
		      struct error *err)
{
	struct ifaddrmsg info = {.ifa_family = AF_UNSPEC, .ifa_index = (uint32_t)index};
	struct addr_list list = {.items = ret, .max = max, .index = index};
	struct request q;
	int r;

	start(&q, RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
	r = talk(nl, &q, collect_addr, &list);
	if (r < 0)
		return error_sys(err, -r, "list the addresses of network interface %d", index);
	*ret_count = list.count;
	return 0;
}

int netlink_addr_add(struct netlink *nl, int index, const struct netlink_addr *addr, struct error *err)
{
	size_t len = addr_len(addr->family);
	/* What the kernel itself computes is not handed back to it. */
	uint32_t flags = addr->flags & ~(uint32_t)(IFA_F_PERMANENT | IFA_F_TENTATIVE | IFA_F_DADFAILED |
						   IFA_F_DEPRECATED | IFA_F_SECONDARY | IFA_F_STABLE_PRIVACY);
	struct ifaddrmsg info = {
		.ifa_family = addr->family,
		.ifa_prefixlen = addr->prefix_len,
		.ifa_scope = addr->scope,
		.ifa_index = (uint32_t)index,
		.ifa_flags = (uint8_t)flags,
	};
	struct request q;
	int r;

	if (!len)
		return error_set(err, ERROR_INVALID, EAFNOSUPPORT, "an address of an unknown family");
	start(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	put(&q, IFA_LOCAL, addr->addr, len);
	put(&q, IFA_ADDRESS, addr->has_peer ? addr->peer : addr->addr, len);
	if (addr->has_broadcast)
		put(&q, IFA_BROADCAST, addr->broadcast, 4);
	put_u32(&q, IFA_FLAGS, flags);
	r = change(nl, &q);
	return r < 0 && r != -EEXIST ? error_sys(err, -r, "add an address to network interface %d", index) : 0;
}

/* ---- netDevices ----------------------------------------------------------------------------------------------------------------- */

/* On the other side: the addresses that moving took away, then up. The MTU moves with the link, but a driver may reset it. */
static int settle_device(struct netlink *there, const char *name, const struct netlink_link *before,
			 const struct netlink_addr *addrs, size_t count, struct error *err)
{
	struct netlink_link now;
	int r = netlink_link_get(there, name, &now, err);

	if (r < 0)
		return r;
	if (now.mtu != before->mtu) {
		r = netlink_link_set_mtu(there, now.index, before->mtu, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < count; i++) {
		/* Only permanent global ones are configuration; the rest the kernel makes again by itself. */
		if (addrs[i].scope != RT_SCOPE_UNIVERSE || !(addrs[i].flags & IFA_F_PERMANENT))
			continue;
		r = netlink_addr_add(there, now.index, &addrs[i], err);
		if (r < 0)
			return r;
	}
	return netlink_link_set_up(there, now.index, true, err);
}

/* It went, but did not settle: fetch it back under its old name, with what it had. Best effort: the first error is what
 * the user needs to see, and a namespace that dies with the container gives physical devices back by itself. */
static void fetch_back(struct netlink *here, struct netlink *there, const char *new_name,
		       const struct netlink_link *before, const struct netlink_addr *addrs, size_t count)
{
	autofd int home = ioctl(here->fd, SIOCGSKNS);
	struct netlink_link now;
	struct error ignored;

	if (home < 0)
		return;
	/* The kernel moves first and renames then, so that it may still have its old name. */
	if (netlink_link_get(there, before->name, &now, &ignored) < 0 &&
	    netlink_link_get(there, new_name, &now, &ignored) < 0)
		return;
	if (netlink_link_send(there, now.index, home, before->name, &ignored) < 0 ||
	    settle_device(here, before->name, before, addrs, count, &ignored) < 0)
		return;
	if (!(before->flags & IFF_UP) && netlink_link_get(here, before->name, &now, &ignored) == 0)
		(void)netlink_link_set_up(here, now.index, false, &ignored);
}

/* The kernel would find out only after the move. */
static int check_name_free(struct netlink *there, const char *name, struct error *err)
{
	struct netlink_link taken;
	int r = netlink_link_get(there, name, &taken, err);

	if (r == 0)
		return error_set(err, ERROR_CONFLICT, EEXIST, "the container has a network interface '%s' already",
				 name);
	return r == -ENODEV ? 0 : r;
}

int netlink_device_move(const char *name, const char *new_name, int netns_fd, struct error *err)
{
	struct netlink here autonetlink = NETLINK_NONE;
	struct netlink there autonetlink = NETLINK_NONE;
	struct netlink_addr addrs[NETLINK_ADDR_MAX];
	const char *final = new_name ? new_name : name;
	struct netlink_link link;
	size_t count = 0;
	int r = netlink_open(&here, err);

	if (r == 0)
		r = netlink_open_in(netns_fd, &there, err);
	if (r == 0)
		r = netlink_link_get(&here, name, &link, err);
	if (r == 0)
		r = check_name_free(&there, final, err);
	if (r == 0)
		r = netlink_addr_list(&here, link.index, addrs, NETLINK_ADDR_MAX, &count, err);
	if (r == 0 && count > NETLINK_ADDR_MAX)
		r = error_set(err, ERROR_LIMIT, E2BIG, "it has %zu addresses; %d can be moved", count,
			      NETLINK_ADDR_MAX);
	if (r == 0) {
		r = netlink_link_send(&here, link.index, netns_fd, final, err);
		if (r == 0)
			r = settle_device(&there, final, &link, addrs, count, err);
		if (r < 0)
			fetch_back(&here, &there, final, &link, addrs, count);
	}
	return r < 0 ? error_wrap(err, "network device '%s'", name) : 0;
}
