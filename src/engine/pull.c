/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy pull: from a name to an image in the store.
 *
 *	name -> what the registry has under it (a digest; nothing more is asked when the store has that)
 *	     -> manifest, or index and the manifest for the platform -> config -> the ingest gets its layers -> records
 *
 * What a config says about environment and labels is data for `run`, nothing here acts on it (V18).
 */
#include "engine/pull.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

#define TAGS_MAX 10000
#define PLATFORMS_MAX 256 /* manifests of an index with --all-platforms */

int engine_pull_policy_parse(const char *text, const char *option, enum engine_pull_policy *ret, struct error *err)
{
	static const struct {
		const char *word;
		enum engine_pull_policy policy;
	} words[] = {
		{"always", ENGINE_PULL_ALWAYS}, {"true", ENGINE_PULL_ALWAYS},   {"missing", ENGINE_PULL_MISSING},
		{"never", ENGINE_PULL_NEVER},   {"false", ENGINE_PULL_MISSING}, {"newer", ENGINE_PULL_NEWER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (str_eq(words[i].word, text)) {
			*ret = words[i].policy;
			return 0;
		}
	}
	return error_set(err, ERROR_INVALID, EINVAL, "%s: expected always, missing, newer or never, got \"%s\"", option,
			 text);
}

void engine_pulled_done(struct engine_pulled *p)
{
	arena_done(&p->arena);
	*p = (struct engine_pulled){0};
}

static void pull_done(struct pull *p)
{
	registry_close(p->registry);
	arena_done(&p->arena);
}

/* ---- one image ---- */

/* What is being pulled. */
struct wanted {
	const char *name;       /* full, with tag or digest */
	const char *repository; /* full, without */
	const char *tag;        /* NULL: by digest */
	struct image_reference ref;
};

static void add_result(struct pull *p, const struct wanted *w, const char *digest, const char *id, bool unchanged)
{
	struct arena *a = &p->out->arena;

	ARENA_PUSH(a, p->out->images, p->out->count) = (struct engine_pulled_image){
		.name = arena_strdup(a, w->name),
		.familiar = image_reference_familiar(a, &w->ref),
		.digest = arena_strdup(a, digest),
		.id = arena_strdup(a, id),
		.unchanged = unchanged,
	};
}

static int not_an_image(const struct image_manifest *m, struct error *err)
{
	error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "this is no container image (its config is of type '%.100s')",
		  m->config.media_type);
	return error_hint(err, "for other artifacts: bothy artifact pull NAME");
}

/* Is everything of this name here as it is in the registry? */
static bool is_unchanged(struct pull *p, const struct wanted *w, const char *target, const char *id)
{
	autoclean(store_image_names_done) struct store_image_names names = {0};
	struct store_name have;
	struct error ignored;
	bool same = false;

	if (store_image_complete(p->store, id, &ignored) <= 0)
		return false; /* a damaged store is healed by a pull */
	if (w->tag)
		return store_name_find(p->store, w->name, &p->arena, &have, &ignored) > 0 &&
		       str_eq(have.target, target) && str_eq(have.image, id);
	/* A digest: it is one of the image's. */
	if (store_image_names(p->store, id, &names, &ignored) < 0)
		return false;
	for (size_t i = 0; i < names.digests.count && !same; i++)
		same = str_eq(names.digests.items[i], w->name);
	return same;
}

/* The config of @m and with it the image, queued. */
static int add_image(struct pull *p, struct store_ingest *g, const struct pull_document *d,
		     const struct image_manifest *m, char ret_id[static 80], struct error *err)
{
	const struct store_document manifest = {.digest = d->digest, .text = d->text, .len = d->len};
	struct store_document config = {.digest = m->config.digest, .len = (size_t)m->config.size};

	if (pull_get_blob(p, &m->config, IMAGE_CONFIG_MAX_BYTES, &config.text, err) < 0)
		return -err->code;
	return store_ingest_image(g, &manifest, &config, ret_id, err);
}

/* A manifest of another platform, or an attestation: kept as it is. */
static int add_foreign(struct store_ingest *g, const char *index, const struct pull_document *d,
		       const struct image_manifest *m, struct error *err)
{
	const struct store_document manifest = {.digest = d->digest, .text = d->text, .len = d->len};

	if (store_ingest_text(g, index, &manifest, err) < 0 ||
	    store_ingest_save(g, index, m->config.digest, m->config.size, err) < 0)
		return -err->code;
	for (size_t i = 0; i < m->layer_count; i++) {
		if (store_ingest_save(g, index, m->layers[i].digest, m->layers[i].size, err) < 0)
			return -err->code;
	}
	return 0;
}

