/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts: files in a registry under a name (OCI image-spec 1.1, "Guidelines for Artifact Usage"). A file is a blob whose
 * annotation org.opencontainers.image.title is its name; the config is the empty object. Here they go from and to folders of
 * the user, in artifact_store.c by way of the store; artifact_place.c puts them where they go.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/artifact.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define PIPE_BYTES 65536

int artifact_open_session(const char *text, unsigned access, const struct engine_registry_options *o, struct arena *a,
			  struct image_reference *ret_ref, struct registry **ret, struct error *err)
{
	if (image_reference_parse(a, text, ret_ref, err) < 0)
		return -err->code;
	if (!ret_ref->tag && !ret_ref->digest)
		ret_ref->tag = "latest";
	return engine_registry_open(ret_ref->domain, ret_ref->path, access, o, ret, err);
}

/* ---- push ---- */

static int open_file(struct arena *a, const char *word, const char *type, struct artifact_file *ret, struct error *err)
{
	const char *colon = strrchr(word, ':');
	struct artifact_file f = {.fd = FD_NONE, .type = type ? type : "application/octet-stream"};

	f.path = arena_strdup(a, word);
	if (colon && colon > word && strchr(colon, '/') && str_has_control(colon) == false && colon[1] != '/') {
		f.path = arena_strndup(a, word, (size_t)(colon - word));
		f.type = arena_strdup(a, colon + 1);
	}
	const char *slash = strrchr(f.path, '/');
	f.title = slash ? slash + 1 : f.path;
	if (!safepath_name_valid(f.title))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s' does not name a file", word);
	autofd int fd = safepath_host_open(f.path, O_RDONLY | O_NONBLOCK, 0, err);
	if (fd < 0 || store_digest_file(fd, f.digest, &f.size, err) < 0)
		return error_wrap(err, "'%.200s'", f.path);
	f.fd = take_fd(&fd);
	*ret = f;
	return 0;
}

int artifact_push_bytes(struct registry *r, const char *digest, int64_t size, int fd, struct error *err)
{
	struct registry_event e;
	int64_t id = registry_push_blob(r, digest, (uint64_t)size, fd, NULL, err);

	return id < 0 ? -err->code : registry_wait(r, id, &e, NULL, NULL, err);
}

/* The manifest that this one belongs to, as a descriptor: by its content, since a registry may tell of digest and length wrong
 * things or nothing. */
static int find_subject(struct registry *r, const char *subject, struct json **ret, struct error *err)
{
	char digest[STORE_ID_MAX];
	struct registry_event e;
	int64_t id = registry_get_manifest(r, subject, false, err);

	if (id < 0 || registry_wait(r, id, &e, NULL, NULL, err) < 0)
		return error_wrap(err, "subject '%.200s'", subject);
	if (!e.text || !e.media_type)
		return error_set(err, ERROR_INVALID, EPROTO, "subject '%.200s': the registry does not say what it is",
				 subject);
	store_digest_text(e.text, e.len, digest);
	*ret = image_descriptor_json(e.media_type, digest, (int64_t)e.len);
	return 0;
}

static int set_annotations(const struct engine_artifact_options *o, struct json *manifest, struct error *err)
{
	struct json *map = json_get(manifest, "annotations");

	if (o->annotations.count && json_type(map) != JSON_OBJECT) {
		map = json_new_object();
		json_set(manifest, "annotations", map);
	}
	for (size_t i = 0; i < o->annotations.count; i++) {
		const char *pair = o->annotations.items[i], *is = strchr(pair, '=');

		if (!is || is == pair)
			return error_set(err, ERROR_INVALID, EINVAL, "--annotation: expected KEY=VALUE, got \"%.100s\"",
					 pair);
		autofree char *key = mem_strndup(pair, (size_t)(is - pair));
		json_set(map, key, json_new_str(is + 1));
	}
	return 0;
}

static struct json *layer_of(const struct artifact_file *f)
{
	struct json *d = image_descriptor_json(f->type, f->digest, f->size), *annotations = json_new_object();

	json_set_str(annotations, ARTIFACT_TITLE, f->title);
	json_set(d, "annotations", annotations);
	return d;
}

int artifact_push_manifest(struct registry *r, const struct image_reference *ref, const char *text, size_t len,
			   struct error *err)
{
	struct registry_event e;
	int64_t id =
		registry_push_manifest(r, ref->digest ? ref->digest : ref->tag, ARTIFACT_MANIFEST_TYPE, text, len, err);

