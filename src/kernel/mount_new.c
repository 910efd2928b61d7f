/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New superblocks: fsopen, fsconfig for each option, fsmount. The mount that comes out is detached; mount.c gives it
 * a place. What the file system itself says about a failure is part of the error.
 */
#include "kernel/mount.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/mount_internal.h"

/* fsconfig(2) copies a string value with strndup_user(value, 256). */
#define VALUE_MAX 255
#define KEY_MAX 255

/* What the file system itself says about a failure: lines "e text". Joined into @out; true when there was any. */
static bool read_messages(int fs, char *out, size_t size)
{
	char line[256];
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < 8; i++) {
		ssize_t n = read(fs, line, sizeof(line) - 1);
		int w;

		if (n <= 2)
			break;
		line[n] = '\0';
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (line[0] != 'e' || used >= size)
			continue;
		w = snprintf(out + used, size - used, "%s%s", used ? "; " : "", line + 2);
		used += w > 0 ? (size_t)w : 0;
	}
	return out[0] != '\0';
}

static int config(int fs, unsigned cmd, const char *key, const char *value, int aux)
{
	return syscall(SYS_fsconfig, fs, cmd, key, value, aux) < 0 ? -errno : 0;
}

static int option_error(struct error *err, int fs, const char *fstype, const char *key, const char *value, int errnum)
{
	char text[256];
	bool said = read_messages(fs, text, sizeof(text));

	if (errnum == ENOSYS)
		return mount_missing_call(err, "fsconfig", errnum);
	if (errnum == EPERM || errnum == EACCES)
		return error_set(err, ERROR_DENIED, errnum, "option '%s' of file system '%s' is not allowed%s%s", key,
				 fstype, said ? ": " : "", text);
	return error_set(err, ERROR_INVALID, errnum, "file system '%s' refuses option '%s%s%.100s': %s", fstype, key,
			 value ? "=" : "", value ? value : "", said ? text : error_text(errnum));
}

static int set_option(int fs, const char *fstype, const char *key, const char *value, int fd, struct error *err)
{
	int r;

	if (value && strlen(value) > VALUE_MAX)
		return error_set(err, ERROR_LIMIT, E2BIG,
				 "option '%s' of file system '%s' is %zu bytes long; the kernel takes %d", key, fstype,
				 strlen(value), VALUE_MAX);
	if (value)
		r = config(fs, FSCONFIG_SET_STRING, key, value, 0);
	else if (fd >= 0)
		r = config(fs, FSCONFIG_SET_FD, key, NULL, fd);
	else
		r = config(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	return r < 0 ? option_error(err, fs, fstype, key, value, -r) : 0;
}

/* The end of the option that starts at @p: a comma outside double quotes and not behind a backslash (SELinux contexts hold
 * commas in quotes, overlay paths hold them escaped). */
static const char *option_end(const char *p)
{
	bool quoted = false;

	for (; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == ',' && !quoted)
			break;
	}
	return p;
}

static int set_data_option(int fs, const char *fstype, const char *p, size_t len, struct error *err)
{
	char text[KEY_MAX + 1 + VALUE_MAX + 3];
	char *value;

	if (len >= sizeof(text))
		return error_set(err, ERROR_LIMIT, E2BIG, "an option of file system '%s' is %zu bytes long ('%.40s…')",
				 fstype, len, p);
	memcpy(text, p, len);
	text[len] = '\0';
	value = strchr(text, '=');
	if (value) {
		size_t n;

		*value++ = '\0';
		n = strlen(value);
		if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
			value[n - 1] = '\0';
			value++;
		}
	}
	return set_option(fs, fstype, text, value, FD_NONE, err);
}

static int set_data(int fs, const char *fstype, const char *data, struct error *err)
{
	while (data && *data) {
		const char *end = option_end(data);

		if (end > data) {
			int r = set_data_option(fs, fstype, data, (size_t)(end - data), err);

			if (r < 0)
				return r;
		}
		data = *end ? end + 1 : end;
	}
	return 0;
}

static int set_sb_flags(int fs, const char *fstype, uint64_t flags, struct error *err)
{
	static const struct {
		uint64_t flag;
		const char *key;
	} table[] = {
		{MS_RDONLY, "ro"},         {MS_SYNCHRONOUS, "sync"}, {MS_DIRSYNC, "dirsync"},
		{MS_LAZYTIME, "lazytime"}, {MS_MANDLOCK, "mand"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = 0;

		if (flags & table[i].flag)
			r = set_option(fs, fstype, table[i].key, NULL, FD_NONE, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int create_error(struct error *err, int fs, const char *fstype, int errnum)
{
	char text[256];

	if (!read_messages(fs, text, sizeof(text)))
		return error_sys(err, errnum, "create a file system of type '%s'", fstype);
	return error_set(err, errnum == EINVAL ? ERROR_INVALID : error_kind_from_errno(errnum), errnum,
			 "create a file system of type '%s': %s: %s", fstype, error_text(errnum), text);
}

static int open_fs(const char *fstype, struct error *err)
{
	long fs = syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC);

	if (fs >= 0)
		return (int)fs;
	if (errno == ENOSYS)
		return mount_missing_call(err, "fsopen", errno);
	if (errno == ENODEV)
		return error_set(err, ERROR_UNSUPPORTED, ENODEV, "this kernel has no file system called '%s'", fstype);
	return error_sys(err, errno, "open a file system of type '%s'", fstype);
}

int mount_new(const char *fstype, const char *source, const struct mount_param *params, size_t count, const char *data,
	      uint64_t sb_flags, uint64_t attrs, struct error *err)
{
	autofd int fs = open_fs(fstype, err);

	return fs < 0 ? fs : mount_new_from(fs, fstype, source, params, count, data, sb_flags, attrs, err);
}

int mount_new_from(int fs, const char *fstype, const char *source, const struct mount_param *params, size_t count,
		   const char *data, uint64_t sb_flags, uint64_t attrs, struct error *err)
{
	long fd;
	int r;

	if (source && *source) {
		r = set_option(fs, fstype, "source", source, FD_NONE, err);
		if (r < 0)
			return r;
	}
	r = set_sb_flags(fs, fstype, sb_flags, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		r = set_option(fs, fstype, params[i].key, params[i].value, params[i].value ? FD_NONE : params[i].fd,
			       err);
		if (r < 0)
			return r;
	}
	r = set_data(fs, fstype, data, err);
	if (r < 0)
		return r;
	r = config(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return create_error(err, fs, fstype, -r);
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
	if (fd < 0)
		return create_error(err, fs, fstype, errno);
	return (int)fd;
}
