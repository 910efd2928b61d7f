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

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "registry/registry.h"
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

/* ---- pulling ---------------------------------------------------------------------------------------------------- */

enum engine_layer_state {
	ENGINE_LAYER_QUEUED,
	ENGINE_LAYER_WAITING,   /* another command is pulling it */
	ENGINE_LAYER_PULLING,   /* bytes come */
	ENGINE_LAYER_UNPACKING, /* all bytes are there */
	ENGINE_LAYER_EXISTED,   /* it was there */
	ENGINE_LAYER_DONE,
	ENGINE_LAYER_PUSHING,   /* bytes go, or the registry is asked */
	ENGINE_LAYER_PUSHED,
	ENGINE_LAYER_MOUNTED,   /* push: the registry has it from another repository */
	ENGINE_LAYER_FETCHING,  /* import: the archive comes from its address */
	ENGINE_LAYER_FETCHED,
	ENGINE_LAYER_READING,   /* load: the archive is taken apart */
	ENGINE_LAYER_READ,
	ENGINE_LAYER_LOADING,
	ENGINE_LAYER_LOADED,
	ENGINE_LAYER_SAVING,
	ENGINE_LAYER_SAVED,
	ENGINE_LAYER_STATE_COUNT
};
struct engine_layer {
	const char *digest;
	enum engine_layer_state state;
	uint64_t size, at; /* bytes as they are sent; at counts what an earlier pull left; size 0: not known */
	uint64_t offset;   /* where this pull began */
};
/* Who wants to see what goes on. Texts may come from outside: they are not fit for a terminal as they are. Any may be NULL. */
struct engine_observer {
	void *arg;
	/* A name is being pulled: "12" of "docker.io/library/debian". */
	void (*begin)(void *arg, const char *tag, const char *repository);
	/* The layers as they are now: after every change, and a few times a second. */
	void (*layers)(void *arg, const struct engine_layer *layers, size_t count);
	/* Something worth a line: a retry. */
	void (*note)(void *arg, const char *text);
	/* The layers' display is over, well or not. */
	void (*end)(void *arg);
};

enum engine_pull_policy {
	ENGINE_PULL_ALWAYS,  /* ask the registry */
	ENGINE_PULL_MISSING, /* only when there is no image of that name */
	ENGINE_PULL_NEVER,
	ENGINE_PULL_NEWER,   /* ask, and be content with what is here when it does not answer */
	ENGINE_PULL_POLICY_COUNT
};
/* Docker's and Podman's words. Returns 0 or <0 INVALID, which names @option. */
int engine_pull_policy_parse(const char *text, const char *option, enum engine_pull_policy *ret, struct error *err);

struct engine_pull_options {
	enum engine_pull_policy policy;
	const char *platform;                    /* "linux/arm64/v8"; NULL: this machine's */
	bool all_platforms;                      /* every manifest of the index is kept, this machine's is unpacked */
	bool all_tags;                           /* of the repository */
	const char *creds, *authfile, *cert_dir; /* see registry.h */
	bool no_verify;
	int stop_fd;                            /* readable: end with EINTR; FD_NONE: none */
	const struct engine_observer *observer; /* NULL: nobody */
};
struct engine_pulled_image {
	const char *name;     /* full: with tag, or with digest */
	const char *familiar; /* as people type it */
	const char *digest;   /* what the name means in the registry */
	const char *id;       /* "": none of its platforms is for this machine */
	bool unchanged;       /* it was there */
	const char *platform; /* what it is made for, when that is not what was wanted; else NULL */
};
struct engine_pulled {
	struct arena arena;
	const char *platform; /* that was wanted */
	struct engine_pulled_image *images;
	size_t count;
};
/* Pull @name: a tag, a digest, or with all_tags a repository. What came before a failure or a kill stays for the next pull.
 * Returns 0, or <0: NOT_FOUND, DENIED, UNAVAILABLE, UNSUPPORTED (nothing for the platform, an artifact), INVALID (the
 * registry's answer breaks a rule), LIMIT; -EINTR when stop_fd became readable. */
int engine_pull(struct engine *e, const char *name, const struct engine_pull_options *o, struct engine_pulled *ret,
		struct error *err);
void engine_pulled_done(struct engine_pulled *p);

/* Keep the store within what is configured (bothy.toml, gc), after the images @fresh (ids) came in: those stay, and so does what
 * is in use, even when there is more than that. @ret: what went. Returns 0 (also when nothing is configured), or <0: INVALID (the
 * configuration), as store_prune. */
int engine_collect(struct engine *e, char *const *fresh, size_t count, struct store_prune_result *ret,
		   struct error *err);

