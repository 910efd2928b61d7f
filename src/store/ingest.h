/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_INGEST_H
#define STORE_INGEST_H

/* What ingest.c (blobs and their workers), ingest_publish.c (their places) and ingest_record.c (documents and records) share. */

#include "store/staged.h"

#define INGEST_PARTIAL "partial/sha256"

/* A blob that shall be in the store, and perhaps a layer that shall be unpacked from it. */
struct ingest_job {
	struct store_ingest_blob blob;      /* what the caller sees */
	const struct staged_chains *chains; /* in the arena; NULL: only the blob is wanted */
	size_t position;                    /* of the layer in these */
	const char *diff;                   /* in the arena */
	bool unpack;                        /* the layer is missing */
	size_t layer;                       /* 1 + index in staged.layers; 0: none has been begun */
	struct worker worker;
	struct worker_answer answer;
	int partial_fd; /* owned; holds the lock as soon as READY was said */
	int pipe_fd;    /* owned; the write end until it is taken */
	bool stacked;   /* the layer may be published */
	bool published; /* and was, in this transaction */
	bool locked;    /* the partial file is ours, and has its name */
	bool fresh;     /* what is in the partial file is not to be trusted */
	bool distrust;  /* nor what is in the store */
	unsigned attempts;
	enum {
		INGEST_IDLE,
		INGEST_AT_WORK,
		INGEST_COMPLETE, /* to be published */
		INGEST_STACKING, /* the blob is published; the layer needs those below */
	} at;
	struct error why; /* state CUT */
};

enum ingest_record_kind { INGEST_NAME, INGEST_DIGEST, INGEST_OWN, INGEST_INDEX, INGEST_ARTIFACT };
struct ingest_record {
	enum ingest_record_kind kind;
	const char *a, *b, *c, *d; /* in the arena; of an artifact d may be NULL */
};
struct ingest_image {
	struct image_record record;
	struct image_config config; /* owned */
};

struct store_ingest {
	struct staged staged;
	struct ingest_job *jobs; /* owned; complete before the first step */
	size_t job_count;
	uint64_t bytes;               /* of all blobs, each once, as their descriptors say */
	struct store_document *texts; /* in the arena */
	size_t text_count;
	size_t texts_staged;           /* so many of them are in the staging folder or published */
	struct ingest_record *records; /* in the arena */
	size_t record_count;
	struct ingest_image *images; /* owned */
	size_t image_count;
	int rounds;
	bool no_room; /* it ended at a full disk */
};

/* Put a blob on the list, unless it is there for the same layer. <0: LIMIT, it or all together are too large; INVALID, it
 * is there with another size. */
int ingest_add(struct store_ingest *g, const char *digest, int64_t size, const struct staged_chains *chains,
	       size_t position, const char *diff, struct error *err);
/* The job is at its beginning again. */
void ingest_again(struct store_ingest *g, struct ingest_job *j);
/* The layer that the job unpacks; NULL: it only keeps a blob. */
struct staged_layer *ingest_layer(struct store_ingest *g, const struct ingest_job *j);
/* Publish what is complete, and can be (ingest_publish.c); the last of all is left to store_ingest_commit, which records the
 * images in the same transaction. Returns 0 or <0. */
int ingest_publish(struct store_ingest *g, struct error *err);
/* Is each blob in its place, or complete and waiting for the commit? */
bool ingest_ready(const struct store_ingest *g);
/* Inside the commit's transaction: what waits for it goes to its place. After the transaction: it is there. */
int ingest_publish_last(struct store_ingest *g, struct error *err);
void ingest_published(struct store_ingest *g);
/* The documents, durable in the staging folder: those that are not there yet (ingest_record.c). */
int ingest_stage_texts(struct store_ingest *g, struct error *err);
/* Begin anew: every blob is looked at once more. */
void ingest_reset(struct store_ingest *g);
void ingest_records_done(struct store_ingest *g);

#endif
