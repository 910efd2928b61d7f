/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bothy run: Docker's flags as rows that fill struct engine_run_options directly.
 */
#include <string.h>

#include "base/cleanup.h"
#include "cli/bothy.h"
#include "cli/platform.h"
#include "cli/progress.h"

struct run_options {
	struct engine_run_options o; /* first: most rows fill it directly */
	struct platform_words platform;
};
#define AT(field) offsetof(struct engine_run_options, field)

#define LATER(name, letter, instead)                                                                                   \
	{                                                                                                              \
		name, letter, OPTION_OPTIONAL, 0, NULL, instead, OPTION_LATER                                          \
	}

/* clang-format off */
static const struct option table[] = {
	/* what runs */
	{"interactive", 'i', OPTION_BOOL, AT(interactive), NULL, "keep standard input open", 0},
	{"tty", 't', OPTION_BOOL, AT(tty), NULL, "give it a terminal", 0},
	{"rm", 0, OPTION_BOOL, AT(remove), NULL, "remove the container when it has ended (a foreground run always does)", 0},
	{"name", 0, OPTION_STRING, AT(name), "NAME", "call it NAME", 0},
	{"env", 'e', OPTION_STRINGS, AT(env), "NAME[=VALUE]", "set a variable (repeatable); without =VALUE it is taken from here", 0},
	{"env-file", 0, OPTION_STRINGS, AT(env_files), "FILE", "variables from a file, one a line", 0},
	{"workdir", 'w', OPTION_STRING, AT(workdir), "DIR", "working directory inside", 0},
	{"user", 'u', OPTION_STRING, AT(user), "USER[:GROUP]", "names or numbers of the image", 0},
	{"group-add", 0, OPTION_STRINGS, AT(group_add), "GROUP", "further group (repeatable)", 0},
	{"entrypoint", 0, OPTION_STRING, AT(entrypoint), "PROGRAM", "in place of the image's entry point", 0},
	{"hostname", 'h', OPTION_STRING, AT(hostname), "NAME", "host name inside", 0},
	{"domainname", 0, OPTION_STRING, AT(domainname), "NAME", "domain name inside", 0},
	{"pull", 0, OPTION_STRING, AT(pull), "always|missing|newer|never", "when to ask the registry for the image (default: missing)", 0},
	PLATFORM_OPTIONS(struct run_options, platform, "which one of several to pull (default: this machine's)"),
	{"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "pull without progress", 0},
	{"rootfs", 0, OPTION_STRING, AT(rootfs), "DIR", "a folder as the root, in place of an image", 0},
	{"init", 0, OPTION_BOOL, AT(init), NULL, "a small init as process 1 that reaps and passes signals on", 0},
	{"stop-signal", 0, OPTION_STRING, AT(stop_signal), "SIGNAL", "signal that asks it to stop", 0},
	{"label", 'l', OPTION_STRINGS, AT(labels), "KEY=VALUE", "label (repeatable)", 0},
	{"annotation", 0, OPTION_STRINGS, AT(annotations), "KEY=VALUE", "OCI annotation (repeatable)", 0},
	{"detach-keys", 0, OPTION_STRING, AT(detach_keys), "KEYS", "keys that are kept from the program (default ctrl-p,ctrl-q)", 0},
	{"explain", 0, OPTION_OPTIONAL, AT(explain), NULL, "print the plan instead of running; --explain=time runs and prints how long each step took", 0},
	/* files */
	{"volume", 'v', OPTION_STRINGS, AT(volumes), "SRC:DST[:OPT]", "bind a folder or file of the host (ro, create, noidmap, rslave, ...)", 0},
	{"mount", 0, OPTION_STRINGS, AT(mounts), "KEY=VALUE,...", "type=bind or type=tmpfs", 0},
	{"tmpfs", 0, OPTION_STRINGS, AT(tmpfs), "DST[:OPT]", "an empty folder in memory", 0},
	{"read-only", 0, OPTION_BOOL, AT(read_only), NULL, "the root cannot be written", 0},
	{"shm-size", 0, OPTION_SIZE, AT(shm_size), "SIZE", "size of /dev/shm (default 64m)", 0},
	/* limits */
	{"memory", 'm', OPTION_SIZE, AT(memory), "SIZE", "memory limit", OPTION_MINUS_ONE},
	{"memory-swap", 0, OPTION_SIZE, AT(memory_swap), "SIZE", "limit of memory and swap together, -1 for no limit", OPTION_MINUS_ONE},
	{"memory-reservation", 0, OPTION_SIZE, AT(memory_reservation), "SIZE", "soft memory limit", OPTION_MINUS_ONE},
	{"memory-swappiness", 0, OPTION_U64, AT(memory_swappiness), "0-100", "how readily memory is swapped (cgroup v1)", 0},
	{"oom-kill-disable", 0, OPTION_BOOL, AT(oom_kill_disable), NULL, "wait instead of being killed when memory is out (cgroup v1)", 0},
	{"oom-score-adj", 0, OPTION_I64, AT(oom_score_adj), "N", "how readily the kernel kills it, -1000 to 1000", 0},
	{"cpus", 0, OPTION_STRING, AT(cpus), "N", "CPUs at most, 0.5 is half of one", 0},
	{"cpu-shares", 'c', OPTION_U64, AT(cpu_shares), "N", "share of CPU time against others (1024 is usual)", 0},
	{"cpu-period", 0, OPTION_U64, AT(cpu_period), "US", "length of a CPU period in microseconds", 0},
	{"cpu-quota", 0, OPTION_I64, AT(cpu_quota), "US", "CPU time in a period", 0},
	{"cpuset-cpus", 0, OPTION_STRING, AT(cpuset_cpus), "LIST", "CPUs it may use, 0-3,7", 0},
	{"cpuset-mems", 0, OPTION_STRING, AT(cpuset_mems), "LIST", "memory nodes it may use", 0},
	{"pids-limit", 0, OPTION_I64, AT(pids_limit), "N", "most processes (default 2048), -1 for no limit", 0},
	{"blkio-weight", 0, OPTION_U64, AT(blkio_weight), "N", "weight of block I/O, 10 to 1000", 0},
	{"blkio-weight-device", 0, OPTION_STRINGS, AT(blkio_weight_device), "DEV:N", "the same for one device", 0},
	{"device-read-bps", 0, OPTION_STRINGS, AT(read_bps), "DEV:RATE", "bytes a second read from a device", 0},
	{"device-write-bps", 0, OPTION_STRINGS, AT(write_bps), "DEV:RATE", "bytes a second written to a device", 0},
	{"device-read-iops", 0, OPTION_STRINGS, AT(read_iops), "DEV:N", "reads a second from a device", 0},
	{"device-write-iops", 0, OPTION_STRINGS, AT(write_iops), "DEV:N", "writes a second to a device", 0},
	{"ulimit", 0, OPTION_STRINGS, AT(ulimits), "NAME=SOFT[:HARD]", "resource limit of a process", 0},
	{"cgroup-conf", 0, OPTION_STRINGS, AT(cgroup_conf), "FILE=VALUE", "write a cgroup v2 file", 0},
	{"cgroup-parent", 0, OPTION_STRING, AT(cgroup_parent), "PATH", "cgroup to put it below", 0},
	/* security */
	{"cap-add", 0, OPTION_STRINGS, AT(cap_add), "CAP", "add a capability (repeatable), ALL for all", 0},
	{"cap-drop", 0, OPTION_STRINGS, AT(cap_drop), "CAP", "drop a capability (repeatable), ALL for all", 0},
	{"privileged", 0, OPTION_BOOL, AT(privileged), NULL, "all capabilities and devices, nothing masked: no protection for the host", 0},
	{"security-opt", 0, OPTION_STRINGS, AT(security_opt), "OPTION", "seccomp=FILE|unconfined, apparmor=, label=, no-new-privileges, mask=, unmask=", 0},
	{"profile", 0, OPTION_STRING, AT(profile), "NAME", "default, or restricted (Kubernetes' restricted standard)", 0},
	{"device", 0, OPTION_STRINGS, AT(devices), "PATH[:PATH][:rwm]", "give a device of the host", 0},
	{"device-cgroup-rule", 0, OPTION_STRINGS, AT(device_rules), "RULE", "allow devices by number: \"c 1:* rwm\"", 0},
	{"sysctl", 0, OPTION_STRINGS, AT(sysctls), "KEY=VALUE", "kernel parameter of the container's namespaces", 0},
	/* namespaces */
	{"network", 0, OPTION_STRING, AT(network), "MODE", "none (default: loopback only), host, container:NAME, ns:PATH", 0},
	{"net", 0, OPTION_STRING, AT(network), "MODE", "", OPTION_HIDDEN},
	{"userns", 0, OPTION_STRING, AT(userns), "MODE", "auto (default: ids of its own), auto:size=N, auto:uidmapping=IN:OUT:N, keep-id, host", 0},
	{"uidmap", 0, OPTION_STRINGS, AT(uidmaps), "IN:OUT:N", "map N user ids from IN inside to OUT on the host", 0},
	{"gidmap", 0, OPTION_STRINGS, AT(gidmaps), "IN:OUT:N", "the same for groups", 0},
	{"pid", 0, OPTION_STRING, AT(pid), "MODE", "private, host, container:NAME", 0},
	{"ipc", 0, OPTION_STRING, AT(ipc), "MODE", "private, host, none, shareable, container:NAME", 0},
	{"uts", 0, OPTION_STRING, AT(uts), "MODE", "private, host", 0},
	{"cgroupns", 0, OPTION_STRING, AT(cgroupns), "MODE", "private, host", 0},
	{"time-offset", 0, OPTION_STRINGS, AT(time_offsets), "CLOCK=OFFSET", "boottime=+3d, monotonic=-1h: own clocks since boot", 0},
	/* known from elsewhere */
	LATER("detach", 'd', "it runs in the foreground; let the shell put it behind: bothy run ... &"),
	LATER("publish", 'p', "use the host's network: --network host"),
	LATER("publish-all", 'P', "use the host's network: --network host"),
	LATER("expose", 0, "leave it out: it only matters together with --publish-all"),
	LATER("restart", 0, "let the service manager restart it"),
	LATER("attach", 'a', "output is always attached, input with -i"),
	LATER("add-host", 0, "bind a file of your own: -v ./hosts:/etc/hosts:ro"),
	LATER("dns", 0, "bind a file of your own: -v ./resolv.conf:/etc/resolv.conf:ro"),
	LATER("volumes-from", 0, "name the folders with -v"),
	LATER("volume-driver", 0, "bind a folder of the host with -v"),
	LATER("link", 0, "use --network host"),
	LATER("ip", 0, "use --network host"),
	LATER("mac-address", 0, "use --network host"),
	LATER("network-alias", 0, "use --network host"),
	LATER("gpus", 0, "give the devices by name: --device /dev/dri"),
	LATER("runtime", 0, "leave it out: containers are started by bothy itself"),
	LATER("log-driver", 0, "output goes where bothy's own goes: redirect it"),
	LATER("log-opt", 0, "output goes where bothy's own goes: redirect it"),
	LATER("health-cmd", 0, "leave it out: nobody asks for it while it runs in the foreground"),
	LATER("cidfile", 0, "choose a name of your own: --name NAME"),
	LATER("storage-opt", 0, "limit /tmp with --tmpfs /tmp:size=64m"),
	OPTION_END,
};
/* clang-format on */
#undef LATER

static int run(void *global, void *options, const struct args *args, struct error *err)
{
	struct run_options *typed = options;
	struct engine_run_options *o = &typed->o;
	autofree char *platform = NULL;
	autoprogress struct progress *progress = NULL;
	autoengine struct engine *e = NULL;
	size_t used = 0;
	int status = 0;

	if (platform_word(&typed->platform, &platform, err) < 0 || bothy_open(global, &e, err) < 0 ||
	    progress_new(NULL, o->quiet, "pull", &progress, err) < 0)
		return -err->code;
	o->platform = platform;
	o->observer = progress_observer(progress);
	/* An absolute path can't be an image: it is a program of the embedded one. */
	if (!o->rootfs && args->count && args->items[0][0] != '/') {
		o->image = str_eq(args->items[0], "embedded") ? NULL : args->items[0];
		used = 1;
	}
	o->args = args->items + used;
	o->entrypoint_set = o->entrypoint != NULL;
	o->self_argv = ((const struct bothy_global *)global)->argv;
	int r = engine_run(e, o, &status, err);
	return r < 0 ? r : status;
}

static void done(void *options)
{
	/* Each strv field is a row of the table: free them by it, so that none can be forgotten. */
	for (const struct option *o = table; o->name; o++)
		if (o->type == OPTION_STRINGS)
			strv_done((struct strv *)((char *)options + o->offset));
}

const struct command cmd_run = {
	.name = "run",
	.group = "Containers",
	.args = "[IMAGE] [PROGRAM [ARG...]]",
	.summary = "run a program in a new container",
	.details =
		"Without IMAGE the small one that comes with bothy is used (its name is \"embedded\"), and without PROGRAM what the\n"
		"image names. A PROGRAM that begins with / needs no IMAGE before it.\n"
		"Each container gets a user namespace and a range of ids of its own; files in volumes keep their owners.",
	.options = table,
	.options_size = sizeof(struct run_options),
	.max_args = -1,
	.stop_at_first = true,
	.run = run,
	.done = done,
	.examples = "  bothy run -it                               a shell in the embedded image\n"
		    "  bothy run --rm -v ./data:/data debian:12 ls -l /data\n"
		    "  bothy run --memory 64m --cpus 0.5 --pids-limit 50 app\n"
		    "  bothy run --profile restricted --user 1000 app",
};