/* Can the configuration be read? Returns 0 (also when there is none), or <0: INVALID ("<file>: line 3: …"), DENIED, NOT_FOUND
 * (the file that $BOTHY_CONFIG names). */
int engine_config_check(struct error *err);

/* ---- running ---------------------------------------------------------------------------------------------------- */

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
	const char *pull, *platform; /* policy (NULL: missing) and platform for an image that has to be pulled */
	const struct engine_observer *observer; /* of the pull; NULL: nobody */
	char *const
		*self_argv; /* our own command line, for running again from a protected copy (V01); NULL: not needed */
	const char *
		explain; /* NULL: no; "" or "plan": print the plan instead of running; "time": run and print the times */
};

/* Run a container in the foreground until its program ends. @ret_exit: its exit status (128+n for signal n).
 * Returns 0, or <0 with err->kind NO_PROGRAM (127), NOT_EXECUTABLE (126), others (125). */
int engine_run(struct engine *e, const struct engine_run_options *o, int *ret_exit, struct error *err);

/* ---- importing from an address (import.c) ---------------------------------------------------------------------------- */

struct engine_address_options {
	const char *url; /* see registry_get_address */
	const char *cert_dir;
	bool no_verify;
	const struct engine_observer *observer; /* NULL: nobody */
};
/* store_import of what an address names. Its bytes come from there, whatever @io->read says; nothing is recorded unless all of it came.
 * Returns 0 and the image's id, or <0: as store_import, as registry_get_address. */
int engine_import_address(struct engine *e, const struct engine_address_options *o,
			  const struct store_import_options *io, char ret_id[static STORE_ID_MAX], struct error *err);

/* ---- images (change.c, image_info.c) -------------------------------------------------------------------------------- */

struct json;
/* Apply one instruction of a Dockerfile ("CMD [\"sh\"]", "ENV A=1", podman's "CMD=sh") to @config, the object "config" of an
 * image's config. Pure. Returns 0 or <0 INVALID. */
int engine_change_apply(const char *text, struct json *config, struct error *err);

/* The object that `inspect` shows of an image, in Docker's field names; every field is there, null or empty where nothing is
 * known. @ret is to be json_unref'ed. Returns 0, or <0: as store_image_find. */
int engine_image_inspect(struct engine *e, const char *name, struct json **ret, struct error *err);

struct engine_history_step {
	int64_t created_ns;
	bool created_known;
	const char *created_by, *comment, *author; /* never NULL */
	int64_t size_bytes;                        /* unpacked; 0: the step made no layer */
};
struct engine_history {
	struct arena arena;
	const char *id;                    /* of the image */
	struct engine_history_step *steps; /* the first one first */
	size_t count;
};
/* How an image came to be, one step for each line of its recipe. Returns 0, or <0: as store_image_find. */
int engine_image_history(struct engine *e, const char *name, struct engine_history *ret, struct error *err);
void engine_history_done(struct engine_history *h);

struct engine_check_options {
	bool quick, repair; /* as struct store_check_options */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};
/* Look at the whole store, and mend it with `repair`: store_check, with the containers that run left alone. */
int engine_check(struct engine *e, const struct engine_check_options *o, struct store_check_result *ret,
		 struct error *err);

/* ---- registries ------------------------------------------------------------------------------------------------------ */

/* How to speak to a registry, as typed; borrowed. Zeroed: what is configured. */
struct engine_registry_options {
	const char *authfile, *creds, *cert_dir;
	bool no_verify; /* --tls-verify=false */
};

/* A session with @domain (and its repository @path, or NULL) for @access (REGISTRY_*). @o may be NULL. */
int engine_registry_open(const char *domain, const char *path, unsigned access, const struct engine_registry_options *o,
			 struct registry **ret, struct error *err);

/* The registry that a user typed, NULL: Docker Hub. Returns 0 or <0 INVALID. Text in @a. */
int engine_registry_name(struct arena *a, const char *typed, const char **ret, struct error *err);
/* Try a login at @domain and keep it. Returns as registry_login_save, or <0: DENIED. */
int engine_login(const char *domain, const struct engine_registry_options *o, const struct registry_login *login,
		 struct arena *a, const char **ret_where, struct error *err);
/* Repositories of @domain that match @term: {"results": […]} as registry_search, to json_unref. */
int engine_search(const char *domain, const char *term, uint32_t limit, const struct engine_registry_options *o,
		  struct json **ret, struct error *err);
/* The tags of repository @path there: {"tags": ["…"]}, to json_unref. */
int engine_list_tags(const char *domain, const char *path, const struct engine_registry_options *o, struct json **ret,
		     struct error *err);

struct engine_push_options {
	struct engine_registry_options registry;
	bool all_tags;
	const char *from;                       /* push what this full name means instead; NULL: the name itself */
	const struct engine_observer *observer; /* NULL: nobody */
};

