/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a repository to the places where it may be found: the [[registry]] with the longest matching prefix, its mirrors in
 * order, then the registry itself, each with its rewritten path, its login and its certificates. Source:
 * containers-registries.conf(5), docker's daemon.json.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "registry/config.h"
#include "registry/internal.h"
#include "safepath/safepath.h"

#define HUB "docker.io"
#define HUB_HOST "registry-1.docker.io"
#define PEM_BYTES_MAX (1u << 20)

/* ---- matching ---- */

/* Is @prefix a prefix of @name that ends at the end of a part? */
static bool has_prefix(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return str_starts(name, prefix) && (name[len] == '\0' || name[len] == '/');
}

/* "*.example.com" and "a.b.example.com/x": the length of the host, else 0. */
static size_t wildcard_len(const char *name, const char *prefix)
{
	size_t host = strcspn(name, "/");
	size_t tail = strlen(prefix) - 1;

	if (!str_starts(prefix, "*.") || host <= tail)
		return 0;
	return memcmp(name + host - tail, prefix + 1, tail) == 0 ? host : 0;
}

const struct config_registry *config_find(const struct registry_config *c, const char *name)
{
	const struct config_registry *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < c->registry_count; i++) {
		const struct config_registry *r = &c->registries[i];
		size_t len = strlen(r->prefix);
		bool hit = wildcard_len(name, r->prefix) > 0 || has_prefix(name, r->prefix);

		if (hit && len > best_len) {
			best = r;
			best_len = len;
		}
	}
	return best;
}

