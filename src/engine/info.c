/* SPDX-License-Identifier: Apache-2.0 */
/* What engine, host and store are, in the words of Docker's /info and /version. */
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cgroup/cgroup.h"
#include "engine/internal.h"
#include "kernel/lsm.h"
#include "safepath/safepath.h"

static void set_str(struct json *j, const char *key, const char *value)
{
	json_set(j, key, json_new_str(value));
}

/* PRETTY_NAME and VERSION_ID of os-release(5), without their quotes. */
static void set_system(struct json *j)
{
	autobuf struct buf text = BUF_INIT(65536);
	autostrv struct strv lines = {};
	struct error ignored;
	const char *name;
	static const struct {
		const char *key, *as;
	} wanted[] = {{"PRETTY_NAME", "OperatingSystem"}, {"VERSION_ID", "OSVersion"}};

	(void)safepath_host_read("/etc/os-release", true, &text, &ignored);
	strv_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		autofree char *value = NULL;

		name = strv_get_env(&lines, wanted[i].key);
		name = name && *name == '"' ? name + 1 : name;
		value = name ? mem_strndup(name, strcspn(name, "\"")) : NULL;
		set_str(j, wanted[i].as, value ? value : "");
	}
}

static void set_security(struct json *j)
{
	struct json *list = json_new_array();

	if (lsm_enabled(LSM_APPARMOR))
		json_push(list, json_new_str("name=apparmor"));
	if (lsm_enabled(LSM_SELINUX))
		json_push(list, json_new_str("name=selinux"));
	json_push(list, json_new_str("name=seccomp,profile=builtin"));
	json_push(list, json_new_str("name=userns"));
	if (geteuid() != 0)
		json_push(list, json_new_str("name=rootless"));
	json_set(j, "SecurityOptions", list);
}

static void set_cgroups(struct json *j, struct json *warnings)
{
	static const char *const versions[] = {
		[CGROUP_MODE_NONE] = "",
		[CGROUP_MODE_V1] = "1",
		[CGROUP_MODE_V2] = "2",
		[CGROUP_MODE_HYBRID] = "1",
	};
	autocgrouphost struct cgroup_host host = {};
	struct error why = {};

	if (cgroup_host_probe(&host, &why) < 0)
		json_push(warnings, json_new_str(why.msg));
	else if (host.mode == CGROUP_MODE_NONE)
		json_push(warnings, json_new_str("WARNING: no control groups are mounted: limits will not work"));
	set_str(j, "CgroupDriver", host.mode == CGROUP_MODE_NONE ? "none" : "cgroupfs");
	set_str(j, "CgroupVersion", versions[host.mode]);
}

static void set_config(struct json *warnings)
{
	struct error why = {};
	autofree char *text = NULL;

	if (engine_config_check(&why) == 0)
		return;
	text = mem_printf("WARNING: %s", why.msg);
	json_push(warnings, json_new_str(text));
}

static int set_store(struct engine *e, struct json *j, struct error *err)
{
	autoclean(store_usage_done) struct store_usage u = {};
	struct store *s;

	if (engine_store(e, &s, err) < 0 || store_usage(s, false, &u, err) < 0)
		return -err->code;
	json_set(j, "Containers", json_new_u64(u.container_count));
	/* Containers live as long as their `bothy run`. */
	json_set(j, "ContainersRunning", json_new_u64(u.container_count));
	json_set(j, "ContainersPaused", json_new_u64(0));
	json_set(j, "ContainersStopped", json_new_u64(0));
	json_set(j, "Images", json_new_u64(u.image_count));
	set_str(j, "Driver", "overlay");
	set_str(j, "DockerRootDir", store_root(s));
	return 0;
}

int engine_info(struct engine *e, struct json **ret, struct error *err)
{
	autojson struct json *j = json_new_object();
	struct json *warnings = json_new_array();
	char now[CLOCK_RFC3339_MAX];
	struct utsname names;
	struct sysinfo memory;

	json_set(j, "Warnings", warnings);
	if (set_store(e, j, err) < 0)
		return -err->code;
	if (uname(&names) < 0 || sysinfo(&memory) < 0)
		return error_sys(err, errno, "cannot ask the kernel what it is");
	set_str(j, "ServerVersion", BOTHY_VERSION);
	set_str(j, "DefaultRuntime", "bothy");
	set_str(j, "StateDir", e->state);
	set_cgroups(j, warnings);
	set_config(warnings);
	set_security(j);
	set_str(j, "KernelVersion", names.release);
	set_system(j);
	set_str(j, "OSType", "linux");
	set_str(j, "Architecture", names.machine);
	json_set(j, "NCPU", json_new_i64(sysconf(_SC_NPROCESSORS_ONLN)));
	json_set(j, "MemTotal", json_new_u64((uint64_t)memory.totalram * memory.mem_unit));
	set_str(j, "Name", names.nodename);
	clock_format_rfc3339(clock_realtime_ns(), now);
	set_str(j, "SystemTime", now);
	*ret = take_ptr(&j);
	return 0;
}

int engine_version(struct json **ret, struct error *err)
{
	autojson struct json *j = json_new_object();
	const struct image_platform platform = image_platform_native();
	struct utsname names;

	if (uname(&names) < 0)
		return error_sys(err, errno, "cannot ask the kernel what it is");
	set_str(j, "Version", BOTHY_VERSION);
	set_str(j, "RuntimeSpec", "1.3.0");
	set_str(j, "ImageSpec", "1.1");
	set_str(j, "DistributionSpec", "1.1");
	set_str(j, "Os", platform.os);
	set_str(j, "Arch", platform.architecture);
	set_str(j, "KernelVersion", names.release);
	*ret = take_ptr(&j);
	return 0;
}
