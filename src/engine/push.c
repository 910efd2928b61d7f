/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push: a name of the store, its documents and blobs, to the registry that the name says. First a plan (which documents in
 * which order, which blobs, where a blob may be mounted from), then all blobs at once, then the documents: children before
 * the index that names them, the tag last.
 *
 * A name that means an index is pushed as an index when every platform of it is here; else the manifest of this platform gets
 * the tag, as Docker and Podman do.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"

#define BLOBS_MAX 20000
#define DOCUMENTS_MAX 1000
#define AT_ONCE_MAX 32       /* blobs in the hands of bothy-fetch, a descriptor each; it sends fewer at a time */
#define DEPTH_MAX 3          /* an index of indexes, and no deeper */
#define MOUNT_SOURCES_MAX 64 /* images that are looked through for blobs to mount */

struct blob {
	const char *digest;
	int64_t size;
	const char *mount; /* path of a repository of the same registry that has it, or NULL */
	int64_t request;
	bool done;
};

struct document {
	const char *digest, *media_type;
	char *text; /* owned */
	size_t len;
};

struct plan {
	struct arena arena;
	struct store *store;
	struct blob *blobs;
	struct engine_layer *layers; /* one for each blob, for the observer */
	size_t blob_count;
	struct document *documents; /* children first */
	size_t document_count;
};

static void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->document_count; i++)
		free(p->documents[i].text);
	arena_done(&p->arena);
}

/* ---- the plan ---- */

static int add_blob(struct plan *p, const struct image_descriptor *d, struct error *err)
{
	for (size_t i = 0; i < p->blob_count; i++)
		if (str_eq(p->blobs[i].digest, d->digest))
			return 0;
	if (p->blob_count == BLOBS_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "the image has more than %d blobs", BLOBS_MAX);
	ARENA_PUSH(&p->arena, p->blobs, p->blob_count) =
		(struct blob){.digest = arena_strdup(&p->arena, d->digest), .size = d->size};
	return 0;
}

/* Layers that only their owner may give away stay where they are (image-spec, "non-distributable"). */
static bool stays_away(const struct image_descriptor *d)
{
	return d->urls.count > 0 || strstr(d->media_type, "nondistributable") || strstr(d->media_type, ".foreign.");
}

static int add_manifest(struct plan *p, const struct document *doc, struct error *err)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};

	if (image_manifest_parse(doc->text, doc->len, doc->digest, &m, err) < 0 || add_blob(p, &m.config, err) < 0)
		return -err->code;
	for (size_t i = 0; i < m.layer_count; i++)
		if (!stays_away(&m.layers[i]) && add_blob(p, &m.layers[i], err) < 0)
			return -err->code;
	return 0;
}

static int add_document(struct plan *p, const char *digest, const char *media_type, unsigned depth, struct error *err);

static int add_index(struct plan *p, const struct document *doc, unsigned depth, struct error *err)
{
	autoclean(image_index_done) struct image_index index = {0};

	if (depth >= DEPTH_MAX)
		return error_set(err, ERROR_LIMIT, ELOOP, "indexes are nested too deep");
	if (image_index_parse(doc->text, doc->len, doc->digest, &index, err) < 0)
		return -err->code;
	for (size_t i = 0; i < index.manifest_count; i++)
		if (add_document(p, index.manifests[i].digest, index.manifests[i].media_type, depth + 1, err) < 0)
			return -err->code;
	return 0;
}

/* Is the document an index? By its media type, else by what it has. */
static bool is_index(const struct document *doc, const struct json *j)
{
	const char *said = json_str(json_get(j, "mediaType"));
	const char *type = said ? said : doc->media_type;

	if (type && *type && image_media_from_type(type, NULL) != IMAGE_MEDIA_UNKNOWN)
		return image_media_from_type(type, NULL) == IMAGE_MEDIA_INDEX;
	return json_get(j, "manifests") != NULL;
}

