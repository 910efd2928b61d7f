/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host has: the mounted hierarchies, found in the text of /proc/self/mountinfo, and the caller's own group in
 * each, found in /proc/self/cgroup. Nothing is assumed about where hierarchies are mounted; a mount that another mount
 * covers does not count (so a cgroup2 mounted over /sys/fs/cgroup in a private mount namespace is a v2 host).
 *
 * Flow: each mountinfo line first removes what it covers, then adds itself when it is a cgroup mount; at the end the mode
 * follows from what is left. Where v1 hierarchies and cgroup2 stand side by side, v1 is where limits are set, even if
 * somebody left a controller to cgroup2.
 */
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cgroup/group.h"
#include "kernel/cgroupfs.h"

#define MOUNTINFO_MAX (8u << 20) /* a host with 100,000 mounts is below this */
#define PROC_CGROUP_MAX (64u << 10)

static const struct {
	const char *v1, *v2; /* NULL: this version has no such controller */
} controllers[CGROUP_CONTROLLER_COUNT] = {
	[CGROUP_CPU] = {"cpu", "cpu"},
	[CGROUP_CPUACCT] = {"cpuacct", NULL},
	[CGROUP_CPUSET] = {"cpuset", "cpuset"},
	[CGROUP_MEMORY] = {"memory", "memory"},
	[CGROUP_BLKIO] = {"blkio", "io"},
	[CGROUP_PIDS] = {"pids", "pids"},
	[CGROUP_DEVICES] = {"devices", NULL},
	[CGROUP_FREEZER] = {"freezer", NULL},
	[CGROUP_HUGETLB] = {"hugetlb", "hugetlb"},
	[CGROUP_NET_CLS] = {"net_cls", NULL},
	[CGROUP_NET_PRIO] = {"net_prio", NULL},
	[CGROUP_PERF_EVENT] = {"perf_event", NULL},
	[CGROUP_RDMA] = {"rdma", "rdma"},
	[CGROUP_MISC] = {"misc", "misc"},
};

static const char *const mode_names[CGROUP_MODE_COUNT] = {
	[CGROUP_MODE_NONE] = "none",
	[CGROUP_MODE_V1] = "v1",
	[CGROUP_MODE_HYBRID] = "hybrid",
	[CGROUP_MODE_V2] = "v2",
};

const char *cgroup_controller_name(enum cgroup_controller c, bool v2)
{
	const char *name = v2 ? controllers[c].v2 : controllers[c].v1;

	return name ? name : controllers[c].v1;
}

const char *cgroup_mode_name(enum cgroup_mode m)
{
	return mode_names[m];
}

static int controller_parse_n(const char *name, size_t len, bool v2)
{
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++) {
		const char *known = v2 ? controllers[i].v2 : controllers[i].v1;

		if (known && strlen(known) == len && memcmp(known, name, len) == 0)
			return i;
	}
	return -1;
}

int cgroup_controller_parse(const char *name, bool v2)
{
	return controller_parse_n(name, strlen(name), v2);
}

/* The known names in a list; ' ' separates v2's (cgroup.controllers), ',' v1's (mount options). */
uint32_t cgroup_parse_controllers(const char *list, char sep)
{
	uint32_t mask = 0;

	while (*list) {
		size_t len = strcspn(list, (char[]){sep, '\n', '\0'});
		int c = controller_parse_n(list, len, sep == ' ');

		if (c >= 0)
			mask |= CGROUP_BIT(c);
		list += len;
		if (*list)
			list++;
	}
	return mask;
}

void cgroup_label(bool v2, const char *name, uint32_t mask, char out[static 128])
{
	size_t len = 0;

	if (v2) {
		(void)str_copy(out, 128, "unified");
		return;
	}
	if (name) {
		(void)str_copy(out, 128, name);
		return;
	}
	out[0] = '\0';
	for (int i = 0; i < CGROUP_CONTROLLER_COUNT; i++) {
		if (!(mask & CGROUP_BIT(i)))
			continue;
		(void)snprintf(out + len, 128 - len, "%s%s", len ? "," : "", controllers[i].v1);
		len = strlen(out);
	}
}

