/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy-oci: the list of its commands, its global options, logging and exit codes.
 *
 * An error goes to the log (--log, JSON if asked) and, when that is not standard error, to standard error as a bare line
 * too: containerd reads the first, conmon and people the second.
 */
#include "cli/oci.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "safepath/safepath.h"

static const struct command *const commands[] = {
	&oci_create, &oci_run,        &oci_start,   &oci_kill,   &oci_delete,   &oci_exec,
	&oci_state,  &oci_list,       &oci_ps,      &oci_events, &oci_pause,    &oci_resume,
	&oci_update, &oci_checkpoint, &oci_restore, &oci_spec,   &oci_features, NULL,
};

/* clang-format off */
static const struct option options[] = {
	{"root", 0, OPTION_STRING, offsetof(struct oci_global, root), "DIR", "state folder (default /run/bothy-oci, or $XDG_RUNTIME_DIR/bothy-oci)", 0},
	{"log", 0, OPTION_STRING, offsetof(struct oci_global, log), "FILE", "append the log there (default standard error)", 0},
	{"log-format", 0, OPTION_STRING, offsetof(struct oci_global, log_format), "FORMAT", "text or json (default text)", 0},
	{"log-level", 0, OPTION_STRING, offsetof(struct oci_global, log_level), "LEVEL", "error, warning or debug", 0},
	{"debug", 0, OPTION_BOOL, offsetof(struct oci_global, debug), NULL, "log what is done", 0},
	{"systemd-cgroup", 0, OPTION_BOOL, offsetof(struct oci_global, systemd_cgroup), NULL, "not supported: use the cgroupfs driver", 0},
	{"cgroup-manager", 0, OPTION_STRING, offsetof(struct oci_global, cgroup_manager), "NAME", "cgroupfs", OPTION_HIDDEN},
	{"rootless", 0, OPTION_STRING, offsetof(struct oci_global, rootless), "BOOL", "true, false or auto; accepted, always auto", OPTION_HIDDEN},
	{"criu", 0, OPTION_STRING, offsetof(struct oci_global, criu), "PATH", "accepted and ignored", OPTION_HIDDEN},
	{"version", 'v', OPTION_BOOL, offsetof(struct oci_global, version), NULL, "print the version", 0},
	OPTION_END,
};
/* clang-format on */

static const struct program program = {
	.name = "bothy-oci",
	.summary = "Runs containers as the OCI runtime-spec describes them.",
	.options = options,
	.commands = commands,
	.examples = "  bothy-oci spec                     write a config.json to start from\n"
		    "  bothy-oci run --bundle DIR ID      run the container that DIR describes\n"
		    "  docker run --runtime bothy ...     once the runtime is named in daemon.json",
};

int oci_open(const struct oci_global *g, struct runtime **ret, struct error *err)
{
	autofree char *root = g->root ? NULL : runtime_default_root("bothy-oci");
	autofree char *cwd = NULL;
	autofree char *absolute = NULL;

	if (g->root && g->root[0] != '/') {
		cwd = getcwd(NULL, 0);
		absolute = mem_printf("%s/%s", cwd ? cwd : "", g->root);
		return runtime_open(absolute, ret, err);
	}
	return runtime_open(g->root ? g->root : root, ret, err);
}

static int setup(void *global, struct error *err)
{
	const struct oci_global *g = global;
	enum log_format format = LOG_FORMAT_TEXT;
	enum log_level level = LOG_WARN;
	int fd = STDERR_FILENO;

	if (g->version) {
		printf("bothy-oci version %s\nspec: 1.3.0\n", BOTHY_VERSION);
		return 1;
	}
	if (g->log_format && str_eq(g->log_format, "json"))
		format = LOG_FORMAT_JSON;
	else if (g->log_format && g->log_format[0] && !str_eq(g->log_format, "text"))
		return error_set(err, ERROR_INVALID, EINVAL, "invalid log-format: %s", g->log_format);
	if (g->log_level && str_eq(g->log_level, "error"))
		level = LOG_ERROR;
	if (g->debug || (g->log_level && str_eq(g->log_level, "debug")))
		level = LOG_DEBUG;
	if (g->log && g->log[0]) {
		fd = safepath_host_open(g->log, O_WRONLY | O_CREAT | O_APPEND, 0644, err);
		if (fd < 0)
			return error_wrap(err, "--log");
		/* Out of the way of descriptors that the caller hands on to the container. */
		int high = fd_dup_min(fd, 200);

		if (high >= 0) {
			fd_close(&fd);
			fd = high;
		}
	}
	log_setup(fd, format, level);
	if (g->cgroup_manager && !str_eq(g->cgroup_manager, "cgroupfs"))
		return error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
				 "--cgroup-manager %s is not supported: use cgroupfs", g->cgroup_manager);
	return 0;
}

int cli_oci_main(int argc, char **argv)
{
	struct oci_global g = {.argv = argv};
	struct error err = {};
	int r;

	streams_open();
	r = streams_flush(command_run(&program, argc - 1, argv + 1, &g, setup, &err), &err);
	if (r >= 0)
		return r;
	log_error(&err);
	if (!log_is_stderr()) {
		(void)fprintf(stderr, err.hint[0] ? "%s (%s)\n" : "%s\n", err.msg, err.hint);
	}
	/* runc's convention: an exec that could not start is 255, all else 1. */
	return str_starts(err.msg, "exec failed") ? 255 : 1;
}
