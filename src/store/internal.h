/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

/* What the files of store/ share: the store itself, its database, its staging folders, its workers. */

#include <sqlite3.h>
#include <stdbool.h>

#include "archive/digest.h"
#include "archive/tar.h"
#include "base/fd.h"
#include "base/pidref.h"
#include "kernel/ids.h"
#include "safepath/safepath.h"
#include "store/store.h"
#include "unpack/protocol.h"

struct store {
	char *root;           /* owned, absolute */
	char *unpack_program; /* owned; NULL: looked up when needed */
	int root_fd;          /* owned; for reading */
	sqlite3 *db;          /* owned; NULL until first needed */
	bool db_write;        /* opened for writing */
	sqlite3_stmt *find;   /* owned; the hot query, prepared on first use */
	struct strv distrust; /* digests and chain ids that count as not there (store_distrust) */
	bool rebuilding;      /* an empty database beside blobs is meant to be filled from them */
};

/* Names below the root. */
#define STORE_DB "index.db"
#define STORE_LOCK "lock"         /* exclusive: publishing and removing */
#define STORE_USE_LOCK "use.lock" /* shared: taking an image into use; exclusive: removing one */
#define STORE_SCHEMA 2

/* ---- files (store.c) ---------------------------------------------------------------------------------------------- */

/* Open one of the store's folders ("layers", "blobs/sha256", …) for *at() calls. */
int store_folder(struct store *s, const char *name, struct error *err);
/* Is nothing in the folder @dir_fd (borrowed)? */
int store_folder_empty(int dir_fd, bool *ret, struct error *err);
/* fsync of a folder, so that the names in it last. */
int store_sync_folder(struct store *s, const char *name, struct error *err);
/* The chain id of a layer on top of @parent (NULL: the lowest). Source: image-spec config.md "Layer ChainID". */
void store_chain_id(const char *parent, const char *diff_id, char out[static DIGEST_TEXT_MAX]);

/* ---- database (index.c) ------------------------------------------------------------------------------------------- */

/* Open it. @write: make it when missing; a reader without a database gets s->db == NULL and 0. Returns 0 or <0. */
int index_open(struct store *s, bool write, struct error *err);
/* Open it for the one look-up of a run, without SQLite's locks, its log and that log's index: while nobody writes (*ret_lock,
 * owned by the caller, is STORE_LOCK held shared) and the log is empty, the file alone is the database. Returns 1 when that is
 * so; 0 when it is not, or the database is none of today's form: then use index_open. The caller closes the database before
 * the lock. */
int index_open_still(struct store *s, int *ret_lock);
void index_close(struct store *s);
int index_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct error *err);
/* One step: 1 a row, 0 done, <0. */
int index_step(struct store *s, sqlite3_stmt *q, struct error *err);
/* Prepare, bind the strings (NULL ends the list), and run to the end. */
int index_run(struct store *s, struct error *err, const char *sql, ...) __attribute__((sentinel));

/* A transaction for writing. What was not committed when its scope ends is undone. Declared after the lock that it needs, so
 * that it ends before. */
struct index_transaction {
	struct store *store; /* borrowed; NULL: none has begun */
};
#define autotransaction __attribute__((cleanup(index_transaction_done)))
/* Context: STORE_LOCK is held, the database is open for writing. @ret is filled on success only. */
int index_begin(struct store *s, struct index_transaction *ret, struct error *err);
/* Make it last, and move the log into the database and empty it, as far as readers allow. After a failure it is undone by _done. */
int index_commit(struct index_transaction *t, struct error *err);
/* The same, and leave the log for a transaction that follows soon: two waits for the disk less. */
int index_commit_more(struct index_transaction *t, struct error *err);
/* Undo it, if it is open. Best effort: what cannot be undone now is when the database is opened next. */
void index_transaction_done(struct index_transaction *t);

/* The first column of the first row as a number, 0 when there is none. */
int index_number(struct store *s, struct error *err, int64_t *ret, const char *sql, ...) __attribute__((sentinel));
static inline void index_finalize(sqlite3_stmt **q)
{
	sqlite3_finalize(*q);
}
#define autostmt __attribute__((cleanup(index_finalize)))
const char *index_text(sqlite3_stmt *q, int column); /* "" for NULL */

/* ---- staging (staging.c) -------------------------------------------------------------------------------------------- */

