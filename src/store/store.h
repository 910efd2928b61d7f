/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

/*
 * The store: images and layers on disk, and the writable directories of containers.
 *
 *	<root>/                       0711 (rootless: 0700), an OCI image layout by itself
 *	  oci-layout  blobs/sha256/   what came in, byte for byte: manifests, configs, layers
 *	  layers/<chain id>/diff      one unpacked layer, shared by every image that has it
 *	  index.db                    SQLite (WAL): the only truth about what exists
 *	  containers/<id>/            one container: upper, work, and which image it stands on
 *	  staging/                    work in progress, locked by its owner, removed by the next writer when it is not
 *
 * Data is durable before its record; each change a user can see is one transaction. What a crash leaves behind is never
 * in the way of the next command. Archives are never parsed in this process: bothy-unpack does that, in a sandbox.
 * Layers keep canonical owners on disk when root made them; rootless they are shifted by the user's subordinate ids.
 * docs/store.md is the long form.
 *
 * All functions may be called from any single-threaded process; none keeps state outside struct store.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "spec/image.h"
#include "unpack/unpack.h"

struct store;                     /* opaque */
#define STORE_ID_MAX (7 + 64 + 1) /* "sha256:", 64 digits, NUL */

/* ---- opening ---------------------------------------------------------------------------------------------------- */

struct store_options {
	const char *root; /* NULL: /var/lib/bothy for root, else $XDG_DATA_HOME/bothy or $HOME/.local/share/bothy */
	const char *unpack_program; /* NULL: bothy-unpack beside our own program, else in the libexec folder */
};

/* Open the store, making it on first use. @options may be NULL. The database is opened on first need only.
 * Returns 0 and a store to store_free, or <0: DENIED (root not writable, or owned by another user), INVALID (relative
 * root), UNSUPPORTED (made by a newer bothy). */
int store_new(const struct store_options *options, struct store **ret, struct error *err);
void store_free(struct store *s);
static inline void store_cleanup(struct store **s)
{
	store_free(*s);
}
#define autostore __attribute__((cleanup(store_cleanup)))

/* The absolute path of the root, for messages. Borrowed. */
const char *store_root(const struct store *s);
/* The root as a directory fd, borrowed from the store: paths of struct store_layer are relative to it. */
int store_root_fd(const struct store *s);

/* ---- looking up (the hot path: one prepared query, no write, no fsync, no lock that a load could hold) -------------- */

struct store_layer {
	const char *chain_id; /* "sha256:…" */
	const char *diff_id;
	const char *path;   /* of the unpacked tree, relative to the store's root: "layers/<hex>/diff" */
	int64_t size_bytes; /* sum of the regular files */
};

/* One image as it is used. All memory belongs to the struct; end it with store_image_done. */
struct store_image {
	struct arena arena;
	const char *id;              /* "sha256:<hex>" of the config: Docker's image id */
	const char *manifest_digest; /* of the manifest it was loaded by */
	const char *name; /* full name it was found by ("docker.io/library/debian:12"), NULL when found by id */
	const char
		*target; /* what that name means in its registry: digest of a manifest or an index; NULL without name */
	const char *target_type;    /* its media type; "": the document says it */
	int64_t created_ns;         /* since the epoch; 0: not given */
	int64_t size_bytes;         /* sum of the layers' unpacked sizes */
	struct store_layer *layers; /* lowest first */
	size_t layer_count;
	struct image_config config; /* parsed; `history` is left empty here (store_image_blob has the whole document) */
};

/* Find an image by name (tag "latest" when none is given), name@digest, full id, or unique prefix of an id.
 * A name wins over an id, as in Docker.
 * Returns 0, or <0: NOT_FOUND (the hint tells what to type), CONFLICT (prefix matches several; the text lists them),
 * INVALID (no reference and no id). */
int store_image_find(struct store *s, const char *name_or_id, struct store_image *ret, struct error *err);
void store_image_done(struct store_image *i);
#define autoimage __attribute__((cleanup(store_image_done)))

/* Note that the image was used now (for garbage collection). Best effort, one utimensat, no transaction. */
void store_image_touch(struct store *s, const struct store_image *i);

/* The O_PATH directory fd of a layer's tree, owned by the caller. Returns the fd, or <0: NOT_FOUND (damaged store). */
int store_layer_open(struct store *s, const struct store_layer *layer, struct error *err);

/* The bytes of a small blob (config, manifest), at most IMAGE_CONFIG_MAX_BYTES, verified against @digest.
 * @ret_text is NUL-terminated and freed with free(3); @ret_len may be NULL. */
int store_blob_read(struct store *s, const char *digest, char **ret_text, size_t *ret_len, struct error *err);

/* The digest of a text, "sha256:…", and whether the store can hold what has digest @digest (valid, and sha256). */
#define STORE_DIGEST_MAX 72
void store_digest_of(const void *data, size_t len, char out[static STORE_DIGEST_MAX]);
bool store_digest_supported(const char *digest);

