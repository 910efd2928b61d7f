/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image indexes and manifests (image-spec image-index.md, manifest.md; Docker's schema 2 has the same shape). Hostile
 * input: sizes and counts are bounded (V30), and a document is one kind only: what carries members of the other kind or
 * a media type that does not fit is refused, since two readers could see two images in it (V31, CVE-2021-41190).
 */
#include <errno.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/image.h"

struct json *image_descriptor_json(const char *media_type, const char *digest, int64_t size)
{
	struct json *d = json_new_object();

	json_set_str(d, "mediaType", media_type);
	json_set_str(d, "digest", digest);
	json_set(d, "size", json_new_i64(size));
	return d;
}

static const struct field platform_rows[] = {
	TEXT_ROW("architecture", struct image_platform, architecture, TEXT_PLAIN),
	TEXT_ROW("os", struct image_platform, os, TEXT_PLAIN),
	TEXT_ROW("os.version", struct image_platform, os_version, TEXT_PLAIN),
	{.name = "os.features", .kind = FIELD_SHAPE, .min = JSON_ARRAY},
	TEXT_ROW("variant", struct image_platform, variant, TEXT_PLAIN),
	{.name = "features", .kind = FIELD_SHAPE, .min = JSON_ARRAY},
};
static const struct field_table platform_table = FIELD_TABLE(platform_rows, struct image_platform);

static int finish_descriptor(struct reader *r, void *object)
{
	struct image_descriptor *d = object;

	if (!d->urls.items)
		d->urls.items = arena_alloc(r->arena, 1, sizeof(*d->urls.items));
	return 0;
}

static const struct field descriptor_rows[] = {
	TEXT_ROW("mediaType", struct image_descriptor, media_type, TEXT_KEY, .flags = FIELD_REQUIRED),
	TEXT_ROW("digest", struct image_descriptor, digest, TEXT_DIGEST, .flags = FIELD_REQUIRED),
	INT_ROW("size", struct image_descriptor, size, 0, INT64_MAX, .flags = FIELD_REQUIRED),
	TEXTS_ROW("urls", struct image_descriptor, urls, TEXT_PLAIN),
	{.name = "annotations",
	 .kind = FIELD_MAP,
	 AT(struct image_descriptor, annotations),
	 .key = TEXT_ANY,
	 .text = TEXT_ANY},
	{.name = "data", .kind = FIELD_SHAPE, .min = JSON_STRING}, /* a copy of the content; we read the blob */
	{.name = "platform", .kind = FIELD_OBJECT, AT(struct image_descriptor, platform), .child = &platform_table},
	TEXT_ROW("artifactType", struct image_descriptor, artifact_type, TEXT_PLAIN),
};
static const struct field_table descriptor_table =
	FIELD_TABLE(descriptor_rows, struct image_descriptor, .finish = finish_descriptor);

/* The member @f->name belongs to the other kind of document. */
static int refuse_member(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	(void)f;
	(void)j;
	(void)object;
	return field_fault(r, "does not belong into this kind of document");
}

static int read_schema(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	int64_t v;

	(void)f;
	(void)object;
	return json_i64(j, &v) == 0 && v == 2 ? 0 : field_expected(r, j, "2 (schema 1 is not supported)");
}

#define SCHEMA                                                                                                         \
	{                                                                                                              \
		.name = "schemaVersion", .kind = FIELD_CUSTOM, .read = read_schema, .flags = FIELD_REQUIRED            \
	}
#define REFUSED(word)                                                                                                  \
	{                                                                                                              \
		.name = (word), .kind = FIELD_CUSTOM, .read = refuse_member                                            \
	}

static int check_media(struct reader *r, const char *media_type, enum image_media expected, const char *words)
{
	if (!media_type || image_media_from_type(media_type, NULL) == expected)
		return 0;
	return field_fault_at(r, "mediaType", "expected the media type of %s, got \"%.80s\"", words, media_type);
}

/* ---- index ------------------------------------------------------------------------------------------------------- */

static int finish_index(struct reader *r, void *object)
{
	const struct image_index *i = object;

	return check_media(r, i->media_type, IMAGE_MEDIA_INDEX, "an index");
}

static const struct field index_rows[] = {
	SCHEMA,
	TEXT_ROW("mediaType", struct image_index, media_type, TEXT_PLAIN),
	{.name = "artifactType", .kind = FIELD_SHAPE, .min = JSON_STRING},
	{.name = "manifests",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct image_index, manifests, manifest_count),
	 .child = &descriptor_table,
	 .flags = FIELD_REQUIRED},
	{.name = "subject", .kind = FIELD_SHAPE, .min = JSON_OBJECT},
	{.name = "annotations",
	 .kind = FIELD_MAP,
	 AT(struct image_index, annotations),
	 .key = TEXT_ANY,
	 .text = TEXT_ANY},
	REFUSED("config"),
	REFUSED("layers"),
	REFUSED("fsLayers"),
};
static const struct field_table index_table = FIELD_TABLE(index_rows, struct image_index, .finish = finish_index);

