/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OCI_H
#define CLI_OCI_H

/* The OCI runtime's command line: what runc's callers type. Facts: docs/oci-runtime.md. */

#include "cli/cli.h"
#include "runtime/runtime.h"

struct oci_global {
	const char *root, *log, *log_format, *log_level, *cgroup_manager, *rootless, *criu;
	bool debug, systemd_cgroup, version;
	char *const *argv; /* of the whole program, for running again from a protected copy */
};

/* Open the state root that the options name. */
int oci_open(const struct oci_global *g, struct runtime **ret, struct error *err);

extern const struct command oci_create, oci_run, oci_start, oci_kill, oci_delete;            /* oci_lifecycle.c */
extern const struct command oci_exec;                                                        /* oci_exec.c */
extern const struct command oci_state, oci_list, oci_ps, oci_events, oci_spec, oci_features; /* oci_look.c */
extern const struct command oci_pause, oci_resume, oci_update, oci_checkpoint, oci_restore;  /* oci_change.c */

#endif
