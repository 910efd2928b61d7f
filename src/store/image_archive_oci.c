/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI form: index.json lists manifests and indexes, which may list further ones. At the top everything is taken
 * that is an image; in an index below, the manifest for the platform asked for, or the index as it is with all its
 * platforms. Names are annotations of the entries at the top.
 */
#include "store/image_archive.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define INDEX_DEPTH_MAX 4 /* an index may point to indexes */
#define INDEX_ENTRIES_MAX 4096u

/* ---- names ---- */

/* The file's name without folder and endings, as far as it can be a repository's. NULL: nothing is left. */
static char *repository_from_file(struct arena *arena, const char *file)
{
	static const char *const endings[] = {".gz", ".zst", ".tgz", ".tar", ".oci", ".docker"};
	char *name = arena_strdup(arena, file ? file : "");
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		if (str_ends(name, endings[i]))
			name[strlen(name) - strlen(endings[i])] = '\0';
	}
	for (const char *p = name; *p; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain || (at > 0 && (c == '-' || c == '.' || c == '_') && name[at - 1] != c))
			name[at++] = c;
	}
	while (at > 0 && (name[at - 1] == '-' || name[at - 1] == '.' || name[at - 1] == '_'))
		at--;
	name[at] = '\0';
	return at ? name : NULL;
}

/* Names of an OCI index entry: containerd's annotation is always whole; OCI's may be a mere tag (image-spec annotations.md),
 * which then belongs to a repository named after the file. */
static void names_from_annotations(const struct archive *a, struct arena *arena, const struct spec_map *m,
				   struct spec_strs *names)
{
	const char *full = spec_map_get(m, "io.containerd.image.name"),
		   *ref = spec_map_get(m, "org.opencontainers.image.ref.name");
	bool bad = false;

	if (full && *full) {
		archive_name_add(arena, names, full, &bad);
	} else if (ref && strpbrk(ref, ":/")) {
		archive_name_add(arena, names, ref, &bad);
	} else if (ref && *ref) {
		const char *repository = repository_from_file(arena, a->base_name);

		if (repository)
			archive_name_add(arena, names, arena_printf(arena, "%s:%s", repository, ref), &bad);
	}
}

/* ---- one image ---- */

static int take_layers(struct archive_images *out, struct archive_image *i, const struct image_manifest *m,
		       struct error *err)
{
	size_t count = 0;

	for (size_t n = 0; n < m->layer_count; n++) {
		const struct image_descriptor *d = &m->layers[n];

		if (image_media_from_type(d->media_type, NULL) != IMAGE_MEDIA_LAYER)
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "layer %zu has the media type '%.100s'", n,
					 d->media_type);
		if (!digest_supported(d->digest))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "digest '%.100s': only sha256 is supported", d->digest);
		struct archive_blob *b = &ARENA_PUSH(&out->arena, i->layers, count);

		(void)str_copy(b->digest, sizeof(b->digest), d->digest);
		b->size = d->size;
		b->name = archive_blob_name(&out->arena, d->digest);
	}
	return archive_image_config(out, i, m->layer_count, err);
}

static int read_oci_image(const struct archive *a, const struct image_descriptor *d, const struct spec_strs *names,
			  struct archive_images *out, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	struct archive_image i = {.names = *names};

	for (size_t n = 0; n < out->count; n++) {
		/* A second name for what was read already. */
		if (str_eq(out->items[n].manifest_digest, d->digest)) {
			archive_names_join(&out->arena, &out->items[n].names, names);
			return 0;
		}
	}
	(void)str_copy(i.manifest_digest, sizeof(i.manifest_digest), d->digest);
	if (archive_read_blob(a, out, d, IMAGE_MANIFEST_MAX_BYTES, &i.manifest, &i.manifest_len, err) < 0 ||
	    image_manifest_parse(i.manifest, i.manifest_len, "manifest", &m, err) < 0)
		return -err->code;
	if (image_media_from_type(m.config.media_type, NULL) != IMAGE_MEDIA_CONFIG)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "manifest %s is no container image (config of type '%.100s')", d->digest,
				 m.config.media_type);
	if (archive_read_blob(a, out, &m.config, IMAGE_CONFIG_MAX_BYTES, &i.config, &i.config_len, err) < 0)
		return error_wrap(err, "image config");
	int r = take_layers(out, &i, &m, err);

	ARENA_PUSH(&out->arena, out->items, out->count) = i; /* owns i.parsed, in case of failure too */
	return r;
}

/* ---- indexes ---- */

struct oci_walk {
	const struct archive *a;
	const struct image_platform *platform;
	struct archive_images *out;
	bool all; /* indexes are kept with all their platforms */
	size_t seen;
};

static bool is_attestation(const struct image_descriptor *d)
{
	return spec_map_get(&d->annotations, "vnd.docker.reference.type") ||
	       (str_eq(d->platform.os, "unknown") && str_eq(d->platform.architecture, "unknown"));
}

static int read_index(struct oci_walk *w, const struct image_index *index, const struct spec_strs *inherited, int depth,
		      struct error *err);