/* A blob for reading, as it is stored: not verified, and it stays readable when somebody removes it. @ret_size: its bytes
 * (may be NULL). Returns the fd, owned by the caller, or <0: NOT_FOUND, INVALID (no digest). */
int store_blob_open(struct store *s, const char *digest, int64_t *ret_size, struct error *err);

/* The digest of a text; of what @fd (a regular file, else <0 INVALID) has from its beginning on, with its size. Neither needs a
 * store. */
void store_digest_text(const void *text, size_t len, char ret[static STORE_ID_MAX]);
int store_digest_file(int fd, char ret[static STORE_ID_MAX], int64_t *ret_size, struct error *err);

/* Is the blob in the store? 1, 0, <0. */
int store_blob_known(struct store *s, const char *digest, struct error *err);

/* ---- listing ---------------------------------------------------------------------------------------------------- */

/* One row of `bothy images`: an image without a name has one row with NULL names. */
struct store_image_row {
	const char *id;
	const char *manifest_digest;
	const char *name;       /* full, with tag: "docker.io/library/debian:12"; NULL: untagged */
	const char *repository; /* familiar, without tag: "debian"; NULL: untagged */
	const char *tag;        /* NULL: untagged */
	int64_t created_ns;
	int64_t size_bytes;
	int64_t last_used_ns; /* 0: never */
	int64_t loaded_ns;
	const char *target; /* what the name means in its registry: digest of a manifest or an index; NULL: untagged */
	const char *target_type;  /* its media type; "": the document says it */
	struct spec_strs digests; /* of the image, as pulled or pushed: "docker.io/library/debian@sha256:…" */
};
struct store_image_list {
	struct arena arena;
	struct store_image_row *rows; /* newest first, as Docker */
	size_t count;
};
int store_image_list(struct store *s, struct store_image_list *ret, struct error *err);
void store_image_list_done(struct store_image_list *l);

/* A name and what it means. */
struct store_name {
	const char *name;        /* full, with tag */
	const char *target;      /* digest of the manifest or index that has this name in its registry; "": not known */
	const char *target_type; /* its media type; "": the document says it */
	const char *image;       /* id; "": an index of which no platform is here */
};
struct store_image_names {
	struct arena arena;
	struct store_name *names; /* RepoTags, sorted */
	size_t name_count;
	struct spec_strs digests; /* RepoDigests: "docker.io/library/debian@sha256:…" */
};
/* Every name of the image with this full id. */
int store_image_names(struct store *s, const char *image_id, struct store_image_names *ret, struct error *err);
void store_image_names_done(struct store_image_names *n);

/* What the full name @name means. Texts in @a. Returns 1, 0 (no such name; @ret is untouched), <0. */
int store_name_find(struct store *s, const char *name, struct arena *a, struct store_name *ret, struct error *err);

/* ---- room (usage.c) ------------------------------------------------------------------------------------------------ */

struct store_image_usage {
	const char *id;
	int64_t size_bytes;   /* unpacked */
	int64_t shared_bytes; /* of these, in layers that other images have as well */
	int64_t packed_bytes; /* of its blobs */
	size_t containers;    /* that stand on it */
};
struct store_container_usage {
	const char *id;
	const char *image;  /* id; NULL: none */
	int64_t size_bytes; /* that it wrote */
};
struct store_usage {
	struct arena arena;
	struct store_image_usage *images; /* as store_image_list orders them, each once */
	size_t image_count;
	struct store_container_usage *containers;
	size_t container_count;
	int64_t layer_bytes;                    /* unpacked layers, each once */
	int64_t active_bytes;                   /* of these, in images that containers stand on */
	int64_t blob_bytes, blob_count;         /* of images, and of pulls that are going on */
	int64_t artifact_bytes, artifact_count; /* blobs that only artifacts have; artifacts, each once */
	int64_t partial_bytes, partial_count;   /* of blobs that did not come whole yet */
	int64_t container_bytes;
};
/* What takes how much room. @container_sizes: walk through what containers wrote, too. Returns 0 or <0. */
int store_usage(struct store *s, bool container_sizes, struct store_usage *ret, struct error *err);
void store_usage_done(struct store_usage *u);

/* ---- loading ---------------------------------------------------------------------------------------------------- */

/* The bounds in struct unpack_limits where a field is zero. */
#define STORE_LIMIT_LAYER_ENTRIES UINT64_C(4000000)
#define STORE_LIMIT_LAYER_BYTES (UINT64_C(256) << 30)
#define STORE_LIMIT_IMAGE_BYTES (UINT64_C(512) << 30)
/* ... and of these from layers that stand in one image more than once (those that real builders repeat are empty). */
#define STORE_LIMIT_REPEATED_BYTES (UINT64_C(4) << 30)
#define STORE_LIMIT_RATIO UINT64_C(200) /* file trees are below 20; only zeros pass this */
#define STORE_LIMIT_ARCHIVE_MEMBERS UINT64_C(100000)
#define STORE_LIMIT_ARCHIVE_BYTES (UINT64_C(512) << 30)

