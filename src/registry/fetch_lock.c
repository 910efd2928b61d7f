/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How bothy-fetch locks itself in, once its libraries are loaded and before it has read a byte from anywhere:
 *
 *	user       root becomes nobody, with no groups and no capabilities; nobody of that name can look into us
 *	limits     memory, open files, no core dumps
 *	Landlock   no file is written, made or run; read are the few folders that name look-up and TLS want
 *	seccomp    the system calls listed below: no program, no process (threads only: curl looks names up in one), no socket but
 *	           internet ones (a Unix socket would be a way to whatever the user may talk to: other engines, session buses)
 *
 * What it was handed (the talk, pipes, blobs to push) it has as descriptors. The network itself stays open: that is its job.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/callfilter.h"
#include "kernel/caps.h"
#include "kernel/ids.h"
#include "kernel/landlock.h"
#include "kernel/process.h"
#include "registry/fetch.h"
#include "safepath/safepath.h"

#define NOBODY 65534u
#define MEMORY_MAX_BYTES (UINT64_C(1) << 30)
#define OPEN_FILES_MAX 512

static int drop_user(struct error *err)
{
	const struct caps_sets none = {0};

	if (geteuid() == 0) {
		if (caps_have(8 /* CAP_SETPCAP */) && caps_drop_bounding(0, err) < 0)
			return -err->code;
		if (ids_set_groups(NULL, 0, err) < 0 || ids_set_gid(NOBODY, err) < 0 || ids_set_uid(NOBODY, err) < 0)
			return error_wrap(err, "become nobody");
	}
	if (caps_set(&none, NULL, err) < 0)
		return -err->code;
	/* A change of user clears both. */
	if (process_set_death_signal(SIGKILL, FD_NONE, err) < 0)
		return -err->code;
	return process_set_dumpable(false, err);
}

static int set_limits(struct error *err)
{
	static const struct process_limit limits[] = {
		{RLIMIT_AS, MEMORY_MAX_BYTES, "memory"},
		{RLIMIT_NOFILE, OPEN_FILES_MAX, "open files"},
		{RLIMIT_CORE, 0, "core dump"},
	};

	return process_limit_self(limits, ARRAY_SIZE(limits), err);
}

