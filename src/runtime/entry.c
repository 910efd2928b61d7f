/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a set-up container to the running program.
 *
 * Order matters here. Attributes that need rights come first; then the bounding set, groups, gid, uid (capabilities are
 * kept over the change of uid by PR_SET_KEEPCAPS), the working directory as that user, and the final capabilities
 * (V09: inheritable and ambient are exactly what was asked). Installing a filter without no_new_privs needs CAP_SYS_ADMIN,
 * so that one stays in the permitted set, not in the effective one, until the very end: the filter is thereby always the
 * last thing before execve, and no step of ours runs under it.
 */
#include "runtime/entry.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/diagnose.h"

#define PASSWD_MAX_BYTES 65536

void entry_init(struct entry *e, struct arena *a, const struct spec_process *process, const struct spec_linux *lin)
{
	size_t n = 0;

	*e = (struct entry){.process = process, .lin = lin, .proc = SAFEPATH_PROC_NONE, .self_fd = FD_NONE};
	e->argv = process->args.items;
	e->apparmor = process->apparmor_profile;
	e->selinux = process->selinux_label;
	/* Later entries win, as in a shell: duplicates would be seen differently by different programs. */
	e->envp = arena_alloc(a, process->env.count + 2, sizeof(char *));
	for (size_t i = 0; i < process->env.count; i++) {
		const char *kv = process->env.items[i];
		size_t key = strcspn(kv, "=");
		bool later = false;

		for (size_t k = i + 1; k < process->env.count && !later; k++)
			later = strncmp(process->env.items[k], kv, key) == 0 && process->env.items[k][key] == '=';
		if (!later)
			e->envp[n++] = process->env.items[i];
	}
}

void entry_drop_inactive_labels(struct entry *e)
{
	if (e->apparmor && *e->apparmor && !str_eq(e->apparmor, "unconfined") && !lsm_enabled(LSM_APPARMOR)) {
		log_warn("process.apparmorProfile: '%s' is not applied, AppArmor is not active on this host",
			 e->apparmor);
		e->apparmor = NULL;
	}
}

int entry_attributes(struct entry *e, struct error *err)
{
	const struct spec_process *p = e->process;
	int r = 0;

	if (e->lin->personality_set)
		r = process_set_personality(e->lin->personality, err);
	if (r == 0 && p->scheduler.set)
		r = process_set_scheduler(&(struct process_scheduler){.policy = p->scheduler.policy,
								      .nice = p->scheduler.nice,
								      .priority = p->scheduler.priority,
								      .flags = p->scheduler.flags,
								      .runtime_ns = p->scheduler.runtime_ns,
								      .deadline_ns = p->scheduler.deadline_ns,
								      .period_ns = p->scheduler.period_ns},
					  err);
	if (r == 0 && p->io_priority.set)
		r = process_set_io_priority(p->io_priority.class, p->io_priority.priority, err);
	if (r == 0 && e->lin->memory_policy.set)
		r = process_set_memory_policy(e->lin->memory_policy.mode, e->lin->memory_policy.mode_flags,
					      e->lin->memory_policy.nodes, err);
	if (r == 0 && e->is_exec && p->cpu_affinity_final)
		r = process_set_affinity(0, p->cpu_affinity_final, err);
	return r;
}

int entry_stdio(struct entry *e, struct error *err)
{
	struct stat null;
	bool have_null = stat("/dev/null", &null) == 0;

	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			return error_sys(err, errno, "standard stream %d", fd);
		/* The container's /dev/null is everybody's. */
		if ((have_null && S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev) ||
		    st.st_uid == e->process->user.uid)
			continue;
		/* Unmapped owners, read-only and foreign file systems: the stream still works, only reopening it by name may not. */
		if (fchown(fd, e->process->user.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
		    errno != EROFS)
			return error_sys(err, errno, "standard stream %d: change owner to uid %u", fd,
					 e->process->user.uid);
	}
	return 0;
}

