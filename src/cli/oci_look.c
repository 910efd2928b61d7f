/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state, list, ps, events, spec, features: verbs that only look (spec writes one file).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "cli/oci.h"
#include "kernel/kernel.h"
#include "safepath/safepath.h"

static int print_json(const struct json *j, bool pretty, struct error *err)
{
	autobuf struct buf text = BUF_INIT(64u << 20);

	if (!json_write(j, pretty, &text) || !buf_putc(&text, '\n'))
		return error_set(err, ERROR_LIMIT, EFBIG, "the answer is too large");
	if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
		return error_sys(err, errno, "write to standard output");
	return 0;
}

static int run_state(void *global, void *options, const struct args *args, struct error *err)
{
	autoruntime struct runtime *rt = NULL;
	autojson struct json *j = NULL;
	int r = oci_open(global, &rt, err);

	(void)options;
	if (r == 0)
		r = runtime_state(rt, args->items[0], &j, err);
	return r < 0 ? r : print_json(j, true, err);
}

const struct command oci_state = {
	.name = "state",
	.group = "Look",
	.args = "ID",
	.summary = "print a container's state as JSON",
	.examples = "  bothy-oci state c1 | jq -r .status",
	.options_size = 1,
	.min_args = 1,
	.max_args = 1,
	.run = run_state,
};

struct list_options {
	const char *format;
	bool quiet;
};

/* clang-format off */
static const struct option list_table[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct list_options, format), "FORMAT", "table or json (default table)", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct list_options, quiet), NULL, "print the ids only", 0},
	OPTION_END,
};
static const struct option ps_table[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct list_options, format), "FORMAT", "table or json (default table)", 0},
	OPTION_END,
};
/* clang-format on */

/* The cells of one row of the list. */
static const char *cell(const struct json *row, size_t column, char *room, size_t size)
{
	static const char *const keys[] = {"id", "pid", "status", "bundle", "created", "owner"};
	int64_t pid = 0;

	if (column != 1)
		return json_str(json_get(row, keys[column])) ? json_str(json_get(row, keys[column])) : "";
	(void)json_i64(json_get(row, "pid"), &pid);
	(void)snprintf(room, size, "%lld", (long long)pid);
	return room;
}

static void print_table(const struct json *list)
{
	static const char *const heads[] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};
	size_t width[ARRAY_SIZE(heads)];
	char room[24];

	for (size_t c = 0; c < ARRAY_SIZE(heads); c++) {
		width[c] = 12;
		for (size_t i = 0; i < json_len(list); i++) {
			size_t n = strlen(cell(json_at(list, i), c, room, sizeof(room))) + 3;

			width[c] = n > width[c] ? n : width[c];
		}
	}
	for (size_t c = 0; c < ARRAY_SIZE(heads); c++)
		printf(c + 1 < ARRAY_SIZE(heads) ? "%-*s" : "%.0d%s", c + 1 < ARRAY_SIZE(heads) ? (int)width[c] : 0,
		       heads[c]);
	printf("\n");
	for (size_t i = 0; i < json_len(list); i++) {
		for (size_t c = 0; c + 1 < ARRAY_SIZE(heads); c++)
			printf("%-*s", (int)width[c], cell(json_at(list, i), c, room, sizeof(room)));
		printf("%s\n", cell(json_at(list, i), ARRAY_SIZE(heads) - 1, room, sizeof(room)));
	}
}

static int check_format(const char *format, struct error *err)
{
	if (!format || str_eq(format, "table") || str_eq(format, "json"))
		return 0;
	return error_set(err, ERROR_INVALID, EINVAL, "invalid format option: expected table or json, got \"%s\"",
			 format);
}

static int run_list(void *global, void *options, const struct args *args, struct error *err)
{
	const struct list_options *o = options;
	autoruntime struct runtime *rt = NULL;
	autojson struct json *list = NULL;
	int r = check_format(o->format, err);

	(void)args;
	if (r == 0)
		r = oci_open(global, &rt, err);
	if (r == 0)
		r = runtime_list(rt, &list, err);
	if (r < 0)
		return r;
	if (o->quiet) {
		for (size_t i = 0; i < json_len(list); i++)
			printf("%s\n", json_str(json_get(json_at(list, i), "id")));
		return 0;
	}
	if (str_eq(o->format, "json")) {
		if (json_len(list))
			return print_json(list, false, err);
		printf("null\n");
		return 0;
	}
	print_table(list);
	return 0;
}

