/* SPDX-License-Identifier: Apache-2.0 */
/* bothy push: an image to its registry. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/bothy.h"
#include "safepath/safepath.h"

struct push_options {
	struct engine_registry_options registry;
	const char *digestfile;
	struct option_bool tls_verify;
	bool all_tags, quiet;
};

/* clang-format off */
static const struct option table[] = {
	{"all-tags", 'a', OPTION_BOOL, offsetof(struct push_options, all_tags), NULL, "push every tag of the repository", 0},
	{"quiet", 'q', OPTION_BOOL, offsetof(struct push_options, quiet), NULL, "print the name alone", 0},
	{"digestfile", 0, OPTION_STRING, offsetof(struct push_options, digestfile), "FILE", "write the digest that the name now has to this file", 0},
	{"authfile", 0, OPTION_STRING, offsetof(struct push_options, registry.authfile), "FILE", "logins (default: $REGISTRY_AUTH_FILE, Podman's auth.json, Docker's config.json)", 0},
	{"creds", 0, OPTION_STRING, offsetof(struct push_options, registry.creds), "USER:PASSWORD", "log in as this for once", 0},
	{"cert-dir", 0, OPTION_STRING, offsetof(struct push_options, registry.cert_dir), "DIR", "certificates in place of certs.d", 0},
	{"tls-verify", 0, OPTION_TRISTATE, offsetof(struct push_options, tls_verify), NULL, "verify TLS (default true); false allows http as well", 0},
	{"disable-content-trust", 0, OPTION_BOOL, offsetof(struct push_options, quiet), NULL, "accepted for Docker's sake", OPTION_HIDDEN},
	OPTION_END,
};
/* clang-format on */

/* One line for what is over and for what goes wrong; standard error, so that standard output is the result. */
static void show(void *arg, const struct engine_push_step *s)
{
	static const char *const words[] = {
		[ENGINE_PUSH_SENT] = "Pushed",
		[ENGINE_PUSH_THERE] = "Layer already exists",
		[ENGINE_PUSH_MOUNTED] = "Mounted from",
		[ENGINE_PUSH_RETRY] = "Trying again:",
	};
	const char *hex = strchr(s->digest, ':');
	const char *more = s->state == ENGINE_PUSH_MOUNTED ? s->from
			   : s->state == ENGINE_PUSH_RETRY ? s->reason->msg
							   : "";

	(void)arg;
	if (s->state != ENGINE_PUSH_SENDING)
		(void)fprintf(stderr, "%.12s: %s%s%s\n", hex ? hex + 1 : s->digest, words[s->state], *more ? " " : "",
			      more);
}

static int write_digest(const char *path, const char *digest, struct error *err)
{
	autofd int fd = safepath_host_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	int r;

	if (fd < 0)
		return error_wrap(err, "--digestfile");
	r = fd_write_all(fd, digest, strlen(digest));
	return r < 0 ? error_sys(err, -r, "--digestfile: write '%s'", path) : 0;
}

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct push_options *o = options;
	struct engine_push_options po = {.registry = o->registry,
					 .all_tags = o->all_tags,
					 .step = o->quiet ? NULL : show};
	autoclean(engine_push_result_done) struct engine_push_result result = {0};
	autoengine struct engine *e = NULL;

	po.registry.no_verify = o->tls_verify.set && !o->tls_verify.v;
	if (bothy_open(global, &e, err) < 0 || engine_push(e, args->items[0], &po, &result, err) < 0)
		return -err->code;
	for (size_t i = 0; i < result.count; i++) {
		const struct engine_pushed *p = &result.pushed[i];

		if (p->one_platform && !o->quiet)
			(void)fprintf(stderr, "%s: only this machine's platform is here, and was pushed\n", p->tag);
		if (o->quiet)
			printf("%s\n", p->name);
		else
			printf("%s: digest: %s size: %zu\n", p->tag, p->digest, p->size);
	}
	if (o->digestfile && result.count)
		return write_digest(o->digestfile, result.pushed[result.count - 1].digest, err);
	return 0;
}

const struct command cmd_push = {
	.name = "push",
	.group = "Registries",
	.args = "IMAGE[:TAG]",
	.summary = "send an image to its registry",
	.details =
		"The name says where: HOST[:PORT]/PATH[:TAG], without a host Docker Hub. Only what is missing there is sent; what\n"
		"another repository of the same registry has is taken from it. A cut link is taken up again where it was cut.",
	.options = table,
	.options_size = sizeof(struct push_options),
	.min_args = 1,
	.max_args = 1,
	.run = run,
	.examples =
		"  bothy tag debian:12 registry.example/team/debian:12\n  bothy push registry.example/team/debian:12",
};
