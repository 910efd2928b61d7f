/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From images to an archive, the second step: what the plan (save_plan.c) holds open is written. This needs neither a lock nor the
 * index, so that nobody waits for a slow reader, and a blob that is removed meanwhile is still read to its end.
 *
 * Blobs go out as they came in. Layers that came in compressed stay so in docker-archives, too: docker, podman and skopeo
 * look at the content, not at the name. What an archive says depends on the images and on who saves them alone.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/tar_write.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"

static const char *const format_names[] = {
	[STORE_SAVE_BOTH] = "docker-oci-archive", [STORE_SAVE_DOCKER_ARCHIVE] = "docker-archive",
	[STORE_SAVE_OCI_ARCHIVE] = "oci-archive", [STORE_SAVE_OCI_DIR] = "oci-dir",
	[STORE_SAVE_DOCKER_DIR] = "docker-dir",
};
_Static_assert(ARRAY_SIZE(format_names) == STORE_SAVE_FORMAT_COUNT, "a word for each format");

const char *store_save_format_name(enum store_save_format f)
{
	return f < STORE_SAVE_FORMAT_COUNT ? format_names[f] : "?";
}

int store_save_format_parse(const char *word, enum store_save_format *ret, struct error *err)
{
	for (int f = 0; f < STORE_SAVE_FORMAT_COUNT; f++) {
		if (str_eq(format_names[f], word)) {
			*ret = (enum store_save_format)f;
			return 0;
		}
	}
	return error_set(err, ERROR_INVALID, EINVAL,
			 "--format: expected docker-archive, oci-archive, oci-dir or docker-dir, got \"%.100s\"", word);
}

/* ---- documents of an archive ---- */

static struct json *index_entry(const struct store_saved_image *i, const char *name)
{
	struct json *d = json_new_object(), *annotations;
	struct image_reference ref;
	struct arena a = {0};
	struct error err;

	json_set_str(d, "mediaType", i->media_type);
	json_set_str(d, "digest", i->target);
	json_set(d, "size", json_new_i64(i->target_size));
	if (name && image_reference_parse(&a, name, &ref, &err) == 0) {
		annotations = json_new_object();
		json_set_str(annotations, "io.containerd.image.name", name);
		json_set_str(annotations, "org.opencontainers.image.ref.name", ref.tag);
		json_set(d, "annotations", annotations);
	}
	arena_done(&a);
	return d;
}

/* index.json of a layout: one entry for each name. */
static struct json *make_index(const struct store_save_plan *p)
{
	struct json *j = json_new_object(), *manifests = json_new_array();

	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", "application/vnd.oci.image.index.v1+json");
	for (size_t i = 0; i < p->image_count; i++) {
		const struct store_saved_image *image = &p->images[i];

		for (size_t n = 0; n < image->names.count; n++)
			json_push(manifests, index_entry(image, image->names.items[n]));
		if (!image->names.count)
			json_push(manifests, index_entry(image, NULL));
	}
	json_set(j, "manifests", manifests);
	return j;
}

/* The name of a blob in this kind of archive. */
static void blob_name(enum store_save_format f, const struct store_saved_blob *b,
		      char out[static TAR_WRITE_NAME_MAX + 1])
{
	const char *hex = image_digest_hex(b->digest);

	switch (f) {
	case STORE_SAVE_DOCKER_ARCHIVE:
		(void)snprintf(out, TAR_WRITE_NAME_MAX + 1, "%s.%s", hex, b->layer ? "tar" : "json");
		return;
	case STORE_SAVE_DOCKER_DIR:
		(void)snprintf(out, TAR_WRITE_NAME_MAX + 1, "%s", hex);
		return;
	default:
		(void)snprintf(out, TAR_WRITE_NAME_MAX + 1, "blobs/sha256/%s", hex);
	}
}

/* Docker's manifest.json. */
static struct json *make_docker(const struct store_save_plan *p, enum store_save_format f)
{
	struct json *j = json_new_array();
	char name[TAR_WRITE_NAME_MAX + 1];

