/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image mount and unmount: images as folders to look into. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/list.h"

struct mount_options {
	bool all, force;
	const char *format;
};

/* clang-format off */
static const struct option mount_table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct mount_options, all), NULL, "mount all images", 0},
	{"format", 0, OPTION_STRING, offsetof(struct mount_options, format), "FORMAT", "how to show them: table, json (one array), or a template", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"ID", "IMAGE ID"}, {"Repositories", "REPOSITORIES"}, {"Mountpoint", "MOUNTPOINT"}, {NULL, NULL},
};
static const struct list_kind kind = {.fields = fields};

static const struct option unmount_table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct mount_options, all), NULL, "unmount all images", 0},
	{"force", 'f', OPTION_BOOL, offsetof(struct mount_options, force), NULL, "also while somebody uses the mount", 0},
	OPTION_END,
};
/* clang-format on */

/* ---- what is printed ---- */

struct view {
	struct store *store;
	struct list *list; /* owned; a template's; NULL: the others */
	struct json *all;  /* owned; podman's json is one array; NULL: the others */
};

static void view_done(struct view *v)
{
	list_free(v->list);
	json_unref(v->all);
}

static int view_begin(struct store *store, const char *format, struct view *ret, struct error *err)
{
	ret->store = store;
	if (!str_eq(format, "json"))
		return list_new_unless_own(&kind, format, &ret->list, err);
	ret->all = json_new_array();
	return 0;
}

/* All names of the image, in full. */
static struct json *names_of(struct store *store, const char *id)
{
	autoclean(store_image_names_done) struct store_image_names names = {0};
	struct json *j = json_new_array();
	struct error ignored;

	if (store_image_names(store, id, &names, &ignored) < 0)
		return j;
	for (size_t i = 0; i < names.name_count; i++)
		json_push(j, json_new_str(names.names[i].name));
	return j;
}

/* An image by its first name, else its id. Heap. */
static char *title(struct store *store, const char *id)
{
	autojson struct json *names = names_of(store, id);

	return str_neutral(json_len(names) ? json_str(json_at(names, 0)) : id);
}

/* Image @id is mounted at @path. @name: what it is called in lines; "" leaves the path alone. */
static int view_add(struct view *v, const char *id, const char *name, const char *path, struct error *err)
{
	autofree char *shown = str_neutral(name), *place = str_neutral(path);
	struct json *row;

	if (!v->list && !v->all) {
		printf("%s%s%s\n", shown, *shown ? " " : "", place);
		return 0;
	}
	row = json_new_object();
	json_set(row, v->all ? "id" : "ID", json_new_str(id + 7));
	json_set(row, "Repositories", names_of(v->store, id));
	json_set(row, v->all ? "mountpoint" : "Mountpoint", json_new_str(path));
	if (v->list)
		return list_add(v->list, row, err);
	json_push(v->all, row);
	return 0;
}

static int view_end(struct view *v, struct error *err)
{
	autobuf struct buf text = BUF_INIT(16 << 20);

	if (v->all && json_write(v->all, true, &text)) {
		list_print(buf_str(&text));
		(void)putchar('\n');
	}
	return v->list ? list_end(v->list, err) : 0;
}

/* ---- mount ---- */

static int list(struct view *v, struct error *err)
{
	autoclean(store_mounts_done) struct store_mounts mounts = {0};

	if (store_mount_list(v->store, &mounts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < mounts.count; i++) {
		const struct store_mount *m = &mounts.items[i];
		autofree char *name = title(v->store, m->image);

		if (m->live && view_add(v, m->image, name, m->path, err) < 0)
			return -err->code;
	}
	return 0;
}

static int mount_one(struct engine *e, struct view *v, const char *typed, bool with_name, struct error *err)
{
	autofree char *path = NULL, *id = NULL;

	if (engine_image_mount(e, typed, &path, err) < 0)
		return -err->code;
	id = mem_printf("sha256:%s", strrchr(path, '/') + 1);
	return view_add(v, id, with_name ? typed : "", path, err);
}

static int mount_all(struct engine *e, struct view *v, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list images = {0};

	if (store_image_list(v->store, &images, err) < 0)
		return -err->code;
	for (size_t i = 0; i < images.count; i++) {
		const struct store_image_row *row = &images.rows[i];

		if (i > 0 && str_eq(row->id, images.rows[i - 1].id))
			continue;
		if (mount_one(e, v, row->name ? row->name : row->id, true, err) < 0)
			return -err->code;
	}
	return 0;
}

static int run_mount(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(view_done) struct view view = {0};
	const struct mount_options *o = options;
	autoengine struct engine *e = NULL;
	struct store *store;
	struct error unseen;
	int r = 0;

	if (o->all && args->count > 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--all: takes no images");
	if (bothy_open_store(global, &e, &store, err) < 0 || view_begin(store, o->format, &view, err) < 0)
		return -err->code;
	if (o->all)
		r = mount_all(e, &view, err);
	else if (args->count == 0)
		r = list(&view, err);
	for (size_t i = 0; r == 0 && i < args->count; i++)
		r = mount_one(e, &view, args->items[i], args->count > 1, err);
	/* What was mounted before a failure is told all the same. */
	return r < 0 ? (void)view_end(&view, &unseen), r : view_end(&view, err);
}

/* ---- unmount ---- */

static int unmount_one(struct engine *e, const char *name, bool force, struct error *err)
{
	autofree char *id = NULL;

	if (engine_image_unmount(e, name, force, &id, err) < 0)
		return -err->code;
	printf("%s\n", id + 7);
	return 0;
}

static int unmount_all(struct engine *e, struct store *store, bool force, struct error *err)
{
	autoclean(store_mounts_done) struct store_mounts mounts = {0};

	if (store_mount_list(store, &mounts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < mounts.count; i++) {
		if (mounts.items[i].live && unmount_one(e, mounts.items[i].image, force, err) < 0)
			return -err->code;
	}
	return 0;
}

static int run_unmount(void *global, void *options, const struct args *args, struct error *err)
{
	const struct mount_options *o = options;
	autoengine struct engine *e = NULL;
	struct store *store;
	int r;

	if (o->all ? args->count > 0 : args->count == 0)
		return error_set(err, ERROR_INVALID, EINVAL,
				 o->all ? "--all: takes no images" : "say which image to unmount, or --all");
	r = bothy_open_store(global, &e, &store, err);
	if (r == 0 && o->all)
		return unmount_all(e, store, o->force, err);
	for (size_t i = 0; r == 0 && i < args->count; i++)
		r = unmount_one(e, args->items[i], o->force, err);
	return r;
}

const struct command cmd_image_mount = {
	.name = "mount",
	.args = "[IMAGE...]",
	.summary = "mount images read-only and print where, or list the mounts",
	.details =
		"The mount lies below the state folder and stays until `bothy image unmount` or a restart of the machine. An image that "
		"is mounted cannot be removed. Needs root, or a user namespace of one's own.",
	.examples = "  ls $(bothy image mount debian:12)/etc\n"
		    "  bothy image mount --format '{{.Mountpoint}}'    where all mounts are",
	.options = mount_table,
	.options_size = sizeof(struct mount_options),
	.min_args = 0,
	.max_args = -1,
	.run = run_mount,
};

const struct command cmd_image_unmount = {
	.name = "unmount",
	.args = "[IMAGE...]",
	.summary = "unmount images",
	.examples = "  bothy image unmount debian:12\n"
		    "  bothy image unmount --all",
	.options = unmount_table,
	.options_size = sizeof(struct mount_options),
	.min_args = 0,
	.max_args = -1,
	.run = run_unmount,
};
