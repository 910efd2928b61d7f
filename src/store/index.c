/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database: opening it, its tables, and short words for SQLite's calls. Queries stand where they are used.
 *
 * WAL lets readers go on while a load commits. Writers hold the store's lock, so they never meet inside SQLite. A run, whose one
 * look-up is a large part of what it does, reads past all of SQLite's locks while that lock shows that nobody writes. What may still
 * meet is the first opening after a crash, which rebuilds the log's index: SQLite's own busy handler waits that out. Closing
 * never checkpoints (in the hot path of run it would write, and it locks others out): writers do so after their commit.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define BUSY_TIMEOUT_MS 20000 /* far above what a recovery takes */

/* The steps from one form to the next, the first from nothing. A new store goes through all of them as an old one does, so
 * that none is ever untried. A column that is added has a default: a program of the form before may still write. */
static const char *const steps[STORE_SCHEMA] = {
	"CREATE TABLE images(id TEXT NOT NULL UNIQUE, manifest TEXT NOT NULL, created_ns INTEGER NOT NULL,"
	"  size INTEGER NOT NULL, loaded_ns INTEGER NOT NULL, config BLOB NOT NULL);"
	"CREATE INDEX images_manifest ON images(manifest);"
	"CREATE TABLE names(name TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX names_image ON names(image);"
	"CREATE TABLE layers(chain TEXT PRIMARY KEY, diff TEXT NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL,"
	"  entries INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_layers(image TEXT NOT NULL, position INTEGER NOT NULL, chain TEXT NOT NULL,"
	"  PRIMARY KEY(image, position)) WITHOUT ROWID;"
	"CREATE INDEX image_layers_chain ON image_layers(chain);"
	"CREATE TABLE blobs(digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_blobs(image TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY(image, digest)) WITHOUT ROWID;"
	"CREATE INDEX image_blobs_digest ON image_blobs(digest);",

	/* 2: what names mean in registries, images of several platforms, artifacts, and when things without an owner came */
	"ALTER TABLE names ADD COLUMN target TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE names ADD COLUMN target_type TEXT NOT NULL DEFAULT '';"
	"UPDATE names SET target = coalesce((SELECT manifest FROM images WHERE id = names.image), '');"
	"CREATE INDEX names_target ON names(target);"
	"ALTER TABLE layers ADD COLUMN published_ns INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE blobs ADD COLUMN published_ns INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE digests(repository TEXT NOT NULL, digest TEXT NOT NULL, image TEXT NOT NULL,"
	"  PRIMARY KEY(repository, digest)) WITHOUT ROWID;"
	"CREATE INDEX digests_image ON digests(image);"
	"CREATE INDEX digests_digest ON digests(digest);"
	"CREATE TABLE indexes(digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, published_ns INTEGER NOT NULL)"
	"  WITHOUT ROWID;"
	"CREATE TABLE index_images(indexdigest TEXT NOT NULL, manifest TEXT NOT NULL, image TEXT NOT NULL,"
	"  PRIMARY KEY(indexdigest, manifest)) WITHOUT ROWID;"
	"CREATE INDEX index_images_image ON index_images(image);"
	"CREATE TABLE artifacts(name TEXT PRIMARY KEY, manifest TEXT NOT NULL, artifact_type TEXT NOT NULL,"
	"  published_ns INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX artifacts_manifest ON artifacts(manifest);",
};

static int failed(struct store *s, struct error *err, const char *what)
{
	int code = sqlite3_extended_errcode(s->db) & 0xff;
	bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;

	error_set(err,
		  code == SQLITE_FULL   ? ERROR_LIMIT
		  : code == SQLITE_BUSY ? ERROR_BUSY
					: ERROR_INTERNAL,
		  code == SQLITE_FULL   ? ENOSPC
		  : code == SQLITE_BUSY ? EBUSY
					: EIO,
		  "%s %s/%s: %s", what, s->root, STORE_DB, sqlite3_errmsg(s->db));
	if (damaged)
		error_hint(err, "the database is damaged: `bothy system check --repair` makes it anew from the images");
	return -err->code;
}

