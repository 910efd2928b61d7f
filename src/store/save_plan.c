/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From images to an archive, the first step: what the words mean is looked up, and each blob is opened once while the lock is held
 * that removals need. A name that means an index of several platforms, all of which are here, is saved as that index.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define INDEX_DEPTH_MAX 4
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

struct planner {
	struct store *store;
	int blobs_fd; /* borrowed; the folder */
	struct store_save_plan *plan;
	const struct store_save_options *options; /* borrowed */
	bool in_index;                            /* what is added belongs to an index */
};

void store_save_done(struct store_save_plan *p)
{
	for (size_t i = 0; i < p->blob_count; i++)
		fd_close(&p->blobs[i].fd);
	arena_done(&p->arena);
	*p = (struct store_save_plan){0};
}

/* The number of the blob @digest, opened on first need. @size <0: not known. */
static int add_blob(struct planner *p, const char *digest, int64_t size, bool layer, size_t *ret, struct error *err)
{
	struct store_save_plan *plan = p->plan;
	struct stat st;

	for (size_t i = 0; i < plan->blob_count; i++) {
		if (str_eq(plan->blobs[i].digest, digest)) {
			*ret = i;
			return 0;
		}
	}
	if (!digest_supported(digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 digest);
	autofd int fd = safepath_child(p->blobs_fd, image_digest_hex(digest), O_RDONLY, err);
	if (fd < 0 || fstat(fd, &st) < 0) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "the blob %s is missing from the store", digest);
		return error_hint(err, "pull or load the image again");
	}
	if (!S_ISREG(st.st_mode) || (size >= 0 && st.st_size != size))
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "the blob %s in the store is damaged: it has %lld bytes, not %lld", digest,
				 (long long)st.st_size, (long long)size);
	*ret = plan->blob_count;
	struct store_saved_blob *b = &ARENA_PUSH(&plan->arena, plan->blobs, plan->blob_count);
	*b = (struct store_saved_blob){.digest = arena_strdup(&plan->arena, digest),
				       .size = st.st_size,
				       .fd = take_fd(&fd),
				       .layer = layer};
	return 0;
}

static int add_parts(struct planner *p, struct store_saved_image *out, const char *text, size_t len, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	struct arena *a = &p->plan->arena;

	if (image_manifest_parse(text, len, "manifest", &m, err) < 0 ||
	    add_blob(p, m.config.digest, m.config.size, false, &out->config, err) < 0)
		return -err->code;
	out->media_type = arena_strdup(a, m.media_type ? m.media_type : "application/vnd.oci.image.manifest.v1+json");
	for (size_t i = 0; i < m.layer_count; i++) {
		size_t number;

		if (p->in_index && m.layers[i].urls.count > 0)
			continue; /* lies elsewhere, nobody keeps it */
		if (add_blob(p, m.layers[i].digest, m.layers[i].size, true, &number, err) < 0)
			return -err->code;
		ARENA_PUSH(a, out->layers, out->layer_count) = number;
	}
	return 0;
}

static void add_name(struct store_save_plan *plan, struct store_saved_image *i, const char *name)
{
	for (size_t n = 0; n < i->names.count; n++) {
		if (str_eq(i->names.items[n], name))
			return;
	}
	spec_strs_push(&plan->arena, &i->names, arena_strdup(&plan->arena, name));
}

/* The entry of the archive whose target is @digest, NULL: none yet. */
static struct store_saved_image *find_saved(struct store_save_plan *plan, const char *digest)
{
	for (size_t n = 0; n < plan->image_count; n++) {
		if (str_eq(plan->images[n].target, digest))
			return &plan->images[n];
	}
	return NULL;
}

/* The parts of the manifest @digest, whose size is @size (<0: not known). */
static int add_manifest(struct planner *p, const char *digest, int64_t size, struct store_saved_image *out,
			struct error *err)
{
	autofree char *text = NULL;
	size_t len, number;

	if (store_blob_read(p->store, digest, &text, &len, err) < 0 ||
	    add_blob(p, digest, size < 0 ? (int64_t)len : size, false, &number, err) < 0)
		return -err->code;
	out->manifest_digest = out->target = arena_strdup(&p->plan->arena, digest);
	out->target_size = (int64_t)len;
	return add_parts(p, out, text, len, err);
}

