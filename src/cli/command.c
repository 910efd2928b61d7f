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

static bool is_called(const struct command *c, const char *name)
{
	if (str_eq(c->name, name))
		return true;
	for (const char *const *a = c->aliases; a && *a; a++)
		if (str_eq(*a, name))
			return true;
	return false;
}

const struct command *command_find(const struct program *p, const char *name)
{
	for (const struct command *const *c = p->commands; *c; c++)
		if (is_called(*c, name))
			return *c;
	return NULL;
}

void command_suggest(const struct program *p, const char *name, char *out, size_t size)
{
	size_t len = 0;
	size_t found = 0;

	out[0] = '\0';
	for (const struct command *const *c = p->commands; *c && found < 3; c++) {
		bool near =
			str_distance(name, (*c)->name, 3) < 3 || (strlen(name) >= 2 && str_starts((*c)->name, name));

		if (near) {
			len += (size_t)snprintf(out + len, size - len, "%s%s", found ? ", " : "", (*c)->name);
			found++;
		}
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
			printf("  %s\n  %-30s  %s\n", left, "", t->help);
		else
			printf("  %-30s  %s\n", left, t->help);
	}
}

void command_print_help(const struct program *p, const struct command *c)
{
	printf("Usage: %s %s%s%s%s\n\n%s\n", p->name, c->name, c->options && c->options->name ? " [OPTIONS]" : "",
	       c->args && c->args[0] ? " " : "", c->args ? c->args : "", c->summary);
	if (c->details)
		printf("\n%s\n", c->details);
	if (c->aliases && c->aliases[0]) {
		printf("\nAliases:");
		for (const char *const *a = c->aliases; *a; a++)
			printf(" %s", *a);
		printf("\n");
	}
	if (c->options && c->options->name) {
		printf("\nOptions:\n");
		print_options(c->options);
	}
	if (c->examples)
		printf("\nExamples:\n%s\n", c->examples);
}

void command_print_overview(const struct program *p)
{
	const char *group = NULL;

	printf("Usage: %s [OPTIONS] COMMAND\n\n%s\n", p->name, p->summary);
	for (const struct command *const *c = p->commands; *c; c++) {
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

static int check_count(const struct program *p, const struct command *c, const struct args *a, struct error *err)
{
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
	error_set(err, ERROR_INVALID, EINVAL, "\"%s\" requires %s %d argument(s)", c->name, how, want);
	return error_hint(err, "usage: %s %s [OPTIONS] %s", p->name, c->name, c->args ? c->args : "");
}

static int run_command(const struct program *p, const struct command *c, int argc, char **argv, void *global,
		       struct error *err)
{
	autofree void *options = mem_zalloc(1, c->options_size);
	autoargs struct args args = {};
	int r;

	if (wants_help(c->options, argc, argv, c->stop_at_first) && (!owns_h(c) || !argc || !str_eq(argv[0], "-h"))) {
		command_print_help(p, c);
		return 0;
	}
	r = option_parse(c->options, argc, argv, c->stop_at_first, options, &args, err);
	if (r >= 0)
		r = check_count(p, c, &args, err);
	if (r < 0 && !err->hint[0])
		error_hint(err, "'%s %s --help' shows how it is used", p->name, c->name);
	if (!args.items)
		args.items = mem_zalloc(1, sizeof(char *));
	if (r >= 0)
		r = c->run(global, options, &args, err);
	if (c->done)
		c->done(options);
	return r;
}

static int no_command(const struct program *p, const char *name, struct error *err)
{
	char near[128];

	command_suggest(p, name, near, sizeof(near));
	error_set(err, ERROR_INVALID, EINVAL, "'%s' is not a command of %s", name, p->name);
	if (near[0])
		return error_hint(err, "did you mean: %s?", near);
	return error_hint(err, "'%s --help' lists the commands", p->name);
}

int command_run(const struct program *p, int argc, char **argv, void *global,
		int (*after_global)(void *global, struct error *err), struct error *err)
{
	autoargs struct args rest = {};
	const struct command *c;
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
	if (!rest.count || (str_eq(rest.items[0], "help") && rest.count == 1)) {
		command_print_overview(p);
		return 0;
	}
	if (str_eq(rest.items[0], "help")) {
		const bool man = str_eq(rest.items[1], "--man");

		if (man && rest.count == 2) {
			command_print_man(p, NULL);
			return 0;
		}
		c = command_find(p, rest.items[1 + man]);
		if (c && man) {
			command_print_man(p, c);
			return 0;
		}
		if (!c)
			return no_command(p, rest.items[1], err);
		command_print_help(p, c);
		return 0;
	}
	c = command_find(p, rest.items[0]);
	if (!c)
		return no_command(p, rest.items[0], err);
	return run_command(p, c, (int)rest.count - 1, rest.items + 1, global, err);
}
