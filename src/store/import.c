/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image out of one archive of a root file system. The bytes go into a staging file as they come (hashed on the way), the
 * worker makes a layer of them, and only then config and manifest can be written: they name the digest of what came out.
 * From there on it is like a load.
 */
#include "store/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/magic.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define COPY_BYTES (1u << 20)

struct import {
	struct store *store;
	const struct store_import_options *options;
	struct staged staged;
	char blob[DIGEST_TEXT_MAX];
	int64_t blob_size;
	const char *media_type;
	char *config, *manifest; /* owned */
	struct image_config parsed;
	size_t config_len, manifest_len;
	char id[DIGEST_TEXT_MAX], manifest_digest[DIGEST_TEXT_MAX];
};

static void import_done(struct import *i)
{
	image_config_done(&i->parsed);
	free(i->config);
	free(i->manifest);
	staged_done(&i->staged);
}

/* ---- the layer ---- */

static ssize_t read_some(const struct import *i, int from, void *data, struct error *err)
{
	ssize_t n;

	if (i->options->read)
		return i->options->read(i->options->read_arg, data, COPY_BYTES, err);
	do
		n = read(from, data, COPY_BYTES);
	while (n < 0 && errno == EINTR);
	return n < 0 ? error_sys(err, errno, "cannot read the archive") : n;
}

static int copy_in(struct import *i, int from, int to, unsigned char digest[static DIGEST_RAW_BYTES], struct error *err)
{
	autofree unsigned char *data = mem_alloc(COPY_BYTES);
	struct digest d;
	ssize_t n;

	digest_init(&d);
	while ((n = read_some(i, from, data, err)) != 0) {
		if (n < 0)
			return -err->code;
		if (i->blob_size == 0)
			i->media_type = magic_media_type(data, (size_t)n);
		i->blob_size += n;
		if ((uint64_t)i->blob_size > i->staged.limits.layer_bytes)
			return error_set(err, ERROR_LIMIT, EFBIG, "the archive has more than %llu bytes",
					 (unsigned long long)i->staged.limits.layer_bytes);
		digest_add(&d, data, (size_t)n);
		int r = fd_write_all(to, data, (size_t)n);
		if (r < 0)
			return error_sys(err, -r, "cannot write to %s", store_root(i->store));
	}
	if (i->blob_size == 0)
		return error_set(err, ERROR_INVALID, ENODATA, "the archive is empty");
	digest_end(&d, digest);
	return 0;
}

/* The archive as a staged blob. Its name in the folder is given before its digest is known. */
static int stage_blob(struct import *i, int fd, struct error *err)
{
	static const char temporary[] = "import";
	unsigned char raw[DIGEST_RAW_BYTES];
	const int dir = i->staged.staging.fd;
	autofd int out = safepath_create_file(dir, temporary, O_WRONLY, 0600, SAFEPATH_KEEP, err);

	if (out < 0 || copy_in(i, fd, out, raw, err) < 0)
		return -err->code;
	digest_text(raw, i->blob);
	return safepath_rename(dir, temporary, dir, staged_add_blob(&i->staged, i->blob, i->blob_size)->file, 0, err);
}

static int unpack(struct import *i, struct error *err)
{
	autoclean(worker_answer_done) struct worker_answer answer = {0};
	struct spec_strs diff_ids = {0};
	char diff[DIGEST_TEXT_MAX];
	autofd int in = staged_open_blob(&i->staged, i->blob, err);

	if (in < 0)
		return in;
	/* What the layer is called is known when the worker is done: until then it goes by its blob. */
	spec_strs_push(&i->staged.arena, &diff_ids, i->blob);
	struct staged_layer *l =
		staged_add_layer(&i->staged, staged_chains_of(&i->staged, &diff_ids), 0, i->blob, i->blob);

	if (staged_layer_folder(&i->staged, l, err) < 0 ||
	    worker_start(i->store, UNPACK_LAYER, &i->staged.limits, in, l->dir_fd, &l->worker, err) < 0 ||
	    worker_finish(&l->worker, &answer, err) < 0)
		return -err->code;
	digest_text(answer.report.digest_out, diff);
	diff_ids = (struct spec_strs){0};
	spec_strs_push(&i->staged.arena, &diff_ids, diff);
	l->chains = staged_chains_of(&i->staged, &diff_ids);
	memcpy(l->diff, diff, sizeof(diff));
	memcpy(l->chain, l->chains->items[0], sizeof(l->chain));
	return staged_layer_finish_take(&i->staged, l, &answer, err);
}

/* ---- the documents ---- */

static struct json *history(const struct store_import_options *o, const char *now)
{
	struct json *list = json_new_array(), *h = json_new_object();

	json_set_str(h, "created", now);
	json_set_str(h, "comment", o->comment);
	json_push(list, h);
	return list;
}