const struct command oci_list = {
	.name = "list",
	.group = "Look",
	.args = "",
	.summary = "list the containers of this state folder",
	.examples = "  bothy-oci list\n"
		    "  for c in $(bothy-oci list -q); do bothy-oci delete --force $c; done",
	.options = list_table,
	.options_size = sizeof(struct list_options),
	.max_args = 0,
	.run = run_list,
};

/* ps -ef (or the caller's own options), with only the lines of the container's processes. */
static int ps_main(void *arg)
{
	char *const *argv = arg;
	static const char *const places[] = {"/usr/bin/ps", "/bin/ps", NULL};

	signal_reset_all();
	for (size_t i = 0; places[i]; i++)
		(void)process_exec(FD_NONE, places[i], argv, environ);
	return 127;
}

static int read_ps(char *const *options, struct buf *out, struct error *err)
{
	struct process_clone how = PROCESS_CLONE_INIT;
	autopidref struct pidref child = PIDREF_NONE;
	autofd int saved = FD_NONE;
	autofd int end = FD_NONE;
	autofree char **argv = NULL;
	size_t n = 0;
	int status;
	int p[2];
	int r;

	for (size_t i = 0; options && options[i]; i++)
		n++;
	argv = mem_zalloc(n + 3, sizeof(char *));
	argv[0] = (char *)"ps";
	argv[1] = (char *)"-ef";
	for (size_t i = 0; i < n; i++)
		argv[1 + i] = options[i];
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "ps: make a pipe");
	end = p[0];
	saved = fd_dup_min(STDOUT_FILENO, 3);
	(void)dup2(p[1], STDOUT_FILENO);
	r = process_clone(&how, ps_main, argv, &child, err);
	(void)dup2(saved, STDOUT_FILENO);
	close(p[1]);
	if (r < 0)
		return r;
	r = fd_read_to_end(end, out, "ps", err);
	(void)pidref_wait(&child, &status);
	if (r == 0 && status)
		return error_hint((error_set(err, ERROR_UNAVAILABLE, ENOENT,
					     "ps: the program ps failed or is not installed"),
				   err),
				  "install procps, or use `ps --format json`");
	return r;
}

/* Which blank-separated column of the header is PID? */
static int pid_column(char *header)
{
	char *at = header;
	int n = 0;

	for (;; n++) {
		size_t len;

		at += strspn(at, " \t");
		len = strcspn(at, " \t");
		if (!len)
			return -1;
		if (len == 3 && strncmp(at, "PID", 3) == 0)
			return n;
		at += len;
	}
}

static bool line_has_pid(const char *line, int column, const pid_t *pids, size_t count)
{
	char word[16] = "";
	uint32_t v;

	for (int n = 0;; n++) {
		size_t len;

		line += strspn(line, " \t");
		len = strcspn(line, " \t");
		if (!len || len >= sizeof(word))
			return false;
		if (n == column) {
			memcpy(word, line, len);
			break;
		}
		line += len;
	}
	if (str_to_u32(word, &v) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((uint32_t)pids[i] == v)
			return true;
	return false;
}

static int print_ps(char *const *options, const pid_t *pids, size_t count, struct error *err)
{
	autobuf struct buf text = BUF_INIT(16u << 20);
	char *line;
	char *next;
	int column;
	int r = read_ps(options, &text, err);

	if (r < 0)
		return r;
	line = text.data ? text.data : (char[]){""};
	next = strchr(line, '\n');
	if (next)
		*next++ = '\0';
	column = pid_column(line);
	if (column < 0)
		return error_set(err, ERROR_INVALID, EINVAL, "couldn't find PID field in ps output");
	printf("%s\n", line);
	while ((line = next) && *line) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (line_has_pid(line, column, pids, count))
			printf("%s\n", line);
	}
	return 0;
}

static int run_ps(void *global, void *options, const struct args *args, struct error *err)
{
	const struct list_options *o = options;
	autoruntime struct runtime *rt = NULL;
	autofree pid_t *pids = NULL;
	autojson struct json *j = NULL;
	size_t count = 0;
	int r = check_format(o->format, err);

	if (r == 0)
		r = oci_open(global, &rt, err);
	if (r == 0)
		r = runtime_pids(rt, args->items[0], &pids, &count, err);
	if (r < 0)
		return r;
	if (!str_eq(o->format, "json"))
		return print_ps(args->items + 1, pids, count, err);
	if (!count) {
		printf("null\n");
		return 0;
	}
	j = json_new_array();
	for (size_t i = 0; i < count; i++)
		json_push(j, json_new_i64(pids[i]));
	return print_json(j, false, err);
}

