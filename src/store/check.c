/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the store what it should be? From the outside in: who may enter, the database by itself, records against records, records
 * against what lies in the folders, and at last every byte. Nothing is changed here but by request: mend.c mends, rebuild.c
 * makes a database anew.
 *
 *	access → leftovers → database → [lock: orphans, records] → layers (verify.c) → other blobs → containers → mending
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

#define READ_BYTES (256u << 10)

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
	char text[ERROR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*p = (struct store_problem){
		.kind = kind,
		.object = arena_strdup(&r->arena, object),
		.text = arena_strdup(&r->arena, text),
	};
	return p;
}

void check_settle(struct check *c, const char *object, enum store_outcome outcome, const char *fmt, ...)
{
	char text[ERROR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < c->out->problem_count; i++) {
		struct store_problem *p = &c->out->problems[i];

		if (p->outcome != STORE_FOUND || !str_eq(p->object, object))
			continue;
		p->outcome = outcome;
		p->done = arena_strdup(&c->out->arena, text);
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

static void progress(struct check *c, const char *what, uint64_t done, uint64_t total)
{
	if (c->options->progress)
		c->options->progress(c->options->arg, what, done, total);
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

/* ---- the database by itself ---- */

/* Returns 1 when it can be used, 0 when not (and it was reported), <0. */
static int check_database(struct check *c, struct error *err)
{
	const char *sql = c->options->quick ? "PRAGMA quick_check(5)" : "PRAGMA integrity_check(5)";
	autostrv struct strv said = {0};
	struct error bad;
	bool usable = index_open(c->store, true, &bad) == 0 && check_column(c, sql, NULL, &said, &bad) == 0;

	if (!usable) {
		if (bad.kind == ERROR_BUSY || bad.kind == ERROR_LIMIT || bad.kind == ERROR_UNSUPPORTED) {
			*err = bad;
			return -err->code;
		}
		check_add(c, STORE_PROBLEM_DATABASE, STORE_DB, "%s", bad.msg);
		return 0;
	}
	if (said.count == 1 && str_eq(said.items[0], "ok"))
		return 1;
	check_add(c, STORE_PROBLEM_DATABASE, STORE_DB, "it is damaged: %s", said.count ? said.items[0] : "no answer");
	return 0;
}

/* ---- records against records ---- */

/* What a record is about, and the sentence when the query finds it. */
struct rule {
	enum store_problem_kind kind;
	const char *sql; /* gives the objects */
	const char *text;
	const char *mend; /* SQL that takes the record away; NULL: mend.c deals with the image */
};
static const struct rule rules[] = {
	{STORE_PROBLEM_NAME, "SELECT name FROM names WHERE image <> '' AND image NOT IN (SELECT id FROM images)",
	 "means an image that is not there", "DELETE FROM names WHERE name = ?1"},
	{STORE_PROBLEM_NAME, "SELECT name FROM names WHERE image = '' AND target NOT IN (SELECT digest FROM indexes)",
	 "means an index that is not there", "DELETE FROM names WHERE name = ?1"},
	{STORE_PROBLEM_NAME,
	 "SELECT repository || '@' || digest FROM digests WHERE image <> '' AND image NOT IN (SELECT id FROM images)",
	 "means an image that is not there", "DELETE FROM digests WHERE repository || '@' || digest = ?1"},
	{STORE_PROBLEM_NAME, "SELECT name FROM artifacts WHERE manifest NOT IN (SELECT digest FROM blobs)",
	 "is an artifact whose manifest is not there", "DELETE FROM artifacts WHERE name = ?1"},
	{STORE_PROBLEM_RECORD, "SELECT DISTINCT image FROM image_layers WHERE image NOT IN (SELECT id FROM images)",
	 "layers are recorded for an image that is not there", "DELETE FROM image_layers WHERE image = ?1"},
	{STORE_PROBLEM_RECORD,
	 "SELECT DISTINCT image FROM image_blobs WHERE image NOT IN (SELECT id FROM images) AND image NOT IN (SELECT digest FROM indexes) AND image NOT IN (SELECT manifest FROM artifacts)",
	 "blobs are recorded for something that is not there", "DELETE FROM image_blobs WHERE image = ?1"},
	{STORE_PROBLEM_RECORD,
	 "SELECT id FROM images WHERE manifest NOT IN (SELECT digest FROM image_blobs b WHERE b.image = id) OR id NOT IN (SELECT digest FROM image_blobs b WHERE b.image = id)",
	 "the record has no documents", NULL},
};

static int check_rules(struct check *c, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		autostrv struct strv objects = {0};

		if (check_column(c, rules[i].sql, NULL, &objects, err) < 0)
			return -err->code;
		for (size_t k = 0; k < objects.count; k++) {
			check_add(c, rules[i].kind, objects.items[k], "%s", rules[i].text);
			if (!c->options->repair || !rules[i].mend)
				continue;
			if (index_run(c->store, err, rules[i].mend, objects.items[k], NULL) < 0)
				return -err->code;
			check_settle(c, objects.items[k], STORE_DROPPED, "the record was removed");
		}
	}
	return 0;
}

/* An image whose record cannot be read, or has other layers than its config says. */
static int check_images(struct check *c, struct error *err)
{
	autostrv struct strv ids = {0};

	if (check_column(c, "SELECT id FROM images", NULL, &ids, err) < 0)
		return -err->code;
	c->out->images = ids.count;
	for (size_t i = 0; i < ids.count; i++) {
		autoimage struct store_image image = {0};
		struct error bad;

		if (!digest_supported(ids.items[i])) {
			check_add(c, STORE_PROBLEM_RECORD, ids.items[i], "the id of an image is no digest");
			continue;
		}
		if (store_image_find(c->store, ids.items[i], &image, &bad) < 0 && bad.kind != ERROR_NOT_FOUND)
			check_add(c, STORE_PROBLEM_RECORD, ids.items[i], "%s", bad.msg);
	}
	return 0;
}

/* ---- records against folders ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool sorted_has(const struct strv *v, const char *s)
{
	return v->count && bsearch(&s, v->items, v->count, sizeof(*v->items), by_text);
}

/* What @folder holds and no record knows. */
static int check_orphans(struct check *c, const char *folder, const struct strv *known, struct error *err)
{
	autostrv struct strv names = {0};
	autofd int dir = store_folder(c->store, folder, err);

	if (dir < 0 || safepath_list(dir, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		autofree char *digest = mem_printf("sha256:%s", names.items[i]);

		if (!sorted_has(known, digest))
			check_add(c, STORE_PROBLEM_ORPHAN,
				  arena_printf(&c->out->arena, "%s/%s", folder, names.items[i]),
				  "no record speaks of it");
	}
	return 0;
}

/* Context: the store's lock is held, so that nobody is between renaming and recording. */
static int check_records(struct check *c, struct strv *blobs, struct strv *layers, struct error *err)
{
	autoclean(staging_done) struct staging g = STAGING_NONE;
	size_t first;

	if (check_column(c, "SELECT digest FROM blobs ORDER BY 1", NULL, blobs, err) < 0 ||
	    check_column(c, "SELECT chain FROM layers ORDER BY 1", NULL, layers, err) < 0 || check_rules(c, err) < 0 ||
	    check_images(c, err) < 0)
		return -err->code;
	first = c->out->problem_count;
	if (check_orphans(c, "blobs/sha256", blobs, err) < 0 || check_orphans(c, "layers", layers, err) < 0)
		return -err->code;
	if (!c->options->repair || c->out->problem_count == first)
		return 0;
	if (staging_new(c->store, &g, err) < 0 || staging_collect_orphans(c->store, &g, err) < 0)
		return -err->code;
	for (size_t i = first; i < c->out->problem_count; i++)
		check_settle(c, c->out->problems[i].object, STORE_MENDED, "removed");
	return 0;
}

/* ---- every byte ---- */

/* Is it still recorded? What was removed meanwhile is no problem. */
static bool recorded(struct check *c, const char *sql, const char *key)
{
	struct error err;
	int64_t known;

	return index_number(c->store, &err, &known, sql, key, NULL) == 0 && known;
}

static void bad_blob(struct check *c, const char *digest, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void bad_blob(struct check *c, const char *digest, const char *fmt, ...)
{
	char text[ERROR_MSG_MAX];
	va_list ap;

	if (strv_contains(&c->blobs, digest) || !recorded(c, "SELECT 1 FROM blobs WHERE digest = ?1", digest))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	check_add(c, STORE_PROBLEM_BLOB, check_object(c, "blobs/sha256", digest), "%s", text);
	strv_push(&c->blobs, digest);
}

static void bad_layer(struct check *c, const char *chain, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void bad_layer(struct check *c, const char *chain, const char *fmt, ...)
{
	char text[ERROR_MSG_MAX];
	va_list ap;

	if (!recorded(c, "SELECT 1 FROM layers WHERE chain = ?1", chain))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	check_add(c, STORE_PROBLEM_LAYER, check_object(c, "layers", chain), "%s", text);
	if (!strv_contains(&c->layers, chain))
		strv_push(&c->layers, chain);
}

/* Presence and size. Returns the blob's fd, FD_NONE when something is wrong with it. */
static int open_blob(struct check *c, const char *digest)
{
	autostmt sqlite3_stmt *q = NULL;
	struct error err;
	struct stat st;
	int64_t size = -1;
	autofd int dir = store_folder(c->store, "blobs/sha256", &err);
	autofd int fd = dir < 0 ? FD_NONE : safepath_child(dir, image_digest_hex(digest), O_RDONLY | O_NONBLOCK, &err);

	if (fd < 0) {
		bad_blob(c, digest, "it is missing");
		return FD_NONE;
	}
	if (index_prepare(c->store, "SELECT size FROM blobs WHERE digest = ?1", &q, &err) == 0) {
		sqlite3_bind_text(q, 1, digest, -1, SQLITE_STATIC);
		if (index_step(c->store, q, &err) > 0)
			size = sqlite3_column_int64(q, 0);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		bad_blob(c, digest, "it is no regular file");
		return FD_NONE;
	}
	if (st.st_size != size) {
		bad_blob(c, digest, "it has %lld bytes, %lld were recorded", (long long)st.st_size, (long long)size);
		return FD_NONE;
	}
	c->out->blobs++;
	return take_fd(&fd);
}

static void check_blob(struct check *c, const char *digest)
{
	autofree unsigned char *data = mem_alloc(READ_BYTES);
	unsigned char raw[DIGEST_RAW_BYTES];
	char is[DIGEST_TEXT_MAX];
	struct digest d;
	ssize_t n;

	if (!digest_supported(digest)) {
		check_add(c, STORE_PROBLEM_RECORD, digest, "a blob is recorded under something that is no digest");
		return;
	}
	autofd int fd = open_blob(c, digest);

	if (fd < 0 || c->options->quick)
		return;
	digest_init(&d);
	while ((n = read(fd, data, READ_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			digest_add(&d, data, (size_t)n), c->out->bytes += (uint64_t)n;
	}
	digest_end(&d, raw);
	digest_text(raw, is);
	if (n < 0)
		bad_blob(c, digest, "it cannot be read: %s", error_text(errno));
	else if (!str_eq(is, digest))
		bad_blob(c, digest, "its content has digest %s", is);
}

/* A tree that is there, against its blob. The blob's own verdict comes with it. */
static int verify_layer(struct check *c, const char *chain, struct strv *seen, struct error *err)
{
	const struct store_verify_options options = {.progress = c->options->progress, .arg = c->options->arg};
	autoclean(store_findings_done) struct store_findings found = {0};
	size_t listed = 0;

	if (store_layer_verify(c->store, chain, &options, &found, err) < 0) {
		if (err->kind != ERROR_NOT_FOUND && err->kind != ERROR_INVALID)
			return error_wrap(err, "layer %s", chain);
		bad_layer(c, chain, "%s", err->msg);
		return 0;
	}
	for (size_t i = 0; i < found.count; i++) {
		const struct store_finding *f = &found.items[i];

		if (f->kind == UNPACK_FINDING_BLOB && f->blob)
			bad_blob(c, f->blob, "%s", f->text);
		else if (listed++ < 5)
			bad_layer(c, chain, "%s%s%s%s", f->path ? "'" : "", f->path ? f->path : "",
				  f->path ? "': " : "", f->text);
	}
	if (listed > 5)
		bad_layer(c, chain, "and %zu more", listed - 5);
	for (size_t i = 1; i < found.done_count; i += 2)
		strv_push(seen, found.done[i]);
	return 0;
}

static int look_at_layer(struct check *c, const char *chain, struct strv *seen, struct error *err)
{
	autostrv struct strv blob = {0};
	autofree char *tree = NULL;
	struct error missing;

	if (!digest_supported(chain)) {
		check_add(c, STORE_PROBLEM_RECORD, chain, "a layer is recorded under something that is no digest");
		return 0;
	}
	tree = mem_printf("layers/%s/diff", image_digest_hex(chain));
	autofd int dir = safepath_open_dir(c->store->root_fd, tree, true, &missing);

	c->out->layers++;
	if (dir < 0) {
		bad_layer(c, chain, "it is missing or half");
		return 0;
	}
	if (c->options->quick)
		return 0;
	/* A blob that is not there or has another size is no measure for the tree. */
	if (check_column(c, "SELECT blob FROM layers WHERE chain = ?1", chain, &blob, err) < 0)
		return -err->code;
	if (blob.count == 0 || !digest_supported(blob.items[0]))
		return 0;
	autofd int fd = open_blob(c, blob.items[0]);
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0)
		c->out->bytes += (uint64_t)st.st_size;
	c->out->blobs--; /* counted with the blobs */
	return verify_layer(c, chain, seen, err);
}

int check_layer(struct check *c, const char *chain, struct error *err)
{
	autostrv struct strv seen = {0};

	return look_at_layer(c, chain, &seen, err);
}

/* What owners have and no record of its own knows. */
static int check_lost(struct check *c, struct error *err)
{
	autostrv struct strv blobs = {0}, layers = {0};

	if (check_column(c, "SELECT DISTINCT digest FROM image_blobs WHERE digest NOT IN (SELECT digest FROM blobs)",
			 NULL, &blobs, err) < 0 ||
	    check_column(c, "SELECT DISTINCT chain FROM image_layers WHERE chain NOT IN (SELECT chain FROM layers)",
			 NULL, &layers, err) < 0)
		return -err->code;
	for (size_t i = 0; i < blobs.count; i++) {
		if (!digest_supported(blobs.items[i]))
			continue;
		check_add(c, STORE_PROBLEM_BLOB, check_object(c, "blobs/sha256", blobs.items[i]), "it is missing");
		strv_push(&c->blobs, blobs.items[i]);
	}
	for (size_t i = 0; i < layers.count; i++) {
		if (!digest_supported(layers.items[i]))
			continue;
		check_add(c, STORE_PROBLEM_LAYER, check_object(c, "layers", layers.items[i]), "it is missing");
		strv_push(&c->layers, layers.items[i]);
	}
	return 0;
}

static int check_data(struct check *c, const struct strv *blobs, const struct strv *layers, struct error *err)
{
	autostrv struct strv seen = {0};

	for (size_t i = 0; i < layers->count; i++) {
		progress(c, layers->items[i], i, layers->count + blobs->count);
		if (look_at_layer(c, layers->items[i], &seen, err) < 0)
			return -err->code;
	}
	if (seen.count)
		qsort(seen.items, seen.count, sizeof(*seen.items), by_text);
	for (size_t i = 0; i < blobs->count; i++) {
		progress(c, blobs->items[i], layers->count + i, layers->count + blobs->count);
		if (sorted_has(&seen, blobs->items[i]))
			c->out->blobs++;
		else
			check_blob(c, blobs->items[i]);
	}
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
		else if (image && !recorded(c, "SELECT 1 FROM images WHERE id = ?1", image))
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
