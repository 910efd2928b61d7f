/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs against their digests and layers' trees against their blobs (verify.c), to the last byte, or with `quick` presence and
 * sizes. A layer's comparison reads its blob as well, so that one is not read again.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define READ_BYTES (256u << 10)

static void bad_blob(struct check *c, const char *digest, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void bad_blob(struct check *c, const char *digest, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (strv_contains(&c->blobs, digest) || !check_recorded(c, "SELECT 1 FROM blobs WHERE digest = ?1", digest))
		return;
	va_start(ap, fmt);
	text = arena_vprintf(&c->out->arena, fmt, ap);
	va_end(ap);
	check_add(c, STORE_PROBLEM_BLOB, check_object(c, "blobs/sha256", digest), "%s", text);
	strv_push(&c->blobs, digest);
}

static void bad_layer(struct check *c, const char *chain, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void bad_layer(struct check *c, const char *chain, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (!check_recorded(c, "SELECT 1 FROM layers WHERE chain = ?1", chain))
		return;
	va_start(ap, fmt);
	text = arena_vprintf(&c->out->arena, fmt, ap);
	va_end(ap);
	check_add(c, STORE_PROBLEM_LAYER, check_object(c, "layers", chain), "%s", text);
	if (!strv_contains(&c->layers, chain))
		strv_push(&c->layers, chain);
}

/* Presence and size. Returns the blob's fd, FD_NONE when something is wrong with it. */
static int open_blob(struct check *c, const char *digest)
{
	autostmt sqlite3_stmt *q = NULL;
	struct error err;
	struct stat st;
	int64_t size = -1;
	autofd int dir = store_folder(c->store, "blobs/sha256", &err);
	autofd int fd = dir < 0 ? FD_NONE : safepath_child(dir, image_digest_hex(digest), O_RDONLY | O_NONBLOCK, &err);

	if (fd < 0) {
		bad_blob(c, digest, "it is missing");
		return FD_NONE;
	}
	if (index_prepare(c->store, "SELECT size FROM blobs WHERE digest = ?1", &q, &err) == 0) {
		sqlite3_bind_text(q, 1, digest, -1, SQLITE_STATIC);
		if (index_step(c->store, q, &err) > 0)
			size = sqlite3_column_int64(q, 0);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		bad_blob(c, digest, "it is no regular file");
		return FD_NONE;
	}
	if (st.st_size != size) {
		bad_blob(c, digest, "it has %lld bytes, %lld were recorded", (long long)st.st_size, (long long)size);
		return FD_NONE;
	}
	c->out->blobs++;
	return take_fd(&fd);
}

static void check_blob(struct check *c, const char *digest)
{
	autofree unsigned char *data = mem_alloc(READ_BYTES);
	unsigned char raw[DIGEST_RAW_BYTES];
	char is[DIGEST_TEXT_MAX];
	struct digest d;
	ssize_t n;

	if (!digest_supported(digest)) {
		check_add(c, STORE_PROBLEM_RECORD, digest, "a blob is recorded under something that is no digest");
		return;
	}
	autofd int fd = open_blob(c, digest);

	if (fd < 0 || c->options->quick)
		return;
	digest_init(&d);
	while ((n = read(fd, data, READ_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			digest_add(&d, data, (size_t)n), c->out->bytes += (uint64_t)n;
	}
	digest_end(&d, raw);
	digest_text(raw, is);
	if (n < 0)
		bad_blob(c, digest, "it cannot be read: %s", error_text(errno));
	else if (!str_eq(is, digest))
		bad_blob(c, digest, "its content has digest %s", is);
}

/* A tree that is there, against its blob. The blob's own verdict comes with it. */
static int verify_layer(struct check *c, const char *chain, struct strv *seen, struct error *err)
{
	const struct store_verify_options options = {.progress = c->options->progress, .arg = c->options->arg};
	autoclean(store_findings_done) struct store_findings found = {0};
	size_t listed = 0;

	if (store_layer_verify(c->store, chain, &options, &found, err) < 0) {
		if (err->kind != ERROR_NOT_FOUND && err->kind != ERROR_INVALID)
			return error_wrap(err, "layer %s", chain);
		bad_layer(c, chain, "%s", err->msg);
		return 0;
	}
	for (size_t i = 0; i < found.count; i++) {
		const struct store_finding *f = &found.items[i];

		if (f->kind == UNPACK_FINDING_BLOB && f->blob)
			bad_blob(c, f->blob, "%s", f->text);
		else if (listed++ < 5)
			bad_layer(c, chain, "%s%s%s%s", f->path ? "'" : "", f->path ? f->path : "",
				  f->path ? "': " : "", f->text);
	}
	if (listed > 5)
		bad_layer(c, chain, "and %zu more", listed - 5);
	for (size_t i = 1; i < found.done_count; i += 2)
		strv_push(seen, found.done[i]);
	return 0;
}

static int look_at_layer(struct check *c, const char *chain, struct strv *seen, struct error *err)
{
	autostrv struct strv blob = {0};
	autofree char *tree = NULL;
	struct error missing;

	if (!digest_supported(chain)) {
		check_add(c, STORE_PROBLEM_RECORD, chain, "a layer is recorded under something that is no digest");
		return 0;
	}
	tree = mem_printf("layers/%s/diff", image_digest_hex(chain));
	autofd int dir = safepath_open_dir(c->store->root_fd, tree, true, &missing);

	c->out->layers++;
	if (dir < 0) {
		bad_layer(c, chain, "it is missing or half");
		return 0;
	}
	if (c->options->quick)
		return 0;
	/* A blob that is not there or has another size is no measure for the tree. */
	if (check_column(c, "SELECT blob FROM layers WHERE chain = ?1", chain, &blob, err) < 0)
		return -err->code;
	if (blob.count == 0 || !digest_supported(blob.items[0]))
		return 0;
	autofd int fd = open_blob(c, blob.items[0]);
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0)
		c->out->bytes += (uint64_t)st.st_size;
	c->out->blobs--; /* counted with the blobs */
	return verify_layer(c, chain, seen, err);
}

int check_layer(struct check *c, const char *chain, struct error *err)
{
	autostrv struct strv seen = {0};

	return look_at_layer(c, chain, &seen, err);
}

int check_lost(struct check *c, struct error *err)
{
	autostrv struct strv blobs = {0}, layers = {0};

	if (check_column(c, "SELECT DISTINCT digest FROM image_blobs WHERE digest NOT IN (SELECT digest FROM blobs)",
			 NULL, &blobs, err) < 0 ||
	    check_column(c, "SELECT DISTINCT chain FROM image_layers WHERE chain NOT IN (SELECT chain FROM layers)",
			 NULL, &layers, err) < 0)
		return -err->code;
	for (size_t i = 0; i < blobs.count; i++) {
		if (!digest_supported(blobs.items[i]))
			continue;
		check_add(c, STORE_PROBLEM_BLOB, check_object(c, "blobs/sha256", blobs.items[i]), "it is missing");
		strv_push(&c->blobs, blobs.items[i]);
	}
	for (size_t i = 0; i < layers.count; i++) {
		if (!digest_supported(layers.items[i]))
			continue;
		check_add(c, STORE_PROBLEM_LAYER, check_object(c, "layers", layers.items[i]), "it is missing");
		strv_push(&c->layers, layers.items[i]);
	}
	return 0;
}

int check_data(struct check *c, const struct strv *blobs, const struct strv *layers, struct error *err)
{
	autostrv struct strv seen = {0};

	for (size_t i = 0; i < layers->count; i++) {
		check_progress(c, layers->items[i], i, layers->count + blobs->count);
		if (look_at_layer(c, layers->items[i], &seen, err) < 0)
			return -err->code;
	}
	check_sort(&seen);
	for (size_t i = 0; i < blobs->count; i++) {
		check_progress(c, blobs->items[i], layers->count + i, layers->count + blobs->count);
		if (check_sorted_has(&seen, blobs->items[i]))
			c->out->blobs++;
		else
			check_blob(c, blobs->items[i]);
	}
	return 0;
}
