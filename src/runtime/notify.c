/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay of NOTIFY_SOCKET. Only "READY=" goes out: status texts and file descriptors of a container are not the service
 * manager's business (runc does the same), and what a container sends is hostile: one line, of one known form.
 */
#include "runtime/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "kernel/kernel.h"
#include "runtime/runtime.h"
#include "runtime/state.h"
#include "safepath/safepath.h"

#define NOTIFY_SOCKET_NAME "notify.sock"
#define INSIDE_DIR "/run/notify"
#define BARRIER_MS 30000 /* how long a manager may take to read what was sent, as sd_notify_barrier's callers give it */

void notify_done(struct notify *n)
{
	fd_close(&n->sock);
}

int runtime_add_notify(struct runtime *rt, struct spec *spec, const char *id, struct error *err)
{
	struct spec_mount mount = {.type = "bind", .data = "", .destination = INSIDE_DIR};
	static const char *const options[] = {"bind", "ro", "nosuid", "noexec", "nodev"};
	int r;

	if (!spec->process.set)
		return 0;
	mount.source = arena_printf(&spec->arena, "%s/%s/" NOTIFY_DIR, rt->root, id);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		spec_strs_push(&spec->arena, &mount.options, options[i]);
	r = spec_mount_parse_options(&spec->arena, &mount, "NOTIFY_SOCKET", err);
	if (r < 0)
		return r;
	ARENA_PUSH(&spec->arena, spec->mounts, spec->mount_count) = mount;
	spec_strs_push(&spec->arena, &spec->process.env, "NOTIFY_SOCKET=" INSIDE_DIR "/" NOTIFY_SOCKET_NAME);
	return 0;
}

int notify_make_dir(int state_dir_fd, struct error *err)
{
	/* Any user of the container may enter; there is nothing but the socket. */
	int r = safepath_mkdir(state_dir_fd, NOTIFY_DIR, 0755, SAFEPATH_KEEP, NULL, err);

	return r < 0 ? r : 0;
}

static int set_manager(struct notify *n, const char *text, struct error *err)
{
	const size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len >= sizeof(n->manager.sun_path))
		return error_set(err, ERROR_INVALID, EINVAL,
				 "NOTIFY_SOCKET: expected an absolute path or @name of less than %zu bytes, got \"%s\"",
				 sizeof(n->manager.sun_path), text);
	n->manager.sun_family = AF_UNIX;
	memcpy(n->manager.sun_path, text, len);
	if (text[0] == '@')
		n->manager.sun_path[0] = '\0';
	n->manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

int notify_open(const char *manager, int state_dir_fd, struct notify *ret, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autonotify struct notify n = NOTIFY_NONE;
	autofd int dir = FD_NONE;
	autofd int place = FD_NONE;
	struct stat st;
	int r;

	if (!manager || !manager[0] || safepath_stat(state_dir_fd, NOTIFY_DIR, &st) < 0)
		return 0;
	r = set_manager(&n, manager, err);
	if (r < 0)
		return r;
	dir = safepath_child(state_dir_fd, NOTIFY_DIR, O_PATH | O_DIRECTORY, err);
	if (dir < 0)
		return dir;
	n.sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n.sock < 0)
		return error_sys(err, errno, "make the container's notify socket");
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" NOTIFY_SOCKET_NAME, dir);
	if (bind(n.sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_sys(err, errno, "make the container's notify socket");
	place = safepath_child(dir, NOTIFY_SOCKET_NAME, O_PATH, err);
	if (place < 0)
		return place;
	r = safepath_chmod(place, 0777, err);
	if (r < 0)
		return r;
	*ret = n;
	n = NOTIFY_NONE;
	return 0;
}

/* The line that says so, in a text of lines; its length, 0: none. */
static size_t find_ready(const char *text, const char **ret)
{
	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (str_starts(line, "READY=")) {
			*ret = line;
			return strcspn(line, "\n");
		}
	return 0;
}

/* sd_notify_barrier(3): the other end of a pipe is closed once everything before it was read. */
static void barrier(int sock)
{
	autofd int end = FD_NONE;
	struct pollfd p;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	end = ends[0];
	p = (struct pollfd){.fd = end, .events = POLLIN};
	if (fd_send(sock, "BARRIER=1", 9, &ends[1], 1) >= 0) {
		close(ends[1]);
		(void)poll(&p, 1, BARRIER_MS); /* a manager that does not know of barriers closes it, too */
	} else {
		close(ends[1]);
	}
}

static void tell_manager(const struct notify *n, const char *ready, size_t len, pid_t pid)
{
	autofd int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[96];
	int size;

	if (sock < 0 || connect(sock, (const struct sockaddr *)&n->manager, n->manager_len) < 0) {
		log_warn("NOTIFY_SOCKET: the service manager is not told that the program is ready: %s",
			 error_text(errno));
		return;
	}
	size = snprintf(text, sizeof(text), "%.*s\n", (int)(len < 64 ? len : 64), ready);
	if (fd_send(sock, text, (size_t)size, NULL, 0) < 0)
		return;
	size = snprintf(text, sizeof(text), "MAINPID=%d\n", (int)pid);
	if (fd_send(sock, text, (size_t)size, NULL, 0) == 0)
		barrier(sock);
}

void notify_handle(struct notify *n, const struct pidref *init)
{
	char text[4097];
	const char *ready;
	ssize_t got;

	while ((got = recv(n->sock, text, sizeof(text) - 1, MSG_DONTWAIT)) >= 0) {
		size_t len;

		text[got] = '\0';
		len = find_ready(text, &ready);
		if (!len)
			continue;
		tell_manager(n, ready, len, init->pid);
		notify_done(n);
		return;
	}
}

void notify_wait(struct notify *n, const struct pidref *init)
{
	while (n->sock >= 0) {
		struct pollfd p[2] = {{.fd = n->sock, .events = POLLIN}, {.fd = init->fd, .events = POLLIN}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents)
			notify_handle(n, init);
		else if (p[1].revents)
			return; /* its last words were read before */
	}
}