	return id < 0 ? -err->code : registry_wait(r, id, &e, NULL, NULL, err);
}

int artifact_manifest(const struct engine_artifact_options *o, const struct artifact_files *files, struct json **ret,
		      struct error *err)
{
	autojson struct json *m = json_new_object();
	struct json *layers = json_new_array();
	char empty_digest[STORE_ID_MAX];

	json_set(m, "schemaVersion", json_new_i64(2));
	json_set_str(m, "mediaType", ARTIFACT_MANIFEST_TYPE);
	json_set_str(m, "artifactType", o->type ? o->type : "application/vnd.unknown.artifact.v1");
	store_digest_text(ARTIFACT_EMPTY_TEXT, strlen(ARTIFACT_EMPTY_TEXT), empty_digest);
	json_set(m, "config",
		 image_descriptor_json(ARTIFACT_EMPTY_TYPE, empty_digest, (int64_t)strlen(ARTIFACT_EMPTY_TEXT)));
	json_set(m, "layers", layers);
	for (size_t i = 0; i < files->count; i++)
		json_push(layers, layer_of(&files->items[i]));
	if (set_annotations(o, m, err) < 0)
		return -err->code;
	*ret = take_ptr(&m);
	return 0;
}

int artifact_manifest_append(const struct engine_artifact_options *o, const struct artifact_files *files,
			     struct json *manifest, struct error *err)
{
	struct json *layers = json_get(manifest, "layers");

	if (json_type(layers) != JSON_ARRAY)
		return error_set(err, ERROR_INVALID, EINVAL, "its manifest lists no files");
	for (size_t i = 0; i < files->count; i++) {
		const struct artifact_file *f = &files->items[i];

		for (size_t k = 0; k < json_len(layers); k++) {
			if (str_eq(json_str(json_get(json_get(json_at(layers, k), "annotations"), ARTIFACT_TITLE)),
				   f->title))
				return error_set(err, ERROR_CONFLICT, EEXIST, "it has a file '%.200s' already",
						 f->title);
		}
		json_push(layers, layer_of(f));
	}
	return set_annotations(o, manifest, err);
}

static int push_all(struct registry *r, const struct image_reference *ref, const struct engine_artifact_options *o,
		    const struct artifact_files *files, char ret_digest[static STORE_ID_MAX], struct error *err)
{
	autofd int empty = fd_memory("empty", ARTIFACT_EMPTY_TEXT, strlen(ARTIFACT_EMPTY_TEXT));
	autobuf struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX_BYTES);
	autojson struct json *m = NULL;
	struct json *subject = NULL;
	char empty_digest[STORE_ID_MAX];

	store_digest_text(ARTIFACT_EMPTY_TEXT, strlen(ARTIFACT_EMPTY_TEXT), empty_digest);
	if (artifact_manifest(o, files, &m, err) < 0)
		return -err->code;
	if (empty < 0)
		return error_sys(err, -empty, "push the empty config");
	if (artifact_push_bytes(r, empty_digest, (int64_t)strlen(ARTIFACT_EMPTY_TEXT), empty, err) < 0)
		return -err->code;
	for (size_t i = 0; i < files->count; i++) {
		const struct artifact_file *f = &files->items[i];

		if (artifact_push_bytes(r, f->digest, f->size, f->fd, err) < 0)
			return error_wrap(err, "'%.200s'", f->path);
	}
	if (o->subject) {
		if (find_subject(r, o->subject, &subject, err) < 0)
			return -err->code;
		json_set(m, "subject", subject);
	}
	if (!json_write(m, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the artifact's manifest would be too large");
	store_digest_text(buf_str(&text), text.len, ret_digest);
	if (ref->digest && !str_eq(ref->digest, ret_digest))
		return error_set(err, ERROR_INVALID, EINVAL, "the artifact has digest %s: push it by a tag",
				 ret_digest);
	return artifact_push_manifest(r, ref, buf_str(&text), text.len, err);
}

static int no_twins(const struct artifact_files *files, struct error *err)
{
	for (size_t i = 0; i < files->count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (str_eq(files->items[i].title, files->items[k].title))
				return error_set(err, ERROR_INVALID, EEXIST, "two files are called '%.200s'",
						 files->items[i].title);
		}
	}
	return 0;
}

int artifact_files_open(char *const *words, size_t count, const char *type, struct artifact_files *ret,
			struct error *err)
{
	autoclean(artifact_files_done) struct artifact_files files = {0};