static int get_manifest(struct pull *p, const struct image_descriptor *d, struct pull_document *ret,
			struct image_manifest *ret_m, struct error *err)
{
	if (pull_get_document(p, d->digest, ret, err) < 0)
		return -err->code;
	if (ret->is_index)
		return error_set(err, ERROR_INVALID, EBADMSG, "%.19s was promised to be a manifest, it is an index",
				 d->digest);
	if (d->size != (int64_t)ret->len)
		return error_set(err, ERROR_INVALID, EBADMSG, "manifest %.19s has %zu bytes, %lld were promised",
				 d->digest, ret->len, (long long)d->size);
	return image_manifest_parse(ret->text, ret->len, "manifest", ret_m, err);
}

/* --all-platforms: everything that the index names. @native: taken care of already; NULL: none is for us. */
static int add_others(struct pull *p, struct store_ingest *g, const struct pull_document *top,
		      const struct image_index *index, const struct image_descriptor *native, const char *id,
		      struct error *err)
{
	const struct store_document text = {.digest = top->digest, .text = top->text, .len = top->len};

	if (index->manifest_count > PLATFORMS_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "the index has %zu manifests, at most %d are pulled together",
				 index->manifest_count, PLATFORMS_MAX);
	if (store_ingest_text(g, top->digest, &text, err) < 0)
		return -err->code;
	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];
		autoclean(image_manifest_done) struct image_manifest m = {0};
		struct pull_document document;
		const bool ours = native && str_eq(d->digest, native->digest);

		if (!ours &&
		    (get_manifest(p, d, &document, &m, err) < 0 || add_foreign(g, top->digest, &document, &m, err) < 0))
			return error_wrap(err, "platform %s/%s", d->platform.os ? d->platform.os : "?",
					  d->platform.architecture ? d->platform.architecture : "?");
		store_ingest_index(g, top->digest, index->media_type ? index->media_type : "", d->digest,
				   ours ? id : "");
	}
	return 0;
}

static void add_records(struct store_ingest *g, const struct wanted *w, const struct pull_document *top,
			const char *media_type, const char *id)
{
	if (w->tag)
		store_ingest_name(g, w->name, id, top->digest, media_type);
	if (id[0])
		store_ingest_digest(g, w->repository, top->digest, id);
}

/* The documents of an image: @top, which is @d itself or an index. */
struct documents {
	struct pull_document top, manifest;
	struct image_index index; /* with is_index */
	struct image_manifest m;
	const struct image_descriptor *chosen; /* NULL: @top is the manifest, or none is for us */
	bool have_manifest;
};

static void documents_done(struct documents *d)
{
	image_index_done(&d->index);
	image_manifest_done(&d->m);
}

static int read_documents(struct pull *p, struct documents *d, struct error *err)
{
	if (!d->top.is_index) {
		d->manifest = d->top;
		d->have_manifest = true;
		return image_manifest_parse(d->top.text, d->top.len, "manifest", &d->m, err);
	}
	if (image_index_parse(d->top.text, d->top.len, "index", &d->index, err) < 0)
		return -err->code;
	if (pull_choose(p, &d->index, &d->chosen, err) < 0)
		return p->o->all_platforms ? 0 : -err->code;
	d->have_manifest = true;
	return get_manifest(p, d->chosen, &d->manifest, &d->m, err);
}

static const char *own_media_type(const struct documents *d)
{
	const char *own = d->top.is_index ? d->index.media_type : d->m.media_type;

	return own ? own : d->top.media_type;
}

static int pull_documents(struct pull *p, const struct wanted *w, struct documents *d, struct error *err)
{
	autoingest struct store_ingest *g = NULL;
	char id[80] = "";

	if (d->have_manifest && image_media_from_type(d->m.config.media_type, NULL) != IMAGE_MEDIA_CONFIG)
		return not_an_image(&d->m, err);
	if (d->have_manifest && !(p->o->all_platforms && d->top.is_index) &&
	    is_unchanged(p, w, d->top.digest, d->m.config.digest)) {
		add_result(p, w, d->top.digest, d->m.config.digest, true);
		return 0;
	}
	if (store_ingest_new(p->store, NULL, &g, err) < 0 ||
	    (d->have_manifest && add_image(p, g, &d->manifest, &d->m, id, err) < 0))
		return -err->code;
	if (d->top.is_index && id[0]) {
		const struct store_document text = {.digest = d->top.digest, .text = d->top.text, .len = d->top.len};

		if (store_ingest_text(g, id, &text, err) < 0)
			return -err->code;
	}
	if (d->top.is_index && p->o->all_platforms && add_others(p, g, &d->top, &d->index, d->chosen, id, err) < 0)
		return -err->code;
	add_records(g, w, &d->top, own_media_type(d), id);
	if (pull_layers(p, g, err) < 0)
		return -err->code;
	add_result(p, w, d->top.digest, id, false);
	return 0;
}

