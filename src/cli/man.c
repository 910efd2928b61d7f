/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manual pages from the tables, in man(7) language: `PROGRAM help --man [COMMAND...]`. The build adds what is written by hand
 * (man/<page>.man) behind it; the options can't differ from the program's, since they come from the same rows.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Text with what roff takes for commands made harmless; @indent: an example, each line as it is. */
static void print_text(const char *s)
{
	bool line_start = true;

	for (; *s; s++) {
		if (line_start && (*s == '.' || *s == '\''))
			printf("\\&");
		line_start = *s == '\n';
		if (*s == '\\')
			printf("\\e");
		else if (*s == '-')
			printf("\\-");
		else
			putchar(*s);
	}
}

/* The name of a page: the words with dashes between. */
static void print_title(const struct program *p, const char *path)
{
	for (const char *s = p->name; *s; s++)
		putchar(toupper((unsigned char)*s));
	for (const char *s = path; s && *s; s++) {
		if (s == path)
			putchar('-');
		putchar(*s == ' ' ? '-' : toupper((unsigned char)*s));
	}
}

static void print_page_name(const struct program *p, const char *path)
{
	print_text(p->name);
	printf("\\-");
	for (; *path; path++)
		printf("%s", *path == ' ' || *path == '-' ? "\\-" : (char[]){*path, '\0'});
}

static void print_options(const struct option *t)
{
	for (; t && t->name; t++) {
		if (t->flags & (OPTION_HIDDEN | OPTION_LATER))
			continue;
		printf(".TP\n\\fB");
		if (t->letter)
			printf("\\-%c\\fR, \\fB", t->letter);
		printf("\\-\\-");
		print_text(t->name);
		printf("\\fR");
		if (t->arg) {
			printf(" \\fI");
			print_text(t->arg);
			printf("\\fR");
		}
		printf("\n");
		print_text(t->help);
		printf("\n");
	}
}

static void print_examples(const char *text)
{
	if (!text)
		return;
	printf(".SH EXAMPLES\n.nf\n");
	print_text(text);
	printf("\n.fi\n");
}

static void print_synopsis(const struct program *p, const char *path, const struct command *c)
{
	printf("\\fB");
	print_text(p->name);
	printf(" ");
	print_text(path);
	printf("\\fR%s ", c->options && c->options->name ? " [\\fIOPTIONS\\fR]" : "");
	print_text(c->args ? c->args : "");
	printf("\n");
}

static void print_children(const struct program *p, const struct command_place *place)
{
	printf(".SH COMMANDS\n");
	for (const struct command_child *k = place->command->children; k && k->name; k++) {
		char path[2 * COMMAND_PATH_MAX];

		if (k->command->hidden)
			continue;
		(void)snprintf(path, sizeof(path), "%s %s", place->path, k->name);
		printf(".TP\n.BR ");
		print_page_name(p, path);
		printf(" (1)\n");
		print_text(k->command->summary);
		printf("\n");
	}
}

static void print_command_page(const struct program *p, const struct command_place *place)
{
	const struct command *c = place->command;

	printf(".TH ");
	print_title(p, place->path);
	printf(" 1 \"\" \"bothy " BOTHY_VERSION "\"\n.SH NAME\n");
	print_page_name(p, place->path);
	printf(" \\- ");
	print_text(c->summary);
	printf("\n.SH SYNOPSIS\n");
	print_synopsis(p, place->path, c);
	printf(".SH DESCRIPTION\n");
	print_text(c->details ? c->details : c->summary);
	printf("\n");
	if (c->children)
		print_children(p, place);
	if (c->options && c->options->name) {
		printf(".SH OPTIONS\n");
		print_options(c->options);
	}
	print_examples(c->examples);
}

static void print_program_page(const struct program *p, bool with_options)
{
	printf(".TH ");
	print_title(p, NULL);
	printf(" %d \"\" \"bothy " BOTHY_VERSION "\"\n.SH NAME\n", with_options ? 8 : 1);
	print_text(p->name);
	printf(" \\- ");
	print_text(p->summary);
	printf("\n.SH SYNOPSIS\n\\fB");
	print_text(p->name);
	printf("\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n.SH OPTIONS\n");
	print_options(p->options);
	printf(".SH COMMANDS\n");
	for (const struct command *const *c = p->commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		printf("%s", with_options ? ".SS " : ".TP\n");
		print_synopsis(p, (*c)->name, *c);
		print_text((*c)->summary);
		printf("\n");
		if (with_options)
			print_options((*c)->options);
	}
	print_examples(p->examples);
}

void command_print_man(const struct program *p, const struct command_place *c)
{
	if (c)
		print_command_page(p, c);
	else
		/* The runtime's commands are documented on one page, since programs call them, not people. */
		print_program_page(p, !str_eq(p->name, "bothy"));
}
