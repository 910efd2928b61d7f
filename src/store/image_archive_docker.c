/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's form: manifest.json names a config file, layer files and tags for each image. It gives no digests, so
 * those of the layers are the ones that were computed when the archive was split, and a manifest is made.
 */
#include "store/image_archive.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/layer_path.h"
#include "archive/magic.h"
#include "base/cleanup.h"
#include "base/json.h"

static int bad_docker(struct error *err, const char *what)
{
	return error_set(err, ERROR_INVALID, EINVAL, "manifest.json: %s", what);
}

/* The media type of a layer file of a docker-archive, by its first bytes. */
static const char *layer_media_type(int fd)
{
	unsigned char magic[4];
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	return magic_media_type(magic, n > 0 ? (size_t)n : 0);
}

static int read_docker_layers(const struct archive *a, const struct json *list, struct archive_images *out,
			      struct archive_image *i, struct json *descriptors, struct error *err)
{
	size_t count = 0;

	if (json_type(list) != JSON_ARRAY || json_len(list) > IMAGE_MAX_LAYERS)
		return bad_docker(err, "'Layers' must be a list of at most 500 names");
	for (size_t n = 0; n < json_len(list); n++) {
		const char *text = json_str(json_at(list, n));
		const struct worker_member *m;
		struct layer_path path;
		int64_t size;

		if (!text || layer_path_parse(text, &path, err) < 0)
			return bad_docker(err, "an entry of 'Layers' is no valid name");
		autofd int fd = archive_open(a, path.text, &m, &size, err);
		if (fd < 0)
			return error_wrap(err, "layer %zu", n);
		if (!m)
			return bad_docker(err, "found in an OCI layout folder");
		struct archive_blob *b = &ARENA_PUSH(&out->arena, i->layers, count);
		memcpy(b->digest, m->digest, sizeof(b->digest));
		b->size = size;
		b->name = arena_strdup(&out->arena, path.text);
		json_push(descriptors, image_descriptor_json(layer_media_type(fd), b->digest, size));
	}
	return 0;
}

/* A docker-archive has no manifest; one is made, so that the image can be pushed and saved like any other. */
static int make_manifest(struct archive_images *out, struct archive_image *i, struct json *layers, struct error *err)
{
	autojson struct json *m = json_new_object();
	autobuf struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX_BYTES);

	json_set(m, "schemaVersion", json_new_i64(2));
	json_set_str(m, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	json_set(m, "config",
		 image_descriptor_json("application/vnd.oci.image.config.v1+json", i->id, (int64_t)i->config_len));
	json_set(m, "layers", json_ref(layers));
	if (!json_write(m, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the image's manifest is too large");
	i->manifest = arena_strndup(&out->arena, buf_str(&text), text.len);
	i->manifest_len = text.len;
	digest_of(i->manifest, i->manifest_len, i->manifest_digest);
	return 0;
}

static int read_docker_image(const struct archive *a, const struct json *entry, struct archive_images *out,
			     struct error *err)
{
	autojson struct json *descriptors = json_new_array();
	const struct json *tags = json_get(entry, "RepoTags");
	const char *config = json_str(json_get(entry, "Config"));
	struct archive_image i = {0};
	struct layer_path path;
	bool bad = false;

	if (!config || layer_path_parse(config, &path, err) < 0)
		return bad_docker(err, "'Config' must be a name in the archive");
	for (size_t n = 0; n < json_len(tags) && n < 1024; n++) {
		const char *tag = json_str(json_at(tags, n));

		if (tag)
			archive_name_add(&out->arena, &i.names, tag, &bad);
	}
	if (bad)
		return bad_docker(err, "an entry of 'RepoTags' is no valid name");
	if (archive_read_document(a, out, path.text, IMAGE_CONFIG_MAX_BYTES, &i.config, &i.config_len, err) < 0)
		return -err->code;
	if (read_docker_layers(a, json_get(entry, "Layers"), out, &i, descriptors, err) < 0)
		return -err->code;
	int r = archive_image_config(out, &i, json_len(json_get(entry, "Layers")), err);

	if (r == 0)
		r = make_manifest(out, &i, descriptors, err);
	ARENA_PUSH(&out->arena, out->items, out->count) = i;
	return r;
}

int archive_read_docker(const struct archive *a, struct archive_images *out, struct error *err)
{
	autojson struct json *j = NULL;
	const char *text;
	size_t len;

	if (archive_read_document(a, out, "manifest.json", IMAGE_MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    json_parse(text, len, "manifest.json", &j, err) < 0)
		return -err->code;
	if (json_type(j) != JSON_ARRAY || json_len(j) > 1024)
		return bad_docker(err, "it must be a list of at most 1024 images");
	for (size_t n = 0; n < json_len(j); n++) {
		if (read_docker_image(a, json_at(j, n), out, err) < 0)
			return error_wrap(err, "image %zu", n + 1);
	}
	return 0;
}
