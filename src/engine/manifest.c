/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifest lists: OCI indexes that a user puts together. A list is a name in the store; each change reads its document, edits it as
 * JSON, and saves the new document under the same name. What is added is brought into the store first, so that a list can always
 * be pushed, whatever became of the registries that its images came from.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define ENTRIES_MAX 1000

/* ---- names ---- */

/* "docker://" is how Podman names a registry. */
static const char *bare(const char *name)
{
	return str_starts(name, "docker://") ? name + 9 : name;
}

static int full_name(struct arena *a, const char *name, const char **ret, struct error *err)
{
	struct image_reference ref;

	if (image_reference_parse(a, bare(name), &ref, err) < 0)
		return -err->code;
	if (ref.digest)
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s': a list has a name, and no digest in it", name);
	if (!ref.tag)
		ref.tag = "latest";
	*ret = image_reference_full(a, &ref);
	return 0;
}

/* The list @name as JSON. @ret_full in @a. */
static int read_list(struct engine *e, const char *name, struct arena *a, const char **ret_full, struct json **ret,
		     struct error *err)
{
	autojson struct json *j = NULL;
	autofree char *text = NULL;
	struct store_name known;
	struct store *store;
	size_t len;

	if (engine_store(e, &store, err) < 0 || full_name(a, name, ret_full, err) < 0)
		return -err->code;
	int r = store_name_find(store, *ret_full, a, &known, err);

	if (r == 0) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "there is no manifest list '%.200s'", name);
		return error_hint(err, "bothy manifest create %.150s", name);
	}
	if (r < 0 || store_blob_read(store, known.target, &text, &len, err) < 0 ||
	    json_parse(text, len, name, &j, err) < 0)
		return -err->code;
	if (json_type(json_get(j, "manifests")) != JSON_ARRAY)
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s' is an image and no manifest list", name);
	*ret = j;
	j = NULL;
	return 0;
}

int engine_list_find(struct engine *e, const char *name, struct arena *a, const char **ret_full, struct error *err)
{
	autojson struct json *j = NULL;

	return read_list(e, name, a, ret_full, &j, err);
}

static int save_list(struct engine *e, const char *full, const struct json *list, char ret_digest[static 80],
		     struct error *err)
{
	autobuf struct buf text = BUF_INIT(IMAGE_MANIFEST_MAX_BYTES);
	struct store *store;

	if (engine_store(e, &store, err) < 0)
		return -err->code;
	if (!json_write(list, true, &text))
		return error_set(err, ERROR_LIMIT, E2BIG, "the list is larger than %u bytes", IMAGE_MANIFEST_MAX_BYTES);
	return store_list_save(store, full, buf_str(&text), text.len, ret_digest, err);
}

/* ---- entries ---- */

/* Put @entry into the list; one with the same digest makes room. */
static int put_entry(struct json *list, struct json *entry_take, struct error *err)
{
	autojson struct json *entry = entry_take;
	struct json *old = json_get(list, "manifests"), *all = json_new_array();
	const char *digest = json_str(json_get(entry, "digest"));

	for (size_t i = 0; i < json_len(old); i++) {
		if (!str_eq(json_str(json_get(json_at(old, i), "digest")), digest))
			json_push(all, json_ref(json_at(old, i)));
	}
	json_push(all, json_ref(entry));
	json_set(list, "manifests", all);
	return json_len(all) > ENTRIES_MAX
		       ? error_set(err, ERROR_LIMIT, E2BIG, "a list has at most %d images", ENTRIES_MAX)
		       : 0;
}

static void set_strings(struct json *object, const char *key, const struct strv *values)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < values->count; i++)
		json_push(list, json_new_str(values->items[i]));
	if (values->count > 0)
		json_set(object, key, list);
	else
		json_unref(list);
}

static int describe(struct json *entry, const struct engine_list_entry *how, struct error *err)
{
	struct json *platform = json_get(entry, "platform");

	if (!platform) {
		platform = json_new_object();
		json_set(entry, "platform", platform);
	}
	json_set_str(platform, "architecture", how->arch);
	json_set_str(platform, "os", how->os);
	json_set_str(platform, "variant", how->variant);
	json_set_str(platform, "os.version", how->os_version);
	set_strings(platform, "features", &how->features);
	set_strings(platform, "os.features", &how->os_features);
	for (size_t i = 0; i < how->annotations.count; i++) {
		const char *text = how->annotations.items[i], *is = strchr(text, '=');
		struct json *all = json_get(entry, "annotations");

		if (!is || is == text)
			return error_set(err, ERROR_INVALID, EINVAL, "--annotation: expected KEY=VALUE, got \"%s\"",
					 text);
		if (!all) {
			all = json_new_object();
			json_set(entry, "annotations", all);
		}
		autofree char *key = mem_strndup(text, (size_t)(is - text));

		json_set(all, key, json_new_str(is + 1));
	}
	return 0;
}

