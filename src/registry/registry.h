/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

/*
 * Registries: what the user configured about them (registries.conf, daemon.json, logins), and a session with one
 * repository. A session is one process, bothy-fetch, which alone speaks to the network: it gets endpoints and credentials
 * that were resolved here, and descriptors to write to; it sees no store. Requests are asynchronous: each has an id, and
 * what becomes of it is told by events, for which the caller polls one descriptor among its own.
 *
 * Nothing that comes out of a session is trusted beyond its bounds: who asked for a digest hashes the bytes himself.
 * Source: distribution-spec 1.1, docs/registry.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "spec/image.h"

/* ---- configuration -------------------------------------------------------------------------------------------------- */

struct registry_config; /* opaque */

struct registry_config_options {
	/* registries.conf instead of $CONTAINERS_REGISTRIES_CONF, ~/.config/containers/ and /etc/containers/; then no drop-in
	 * folder is read either. NULL: those. */
	const char *registries_conf;
	/* Docker's daemon.json instead of /etc/docker/daemon.json (or ~/.config/docker/ for a plain user). NULL: that. */
	const char *daemon_json;
};

/* Read the files that exist. @options may be NULL.
 * Returns 0 and a configuration to registry_config_free, or <0 INVALID: "<file>: line 3: …". */
int registry_config_load(const struct registry_config_options *options, struct registry_config **ret,
			 struct error *err);
void registry_config_free(struct registry_config *c);
static inline void registry_config_cleanup(struct registry_config **c)
{
	registry_config_free(*c);
}
#define autoregistryconfig __attribute__((cleanup(registry_config_cleanup)))

/* What a name that a user typed may stand for, in the order to be tried: one reference for a name with a registry, an alias,
 * or where nothing is configured (then Docker's rule: docker.io); else one for each search registry. Memory in @a.
 * Returns 0 (at least one), or <0: INVALID, CONFLICT (short-name-mode "enforcing" and several search registries). */
int registry_config_candidates(const struct registry_config *c, struct arena *a, const char *text,
			       struct image_reference **ret, size_t *ret_count, struct error *err);

/* ---- a session ------------------------------------------------------------------------------------------------------ */

struct registry; /* opaque */

#define REGISTRY_PULL 1u
#define REGISTRY_PUSH 2u
#define REGISTRY_DELETE 4u

struct registry_options {
	const char *domain, *path; /* of an image_reference; path NULL: the registry itself (ping, catalogue, search) */
	unsigned access;           /* REGISTRY_*: mirrors are used for PULL alone */
	const struct registry_config *config; /* borrowed during the call; NULL: loaded for this session */
	const char *creds;                    /* "user:password", for this session only; NULL: those of the logins */
	const char *authfile;                 /* must be there; NULL: see registry_login */
	const char *cert_dir;                 /* folder with *.crt, *.cert, *.key; NULL: certs.d */
	bool no_verify; /* --tls-verify=false: TLS unchecked, and http where there is no TLS, whatever is configured */
	uint32_t stall_ms; /* a transfer slower than 256 bytes a second for this long is cut and tried again; 0: 20 s */
};

/* Resolve endpoints and credentials (credential helpers may run) and start bothy-fetch. No network traffic yet.
 * Returns 0 and a session to registry_close, or <0: DENIED (the registry is blocked), INVALID (configuration), NOT_FOUND
 * (bothy-fetch is not installed). */
int registry_open(const struct registry_options *o, struct registry **ret, struct error *err);
/* Ends the process, and with it what was under way. */
void registry_close(struct registry *r);
static inline void registry_cleanup(struct registry **r)
{
	registry_close(*r);
}
#define autoregistry __attribute__((cleanup(registry_cleanup)))

/* ---- requests: each returns an id above 0, or <0 (the session has broken). ------------------------------------------- */

/* @reference: a tag or a digest. @head: no text, only type, digest and size; a registry that does not answer HEAD with a
 * digest gets a GET from within. Text is at most IMAGE_MANIFEST_MAX_BYTES. */
