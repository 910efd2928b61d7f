/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V01, CVE-2019-5736: a container that makes the runtime execute "/proc/self/exe" holds a descriptor of the runtime's own
 * file, and as host root could write to it once the runtime has ended. So where no user namespace stands between them, the
 * runtime runs from a read-only clone of its file's mount, whose own mount is gone (nobody can make it writable again), or
 * from a sealed copy in memory.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "kernel/kernel.h"
#include "runtime/runtime.h"
#include "runtime/state.h"
#include "safepath/safepath.h"

static bool is_protected(int exe)
{
	struct statvfs v;
	int seals = fcntl(exe, F_GET_SEALS);

	if (seals >= 0)
		return seals & F_SEAL_WRITE;
	return fstatvfs(exe, &v) == 0 && (v.f_flag & ST_RDONLY);
}

static int read_only_clone(int exe, struct error *err)
{
	autofd int tree = mount_clone(exe, "", false, 0, err);
	int r;

	if (tree < 0)
		return tree;
	r = mount_set_attrs(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0, FD_NONE, false, err);
	return r < 0 ? r : take_fd(&tree);
}

static int sealed_copy(int exe, struct error *err)
{
	autofd int copy = memfd_create("bothy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t done = 0;

	if (copy < 0 || fstat(exe, &st) < 0)
		return error_sys(err, errno, "copy the runtime into memory");
	while (done < st.st_size) {
		ssize_t n = sendfile(copy, exe, &done, (size_t)(st.st_size - done));

		if (n <= 0)
			return error_sys(err, n < 0 ? errno : EIO, "copy the runtime into memory");
	}
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return error_sys(err, errno, "seal the copy of the runtime");
	return take_fd(&copy);
}

int runtime_protect_self(char *const argv[], struct error *err)
{
	autofd int exe = safepath_host_open("/proc/self/exe", O_RDONLY, 0, err);
	autofd int fd = FD_NONE;
	struct error ignored;
	char path[4096];
	int r;

	if (exe < 0)
		return exe;
	if (is_protected(exe))
		return 0;
	fd = read_only_clone(exe, err);
	if (fd < 0)
		fd = sealed_copy(exe, err);
	if (fd < 0)
		return fd;
	if (safepath_host_self(path, sizeof(path), &ignored) == 0)
		(void)setenv(SAFEPATH_SELF_ENV, path, 1);
	r = process_exec(fd, "", argv, environ);
	return error_sys(err, -r, "run from a read-only copy of itself");
}

int runtime_protect_exec(struct runtime *rt, const char *id, char *const argv[], struct error *err)
{
	autofd int exe = safepath_host_open("/proc/self/exe", O_RDONLY, 0, err);
	autostate struct state s = STATE_NONE;
	autospec struct spec spec;
	int r;

	spec_init(&spec);
	if (exe < 0)
		return exe;
	if (is_protected(exe))
		return 0; /* the usual case: stage0 was here */
	r = state_load(rt, id, &s, err);
	if (r == 0)
		r = state_load_spec(&s, &spec, err);
	if (r < 0)
		return r;
	return runtime_is_exposed(&spec) ? runtime_protect_self(argv, err) : 0;
}

bool runtime_is_exposed(const struct spec *spec)
{
	const struct spec_id_maps *m = &spec->linux_.uid_mappings;

	if (!spec->linux_.ns[SPEC_NS_USER].present || spec->linux_.ns[SPEC_NS_USER].path)
		return true;
	for (size_t i = 0; i < m->count; i++)
		if (m->items[i].host_id == 0 || m->items[i].host_id == geteuid())
			return true;
	return false;
}