static int add_document(struct plan *p, const char *digest, const char *media_type, unsigned depth, struct error *err)
{
	struct document doc = {.digest = arena_strdup(&p->arena, digest), .media_type = media_type};
	autojson struct json *j = NULL;
	const char *said;
	int r;

	for (size_t i = 0; i < p->document_count; i++)
		if (str_eq(p->documents[i].digest, digest))
			return 0;
	if (p->document_count == DOCUMENTS_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG, "the image has more than %d manifests", DOCUMENTS_MAX);
	if (store_blob_read(p->store, digest, &doc.text, &doc.len, err) < 0)
		return -err->code;
	autofree char *text = doc.text;

	if (json_parse(doc.text, doc.len, digest, &j, err) < 0)
		return -err->code;
	r = is_index(&doc, j) ? add_index(p, &doc, depth, err) : add_manifest(p, &doc, err);
	if (r < 0)
		return r;
	said = json_str(json_get(j, "mediaType"));
	if (!said)
		said = media_type && *media_type ? media_type
		       : is_index(&doc, j)       ? "application/vnd.oci.image.index.v1+json"
						 : "application/vnd.oci.image.manifest.v1+json";
	doc.media_type = arena_strdup(&p->arena, said);
	doc.text = take_ptr(&text);
	ARENA_PUSH(&p->arena, p->documents, p->document_count) = doc;
	return 0;
}

/* ---- where blobs may be mounted from ---- */

static void note_sources(struct plan *p, const char *manifest_digest, const char *path)
{
	autoclean(image_manifest_done) struct image_manifest m = {0};
	autofree char *text = NULL;
	struct error ignored; /* a damaged image is no source */
	size_t len;

	if (store_blob_read(p->store, manifest_digest, &text, &len, &ignored) < 0 ||
	    image_manifest_parse(text, len, manifest_digest, &m, &ignored) < 0)
		return;
	for (size_t i = 0; i < p->blob_count; i++) {
		if (p->blobs[i].mount)
			continue;
		for (size_t k = 0; k < m.layer_count; k++)
			if (str_eq(m.layers[k].digest, p->blobs[i].digest))
				p->blobs[i].mount = arena_strdup(&p->arena, path);
		if (str_eq(m.config.digest, p->blobs[i].digest))
			p->blobs[i].mount = arena_strdup(&p->arena, path);
	}
}

/* A repository of our registry other than ours among the references of this row; texts in @a. NULL: none. */
static const char *other_repository(struct arena *a, const struct store_image_row *row,
				    const struct image_reference *to)
{
	struct image_reference r;
	struct error ignored;

	/* What was pulled or pushed by digest is surely there; a name may have been given here only. */
	for (size_t i = 0; i < row->digests.count; i++)
		if (image_reference_parse(a, row->digests.items[i], &r, &ignored) == 0 &&
		    str_eq(r.domain, to->domain) && !str_eq(r.path, to->path))
			return r.path;
	if (row->name && image_reference_parse(a, row->name, &r, &ignored) == 0 && str_eq(r.domain, to->domain) &&
	    !str_eq(r.path, to->path))
		return r.path;
	return NULL;
}

static int find_sources(struct plan *p, const struct image_reference *to, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};
	size_t looked = 0;

	if (store_image_list(p->store, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count && looked < MOUNT_SOURCES_MAX; i++) {
		const char *path = other_repository(&list.arena, &list.rows[i], to);

		if (!path || !list.rows[i].manifest_digest)
			continue;
		note_sources(p, list.rows[i].manifest_digest, path);
		looked++;
	}
	return 0;
}

/* ---- carrying it out ---- */

struct pusher {
	struct plan *plan;
	struct registry *session;
	const struct engine_push_options *options;
};

static void show(const struct pusher *u, size_t blob, enum engine_layer_state state, uint64_t at)
{
	const struct engine_observer *o = u->options->observer;

	u->plan->layers[blob].state = state;
	u->plan->layers[blob].at = at;
	if (o && o->layers)
		o->layers(o->arg, u->plan->layers, u->plan->blob_count);
}

static void note_retry(const struct pusher *u, const struct registry_event *ev)
{
	const struct engine_observer *o = u->options->observer;
	autofree char *text = mem_printf("%s; trying again", ev->err.msg);

	if (o && o->note)
		o->note(o->arg, text);
}

/* Returns <0 when @ev is the end of a blob that cannot be pushed. */
static int take_event(const struct pusher *u, const struct registry_event *ev, struct error *err)
{
	size_t i = 0;

	while (i < u->plan->blob_count && u->plan->blobs[i].request != ev->id)
		i++;
	if (i == u->plan->blob_count)
		return 0;
	switch (ev->type) {
	case REGISTRY_PROGRESS:
		show(u, i, ENGINE_LAYER_PUSHING, ev->bytes);
		return 0;
	case REGISTRY_RETRY:
		note_retry(u, ev);
		return 0;
	case REGISTRY_DONE:
		u->plan->blobs[i].done = true;
		show(u, i,
		     ev->existed   ? ENGINE_LAYER_EXISTED
		     : ev->mounted ? ENGINE_LAYER_MOUNTED
				   : ENGINE_LAYER_PUSHED,
		     (uint64_t)u->plan->blobs[i].size);
		return 0;
	default:
		*err = ev->err;
		return -err->code;
	}
}