int64_t registry_get_manifest(struct registry *r, const char *reference, bool head, struct error *err);

/* Write the bytes of blob @digest from @offset on to @fd_consume, which is closed when the request ends, however it ends
 * (also when this call fails). @size: of the whole blob as its descriptor says, more or fewer bytes are an error.
 * Cuts are mended from within by Range; each byte is written once and in order.
 * @primary_only: not from mirrors, for when a mirror's bytes had the wrong digest. */
int64_t registry_get_blob(struct registry *r, const char *digest, uint64_t size, uint64_t offset, bool primary_only,
			  int fd_consume, struct error *err);
/* Is the blob there? DONE with its size, or FAILED with NOT_FOUND. */
int64_t registry_head_blob(struct registry *r, const char *digest, struct error *err);

/* Push the first @size bytes of @fd (a regular file, read by position; borrowed: it is passed as a copy). What is there
 * already is not sent; @mount_from (may be NULL) is a repository of the same registry that has it. */
int64_t registry_push_blob(struct registry *r, const char *digest, uint64_t size, int fd, const char *mount_from,
			   struct error *err);
/* @reference: a tag or the document's digest. @text: at most IMAGE_MANIFEST_MAX_BYTES. */
int64_t registry_push_manifest(struct registry *r, const char *reference, const char *media_type, const void *text,
			       size_t len, struct error *err);

/* All tags, each page followed: text is {"tags": ["…"]}. */
int64_t registry_list_tags(struct registry *r, struct error *err);
/* The index of what refers to @digest (only @artifact_type unless NULL); by the tag schema where the API is missing. Text is
 * an image index, empty when there is none. */
int64_t registry_get_referrers(struct registry *r, const char *digest, const char *artifact_type, struct error *err);
/* Delete a manifest (tag or digest) or, with @blob, a blob. */
int64_t registry_delete(struct registry *r, const char *reference, bool blob, struct error *err);
/* Do registry and credentials work? DONE, or FAILED with DENIED. */
int64_t registry_ping(struct registry *r, struct error *err);
/* Repositories that match @term: Docker Hub's and other v1 search API, else the catalogue. Text is {"results": [{"name": "…",
 * "description": "…", "star_count": 0, "is_official": false, "is_automated": false}]}, at most @limit of them. */
int64_t registry_search(struct registry *r, const char *term, uint32_t limit, struct error *err);

/* ---- one address -------------------------------------------------------------------------------------------------------- */

struct registry_address_options {
	const char *cert_dir; /* folder with *.crt, *.cert, *.key; NULL: what the system trusts */
	bool no_verify;       /* the certificate of that host is not checked */
};
/* Does @text begin as an address: http:// or https://? */
bool registry_is_address(const char *text);
/* @url without its login, for people and documents; in @a. */
const char *registry_address_shown(struct arena *a, const char *url);
/* A session for one address instead of a repository; of the requests only registry_get_address makes sense. Nothing of
 * registries.conf and no login of registries is used; proxies are. Returns as registry_open. */
int registry_open_address(const struct registry_address_options *o, struct registry **ret, struct error *err);
/* Write what the address names on to @fd_consume, as registry_get_blob. It has no digest and at most @max bytes. A cut is mended
 * where the server says that the content is still the same (If-Range); PROGRESS and DONE have its size once that is known.
 * Once for each session. @url: http(s)://[USER[:PASSWORD]@]HOST[:PORT]/PATH; the login is for that host and no other.
 * Kinds besides those of events: INVALID (no address), LIMIT (more than @max). */
int64_t registry_get_address(struct registry *r, const char *url, uint64_t max, int fd_consume, struct error *err);

/* Give up a request: its FAILED event comes with ERROR_UNAVAILABLE and ECANCELED. Unknown ids are ignored. */
int registry_cancel(struct registry *r, int64_t id, struct error *err);

