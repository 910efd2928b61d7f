/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of images: digests, media types (OCI's and Docker's), platforms. Pure tables and grammars.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "spec/fields.h"
#include "spec/image.h"

bool image_digest_valid(const char *digest)
{
	return digest && field_text_ok(TEXT_DIGEST, digest);
}

const char *image_digest_hex(const char *digest)
{
	return image_digest_valid(digest) ? strchr(digest, ':') + 1 : NULL;
}

/* ---- media types ------------------------------------------------------------------------------------------------- */

static const struct {
	const char *type;
	enum image_media media;
	enum image_compression compression;
} media_types[] = {
	{"application/vnd.oci.image.index.v1+json", IMAGE_MEDIA_INDEX, IMAGE_PLAIN},
	{"application/vnd.oci.image.manifest.v1+json", IMAGE_MEDIA_MANIFEST, IMAGE_PLAIN},
	{"application/vnd.oci.image.config.v1+json", IMAGE_MEDIA_CONFIG, IMAGE_PLAIN},
	{"application/vnd.oci.image.layer.v1.tar", IMAGE_MEDIA_LAYER, IMAGE_PLAIN},
	{"application/vnd.oci.image.layer.v1.tar+gzip", IMAGE_MEDIA_LAYER, IMAGE_GZIP},
	{"application/vnd.oci.image.layer.v1.tar+zstd", IMAGE_MEDIA_LAYER, IMAGE_ZSTD},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar", IMAGE_MEDIA_LAYER, IMAGE_PLAIN},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", IMAGE_MEDIA_LAYER, IMAGE_GZIP},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", IMAGE_MEDIA_LAYER, IMAGE_ZSTD},
	{"application/vnd.docker.distribution.manifest.list.v2+json", IMAGE_MEDIA_INDEX, IMAGE_PLAIN},
	{"application/vnd.docker.distribution.manifest.v2+json", IMAGE_MEDIA_MANIFEST, IMAGE_PLAIN},
	{"application/vnd.docker.container.image.v1+json", IMAGE_MEDIA_CONFIG, IMAGE_PLAIN},
	{"application/vnd.docker.image.rootfs.diff.tar", IMAGE_MEDIA_LAYER, IMAGE_PLAIN},
	{"application/vnd.docker.image.rootfs.diff.tar.gzip", IMAGE_MEDIA_LAYER, IMAGE_GZIP},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", IMAGE_MEDIA_LAYER, IMAGE_ZSTD},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", IMAGE_MEDIA_LAYER, IMAGE_GZIP},
};

enum image_media image_media_from_type(const char *media_type, enum image_compression *ret_compression)
{
	for (size_t i = 0; media_type && i < ARRAY_SIZE(media_types); i++) {
		if (!str_eq(media_types[i].type, media_type))
			continue;
		if (ret_compression && media_types[i].media == IMAGE_MEDIA_LAYER)
			*ret_compression = media_types[i].compression;
		return media_types[i].media;
	}
	return IMAGE_MEDIA_UNKNOWN;
}

/* ---- platforms --------------------------------------------------------------------------------------------------- */

/* What people and uname(2) write for Go's words. */
static const struct {
	const char *alias;
	const char *architecture;
	const char *variant;
} aliases[] = {
	{"x86_64", "amd64", NULL},  {"x86-64", "amd64", NULL},    {"i386", "386", NULL},
	{"i686", "386", NULL},
	{"aarch64", "arm64", NULL}, {"armhf", "arm", "v7"},       {"armel", "arm", "v6"},
	{"armv7l", "arm", "v7"},    {"ppc64el", "ppc64le", NULL}, {"loongarch64", "loong64", NULL},
};

