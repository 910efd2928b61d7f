/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credential helpers: programs docker-credential-NAME with the verbs get, store and erase, a key or a document on standard
 * input and a document on standard output. They are the user's own programs and run with his rights, but with a chosen
 * environment, in a bounded time and with a bounded answer. Source: docker-credential-helpers' README (facts).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "kernel/program.h"
#include "registry/internal.h"
#include "registry/login.h"

#define ANSWER_BYTES_MAX 65536
#define TIME_MAX_MS 60000 /* it may have to ask a person */

/* What keyrings, password stores and clouds are found by. A prefix ends with "_". */
static const char *const passed_on[] = {
	"PATH",
	"HOME",
	"USER",
	"LOGNAME",
	"LANG",
	"TERM",
	"DISPLAY",
	"WAYLAND_DISPLAY",
	"XAUTHORITY",
	"GPG_TTY",
	"GNUPGHOME",
	"DBUS_SESSION_BUS_ADDRESS",
	"PASSWORD_STORE_",
	"XDG_",
	"AWS_",
	"AZURE_",
	"GOOGLE_",
	"CLOUDSDK_",
	"HTTPS_PROXY",
	"https_proxy",
	"NO_PROXY",
	"no_proxy",
};

static void choose_environment(struct strv *env)
{
	for (char **e = environ; *e; e++) {
		for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
			size_t len = strlen(passed_on[i]);

			if (!str_starts(*e, passed_on[i]) || (passed_on[i][len - 1] != '_' && (*e)[len] != '='))
				continue;
			strv_push(env, *e);
			break;
		}
	}
}

static int find_helper(const char *helper, char **ret, struct error *err)
{
	autofree char *name = mem_printf("docker-credential-%s", helper);

	if (!*helper ||
	    strspn(helper, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(helper))
		return error_set(err, ERROR_INVALID, EINVAL, "'%.60s' is no name of a credential helper", helper);
	if (program_find(name, registry_env("PATH"), ret, err) == 0)
		return 0;
	error_set(err, ERROR_NOT_FOUND, ENOENT, "the credential helper %s is not installed", name);
	return error_hint(err, "install it, or take it out of the configuration file that names it");
}

/* Read its answer until the end. */
static int read_answer(int fd, struct buf *out, struct error *err)
{
	int64_t end = clock_monotonic_ns() + TIME_MAX_MS * NS_PER_MS;

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left = (end - clock_monotonic_ns()) / NS_PER_MS;
		char *room;
		ssize_t n;

		int ready = left <= 0 ? 0 : poll(&wait, 1, (int)left);

		if (ready < 0 && errno == EINTR)
			continue; /* a read would wait without end */
		if (ready <= 0)
			return error_set(err, ERROR_UNAVAILABLE, ready ? errno : ETIMEDOUT, "it does not end");
		room = buf_reserve(out, 4096);
		if (!room)
			return error_set(err, ERROR_LIMIT, EFBIG, "it answers more than %d bytes", ANSWER_BYTES_MAX);
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read its answer");
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
	}
}

/* Run one verb. Returns its exit status, or <0. */
static int run(const char *helper, const char *verb, const char *input, struct buf *out, struct error *err)
{
	autofree char *path = NULL, *name = NULL, *word = mem_strdup(verb);
	struct program p = PROGRAM_NONE;
	autostrv struct strv env = {0};
	autofd int in = FD_NONE;
	int r;

	if (find_helper(helper, &path, err) < 0)
		return -err->code;
	in = fd_memory("credential", input, strlen(input));
	if (in < 0)
		return error_sys(err, errno, "run docker-credential-%s", helper);
	name = mem_printf("docker-credential-%s", helper);
	strv_push(&env, "BOTHY=1"); /* the list is never empty */
	choose_environment(&env);
	char *argv[] = {name, word, NULL};

	if (program_start(path, argv, env.items, in, &p, err) < 0)
		return -err->code;
	r = read_answer(p.from, out, err);
	if (r < 0) {
		program_end(&p, SIGKILL);
		return error_wrap(err, "%s %s", name, verb);
	}
	r = program_wait(&p);
	if (r >= 128)
		return error_set(err, ERROR_UNAVAILABLE, EPROTO, "%s %s was ended by a signal", name, verb);
	return r;
}

static int failed(const char *helper, const char *verb, const struct buf *out, struct error *err)
{
	return error_set(err, ERROR_UNAVAILABLE, EPROTO, "docker-credential-%s %s: %.200s", helper, verb,
			 out->len ? buf_str(out) : "it failed and said nothing");
}

int helper_get(struct arena *a, const char *helper, const char *key, struct registry_login *ret, struct error *err)
{
	autobuf struct buf out = BUF_INIT(ANSWER_BYTES_MAX);
	autojson struct json *j = NULL;
	const char *user, *secret;
	int r = run(helper, "get", key, &out, err);

	if (r < 0)
		return r;
	/* "credentials not found in native keychain" is how each helper says that there is none. */
	if (r > 0)
		return strstr(buf_str(&out), "not found") ? 0 : failed(helper, "get", &out, err);
	if (json_parse(buf_str(&out), out.len, "docker-credential", &j, err) < 0)
		return error_wrap(err, "docker-credential-%s", helper);
	user = json_str(json_get(j, "Username"));
	secret = json_str(json_get(j, "Secret"));
	if (!user || !secret)
		return error_set(err, ERROR_INVALID, EPROTO, "docker-credential-%s gives no user and secret", helper);
	*ret = (struct registry_login){.source = arena_printf(a, "docker-credential-%s", helper)};
	if (str_eq(user, "<token>")) {
		ret->identity_token = arena_strdup(a, secret);
	} else {
		ret->username = arena_strdup(a, user);
		ret->password = arena_strdup(a, secret);
	}
	return 1;
}

int helper_store(const char *helper, const char *key, const struct registry_login *login, struct error *err)
{
	autobuf struct buf out = BUF_INIT(ANSWER_BYTES_MAX);
	autobuf struct buf in = BUF_INIT(ANSWER_BYTES_MAX);
	autojson struct json *j = json_new_object();
	int r;

	json_set_str(j, "ServerURL", key);
	json_set_str(j, "Username", login->identity_token ? "<token>" : login->username);
	json_set_str(j, "Secret", login->identity_token ? login->identity_token : login->password);
	if (!json_write(j, false, &in))
		return error_set(err, ERROR_LIMIT, EFBIG, "the login is too long for a credential helper");
	r = run(helper, "store", buf_str(&in), &out, err);
	return r > 0 ? failed(helper, "store", &out, err) : r;
}

int helper_erase(const char *helper, const char *key, struct error *err)
{
	autobuf struct buf out = BUF_INIT(ANSWER_BYTES_MAX);
	int r = run(helper, "erase", key, &out, err);

	return r > 0 && !strstr(buf_str(&out), "not found") ? failed(helper, "erase", &out, err) : (r > 0 ? 0 : r);
}