struct engine_pushed {
	const char *name; /* full */
	const char *tag, *digest, *media_type;
	size_t size;       /* of the document */
	bool one_platform; /* the name means several platforms, not all are here: this one was pushed */
};
struct engine_push_result {
	struct arena arena;
	struct engine_pushed *pushed;
	size_t count;
};

/* Push @name (or all tags of that repository). Blobs go first, at once and only those that are missing there; then the
 * documents, the one with the tag last, so that nobody ever pulls half an image. Returns 0, or <0: NOT_FOUND (no such image),
 * INVALID (a digest in the name), and as registry events. */
int engine_push(struct engine *e, const char *name, const struct engine_push_options *o, struct engine_push_result *ret,
		struct error *err);
void engine_push_result_done(struct engine_push_result *r);
/* Host, engine and store with the field names of docker's `info`; `Warnings` says what will not work here. @ret is to be
 * json_unref'ed. Returns 0, or <0: the store cannot be opened. */
int engine_info(struct engine *e, struct json **ret, struct error *err);
/* The version of engine and specifications: what `version` shows of client and server. */
int engine_version(struct json **ret, struct error *err);
/* ---- manifest lists (manifest.c) --------------------------------------------------------------------------------------- */

/* What a list says of one of its images, beyond what the image says itself; texts as typed, NULL: as it is. */
struct engine_list_entry {
	const char *arch, *os, *variant, *os_version;
	struct strv features, os_features, annotations; /* borrowed */
};
/* Make the list @name of @images (pulled when they are not here). @amend: one that exists is made anew. @all: of an image for several
 * platforms take all. @ret_digest: the index. Returns 0, or <0: CONFLICT (the name is taken), as engine_pull. */
int engine_list_create(struct engine *e, const char *name, char *const *images, size_t count, bool amend, bool all,
		       const struct engine_registry_options *o, char ret_digest[static 80], struct error *err);
/* Add an image, or replace its entry. */
int engine_list_add(struct engine *e, const char *name, const char *image, bool all,
		    const struct engine_list_entry *entry, const struct engine_registry_options *o,
		    char ret_digest[static 80], struct error *err);
/* Change what the list says of the image (a name, or the digest of its manifest). <0: NOT_FOUND. */
int engine_list_annotate(struct engine *e, const char *name, const char *image, const struct engine_list_entry *entry,
			 char ret_digest[static 80], struct error *err);
/* Take the entry out that @typed names: an image, or the digest of its manifest. <0: NOT_FOUND. */
int engine_list_take_out(struct engine *e, const char *name, const char *typed, char ret_digest[static 80],
			 struct error *err);
/* The document that a name means, here or (not here, or with a digest that is not) in its registry. @ret_text (heap) is what its
 * digest is of. Returns 0, or <0: NOT_FOUND, as registry events. */
int engine_manifest_read(struct engine *e, const char *name, const struct engine_registry_options *o, char **ret_text,
			 size_t *ret_len, char ret_digest[static 80], struct error *err);
/* The full name of a list that is here; in @a. <0: NOT_FOUND. */
int engine_list_find(struct engine *e, const char *name, struct arena *a, const char **ret_full, struct error *err);

/* Mount image @name_or_id read-only below the state and say where (heap): <folder>/<hex of its id>. Once mounted it is told where that was. The image cannot be
 * removed while it is mounted; after a restart of the machine it can. Changes the working directory meanwhile.
 * Returns 0, or <0: DENIED (a plain user: mounts need a user namespace; the hint says how), as store_image_find. */
int engine_image_mount(struct engine *e, const char *name_or_id, char **ret_path, struct error *err);
/* The reverse. @force: also while somebody uses it (he keeps what he has open). @ret_id (heap): the image.
 * Returns 0, or <0: NOT_FOUND (not mounted), BUSY. */
int engine_image_unmount(struct engine *e, const char *name_or_id, bool force, char **ret_id, struct error *err);

/* ---- artifacts (artifact.c) ------------------------------------------------------------------------------------------ */

struct engine_artifact_options {
	struct engine_registry_options registry;
	const char *type;        /* artifactType; NULL: unknown */
	const char *file_type;   /* media type of files that say none; NULL: bytes */
	const char *subject;     /* tag or digest in the same repository; NULL: none */
	struct strv annotations; /* KEY=VALUE */
};
/* Put @words (PATH[:MEDIA/TYPE]) into the registry as the artifact @name. Returns 0 and its digest. */
int engine_artifact_push(const char *name, char *const *words, size_t count, const struct engine_artifact_options *o,
			 char ret_digest[static STORE_ID_MAX], struct error *err);
