/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which images an archive holds. Two forms: OCI (oci-layout, index.json, blobs/) and Docker's (manifest.json beside
 * config and layer files); what `docker save` writes since version 25 is both, and is read as OCI. Only documents are read
 * here, all of them bounded; every digest a document gives is checked against its grammar before it becomes a path, and
 * against the content after reading. Names in the archive are looked up in the list of members, never on disk.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/layer_path.h"
#include "archive/magic.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define LINKS_MAX 16      /* links followed inside an archive */
#define INDEX_DEPTH_MAX 4 /* an index may point to indexes */
#define INDEX_ENTRIES_MAX 4096u
#define DOCUMENTS_MAX_BYTES (16u << 20) /* some thousand images */

void archive_done(struct archive *a)
{
	fd_close(&a->layout_fd);
	free(a->base_name);
}

void archive_images_done(struct archive_images *i)
{
	for (size_t n = 0; n < i->count; n++) {
		if (i->items[n].parsed)
			image_config_done(i->items[n].parsed);
	}
	arena_done(&i->arena);
	*i = (struct archive_images){0};
}

/* ---- files of the archive ---- */

static const struct worker_member *find_member(const struct archive *a, const char *name)
{
	/* The last one of a name counts, as when extracting. */
	for (size_t i = a->split->member_count; i > 0; i--) {
		if (str_eq(a->split->members[i - 1].name, name))
			return &a->split->members[i - 1];
	}
	return NULL;
}

/* @link of the member @from as a name in the archive: relative to its folder, ".." allowed down to the top. */
static int join_link(const struct worker_member *from, char out[static TAR_PATH_MAX + 1], struct error *err)
{
	autostrv struct strv parts = {0}, out_parts = {0};
	size_t at = 0;

	if (from->type == TAR_SYMLINK && from->link[0] != '/')
		strv_split(&parts, from->name, '/');
	if (parts.count > 0) /* the folder, without the link's own name */
		free(parts.items[--parts.count]), parts.items[parts.count] = NULL;
	strv_split(&parts, from->link, '/');
	for (size_t i = 0; i < parts.count; i++) {
		const char *p = parts.items[i];

		if (!*p || str_eq(p, "."))
			continue;
		if (!str_eq(p, "..")) {
			strv_push(&out_parts, p);
		} else {
			if (out_parts.count == 0)
				return error_set(err, ERROR_INVALID, EXDEV, "'%.200s' links out of the archive",
						 from->name);
			free(out_parts.items[--out_parts.count]);
			out_parts.items[out_parts.count] = NULL;
		}
	}
	for (size_t i = 0; i < out_parts.count; i++) {
		size_t len = strlen(out_parts.items[i]);

		if (at + len + 2 > TAR_PATH_MAX)
			return error_set(err, ERROR_INVALID, ENAMETOOLONG, "'%.200s' links too far", from->name);
		if (at)
			out[at++] = '/';
		memcpy(out + at, out_parts.items[i], len);
		at += len;
	}
	out[at] = '\0';
	return 0;
}

static int resolve_member(const struct archive *a, const char *name, const struct worker_member **ret,
			  struct error *err)
{
	char at[TAR_PATH_MAX + 1];

	if (str_copy(at, sizeof(at), name) < 0)
		return error_set(err, ERROR_INVALID, ENAMETOOLONG, "a name in the archive is too long");
	for (int hops = 0; hops < LINKS_MAX; hops++) {
		const struct worker_member *m = find_member(a, at);

		if (!m)
			return error_set(err, ERROR_NOT_FOUND, ENOENT, "the archive has no '%.200s'", at);
		if (m->type == TAR_FILE) {
			*ret = m;
			return 0;
		}
		if (join_link(m, at, err) < 0)
			return -err->code;
	}
	return error_set(err, ERROR_INVALID, ELOOP, "'%.200s': too many links", name);
}

int archive_open(const struct archive *a, const char *name, const struct worker_member **ret_member, int64_t *ret_size,
		 struct error *err)
{
	const struct worker_member *m = NULL;
	autofd int fd = FD_NONE;
	char file[16];
	struct stat st;

	/* O_NONBLOCK: a fifo in a layout folder must not stop us. */
	if (a->layout_fd >= 0) {
		fd = safepath_open(a->layout_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, err);
	} else {
		if (resolve_member(a, name, &m, err) < 0)
			return -err->code;
		snprintf(file, sizeof(file), "m%u", m->number);
		fd = safepath_child(a->staging_fd, file, O_RDONLY | O_NONBLOCK, err);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "'%.200s'", name);
	if (!S_ISREG(st.st_mode) || (m && (st.st_size != m->size || st.st_nlink != 1)))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s' is no regular file", name);
	*ret_size = st.st_size;
	if (ret_member)
		*ret_member = m;
	return take_fd(&fd);
}

/* A document of at most @max bytes, in @out's arena. All documents of an archive together have a bound as well: a small one
 * that is listed a thousand times must not cost a thousand times its size. */
