/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the store what it should be? From the outside in: who may enter, the database by itself, records against records, records
 * against what lies in the folders, and at last every byte. Nothing is changed here but by request: mend.c mends, rebuild.c
 * makes a database anew.
 *
 *	access → leftovers → database → [lock: records, orphans] → layers (verify.c) → blobs → mending → containers
 *	here                 check_records.c                       check_data.c                mend.c    here
 *
 * What is listed under the lock may be removed by somebody before its turn comes: each finding about something missing is made
 * only after a second look into the database.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

const char *store_problem_name(enum store_problem_kind kind)
{
	static const char *const names[STORE_PROBLEM_KIND_COUNT] = {"access", "database", "blob",
								    "layer",  "record",   "name",
								    "orphan", "leftover", "container"};

	return names[kind];
}

const char *store_outcome_name(enum store_outcome outcome)
{
	static const char *const names[STORE_OUTCOME_COUNT] = {"found", "mended", "dropped", "left"};

	return names[outcome];
}

void check_done(struct check *c)
{
	strv_done(&c->blobs);
	strv_done(&c->layers);
}

void store_check_result_done(struct store_check_result *r)
{
	arena_done(&r->arena);
	*r = (struct store_check_result){0};
}

struct store_problem *check_add(struct check *c, enum store_problem_kind kind, const char *object, const char *fmt, ...)
{
	struct store_check_result *r = c->out;
	struct store_problem *p = &ARENA_PUSH(&r->arena, r->problems, r->problem_count);
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = arena_vprintf(&c->out->arena, fmt, ap);
	va_end(ap);
	*p = (struct store_problem){
		.kind = kind,
		.object = arena_strdup(&r->arena, object),
		.text = text,
	};
	return p;
}

void check_settle(struct check *c, const char *object, enum store_outcome outcome, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = arena_vprintf(&c->out->arena, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < c->out->problem_count; i++) {
		struct store_problem *p = &c->out->problems[i];

		if (p->outcome != STORE_FOUND || !str_eq(p->object, object))
			continue;
		p->outcome = outcome;
		p->done = text;
	}
}

const char *check_object(struct check *c, const char *folder, const char *digest)
{
	return arena_printf(&c->out->arena, "%s/%s", folder, image_digest_hex(digest));
}

int check_column(struct check *c, const char *sql, const char *key, struct strv *ret, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	if (index_prepare(c->store, sql, &q, err) < 0)
		return -err->code;
	if (key)
		sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
	while ((r = index_step(c->store, q, err)) > 0)
		strv_push(ret, index_text(q, 0));
	return r;
}

void check_progress(struct check *c, const char *what, uint64_t done, uint64_t total)
{
	if (c->options->progress)
		c->options->progress(c->options->arg, what, done, total);
}

