/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

/*
 * Processes: clone3 with a pidfd, cloning from inside other namespaces, and the attributes that a child sets on itself
 * before it runs a program. No policy. All functions are async-signal-safe.
 * Source: clone(2), setns(2), unshare(2), prctl(2), sched_setattr(2), ioprio_set(2), set_mempolicy(2), close_range(2).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/pidref.h"

#define PROCESS_NS_MAX 8

/* One namespace to enter. */
struct process_ns {
	int fd;        /* borrowed; of /proc/pid/ns/<type> or a bind mount of it */
	uint64_t flag; /* CLONE_NEW…; the kernel refuses an fd of another type */
};

/* The namespaces that a new process shall be born into. Either list may be empty. */
struct process_join {
	int pidfd; /* FD_NONE, or: enter those of @pidfd_flags of this process by one setns(2) (5.8 and newer) */
	uint64_t pidfd_flags; /* CLONE_NEW… */
	/* Entered after that; whatever the order here, a user namespace first and a mount namespace last. */
	struct process_ns ns[PROCESS_NS_MAX];
	size_t ns_count;
	bool become_root; /* after entering a user namespace take uid and gid 0 of it; not an error when 0 is unmapped */
};
#define PROCESS_JOIN_NONE ((struct process_join){.pidfd = FD_NONE})

struct process_clone {
	uint64_t
		flags; /* CLONE_NEW… and CLONE_PARENT; CLONE_PIDFD and SIGCHLD are added. CLONE_NEWTIME: see kernel/time.h */
	int cgroup_fd;                   /* FD_NONE, or a cgroup v2 directory to be born into */
	const struct process_join *join; /* NULL: none. Then the flags' new namespaces are made inside those joined */
	const pid_t *set_tid;            /* innermost pid namespace first; NULL: the kernel's choice */
	size_t set_tid_count;
	bool *placed; /* NULL, or: whether the process was born into cgroup_fd; the new process reads its own copy */
	/* With join and keep: the child is born without our fds from keep_from up but for those in keep and, when it was not
	 * placed, cgroup_fd. Others in the namespaces joined may look through them (CAP_SYS_PTRACE over us; V02). Numbers
	 * below 0 are ignored. */
	const int *keep;
	size_t keep_count;
	int keep_from;
};
#define PROCESS_CLONE_INIT ((struct process_clone){.cgroup_fd = FD_NONE})

/* The new process could not be placed into cgroup_fd (clone3 is missing or refused, v1, or no room for the joining step);
 * it runs, in our cgroup: the caller moves it by cgroup.procs before letting it go on. */
#define PROCESS_NOT_PLACED 1

/* What the new process runs: on a copy of our memory (as after fork), with our fds. Its result becomes the exit status. */
typedef int (*process_fn)(void *arg);

/* Make a child process (a child of ours even where it is born inside other namespaces).
 * With how->join, a short-lived process that shares our memory and fds enters the namespaces and clones the real child
 * with CLONE_PARENT; it is placed into the cgroup first, because after entering a user namespace the right to do so is
 * gone. We are made non-dumpable before that, so that nobody inside can trace it or the child (CVE-2016-9962).
 * A frozen cgroup_fd blocks the joining step: pass FD_NONE for it and move the child afterwards.
 * @ret: owned; pid as seen in our pid namespace.
 * Returns 0, PROCESS_NOT_PLACED, or <0: DENIED, UNSUPPORTED (a namespace type this kernel lacks), LIMIT (pids, user
 * namespaces), INVALID. Context: a process without threads; the caller blocks SIGCHLD or tolerates one more. */
int process_clone(const struct process_clone *how, process_fn child, void *arg, struct pidref *ret, struct error *err);

/* Run @fn in a short-lived process that has entered @target, and wait for it. It shares our memory and fds (what it opens,
 * we have), so that fn can hand out fds and results through @arg; it must not allocate. With a time namespace in @target
 * the memory is a copy (a rule of the kernel) and only fds and the result come back.
 * Returns fn's result (which must not be negative), or <0 when the namespaces could not be entered: DENIED, INVALID,
 * UNSUPPORTED. fn runs with all signals blocked. */
int process_run_joined(const struct process_join *target, process_fn fn, void *arg, struct error *err);

/* setns(2) for ourselves; @flag is CLONE_NEW… (used in the message too). */
int process_setns(int fd, uint64_t flag, struct error *err);
/* unshare(2) of CLONE_NEW… flags. */
int process_unshare(uint64_t flags, struct error *err);
/* The word for one CLONE_NEW… flag ("network namespace"), for messages. */
const char *process_ns_flag_name(uint64_t flag);

/* Join a new session keyring in place of the inherited one (keyrings are not namespaced); @name may be NULL: anonymous.
 * Where the kernel has no keyrings or an outer filter refuses them, 0 as well. <0: LIMIT (key quota). Its SELinux label:
 * lsm_selinux_set_key before. Source: keyctl_join_session_keyring(3). */
