/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

/* What check*.c, mend.c and rebuild.c share: a check that is going on. See "checking" in store.h. */

#include "store/internal.h"

struct check {
	struct store *store;
	const struct store_check_options *options;
	struct store_check_result *out;
	struct strv blobs;  /* digests: missing or damaged */
	struct strv layers; /* chain ids: the tree is missing or damaged */
};
void check_done(struct check *c);

/* Add a problem about @object (a path below the root, a name, an id). */
struct store_problem *check_add(struct check *c, enum store_problem_kind kind, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The problems about @object that nothing was done about get this outcome. */
void check_settle(struct check *c, const char *object, enum store_outcome outcome, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* "blobs/sha256/<hex>" or "layers/<hex>" of a digest, in the result's arena. */
const char *check_object(struct check *c, const char *folder, const char *digest);
/* The first column of each row, appended. @key (may be NULL) is bound. */
int check_column(struct check *c, const char *sql, const char *key, struct strv *ret, struct error *err);

void check_progress(struct check *c, const char *what, uint64_t done, uint64_t total);
/* Does the query @sql with @key give a number that is not 0: is it still recorded? What was removed meanwhile is no
 * problem. */
bool check_recorded(struct check *c, const char *sql, const char *key);
void check_sort(struct strv *v);
/* @v is sorted. */
bool check_sorted_has(const struct strv *v, const char *s);

/* ---- check_records.c ---- */

/* The database by itself. Returns 1 when it can be used, 0 when it is damaged (a problem is added), or <0. */
int check_database(struct check *c, struct error *err);
/* Records against each other and against the folders. @blobs, @layers: all that are recorded, sorted.
 * Context: the store's lock is held, so that nobody is between renaming and recording. */
int check_records(struct check *c, struct strv *blobs, struct strv *layers, struct error *err);

/* ---- check_data.c ---- */

/* What owners have and no record of its own knows. Context: as above. */
int check_lost(struct check *c, struct error *err);
/* Every byte of @blobs and @layers. Context: no lock is held. */
int check_data(struct check *c, const struct strv *blobs, const struct strv *layers, struct error *err);

/* Compare the tree of @chain with its blob; what differs becomes a problem and an element of c->layers. */
int check_layer(struct check *c, const char *chain, struct error *err);

/* Mend what was found (mend.c). Context: no lock is held. */
int check_mend(struct check *c, struct error *err);
/* The database is beyond use: put it aside and make it anew from the blobs and what can be read of it (rebuild.c). */
int check_rebuild(struct check *c, struct error *err);

#endif
