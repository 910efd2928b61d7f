/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image configuration (image-spec config.md, with the members Docker adds). It comes from a stranger and steers how
 * a container starts, so what could add lines to files or leave the root directory is refused here: control characters
 * in Env, User and WorkingDir (V15, V18), ".." in Volumes (V16), digests that are none (V31).
 */
#include <errno.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/image.h"

/* ---- keys of an object as a list ---------------------------------------------------------------------------------- */

struct keys_arg {
	struct reader *r;
	const struct field *field;
	struct spec_strs *to;
};

static int read_key(const char *key, struct json *value, void *p)
{
	const struct keys_arg *arg = p;
	struct field_step step = {.up = arg->r->where, .name = key, .quoted = true};
	int rc = 0;

	arg->r->where = &step;
	if (value && json_type(value) != JSON_OBJECT)
		rc = field_fault(arg->r, "expected an object, got %s", json_type_name(json_type(value)));
	else if (!field_text_ok(arg->field->key, key))
		rc = field_fault(arg->r, "the key is not %s",
				 arg->field->key == TEXT_VOLUME ? "a path without \"..\" and control characters"
								: "free of control characters");
	else
		spec_strs_push(arg->r->arena, arg->to, key);
	arg->r->where = step.up;
	return rc;
}

/* {"80/tcp": {}}: Go's way to write a set. */
static int read_set(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	struct keys_arg arg = {.r = r, .field = f, .to = (struct spec_strs *)(void *)((char *)object + f->offset)};

	if (json_type(j) != JSON_OBJECT)
		return field_fault(r, "expected an object, got %s", json_type_name(json_type(j)));
	return json_each(j, read_key, &arg);
}

#define SET_ROW(word, member, rule)                                                                                    \
	{                                                                                                              \
		.name = (word), .kind = FIELD_CUSTOM, AT(struct image_config, member), .key = (rule), .read = read_set \
	}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

#define NANOSECONDS(word, member) INT_ROW(word, struct image_health, member, 0, INT64_MAX)
static const struct field health_rows[] = {
	TEXTS_ROW("Test", struct image_health, test, TEXT_ANY),
	NANOSECONDS("Interval", interval_ns),
	NANOSECONDS("Timeout", timeout_ns),
	NANOSECONDS("StartPeriod", start_period_ns),
	NANOSECONDS("StartInterval", start_interval_ns),
	INT_ROW("Retries", struct image_health, retries, 0, INT32_MAX),
};
static const struct field_table health_table = FIELD_TABLE(health_rows, struct image_health);

static const struct field run_rows[] = {
	TEXT_ROW("User", struct image_config, user, TEXT_PLAIN),
	SET_ROW("ExposedPorts", exposed_ports, TEXT_PLAIN),
	TEXTS_ROW("Env", struct image_config, env, TEXT_IMAGE_ENV),
	TEXTS_ROW("Entrypoint", struct image_config, entrypoint, TEXT_ANY),
	TEXTS_ROW("Cmd", struct image_config, cmd, TEXT_ANY),
	SET_ROW("Volumes", volumes, TEXT_VOLUME),
	TEXT_ROW("WorkingDir", struct image_config, working_dir, TEXT_PLAIN),
	{.name = "Labels", .kind = FIELD_MAP, AT(struct image_config, labels), .key = TEXT_ANY, .text = TEXT_ANY},
	TEXT_ROW("StopSignal", struct image_config, stop_signal, TEXT_PLAIN),
	BOOL_ROW("ArgsEscaped", struct image_config, args_escaped),
	{.name = "Healthcheck",
	 .kind = FIELD_OBJECT,
	 AT(struct image_config, health),
	 SET_AT(struct image_config, health.set),
	 .child = &health_table},
	TEXTS_ROW("OnBuild", struct image_config, on_build, TEXT_ANY),
	TEXTS_ROW("Shell", struct image_config, shell, TEXT_ANY),
};
static const struct field_table run_table = FIELD_TABLE(run_rows, struct image_config);

static int read_rootfs_type(struct reader *r, const struct field *f, const struct json *j, void *object)
{
	(void)f;
	(void)object;
	return str_eq(json_str(j), "layers") ? 0 : field_expected(r, j, "\"layers\"");
}

static const struct field rootfs_rows[] = {
	{.name = "type", .kind = FIELD_CUSTOM, .read = read_rootfs_type, .flags = FIELD_REQUIRED},
	TEXTS_ROW("diff_ids", struct image_config, diff_ids, TEXT_DIGEST),
};
static const struct field_table rootfs_table = FIELD_TABLE(rootfs_rows, struct image_config);

static const struct field history_rows[] = {
	TEXT_ROW("created", struct image_history, created, TEXT_PLAIN),
	TEXT_ROW("created_by", struct image_history, created_by, TEXT_ANY),
	TEXT_ROW("author", struct image_history, author, TEXT_ANY),
	TEXT_ROW("comment", struct image_history, comment, TEXT_ANY),
	BOOL_ROW("empty_layer", struct image_history, empty_layer),
};
static const struct field_table history_table = FIELD_TABLE(history_rows, struct image_history);

static int finish_config(struct reader *r, void *object)
{
	const struct image_config *c = object;

	if (c->diff_ids.count > IMAGE_MAX_LAYERS) {
		int rc = field_fault_at(r, "rootfs.diff_ids", "has %zu elements, at most %d are accepted",
					c->diff_ids.count, IMAGE_MAX_LAYERS);

		r->err->kind = ERROR_LIMIT;
		return rc;
	}
	return 0;
}

static const struct field config_rows[] = {
	TEXT_ROW("created", struct image_config, created, TEXT_PLAIN),
	TEXT_ROW("author", struct image_config, author, TEXT_ANY),
	TEXT_ROW("architecture", struct image_config, platform.architecture, TEXT_PLAIN),
	TEXT_ROW("variant", struct image_config, platform.variant, TEXT_PLAIN),
	TEXT_ROW("os", struct image_config, platform.os, TEXT_PLAIN),
	TEXT_ROW("os.version", struct image_config, platform.os_version, TEXT_PLAIN),
	{.name = "os.features", .kind = FIELD_SHAPE, .min = JSON_ARRAY},
	{.name = "config", .kind = FIELD_OBJECT, .child = &run_table},
	{.name = "rootfs", .kind = FIELD_OBJECT, .child = &rootfs_table, .flags = FIELD_REQUIRED},
	{.name = "history",
	 .kind = FIELD_OBJECTS,
	 LIST_AT(struct image_config, history, history_count),
	 .child = &history_table},
};
static const struct field_table config_table = FIELD_TABLE(config_rows, struct image_config, .finish = finish_config);

static void init_lists(struct image_config *c)
{
	struct spec_strs *const lists[] = {
		&c->env,     &c->entrypoint, &c->cmd,      &c->shell,       &c->exposed_ports,
		&c->volumes, &c->on_build,   &c->diff_ids, &c->health.test,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		lists[i]->items = arena_alloc(&c->arena, 1, sizeof(char *));
}

int image_config_parse(const char *text, size_t len, const char *name, struct image_config *ret, struct error *err)
{
	struct image_config c = {.user = "", .working_dir = ""};
	int rc;

	if (len > IMAGE_CONFIG_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, EFBIG, "%s: has %zu bytes, at most %u are accepted", name, len,
				 IMAGE_CONFIG_MAX_BYTES);
	init_lists(&c);
	rc = field_read_document(text, len, name, &config_table, &c.arena, &c, err);
	if (rc < 0) {
		image_config_done(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void image_config_done(struct image_config *c)
{
	arena_done(&c->arena);
}
