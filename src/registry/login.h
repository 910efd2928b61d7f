/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_LOGIN_H
#define REGISTRY_LOGIN_H

/* Files of logins as documents, for the files of registry/ and their tests; and credential helpers. */

#include "base/arena.h"
#include "base/json.h"
#include "registry/registry.h"

/* What a file says of @domain and @path (may be NULL). @ret_helper: the credential helper to be asked instead, or NULL.
 * Returns 1 (something), 0 (nothing), or <0 INVALID. Memory in @a. Pure. */
int login_from_document(struct arena *a, const struct json *doc, const char *name, const char *domain, const char *path,
			struct registry_login *ret, const char **ret_helper, struct error *err);
/* The key of @domain in files and for helpers: Docker Hub has an address of old. */
const char *login_key(const char *domain);
/* Standard base64 with padding. Returns heap text that may hold any byte but NUL, or NULL: not of that form. Pure. */
char *login_base64_decode(const char *text);
char *login_base64_encode(const char *text);

/* docker-credential-@helper: get, store, erase. The helper runs with a few variables of our environment, and has a bounded
 * time and output. Returns 1/0 (get: found or not), 0, or <0 UNAVAILABLE, INVALID, NOT_FOUND (not installed). */
int helper_get(struct arena *a, const char *helper, const char *key, struct registry_login *ret, struct error *err);
int helper_store(const char *helper, const char *key, const struct registry_login *login, struct error *err);
int helper_erase(const char *helper, const char *key, struct error *err);

#endif