/* --all-platforms: the index is kept, its image for this machine is read like any other. */
static int keep_index(struct oci_walk *w, const struct image_descriptor *d, const struct image_index *index,
		      const struct spec_strs *names, struct error *err)
{
	struct archive_images *out = w->out;
	const struct image_descriptor *native;
	const struct spec_strs no_names = {0};
	struct archive_index kept = {.names = *names};

	w->seen += index->manifest_count;
	if (w->seen > INDEX_ENTRIES_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "the indexes have more than %u entries", INDEX_ENTRIES_MAX);
	for (size_t i = 0; i < out->index_count; i++) {
		if (str_eq(out->indexes[i].digest, d->digest)) {
			archive_names_join(&out->arena, &out->indexes[i].names, names);
			return 0;
		}
	}
	if (archive_index_read(w->a, out, d, index, w->platform, &kept, &native, err) < 0 ||
	    (native && read_oci_image(w->a, native, &no_names, out, err) < 0))
		return -err->code;
	for (size_t i = 0; native && i < out->count; i++) {
		if (str_eq(out->items[i].manifest_digest, native->digest))
			(void)str_copy(kept.image, sizeof(kept.image), out->items[i].id);
	}
	ARENA_PUSH(&out->arena, out->indexes, out->index_count) = kept;
	return 0;
}

static int read_descriptor(struct oci_walk *w, const struct image_descriptor *d, const struct spec_strs *names,
			   int depth, struct error *err)
{
	autoclean(image_index_done) struct image_index index = {0};
	const char *text;
	size_t len;

	switch (image_media_from_type(d->media_type, NULL)) {
	case IMAGE_MEDIA_MANIFEST:
		return read_oci_image(w->a, d, names, w->out, err);
	case IMAGE_MEDIA_INDEX:
		if (depth >= INDEX_DEPTH_MAX)
			return error_set(err, ERROR_LIMIT, ELOOP, "indexes point to indexes more than %d deep",
					 INDEX_DEPTH_MAX);
		if (archive_read_blob(w->a, w->out, d, IMAGE_MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
		    image_index_parse(text, len, "index", &index, err) < 0)
			return -err->code;
		if (w->all)
			return keep_index(w, d, &index, names, err);
		return read_index(w, &index, names, depth + 1, err);
	default:
		return 0; /* not for us: an artifact beside the images */
	}
}

/* In an index below the top, entries are one image for different platforms: exactly one is taken. */
static int choose_platform(struct oci_walk *w, const struct image_index *index, const struct spec_strs *names,
			   int depth, struct error *err)
{
	const struct image_descriptor *only = NULL, *best = image_index_choose(index, w->platform);
	size_t candidates = 0;

	if (best)
		return read_descriptor(w, best, names, depth, err);
	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];

		if (is_attestation(d))
			continue;
		only = d;
		candidates++;
		if (d->platform.os && image_platform_match(w->platform, &d->platform))
			return read_descriptor(w, d, names, depth, err);
	}
	if (candidates == 1 && !only->platform.os)
		return read_descriptor(w, only, names, depth, err);
	error_set(err, ERROR_UNSUPPORTED, ENOENT,
		  "the image has nothing for the platform %s/%s%s%s among its %zu manifests", w->platform->os,
		  w->platform->architecture, w->platform->variant ? "/" : "",
		  w->platform->variant ? w->platform->variant : "", candidates);
	return error_hint(err, "choose one that it has with --platform");
}

static int read_index(struct oci_walk *w, const struct image_index *index, const struct spec_strs *inherited, int depth,
		      struct error *err)
{
	w->seen += index->manifest_count;
	if (w->seen > INDEX_ENTRIES_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "the indexes have more than %u entries", INDEX_ENTRIES_MAX);
	if (depth > 0)
		return choose_platform(w, index, inherited, depth, err);
	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];
		struct spec_strs names = {0};

		if (is_attestation(d))
			continue;
		names_from_annotations(w->a, &w->out->arena, &d->annotations, &names);
		if (read_descriptor(w, d, &names, depth, err) < 0)
			return error_wrap(err, "image %s", names.count ? names.items[0] : d->digest);
	}
	return 0;
}

/* One image of several platforms may stand at the top as manifests without names: then the platform decides, too. */
static bool top_is_platforms(const struct image_index *index)
{
	size_t platforms = 0;

	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];

		if (is_attestation(d))
			continue;
		if (!d->platform.os || spec_map_get(&d->annotations, "org.opencontainers.image.ref.name") ||
		    spec_map_get(&d->annotations, "io.containerd.image.name"))
			return false;
		platforms++;
	}
	return platforms > 1;
}

int archive_read_oci(const struct archive *a, const struct image_platform *platform, bool all,
		     struct archive_images *out, struct error *err)
{
	struct oci_walk w = {.a = a, .platform = platform, .out = out, .all = all};
	autoclean(image_index_done) struct image_index index = {0};
	struct spec_strs no_names = {0};
	const char *text;
	size_t len;

	if (archive_read_document(a, out, "index.json", IMAGE_MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
	    image_index_parse(text, len, "index.json", &index, err) < 0)
		return -err->code;
	const bool platforms = top_is_platforms(&index);

	if (all && platforms)
		return error_hint((error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					     "its platforms stand in index.json itself, not in an index with a digest"),
				   err),
				  "load them one by one with --platform, and join them with `bothy manifest create`");
	return read_index(&w, &index, &no_names, platforms ? 1 : 0, err);
}