bool check_recorded(struct check *c, const char *sql, const char *key)
{
	struct error err;
	int64_t known;

	return index_number(c->store, &err, &known, sql, key, NULL) == 0 && known;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void check_sort(struct strv *v)
{
	if (v->count)
		qsort(v->items, v->count, sizeof(*v->items), by_text);
}

bool check_sorted_has(const struct strv *v, const char *s)
{
	return v->count && bsearch(&s, v->items, v->count, sizeof(*v->items), by_text);
}

/* ---- who may enter (V23) ---- */

static int check_access(struct check *c, struct error *err)
{
	/* The root itself may be passed through (containers' own ids have to reach their layers' mount points in some set-ups); what
	 * is below may not. */
	static const struct {
		const char *name;
		mode_t forbidden, right;
	} places[] = {
		{"", 066, 0711},
		{"blobs", 077, 0700},
		{"blobs/sha256", 077, 0700},
		{"layers", 077, 0700},
		{"containers", 077, 0700},
		{"staging", 077, 0700},
		{"partial", 077, 0700},
		{"partial/sha256", 077, 0700},
		{STORE_DB, 077, 0600},
		{STORE_DB "-wal", 077, 0600},
		{STORE_DB "-shm", 077, 0600},
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *name = places[i].name, *object = *name ? name : ".";
		struct error missing;
		struct stat st;
		autofd int fd =
			*name ? safepath_open(c->store->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &missing)
			      : fd_dup_min(c->store->root_fd, 3);

		if (fd < 0 || fstat(fd, &st) < 0)
			continue;
		if (st.st_uid != geteuid()) {
			check_add(c, STORE_PROBLEM_ACCESS, object, "belongs to user %u", (unsigned)st.st_uid);
			if (c->options->repair)
				check_settle(c, object, STORE_LEFT, "changing the owner is left to you");
		}
		if (!(st.st_mode & places[i].forbidden))
			continue;
		check_add(c, STORE_PROBLEM_ACCESS, object, "others have access (mode %04o)", st.st_mode & 07777u);
		if (!c->options->repair)
			continue;
		if (safepath_chmod(fd, places[i].right, err) < 0)
			return error_wrap(err, "%s/%s", c->store->root, name);
		check_settle(c, object, STORE_MENDED, "mode set to %04o", (unsigned)places[i].right);
	}
	return 0;
}

/* ---- work in progress that nobody is at ---- */

static int check_leftovers(struct check *c, struct error *err)
{
	autostrv struct strv names = {0};
	autofd int parent = store_folder(c->store, "staging", err);
	size_t first = c->out->problem_count;

	if (parent < 0 || safepath_list(parent, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		struct error gone;

		if (flock(parent, LOCK_EX) < 0)
			return error_sys(err, errno, "cannot lock %s/staging", c->store->root);
		autofd int fd = safepath_child(parent, names.items[i], O_RDONLY | O_DIRECTORY, &gone);
		bool stale = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

		flock(parent, LOCK_UN);
		if (stale)
			check_add(c, STORE_PROBLEM_LEFTOVER, arena_printf(&c->out->arena, "staging/%s", names.items[i]),
				  "the command that worked there is gone");
	}
	if (!c->options->repair || c->out->problem_count == first)
		return 0;
	staging_clean(c->store);
	for (size_t i = first; i < c->out->problem_count; i++)
		check_settle(c, c->out->problems[i].object, STORE_MENDED, "removed");
	return 0;
}

/* ---- containers ---- */

static int check_containers(struct check *c, struct error *err)
{
	autostrv struct strv ids = {0};

	if (store_container_list(c->store, &ids, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ids.count; i++) {
		autofree char *image = NULL;
		struct error bad;
		const char *object = arena_printf(&c->out->arena, "containers/%s", ids.items[i]);

		if (store_container_image(c->store, ids.items[i], &image, &bad) < 0)
			check_add(c, STORE_PROBLEM_CONTAINER, object, "%s", bad.msg);
		else if (image && !check_recorded(c, "SELECT 1 FROM images WHERE id = ?1", image))
			check_add(c, STORE_PROBLEM_CONTAINER, object, "it stands on image %.19s, which is not there",
				  image);
		else
			continue;
		if (c->options->repair)
			check_settle(c, object, STORE_LEFT, "its files are its own; load or pull the image again");
	}
	return 0;
}

static int check_all(struct check *c, struct error *err)
{
	autostrv struct strv blobs = {0}, layers = {0};
	int usable;

	if (check_access(c, err) < 0 || check_leftovers(c, err) < 0)
		return -err->code;
	usable = check_database(c, err);
	if (usable == 0 && c->options->repair) {
		index_close(c->store);
		usable = check_rebuild(c, err) < 0 ? -err->code : 1;
	}
	if (usable <= 0)
		return usable;
	autofd int lock = safepath_lock(c->store->root_fd, STORE_LOCK, true, true, err);
	int r = lock < 0 ? lock : check_records(c, &blobs, &layers, err);

	if (r == 0)
		r = check_lost(c, err);
	fd_close(&lock);
	if (r < 0 || check_data(c, &blobs, &layers, err) < 0 || (c->options->repair && check_mend(c, err) < 0))
		return -err->code;
	return check_containers(c, err);
}

int store_check(struct store *s, const struct store_check_options *options, struct store_check_result *ret,
		struct error *err)
{
	static const struct store_check_options defaults = {0};
	autoclean(store_check_result_done) struct store_check_result result = {0};
	autoclean(check_done) struct check c = {.store = s, .options = options ? options : &defaults, .out = &result};

	if (check_all(&c, err) < 0)
		return error_wrap(err, "check the store %s", s->root);
	*ret = result;
	result = (struct store_check_result){0};
	return 0;
}
