/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image tree: which layers lie on which, which images share them, and what keeps an image or a layer. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/list.h"

#define DEPTH_MAX 512 /* layers of an image are fewer */

struct tree_options {
	bool why, no_trunc;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"why", 0, OPTION_BOOL, offsetof(struct tree_options, why), NULL, "say what keeps the image or layer, and what removing it would free", 0},
	{"no-trunc", 0, OPTION_BOOL, offsetof(struct tree_options, no_trunc), NULL, "print whole ids and commands", 0},
	{"format", 0, OPTION_STRING, offsetof(struct tree_options, format), "FORMAT", "table, json, or a template; of one document with .Images and .Layers", 0},
	OPTION_END,
};

static const struct list_field fields[] = {{"Images", "IMAGES"}, {"Layers", "LAYERS"}, {NULL, NULL}};
static const struct list_kind kind = {.fields = fields};
/* clang-format on */

struct print {
	const struct store_tree *tree;
	const struct tree_options *options;
	bool *chosen; /* owned; layers to show */
	bool *last;   /* owned; of each level: was it its parent's last child? */
};

static void print_done(struct print *p)
{
	free(p->chosen);
	free(p->last);
}

static const char *short_id(const struct print *p, const char *digest, char out[static 80])
{
	(void)snprintf(out, 80, p->options->no_trunc ? "%.71s" : "%.12s", p->options->no_trunc ? digest : digest + 7);
	return out;
}

/* The first name of an image, as people type it, or the beginning of its id. */
static char *image_title(const struct print *p, size_t number)
{
	const struct store_tree_image *i = &p->tree->images[number];
	char id[80];

	return i->names.count ? str_neutral(i->names.items[0]) : mem_strdup(short_id(p, i->id, id));
}

static void print_tops(const struct print *p, const struct store_tree_layer *l)
{
	for (size_t i = 0; i < l->top_count; i++) {
		const struct store_tree_image *image = &p->tree->images[l->tops[i]];
		autofree char *title = image_title(p, l->tops[i]);

		printf("%s%s", i ? ", " : "   Top Layer of: [", title);
		for (size_t k = 1; k < image->names.count; k++) {
			autofree char *more = str_neutral(image->names.items[k]);

			printf(", %s", more);
		}
	}
	printf(l->top_count ? "]" : "");
}

static void print_layer(const struct print *p, size_t number, size_t depth)
{
	const struct store_tree_layer *l = &p->tree->layers[number];
	autofree char *made = str_neutral(l->created_by);
	char id[80], size[16], packed[16];

	for (size_t i = 0; i < depth; i++)
		printf("%s", p->last[i] ? "    " : "│   ");
	str_from_size((uint64_t)(l->size_bytes > 0 ? l->size_bytes : 0), size);
	str_from_size((uint64_t)(l->blob_bytes > 0 ? l->blob_bytes : 0), packed);
	printf("%sID: %s Size: %s (%s packed)", p->last[depth] ? "└── " : "├── ", short_id(p, l->chain_id, id), size,
	       packed);
	if (l->image_count > 1)
		printf(" shared by %zu", l->image_count);
	if (made && *made)
		printf(p->options->no_trunc ? "   %s" : "   %.60s%s", made, strlen(made) > 60 ? "…" : "");
	print_tops(p, l);
	printf("\n");
}

/* The next chosen layer behind @after whose parent is @parent; STORE_TREE_NONE when there is none. */
static size_t next_child(const struct print *p, size_t parent, size_t after)
{
	for (size_t i = after; i < p->tree->layer_count; i++) {
		if (p->chosen[i] && p->tree->layers[i].parent == parent)
			return i;
	}
	return STORE_TREE_NONE;
}

static void print_forest(struct print *p)
{
	size_t path[DEPTH_MAX]; /* from a root to where we are */
	size_t depth = 0;
	size_t at = next_child(p, STORE_TREE_NONE, 0);

	while (at != STORE_TREE_NONE) {
		path[depth] = at;
		p->last[depth] = next_child(p, p->tree->layers[at].parent, at + 1) == STORE_TREE_NONE;
		print_layer(p, at, depth);
		size_t next = depth + 1 < DEPTH_MAX ? next_child(p, at, 0) : STORE_TREE_NONE;

		if (next != STORE_TREE_NONE) {
			depth++;
			at = next;
			continue;
		}
		/* The next sibling, of us or of the nearest above that has one. */
		for (;;) {
			at = next_child(p, p->tree->layers[path[depth]].parent, path[depth] + 1);
			if (at != STORE_TREE_NONE || depth == 0)
				break;
			depth--;
		}
	}
}

