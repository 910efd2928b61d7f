/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts by way of the store: brought in from a registry or out of files, looked at, sent on, taken apart. Their blobs lie there
 * packed as they are, with the manifest as their owner; nothing in them is acted on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/artifact.h"
#include "engine/pull.h"
#include "kernel/signal.h"
#include "safepath/safepath.h"

#define COPY_BYTES (1u << 20)

/* What an artifact is: its artifactType, else what its config is. */
static char *type_of(const char *text, size_t len, const struct image_manifest *m)
{
	autojson struct json *j = NULL;
	struct error ignored;
	const char *type = NULL;

	if (json_parse(text, len, "manifest", &j, &ignored) == 0)
		type = json_str(json_get(j, "artifactType"));
	return mem_strdup(type && *type ? type : m->config.media_type ? m->config.media_type : "");
}

/* Everything of the artifact of this manifest, to be recorded as @name in place of @before (as store_ingest_artifact has it). */
static int ingest(struct store_ingest *g, const char *name, const char *before, const struct store_document *d,
		  const struct image_manifest *m, struct error *err)
{
	autofree char *type = type_of(d->text, d->len, m);

	if (store_ingest_text(g, d->digest, d, err) < 0 ||
	    store_ingest_save(g, d->digest, m->config.digest, m->config.size, err) < 0)
		return -err->code;
	for (size_t i = 0; i < m->layer_count; i++) {
		if (store_ingest_save(g, d->digest, m->layers[i].digest, m->layers[i].size, err) < 0)
			return -err->code;
	}
	store_ingest_artifact(g, name, d->digest, type, before);
	return 0;
}

/* ---- from a registry ---- */

static void pull_end(struct pull *p)
{
	registry_close(p->registry);
	arena_done(&p->arena);
}

static int fetch(struct pull *p, const struct image_reference *ref, char ret_digest[static STORE_ID_MAX],
		 struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	autoingest struct store_ingest *g = NULL;
	struct store_document text;
	struct pull_document d;

	if ((ref->digest ? pull_get_document(p, ref->digest, &d, err) : pull_resolve(p, ref->tag, false, &d, err)) < 0)
		return -err->code;
	if (d.is_index)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "this is an index, and no artifact of files");
	if (image_manifest_parse(d.text, d.len, "manifest", &m, err) < 0)
		return -err->code;
	if (image_media_from_type(m.config.media_type, NULL) == IMAGE_MEDIA_CONFIG) {
		error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "this is a container image");
		return error_hint(err, "bothy pull brings it in");
	}
	text = (struct store_document){.digest = d.digest, .text = d.text, .len = d.len};
	if (store_ingest_new(p->store, NULL, &g, err) < 0 ||
	    ingest(g, image_reference_full(&p->arena, ref), NULL, &text, &m, err) < 0 || pull_layers(p, g, err) < 0)
		return -err->code;
	(void)str_copy(ret_digest, STORE_ID_MAX, d.digest);
	return 0;
}

int engine_artifact_fetch(struct engine *e, const char *name, const struct engine_registry_options *o,
			  const struct engine_observer *observer, char ret_digest[static STORE_ID_MAX],
			  struct error *err)
{
	const struct engine_pull_options po = {.stop_fd = FD_NONE, .observer = observer};
	autoclean(pull_end) struct pull p = {.engine = e, .o = &po};
	struct image_reference ref;

	if (engine_store(e, &p.store, err) < 0 ||
	    artifact_open_session(name, REGISTRY_PULL, o, &p.arena, &ref, &p.registry, err) < 0)
		return -err->code;
	if (ref.digest)
		ref.tag = NULL;
	return fetch(&p, &ref, ret_digest, err);
}

/* ---- what is there ---- */

/* An artifact of the store with its manifest. */
struct kept {
	struct arena arena;
	struct store *store;
	struct store_artifact artifact;
	char *text; /* owned */
	size_t len;
	struct image_manifest m;
};

static void kept_done(struct kept *k)
{
	image_manifest_done(&k->m);
	free(k->text);
	arena_done(&k->arena);
}

static int kept_open(struct engine *e, const char *name, struct kept *k, struct error *err)
{
	if (engine_store(e, &k->store, err) < 0 ||
	    store_artifact_find(k->store, name, &k->arena, &k->artifact, err) < 0 ||
	    store_blob_read(k->store, k->artifact.manifest, &k->text, &k->len, err) < 0)
		return -err->code;
	return image_manifest_parse(k->text, k->len, "manifest", &k->m, err);
}

/* ---- out of files ---- */