/* The home folder of @uid from a passwd text: field 6 of the first line whose field 3 is that number. */
static bool find_home(char *text, uint32_t uid, char *out, size_t size)
{
	for (char *line = text, *next; line && *line; line = next) {
		char *field[7];
		size_t n = 0;
		uint32_t v;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (char *p = line; p && n < 7; n++) {
			field[n] = p;
			p = strchr(p, ':');
			if (p)
				*p++ = '\0';
		}
		if (n == 7 && str_to_u32(field[2], &v) == 0 && v == uid && field[5][0] == '/' &&
		    !str_has_control(field[5]))
			return str_copy(out, size, field[5]) == 0;
	}
	return false;
}

/* HOME, when the document gives none: programs and shells rely on it (and engines leave it to the runtime). */
static void set_home(struct entry *e)
{
	static char home[sizeof("HOME=") + PATH_MAX];
	static char text[PASSWD_MAX_BYTES];
	char dir[PATH_MAX] = "/";
	size_t n = 0;
	int fd;

	for (; e->envp[n]; n++)
		if (str_starts(e->envp[n], "HOME=") && e->envp[n][5])
			return;
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		struct stat st;
		ssize_t len = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, text, sizeof(text) - 1) : -1;

		close(fd);
		text[len > 0 ? len : 0] = '\0';
		(void)find_home(text, e->process->user.uid, dir, sizeof(dir));
	}
	(void)snprintf(home, sizeof(home), "HOME=%s", dir);
	for (size_t i = 0; i < n; i++)
		if (str_starts(e->envp[i], "HOME=")) {
			e->envp[i] = home;
			return;
		}
	e->envp[n] = home;
}

/* Supplementary groups with the primary one among them: without it, files that deny their group would be open (V14). */
static int set_groups(const struct spec_user *u, struct error *err)
{
	uint32_t gids[NGROUPS_MAX < 4096 ? NGROUPS_MAX : 4096];
	size_t n = 0;

	if (u->additional_gid_count >= ARRAY_SIZE(gids))
		return error_set(err, ERROR_LIMIT, E2BIG, "process.user.additionalGids: more than %zu groups",
				 ARRAY_SIZE(gids) - 1);
	for (size_t i = 0; i < u->additional_gid_count; i++)
		gids[n++] = u->additional_gids[i];
	for (size_t i = 0; i < n; i++)
		if (gids[i] == u->gid)
			return ids_set_groups(gids, n, err);
	gids[n++] = u->gid;
	return ids_set_groups(gids, n, err);
}

/* Where a user namespace denies setgroups (one that a plain user made without newgidmap), asking for the primary group
 * alone is no request at all. */
static int set_groups_if_allowed(const struct entry *e, struct error *err)
{
	int r = set_groups(&e->process->user, err);

	if (r < 0 && !e->process->user.additional_gid_count && (err->code == EPERM || err->kind == ERROR_DENIED))
		return 0;
	return r;
}

static int set_caps(struct entry *e, struct error *err)
{
	const struct spec_caps *c = &e->process->caps;
	struct caps_sets now;

	e->final_caps = (struct caps_sets){.bounding = c->bounding,
					   .effective = c->effective,
					   .inheritable = c->inheritable,
					   .permitted = c->permitted,
					   .ambient = c->ambient};
	now = e->final_caps;
	if (e->filter && !e->process->no_new_privileges) {
		now.permitted |= UINT64_C(1) << CAP_SYS_ADMIN;
		e->caps_held = !(e->final_caps.permitted & (UINT64_C(1) << CAP_SYS_ADMIN));
	}
	return caps_set(&now, NULL, err);
}

