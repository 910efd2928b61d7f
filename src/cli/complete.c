/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion: what could stand where the cursor is. The shells' scripts (cmd_completion.c) hand over the words as they are
 * typed; the answer follows from the same tables as parsing, so that the two can't differ. Kinds of things that this file
 * does not know ("IMAGE") are asked from the program, which looks into its store.
 */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cli.h"

void completion_add(struct completion *c, const char *word, const char *about)
{
	if (!str_starts(word, c->prefix))
		return;
	buf_puts(c->out, c->before);
	buf_puts(c->out, word);
	if (about)
		buf_printf(c->out, "\t%s", about);
	buf_putc(c->out, '\n');
}

struct asking {
	const struct program *program;
	void *global;
	struct completion to;
};

/* One name of a thing: "FILE", "IMAGE", or a word that is to be typed as it stands. */
static void offer_kind(struct asking *a, const char *kind)
{
	static const struct {
		const char *kind, *answer;
	} by_shell[] = {{"FILE", ":files"}, {"PATH", ":files"}, {"DIR", ":folders"}, {"FOLDER", ":folders"}};

	for (size_t i = 0; i < ARRAY_SIZE(by_shell); i++)
		if (str_eq(by_shell[i].kind, kind)) {
			buf_printf(a->to.out, "%s\n", by_shell[i].answer);
			return;
		}
	if (islower((unsigned char)kind[0]))
		completion_add(&a->to, kind, NULL);
	else if (a->program->values)
		a->program->values(a->global, kind, &a->to);
}

/* What @text says may stand here: "IMAGE", "auto|tty|plain", "NAME[:TAG]", "FILE...". */
static void offer(struct asking *a, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		char kind[32];
		size_t n;

		at += strspn(text + at, "[]|.");
		n = strcspn(text + at, "[]|.:=, ");
		if (at >= len || !n)
			return;
		if (n < sizeof(kind)) {
			memcpy(kind, text + at, n);
			kind[n] = '\0';
			offer_kind(a, kind);
		}
		at += n;
		if (text[at] != '|')
			return; /* what follows belongs to the same word: "NAME[:TAG]", "OS/ARCH" */
	}
}

/* The positional argument with number @index of a command whose line is @args. The last one counts for all that follow. */
static void offer_argument(struct asking *a, const char *args, size_t index)
{
	const char *word = args ? args : "";
	const char *last = word;

	for (size_t i = 0; *word; i++) {
		last = word;
		if (i == index)
			break;
		word += strcspn(word, " ");
		word += strspn(word, " ");
	}
	/* Behind the end only what is told to go on ("IMAGE [IMAGE...]"). */
	if (*word || strstr(last, "..."))
		offer(a, last, strcspn(last, " "));
}

static void offer_options(struct asking *a, const struct option *t)
{
	for (; t && t->name; t++) {
		autofree char *word = mem_printf("--%s", t->name);

		if (!(t->flags & (OPTION_HIDDEN | OPTION_LATER)))
			completion_add(&a->to, word, t->help);
	}
	completion_add(&a->to, "--help", "show how it is used");
}

static const struct option *find_option(const struct option *t, const char *word, size_t len)
{
	const char *name = word + strspn(word, "-");

	len -= (size_t)(name - word);
	for (; t && t->name; t++)
		if ((strlen(t->name) == len && strncmp(t->name, name, len) == 0) ||
		    (len && word[1] != '-' && t->letter && t->letter == name[len - 1]))
			return t;
	return NULL;
}

static void offer_value(struct asking *a, const struct option *table, const char *word, size_t len)
{
	const struct option *o = find_option(table, word, len);

	if (o && o->type == OPTION_BOOL)
		offer(a, "true|false", 10);
	else if (o && o->arg)
		offer(a, o->arg, strlen(o->arg));
}

static void offer_commands(struct asking *a, const struct command *group)
{
	for (const struct command *const *c = a->program->commands; !group && *c; c++)
		if (!(*c)->hidden)
			completion_add(&a->to, (*c)->name, (*c)->summary);
	for (const struct command_child *k = group ? group->children : NULL; k && k->name; k++)
		if (!k->command->hidden)
			completion_add(&a->to, k->name, k->command->summary);
}

/* Where the last word stands. */
struct position {
	const struct option *table; /* of the options that may come */
	const struct command *command;
	size_t index;      /* of the positional argument */
	const char *value; /* the option whose value the last word is; NULL: none */
	bool no_options;   /* "--" was there, or what follows is another program's */
};

static struct position walk(const struct program *p, size_t count, char **words)
{
	struct position at = {.table = p->options};

	for (size_t i = 0; i + 1 < count; i++) {
		const char *word = words[i];

		if (str_eq(word, "--") && !at.no_options) {
			at.no_options = true;
		} else if (word[0] == '-' && word[1] && !at.no_options) {
			if (option_has_next(at.table, word) && ++i + 1 == count)
				at.value = word;
		} else if (!at.command || at.command->children) {
			char *one[] = {words[i], NULL};
			struct command_place place = {};
			const struct command_child *k = at.command ? at.command->children : NULL;

			while (k && k->name && !str_eq(k->name, word) && !str_eq(k->alias, word))
				k++;
			if (!at.command)
				(void)command_find(p, one, &place);
			at.command = k ? k->command : place.command;
			at.table = at.command ? at.command->options : NULL;
			if (!at.command)
				return (struct position){.no_options = true, .command = NULL, .index = 1};
		} else {
			at.index++;
			at.no_options = at.no_options || at.command->stop_at_first;
		}
	}
	return at;
}

void command_complete(const struct program *p, size_t count, char **words, void *global, struct buf *out)
{
	const char *last = count ? words[count - 1] : "";
	const struct position at = walk(p, count, words);
	const char *equals = strchr(last, '=');
	struct asking a = {.program = p, .global = global, .to = {.prefix = last, .before = "", .out = out}};
	autofree char *before = NULL;

	if (at.value) {
		offer_value(&a, at.table, at.value, strlen(at.value));
	} else if (last[0] == '-' && !at.no_options && equals) {
		before = mem_strndup(last, (size_t)(equals + 1 - last));
		a.to.before = before;
		a.to.prefix = equals + 1;
		offer_value(&a, at.table, last, (size_t)(equals - last));
	} else if (last[0] == '-' && !at.no_options) {
		offer_options(&a, at.table);
	} else if (at.command && !at.command->children) {
		offer_argument(&a, at.command->args, at.index);
	} else if (at.command || at.index == 0) {
		offer_commands(&a, at.command);
	}
}
