/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs inside: "user[:group]" of an image or of the command line, looked up in the image's own passwd and group
 * files, which are hostile. A line counts only when it has the exact number of fields, strict numbers and no control
 * characters; all others are skipped, as are NIS lines. Digits are a number and never a name (V13); the primary group is
 * part of the list of groups (V14, CVE-2022-2995).
 *
 * Nothing is copied before it is found to be wanted; the number of groups is bounded.
 */
#include <errno.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/image.h"

/* More than anyone has, far below the kernel's NGROUPS_MAX of 65536; duplicates are looked for one by one. */
#define GROUPS_MAX 1024
#define LINE_FIELDS_MAX 7
#define PASSWD_FIELDS 7
#define GROUP_FIELDS 4

/* Ids up to 2^32 - 2; -1 means "no change" to the kernel. */
#define ID_MAX (UINT32_MAX - 1)

struct span {
	const char *at;
	size_t len;
};

struct lines {
	const char *at;
	const char *end;
};

static bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.len && memcmp(s.at, text, s.len) == 0;
}

static bool span_number(struct span s, uint32_t *ret)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > 10)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.at[i] - '0');
	}
	if (v > ID_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* The next line with exactly @count fields and no control characters; false at the end. */
static bool next_line(struct lines *in, size_t count, struct span *fields)
{
	while (in->at < in->end) {
		const char *start = in->at;
		const char *stop = memchr(start, '\n', (size_t)(in->end - start));
		size_t n = 0;
		bool ok = true;

		if (!stop)
			stop = in->end;
		in->at = stop < in->end ? stop + 1 : stop;
		fields[0] = (struct span){.at = start};
		for (const char *s = start; s < stop && ok; s++) {
			if ((unsigned char)*s < 0x20 || *s == 0x7f)
				ok = false;
			else if (*s == ':')
				ok = ++n < count;
			if (ok && *s == ':')
				fields[n] = (struct span){.at = s + 1};
			else
				fields[n < count ? n : 0].len++;
		}
		if (ok && n + 1 == count && fields[0].len > 0)
			return true;
	}
	return false;
}

struct account {
	struct span name;
	struct span home;
	uint32_t uid, gid;
};

/* The first account with @name, or with @uid when @name is NULL. */
static bool find_account(const char *passwd, size_t len, const char *name, uint32_t uid, struct account *ret)
{
	struct lines in = {.at = passwd, .end = passwd ? passwd + len : passwd};
	struct span f[LINE_FIELDS_MAX];

	while (next_line(&in, PASSWD_FIELDS, f)) {
		struct account a = {.name = f[0], .home = f[5]};

		if (!span_number(f[2], &a.uid) || !span_number(f[3], &a.gid))
			continue;
		if (name ? span_is(f[0], name) : a.uid == uid) {
			*ret = a;
			return true;
		}
	}
	return false;
}

static bool find_group(const char *group, size_t len, const char *name, uint32_t *ret)
{
	struct lines in = {.at = group, .end = group ? group + len : group};
	struct span f[LINE_FIELDS_MAX];

	while (next_line(&in, GROUP_FIELDS, f)) {
		if (span_is(f[0], name) && span_number(f[2], ret))
			return true;
	}
	return false;
}

static bool lists_member(struct span members, struct span name)
{
	while (members.len > 0) {
		const char *comma = memchr(members.at, ',', members.len);
		size_t n = comma ? (size_t)(comma - members.at) : members.len;

		if (n == name.len && memcmp(members.at, name.at, n) == 0)
			return true;
		n += comma ? 1 : 0;
		members.at += n;
		members.len -= n;
	}
	return false;
}

static int add_group(struct arena *a, struct image_user *u, uint32_t gid, struct error *err)
{
	for (size_t i = 0; i < u->group_count; i++) {
		if (u->groups[i] == gid)
			return 0;
	}
	if (u->group_count == GROUPS_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG,
				 "the user is in more than %d groups of the image's /etc/group", GROUPS_MAX);
	ARENA_PUSH(a, u->groups, u->group_count) = gid;
	return 0;
}

/* All groups that list @name. */
static int add_memberships(struct arena *a, struct image_user *u, const char *group, size_t len, struct span name,
			   struct error *err)
{
	struct lines in = {.at = group, .end = group ? group + len : group};
	struct span f[LINE_FIELDS_MAX];
	uint32_t gid;
	int rc = 0;

	while (rc == 0 && next_line(&in, GROUP_FIELDS, f)) {
		if (lists_member(f[3], name) && span_number(f[2], &gid))
			rc = add_group(a, u, gid, err);
	}
	return rc;
}

/* A number when @text is digits only (then it must be one in range), else <0, 0 for "a name". */
static int number_or_name(const char *text, const char *what, uint32_t *ret, struct error *err)
{
	struct span s = {.at = text, .len = strlen(text)};

	/* "-1" or "+5" are no names either: they were numbers to other tools (CVE-2026-30892). */
	if (strspn(text + (*text == '-' || *text == '+'), "0123456789") != s.len - (*text == '-' || *text == '+'))
		return 0;
	if (span_number(s, ret))
		return 1;
	return error_set(err, ERROR_INVALID, ERANGE, "%s '%.64s' is not a number between 0 and %u", what, text, ID_MAX);
}

static int resolve_group(const char *text, const char *group, size_t len, uint32_t *ret, struct error *err)
{
	int rc = number_or_name(text, "the group", ret, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (find_group(group, len, text, ret))
		return 0;
	return error_set(err, ERROR_NOT_FOUND, ENOENT, "no group '%.64s' in the image's /etc/group", text);
}

static int resolve_user(struct arena *a, const char *text, const char *passwd, size_t len, struct image_user *u,
			struct account *found, struct error *err)
{
	uint32_t uid = 0;
	int rc = *text ? number_or_name(text, "the user", &uid, err) : 1;

	if (rc < 0)
		return rc;
	u->uid = uid;
	u->home = "/";
	if (!find_account(passwd, len, rc ? NULL : text, uid, found)) {
		if (rc)
			return 0; /* a number needs no account; its group is 0, as with Docker */
		return error_set(err, ERROR_NOT_FOUND, ENOENT, "no user '%.64s' in the image's /etc/passwd", text);
	}
	u->uid = found->uid;
	u->gid = found->gid;
	u->name = arena_strndup(a, found->name.at, found->name.len);
	if (found->home.len > 0 && *found->home.at == '/')
		u->home = arena_strndup(a, found->home.at, found->home.len);
	return 0;
}

int image_user_resolve(struct arena *a, const char *spec, const char *passwd, size_t passwd_len, const char *group,
		       size_t group_len, char *const *extra, struct image_user *ret, struct error *err)
{
	char *user = arena_strdup(a, spec);
	char *colon = strchr(user, ':');
	struct account found = {0};
	struct image_user u = {0};
	int rc;

	if (str_has_control(spec))
		return error_set(err, ERROR_INVALID, EINVAL, "the user has control characters");
	if (passwd_len > IMAGE_PASSWD_MAX_BYTES || group_len > IMAGE_PASSWD_MAX_BYTES)
		return error_set(err, ERROR_LIMIT, EFBIG, "the image's %s has more than %u bytes",
				 passwd_len > IMAGE_PASSWD_MAX_BYTES ? "/etc/passwd" : "/etc/group",
				 IMAGE_PASSWD_MAX_BYTES);
	if (colon)
		*colon++ = '\0';
	rc = resolve_user(a, user, passwd, passwd_len, &u, &found, err);
	if (rc == 0 && colon && *colon)
		rc = resolve_group(colon, group, group_len, &u.gid, err);
	if (rc == 0)
		rc = add_group(a, &u, u.gid, err);
	/* Who names a group wants that one, not the user's others. */
	if (rc == 0 && !(colon && *colon) && found.name.len > 0)
		rc = add_memberships(a, &u, group, group_len, found.name, err);
	for (; rc == 0 && extra && *extra; extra++) {
		uint32_t gid = 0;

		rc = str_has_control(*extra) ? error_set(err, ERROR_INVALID, EINVAL, "a group has control characters")
					     : resolve_group(*extra, group, group_len, &gid, err);
		if (rc == 0)
			rc = add_group(a, &u, gid, err);
	}
	if (rc < 0)
		return rc;
	*ret = u;
	return 0;
}
