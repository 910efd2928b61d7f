/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

/*
 * The container life cycle of the OCI runtime-spec: create, start, state, kill, delete and what engines need beside them.
 * Both the OCI command line (bothy-oci) and the engine (bothy) call these functions in their own process; there is no
 * daemon and no helper program on the way to the container's first instruction.
 *
 * A container is a plan: runtime_plan() (pure) turns a spec into a list of steps, an executor carries them out on two
 * sides, the host's and the container's, with one undo per step.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "spec/spec.h"

/* Where the containers of one state root live. Made once in main, handed down. */
struct runtime;

/* Open (and create, mode 0700, with parents) the state root @root. @tool is the program's name for messages.
 * Returns 0 and a runtime to runtime_close, or <0: DENIED, INVALID. */
int runtime_open(const char *root, struct runtime **ret, struct error *err);
void runtime_close(struct runtime *rt);
static inline void runtime_cleanup(struct runtime **rt)
{
	runtime_close(*rt);
}
#define autoruntime __attribute__((cleanup(runtime_cleanup)))

/* The state root that is used when none is named: /run/<name>, or $XDG_RUNTIME_DIR/<name> for a plain user. Heap. */
[[nodiscard]] char *runtime_default_root(const char *name);

/* V01: when the container about to be entered could write to this program's file (no user namespace between them), run
 * again from a read-only clone of it or a sealed memory copy. Returns 0 when that is not needed or done already; does not
 * return when it re-executes. Call before anything was made. */
int runtime_protect_self(char *const argv[], struct error *err);
/* Whether a program in such a container could open our own file for writing: not where its root is not the host's. */
bool runtime_is_exposed(const struct spec *spec);

/* The same for exec into container @id: decided by its recorded user namespace. */
int runtime_protect_exec(struct runtime *rt, const char *id, char *const argv[], struct error *err);

/* How the root file system is made when it is not simply spec.root.path. */
struct runtime_overlay {
	const char *const *lowers; /* absolute host paths, the uppermost layer first */
	size_t lower_count;
	const char *upper, *work; /* absolute host paths; both NULL: a read-only root */
};

struct runtime_create_options {
	const char *id;
	const char *bundle;      /* absolute, real path of the bundle folder */
	const char *config_text; /* the document as it was read, kept for later verbs; NULL: written from the spec */
	size_t config_len;
	const char *console_socket; /* NULL: none */
	const char *pidfd_socket;
	const char *pid_file;
	unsigned preserve_fds; /* fds 3… handed on to the program, LISTEN_FDS included */
	bool no_pivot;
	bool no_new_keyring;
	bool systemd_cgroup;       /* answered with "not supported" */
	const char *notify_socket; /* NOTIFY_SOCKET of our caller, with runtime_add_notify() in the spec; NULL: none */

	/* The engine's additions. */
	const struct runtime_overlay *overlay; /* NULL: spec.root.path is the root */
	bool idmap_root;                       /* idmap the root (or overlay layers) with the container's mappings */
	bool keep_on_exit;                     /* run: do not delete afterwards */
	bool end_with_us;            /* run: the program is killed when this process dies, however that happens */
	const char *detach_keys;     /* run with a terminal: NULL none */
	bool no_stdin;               /* run with a terminal: our standard input is not passed on */
	struct runtime_trace *trace; /* NULL: steps are not timed */
};

/* Make the program's NOTIFY_SOCKET part of @spec, for a container @id that is made with opt->notify_socket. */
int runtime_add_notify(struct runtime *rt, struct spec *spec, const char *id, struct error *err);

/* Make the container up to the moment before its program starts: afterwards it is "created" and waits for runtime_start.
 * Everything made is undone on failure. Returns 0 or <0: INVALID, CONFLICT (id taken), DENIED, UNSUPPORTED, NO_PROGRAM,
 * NOT_EXECUTABLE, …  Context: single-threaded; root, or a plain user with a user namespace in the spec. */
int runtime_create(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		   struct error *err);

/* create and start in one, without the waiting in between. With @detach it returns 0 once the program runs; else it stays,
 * forwards signals and terminal, deletes the container (unless keep_on_exit) and gives in @ret_exit the program's exit
 * status (128+n for signal n). */
int runtime_run(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt, bool detach,
		int *ret_exit, struct error *err);

/* Are these detach keys ("ctrl-p,ctrl-q")? Returns their number, or -EINVAL. Pure. */
int runtime_check_detach_keys(const char *keys);

/* Let the program of a created container run. @notify_socket: NOTIFY_SOCKET of our caller, or NULL; with it, and when it was
 * there at runtime_create, too, this returns only after the program has said that it is ready. */
int runtime_start(struct runtime *rt, const char *id, const char *notify_socket, struct error *err);