static int check_size(size_t len, size_t max, const char *name, struct error *err)
{
	return len <= max ? 0
			  : error_set(err, ERROR_LIMIT, EFBIG, "%s: has %zu bytes, at most %zu are accepted", name, len,
				      max);
}

int image_index_parse(const char *text, size_t len, const char *name, struct image_index *ret, struct error *err)
{
	struct image_index i = {0};
	int rc = check_size(len, IMAGE_MANIFEST_MAX_BYTES, name, err);

	if (rc == 0)
		rc = field_read_document(text, len, name, &index_table, &i.arena, &i, err);
	if (rc < 0) {
		image_index_done(&i);
		return rc;
	}
	*ret = i;
	return 0;
}

void image_index_done(struct image_index *i)
{
	arena_done(&i->arena);
}

/* ---- manifest ---------------------------------------------------------------------------------------------------- */

static int finish_manifest(struct reader *r, void *object)
{
	const struct image_manifest *m = object;

	if (m->layer_count > IMAGE_MAX_LAYERS) {
		int rc = field_fault_at(r, "layers", "has %zu elements, at most %d are accepted", m->layer_count,
					IMAGE_MAX_LAYERS);

		r->err->kind = ERROR_LIMIT;
		return rc;
	}
	return check_media(r, m->media_type, IMAGE_MEDIA_MANIFEST, "a manifest");
}

static const struct field manifest_rows[] = {
	SCHEMA,
	TEXT_ROW("mediaType", struct image_manifest, media_type, TEXT_PLAIN),
	{.name = "artifactType", .kind = FIELD_SHAPE, .min = JSON_STRING},
	{.name = "config",
	 .kind = FIELD_OBJECT,
	 AT(struct image_manifest, config),
	 .child = &descriptor_table,
	 .flags = FIELD_REQUIRED},
	{.name = "layers",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct image_manifest, layers, layer_count),
	 .child = &descriptor_table,
	 .flags = FIELD_REQUIRED},
	{.name = "subject", .kind = FIELD_SHAPE, .min = JSON_OBJECT},
	{.name = "annotations",
	 .kind = FIELD_MAP,
	 AT(struct image_manifest, annotations),
	 .key = TEXT_ANY,
	 .text = TEXT_ANY},
	REFUSED("manifests"),
	REFUSED("fsLayers"),
};
static const struct field_table manifest_table =
	FIELD_TABLE(manifest_rows, struct image_manifest, .finish = finish_manifest);

int image_manifest_parse(const char *text, size_t len, const char *name, struct image_manifest *ret, struct error *err)
{
	struct image_manifest m = {0};
	int rc = check_size(len, IMAGE_MANIFEST_MAX_BYTES, name, err);

	if (rc == 0)
		rc = field_read_document(text, len, name, &manifest_table, &m.arena, &m, err);
	if (rc < 0) {
		image_manifest_done(&m);
		return rc;
	}
	*ret = m;
	return 0;
}

void image_manifest_done(struct image_manifest *m)
{
	arena_done(&m->arena);
}