/* ---- mountinfo ---- */

static void hierarchy_done(struct cgroup_hierarchy *h)
{
	free(h->name);
	free(h->mount_point);
	free(h->mount_root);
	free(h->own);
	*h = (struct cgroup_hierarchy){};
}

void cgroup_host_done(struct cgroup_host *host)
{
	for (size_t i = 0; i < host->count; i++)
		hierarchy_done(&host->items[i]);
	host->count = 0;
	host->mode = CGROUP_MODE_NONE;
}

/* Undo mountinfo's \040 and friends in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* Cut the next blank-separated word off *@line. NULL at the end. */
static char *next_word(char **line)
{
	char *word = *line;
	size_t len;

	if (!word || !*word)
		return NULL;
	len = strcspn(word, " ");
	*line = word[len] ? word + len + 1 : word + len;
	word[len] = '\0';
	return word;
}

static bool path_covers(const char *over, const char *path)
{
	size_t len = strlen(over);

	if (str_eq(over, "/"))
		return false; /* the root itself, not something mounted over what is below it */
	return strncmp(over, path, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static void drop_covered(struct cgroup_host *host, const char *mount_point)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->count; i++) {
		if (path_covers(mount_point, host->items[i].mount_point))
			hierarchy_done(&host->items[i]);
		else
			host->items[kept++] = host->items[i];
	}
	for (size_t i = kept; i < host->count; i++)
		host->items[i] = (struct cgroup_hierarchy){};
	host->count = kept;
}

/* "name=systemd" among the super block's options, copied; NULL: none. */
static char *named_of(const char *options)
{
	const char *at = options;

	while (at && !str_starts(at, "name="))
		at = (at = strchr(at, ',')) ? at + 1 : NULL;
	return at ? mem_strndup(at + 5, strcspn(at + 5, ",\n")) : NULL;
}

static bool same_hierarchy(const struct cgroup_hierarchy *a, const struct cgroup_hierarchy *b)
{
	return a->v2 == b->v2 && (a->v2 || (a->controllers == b->controllers && str_eq(a->name, b->name)));
}

/* Take the hierarchy over; of two mounts of one hierarchy keep the first, but one at the usual place is better. */
static void host_add(struct cgroup_host *host, struct cgroup_hierarchy *h)
{
	for (size_t i = 0; i < host->count; i++) {
		struct cgroup_hierarchy *old = &host->items[i];

		if (!same_hierarchy(old, h))
			continue;
		if (str_starts(h->mount_point, "/sys/fs/cgroup") && !str_starts(old->mount_point, "/sys/fs/cgroup")) {
			hierarchy_done(old);
			*old = *h;
		} else {
			hierarchy_done(h);
		}
		return;
	}
	if (host->count == CGROUP_HIERARCHY_MAX) {
		hierarchy_done(h);
		return;
	}
	host->items[host->count++] = *h;
}

/* "36 35 0:30 /root /mount/point rw,relatime shared:9 - cgroup cgroup rw,cpu": proc_pid_mountinfo(5). */
static void parse_mount(char *line, const char *root, struct cgroup_host *host)
{
	struct cgroup_hierarchy h = {};
	char *word[5], *type, *options;

	for (size_t i = 0; i < ARRAY_SIZE(word); i++)
		if (!(word[i] = next_word(&line)))
			return;
	while ((type = next_word(&line)) && !str_eq(type, "-"))
		;
	type = next_word(&line);
	(void)next_word(&line);
	options = next_word(&line);
	if (!type || !options)
		return;
	unescape(word[3]);
	unescape(word[4]);
	drop_covered(host, word[4]);
	h.v2 = str_eq(type, "cgroup2");
	if (!h.v2 && !str_eq(type, "cgroup"))
		return;
	if (!h.v2) {
		h.controllers = cgroup_parse_controllers(options, ',');
		h.name = named_of(options);
		if (!h.controllers && !h.name)
			return;
	}
	h.mount_root = mem_strdup(word[3]);
	h.mount_point = mem_printf("%s%s", root, word[4]);
	host_add(host, &h);
}

