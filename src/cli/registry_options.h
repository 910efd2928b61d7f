/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REGISTRY_OPTIONS_H
#define CLI_REGISTRY_OPTIONS_H

/* The options of every command that speaks to a registry, in one wording. @type is the command's struct, which has
 * `struct engine_registry_options registry` at @place and `struct option_bool tls_verify`. */

#include "cli/cli.h"
#include "engine/engine.h"

/* clang-format off */
#define REGISTRY_OPTIONS(type, place) \
	{"authfile", 0, OPTION_STRING, offsetof(type, place.authfile), "FILE", "logins (default: $REGISTRY_AUTH_FILE, Podman's auth.json, Docker's config.json)", 0}, \
	{"creds", 0, OPTION_STRING, offsetof(type, place.creds), "USER:PASSWORD", "log in as this for once", 0}, \
	{"cert-dir", 0, OPTION_STRING, offsetof(type, place.cert_dir), "DIR", "certificates in place of certs.d", 0}, \
	{"tls-verify", 0, OPTION_TRISTATE, offsetof(type, tls_verify), NULL, "verify TLS (default true); false allows http as well", 0}
/* clang-format on */

#endif