static int restrict_files(struct error *err)
{
	/* Name look-up (resolv.conf and where it may point, hosts, nsswitch, its modules), TLS (certificates, OpenSSL's own
	 * configuration). Credentials and certs.d are not among them: they come over the talk. */
	static const char *const readable[] = {
		"/etc/resolv.conf",
		"/etc/hosts",
		"/etc/host.conf",
		"/etc/nsswitch.conf",
		"/etc/gai.conf",
		"/etc/services",
		"/etc/ssl",
		"/etc/pki",
		"/etc/ld.so.cache",
		"/etc/localtime",
		"/etc/ca-certificates",
		"/usr/share/ca-certificates",
		"/usr/lib",
		"/usr/lib64",
		"/lib",
		"/lib64",
		"/usr/local/share/ca-certificates",
		"/run/systemd/resolve",
		"/run/resolvconf",
		"/run/NetworkManager",
		"/mnt/wsl/resolv.conf",
		"/dev/urandom",
	};
	const uint64_t all = (LANDLOCK_ACCESS_FS_REFER << 3) - 1; /* each right up to ABI 5: TRUNCATE, IOCTL_DEV too */
	autofd int rules = FD_NONE;

	if (landlock_abi() == 0)
		return 0;
	rules = landlock_new(all, err);
	if (rules < 0)
		return rules;
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		struct error missing;
		struct stat st;
		autofd int fd = safepath_host_open(readable[i], O_PATH, 0, &missing);
		uint64_t rights = LANDLOCK_ACCESS_FS_READ_FILE;

		if (fd < 0 || fstat(fd, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			rights |= LANDLOCK_ACCESS_FS_READ_DIR;
		if (landlock_allow(rules, fd, rights, err) < 0)
			return -err->code;
	}
	return landlock_enforce(rules, err);
}

/* What libcurl, OpenSSL and the C library's name look-up call, and our loop. */
static const unsigned short allowed_calls[] = {
	__NR_read,
	__NR_write,
	__NR_readv,
	__NR_writev,
	__NR_pread64,
	__NR_close,
	__NR_lseek,
	__NR_fcntl,
	__NR_ioctl,
	__NR_fstat,
	__NR_newfstatat,
	__NR_statx,
	__NR_openat,
	__NR_getdents64,
	__NR_readlinkat,
	__NR_faccessat,
	__NR_sendto,
	__NR_recvfrom,
	__NR_sendmsg,
	__NR_recvmsg,
	__NR_sendmmsg,
	__NR_connect,
	__NR_bind,
	__NR_getsockname,
	__NR_getpeername,
	__NR_setsockopt,
	__NR_getsockopt,
	__NR_shutdown,
	__NR_socketpair,
	__NR_pipe2,
	__NR_ppoll,
	__NR_brk,
	__NR_mmap,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
	__NR_mprotect,
	__NR_getrandom,
	__NR_futex,
	__NR_set_robust_list,
	__NR_prlimit64,
	__NR_sched_yield,
	__NR_sched_getaffinity,
	__NR_clock_gettime,
	__NR_clock_getres,
	__NR_gettimeofday,
	__NR_getpid,
	__NR_gettid,
	__NR_getuid,
	__NR_geteuid,
	__NR_getgid,
	__NR_getegid,
	__NR_uname,
	__NR_sysinfo,
	__NR_rt_sigprocmask,
	__NR_rt_sigaction,
	__NR_rt_sigreturn,
	__NR_sigaltstack,
	__NR_tgkill,
	__NR_restart_syscall,
	__NR_exit,
	__NR_exit_group,
#ifdef __NR_poll
	__NR_poll,
#endif
#ifdef __NR_open
	__NR_open,
	__NR_stat,
	__NR_lstat,
	__NR_access,
	__NR_readlink,
#endif
#ifdef __NR_rseq
	__NR_rseq,
#endif
#ifdef __NR_eventfd2
	__NR_eventfd2,
#endif
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (n))
#else
#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (n) + 4)
#endif
#ifdef __s390x__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

#define DO(code_, k_) ((struct sock_filter)BPF_STMT((code_), (k_)))
#define IF(code_, k_, yes_, no_) ((struct sock_filter)BPF_JUMP(BPF_JMP | (code_) | BPF_K, (k_), (yes_), (no_)))
#define ALLOW DO(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(e_) DO(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e_))

static int restrict_calls(struct error *err)
{
	const struct sock_filter first[] = {
		/* clone3 keeps its flags in memory that nobody can look at: the C library then takes clone. */
		IF(BPF_JEQ, __NR_clone3, 0, 1),
		REFUSE(ENOSYS),
		IF(BPF_JEQ, __NR_clone, 0, 4),
		DO(BPF_LD | BPF_W | BPF_ABS, ARG_LOW(CLONE_FLAGS_ARG)),
		IF(BPF_JSET, CLONE_THREAD, 1, 0),
		REFUSE(EPERM),
		ALLOW,
		IF(BPF_JEQ, __NR_socket, 0, 6),
		DO(BPF_LD | BPF_W | BPF_ABS, ARG_LOW(0)),
		IF(BPF_JEQ, AF_INET, 3, 0),
		IF(BPF_JEQ, AF_INET6, 2, 0),
		IF(BPF_JEQ, AF_NETLINK, 1, 0),
		REFUSE(EAFNOSUPPORT),
		ALLOW,
	};

	return callfilter_install(first, ARRAY_SIZE(first), allowed_calls, ARRAY_SIZE(allowed_calls), err);
}

int fetch_lock_in(struct error *err)
{
	/* Files first: they are opened with the rights that we still have. */
	if (set_limits(err) < 0 || restrict_files(err) < 0 || drop_user(err) < 0 || restrict_calls(err) < 0)
		return error_wrap(err, "sandbox");
	return 0;
}