/* ---- /proc/self/cgroup ---- */

/* "4:memory:/x", "9:name=systemd:/", "0::/y". */
static void parse_own(char *line, struct cgroup_host *host)
{
	char *list = strchr(line, ':'), *path;
	uint32_t mask;
	autofree char *name = NULL;

	if (!list || !(path = strchr(++list, ':')))
		return;
	*path++ = '\0';
	mask = cgroup_parse_controllers(list, ',');
	name = named_of(list);
	for (size_t i = 0; i < host->count; i++) {
		struct cgroup_hierarchy *h = &host->items[i];
		bool match =
			*list == '\0' ? h->v2 : !h->v2 && (name ? str_eq(h->name, name) : (h->controllers & mask) != 0);

		if (!match || h->own)
			continue;
		h->own = mem_strdup(path);
	}
}

static void each_line(const char *text, void (*fn)(char *line, const char *root, struct cgroup_host *host),
		      const char *root, struct cgroup_host *host)
{
	autofree char *copy = mem_strdup(text);
	char *line = copy;

	while (*line) {
		size_t len = strcspn(line, "\n");
		char *next = line[len] ? line + len + 1 : line + len;

		line[len] = '\0';
		fn(line, root, host);
		line = next;
	}
}

static void parse_own_line(char *line, const char *root, struct cgroup_host *host)
{
	(void)root;
	parse_own(line, host);
}

/* A v2 host's controllers are in a file; beside v1 hierarchies cgroup2 counts as having none. */
static void settle_mode(struct cgroup_host *host)
{
	struct cgroup_hierarchy *v2 = NULL;
	size_t v1 = 0;
	char list[512];

	for (size_t i = 0; i < host->count; i++) {
		if (host->items[i].v2)
			v2 = &host->items[i];
		else
			v1++;
		if (!host->items[i].own)
			host->items[i].own = mem_strdup("/");
	}
	if (!v2)
		host->mode = v1 ? CGROUP_MODE_V1 : CGROUP_MODE_NONE;
	else
		host->mode = v1 ? CGROUP_MODE_HYBRID : CGROUP_MODE_V2;
	if (host->mode == CGROUP_MODE_V2 &&
	    cgroupfs_read(v2->mount_point, "cgroup.controllers", list, sizeof(list)) >= 0)
		v2->controllers = cgroup_parse_controllers(list, ' ');
}

int cgroup_host_parse(const char *mountinfo, const char *self_cgroup, const char *root, struct cgroup_host *ret,
		      struct error *err)
{
	(void)err;
	*ret = (struct cgroup_host){};
	each_line(mountinfo, parse_mount, root, ret);
	each_line(self_cgroup, parse_own_line, root, ret);
	settle_mode(ret);
	return 0;
}

int cgroup_host_probe(struct cgroup_host *ret, struct error *err)
{
	autobuf struct buf mounts = BUF_INIT(MOUNTINFO_MAX), own = BUF_INIT(PROC_CGROUP_MAX);
	int r;

	r = cgroupfs_read_buf("/proc/self", "mountinfo", &mounts);
	if (r < 0)
		return error_sys(err, -r, "read /proc/self/mountinfo to find the control groups");
	r = cgroupfs_read_buf("/proc/self", "cgroup", &own);
	if (r < 0 && r != -ENOENT) /* no such file: a kernel without control groups */
		return error_sys(err, -r, "read /proc/self/cgroup");
	r = cgroup_host_parse(buf_str(&mounts), buf_str(&own), "", ret, err);
	if (r == 0)
		log_debug("control groups: mode %s, %zu hierarchies", cgroup_mode_name(ret->mode), ret->count);
	return r;
}

uint32_t cgroup_host_controllers(const struct cgroup_host *host)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < host->count; i++)
		mask |= host->items[i].controllers;
	return mask;
}