	if (count == 0)
		return error_set(err, ERROR_INVALID, EINVAL, "an artifact is made of files, and none was named");
	files.items = arena_alloc(&files.arena, count, sizeof(*files.items));
	for (; files.count < count; files.count++) {
		if (open_file(&files.arena, words[files.count], type, &files.items[files.count], err) < 0)
			return -err->code;
	}
	if (no_twins(&files, err) < 0)
		return -err->code;
	*ret = files;
	files = (struct artifact_files){0};
	return 0;
}

void artifact_files_done(struct artifact_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		fd_close(&f->items[i].fd);
	arena_done(&f->arena);
	*f = (struct artifact_files){0};
}

int engine_artifact_push(const char *name, char *const *words, size_t count, const struct engine_artifact_options *o,
			 char ret_digest[static STORE_ID_MAX], struct error *err)
{
	autoclean(artifact_files_done) struct artifact_files files = {0};
	autoclean(arena_done) struct arena a = {0};
	autoregistry struct registry *r = NULL;
	struct image_reference ref;

	if (artifact_files_open(words, count, o->file_type, &files, err) < 0 ||
	    artifact_open_session(name, REGISTRY_PULL | REGISTRY_PUSH, &o->registry, &a, &ref, &r, err) < 0)
		return -err->code;
	return push_all(r, &ref, o, &files, ret_digest, err);
}

/* ---- pull ---- */

/* Take the blob out of a pipe into @fd. bothy-fetch gets no descriptor of the file: it could still write there when the content
 * has been checked. */
static int receive_file(void *arg, const struct image_descriptor *d, int fd, struct error *err)
{
	struct registry *r = arg;
	autofree char *data = mem_alloc(PIPE_BYTES);
	autofd int in = FD_NONE;
	int64_t total = 0;
	struct registry_event e;
	int ends[2], w;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	in = ends[0];
	int64_t id = registry_get_blob(r, d->digest, (uint64_t)d->size, 0, false, ends[1], err);

	if (id < 0)
		return -err->code;
	/* It ends with the request, well or not, and with bothy-fetch. */
	while ((n = read(in, data, PIPE_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read from the registry");
		total += n;
		if (total > d->size)
			return error_set(err, ERROR_INVALID, EBADMSG, "more than the %lld bytes that were promised",
					 (long long)d->size);
		w = fd_write_all(fd, data, (size_t)n);
		if (w < 0)
			return error_sys(err, -w, "write it");
	}
	return registry_wait(r, id, &e, NULL, NULL, err);
}

static int pull_all(struct registry *r, const struct image_reference *ref, int dir_fd,
		    struct engine_artifact_result *ret, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	struct artifact_chosen chosen = {0};
	struct registry_event e;
	int64_t id = registry_get_manifest(r, ref->digest ? ref->digest : ref->tag, false, err);

	if (id < 0 || registry_wait(r, id, &e, NULL, NULL, err) < 0)
		return -err->code;
	if (!e.text)
		return error_set(err, ERROR_INVALID, EPROTO, "the registry gives no manifest");
	store_digest_text(e.text, e.len, ret->digest);
	if (ref->digest && !str_eq(ref->digest, ret->digest))
		return error_set(err, ERROR_INVALID, EBADMSG, "the manifest has digest %s, not %s", ret->digest,
				 ref->digest);
	if (image_manifest_parse(e.text, e.len, "manifest", &m, err) < 0)
		return -err->code;
	if (artifact_choose(&m, &(struct artifact_choice){0}, &ret->arena, &chosen, err) < 0)
		return -err->code;
	return artifact_place(&chosen, dir_fd, receive_file, r, ret, err);
}

int engine_artifact_pull(const char *name, const char *folder, const struct engine_registry_options *o,
			 struct engine_artifact_result *ret, struct error *err)
{
	autoclean(engine_artifact_result_done) struct engine_artifact_result result = {0};
	autoregistry struct registry *r = NULL;
	struct image_reference ref;

	if (safepath_host_mkdir_all(folder, 0777, err) < 0)
		return -err->code;
	autofd int dir = safepath_host_open(folder, O_RDONLY | O_DIRECTORY, 0, err);
	if (dir < 0 || artifact_open_session(name, REGISTRY_PULL, o, &result.arena, &ref, &r, err) < 0 ||
	    pull_all(r, &ref, dir, &result, err) < 0)
		return -err->code;
	*ret = result;
	result = (struct engine_artifact_result){0};
	return 0;
}

void engine_artifact_result_done(struct engine_artifact_result *r)
{
	arena_done(&r->arena);
	*r = (struct engine_artifact_result){0};
}
