/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An index of an archive that is to be kept whole (`load --all-platforms`): the blobs of all its platforms, which
 * stay packed. Their manifests are read, since they name the rest; that a blob is what its digest says is checked
 * when it is staged.
 */
#include "store/image_archive.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define DEPTH_MAX 4
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

struct reader {
	const struct archive *a;
	struct archive_images *out;
	struct archive_index *to;
};

static int add_blob(struct reader *r, const struct image_descriptor *d, struct error *err)
{
	struct archive_index *to = r->to;

	if (!digest_supported(d->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 d->digest);
	struct archive_blob *b = &ARENA_PUSH(&r->out->arena, to->blobs, to->blob_count);

	(void)str_copy(b->digest, sizeof(b->digest), d->digest);
	b->size = d->size;
	b->name = arena_printf(&r->out->arena, "blobs/sha256/%s", image_digest_hex(d->digest));
	return 0;
}

static int read_manifest(struct reader *r, const char *text, size_t len, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};

	if (image_manifest_parse(text, len, "manifest", &m, err) < 0 || add_blob(r, &m.config, err) < 0)
		return -err->code;
	for (size_t i = 0; i < m.layer_count; i++) {
		/* One with addresses lies elsewhere. */
		if (m.layers[i].urls.count == 0 && add_blob(r, &m.layers[i], err) < 0)
			return -err->code;
	}
	return 0;
}

static int read_entries(struct reader *r, const struct image_index *index, int depth, struct error *err);

static int read_entry(struct reader *r, const struct image_descriptor *d, int depth, struct error *err)
{
	autoclean(image_index_done) struct image_index index = {0};
	const char *text;
	size_t len;

	if (archive_read_blob(r->a, r->out, d, IMAGE_MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    add_blob(r, d, err) < 0)
		return -err->code;
	if (image_media_from_type(d->media_type, NULL) != IMAGE_MEDIA_INDEX)
		return read_manifest(r, text, len, err);
	if (depth >= DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, ELOOP, "indexes point to indexes more than %d deep", DEPTH_MAX);
	if (image_index_parse(text, len, "index", &index, err) < 0)
		return -err->code;
	return read_entries(r, &index, depth + 1, err);
}

static int read_entries(struct reader *r, const struct image_index *index, int depth, struct error *err)
{
	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];

		if (read_entry(r, d, depth, err) < 0) {
			if (err->code == ENOENT)
				(void)error_hint(err, "without --all-platforms what it has for this machine is loaded");
			return error_wrap(err, "platform %s/%s", d->platform.os ? d->platform.os : "?",
					  d->platform.architecture ? d->platform.architecture : "?");
		}
	}
	return 0;
}

int archive_index_read(const struct archive *a, struct archive_images *out, const struct image_descriptor *d,
		       const struct image_index *index, const struct image_platform *platform,
		       struct archive_index *ret, const struct image_descriptor **ret_native, struct error *err)
{
	struct reader r = {.a = a, .out = out, .to = ret};

	(void)str_copy(ret->digest, sizeof(ret->digest), d->digest);
	ret->media_type = arena_strdup(&out->arena, index->media_type ? index->media_type : INDEX_TYPE);
	*ret_native = image_index_choose(index, platform);
	if (add_blob(&r, d, err) < 0 || read_entries(&r, index, 1, err) < 0)
		return -err->code;
	for (size_t i = 0; i < index->manifest_count; i++)
		spec_strs_push(&out->arena, &ret->manifests, arena_strdup(&out->arena, index->manifests[i].digest));
	ret->native = *ret_native ? arena_strdup(&out->arena, (*ret_native)->digest) : NULL;
	return 0;
}