/* ---- events ----------------------------------------------------------------------------------------------------------- */

enum registry_event_type {
	REGISTRY_PROGRESS, /* blobs: bytes */
	REGISTRY_RETRY,    /* err says why; it goes on by itself after delay_ms */
	REGISTRY_DONE,     /* the last of its request */
	REGISTRY_FAILED,   /* the last of its request: err */
	REGISTRY_EVENT_TYPE_COUNT
};

struct registry_event {
	enum registry_event_type type;
	int64_t id;
	/* PROGRESS and DONE of blobs: position in the blob (from 0, so the offset that was asked for counts). */
	uint64_t bytes;
	uint64_t moved; /* blobs: body bytes that went over the network for this request so far, repetitions counted */
	uint32_t delay_ms;
	/* DONE. Texts are borrowed until the next call of registry_next. */
	const char *text; /* document of @len bytes, not terminated; NULL: none */
	size_t len;
	const char *media_type; /* NULL: not said */
	const char *digest;     /* a valid digest as the registry said (Docker-Content-Digest), or NULL */
	uint64_t size;          /* HEAD: of the object; addresses: of the whole; 0: not said */
	bool existed;           /* push: it was there already */
	bool mounted;           /* push: taken from mount_from */
	const char *endpoint;   /* who answered: "registry-1.docker.io", NULL: nobody */
	/* RETRY and FAILED. Kinds: NOT_FOUND, DENIED (credentials missing, wrong or not enough), INVALID (the registry's answer or
	 * the request makes no sense), LIMIT, UNAVAILABLE (network, server). */
	struct error err;
};

/* Readable when registry_next may have something. Borrowed. */
int registry_fd(const struct registry *r);
/* The next event. Never blocks. Returns 1 with @ret filled, 0 when there is none now, or <0: the process has ended or talks
 * nonsense; then no request will ever end. */
int registry_next(struct registry *r, struct registry_event *ret, struct error *err);
/* For callers with nothing else to poll: events of @id until it is done; others' are thrown away. A FAILED becomes the
 * returned error. @on_event (may be NULL) sees each. */
int registry_wait(struct registry *r, int64_t id, struct registry_event *ret,
		  void (*on_event)(const struct registry_event *e, void *arg), void *arg, struct error *err);

/* ---- logins --------------------------------------------------------------------------------------------------------- */

/* Where a login is kept: --authfile, $REGISTRY_AUTH_FILE, else for reading in this order $XDG_RUNTIME_DIR/containers/auth.json,
 * ~/.config/containers/auth.json, $DOCKER_CONFIG/config.json or ~/.docker/config.json; written is Docker's, through its
 * credsStore or credHelpers where it names one. */
struct registry_login {
	const char *username, *password; /* NULL: none */
	const char *identity_token;      /* NULL: none */
	const char *source;              /* the file or helper it came from, for messages */
};
/* The login for @domain and @path (may be NULL), the most specific key first. Memory in @a.
 * Returns 0 (all NULL: none), or <0: INVALID (a file cannot be read), UNAVAILABLE (a helper failed). */
int registry_login_find(struct arena *a, const char *authfile, const char *domain, const char *path,
			struct registry_login *ret, struct error *err);
/* Keep a login. @ret_where (in @a): the file or helper. Returns 0, REGISTRY_LOGIN_PLAIN (stored unencrypted in a file), or <0. */
#define REGISTRY_LOGIN_PLAIN 1
int registry_login_save(struct arena *a, const char *authfile, const char *domain, const struct registry_login *login,
			const char **ret_where, struct error *err);
/* Forget it. Returns 0, or <0 NOT_FOUND. @domain NULL: all of them. */
int registry_login_remove(struct arena *a, const char *authfile, const char *domain, struct error *err);

/* ---- the program bothy-fetch ------------------------------------------------------------------------------------------ */

int registry_fetch_main(int argc, char **argv);

#endif
