/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are. A registry that wants to know answers 401 with a challenge: Basic (user and password to the registry itself),
 * or Bearer (a token, from a service that the challenge names). Nothing is ever sent before it was asked for.
 *
 * Where credentials go (V32):
 *	- to the registry's own scheme, host and port, and to its token service; to nobody else, whatever redirects say
 *	- the token service must be https (http only for a registry that is configured as insecure and is spoken to by http)
 *	- its host must be the registry's, or belong to the same owner: the same registrable domain by the public suffix list
 *	  (registry-1.docker.io and auth.docker.io do, a.github.io and b.github.io do not), or be named in BOTHY_TOKEN_REALMS
 *	- a token goes back to the registry's own host only; its scope is ours, not the challenge's, where we have one
 * Without credentials a foreign service may be asked for an anonymous token: there is nothing to lose.
 */
#include "registry/fetch.h"

#include <ctype.h>
#include <libpsl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#define TOKEN_LIFE_DEFAULT_S 60
#define TOKEN_LIFE_MAX_S 86400
#define TOKEN_TEXT_MAX 32768

static bool has_login(const struct endpoint *e)
{
	return e->identity || (e->user && e->password);
}

/* ---- the rule ---- */

static bool is_address(const char *host)
{
	return *host == '[' || strspn(host, "0123456789.") == strlen(host);
}

/* The part of @host that one owner has ("docker.io"), or NULL. */
static const char *registrable(const char *host)
{
	const psl_ctx_t *psl = psl_builtin();

	return is_address(host) || !psl ? NULL : psl_registrable_domain(psl, host);
}

bool auth_realm_allowed(const struct fetch *f, const struct endpoint *e, const char *realm, struct error *err)
{
	autofree char *base = mem_printf("https://%s/", e->host);
	autofree char *ours = url_host(base, NULL);
	bool https = false;
	autofree char *theirs = url_host(realm, &https);
	const char *a, *b;

	if (!ours || !theirs || str_has_control(realm)) {
		error_set(err, ERROR_INVALID, EPROTO, "%s names a token service that is no address: '%.200s'", e->host,
			  realm);
		return false;
	}
	if (!https && !(e->insecure && e->plain && strncasecmp(realm, "http://", 7) == 0)) {
		error_set(err, ERROR_DENIED, EPROTO, "%s names the token service '%.200s', which is not https", e->host,
			  realm);
		return false;
	}
	if (str_eq(ours, theirs) || !has_login(e))
		return true;
	for (size_t i = 0; i < f->realm_count; i++) {
		if (str_eq(f->realms[i], theirs))
			return true;
	}
	a = registrable(ours);
	b = registrable(theirs);
	if (a && b && str_eq(a, b))
		return true;
	error_set(err, ERROR_DENIED, EPERM, "%s wants the login to be sent to '%.100s', which is another's", e->host,
		  theirs);
	error_hint(err, "when you trust it: BOTHY_TOKEN_REALMS=%.100s", theirs);
	return false;
}

/* ---- tokens ---- */

void endpoint_done(struct endpoint *e)
{
	for (size_t i = 0; i < e->token_count; i++) {
		free(e->tokens[i].scope);
		free(e->tokens[i].value);
	}
	free(e->realm);
	free(e->service);
}

static char *scope_of(const struct request *q)
{
	const struct endpoint *e = request_endpoint(q);
	const char *what = q->f->access & REGISTRY_PUSH ? "pull,push" : "pull";

	if (q->scope)
		return mem_strdup(q->scope);
	if (!e->path)
		return mem_strdup("");
	if (q->f->access & REGISTRY_DELETE)
		what = q->f->access & REGISTRY_PUSH ? "pull,push,delete" : "pull,delete";
	if (q->mount)
		return mem_printf("repository:%s:%s\nrepository:%s:pull", e->path, what, q->mount);
	return mem_printf("repository:%s:%s", e->path, what);
}

static void drop_token(struct endpoint *e, size_t i)
{
	free(e->tokens[i].scope);
	free(e->tokens[i].value);
	e->tokens[i] = e->tokens[--e->token_count];
}

static const char *find_token(struct endpoint *e, const char *scope)
{
	int64_t now = clock_monotonic_ns();

	for (size_t i = 0; i < e->token_count; i++) {
		if (!str_eq(e->tokens[i].scope, scope))
			continue;
		if (e->tokens[i].expires_ns > now)
			return e->tokens[i].value;
		drop_token(e, i);
		return NULL;
	}
	return NULL;
}

static void forget_token(struct endpoint *e, const char *scope)
{
	for (size_t i = 0; i < e->token_count; i++) {
		if (str_eq(e->tokens[i].scope, scope)) {
			drop_token(e, i);
			return;
		}
	}
}

/* What a header can carry: visible ASCII. */
static bool is_token_text(const char *s)
{
	size_t len = s ? strlen(s) : 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	}
	return len > 0 && len <= TOKEN_TEXT_MAX;
}

