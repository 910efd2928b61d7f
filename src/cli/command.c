/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and running commands, and their help pages, from the tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cli.h"

#define HELP_COLUMNS 120

static bool is_called(const struct command *c, const char *name)
{
	if (str_eq(c->name, name))
		return true;
	for (const char *const *a = c->aliases; a && *a; a++)
		if (str_eq(*a, name))
			return true;
	return false;
}

static void add_word(struct command_place *place, const char *word)
{
	size_t len = strlen(place->path);

	(void)snprintf(place->path + len, sizeof(place->path) - len, "%s%s", len ? " " : "", word);
}

static bool step_down(struct command_place *place, const char *word)
{
	for (const struct command_child *c = place->command->children; c && c->name; c++)
		if (str_eq(c->name, word) || str_eq(c->alias, word)) {
			add_word(place, c->name);
			place->command = c->command;
			return true;
		}
	return false;
}

size_t command_find(const struct program *p, char *const *words, struct command_place *ret)
{
	size_t used = 1;

	*ret = (struct command_place){};
	for (const struct command *const *c = p->commands; words[0] && *c && !ret->command; c++)
		if (is_called(*c, words[0]))
			ret->command = *c;
	if (!ret->command)
		return 0;
	add_word(ret, ret->command->name);
	while (words[used] && step_down(ret, words[used]))
		used++;
	return used;
}

/* The tree is as deep as its tables are nested: a group never holds itself. */
static int each_below(const struct command_place *place, int (*fn)(const struct command_place *place, void *arg),
		      void *arg)
{
	int r = fn(place, arg);

	for (const struct command_child *c = place->command->children; c && c->name && r == 0; c++) {
		struct command_place below = *place;

		add_word(&below, c->name);
		below.command = c->command;
		r = c->command->hidden ? 0 : each_below(&below, fn, arg);
	}
	return r;
}

int command_each(const struct program *p, int (*fn)(const struct command_place *place, void *arg), void *arg)
{
	int r = 0;

	for (const struct command *const *c = p->commands; *c && r == 0; c++) {
		struct command_place place = {.command = *c};

		add_word(&place, (*c)->name);
		r = (*c)->hidden ? 0 : each_below(&place, fn, arg);
	}
	return r;
}

struct suggestion {
	const struct command_place *group;
	const char *name;
	bool nearby; /* looking in the group, else everywhere but there */
	size_t found, len, size;
	char *out;
};

static int suggest(const struct command_place *place, void *arg)
{
	struct suggestion *s = arg;
	const char *last = strrchr(place->path, ' ') ? strrchr(place->path, ' ') + 1 : place->path;
	size_t above = last == place->path ? 0 : (size_t)(last - place->path) - 1;
	const char *group = s->group ? s->group->path : "";
	bool here = strlen(group) == above && strncmp(place->path, group, above) == 0;
	/* From elsewhere only what was meant surely: `df` is `system df`. */
	bool near = here ? str_distance(s->name, last, 3) < (strlen(last) > 3 ? 3 : 2) ||
				    (strlen(s->name) >= 2 && str_starts(last, s->name))
			 : str_eq(last, s->name);

	if (here != s->nearby || !near)
		return 0;
	s->len += (size_t)snprintf(s->out + s->len, s->size - s->len, "%s%s", s->found ? ", " : "", place->path);
	return ++s->found == 3 || s->len >= s->size;
}

void command_suggest(const struct program *p, const struct command_place *group, const char *name, char *out,
		     size_t size)
{
	struct suggestion s = {.group = group, .name = name, .nearby = true, .out = out, .size = size};

	out[0] = '\0';
	if (command_each(p, suggest, &s) == 0) {
		s.nearby = false;
		(void)command_each(p, suggest, &s);
	}
}

/* @text from column @indent on, broken at blanks; its own line ends stay. */
static void print_wrapped(const char *text, size_t indent)
{
	const size_t room = HELP_COLUMNS - indent;

	for (;;) {
		size_t len = strcspn(text, "\n");

		if (len > room) {
			for (len = room; len && text[len] != ' '; len--)
				;
			if (!len)
				len = strcspn(text, " \n");
		}
		printf("%.*s\n", (int)len, text);
		if (!text[len])
			return;
		text += len + 1;
		printf("%*s", (int)indent, "");
	}
}

static void print_options(const struct option *t)
{
	for (; t && t->name; t++) {
		char left[64];

		if (t->flags & (OPTION_HIDDEN | OPTION_LATER))
			continue;
		(void)snprintf(left, sizeof(left), "%s%c%s--%s%s%s", t->letter ? "-" : " ", t->letter ? t->letter : ' ',
			       t->letter ? ", " : "  ", t->name, t->arg ? " " : "", t->arg ? t->arg : "");
		if (strlen(left) > 30)
			printf("  %s\n  %-30s  ", left, "");
		else
			printf("  %-30s  ", left);
		print_wrapped(t->help, 34);
	}
}

static void print_children(const struct command *c)
{
	printf("\nCommands:\n");
	for (const struct command_child *k = c->children; k->name; k++)
		if (!k->command->hidden)
			printf("  %-12s %s\n", k->name, k->command->summary);
}

void command_print_help(const struct program *p, const struct command_place *place)
{
	const struct command *c = place->command;

	printf("Usage: %s %s%s%s%s\n\n%s\n", p->name, place->path, c->options && c->options->name ? " [OPTIONS]" : "",
	       c->args && c->args[0] ? " " : "", c->args ? c->args : "", c->summary);
	if (c->details) {
		printf("\n");
		print_wrapped(c->details, 0);
	}
	if (c->aliases && c->aliases[0]) {
		printf("\nAliases:");
		for (const char *const *a = c->aliases; *a; a++)
			printf(" %s", *a);
		printf("\n");
	}
	if (c->children)
		print_children(c);
	if (c->options && c->options->name) {
		printf("\nOptions:\n");
		print_options(c->options);
	}
	if (c->examples)
		printf("\nExamples:\n%s\n", c->examples);
	if (c->children)
		printf("\n'%s %s COMMAND --help' tells more of a command.\n", p->name, place->path);
}