/* Image @found, which was asked for as @name (NULL: by its id), once however often it is named. */
static int add_image(struct planner *p, const struct store_image *found, const char *name, struct error *err)
{
	struct store_save_plan *plan = p->plan;
	struct store_saved_image *i = find_saved(plan, found->manifest_digest);

	if (!i) {
		struct store_saved_image made = {.id = arena_strdup(&plan->arena, found->id)};

		if (add_manifest(p, found->manifest_digest, -1, &made, err) < 0)
			return -err->code;
		for (size_t n = 0; n < found->layer_count; n++)
			spec_strs_push(&plan->arena, &made.diff_ids,
				       arena_strdup(&plan->arena, found->layers[n].diff_id));
		i = &ARENA_PUSH(&plan->arena, plan->images, plan->image_count);
		*i = made;
	}
	if (name)
		add_name(plan, i, name);
	return 0;
}

/* ---- indexes ---- */

/* Is the index @digest here with all its platforms? 1, 0, <0. */
static int index_is_whole(struct store *s, const char *digest, struct error *err)
{
	int64_t known;

	if (index_number(s, err, &known, "SELECT 1 FROM indexes WHERE digest = ?1", digest, NULL) < 0)
		return -err->code;
	return known != 0;
}

static int read_index(struct planner *p, const char *digest, struct image_index *ret, size_t *ret_len,
		      struct error *err)
{
	autofree char *text = NULL;

	if (store_blob_read(p->store, digest, &text, ret_len, err) < 0)
		return -err->code;
	return image_index_parse(text, *ret_len, digest, ret, err);
}

/* Everything below the index. @out gets the parts of the manifest for @platform, for Docker's form. */
static int add_index_parts(struct planner *p, const char *digest, const struct image_platform *platform, int depth,
			   struct store_saved_image *out, struct error *err)
{
	autoclean(image_index_done) struct image_index index = {0};
	const struct image_descriptor *best;
	size_t number, len;

	if (depth > INDEX_DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, ELOOP, "indexes point to indexes more than %d deep",
				 INDEX_DEPTH_MAX);
	if (read_index(p, digest, &index, &len, err) < 0 || add_blob(p, digest, (int64_t)len, false, &number, err) < 0)
		return -err->code;
	if (depth == 0) {
		out->media_type = arena_strdup(&p->plan->arena, index.media_type ? index.media_type : INDEX_TYPE);
		out->target_size = (int64_t)len;
	}
	best = image_index_choose(&index, platform);
	for (size_t i = 0; i < index.manifest_count; i++) {
		const struct image_descriptor *d = &index.manifests[i];
		struct store_saved_image one = {0};

		if (image_media_from_type(d->media_type, NULL) == IMAGE_MEDIA_INDEX
			    ? add_index_parts(p, d->digest, platform, depth + 1, out, err) < 0
			    : add_manifest(p, d->digest, d->size, &one, err) < 0)
			return -err->code;
		if (d != best || out->id)
			continue;
		out->id = p->plan->blobs[one.config].digest;
		out->manifest_digest = one.manifest_digest;
		out->config = one.config;
		out->layers = one.layers;
		out->layer_count = one.layer_count;
	}
	return 0;
}

static int add_index(struct planner *p, const char *digest, const char *name, struct error *err)
{
	const struct image_platform here = image_platform_native();
	struct store_save_plan *plan = p->plan;
	struct store_saved_image *i = find_saved(plan, digest);

	if (!i) {
		struct store_saved_image made = {.target = arena_strdup(&plan->arena, digest)};

		p->in_index = true;
		int r = add_index_parts(p, digest, &here, 0, &made, err);

		p->in_index = false;
		if (r < 0)
			return r;
		i = &ARENA_PUSH(&plan->arena, plan->images, plan->image_count);
		*i = made;
	}
	add_name(plan, i, name);
	return 0;
}

/* One platform of the index @digest as an image of its own. Returns 1, 0 (it has none such), <0. */
static int add_platform(struct planner *p, const char *digest, const struct image_platform *platform, const char *name,
			struct error *err)
{
	autoclean(image_index_done) struct image_index index = {0};
	struct store_saved_image made = {0}, *i;
	struct store_save_plan *plan = p->plan;
	const struct image_descriptor *best;
	size_t len;

	if (read_index(p, digest, &index, &len, err) < 0)
		return -err->code;
	best = image_index_choose(&index, platform);
	if (!best)
		return 0;
	i = find_saved(plan, best->digest);
	if (!i) {
		if (add_manifest(p, best->digest, best->size, &made, err) < 0)
			return -err->code;
		made.id = plan->blobs[made.config].digest;
		i = &ARENA_PUSH(&plan->arena, plan->images, plan->image_count);
		*i = made;
	}
	add_name(plan, i, name);
	return 1;
}

