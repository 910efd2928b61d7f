/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ARTIFACT_H
#define ENGINE_ARTIFACT_H

/* What artifact.c (between folders and registries) and artifact_store.c (by way of the store) share. */

#include "engine/engine.h"

#define ARTIFACT_EMPTY_TEXT "{}" /* the config of an artifact; its media type says that it is empty */
#define ARTIFACT_EMPTY_TYPE "application/vnd.oci.empty.v1+json"
#define ARTIFACT_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

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
/* Open and hash what @words name (PATH[:TYPE]). <0 INVALID: none, two of one name. */
int artifact_files_open(char *const *words, size_t count, struct artifact_files *ret, struct error *err);
void artifact_files_done(struct artifact_files *f);
/* The manifest of these files, without a subject; to json_unref. */
int artifact_manifest(const struct engine_artifact_options *o, const struct artifact_files *files, struct json **ret,
		      struct error *err);

/* A session with the registry of @text; without tag and digest its tag is "latest". */
int artifact_open_session(const char *text, unsigned access, const struct engine_registry_options *o, struct arena *a,
			  struct image_reference *ret_ref, struct registry **ret, struct error *err);
/* Push @size bytes of @fd and wait for it. */
int artifact_push_bytes(struct registry *r, const char *digest, int64_t size, int fd, struct error *err);
/* Push the manifest @text under the tag or digest of @ref. */
int artifact_push_manifest(struct registry *r, const struct image_reference *ref, const char *text, size_t len,
			   struct error *err);

/* Put the files of @m into the folder @dir_fd: names are checked first, a file gets its own only after its digest was checked, and
 * no file that is there is replaced. @fill writes the blob to @fd. */
typedef int (*artifact_fill)(void *arg, const struct image_descriptor *d, int fd, struct error *err);
int artifact_place_files(const struct image_manifest *m, int dir_fd, artifact_fill fill, void *arg,
			 struct engine_artifact_result *ret, struct error *err);

#endif
