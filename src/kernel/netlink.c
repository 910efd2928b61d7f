/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces and their addresses, one request each (netlink_talk.c). Whole devices with all they have are
 * moved by netlink_device.c.
 */
#include "kernel/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/netlink_talk.h"

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

	if (m->nlmsg_type != RTM_NEWLINK || !netlink_attrs_read(m, sizeof(info), attrs, ARRAY_SIZE(attrs)))
		return false;
	memcpy(&info, NLMSG_DATA(m), sizeof(info));
	l.index = info.ifi_index;
	l.flags = info.ifi_flags;
	(void)netlink_attr_copy(attrs[IFLA_IFNAME], l.name, sizeof(l.name));
	l.name[sizeof(l.name) - 1] = '\0';
	(void)netlink_attr_copy(attrs[IFLA_MTU], &l.mtu, sizeof(l.mtu));
	l.mac_len = netlink_attr_copy(attrs[IFLA_ADDRESS], l.mac, sizeof(l.mac));
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
	struct netlink_request q;
	int r;

	if (!netlink_name_valid(name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not the name of a network interface", name);
	netlink_request_start(&q, RTM_GETLINK, 0, &info, sizeof(info));
	netlink_request_put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	/* No acknowledgement: the answer, or the error, is the only message. */
	r = netlink_talk(nl, &q, collect_link, &list);
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
	struct netlink_request q;
	int r;

	netlink_request_start(&q, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	r = netlink_talk(nl, &q, collect_link, &list);
	if (r < 0)
		return error_sys(err, -r, "list the network interfaces");
	*ret_count = list.count;
	return 0;
}

int netlink_link_set_up(struct netlink *nl, int index, bool up, struct error *err)
{
	struct ifinfomsg info = {.ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = up ? IFF_UP : 0};
	struct netlink_request q;
	int r;

	netlink_request_start(&q, RTM_NEWLINK, 0, &info, sizeof(info));
	r = netlink_change(nl, &q);
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
	struct netlink_request q;
	int r;

	netlink_request_start(&q, RTM_NEWLINK, 0, &info, sizeof(info));
	netlink_request_put_u32(&q, IFLA_MTU, mtu);
	r = netlink_change(nl, &q);
	return r < 0 ? error_sys(err, -r, "set the MTU of network interface %d to %u", index, mtu) : 0;
}

int netlink_link_send(struct netlink *nl, int index, int netns_fd, const char *new_name, struct error *err)
{
	struct ifinfomsg info = {.ifi_index = index};
	struct netlink_request q;
	int r;

	if (new_name && !netlink_name_valid(new_name))
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a name for a network interface", new_name);
	netlink_request_start(&q, RTM_NEWLINK, 0, &info, sizeof(info));
	netlink_request_put_u32(&q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	if (new_name)
		netlink_request_put(&q, IFLA_IFNAME, new_name, strlen(new_name) + 1);
	r = netlink_change(nl, &q);
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

	if (m->nlmsg_type != RTM_NEWADDR || !netlink_attrs_read(m, sizeof(info), attrs, ARRAY_SIZE(attrs)))
		return 0;
	memcpy(&info, NLMSG_DATA(m), sizeof(info));
	len = addr_len(info.ifa_family);
	if ((int)info.ifa_index != list->index || !len)
		return 0;
	a.family = info.ifa_family;
	a.prefix_len = info.ifa_prefixlen;
	a.scope = info.ifa_scope;
	a.flags = info.ifa_flags;
	(void)netlink_attr_copy(attrs[IFA_FLAGS], &a.flags, sizeof(a.flags));
	if (netlink_attr_copy(attrs[IFA_ADDRESS], address, len) != len)
		return 0;
	if (netlink_attr_copy(attrs[IFA_LOCAL], a.addr, len) != len)
		memcpy(a.addr, address, len);
	a.has_peer = memcmp(a.addr, address, len) != 0;
	memcpy(a.peer, address, len);
	a.has_broadcast = len == 4 && netlink_attr_copy(attrs[IFA_BROADCAST], a.broadcast, 4) == 4;
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
	struct netlink_request q;
	int r;

	netlink_request_start(&q, RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
	r = netlink_talk(nl, &q, collect_addr, &list);
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
	struct netlink_request q;
	int r;

	if (!len)
		return error_set(err, ERROR_INVALID, EAFNOSUPPORT, "an address of an unknown family");
	netlink_request_start(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	netlink_request_put(&q, IFA_LOCAL, addr->addr, len);
	netlink_request_put(&q, IFA_ADDRESS, addr->has_peer ? addr->peer : addr->addr, len);
	if (addr->has_broadcast)
		netlink_request_put(&q, IFA_BROADCAST, addr->broadcast, 4);
	netlink_request_put_u32(&q, IFA_FLAGS, flags);
	r = netlink_change(nl, &q);
	return r < 0 && r != -EEXIST ? error_sys(err, -r, "add an address to network interface %d", index) : 0;
}
