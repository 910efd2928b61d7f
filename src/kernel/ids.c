/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group ids: the maps of user namespaces (written by us or by newuidmap), the subordinate id files, and our own
 * ids. Numbers are strict 32-bit decimals everywhere; -1 is never an id (CVE-2026-30892, CVE-2024-40635).
 */
#include "kernel/ids.h"

#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/file.h"

#define ID_END UINT64_C(0xffffffff) /* 2^32-1 is "no id" */

static const char *const map_files[IDS_KIND_COUNT] = {[IDS_UID] = "uid_map", [IDS_GID] = "gid_map"};
static const char *const kind_names[IDS_KIND_COUNT] = {[IDS_UID] = "user", [IDS_GID] = "group"};

/* ---- maps ------------------------------------------------------------------------------------------------------------- */

static bool overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

int ids_check(const char *field, const struct ids_range *map, size_t count, struct error *err)
{
	if (count > IDS_MAP_MAX)
		return error_set(err, ERROR_INVALID, E2BIG, "%s: %zu ranges; the kernel takes at most %d", field, count,
				 IDS_MAP_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct ids_range *m = &map[i];

		if (m->count == 0)
			return error_set(err, ERROR_INVALID, EINVAL, "%s[%zu]: an empty range", field, i);
		if ((uint64_t)m->inside + m->count > ID_END || (uint64_t)m->outside + m->count > ID_END)
			return error_set(err, ERROR_INVALID, ERANGE, "%s[%zu]: the range ends beyond 4294967294", field,
					 i);
		for (size_t k = 0; k < i; k++)
			if (overlap(m->inside, m->count, map[k].inside, map[k].count) ||
			    overlap(m->outside, m->count, map[k].outside, map[k].count))
				return error_set(err, ERROR_INVALID, EINVAL, "%s[%zu]: overlaps %s[%zu]", field, i,
						 field, k);
	}
	return 0;
}

int ids_map_out(const struct ids_range *map, size_t count, uint32_t inside, uint32_t *ret_outside)
{
	for (size_t i = 0; i < count; i++)
		if (inside >= map[i].inside && inside - map[i].inside < map[i].count) {
			*ret_outside = map[i].outside + (inside - map[i].inside);
			return 0;
		}
	return -ENOENT;
}

int ids_map_in(const struct ids_range *map, size_t count, uint32_t outside, uint32_t *ret_inside)
{
	for (size_t i = 0; i < count; i++)
		if (outside >= map[i].outside && outside - map[i].outside < map[i].count) {
			*ret_inside = map[i].inside + (outside - map[i].outside);
			return 0;
		}
	return -ENOENT;
}

#define LINE_MAX_BYTES 33 /* three numbers of ten digits, two blanks, a newline */

static int map_error(struct error *err, enum ids_kind kind, int errnum)
{
	if (errnum == EPERM)
		return error_set(err, ERROR_DENIED, errnum,
				 "write the %s id map: it is not allowed, or was written before", kind_names[kind]);
	if (errnum == EINVAL)
		return error_set(err, ERROR_INVALID, errnum, "write the %s id map: the kernel refuses these ranges",
				 kind_names[kind]);
	return error_sys(err, errnum, "write the %s id map", kind_names[kind]);
}

int ids_write_map(int proc_dir_fd, enum ids_kind kind, const struct ids_range *map, size_t count, struct error *err)
{
	char text[IDS_MAP_MAX * LINE_MAX_BYTES + 1];
	autofd int fd = FD_NONE;
	size_t len = 0;
	int r;

	if (count > IDS_MAP_MAX)
		return error_set(err, ERROR_INVALID, E2BIG, "write the %s id map: %zu ranges; the kernel takes %d",
				 kind_names[kind], count, IDS_MAP_MAX);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n", map[i].inside, map[i].outside,
					map[i].count);
	fd = file_open_proc(proc_dir_fd, map_files[kind], O_WRONLY);
	if (fd < 0)
		return error_sys(err, -fd, "open the %s id map", kind_names[kind]);
	r = file_write_once(fd, text, len);
	return r < 0 ? map_error(err, kind, -r) : 0;
}

int ids_deny_setgroups(int proc_dir_fd, struct error *err)
{
	autofd int fd = file_open_proc(proc_dir_fd, "setgroups", O_WRONLY);
	int r = fd;

	if (fd >= 0)
		r = file_write_once(fd, "deny", 4);
	/* Kernels before 3.19 have no such file, and no rule that asks for it. */
	if (r >= 0 || r == -ENOENT)
		return 0;
	return error_sys(err, -r, "forbid setgroups in the user namespace");
}

/* ---- newuidmap ---------------------------------------------------------------------------------------------------------- */

