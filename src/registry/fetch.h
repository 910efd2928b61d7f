/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_FETCH_H
#define REGISTRY_FETCH_H

/*
 * Inside bothy-fetch. A *request* is what bothy asked for; it goes through *steps*, each of which is one HTTP *exchange* with
 * one endpoint. A step is a pair of functions: begin() says what to ask (from the request's state, so that it can be called
 * again after a cut), next() takes the answer. The exchange does by itself what is the same for all: schemes, redirects,
 * tokens, delays, tries again (fetch_exchange.c). Everything runs in one loop of one thread.
 */

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "registry/headers.h"
#include "registry/registry.h"
#include "registry/wire.h"

#define FETCH_TALK_FD 3
#define FETCH_ACTIVE_MAX 16        /* exchanges at once; more wait */
#define FETCH_TRIES 6              /* in a row without progress */
#define FETCH_TRIES_MIRROR 2       /* another endpoint is there to be asked */
#define FETCH_PROGRESS_BYTES 65536 /* fewer between two cuts do not count as progress */
#define FETCH_REDIRECTS_MAX 5
#define FETCH_AUTH_ROUNDS_MAX 2      /* answers of 401 within one exchange */
#define FETCH_RETRY_AFTER_MAX_S 120  /* a server that wants more is told to the user instead */
#define FETCH_ERROR_BYTES_MAX 65536  /* read of the body of an error */
#define FETCH_TOKEN_BYTES_MAX 65536  /* body of a token service's answer */
#define FETCH_HEADER_BYTES_MAX 65536 /* of one answer, 1xx included */
#define FETCH_PAGES_MAX 1000         /* of one list */
#define FETCH_PIPE_BYTES (1 << 20)
#define FETCH_PENDING_BYTES 262144         /* between the network and one pipe */
#define FETCH_STALL_BYTES_PER_S 256        /* slower for stall_ms is a stall */
#define FETCH_COMMIT_PATIENCE 15           /* times stall_ms: a registry that stores what it has received */
#define FETCH_UPLOAD_MONOLITHIC (4u << 20) /* smaller blobs go in one PUT */

struct request;

struct token {
	char *scope, *value; /* owned */
	int64_t expires_ns;
};
#define FETCH_TOKENS_MAX 16

struct endpoint {
	const char *host, *path, *user, *password, *identity, *ca, *cert, *key; /* in the fetch's arena; may be NULL */
	bool insecure, mirror, tags, digests;
	bool plain;        /* http */
	bool scheme_known; /* an answer came: no other scheme is tried */
	enum challenge_scheme auth;
	char *realm, *service; /* owned; of a bearer challenge */
	struct token tokens[FETCH_TOKENS_MAX];
	size_t token_count;
};

struct fetch {
	CURLM *multi;
	struct arena arena; /* of the open message */
	struct endpoint endpoints[16];
	size_t endpoint_count;
	const char *name;       /* the registry, as the user calls it */
	const char *repository; /* with its registry, as the user calls it; without a path the name alone */
	const char *proxy_http, *proxy_https, *no_proxy;
	const char **realms; /* hosts that credentials may go to besides the registry's own */
	size_t realm_count;
	unsigned access;
	uint32_t stall_ms;
	struct wire_in in;
	struct buf out;            /* to be sent */
	struct request **requests; /* owned */
	size_t request_count;
	size_t active;
	bool opened, ended;
};

/* What a step asks. Texts are borrowed by exchange_start and copied where it keeps them. */
struct ask {
	const char *method;       /* "GET", "HEAD", "PUT", … */
	const char *url;          /* absolute */
	const char *accept;       /* NULL: anything */
	const char *content_type; /* of what is sent; NULL: none */
	const char *content_range;
	uint64_t range_from; /* ask for the bytes from here on; 0: all */
	const char *
		if_range; /* ... when the content still has this mark, else all; NULL: none; lives as long as the request */
	const char *text; /* sent; borrowed until the step is over */
	uint64_t text_len;
	bool send_file; /* sent: @file_len bytes of the request's in_fd from @file_from on */
	uint64_t file_from, file_len;
	bool to_out;     /* the body is the blob and goes to out_fd */
	size_t body_max; /* else it is kept up to this */
	bool no_auth;    /* never credentials nor tokens */
	bool basic;      /* user and password at once, whatever was asked (token services) */
	bool slow;       /* the answer may take long (commits) */
};

struct answer {
	long status;
	char *location, *content_type, *digest, *content_range, *retry_after, *link, *range, *subject, *etag, *modified,
		*date;                           /* owned */
	char *challenges[HEADER_CHALLENGES_MAX]; /* owned */
	size_t challenge_count;
	int64_t content_length; /* -1: not said */
	struct buf body;
};