/* Is the address @host in the network @cidr ("10.0.0.0/8")? */
static bool in_network(const char *host, const char *cidr)
{
	autofree char *network = mem_strdup(cidr);
	char *slash = strchr(network, '/');
	unsigned char have[16], want[16];
	uint32_t bits;
	int family = strchr(host, ':') ? AF_INET6 : AF_INET;

	if (!slash)
		return false;
	*slash = '\0';
	if (str_to_u32(slash + 1, &bits) < 0 || bits > (family == AF_INET ? 32 : 128) ||
	    inet_pton(family, host, have) != 1 || inet_pton(family, network, want) != 1)
		return false;
	for (uint32_t i = 0; i < bits; i++)
		if ((have[i / 8] ^ want[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

/* @host without its port and brackets. */
static char *bare_host(const char *host)
{
	const char *close = *host == '[' ? strchr(host, ']') : NULL;
	const char *colon = strrchr(host, ':');

	if (close)
		return mem_strndup(host + 1, (size_t)(close - host - 1));
	return mem_strndup(host, colon ? (size_t)(colon - host) : strlen(host));
}

bool config_host_insecure(const struct registry_config *c, const char *host)
{
	autofree char *bare = bare_host(host);

	for (size_t i = 0; i < c->insecure_count; i++)
		if (str_eq(c->insecure[i], host) || in_network(bare, c->insecure[i]))
			return true;
	return false;
}

bool registry_is_loopback(const char *host)
{
	autofree char *bare = bare_host(host);

	return str_eq(bare, "localhost") || str_eq(bare, "::1") || in_network(bare, "127.0.0.0/8");
}

/* ---- certificates ---- */

/* The names in @folder; none where it is not there, or not for us. */
static int folder_names(const char *folder, struct strv *ret, struct error *err)
{
	struct error missing;
	autofd int fd = safepath_host_open(folder, O_RDONLY | O_DIRECTORY, 0, &missing);

	if (fd < 0 || safepath_list(fd, ret, err) == 0)
		return 0;
	return error_wrap(err, "'%s'", folder);
}

/* All PEM texts of @folder whose names end in @suffix; with @only: this name. */
static int read_pems(struct arena *a, const char *folder, const char *suffix, const char *only, const char **ret,
		     struct error *err)
{
	autobuf struct buf text = BUF_INIT(PEM_BYTES_MAX);
	autostrv struct strv names = {0};

	if (folder_names(folder, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count; i++) {
		autofree char *path = mem_printf("%s/%s", folder, names.items[i]);

		if (!str_ends(path, suffix) || (only && !str_eq(names.items[i], only)))
			continue;
		if (safepath_host_read(path, true, &text, err) < 0)
			return error_wrap(err, "a certificate");
		buf_putc(&text, '\n');
	}
	if (text.len)
		*ret = arena_strdup(a, buf_str(&text));
	return 0;
}

/* The name of the first client certificate, "client.cert": its key is "client.key". Returns 0 or <0; @ret NULL: none. */
static int client_name(const char *folder, char **ret, struct error *err)
{
	autostrv struct strv names = {0};

	if (folder_names(folder, &names, err) < 0)
		return -err->code;
	for (size_t i = 0; i < names.count && !*ret; i++) {
		if (str_ends(names.items[i], ".cert"))
			*ret = mem_strdup(names.items[i]);
	}
	return 0;
}

static int read_folder(struct arena *a, const char *folder, struct registry_endpoint *e, struct error *err)
{
	autofree char *cert = NULL;

	if (client_name(folder, &cert, err) < 0 || read_pems(a, folder, ".crt", NULL, &e->ca, err) < 0)
		return -err->code;
	if (!cert)
		return 0;
	autofree char *key = mem_printf("%.*s.key", (int)(strlen(cert) - strlen(".cert")), cert);

	if (read_pems(a, folder, ".cert", cert, &e->cert, err) < 0 ||
	    read_pems(a, folder, ".key", key, &e->key, err) < 0)
		return -err->code;
	if (!e->key) {
		error_set(err, ERROR_INVALID, ENOENT, "the client certificate %s/%s has no key", folder, cert);
		return error_hint(err, "put it beside, as %.100s", key);
	}
	return 0;
}

int registry_certs(struct arena *a, const char *folder, const char *host, struct registry_endpoint *e,
		   struct error *err)
{
	static const char *const shared[] = {"/etc/containers/certs.d", "/etc/docker/certs.d"};
	const char *home = registry_home();
	autofree char *users = home ? mem_printf("%s/.config/containers/certs.d/%s", home, host) : NULL;
	autofree char *dockers = home ? mem_printf("%s/.config/docker/certs.d/%s", home, host) : NULL;
	struct stat st;

	if (folder && (safepath_host_stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)))
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "--cert-dir: there is no folder '%s'", folder);
	if (folder)
		return read_folder(a, folder, e, err);
	if (users && safepath_host_stat(users, &st) == 0)
		return read_folder(a, users, e, err);
	if (dockers && safepath_host_stat(dockers, &st) == 0)
		return read_folder(a, dockers, e, err);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		autofree char *path = mem_printf("%s/%s", shared[i], host);

		if (safepath_host_stat(path, &st) == 0)
			return read_folder(a, path, e, err);
	}
	return 0;
}

/* ---- endpoints ---- */

/* @location + what is behind the prefix: "mirror.example/hub" + "/library/debian" → host and path. */
static void split_location(struct arena *a, const char *location, const char *rest, struct registry_endpoint *e)
{
	char *whole = arena_printf(a, "%s%s", location, rest);
	char *slash = strchr(whole, '/');

	if (slash) {
		*slash = '\0';
		e->path = slash[1] ? slash + 1 : NULL;
	}
	e->host = whole;
}

static int finish(struct arena *a, const struct registry_config *c, const struct registry_options *o,
		  struct registry_endpoint *e, struct error *err)
{
	const char *named = e->host;

	if (str_eq(e->host, HUB))
		e->host = HUB_HOST;
	e->insecure = e->insecure || o->no_verify || registry_is_loopback(e->host) || config_host_insecure(c, e->host);
	if (registry_certs(a, e->mirror ? NULL : o->cert_dir, named, e, err) < 0)
		return -err->code;
	if (!o->creds)
		return registry_login_find(a, o->authfile, named, e->path, &e->login, err);
	if (e->mirror)
		return 0; /* what was typed is for the registry that was typed */
	const char *colon = strchr(o->creds, ':');

	if (!colon)
		return error_set(err, ERROR_INVALID, EINVAL, "credentials are USER:PASSWORD");
	e->login.username = arena_strndup(a, o->creds, (size_t)(colon - o->creds));
	e->login.password = arena_strdup(a, colon + 1);
	return 0;
}

static int add_mirrors(struct arena *a, const struct registry_config *c, const struct registry_options *o,
		       const struct config_mirror *mirrors, size_t mirror_count, const char *rest,
		       struct registry_endpoint *ret, size_t *count, struct error *err)
{
	for (size_t i = 0; i < mirror_count && *count < REGISTRY_ENDPOINTS_MAX - 1; i++) {
		struct registry_endpoint *e = &ret[*count];

		*e = (struct registry_endpoint){.mirror = true,
						.insecure = mirrors[i].insecure,
						.tags = mirrors[i].tags,
						.digests = mirrors[i].digests};
		split_location(a, mirrors[i].location, rest, e);
		if (finish(a, c, o, e, err) < 0)
			return error_wrap(err, "the mirror %s", mirrors[i].location);
		++*count;
	}
	return 0;
}

int registry_endpoints(struct arena *a, const struct registry_config *c, const struct registry_options *o,
		       struct registry_endpoint *ret, size_t *ret_count, struct error *err)
{
	const char *name = o->path ? arena_printf(a, "%s/%s", o->domain, o->path) : arena_strdup(a, o->domain);
	const struct config_registry *r = config_find(c, name);
	bool mirrors = !(o->access & (REGISTRY_PUSH | REGISTRY_DELETE)) && o->path;
	struct registry_endpoint *e;
	const char *location = name, *rest = "";
	size_t count = 0;

	if (r && r->blocked) {
		error_set(err, ERROR_DENIED, EPERM, "the registry of '%s' is blocked", name);
		return error_hint(err, "registries.conf blocks the prefix %.150s", r->prefix);
	}
	if (r) {
		size_t len = wildcard_len(name, r->prefix);

		rest = name + (len ? len : strlen(r->prefix));
		if (mirrors && add_mirrors(a, c, o, r->mirrors, r->mirror_count, rest, ret, &count, err) < 0)
			return -err->code;
		if (r->location)
			location = r->location;
		else
			rest = "";
	}
	if (mirrors && str_eq(o->domain, HUB)) {
		const char *path = arena_printf(a, "/%s", o->path);

		if (add_mirrors(a, c, o, c->hub_mirrors, c->hub_mirror_count, path, ret, &count, err) < 0)
			return -err->code;
	}
	e = &ret[count++];
	*e = (struct registry_endpoint){.tags = true, .digests = true, .insecure = r && r->insecure};
	split_location(a, location, rest, e);
	if (finish(a, c, o, e, err) < 0)
		return -err->code;
	*ret_count = count;
	return 0;
}
