/* SPDX-License-Identifier: Apache-2.0 */
/* bothy version and bothy info: what this program and this host are. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "cli/list.h"

struct version_options {
	const char *format;
};

/* clang-format off */
static const struct option table[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct version_options, format), "FORMAT", "json, or a template", 0},
	OPTION_END,
};
/* clang-format on */

struct line {
	const char *label, *key;
};

/* A line for each key that has a value; lists are joined, sizes are written for people. */
static void print_lines(const struct json *j, const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct json *value = json_get(j, lines[i].key);
		autobuf struct buf text = BUF_INIT(65536);
		autofree char *fit = NULL;
		char size[16];
		int64_t number;

		for (size_t k = 0; k < json_len(value); k++)
			buf_printf(&text, "%s%s", k ? ", " : "", json_str(json_at(value, k)));
		if (json_str(value))
			buf_puts(&text, json_str(value));
		else if (json_i64(value, &number) == 0 && str_eq(lines[i].key, "MemTotal")) {
			str_from_size((uint64_t)number, size);
			buf_puts(&text, size);
		} else if (json_i64(value, &number) == 0) {
			buf_printf(&text, "%lld", (long long)number);
		}
		fit = str_neutral(buf_str(&text));
		if (fit && *fit)
			printf(" %s: %s\n", lines[i].label, fit);
	}
}

static int print_templated(struct json *j, const char *format, struct error *err)
{
	autojson struct json *one = json_new_array();

	json_push(one, json_ref(j));
	return list_inspect(one, str_eq(format, "json") ? "{{json .}}" : format, err);
}

static int run_version(void *global, void *options, const struct args *args, struct error *err)
{
	static const struct line lines[] = {
		{"Version", "Version"},
		{"OCI runtime-spec", "RuntimeSpec"},
		{"OCI image-spec", "ImageSpec"},
		{"OCI distribution-spec", "DistributionSpec"},
		{"OS", "Os"},
		{"Arch", "Arch"},
		{"Kernel", "KernelVersion"},
	};
	const struct version_options *o = options;
	autojson struct json *version = NULL;
	autojson struct json *both = json_new_object();

	(void)global;
	(void)args;
	if (engine_version(&version, err) < 0)
		return -err->code;
	if (!o->format) {
		printf("bothy version %s\n", BOTHY_VERSION);
		print_lines(version, lines, ARRAY_SIZE(lines));
		return 0;
	}
	/* Scripts ask docker for {{.Server.Version}}: here both are one program. */
	json_set(both, "Client", json_ref(version));
	json_set(both, "Server", json_ref(version));
	return print_templated(both, o->format, err);
}

const struct command cmd_version = {
	.name = "version",
	.group = "About",
	.args = "",
	.summary = "print the version",
	.options = table,
	.options_size = sizeof(struct version_options),
	.max_args = 0,
	.run = run_version,
	.examples = "  bothy version --format '{{.Server.Version}}'",
};

static int run_info(void *global, void *options, const struct args *args, struct error *err)
{
	static const struct line lines[] = {
		{"Containers", "Containers"},
		{"Images", "Images"},
		{"Version", "ServerVersion"},
		{"Storage Driver", "Driver"},
		{"Root Dir", "DockerRootDir"},
		{"State Dir", "StateDir"},
		{"Cgroup Driver", "CgroupDriver"},
		{"Cgroup Version", "CgroupVersion"},
		{"Security Options", "SecurityOptions"},
		{"Kernel Version", "KernelVersion"},
		{"Operating System", "OperatingSystem"},
		{"OSType", "OSType"},
		{"Architecture", "Architecture"},
		{"CPUs", "NCPU"},
		{"Total Memory", "MemTotal"},
		{"Name", "Name"},
	};
	const struct version_options *o = options;
	autojson struct json *info = NULL;
	autoengine struct engine *e = NULL;
	const struct json *warnings;

	(void)args;
	if (bothy_open(global, &e, err) < 0 || engine_info(e, &info, err) < 0)
		return -err->code;
	if (o->format)
		return print_templated(info, o->format, err);
	printf("Host and engine:\n");
	print_lines(info, lines, ARRAY_SIZE(lines));
	warnings = json_get(info, "Warnings");
	for (size_t i = 0; i < json_len(warnings); i++)
		(void)fprintf(stderr, "%s\n", json_str(json_at(warnings, i)));
	return 0;
}

const struct command cmd_info = {
	.name = "info",
	.group = "About",
	.args = "",
	.summary = "show what this host and the store are",
	.options = table,
	.options_size = sizeof(struct version_options),
	.max_args = 0,
	.run = run_info,
	.examples = "  bothy info --format '{{.CgroupVersion}} {{.Images}}'",
};
