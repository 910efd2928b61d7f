/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/config.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "registry/internal.h"
#include "test.h"

static int add(struct registry_config *c, const char *text)
{
	struct error err = {0};

	return config_take_registries(c, text, strlen(text), "x.conf", &err);
}

static struct registry_config *make(const char *text)
{
	struct registry_config *c = mem_zalloc(1, sizeof(*c));

	CHECK_INT(add(c, text), 0);
	return c;
}

/* The endpoints of @name as "host/path host/path!" (! insecure). */
static char *places(const struct registry_config *c, const char *name, unsigned access)
{
	struct arena a = {0};
	struct registry_endpoint list[REGISTRY_ENDPOINTS_MAX];
	struct registry_options o = {.access = access,
				     .authfile = "/proc/self/timers" /* empty */,
				     .cert_dir = "/proc/self/fdinfo" /* without certificates */};
	struct image_reference r;
	struct error err = {0};
	struct buf out = BUF_INIT(4096);
	size_t count = 0;

	CHECK_INT(image_reference_parse(&a, name, &r, &err), 0);
	o.domain = r.domain;
	o.path = r.path;
	if (registry_endpoints(&a, c, &o, list, &count, &err) < 0)
		buf_puts(&out, error_kind_name(err.kind));
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s%s/%s%s", i ? " " : "", list[i].host, list[i].path, list[i].insecure ? "!" : "");
	arena_done(&a);
	return buf_take(&out);
}

static const char example[] = "unqualified-search-registries = [\"docker.io\", \"quay.io\"]\n"
			      "[[registry]]\n"
			      "prefix = \"docker.io\"\n"
			      "location = \"hub.example/proxy\"\n"
			      "[[registry.mirror]]\n"
			      "location = \"mirror.example:5000/hub/\"\n"
			      "insecure = true\n"
			      "[[registry.mirror]]\n"
			      "location = \"second.example\"\n"
			      "pull-from-mirror = \"digest-only\"\n"
			      "[[registry]]\n"
			      "location = \"bad.example\"\n"
			      "blocked = true\n"
			      "[[registry]]\n"
			      "prefix = \"bad.example/good\"\n"
			      "location = \"bad.example/good\"\n"
			      "[[registry]]\n"
			      "prefix = \"*.corp.example\"\n"
			      "location = \"inner.example:8443\"\n"
			      "insecure = true\n"
			      "[aliases]\n"
			      "debian = \"docker.io/library/debian\"\n"
			      "\"team/app\" = \"quay.io/team/app\"\n";

TEST(endpoints)
{
	static const struct {
		const char *name;
		unsigned access;
		const char *want;
	} rows[] = {
		{"docker.io/library/debian", REGISTRY_PULL,
		 "mirror.example:5000/hub/library/debian! second.example/library/debian hub.example/proxy/library/debian"},
		{"docker.io/library/debian", REGISTRY_PULL | REGISTRY_PUSH, "hub.example/proxy/library/debian"},
		{"bad.example/x", REGISTRY_PULL, "permission denied"},
		{"bad.example/good/x", REGISTRY_PULL, "bad.example/good/x"},
		{"bad.example/goods", REGISTRY_PULL, "permission denied"},
		{"bad.example.org/x", REGISTRY_PULL, "bad.example.org/x"},
		{"a.corp.example/x/y", REGISTRY_PULL, "inner.example:8443/x/y!"},
		{"corp.example/x", REGISTRY_PULL, "corp.example/x"},
		{"localhost:5000/x", REGISTRY_PULL, "localhost:5000/x!"},
		{"127.0.0.9:1/x", REGISTRY_PULL, "127.0.0.9:1/x!"},
		{"other.example/x", REGISTRY_PULL, "other.example/x"},
	};
	autoregistryconfig struct registry_config *c = make(example);
	struct registry_config none = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *got = places(c, rows[i].name, rows[i].access);

		ROW(rows[i].name);
		if (str_starts(rows[i].want, "permission"))
			CHECK_STR(got, error_kind_name(ERROR_DENIED));
		else
			CHECK_STR(got, rows[i].want);
	}
	autofree char *plain = places(&none, "debian", REGISTRY_PULL);

	CHECK_STR(plain, "registry-1.docker.io/library/debian");
}

/* The candidates as full names with blanks between. */
static char *candidates(const struct registry_config *c, const char *text)
{
	struct arena a = {0};
	struct image_reference *list;
	struct error err = {0};
	struct buf out = BUF_INIT(4096);
	size_t count = 0;

	if (registry_config_candidates(c, &a, text, &list, &count, &err) < 0)
		buf_puts(&out, error_kind_name(err.kind));
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s%s", i ? " " : "", image_reference_full(&a, &list[i]));
	arena_done(&a);
	return buf_take(&out);
}

