/* SPDX-License-Identifier: Apache-2.0 */
/* Links and addresses, in network namespaces of the test's own. */
#include "kernel/netlink.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

#include "base/fd.h"
#include "kernel/test_child.h"

static void loopback_by(int (*up)(struct netlink *nl, struct error *err))
{
	struct netlink nl autonetlink = NETLINK_NONE;
	struct netlink_link links[4];
	struct netlink_link lo;
	struct error err;
	size_t count = 0;

	if (unshare(CLONE_NEWNET) < 0)
		SKIP("network namespaces need root");
	REQUIRE(netlink_open(&nl, &err) == 0);
	CHECK_INT(netlink_link_get(&nl, "lo", &lo, &err), 0);
	CHECK(!(lo.flags & IFF_UP));
	CHECK_INT(up(&nl, &err), 0);
	CHECK_INT(netlink_link_get(&nl, "lo", &lo, &err), 0);
	CHECK(lo.flags & IFF_UP);
	CHECK_STR(lo.name, "lo");
	CHECK_INT(lo.mtu, 65536);
	CHECK_INT(netlink_link_list(&nl, links, 4, &count, &err), 0);
	CHECK(count >= 1);
	CHECK_STR(links[0].name, "lo");
	CHECK_INT(netlink_link_get(&nl, "no0", &lo, &err), -ENODEV);
	CHECK_INT(err.kind, ERROR_NOT_FOUND);
	CHECK_INT(netlink_link_get(&nl, "a/b", &lo, &err), -EINVAL);
	CHECK_INT(netlink_link_set_mtu(&nl, 4711, 1000, &err), -ENODEV);
}

static int by_either(struct netlink *nl, struct error *err)
{
	(void)nl;
	return netlink_loopback_up(err);
}

static void loopback(void)
{
	loopback_by(by_either);
}

static void loopback_netlink(void)
{
	loopback_by(netlink_loopback_up_by);
}

TEST(loopback_comes_up)
{
	in_child(loopback);
	in_child(loopback_netlink);
}

/* "dummy" is not in every kernel; a veth or bridge may be. Made by a hand-written request, as the library makes none. */
static bool make_link(const char *name)
{
	static const char *const kinds[] = {"dummy", "veth", "ifb", "bridge"};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct {
			struct nlmsghdr head;
			struct ifinfomsg info;
			char room[128];
		} q = {.head = {.nlmsg_type = RTM_NEWLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
		struct {
			struct nlmsghdr head;
			struct nlmsgerr e;
			char room[256];
		} answer = {0};
		struct rtattr *a = (struct rtattr *)(void *)q.room;
		struct rtattr *info;
		struct rtattr *kind;

		a->rta_type = IFLA_IFNAME;
		a->rta_len = (unsigned short)RTA_LENGTH(strlen(name) + 1);
		memcpy(RTA_DATA(a), name, strlen(name) + 1);
		info = (struct rtattr *)(void *)((char *)a + RTA_ALIGN(a->rta_len));
		kind = (struct rtattr *)(void *)((char *)info + RTA_LENGTH(0));
		kind->rta_type = IFLA_INFO_KIND;
		kind->rta_len = (unsigned short)RTA_LENGTH(strlen(kinds[k]) + 1);
		memcpy(RTA_DATA(kind), kinds[k], strlen(kinds[k]) + 1);
		info->rta_type = IFLA_LINKINFO;
		info->rta_len = (unsigned short)(RTA_LENGTH(0) + RTA_ALIGN(kind->rta_len));
		q.head.nlmsg_len = (uint32_t)((char *)info + RTA_ALIGN(info->rta_len) - (char *)&q);
		if (send(fd, &q, q.head.nlmsg_len, 0) > 0 && recv(fd, &answer, sizeof(answer), 0) > 0 &&
		    answer.e.error == 0) {
			close(fd);
			return true;
		}
	}
	close(fd);
	return false;
}

static void move_device(void)
{
	const struct netlink_addr v4 = {.family = AF_INET,
					.prefix_len = 24,
					.addr = {192, 0, 2, 7},
					.broadcast = {192, 0, 2, 255},
					.has_broadcast = true};
	const struct netlink_addr v6 = {.family = AF_INET6,
					.prefix_len = 64,
					.addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
					.flags = 2 /* no DAD */};
	struct netlink here autonetlink = NETLINK_NONE;
	struct netlink there autonetlink = NETLINK_NONE;
	struct netlink_addr addrs[8];
	struct netlink_link link;
	struct error err;
	bool found4 = false;
	bool found6 = false;
	size_t count = 0;
	int target;
	int home;

	if (unshare(CLONE_NEWNET) < 0)
		SKIP("network namespaces need root");
	target = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(unshare(CLONE_NEWNET) == 0);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (!make_link("test0"))
		SKIP("this kernel makes no dummy, bridge, ifb or veth");
	REQUIRE(netlink_open(&here, &err) == 0 && netlink_open_in(target, &there, &err) == 0);
	REQUIRE(netlink_link_get(&here, "test0", &link, &err) == 0);
	CHECK_INT(netlink_link_set_mtu(&here, link.index, 1400, &err), 0);
	CHECK_INT(netlink_addr_add(&here, link.index, &v4, &err), 0);
	CHECK_INT(netlink_addr_add(&here, link.index, &v4, &err), 0); /* again: fine */
	CHECK_INT(netlink_addr_add(&here, link.index, &v6, &err), 0);
	CHECK_INT(netlink_device_move("nothing", NULL, target, &err), -ENODEV);
	CHECK_INT(netlink_device_move("test0", "a%d", target, &err), -EINVAL);
	CHECK_INT(netlink_device_move("test0", "lo", target, &err), -EEXIST);
	CHECK_INT(err.kind, ERROR_CONFLICT);
	if (netlink_device_move("test0", "inside0", target, &err) < 0) {
		printf("\t%s\n", err.msg);
		CHECK_INT(err.kind, ERROR_INVALID); /* a bridge may not move */
		SKIP("the link that this kernel makes may not move");
	}
	CHECK_INT(netlink_link_get(&here, "test0", &link, &err), -ENODEV);
	CHECK_INT(netlink_link_get(&there, "inside0", &link, &err), 0);
	CHECK(link.flags & IFF_UP);
	CHECK_INT(link.mtu, 1400);
	CHECK_INT(netlink_addr_list(&there, link.index, addrs, 8, &count, &err), 0);
	for (size_t i = 0; i < count && i < 8; i++) {
		found4 = found4 || (addrs[i].family == AF_INET && memcmp(addrs[i].addr, v4.addr, 4) == 0 &&
				    addrs[i].prefix_len == 24 && addrs[i].has_broadcast &&
				    memcmp(addrs[i].broadcast, v4.broadcast, 4) == 0);
		found6 = found6 || (addrs[i].family == AF_INET6 && memcmp(addrs[i].addr, v6.addr, 16) == 0);
	}
	CHECK(found4);
	CHECK(found6);
	/* We stayed at home. */
	CHECK(setns(home, CLONE_NEWNET) == 0);
	CHECK_INT(netlink_device_move("lo", "lo1", target, &err), -EINVAL);
	close(target);
	close(home);
}

TEST(net_devices_move_with_their_addresses)
{
	in_child(move_device);
}