struct engine_artifact_result {
	struct arena arena;
	char digest[STORE_ID_MAX]; /* of the manifest */
	struct spec_strs files;    /* names in the folder */
};
/* Get its files into @folder, made when missing. Returns 0, or <0: CONFLICT (a file is there), INVALID (a name that is none,
 * a wrong digest), or the registry's error. Files that were complete before an error stay. */
int engine_artifact_pull(const char *name, const char *folder, const struct engine_registry_options *o,
			 struct engine_artifact_result *ret, struct error *err);
void engine_artifact_result_done(struct engine_artifact_result *r);

/* By way of the store (artifact_store.c); what is there is found as store_artifact_find has it. Each: 0, or <0. */
/* Bring it in from its registry. <0: UNSUPPORTED (an image, an index), as engine_pull. */
int engine_artifact_fetch(struct engine *e, const char *name, const struct engine_registry_options *o,
			  const struct engine_observer *observer, char ret_digest[static STORE_ID_MAX],
			  struct error *err);
enum engine_artifact_add {
	ENGINE_ARTIFACT_NEW,     /* there must be none of that name */
	ENGINE_ARTIFACT_REPLACE, /* which another loses */
	ENGINE_ARTIFACT_APPEND,  /* its files and these; annotations are added; options->type must be NULL */
};
/* Make it of files (as engine_artifact_push) under @name. <0: CONFLICT (there is one; it has a file of that name), NOT_FOUND
 * (nothing to append to), BUSY (another command has changed it meanwhile). */
int engine_artifact_add(struct engine *e, const char *name, char *const *words, size_t count,
			enum engine_artifact_add how, const struct engine_artifact_options *o,
			char ret_digest[static STORE_ID_MAX], struct error *err);
/* Send it to the registry of its name. */
int engine_artifact_send(struct engine *e, const char *name, const struct engine_registry_options *o,
			 char ret_digest[static STORE_ID_MAX], struct error *err);
/* Its files, or only that of @title or the blob @digest (one or both NULL), to @target: into a folder that is there; else one file
 * becomes it (with '/' at the end: goes into a new folder of that name), several go into a new folder. Blobs without a title, and
 * the one that was asked for by @digest, are called by their digest. Errors as engine_artifact_pull, and NOT_FOUND. */
int engine_artifact_extract(struct engine *e, const char *name, const char *title, const char *digest,
			    const char *target, struct engine_artifact_result *ret, struct error *err);
/* {"Manifest": {…}, "Name": "…", "Digest": "…"}, to json_unref. */
int engine_artifact_inspect(struct engine *e, const char *name, struct json **ret, struct error *err);

/* ---- to and from other hosts (scp.c) --------------------------------------------------------------------------------- */

struct engine_scp_options {
	const char *source; /* an image here, or ssh://[user@]host[:port]/name, or [user@]host::name */
	const char *
		destination; /* the other of the two; with a name: what the image shall be called there. NULL: here, as is */
	const char *rsh;      /* the command that reaches hosts, split at blanks: "ssh" */
	const char *platform; /* of an image for several, this one only; NULL: all that are there */
	store_watch_fn watch; /* of the archive; NULL: nobody */
	void *watch_arg;
};
struct engine_scp_result {
	struct arena arena;
	bool fetched;                /* the images are here now, not on the other host */
	struct spec_strs names, ids; /* of the image where it is now; empty where docker or podman loaded it */
	const char *engine;          /* what is at the far end in place of bothy; NULL: bothy */
	const char *said;            /* what that engine printed: not ours, to be neutralised */
	size_t layers, moved_layers; /* of the image; with a far engine that sends: not known, 0 */
	uint64_t bytes, moved_bytes;
};
/* Copy an image; layers that the other end has do not move. Context: starts the command; SIGPIPE is blocked from now on.
 * Returns 0, or <0: INVALID, NOT_FOUND, UNAVAILABLE (the other host; its own words are in the text). */
int engine_scp(struct engine *e, const struct engine_scp_options *o, struct engine_scp_result *ret, struct error *err);
void engine_scp_result_done(struct engine_scp_result *r);
/* The far ends: offer image @name (for @platform; NULL: all that are here), or take what is offered (@ret: what came), on these two streams. @out_fd of the sender is closed.
 * Returns 0, ENGINE_SCP_TOLD (it failed, and the other end knows why), <0. */
#define ENGINE_SCP_TOLD 1
int engine_scp_send(struct engine *e, const char *name, const char *platform, int in_fd, int out_fd, struct error *err);
int engine_scp_receive(struct engine *e, int in_fd, int out_fd, struct engine_scp_result *ret, struct error *err);

/* The folder of the image that comes with bothy, NULL when it is not installed. Heap. */
[[nodiscard]] char *engine_embedded_root(void);

#endif
