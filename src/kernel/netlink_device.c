/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network device moves into another network namespace (runtime-spec, "netDevices") with what the kernel takes from
 * it on the way: its addresses, its name, whether it is up. When it cannot settle there it comes back.
 */
#include "kernel/netlink.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

#include "base/cleanup.h"
#include "base/fd.h"

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