/* The document behind the name: when the store knows the name, the registry is asked for the digest alone. */
static int get_top(struct pull *p, const struct wanted *w, struct pull_document *ret, struct error *err)
{
	struct store_name have;
	struct error ignored;

	if (!w->tag)
		return pull_get_document(p, w->ref.digest, ret, err);
	bool head = store_name_find(p->store, w->name, &p->arena, &have, &ignored) > 0;

	if (pull_resolve(p, w->tag, head, ret, err) < 0)
		return -err->code;
	return ret->text ? 0 : pull_get_document(p, ret->digest, ret, err);
}

/* The session's errors name the image as well: once is enough. */
static int say_name_once(const char *name, struct error *err)
{
	const size_t len = strlen(name);

	if (str_starts(err->msg, name) && str_starts(err->msg + len, ": "))
		memmove(err->msg, err->msg + len + 2, strlen(err->msg + len + 2) + 1);
	return error_wrap(err, "pull %s", name);
}

static int pull_one(struct pull *p, const struct wanted *w, struct error *err)
{
	autoclean(documents_done) struct documents d = {0};
	const struct engine_observer *o = p->o->observer;

	p->document_bytes = 0;
	if (o && o->begin)
		o->begin(o->arg, w->tag ? w->tag : w->ref.digest, w->repository);
	if (get_top(p, w, &d.top, err) < 0) {
		if (err->kind == ERROR_NOT_FOUND && !err->hint[0])
			error_hint(err, "check the name and its tag; which there are: bothy search --list-tags %.200s",
				   w->repository);
		return say_name_once(w->name, err);
	}
	if (read_documents(p, &d, err) < 0 || pull_documents(p, w, &d, err) < 0)
		return say_name_once(w->name, err);
	return 0;
}

/* ---- names ---- */

static void wanted_init(struct pull *p, const struct image_reference *ref, struct wanted *ret)
{
	*ret = (struct wanted){.ref = *ref,
			       .repository = arena_printf(&p->arena, "%s/%s", ref->domain, ref->path),
			       .tag = ref->digest ? NULL : ref->tag};
	if (ref->digest)
		ret->ref.tag = NULL; /* the digest says more than the tag beside it, as with Docker */
	ret->name = image_reference_full(&p->arena, &ret->ref);
}

/* Is there an image of this name for the platform? */
static bool is_here(struct pull *p, const struct image_reference *ref)
{
	struct wanted w;
	autoimage struct store_image image = {0};
	struct error ignored;

	wanted_init(p, ref, &w);
	if (store_image_find(p->store, w.name, &image, &ignored) < 0)
		return false;
	if (p->o->platform && !image_platform_match(&p->platform, &image.config.platform))
		return false;
	add_result(p, &w, image.target ? image.target : image.manifest_digest, image.id, true);
	return true;
}

static int open_session(struct pull *p, const struct registry_config *c, const struct image_reference *ref,
			struct error *err)
{
	const struct registry_options ro = {
		.domain = ref->domain,
		.path = ref->path,
		.access = REGISTRY_PULL,
		.config = c,
		.creds = p->o->creds,
		.authfile = p->o->authfile,
		.cert_dir = p->o->cert_dir,
		.no_verify = p->o->no_verify,
	};

	registry_close(p->registry);
	p->registry = NULL;
	return registry_open(&ro, &p->registry, err);
}

/* One of many: its documents go with it, or thousands of tags would be held in memory together. */
static int pull_tag(struct pull *p, const struct image_reference *ref, const char *tag, struct error *err)
{
	autofree char *text = mem_printf("%s/%s:%s", ref->domain, ref->path, tag);
	const struct arena kept = p->arena;
	struct image_reference one;
	struct wanted w;
	int r;

	p->arena = (struct arena){0};
	r = image_reference_parse(&p->arena, text, &one, err);
	if (r == 0 && (one.digest || !str_eq(one.tag, tag)))
		r = error_set(err, ERROR_INVALID, EINVAL, "'%s' is no tag", tag);
	if (r < 0) {
		r = error_wrap(err, "the registry's list of tags");
	} else {
		wanted_init(p, &one, &w);
		r = pull_one(p, &w, err);
	}
	arena_done(&p->arena);
	p->arena = kept;
	return r;
}

