/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How bothy-unpack locks itself in. The store has made it a child in new user, mount, pid, network, IPC and UTS namespaces
 * (where the host allows those); here it makes the one folder its root, and gives up the rest:
 *
 *   root        a private clone of the folder, by pivot_root; by chroot without a mount namespace of our own
 *   limits      memory, file size, open files, no core dumps
 *   rights      the five capabilities that writing a layer needs, which in our user namespace are about its ids only
 *   Landlock    file access beneath the folder only, and nothing may be executed
 *   seccomp     the system calls listed below; every other one fails
 *
 * Each wall stands without the others; only Landlock may be missing (kernels before 5.13 or without it).
 */
#include "unpack/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/sanitized.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"

#define MEMORY_MAX_BYTES (UINT64_C(512) << 20) /* zstd's window, folder times, one entry's headers */
#define OPEN_FILES_MAX 256                     /* removing deep trees keeps some fds */

#define CAP_BIT(c) (UINT64_C(1) << (c))
#define CAPS_NEEDED                                                                                                    \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |                  \
	 CAP_BIT(CAP_SETFCAP))

static int enter_folder(int dir_fd, bool own_mounts, bool read_only, int *ret_dir_fd, struct error *err)
{
	autofd int slash = FD_NONE, fd = FD_NONE;

	if (!own_mounts) {
		if (fchdir(dir_fd) < 0 || chroot(".") < 0)
			return error_sys(err, errno, "cannot make the folder our root");
		fd = safepath_host_open_dir("/", err);
		if (fd < 0)
			return fd;
		*ret_dir_fd = take_fd(&fd);
		return 0;
	}
	slash = safepath_host_open_dir("/", err);
	if (slash < 0 || mount_set_propagation(slash, MS_PRIVATE, true, err) < 0)
		return -err->code;
	fd = mount_clone(dir_fd, "", false, 0, err);
	if (fd < 0 || (read_only && mount_set_attrs(fd, MOUNT_ATTR_RDONLY, 0, 0, FD_NONE, false, err) < 0) ||
	    mount_attach(fd, dir_fd, "the folder to fill", err) < 0 || mount_pivot(fd, err) < 0)
		return -err->code;
	*ret_dir_fd = take_fd(&fd);
	return 0;
}

static int set_limits(const struct unpack_job *job, struct error *err)
{
	uint64_t file_max = job->limits.layer_bytes > job->limits.archive_bytes ? job->limits.layer_bytes
										: job->limits.archive_bytes;
	const struct process_limit limits[] = {
		{RLIMIT_AS, MEMORY_MAX_BYTES, "memory"},
		{RLIMIT_FSIZE, file_max, "file size"},
		{RLIMIT_NOFILE, OPEN_FILES_MAX, "open files"},
		{RLIMIT_CORE, 0, "core dump"},
	};

	return process_limit_self(limits, ARRAY_SIZE(limits), err);
}

static int drop_caps(uint64_t needed, struct error *err)
{
	struct caps_sets keep = {.effective = needed, .permitted = needed};

	if (caps_have(CAP_SETPCAP) && caps_drop_bounding(0, err) < 0)
		return -err->code;
	return caps_set(&keep, NULL, err);
}

#define ALL_RIGHTS ((uint64_t)(LANDLOCK_ACCESS_FS_REFER << 1) - 1) /* of ABI 2 */

static int restrict_files(int dir_fd, bool read_only, struct error *err)
{
	const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	const uint64_t writing = ALL_RIGHTS & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
							  LANDLOCK_ACCESS_FS_MAKE_SOCK);
	autofd int rules = FD_NONE, beneath = FD_NONE;

	if (landlock_abi() == 0)
		return 0;
	rules = landlock_new(ALL_RIGHTS, err);
	beneath = safepath_open_dir(dir_fd, "", true, err);
	if (rules < 0 || beneath < 0)
		return -err->code;
	if (landlock_allow(rules, beneath, landlock_supported(read_only ? reading : writing), err) < 0)
		return -err->code;
	return landlock_enforce(rules, err);
}

static int restrict_all_files(struct error *err)
{
	autofd int rules = FD_NONE;

	if (landlock_abi() == 0)
		return 0;
	rules = landlock_new(ALL_RIGHTS, err);
	return rules < 0 ? rules : landlock_enforce(rules, err);
}

/* What applying a layer, splitting an archive and removing a tree call, and what the C library needs for memory, the
 * random start of its heap, and the end. Nothing here makes a process, a socket, a mount, or runs a program. */
