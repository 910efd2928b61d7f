/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STAGED_H
#define STORE_STAGED_H

/*
 * What is on its way into the store: blobs and layers in a staging folder, how they are published, and the records of images.
 * load.c brings it all in one transaction, ingest.c layer by layer, import.c makes a layer of its own; the pieces are here.
 *
 * A layer or blob that was found in the store may be removed by another command before the image is recorded. Whoever records
 * looks once more, under the store's lock (record_missing), and stages again what has gone, a bounded number of times.
 */

#include "store/internal.h"

#define STAGED_ROUNDS 16

/* A blob that is complete in the staging folder. */
struct staged_blob {
	char digest[DIGEST_TEXT_MAX];
	char file[16];
	int64_t size;
};

/* The chain ids of an image's layers, lowest first. */
struct staged_chains {
	char (*items)[DIGEST_TEXT_MAX];
	size_t count;
};

/* A layer that is not in the store yet. */
struct staged_layer {
	char chain[DIGEST_TEXT_MAX], diff[DIGEST_TEXT_MAX], blob[DIGEST_TEXT_MAX];
	const struct staged_chains *chains; /* borrowed from the arena: of its image */
	size_t position;                    /* in these */
	char folder[16];                    /* in the staging folder; its tree is <folder>/diff */
	int dir_fd;                         /* owned; the tree; FD_NONE: not begun */
	struct worker worker;
	struct worker_answer answer; /* once complete */
	int64_t size, entries;
	bool complete; /* unpacked, diff_id verified */
};

struct staged {
	struct store *store; /* borrowed */
	struct arena arena;
	struct staging staging;
	struct unpack_limits limits;
	struct staged_layer *layers; /* owned; moves when it grows */
	size_t layer_count;
	struct staged_blob *blobs; /* owned; moves when it grows */
	size_t blob_count;
	size_t serial;           /* of names in the folder */
	uint64_t bytes_out;      /* of all layers */
	uint64_t repeated_bytes; /* of those whose content stands more than once in an image */
};

/* Make the staging folder. @limits may be NULL. The store's database is opened for writing. */
int staged_init(struct staged *g, struct store *s, const struct unpack_limits *limits, struct error *err);
/* Kills workers, removes what was not published. Accepts zeroes. */
void staged_done(struct staged *g);
/* All of it was published: begin a new round. */
void staged_forget(struct staged *g);

/* Is the blob, the layer in the store: recorded, there as far as a look tells (size, folder), and not distrusted? 1, 0, <0. */
int store_has_blob(struct store *s, const char *digest, struct error *err);
int store_has_layer(struct store *s, const char *chain, struct error *err);

/* ---- blobs ---- */

/* Is the blob staged, or in the store? @size: what its descriptor says. 1, 0, <0: INVALID when it has another. */
int staged_blob_known(struct staged *g, const char *digest, int64_t size, struct error *err);
/* A new one; its file is yet to be made, complete and verified, by the caller. */
struct staged_blob *staged_add_blob(struct staged *g, const char *digest, int64_t size);
/* A document whose digest was checked. Nothing happens when it is known. */
int staged_add_text(struct staged *g, const char *digest, const char *text, size_t len, struct error *err);
/* Keep a blob of the store at hand whoever removes it: by a hard link, as a staged one. 1 done, 0 it is not there, <0. */
int staged_pin_blob(struct staged *g, const char *digest, struct error *err);
/* A blob for reading: staged, or the store's. */
int staged_open_blob(struct staged *g, const char *digest, struct error *err);

/* ---- layers ---- */

/* The chain ids of an image with these diff_ids (all supported digests), in the arena. */
const struct staged_chains *staged_chains_of(struct staged *g, const struct spec_strs *diff_ids);
/* Is the layer in the store? 1, 0, <0. */
int staged_layer_stored(struct staged *g, const char *chain, struct error *err);
/* Is the layer staged, or in the store? 1, 0, <0. */
int staged_layer_known(struct staged *g, const char *chain, struct error *err);
struct staged_layer *staged_add_layer(struct staged *g, const struct staged_chains *chains, size_t position,
				      const char *diff, const char *blob);
/* Make its empty folder (again, when there is one already). */
int staged_layer_folder(struct staged *g, struct staged_layer *l, struct error *err);
/* The worker has answered, @answer (taken on success): check its diff_id, count its bytes. */
int staged_layer_finish_take(struct staged *g, struct staged_layer *l, struct worker_answer *answer, struct error *err);
/* Give the folders that the layer did not list owner and mode of the layers below, which must be complete. */
void staged_layer_adopt(struct staged *g, struct staged_layer *l);

/* ---- publishing. Context: STORE_LOCK is held, a transaction has begun, the data is durable. -------------------------- */

/* Rename @file of @dir_fd to where the blob belongs, and record it. */
int publish_blob(struct store *s, int dir_fd, const char *file, const char *digest, int64_t size, struct error *err);
/* The same of a complete layer. One that somebody else has published meanwhile stays in the staging folder. */
int publish_layer(struct staged *g, const struct staged_layer *l, struct error *err);
/* Make the names of what was published durable: before the commit. */
int publish_sync(struct store *s, struct error *err);

/* ---- records. Context: as above. ---------------------------------------------------------------------------------------- */

/* An image whose documents have been verified. All borrowed. */
struct image_record {
	const char *id, *manifest_digest;
	const char *config; /* text */
	size_t config_len;
	const struct image_config *parsed;
	const struct staged_chains *chains;
	const char *const *blobs; /* its layers' and others that it shall own; config and manifest need not be named */
	size_t blob_count;
};
/* Record it, or what is new about one that is there. @ret_known (may be NULL): it was there. */
int record_image(struct store *s, const struct image_record *i, bool *ret_known, struct error *err);
/* The full @name now means @target (media type @target_type, may be "") in its registry and @image here. */
int record_name(struct store *s, const char *name, const char *image, const char *target, const char *target_type,
		struct error *err);
/* @repository (full, without tag) has the image under @digest. */
int record_digest(struct store *s, const char *repository, const char *digest, const char *image, struct error *err);
/* @owner (an image, an index, an artifact's manifest) has this blob. */
int record_owner(struct store *s, const char *owner, const char *digest, struct error *err);
/* How many layers and blobs of @owner are not in the store. */
int record_missing(struct store *s, const char *owner, int64_t *ret, struct error *err);
/* Bind texts, then numbers, and run to the end. */
int record_run(struct store *s, const char *sql, const char *const texts[], size_t text_count, const int64_t *numbers,
	       size_t number_count, struct error *err);

#endif
