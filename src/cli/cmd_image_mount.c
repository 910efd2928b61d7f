/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image mount and unmount: images as folders to look into. */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/bothy.h"
#include "cli/list.h"

struct mount_options {
	bool all, force;
	const char *format;
};

/* clang-format off */
static const struct option mount_table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct mount_options, all), NULL, "mount all images", 0},
	{"format", 0, OPTION_STRING, offsetof(struct mount_options, format), "FORMAT", "of the list of mounts: table, json (one array), or a template", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"id", "IMAGE ID"}, {"Repositories", "REPOSITORIES"}, {"mountpoint", "MOUNTPOINT"}, {NULL, NULL},
};
static const struct list_kind kind = {.fields = fields};

static const struct option unmount_table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct mount_options, all), NULL, "unmount all images", 0},
	{"force", 'f', OPTION_BOOL, offsetof(struct mount_options, force), NULL, "also while somebody uses the mount", 0},
	OPTION_END,
};
/* clang-format on */

/* What an image is called: its first name, else its id. Heap. */
static char *title(struct store *store, const char *id)
{
	autoclean(store_image_names_done) struct store_image_names names = {0};
	struct error ignored;

	if (store_image_names(store, id, &names, &ignored) < 0 || names.name_count == 0)
		return str_neutral(id);
	return str_neutral(names.names[0].name);
}

static struct json *mount_json(const struct store_mount *m, const char *name)
{
	struct json *j = json_new_object(), *names = json_new_array();

	json_push(names, json_new_str(name));
	json_set(j, "id", json_new_str(m->image + 7));
	json_set(j, "Repositories", names);
	json_set(j, "mountpoint", json_new_str(m->path));
	return j;
}

/* podman's json is one array. */
static int print_array(const struct json *all)
{
	autobuf struct buf text = BUF_INIT(16 << 20);

	if (json_write(all, true, &text))
		printf("%s\n", buf_str(&text));
	return 0;
}

static int list(struct store *store, const struct mount_options *o, struct error *err)
{
	autoclean(store_mounts_done) struct store_mounts mounts = {0};
	const bool as_array = str_eq(o->format, "json");
	autojson struct json *all = json_new_array();
	autolist struct list *l = NULL;

	if ((!as_array && list_new_unless_own(&kind, o->format, &l, err) < 0) ||
	    store_mount_list(store, &mounts, err) < 0)
		return -err->code;
	for (size_t i = 0; i < mounts.count; i++) {
		autofree char *name = title(store, mounts.items[i].image), *path = str_neutral(mounts.items[i].path);

		if (!mounts.items[i].live)
			continue;
		if (as_array)
			json_push(all, mount_json(&mounts.items[i], name));
		else if (!l)
			printf("%s %s\n", name, path);
		else if (list_add(l, mount_json(&mounts.items[i], name), err) < 0)
			return -err->code;
	}
	return as_array ? print_array(all) : l ? list_end(l, err) : 0;
}

static int mount_one(struct engine *e, const char *name, bool with_name, struct error *err)
{
	autofree char *path = NULL, *shown = str_neutral(name);

	if (engine_image_mount(e, name, &path, err) < 0)
		return -err->code;
	printf("%s%s%s\n", with_name ? shown : "", with_name ? " " : "", path);
	return 0;
}

static int mount_all(struct engine *e, struct store *store, struct error *err)
{
	autoclean(store_image_list_done) struct store_image_list images = {0};

	if (store_image_list(store, &images, err) < 0)
		return -err->code;
	for (size_t i = 0; i < images.count; i++) {
		const struct store_image_row *row = &images.rows[i];

		if (i > 0 && str_eq(row->id, images.rows[i - 1].id))
			continue;
		if (mount_one(e, row->name ? row->name : row->id, true, err) < 0)
			return -err->code;
	}
	return 0;
}

static int run_mount(void *global, void *options, const struct args *args, struct error *err)
{
	const struct mount_options *o = options;
	autoengine struct engine *e = NULL;
	struct store *store;
	int r;

	if (o->all && args->count > 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--all: takes no images");
	r = bothy_open(global, &e, err);
	if (r == 0)
		r = engine_store(e, &store, err);
	if (r < 0)
		return r;
	if (o->all)
		return mount_all(e, store, err);
	if (args->count == 0)
		return list(store, o, err);
	for (size_t i = 0; r == 0 && i < args->count; i++)
		r = mount_one(e, args->items[i], args->count > 1, err);
	return r;
}

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
	r = bothy_open(global, &e, err);
	if (r == 0)
		r = engine_store(e, &store, err);
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
	.examples = "  ls $(bothy image mount debian:12)/etc",
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
	.options = unmount_table,
	.options_size = sizeof(struct mount_options),
	.min_args = 0,
	.max_args = -1,
	.run = run_unmount,
};