/* Requests that wait for this scope go on, or fail with @err. */
static void wake(struct fetch *f, struct endpoint *e, const char *scope, const struct error *err)
{
	for (size_t i = 0; i < f->request_count; i++) {
		struct request *q = f->requests[i];
		autofree char *theirs = NULL;

		if (q->over || q->waits != e)
			continue;
		theirs = scope_of(q);
		if (!str_eq(theirs, scope))
			continue;
		q->waits = NULL;
		if (err) {
			q->err = *err;
			if (!q->denied || !q->denied(q))
				request_failed(q);
		} else {
			exchange_repeat(q);
		}
	}
}

void auth_token_failed(struct request *t)
{
	struct error err = t->err;

	t->over = true;
	wake(t->f, t->token.endpoint, t->scope, &err);
}

static void token_next(struct request *t)
{
	struct endpoint *e = t->token.endpoint;
	const struct answer *a = &t->x.answer;
	autojson struct json *j = NULL;
	const char *text;
	int64_t life = TOKEN_LIFE_DEFAULT_S;

	if (a->status != 200) {
		if (a->status == 401 || a->status == 403 || a->status == 400) {
			error_set(&t->err, ERROR_DENIED, EACCES, "the token service of %s %s", t->f->name,
				  has_login(e) ? "refuses the login" : "wants a login");
			error_hint(&t->err, "bothy login %.100s", t->f->name);
		} else {
			exchange_error(t, "the token service");
		}
		auth_token_failed(t);
		return;
	}
	if (json_parse(buf_str(&a->body), a->body.len, "token", &j, &t->err) < 0) {
		error_wrap(&t->err, "the token service of %s", t->f->name);
		auth_token_failed(t);
		return;
	}
	text = json_str(json_get(j, "token"));
	if (!text || !*text)
		text = json_str(json_get(j, "access_token"));
	if (!is_token_text(text)) {
		error_set(&t->err, ERROR_INVALID, EPROTO, "the token service of %s gave no token", t->f->name);
		auth_token_failed(t);
		return;
	}
	if (json_i64(json_get(j, "expires_in"), &life) < 0 || life < TOKEN_LIFE_DEFAULT_S)
		life = TOKEN_LIFE_DEFAULT_S; /* "for compatibility with older clients", says its specification */
	if (life > TOKEN_LIFE_MAX_S)
		life = TOKEN_LIFE_MAX_S;
	forget_token(e, t->scope);
	if (e->token_count == FETCH_TOKENS_MAX)
		drop_token(e, 0);
	/* Ten seconds early: a request should not reach the registry with a token that has just died. */
	e->tokens[e->token_count++] = (struct token){
		.scope = mem_strdup(t->scope),
		.value = mem_strdup(text),
		.expires_ns = clock_monotonic_ns() + (life - 10) * NS_PER_S,
	};
	t->over = true;
	wake(t->f, e, t->scope, NULL);
}

static void add_field(struct buf *b, CURL *easy, const char *key, const char *value)
{
	char *escaped = curl_easy_escape(easy, value, 0);

	buf_printf(b, "%s%s=%s", b->len && b->data[b->len - 1] != '?' ? "&" : "", key, escaped ? escaped : "");
	curl_free(escaped);
}

static void add_scopes(struct buf *b, CURL *easy, const char *scope, bool joined)
{
	autostrv struct strv scopes = {0};

	strv_split(&scopes, scope, '\n');
	if (joined && scopes.count == 2) {
		autofree char *both = mem_printf("%s %s", scopes.items[0], scopes.items[1]);

		add_field(b, easy, "scope", both);
		return;
	}
	for (size_t i = 0; i < scopes.count; i++)
		if (*scopes.items[i])
			add_field(b, easy, "scope", scopes.items[i]);
}

static void token_begin(struct request *t)
{
	struct endpoint *e = t->token.endpoint;
	autobuf struct buf query = BUF_INIT(65536);
	struct ask ask = {.method = "GET", .body_max = FETCH_TOKEN_BYTES_MAX, .no_auth = true};
	CURL *easy = curl_easy_init();

	if (!easy)
		mem_out();
	if (e->identity) {
		add_field(&query, easy, "grant_type", "refresh_token");
		add_field(&query, easy, "service", e->service ? e->service : "");
		add_field(&query, easy, "client_id", "bothy");
		add_scopes(&query, easy, t->scope, true);
		add_field(&query, easy, "refresh_token", e->identity);
		ask.method = "POST";
		ask.url = e->realm;
		ask.content_type = "application/x-www-form-urlencoded";
		free(t->token.form);
		t->token.form = buf_take(&query);
		ask.text = t->token.form;
		ask.text_len = strlen(t->token.form);
		exchange_start(t, &ask);
	} else {
		buf_printf(&query, "%s%s", e->realm, strchr(e->realm, '?') ? "&" : "?");
		if (e->user)
			add_field(&query, easy, "account", e->user);
		if (e->service)
			add_field(&query, easy, "service", e->service);
		add_scopes(&query, easy, t->scope, false);
		ask.url = buf_str(&query);
		ask.basic = e->user && e->password;
		exchange_start(t, &ask);
	}
	curl_easy_cleanup(easy);
}

