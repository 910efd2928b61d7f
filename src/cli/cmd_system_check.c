/* SPDX-License-Identifier: Apache-2.0 */
/* bothy system check: is the store what it should be, and can it be made so? */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/bothy.h"
#include "cli/collect.h"
#include "cli/list.h"

struct check_options {
	bool quick, repair;
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"quick", 0, OPTION_BOOL, offsetof(struct check_options, quick), NULL, "look at presence and sizes, read no content", 0},
	{"repair", 0, OPTION_BOOL, offsetof(struct check_options, repair), NULL, "mend what can be mended, remove what can't and is not in use", 0},
	{"format", 0, OPTION_STRING, offsetof(struct check_options, format), "FORMAT", "table, json, or a template; of one object with .Problems", 0},
	OPTION_END,
};

static const struct list_field fields[] = {
	{"Images", "IMAGES"}, {"Layers", "LAYERS"}, {"Blobs", "BLOBS"}, {"BytesRead", "READ"}, {"Problems", "PROBLEMS"}, {NULL, NULL},
};
static const struct list_kind kind = {.fields = fields};
/* clang-format on */

static void show_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)fprintf(stderr, "\r\033[K%llu of %llu: %.19s", (unsigned long long)done, (unsigned long long)total, what);
}

static struct json *problem_json(const struct store_problem *p)
{
	struct json *j = json_new_object();

	json_set_str(j, "Kind", store_problem_name(p->kind));
	json_set_str(j, "Object", p->object);
	json_set_str(j, "Text", p->text);
	json_set_str(j, "Outcome", store_outcome_name(p->outcome));
	json_set_str(j, "Done", p->done);
	return j;
}

static struct json *result_json(const struct store_check_result *r)
{
	struct json *j = json_new_object(), *list = json_new_array();

	json_set(j, "Images", json_new_i64((int64_t)r->images));
	json_set(j, "Layers", json_new_i64((int64_t)r->layers));
	json_set(j, "Blobs", json_new_i64((int64_t)r->blobs));
	json_set(j, "BytesRead", json_new_i64((int64_t)r->bytes));
	for (size_t i = 0; i < r->problem_count; i++)
		json_push(list, problem_json(&r->problems[i]));
	json_set(j, "Problems", list);
	return j;
}

static void print_table(const struct store_check_result *r)
{
	size_t counts[STORE_OUTCOME_COUNT] = {0};
	char size[16];

	for (size_t i = 0; i < r->problem_count; i++) {
		const struct store_problem *p = &r->problems[i];
		autofree char *object = str_neutral(p->object), *text = str_neutral(p->text),
			      *done = p->done ? str_neutral(p->done) : NULL;

		counts[p->outcome]++;
		printf("%-9s  %s: %s\n", store_problem_name(p->kind), object, text);
		if (done)
			printf("           %s: %s\n", store_outcome_name(p->outcome), done);
	}
	str_from_size(r->bytes, size);
	printf("%llu images, %llu layers, %llu blobs (%s read): ", (unsigned long long)r->images,
	       (unsigned long long)r->layers, (unsigned long long)r->blobs, size);
	if (r->problem_count == 0)
		printf("good\n");
	else
		printf("%zu problem%s, %zu mended, %zu dropped, %zu left\n", r->problem_count,
		       r->problem_count == 1 ? "" : "s", counts[STORE_MENDED], counts[STORE_DROPPED],
		       counts[STORE_FOUND] + counts[STORE_LEFT]);
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	autoclean(store_check_result_done) struct store_check_result result = {0};
	const struct check_options *o = options;
	const struct engine_check_options how = {
		.quick = o->quick,
		.repair = o->repair,
		.progress = isatty(STDERR_FILENO) ? show_progress : NULL,
	};
	autolist struct list *list = NULL;
	autoengine struct engine *e = NULL;
	size_t mended = 0;
	int r;

	(void)args;
	collect_check_config();
	r = list_new_unless_own(&kind, o->format, &list, err);
	if (r == 0)
		r = bothy_open(global, &e, err);
	if (r == 0)
		r = engine_check(e, &how, &result, err);
	if (how.progress)
		(void)fprintf(stderr, "\r\033[K");
	if (r < 0)
		return r;
	for (size_t i = 0; i < result.problem_count; i++)
		mended += result.problems[i].outcome == STORE_MENDED;
	if (!list)
		print_table(&result);
	else if (list_add(list, result_json(&result), err) < 0 || list_end(list, err) < 0)
		return -err->code;
	return mended < result.problem_count;
}

const struct command cmd_system_check = {
	.name = "check",
	.group = NULL,
	.args = "",
	.summary = "look for damage in the store, and mend it",
	.details =
		"Reads every byte of every blob and compares every unpacked file with the archive it came from. The exit status is 0\n"
		"when everything is good or was mended, else 1.",
	.examples = "  bothy system check             find every flipped bit, half layer and orphan\n"
		    "  bothy system check --quick     after a power cut, in a moment\n"
		    "  bothy system check --repair    mend what was found",
	.options = table,
	.options_size = sizeof(struct check_options),
	.max_args = 0,
	.run = run,
};
