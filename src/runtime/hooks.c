/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: programs of the engine that run at points of the life cycle. Each runs in a child that closes every descriptor
 * but 0-2; the parent feeds the state, keeps the end of its standard error, and waits on a pidfd with the hook's timeout.
 */
#include "runtime/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/pidref.h"
#include "kernel/process.h"
#include "kernel/signal.h"

#define STDERR_KEPT 1024

struct hook_child {
	const struct spec_hook *hook;
	int in, err, cwd_fd;
};

static int hook_main(void *arg)
{
	const struct hook_child *c = arg;
	static char *no_env[] = {NULL};
	char *only_path[] = {(char *)c->hook->path, NULL};
	struct error err;

	signal_reset_all();
	if (dup2(c->in, STDIN_FILENO) < 0 || dup2(c->err, STDOUT_FILENO) < 0 || dup2(c->err, STDERR_FILENO) < 0)
		return 126;
	if (c->cwd_fd >= 0 && fchdir(c->cwd_fd) < 0)
		return 126;
	(void)process_close_from(3, true, FD_NONE, &err);
	(void)process_exec(FD_NONE, c->hook->path, c->hook->args.count ? c->hook->args.items : only_path,
			   c->hook->env.count ? c->hook->env.items : no_env);
	dprintf(STDERR_FILENO, "%s\n", error_text(errno));
	return 127;
}

/* Keep the last bytes of what the hook says; @n is at most STDERR_KEPT. */
static void keep_tail(char *tail, size_t *len, const char *data, size_t n)
{
	if (*len + n > STDERR_KEPT) {
		size_t drop = *len + n - STDERR_KEPT;

		memmove(tail, tail + drop, *len - drop);
		*len -= drop;
	}
	memcpy(tail + *len, data, n);
	*len += n;
}

/* Feed the state, collect output, wait for the end. Returns 0 (ended), -ETIMEDOUT. */
static int attend(const struct pidref *child, int in, int out, const char *state, int64_t deadline_ns, char *tail,
		  size_t *len)
{
	size_t fed = 0;
	size_t total = strlen(state);
	autofd int in_open = in;
	bool ended = false;

	(void)fd_set_nonblock(in_open, true);
	for (;;) {
		struct pollfd p[3] = {
			{.fd = ended ? -1 : child->fd, .events = POLLIN},
			{.fd = out, .events = POLLIN},
			{.fd = in_open, .events = POLLOUT},
		};
		int64_t left_ms = deadline_ns ? (deadline_ns - clock_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS : -1;
		char room[512];
		int n;

		if (deadline_ns && left_ms <= 0)
			return -ETIMEDOUT;
		/* What the hook left behind may hold the pipe open: after its end only what is there is read. */
		n = poll(p, 3, ended ? 0 : (int)left_ms);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && ended)
			return 0;
		if (p[2].revents) {
			ssize_t w = fed < total ? write(in_open, state + fed, total - fed) : 0;

			if (w > 0)
				fed += (size_t)w;
			if (fed == total || (w < 0 && errno != EAGAIN && errno != EINTR))
				fd_close(&in_open);
		}
		if (p[1].revents) {
			ssize_t got = read(out, room, sizeof(room));

			if (got > 0)
				keep_tail(tail, len, room, (size_t)got);
			else if (ended)
				return 0;
			else if (got == 0)
				out = -1;
		}
		if (p[0].revents)
			ended = true;
	}
}

static int describe_end(const struct spec_hook *h, int status, const char *tail, struct error *err)
{
	const char *sep = tail[0] ? ": " : "";

	if (WIFSIGNALED(status))
		return error_set(err, ERROR_INTERNAL, EPIPE, "hook '%s' was ended by signal %d%s%s", h->path,
				 WTERMSIG(status), sep, tail);
	if (WEXITSTATUS(status))
		return error_set(err, ERROR_INTERNAL, EPIPE, "hook '%s' failed with exit status %d%s%s", h->path,
				 WEXITSTATUS(status), sep, tail);
	return 0;
}

static int run_one(const struct spec_hook *h, const char *state, int cwd_fd, struct error *err)
{
	autofd int in_read = FD_NONE;
	autofd int in_write = FD_NONE;
	autofd int out_read = FD_NONE;
	autofd int out_write = FD_NONE;
	autopidref struct pidref child = PIDREF_NONE;
	struct process_clone how = PROCESS_CLONE_INIT;
	char tail[STDERR_KEPT + 1];
	struct sigaction before;
	struct hook_child c;
	size_t len = 0;
	int status = 0;
	int in[2];
	int out[2];
	int r;

	if (pipe2(in, O_CLOEXEC) < 0 || (in_read = in[0], in_write = in[1], pipe2(out, O_CLOEXEC) < 0))
		return error_sys(err, errno, "hook '%s': pipe", h->path);
	out_read = out[0];
	out_write = out[1];
	c = (struct hook_child){.hook = h, .in = in_read, .err = out_write, .cwd_fd = cwd_fd};
	r = process_clone(&how, hook_main, &c, &child, err);
	if (r < 0)
		return error_wrap(err, "hook '%s'", h->path);
	fd_close(&in_read);
	fd_close(&out_write);
	/* A hook may end without reading its state; that is its right, and must not end us. */
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &before);
	r = attend(&child, take_fd(&in_write), out_read, state,
		   h->timeout_s.set ? clock_monotonic_ns() + h->timeout_s.v * NS_PER_S : 0, tail, &len);
	(void)sigaction(SIGPIPE, &before, NULL);
	tail[len] = '\0';
	while (len && (tail[len - 1] == '\n' || tail[len - 1] == ' '))
		tail[--len] = '\0';
	if (r < 0)
		(void)pidref_kill(&child, SIGKILL);
	(void)pidref_wait(&child, &status);
	if (r == -ETIMEDOUT)
		return error_set(err, ERROR_UNAVAILABLE, ETIMEDOUT,
				 "hook '%s' did not end within its timeout of %lld s", h->path,
				 (long long)h->timeout_s.v);
	if (r < 0)
		return error_sys(err, -r, "hook '%s': wait", h->path);
	return describe_end(h, status, tail, err);
}

int hooks_run(const struct spec_hooks *hooks, enum spec_hook_point point, const char *state_text, int cwd_fd,
	      struct error *err)
{
	for (size_t i = 0; i < hooks->count[point]; i++) {
		int r = run_one(&hooks->items[point][i], state_text, cwd_fd, err);

		if (r < 0)
			return error_wrap(err, "hooks.%s[%zu]", spec_hook_point_name(point), i);
	}
	return 0;
}

void hooks_run_all(const struct spec_hooks *hooks, enum spec_hook_point point, const char *state_text, int cwd_fd)
{
	for (size_t i = 0; i < hooks->count[point]; i++) {
		struct error err;

		if (run_one(&hooks->items[point][i], state_text, cwd_fd, &err) < 0)
			log_warn("hooks.%s[%zu]: %s", spec_hook_point_name(point), i, err.msg);
	}
}
