/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_IMAGE_ARCHIVE_H
#define STORE_IMAGE_ARCHIVE_H

/* Private to store/: what an archive, or an OCI layout folder, holds. load.c loads it. */

#include "store/internal.h"

/* Where documents and blobs of a load come from. */
struct archive {
	int layout_fd;                     /* owned; an OCI layout folder; FD_NONE: a split archive */
	int staging_fd;                    /* borrowed; where the members m<n> are */
	const struct worker_answer *split; /* borrowed */
	char *base_name;                   /* owned; of the file, for images that only have a tag; NULL: a pipe */
};
void archive_done(struct archive *a);

struct archive_blob {
	char digest[DIGEST_TEXT_MAX];
	int64_t size;
	const char *name; /* in the archive */
};
/* One image as an archive describes it; memory in the arena of the struct archive_images. */
struct archive_image {
	struct spec_strs names;        /* full */
	const char *config, *manifest; /* their text */
	size_t config_len, manifest_len;
	char id[DIGEST_TEXT_MAX], manifest_digest[DIGEST_TEXT_MAX];
	struct archive_blob *layers; /* lowest first */
	struct image_config *parsed; /* owned by struct archive_images */
};
/* An index that is kept with all its platforms. */
struct archive_index {
	struct spec_strs names; /* full */
	char digest[DIGEST_TEXT_MAX];
	char image[DIGEST_TEXT_MAX]; /* id of the image for this machine, which is one of the images; "": it has none */
	const char *media_type, *native; /* manifest of that image; NULL */
	struct archive_blob *blobs;      /* all that it needs, itself included */
	size_t blob_count;
	struct spec_strs manifests; /* what it lists, in order */
};
struct archive_images {
	struct arena arena;
	size_t bytes; /* of documents so far: bounded */
	struct archive_image *items;
	size_t count;
	struct archive_index *indexes;
	size_t index_count;
};
void archive_images_done(struct archive_images *i);
/* Read the documents: choose OCI or Docker form, follow indexes, check every digest, size and media type. */
int archive_read(const struct archive *a, const struct store_load_options *o, struct archive_images *ret,
		 struct error *err);

/* ---- image_archive_files.c ---- */

/* Open a file of the archive by name (links inside the archive are followed); a regular file, for reading.
 * @ret_member: for a split archive the member it is; NULL otherwise. Returns the fd or <0. */
int archive_open(const struct archive *a, const char *name, const struct worker_member **ret_member, int64_t *ret_size,
		 struct error *err);
/* Is there a regular file of that name? */
bool archive_has(const struct archive *a, const char *name);
/* The file @name as a document of at most @max bytes, in the arena of @out, ended by a NUL beyond @ret_len. Errors:
 * NOT_FOUND, LIMIT (also when all documents of the archive together have too many bytes), INVALID (no regular file).
 */
int archive_read_document(const struct archive *a, struct archive_images *out, const char *name, size_t max,
			  const char **ret, size_t *ret_len, struct error *err);
/* A document by its descriptor, of at most @max bytes, in the arena of @out; digest and size must be what it says. */
int archive_read_blob(const struct archive *a, struct archive_images *out, const struct image_descriptor *d, size_t max,
		      const char **ret, size_t *ret_len, struct error *err);
/* The name of a blob's file. @digest: sha256, checked. */
const char *archive_blob_name(struct arena *a, const char *digest);

/* ---- image_archive.c: names and configs, for both forms ---- */

/* Add @text as a full name, once; @ret_bad is raised when it is none. A name without a tag gets "latest". */
void archive_name_add(struct arena *arena, struct spec_strs *names, const char *text, bool *ret_bad);
/* Add those of @more that @names lacks. */
void archive_names_join(struct arena *arena, struct spec_strs *names, const struct spec_strs *more);
/* Parse i->config, of an image with @layer_count layers, into i->parsed, and set i->id. */
int archive_image_config(struct archive_images *out, struct archive_image *i, size_t layer_count, struct error *err);

/* ---- the forms: each adds its images (and indexes) to @out, also those that came before a failure ---- */

/* @all: indexes are kept with all their platforms; else one image of each, for @platform. (image_archive_oci.c) */
int archive_read_oci(const struct archive *a, const struct image_platform *platform, bool all,
		     struct archive_images *out, struct error *err);
/* Note everything the index @d needs, whose text is parsed as @index; and which of its
 * manifests is for @platform (@ret_native; NULL: none). Fills @ret but for the image (image_archive_index.c). */
int archive_index_read(const struct archive *a, struct archive_images *out, const struct image_descriptor *d,
		       const struct image_index *index, const struct image_platform *platform,
		       struct archive_index *ret, const struct image_descriptor **ret_native, struct error *err);
/* (image_archive_docker.c) */
int archive_read_docker(const struct archive *a, struct archive_images *out, struct error *err);

#endif
