/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

#include "base/error.h"
#include "spec/spec.h"

/*
 * Run the hooks of one point in order, each with the state document on its standard input, the environment it names and
 * nothing else (V38), cwd @cwd_fd when >= 0. A hook that fails or passes its timeout ends the list with an error that
 * holds the last line of what it wrote to standard error.
 * Context: either side; forks. Source: runtime-spec config.md "POSIX-platform Hooks".
 */
int hooks_run(const struct spec_hooks *hooks, enum spec_hook_point point, const char *state_text, int cwd_fd,
	      struct error *err);

/* The same for poststop: a failure is logged and the next one runs (runtime-spec "Lifecycle" 13). */
void hooks_run_all(const struct spec_hooks *hooks, enum spec_hook_point point, const char *state_text, int cwd_fd);

#endif