static void print_head(const struct print *p, const struct store_tree_image *i)
{
	char id[80], size[16], shared[16], own[16];

	str_from_size((uint64_t)i->size_bytes, size);
	str_from_size((uint64_t)i->shared_bytes, shared);
	str_from_size((uint64_t)(i->size_bytes - i->shared_bytes), own);
	printf("Image ID: %s\nTags:     [", short_id(p, i->id, id));
	for (size_t k = 0; k < i->names.count; k++) {
		autofree char *name = str_neutral(i->names.items[k]);

		printf("%s%s", k ? " " : "", name);
	}
	printf("]\nSize:     %s, %s shared, %s its own\nImage Layers\n", size, shared, own);
}

/* ---- why ---- */

static size_t print_list(const char *word, const struct spec_strs *list)
{
	for (size_t i = 0; i < list->count; i++) {
		autofree char *item = str_neutral(list->items[i]);

		printf("  %-10s %s\n", word, item);
	}
	return list->count;
}

static void why_image(const struct print *p, const struct store_tree_image *i)
{
	char id[80], own[16], packed[16];
	uint64_t own_packed = 0;
	size_t ties, shared = 0;

	printf("image %s is kept by\n", short_id(p, i->id, id));
	ties = print_list("name", &i->names) + print_list("container", &i->containers) +
	       print_list("index", &i->indexes) + print_list("mount", &i->mounts);
	if (ties == 0)
		printf("  nothing: `bothy image prune` takes it\n");
	for (size_t k = 0; k < i->layer_count; k++) {
		const struct store_tree_layer *l = &p->tree->layers[i->layers[k]];

		shared += l->image_count > 1;
		own_packed += l->image_count > 1 ? 0 : (uint64_t)l->blob_bytes;
	}
	str_from_size((uint64_t)(i->size_bytes - i->shared_bytes), own);
	str_from_size(own_packed, packed);
	printf("removing it frees %s and %s of packed layers%s\n", own, packed,
	       shared ? "; its other layers belong to other images as well:" : "");
	for (size_t k = 0; k < i->layer_count; k++) {
		const struct store_tree_layer *l = &p->tree->layers[i->layers[k]];

		if (l->image_count < 2)
			continue;
		printf("  layer      %s", short_id(p, l->chain_id, id));
		for (size_t m = 0; m < l->image_count; m++) {
			autofree char *title =
				&p->tree->images[l->images[m]] == i ? NULL : image_title(p, l->images[m]);

			printf("%s%s", title ? " " : "", title ? title : "");
		}
		printf("\n");
	}
}

static void why_layer(const struct print *p, const struct store_tree_layer *l)
{
	char id[80], size[16];

	str_from_size((uint64_t)l->size_bytes, size);
	printf("layer %s (%s) is kept by\n", short_id(p, l->chain_id, id), size);
	for (size_t m = 0; m < l->image_count; m++) {
		autofree char *title = image_title(p, l->images[m]);

		printf("  image      %s\n", title);
	}
	if (l->image_count == 0)
		printf("  nothing: it goes a week after it came, or with `bothy image prune`\n");
}

/* ---- json ---- */

static struct json *strs_json(const struct spec_strs *list)
{
	struct json *j = json_new_array();

	for (size_t i = 0; i < list->count; i++)
		json_push(j, json_new_str(list->items[i]));
	return j;
}

static struct json *layer_json(const struct print *p, const struct store_tree_layer *l)
{
	struct json *j = json_new_object(), *images = json_new_array();

	json_set(j, "ID", json_new_str(l->chain_id));
	json_set(j, "DiffID", json_new_str(l->diff_id));
	json_set(j, "Blob", json_new_str(l->blob));
	if (l->parent != STORE_TREE_NONE)
		json_set(j, "Parent", json_new_str(p->tree->layers[l->parent].chain_id));
	json_set(j, "Size", json_new_i64(l->size_bytes));
	json_set(j, "BlobSize", json_new_i64(l->blob_bytes));
	json_set_str(j, "CreatedBy", l->created_by);
	for (size_t i = 0; i < l->image_count; i++)
		json_push(images, json_new_str(p->tree->images[l->images[i]].id));
	json_set(j, "Images", images);
	return j;
}

static struct json *image_json(const struct print *p, const struct store_tree_image *i)
{
	struct json *j = json_new_object(), *layers = json_new_array();

	json_set(j, "ID", json_new_str(i->id));
	json_set(j, "Names", strs_json(&i->names));
	json_set(j, "Containers", strs_json(&i->containers));
	json_set(j, "Indexes", strs_json(&i->indexes));
	json_set(j, "Mounts", strs_json(&i->mounts));
	json_set(j, "Size", json_new_i64(i->size_bytes));
	json_set(j, "SharedSize", json_new_i64(i->shared_bytes));
	json_set(j, "UniqueSize", json_new_i64(i->size_bytes - i->shared_bytes));
	for (size_t k = 0; k < i->layer_count; k++)
		json_push(layers, json_new_str(p->tree->layers[i->layers[k]].chain_id));
	json_set(j, "Layers", layers);
	return j;
}