	for (size_t i = 0; i < p->image_count; i++) {
		const struct store_saved_image *image = &p->images[i];
		if (!image->id) /* an index without an image for this machine: Docker's form has no word for it */
			continue;
		struct json *entry = json_new_object(), *tags = json_new_array(), *layers = json_new_array();

		blob_name(f, &p->blobs[image->config], name);
		json_set_str(entry, "Config", name);
		/* In full: podman takes a short name here for one of localhost. */
		for (size_t n = 0; n < image->names.count; n++)
			json_push(tags, json_new_str(image->names.items[n]));
		json_set(entry, "RepoTags", image->names.count ? tags : NULL);
		if (!image->names.count)
			json_unref(tags);
		for (size_t n = 0; n < image->layer_count; n++) {
			blob_name(f, &p->blobs[image->layers[n]], name);
			json_push(layers, json_new_str(name));
		}
		json_set(entry, "Layers", layers);
		json_push(j, entry);
	}
	return j;
}

/* ---- writing ---- */

struct writer {
	const struct store_save_plan *plan;
	enum store_save_format format;
	int fd;     /* borrowed; the archive, or the folder */
	int dir_fd; /* owned; where blobs go in a folder */
	struct tar_write_progress progress;
	store_watch_fn watch; /* NULL: nobody */
	void *watch_arg;
	struct store_watched *watched; /* owned; the layers that are written */
	size_t watched_count, current;
};

static void writer_done(struct writer *w)
{
	fd_close(&w->dir_fd);
	free(w->watched);
}

/* ---- who watches ---- */

static void watch_begin(struct writer *w, store_watch_fn watch, void *arg)
{
	if (!watch)
		return;
	w->watch = watch;
	w->watch_arg = arg;
	for (size_t i = 0; i < w->plan->blob_count; i++) {
		const struct store_saved_blob *b = &w->plan->blobs[i];

		if (b->layer && !b->skip)
			VEC_PUSH(w->watched, w->watched_count) =
				(struct store_watched){.digest = b->digest, .size = (uint64_t)b->size};
	}
}

static void watch_state(struct writer *w, const struct store_saved_blob *b, enum store_watched_state state)
{
	if (!w->watch || !b->layer)
		return;
	w->watched[w->current].state = state;
	w->watch(w->watch_arg, w->watched, w->watched_count);
	w->current += state == STORE_WATCHED_SAVED;
}

/* Documents are no layers: they are small, and written first. */
static void step(void *arg, uint64_t bytes)
{
	struct writer *w = arg;

	if (!w->watch || w->current >= w->watched_count || w->watched[w->current].state != STORE_WATCHED_SAVING)
		return;
	w->watched[w->current].at += bytes;
	w->watch(w->watch_arg, w->watched, w->watched_count);
}

/* The last component of @name, made in the folder it belongs to. */
static int create_in_folder(struct writer *w, const char *name, struct error *err)
{
	const char *slash = strrchr(name, '/');
	autofd int fd = safepath_create_file(slash ? w->dir_fd : w->fd, slash ? slash + 1 : name, O_WRONLY, 0644,
					     SAFEPATH_KEEP, err);

	return fd < 0 ? fd : take_fd(&fd);
}

static int write_text(struct writer *w, const char *name, const char *text, size_t len, struct error *err)
{
	if (!store_save_is_folder(w->format))
		return tar_write_text(w->fd, name, text, len, err);
	autofd int fd = create_in_folder(w, name, err);
	int r = fd < 0 ? fd : fd_write_all(fd, text, len);

	return fd < 0 ? fd : r < 0 ? error_sys(err, -r, "write '%s'", name) : 0;
}

static int write_json(struct writer *w, const char *name, struct json *j, struct error *err)
{
	autobuf struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX_BYTES);

	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "'%s' would be too large: save fewer images at once", name);
	return write_text(w, name, buf_str(&text), text.len, err);
}

static int write_blob(struct writer *w, const struct store_saved_blob *b, struct error *err)
{
	char name[TAR_WRITE_NAME_MAX + 1];

	blob_name(w->format, b, name);
	if (!store_save_is_folder(w->format))
		return tar_write_file(w->fd, name, b->fd, (uint64_t)b->size, &w->progress, err);
	autofd int fd = create_in_folder(w, name, err);

	return fd < 0 ? fd : tar_write_copy(fd, b->fd, (uint64_t)b->size, &w->progress, err);
}

static bool is_manifest(const struct store_save_plan *p, const struct store_saved_blob *b)
{
	for (size_t i = 0; i < p->image_count; i++) {
		if (str_eq(p->images[i].target, b->digest) || str_eq(p->images[i].manifest_digest, b->digest))
			return true;
	}
	return false;
}

