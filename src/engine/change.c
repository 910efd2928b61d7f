/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions of a Dockerfile that change an image's config (--change of import and commit), one to a text:
 * "CMD [\"/bin/sh\"]", "ENV A=1 B='two words'", and podman's "CMD=/bin/sh". Each is a row of a table; what it writes are the
 * fields of image-spec config.md. Source for the words: the Dockerfile reference. Pure.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "kernel/kernel.h"

#define PORTS_MAX 4096u /* of one instruction, ranges spread out */

struct change {
	const char *name; /* of the instruction, for messages */
	struct json *config;
};

static int bad(const struct change *c, struct error *err, const char *what)
{
	return error_set(err, ERROR_INVALID, EINVAL, "--change: %s: %s", c->name, what);
}

/* The object @key of the config, made when missing. */
static struct json *object_of(const struct change *c, const char *key)
{
	struct json *o = json_get(c->config, key);

	if (!o) {
		o = json_new_object();
		json_set(c->config, key, o);
	}
	return o;
}

/* ---- words ---- */

/* Take one word off *@at: quotes and backslashes as in a Dockerfile. 1, 0 at the end, -1 for an open quote. */
static int next_word(const char **at, struct buf *word)
{
	const char *s = *at + strspn(*at, " \t");
	char quote = '\0';

	buf_reset(word);
	if (!*s)
		return 0;
	for (; *s && (quote || (*s != ' ' && *s != '\t')); s++) {
		if (*s == quote) {
			quote = '\0';
		} else if (!quote && (*s == '"' || *s == '\'')) {
			quote = *s;
		} else {
			if (*s == '\\' && quote != '\'' && s[1])
				s++;
			buf_putc(word, *s);
		}
	}
	*at = s;
	return quote || word->failed ? -1 : 1;
}

/* Is @text a JSON list of strings? Then it is *@ret (owned). */
static bool is_list(const char *text, struct json **ret)
{
	autojson struct json *j = NULL;
	struct error ignored;

	if (*text != '[' || json_parse(text, strlen(text), "list", &j, &ignored) < 0 || json_type(j) != JSON_ARRAY)
		return false;
	for (size_t i = 0; i < json_len(j); i++) {
		if (!json_str(json_at(j, i)))
			return false;
	}
	*ret = j;
	j = NULL;
	return true;
}

/* ["a", "b"], or a line for a shell. */
static struct json *command_of(const char *text)
{
	struct json *list;

	if (is_list(text, &list))
		return list;
	list = json_new_array();
	json_push(list, json_new_str("/bin/sh"));
	json_push(list, json_new_str("-c"));
	json_push(list, json_new_str(text));
	return list;
}

/* ---- the instructions ---- */

static int do_cmd(const struct change *c, const char *text, struct error *err)
{
	(void)err;
	json_set(c->config, "Cmd", command_of(text));
	return 0;
}

static int do_entrypoint(const struct change *c, const char *text, struct error *err)
{
	(void)err;
	json_set(c->config, "Entrypoint", command_of(text));
	return 0;
}

/* Calls @put for each KEY=VALUE of @text; the old form is one key, a blank, and the rest of the line as its value. */
static int each_pair(const struct change *c, const char *text, void (*put)(const struct change *c, const char *pair),
		     struct error *err)
{
	autobuf struct buf word = BUF_INIT(1 << 20);
	const char *at = text;
	size_t first = strcspn(text, " \t=\"'\\");
	int r;

	if (text[first] == ' ' || text[first] == '\t') {
		const char *value = text + first + strspn(text + first, " \t");
		autofree char *pair = mem_printf("%.*s=%s", (int)first, text, value);

		put(c, pair);
		return 0;
	}
	while ((r = next_word(&at, &word)) > 0) {
		const char *pair = buf_str(&word);

		if (!strchr(pair, '=') || pair[0] == '=')
			return bad(c, err, "expected KEY=VALUE");
		put(c, pair);
	}
	return r < 0 ? bad(c, err, "a quote is not closed") : 0;
}

/* A key that is there already gets the new value in its place. */
static void put_env(const struct change *c, const char *pair)
{
	autostrv struct strv env = {0};
	const struct json *old = json_get(c->config, "Env");
	struct json *list = json_new_array();

	for (size_t i = 0; i < json_len(old); i++)
		strv_push(&env, json_str(json_at(old, i)));
	strv_set_env(&env, pair);
	for (size_t i = 0; i < env.count; i++)
		json_push(list, json_new_str(env.items[i]));
	json_set(c->config, "Env", list);
}

