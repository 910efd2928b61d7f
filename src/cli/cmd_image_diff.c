/* SPDX-License-Identifier: Apache-2.0 */
/* bothy image diff: which files differ between two images, or an image and what its uppermost layer stands on. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/bothy.h"
#include "cli/list.h"

struct diff_options {
	bool stat;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"stat", 0, OPTION_BOOL, offsetof(struct diff_options, stat), NULL, "say what changed of each file, and sums at the end", 0},
	{"format", 0, OPTION_STRING, offsetof(struct diff_options, format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"Kind", "KIND"}, {"Path", "PATH"}, {"Changed", "CHANGED"}, {"Old", "OLD"}, {"New", "NEW"}, {NULL, NULL},
};
static const struct list_kind kind = {.fields = fields};
/* clang-format on */

/* What the sums at the end are made of. */
struct sums {
	const struct diff_options *options;
	struct list *list; /* borrowed; NULL: the command's own lines */
	uint64_t count[UNPACK_CHANGE_KIND_COUNT];
	uint64_t added_bytes, removed_bytes;
};

static const char letters[UNPACK_CHANGE_KIND_COUNT] = {
	[UNPACK_CHANGE_MODIFIED] = 'C', [UNPACK_CHANGE_ADDED] = 'A', [UNPACK_CHANGE_DELETED] = 'D'};

static const char *type_word(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	default:
		return "other";
	}
}

static struct json *status_json(const struct store_status *s)
{
	struct json *j = json_new_object();
	char mode[8];

	(void)snprintf(mode, sizeof(mode), "%04o", s->mode & 07777);
	json_set(j, "Type", json_new_str(type_word(s->mode)));
	json_set(j, "Mode", json_new_str(mode));
	json_set(j, "Uid", json_new_u64(s->uid));
	json_set(j, "Gid", json_new_u64(s->gid));
	json_set(j, "Size", json_new_u64(s->size));
	return j;
}

static struct json *change_json(const struct store_change *c)
{
	struct json *j = json_new_object();
	autobuf struct buf path = BUF_INIT(4200);
	const char letter[] = {letters[c->kind], '\0'};
	struct json *what = json_new_array();

	buf_printf(&path, "/%s", c->path);
	json_set(j, "Path", json_new_str(buf_str(&path)));
	json_set(j, "Kind", json_new_str(letter));
	for (unsigned int bit = 1; bit <= UNPACK_CHANGED_BELOW; bit *= 2) {
		if (c->what & bit)
			json_push(what, json_new_str(store_changed_name(bit)));
	}
	json_set(j, "Changed", what);
	json_set(j, "Old", c->old.mode && !(c->what & UNPACK_CHANGED_BELOW) ? status_json(&c->old) : NULL);
	json_set(j, "New", c->new.mode && !(c->what & UNPACK_CHANGED_BELOW) ? status_json(&c->new) : NULL);
	return j;
}

/* What changed, in words: "content +12B, mode 0644 to 0600". */
static void print_details(const struct store_change *c)
{
	char size[16];
	const char *comma = "   ";

	for (unsigned int bit = 1; bit < UNPACK_CHANGED_BELOW; bit *= 2) {
		if (!(c->what & bit))
			continue;
		printf("%s%s", comma, store_changed_name(bit));
		comma = ", ";
		if (bit == UNPACK_CHANGED_TYPE)
			printf(" %s to %s", type_word(c->old.mode), type_word(c->new.mode));
		if (bit == UNPACK_CHANGED_MODE)
			printf(" %04o to %04o", c->old.mode & 07777, c->new.mode & 07777);
		if (bit == UNPACK_CHANGED_OWNER)
			printf(" %u:%u to %u:%u", c->old.uid, c->old.gid, c->new.uid, c->new.gid);
		if (bit == UNPACK_CHANGED_CONTENT) {
			bool more = c->new.size >= c->old.size;

			str_from_size(more ? c->new.size - c->old.size : c->old.size - c->new.size, size);
			printf(" %c%s", more ? '+' : '-', size);
		}
	}
	if (c->kind == UNPACK_CHANGE_MODIFIED || S_ISDIR((c->old.mode | c->new.mode) & S_IFMT))
		return;
	str_from_size(c->old.size + c->new.size, size);
	printf("   %s", size);
}

static int print_change(const struct store_change *c, void *arg, struct error *err)
{
	struct sums *s = arg;

	s->count[c->kind]++;
	if (c->new.size > c->old.size)
		s->added_bytes += c->new.size - c->old.size;
	else
		s->removed_bytes += c->old.size - c->new.size;
	if (s->list)
		return list_add(s->list, change_json(c), err);
	autofree char *path = str_neutral(c->path);

	printf("%c /%s", letters[c->kind], path);
	if (s->options->stat)
		print_details(c);
	if (printf("\n") < 0)
		return error_sys(err, errno, "write to standard output"); /* nobody reads any more */
	return 0;
}

static void print_sums(const struct sums *s)
{
	char added[16], removed[16];

	str_from_size(s->added_bytes, added);
	str_from_size(s->removed_bytes, removed);
	printf("%llu added, %llu changed, %llu deleted, +%s -%s\n", (unsigned long long)s->count[UNPACK_CHANGE_ADDED],
	       (unsigned long long)s->count[UNPACK_CHANGE_MODIFIED],
	       (unsigned long long)s->count[UNPACK_CHANGE_DELETED], added, removed);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct diff_options *o = options;
	struct sums sums = {.options = o};
	autoengine struct engine *e = NULL;
	autolist struct list *list = NULL;
	struct store *store;
	int r;

	r = list_new_unless_own(&kind, o->format, &list, err);
	if (r == 0)
		r = bothy_open_store(global, &e, &store, err);
	sums.list = list;
	if (r == 0)
		r = store_image_diff(store, args->count > 1 ? args->items[0] : NULL, args->items[args->count - 1],
				     print_change, &sums, err);
	if (r < 0)
		return r;
	if (list)
		return list_end(list, err);
	if (o->stat)
		print_sums(&sums);
	return 0;
}

const struct command cmd_image_diff = {
	.name = "diff",
	.args = "IMAGE [IMAGE]",
	.summary = "list the files that differ between two images",
	.details =
		"A: only the second image has it; D: only the first; C: both, but they differ in type, content, mode, owner, "
		"target or attributes, or something in this folder does. Times are not compared. With one image: what its "
		"uppermost layer changes.",
	.examples =
		"  bothy image diff debian:12.1 debian:12.2\n  bothy image diff --format '{{.Path}}' app:old app:new\n  bothy image diff --stat app:old app:new",
	.options = table,
	.options_size = sizeof(struct diff_options),
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
