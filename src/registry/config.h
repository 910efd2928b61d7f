/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_CONFIG_H
#define REGISTRY_CONFIG_H

/* The configuration as a struct, for the files of registry/ and their tests. */

#include "base/arena.h"
#include "registry/registry.h"

struct config_mirror {
	const char *location; /* host[:port][/path] */
	bool insecure;
	bool tags, digests; /* what it may be asked for */
};

struct config_registry {
	const char *prefix;   /* host[:port][/path], or *.domain */
	const char *location; /* what stands in place of the prefix; NULL: the prefix itself */
	bool insecure, blocked;
	struct config_mirror *mirrors;
	size_t mirror_count;
};

struct config_alias {
	const char *name, *target;
};

struct registry_config {
	struct arena arena;
	struct config_registry *registries;
	size_t registry_count;
	const char **search; /* unqualified-search-registries */
	size_t search_count;
	bool enforcing; /* short-name-mode */
	struct config_alias *aliases;
	size_t alias_count;
	struct config_mirror *hub_mirrors; /* daemon.json: of docker.io */
	size_t hub_mirror_count;
	const char **insecure; /* daemon.json: hosts and networks */
	size_t insecure_count;
};

/* Add what the @len bytes of @text say. @name: of the file, for messages. Returns 0 or <0 INVALID. Pure. */
int config_take_registries(struct registry_config *c, const char *text, size_t len, const char *name,
			   struct error *err);
int config_take_daemon(struct registry_config *c, const char *text, size_t len, const char *name, struct error *err);

/* The [[registry]] that @name ("host/path") belongs to: the longest prefix; NULL: none. Pure. */
const struct config_registry *config_find(const struct registry_config *c, const char *name);
/* Does daemon.json call @host (with port) insecure, by name or by network? Pure. */
bool config_host_insecure(const struct registry_config *c, const char *host);

#endif
