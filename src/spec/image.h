/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_IMAGE_H
#define SPEC_IMAGE_H

/*
 * OCI image-spec 1.1 and Docker schema 2 documents: digests, references, descriptors, index, manifest, image config.
 * (The second public header of spec/: the store and the registry need these without the runtime's.)
 * All that is parsed here is hostile: sizes are bounded, digests checked against their grammar before any use as a path,
 * media type must match the shape (V31), control characters refused in Env, User, WorkingDir (V15, V18).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"

#define IMAGE_MANIFEST_MAX_BYTES (4u << 20) /* image-spec's recommended bound (V30) */
#define IMAGE_CONFIG_MAX_BYTES (8u << 20)
#define IMAGE_MAX_LAYERS 500 /* overlayfs' own limit */

/* "sha256:<64 hex>" or "sha512:<128 hex>", lower case. The string is owned by its document's arena. */
bool image_digest_valid(const char *digest);
/* The part behind the colon (borrowed), or NULL when @digest is not valid. */
const char *image_digest_hex(const char *digest);

struct image_platform {
	const char *os, *architecture, *variant, *os_version; /* NULL: not given */
};
/* "linux/arm64/v8", "arm64" or "windows" → fields in @a. Returns 0 or <0 INVALID. */
int image_platform_parse(struct arena *a, const char *text, struct image_platform *ret, struct error *err);
/* The host's platform in Go's words (amd64, arm64, …). Static strings. */
struct image_platform image_platform_native(void);
/* "linux/arm64/v8"; in @a. */
const char *image_platform_text(struct arena *a, const struct image_platform *p);
bool image_platform_match(const struct image_platform *want, const struct image_platform *have);

struct image_descriptor {
	const char *media_type, *digest, *artifact_type; /* artifact_type may be NULL */
	int64_t size;
	struct image_platform platform;
	struct spec_map annotations;
	struct spec_strs urls;
};

/* As JSON: type, digest and size. To be freed by the caller. */
struct json *image_descriptor_json(const char *media_type, const char *digest, int64_t size);

enum image_media {
	IMAGE_MEDIA_UNKNOWN,
	IMAGE_MEDIA_INDEX,
	IMAGE_MEDIA_MANIFEST,
	IMAGE_MEDIA_CONFIG,
	IMAGE_MEDIA_LAYER
};
enum image_compression { IMAGE_PLAIN, IMAGE_GZIP, IMAGE_ZSTD };
/* What a media type is (OCI and Docker names); @ret_compression (may be NULL) is filled for layers. */
enum image_media image_media_from_type(const char *media_type, enum image_compression *ret_compression);

struct image_index {
	struct arena arena;
	const char *media_type;
	struct image_descriptor *manifests;
	size_t manifest_count;
	struct spec_map annotations;
};
int image_index_parse(const char *text, size_t len, const char *name, struct image_index *ret, struct error *err);
void image_index_done(struct image_index *i);
/* The image manifest for @want, of several that fit the nearest (v7 before v6 for arm/v7); borrowed. NULL: there is none. */
const struct image_descriptor *image_index_choose(const struct image_index *index, const struct image_platform *want);

struct image_manifest {
	struct arena arena;
	const char *media_type;
	struct image_descriptor config;
	struct image_descriptor *layers;
	size_t layer_count;
	struct spec_map annotations;
};
int image_manifest_parse(const char *text, size_t len, const char *name, struct image_manifest *ret, struct error *err);
void image_manifest_done(struct image_manifest *m);

struct image_health {
	bool set;
	struct spec_strs test;
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	int64_t retries;
};

struct image_history {
	const char *created, *created_by, *author, *comment;
	bool empty_layer;
};

struct image_config {
	struct arena arena;
	struct image_platform platform;
	const char *created, *author; /* NULL: not given */
	const char *user;             /* "" when not given */
	const char *working_dir;      /* "" when not given */
	const char *stop_signal;      /* NULL: not given */
	struct spec_strs env, entrypoint, cmd, shell, exposed_ports, volumes, on_build;
	bool args_escaped;
	struct spec_map labels;
	struct image_health health;
	struct spec_strs diff_ids; /* each a valid digest */
	struct image_history *history;
	size_t history_count;
};
int image_config_parse(const char *text, size_t len, const char *name, struct image_config *ret, struct error *err);
void image_config_done(struct image_config *c);

/* A reference as people type it: [registry[:port]/]path[:tag][@digest]. Grammar: distribution-spec and
 * github.com/distribution/reference (facts). */
struct image_reference {
	const char *domain; /* "docker.io" when none was typed; localhost, host:port and names with a dot are domains */
	const char *path;   /* "library/debian" when domain is docker.io and there is no slash */
	const char *tag;    /* NULL when not given */
	const char *digest; /* NULL when not given */
};
/* Returns 0 or <0 INVALID ("… repository name must be lower case"). Memory in @a. */
int image_reference_parse(struct arena *a, const char *text, struct image_reference *ret, struct error *err);
/* "docker.io/library/debian:12" / the short form people see ("debian:12"). */
[[nodiscard]] char *image_reference_full(struct arena *a, const struct image_reference *r);
[[nodiscard]] char *image_reference_familiar(struct arena *a, const struct image_reference *r);

/* /etc/passwd and /etc/group of an image, as text of bounded size (V13-V15): strict numbers, no name fallback for digits,
 * lines with control characters or wrong field counts are skipped. */
struct image_user {
	uint32_t uid, gid;
	uint32_t *groups; /* additional, in @a */
	size_t group_count;
	const char *home; /* "/" when unknown */
	const char *name; /* NULL when unknown */
};
#define IMAGE_PASSWD_MAX_BYTES (1u << 20)
/* Resolve "user", "uid", "user:group", "uid:gid" (USER of an image, run -u); @extra are names or numbers of --group-add.
 * @passwd and @group may be NULL (file missing). Returns 0, or <0 INVALID/NOT_FOUND ("no user 'x' in the image's
 * /etc/passwd"). */
int image_user_resolve(struct arena *a, const char *spec, const char *passwd, size_t passwd_len, const char *group,
		       size_t group_len, char *const *extra, struct image_user *ret, struct error *err);

#endif
