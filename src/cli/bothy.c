/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy: global options, and how errors reach a person: one line that says what was tried and why it failed, and one with
 * what to type next. Exit codes are Docker's: 125 bothy's own failure, 126 the program cannot be invoked, 127 not found; 130 interrupted.
 */
#include "cli/bothy.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

/* clang-format off */
static const struct option options[] = {
	{"root", 0, OPTION_STRING, offsetof(struct bothy_global, engine.root), "DIR", "where images and containers are kept (default /var/lib/bothy, or ~/.local/share/bothy)", 0},
	{"state", 0, OPTION_STRING, offsetof(struct bothy_global, engine.state), "DIR", "live state (default /run/bothy, or $XDG_RUNTIME_DIR/bothy)", 0},
	{"debug", 'D', OPTION_BOOL, offsetof(struct bothy_global, debug), NULL, "log what is done", 0},
	{"version", 'v', OPTION_BOOL, offsetof(struct bothy_global, version), NULL, "print the version", 0},
	OPTION_END,
};
/* clang-format on */

const struct program bothy_program = {
	.name = "bothy",
	.summary = "Runs containers: no daemon, root or not.",
	.options = options,
	.commands = bothy_commands,
	.values = bothy_values,
	.examples =
		"  bothy run                                   a shell in the image that comes with bothy\n"
		"  bothy run -it --rm -m 64m debian:12 bash    a shell in an image, which is pulled first, with 64 MiB of memory\n"
		"  bothy images                                what is here\n"
		"  bothy run --explain debian:12 true          what starting a container takes, step by step",
};

int bothy_open(const struct bothy_global *g, struct engine **ret, struct error *err)
{
	return engine_new(&g->engine, ret, err);
}

int bothy_open_store(const struct bothy_global *g, struct engine **ret, struct store **ret_store, struct error *err)
{
	int r = bothy_open(g, ret, err);

	return r < 0 ? r : engine_store(*ret, ret_store, err);
}

static int setup(void *global, struct error *err)
{
	const struct bothy_global *g = global;

	(void)err;
	if (g->version) {
		printf("bothy version %s\n", BOTHY_VERSION);
		return 1;
	}
	log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, g->debug ? LOG_DEBUG : LOG_WARN);
	return 0;
}

static int exit_code(const struct error *err)
{
	if (err->kind == ERROR_UNAVAILABLE && err->code == EINTR)
		return 130; /* as a shell says it of a program that ^C ended */
	switch (err->kind) {
	case ERROR_NO_PROGRAM:
		return 127;
	case ERROR_NOT_EXECUTABLE:
		return 126;
	default:
		return 125;
	}
}

int cli_bothy_main(int argc, char **argv)
{
	struct bothy_global g = {.argv = argv};
	struct error err = {};
	int r;

	streams_open();
	r = streams_flush(command_run(&bothy_program, argc - 1, argv + 1, &g, setup, &err), &err);
	if (r >= 0)
		return r;
	(void)fprintf(stderr, "Error: %s\n", err.msg);
	if (err.hint[0])
		(void)fprintf(stderr, "Hint: %s\n", err.hint);
	return exit_code(&err);
}
