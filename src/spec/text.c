/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammars of strings in documents, one function each, and the words that tell people what was expected. A string
 * that becomes a path cannot hold NUL (json_str refuses it); one that becomes a line of a file or a part of a name has no
 * control characters.
 */
#include <string.h>

#include "spec/fields.h"

static bool text_any(const char *s)
{
	(void)s;
	return true;
}

static bool text_set(const char *s)
{
	return *s != '\0';
}

static bool text_plain(const char *s)
{
	return !str_has_control(s);
}

static bool text_absolute(const char *s)
{
	return *s == '/';
}

static bool text_list(const char *s)
{
	return spec_parse_list(s, NULL, 0) == 0;
}

static bool text_env(const char *s)
{
	const char *equals = strchr(s, '=');

	if (!equals || equals == s)
		return false;
	/* Only the name: values with line breaks (certificates) are common and harmless in an environment. */
	for (; s < equals; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

static bool text_key(const char *s)
{
	return *s && !str_has_control(s);
}

static bool text_file(const char *s)
{
	return text_key(s) && !strchr(s, '/') && !str_eq(s, ".") && !str_eq(s, "..") && strlen(s) <= 255;
}

/* Words between separators ('.' or '/', whichever comes first is the separator, the other is part of a word, as
 * sysctl(8) has it), none empty or "." or "..": it becomes a path below /proc/sys. */
static bool text_sysctl(const char *s)
{
	size_t first = strcspn(s, "./");
	char separator = s[first];
	size_t word = 0;

	if (!separator || str_has_control(s) || strlen(s) > 255)
		return false;
	for (;; s++) {
		if (*s == separator || *s == '\0') {
			/* With '.' between words a '/' inside one stands for a dot: "a./.b" must not become "..". */
			if (word == 0 || strspn(s - word, "./") >= word)
				return false;
			word = 0;
			if (*s == '\0')
				return true;
		} else {
			word++;
		}
	}
}

static bool text_hostname(const char *s)
{
	return strlen(s) <= 64 && !str_has_control(s);
}

/* The kernel's dev_valid_name (net/core/dev.c): up to 15 bytes without '/', ':' and blanks. */
static bool text_netdev(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 15 && !str_eq(s, ".") && !str_eq(s, "..") && !strpbrk(s, "/: \t\n\v\f\r") &&
	       !str_has_control(s);
}

/* "2MB": digits and KB, MB or GB (runtime-spec config-linux.md "Huge page limits": ^[1-9][0-9]*[KMG]B$). */
static bool text_pagesize(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 16 && *s != '0' && strchr("KMG", s[digits]) && s[digits] &&
	       str_eq(s + digits + 1, "B");
}

/* One directory below /sys/fs/resctrl, or "/" for the root group. */
static bool text_closid(const char *s)
{
	return str_eq(s, "/") || text_file(s);
}

static bool text_digest(const char *s)
{
	size_t hex = 0;

	if (str_starts(s, "sha256:"))
		hex = 64;
	else if (str_starts(s, "sha512:"))
		hex = 128;
	return hex && strlen(s + 7) == hex && strspn(s + 7, "0123456789abcdef") == hex;
}

static bool text_image_env(const char *s)
{
	if (!text_env(s))
		return false;
	for (; *s; s++) {
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	}
	return true;
}

static bool text_value(const char *s)
{
	for (; *s; s++) {
		if (((unsigned char)*s < 0x20 && *s != '\t' && *s != '\n') || *s == 0x7f)
			return false;
	}
	return true;
}

static bool text_volume(const char *s)
{
	if (!text_key(s))
		return false;
	while (*s) {
		size_t len = strcspn(s, "/");

		if (len == 2 && s[0] == '.' && s[1] == '.')
			return false;
		s += len + (s[len] == '/');
	}
	return true;
}

static const struct {
	bool (*ok)(const char *s);
	const char *expected;
} text_rules[TEXT_RULE_COUNT] = {
	[TEXT_ANY] = {text_any, "a string"},
	[TEXT_SET] = {text_set, "a string that is not empty"},
	[TEXT_PLAIN] = {text_plain, "a string without control characters"},
	[TEXT_ABSOLUTE] = {text_absolute, "an absolute path"},
	[TEXT_LIST] = {text_list, "a list such as \"0-3,7\""},
	[TEXT_ENV] = {text_env, "NAME=value"},
	[TEXT_KEY] = {text_key, "a string that is not empty and has no control characters"},
	[TEXT_FILE] = {text_file, "a file name without '/' or control characters"},
	[TEXT_SYSCTL] = {text_sysctl, "a kernel parameter such as net.ipv4.ip_forward"},
	[TEXT_HOSTNAME] = {text_hostname, "a name of at most 64 bytes without control characters"},
	[TEXT_NETDEV] = {text_netdev, "the name of a network device (1-15 bytes, no '/', ':' or blank)"},
	[TEXT_PAGESIZE] = {text_pagesize, "a page size such as \"2MB\" or \"64KB\""},
	[TEXT_CLOSID] = {text_closid, "\"/\" or one file name"},
	[TEXT_DIGEST] = {text_digest, "sha256:<64 hex digits> or sha512:<128 hex digits>"},
	[TEXT_IMAGE_ENV] = {text_image_env, "NAME=value without control characters"},
	[TEXT_VALUE] = {text_value, "a string without control characters but tabs and line breaks"},
	[TEXT_VOLUME] = {text_volume, "a path without \"..\" and control characters"},
};

bool field_text_ok(enum text_rule rule, const char *s)
{
	return text_rules[rule].ok(s);
}

const char *field_text_expected(enum text_rule rule)
{
	return text_rules[rule].expected;
}