static bool is_asking(const struct fetch *f, const struct endpoint *e, const char *scope)
{
	for (size_t i = 0; i < f->request_count; i++) {
		const struct request *t = f->requests[i];

		if (!t->over && t->token.endpoint == e && str_eq(t->scope, scope))
			return true;
	}
	return false;
}

enum auth_state auth_prepare(struct request *q, char **ret_header)
{
	struct endpoint *e = request_endpoint(q);
	autofree char *scope = NULL;
	const char *token;
	struct request *t;

	if (q->x.ask.basic)
		return AUTH_BASIC;
	if (q->x.ask.no_auth || q->x.foreign || e->auth == CHALLENGE_OTHER)
		return AUTH_NONE;
	if (e->auth == CHALLENGE_BASIC)
		return AUTH_BASIC;
	scope = scope_of(q);
	token = find_token(e, scope);
	if (token) {
		*ret_header = mem_printf("Authorization: Bearer %s", token);
		return AUTH_HEADER;
	}
	q->waits = e;
	if (!is_asking(q->f, e, scope)) {
		t = request_new(q->f);
		t->token.endpoint = e;
		t->scope = mem_strdup(scope);
		t->begin = token_begin;
		t->next = token_next;
		t->endpoint = q->endpoint;
		request_begin(t);
	}
	return AUTH_WAIT;
}

/* The scope of a challenge counts where we have none, and only of the kind that lists need. */
static void take_scope(struct request *q, const struct challenge *c)
{
	if (!request_endpoint(q)->path && !q->scope && c->scope && str_starts(c->scope, "registry:catalog:") &&
	    strlen(c->scope) < 100)
		q->scope = mem_strdup(c->scope);
}

static bool take_bearer(struct request *q, const struct challenge *c)
{
	struct endpoint *e = request_endpoint(q);
	autofree char *scope = NULL;

	if (!c->realm) {
		error_set(&q->err, ERROR_INVALID, EPROTO, "%s asks for a token and does not say of whom", e->host);
		return false;
	}
	if (!auth_realm_allowed(q->f, e, c->realm, &q->err))
		return false;
	scope = scope_of(q);
	if (e->auth == CHALLENGE_BEARER)
		forget_token(e, scope); /* it was refused */
	take_scope(q, c);
	free(e->realm);
	free(e->service);
	e->realm = mem_strdup(c->realm);
	e->service = mem_strdup(c->service);
	e->auth = CHALLENGE_BEARER;
	return true;
}

static bool denied(struct request *q)
{
	struct endpoint *e = request_endpoint(q);

	exchange_error(q, NULL);
	q->err.kind = ERROR_DENIED;
	if (q->x.used_auth && e->auth == CHALLENGE_BEARER && e->realm) {
		autofree char *service = url_host(e->realm, NULL);

		error_wrap(&q->err, "the token of %.100s was not accepted", service ? service : "?");
	}
	if (q->url && q->x.foreign)
		error_hint(&q->err, "it is where %.100s sends us, and gets no login of that one", e->host);
	else if (q->url)
		error_hint(&q->err, "write a login into the address: https://USER:PASSWORD@%.100s/…", e->host);
	else if (has_login(e))
		error_hint(&q->err, "the login for %.100s is wrong or not enough: bothy login %.100s", q->f->name,
			   q->f->name);
	else
		error_hint(&q->err, "it may not exist, or want a login: bothy login %.100s", q->f->name);
	return false;
}

bool auth_challenged(struct request *q)
{
	autoclean(arena_done) struct arena a = {0};
	struct endpoint *e = request_endpoint(q);
	const struct answer *answer = &q->x.answer;
	const struct challenge *basic = NULL, *bearer = NULL;

	if (q->x.ask.no_auth || q->x.foreign || ++q->x.auth_rounds > FETCH_AUTH_ROUNDS_MAX)
		return denied(q);
	for (size_t i = 0; i < answer->challenge_count; i++) {
		struct challenge *list = arena_alloc(&a, HEADER_CHALLENGES_MAX, sizeof(*list));
		size_t count = 0;

		if (header_challenges(&a, answer->challenges[i], list, &count) < 0)
			continue;
		for (size_t k = 0; k < count; k++) {
			if (list[k].scheme == CHALLENGE_BEARER && !bearer)
				bearer = &list[k];
			if (list[k].scheme == CHALLENGE_BASIC && !basic)
				basic = &list[k];
		}
	}
	if (bearer && !q->url)
		return take_bearer(q, bearer);
	if (basic && e->user && e->password && !(q->x.used_auth && e->auth == CHALLENGE_BASIC)) {
		e->auth = CHALLENGE_BASIC;
		return true;
	}
	return denied(q);
}
