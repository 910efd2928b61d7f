/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

/*
 * The engine: what a user names (images, containers) turned into OCI documents and calls of the runtime and the store.
 * There is no daemon: every function works in the caller's process, and what must outlive it is on disk.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "store/store.h"

struct engine_options {
	const char *root;  /* of the store; NULL: /var/lib/bothy, or $XDG_DATA_HOME/bothy for a plain user */
	const char *state; /* live state; NULL: /run/bothy, or $XDG_RUNTIME_DIR/bothy */
};

struct engine; /* opaque */

/* Open the engine for this user; nothing is made before it is needed. @options may be NULL.
 * Returns 0 and an engine to engine_free, or <0: DENIED. */
int engine_new(const struct engine_options *options, struct engine **ret, struct error *err);
void engine_free(struct engine *e);
static inline void engine_cleanup(struct engine **e)
{
	engine_free(*e);
}
#define autoengine __attribute__((cleanup(engine_cleanup)))

/* The store, opened on first need. Borrowed from the engine. */
int engine_store(struct engine *e, struct store **ret, struct error *err);

/* What `bothy run` was asked for; texts as typed, borrowed. Zeroed: nothing asked. */
struct engine_run_options {
	/* what */
	const char *image;  /* NULL: the embedded one, or @rootfs */
	const char *rootfs; /* a folder instead of an image */
	char *const *args;  /* NULL-terminated, may be empty */
	const char *name, *entrypoint, *workdir, *user;
	bool entrypoint_set;
	struct strv env, env_files, labels, annotations, group_add;
	/* terminal and streams */
	bool interactive, tty, remove, init, quiet;
	const char *detach_keys;
	/* names */
	const char *hostname, *domainname;
	/* mounts */
	struct strv volumes, mounts, tmpfs;
	bool read_only;
	struct spec_opt_i64 shm_size;
	/* limits; sizes in bytes */
	struct spec_opt_i64 memory, memory_swap, memory_reservation, pids_limit;
	struct spec_opt_u64 memory_swappiness;
	const char *cpus;
	struct spec_opt_u64 cpu_shares, cpu_period, blkio_weight;
	struct spec_opt_i64 cpu_quota;
	const char *cpuset_cpus, *cpuset_mems;
	struct strv blkio_weight_device, read_bps, write_bps, read_iops, write_iops, ulimits, cgroup_conf;
	struct spec_opt_i64 oom_score_adj;
	bool oom_kill_disable;
	/* security */
	struct strv cap_add, cap_drop, security_opt, devices, device_rules, sysctls;
	bool privileged;
	const char *profile;
	/* namespaces */
	const char *network, *userns, *pid, *ipc, *uts, *cgroupns, *cgroup_parent;
	struct strv uidmaps, gidmaps, time_offsets;
	const char *stop_signal;
	char *const
		*self_argv; /* our own command line, for running again from a protected copy (V01); NULL: not needed */
	const char *
		explain; /* NULL: no; "" or "plan": print the plan instead of running; "time": run and print the times */
};

/* Run a container in the foreground until its program ends. @ret_exit: its exit status (128+n for signal n).
 * Returns 0, or <0 with err->kind NO_PROGRAM (127), NOT_EXECUTABLE (126), others (125). */
int engine_run(struct engine *e, const struct engine_run_options *o, int *ret_exit, struct error *err);

/* ---- images (change.c, image.c) ------------------------------------------------------------------------------------- */

struct json;
/* Apply one instruction of a Dockerfile ("CMD [\"sh\"]", "ENV A=1", podman's "CMD=sh") to @config, the object "config" of an
 * image's config. Pure. Returns 0 or <0 INVALID. */
int engine_change_apply(const char *text, struct json *config, struct error *err);

/* The folder of the image that comes with bothy, NULL when it is not installed. Heap. */
[[nodiscard]] char *engine_embedded_root(void);

#endif
