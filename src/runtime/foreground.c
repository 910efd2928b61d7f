/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One poll loop: the child's pidfd, our signals, and with a terminal both directions of it. Output that our standard
 * output does not take yet stays in a fixed buffer, and reading from the program stops meanwhile (back-pressure, V33);
 * input that the program does not take yet stays in another. Neither direction ever waits for the other: a program that
 * echoes what it is given stops reading until its output is taken.
 *
 * The relay holds a peer of the terminal itself. So the master does not hang up when all programs inside have closed the
 * terminal for a while (init systems open /dev/console anew for each line). After the child has ended, what is left in the
 * master is drained until it has nothing more.
 */
#include "runtime/foreground.h"
#include "runtime/runtime.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/pty.h"
#include "kernel/signal.h"

#define RELAY_BYTES 65536
#define RELAY_WRITE 4096 /* what a pipe or a terminal that is ready takes without making us wait */
#define KEYS_MAX 16

/* Not passed on: those that report our own faults or children, and those nobody can catch. */
static bool is_passed_on(int sig)
{
	switch (sig) {
	case SIGKILL:
	case SIGSTOP:
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGABRT:
	case SIGTRAP:
	case SIGSYS:
	case SIGPIPE:
		return false;
	default:
		return true;
	}
}

int foreground_enter(struct foreground *f, struct error *err)
{
	int sigs[64];
	size_t n = 0;
	int fd;

	for (int sig = 1; sig <= 64; sig++)
		if (is_passed_on(sig) && (sig < 32 || sig > 33)) /* 32 and 33 belong to the C library */
			sigs[n++] = sig;
	fd = signal_open_fd(sigs, n, &f->old_mask, err);
	if (fd < 0)
		return fd;
	f->signal_fd = fd;
	f->active = true;
	return 0;
}

void foreground_leave(struct foreground *f)
{
	if (f->active)
		(void)signal_restore_mask(&f->old_mask);
	f->active = false;
	fd_close(&f->signal_fd);
}

int foreground_parse_keys(const char *text, unsigned char *out, size_t max)
{
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, ",");

		if (n == max)
			return -EINVAL;
		if (len == 1)
			out[n++] = (unsigned char)text[0];
		else if (len == 6 && strncmp(text, "ctrl-", 5) == 0 &&
			 strchr("abcdefghijklmnopqrstuvwxyz@[\\]^_", text[5]))
			out[n++] = (unsigned char)(text[5] >= 'a' ? text[5] - 'a' + 1 : text[5] - '@');
		else
			return -EINVAL;
		text += len;
		if (*text == ',' && !*++text)
			return -EINVAL;
	}
	return (int)n;
}

int runtime_check_detach_keys(const char *keys)
{
	unsigned char out[KEYS_MAX];

	return foreground_parse_keys(keys, out, sizeof(out));
}

struct relay {
	int master;
	int peer;              /* owned; keeps the master from hanging up */
	int in, out;           /* our side; -1 when closed */
	bool reading;          /* standard input still gives data */
	bool open;             /* the master may have more to give */
	bool unread;           /* our standard output is a pipe that nobody reads any more */
	struct sigaction pipe; /* what SIGPIPE did before */
	char *buf;             /* owned, RELAY_BYTES: from the program */
	size_t at, len;
	char typed[4096 + KEYS_MAX]; /* to the program */
	size_t typed_at, typed_len;
	unsigned char keys[KEYS_MAX]; /* detach sequence */
	size_t key_count, key_at;
};

static void follow_size(int master)
{
	uint16_t rows;
	uint16_t cols;
	struct error ignored;

	for (int fd = 0; fd <= 2; fd++)
		if (pty_get_size(fd, &rows, &cols) == 0) {
			(void)pty_set_size(master, rows, cols, &ignored);
			return;
		}
}

/* Hold back what may be the detach sequence; a wrong byte lets it all go. */
static size_t filter_keys(struct relay *r, const char *in, size_t n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];

		if (r->key_count && c == r->keys[r->key_at]) {
			if (++r->key_at < r->key_count)
				continue;
			r->key_at = 0;
			(void)!write(STDERR_FILENO,
				     "\r\n[the container can't be left running yet: detaching is not supported]\r\n",
				     73);
			continue;
		}
		memcpy(out + len, r->keys, r->key_at);
		len += r->key_at;
		r->key_at = 0;
		out[len++] = (char)c;
	}
	return len;
}

static void relay_typed(struct relay *r)
{
	ssize_t n = write(r->master, r->typed + r->typed_at, r->typed_len - r->typed_at);

	if (n > 0)
		r->typed_at += (size_t)n;
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		r->typed_at = r->typed_len; /* the terminal is gone */
}

static void relay_input(struct relay *r)
{
	char in[4096];
	ssize_t n = read(r->in, in, sizeof(in));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	r->typed_at = 0;
	if (n > 0) {
		r->typed_len = filter_keys(r, in, (size_t)n, r->typed);
	} else {
		/* The end of a pipe becomes the end of input that a terminal's program understands. */
		r->reading = false;
		r->typed[0] = '\004';
		r->typed_len = 1;
	}
	relay_typed(r);
}