/* A folder that is ours while its fd (flock'ed) is open; after that anyone may remove it. */
struct staging {
	struct store *store; /* borrowed */
	int fd;              /* owned, locked */
	char name[33];
};
#define STAGING_NONE ((struct staging){.fd = FD_NONE})
int staging_new(struct store *s, struct staging *ret, struct error *err);
/* Remove it with its content. Best effort: what stays is stale and goes with the next cleaning. */
void staging_done(struct staging *g);
/* Remove the folders whose owner is gone. Best effort. */
void staging_clean(struct store *s);
/* Remove @name in @dir_fd with everything below, with the help of a worker where owners are out of our reach. */
int staging_remove_tree(struct store *s, int dir_fd, const char *name, struct error *err);
/* Move layers and blobs without a record (a crash came between rename and commit) into @g. Context: STORE_LOCK is held. */
int staging_collect_orphans(struct store *s, struct staging *g, struct error *err);

/* ---- mounts (mounts.c) ---------------------------------------------------------------------------------------------- */

/* BUSY when image @id is mounted; what a dead mount left is forgotten. */
int mounts_check_unused(struct store *s, const char *id, struct error *err);
/* ---- removing (remove.c). Context: both locks are held, a transaction has begun. -------------------------------------- */

/* <0 BUSY when something stands on the image. */
int remove_check_unused(struct store *s, const char *id, struct error *err);
/* The image with all its names, and what only it had. */
int remove_whole_image(struct store *s, const char *id, struct store_remove_result *ret, struct error *err);

/* @owner (an image, an index, an artifact's manifest) has its blobs no longer; those that nobody else has go. What has no owner at
 * all is not its business: a pull that is going on may have brought it a moment ago. */
int remove_blobs_of(struct store *s, const char *owner, struct error *err);
/* The same for an artifact's manifest that has no name any more (artifacts.c). */
int artifacts_forget(struct store *s, const char *manifest, struct error *err);

/* ---- workers (worker.c) ----------------------------------------------------------------------------------------------- */

struct worker {
	struct pidref pid;
	int talk;                  /* owned */
	store_change_fn on_change; /* UNPACK_DIFF: called by worker_finish */
	void *on_change_arg;
};
#define WORKER_NONE ((struct worker){.pid = PIDREF_NONE, .talk = FD_NONE})

struct worker_member {
	enum tar_type type;
	const char *name, *link;
	uint32_t number;
	int64_t size;
	char digest[DIGEST_TEXT_MAX];
};
struct worker_answer {
	struct arena arena;
	struct unpack_report report;
	struct worker_member *members;
	size_t member_count;
	const char **implied;
	size_t implied_count;
	struct store_finding *findings;
	size_t finding_count;
	size_t bytes; /* of names so far: bounded */
};
void worker_answer_done(struct worker_answer *a);

/* Start bothy-unpack on @dir_fd with @in_fd (FD_NONE: none) as its input. Fds are borrowed. */
int worker_start(struct store *s, enum unpack_kind kind, const struct unpack_limits *limits, int in_fd, int dir_fd,
		 struct worker *ret, struct error *err);
struct worker_task {
	enum unpack_kind kind;
	const struct unpack_limits *limits;
	int in_fd, dir_fd, partial_fd; /* borrowed; in_fd and partial_fd may be FD_NONE */
	uint64_t blob_size;            /* with partial_fd: of the whole blob */
	uint32_t flags;                /* UNPACK_HASH_IN, UNPACK_SYNC */
	uint32_t nice;                 /* worker_nice */
};
int worker_start_task(struct store *s, const struct worker_task *task, struct worker *ret, struct error *err);
/* How many workers unpack layers at a time, at most WORKERS_AT_ONCE_MAX. */
#define WORKERS_AT_ONCE_MAX 8
size_t workers_at_once(void);
/* How far the worker for a layer of @size bytes stands back behind that for the largest one, so that all end together: who is
 * left alone at the end cannot keep all processors busy. A step of niceness is a fourth more or less time (sched(7)). */
uint32_t worker_nice(int64_t size, int64_t largest);
/* Take its next message; with UNPACK_REPORT @a is complete and the worker has ended. Blocks until it is there whole: for when
 * its fd is readable. A report of failure is returned as the error. */
int worker_next(struct worker *w, struct worker_answer *a, enum unpack_message_type *ret_type, struct error *err);
/* The answer to UNPACK_READY. */
int worker_go(struct worker *w, struct error *err);
/* Wait for its report. @ret is filled on success only. */
int worker_finish(struct worker *w, struct worker_answer *ret, struct error *err);
/* The same, with a look at what has come so far a few times a second. */
typedef void (*worker_tick_fn)(void *arg, const struct worker_answer *so_far);
int worker_finish_watched(struct worker *w, worker_tick_fn tick, void *arg, struct worker_answer *ret,
			  struct error *err);
/* Kill it if it runs, and reap it. */
void worker_done(struct worker *w);
/* Defaults in place of zeros. */
void worker_limits(const struct unpack_limits *given, struct unpack_limits *ret);

#endif