int process_new_keyring(const char *name, struct error *err);
/* PR_SET_DUMPABLE. Undumpable hides /proc/self from equals (CVE-2019-5736, CVE-2016-9962) and makes its files root's. */
int process_set_dumpable(bool on, struct error *err);
/* Overwrite the strings of our environment, which others may read in our memory; those of bothy's own (BOTHY_*) stay. For a
 * process with a memory of its own. Cannot fail. */
void process_wipe_environment(void);
/* PR_SET_NO_NEW_PRIVS. */
int process_set_no_new_privs(struct error *err);
/* PR_SET_PDEATHSIG; @parent: our parent must still be this pidfd, else <0 NOT_FOUND (FD_NONE: not checked). 0 clears. */
int process_set_death_signal(int sig, int parent_pidfd, struct error *err);
/* PR_SET_CHILD_SUBREAPER. */
int process_set_subreaper(bool on, struct error *err);
int process_set_personality(unsigned long persona, struct error *err);
/* Sets the umask, cannot fail. */
void process_set_umask(unsigned mask);
int process_set_sid(struct error *err);

/* Nothing from fd @first up may live through exec. @close_now: close them, else mark them close-on-exec.
 * Before 5.9 (5.11 for the mark) the numbers are walked: those listed in @proc_self_fd (a directory fd, for reading, of
 * our "fd" directory in a verified procfs), or with FD_NONE all below the table's size.
 * Source: CVE-2024-21626 (V02). */
int process_close_from(int first, bool close_now, int proc_self_fd, struct error *err);

/* Close every fd from @first up but the @count ones in @keep and @also, in any order; numbers below @first are ignored. */
int process_close_but(int first, const int *keep, size_t count, int also, struct error *err);

/* Change to @path (absolute, of the root we are in) and prove that the result is inside: getcwd must name it from "/"
 * (not "(unreachable)"). Call after every fd but the needed ones is closed or close-on-exec.
 * Returns 0, or <0: NOT_FOUND, DENIED, INVALID (no directory; or it lies outside the root: CVE-2024-21626). */
int process_change_dir(const char *path, struct error *err);
/* The check alone, for the present working directory. */
int process_check_cwd(struct error *err);

/* linux.process.scheduler. @policy SCHED_…; times in ns (DEADLINE). */
struct process_scheduler {
	uint32_t policy;
	int32_t nice;      /* OTHER, BATCH */
	uint32_t priority; /* FIFO, RR */
	uint64_t flags;    /* SCHED_FLAG_… */
	uint64_t runtime_ns, deadline_ns, period_ns;
};
int process_set_scheduler(const struct process_scheduler *s, struct error *err);
/* @class 1-3 (real-time, best effort, idle), @priority 0-7. */
int process_set_io_priority(int class, int priority, struct error *err);

/* A list like "0-3,7" as bits. @bits: @size bytes of little-endian unsigned longs, zeroed first. Returns the highest
 * number plus one, or -EINVAL (not a list), -ERANGE (beyond the bits). Pure. */
int process_parse_list(const char *list, unsigned long *bits, size_t size);
#define PROCESS_LIST_BITS 8192
/* Run on the CPUs of @list only. @pid 0: ourselves. <0: INVALID (no such CPU for us). */
int process_set_affinity(pid_t pid, const char *list, struct error *err);
/* set_mempolicy(2). @mode MPOL_…, @mode_flags MPOL_F_…; @nodes a list or NULL. */
int process_set_memory_policy(int mode, unsigned mode_flags, const char *nodes, struct error *err);
/* prlimit(2) of @pid (0: ourselves); UINT64_MAX is unlimited. */
int process_set_rlimit(pid_t pid, int resource, uint64_t soft, uint64_t hard, const char *name, struct error *err);
/* Bound ourselves for good, soft and hard, by each of @limits, or by the hard limit that we have where that is lower. A program with
 * AddressSanitizer goes without RLIMIT_AS (base/sanitized.h). */
struct process_limit {
	int resource;
	uint64_t max;
	const char *name;
};
int process_limit_self(const struct process_limit *limits, size_t count, struct error *err);
/* Write oom_score_adj below @proc_dir_fd (a process's directory in a verified procfs, e.g. safepath_proc_self(p, "")).
 * <0: DENIED when it would go below what we may. */
int process_set_oom_score_adj(int proc_dir_fd, int score, struct error *err);

/* sethostname, setdomainname in our UTS namespace. */
int process_set_hostname(const char *name, struct error *err);
int process_set_domainname(const char *name, struct error *err);

/* execve of @path, or with @fd >= 0 of that file (execveat, AT_EMPTY_PATH). Returns only on failure, -errno. */
int process_exec(int fd, const char *path, char *const argv[], char *const envp[]);

#endif
