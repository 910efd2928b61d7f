/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of an image, in the words of Docker's API: the object of `inspect` and the steps of `history`. The image's own
 * configuration is read whole from its blob, since the store keeps only what running needs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/internal.h"

static char *familiar(const char *name)
{
	struct image_reference ref;
	struct arena a = {};
	struct error err;
	char *text = image_reference_parse(&a, name, &ref, &err) == 0 ? mem_strdup(image_reference_familiar(&a, &ref))
								      : mem_strdup(name);

	arena_done(&a);
	return text;
}

static void push_familiar(struct json *list, const char *name)
{
	autofree char *text = familiar(name);

	json_push(list, json_new_str(text));
}

static struct json *string_or(const struct json *document, const char *key, const char *otherwise)
{
	struct json *value = json_get(document, key);

	return json_type(value) == JSON_STRING ? json_ref(value) : json_new_str(otherwise);
}

static int set_names(struct store *s, const char *id, struct json *out, struct error *err)
{
	autoclean(store_image_names_done) struct store_image_names names = {};
	struct json *tags = json_new_array();
	struct json *digests = json_new_array();

	json_set(out, "RepoTags", tags);
	json_set(out, "RepoDigests", digests);
	if (store_image_names(s, id, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.name_count; i++)
		push_familiar(tags, names.names[i].name);
	for (size_t i = 0; i < names.digests.count; i++)
		push_familiar(digests, names.digests.items[i]);
	return 0;
}

static int collect_key(const char *key, struct json *value, void *arg)
{
	(void)value;
	strv_push(arg, key);
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Maps (labels, ports, volumes) as Go's encoder writes them: sorted, so that two tools give the same text. */
static struct json *sorted(struct json *map)
{
	struct json *out = json_new_object();
	autostrv struct strv keys = {};

	(void)json_each(map, collect_key, &keys);
	if (keys.count)
		qsort(keys.items, keys.count, sizeof(*keys.items), compare_keys);
	for (size_t i = 0; i < keys.count; i++)
		json_set(out, keys.items[i], json_ref(json_get(map, keys.items[i])));
	return out;
}

/* `config` of the document with all of Docker's fields, so that a template may ask for each. */
static struct json *config_object(const struct json *document)
{
	/* clang-format off */
	static const struct {
		const char *key;
		enum json_type empty; /* what it is when it is not there */
	} fields[] = {
		{"Hostname", JSON_STRING}, {"Domainname", JSON_STRING}, {"User", JSON_STRING}, {"AttachStdin", JSON_BOOL},
		{"AttachStdout", JSON_BOOL}, {"AttachStderr", JSON_BOOL}, {"ExposedPorts", JSON_NULL}, {"Tty", JSON_BOOL},
		{"OpenStdin", JSON_BOOL}, {"StdinOnce", JSON_BOOL}, {"Env", JSON_NULL}, {"Cmd", JSON_NULL},
		{"Healthcheck", JSON_NULL}, {"ArgsEscaped", JSON_BOOL}, {"Image", JSON_STRING}, {"Volumes", JSON_NULL},
		{"WorkingDir", JSON_STRING}, {"Entrypoint", JSON_NULL}, {"OnBuild", JSON_NULL}, {"Labels", JSON_NULL},
		{"StopSignal", JSON_STRING}, {"Shell", JSON_NULL},
	};
	/* clang-format on */
	const struct json *config = json_get(document, "config");
	struct json *out = json_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct json *value = json_get(config, fields[i].key);

		const bool map = json_type(value) == JSON_OBJECT && !str_eq(fields[i].key, "Healthcheck");

		json_set(out, fields[i].key,
			 map                              ? sorted(value)
			 : value                          ? json_ref(value)
			 : fields[i].empty == JSON_STRING ? json_new_str("")
			 : fields[i].empty == JSON_BOOL   ? json_new_bool(false)
							  : NULL);
	}
	return out;
}

static struct json *driver_object(struct store *s, const struct store_image *i)
{
	autobuf struct buf lower = BUF_INIT(1048576);
	struct json *out = json_new_object();
	struct json *data = json_new_object();

	for (size_t k = i->layer_count; k-- > 0;) {
		if (k + 1 == i->layer_count) {
			autofree char *upper = mem_printf("%s/%s", store_root(s), i->layers[k].path);

			json_set_str(data, "UpperDir", upper);
		} else {
			buf_printf(&lower, "%s%s/%s", lower.len ? ":" : "", store_root(s), i->layers[k].path);
		}
	}
	if (lower.len)
		json_set_str(data, "LowerDir", buf_str(&lower));
	json_set(out, "Data", data);
	json_set(out, "Name", json_new_str("overlay"));
	return out;
}

static struct json *root_object(const struct store_image *i)
{
	struct json *out = json_new_object();
	struct json *layers = json_new_array();

	json_set(out, "Type", json_new_str("layers"));
	for (size_t k = 0; k < i->layer_count; k++)
		json_push(layers, json_new_str(i->layers[k].diff_id));
	json_set(out, "Layers", layers);
	return out;
}

/* The comment of an image is that of its last step. */
static struct json *comment(const struct json *document)
{
	const struct json *history = json_get(document, "history");

	return string_or(json_len(history) ? json_at(history, json_len(history) - 1) : document, "comment", "");
}

static int read_document(struct store *s, const char *id, struct json **ret, struct error *err)
{
	autofree char *text = NULL;
	size_t len;

	if (store_blob_read(s, id, &text, &len, err) < 0)
		return -err->code;
	return json_parse(text, len, id, ret, err);
}

int engine_image_inspect(struct engine *e, const char *name, struct json **ret, struct error *err)
{
	autojson struct json *out = json_new_object();
	autojson struct json *document = NULL;
	autoimage struct store_image image = {};
	struct json *metadata = json_new_object();
	struct store *s;

	json_set(out, "Id", NULL);
	if (engine_store(e, &s, err) < 0 || store_image_find(s, name, &image, err) < 0 ||
	    read_document(s, image.id, &document, err) < 0) {
		json_unref(metadata);
		return -err->code;
	}
	json_set(out, "Id", json_new_str(image.id));
	if (set_names(s, image.id, out, err) < 0) {
		json_unref(metadata);
		return -err->code;
	}
	json_set(out, "Digest", json_new_str(image.manifest_digest));
	json_set(out, "Parent", string_or(document, "parent", ""));
	json_set(out, "Comment", comment(document));
	json_set(out, "Created", string_or(document, "created", ""));
	json_set(out, "DockerVersion", string_or(document, "docker_version", ""));
	json_set(out, "Author", string_or(document, "author", ""));
	json_set(out, "Config", config_object(document));
	json_set(out, "Architecture", string_or(document, "architecture", ""));
	json_set(out, "Variant", string_or(document, "variant", ""));
	json_set(out, "Os", string_or(document, "os", ""));
	json_set(out, "OsVersion", string_or(document, "os.version", ""));
	json_set(out, "Size", json_new_i64(image.size_bytes));
	json_set(out, "VirtualSize", json_new_i64(image.size_bytes));
	json_set(out, "GraphDriver", driver_object(s, &image));
	json_set(out, "RootFS", root_object(&image));
	/* When a name was given is not kept. */
	json_set(metadata, "LastTagTime", json_new_str("0001-01-01T00:00:00Z"));
	json_set(out, "Metadata", metadata);
	*ret = take_ptr(&out);
	return 0;
}

/* ---- history ---- */

static const char *text_of(struct arena *a, const struct json *step, const char *key)
{
	const char *s = json_str(json_get(step, key));

	return arena_strdup(a, s ? s : "");
}

static void take_step(const struct json *step, const struct store_image *i, size_t *layer, struct engine_history *h)
{
	struct engine_history_step *out = &ARENA_PUSH(&h->arena, h->steps, h->count);
	const bool empty = json_bool(json_get(step, "empty_layer"));

	*out = (struct engine_history_step){
		.created_by = text_of(&h->arena, step, "created_by"),
		.comment = text_of(&h->arena, step, "comment"),
		.author = text_of(&h->arena, step, "author"),
	};
	const char *created = json_str(json_get(step, "created"));

	out->created_known = created && clock_parse_rfc3339(created, &out->created_ns) == 0;
	if (!empty && *layer < i->layer_count)
		out->size_bytes = i->layers[(*layer)++].size_bytes;
}

int engine_image_history(struct engine *e, const char *name, struct engine_history *ret, struct error *err)
{
	autojson struct json *document = NULL;
	autoimage struct store_image image = {};
	struct engine_history h = {};
	const struct json *steps;
	struct store *s;
	size_t layer = 0;

	if (engine_store(e, &s, err) < 0 || store_image_find(s, name, &image, err) < 0 ||
	    read_document(s, image.id, &document, err) < 0)
		return -err->code;
	steps = json_get(document, "history");
	h.id = arena_strdup(&h.arena, image.id);
	for (size_t i = 0; i < json_len(steps); i++)
		take_step(json_at(steps, i), &image, &layer, &h);
	/* Layers that no step speaks of (some tools write no history at all). */
	while (layer < image.layer_count)
		take_step(NULL, &image, &layer, &h);
	*ret = h;
	return 0;
}

void engine_history_done(struct engine_history *h)
{
	arena_done(&h->arena);
	*h = (struct engine_history){};
}