static int pull_all_tags(struct pull *p, const struct image_reference *ref, struct error *err)
{
	autojson struct json *j = NULL;
	struct registry_event e;

	if (pull_wait(p, registry_list_tags(p->registry, err), &e, err) < 0)
		return error_wrap(err, "list the tags of %s/%s", ref->domain, ref->path);
	if (!e.text || json_parse(e.text, e.len, "list of tags", &j, err) < 0)
		return e.text ? -err->code : error_set(err, ERROR_INVALID, EBADMSG, "the list of tags is empty");
	const struct json *tags = json_get(j, "tags");

	if (json_len(tags) == 0)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "%s/%s has no tags", ref->domain, ref->path);
	if (json_len(tags) > TAGS_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "the repository has %zu tags, at most %d are pulled together",
				 json_len(tags), TAGS_MAX);
	for (size_t i = 0; i < json_len(tags); i++) {
		const char *tag = json_str(json_at(tags, i));

		if (pull_tag(p, ref, tag ? tag : "", err) < 0)
			return -err->code;
	}
	return 0;
}

static int pull_candidate(struct pull *p, const struct registry_config *c, const struct image_reference *ref,
			  struct error *err)
{
	struct wanted w;

	if (open_session(p, c, ref, err) < 0)
		return -err->code;
	if (p->o->all_tags)
		return pull_all_tags(p, ref, err);
	wanted_init(p, ref, &w);
	return pull_one(p, &w, err);
}

/* A short name may stand for several: the first that has it. */
static int pull_candidates(struct pull *p, const struct registry_config *c, const struct image_reference *refs,
			   size_t count, struct error *err)
{
	struct error first = {0};

	for (size_t i = 0; i < count; i++) {
		int r = pull_candidate(p, c, &refs[i], err);

		if (r == 0 || r == -EINTR)
			return r;
		if (p->o->policy == ENGINE_PULL_NEWER && is_here(p, &refs[i])) {
			log_debug("%s; going on with what is here", err->msg);
			return 0;
		}
		if (err->kind != ERROR_NOT_FOUND && err->kind != ERROR_DENIED && err->kind != ERROR_UNAVAILABLE)
			return r;
		if (i == 0)
			first = *err;
	}
	*err = first;
	return -err->code;
}

static int check_name(const struct engine_pull_options *o, const struct image_reference *ref, struct error *err)
{
	if (o->all_tags && (ref->tag || ref->digest))
		return error_set(err, ERROR_INVALID, EINVAL, "--all-tags: the name must have neither tag nor digest");
	if (o->all_platforms && o->platform)
		return error_set(err, ERROR_INVALID, EINVAL, "--platform and --all-platforms cannot be given together");
	if (ref->digest && !store_digest_supported(ref->digest))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "digest '%.100s': only sha256 is supported",
				 ref->digest);
	return 0;
}

static int pull_name(struct pull *p, const char *name, struct error *err)
{
	autoregistryconfig struct registry_config *c = NULL;
	struct image_reference *refs = NULL;
	size_t count = 0;

	if (registry_config_load(NULL, &c, err) < 0 ||
	    registry_config_candidates(c, &p->arena, name, &refs, &count, err) < 0)
		return -err->code;
	for (size_t i = 0; i < count; i++) {
		if (check_name(p->o, &refs[i], err) < 0)
			return -err->code;
		if (!refs[i].tag && !refs[i].digest && !p->o->all_tags)
			refs[i].tag = "latest";
		if ((p->o->policy == ENGINE_PULL_MISSING || p->o->policy == ENGINE_PULL_NEVER) && is_here(p, &refs[i]))
			return 0;
	}
	if (p->o->policy == ENGINE_PULL_NEVER) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "no image '%.200s' in the store", name);
		return error_hint(err, "pull it: bothy pull %.200s", name);
	}
	return pull_candidates(p, c, refs, count, err);
}

/* Whoever publishes one image and no index says by its config alone what it is made for. */
static void note_platforms(struct pull *p)
{
	struct engine_pulled *out = p->out;

	out->platform = image_platform_text(&out->arena, &p->platform);
	for (size_t i = 0; i < out->count; i++) {
		autoimage struct store_image image = {0};
		const struct image_platform *is = &image.config.platform;
		struct error gone;

		if (*out->images[i].id && store_image_find(p->store, out->images[i].id, &image, &gone) == 0 && is->os &&
		    is->architecture && !image_platform_match(&p->platform, is))
			out->images[i].platform = image_platform_text(&out->arena, is);
	}
}

int engine_pull(struct engine *e, const char *name, const struct engine_pull_options *o, struct engine_pulled *ret,
		struct error *err)
{
	autoclean(engine_pulled_done) struct engine_pulled out = {0};
	autoclean(pull_done) struct pull p = {.engine = e, .o = o, .out = &out, .platform = image_platform_native()};

	if (engine_store(e, &p.store, err) < 0 ||
	    (o->platform && image_platform_parse(&p.arena, o->platform, &p.platform, err) < 0) ||
	    pull_name(&p, name, err) < 0)
		return -err->code;
	note_platforms(&p);
	*ret = out;
	out = (struct engine_pulled){0};
	return 0;
}
