/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See disk.h. One socket carries orders, with a descriptor for each new file, and answers: an errno each, in order. Its end is
 * the end of whoever closed it. After a failure nothing more is written, and every later order is told so.
 */
#include "unpack/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "kernel/kernel.h"
#include "unpack/jobs.h"
#include "unpack/protocol.h"

/* Where the process has its end. */
#define TALK_FD UNPACK_DIR_FD

/* What goes over the socket; the descriptor of a new file goes along. */
struct message {
	uint64_t at;
	int64_t mtime_s;
	uint32_t mtime_ns, len;
	uint32_t piece;
	bool first, last, finish;
};

/* ---- writing ---- */

static bool end_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/* Returns 0 or an errno. A file system that refuses direct writes gets all of it through the page cache. */
static int write_at(int fd, const unsigned char *data, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && (errno == EINTR || (errno == EINVAL && fcntl(fd, F_GETFL) & O_DIRECT && end_direct(fd))))
			continue;
		if (n < 0)
			return errno;
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Returns 0 or an errno. */
static int carry_out(int fd, const unsigned char *data, const struct message *m)
{
	const struct timespec times[2] = {{.tv_sec = m->mtime_s, .tv_nsec = m->mtime_ns},
					  {.tv_sec = m->mtime_s, .tv_nsec = m->mtime_ns}};
	size_t rest = m->len % DISK_BLOCK_BYTES, whole = m->len - rest;
	int code = write_at(fd, data, whole, m->at);

	if (code == 0 && (rest > 0 || (m->last && !m->finish)) && !end_direct(fd))
		code = errno;
	if (code == 0)
		code = write_at(fd, data + whole, rest, m->at + whole);
	if (code == 0 && m->finish && futimens(fd, times) < 0)
		code = errno;
	return code;
}

/* ---- the process ---- */

/* The next order; its descriptor, if one came along, takes the place of *@fd. Returns 1, or 0: nobody is there any more. */
static int receive_order(struct message *m, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec io = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &io,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n;

	do
		n = recvmsg(TALK_FD, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*m) || m->piece >= DISK_PIECES || m->len > DISK_PIECE_BYTES)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (!m->first)
		return 1;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return 0;
	fd_close(fd);
	memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return 1;
}

struct start {
	int talk_fd;
	const unsigned char *pieces;
};

static int disk_main(void *arg)
{
	const struct start *c = arg;
	int talk = fd_dup_min(c->talk_fd, 16), fd = FD_NONE, failed = 0;
	struct message m;
	struct error err;

	if (talk < 0 || dup2(talk, TALK_FD) < 0)
		return 1;
	(void)close(UNPACK_INPUT_FD);
	if (process_close_from(TALK_FD + 1, true, FD_NONE, &err) < 0 ||
	    process_set_death_signal(SIGKILL, FD_NONE, &err) < 0 || sandbox_lock_disk(&err) < 0)
		return 1;
	while (receive_order(&m, &fd) > 0) {
		int code = failed ? failed : carry_out(fd, c->pieces + m.piece * (size_t)DISK_PIECE_BYTES, &m);

		failed = code;
		if (m.last)
			fd_close(&fd);
		if (fd_write_all(TALK_FD, &code, sizeof(code)) < 0)
			return 1;
	}
	return 0;
}

/* ---- who orders ---- */

void disk_done(struct disk *d)
{
	if (d->pid.pid != 0)
		(void)pidref_kill(&d->pid, SIGKILL); /* best effort: a filter forbids it, and our end is its end */
	pidref_done(&d->pid);
	fd_close(&d->talk_fd);
	if (d->pieces)
		(void)munmap(d->pieces, (size_t)DISK_PIECES * DISK_PIECE_BYTES);
	*d = DISK_NONE;
}

static unsigned char *make_pieces(int sharing)
{
	void *p = mmap(NULL, (size_t)DISK_PIECES * DISK_PIECE_BYTES, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int disk_start(struct disk *d, struct error *err)
{
	const struct process_clone how = PROCESS_CLONE_INIT;
	autoclean(disk_done) struct disk new = DISK_NONE;
	autofd int theirs = FD_NONE;
	int ends[2];

	new.pieces = make_pieces(MAP_SHARED);
	if (!new.pieces)
		return error_sys(err, errno, "cannot make memory for two processes");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_sys(err, errno, "cannot make a socket");
	new.talk_fd = ends[0];
	theirs = ends[1];
	struct start start = {.talk_fd = theirs, .pieces = new.pieces};

	if (process_clone(&how, disk_main, &start, &new.pid, err) < 0)
		return error_wrap(err, "start the process that writes");
	*d = new;
	new = DISK_NONE;
	return 0;
}

static void fail(struct disk *d, int code, const char *what)
{
	if (d->failed)
		return;
	d->failed = true;
	error_sys(&d->err, code, "%s: cannot write", what);
}

static void died(struct disk *d, const char *what)
{
	d->done = d->ordered; /* no answer will come */
	if (!d->failed)
		error_set(&d->err, ERROR_INTERNAL, ECHILD, "%s: the process that writes has died", what);
	d->failed = true;
}

/* Wait for the answer to the oldest order. */
static void hear(struct disk *d)
{
	const char *what = d->what[d->done % DISK_PIECES];
	int code;

	if (fd_read_all(d->talk_fd, &code, sizeof(code)) < 0) {
		died(d, what);
		return;
	}
	d->done++;
	if (code != 0)
		fail(d, code > 0 ? code : EPROTO, what);
}

unsigned char *disk_piece(struct disk *d)
{
	if (!d->pieces)
		d->pieces = make_pieces(MAP_PRIVATE);
	if (!d->pieces)
		fail(d, ENOMEM, "a large file");
	while (!d->failed && d->ordered - d->done >= DISK_PIECES)
		hear(d);
	return d->failed ? NULL : d->pieces + d->ordered % DISK_PIECES * DISK_PIECE_BYTES;
}

static bool send_order(struct disk *d, const struct disk_order *o, const struct message *m)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec io = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &io, .msg_iovlen = 1};
	ssize_t n;

	if (o->first) {
		memcpy(CMSG_DATA(&control.head), &o->fd, sizeof(o->fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	do
		n = sendmsg(d->talk_fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*m);
}

static int failure(const struct disk *d, struct error *err)
{
	*err = d->err;
	return -err->code;
}

int disk_write(struct disk *d, const struct disk_order *o, struct error *err)
{
	const uint32_t piece = (uint32_t)(d->ordered % DISK_PIECES);
	const struct message m = {.at = o->at,
				  .len = (uint32_t)o->len,
				  .piece = piece,
				  .first = o->first,
				  .last = o->last,
				  .finish = o->finish,
				  .mtime_s = o->mtime.tv_sec,
				  .mtime_ns = (uint32_t)o->mtime.tv_nsec};

	if (!d->failed && d->talk_fd < 0) {
		int code = carry_out(o->fd, d->pieces + piece * (size_t)DISK_PIECE_BYTES, &m);

		if (code != 0)
			fail(d, code, o->what);
	} else if (!d->failed) {
		(void)snprintf(d->what[piece], sizeof(d->what[piece]), "%s", o->what);
		d->ordered++;
		if (!send_order(d, o, &m))
			died(d, o->what);
	}
	if (o->finish)
		(void)close(o->fd);
	return d->failed ? failure(d, err) : 0;
}

int disk_settle(struct disk *d, struct error *err)
{
	while (d->done < d->ordered)
		hear(d);
	return d->failed ? failure(d, err) : 0;
}
