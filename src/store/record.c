/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the index says about images: rows are written here, whoever brought the image. Everything runs inside the caller's
 * transaction, under the store's lock. See staged.h.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/staged.h"

int record_run(struct store *s, const char *sql, const char *const texts[], size_t text_count, const int64_t *numbers,
	       size_t number_count, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;

	if (index_prepare(s, sql, &q, err) < 0)
		return -err->code;
	for (size_t i = 0; i < text_count; i++)
		sqlite3_bind_text(q, (int)i + 1, texts[i], -1, SQLITE_TRANSIENT);
	for (size_t i = 0; i < number_count; i++)
		sqlite3_bind_int64(q, (int)(text_count + i) + 1, numbers[i]);
	return index_step(s, q, err);
}

/* The config as the hot path wants it: without history, which is most of it and of no use for running. */
static char *small_config(const struct image_record *i)
{
	autojson struct json *j = NULL;
	autobuf struct buf text = BUF_INIT(IMAGE_CONFIG_MAX_BYTES);
	struct error err;

	if (json_parse(i->config, i->config_len, "config", &j, &err) == 0) {
		json_set(j, "history", json_new_array());
		if (json_write(j, false, &text))
			return buf_take(&text);
	}
	return mem_strndup(i->config, i->config_len);
}

static int64_t created_ns(const struct image_record *i)
{
	int64_t ns;

	return i->parsed->created && clock_parse_rfc3339(i->parsed->created, &ns) == 0 ? ns : 0;
}

static int insert_image(struct store *s, const struct image_record *i, struct error *err)
{
	autofree char *config = small_config(i);
	int64_t size = 0, layer_size;

	for (size_t n = 0; n < i->chains->count; n++) {
		if (record_run(s, "INSERT INTO image_layers(image, chain, position) VALUES(?1, ?2, ?3)",
			       (const char *const[]){i->id, i->chains->items[n]}, 2, (int64_t[]){(int64_t)n}, 1,
			       err) < 0 ||
		    index_number(s, err, &layer_size, "SELECT size FROM layers WHERE chain = ?1", i->chains->items[n],
				 NULL) < 0)
			return -err->code;
		size += layer_size;
	}
	return record_run(
		s,
		"INSERT INTO images(id, manifest, config, created_ns, size, loaded_ns) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		(const char *const[]){i->id, i->manifest_digest, config}, 3,
		(int64_t[]){created_ns(i), size, clock_realtime_ns()}, 3, err);
}

int record_image(struct store *s, const struct image_record *i, bool *ret_known, struct error *err)
{
	int64_t known;

	if (index_number(s, err, &known, "SELECT 1 FROM images WHERE id = ?1", i->id, NULL) < 0 ||
	    (!known && insert_image(s, i, err) < 0))
		return -err->code;
	/* One that was damaged: what it has lost it does not have in that form any more. */
	if (known &&
	    (index_run(s, err, "DELETE FROM image_blobs WHERE image = ?1 AND digest NOT IN (SELECT digest FROM blobs)",
		       i->id, NULL) < 0 ||
	     index_run(s, err,
		       "UPDATE images SET manifest = ?2 WHERE id = ?1 AND manifest NOT IN (SELECT digest FROM blobs)",
		       i->id, i->manifest_digest, NULL) < 0))
		return -err->code;
	/* One config may come with several manifests (layers packed in another way): it owns the blobs of each. */
	if (record_owner(s, i->id, i->id, err) < 0 || record_owner(s, i->id, i->manifest_digest, err) < 0)
		return -err->code;
	for (size_t n = 0; n < i->blob_count; n++) {
		if (record_owner(s, i->id, i->blobs[n], err) < 0)
			return -err->code;
	}
	if (ret_known)
		*ret_known = known;
	return 0;
}

int record_name(struct store *s, const char *name, const char *image, const char *target, const char *target_type,
		struct error *err)
{
	return index_run(s, err,
			 "INSERT OR REPLACE INTO names(name, image, target, target_type) VALUES(?1, ?2, ?3, ?4)", name,
			 image, target, target_type, NULL);
}

int record_digest(struct store *s, const char *repository, const char *digest, const char *image, struct error *err)
{
	return index_run(s, err, "INSERT OR REPLACE INTO digests(repository, digest, image) VALUES(?1, ?2, ?3)",
			 repository, digest, image, NULL);
}

int record_owner(struct store *s, const char *owner, const char *digest, struct error *err)
{
	return index_run(s, err, "INSERT OR IGNORE INTO image_blobs(image, digest) VALUES(?1, ?2)", owner, digest,
			 NULL);
}

int record_missing(struct store *s, const char *owner, int64_t *ret, struct error *err)
{
	return index_number(
		s, err, ret,
		"SELECT (SELECT count(*) FROM image_layers WHERE image = ?1 AND chain NOT IN (SELECT chain FROM layers))"
		" + (SELECT count(*) FROM image_blobs WHERE image = ?1 AND digest NOT IN (SELECT digest FROM blobs))",
		owner, NULL);
}