TEST(short_names)
{
	static const struct {
		const char *typed, *want;
	} rows[] = {
		{"debian:12", "docker.io/library/debian:12"},
		{"team/app", "quay.io/team/app"},
		{"team/app:1", "quay.io/team/app:1"},
		{"nginx", "docker.io/library/nginx quay.io/nginx"},
		{"docker.io/nginx", "docker.io/library/nginx"},
		{"example.org/nginx", "example.org/nginx"},
		{"localhost/nginx", "localhost/nginx"},
	};
	autoregistryconfig struct registry_config *c = make(example);
	struct registry_config none = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *got = candidates(c, rows[i].typed);

		ROW(rows[i].typed);
		CHECK_STR(got, rows[i].want);
	}
	autofree char *docker = candidates(&none, "nginx");

	CHECK_STR(docker, "docker.io/library/nginx");
	CHECK_INT(add(c, "short-name-mode = \"enforcing\""), 0);
	autofree char *ambiguous = candidates(c, "nginx");
	autofree char *alias = candidates(c, "debian");

	CHECK_STR(ambiguous, error_kind_name(ERROR_CONFLICT));
	CHECK_STR(alias, "docker.io/library/debian");
}

TEST(drop_ins_come_on_top)
{
	autoregistryconfig struct registry_config *c = make(example);

	CHECK_INT(
		add(c,
		    "unqualified-search-registries = [\"one.example\"]\n[[registry]]\nlocation = \"bad.example\"\n[aliases]\nx = \"one.example/x\"\n"),
		0);
	CHECK_INT(c->search_count, 1);
	CHECK_INT(c->registry_count, 4);
	CHECK_INT(c->alias_count, 3);
	CHECK(!config_find(c, "bad.example/x")->blocked);
}

TEST(registries_refused)
{
	static const char *const rows[] = {
		"[registries.search]\nregistries = ['x']",
		"unqualified-search-registries = \"x\"",
		"unqualified-search-registries = [\"https://x\"]",
		"short-name-mode = \"maybe\"",
		"registry = 1",
		"[[registry]]\nblocked = true",
		"[[registry]]\nlocation = 1",
		"[[registry]]\nlocation = \"x\"\ninsecure = \"yes\"",
		"[[registry]]\nprefix = \"a*.x\"",
		"[[registry]]\nprefix = \"*.x/y\"",
		"[[registry]]\nlocation = \"x\"\n[[registry.mirror]]\ninsecure = true",
		"[[registry]]\nlocation = \"x\"\nmirror = [1]",
		"[[registry]]\nlocation = \"x\"\n[[registry.mirror]]\nlocation = \"y\"\npull-from-mirror = \"never\"",
		"[aliases]\nx = 1",
		"registry = [1]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autoregistryconfig struct registry_config *c = mem_zalloc(1, sizeof(*c));

		ROW(rows[i]);
		CHECK(add(c, rows[i]) < 0);
	}
}

TEST(daemon_json)
{
	static const char text[] =
		"{\"registry-mirrors\": [\"https://mirror.example/hub/\", \"http://127.0.0.1:5000\"],"
		"\"insecure-registries\": [\"old.example:5000\", \"10.1.0.0/16\", \"fd00::/8\"], \"debug\": true}";
	autoregistryconfig struct registry_config *c = mem_zalloc(1, sizeof(*c));
	struct error err = {0};

	CHECK_INT(config_take_daemon(c, text, strlen(text), "daemon.json", &err), 0);
	autofree char *hub = places(c, "debian", REGISTRY_PULL);
	autofree char *other = places(c, "old.example:5000/x", REGISTRY_PULL);

	CHECK_STR(
		hub,
		"mirror.example/hub/library/debian 127.0.0.1:5000/library/debian! registry-1.docker.io/library/debian");
	CHECK_STR(other, "old.example:5000/x!");
	CHECK(config_host_insecure(c, "10.1.2.3:80"));
	CHECK(config_host_insecure(c, "[fd00::1]:80"));
	CHECK(!config_host_insecure(c, "10.2.2.3"));
	CHECK(!config_host_insecure(c, "old.example"));
	CHECK(config_take_daemon(c, "{\"registry-mirrors\": [1]}", 25, "daemon.json", &err) < 0);
}

TEST(loopback)
{
	CHECK(registry_is_loopback("localhost:5000"));
	CHECK(registry_is_loopback("127.8.0.1"));
	CHECK(registry_is_loopback("[::1]:5000"));
	CHECK(!registry_is_loopback("localhost.example"));
	CHECK(!registry_is_loopback("128.0.0.1"));
}
