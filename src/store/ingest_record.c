/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pull is about: images by their documents, blobs for somebody, names; and the transaction that records all of it at
 * the end. Documents came from a registry: each is hashed here, whoever asked for it.
 */
#include "store/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

void ingest_records_done(struct store_ingest *g)
{
	for (size_t i = 0; i < g->image_count; i++)
		image_config_done(&g->images[i].config);
	free(g->images);
}

/* ---- documents ---- */

static int check_document(const struct store_document *d, const char *what, struct error *err)
{
	char is[DIGEST_TEXT_MAX];

	if (!digest_supported(d->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 d->digest);
	digest_of(d->text, d->len, is);
	if (!str_eq(is, d->digest))
		return error_set(err, ERROR_INVALID, EBADMSG, "the %s %s has content with digest %s", what, d->digest,
				 is);
	return 0;
}

static const char *keep_text(struct store_ingest *g, const struct store_document *d)
{
	struct arena *a = &g->staged.arena;
	char *text = arena_alloc(a, d->len + 1, 1);

	memcpy(text, d->text, d->len);
	ARENA_PUSH(a, g->texts, g->text_count) =
		(struct store_document){.digest = arena_strdup(a, d->digest), .text = text, .len = d->len};
	return text;
}

static int check_layer(const struct image_descriptor *d, size_t n, struct error *err)
{
	if (image_media_from_type(d->media_type, NULL) != IMAGE_MEDIA_LAYER)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "layer %zu has the media type '%.100s'", n,
				 d->media_type);
	if (!digest_supported(d->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 d->digest);
	return 0;
}

/* Do the documents belong together, and can we do what they ask for? */
static int check_pair(const struct image_manifest *m, const struct image_config *c, const struct store_document *config,
		      struct error *err)
{
	if (image_media_from_type(m->config.media_type, NULL) != IMAGE_MEDIA_CONFIG)
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "this is no container image (config of type '%.100s')", m->config.media_type);
	if (!str_eq(m->config.digest, config->digest) || m->config.size != (int64_t)config->len)
		return error_set(err, ERROR_INVALID, EBADMSG, "the config is not the one that the manifest names");
	if (c->diff_ids.count != m->layer_count)
		return error_set(err, ERROR_INVALID, EINVAL, "the image has %zu layers, its config speaks of %zu",
				 m->layer_count, c->diff_ids.count);
	for (size_t i = 0; i < m->layer_count; i++) {
		if (check_layer(&m->layers[i], i, err) < 0)
			return -err->code;
		if (!digest_supported(c->diff_ids.items[i]))
			return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					 "diff_id '%.100s': only sha256 is supported", c->diff_ids.items[i]);
	}
	return 0;
}

/* @c_take is taken on success. */
static int add_image(struct store_ingest *g, const struct store_document *manifest, const struct image_manifest *m,
		     const struct store_document *config, struct image_config *c_take, struct error *err)
{
	struct arena *a = &g->staged.arena;
	const char **blobs = arena_alloc(a, m->layer_count + 1, sizeof(*blobs));
	const struct staged_chains *chains = staged_chains_of(&g->staged, &c_take->diff_ids);

	for (size_t n = 0; n < m->layer_count; n++) {
		blobs[n] = arena_strdup(a, m->layers[n].digest);
		if (ingest_add(g, blobs[n], m->layers[n].size, chains, n, arena_strdup(a, c_take->diff_ids.items[n]),
			       err) < 0)
			return error_wrap(err, "layer %zu", n);
	}
	keep_text(g, manifest);
	VEC_PUSH(g->images, g->image_count) = (struct ingest_image){
		.record = {.id = arena_strdup(a, config->digest),
			   .manifest_digest = arena_strdup(a, manifest->digest),
			   .config = keep_text(g, config),
			   .config_len = config->len,
			   .chains = chains,
			   .blobs = blobs,
			   .blob_count = m->layer_count},
		.config = *c_take,
	};
	*c_take = (struct image_config){0};
	return 0;
}

int store_ingest_image(struct store_ingest *g, const struct store_document *manifest,
		       const struct store_document *config, char ret_id[static 80], struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	autoclean(image_config_done) struct image_config c = {0};

	if (check_document(manifest, "manifest", err) < 0 || check_document(config, "config", err) < 0 ||
	    image_manifest_parse(manifest->text, manifest->len, "manifest", &m, err) < 0 ||
	    image_config_parse(config->text, config->len, "image config", &c, err) < 0 ||
	    check_pair(&m, &c, config, err) < 0)
		return -err->code;
	if (ret_id)
		(void)str_copy(ret_id, 80, config->digest);
	for (size_t i = 0; i < g->image_count; i++) {
		if (str_eq(g->images[i].record.manifest_digest, manifest->digest))
			return 0;
	}
	return add_image(g, manifest, &m, config, &c, err);
}