static int do_env(const struct change *c, const char *text, struct error *err)
{
	return each_pair(c, text, put_env, err);
}

static void put_label(const struct change *c, const char *pair)
{
	const char *is = strchr(pair, '=');
	autofree char *key = mem_strndup(pair, (size_t)(is - pair));

	json_set(object_of(c, "Labels"), key, json_new_str(is + 1));
}

static int do_label(const struct change *c, const char *text, struct error *err)
{
	return each_pair(c, text, put_label, err);
}

/* "80", "80/tcp", "8000-8010/udp". */
static int put_ports(const struct change *c, char *word, struct error *err)
{
	char *slash = strchr(word, '/');
	const char *protocol = slash ? slash + 1 : "tcp";
	uint32_t first, last;

	if (slash)
		*slash = '\0';
	char *dash = strchr(word, '-');
	if (dash)
		*dash = '\0';
	if (!str_eq(protocol, "tcp") && !str_eq(protocol, "udp") && !str_eq(protocol, "sctp"))
		return bad(c, err, "the protocol of a port is tcp, udp or sctp");
	if (str_to_u32(word, &first) < 0 || first < 1 || first > 65535)
		return bad(c, err, "expected ports such as 80, 53/udp or 8000-8010");
	last = first;
	if (dash && (str_to_u32(dash + 1, &last) < 0 || last < first || last > 65535))
		return bad(c, err, "expected ports such as 80, 53/udp or 8000-8010");
	if (last - first >= PORTS_MAX)
		return bad(c, err, "too many ports");
	for (uint32_t port = first; port <= last; port++) {
		autofree char *key = mem_printf("%u/%s", port, protocol);

		json_set(object_of(c, "ExposedPorts"), key, json_new_object());
	}
	return 0;
}

static int do_expose(const struct change *c, const char *text, struct error *err)
{
	autobuf struct buf word = BUF_INIT(4096);
	const char *at = text;
	int r;

	while ((r = next_word(&at, &word)) > 0) {
		autofree char *port = mem_strdup(buf_str(&word));

		if (put_ports(c, port, err) < 0)
			return -err->code;
	}
	return r < 0 ? bad(c, err, "expected ports such as 80, 53/udp or 8000-8010") : 0;
}

static int put_volume(const struct change *c, const char *path, struct error *err)
{
	if (path[0] != '/' || !path[1])
		return bad(c, err, "a volume is an absolute path below /");
	json_set(object_of(c, "Volumes"), path, json_new_object());
	return 0;
}

static int do_volume(const struct change *c, const char *text, struct error *err)
{
	autobuf struct buf word = BUF_INIT(1 << 16);
	autojson struct json *list = NULL;
	const char *at = text;
	int r = 0;

	if (is_list(text, &list)) {
		for (size_t i = 0; r == 0 && i < json_len(list); i++)
			r = put_volume(c, json_str(json_at(list, i)), err);
		return r;
	}
	while ((r = next_word(&at, &word)) > 0) {
		if (put_volume(c, buf_str(&word), err) < 0)
			return -err->code;
	}
	return r < 0 ? bad(c, err, "a quote is not closed") : 0;
}

/* A relative one goes on from the one before, as in a Dockerfile. */
static int do_workdir(const struct change *c, const char *text, struct error *err)
{
	const char *before = json_str(json_get(c->config, "WorkingDir"));
	autofree char *path = NULL;

	(void)err;
	path = text[0] == '/' ? mem_strdup(text) : mem_printf("%s/%s", before && before[1] ? before : "", text);
	json_set_str(c->config, "WorkingDir", path);
	return 0;
}

static int do_user(const struct change *c, const char *text, struct error *err)
{
	if (strpbrk(text, " \t"))
		return bad(c, err, "expected USER[:GROUP]");
	json_set_str(c->config, "User", text);
	return 0;
}

static int do_stopsignal(const struct change *c, const char *text, struct error *err)
{
	if (signal_from_name(text) < 0)
		return bad(c, err, "expected a signal such as SIGTERM or 9");
	json_set_str(c->config, "StopSignal", text);
	return 0;
}

