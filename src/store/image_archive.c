/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images an archive holds. Two forms: OCI (oci-layout, index.json, blobs/; image_archive_oci.c) and Docker's
 * (manifest.json beside config and layer files; image_archive_docker.c); what `docker save` writes since version 25
 * is both, and is read as OCI. Only documents are read, all of them bounded (image_archive_files.c); every digest a
 * document gives is checked against its grammar before it becomes a path, and against the content after reading.
 */
#include "store/image_archive.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

void archive_images_done(struct archive_images *i)
{
	for (size_t n = 0; n < i->count; n++) {
		if (i->items[n].parsed)
			image_config_done(i->items[n].parsed);
	}
	arena_done(&i->arena);
	*i = (struct archive_images){0};
}

/* ---- names ---- */

void archive_name_add(struct arena *arena, struct spec_strs *names, const char *text, bool *ret_bad)
{
	struct image_reference ref;
	struct error err;

	if (image_reference_parse(arena, text, &ref, &err) < 0 || (ref.digest && !ref.tag)) {
		*ret_bad = true;
		return;
	}
	if (!ref.tag)
		ref.tag = "latest";
	ref.digest = NULL;
	const char *full = image_reference_full(arena, &ref);

	for (size_t i = 0; i < names->count; i++) {
		if (str_eq(names->items[i], full))
			return;
	}
	spec_strs_push(arena, names, full);
}

void archive_names_join(struct arena *arena, struct spec_strs *names, const struct spec_strs *more)
{
	for (size_t i = 0; i < more->count; i++) {
		bool known = false;

		for (size_t k = 0; k < names->count && !known; k++)
			known = str_eq(names->items[k], more->items[i]);
		if (!known)
			spec_strs_push(arena, names, more->items[i]);
	}
}

/* ---- configs ---- */

int archive_image_config(struct archive_images *out, struct archive_image *i, size_t layer_count, struct error *err)
{
	i->parsed = arena_alloc(&out->arena, 1, sizeof(*i->parsed));
	struct image_config config;

	digest_of(i->config, i->config_len, i->id);
	if (image_config_parse(i->config, i->config_len, "image config", &config, err) < 0) {
		i->parsed = NULL;
		return -err->code;
	}
	*i->parsed = config;
	if (config.diff_ids.count != layer_count)
		return error_set(err, ERROR_INVALID, EINVAL, "the image has %zu layers, its config speaks of %zu",
				 layer_count, config.diff_ids.count);
	for (size_t n = 0; n < config.diff_ids.count; n++) {
		if (!digest_supported(config.diff_ids.items[n]))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "diff_id '%.100s': only sha256 is supported", config.diff_ids.items[n]);
	}
	return 0;
}

/* ---- choosing ---- */

/* Is the image here as one of an index only? */
static bool belongs_to_index(const struct archive_images *images, const struct archive_image *image)
{
	for (size_t i = 0; image->names.count == 0 && i < images->index_count; i++) {
		if (str_eq(images->indexes[i].image, image->id))
			return true;
	}
	return false;
}

static int give_name(struct archive_images *images, const char *name, struct error *err)
{
	struct spec_strs names = {0};
	size_t things = images->index_count;
	bool bad = false;

	for (size_t i = 0; i < images->count; i++)
		things += !belongs_to_index(images, &images->items[i]);
	if (things > 1)
		return error_set(err, ERROR_INVALID, EINVAL, "%zu images cannot all be named '%s'", things, name);
	archive_name_add(&images->arena, &names, name, &bad);
	if (bad)
		return error_set(err, ERROR_INVALID, EINVAL, "'%s' is no valid image name", name);
	if (images->index_count)
		images->indexes[0].names = names;
	else
		images->items[0].names = names;
	return 0;
}

static int no_image(const struct archive *a, struct error *err)
{
	const bool old = a->layout_fd < 0 && archive_has(a, "repositories");

	/* What skopeo and podman call dir: has a manifest and blobs side by side, and no names. */
	if (a->layout_fd >= 0 && archive_has(a, "manifest.json")) {
		error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "this folder is no OCI layout: it has no index.json");
		return error_hint(
			err,
			"if it is a `dir:` of skopeo or podman: skopeo copy dir:FOLDER oci:LAYOUT makes one of it");
	}
	error_set(err, ERROR_INVALID, EINVAL,
		  "this is no image: neither index.json (OCI) nor manifest.json (docker-archive) is in it");
	if (old)
		return error_hint(err,
				  "a docker before 1.10 wrote it: load it with docker, save it again, and load that");
	return -err->code;
}

int archive_read(const struct archive *a, const struct store_load_options *o, struct archive_images *ret,
		 struct error *err)
{
	autoclean(archive_images_done) struct archive_images images = {0};
	struct image_platform platform = o->platform ? *o->platform : image_platform_native();
	int r;

	if (archive_has(a, "index.json"))
		r = archive_read_oci(a, &platform, o->all_platforms, &images, err);
	else if (a->layout_fd < 0 && archive_has(a, "manifest.json"))
		r = archive_read_docker(a, &images, err);
	else
		return no_image(a, err);
	if (r < 0)
		return r;
	if (images.count == 0 && images.index_count == 0)
		return error_set(err, ERROR_INVALID, ENOENT, "there is no image in it");
	for (size_t i = 0; o->no_names && i < images.count; i++)
		images.items[i].names = (struct spec_strs){0};
	if (o->name && give_name(&images, o->name, err) < 0)
		return -err->code;
	for (size_t i = 0; i < images.index_count; i++) {
		/* An index stays for its names. */
		if (images.indexes[i].names.count == 0)
			return error_hint((error_set(err, ERROR_INVALID, EINVAL,
						     "the index %s has no name to be kept by",
						     images.indexes[i].digest),
					   err),
					  "give it one: --name NAME:TAG");
	}
	*ret = images;
	images = (struct archive_images){0};
	return 0;
}
