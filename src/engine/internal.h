/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

/* What the files of engine/ share: the engine itself and one container in the making. */

#include "engine/engine.h"

struct engine {
	struct engine_options options;
	char *state;             /* owned; absolute path of the live state */
	struct store *store;     /* owned; NULL until needed */
	struct runtime *runtime; /* owned; NULL until needed */
	int ids_fd;              /* owned; folder of taken id ranges; FD_NONE until needed */
	bool root;               /* we may do what root may (CAP_SYS_ADMIN in the first user namespace) */
};

int engine_runtime(struct engine *e, struct runtime **ret, struct error *err);

#define ENGINE_ID_LEN 64

/* One container in the making. */
struct making {
	struct engine *engine;                /* borrowed */
	const struct engine_run_options *opt; /* borrowed */
	struct spec spec;                     /* what becomes config.json */
	char id[ENGINE_ID_LEN + 1];
	bool own_userns, own_netns, own_cgroupns, own_ipcns, own_pidns;
	bool idmap;     /* mounts are idmapped with the container's maps */
	int range_slot; /* taken id range, or -1 */
	struct store_container folder;
	bool folder_made;
	bool files_made; /* files.c: there is something to remove */
	int files_fd;    /* owned, once they are made */
	struct store_image image;
	bool have_image;
	const char *bundle; /* absolute path of the folder; in the spec's arena */
	struct runtime_overlay overlay;
	const char **lowers; /* in the spec's arena */
	int *layer_fds;      /* lowest last; for looking into the image before it is mounted */
	size_t layer_count;
	bool keep_id; /* --userns keep-id: the program runs as these when --user says nothing */
	uint32_t keep_uid, keep_gid;
	size_t node_count; /* device nodes made in the folder */
};

/* owner.c: we live, so the container lives: the lock on its folder @dir_fd. Returns 0, or -EBUSY: somebody is clearing the folder
 * away (it was not locked yet); take another. */
int engine_owner_take(int dir_fd);
/* Is nobody there any more who owns container @id? Then all that was left of it is removed now. */
bool engine_owner_is_dead(struct engine *e, const char *id);
/* Do that with one container besides @own_id, chosen by chance: no dead one stays for long. */
void engine_owner_look_at_one(struct engine *e, const char *own_id);
/* The id of the container that @text means: a name, an id, or the beginning of one. <0: NOT_FOUND, CONFLICT (several). */
int engine_container_find(struct engine *e, const char *text, char out[static ENGINE_ID_LEN + 1], struct error *err);

/* files.c: a file of the container's own, to be bound somewhere in it. @ret_path (in the spec's arena) is where it lies. Returns 0,
 * or <0: CONFLICT (there is one of that name), DENIED, INTERNAL. */
int engine_files_write(struct making *m, const char *name, const char *text, size_t len, const char **ret_path,
		       struct error *err);
/* Remove those of container @id. */
void engine_files_remove(struct engine *e, const char *id);

/* run_pull.c: bring the image in, as --pull says. @missing: the store does not have it, which @err tells; else before anything
 * was looked for. Returns 0, or <0: what @err said before when nothing is to be pulled, as engine_pull. */
int engine_run_pull(struct making *m, bool missing, struct error *err);

/* ids.c: the user namespace and its maps. */
int engine_ids_choose(struct making *m, struct error *err);
void engine_ids_release(struct making *m);
/* Make @name in @dir_fd a link to container @id: a name or a range is had by one at a time. One whose container's owner has died
 * is taken over. Returns 0, -EEXIST (a living one has it), or another <0. */
int engine_claim(struct engine *e, int dir_fd, const char *name, const char *id, struct error *err);
/* Parse "container:host:size" (Podman's and Docker's form; size defaults to 1). Pure. */
int engine_ids_parse_map(const char *text, const char *option, struct spec_id_map *ret, struct error *err);

/* Have we subordinate user and group ids? */
bool engine_ids_has_subids(void);
/* Is the group map of the kind a plain user writes himself, his own id only, which forbids setgroups(2)? Pure. */
bool engine_ids_groups_denied(const struct making *m);
/* Ids of the container on the host. Returns 0 or -ENOENT: not mapped. Pure. */
int engine_ids_to_host(const struct making *m, uint32_t uid, uint32_t gid, uint32_t *ret_uid, uint32_t *ret_gid);
/* <0 INVALID when the program's user or group has no id on the host, in the words of the command line. */
int engine_ids_check_user(const struct making *m, struct error *err);

/* words.c: put an error that names a field of the OCI document or a step into the words of the command line. */
int engine_words(const struct making *m, struct error *err);

/* embedded.c: the folder of the image that comes with bothy, as this user can run it: for a plain user a copy of his own in
 * the store, made on first use. Returns 0 and a heap path, or <0: NOT_FOUND. */
int engine_embedded_open(struct engine *e, char **ret, struct error *err);

/* devices.c: --device, --device-cgroup-rule, and all of them for --privileged. */
int engine_devices(struct making *m, struct error *err);
struct engine_device {
	const char *host, *inside; /* absolute paths, in the arena */
	uint8_t access;            /* SPEC_ACCESS_* */
};
/* "/dev/x[:/dev/y][:rwm]". Pure. */
int engine_device_parse(struct arena *a, const char *text, struct engine_device *ret, struct error *err);
/* "c 1:* rwm". Pure. */
int engine_device_rule_parse(const char *text, struct spec_device_rule *ret, struct error *err);

/* process.c: command, environment, user, working directory. */
int engine_process(struct making *m, struct error *err);

/* mounts.c: -v, --mount, --tmpfs, the engine's own files. */
int engine_mounts(struct making *m, struct error *err);
/* One -v argument into a mount. Pure. @idmap: sources get the container's id map. */
int engine_volume_parse(struct arena *a, const char *text, bool idmap, struct spec_mount *ret, bool *ret_create,
			struct error *err);
int engine_mount_parse(struct arena *a, const char *text, bool idmap, struct spec_mount *ret, struct error *err);
int engine_tmpfs_parse(struct arena *a, const char *text, struct spec_mount *ret, struct error *err);

/* limits.c: resources, rlimits. Pure but for looking up device numbers. */
int engine_limits(struct making *m, struct error *err);
/* "1.5" CPUs → quota in microseconds for a period of 100000. Pure. */
int engine_cpus_to_quota(const char *text, int64_t *ret_quota_us, struct error *err);

/* "nofile=1024:2048", "core=-1". Pure. */
int engine_ulimit_parse(const char *text, struct spec_rlimit *ret, struct error *err);

/* security.c: capabilities, seccomp, labels, masks, devices, sysctls. */
int engine_security(struct making *m, struct error *err);

/* namespaces.c */
/* "boottime=+3d", "monotonic=1h30m": d for days besides Go's units. Pure. */
int engine_time_offset_parse(const char *text, bool *ret_boottime, struct spec_time_offset *ret, struct error *err);
int engine_namespaces(struct making *m, struct error *err);

/* Append a mount to the spec (fields of @mount are borrowed from the spec's arena). */
void engine_add_mount(struct spec *s, const struct spec_mount *mount);

#endif