static const unsigned short allowed_calls[] = {
	__NR_read,
	__NR_write,
	__NR_pwrite64,
	__NR_sendmsg, /* to the disk; there is no socket but those two */
	__NR_close,
	__NR_lseek,
	__NR_fcntl,
	__NR_ftruncate,
	__NR_openat,
	__NR_openat2,
	__NR_fstat,
	__NR_newfstatat,
	__NR_statx,
	__NR_getdents64,
	__NR_fstatfs,
	__NR_mkdirat,
	__NR_mknodat,
	__NR_symlinkat,
	__NR_linkat,
	__NR_unlinkat,
	__NR_readlinkat,
	__NR_fchown,
	__NR_fchownat,
	__NR_fchmod,
	__NR_fchmodat,
	__NR_utimensat,
#ifdef __NR_fchmodat2
	__NR_fchmodat2,
#endif
	__NR_fsetxattr,
	__NR_fgetxattr,
	__NR_flistxattr,
	__NR_fremovexattr,
	__NR_brk,
	__NR_mmap,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
	__NR_mprotect,
	__NR_getrandom,
	__NR_futex,
	__NR_clock_gettime,
	__NR_clock_getres,
	__NR_gettimeofday,
	__NR_getpid,
	__NR_geteuid,
	__NR_getegid,
	__NR_gettid,
	__NR_rt_sigprocmask,
	__NR_rt_sigaction,
	__NR_rt_sigreturn,
	__NR_sigaltstack,
	__NR_tgkill,
	__NR_restart_syscall,
	__NR_exit,
	__NR_exit_group,
	/* receiving a blob: its partial file, and durability */
	__NR_flock,
	__NR_pread64,
	__NR_fdatasync,
	__NR_syncfs,
#ifdef __NR_sync_file_range
	__NR_sync_file_range,
#else
	__NR_sync_file_range2,
#endif
};

/* What the feeder calls: its descriptors are open. */
static const unsigned short feeder_calls[] = {
	__NR_read,         __NR_write,       __NR_pread64,        __NR_pwrite64,
	__NR_close,        __NR_lseek,       __NR_fcntl,          __NR_fstat,
	__NR_newfstatat, /* how newer C libraries do fstat; Landlock leaves nothing else to be seen by it */
	__NR_brk,          __NR_mmap,        __NR_munmap,         __NR_mremap,
	__NR_madvise,      __NR_mprotect,    __NR_getrandom,      __NR_futex,
	__NR_getpid,       __NR_gettid,      __NR_rt_sigprocmask, __NR_rt_sigaction,
	__NR_rt_sigreturn, __NR_sigaltstack, __NR_tgkill,         __NR_restart_syscall,
	__NR_exit,         __NR_exit_group,  __NR_sendmsg,
};

/* What a sanitizer does at the end of a process. */
#if SANITIZED
#define SANITIZER_CALLS                                                                                                \
	__NR_write, __NR_mmap, __NR_munmap, __NR_sigaltstack, __NR_rt_sigprocmask, __NR_getpid, __NR_gettid,
#else
#define SANITIZER_CALLS
#endif

/* The time of a file that is open is set by a call that could also take a path: not from here. */
static const struct sock_filter no_path[] = {
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_utimensat, 0, 6),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
};

static const unsigned short disk_calls[] = {__NR_recvmsg,   __NR_write,      __NR_pwrite64,        __NR_fcntl,
					    __NR_utimensat, __NR_close,      __NR_restart_syscall, __NR_rt_sigreturn,
					    __NR_exit,      __NR_exit_group, SANITIZER_CALLS};

static const unsigned short flusher_calls[] = {__NR_read, __NR_syncfs,     __NR_restart_syscall, __NR_rt_sigreturn,
					       __NR_exit, __NR_exit_group, SANITIZER_CALLS};

int sandbox_enter(int dir_fd, const struct unpack_job *job, int *ret_dir_fd, struct error *err)
{
	autofd int fd = FD_NONE;

	process_set_umask(0);
	if (process_set_dumpable(false, err) < 0 ||
	    enter_folder(dir_fd, job->flags & UNPACK_OWN_MOUNTS, unpack_only_reads(job), &fd, err) < 0 ||
	    set_limits(job, err) < 0)
		return error_wrap(err, "sandbox");
	*ret_dir_fd = take_fd(&fd);
	return 0;
}

int sandbox_lock(int dir_fd, const struct unpack_job *job, struct error *err)
{
	if (drop_caps(CAPS_NEEDED, err) < 0 || restrict_files(dir_fd, unpack_only_reads(job), err) < 0 ||
	    callfilter_install(NULL, 0, allowed_calls, ARRAY_SIZE(allowed_calls), err) < 0)
		return error_wrap(err, "sandbox");
	return 0;
}

static int lock_without_files(uint64_t caps, const struct sock_filter *first, size_t first_count,
			      const unsigned short *calls, size_t count, const char *who, struct error *err)
{
	if (drop_caps(caps, err) < 0 || restrict_all_files(err) < 0 ||
	    callfilter_install(first, first_count, calls, count, err) < 0)
		return error_wrap(err, "sandbox of the process that %s", who);
	return 0;
}

int sandbox_lock_feeder(struct error *err)
{
	return lock_without_files(0, NULL, 0, feeder_calls, ARRAY_SIZE(feeder_calls), "decompresses", err);
}

int sandbox_lock_disk(struct error *err)
{
	return lock_without_files(CAP_BIT(CAP_FOWNER), no_path, ARRAY_SIZE(no_path), disk_calls, ARRAY_SIZE(disk_calls),
				  "writes", err);
}

int sandbox_lock_flusher(struct error *err)
{
	return lock_without_files(0, NULL, 0, flusher_calls, ARRAY_SIZE(flusher_calls), "writes back", err);
}