const struct command oci_ps = {
	.name = "ps",
	.group = "Look",
	.args = "ID [PS OPTIONS]",
	.summary = "list a container's processes",
	.examples = "  bothy-oci ps c1\n"
		    "  bothy-oci ps c1 -o pid,rss,args\n"
		    "  bothy-oci ps --format json c1",
	.options = ps_table,
	.options_size = sizeof(struct list_options),
	.min_args = 1,
	.max_args = -1,
	.stop_at_first = true,
	.run = run_ps,
};

struct events_options {
	struct option_i64 interval;
	bool stats;
};

/* clang-format off */
static const struct option events_table[] = {
	{"interval", 0, OPTION_DURATION, offsetof(struct events_options, interval), "DURATION", "time between figures (default 5s)", 0},
	{"stats", 0, OPTION_BOOL, offsetof(struct events_options, stats), NULL, "print one line of figures and end", 0},
	OPTION_END,
};
/* clang-format on */

static int run_events(void *global, void *options, const struct args *args, struct error *err)
{
	const struct events_options *o = options;
	autoruntime struct runtime *rt = NULL;
	int r = oci_open(global, &rt, err);

	return r < 0 ? r
		     : runtime_events(rt, args->items[0], o->interval.set ? o->interval.v : INT64_C(5000000000),
				      o->stats, STDOUT_FILENO, err);
}

const struct command oci_events = {
	.name = "events",
	.group = "Look",
	.args = "ID",
	.summary = "print figures and out-of-memory events as JSON lines",
	.examples = "  bothy-oci events --stats c1                  one line of figures\n"
		    "  bothy-oci events --interval 1s c1 | jq .type",
	.options = events_table,
	.options_size = sizeof(struct events_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_events,
};

struct spec_options {
	const char *bundle, *file;
	bool rootless;
};

/* clang-format off */
static const struct option spec_table[] = {
	{"bundle", 'b', OPTION_STRING, offsetof(struct spec_options, bundle), "DIR", "where to write it (default: the current folder)", 0},
	{"file", 'f', OPTION_STRING, offsetof(struct spec_options, file), "FILE", "another name for config.json", 0},
	{"rootless", 0, OPTION_BOOL, offsetof(struct spec_options, rootless), NULL, "for a user who is not root", 0},
	OPTION_END,
};
/* clang-format on */

static int run_spec(void *global, void *options, const struct args *args, struct error *err)
{
	const struct spec_options *o = options;
	const char *name = o->file ? o->file : "config.json";
	autobuf struct buf text = BUF_INIT(SPEC_CONFIG_MAX_BYTES);
	autojson struct json *j = NULL;
	autospec struct spec spec;
	autofd int fd = FD_NONE;
	int r;

	(void)global;
	(void)args;
	spec_init(&spec);
	if (o->bundle && chdir(o->bundle) < 0)
		return error_sys(err, errno, "--bundle '%s'", o->bundle);
	fd = safepath_host_open(name, O_WRONLY | O_CREAT | O_EXCL, 0666, err);
	if (fd < 0)
		return err->code == EEXIST
			       ? error_set(err, ERROR_CONFLICT, EEXIST, "File %s exists. Remove it first", name)
			       : fd;
	spec_default(&spec, o->rootless, geteuid(), getegid());
	j = spec_to_json(&spec);
	if (!json_write(j, true, &text) || !buf_putc(&text, '\n'))
		return error_set(err, ERROR_LIMIT, EFBIG, "the document is too large");
	r = fd_write_all(fd, text.data, text.len);
	return r < 0 ? error_sys(err, -r, "write '%s'", name) : 0;
}

const struct command oci_spec = {
	.name = "spec",
	.group = "About",
	.args = "",
	.summary = "write a config.json to start from",
	.examples = "  bothy-oci spec --bundle DIR\n"
		    "  bothy-oci spec --rootless",
	.options = spec_table,
	.options_size = sizeof(struct spec_options),
	.max_args = 0,
	.run = run_spec,
};

static int run_features(void *global, void *options, const struct args *args, struct error *err)
{
	autojson struct json *j = runtime_features();

	(void)global;
	(void)options;
	(void)args;
	return print_json(j, true, err);
}

const struct command oci_features = {
	.name = "features",
	.group = "About",
	.args = "",
	.summary = "print what this runtime supports as JSON",
	.examples = "  bothy-oci features | jq .linux.namespaces",
	.options_size = 1,
	.max_args = 0,
	.run = run_features,
};
