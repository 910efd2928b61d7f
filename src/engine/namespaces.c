/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which namespaces a container has: new ones unless asked otherwise, or those of another container or of a path.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/internal.h"
#include "safepath/safepath.h"

#define DAYS_MAX 36500 /* a century; the kernel takes less than 292 years */

static void own(struct making *m, enum spec_ns ns)
{
	m->spec.linux_.ns[ns] = (struct spec_namespace){.present = true};
}

/* "container:NAME" or an id: the namespace of a running container. */
static int of_container(struct making *m, enum spec_ns ns, const char *option, const char *name, struct error *err)
{
	char id[ENGINE_ID_LEN + 1];
	struct runtime *rt;
	enum runtime_status status;
	pid_t pid;
	int r = engine_runtime(m->engine, &rt, err);

	if (r == 0)
		r = engine_container_find(m->engine, name, id, err);
	if (r == 0)
		r = runtime_status(rt, id, &status, &pid, err);
	if (r == 0 && (status != RUNTIME_RUNNING || !pid))
		r = error_set(err, ERROR_CONFLICT, ESRCH, "container '%s' is not running", name);
	if (r < 0)
		return error_wrap(err, "%s", option);
	m->spec.linux_.ns[ns] = (struct spec_namespace){
		.present = true,
		.path = arena_printf(&m->spec.arena, "/proc/%d/ns/%s", (int)pid, spec_ns_proc_name(ns)),
	};
	return 0;
}

/* The forms that most namespace options share. */
static int choose(struct making *m, enum spec_ns ns, const char *option, const char *value, bool *ret_own,
		  struct error *err)
{
	*ret_own = true;
	if (!value || !value[0] || str_eq(value, "private")) {
		own(m, ns);
		return 0;
	}
	if (str_eq(value, "host")) {
		*ret_own = false;
		return 0;
	}
	*ret_own = false;
	if (str_starts(value, "container:"))
		return of_container(m, ns, option, value + strlen("container:"), err);
	if (str_starts(value, "ns:")) {
		m->spec.linux_.ns[ns] =
			(struct spec_namespace){.present = true, .path = arena_strdup(&m->spec.arena, value + 3)};
		return 0;
	}
	return error_set(err, ERROR_INVALID, EINVAL,
			 "%s: expected private, host, container:NAME or ns:PATH, got \"%s\"", option, value);
}

static int network(struct making *m, struct error *err)
{
	const char *v = m->opt->network;

	if (!v || str_eq(v, "none"))
		v = "private";
	else if (!str_eq(v, "host") && !str_starts(v, "container:") && !str_starts(v, "ns:"))
		return error_hint((error_set(err, ERROR_UNSUPPORTED, EOPNOTSUPP,
					     "--network %s: networks are not supported yet", v),
				   err),
				  "--network none gives a container loopback only, --network host the host's network");
	return choose(m, SPEC_NS_NETWORK, "--network", v, &m->own_netns, err);
}

int engine_time_offset_parse(const char *text, bool *ret_boottime, struct spec_time_offset *ret, struct error *err)
{
	const char *eq = strchr(text, '=');
	const char *value = eq ? eq + 1 : "";
	const bool boottime = str_starts(text, "boottime=");
	const bool known = boottime || str_starts(text, "monotonic=");
	autofree char *days = NULL;
	int64_t ns = 0;
	int r;

	if (*value == '+')
		value++;
	days = str_ends(value, "d") ? mem_strndup(value, strlen(value) - 1) : NULL;
	r = days ? str_to_i64(days, &ns) : str_to_duration(value, &ns);
	if (!known || r < 0 || (days && (ns > DAYS_MAX || ns < -DAYS_MAX)))
		return error_set(
			err, ERROR_INVALID, EINVAL,
			"--time-offset: expected boottime=DURATION or monotonic=DURATION such as boottime=+3d, got \"%s\"",
			text);
	if (days)
		ns *= INT64_C(86400) * 1000000000;
	*ret = (struct spec_time_offset){.set = true,
					 .secs = ns / 1000000000,
					 .nanosecs = (uint32_t)((ns % 1000000000 + 1000000000) % 1000000000)};
	ret->secs -= ns % 1000000000 < 0; /* the nanoseconds are never negative */
	*ret_boottime = boottime;
	return 0;
}

static int time_offset(struct making *m, const char *text, struct error *err)
{
	struct spec_time_offset offset;
	bool boottime;
	int r = engine_time_offset_parse(text, &boottime, &offset, err);

	if (r < 0)
		return r;
	if (boottime)
		m->spec.linux_.time_boottime = offset;
	else
		m->spec.linux_.time_monotonic = offset;
	own(m, SPEC_NS_TIME);
	return 0;
}

static int names(struct making *m, bool own_uts, struct error *err)
{
	if (!own_uts && (m->opt->hostname || m->opt->domainname))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--hostname and --domainname need a UTS namespace of the container's own");
	if (!own_uts)
		return 0;
	/* It goes into /etc/hosts too: a line break would add a line of somebody's choice. */
	if (m->opt->hostname &&
	    (strlen(m->opt->hostname) > HOST_NAME_MAX || m->opt->hostname[strcspn(m->opt->hostname, " \t#")] ||
	     str_has_control(m->opt->hostname)))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "--hostname: expected up to %d characters without spaces and control characters",
				 HOST_NAME_MAX);
	m->spec.hostname =
		arena_strndup(&m->spec.arena, m->opt->hostname ? m->opt->hostname : m->id, m->opt->hostname ? 64 : 12);
	m->spec.domainname = arena_strdup(&m->spec.arena, m->opt->domainname);
	return 0;
}

int engine_namespaces(struct making *m, struct error *err)
{
	const struct engine_run_options *o = m->opt;
	bool own_uts;
	const char *ipc = o->ipc && (str_eq(o->ipc, "shareable") || str_eq(o->ipc, "none")) ? "private" : o->ipc;
	int r;

	own(m, SPEC_NS_MOUNT);
	r = network(m, err);
	if (r == 0)
		r = choose(m, SPEC_NS_PID, "--pid", o->pid, &m->own_pidns, err);
	if (r == 0)
		r = choose(m, SPEC_NS_IPC, "--ipc", ipc, &m->own_ipcns, err);
	if (r == 0)
		r = choose(m, SPEC_NS_UTS, "--uts", o->uts, &own_uts, err);
	if (r == 0)
		r = choose(m, SPEC_NS_CGROUP, "--cgroupns", o->cgroupns, &m->own_cgroupns, err);
	for (size_t i = 0; i < o->time_offsets.count && r == 0; i++)
		r = time_offset(m, o->time_offsets.items[i], err);
	return r < 0 ? r : names(m, own_uts, err);
}