static void add_record(struct store_ingest *g, enum ingest_record_kind kind, const char *one, const char *two,
		       const char *three, const char *four)
{
	struct arena *a = &g->staged.arena;

	ARENA_PUSH(a, g->records, g->record_count) = (struct ingest_record){
		.kind = kind,
		.a = arena_strdup(a, one),
		.b = arena_strdup(a, two),
		.c = arena_strdup(a, three ? three : ""),
		.d = four ? arena_strdup(a, four) : NULL,
	};
}

int store_ingest_text(struct store_ingest *g, const char *owner, const struct store_document *d, struct error *err)
{
	if (check_document(d, "document", err) < 0)
		return -err->code;
	keep_text(g, d);
	store_ingest_own(g, owner, d->digest);
	return 0;
}

int store_ingest_save(struct store_ingest *g, const char *owner, const char *digest, int64_t size, struct error *err)
{
	if (!digest_supported(digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 digest);
	if (ingest_add(g, digest, size, NULL, 0, NULL, err) < 0)
		return -err->code;
	store_ingest_own(g, owner, digest);
	return 0;
}

void store_ingest_name(struct store_ingest *g, const char *name, const char *image, const char *target,
		       const char *target_type)
{
	add_record(g, INGEST_NAME, name, image, target, target_type ? target_type : "");
}

void store_ingest_digest(struct store_ingest *g, const char *repository, const char *digest, const char *image)
{
	add_record(g, INGEST_DIGEST, repository, digest, image, NULL);
}

void store_ingest_own(struct store_ingest *g, const char *owner, const char *digest)
{
	add_record(g, INGEST_OWN, owner, digest, NULL, NULL);
}

void store_ingest_index(struct store_ingest *g, const char *digest, const char *media_type, const char *manifest,
			const char *image)
{
	add_record(g, INGEST_INDEX, digest, media_type, manifest, image);
}

void store_ingest_artifact(struct store_ingest *g, const char *name, const char *manifest, const char *artifact_type,
			   const char *before)
{
	add_record(g, INGEST_ARTIFACT, name, manifest, artifact_type, before);
}

/* ---- the records ---- */

static int record_index(struct store *s, const struct ingest_record *r, struct error *err)
{
	const int64_t now = clock_realtime_ns();

	if (record_run(s, "INSERT OR IGNORE INTO indexes(digest, media_type, published_ns) VALUES(?1, ?2, ?3)",
		       (const char *const[]){r->a, r->b}, 2, &now, 1, err) < 0)
		return -err->code;
	if (!*r->c) /* a list that was made here and is empty yet */
		return 0;
	return index_run(s, err, "INSERT OR REPLACE INTO index_images(indexdigest, manifest, image) VALUES(?1, ?2, ?3)",
			 r->a, r->c, r->d, NULL);
}

static int record_artifact(struct store *s, const struct ingest_record *r, struct error *err)
{
	const int64_t now = clock_realtime_ns();
	autostmt sqlite3_stmt *q = NULL;
	autofree char *before = NULL;
	int had;

	if (index_prepare(s, "SELECT manifest FROM artifacts WHERE name = ?1", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, r->a, -1, SQLITE_STATIC);
	had = index_step(s, q, err);
	if (had < 0)
		return had;
	before = had ? mem_strdup(index_text(q, 0)) : NULL;
	if (record_run(s,
		       "INSERT OR REPLACE INTO artifacts(name, manifest, artifact_type, published_ns)"
		       " VALUES(?1, ?2, ?3, ?4)",
		       (const char *const[]){r->a, r->b, r->c}, 3, &now, 1, err) < 0)
		return -err->code;
	return before ? artifacts_forget(s, before, err) : 0;
}

/* @missing: what an owner lacks is counted. */
static int write_record(struct store *s, const struct ingest_record *r, int64_t *missing, struct error *err)
{
	int64_t lacks = 0;

	switch (r->kind) {
	case INGEST_NAME:
		return record_name(s, r->a, r->b, r->c, r->d, err);
	case INGEST_DIGEST:
		return record_digest(s, r->a, r->b, r->c, err);
	case INGEST_OWN:
		if (record_owner(s, r->a, r->b, err) < 0 ||
		    index_number(s, err, &lacks, "SELECT NOT EXISTS (SELECT 1 FROM blobs WHERE digest = ?1)", r->b,
				 NULL) < 0)
			return -err->code;
		*missing += lacks;
		return 0;
	case INGEST_INDEX:
		return record_index(s, r, err);
	case INGEST_ARTIFACT:
		return record_artifact(s, r, err);
	}
	return 0;
}

/* Do the names of artifacts mean what the caller has seen them mean? Else what another command made of one would be lost. */
static int check_names(struct store_ingest *g, struct error *err)
{
	for (size_t i = 0; i < g->record_count; i++) {
		const struct ingest_record *r = &g->records[i];
		int64_t same;

		if (r->kind != INGEST_ARTIFACT || !r->d)
			continue;
		if (index_number(g->staged.store, err, &same,
				 "SELECT coalesce((SELECT manifest FROM artifacts WHERE name = ?1), '') = ?2", r->a,
				 r->d, NULL) < 0)
			return -err->code;
		if (same)
			continue;
		error_set(err, ERROR_BUSY, EAGAIN, "another command has changed it meanwhile");
		return error_hint(err, "try it once more");
	}
	return 0;
}

static int write_records(struct store_ingest *g, int64_t *missing, struct error *err)
{
	struct store *s = g->staged.store;
	int64_t lacks;

	for (size_t i = 0; i < g->image_count; i++) {
		struct ingest_image *image = &g->images[i];

		image->record.parsed = &image->config;
		if (record_image(s, &image->record, NULL, err) < 0 ||
		    record_missing(s, image->record.id, &lacks, err) < 0)
			return -err->code;
		*missing += lacks;
	}
	for (size_t i = 0; i < g->record_count; i++) {
		if (write_record(s, &g->records[i], missing, err) < 0)
			return -err->code;
	}
	return 0;
}

int ingest_stage_texts(struct store_ingest *g, struct error *err)
{
	struct staged *st = &g->staged;

	size_t i = st->blob_count;

	for (; g->texts_staged < g->text_count; g->texts_staged++) {
		const struct store_document *d = &g->texts[g->texts_staged];

		if (staged_add_text(st, d->digest, d->text, d->len, err) < 0)
			return -err->code;
	}
	for (; i < st->blob_count; i++) {
		autofd int fd = safepath_child(st->staging.fd, st->blobs[i].file, O_RDONLY, err);

		if (fd < 0)
			return fd;
		if (fdatasync(fd) < 0)
			return error_sys(err, errno, "cannot make the image's documents durable");
	}
	return 0;
}

/* Returns 0, 1 (something has gone), <0. */
static int publish_records(struct store_ingest *g, struct error *err)
{
	struct staged *st = &g->staged;
	int64_t missing = 0;

	if (check_names(g, err) < 0)
		return -err->code;
	for (size_t i = 0; i < st->blob_count; i++) {
		if (publish_blob(st->store, st->staging.fd, st->blobs[i].file, st->blobs[i].digest, st->blobs[i].size,
				 err) < 0)
			return -err->code;
	}
	if ((st->blob_count > 0 && publish_sync(st->store, err) < 0) ||
	    index_run(st->store, err, "SAVEPOINT images", NULL) < 0 || write_records(g, &missing, err) < 0)
		return -err->code;
	st->blob_count = 0;
	if (missing == 0)
		return 0;
	return index_run(st->store, err, "ROLLBACK TO images", NULL) < 0 ? -err->code : 1;
}

/* A name that meant another artifact has left that one's blobs without a record. Context: STORE_LOCK is held. */
static void collect_replaced(struct store_ingest *g)
{
	struct error ignored;

	for (size_t i = 0; i < g->record_count; i++) {
		if (g->records[i].kind != INGEST_ARTIFACT)
			continue;
		(void)staging_collect_orphans(g->staged.store, &g->staged.staging,
					      &ignored); /* later loads do it, too */
		return;
	}
}

int store_ingest_commit(struct store_ingest *g, struct error *err)
{
	struct store *s = g->staged.store;
	struct error ignored;
	int r;

	if (ingest_stage_texts(g, err) < 0)
		return -err->code;
	autofd int lock = safepath_lock(s->root_fd, STORE_LOCK, true, true, err);

	autotransaction struct index_transaction t = {0};

	if (lock < 0 || index_begin(s, &t, err) < 0 || ingest_publish_last(g, err) < 0 ||
	    (r = publish_records(g, err)) < 0 || index_commit(&t, err) < 0) {
		/* What was put into its place has no record now. */
		index_transaction_done(&t);
		if (lock >= 0)
			(void)staging_collect_orphans(s, &g->staged.staging, &ignored); /* later loads do it, too */
		return -err->code;
	}
	ingest_published(g);
	if (r == 0) {
		collect_replaced(g);
		return 0;
	}
	if (++g->rounds >= STAGED_ROUNDS) {
		error_set(err, ERROR_BUSY, EAGAIN, "other commands remove what the image shares, time and again");
		return error_hint(err, "try it once more");
	}
	ingest_reset(g);
	return 1;
}
