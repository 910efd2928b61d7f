/* SPDX-License-Identifier: Apache-2.0 */
/* bothy system df: what takes how much room, and what could be given back. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/list.h"
#include "cli/show.h"

struct df_options {
	bool verbose;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"verbose", 'v', OPTION_BOOL, offsetof(struct df_options, verbose), NULL, "each image, container and artifact", 0},
	{"format", 0, OPTION_STRING, offsetof(struct df_options, format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	OPTION_END,
};

static const struct list_field total_fields[] = {
	{"Type", "TYPE"}, {"TotalCount", "TOTAL"}, {"Active", "ACTIVE"}, {"Size", "SIZE"}, {"Reclaimable", "RECLAIMABLE"}, {NULL, NULL},
};
static const struct list_kind totals = {
	total_fields, "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", "{{.Type}}",
};
static const struct list_field image_fields[] = {
	{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"ID", "IMAGE ID"}, {"CreatedSince", "CREATED"}, {"Size", "SIZE"},
	{"SharedSize", "SHARED SIZE"}, {"UniqueSize", "UNIQUE SIZE"}, {"CompressedSize", "COMPRESSED"}, {"LastUsed", "LAST USED"},
	{"Containers", "CONTAINERS"}, {NULL, NULL},
};
static const struct list_kind images = {
	image_fields,
	"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.CompressedSize}}\t{{.LastUsed}}\t{{.Containers}}",
	"{{.ID}}",
};
static const struct list_field artifact_fields[] = {
	{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"Digest", "DIGEST"}, {"Created", "CREATED"}, {"Size", "SIZE"}, {NULL, NULL},
};
static const struct list_kind artifacts = {
	artifact_fields, "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.Created}}\t{{.Size}}", "{{.Digest}}",
};
static const struct list_field container_fields[] = {{"ID", "CONTAINER ID"}, {"Image", "IMAGE"}, {"Size", "SIZE"}, {NULL, NULL}};
static const struct list_kind containers = {container_fields, "table {{.ID}}\t{{.Image}}\t{{.Size}}", "{{.ID}}"};
/* clang-format on */

static void set_size(struct json *j, const char *key, int64_t bytes)
{
	char text[16];

	str_from_size(bytes > 0 ? (uint64_t)bytes : 0, text);
	json_set(j, key, json_new_str(text));
}

static void set_count(struct json *j, const char *key, int64_t count)
{
	autofree char *text = mem_printf("%lld", (long long)count);

	json_set(j, key, json_new_str(text));
}

/* ---- totals ---- */

static int add_total(struct list *l, const char *type, int64_t count, int64_t active, int64_t bytes, int64_t back,
		     struct error *err)
{
	struct json *j = json_new_object();
	char size[16];
	autofree char *text = NULL;

	set_count(j, "Active", active);
	str_from_size(back > 0 ? (uint64_t)back : 0, size);
	text = bytes > 0 ? mem_printf("%s (%lld%%)", size, (long long)(back * 100 / bytes)) : mem_strdup(size);
	json_set(j, "Reclaimable", json_new_str(text));
	set_size(j, "Size", bytes);
	set_count(j, "TotalCount", count);
	json_set(j, "Type", json_new_str(type));
	return list_add(l, j, err);
}

static int print_totals(const struct store_usage *u, const char *format, struct error *err)
{
	autolist struct list *l = NULL;
	int64_t active = 0;

	for (size_t i = 0; i < u->image_count; i++)
		active += u->images[i].containers > 0;
	if (list_new(&totals, format, false, &l, err) < 0 ||
	    add_total(l, "Images", (int64_t)u->image_count, active, u->layer_bytes, u->layer_bytes - u->active_bytes,
		      err) < 0 ||
	    add_total(l, "Containers", (int64_t)u->container_count, (int64_t)u->container_count, u->container_bytes, 0,
		      err) < 0 ||
	    add_total(l, "Compressed layers", u->blob_count, u->blob_count, u->blob_bytes, 0, err) < 0 ||
	    add_total(l, "Artifacts", u->artifact_count, u->artifact_count, u->artifact_bytes, 0, err) < 0 ||
	    add_total(l, "Partial downloads", u->partial_count, 0, u->partial_bytes, u->partial_bytes, err) < 0)
		return -err->code;
	return list_end(l, err);
}

/* ---- each ---- */

static const struct store_image_usage *usage_of(const struct store_usage *u, const char *id)
{
	for (size_t i = 0; i < u->image_count; i++)
		if (str_eq(u->images[i].id, id))
			return &u->images[i];
	return NULL;
}

static struct json *image_row(const struct store_image_row *row, const struct store_image_usage *u)
{
	struct json *j = json_new_object();
	char text[160];

	set_size(j, "CompressedSize", u->packed_bytes);
	set_count(j, "Containers", (int64_t)u->containers);
	show_age(row->created_ns, text);
	json_set(j, "CreatedSince", json_new_str(row->created_ns ? text : "N/A"));
	show_id(row->id, false, text);
	json_set(j, "ID", json_new_str(text));
	show_age(row->last_used_ns, text);
	json_set(j, "LastUsed", json_new_str(row->last_used_ns ? text : "never"));
	json_set(j, "Repository", json_new_str(row->repository ? row->repository : "<none>"));
	set_size(j, "SharedSize", u->shared_bytes);
	set_size(j, "Size", u->size_bytes);
	json_set(j, "Tag", json_new_str(row->tag ? row->tag : "<none>"));
	set_size(j, "UniqueSize", u->size_bytes - u->shared_bytes);
	return j;
}