static int start_blob(struct pusher *u, struct blob *b, struct error *err)
{
	int64_t size;
	autofd int fd = store_blob_open(u->plan->store, b->digest, &size, err);

	if (fd < 0)
		return error_hint(err, "pull or load the image again");
	if (size != b->size)
		return error_set(err, ERROR_INVALID, EBADMSG,
				 "the blob %s in the store is damaged: it has %lld bytes, not %lld", b->digest,
				 (long long)size, (long long)b->size);
	b->request = registry_push_blob(u->session, b->digest, (uint64_t)size, fd, b->mount, err);
	return b->request < 0 ? (int)b->request : 0;
}

static int start_some(struct pusher *u, struct error *err)
{
	struct plan *p = u->plan;
	size_t going = 0;

	for (size_t i = 0; i < p->blob_count; i++)
		going += p->blobs[i].request > 0 && !p->blobs[i].done;
	for (size_t i = 0; i < p->blob_count && going < AT_ONCE_MAX; i++) {
		if (p->blobs[i].request)
			continue;
		if (start_blob(u, &p->blobs[i], err) < 0)
			return -err->code;
		going++;
	}
	return 0;
}

/* Until every blob is there. The first failure ends it: the others would be sent for nothing. */
static int push_blobs(struct pusher *u, struct error *err)
{
	struct plan *p = u->plan;
	struct registry_event ev;

	p->layers = arena_alloc(&p->arena, p->blob_count + 1, sizeof(*p->layers));
	for (size_t i = 0; i < p->blob_count; i++)
		p->layers[i] = (struct engine_layer){.digest = p->blobs[i].digest,
						     .state = ENGINE_LAYER_PUSHING,
						     .size = (uint64_t)p->blobs[i].size};
	for (;;) {
		struct pollfd wait = {.fd = registry_fd(u->session), .events = POLLIN};
		size_t done = 0;
		int n;

		for (size_t i = 0; i < p->blob_count; i++)
			done += p->blobs[i].done;
		if (done == p->blob_count)
			return 0;
		if (start_some(u, err) < 0)
			return -err->code;
		n = registry_next(u->session, &ev, err);
		if (n < 0 || (n > 0 && take_event(u, &ev, err) < 0))
			return -err->code;
		if (n == 0 && poll(&wait, 1, -1) < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for the registry");
	}
}

static int push_documents(struct pusher *u, const char *tag, struct error *err)
{
	struct registry_event ev;

	for (size_t i = 0; i < u->plan->document_count; i++) {
		const struct document *d = &u->plan->documents[i];
		bool top = i + 1 == u->plan->document_count;
		int64_t id =
			registry_push_manifest(u->session, top ? tag : d->digest, d->media_type, d->text, d->len, err);

		if (registry_wait(u->session, id, &ev, NULL, NULL, err) < 0)
			return -err->code;
		if (ev.digest && !str_eq(ev.digest, d->digest))
			return error_set(err, ERROR_INVALID, EPROTO,
					 "the registry keeps the manifest under %s, but its digest is %s", ev.digest,
					 d->digest);
	}
	return 0;
}

/* What the name means, in documents and blobs. @ret_one: the manifest of this platform in place of an index. */
static int make_plan(struct plan *p, const char *name, bool *ret_one, char **ret_image, struct error *err)
{
	autoimage struct store_image image = {0};
	struct error first;
	struct store_name known;
	int r = store_name_find(p->store, name, &p->arena, &known, err);

	if (r < 0)
		return r;
	if (r > 0 && !*known.image) /* a list without an image for this machine */
		return add_document(p, known.target, known.target_type, 0, err);
	if (store_image_find(p->store, name, &image, err) < 0)
		return -err->code;
	*ret_image = mem_strdup(image.id);
	if (image.target && *image.target && !str_eq(image.target, image.manifest_digest)) {
		if (add_document(p, image.target, image.target_type, 0, &first) == 0)
			return 0;
		/* Some of its platforms are not here. */
		plan_done(p);
		*p = (struct plan){.store = p->store};
		*ret_one = true;
	}
	return add_document(p, image.manifest_digest, NULL, 0, err);
}

static int push_one(struct engine *e, const struct image_reference *to, const struct engine_push_options *o,
		    struct registry *session, struct engine_push_result *ret, struct error *err)
{
	autoclean(plan_done) struct plan p = {0};
	struct pusher u = {.plan = &p, .session = session, .options = o};
	const char *name = image_reference_full(&ret->arena, to);
	const char *local = o->from ? o->from : name;
	const struct document *top;
	autofree char *image = NULL;
	const struct engine_observer *watch = o->observer;
	bool one = false;
	int r;

	if (engine_store(e, &p.store, err) < 0 || make_plan(&p, local, &one, &image, err) < 0 ||
	    find_sources(&p, to, err) < 0)
		return -err->code;
	if (watch && watch->begin)
		watch->begin(watch->arg, to->tag, arena_printf(&ret->arena, "%s/%s", to->domain, to->path));
	r = push_blobs(&u, err);
	if (watch && watch->end)
		watch->end(watch->arg);
	if (r < 0 || push_documents(&u, to->tag, err) < 0)
		return -err->code;
	top = &p.documents[p.document_count - 1];
	if (image && store_image_add_digest(p.store, image, arena_printf(&ret->arena, "%s/%s", to->domain, to->path),
					    top->digest, err) < 0)
		return error_wrap(err, "it is pushed, but not noted here");
	ARENA_PUSH(&ret->arena, ret->pushed, ret->count) =
		(struct engine_pushed){.name = name,
				       .tag = arena_strdup(&ret->arena, to->tag),
				       .digest = arena_strdup(&ret->arena, top->digest),
				       .media_type = arena_strdup(&ret->arena, top->media_type),
				       .size = top->len,
				       .one_platform = one};
	return 0;
}

/* Every tag that the store has of the repository of @to. */
static int all_tags(struct engine *e, struct arena *a, const struct image_reference *to, struct image_reference **ret,
		    size_t *ret_count, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list list = {0};
	struct store *store;

	if (engine_store(e, &store, err) < 0 || store_image_list(store, &list, err) < 0)
		return -err->code;
	for (size_t i = 0; i < list.count; i++) {
		struct image_reference r;
		struct error ignored;

		if (list.rows[i].name && image_reference_parse(a, list.rows[i].name, &r, &ignored) == 0 &&
		    str_eq(r.domain, to->domain) && str_eq(r.path, to->path) && r.tag)
			ARENA_PUSH(a, *ret, *ret_count) = r;
	}
	if (*ret_count == 0)
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "there is no image named %s with any tag",
				 image_reference_familiar(a, to));
	return 0;
}

