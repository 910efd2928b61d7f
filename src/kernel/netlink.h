/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_NETLINK_H
#define KERNEL_NETLINK_H

/*
 * rtnetlink by hand: links and addresses, as far as a runtime needs them. Every message has a fixed maximum and every
 * attribute is length-checked when it is written and when it is read (CVE-2021-43784). Async-signal-safe.
 * Source: netlink(7), rtnetlink(7), runtime-spec 1.3 config-linux.md "Network Devices".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct netlink {
	int fd; /* owned; belongs to the network namespace it was opened in for ever */
	uint32_t seq;
};
#define NETLINK_NONE ((struct netlink){.fd = FD_NONE})

struct netlink_link {
	int index;
	uint32_t flags; /* IFF_… */
	uint32_t mtu;
	char name[16];
	uint8_t mac[32];
	size_t mac_len;
};

struct netlink_addr {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix_len;
	uint8_t scope;    /* RT_SCOPE_… */
	uint32_t flags;   /* IFA_F_… */
	uint8_t addr[16]; /* IFA_LOCAL where given, else IFA_ADDRESS */
	uint8_t peer[16]; /* IFA_ADDRESS when it differs */
	bool has_peer;
	uint8_t broadcast[4];
	bool has_broadcast;
};
#define NETLINK_ADDR_MAX 64

/* A route socket of our own network namespace; netlink_close it. */
int netlink_open(struct netlink *ret, struct error *err);
/* The same in the network namespace @netns_fd (opened by a short-lived joined process; we stay where we are). */
int netlink_open_in(int netns_fd, struct netlink *ret, struct error *err);
void netlink_close(struct netlink *nl);
#define autonetlink __attribute__((cleanup(netlink_close)))

/* Bring `lo` up. */
int netlink_loopback_up(struct error *err);
/* The same by netlink alone, which the above falls back to. */
int netlink_loopback_up_by(struct netlink *nl, struct error *err);

/* The link called @name. <0: NOT_FOUND. */
int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *ret, struct error *err);
/* All links, at most @max; @ret_count is how many there are (may be more than @max). */
int netlink_link_list(struct netlink *nl, struct netlink_link *ret, size_t max, size_t *ret_count, struct error *err);
int netlink_link_set_up(struct netlink *nl, int index, bool up, struct error *err);
int netlink_link_set_mtu(struct netlink *nl, int index, uint32_t mtu, struct error *err);
/* Send the link to @netns_fd under @new_name (NULL: the same). <0: CONFLICT (name taken there; the link may have
 * moved under its old name all the same), INVALID (link may not move). */
int netlink_link_send(struct netlink *nl, int index, int netns_fd, const char *new_name, struct error *err);

/* The addresses of a link, at most @max. */
int netlink_addr_list(struct netlink *nl, int index, struct netlink_addr *ret, size_t max, size_t *ret_count,
		      struct error *err);
/* Add one; there already: success. */
int netlink_addr_add(struct netlink *nl, int index, const struct netlink_addr *addr, struct error *err);

/* linux.netDevices: move @name of our namespace into @netns_fd as @new_name (NULL: same), keeping MTU and its global
 * addresses, and bring it up there; on failure it is fetched back as far as possible. A name with '%' is refused by
 * us (the kernel would expand it).
 * Returns 0, or <0: NOT_FOUND, CONFLICT, INVALID, DENIED. Context: parent, CAP_NET_ADMIN over both namespaces. */
int netlink_device_move(const char *name, const char *new_name, int netns_fd, struct error *err);

/* Is @name a valid interface name (1-15 bytes, no '/', ':', '%', blank, control; not "." or "..")? Pure. */
bool netlink_name_valid(const char *name);

#endif