static int run_steps(struct store *s, int64_t from, struct error *err)
{
	autofree char *version = mem_printf("PRAGMA user_version = %d; COMMIT;", STORE_SCHEMA);

	if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return failed(s, err, "cannot make");
	for (int64_t i = from; i < STORE_SCHEMA; i++) {
		if (sqlite3_exec(s->db, steps[i], NULL, NULL, NULL) != SQLITE_OK)
			return failed(s, err, "cannot bring up to date"); /* closing rolls back */
	}
	return sqlite3_exec(s->db, version, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(s, err, "cannot make");
}

/* An empty database beside blobs: it was lost, or is zeros after a power cut. Filling it as if it were new would make orphans
 * of all images, and the next cleaning would take them away. */
static int check_lost(struct store *s, struct error *err)
{
	autofd int dir = store_folder(s, "blobs/sha256", err);
	bool empty = true;

	if (dir < 0 || store_folder_empty(dir, &empty, err) < 0)
		return -err->code;
	if (empty)
		return 0;
	error_set(err, ERROR_INTERNAL, EIO, "%s has images, but its database %s is empty or was lost", s->root,
		  STORE_DB);
	return error_hint(err, "`bothy system check --repair` makes it anew from the images");
}

static int to_todays_form(struct store *s, int64_t version, struct error *err)
{
	if (sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK)
		return failed(s, err, "cannot make");
	return run_steps(s, version, err);
}

/* The tables of a new database. SQLite would wait for the disk seven times, for something that is made again if it is lost. What
 * must be there before the first record is the file's first page, without which the log is not looked at, and the files' names;
 * the log itself is durable with the first record that is added to it. */
static int make(struct store *s, struct error *err)
{
	if (sqlite3_exec(s->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) != SQLITE_OK)
		return failed(s, err, "cannot make");
	if (to_todays_form(s, 0, err) < 0)
		return -err->code;
	autofd int fd = safepath_child(s->root_fd, STORE_DB, O_RDONLY, err);

	if (fd < 0)
		return fd;
	if (fdatasync(fd) < 0 || fsync(s->root_fd) < 0)
		return error_sys(err, errno, "cannot make %s/%s durable", s->root, STORE_DB);
	return sqlite3_exec(s->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : failed(s, err, "cannot make");
}

static int check_version(struct store *s, struct error *err)
{
	int64_t version;

	if (index_number(s, err, &version, "PRAGMA user_version", NULL) < 0)
		return -err->code;
	if (version == STORE_SCHEMA)
		return 0;
	if (version > STORE_SCHEMA || version < 0)
		return error_set(err, ERROR_UNSUPPORTED, EPROTO, "%s was made by a newer bothy (form %lld, ours is %d)",
				 s->root, (long long)version, STORE_SCHEMA);
	/* Somebody may be making it at the same moment. (Who rebuilds has the lock.) */
	autofd int lock = s->rebuilding ? FD_NONE : safepath_lock(s->root_fd, STORE_LOCK, true, true, err);
	if ((lock < 0 && !s->rebuilding) || index_number(s, err, &version, "PRAGMA user_version", NULL) < 0)
		return -err->code;
	if (version >= STORE_SCHEMA)
		return 0;
	if (version == 0 && !s->rebuilding && check_lost(s, err) < 0)
		return -err->code;
	return version == 0 && !s->rebuilding ? make(s, err) : to_todays_form(s, version, err);
}

static int setup(struct store *s, bool write, struct error *err)
{
	int on = 1;

	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &on);
	if (write && sqlite3_exec(s->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK)
		return failed(s, err, "cannot open");
	/* A reader too: its queries are those of our form. (It is one look at the first page, which each query needs.) */
	return check_version(s, err);
}

/* SQLite would make it readable by all; its other files take the mode of this one. */
static int make_file(struct store *s, struct error *err)
{
	struct stat st;

	if (safepath_stat(s->root_fd, STORE_DB, &st) == 0)
		return 0;
	autofd int fd = safepath_create_file(s->root_fd, STORE_DB, O_RDWR, 0600, SAFEPATH_KEEP, err);

	if (fd >= 0 || fd != -EEXIST)
		return fd < 0 ? fd : 0;
	err->msg[0] = '\0'; /* somebody made it a moment ago */
	return 0;
}

int index_open(struct store *s, bool write, struct error *err)
{
	autofree char *path = NULL;
	struct stat st;

	if (s->db && (s->db_write || !write))
		return 0;
	index_close(s); /* a reader's connection is not synchronous */
	if (!write && safepath_stat(s->root_fd, STORE_DB, &st) < 0)
		return 0;
	if (write && make_file(s, err) < 0)
		return -err->code;
	path = mem_printf("%s/%s", s->root, STORE_DB);
	int r = sqlite3_open_v2(path, &s->db,
				SQLITE_OPEN_READWRITE | (write ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX |
					SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
				NULL);

	if (r == SQLITE_OK && setup(s, write, err) == 0) {
		s->db_write = write;
		return 0;
	}
	if (r != SQLITE_OK)
		failed(s, err, "cannot open");
	index_close(s);
	return -err->code;
}

/* As a URI that says: this file does not change while it is open. */
static char *still_uri(const char *root)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
	autobuf struct buf uri = BUF_INIT(3 * PATH_MAX + 64);

	(void)buf_puts(&uri, "file:");
	for (const char *c = root; *c; c++)
		(void)(strchr(plain, *c) ? buf_putc(&uri, *c) : buf_printf(&uri, "%%%02x", (unsigned char)*c));
	(void)buf_puts(&uri, "/" STORE_DB "?immutable=1");
	return uri.failed ? NULL : mem_strdup(buf_str(&uri));
}

int index_open_still(struct store *s, int *ret_lock)
{
	autofree char *uri = s->db ? NULL : still_uri(s->root);
	autofd int lock = FD_NONE;
	struct error none;
	struct stat st;
	int64_t version;

	if (!uri)
		return 0;
	lock = safepath_lock(s->root_fd, STORE_LOCK, false, false, &none);
	if (lock < 0 || safepath_stat(s->root_fd, STORE_DB, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (safepath_stat(s->root_fd, STORE_DB "-wal", &st) == 0 && st.st_size > 0) ||
	    safepath_stat(s->root_fd, STORE_DB "-journal", &st) == 0)
		return 0; /* what a crash left is for SQLite to recover */
	if (sqlite3_open_v2(uri, &s->db,
			    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			    NULL) == SQLITE_OK) {
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		if (index_number(s, &none, &version, "PRAGMA user_version", NULL) == 0 && version == STORE_SCHEMA) {
			*ret_lock = take_fd(&lock);
			return 1;
		}
	}
	index_close(s);
	return 0;
}

int index_begin(struct store *s, struct index_transaction *ret, struct error *err)
{
	if (index_run(s, err, "BEGIN IMMEDIATE", NULL) < 0)
		return -err->code;
	ret->store = s;
	return 0;
}

void index_transaction_done(struct index_transaction *t)
{
	struct error ignored;

	/* Some failures (a full disk) have undone it already. */
	if (t->store && t->store->db && !sqlite3_get_autocommit(t->store->db))
		(void)index_run(t->store, &ignored, "ROLLBACK", NULL);
	t->store = NULL;
}

int index_commit_more(struct index_transaction *t, struct error *err)
{
	if (index_run(t->store, err, "COMMIT", NULL) < 0)
		return -err->code;
	t->store = NULL;
	return 0;
}

int index_commit(struct index_transaction *t, struct error *err)
{
	struct store *s = t->store;

	if (index_commit_more(t, err) < 0)
		return -err->code;
	/* Best effort, and without waiting: a log that readers hold on to is emptied after a later commit. An empty log is
	 * what a run wants to see (index_open_still). */
	sqlite3_busy_timeout(s->db, 0);
	(void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	return 0;
}

void index_close(struct store *s)
{
	sqlite3_finalize(s->find);
	s->find = NULL;
	sqlite3_close(s->db);
	s->db = NULL;
}

int index_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct error *err)
{
	if (sqlite3_prepare_v2(s->db, sql, -1, ret, NULL) != SQLITE_OK)
		return failed(s, err, "cannot query");
	return 0;
}

int index_step(struct store *s, sqlite3_stmt *q, struct error *err)
{
	int r = sqlite3_step(q);

	if (r == SQLITE_ROW)
		return 1;
	return r == SQLITE_DONE ? 0 : failed(s, err, "cannot use");
}

static int bind_all(struct store *s, sqlite3_stmt *q, va_list ap, struct error *err)
{
	const char *text;

	for (int i = 1; (text = va_arg(ap, const char *)); i++) {
		if (sqlite3_bind_text(q, i, text, -1, SQLITE_TRANSIENT) != SQLITE_OK)
			return failed(s, err, "cannot query");
	}
	return 0;
}

int index_run(struct store *s, struct error *err, const char *sql, ...)
{
	autostmt sqlite3_stmt *q = NULL;
	va_list ap;
	int r;

	if (index_prepare(s, sql, &q, err) < 0)
		return -err->code;
	va_start(ap, sql);
	r = bind_all(s, q, ap, err);
	va_end(ap);
	while (r == 0 && (r = index_step(s, q, err)) > 0)
		r = 0;
	return r;
}

int index_number(struct store *s, struct error *err, int64_t *ret, const char *sql, ...)
{
	autostmt sqlite3_stmt *q = NULL;
	va_list ap;
	int r;

	if (index_prepare(s, sql, &q, err) < 0)
		return -err->code;
	va_start(ap, sql);
	r = bind_all(s, q, ap, err);
	va_end(ap);
	if (r == 0)
		r = index_step(s, q, err);
	if (r < 0)
		return r;
	*ret = r ? sqlite3_column_int64(q, 0) : 0;
	return 0;
}

const char *index_text(sqlite3_stmt *q, int column)
{
	const unsigned char *t = sqlite3_column_text(q, column);

	return t ? (const char *)t : "";
}