/* The entry of an image of the store. */
static int entry_of(struct store *s, const struct store_image *image, struct json **ret, struct error *err)
{
	autojson struct json *manifest = NULL, *entry = json_new_object();
	struct json *platform = json_new_object();
	const struct image_platform *p = &image->config.platform;
	autofree char *text = NULL;
	size_t len;

	json_set(entry, "platform", platform);
	if (store_blob_read(s, image->manifest_digest, &text, &len, err) < 0 ||
	    json_parse(text, len, "the manifest", &manifest, err) < 0)
		return -err->code;
	const char *type = json_str(json_get(manifest, "mediaType"));

	json_set(entry, "mediaType", json_new_str(type ? type : MANIFEST_TYPE));
	json_set(entry, "digest", json_new_str(image->manifest_digest));
	json_set(entry, "size", json_new_u64(len));
	json_set_str(platform, "architecture", p->architecture);
	json_set_str(platform, "os", p->os);
	json_set_str(platform, "variant", p->variant);
	json_set_str(platform, "os.version", p->os_version);
	*ret = entry;
	entry = NULL;
	return 0;
}

/* ---- bringing in ---- */

static int pull(struct engine *e, const char *name, bool all, const struct engine_list_entry *how,
		const struct engine_registry_options *o, struct error *err)
{
	static const struct engine_registry_options none = {0};
	const struct engine_registry_options *r = o ? o : &none;
	autofree char *platform = NULL;
	struct engine_pull_options po = {.policy = all ? ENGINE_PULL_ALWAYS : ENGINE_PULL_MISSING,
					 .all_platforms = all,
					 .creds = r->creds,
					 .authfile = r->authfile,
					 .cert_dir = r->cert_dir,
					 .no_verify = r->no_verify,
					 .stop_fd = FD_NONE};
	struct engine_pulled pulled = {0};

	if (!all && how && how->arch) {
		platform = mem_printf("%s/%s%s%s", how->os ? how->os : "linux", how->arch, how->variant ? "/" : "",
				      how->variant ? how->variant : "");
		po.platform = platform;
	}
	int res = engine_pull(e, name, &po, &pulled, err);

	engine_pulled_done(&pulled);
	return res;
}

/* All entries of the index that @name means. Returns 1 when it means one, 0, <0. */
static int add_all_of(struct engine *e, struct json *list, const char *name, struct error *err)
{
	struct arena a = {0};
	autojson struct json *from = NULL;
	const char *full;
	struct error none;
	int r = read_list(e, name, &a, &full, &from, &none);

	arena_done(&a);
	if (r < 0)
		return 0;
	const struct json *all = json_get(from, "manifests");

	for (size_t i = 0; i < json_len(all); i++) {
		if (put_entry(list, json_ref(json_at(all, i)), err) < 0)
			return -err->code;
	}
	return 1;
}