struct exchange {
	CURL *easy;
	struct curl_slist *headers;
	struct ask ask;
	char *url, *method, *accept, *content_type, *content_range; /* owned copies of what the ask points to */
	bool foreign; /* the URL is not of the endpoint's host: no credentials */
	bool used_auth;
	bool paused;
	bool refused;      /* we broke it off; the request's err says why */
	bool refused_soft; /* ... and trying again may help */
	bool body_checked;
	unsigned redirects, auth_rounds;
	uint64_t sent; /* of what is to be sent */
	size_t header_bytes;
	int64_t window_ns; /* since when the stall is counted */
	uint64_t window_bytes;
	char curl_error[CURL_ERROR_SIZE];
	struct answer answer;
};

struct request {
	struct fetch *f;
	int64_t id; /* 0: our own (tokens) */
	bool over;  /* told; to be freed */
	bool fatal; /* its failure is nobody's but ours: no other endpoint is asked */
	size_t endpoint;
	bool primary_only, pulls, by_digest, may_have_mirrors;
	void (*begin)(struct request *q);
	void (*next)(struct request *q);
	void (*again)(struct request *q); /* NULL: begin; where to go on after a failure */
	/* NULL, or: q->err says that we may not. Returns true when there is another way, which it has begun. */
	bool (*denied)(struct request *q);
	/* The header of an answer came whose body goes to out_fd: is it what we asked? False: refused with q->err. */
	bool (*check)(struct request *q);
	struct exchange x;
	unsigned tries;         /* in a row without progress */
	unsigned retries;       /* in all */
	unsigned replays;       /* of a server without ranges */
	unsigned restarts;      /* of an upload */
	uint64_t progress_mark; /* `position` when the tries were counted last */
	int64_t wake_ns;        /* begin again then; 0: not waiting */
	bool queued;            /* for a place among the active */
	struct endpoint *waits; /* for a token of this endpoint with our scope */
	char *scope;            /* owned; NULL: the session's */
	struct error err;
	/* what was asked */
	char *digest, *reference, *media_type, *mount, *term, *artifact_type; /* owned */
	char *url;  /* owned: what an address names, without its login; set by get_address */
	char *what; /* owned: what is fetched or sent, for messages: "the blob sha256:…" */
	char *text; /* owned: document to push */
	size_t text_len;
	uint64_t size;     /* of a blob; of an address: at most so much, until `size_known` */
	uint64_t size_max; /* of an address: what the bound was */
	bool size_known;
	char *mark; /* owned: by which a server knows an address's content again; NULL: none */
	uint32_t limit;
	bool head, blob;
	int out_fd, in_fd; /* owned */
	/* how far it is */
	uint64_t position; /* in the blob: received or sent */
	uint64_t skip;     /* bytes of the present body that we have already */
	uint64_t moved;
	int64_t reported_ns;
	uint64_t reported;
	struct buf pending;
	bool full;      /* the pipe took no more; poll tells when it does again */
	bool complete;  /* the body is whole, pending must go out yet */
	char *location; /* owned: upload or next page */
	bool existed, mounted;
	struct json *list; /* owned: pages so far */
	size_t list_bytes;
	unsigned pages;
	struct token_job {
		struct endpoint *endpoint;
		char *form; /* owned */
	} token;
};

/* ---- fetch_message.c: the talk with bothy ---- */
/* Take what bothy has said so far. f->ended: it said its last, or nonsense. */
void messages_receive(struct fetch *f);
/* Send of f->out what bothy takes now. */
void messages_send(struct fetch *f);

/* ---- fetch_request.c: requests and what bothy is told of them ---- */
struct request *request_new(struct fetch *f);
struct endpoint *request_endpoint(const struct request *q);
void request_done(struct request *q, struct json *extra_consume, const void *text, size_t len);
/* q->err is final for this endpoint: the next one is asked, or bothy is told. */
void request_failed(struct request *q);
/* q->err may pass: try again after a while, or give up as above. @retry_after_s 0: our own delays. */
void request_retry(struct request *q, uint32_t retry_after_s);
void request_begin(struct request *q);
/* Move to the first endpoint from q->endpoint on that may be asked; false: none is left. */
bool request_pick_endpoint(struct request *q);
/* Tell bothy how far it is, when there is something new and the last time is a while ago. */
void request_progress(struct request *q, int64_t now_ns);
void request_free(struct request *q);