enum runtime_status {
	RUNTIME_CREATING,
	RUNTIME_CREATED,
	RUNTIME_RUNNING,
	RUNTIME_PAUSED,
	RUNTIME_STOPPED,
	RUNTIME_STATUS_COUNT
};
const char *runtime_status_name(enum runtime_status s);

/* {ociVersion,id,pid,status,bundle,rootfs,created,annotations,owner}: what `state` prints and hooks get. */
int runtime_state(struct runtime *rt, const char *id, struct json **ret, struct error *err);
/* All containers of the root as an array of such objects; broken ones are skipped with a warning. */
int runtime_list(struct runtime *rt, struct json **ret, struct error *err);
int runtime_status(struct runtime *rt, const char *id, enum runtime_status *ret, pid_t *ret_pid, struct error *err);

/* Send @sig to the init process, or with @all to every process of the container. */
int runtime_kill(struct runtime *rt, const char *id, int sig, bool all, struct error *err);
/* Remove a stopped (or created) container; @force kills it first and accepts that it is not there. */
int runtime_delete(struct runtime *rt, const char *id, bool force, struct error *err);
int runtime_pause(struct runtime *rt, const char *id, struct error *err);
int runtime_resume(struct runtime *rt, const char *id, struct error *err);

struct runtime_exec_options {
	const char *
		process_text; /* --process: the whole process document; NULL: the container's own, edited by what follows */
	size_t process_len;
	const char *console_socket, *pidfd_socket, *pid_file;
	unsigned preserve_fds;
	bool detach;
	bool tty;
	char *const *args; /* NULL-terminated; NULL with process_text */
	const char *cwd;   /* NULL: as the container */
	char *const *env;  /* KEY=value to add; NULL-terminated or NULL */
	bool user_set, gid_set;
	uint32_t uid, gid;
	const uint32_t *additional_gids;
	size_t additional_gid_count;
	uint64_t caps; /* added to bounding, effective, permitted (and ambient where inheritable) */
	const char *apparmor, *label;
	bool no_new_privs_set, no_new_privs;
	const char *const *cgroups; /* --cgroup values */
	size_t cgroup_count;
	bool ignore_paused;
	const char *detach_keys;
};
/* Run another process in the container. @ret_exit as runtime_run. */
int runtime_exec(struct runtime *rt, const char *id, const struct runtime_exec_options *opt, int *ret_exit,
		 struct error *err);

/* The host pids of all processes of the container, malloc'ed. */
int runtime_pids(struct runtime *rt, const char *id, pid_t **ret, size_t *ret_count, struct error *err);
/* Change limits; what is not set in @res stays. */
int runtime_update(struct runtime *rt, const char *id, const struct spec_resources *res, struct error *err);
/* One "stats" object of `events` (runc's shape). */
int runtime_stats(struct runtime *rt, const char *id, struct json **ret, struct error *err);
/* Print events as JSON lines to @fd every @interval_ns until the container ends; with @once a single stats line. */
int runtime_events(struct runtime *rt, const char *id, int64_t interval_ns, bool once, int fd, struct error *err);
/* The features document (runtime-spec features.md). */
[[nodiscard]] struct json *runtime_features(void);

/* ---- the plan, for those who want to look at it ---------------------------------------------------------------------- */

/* The seven steps of the recipe that courses teach, and what stands beside them. */
enum runtime_recipe {
	RUNTIME_RECIPE_USER = 1, /* 1 user namespace */
	RUNTIME_RECIPE_PID_UTS,  /* 2 pid, uts, ipc, time namespaces */
	RUNTIME_RECIPE_MOUNT,    /* 3 mount namespace */
	RUNTIME_RECIPE_IMAGE,    /* 4 the image as root, and what is mounted in it */
	RUNTIME_RECIPE_NET,      /* 5 network namespace with its devices */
	RUNTIME_RECIPE_BRIDGE,   /* 6 bridge */
	RUNTIME_RECIPE_LSM,      /* 7 SELinux, AppArmor, seccomp, capabilities */
	RUNTIME_RECIPE_CGROUP,   /* beside: limits */
	RUNTIME_RECIPE_PROGRAM,  /* beside: the program itself */
	RUNTIME_RECIPE_COUNT
};

/* How long each step took, filled by an executor that was given one; shared with the container's side. */
struct runtime_trace;
int runtime_trace_new(struct runtime_trace **ret, struct error *err);
void runtime_trace_free(struct runtime_trace *t);

/* The plan for @spec and @opt in words, by recipe step, with the calls of each step, and its times when the trace of a run
 * is given. Pure but for reading the host's facts. */
int runtime_explain(struct runtime *rt, const struct spec *spec, const struct runtime_create_options *opt,
		    const struct runtime_trace *trace, struct buf *out, struct error *err);

#endif