static int add_image(struct engine *e, struct json *list, const char *typed, bool all,
		     const struct engine_list_entry *how, const struct engine_registry_options *o, struct error *err)
{
	autoimage struct store_image image = {0};
	autojson struct json *entry = NULL;
	const char *name = bare(typed);
	struct store *store;
	struct error missing;

	if (engine_store(e, &store, err) < 0)
		return -err->code;
	bool here = name == typed && store_image_find(store, name, &image, &missing) == 0;

	if ((all || !here) && !(all && here && str_eq(image.target, image.manifest_digest)) &&
	    pull(e, name, all, how, o, err) < 0)
		return error_wrap(err, "add %s", name);
	if (all) {
		int r = add_all_of(e, list, name, err);

		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (!here && store_image_find(store, name, &image, err) < 0)
		return -err->code;
	if (entry_of(store, &image, &entry, err) < 0 || (how && describe(entry, how, err) < 0))
		return error_wrap(err, "add %s", name);
	return put_entry(list, json_ref(entry), err);
}

/* ---- the commands ---- */

int engine_list_create(struct engine *e, const char *name, char *const *images, size_t count, bool amend, bool all,
		       const struct engine_registry_options *o, char ret_digest[static 80], struct error *err)
{
	autojson struct json *list = json_new_object(), *old = NULL;
	struct arena a autoclean(arena_done) = {0};
	struct store_name known;
	struct store *store;
	const char *full;
	struct error none;

	if (engine_store(e, &store, err) < 0 || full_name(&a, name, &full, err) < 0)
		return -err->code;
	int r = store_name_find(store, full, &a, &known, err);

	if (r < 0)
		return r;
	if (r > 0 && (!amend || read_list(e, name, &a, &full, &old, &none) < 0)) {
		error_set(err, ERROR_CONFLICT, EEXIST, "the name '%.200s' is taken", name);
		return amend ? -err->code : error_hint(err, "--amend adds to a list that is there");
	}
	if (old) {
		json_unref(list);
		list = json_ref(old);
	} else {
		json_set(list, "schemaVersion", json_new_i64(2));
		json_set(list, "mediaType", json_new_str(INDEX_TYPE));
		json_set(list, "manifests", json_new_array());
	}
	for (size_t i = 0; i < count; i++) {
		if (add_image(e, list, images[i], all, NULL, o, err) < 0)
			return -err->code;
	}
	return save_list(e, full, list, ret_digest, err);
}

int engine_list_add(struct engine *e, const char *name, const char *image, bool all,
		    const struct engine_list_entry *entry, const struct engine_registry_options *o,
		    char ret_digest[static 80], struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	autojson struct json *list = NULL;
	const char *full;

	if (read_list(e, name, &a, &full, &list, err) < 0 || add_image(e, list, image, all, entry, o, err) < 0)
		return -err->code;
	return save_list(e, full, list, ret_digest, err);
}

/* The digest of a manifest as typed, or that of the image of this name. In @a. */
static int entry_digest(struct engine *e, struct arena *a, const char *typed, const char **ret, struct error *err)
{
	autoimage struct store_image image = {0};
	struct store *store;

	if (image_digest_valid(typed)) {
		*ret = typed;
		return 0;
	}
	if (engine_store(e, &store, err) < 0 || store_image_find(store, bare(typed), &image, err) < 0)
		return -err->code;
	*ret = arena_strdup(a, image.manifest_digest);
	return 0;
}

int engine_list_annotate(struct engine *e, const char *name, const char *image, const struct engine_list_entry *entry,
			 char ret_digest[static 80], struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	autojson struct json *list = NULL;
	const char *full, *digest;

	if (read_list(e, name, &a, &full, &list, err) < 0 || entry_digest(e, &a, image, &digest, err) < 0)
		return -err->code;
	struct json *all = json_get(list, "manifests");

	for (size_t i = 0; i < json_len(all); i++) {
		struct json *one = json_at(all, i);

		if (!str_eq(json_str(json_get(one, "digest")), digest))
			continue;
		return describe(one, entry, err) < 0 ? -err->code : save_list(e, full, list, ret_digest, err);
	}
	return error_set(err, ERROR_NOT_FOUND, ENOENT, "the list %s has no %s", name, image);
}

int engine_list_take_out(struct engine *e, const char *name, const char *typed, char ret_digest[static 80],
			 struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	autojson struct json *list = NULL;
	const char *full, *digest;

	if (read_list(e, name, &a, &full, &list, err) < 0 || entry_digest(e, &a, typed, &digest, err) < 0)
		return -err->code;
	struct json *old = json_get(list, "manifests"), *left = json_new_array();

	for (size_t i = 0; i < json_len(old); i++) {
		if (!str_eq(json_str(json_get(json_at(old, i), "digest")), digest))
			json_push(left, json_ref(json_at(old, i)));
	}
	bool found = json_len(left) < json_len(old);

	json_set(list, "manifests", left);
	if (!found)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "the list %s has no %s", name, typed);
	return save_list(e, full, list, ret_digest, err);
}

/* ---- reading ---- */

static int read_remote(const struct image_reference *ref, const struct engine_registry_options *o, char **ret_text,
		       size_t *ret_len, char ret_digest[static 80], struct error *err)
{
	autoregistry struct registry *session = NULL;
	struct registry_event ev;
	int64_t id;

	if (engine_registry_open(ref->domain, ref->path, REGISTRY_PULL, o, &session, err) < 0)
		return -err->code;
	id = registry_get_manifest(session, ref->digest ? ref->digest : ref->tag ? ref->tag : "latest", false, err);
	if (id < 0 || registry_wait(session, id, &ev, NULL, NULL, err) < 0)
		return -err->code;
	if (!ev.text)
		return error_set(err, ERROR_INVALID, EPROTO, "the registry sent no manifest");
	*ret_text = mem_strndup(ev.text, ev.len);
	*ret_len = ev.len;
	(void)str_copy(ret_digest, 80, ev.digest ? ev.digest : "");
	return 0;
}

int engine_manifest_read(struct engine *e, const char *name, const struct engine_registry_options *o, char **ret_text,
			 size_t *ret_len, char ret_digest[static 80], struct error *err)
{
	struct arena a autoclean(arena_done) = {0};
	struct image_reference ref;
	struct store_name known;
	struct store *store;
	const char *digest = NULL;
	struct error missing;

	if (engine_store(e, &store, err) < 0 || image_reference_parse(&a, bare(name), &ref, err) < 0)
		return -err->code;
	if (bare(name) == name && !ref.digest) {
		const char *full;

		if (full_name(&a, name, &full, err) < 0)
			return -err->code;
		int r = store_name_find(store, full, &a, &known, err);

		if (r < 0)
			return r;
		digest = r > 0 && *known.target ? known.target : NULL;
	} else {
		digest = ref.digest;
	}
	if (digest && bare(name) == name && store_blob_read(store, digest, ret_text, ret_len, &missing) == 0) {
		(void)str_copy(ret_digest, 80, digest);
		return 0;
	}
	return read_remote(&ref, o, ret_text, ret_len, ret_digest, err);
}
