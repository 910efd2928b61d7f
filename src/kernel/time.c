/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time namespaces: unshare gives our children a new one, whose offsets can be written as long as nobody is in it; then we
 * enter it ourselves by setns. (clone3 with CLONE_NEWTIME would enter at once, and the offsets would be fixed at zero.)
 */
#include "kernel/time.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/file.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int write_offset(int fd, const char *clock, const struct time_offset *o, struct error *err)
{
	char text[64];
	int n;
	int r;

	if (!o->set)
		return 0;
	n = snprintf(text, sizeof(text), "%s %lld %u", clock, (long long)o->secs, o->nanosecs);
	r = file_write_once(fd, text, (size_t)n);
	if (r == -ERANGE || r == -EINVAL)
		return error_set(err, ERROR_INVALID, -r,
				 "set the %s offset to %lld s %u ns: the clock would be negative or too large", clock,
				 (long long)o->secs, o->nanosecs);
	return r < 0 ? error_sys(err, -r, "set the %s offset", clock) : 0;
}

int time_ns_make(int self_fd, const struct time_offset *monotonic, const struct time_offset *boottime,
		 struct error *err)
{
	autofd int offsets = FD_NONE;
	autofd int ns = FD_NONE;
	int r;

	if (unshare(CLONE_NEWTIME) < 0) {
		if (errno == EINVAL)
			return error_set(err, ERROR_UNSUPPORTED, errno,
					 "this kernel has no time namespaces (Linux 5.6)");
		return error_sys(err, errno, "make a time namespace");
	}
	offsets = file_open_proc(self_fd, "timens_offsets", O_WRONLY);
	if (offsets < 0)
		return error_sys(err, -offsets, "open timens_offsets");
	r = write_offset(offsets, "monotonic", monotonic, err);
	if (r < 0)
		return r;
	r = write_offset(offsets, "boottime", boottime, err);
	if (r < 0)
		return r;
	/* A magic link; the directory it is in is proved to be procfs'. */
	ns = file_open_proc(self_fd, "ns", O_PATH | O_DIRECTORY);
	if (ns >= 0) {
		int dir = ns;

		ns = openat(dir, "time_for_children", O_RDONLY | O_CLOEXEC);
		close(dir);
	}
	if (ns < 0)
		return error_sys(err, errno, "open the new time namespace");
	if (setns(ns, CLONE_NEWTIME) < 0)
		return error_sys(err, errno, "enter the new time namespace");
	return 0;
}
