/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/*
 * Command lines. A command is one const struct with its options as rows of a table; parsing, help, manual pages, completion
 * and "did you mean" come from those rows and from nothing else. A command's body parses, calls the layer below, prints.
 * A group ("image") has children in place of a body; one command may stand in several places under several names.
 *
 * Syntax, the union of what Docker's, Podman's and runc's users type: --name value, --name=value, -x value, -xvalue,
 * -x=value, bundled flags (-it), booleans --flag and --flag=false, "--" ends options, and one dash before a long name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

enum option_type {
	OPTION_BOOL,     /* bool */
	OPTION_STRING,   /* const char *, borrowed from argv */
	OPTION_STRINGS,  /* struct strv, appended */
	OPTION_U32,      /* struct option_u64 */
	OPTION_U64,      /* struct option_u64 */
	OPTION_I64,      /* struct option_i64 */
	OPTION_SIZE,     /* struct option_i64, bytes; "64m", -1 where minus_one */
	OPTION_DURATION, /* struct option_i64, nanoseconds */
	OPTION_TRISTATE, /* struct option_bool: a boolean of which it matters whether it was given */
	OPTION_OPTIONAL, /* const char *: the value may be missing (--flag or --flag=value), then it is "" */
};
struct option_u64 {
	bool set;
	uint64_t v;
};
struct option_i64 {
	bool set;
	int64_t v;
};
struct option_bool {
	bool set;
	bool v;
};

#define OPTION_HIDDEN 1u /* accepted, not in help: old or for programs only */
#define OPTION_LATER                                                                                                   \
	4u /* Docker's users know it, this version answers "not supported yet"; @help says what to do instead */
#define OPTION_MINUS_ONE 2u /* sizes: -1 is allowed and means no limit */

struct option {
	const char *name; /* without dashes; NULL ends a table */
	char letter;      /* 0: none */
	enum option_type type;
	size_t offset;    /* of the field in the command's option struct */
	const char *arg;  /* what the value is called in help ("PATH"); NULL for booleans */
	const char *help; /* one line */
	unsigned flags;
};
#define OPTION_END                                                                                                     \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}

/* What a command was called with. */
struct args {
	char **items; /* positional arguments, borrowed from argv, NULL-terminated; the array is owned */
	size_t count;
};
void args_done(struct args *a);
#define autoargs __attribute__((cleanup(args_done)))

struct command;
struct completion;
struct program {
	const char *name; /* "bothy-oci" */
	const char *summary;
	const struct option *options;          /* global ones */
	const struct command *const *commands; /* NULL-terminated: the only list */
	const char *examples;                  /* for the help page; may be NULL */
	/* What a word called @kind in `args` ("IMAGE") may be, for completion: hands each to completion_add. May be NULL. */
	void (*values)(void *global, const char *kind, struct completion *out);
};

/* A place of a command in a group: `image ls` is the command that is also called `images`. */
struct command_child {
	const char *name;  /* NULL ends the list */
	const char *alias; /* a second name, not in the overview; may be NULL */
	const struct command *command;
};

struct command {
	const char *name;           /* at its own place; its part of man/PROGRAM-NAME.man stands for all places */
	const char *const *aliases; /* NULL-terminated or NULL */
	const char *group;          /* heading in the overview */
	/* "CONTAINER [SIGNAL]". Completion reads it: each word in capitals is a kind of thing, "a|b" a choice, "..." more. */
	const char *args;
	const char *summary;  /* one line */
	const char *details;  /* further help, may be NULL */
	const char *examples; /* lines of a shell, indented by two; NULL only for what is hidden or unsupported */
	const struct command_child *children; /* a group: what is below it; then there is no run */
	const struct option *options;
	size_t options_size;    /* of the option struct, zeroed before parsing */
	int min_args, max_args; /* max -1: any number */
	bool hidden;            /* for programs: in no overview, no completion, no list of pages */
	bool stop_at_first;     /* what follows the first positional argument is not ours to parse */
	/* @global: the program's option struct. Returns the exit status, or <0 with @err. */
	int (*run)(void *global, void *options, const struct args *args, struct error *err);
	void (*done)(void *options); /* frees what parsing allocated (strv fields); may be NULL */
};

/* Parse @argv (@argc words, the program's or command's name not among them) by @table into @out.
 * @stop_at_first: end at the first positional argument. Returns the number of words used, or <0 INVALID with a hint that
 * names the nearest option. The positional arguments go to @ret_args. */
int option_parse(const struct option *table, int argc, char **argv, bool stop_at_first, void *out,
		 struct args *ret_args, struct error *err);

/* Does the option @word ("--name", "-x") take the word behind it as its value? Pure. */
bool option_has_next(const struct option *table, const char *word);

#define COMMAND_PATH_MAX 64
/* A command at one of its places. */
struct command_place {
	const struct command *command;
	char path[COMMAND_PATH_MAX]; /* "image ls": the words that lead here, with the names the overview has */
};
/* Follow @words (NULL-terminated) down the tree as far as they name commands. Returns how many did; 0: the first is none. */
size_t command_find(const struct program *p, char *const *words, struct command_place *ret);
/* Calls @fn for each place of the tree, groups before their children; a non-zero result stops and is returned. */
int command_each(const struct program *p, int (*fn)(const struct command_place *place, void *arg), void *arg);
/* Up to three places whose names are near @name, those in @group (NULL: the top) first, as text for a hint; "" when none is. */
void command_suggest(const struct program *p, const struct command_place *group, const char *name, char *out,
		     size_t size);

/* Parse global options and the command's, and run it. @global is the program's option struct; @after_global (may be NULL)
 * runs once the global options are known (logging, …). Returns the exit status; errors are left in @err with <0.
 * Help and usage errors are printed here. */
int command_run(const struct program *p, int argc, char **argv, void *global,
		int (*after_global)(void *global, struct error *err), struct error *err);

/* ---- standard streams (streams.c) ---- */

/* Descriptors 0 to 2 must exist: what is opened next must never be taken for a standard stream. First call of a program. */
void streams_open(void);
/* A full disk below `bothy inspect >FILE` must not look like success: returns @result, or <0 when it was none and what was printed
 * could not be written. Whoever closed the pipe has had enough, which is no error. Last call of a program. */
int streams_flush(int result, struct error *err);

void command_print_overview(const struct program *p);
/* The manual page of @c, or of the program with NULL, in man(7) language. */
void command_print_man(const struct program *p, const struct command_place *c);
void command_print_help(const struct program *p, const struct command_place *place);

/* What could stand where the cursor is. One a line: the word, and after a tab what it is; ":files" and ":folders" ask the
 * shell for its own. complete.c has the rules, which are those of parsing. */
struct completion {
	const char *prefix; /* what is typed of the word already */
	const char *before; /* stands before each: "--filter=" */
	struct buf *out;
};
/* Add @word unless the prefix forbids it; @about may be NULL. */
void completion_add(struct completion *c, const char *word, const char *about);
/* Complete the last of the @count words behind the program's name. */
void command_complete(const struct program *p, size_t count, char **words, void *global, struct buf *out);

/* Entry points: the whole of a program behind main(). */
int cli_oci_main(int argc, char **argv);
int cli_bothy_main(int argc, char **argv);

#endif
