/* SPDX-License-Identifier: Apache-2.0 */
/* How another host is reached, and what is started there. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/scp.h"

#define SAID_MAX 65536

/* What the far end's login shell is given: it starts bothy, or speaks for docker or podman (see scp.h). No word of it comes from
 * outside, but for the name and the platform in the second, which hold nothing that a shell could take for its own; the brackets of
 * an IPv6 address in a name are a pattern of file names, so names are quoted. */
static const char receive_script[] =
	"exec sh -c '"
	"if command -v bothy >/dev/null 2>&1; then exec bothy image receive; fi; "
	"for e in docker podman; do "
	"command -v $e >/dev/null 2>&1 || continue; "
	"printf \"{\\\"bothy\\\":1,\\\"kind\\\":\\\"engine\\\",\\\"text\\\":\\\"%s\\\"}\\n\" $e; "
	"if [ $e = docker ] && ! docker info --format \"{{.DriverStatus}}\" 2>/dev/null | grep -q containerd.snapshotter; then "
	"docker image ls -aq --no-trunc | sort -u | xargs -r docker image inspect --format \"{{json .RootFS.Layers}}\"; fi; "
	"printf \"{\\\"bothy\\\":1,\\\"kind\\\":\\\"ready\\\"}\\n\"; "
	"exec $e load; "
	"done; "
	"echo \"neither bothy nor docker nor podman is installed there\" >&2; exit 127'";
static const char send_script[] =
	"exec sh -c '"
	"if command -v bothy >/dev/null 2>&1; then exec bothy image send %s \"%s\"; fi; "
	"for e in docker podman; do "
	"command -v $e >/dev/null 2>&1 || continue; "
	"printf \"{\\\"bothy\\\":1,\\\"kind\\\":\\\"engine\\\",\\\"text\\\":\\\"%%s\\\"}\\n\" $e; "
	"exec $e save \"%s\"; "
	"done; "
	"echo \"neither bothy nor docker nor podman is installed there\" >&2; exit 127'";

void scp_ssh_done(struct scp_ssh *s)
{
	program_end(&s->program, SIGTERM);
	free(s->command);
	*s = SCP_SSH_NONE;
}

/* The words before the script: rsh, port, host. */
static int make_argv(const char *rsh, const struct scp_place *place, struct strv *argv, struct error *err)
{
	strv_split(argv, rsh, ' ');
	if (argv->count == 0)
		return error_set(err, ERROR_INVALID, EINVAL, "the command that reaches other hosts is empty");
	if (place->port) {
		strv_push(argv, "-p");
		strv_push(argv, place->port);
	}
	strv_push(argv, place->destination);
	return 0;
}

static char *joined(const struct strv *words)
{
	autobuf struct buf text = BUF_INIT(65536);

	for (size_t i = 0; i < words->count; i++)
		buf_printf(&text, "%s%s", i ? " " : "", words->items[i]);
	return buf_take(&text);
}

/* What the shell there gets of a platform must be no more than it seems. */
static int platform_words(const char *platform, char **ret, struct error *err)
{
	if (platform &&
	    strspn(platform, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-") != strlen(platform))
		return error_set(err, ERROR_INVALID, EINVAL, "--platform: '%.100s' is no platform", platform);
	*ret = platform ? mem_printf("--platform %s", platform) : mem_strdup("");
	return 0;
}

int scp_ssh_start(const char *rsh, const struct scp_place *place, const char *send_name, const char *platform,
		  struct scp_ssh *ret, struct error *err)
{
	autoclean(scp_ssh_done) struct scp_ssh s = SCP_SSH_NONE;
	autofree char *path = NULL, *script = NULL, *words = NULL;
	autostrv struct strv argv = {0};

	if (make_argv(rsh, place, &argv, err) < 0 || platform_words(platform, &words, err) < 0)
		return -err->code;
	if (program_find(argv.items[0], getenv("PATH"), &path, err) < 0)
		return error_hint(err, "install it, or name another command: --rsh COMMAND");
	s.command = joined(&argv);
	s.name = place->destination;
	script = send_name ? mem_printf(send_script, words, send_name, send_name) : mem_strdup(receive_script);
	strv_push(&argv, script);
	if (program_start(path, argv.items, environ, FD_NONE, &s.program, err) < 0)
		return -err->code;
	*ret = s;
	s = SCP_SSH_NONE;
	return 0;
}

int scp_ssh_finish(struct scp_ssh *s, struct engine_scp_result *ret, struct error *err)
{
	autobuf struct buf rest = BUF_INIT(SAID_MAX);
	int status;

	fd_close(&s->program.to);
	if (ret->engine && fd_read_to_end(s->program.from, &rest, "its answer", err) < 0)
		return -err->code;
	status = program_wait(&s->program);
	ret->said = arena_strdup(&ret->arena, buf_str(&rest));
	if (status == 0)
		return 0;
	return error_set(err, ERROR_UNAVAILABLE, EREMOTEIO, "%s: the command there ended with status %d", s->name,
			 status);
}

int scp_ssh_failed(struct scp_ssh *s, struct error *err)
{
	if (err->code != EPIPE)
		return error_wrap(err, "%s", s->name);
	switch (program_wait(&s->program)) {
	case 127:
		error_set(err, ERROR_UNAVAILABLE, ENOENT, "%s: neither bothy nor docker nor podman was found there",
			  s->name);
		return error_hint(err, "try: %s bothy version", s->command);
	case 255:
		error_set(err, ERROR_UNAVAILABLE, EHOSTUNREACH, "%s cannot be reached by ssh", s->name);
		return error_hint(err, "try: %s true", s->command);
	default:
		return error_wrap(err, "%s", s->name);
	}
}
