/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARTIFACT_H
#define ENGINE_ARTIFACT_H

/* What artifact.c (between folders and registries), artifact_store.c (by way of the store) and artifact_place.c (where files go)
 * share. */

#include "engine/engine.h"

#define ARTIFACT_EMPTY_TEXT "{}" /* the config of an artifact; its media type says that it is empty */
#define ARTIFACT_EMPTY_TYPE "application/vnd.oci.empty.v1+json"
#define ARTIFACT_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define ARTIFACT_TITLE "org.opencontainers.image.title" /* the annotation that is a file's name */

/* A file of the user that goes into an artifact. */
struct artifact_file {
	const char *path, *type, *title;
	int fd; /* owned */
	int64_t size;
	char digest[STORE_ID_MAX];
};
struct artifact_files {
	struct arena arena;
	struct artifact_file *items;
	size_t count;
};
/* Open and hash what @words name (PATH[:TYPE]). @type: media type of those that say none; NULL: bytes. <0 INVALID: none, two of
 * one name. */
int artifact_files_open(char *const *words, size_t count, const char *type, struct artifact_files *ret,
			struct error *err);
void artifact_files_done(struct artifact_files *f);
/* The manifest of these files, without a subject; to json_unref. */
int artifact_manifest(const struct engine_artifact_options *o, const struct artifact_files *files, struct json **ret,
		      struct error *err);
/* The same files behind those of @manifest, which is changed. <0: CONFLICT (it has a file of that name), INVALID. */
int artifact_manifest_append(const struct engine_artifact_options *o, const struct artifact_files *files,
			     struct json *manifest, struct error *err);

/* A session with the registry of @text; without tag and digest its tag is "latest". */
int artifact_open_session(const char *text, unsigned access, const struct engine_registry_options *o, struct arena *a,
			  struct image_reference *ret_ref, struct registry **ret, struct error *err);
/* Push @size bytes of @fd and wait for it. */
int artifact_push_bytes(struct registry *r, const char *digest, int64_t size, int fd, struct error *err);
/* Push the manifest @text under the tag or digest of @ref. */
int artifact_push_manifest(struct registry *r, const struct image_reference *ref, const char *text, size_t len,
			   struct error *err);

/* Which files of an artifact, and what they are called where they go. All zero: those that have a title, by that. */
struct artifact_choice {
	const char *title;  /* only the file of this title; NULL: any */
	const char *digest; /* only the blob of this digest, which becomes its name; NULL: any */
	bool untitled;      /* what has no title as well, by its digest ("sha256-…") */
};
struct artifact_chosen {
	struct {
		const struct image_descriptor *d; /* borrowed from the manifest */
		const char *name;
	} * items; /* in the arena that was given */
	size_t count;
};
/* The files of @m that are meant. Returns 0 and at least one, or <0: NOT_FOUND (none is meant, or none has a name). */
int artifact_choose(const struct image_manifest *m, const struct artifact_choice *choice, struct arena *a,
		    struct artifact_chosen *ret, struct error *err);

/* Put them into the folder @dir_fd (borrowed): names are checked first, a file gets its own only after its digest was checked, and
 * no file that is there is replaced. @fill writes the blob to @fd. <0: CONFLICT (a file is there), INVALID (a name that is none,
 * a wrong digest). */
typedef int (*artifact_fill)(void *arg, const struct image_descriptor *d, int fd, struct error *err);
int artifact_place(const struct artifact_chosen *chosen, int dir_fd, artifact_fill fill, void *arg,
		   struct engine_artifact_result *ret, struct error *err);
/* The same into @target, a path of the user: a folder that is there; else, of one file, the file itself (a '/' at the end says
 * folder); of several, a folder that is made. */
int artifact_place_at(struct artifact_chosen *chosen, const char *target, artifact_fill fill, void *arg,
		      struct engine_artifact_result *ret, struct error *err);

#endif