int engine_push(struct engine *e, const char *name, const struct engine_push_options *o, struct engine_push_result *ret,
		struct error *err)
{
	autoclean(engine_push_result_done) struct engine_push_result result = {0};
	autoregistry struct registry *session = NULL;
	struct image_reference to, *list = NULL;
	size_t count = 0;

	if (image_reference_parse(&result.arena, name, &to, err) < 0)
		return -err->code;
	if (to.digest)
		return error_set(err, ERROR_INVALID, EINVAL,
				 "push: '%s' has a digest; what is pushed has a name and a tag", name);
	if (o->all_tags && to.tag)
		return error_set(err, ERROR_INVALID, EINVAL, "push: a tag and --all-tags exclude each other");
	if (o->all_tags) {
		if (all_tags(e, &result.arena, &to, &list, &count, err) < 0)
			return -err->code;
	} else {
		if (!to.tag)
			to.tag = "latest";
		list = &to;
		count = 1;
	}
	if (engine_registry_open(to.domain, to.path, REGISTRY_PULL | REGISTRY_PUSH, &o->registry, &session, err) < 0)
		return -err->code;
	for (size_t i = 0; i < count; i++)
		if (push_one(e, &list[i], o, session, &result, err) < 0)
			return error_wrap(err, "push %s", image_reference_familiar(&result.arena, &list[i]));
	*ret = result;
	result = (struct engine_push_result){0};
	return 0;
}

void engine_push_result_done(struct engine_push_result *r)
{
	arena_done(&r->arena);
}