/* How far a load or a save is. Texts are fit for a terminal. */
enum store_watched_state {
	STORE_WATCHED_QUEUED,
	STORE_WATCHED_READING, /* the archive is taken apart; size 0: nobody knows how much there is */
	STORE_WATCHED_READ,
	STORE_WATCHED_LOADING, /* a layer is unpacked */
	STORE_WATCHED_LOADED,
	STORE_WATCHED_SAVING,  /* a layer is written */
	STORE_WATCHED_SAVED,
	STORE_WATCHED_STATE_COUNT
};
struct store_watched {
	const char *digest; /* of the layer's blob; "archive" */
	enum store_watched_state state;
	uint64_t size, at; /* packed bytes */
};
/* Called after each change, and a few times a second. Borrowed during the call. */
typedef void (*store_watch_fn)(void *arg, const struct store_watched *items, size_t count);

struct store_load_options {
	const char *name;                      /* give the (single) image this name; NULL: the names in the archive */
	bool no_names;                         /* give no names at all */
	const struct image_platform *platform; /* NULL: this machine's */
	bool all_platforms; /* keep indexes with all their platforms; this machine's is unpacked, the others stay packed */
	store_watch_fn watch; /* NULL: nobody watches */
	void *watch_arg;
	struct unpack_limits limits;
};

struct store_loaded_image {
	const char *id;         /* digest of an index that has nothing for this machine */
	struct spec_strs names; /* full names given by this load, may be none */
	bool unchanged;         /* the image was there already */
};
struct store_load_result {
	struct arena arena;
	struct store_loaded_image *images;
	size_t count;
};

/* Load every image of @path: an OCI layout folder, an OCI archive or a docker-archive (as skopeo, podman, docker and umoci
 * write them), archives plain or compressed with gzip or zstd. "-" or NULL with @fd >= 0 reads that stream (borrowed).
 * The kind is chosen by content. Every size, digest and diff_id is verified; a load is all or nothing per image.
 * @options may be NULL.
 * Returns 0, or <0: INVALID (no image archive, or it breaks a rule: the text says which entry and why), LIMIT (a bound was
 * passed), UNSUPPORTED (no manifest for the platform; compression or digest not known), NOT_FOUND, DENIED.
 * Context: may fork; waits for its children; needs /proc. */
int store_load(struct store *s, const char *path, int fd, const struct store_load_options *options,
	       struct store_load_result *ret, struct error *err);
void store_load_result_done(struct store_load_result *r);

/* ---- importing (import.c) ------------------------------------------------------------------------------------------- */

struct json;
struct store_import_options {
	const char *name;                      /* full, with tag; NULL: none */
	const struct image_platform *platform; /* NULL: this machine's */
	struct json *config; /* the object "config" of the image's config (Cmd, Env, …), borrowed; NULL: empty */
	const char *comment; /* of its one entry of history; may be NULL */
	/* Where the bytes come from in place of the descriptor: the number of them, 0 at the end of a whole archive, or <0 with the
	 * reason, which becomes that of the import. NULL: read(fd). */
	ssize_t (*read)(void *arg, void *data, size_t len, struct error *err);
	void *read_arg;
	struct unpack_limits limits;
};

/* Make an image of one layer: the archive of a root file system that @fd gives (borrowed; plain, gzip or zstd), kept as it came.
 * @fd FD_NONE: options->read.
 * Returns 0 and its id, or <0: INVALID, LIMIT, UNSUPPORTED as store_load. Context: as store_load. */
int store_import(struct store *s, int fd, const struct store_import_options *options, char ret_id[static STORE_ID_MAX],
		 struct error *err);

/* ---- saving (save.c) ----------------------------------------------------------------------------------------------- */

/* One blob that a save writes. */
struct store_saved_blob {
	const char *digest;
	int64_t size;
	int fd;     /* owned; for reading */
	bool layer; /* else a document: an index, a manifest, a config */
	bool skip;  /* for the caller to set: the reader has it already, it is not written (layers only) */
};
struct store_saved_image {
	const char *id, *manifest_digest; /* of an index: of its image for this machine, NULL when it has none */
	const char *media_type;           /* of what the index of the archive points to: a manifest or an index */
	const char *target;               /* its digest */
	int64_t target_size;
	struct spec_strs names; /* full */
	size_t config;          /* which of the blobs */
	size_t *layers;         /* the same, lowest first */
	size_t layer_count;
	struct spec_strs diff_ids; /* of an image that is unpacked here */
};
/* Everything that saving some images needs, held open: no removal can take it away any more. */
struct store_save_plan {
	struct arena arena;
	struct store_saved_image *images;
	size_t image_count;
	struct store_saved_blob *blobs; /* each once */
	size_t blob_count;
};
#define autosave __attribute__((cleanup(store_save_done)))

