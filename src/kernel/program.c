/* SPDX-License-Identifier: Apache-2.0 */
/* Programs as children with pipes: see program.h. */
#include "kernel/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/process.h"
#include "kernel/signal.h"

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

static bool may_run(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0;
}

int program_find(const char *name, const char *path, char **ret, struct error *err)
{
	autostrv struct strv folders = {0};

	if (strchr(name, '/')) {
		if (!may_run(name))
			return error_set(err, ERROR_NOT_FOUND, ENOENT, "'%s' is no program that we may run", name);
		*ret = mem_strdup(name);
		return 0;
	}
	strv_split(&folders, path && *path ? path : USUAL_PATH, ':');
	for (size_t i = 0; i < folders.count && *name; i++) {
		autofree char *file = mem_printf("%s/%s", folders.items[i], name);

		if (*folders.items[i] == '/' && may_run(file)) {
			*ret = take_ptr(&file);
			return 0;
		}
	}
	return error_set(err, ERROR_NOT_FOUND, ENOENT, "the program %s is not installed", name);
}

struct child {
	const char *path;
	char *const *argv, *const *envp;
	int in, out;
};

/* Between clone and exec. */
static int child_main(void *arg)
{
	const struct child *c = arg;
	int in = fd_dup_min(c->in, 16), out = fd_dup_min(c->out, 16);

	signal_reset_all();
	if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		return 127;
	process_exec(FD_NONE, c->path, c->argv, c->envp);
	return 127;
}

int program_start(const char *path, char *const argv[], char *const envp[], int input, struct program *ret,
		  struct error *err)
{
	autofd int to = FD_NONE, from = FD_NONE, its_in = FD_NONE, its_out = FD_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	struct program p = PROGRAM_NONE;
	int pair[2];

	if (input < 0) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return error_sys(err, errno, "start %s", argv[0]);
		its_in = pair[0];
		to = pair[1];
	}
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_sys(err, errno, "start %s", argv[0]);
	from = pair[0];
	its_out = pair[1];
	struct child c = {.path = path, .argv = argv, .envp = envp, .in = input < 0 ? its_in : input, .out = its_out};

	if (process_clone(&how, child_main, &c, &p.pid, err) < 0)
		return error_wrap(err, "start %s", argv[0]);
	p.from = take_fd(&from);
	p.to = take_fd(&to);
	*ret = p;
	return 0;
}

int program_wait(struct program *p)
{
	int status = 0;

	fd_close(&p->to);
	fd_close(&p->from);
	(void)pidref_wait(&p->pid, &status); /* our child; it is there */
	pidref_done(&p->pid);
	p->pid = PIDREF_NONE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void program_end(struct program *p, int sig)
{
	if (p->pid.pid) {
		if (sig)
			pidref_kill(&p->pid, sig);
		(void)program_wait(p);
	}
	fd_close(&p->to);
	fd_close(&p->from);
	*p = PROGRAM_NONE;
}