/* The whole as one document. */
static struct json *tree_json(const struct print *p, const struct store_tree_image *only)
{
	struct json *j = json_new_object();
	struct json *images = json_new_array(), *layers = json_new_array();

	for (size_t i = 0; i < p->tree->image_count; i++) {
		if (!only || only == &p->tree->images[i])
			json_push(images, image_json(p, &p->tree->images[i]));
	}
	for (size_t i = 0; i < p->tree->layer_count; i++) {
		if (p->chosen[i])
			json_push(layers, layer_json(p, &p->tree->layers[i]));
	}
	json_set(j, "Images", images);
	json_set(j, "Layers", layers);
	return j;
}

/* ---- choosing ---- */

static void choose(struct print *p, const struct store_tree_image *only)
{
	for (size_t i = 0; !only && i < p->tree->layer_count; i++)
		p->chosen[i] = true;
	for (size_t i = 0; only && i < only->layer_count; i++)
		p->chosen[only->layers[i]] = true;
}

/* A layer by the beginning of its chain id or diff_id (--why). NULL: none, or several. */
static const struct store_tree_layer *find_layer(const struct store_tree *t, const char *text)
{
	const char *hex = str_starts(text, "sha256:") ? text + 7 : text;
	const struct store_tree_layer *found = NULL;

	if (strlen(hex) < 4)
		return NULL;
	for (size_t i = 0; i < t->layer_count; i++) {
		if (!str_starts(t->layers[i].chain_id + 7, hex) && !str_starts(t->layers[i].diff_id + 7, hex))
			continue;
		if (found)
			return NULL;
		found = &t->layers[i];
	}
	return found;
}

static const struct store_tree_image *find_image(struct store *store, const struct store_tree *t, const char *name,
						 struct error *err)
{
	autoimage struct store_image image = {0};

	if (store_image_find(store, name, &image, err) < 0)
		return NULL;
	for (size_t i = 0; i < t->image_count; i++) {
		if (str_eq(t->images[i].id, image.id))
			return &t->images[i];
	}
	error_set(err, ERROR_NOT_FOUND, ENOENT, "image %s was removed meanwhile", name);
	return NULL;
}

static int show(struct store *store, const struct tree_options *o, const struct store_tree *tree, struct list *list,
		const char *name, struct error *err)
{
	autoclean(print_done) struct print p = {.tree = tree, .options = o};
	const struct store_tree_image *only = NULL;

	p.chosen = mem_zalloc(tree->layer_count + 1, sizeof(bool));
	p.last = mem_zalloc(DEPTH_MAX, sizeof(bool));
	if (name) {
		only = find_image(store, tree, name, err);
		const struct store_tree_layer *layer = only || !o->why ? NULL : find_layer(tree, name);

		if (layer) {
			why_layer(&p, layer);
			return 0;
		}
		if (!only)
			return -err->code;
	}
	choose(&p, only);
	if (list)
		return list_add(list, tree_json(&p, only), err) < 0 ? -err->code : list_end(list, err);
	for (size_t i = 0; o->why && i < tree->image_count; i++) {
		if (!only || only == &tree->images[i])
			why_image(&p, &tree->images[i]);
	}
	if (o->why)
		return 0;
	if (only)
		print_head(&p, only);
	print_forest(&p);
	return 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(store_tree_done) struct store_tree tree = {0};
	const struct tree_options *o = options;
	autoengine struct engine *e = NULL;
	autolist struct list *list = NULL;
	struct store *store;
	int r;

	r = list_new_unless_own(&kind, o->format, &list, err);
	if (r == 0)
		r = bothy_open_store(global, &e, &store, err);
	if (r == 0)
		r = store_tree_read(store, &tree, err);
	return r < 0 ? r : show(store, o, &tree, list, args->count ? args->items[0] : NULL, err);
}

const struct command cmd_image_tree = {
	.name = "tree",
	.args = "[IMAGE]",
	.summary = "show which layers images share",
	.details =
		"All layers as a tree, or those of one image: size unpacked and packed, how many images share it, what made it, and "
		"whose uppermost layer it is. With --why: the names, containers, indexes and mounts that keep an image, and what "
		"removing it would free; IMAGE may then be a layer as well.",
	.examples = "  bothy image tree\n  bothy image tree --why debian:12",
	.options = table,
	.options_size = sizeof(struct tree_options),
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
