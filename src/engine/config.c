/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file, bothy.toml. A plain user's own is taken in place of the machine's, never both: who reads one sees all
 * that holds. A key that is not known is an error, because a typo in a limit must not become no limit.
 */
#include "engine/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/toml.h"
#include "engine/engine.h"
#include "safepath/safepath.h"

#define FILE_BYTES_MAX 65536
#define MACHINE_FILE "/etc/bothy/bothy.toml"

/* ---- the file ---- */

/* The file that counts, whether or not it is there. @ret_named: somebody said that it is. */
static char *file_name(bool *ret_named)
{
	const char *named = getenv("BOTHY_CONFIG"), *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	autofree char *own = NULL;
	struct stat st;

	*ret_named = named && *named;
	if (*ret_named)
		return mem_strdup(named);
	/* Root's is the machine's: its environment may be that of who called sudo. */
	if (geteuid() != 0 && folder && *folder == '/')
		own = mem_printf("%s/bothy/bothy.toml", folder);
	else if (geteuid() != 0 && home && *home == '/')
		own = mem_printf("%s/.config/bothy/bothy.toml", home);
	return own && safepath_host_stat(own, &st) == 0 ? take_ptr(&own) : mem_strdup(MACHINE_FILE);
}

/* ---- the keys ---- */

static int read_count(const struct json *j, void *field)
{
	uint64_t n;

	if (json_u64(j, &n) < 0 || n > 1000000)
		return -EINVAL;
	*(uint64_t *)field = n;
	return 0;
}

static int read_size(const struct json *j, void *field)
{
	const char *text = json_str(j);
	int64_t bytes;

	if (!text || str_to_size(text, false, &bytes) < 0 || bytes <= 0)
		return -EINVAL;
	*(uint64_t *)field = (uint64_t)bytes;
	return 0;
}

static int read_duration(const struct json *j, void *field)
{
	const char *text = json_str(j);
	int64_t ns;

	if (!text || str_to_duration(text, &ns) < 0 || ns <= 0)
		return -EINVAL;
	*(int64_t *)field = ns;
	return 0;
}

static const struct key {
	const char *table, *name;
	int (*read)(const struct json *j, void *field);
	size_t offset;
	const char *expected;
} keys[] = {
	{"gc", "max", read_size, offsetof(struct engine_config, gc_max_bytes), "a size like \"20g\""},
	{"gc", "keep", read_count, offsetof(struct engine_config, gc_keep), "a number of images"},
	{"gc", "unused", read_duration, offsetof(struct engine_config, gc_unused_ns), "a duration like \"720h\""},
};

struct reading {
	struct engine_config *config;
	const char *file, *table;
	struct error *err;
};

static int unknown(const struct reading *r, const char *key)
{
	autobuf struct buf known = BUF_INIT(4096);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		buf_printf(&known, "%s%s.%s", i ? ", " : "", keys[i].table, keys[i].name);
	error_set(r->err, ERROR_INVALID, EINVAL, "%s: '%s%s%.60s' is no key", r->file, r->table ? r->table : "",
		  r->table ? "." : "", key);
	return error_hint(r->err, "there are: %s", buf_str(&known));
}

static int read_key(const char *name, struct json *value, void *arg)
{
	const struct reading *r = arg;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(keys[i].table, r->table) || !str_eq(keys[i].name, name))
			continue;
		if (keys[i].read(value, (char *)r->config + keys[i].offset) == 0)
			return 0;
		return error_set(r->err, ERROR_INVALID, EINVAL, "%s: %s.%s: expected %s", r->file, r->table, name,
				 keys[i].expected);
	}
	return unknown(r, name);
}

static int read_table(const char *name, struct json *value, void *arg)
{
	struct reading *r = arg;
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		known = known || str_eq(keys[i].table, name);
	r->table = NULL;
	if (!known || json_type(value) != JSON_OBJECT)
		return unknown(r, name);
	r->table = name;
	return json_each(value, read_key, r);
}

int engine_config_parse(const char *text, size_t len, const char *file, struct engine_config *ret, struct error *err)
{
	struct engine_config config = {0};
	struct reading reading = {.config = &config, .file = file, .err = err};
	autojson struct json *j = NULL;

	if (toml_parse(text, len, file, &j, err) < 0 || json_each(j, read_table, &reading) < 0)
		return -err->code;
	*ret = config;
	return 0;
}

int engine_config_check(struct error *err)
{
	struct engine_config config;

	return engine_config_load(&config, err);
}

int engine_config_load(struct engine_config *ret, struct error *err)
{
	autobuf struct buf text = BUF_INIT(FILE_BYTES_MAX);
	bool named;
	autofree char *file = file_name(&named);

	if (safepath_host_read(file, true, &text, err) < 0) {
		if (err->code != ENOENT || named)
			return error_wrap(err, "the configuration");
		*ret = (struct engine_config){0};
		return 0;
	}
	return engine_config_parse(buf_str(&text), text.len, file, ret, err);
}