/* Write a file's bytes into the pipe of the store. Its receiver is a process of its own: it reads while we write. */
static int feed(const struct artifact_files *files, const struct store_ingest_blob *b, int pipe, struct error *err)
{
	autofree char *data = mem_alloc(COPY_BYTES);
	off_t at = (off_t)b->offset;
	size_t i = 0;
	ssize_t n;

	while (i < files->count && !str_eq(files->items[i].digest, b->digest))
		i++;
	if (i == files->count && b->size != (int64_t)strlen(ARTIFACT_EMPTY_TEXT)) /* a file that was in it before */
		return error_set(err, ERROR_BUSY, ENOENT, "another command has removed a part of it meanwhile: %.19s",
				 b->digest);
	if (i == files->count) { /* the config: too short to fill a pipe */
		int r = fd_write_all(pipe, &ARTIFACT_EMPTY_TEXT[b->offset], strlen(ARTIFACT_EMPTY_TEXT) - b->offset);

		return r < 0 && r != -EPIPE ? error_sys(err, -r, "hand the config over") : 0;
	}
	(void)fd_set_nonblock(pipe, false);
	while ((n = pread(files->items[i].fd, data, COPY_BYTES, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read '%.200s'", files->items[i].path);
		int r = fd_write_all(pipe, data, (size_t)n);

		if (r == -EPIPE)
			return 0; /* the receiver gave up, and the store knows why */
		if (r < 0)
			return error_sys(err, -r, "hand '%.200s' over", files->items[i].path);
		at += n;
	}
	return 0;
}

static int feed_wanted(const struct artifact_files *files, struct store_ingest *g, struct error *err)
{
	for (size_t i = 0; i < store_ingest_count(g); i++) {
		const struct store_ingest_blob *b = store_ingest_blob(g, i);

		if (b->state == STORE_BLOB_CUT) {
			*err = *store_ingest_why(g, i);
			return error_wrap(err, "a file changed while it was read");
		}
		if (b->state != STORE_BLOB_WANTED)
			continue;
		const struct store_ingest_blob blob = *b;
		autofd int pipe = store_ingest_pipe_take(g, i);

		if (feed(files, &blob, pipe, err) < 0)
			return -err->code;
	}
	return 0;
}

static int carry_out(const struct artifact_files *files, struct store_ingest *g, struct error *err)
{
	struct pollfd fds[STORE_INGEST_FDS];
	int r;

	do {
		while ((r = store_ingest_step(g, err)) == 0) {
			if (feed_wanted(files, g, err) < 0)
				return -err->code;
			size_t n = store_ingest_fds(g, fds, STORE_INGEST_FDS);

			if (poll(fds, n, -1) < 0 && errno != EINTR)
				return error_sys(err, errno, "wait for the store");
		}
		r = r < 0 ? r : store_ingest_commit(g, err);
	} while (r == 1);
	return r;
}

/* The manifest of the new artifact; with ENGINE_ARTIFACT_APPEND that of the one there is, and the files behind its own. @k: that
 * one. */
static int manifest_for(struct engine *e, const char *full, enum engine_artifact_add how,
			const struct engine_artifact_options *o, const struct artifact_files *files, struct kept *k,
			struct json **ret, struct error *err)
{
	autojson struct json *j = NULL;
	struct store *store;
	struct error none;

	if (how == ENGINE_ARTIFACT_APPEND) {
		if (o->type)
			return error_set(err, ERROR_INVALID, EINVAL, "what is appended to has its type already");
		if (kept_open(e, full, k, err) < 0 || json_parse(k->text, k->len, "manifest", &j, err) < 0 ||
		    artifact_manifest_append(o, files, j, err) < 0)
			return -err->code;
		*ret = take_ptr(&j);
		return 0;
	}
	if (engine_store(e, &store, err) < 0)
		return -err->code;
	if (how == ENGINE_ARTIFACT_NEW && store_artifact_find(store, full, &k->arena, &k->artifact, &none) == 0) {
		error_set(err, ERROR_CONFLICT, EEXIST, "there is an artifact of this name already");
		return error_hint(err, "--append adds files to it, --replace puts the new one in its place");
	}
	return artifact_manifest(o, files, ret, err);
}

/* What the name must mean until the new one is recorded. */
static const char *before(enum engine_artifact_add how, const struct kept *k)
{
	return how == ENGINE_ARTIFACT_APPEND ? k->artifact.manifest : how == ENGINE_ARTIFACT_NEW ? "" : NULL;
}

static int add_files(struct engine *e, const char *full, enum engine_artifact_add how,
		     const struct engine_artifact_options *o, const struct artifact_files *files,
		     char ret_digest[static STORE_ID_MAX], struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	autobuf struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX_BYTES);
	autoclean(kept_done) struct kept k = {0};
	autoingest struct store_ingest *g = NULL;
	autojson struct json *j = NULL;
	struct store *store;

	if (manifest_for(e, full, how, o, files, &k, &j, err) < 0)
		return -err->code;
	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the artifact's manifest would be too large");
	store_digest_text(buf_str(&text), text.len, ret_digest);

	const struct store_document d = {.digest = ret_digest, .text = buf_str(&text), .len = text.len};

	if (image_manifest_parse(d.text, d.len, "manifest", &m, err) < 0 || engine_store(e, &store, err) < 0 ||
	    store_ingest_new(store, NULL, &g, err) < 0 || ingest(g, full, before(how, &k), &d, &m, err) < 0)
		return -err->code;
	return carry_out(files, g, err);
}

int engine_artifact_add(struct engine *e, const char *name, char *const *words, size_t count,
			enum engine_artifact_add how, const struct engine_artifact_options *o,
			char ret_digest[static STORE_ID_MAX], struct error *err)
{
	autoclean(artifact_files_done) struct artifact_files files = {0};
	/* A receiver that ends while we write is an error to report, not our death. */
	autofd int no_sigpipe = signal_open_fd((const int[]){SIGPIPE}, 1, NULL, err);
	autoclean(arena_done) struct arena a = {0};
	struct image_reference ref;

	if (no_sigpipe < 0 || image_reference_parse(&a, name, &ref, err) < 0)
		return -err->code;
	if (ref.digest)
		return error_set(err, ERROR_INVALID, EINVAL, "a new artifact cannot have a given digest");
	if (!ref.tag)
		ref.tag = "latest";
	if (artifact_files_open(words, count, o->file_type, &files, err) < 0)
		return -err->code;
	return add_files(e, image_reference_full(&a, &ref), how, o, &files, ret_digest, err);
}

/* ---- shown, sent, taken apart ---- */

int engine_artifact_inspect(struct engine *e, const char *name, struct json **ret, struct error *err)
{
	autoclean(kept_done) struct kept k = {0};
	struct json *manifest = NULL, *j;

	if (kept_open(e, name, &k, err) < 0 || json_parse(k.text, k.len, "manifest", &manifest, err) < 0)
		return -err->code;
	j = json_new_object();
	json_set(j, "Manifest", manifest);
	json_set(j, "Name", json_new_str(k.artifact.name));
	json_set(j, "Digest", json_new_str(k.artifact.manifest));
	*ret = j;
	return 0;
}

static int send_blob(struct kept *k, struct registry *r, const struct image_descriptor *d, struct error *err)
{
	int64_t size;
	autofd int fd = store_blob_open(k->store, d->digest, &size, err);

	if (fd < 0)
		return fd;
	return artifact_push_bytes(r, d->digest, size, fd, err);
}

int engine_artifact_send(struct engine *e, const char *name, const struct engine_registry_options *o,
			 char ret_digest[static STORE_ID_MAX], struct error *err)
{
	autoclean(kept_done) struct kept k = {0};
	autoregistry struct registry *r = NULL;
	struct image_reference ref;

	if (kept_open(e, name, &k, err) < 0 ||
	    artifact_open_session(k.artifact.name, REGISTRY_PULL | REGISTRY_PUSH, o, &k.arena, &ref, &r, err) < 0 ||
	    send_blob(&k, r, &k.m.config, err) < 0)
		return -err->code;
	for (size_t i = 0; i < k.m.layer_count; i++) {
		if (send_blob(&k, r, &k.m.layers[i], err) < 0)
			return -err->code;
	}
	(void)str_copy(ret_digest, STORE_ID_MAX, k.artifact.manifest);
	return artifact_push_manifest(r, &ref, k.text, k.len, err);
}

static int copy_blob(void *arg, const struct image_descriptor *d, int fd, struct error *err)
{
	autofree char *data = mem_alloc(COPY_BYTES);
	struct kept *k = arg;
	autofd int in = store_blob_open(k->store, d->digest, NULL, err);
	ssize_t n;

	if (in < 0)
		return in;
	while ((n = read(in, data, COPY_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read the blob %s", d->digest);
		int r = fd_write_all(fd, data, (size_t)n);

		if (r < 0)
			return error_sys(err, -r, "write it");
	}
	return 0;
}

int engine_artifact_extract(struct engine *e, const char *name, const char *title, const char *digest,
			    const char *target, struct engine_artifact_result *ret, struct error *err)
{
	autoclean(engine_artifact_result_done) struct engine_artifact_result result = {0};
	const struct artifact_choice choice = {.title = title, .digest = digest, .untitled = true};
	autoclean(kept_done) struct kept k = {0};
	struct artifact_chosen chosen = {0};

	if (kept_open(e, name, &k, err) < 0 || artifact_choose(&k.m, &choice, &k.arena, &chosen, err) < 0 ||
	    artifact_place_at(&chosen, target, copy_blob, &k, &result, err) < 0)
		return -err->code;
	(void)str_copy(result.digest, sizeof(result.digest), k.artifact.manifest);
	*ret = result;
	result = (struct engine_artifact_result){0};
	return 0;
}