static int do_onbuild(const struct change *c, const char *text, struct error *err)
{
	static const char *const refused[] = {"ONBUILD", "FROM", "MAINTAINER"};
	size_t len = strcspn(text, " \t");
	struct json *list = json_get(c->config, "OnBuild");

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (strlen(refused[i]) == len && strncasecmp(text, refused[i], len) == 0)
			return bad(c, err, "ONBUILD, FROM and MAINTAINER cannot stand behind it");
	}
	if (!list) {
		list = json_new_array();
		json_set(c->config, "OnBuild", list);
	}
	json_push(list, json_new_str(text));
	return 0;
}

/* One "--interval=30s" in front of the check's command. */
static int health_option(const struct change *c, struct json *health, const char *option, struct error *err)
{
	static const struct {
		const char *option, *key;
	} durations[] = {
		{"--interval=", "Interval"},
		{"--timeout=", "Timeout"},
		{"--start-period=", "StartPeriod"},
		{"--start-interval=", "StartInterval"},
	};
	uint32_t retries;
	int64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		if (!str_starts(option, durations[i].option))
			continue;
		if (str_to_duration(option + strlen(durations[i].option), &ns) < 0 || ns < 0)
			return bad(c, err, "expected a duration such as 30s");
		json_set(health, durations[i].key, json_new_i64(ns));
		return 0;
	}
	if (!str_starts(option, "--retries=") || str_to_u32(option + strlen("--retries="), &retries) < 0 ||
	    retries > INT32_MAX)
		return bad(c, err,
			   "its options are --interval, --timeout, --start-period, --start-interval, --retries");
	json_set(health, "Retries", json_new_i64(retries));
	return 0;
}

static int do_healthcheck(const struct change *c, const char *text, struct error *err)
{
	autobuf struct buf word = BUF_INIT(4096);
	autojson struct json *health = json_new_object();
	struct json *test = json_new_array(), *command;
	const char *at = text, *rest = text;
	int r;

	json_set(health, "Test", test);
	while ((r = next_word(&at, &word)) > 0 && str_starts(buf_str(&word), "--")) {
		if (health_option(c, health, buf_str(&word), err) < 0)
			return -err->code;
		rest = at;
	}
	at += strspn(at, " \t");
	if (r > 0 && strcasecmp(buf_str(&word), "NONE") == 0 && rest == text && !*at) {
		json_push(test, json_new_str("NONE"));
	} else if (r > 0 && strcasecmp(buf_str(&word), "CMD") == 0 && *at) {
		if (is_list(at, &command)) {
			json_push(test, json_new_str("CMD"));
			for (size_t i = 0; i < json_len(command); i++)
				json_push(test, json_ref(json_at(command, i)));
			json_unref(command);
		} else {
			json_push(test, json_new_str("CMD-SHELL"));
			json_push(test, json_new_str(at));
		}
	} else {
		return bad(c, err, "expected NONE, or [OPTIONS] CMD COMMAND");
	}
	json_set(c->config, "Healthcheck", json_ref(health));
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const struct change *c, const char *text, struct error *err);
} instructions[] = {
	{"CMD", do_cmd},
	{"ENTRYPOINT", do_entrypoint},
	{"ENV", do_env},
	{"EXPOSE", do_expose},
	{"HEALTHCHECK", do_healthcheck},
	{"LABEL", do_label},
	{"ONBUILD", do_onbuild},
	{"STOPSIGNAL", do_stopsignal},
	{"USER", do_user},
	{"VOLUME", do_volume},
	{"WORKDIR", do_workdir},
};

/* A tab is a blank here. */
static bool has_control(const char *s)
{
	for (; *s; s++) {
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return true;
	}
	return false;
}

int engine_change_apply(const char *text, struct json *config, struct error *err)
{
	size_t len = strspn(text += strspn(text, " \t"), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	const char *rest = text + len;

	for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
		const struct change c = {.name = instructions[i].name, .config = config};

		if (strlen(c.name) != len || strncasecmp(c.name, text, len) != 0)
			continue;
		if (*rest && !strchr("= \t", *rest))
			break;
		rest += *rest == '=';
		rest += strspn(rest, " \t");
		autofree char *value = mem_strdup(rest);
		for (size_t end = strlen(value); end > 0 && strchr(" \t", value[end - 1]); end--)
			value[end - 1] = '\0';
		if (!*value)
			return bad(&c, err, "something must stand behind it");
		if (has_control(value))
			return bad(&c, err, "control characters have no place in it");
		return instructions[i].run(&c, value, err);
	}
	error_set(err, ERROR_INVALID, EINVAL, "--change: \"%.100s\" is no instruction that changes an image", text);
	return error_hint(err,
			  "use CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME "
			  "or WORKDIR");
}