static bool find_program(enum ids_kind kind, char *out, size_t size)
{
	static const char *const dirs[] = {"/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(out, size, "%s/new%cidmap", dirs[i], kind == IDS_UID ? 'u' : 'g');
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

/* Run @argv with standard error into @said (bounded). Returns its wait status or -errno. */
static int run_program(char *const argv[], char *said, size_t size)
{
	static char *const env[] = {(char *)"PATH=/usr/bin:/bin", NULL};
	posix_spawn_file_actions_t actions;
	int p[2];
	int status = 0;
	size_t used = 0;
	pid_t pid;
	int r;

	said[0] = '\0';
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, p[1], 2);
	posix_spawn_file_actions_adddup2(&actions, p[1], 1);
	r = posix_spawn(&pid, argv[0], &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	close(p[1]);
	while (r == 0 && used < size - 1) {
		ssize_t n = read(p[0], said + used, size - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	said[used] = '\0';
	while (used && said[used - 1] == '\n')
		said[--used] = '\0';
	close(p[0]);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

int ids_run_helper(enum ids_kind kind, pid_t pid, const struct ids_range *map, size_t count, struct error *err)
{
	char numbers[3 * IDS_MAP_MAX + 1][12];
	char *argv[3 * IDS_MAP_MAX + 3];
	char program[64];
	char said[256];
	size_t n = 0;
	int r;

	if (count > IDS_MAP_MAX)
		return error_set(err, ERROR_INVALID, E2BIG, "%zu id ranges; the kernel takes %d", count, IDS_MAP_MAX);
	if (!find_program(kind, program, sizeof(program))) {
		error_set(err, ERROR_NOT_FOUND, ENOENT, "new%cidmap is not installed", kind == IDS_UID ? 'u' : 'g');
		return error_hint(err, "install the package uidmap (Debian) or shadow-utils");
	}
	argv[0] = program;
	(void)snprintf(numbers[n], sizeof(numbers[n]), "%d", pid);
	argv[1] = numbers[n++];
	for (size_t i = 0; i < count; i++) {
		const uint32_t v[3] = {map[i].inside, map[i].outside, map[i].count};

		for (int k = 0; k < 3; k++) {
			(void)snprintf(numbers[n], sizeof(numbers[n]), "%u", v[k]);
			argv[n + 1] = numbers[n];
			n++;
		}
	}
	argv[n + 1] = NULL;
	r = run_program(argv, said, sizeof(said));
	if (r < 0)
		return error_sys(err, -r, "run '%s'", program);
	if (r == 0)
		return 0;
	error_set(err, ERROR_DENIED, EPERM, "'%s' refused the %s id map: %s", program, kind_names[kind],
		  said[0] ? said : "no reason given");
	return error_hint(
		err, "the ranges must be ours in /etc/sub%cid, and the program setuid root or with file capabilities",
		kind == IDS_UID ? 'u' : 'g');
}

/* ---- /etc/subuid ---------------------------------------------------------------------------------------------------------- */

/* One field up to @sep into @out; returns behind it, or NULL when it is missing or too long. */
static const char *field(const char *p, const char *end, char sep, char *out, size_t size)
{
	const char *stop = sep ? memchr(p, sep, (size_t)(end - p)) : end;

	if (!stop || (size_t)(stop - p) >= size)
		return NULL;
	memcpy(out, p, (size_t)(stop - p));
	out[stop - p] = '\0';
	return sep ? stop + 1 : stop;
}

static bool parse_line(const char *p, const char *end, const char *user, uint32_t uid, struct ids_range *ret)
{
	char name[256];
	char start[16];
	char count[16];
	uint32_t number;
	bool is_number;

	p = field(p, end, ':', name, sizeof(name));
	p = p ? field(p, end, ':', start, sizeof(start)) : NULL;
	if (!p || !field(p, end, '\0', count, sizeof(count)))
		return false;
	/* A line of digits is a uid and never a name (V13). */
	is_number = str_to_u32(name, &number) == 0;
	if (is_number ? number != uid : !user || !str_eq(name, user))
		return false;
	if (str_to_u32(start, &ret->outside) < 0 || str_to_u32(count, &ret->count) < 0)
		return false;
	return ret->count > 0 && (uint64_t)ret->outside + ret->count <= ID_END;
}

size_t ids_parse_subids(const char *text, size_t len, const char *user, uint32_t uid, uint32_t inside_first,
			struct ids_range *ret, size_t max)
{
	const char *end = text + len;
	uint64_t inside = inside_first;
	size_t n = 0;

	for (const char *p = text; p < end && n < max;) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		struct ids_range range = {0};

		if (!eol)
			eol = end;
		if (parse_line(p, eol, user, uid, &range) && inside + range.count <= ID_END) {
			range.inside = (uint32_t)inside;
			inside += range.count;
			ret[n++] = range;
		}
		p = eol + 1;
	}
	return n;
}

/* ---- our own -------------------------------------------------------------------------------------------------------------- */

int ids_set_groups(const uint32_t *gids, size_t count, struct error *err)
{
	if (syscall(SYS_setgroups, count, gids) == 0)
		return 0;
	if (errno == EPERM && count == 0)
		return 0;
	if (errno == EPERM) {
		error_set(err, ERROR_DENIED, errno, "set the additional groups: not allowed here");
		return error_hint(err, "a user namespace made without newgidmap cannot have additional groups");
	}
	if (errno == EINVAL)
		return error_set(
			err, ERROR_INVALID, errno,
			"set the additional groups: one of them is not mapped into the user namespace, or there are too many");
	return error_sys(err, errno, "set the additional groups");
}

static int set_id(const char *what, long call, uint32_t id, struct error *err)
{
	if (id == UINT32_MAX)
		return error_set(err, ERROR_INVALID, EINVAL, "%s id %u is not an id", what, id);
	if (syscall(call, id, id, id) == 0)
		return 0;
	if (errno == EINVAL)
		return error_set(err, ERROR_INVALID, errno, "become %s %u: it is not mapped into the user namespace",
				 what, id);
	return error_sys(err, errno, "become %s %u", what, id);
}

int ids_set_gid(uint32_t gid, struct error *err)
{
	return set_id("group", SYS_setresgid, gid, err);
}

int ids_set_uid(uint32_t uid, struct error *err)
{
	return set_id("user", SYS_setresuid, uid, err);
}

int ids_set_fs(uint32_t uid, uint32_t gid, struct error *err)
{
	/* These calls report nothing; asking for "no id" changes nothing and tells what is set. */
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	if ((uint32_t)setfsgid((gid_t)-1) != gid || (uint32_t)setfsuid((uid_t)-1) != uid)
		return error_set(err, ERROR_DENIED, EPERM, "work on files as user %u, group %u", uid, gid);
	return 0;
}
