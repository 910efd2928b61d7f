/* SPDX-License-Identifier: Apache-2.0 */
/* bothy version, and bothy completion. */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/bothy.h"

static int run_version(void *global, void *options, const struct args *args, struct error *err)
{
	(void)global;
	(void)options;
	(void)args;
	(void)err;
	printf("bothy version %s\nOCI runtime-spec 1.3.0, image-spec 1.1\n", BOTHY_VERSION);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.group = "About",
	.args = "",
	.summary = "print the version",
	.options_size = 1,
	.max_args = 0,
	.run = run_version,
};

/* A bash function that knows commands and their options, written from the tables. */
static void print_bash(void)
{
	printf("# bash completion for bothy\n_bothy() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words i cmd=\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do [[ ${COMP_WORDS[i]} == -* ]] || { cmd=${COMP_WORDS[i]}; break; }; done\n"
	       "\tcase $cmd in\n\t'') words=\"");
	for (const struct command *const *c = bothy_commands; *c; c++)
		printf("%s ", (*c)->name);
	printf("--help --version --root --state --debug\" ;;\n");
	for (const struct command *const *c = bothy_commands; *c; c++) {
		printf("\t%s) words=\"", (*c)->name);
		for (const struct option *o = (*c)->options; o && o->name; o++)
			if (!(o->flags & (OPTION_HIDDEN | OPTION_LATER)))
				printf("--%s ", o->name);
		printf("--help\"");
		if (str_eq((*c)->name, "run") || str_eq((*c)->name, "rmi"))
			printf("; [[ $cur == -* ]] || words=$(bothy images --format json 2>/dev/null |"
			       " sed -n 's/.*\"Repository\":\"\\([^\"]*\\)\".*\"Tag\":\"\\([^\"]*\\)\".*/\\1:\\2/p')");
		printf(" ;;\n");
	}
	printf("\t*) return ;;\n\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
	       "complete -o default -F _bothy bothy\n");
}

static void print_quoted(const char *s)
{
	putchar('\'');
	for (; *s; s++)
		if (*s == '\'' || *s == '\\')
			printf("\\%c", *s);
		else
			putchar(*s);
	putchar('\'');
}

static void print_fish(void)
{
	printf("# fish completion for bothy\n");
	for (const struct command *const *c = bothy_commands; *c; c++) {
		printf("complete -c bothy -n __fish_use_subcommand -f -a %s -d ", (*c)->name);
		print_quoted((*c)->summary);
		printf("\n");
		for (const struct option *o = (*c)->options; o && o->name; o++) {
			if (o->flags & (OPTION_HIDDEN | OPTION_LATER))
				continue;
			printf("complete -c bothy -n '__fish_seen_subcommand_from %s' -l %s", (*c)->name, o->name);
			if (o->letter)
				printf(" -s %c", o->letter);
			printf("%s -d ", o->arg ? " -r" : "");
			print_quoted(o->help);
			printf("\n");
		}
	}
	printf("complete -c bothy -n '__fish_seen_subcommand_from run rmi' -f -a \"(bothy images --format json 2>/dev/null |"
	       " string replace -rf '.*\\\"Repository\\\":\\\"([^\\\"]*)\\\".*\\\"Tag\\\":\\\"([^\\\"]*)\\\".*' '\\$1:\\$2')\"\n");
}

static int run_completion(void *global, void *options, const struct args *args, struct error *err)
{
	(void)global;
	(void)options;
	if (str_eq(args->items[0], "fish"))
		print_fish();
	else if (str_eq(args->items[0], "bash"))
		print_bash();
	else
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP, "completion: expected bash or fish, got \"%s\"",
				 args->items[0]);
	return 0;
}

const struct command cmd_completion = {
	.name = "completion",
	.group = "About",
	.args = "SHELL",
	.summary = "print a completion script for a shell (bash, fish)",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_completion,
	.examples = "  bothy completion bash > /etc/bash_completion.d/bothy",
};