struct store_save_options {
	const struct image_platform *platform; /* of an index, this one only; NULL: all of it */
	bool single;                           /* of an index, this machine's only: the form cannot hold an index */
};
/* Find what @names mean and open it: NAME:TAG, NAME@DIGEST, an id, or a repository alone for all of its tags (as Docker). A name
 * of an index that is here with all its platforms is that index. @options NULL: single.
 * Returns 0, or <0: as store_image_find; UNSUPPORTED (nothing for the platform). */
int store_save_plan(struct store *s, char *const *names, size_t count, const struct store_save_options *options,
		    struct store_save_plan *ret, struct error *err);
void store_save_done(struct store_save_plan *p);

enum store_save_format {
	STORE_SAVE_BOTH,           /* OCI layout and docker's manifest.json in one archive, as Docker since 25 */
	STORE_SAVE_DOCKER_ARCHIVE,
	STORE_SAVE_OCI_ARCHIVE,
	STORE_SAVE_OCI_DIR,
	STORE_SAVE_DOCKER_DIR,     /* the "dir:" of skopeo and podman: one image */
	STORE_SAVE_FORMAT_COUNT
};
/* The word for --format, and back: returns 0 or <0 INVALID. */
const char *store_save_format_name(enum store_save_format f);
int store_save_format_parse(const char *word, enum store_save_format *ret, struct error *err);
static inline bool store_save_is_folder(enum store_save_format f)
{
	return f == STORE_SAVE_OCI_DIR || f == STORE_SAVE_DOCKER_DIR;
}

/* Write it: archives to @fd from its position on (a file, a pipe, a socket), folders into the empty folder @fd. The same
 * images give the same bytes. @watch may be NULL. Returns 0, or <0: LIMIT (disk full), INVALID (a damaged store; several images for a form that
 * holds one), the system's. */
int store_save_write(const struct store_save_plan *p, enum store_save_format format, int fd, store_watch_fn watch,
		     void *arg, struct error *err);

/* ---- verifying ---------------------------------------------------------------------------------------------------- */

/* One word: "missing", "content", … */
const char *store_finding_name(enum unpack_finding_kind kind);

/* Something that is not as the digests say. Texts may hold control characters: names of files are not ours. */
struct store_finding {
	enum unpack_finding_kind kind;
	const char *image; /* id; NULL: only a layer was asked for */
	const char *layer; /* chain id; NULL: about the image */
	const char *path;  /* in the layer, "" for its root; NULL: no file */
	const char *blob;  /* digest; NULL: not about a blob */
	const char *text;  /* what differs, a sentence */
};
struct store_findings {
	struct arena arena;
	struct store_finding *items;
	size_t count;
	const char **done; /* layers with a verdict: chain id, blob */
	size_t done_count;
	uint64_t total; /* of each layer a thousand are listed, all are counted */
};
void store_findings_done(struct store_findings *f);

