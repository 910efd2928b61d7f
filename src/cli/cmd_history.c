/* SPDX-License-Identifier: Apache-2.0 */
/* bothy history: how an image came to be, the last step first. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/bothy.h"
#include "cli/list.h"
#include "cli/show.h"

#define CREATED_BY_MAX 45 /* characters, as in Docker's table */

struct history_options {
	bool quiet, no_trunc;
	struct option_bool human;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"quiet", 'q', OPTION_BOOL, offsetof(struct history_options, quiet), NULL, "print the ids only", 0},
	{"no-trunc", 0, OPTION_BOOL, offsetof(struct history_options, no_trunc), NULL, "print whole ids and steps", 0},
	{"human", 'H', OPTION_TRISTATE, offsetof(struct history_options, human), NULL, "sizes and dates for people (the default)", 0},
	{"format", 0, OPTION_STRING, offsetof(struct history_options, format), "FORMAT", "table, json, a template, or \"table \" and a template", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"ID", "IMAGE"}, {"CreatedSince", "CREATED"}, {"CreatedAt", "CREATED AT"}, {"CreatedBy", "CREATED BY"},
	{"Size", "SIZE"}, {"Comment", "COMMENT"}, {NULL, NULL},
};
static const struct list_kind kinds[2] = {
	{fields, "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}", "{{.ID}}"},
	{fields, "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}", "{{.ID}}"},
};
/* clang-format on */

/* The step, cut to what a table holds. */
static void created_by(const char *text, bool whole, struct buf *out)
{
	size_t count = 0;
	const char *cut = NULL;
	const char *p = text;

	for (; *p && !whole; p++) {
		if (((unsigned char)*p & 0xc0) == 0x80)
			continue;
		if (++count == CREATED_BY_MAX)
			cut = p; /* one place is for the mark, when there is more */
	}
	buf_add(out, text, count > CREATED_BY_MAX ? (size_t)(cut - text) : strlen(text));
	if (count > CREATED_BY_MAX)
		buf_puts(out, "…");
	for (char *c = out->data; c && *c; c++)
		*c = *c == '\t' ? ' ' : *c;
}

static struct json *make_row(const struct engine_history *h, size_t at, const struct history_options *o)
{
	const struct engine_history_step *step = &h->steps[at];
	autobuf struct buf by = BUF_INIT(1048576);
	const bool human = !o->human.set || o->human.v;
	struct json *j = json_new_object();
	char text[160];

	json_set(j, "Comment", json_new_str(step->comment));
	clock_format_rfc3339(step->created_ns, text);
	/* Seconds, as Docker. */
	(void)snprintf(text + 19, 8, "Z");
	json_set(j, "CreatedAt", json_new_str(step->created_known ? text : "N/A"));
	created_by(step->created_by, o->no_trunc, &by);
	json_set(j, "CreatedBy", json_new_str(buf_str(&by)));
	show_age(step->created_ns, text);
	json_set(j, "CreatedSince", json_new_str(step->created_known ? text : "N/A"));
	show_id(h->id, o->no_trunc, text);
	json_set(j, "ID", json_new_str(at + 1 == h->count ? text : "<missing>"));
	if (human)
		str_from_size((uint64_t)step->size_bytes, text);
	else
		(void)snprintf(text, sizeof(text), "%lld", (long long)step->size_bytes);
	json_set(j, "Size", json_new_str(text));
	return j;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	const struct history_options *o = options;
	autoclean(engine_history_done) struct engine_history h = {};
	autolist struct list *l = NULL;
	autoengine struct engine *e = NULL;

	if (list_new(&kinds[o->human.set && !o->human.v], o->format, o->quiet, &l, err) < 0 ||
	    bothy_open(global, &e, err) < 0 || engine_image_history(e, args->items[0], &h, err) < 0)
		return -err->code;
	for (size_t i = h.count; i-- > 0;)
		if (list_add(l, make_row(&h, i, o), err) < 0)
			return -err->code;
	return list_end(l, err);
}

const struct command cmd_history = {
	.name = "history",
	.group = "Images",
	.args = "IMAGE",
	.summary = "show how an image came to be",
	.options = table,
	.options_size = sizeof(struct history_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
	.examples = "  bothy history debian:12\n  bothy history --no-trunc --format '{{.Size}}: {{.CreatedBy}}' app",
};
