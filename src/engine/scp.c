/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images between hosts: only the layers that the other end lacks move. The talk is in scp.h, its two sides in scp_send.c and
 * scp_receive.c, the ssh that carries it in scp_ssh.c; here is who is near and who is far.
 */
#include "engine/scp.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/signal.h"

void engine_scp_result_done(struct engine_scp_result *r)
{
	arena_done(&r->arena);
	*r = (struct engine_scp_result){0};
}

static int push_to(struct engine *e, const struct engine_scp_options *o, const struct scp_place *place,
		   struct engine_scp_result *ret, struct error *err)
{
	const struct scp_watch watch = {.fn = o->watch, .arg = o->watch_arg};
	autoclean(scp_source_done) struct scp_source s = {
		.engine = e, .name = o->source, .as = place->name, .platform = o->platform, .watch = &watch};
	autoclean(scp_ssh_done) struct scp_ssh ssh = SCP_SSH_NONE;

	if (scp_source_open(&s, err) < 0 || scp_ssh_start(o->rsh, place, NULL, NULL, &ssh, err) < 0)
		return -err->code;
	struct scp_talk t = {.in = ssh.program.from, .out = ssh.program.to};

	if (scp_send(&s, &t, &ssh.program.to, true, ret, err) < 0)
		return scp_ssh_failed(&ssh, err);
	return scp_ssh_finish(&ssh, ret, err);
}

static bool is_id(const char *name)
{
	return strlen(name) >= 12 && strspn(name, "0123456789abcdef") == strlen(name);
}

static int pull_from(struct engine *e, const struct engine_scp_options *o, const struct scp_place *place,
		     struct engine_scp_result *ret, struct error *err)
{
	const struct scp_watch watch = {.fn = o->watch, .arg = o->watch_arg};
	autoclean(scp_ssh_done) struct scp_ssh ssh = SCP_SSH_NONE;
	struct scp_sink s = {.engine = e, .platform = o->platform, .watch = &watch};

	if (!place->name)
		return error_set(err, ERROR_INVALID, EINVAL, "'%.200s' names no image", o->source);
	s.no_names = !o->destination && is_id(place->name);
	s.as = s.no_names ? NULL : o->destination ? o->destination : place->name;
	if (scp_ssh_start(o->rsh, place, place->name, o->platform, &ssh, err) < 0)
		return -err->code;
	const struct scp_talk t = {.in = ssh.program.from, .out = ssh.program.to};

	if (scp_receive(&s, &t, &ssh.program.to, ret, err) < 0)
		return scp_ssh_failed(&ssh, err);
	ret->fetched = true;
	return scp_ssh_finish(&ssh, ret, err);
}

int engine_scp(struct engine *e, const struct engine_scp_options *o, struct engine_scp_result *ret, struct error *err)
{
	autoclean(engine_scp_result_done) struct engine_scp_result result = {0};
	struct scp_place from, to;
	/* A connection that ends while we write is an error to report, not our death. */
	autofd int no_sigpipe = signal_open_fd((const int[]){SIGPIPE}, 1, NULL, err);
	struct arena a = {0};
	int r, to_other = 0;

	if (no_sigpipe < 0)
		return no_sigpipe;
	r = scp_place_parse(&a, o->source, &from, err);
	if (r >= 0 && o->destination)
		to_other = scp_place_parse(&a, o->destination, &to, err);
	if (r < 0 || to_other < 0) {
		r = -err->code;
	} else if (r == to_other) {
		error_set(err, ERROR_INVALID, EINVAL, r ? "both ends are other hosts" : "both ends are this host");
		r = error_hint(err, r ? "fetch it here first, then send it on"
				      : "name the other host: ssh://[user@]host[:port][/name], or user@host::name");
	} else {
		r = to_other ? push_to(e, o, &to, &result, err) : pull_from(e, o, &from, &result, err);
	}
	arena_done(&a);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct engine_scp_result){0};
	return 0;
}