struct store_verify_options {
	struct unpack_limits limits;
	/* Told before each piece of work and at its end: bytes of blobs done and in all. May be NULL. */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

/* Prove that the layer @chain_id is what its digests say: its blob has its digest, unpacks to its diff_id, and each file of the
 * tree is as the archive has it: content, type, mode, owner, times, links, attributes, whiteouts; nothing more and nothing
 * less. Findings are appended to @out (zeroed before the first use). @options may be NULL. Changes nothing.
 * Returns 0 (with or without findings), or <0: NOT_FOUND (no such layer), LIMIT (too large to compare), the system's.
 * Context: forks a sandboxed worker, waits for it. */
int store_layer_verify(struct store *s, const char *chain_id, const struct store_verify_options *options,
		       struct store_findings *out, struct error *err);

/* The same of each layer of an image, and of its config and manifest: that they have their digests and belong together.
 * A layer that @out already has a verdict on (by an earlier image) is not read again. Returns 0, or <0: as store_image_find. */
int store_image_verify(struct store *s, const char *name_or_id, const struct store_verify_options *options,
		       struct store_findings *out, struct error *err);

/* ---- bringing in what comes over the network ---------------------------------------------------------------------------- */

/*
 * One pull. The caller has the documents and knows how to get bytes; the store knows what is missing, and unpacks. Each blob
 * is received by a worker of its own, which keeps what came in a partial file: a cut or a kill costs nothing but time. Of
 * several commands that want one blob, one receives it, the others wait and find it in its place. What is complete is
 * published at once, the images at the end.
 *
 *	store_ingest_new, _image / _save / _text, _name / _digest / _index / _own
 *	loop: poll store_ingest_fds, store_ingest_step, for each blob that is STORE_BLOB_WANTED: store_ingest_pipe_take
 *	store_ingest_commit: 0 the end, 1 back into the loop
 *
 * Context: forks.
 */
struct store_ingest; /* opaque */

enum store_blob_state {
	STORE_BLOB_QUEUED,    /* its turn comes */
	STORE_BLOB_WAITING,   /* another command receives it */
	STORE_BLOB_WANTED,    /* bytes are wanted from `offset` on */
	STORE_BLOB_RECEIVING, /* somebody writes to the pipe */
	STORE_BLOB_UNPACKING, /* all bytes are there: from the store, or from an earlier pull */
	STORE_BLOB_CUT,       /* the pipe was closed too early: store_ingest_retry or give up */
	STORE_BLOB_DONE,
	STORE_BLOB_STATE_COUNT
};

struct store_ingest_blob {
	char digest[80];
	int64_t size;
	enum store_blob_state state;
	uint64_t offset;   /* bytes that were there before */
	bool existed;      /* DONE without work: it was there */
	bool primary_only; /* the bytes had a wrong digest: do not ask mirrors again */
};

/* @limits may be NULL. */
int store_ingest_new(struct store *s, const struct unpack_limits *limits, struct store_ingest **ret, struct error *err);
/* Gives up what is not complete; partial files stay. */
void store_ingest_free(struct store_ingest *g);
static inline void store_ingest_cleanup(struct store_ingest **g)
{
	store_ingest_free(*g);
}
#define autoingest __attribute__((cleanup(store_ingest_cleanup)))

/* A document of a registry; copied. */
struct store_document {
	const char *digest; /* checked here */
	const char *text;
	size_t len;
};
/* Bring in the image of these documents, layers unpacked. @ret_id (may be NULL): its id.
 * <0: INVALID (documents that do not belong together, wrong digests), UNSUPPORTED (no container image, unknown compression
 * or digest), LIMIT. */
int store_ingest_image(struct store_ingest *g, const struct store_document *manifest,
		       const struct store_document *config, char ret_id[static 80], struct error *err);
/* Bring in a document, or a blob as it is, for @owner: the digest of an index or of an artifact's manifest. */
int store_ingest_text(struct store_ingest *g, const char *owner, const struct store_document *d, struct error *err);
int store_ingest_save(struct store_ingest *g, const char *owner, const char *digest, int64_t size, struct error *err);

/* What shall be recorded at the end; all copied. */
void store_ingest_name(struct store_ingest *g, const char *name, const char *image, const char *target,
		       const char *target_type);
void store_ingest_digest(struct store_ingest *g, const char *repository, const char *digest, const char *image);
/* @owner, an image, shall have this blob, too (the index by which it was found). */
void store_ingest_own(struct store_ingest *g, const char *owner, const char *digest);
/* The index @digest is here with all its platforms; one of them is @image by @manifest. */
void store_ingest_index(struct store_ingest *g, const char *digest, const char *media_type, const char *manifest,
			const char *image);
/* The artifact @name is the manifest @manifest. @before: the one that the name must mean until then ("": none; NULL: whatever it
 * means); otherwise store_ingest_commit fails: BUSY. */
void store_ingest_artifact(struct store_ingest *g, const char *name, const char *manifest, const char *artifact_type,
			   const char *before);

/* The blobs, in the order in which they were asked for. Borrowed; they change with each step. */
size_t store_ingest_count(const struct store_ingest *g);
const struct store_ingest_blob *store_ingest_blob(const struct store_ingest *g, size_t i);
/* Fill @out (@max of them) with what to poll; returns how many. At most STORE_INGEST_FDS are of use. */
#define STORE_INGEST_FDS 32
struct pollfd;
size_t store_ingest_fds(const struct store_ingest *g, struct pollfd *out, size_t max);
/* Do what can be done now; also before the first poll. Returns 0, 1 (every blob is DONE or waits for
 * the commit), <0: the first failure. */
int store_ingest_step(struct store_ingest *g, struct error *err);
/* The pipe of a WANTED blob, which becomes RECEIVING: write bytes from `offset` on to it, and close it. */
int store_ingest_pipe_take(struct store_ingest *g, size_t i);
/* A CUT blob becomes WANTED again after a step. */
void store_ingest_retry(struct store_ingest *g, size_t i);
/* Why it was cut. */
const struct error *store_ingest_why(const struct store_ingest *g, size_t i);

/* The pull has failed or is given up, and nobody writes to the pipes any more: wait for the workers to keep what is in the
 * pipes, some seconds at most. Only store_ingest_free may follow. */
void store_ingest_drain(struct store_ingest *g);

/* Put what waits for it into its place, and record everything. Context: store_ingest_step has returned 1. Returns 0, 1 (another command removed what was there: go on stepping),
 * <0: BUSY (that happened several times). */
int store_ingest_commit(struct store_ingest *g, struct error *err);
/* ---- checking and mending ----------------------------------------------------------------------------------------- */

enum store_problem_kind {
	STORE_PROBLEM_ACCESS,    /* others may enter or change it, or it has another owner (V23) */
	STORE_PROBLEM_DATABASE,  /* the database is damaged or lost */
	STORE_PROBLEM_BLOB,      /* missing, or not what its digest says */
	STORE_PROBLEM_LAYER,     /* an unpacked layer is missing, half, or differs from its blob */
	STORE_PROBLEM_RECORD,    /* records that do not belong together */
	STORE_PROBLEM_NAME,      /* a name that means nothing */
	STORE_PROBLEM_ORPHAN,    /* data without a record */
	STORE_PROBLEM_LEFTOVER,  /* work in progress of a command that is gone */
	STORE_PROBLEM_CONTAINER, /* a container whose image is not there */
	STORE_PROBLEM_KIND_COUNT
};
const char *store_problem_name(enum store_problem_kind kind);

enum store_outcome {
	STORE_FOUND,   /* --repair was not asked for */
	STORE_MENDED,  /* as good as new */
	STORE_DROPPED, /* could not be mended, and was taken away */
	STORE_LEFT,    /* could not be mended, and is in use */
	STORE_OUTCOME_COUNT
};
const char *store_outcome_name(enum store_outcome outcome);

struct store_problem {
	enum store_problem_kind kind;
	enum store_outcome outcome;
	const char *object; /* a path below the root, a name, an id */
	const char *text;   /* what is wrong with it; may hold names of files, which are not ours */
	const char *done;   /* what was done about it; NULL: nothing */
};
struct store_check_result {
	struct arena arena;
	struct store_problem *problems;
	size_t problem_count;
	uint64_t images, layers, blobs, bytes; /* looked at; bytes of blobs that were read */
};

struct store_check_options {
	bool quick;  /* presence and sizes only: no content is read */
	bool repair; /* mend, or drop what cannot be mended; nothing that a container stands on goes away */
	/* Bring the image @reference ("repository@digest") again, everything that is not sound (see store_distrust) anew.
	 * NULL: there is no network. Returns 0 or <0. */
	int (*fetch)(void *arg, const char *reference, struct error *err);
	/* Does the container @id run? Its layers are not exchanged under its feet. NULL: each one does. */
	bool (*runs)(void *arg, const char *id);
	/* Told now and then: what is looked at, bytes of blobs done and in all. May be NULL. */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

/* Look at everything: who may enter, the database, whether records and data belong together, and (unless quick) every byte
 * of every blob and unpacked file. @options may be NULL. Takes no lock for long; other commands may go on.
 * Returns 0 with the problems, or <0 when it could not look: DENIED, the system's. */
int store_check(struct store *s, const struct store_check_options *options, struct store_check_result *ret,
		struct error *err);
void store_check_result_done(struct store_check_result *r);

/* For this struct store, the blob or layer (chain id) @digest counts as not there: a load or pull brings it anew and puts it in
 * the place of what is there, which stays until then. */
void store_distrust(struct store *s, const char *digest);
/* Is everything of the image @id here, as far as a look tells (no content is read)? 1, 0 (also when there is none), <0. */
int store_image_complete(struct store *s, const char *id, struct error *err);

/* ---- comparing ---------------------------------------------------------------------------------------------------- */

/* One word for one bit. */
const char *store_changed_name(enum unpack_changed bit);

struct store_status {
	uint32_t mode; /* with the type */
	uint32_t uid, gid;
	uint64_t size; /* 0 for folders */
};
struct store_change {
	enum unpack_change_kind kind;
	unsigned int what;            /* enum unpack_changed; 0 unless modified */
	const char *path;             /* "etc/passwd"; may hold control characters */
	struct store_status old, new; /* zero where the object was not */
};
/* @c lasts until the function returns. A result <0 (with @err) stops. */
typedef int (*store_change_fn)(const struct store_change *c, void *arg, struct error *err);

/* What is in the tree of image @new and not so in that of @old (NULL: in @new without its uppermost layer). Folders come before what
 * is in them, names in byte order; of a deleted folder only itself is told. Files are compared by content, times are not.
 * Works for plain users, mounts nothing. Returns 0, or <0: as store_image_find, LIMIT, what @fn said. */
int store_image_diff(struct store *s, const char *old, const char *new, store_change_fn fn, void *arg,
		     struct error *err);

/* ---- who shares what ---------------------------------------------------------------------------------------------- */

#define STORE_TREE_NONE SIZE_MAX

struct store_tree_layer {
	const char *chain_id, *diff_id, *blob; /* digests */
	const char *created_by;         /* out of an image's history; NULL: not known; may hold control characters */
	int64_t size_bytes, blob_bytes; /* unpacked; as stored */
	size_t parent;                  /* the layer it lies on; STORE_TREE_NONE: none (or no image has it) */
	size_t *images;                 /* those that have it */
	size_t image_count;
	size_t *tops; /* those whose uppermost layer it is */
	size_t top_count;
};
struct store_tree_image {
	const char *id;
	struct spec_strs names;           /* full */
	struct spec_strs containers;      /* ids of those that stand on it */
	struct spec_strs indexes;         /* images for several platforms that hold it: their names, or digests */
	struct spec_strs mounts;          /* where it is mounted */
	int64_t size_bytes, shared_bytes; /* of its layers; of those that other images have, too */
	size_t *layers;                   /* lowest first */
	size_t layer_count;
};
struct store_tree {
	struct arena arena;
	struct store_tree_layer *layers;
	size_t layer_count;
	struct store_tree_image *images;
	size_t image_count;
};
/* Every image and layer, in no useful order. Returns 0 or <0. */
int store_tree_read(struct store *s, struct store_tree *ret, struct error *err);
void store_tree_done(struct store_tree *t);

/* ---- removing --------------------------------------------------------------------------------------------------- */

struct store_remove_result {
	struct arena arena;
	struct spec_strs untagged; /* full names, and "repository@digest" */
	struct spec_strs deleted;  /* ids of images, then chain ids of layers, as Docker prints them */
};
/* Remove as `docker rmi`: by name takes the name away, and the image with its last name; by id needs @force when there are
 * several names; by repository@digest takes that reference away, and the image with the last. Refused with BUSY when a container
 * stands on it (its id is in the text; @force does not help for that). Its layers and blobs go when nobody else has them. Returns 0, or <0: NOT_FOUND, CONFLICT (ambiguous prefix; several names), BUSY. */
int store_image_remove(struct store *s, const char *name_or_id, bool force, struct store_remove_result *ret,
		       struct error *err);
void store_remove_result_done(struct store_remove_result *r);

/* Give @name_or_id the further name @name, which means in its registry what the other means in its own. Replaces what had
 * that name before. <0: INVALID (no name, or one with a digest), as store_image_find. */
int store_image_tag(struct store *s, const char *name_or_id, const char *name, struct error *err);

/* The image with this full id has the digest @digest in @repository ("docker.io/library/debian"): after a push. */
int store_image_add_digest(struct store *s, const char *image_id, const char *repository, const char *digest,
			   struct error *err);

/* Take names away from an image, which stays: those listed, or all of them with @count 0.
 * @ret: the full names in `untagged`. Returns 0, or <0: NOT_FOUND (no such image; a name is not one of its). */
int store_image_untag(struct store *s, const char *name_or_id, char *const *names, size_t count,
		      struct store_remove_result *ret, struct error *err);

/* ---- lists made here (lists.c) -------------------------------------------------------------------------------------- */

/* Keep the OCI index @text under the full name @name, which then means it. What it lists must be in the store, and stays there as
 * long as the list does. Returns 0, or <0: INVALID (no index), NOT_FOUND (something it lists is not here). */
int store_list_save(struct store *s, const char *name, const char *text, size_t len, char ret_digest[static 80],
		    struct error *err);
/* Take the full name @name from its index; the index goes with its last name, images stay. <0: NOT_FOUND (no such index). */
int store_list_remove(struct store *s, const char *name, struct error *err);

/* Up to three familiar names of @list near to @typed, quoted and with commas between, into @out; "" when none is. Pure. */
void store_nearest_images(const struct store_image_list *list, const char *typed, char *out, size_t size);

/* ---- artifacts (artifacts.c) ----------------------------------------------------------------------------------------- */

struct store_artifact {
	const char *name;     /* full, with tag */
	const char *manifest; /* digest */
	const char *type;     /* artifactType, or the media type of its config */
	int64_t published_ns; /* when it came */
	uint64_t size_bytes;  /* of its blobs and documents */
};
struct store_artifact_list {
	struct arena arena;
	struct store_artifact *items;
	size_t count;
};
int store_artifact_list(struct store *s, struct store_artifact_list *ret, struct error *err);
void store_artifact_list_done(struct store_artifact_list *l);
/* @typed: a name (of "latest" without a tag), repository@digest, or the beginning of the digest. Texts in @a.
 * Returns 0, or <0: NOT_FOUND, CONFLICT (the beginning of several). */
int store_artifact_find(struct store *s, const char *typed, struct arena *a, struct store_artifact *ret,
			struct error *err);
/* Take the name away, and what it means with its last name. @ret_digest: of its manifest. */
int store_artifact_remove(struct store *s, const char *typed, char ret_digest[static STORE_ID_MAX], struct error *err);

/* ---- mounts of images (mounts.c) ------------------------------------------------------------------------------------ */

/* Where an image is mounted: the engine mounts, the store remembers, so that the image is not removed meanwhile. */
struct store_mount {
	const char *image; /* id */
	const char *path;  /* absolute */
	bool live;         /* something is mounted there now, as this process sees it */
};
struct store_mounts {
	struct arena arena;
	struct store_mount *items;
	size_t count;
};
int store_mount_list(struct store *s, struct store_mounts *ret, struct error *err);
void store_mounts_done(struct store_mounts *m);
/* Look up @name_or_id and note that it is about to be mounted at @folder/<hex of its id>. @ret_use: a lock that keeps removals
 * waiting, to be held until it is mounted. Returns 0, or <0: as store_image_find. */
int store_mount_add(struct store *s, const char *name_or_id, const char *folder, struct store_image *ret, int *ret_use,
		    struct error *err);
/* It is not mounted any more. No error when it was not noted. */
int store_mount_forget(struct store *s, const char *image_id, struct error *err);
/* ---- garbage ------------------------------------------------------------------------------------------------------- */

/* Layers and blobs without an image, and partial blobs, stay so long: a pull that goes on later finds them. */
#define STORE_KEEP_NS (INT64_C(7) * 24 * 3600 * NS_PER_S)

struct store_prune_options {
	bool images;  /* images without a name go, unless something stands on them */
	bool named;   /* those with names as well */
	bool partial; /* partial blobs that nobody is receiving, whatever their age */
	bool dry_run; /* find out what would go */
	/* Of these images only such that were not used for so long (0: any), without the `keep` used last, and only as many, the
	 * longest unused first, as it takes to have at most max_bytes in the store (0: all of them). */
	int64_t unused_ns;
	size_t keep;
	uint64_t max_bytes;
	/* May the image @id go? 1, 0, <0. NULL: each. */
	int (*fits)(void *arg, const char *id, int64_t created_ns, struct error *err);
	void *arg;
};
struct store_prune_result {
	struct store_remove_result removed;
	uint64_t layers, blobs, partials; /* how many went, those of images among them */
	uint64_t freed;                   /* bytes: blobs, unpacked files, partial blobs */
	uint64_t in_use;                  /* images that would have gone but for a container */
};
/* Remove what nothing needs. Layers and blobs without an owner go at once with `images` when no other command is bringing
 * something in, else when they are old. @options may be NULL: only the old.
 * Returns 0, or <0: BUSY, LIMIT (the database cannot be written), the system's. */
int store_prune(struct store *s, const struct store_prune_options *options, struct store_prune_result *ret,
		struct error *err);
void store_prune_result_done(struct store_prune_result *r);

/* ---- containers ------------------------------------------------------------------------------------------------- */

/* A container's own folder, kept while it exists. */
struct store_container {
	int dir_fd; /* containers/<id>; the engine may keep files of its own here (names must not be upper, work, image) */
	int upper_fd; /* O_PATH of containers/<id>/upper; FD_NONE without STORE_CONTAINER_WRITABLE */
	int work_fd;  /* O_PATH of containers/<id>/work; the same */
};
void store_container_done(struct store_container *c);

enum store_container_flags {
	STORE_CONTAINER_WRITABLE = 1, /* make upper and work (a read-only or --rootfs container needs none) */
	STORE_CONTAINER_DURABLE = 2,  /* fsync the folder (not for --rm) */
};

/* The folder, relative to the store's root, that is the lowest layer of containers: empty /etc/hosts, /etc/hostname and
 * /etc/resolv.conf to mount the engine's files on. Where an image has none of its own they would be made in each container's
 * upper layer and removed with it, a folder and three files on a disk. Made when missing; NULL when it can't be made. */
const char *store_mount_points(struct store *s);

/* Look up @name_or_id and make the folder of container @id standing on it, in one step that no rmi can cut in two.
 * @name_or_id NULL: a container without an image (then @ret_image is not touched and may be NULL).
 * @id: 1-128 characters of [A-Za-z0-9_.-], not beginning with a dot.
 * Returns 0, or <0: as store_image_find, and CONFLICT (the container exists), INVALID (bad id). */
int store_container_create(struct store *s, const char *id, const char *name_or_id, unsigned int flags,
			   struct store_image *ret_image, struct store_container *ret, struct error *err);

/* Open the folder of an existing container. Returns 0, or <0: NOT_FOUND. */
int store_container_open(struct store *s, const char *id, struct store_container *ret, struct error *err);

/* The image id that container @id stands on, into @ret (freed with free(3)); NULL there: none. */
int store_container_image(struct store *s, const char *id, char **ret, struct error *err);

/* Delete the folder with everything in it; a missing one is no error. Never follows a link out. */
int store_container_delete(struct store *s, const char *id, struct error *err);

/* The ids of all containers, appended. */
int store_container_list(struct store *s, struct strv *ret_ids, struct error *err);

#endif
