/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

/*
 * The plan: what starting a container takes, as data. Building it touches nothing, so it is tested without root, printed
 * by --explain and compared with golden files. The host's side and the container's side each have their list; they run
 * at the same time and meet at the steps named *_WAIT and *_TELL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "runtime/runtime.h"
#include "spec/spec.h"

/* What the plan depends on besides the document: asked once from the host, replaced in tests. */
struct plan_facts {
	bool privileged; /* CAP_SYS_ADMIN over the mounts and namespaces that we were started in */
	uint32_t euid, egid;
	bool in_userns; /* our own user namespace is not the host's first */
	bool apparmor, selinux;
};

/* Host's side. */
enum plan_op {
	PLAN_END,
	/* before the clone */
	PLAN_STATE_DIR,       /* the container's folder in the state root, with its record */
	PLAN_ROOT_OPEN,       /* spec.root.path as a descriptor */
	PLAN_LAYERS,          /* overlay layers as detached mounts */
	PLAN_SOURCE,          /* [mount] the source of a bind mount as a detached mount */
	PLAN_DEVICE_SOURCE,   /* [device] the host's node as a detached mount */
	PLAN_SECCOMP_COMPILE,
	PLAN_START_SOCKET,
	PLAN_SOCKETS,         /* console, pidfd and seccomp receivers */
	PLAN_CGROUP_CREATE,
	PLAN_CGROUP_LIMITS,
	PLAN_CLONE,
	/* beside the container's side */
	PLAN_ID_MAPS,
	PLAN_IDMAP_MOUNTS,  /* the user namespace's maps on those detached mounts that asked for it */
	PLAN_OVERLAY,       /* the layers become one root */
	PLAN_MAPPED_TELL,
	PLAN_CGROUP_VERIFY,
	PLAN_RLIMITS,
	PLAN_OOM_SCORE,
	PLAN_NET_DEVICES,
	PLAN_PREPARED_WAIT,
	PLAN_HOOKS_RUNTIME, /* prestart and createRuntime */
	PLAN_HOOKED_TELL,
	PLAN_READY_WAIT,
	PLAN_BIRTH_WAIT,    /* in its place: another process goes on inside, see late_pid */
	PLAN_PIDFD_SEND,
	PLAN_GO_TELL,       /* run: the program may start, while we write it down */
	PLAN_RECORD,        /* the final record: status, pid */
	PLAN_PID_FILE,
	PLAN_RECORDED_TELL, /* create: the container has a name now, and may wait for `start` without us */
	PLAN_HOST_OP_COUNT,

	/* container's side */
	PLAN_CGROUP_JOIN = PLAN_HOST_OP_COUNT,
	PLAN_SESSION,          /* setsid, own keyring */
	PLAN_MAPPED_WAIT,
	PLAN_BECOME_ROOT,
	PLAN_TIME_NS,
	PLAN_PROC_HANDLE,      /* a procfs of our own, attached nowhere */
	PLAN_LOOPBACK,
	PLAN_PROPAGATION,      /* the host's mounts no longer follow ours */
	PLAN_ROOT_ATTACH,      /* the root file system as a mount */
	PLAN_MOUNT,            /* [mount] */
	PLAN_CGROUP_NS,
	PLAN_DEVICE,           /* [device] */
	PLAN_DEV_LINKS,        /* /dev/fd, stdin, stdout, stderr, ptmx, core */
	PLAN_CONSOLE,
	PLAN_PREPARED_TELL,
	PLAN_HOOKED_WAIT,
	PLAN_HOOKS_CONTAINER,
	PLAN_PIVOT,
	PLAN_HOSTNAME,
	PLAN_DOMAINNAME,
	PLAN_SYSCTL,           /* [pair] */
	PLAN_READONLY_PATH,    /* [path] */
	PLAN_MASK_PATH,        /* [path] */
	PLAN_ROOT_READONLY,
	PLAN_ROOT_PROPAGATION,
	PLAN_WORK_DIR,         /* make process.cwd in the root when it is missing */
	PLAN_OWN_RLIMITS,
	PLAN_PROCESS,          /* personality, scheduler, io priority, memory policy, affinity, umask */
	PLAN_LOOKUP,           /* find the program */
	PLAN_STDIO,            /* stdio belongs to the program's user */
	PLAN_USER,             /* bounding set, groups, ids, capabilities, cwd */
	PLAN_LABEL,            /* the LSM label of the program: what is not loaded fails here, in `create` */
	PLAN_PID_NS,           /* the pid namespace that others live in, for the process to come */
	PLAN_READY_TELL,
	PLAN_BIRTH,            /* in its place: the process that goes on, in there */
	PLAN_START_WAIT,
	PLAN_HOOKS_START,
	PLAN_CONFINE,          /* no_new_privs, seccomp */
	PLAN_EXEC,
	PLAN_OP_COUNT
};

struct plan_step {
	enum plan_op op;
	size_t index;     /* of the mount, device, path or pair in the spec */
	const char *name; /* the object: "/proc", "net.ipv4.ip_forward"; "" when there is one only. Borrowed */
};

struct plan {
	struct arena arena;
	const struct spec *spec;                  /* borrowed, outlives the plan */
	const struct runtime_create_options *opt; /* borrowed, outlives the plan */
	uint64_t clone_flags;                     /* new namespaces made by the clone itself */
	bool new_userns, new_mntns, join;         /* join: some namespace is entered by path */
	bool late_pid;                 /* a pid namespace that others live in is entered by a last clone (birth.h) */
	bool new_cgroupns, new_timens; /* made by the container's side itself */
	bool sources_by_host;          /* bind sources are cloned before the clone, with the host's rights */
	bool bind_devices;             /* device nodes come from the host, since mknod is refused in a user namespace */
	bool wait_start;               /* create: the program waits for `start` */
	bool need_cgroup;
	struct spec_device *devices; /* the spec's and the default ones */
	size_t device_count;
	struct spec_device_rule *device_rules; /* what the cgroup gets: the spec's and those for the default devices */
	size_t device_rule_count;
	struct plan_step *host;
	size_t host_count;
	struct plan_step *inside;
	size_t inside_count;
};

/* Build the plan for @spec (validated) and @opt. @wait_start: for create. Returns 0 or <0: INVALID, UNSUPPORTED. Pure. */
int runtime_plan_build(const struct spec *spec, const struct runtime_create_options *opt,
		       const struct plan_facts *facts, bool wait_start, struct plan *ret, struct error *err);
void runtime_plan_done(struct plan *p);
#define autoplan __attribute__((cleanup(runtime_plan_done)))

/* What a step is called in errors, its one-line meaning, the system calls it makes, and where it stands in the recipe. */
struct plan_words {
	const char *name;
	const char *meaning;
	const char *calls;
	enum runtime_recipe recipe;
};
const struct plan_words *plan_words(enum plan_op op);

/* "mount '/proc'": the step and its object. */
void plan_step_title(const struct plan_step *s, char *out, size_t size);

#endif