static int write_document(struct json *j, size_t max, char **ret, size_t *ret_len, char digest[static DIGEST_TEXT_MAX],
			  struct error *err)
{
	autobuf struct buf text = BUF_INIT(max);

	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "the image's config would be too large");
	digest_of(buf_str(&text), text.len, digest);
	*ret_len = text.len;
	*ret = buf_take(&text);
	return 0;
}

/* As image-spec config.md has it; Docker's fields are the same. */
static int make_config(struct import *i, struct error *err)
{
	const struct store_import_options *o = i->options;
	const struct image_platform native = image_platform_native(), *p = o->platform ? o->platform : &native;
	autojson struct json *j = json_new_object();
	struct json *rootfs = json_new_object(), *diff_ids = json_new_array();
	char now[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(clock_realtime_ns(), now);
	json_set_str(j, "created", now);
	json_set_str(j, "architecture", p->architecture);
	json_set_str(j, "os", p->os);
	json_set_str(j, "variant", p->variant);
	json_set(j, "config", o->config ? json_ref(o->config) : json_new_object());
	json_set_str(rootfs, "type", "layers");
	json_push(diff_ids, json_new_str(i->staged.layers[0].diff));
	json_set(rootfs, "diff_ids", diff_ids);
	json_set(j, "rootfs", rootfs);
	json_set(j, "history", history(o, now));
	if (write_document(j, IMAGE_CONFIG_MAX_BYTES, &i->config, &i->config_len, i->id, err) < 0)
		return -err->code;
	return image_config_parse(i->config, i->config_len, "the image's config", &i->parsed, err);
}

static int make_manifest(struct import *i, struct error *err)
{
	autojson struct json *m = json_new_object();
	struct json *layers = json_new_array();

	json_set(m, "schemaVersion", json_new_i64(2));
	json_set_str(m, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	json_set(m, "config",
		 image_descriptor_json("application/vnd.oci.image.config.v1+json", i->id, (int64_t)i->config_len));
	json_push(layers, image_descriptor_json(i->media_type, i->blob, i->blob_size));
	json_set(m, "layers", layers);
	return write_document(m, IMAGE_MANIFEST_MAX_BYTES, &i->manifest, &i->manifest_len, i->manifest_digest, err);
}

/* ---- into the store ---- */

static int record(struct import *i, struct error *err)
{
	const char *const blobs[] = {i->blob};
	struct image_record r = {
		.id = i->id,
		.manifest_digest = i->manifest_digest,
		.config = i->config,
		.config_len = i->config_len,
		.parsed = &i->parsed,
		.chains = i->staged.layers[0].chains,
		.blobs = blobs,
		.blob_count = 1,
	};

	if (record_image(i->store, &r, NULL, err) < 0)
		return -err->code;
	if (!i->options->name)
		return 0;
	return record_name(i->store, i->options->name, i->id, i->manifest_digest, "", err);
}

static int publish_all(struct import *i, struct error *err)
{
	struct staged *g = &i->staged;

	for (size_t n = 0; n < g->blob_count; n++) {
		if (publish_blob(i->store, g->staging.fd, g->blobs[n].file, g->blobs[n].digest, g->blobs[n].size, err) <
		    0)
			return -err->code;
	}
	if (publish_layer(g, &g->layers[0], err) < 0 || publish_sync(i->store, err) < 0)
		return -err->code;
	return record(i, err);
}

static int publish(struct import *i, struct error *err)
{
	if (syncfs(i->staged.staging.fd) < 0)
		return error_sys(err, errno, "cannot make the image durable in %s", store_root(i->store));
	autofd int lock = safepath_lock(i->store->root_fd, STORE_LOCK, true, true, err);

	autotransaction struct index_transaction t = {0};

	/* After a failure the files stay as orphans for the next load. */
	if (lock < 0 || staging_collect_orphans(i->store, &i->staged.staging, err) < 0 ||
	    index_begin(i->store, &t, err) < 0 || publish_all(i, err) < 0 || index_commit(&t, err) < 0)
		return -err->code;
	return 0;
}

int store_import(struct store *s, int fd, const struct store_import_options *options, char ret_id[static STORE_ID_MAX],
		 struct error *err)
{
	autoclean(import_done) struct import i = {.store = s, .options = options};

	if (staged_init(&i.staged, s, &options->limits, err) < 0 || stage_blob(&i, fd, err) < 0 ||
	    unpack(&i, err) < 0 || make_config(&i, err) < 0 || make_manifest(&i, err) < 0 ||
	    staged_add_text(&i.staged, i.id, i.config, i.config_len, err) < 0 ||
	    staged_add_text(&i.staged, i.manifest_digest, i.manifest, i.manifest_len, err) < 0 || publish(&i, err) < 0)
		return -err->code;
	memcpy(ret_id, i.id, sizeof(i.id));
	return 0;
}