static struct json *container_row(const struct store_container_usage *c)
{
	struct json *j = json_new_object();
	char text[160];

	show_id(c->id, false, text);
	json_set(j, "ID", json_new_str(text));
	show_id(c->image ? c->image : "", false, text);
	json_set(j, "Image", json_new_str(text));
	set_size(j, "Size", c->size_bytes);
	return j;
}

static struct json *artifact_row(const struct store_artifact *a)
{
	autoclean(arena_done) struct arena arena = {0};
	struct json *j = json_new_object();
	const char *repository, *tag;
	char text[160];

	show_artifact_name(&arena, a->name, &repository, &tag);
	show_age(a->published_ns, text);
	json_set(j, "Created", json_new_str(text));
	show_id(a->manifest, false, text);
	json_set(j, "Digest", json_new_str(text));
	json_set(j, "Repository", json_new_str(repository));
	set_size(j, "Size", (int64_t)a->size_bytes);
	json_set(j, "Tag", json_new_str(tag));
	return j;
}

/* Everything as one object, as Docker's -v --format has it. */
static struct json *all_rows(const struct store_image_list *names, const struct store_artifact_list *kept,
			     const struct store_usage *u)
{
	struct json *out = json_new_object();
	struct json *artifact_rows = json_new_array();
	struct json *image_rows = json_new_array();
	struct json *container_rows = json_new_array();

	for (size_t i = 0; i < names->count; i++) {
		const struct store_image_usage *of = usage_of(u, names->rows[i].id);

		if (of) /* else it came between the two looks */
			json_push(image_rows, image_row(&names->rows[i], of));
	}
	for (size_t i = 0; i < u->container_count; i++)
		json_push(container_rows, container_row(&u->containers[i]));
	for (size_t i = 0; i < kept->count; i++)
		json_push(artifact_rows, artifact_row(&kept->items[i]));
	json_set(out, "Artifacts", artifact_rows);
	json_set(out, "Images", image_rows);
	json_set(out, "Containers", container_rows);
	return out;
}

static int print_rows(const char *heading, const struct list_kind *kind, struct json *rows, struct error *err)
{
	autolist struct list *l = NULL;

	printf("%s space usage:\n\n", heading);
	if (list_new(kind, NULL, false, &l, err) < 0)
		return -err->code;
	for (size_t i = 0; i < json_len(rows); i++)
		if (list_add(l, json_ref(json_at(rows, i)), err) < 0)
			return -err->code;
	return list_end(l, err);
}

static int print_each(struct store *s, const struct store_usage *u, const char *format, struct error *err)
{
	autoclean(store_artifact_list_done) struct store_artifact_list kept = {};
	autoclean(store_image_list_done) struct store_image_list names = {};
	autojson struct json *all = NULL;
	char blobs[16];
	char partial[16];

	if (store_image_list(s, &names, err) < 0 || store_artifact_list(s, &kept, err) < 0)
		return -err->code;
	all = all_rows(&names, &kept, u);
	if (format && !str_eq(format, "table")) {
		autojson struct json *one = json_new_array();

		json_push(one, json_ref(all));
		return list_inspect(one, str_eq(format, "json") ? "{{json .}}" : format, err);
	}
	if (print_rows("Images", &images, json_get(all, "Images"), err) < 0)
		return -err->code;
	printf("\n");
	if (print_rows("Containers", &containers, json_get(all, "Containers"), err) < 0)
		return -err->code;
	printf("\n");
	if (print_rows("Artifacts", &artifacts, json_get(all, "Artifacts"), err) < 0)
		return -err->code;
	str_from_size((uint64_t)u->blob_bytes, blobs);
	str_from_size((uint64_t)u->partial_bytes, partial);
	printf("\nCompressed layers and documents: %s in %lld blobs; partial downloads: %s\n", blobs,
	       (long long)u->blob_count, partial);
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct df_options *o = options;
	autoclean(store_usage_done) struct store_usage u = {};
	autoengine struct engine *e = NULL;
	struct store *s;

	(void)args;
	collect_check_config();
	if (bothy_open_store(global, &e, &s, err) < 0 || store_usage(s, true, &u, err) < 0)
		return -err->code;
	return o->verbose ? print_each(s, &u, o->format, err) : print_totals(&u, o->format, err);
}

const struct command cmd_system_df = {
	.name = "df",
	.group = "System",
	.args = "",
	.summary = "show what takes how much room",
	.details =
		"Images are counted unpacked, each layer once however many images have it; their compressed layers, which push and save\n"
		"send, are a row of their own, and so are the files of artifacts. With -v: shared is what other images have as well and\n"
		"would stay, unique what would go with the image.",
	.options = table,
	.options_size = sizeof(struct df_options),
	.max_args = 0,
	.run = run,
	.examples = "  bothy system df -v\n  bothy system df --format '{{.Type}}: {{.Reclaimable}}'",
};
