/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/oci.h"
#include "safepath/safepath.h"

struct exec_options {
	const char *process, *console_socket, *pidfd_socket, *pid_file, *cwd, *user, *apparmor, *label;
	struct strv env, gids, caps, cgroups;
	struct option_u64 preserve_fds;
	struct option_bool no_new_privs;
	bool detach, tty, ignore_paused, no_subreaper;
};

/* clang-format off */
static const struct option exec_table[] = {
	{"process", 'p', OPTION_STRING, offsetof(struct exec_options, process), "FILE", "process.json: the whole process; replaces the options that describe one", 0},
	{"console-socket", 0, OPTION_STRING, offsetof(struct exec_options, console_socket), "PATH", "Unix socket that receives the terminal", 0},
	{"pidfd-socket", 0, OPTION_STRING, offsetof(struct exec_options, pidfd_socket), "PATH", "Unix socket that receives the pidfd", 0},
	{"pid-file", 0, OPTION_STRING, offsetof(struct exec_options, pid_file), "FILE", "write the process id there", 0},
	{"preserve-fds", 0, OPTION_U32, offsetof(struct exec_options, preserve_fds), "N", "pass N more file descriptors on", 0},
	{"detach", 'd', OPTION_BOOL, offsetof(struct exec_options, detach), NULL, "return once the program runs", 0},
	{"tty", 't', OPTION_BOOL, offsetof(struct exec_options, tty), NULL, "with a terminal", 0},
	{"cwd", 0, OPTION_STRING, offsetof(struct exec_options, cwd), "DIR", "working directory", 0},
	{"env", 'e', OPTION_STRINGS, offsetof(struct exec_options, env), "KEY=VALUE", "add to the environment (repeatable)", 0},
	{"user", 'u', OPTION_STRING, offsetof(struct exec_options, user), "UID[:GID]", "user and group, as numbers", 0},
	{"additional-gids", 'g', OPTION_STRINGS, offsetof(struct exec_options, gids), "GID", "further group (repeatable)", 0},
	{"cap", 'c', OPTION_STRINGS, offsetof(struct exec_options, caps), "CAP", "further capability (repeatable)", 0},
	{"apparmor", 0, OPTION_STRING, offsetof(struct exec_options, apparmor), "PROFILE", "AppArmor profile", 0},
	{"process-label", 0, OPTION_STRING, offsetof(struct exec_options, label), "LABEL", "SELinux label", 0},
	{"no-new-privs", 0, OPTION_TRISTATE, offsetof(struct exec_options, no_new_privs), NULL, "no program may gain rights", 0},
	{"cgroup", 0, OPTION_STRINGS, offsetof(struct exec_options, cgroups), "[CONTROLLER:]PATH", "sub-group to run in", 0},
	{"ignore-paused", 0, OPTION_BOOL, offsetof(struct exec_options, ignore_paused), NULL, "also in a paused container", 0},
	{"no-subreaper", 0, OPTION_BOOL, offsetof(struct exec_options, no_subreaper), NULL, "accepted and ignored", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

static void exec_done(void *options)
{
	struct exec_options *o = options;

	strv_done(&o->env);
	strv_done(&o->gids);
	strv_done(&o->caps);
	strv_done(&o->cgroups);
}

/* Numbers only: a name would have to be looked up in files that the container controls (V13). */
static int parse_user(const char *text, struct runtime_exec_options *x, struct error *err)
{
	autofree char *copy = mem_strdup(text);
	char *colon = copy ? strchr(copy, ':') : NULL;

	if (!copy)
		return 0;
	if (colon)
		*colon++ = '\0';
	if (str_to_u32(copy, &x->uid) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--user: bad uid: expected a number, got \"%s\"", copy);
	x->user_set = true;
	if (!colon)
		return 0;
	if (str_to_u32(colon, &x->gid) < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "--user: bad gid: expected a number, got \"%s\"", colon);
	x->gid_set = true;
	return 0;
}

static int parse_caps(const struct strv *names, uint64_t *ret, struct error *err)
{
	for (size_t i = 0; i < names->count; i++) {
		int cap = spec_cap_from_name(names->items[i]);

		if (cap < 0)
			return error_set(err, ERROR_INVALID, EINVAL, "--cap: unknown capability \"%s\"",
					 names->items[i]);
		*ret |= UINT64_C(1) << cap;
	}
	return 0;
}

static int parse_gids(const struct strv *words, uint32_t *gids, struct error *err)
{
	for (size_t i = 0; i < words->count; i++)
		if (str_to_u32(words->items[i], &gids[i]) < 0)
			return error_set(err, ERROR_INVALID, EINVAL, "--additional-gids must be a positive number %s",
					 words->items[i]);
	return 0;
}

static int run_exec(void *global, void *options, const struct args *args, struct error *err)
{
	const struct oci_global *g = global;
	struct exec_options *o = options;
	autobuf struct buf text = BUF_INIT(SPEC_CONFIG_MAX_BYTES);
	autofree uint32_t *gids = mem_zalloc(o->gids.count + 1, sizeof(*gids));
	autoruntime struct runtime *rt = NULL;
	struct runtime_exec_options x = {
		.console_socket = o->console_socket,
		.pidfd_socket = o->pidfd_socket,
		.pid_file = o->pid_file,
		.preserve_fds = (unsigned)o->preserve_fds.v,
		.detach = o->detach,
		.tty = o->tty,
		.args = args->items + 1,
		.cwd = o->cwd,
		.env = o->env.items,
		.additional_gids = gids,
		.additional_gid_count = o->gids.count,
		.apparmor = o->apparmor,
		.label = o->label,
		.no_new_privs_set = o->no_new_privs.set,
		.no_new_privs = o->no_new_privs.v,
		.cgroups = (const char *const *)o->cgroups.items,
		.cgroup_count = o->cgroups.count,
		.ignore_paused = o->ignore_paused,
	};
	int status = 0;
	int r = parse_user(o->user, &x, err);

	if (r == 0)
		r = parse_gids(&o->gids, gids, err);
	if (r == 0)
		r = parse_caps(&o->caps, &x.caps, err);
	if (r == 0 && o->process) {
		r = safepath_host_read(o->process, true, &text, err);
		x.process_text = buf_str(&text);
		x.process_len = text.len;
	} else if (r == 0 && args->count < 2) {
		r = error_set(err, ERROR_INVALID, EINVAL,
			      "exec args cannot be empty: name the program to run, or use --process");
	}
	if (r == 0)
		r = oci_open(g, &rt, err);
	if (r == 0)
		r = runtime_protect_exec(rt, args->items[0], g->argv, err);
	if (r < 0)
		return error_wrap(err, "exec failed");
	r = runtime_exec(rt, args->items[0], &x, &status, err);
	return r < 0 ? r : status;
}

const struct command oci_exec = {
	.name = "exec",
	.group = "Life cycle",
	.args = "ID COMMAND [ARG...]",
	.summary = "run another program in a container",
	.options = exec_table,
	.options_size = sizeof(struct exec_options),
	.min_args = 1,
	.max_args = -1,
	.stop_at_first = true,
	.run = run_exec,
	.done = exec_done,
	.examples = "  bothy-oci exec -t c1 sh\n  bothy-oci exec --user 33:33 --env A=b c1 id",
};