/* ---- fetch_exchange.c ---- */
int exchange_init(struct fetch *f, struct error *err);
/* Begin what @ask says; the answer is q->x.answer when q->next is called. */
void exchange_start(struct request *q, const struct ask *ask);
/* The same ask again (a token came, the URL is another). */
void exchange_repeat(struct request *q);
void exchange_finished(struct request *q, CURLcode code);
/* Take the transfer away from libcurl; the answer stays. */
void exchange_drop(struct request *q);
/* Give back all but the transfer. */
void exchange_clear(struct exchange *x);
/* Forget an answer: another one comes. */
void answer_done(struct answer *a);
/* Break off; @soft: trying again may help. */
void exchange_refuse(struct request *q, bool soft);
/* q->err from the status and the body of an error: "<what>: <the registry's words>". */
void exchange_error(struct request *q, const char *what);
/* "https://host/v2/<path>/…" for the request's endpoint; heap. */
char *exchange_url(const struct request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- fetch_options.c ---- */
/* Tell libcurl what q->x.ask says. Returns false when the request has to wait for a token. */
bool exchange_set_options(struct request *q);

/* ---- fetch_flow.c: what libcurl calls, with the request as @arg, and what goes with it ---- */
size_t exchange_on_body(char *data, size_t size, size_t count, void *arg);
size_t exchange_on_send(char *out, size_t size, size_t count, void *arg);
size_t exchange_on_header(char *data, size_t size, size_t count, void *arg);
int exchange_on_seek(void *arg, curl_off_t offset, int origin);
/* Write what is pending. Returns false when the request has failed by it. */
bool exchange_flush(struct request *q);

/* ---- fetch_auth.c ---- */
enum auth_state { AUTH_NONE, AUTH_HEADER, AUTH_BASIC, AUTH_WAIT };
/* What the exchange shall send. AUTH_HEADER: @ret_header (heap). AUTH_WAIT: the request is begun again when a token came. */
enum auth_state auth_prepare(struct request *q, char **ret_header);
/* A 401 came. Returns true when the exchange shall be repeated; else q->err is set. */
bool auth_challenged(struct request *q);
/* May credentials for @registry go to a token service at @realm? Pure. */
bool auth_realm_allowed(const struct fetch *f, const struct endpoint *e, const char *realm, struct error *err);
void endpoint_done(struct endpoint *e);
/* t->err is why no token came: those who wait for it fail. */
void auth_token_failed(struct request *t);

/* ---- fetch_url.c ---- */
/* @location as seen from @from. Refused: other schemes, https to http, user names, control characters, more than 8 KiB.
 * @ret_same: scheme, host and port are those of @from. Heap. */
int url_resolve(const char *from, const char *location, char **ret, bool *ret_same, struct error *err);
bool url_same_origin(const char *a, const char *b);
/* @url with "@key=@value" behind its query. Heap. */
char *url_add_query(const char *url, const char *key, const char *value);
/* The host of @url in lower case, heap; NULL: none. @ret_https (may be NULL). */
char *url_host(const char *url, bool *ret_https);
/* Take the address that a user typed apart: all heap. @ret_url is it without user, password and fragment, @ret_host its host and
 * port; @ret_user and @ret_password are NULL where it has none. Only http and https. */
int url_open(const char *typed, char **ret_url, char **ret_host, bool *ret_https, char **ret_user, char **ret_password,
	     struct error *err);

/* ---- fetch_body.c: a body that goes to out_fd, from where it was cut ---- */
/* The request goes for such a body: @begin comes to body_start, @check says of an answer's header (200 or 206) whether it is what
 * was asked. Set are position, out_fd and, when it is known, the size. */
void body_init(struct request *q, void (*begin)(struct request *q), bool (*check)(struct request *q));
/* Ask for what is missing of @url. */
void body_start(struct request *q, const char *url);
/* For @check. The answer is a range: is it the one that was asked for? */
bool body_check_range(struct request *q);
/* The answer is all of it: what we have is skipped. False: that was too often. */
bool body_replay(struct request *q);
/* Refused for the reason in q->err. Returns false. */
bool body_refuse(struct request *q);

/* ---- the kinds of requests: each fills the request from its message and sets begin ---- */
void pull_manifest(struct request *q);
void pull_blob(struct request *q);
void pull_head_blob(struct request *q);
void get_address(struct request *q);
void push_blob(struct request *q);
void push_manifest(struct request *q);
void list_tags(struct request *q);
void list_referrers(struct request *q);
void list_search(struct request *q);
void list_ping(struct request *q);
void list_delete(struct request *q);

/* ---- fetch_lock.c ---- */
/* Give up every right that fetching does not need. */
int fetch_lock_in(struct error *err);

#endif
