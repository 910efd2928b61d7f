/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

/* What the files of registry/ share on bothy's side: sessions, and endpoints, that is, configuration applied to one repository. */

#include "base/arena.h"
#include "registry/registry.h"

#define REGISTRY_ENDPOINTS_MAX 16

/* One place where a repository may be found. */
struct registry_endpoint {
	const char *host; /* with port, as in a URL */
	const char *path; /* repository there; NULL: the registry itself */
	bool insecure;    /* TLS is not verified, and http is spoken where there is no TLS */
	bool mirror;
	bool tags, digests; /* what a mirror is asked for */
	struct registry_login login;
	const char *ca, *cert, *key; /* PEM texts of certs.d; NULL: none */
};

/* Where to go for what @o names, mirrors first. Memory in @a. */
int registry_endpoints(struct arena *a, const struct registry_config *c, const struct registry_options *o,
		       struct registry_endpoint *ret, size_t *ret_count, struct error *err);

/* certs.d: the PEM texts for @host into @e. @folder: instead of the usual ones. */
int registry_certs(struct arena *a, const char *folder, const char *host, struct registry_endpoint *e,
		   struct error *err);

/* ---- sessions (session.c) ---- */

struct json *session_endpoint_json(const struct registry_endpoint *e);
/* Start bothy-fetch and send it @head_consume ("endpoints", "access") with what all sessions have. @stall_ms: see registry_options. */
int session_open(const char *name, const char *repository, uint32_t stall_ms, struct json *head_consume,
		 struct registry **ret, struct error *err);
/* A request with the next id, and its sending with a body or a descriptor (borrowed; FD_NONE: none). Returns the id, or <0. */
struct json *session_request(struct registry *r, const char *op);
int64_t session_ask(struct registry *r, struct json *head_consume, const void *body, size_t len, int fd,
		    struct error *err);

/* ---- this machine and this user ---- */

/* Does @host (a name or an address, maybe with a port) mean this machine by itself: localhost, 127.*, [::1]? Pure. */
bool registry_is_loopback(const char *host);

/* The value of environment variable @name; NULL: unset or empty. */
const char *registry_env(const char *name);
/* The user's home folder, without a look into the name service; NULL: not known. */
const char *registry_home(void);

#endif
