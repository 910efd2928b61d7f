/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors in the words of the command line, and names that were nearly right. The runtime speaks of fields of the OCI
 * document ("linux.resources.cpu.cpus: ..."); who typed --cpuset-cpus never saw one.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/internal.h"

/* Longest prefixes first where one is the beginning of another. */
static const struct {
	const char *field, *option;
} words[] = {
	{"linux.resources.memory.swappiness", "--memory-swappiness"},
	{"linux.resources.memory.reservation", "--memory-reservation"},
	{"linux.resources.memory.swap", "--memory-swap"},
	{"linux.resources.memory.disableOOMKiller", "--oom-kill-disable"},
	{"linux.resources.memory", "--memory"},
	{"linux.resources.cpu.shares", "--cpu-shares"},
	{"linux.resources.cpu.quota", "--cpus"},
	{"linux.resources.cpu.period", "--cpus"},
	{"linux.resources.cpu.cpus", "--cpuset-cpus"},
	{"linux.resources.cpu.mems", "--cpuset-mems"},
	{"linux.resources.pids", "--pids-limit"},
	{"linux.resources.blockIO.weightDevice", "--blkio-weight-device"},
	{"linux.resources.blockIO.weight", "--blkio-weight"},
	{"linux.resources.blockIO.throttleReadBpsDevice", "--device-read-bps"},
	{"linux.resources.blockIO.throttleWriteBpsDevice", "--device-write-bps"},
	{"linux.resources.blockIO.throttleReadIOPSDevice", "--device-read-iops"},
	{"linux.resources.blockIO.throttleWriteIOPSDevice", "--device-write-iops"},
	{"linux.resources.unified", "--cgroup-conf"},
	{"linux.uidMappings", "user namespace (user ids)"},
	{"linux.gidMappings", "user namespace (group ids)"},
	{"linux.seccomp", "--security-opt seccomp"},
	{"linux.cgroupsPath", "--cgroup-parent"},
	{"process.rlimits", "--ulimit"},
	{"process.oomScoreAdj", "--oom-score-adj"},
	{"process.user", "--user"},
	{"process.cwd", "--workdir"},
	{"hostname", "--hostname"},
	{"domainname", "--domainname"},
};

/* The first limit that was asked for. */
static const char *limit_option(const struct engine_run_options *o)
{
	const struct {
		bool given;
		const char *option;
	} limits[] = {
		{o->memory.set, "--memory"},
		{o->memory_reservation.set, "--memory-reservation"},
		{o->memory_swappiness.set, "--memory-swappiness"},
		{o->cpus, "--cpus"},
		{o->cpu_quota.set, "--cpu-quota"},
		{o->cpu_period.set, "--cpu-period"},
		{o->cpu_shares.set, "--cpu-shares"},
		{o->cpuset_cpus, "--cpuset-cpus"},
		{o->cpuset_mems, "--cpuset-mems"},
		{o->pids_limit.set, "--pids-limit"},
		{o->blkio_weight.set, "--blkio-weight"},
		{o->blkio_weight_device.count, "--blkio-weight-device"},
		{o->read_bps.count, "--device-read-bps"},
		{o->write_bps.count, "--device-write-bps"},
		{o->read_iops.count, "--device-read-iops"},
		{o->write_iops.count, "--device-write-iops"},
		{o->cgroup_conf.count, "--cgroup-conf"},
		{o->cgroup_parent, "--cgroup-parent"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].given)
			return limits[i].option;
	return NULL;
}

/* "linux.resources.cpu.cpus: text" -> "--cpuset-cpus: text"; an index or a last name behind the field goes. */
static bool rename_field(struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const size_t len = strlen(words[i].field);
		struct error old = *err;
		const char *rest;

		if (strncmp(old.msg, words[i].field, len) != 0 || !strchr(":.[ ", old.msg[len]))
			continue;
		rest = strstr(old.msg + len, ": ");
		if (!rest)
			continue;
		error_set(err, old.kind, old.code, "%s%s", words[i].option, rest);
		if (old.hint[0])
			error_hint(err, "%s", old.hint);
		return true;
	}
	return false;
}

/* The mount that "mounts[7]..." in the text means, and where the text behind it begins; NULL: none. */
static const struct spec_mount *named_mount(const struct making *m, char *msg, char **ret_at, char **ret_rest)
{
	char *at = strstr(msg, "mounts[");
	char *end = at ? at + strlen("mounts[") : NULL;
	size_t i = 0;

	for (; end && *end >= '0' && *end <= '9' && i < m->spec.mount_count; end++)
		i = i * 10 + (size_t)(*end - '0');
	if (!at || *end != ']' || i >= m->spec.mount_count)
		return NULL;
	end += strcspn(end, ":");
	if (end[0] != ':' || end[1] != ' ')
		return NULL;
	*ret_at = at;
	*ret_rest = end + 2;
	return &m->spec.mounts[i];
}

/* The file system can't be idmapped: which option works without. */
static void hint_noidmap(const struct making *m, const struct spec_mount *mount, struct error *err)
{
	const bool theirs = mount && strncmp(mount->source, m->bundle, strlen(m->bundle)) != 0;

	if (theirs)
		error_hint(
			err,
			"mount it as it is: -v %.60s:%.60s:noidmap (its owners are nobody inside), or use --userns host",
			mount->source, mount->destination);
	else
		error_hint(err, "run it with the host's ids: --userns host");
}

/* "mount '/v': mounts[7]: text" -> "mount '/v': text", "mounts[7].source: text" -> "'/source' on '/v': text". */
static void name_mount(const struct making *m, struct error *err)
{
	struct error old = *err;
	char *at = NULL;
	char *rest = NULL;
	const struct spec_mount *mount = named_mount(m, old.msg, &at, &rest);

	if (mount && at == old.msg)
		error_set(err, old.kind, old.code, "'%s' on '%s': %s", mount->source, mount->destination, rest);
	else if (mount)
		error_set(err, old.kind, old.code, "%.*s%s", (int)(at - old.msg), old.msg, rest);
	if (mount && old.hint[0])
		error_hint(err, "%s", old.hint);
	if (m->idmap && strstr(err->msg, "map the ids of a mount"))
		hint_noidmap(m, mount, err);
}

int engine_words(const struct making *m, struct error *err)
{
	const char *limit = limit_option(m->opt);

	if (!m->engine->root && limit && err->kind == ERROR_DENIED && strstr(err->msg, "control group")) {
		error_set(
			err, ERROR_DENIED, EPERM,
			"%s: a plain user can set limits only where control groups are delegated to him, and here they are not",
			limit);
		return error_hint(
			err,
			"run it as root, or with cgroup v2 and systemd: systemd-run --user --scope -p Delegate=yes bothy run ...");
	}
	if (!rename_field(err))
		name_mount(m, err);
	if (strstr(err->msg, "idmap is not installed"))
		error_hint(err,
			   "as root: apt-get install uidmap (Debian, Ubuntu) or dnf install shadow-utils (Fedora)");
	return -err->code;
}