static void relay_read(struct relay *r)
{
	ssize_t n = read(r->master, r->buf, RELAY_BYTES);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	r->open = n > 0;
	r->at = 0;
	r->len = n > 0 ? (size_t)n : 0;
}

static void relay_output(struct relay *r)
{
	const size_t left = r->len - r->at;
	ssize_t n = write(r->out, r->buf + r->at, left < RELAY_WRITE ? left : RELAY_WRITE);

	if (n > 0)
		r->at += (size_t)n;
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		r->at = r->len; /* nobody reads any more: the program must not hang on it */
	r->unread |= n < 0 && errno == EPIPE;
}

static void relay_open(struct relay *r, int terminal)
{
	r->master = terminal;
	r->open = true;
	r->buf = mem_alloc(RELAY_BYTES);
	r->peer = pty_open_peer(terminal);
	(void)fd_set_nonblock(terminal, true);
	/* Ignored, not blocked: a blocked one would wait for us (see relay_output, which sees the error instead). */
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &r->pipe);
}

static void relay_done(struct relay *r)
{
	if (!r->buf)
		return;
	(void)sigaction(SIGPIPE, &r->pipe, NULL);
	fd_close(&r->peer);
	free(r->buf);
}

/* Returns whether one of them asks for an end. */
static bool pass_signals(struct foreground *f, const struct pidref *child, int terminal)
{
	struct signalfd_siginfo si;
	bool passed = false;

	while (read(f->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH && terminal >= 0) {
			follow_size(terminal);
		} else if (si.ssi_signo != SIGCHLD && si.ssi_signo != SIGURG && si.ssi_signo != SIGWINCH) {
			(void)pidref_kill(child, (int)si.ssi_signo);
			passed = true;
		}
	}
	return passed;
}

static void loop(struct foreground *f, const struct pidref *child, struct relay *r)
{
	bool ended = false;

	while (!ended || r->open || r->at < r->len) {
		const bool pending = r->at < r->len;
		const bool typed = r->typed_at < r->typed_len && r->open && !ended;
		const short want = (short)((pending ? 0 : POLLIN) | (typed ? POLLOUT : 0));
		struct pollfd p[6] = {
			{.fd = ended ? -1 : child->fd, .events = POLLIN},
			{.fd = f->signal_fd, .events = POLLIN},
			{.fd = r->open && want ? r->master : -1, .events = want},
			{.fd = pending ? r->out : -1, .events = POLLOUT},
			{.fd = r->open && r->reading && !typed && !ended ? r->in : -1, .events = POLLIN},
			{.fd = f->notify ? f->notify->sock : -1, .events = POLLIN},
		};
		int n = poll(p, 6, ended && !pending ? 0 : -1);

		if ((n < 0 && errno != EINTR) || (n <= 0 && ended))
			return; /* drained, if it ended */
		if (p[1].revents && pass_signals(f, child, r->master) && ended)
			return; /* nobody is left to take it but us */
		if (p[2].revents & ~POLLOUT)
			relay_read(r);
		if (p[2].revents & POLLOUT)
			relay_typed(r);
		/* Without a terminal the program itself would get SIGPIPE: `... | head -1` is to end. */
		if (p[3].revents)
			relay_output(r);
		if (r->unread)
			(void)pidref_kill(child, SIGKILL);
		if (p[4].revents)
			relay_input(r);
		if (p[5].revents)
			notify_handle(f->notify, child);
		if (p[0].revents)
			ended = true;
	}
}

int foreground_wait(struct foreground *f, const struct pidref *child, int terminal, const char *detach_keys,
		    int *ret_exit, struct error *err)
{
	autopty_raw struct pty_raw raw = PTY_RAW_NONE;
	struct relay relay = {
		.master = FD_NONE,
		.peer = FD_NONE,
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.reading = !f->no_stdin,
	};
	struct error ignored;
	int status = 0;
	int r;

	if (terminal >= 0) {
		if (detach_keys) {
			int n = foreground_parse_keys(detach_keys, relay.keys, KEYS_MAX);

			if (n < 0)
				return error_set(err, ERROR_INVALID, EINVAL,
						 "detach keys '%s': expected letters or ctrl-<letter>, with commas",
						 detach_keys);
			relay.key_count = (size_t)n;
		}
		relay_open(&relay, terminal);
		follow_size(terminal);
		if (isatty(STDIN_FILENO) && !f->no_stdin)
			(void)pty_raw_enter(STDIN_FILENO, &raw, &ignored);
	}
	loop(f, child, &relay);
	relay_done(&relay);
	r = pidref_wait(child, &status);
	if (r < 0)
		return error_sys(err, -r, "wait for process %d", (int)child->pid);
	if (relay.unread && WIFSIGNALED(status))
		*ret_exit = 128 + SIGPIPE;
	else
		*ret_exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}