void command_print_overview(const struct program *p)
{
	const char *group = NULL;

	printf("Usage: %s [OPTIONS] COMMAND\n\n%s\n", p->name, p->summary);
	for (const struct command *const *c = p->commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		if (!group || !str_eq(group, (*c)->group)) {
			group = (*c)->group;
			printf("\n%s:\n", group);
		}
		printf("  %-12s %s\n", (*c)->name, (*c)->summary);
	}
	printf("\nOptions:\n");
	print_options(p->options);
	if (p->examples)
		printf("\nExamples:\n%s\n", p->examples);
	printf("\n'%s COMMAND --help' tells more of a command.\n", p->name);
}

static bool wants_help(const struct option *table, int argc, char **argv, bool stop_at_first)
{
	for (int i = 0; i < argc && !str_eq(argv[i], "--"); i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h") || str_eq(argv[i], "-help"))
			return true;
		if (stop_at_first && argv[i][0] != '-')
			return false;
		i += option_has_next(table, argv[i]);
	}
	return false;
}

/* -h may be a command's own letter (run -h NAME): then only --help asks for help. */
static bool owns_h(const struct command *c)
{
	for (const struct option *o = c->options; o && o->name; o++)
		if (o->letter == 'h')
			return true;
	return false;
}

static int check_count(const struct program *p, const struct command_place *place, const struct args *a,
		       struct error *err)
{
	const struct command *c = place->command;
	const char *how = NULL;
	int want = c->min_args;

	if ((int)a->count < c->min_args)
		how = c->min_args == c->max_args ? "exactly" : "a minimum of";
	else if (c->max_args >= 0 && (int)a->count > c->max_args) {
		how = c->min_args == c->max_args ? "exactly" : "a maximum of";
		want = c->max_args;
	}
	if (!how)
		return 0;
	error_set(err, ERROR_INVALID, EINVAL, "\"%s\" requires %s %d argument(s)", place->path, how, want);
	return error_hint(err, "usage: %s %s%s%s%s", p->name, place->path,
			  c->options && c->options->name ? " [OPTIONS]" : "", c->args && c->args[0] ? " " : "",
			  c->args ? c->args : "");
}

static int no_command(const struct program *p, const struct command_place *group, const char *name, struct error *err)
{
	char near[128];

	command_suggest(p, group, name, near, sizeof(near));
	error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a command of %s%s%s", name, p->name, group ? " " : "",
		  group ? group->path : "");
	if (near[0])
		return error_hint(err, "did you mean: %s?", near);
	return error_hint(err, "'%s%s%s --help' lists the commands", p->name, group ? " " : "",
			  group ? group->path : "");
}

static int run_command(const struct program *p, const struct command_place *place, int argc, char **argv, void *global,
		       struct error *err)
{
	const struct command *c = place->command;
	autofree void *options = mem_zalloc(1, c->options_size);
	autoargs struct args args = {};
	int r;

	if ((c->children && !argc) ||
	    (wants_help(c->options, argc, argv, c->stop_at_first) && (!owns_h(c) || !argc || !str_eq(argv[0], "-h")))) {
		command_print_help(p, place);
		return 0;
	}
	if (c->children)
		return no_command(p, place, argv[0], err);
	r = option_parse(c->options, argc, argv, c->stop_at_first, options, &args, err);
	if (r >= 0)
		r = check_count(p, place, &args, err);
	if (r < 0 && !err->hint[0])
		error_hint(err, "'%s %s --help' shows how it is used", p->name, place->path);
	if (!args.items)
		args.items = mem_zalloc(1, sizeof(char *));
	if (r >= 0)
		r = c->run(global, options, &args, err);
	if (c->done)
		c->done(options);
	return r;
}

/* `help`, `help COMMAND...`, and for the build `help --man [COMMAND...]`. */
static int run_help(const struct program *p, char *const *words, struct error *err)
{
	const bool man = str_eq(words[0], "--man");
	struct command_place place;
	size_t used;

	words += man;
	if (!words[0]) {
		if (man)
			command_print_man(p, NULL);
		else
			command_print_overview(p);
		return 0;
	}
	used = command_find(p, words, &place);
	if (!used || words[used])
		return no_command(p, used ? &place : NULL, words[used], err);
	if (man)
		command_print_man(p, &place);
	else
		command_print_help(p, &place);
	return 0;
}

int command_run(const struct program *p, int argc, char **argv, void *global,
		int (*after_global)(void *global, struct error *err), struct error *err)
{
	autoargs struct args rest = {};
	struct command_place place;
	size_t used;
	int r;

	if (argc && wants_help(p->options, argc, argv, true)) {
		command_print_overview(p);
		return 0;
	}
	r = option_parse(p->options, argc, argv, true, global, &rest, err);
	if (r < 0)
		return err->hint[0] ? r : error_hint(err, "'%s --help' lists the options", p->name);
	if (after_global) {
		r = after_global(global, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (!rest.count) {
		command_print_overview(p);
		return 0;
	}
	if (str_eq(rest.items[0], "help"))
		return run_help(p, rest.items + 1, err);
	used = command_find(p, rest.items, &place);
	if (!used)
		return no_command(p, NULL, rest.items[0], err);
	return run_command(p, &place, (int)(rest.count - used), rest.items + used, global, err);
}
