/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references as people type them. Grammar of github.com/distribution/reference (facts):
 *
 *	reference = [domain "/"] path [":" tag] ["@" digest]
 *	domain    = host [":" port], host = words joined by ".", or an IPv6 address in brackets
 *	path      = components joined by "/"; a component is lower-case letters and digits, joined by ".", "_", "__" or "-"s
 *	tag       = [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
 *
 * The part before the first "/" is a domain when it has a "." or ":", is "localhost", or has an upper-case letter (which
 * no path may have); else the domain is docker.io, and a path of one component is below "library/".
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/image.h"

#define DEFAULT_DOMAIN "docker.io"
#define NAME_BYTES_MAX 255
#define TAG_BYTES_MAX 128
#define REFERENCE_BYTES_MAX (NAME_BYTES_MAX * 2 + TAG_BYTES_MAX + 140)

static int bad(struct error *err, const char *text, const char *what)
{
	const char *scheme = strstr(text, "://");

	error_set(err, ERROR_INVALID, EINVAL, "'%.80s' is not an image reference: %s", text, what);
	/* Podman's docker://, and addresses out of a browser. */
	return scheme && scheme[3] ? error_hint(err, "a name has no scheme: write it as %.200s", scheme + 3)
				   : -err->code;
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || isdigit((unsigned char)c);
}

/* One component of a path, @len bytes at @s. */
static bool is_component(const char *s, size_t len)
{
	size_t i = 0;

	for (;;) {
		size_t from = i;

		while (i < len && is_lower_alnum(s[i]))
			i++;
		if (i == from)
			return false;
		if (i == len)
			return true;
		if (s[i] == '-') {
			while (i < len && s[i] == '-')
				i++;
		} else if (s[i] == '_') {
			i += i + 1 < len && s[i + 1] == '_' ? 2 : 1;
		} else if (s[i] == '.') {
			i++;
		} else {
			return false;
		}
	}
}

static bool is_path(const char *s)
{
	for (;;) {
		size_t len = strcspn(s, "/");

		if (!is_component(s, len))
			return false;
		if (!s[len])
			return true;
		s += len + 1;
	}
}

static bool is_host(const char *s, size_t len)
{
	if (len > 2 && *s == '[') {
		if (s[len - 1] != ']')
			return false;
		for (size_t i = 1; i < len - 1; i++) {
			if (!isxdigit((unsigned char)s[i]) && s[i] != ':')
				return false;
		}
		return true;
	}
	for (size_t i = 0; i < len;) {
		size_t word = 0;

		while (i + word < len && (isalnum((unsigned char)s[i + word]) || s[i + word] == '-'))
			word++;
		if (word == 0 || s[i] == '-' || s[i + word - 1] == '-')
			return false;
		i += word;
		if (i < len && (s[i] != '.' || ++i == len))
			return false;
	}
	return len > 0;
}

static bool is_domain(const char *s)
{
	const char *bracket = *s == '[' ? strchr(s, ']') : NULL;
	const char *colon = strchr(bracket ? bracket : s, ':');
	uint64_t port;

	if (colon && (!isdigit((unsigned char)colon[1]) || str_to_u64(colon + 1, &port) < 0 || port > 65535))
		return false;
	return is_host(s, colon ? (size_t)(colon - s) : strlen(s));
}

static bool is_tag(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > TAG_BYTES_MAX || *s == '.' || *s == '-')
		return false;
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	}
	return true;
}

/* Is the part before the first slash (@len bytes) a domain? */
static bool looks_like_domain(const char *s, size_t len)
{
	if (len == strlen("localhost") && memcmp(s, "localhost", len) == 0)
		return true;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z'))
			return true;
	}
	return false;
}

static bool is_image_id(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

/* @name without tag and digest, as typed. */
static int split_name(struct arena *a, const char *name, const char *text, struct image_reference *r, struct error *err)
{
	const char *slash = strchr(name, '/');

	if (slash && looks_like_domain(name, (size_t)(slash - name))) {
		r->domain = arena_strndup(a, name, (size_t)(slash - name));
		if (str_eq(r->domain, "index.docker.io"))
			r->domain = DEFAULT_DOMAIN;
		r->path = arena_strdup(a, slash + 1);
		if (!is_domain(r->domain))
			return bad(err, text, "the part before the first slash is not a registry");
	} else {
		if (is_image_id(name))
			return bad(err, text, "64 hexadecimal digits are an image's id, not a name");
		r->domain = DEFAULT_DOMAIN;
		r->path = arena_strdup(a, name);
	}
	for (const char *s = r->path; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			return bad(err, text, "the repository name must be lower case");
	}
	if (!is_path(r->path))
		return bad(err, text, "the repository name may have letters, digits and single . _ - between them");
	if (str_eq(r->domain, DEFAULT_DOMAIN) && !strchr(r->path, '/'))
		r->path = arena_printf(a, "library/%s", r->path);
	if (strlen(r->path) > NAME_BYTES_MAX || strlen(r->domain) > NAME_BYTES_MAX)
		return bad(err, text, "the name is longer than 255 bytes");
	return 0;
}

int image_reference_parse(struct arena *a, const char *text, struct image_reference *ret, struct error *err)
{
	struct image_reference r = {0};
	char *name;
	char *at;
	char *colon;
	int rc;

	if (!*text)
		return bad(err, text, "it is empty");
	if (strlen(text) > REFERENCE_BYTES_MAX)
		return bad(err, text, "it is too long");
	if (str_has_control(text))
		return error_set(err, ERROR_INVALID, EINVAL, "the image reference has control characters");
	name = arena_strdup(a, text);
	at = strchr(name, '@');
	if (at) {
		*at = '\0';
		r.digest = at + 1;
		if (!image_digest_valid(r.digest))
			return bad(err, text, "behind the @ there must be sha256:<64 hex digits>");
	}
	colon = strrchr(name, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		r.tag = colon + 1;
		if (!is_tag(r.tag))
			return bad(err, text, "a tag has 1 to 128 letters, digits, _ . or -");
	}
	rc = split_name(a, name, text, &r, err);
	if (rc < 0)
		return rc;
	*ret = r;
	return 0;
}

static char *with_tag(struct arena *a, const char *name, const struct image_reference *r)
{
	return arena_printf(a, "%s%s%s%s%s", name, r->tag ? ":" : "", r->tag ? r->tag : "", r->digest ? "@" : "",
			    r->digest ? r->digest : "");
}

char *image_reference_full(struct arena *a, const struct image_reference *r)
{
	return with_tag(a, arena_printf(a, "%s/%s", r->domain, r->path), r);
}

char *image_reference_familiar(struct arena *a, const struct image_reference *r)
{
	const char *path = r->path;

	if (!str_eq(r->domain, DEFAULT_DOMAIN))
		return image_reference_full(a, r);
	if (str_starts(path, "library/") && !strchr(path + strlen("library/"), '/'))
		path += strlen("library/");
	/* "docker.io/localhost/x" must not come back as a registry of that name. */
	if (strchr(path, '/') && looks_like_domain(path, strcspn(path, "/")))
		return image_reference_full(a, r);
	return with_tag(a, path, r);
}
