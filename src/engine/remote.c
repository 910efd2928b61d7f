/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with registries from what a user typed. */
#include "engine/engine.h"

int engine_registry_open(const char *domain, const char *path, unsigned access, const struct engine_registry_options *o,
			 struct registry **ret, struct error *err)
{
	struct registry_options ro = {.domain = domain, .path = path, .access = access};

	if (o) {
		ro.authfile = o->authfile;
		ro.creds = o->creds;
		ro.cert_dir = o->cert_dir;
		ro.no_verify = o->no_verify;
	}
	return registry_open(&ro, ret, err);
}