static int read_document(const struct archive *a, struct archive_images *out, const char *name, size_t max,
			 const char **ret, size_t *ret_len, struct error *err)
{
	autobuf struct buf text = BUF_INIT(max);
	int64_t size;
	autofd int fd = archive_open(a, name, NULL, &size, err);

	if (fd < 0)
		return fd;
	if (fd_read_to_end(fd, &text, name, err) < 0)
		return -err->code;
	out->bytes += text.len;
	if (out->bytes > DOCUMENTS_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, E2BIG, "the documents of the archive have more than %u bytes",
				 DOCUMENTS_MAX_BYTES);
	*ret = arena_strndup(&out->arena, "", 0);
	if (text.len > 0) {
		char *copy = arena_alloc(&out->arena, text.len + 1, 1);

		memcpy(copy, text.data, text.len);
		*ret = copy;
	}
	*ret_len = text.len;
	return 0;
}

static const char *blob_name(struct arena *a, const char *digest)
{
	return arena_printf(a, "blobs/sha256/%s", image_digest_hex(digest));
}

int archive_read_blob(const struct archive *a, struct archive_images *out, const struct image_descriptor *d, size_t max,
		      const char **ret, size_t *ret_len, struct error *err)
{
	char is[DIGEST_TEXT_MAX];

	if (!digest_supported(d->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 d->digest);
	if (read_document(a, out, blob_name(&out->arena, d->digest), max, ret, ret_len, err) < 0)
		return -err->code;
	digest_of(*ret, *ret_len, is);
	if (d->size != (int64_t)*ret_len || !str_eq(is, d->digest))
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "blob %s: its content is %zu bytes with digest %s, %lld were promised", d->digest,
				 *ret_len, is, (long long)d->size);
	return 0;
}

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

static void add_name(struct arena *arena, struct spec_strs *names, const char *text, bool *ret_bad)
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

static void add_names(struct arena *arena, struct spec_strs *names, const struct spec_strs *more)
{
	for (size_t i = 0; i < more->count; i++) {
		bool known = false;

		for (size_t k = 0; k < names->count && !known; k++)
			known = str_eq(names->items[k], more->items[i]);
		if (!known)
			spec_strs_push(arena, names, more->items[i]);
	}
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
		add_name(arena, names, full, &bad);
	} else if (ref && strpbrk(ref, ":/")) {
		add_name(arena, names, ref, &bad);
	} else if (ref && *ref) {
		const char *repository = repository_from_file(arena, a->base_name);

		if (repository)
			add_name(arena, names, arena_printf(arena, "%s:%s", repository, ref), &bad);
	}
}

/* ---- one image ---- */

static int parse_config(struct archive_images *out, struct archive_image *i, size_t layer_count, struct error *err)
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
		b->name = blob_name(&out->arena, d->digest);
	}
	return parse_config(out, i, m->layer_count, err);
}

static int read_oci_image(const struct archive *a, const struct image_descriptor *d, const struct spec_strs *names,
			  struct archive_images *out, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	struct archive_image i = {.names = *names};

	for (size_t n = 0; n < out->count; n++) {
		/* A second name for what was read already. */
		if (str_eq(out->items[n].manifest_digest, d->digest)) {
			add_names(&out->arena, &out->items[n].names, names);
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

/* ---- OCI ---- */

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
			add_names(&out->arena, &out->indexes[i].names, names);
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

static int read_oci(const struct archive *a, const struct image_platform *platform, bool all,
		    struct archive_images *out, struct error *err)
{
	struct oci_walk w = {.a = a, .platform = platform, .out = out, .all = all};
	autoclean(image_index_done) struct image_index index = {0};
	struct spec_strs no_names = {0};
	const char *text;
	size_t len;

	if (read_document(a, out, "index.json", IMAGE_MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
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

/* ---- Docker ---- */

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
			add_name(&out->arena, &i.names, tag, &bad);
	}
	if (bad)
		return bad_docker(err, "an entry of 'RepoTags' is no valid name");
	if (read_document(a, out, path.text, IMAGE_CONFIG_MAX_BYTES, &i.config, &i.config_len, err) < 0)
		return -err->code;
	if (read_docker_layers(a, json_get(entry, "Layers"), out, &i, descriptors, err) < 0)
		return -err->code;
	int r = parse_config(out, &i, json_len(json_get(entry, "Layers")), err);

	if (r == 0)
		r = make_manifest(out, &i, descriptors, err);
	ARENA_PUSH(&out->arena, out->items, out->count) = i;
	return r;
}

static int read_docker(const struct archive *a, struct archive_images *out, struct error *err)
{
	autojson struct json *j = NULL;
	const char *text;
	size_t len;

	if (read_document(a, out, "manifest.json", IMAGE_MANIFEST_MAX_BYTES, &text, &len, err) < 0 ||
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

/* ---- choosing ---- */

static bool has_file(const struct archive *a, const char *name)
{
	struct error missing;
	int64_t size;
	autofd int fd = archive_open(a, name, NULL, &size, &missing);

	return fd >= 0;
}

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
	add_name(&images->arena, &names, name, &bad);
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
	const bool old = a->layout_fd < 0 && has_file(a, "repositories");

	/* What skopeo and podman call dir: has a manifest and blobs side by side, and no names. */
	if (a->layout_fd >= 0 && has_file(a, "manifest.json")) {
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

	if (has_file(a, "index.json"))
		r = read_oci(a, &platform, o->all_platforms, &images, err);
	else if (a->layout_fd < 0 && has_file(a, "manifest.json"))
		r = read_docker(a, &images, err);
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
