/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create, run, start, kill, delete.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/oci.h"
#include "kernel/signal.h"
#include "safepath/safepath.h"

struct create_options {
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
	struct option_u64 preserve_fds;
	bool no_pivot, no_new_keyring, detach, keep, no_subreaper;
};

/* clang-format off */
#define CREATE_OPTIONS \
	{"bundle", 'b', OPTION_STRING, offsetof(struct create_options, bundle), "DIR", "folder with config.json (default: the current one)", 0}, \
	{"config", 'f', OPTION_STRING, offsetof(struct create_options, config), "FILE", "another name for config.json", 0}, \
	{"console-socket", 0, OPTION_STRING, offsetof(struct create_options, console_socket), "PATH", "Unix socket that receives the terminal", 0}, \
	{"pidfd-socket", 0, OPTION_STRING, offsetof(struct create_options, pidfd_socket), "PATH", "Unix socket that receives the pidfd", 0}, \
	{"pid-file", 0, OPTION_STRING, offsetof(struct create_options, pid_file), "FILE", "write the process id there", 0}, \
	{"preserve-fds", 0, OPTION_U32, offsetof(struct create_options, preserve_fds), "N", "pass N more file descriptors on", 0}, \
	{"no-pivot", 0, OPTION_BOOL, offsetof(struct create_options, no_pivot), NULL, "move the root instead of pivot_root (initramfs hosts)", 0}, \
	{"no-new-keyring", 0, OPTION_BOOL, offsetof(struct create_options, no_new_keyring), NULL, "keep the caller's session keyring", 0}

static const struct option create_table[] = {
	CREATE_OPTIONS,
	OPTION_END,
};
static const struct option run_table[] = {
	CREATE_OPTIONS,
	{"detach", 'd', OPTION_BOOL, offsetof(struct create_options, detach), NULL, "return once the program runs", 0},
	{"keep", 0, OPTION_BOOL, offsetof(struct create_options, keep), NULL, "do not delete the container when it has ended", 0},
	{"no-subreaper", 0, OPTION_BOOL, offsetof(struct create_options, no_subreaper), NULL, "accepted and ignored", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

static int read_config(const char *name, struct buf *text, struct error *err)
{
	int r = safepath_host_read(name, true, text, err);

	if (r < 0 && err->kind == ERROR_NOT_FOUND) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "JSON specification file %s not found", name);
		return error_hint(err, "name the bundle with --bundle, or write one with `bothy-oci spec`");
	}
	return r;
}

/* LISTEN_FDS of our caller: descriptors from 3 on go to the program, which learns of them as its own. */
static void adopt_listen_fds(struct spec *spec, struct runtime_create_options *opt)
{
	const char *fds = getenv("LISTEN_FDS");
	uint32_t n;

	if (!fds || str_to_u32(fds, &n) < 0 || n == 0 || n > 1024)
		return;
	opt->preserve_fds += n;
	spec_strs_push(&spec->arena, &spec->process.env, arena_printf(&spec->arena, "LISTEN_FDS=%u", n));
	spec_strs_push(&spec->arena, &spec->process.env, "LISTEN_PID=1");
}

/* Is the word "user" there as a value (a namespace's type), or could it be, written with an escape? */
static bool may_have_userns(const char *text)
{
	for (const char *p = text; (p = strstr(p, "\"user\"")); p += 6)
		if (p[6 + strspn(p + 6, " \t\r\n")] != ':')
			return true;
	return strstr(text, "\\u") != NULL;
}

static char *absolute(const char *path)
{
	autofree char *cwd = NULL;

	if (!path || path[0] == '/')
		return mem_strdup(path);
	cwd = getcwd(NULL, 0);
	return mem_printf("%s/%s", cwd ? cwd : "", path);
}

static int make(struct oci_global *g, const struct create_options *o, const char *id, bool run, struct error *err)
{
	autobuf struct buf text = BUF_INIT(SPEC_CONFIG_MAX_BYTES);
	autofree char *bundle = NULL;
	autofree char *pid_file = absolute(o->pid_file);
	autofree char *console = absolute(o->console_socket);
	autofree char *pidfd = absolute(o->pidfd_socket);
	autoruntime struct runtime *rt = NULL;
	autospec struct spec spec;
	struct runtime_create_options opt = {
		.id = id,
		.console_socket = console,
		.pidfd_socket = pidfd,
		.pid_file = pid_file,
		.preserve_fds = (unsigned)o->preserve_fds.v,
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
		.systemd_cgroup = g->systemd_cgroup,
		.keep_on_exit = o->keep,
	};
	bool userns;
	int status = 0;
	int r;

	spec_init(&spec);
	if (o->bundle && chdir(o->bundle) < 0)
		return error_sys(err, errno, "--bundle '%s'", o->bundle);
	bundle = getcwd(NULL, 0);
	opt.bundle = bundle;
	r = read_config(o->config ? o->config : "config.json", &text, err);
	userns = may_have_userns(buf_str(&text));
	/* Whoever must run from a protected copy finds out before the work of parsing, as it will be done again there. */
	if (r == 0 && !userns)
		r = runtime_protect_self(g->argv, err);
	if (r == 0)
		r = spec_parse(buf_str(&text), text.len, o->config ? o->config : "config.json", &spec, err);
	if (r == 0 && userns && runtime_is_exposed(&spec))
		r = runtime_protect_self(g->argv, err);
	if (r == 0)
		r = oci_open(g, &rt, err);
	if (r < 0)
		return r;
	opt.config_text = buf_str(&text);
	opt.config_len = text.len;
	adopt_listen_fds(&spec, &opt);
	opt.notify_socket = getenv("NOTIFY_SOCKET");
	if (opt.notify_socket)
		r = runtime_add_notify(rt, &spec, id, err);
	if (r < 0)
		return r;
	r = run ? runtime_run(rt, &spec, &opt, o->detach, &status, err) : runtime_create(rt, &spec, &opt, err);
	if (r < 0)
		return error_wrap(err, run ? "run failed" : "create failed");
	return status;
}

