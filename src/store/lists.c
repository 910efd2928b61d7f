/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes that are made here (`manifest create`): a document, its name, and everything it lists, which it owns from then on, so that
 * removing one of the images leaves the list whole. A changed list is another document under the same name; one transaction.
 */
#include "store/internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

/* The image that has the manifest @digest; "" when none has. */
static int image_of_manifest(struct store *s, const char *digest, char out[static DIGEST_TEXT_MAX], struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	int r;

	out[0] = '\0';
	if (index_prepare(s, "SELECT id FROM images WHERE manifest = ?1 LIMIT 1", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, digest, -1, SQLITE_STATIC);
	r = index_step(s, q, err);
	if (r > 0)
		(void)str_copy(out, DIGEST_TEXT_MAX, index_text(q, 0));
	return r < 0 ? r : 0;
}

/* What one entry of the list needs: its manifest, config and layers, all of which must be here. */
static int own_entry(struct store *s, struct store_ingest *g, const char *list, const struct image_descriptor *d,
		     struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	autofree char *text = NULL;
	size_t len;

	if (store_blob_read(s, d->digest, &text, &len, err) < 0 ||
	    image_manifest_parse(text, len, d->digest, &m, err) < 0)
		return error_wrap(err, "the list's entry %.19s", d->digest);
	store_ingest_own(g, list, d->digest);
	store_ingest_own(g, list, m.config.digest);
	for (size_t i = 0; i < m.layer_count; i++) {
		if (m.layers[i].urls.count == 0)
			store_ingest_own(g, list, m.layers[i].digest);
	}
	return 0;
}

static int fill(struct store *s, struct store_ingest *g, const char *name, const char *digest,
		const struct image_index *index, struct error *err)
{
	const struct image_platform here = image_platform_native();
	char image[DIGEST_TEXT_MAX], native[DIGEST_TEXT_MAX] = "";

	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];

		if (own_entry(s, g, digest, d, err) < 0 || image_of_manifest(s, d->digest, image, err) < 0)
			return -err->code;
		store_ingest_index(g, digest, INDEX_TYPE, d->digest, image);
		if (!native[0] && image_platform_match(&here, &d->platform))
			memcpy(native, image, sizeof(native));
	}
	if (index->manifest_count == 0)
		store_ingest_index(g, digest, INDEX_TYPE, "", "");
	store_ingest_name(g, name, native, digest, INDEX_TYPE);
	return 0;
}

static int carry_out(struct store_ingest *g, struct error *err)
{
	struct pollfd fds[STORE_INGEST_FDS];
	int r;

	do {
		while ((r = store_ingest_step(g, err)) == 0) {
			size_t n = store_ingest_fds(g, fds, STORE_INGEST_FDS);

			if (poll(fds, n, -1) < 0 && errno != EINTR)
				return error_sys(err, errno, "wait for the store");
		}
		r = r < 0 ? r : store_ingest_commit(g, err);
	} while (r == 1);
	return r;
}

int store_list_save(struct store *s, const char *name, const char *text, size_t len, char ret_digest[static 80],
		    struct error *err)
{
	autoclean(image_index_done) struct image_index index = {0};
	autoingest struct store_ingest *g = NULL;
	char digest[DIGEST_TEXT_MAX];
	const struct store_document d = {.digest = digest, .text = text, .len = len};

	digest_of(text, len, digest);
	if (image_index_parse(text, len, name, &index, err) < 0 || store_ingest_new(s, NULL, &g, err) < 0 ||
	    store_ingest_text(g, digest, &d, err) < 0 || fill(s, g, name, digest, &index, err) < 0 ||
	    carry_out(g, err) < 0)
		return error_wrap(err, "the list %s", name);
	memcpy(ret_digest, digest, sizeof(digest));
	return 0;
}
