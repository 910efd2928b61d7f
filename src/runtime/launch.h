/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_LAUNCH_H
#define RUNTIME_LAUNCH_H

/*
 * Carrying out a plan. One struct holds all that a launch has in its hands; the host's side (launch.c) and, after the
 * clone, the container's side (inside.c) each work on their own copy of it.
 *
 * They speak over one SOCK_SEQPACKET pair, strictly in turn:
 *	host -> inside   MAPPED (with the overlay), HOOKED (with the pid as the host sees it), GO; create: RECORDED (likewise)
 *	inside -> host   PREPARED, READY (or BORN with a pid: birth.h), CONSOLE (with the terminal), NOTIFY (with the listener), FAILED (a struct error)
 * A closed end means that the other side has died, or, after GO, that execve succeeded.
 */

#include "base/error.h"
#include "base/pidref.h"
#include "cgroup/cgroup.h"
#include "runtime/entry.h"
#include "runtime/notify.h"
#include "runtime/plan.h"
#include "runtime/runtime.h"
#include "runtime/state.h"
#include "safepath/safepath.h"
#include "seccomp/seccomp.h"

enum launch_message_type {
	LAUNCH_MAPPED = 1,
	LAUNCH_HOOKED,
	LAUNCH_GO,
	LAUNCH_PREPARED,
	LAUNCH_READY,
	LAUNCH_CONSOLE,
	LAUNCH_NOTIFY,
	LAUNCH_FAILED,
	LAUNCH_RECORDED,
	LAUNCH_BORN,
};
struct launch_message {
	enum launch_message_type type;
	pid_t pid;          /* HOOKED, GO, RECORDED: ours, as the host sees it; BORN: of the one that goes on */
	struct error error; /* FAILED only; the other messages are sent without it */
};

struct launch {
	struct runtime *rt;                       /* borrowed */
	const struct spec *spec;                  /* borrowed */
	const struct runtime_create_options *opt; /* borrowed */
	struct plan plan;
	struct plan_facts facts;
	struct state state; /* the record as it grows; dir_fd is owned by it */
	bool state_made;    /* undo: the folder is ours */
	struct cgroup_host cgroup_host;
	struct cgroup *cgroup; /* owned; NULL until made */
	struct cgroup_join join;
	struct safepath_proc proc; /* host's side: the host's procfs */
	int root_fd;               /* owned; spec.root.path */
	int root_tree;             /* owned; idmapped clone of it, or FD_NONE */
	int *mount_fds;            /* per spec mount: its source as a detached mount, or FD_NONE */
	int *device_fds;           /* per planned device, likewise */
	int *layer_fds;            /* overlay lowers, uppermost first */
	int upper_fd;              /* the folder that holds the overlay's upper and work folders */
	int overlay_fd;            /* the finished overlay, detached, when the host's side made it */
	struct seccomp_program filter;
	bool have_filter;
	int start_fd;             /* listening socket of `start` */
	int console_fd, pidfd_fd; /* connected receivers */
	struct entry entry;
	struct pidref init;
	int pid_ns;                 /* the pid namespace that the container's side enters last, or FD_NONE */
	bool placed;                /* the clone puts init into its cgroup2 group */
	int sync_host, sync_inside; /* the two ends */
	int terminal;               /* host's side: the terminal's master in a foreground run */
	struct notify notify;       /* run: what the program tells the service manager */
	uint64_t ignored_signals;   /* what our caller made us ignore: the program starts without */
	char rootfs[4096];          /* absolute path of the root, for records and messages */

	/* container's side */
	int new_root;           /* the root as a mount */
	int here_fd;            /* where it is attached */
	int null_tree;          /* the host's /dev/null, detached or attached once */
	int mask_dir;           /* an empty read-only directory, likewise */
	bool dev_null_attached; /* null_tree is in our namespace: clone it from there */
	int dev_dir;            /* /dev inside, opened once */
	int fresh_dev;    /* the tmpfs that was just mounted there, uncovered and reached by nobody but us; FD_NONE */
	int dev_fd;       /* mount of /dev that becomes read-only when it is filled; FD_NONE */
	size_t inside_at; /* the step that we are at */
	pid_t host_pid;   /* our pid as the host sees it */
};

/* The whole host's side up to READY. @wait_start: create. On failure everything is undone. */
int launch_create(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		  bool wait_start, struct launch *l, struct error *err);
/* After launch_create without wait_start: wait until the program runs. */
int launch_go(struct launch *l, struct error *err);
/* End the container and remove what launch_create made. */
void launch_undo(struct launch *l);
/* Let go of descriptors and memory; the container lives on. */
void launch_done(struct launch *l);

/* The container's side: carries out the inside list; does not return but on failure. For process_clone. */
int launch_inside(void *launch);

/* overlay.c: the root from opt->overlay as a detached mount; @userxattr inside a user namespace. Returns the fd. */
int launch_mount_overlay(struct launch *l, bool userxattr, struct error *err);
/* The same with the file system ids of the container's root (as the host numbers them). */
int launch_mount_overlay_as(struct launch *l, uint32_t uid, uint32_t gid, struct error *err);

/* Host's side of a launch and of exec: wait for the message @want; a failure told by the other side becomes @err. A terminal
 * that comes meanwhile goes to @ret_terminal, the pid of the message to @ret_pid (NULL: not wanted). */
int launch_wait(int sock, enum launch_message_type want, pid_t *ret_pid, int *ret_terminal, struct error *err);
/* process.rlimits and process.oomScoreAdj of the process @pid, which is ours and waits. @proc: the host's procfs;
 * @may_lack_rights: who may not lower the score goes on without. */
int launch_set_rlimits(const struct spec_process *p, pid_t pid, struct error *err);
int launch_set_oom_score(const struct spec_process *p, const struct safepath_proc *proc, pid_t pid,
			 bool may_lack_rights, struct error *err);
/* After GO: until execve has succeeded (the connection closes). Passes the seccomp listener on. */
int launch_await_exec(int sock, const struct spec_seccomp *seccomp, const struct state *state, pid_t pid,
		      struct error *err);
/* Write @pid to @path by rename. */
int launch_write_pid_file(const char *path, pid_t pid, struct error *err);
/* Is our own user namespace another than the host's first one? */
bool launch_in_userns(struct error *err);

/* Messages. Both return 0, or -errno; launch_receive gives -EPIPE when the other side has gone. */
int launch_send(int sock, enum launch_message_type type, pid_t pid, const struct error *error, int fd);
int launch_receive(int sock, struct launch_message *ret, int *ret_fd);
/* Send the seccomp listener @notify_fd with the container process state to listenerPath. */
int launch_send_listener(const struct spec_seccomp *s, const struct state *state, enum runtime_status status, pid_t pid,
			 int notify_fd, struct error *err);
/* Fault injection for tests: BOTHY_FAIL_STEP names the step (its number in the list of its side, "host:7") that fails,
 * or before which that side ends without a word ("host:7!"). */
int launch_inject(const char *side, size_t step, struct error *err);

/* When steps begin and end; in memory that both sides share. */
#define TRACE_STEPS_MAX 256
struct runtime_trace {
	int64_t host_ns[TRACE_STEPS_MAX][2];
	int64_t inside_ns[TRACE_STEPS_MAX][2];
	int64_t exec_ns; /* when execve was called */
};

/* A Unix stream or seqpacket socket connected to @path (longer than sun_path allows is fine). Returns the fd. */
int launch_connect(const char *path, int type, struct error *err);

#endif