static int run_create(void *global, void *options, const struct args *args, struct error *err)
{
	return make(global, options, args->items[0], false, err);
}

static int run_run(void *global, void *options, const struct args *args, struct error *err)
{
	return make(global, options, args->items[0], true, err);
}

const struct command oci_create = {
	.name = "create",
	.group = "Life cycle",
	.args = "ID",
	.summary = "make a container; its program waits for start",
	.examples = "  bothy-oci create --bundle DIR c1; bothy-oci start c1\n"
		    "  bothy-oci create --bundle DIR --pid-file c1.pid --console-socket tty.sock c1",
	.options = create_table,
	.options_size = sizeof(struct create_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_create,
};

const struct command oci_run = {
	.name = "run",
	.group = "Life cycle",
	.args = "ID",
	.summary = "make a container, start it and stay until it ends",
	.examples = "  bothy-oci run --bundle DIR c1     in the foreground; c1 is gone when its program ends\n"
		    "  bothy-oci run -d --bundle DIR c1  in the background, until bothy-oci delete c1",
	.options = run_table,
	.options_size = sizeof(struct create_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_run,
};

static int run_start(void *global, void *options, const struct args *args, struct error *err)
{
	autoruntime struct runtime *rt = NULL;
	int r = oci_open(global, &rt, err);

	(void)options;
	return r < 0 ? r : runtime_start(rt, args->items[0], getenv("NOTIFY_SOCKET"), err);
}

const struct command oci_start = {
	.name = "start",
	.group = "Life cycle",
	.args = "ID",
	.summary = "let the program of a created container run",
	.examples = "  bothy-oci start c1",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_start,
};

struct kill_options {
	bool all;
};

/* clang-format off */
static const struct option kill_table[] = {
	{"all", 'a', OPTION_BOOL, offsetof(struct kill_options, all), NULL, "every process of the container", 0},
	OPTION_END,
};
/* clang-format on */

static int run_kill(void *global, void *options, const struct args *args, struct error *err)
{
	const struct kill_options *o = options;
	const char *word = args->count > 1 ? args->items[1] : "TERM";
	autoruntime struct runtime *rt = NULL;
	int sig = str_eq(word, "0") ? 0 : signal_from_name(word);
	int r;

	if (sig < 0)
		return error_hint((error_set(err, ERROR_INVALID, EINVAL, "unknown signal \"%s\"", word), err),
				  "names like KILL or SIGTERM and numbers from 1 to 64 are known");
	r = oci_open(global, &rt, err);
	return r < 0 ? r : runtime_kill(rt, args->items[0], sig, o->all, err);
}

const struct command oci_kill = {
	.name = "kill",
	.group = "Life cycle",
	.args = "ID [SIGNAL]",
	.summary = "send a signal (default TERM) to the container's first process",
	.examples = "  bothy-oci kill c1           ask its program to end\n"
		    "  bothy-oci kill --all c1 KILL",
	.options = kill_table,
	.options_size = sizeof(struct kill_options),
	.min_args = 1,
	.max_args = 2,
	.run = run_kill,
};

struct delete_options {
	bool force;
};

/* clang-format off */
static const struct option delete_table[] = {
	{"force", 'f', OPTION_BOOL, offsetof(struct delete_options, force), NULL, "kill it first; no error when it is not there", 0},
	OPTION_END,
};
/* clang-format on */

static int run_delete(void *global, void *options, const struct args *args, struct error *err)
{
	const struct delete_options *o = options;
	autoruntime struct runtime *rt = NULL;
	int r = oci_open(global, &rt, err);

	return r < 0 ? r : runtime_delete(rt, args->items[0], o->force, err);
}

const struct command oci_delete = {
	.name = "delete",
	.group = "Life cycle",
	.args = "ID",
	.summary = "remove a stopped container and all that was made for it",
	.examples = "  bothy-oci delete c1\n"
		    "  bothy-oci delete --force c1",
	.options = delete_table,
	.options_size = sizeof(struct delete_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_delete,
};