int entry_user(struct entry *e, struct error *err)
{
	const struct spec_process *p = e->process;
	const bool have_caps = p->caps.set;
	int early;
	int r = 0;

	set_home(e);
	if (have_caps)
		r = caps_drop_bounding(p->caps.bounding, err);
	if (r == 0)
		r = caps_keep(true, err);
	if (r == 0)
		r = set_groups_if_allowed(e, err);
	/* A working directory that only root may enter is entered as root; one that only the user may (NFS), as the user. */
	early = r == 0 ? process_change_dir(p->cwd, err) : r;
	if (r == 0)
		r = ids_set_gid(p->user.gid, err);
	if (r == 0)
		r = ids_set_uid(p->user.uid, err);
	if (r == 0 && early < 0)
		r = process_change_dir(p->cwd, err);
	if (r < 0)
		return r;
	/* Without a `capabilities` object the sets are what the change of user left: none for a user that is not root. */
	if (have_caps)
		r = set_caps(e, err);
	else if (p->user.uid != 0) {
		struct caps_sets s;

		r = caps_get_own(&s, err);
		if (r == 0) {
			caps_drop_for_nonroot(&s);
			r = caps_set(&s, NULL, err);
		}
	}
	/* Without a word on it the usual one, whatever our caller's was; exec keeps the caller's. */
	if (r == 0 && (p->user.umask.set || !e->is_exec))
		process_set_umask(p->user.umask.set ? (unsigned)p->user.umask.v : 022);
	return r;
}

static int try_program(struct entry *e, const char *dir, size_t dir_len, const char *name, int *best)
{
	struct stat st;
	int n = dir_len ? snprintf(e->path, sizeof(e->path), "%.*s/%s", (int)dir_len, dir, name)
			: snprintf(e->path, sizeof(e->path), "%s", name);

	if (n < 0 || (size_t)n >= sizeof(e->path))
		return -ENAMETOOLONG;
	if (stat(e->path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (faccessat(AT_FDCWD, e->path, X_OK, AT_EACCESS) < 0) {
		if (errno == EACCES)
			*best = -EACCES;
		return -errno;
	}
	return 0;
}

int entry_lookup(struct entry *e, struct error *err)
{
	const char *name = e->argv[0];
	const char *path = "";
	int best = -ENOENT;

	if (strchr(name, '/')) {
		int r = try_program(e, NULL, 0, name, &best);

		return r < 0 ? diagnose_missing(name, -r, e->envp, err) : 0;
	}
	for (char **v = e->envp; *v; v++)
		if (str_starts(*v, "PATH="))
			path = *v + 5;
	while (name[0]) {
		size_t len = strcspn(path, ":");

		/* An empty part would mean the working directory: nobody wants that in a container. */
		if (len && try_program(e, path, len, name, &best) == 0)
			return 0;
		if (!path[len])
			break;
		path += len + 1;
	}
	return diagnose_missing(name, -best, e->envp, err);
}

int entry_label(struct entry *e, struct error *err)
{
	int r = lsm_apparmor_set_exec(e->self_fd, e->apparmor, err);

	return r < 0 ? r : lsm_selinux_set_exec(e->self_fd, e->selinux, err);
}

int entry_confine(struct entry *e, int *ret_notify, struct error *err)
{
	int notify = FD_NONE;
	int r = 0;

	*ret_notify = FD_NONE;
	if (e->confined)
		return 0;
	if (e->process->no_new_privileges)
		r = process_set_no_new_privs(err);
	for (unsigned i = 0; i < e->preserve_fds; i++)
		(void)fd_set_cloexec(3 + (int)i, false);
	/* V02: nothing of ours or of our caller's lives on, whatever its flags were. */
	if (r == 0)
		r = process_close_from(3 + (int)e->preserve_fds, false, e->self_fd, err);
	if (r == 0 && e->filter) {
		struct caps_sets raised = e->final_caps;

		if (e->caps_held) {
			raised.permitted |= UINT64_C(1) << CAP_SYS_ADMIN;
			raised.effective |= UINT64_C(1) << CAP_SYS_ADMIN;
			r = caps_set(&raised, NULL, err);
		}
		/* The capability need not be taken back: it is in neither the inheritable nor the bounding set, so exec drops it. */
		if (r == 0)
			r = seccomp_install(e->filter, &notify, err);
	}
	if (r == 0)
		*ret_notify = notify;
	return r;
}

int entry_confine_now(struct entry *e, struct error *err)
{
	int none;
	int r = entry_confine(e, &none, err);

	if (r == 0 && e->caps_held)
		r = caps_set(&e->final_caps, NULL, err);
	e->confined = true;
	return r;
}

int entry_exec(struct entry *e, struct error *err)
{
	int r = process_exec(FD_NONE, e->path, e->argv, e->envp);

	return diagnose_exec(e->path, -r, err);
}
