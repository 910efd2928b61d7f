/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PULL_H
#define ENGINE_PULL_H

/* What the files of a pull share: pull.c (which images), pull_documents.c (their documents), pull_layers.c (their bytes). */

#include "engine/internal.h"
#include "registry/registry.h"

struct pull {
	struct engine *engine;               /* borrowed */
	const struct engine_pull_options *o; /* borrowed */
	struct store *store;                 /* borrowed */
	struct registry *registry;           /* owned; the session with the repository at hand */
	struct image_platform platform;
	struct arena arena;
	size_t document_bytes;     /* of the present image: bounded, whatever its indexes list */
	struct engine_pulled *out; /* borrowed */
};

/* A manifest or index; texts in the pull's arena. */
struct pull_document {
	const char *digest, *text, *media_type; /* media_type: of the document's own kind, "" when nobody said */
	size_t len;
	bool is_index;
};

/* Ask what @reference (a tag) is now. @ret->text NULL: only the digest is known. */
int pull_resolve(struct pull *p, const char *reference, bool head, struct pull_document *ret, struct error *err);
/* A document by digest: the store's, or the registry's. */
int pull_get_document(struct pull *p, const char *digest, struct pull_document *ret, struct error *err);
/* The manifest of @index that is for the pull's platform; borrowed from @index. */
int pull_choose(const struct pull *p, const struct image_index *index, const struct image_descriptor **ret,
		struct error *err);
/* A small blob (a config): the store's, or the registry's. Text in the arena, digest verified. */
int pull_get_blob(struct pull *p, const struct image_descriptor *d, size_t max, const char **ret, struct error *err);

/* Get what the ingest wants until everything is there and recorded. */
int pull_layers(struct pull *p, struct store_ingest *g, struct error *err);
/* Has somebody asked us to stop? <0 with @err. */
int pull_stopped(const struct pull *p, struct error *err);
/* Wait for request @id and for stop_fd; as registry_wait. */
int pull_wait(struct pull *p, int64_t id, struct registry_event *ret, struct error *err);
/* Tell the observer of a retry. */
void pull_note_retry(const struct pull *p, const struct registry_event *e);

#endif
