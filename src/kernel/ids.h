/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_IDS_H
#define KERNEL_IDS_H

/*
 * User and group ids: id maps of user namespaces, subordinate id files, changing our own ids. No policy.
 * Source: user_namespaces(7), subuid(5), newuidmap(1), credentials(7).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum ids_kind { IDS_UID, IDS_GID, IDS_KIND_COUNT };

struct ids_range {
	uint32_t inside, outside, count;
};
#define IDS_MAP_MAX 340 /* the kernel's limit of lines (4.15 and newer) */

/* Are the ranges valid: none empty, none beyond 2^32-2, no overlap inside or outside, at most IDS_MAP_MAX?
 * Returns 0 or <0 INVALID naming the entry ("uidMappings[1]" style, @field in front). Pure. */
int ids_check(const char *field, const struct ids_range *map, size_t count, struct error *err);

/* @inside through the map. Returns 0 or -ENOENT. Pure. */
int ids_map_out(const struct ids_range *map, size_t count, uint32_t inside, uint32_t *ret_outside);
int ids_map_in(const struct ids_range *map, size_t count, uint32_t outside, uint32_t *ret_inside);

/* Write the map of the user namespace of the process whose directory in a verified procfs is @proc_dir_fd.
 * Returns 0, or <0: DENIED (needs CAP_SETUID/SETGID over the parent namespace, or one line with our own id), INVALID,
 * CONFLICT (written already). Async-signal-safe. */
int ids_write_map(int proc_dir_fd, enum ids_kind kind, const struct ids_range *map, size_t count, struct error *err);
/* Write "deny" to setgroups (needed before an unprivileged gid_map). Async-signal-safe. */
int ids_deny_setgroups(int proc_dir_fd, struct error *err);

/* Run newuidmap or newgidmap for @pid (our unreaped child, so that the number cannot be reused).
 * The program is looked up in /usr/bin, /bin, /usr/local/bin, /run/wrappers/bin only.
 * Returns 0, or <0: NOT_FOUND (not installed; hint names the package), DENIED (the ranges are not ours; with what it said).
 * Allocates; parent only. */
int ids_run_helper(enum ids_kind kind, pid_t pid, const struct ids_range *map, size_t count, struct error *err);

/* The ranges that @text (of /etc/subuid or /etc/subgid, @len bytes) gives to @user (may be NULL) or the number @uid.
 * `inside` is filled cumulatively from @inside_first. At most @max ranges; more are ignored. Lines that are not
 * "name:start:count" in strict decimal are skipped. Returns the number of ranges found. Pure. */
size_t ids_parse_subids(const char *text, size_t len, const char *user, uint32_t uid, uint32_t inside_first,
			struct ids_range *ret, size_t max);

/* setgroups(2); in a user namespace that denies it: success when @count is 0, else <0 DENIED.
 * All three are raw system calls on the calling thread, async-signal-safe. */
int ids_set_groups(const uint32_t *gids, size_t count, struct error *err);
int ids_set_gid(uint32_t gid, struct error *err); /* real, effective, saved (and fs) */
int ids_set_uid(uint32_t uid, struct error *err);
/* Only the file system ids (setfsuid, setfsgid), verified. For creating files as the container's root while keeping capabilities. */
int ids_set_fs(uint32_t uid, uint32_t gid, struct error *err);

#endif