static bool is_platform_word(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 32 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/* Go's words: one of them alone is the system, with the machine's architecture, as Docker reads it. */
static bool is_os(const char *s)
{
	static const char *const words[] = {"aix",     "android", "darwin", "dragonfly", "freebsd",
					    "illumos", "ios",     "linux",  "netbsd",    "openbsd",
					    "plan9",   "solaris", "wasip1", "windows"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (str_eq(words[i], s))
			return true;
	}
	return false;
}

static const char *lower(struct arena *a, const char *s, size_t len)
{
	char *out = arena_strndup(a, s, len);

	for (char *p = out; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return out;
}

int image_platform_parse(struct arena *a, const char *text, struct image_platform *ret, struct error *err)
{
	const char *parts[3] = {NULL, NULL, NULL};
	struct image_platform p = {0};
	size_t count = 0;
	const char *s = text;
	bool ok = true;

	for (; ok && count < 3; count++) {
		size_t len = strcspn(s, "/");

		parts[count] = lower(a, s, len);
		ok = is_platform_word(parts[count]);
		s += len;
		if (!*s++) {
			count++;
			break;
		}
	}
	if (!ok || s[-1]) {
		(void)error_set(err, ERROR_INVALID, EINVAL, "'%.64s' is not a platform", text);
		return error_hint(err, "write it as linux/amd64 or linux/arm64/v8");
	}
	const bool os_alone = count == 1 && is_os(parts[0]);

	p.os = count == 1 && !os_alone ? "linux" : parts[0];
	p.architecture = os_alone ? image_platform_native().architecture : count == 1 ? parts[0] : parts[1];
	p.variant = parts[2];
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (!str_eq(p.architecture, aliases[i].alias))
			continue;
		p.architecture = aliases[i].architecture;
		if (!p.variant)
			p.variant = aliases[i].variant;
		break;
	}
	*ret = p;
	return 0;
}

struct image_platform image_platform_native(void)
{
	return (struct image_platform)
	{
		.os = "linux",
#if defined(__x86_64__)
			.architecture = "amd64",
#elif defined(__aarch64__)
			.architecture = "arm64",
#elif defined(__i386__)
			.architecture = "386",
#elif defined(__arm__)
			.architecture = "arm",
			.variant = "v7",
#elif defined(__riscv)
			.architecture = "riscv64",
#elif defined(__powerpc64__)
			.architecture = "ppc64le",
#elif defined(__s390x__)
			.architecture = "s390x",
#elif defined(__loongarch64)
			.architecture = "loong64",
#else
#error "name this architecture in Go's word"
#endif
	};
}

/* Variants of one architecture are numbered and run what is made for lower numbers; this is the one meant by none. */
static int variant_rank(const struct image_platform *p)
{
	int none = 1;

	if (str_eq(p->architecture, "arm64"))
		none = 8;
	else if (str_eq(p->architecture, "arm"))
		none = 7;
	if (!p->variant || !*p->variant)
		return none;
	if (p->variant[0] == 'v' && p->variant[1] >= '1' && p->variant[1] <= '9' && !p->variant[2])
		return p->variant[1] - '0';
	return -1;
}

const char *image_platform_text(struct arena *a, const struct image_platform *p)
{
	return arena_printf(a, "%s/%s%s%s", p->os ? p->os : "?", p->architecture ? p->architecture : "?",
			    p->variant ? "/" : "", p->variant ? p->variant : "");
}

bool image_platform_match(const struct image_platform *want, const struct image_platform *have)
{
	int rank;

	if (!have->os || !have->architecture || !str_eq(want->os, have->os) ||
	    !str_eq(want->architecture, have->architecture))
		return false;
	rank = variant_rank(have);
	if (rank < 0)
		return str_eq(want->variant, have->variant);
	return rank <= variant_rank(want);
}

/* How near is what fits? A variant that is named as wanted before others: v7 before v6 for arm/v7. */
static int nearness(const struct image_platform *want, const struct image_platform *have)
{
	int n = str_eq(want->variant, have->variant) ? 100 : 0;

	if (n == 0 && have->variant && have->variant[0] == 'v')
		n = (unsigned char)have->variant[1];
	return n;
}

const struct image_descriptor *image_index_choose(const struct image_index *index, const struct image_platform *want)
{
	const struct image_descriptor *best = NULL;

	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct image_descriptor *d = &index->manifests[i];

		if (!spec_map_get(&d->annotations, "vnd.docker.reference.type") &&
		    image_media_from_type(d->media_type, NULL) == IMAGE_MEDIA_MANIFEST &&
		    image_platform_match(want, &d->platform) &&
		    (!best || nearness(want, &d->platform) > nearness(want, &best->platform)))
			best = d;
	}
	return best;
}