/* Documents first: who reads a stream knows early what will come. */
static int write_blobs(struct writer *w, bool layers, struct error *err)
{
	bool manifests = w->format != STORE_SAVE_DOCKER_ARCHIVE && w->format != STORE_SAVE_DOCKER_DIR;

	for (size_t i = 0; i < w->plan->blob_count; i++) {
		const struct store_saved_blob *b = &w->plan->blobs[i];

		if (b->layer != layers || b->skip || (!layers && !manifests && is_manifest(w->plan, b)))
			continue;
		watch_state(w, b, STORE_WATCHED_SAVING);
		if (write_blob(w, b, err) < 0)
			return error_wrap(err, "blob %s", b->digest);
		watch_state(w, b, STORE_WATCHED_SAVED);
	}
	return 0;
}

static int write_oci(struct writer *w, struct error *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	autojson struct json *index = make_index(w->plan);

	if (write_text(w, "oci-layout", layout, sizeof(layout) - 1, err) < 0 ||
	    write_json(w, "index.json", index, err) < 0)
		return -err->code;
	if (store_save_is_folder(w->format))
		return 0;
	if (tar_write_folder(w->fd, "blobs/", err) < 0)
		return -err->code;
	return tar_write_folder(w->fd, "blobs/sha256/", err);
}

static int write_docker(struct writer *w, struct error *err)
{
	autojson struct json *j = make_docker(w->plan, w->format);

	/* An empty list would be an archive without images to who looks at it first. */
	if (json_len(j) == 0)
		return 0;
	return write_json(w, "manifest.json", j, err);
}

static int write_docker_dir(struct writer *w, struct error *err)
{
	static const char version[] = "Directory Transport Version: 1.1\n";
	autobuf struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX_BYTES);

	if (w->plan->image_count != 1)
		return error_set(err, ERROR_INVALID, EINVAL, "docker-dir holds one image, %zu were named",
				 w->plan->image_count);
	for (size_t i = 0; i < w->plan->blob_count; i++) {
		const struct store_saved_blob *b = &w->plan->blobs[i];

		if (!str_eq(b->digest, w->plan->images[0].manifest_digest))
			continue;
		if (lseek(b->fd, 0, SEEK_SET) < 0 || fd_read_to_end(b->fd, &text, "the manifest", err) < 0)
			return -err->code;
	}
	if (write_text(w, "version", version, sizeof(version) - 1, err) < 0)
		return -err->code;
	return write_text(w, "manifest.json", buf_str(&text), text.len, err);
}

static int make_folders(struct writer *w, struct error *err)
{
	if (w->format == STORE_SAVE_DOCKER_DIR) {
		w->dir_fd = fd_dup_min(w->fd, 3);
		return w->dir_fd < 0 ? error_sys(err, -w->dir_fd, "open the folder") : 0;
	}
	if (safepath_new_dir(w->fd, "blobs", 0777, err) < 0)
		return -err->code;
	autofd int blobs = safepath_child(w->fd, "blobs", O_RDONLY | O_DIRECTORY, err);
	if (blobs < 0 || safepath_new_dir(blobs, "sha256", 0777, err) < 0)
		return -err->code;
	w->dir_fd = safepath_child(blobs, "sha256", O_RDONLY | O_DIRECTORY, err);
	return w->dir_fd < 0 ? w->dir_fd : 0;
}

int store_save_write(const struct store_save_plan *p, enum store_save_format format, int fd, store_watch_fn watch,
		     void *arg, struct error *err)
{
	autoclean(writer_done) struct writer w = {.plan = p, .format = format, .fd = fd, .dir_fd = FD_NONE};
	bool folder = store_save_is_folder(format);
	int r = folder ? make_folders(&w, err) : 0;

	w.progress = (struct tar_write_progress){.step = step, .arg = &w};
	watch_begin(&w, watch, arg);

	if (r == 0 && format == STORE_SAVE_DOCKER_DIR)
		r = write_docker_dir(&w, err);
	if (r == 0 && format != STORE_SAVE_DOCKER_ARCHIVE && format != STORE_SAVE_DOCKER_DIR)
		r = write_oci(&w, err);
	if (r == 0 && (format == STORE_SAVE_BOTH || format == STORE_SAVE_DOCKER_ARCHIVE))
		r = write_docker(&w, err);
	if (r == 0)
		r = write_blobs(&w, false, err);
	if (r == 0)
		r = write_blobs(&w, true, err);
	return r == 0 && !folder ? tar_write_end(fd, err) : r;
}