static int no_such_platform(const struct image_platform *o, struct error *err)
{
	error_set(err, ERROR_UNSUPPORTED, ENOENT, "there is nothing for the platform %s/%s%s%s here", o->os,
		  o->architecture, o->variant ? "/" : "", o->variant ? o->variant : "");
	return error_hint(err, "`bothy pull --platform` or `bothy pull --all-platforms` brings it");
}

/* What the name @known says, when that is an index that is here. Returns 1 added, 0 it is a single image, <0. */
static int add_known(struct planner *p, const struct store_name *known, struct error *err)
{
	const struct image_platform here = image_platform_native();
	const struct store_save_options *o = p->options;
	int r = *known->target ? index_is_whole(p->store, known->target, err) : 0;

	if (r <= 0)
		return r;
	if (!o->platform && !o->single)
		return add_index(p, known->target, known->name, err) < 0 ? -err->code : 1;
	r = add_platform(p, known->target, o->platform ? o->platform : &here, known->name, err);
	return r == 0 ? no_such_platform(o->platform ? o->platform : &here, err) : r;
}

/* The names of the repository @full (without a tag), in order. */
static int names_of_repository(struct store *s, const char *full, struct strv *ret, struct error *err)
{
	autostmt sqlite3_stmt *q = NULL;
	autofree char *from = mem_printf("%s:", full), *to = mem_printf("%s;", full); /* ';' follows ':' */
	int r;

	if (index_prepare(s, "SELECT name FROM names WHERE name >= ?1 AND name < ?2 ORDER BY name", &q, err) < 0)
		return -err->code;
	sqlite3_bind_text(q, 1, from, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, to, -1, SQLITE_STATIC);
	while ((r = index_step(s, q, err)) > 0)
		strv_push(ret, index_text(q, 0));
	return r;
}

static int add_found(struct planner *p, const char *name, struct error *err)
{
	autoimage struct store_image found = {0};
	const struct image_platform *want = p->options->platform;
	struct image_reference ref = {0};
	struct store_name known;
	struct arena a = {0};
	struct error no_name;
	int r = 0;

	if (image_reference_parse(&a, name, &ref, &no_name) == 0 && !ref.digest) {
		ref.tag = ref.tag ? ref.tag : "latest";
		r = store_name_find(p->store, image_reference_full(&a, &ref), &a, &known, err);
		if (r > 0)
			r = add_known(p, &known, err);
	}
	arena_done(&a);
	if (r == 0 && store_image_find(p->store, name, &found, err) < 0)
		return -err->code;
	if (r == 0 && want && !image_platform_match(want, &found.config.platform))
		r = no_such_platform(want, err);
	if (r == 0)
		r = add_image(p, &found, found.name, err);
	return r < 0 ? error_wrap(err, "image %s", name) : 0;
}

/* What one word of the command line means. */
static int add_word(struct planner *p, const char *word, struct error *err)
{
	autostrv struct strv names = {0};
	struct image_reference ref = {0};
	struct error no_reference;
	struct arena a = {0};
	int r = 0;

	if (image_reference_parse(&a, word, &ref, &no_reference) == 0 && !ref.tag && !ref.digest)
		r = names_of_repository(p->store, image_reference_full(&a, &ref), &names, err);
	arena_done(&a);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.count; i++) {
		if (add_found(p, names.items[i], err) < 0)
			return -err->code;
	}
	return names.count ? 0 : add_found(p, word, err);
}

int store_save_plan(struct store *s, char *const *names, size_t count, const struct store_save_options *options,
		    struct store_save_plan *ret, struct error *err)
{
	static const struct store_save_options defaults = {.single = true};
	autosave struct store_save_plan plan = {0};
	struct planner p = {.store = s, .plan = &plan, .options = options ? options : &defaults};

	/* Everything is opened before a removal may take it. */
	autofd int lock = safepath_lock(s->root_fd, STORE_USE_LOCK, false, true, err);
	if (lock < 0 || index_open(s, false, err) < 0)
		return -err->code;
	autofd int blobs = store_folder(s, "blobs/sha256", err);
	if (blobs < 0)
		return blobs;
	p.blobs_fd = blobs;
	for (size_t i = 0; i < count; i++) {
		if (add_word(&p, names[i], err) < 0)
			return -err->code;
	}
	*ret = plan;
	plan = (struct store_save_plan){0};
	return 0;
}
