/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the two sides of a launch speak, and connecting to the sockets that engines name.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "runtime/launch.h"

int launch_send(int sock, enum launch_message_type type, pid_t pid, const struct error *error, int fd)
{
	struct launch_message m = {.type = type, .pid = pid};
	size_t len = error ? sizeof(m) : offsetof(struct launch_message, error);

	if (error)
		m.error = *error;
	return fd_send(sock, &m, len, &fd, fd >= 0 ? 1 : 0);
}

int launch_receive(int sock, struct launch_message *ret, int *ret_fd)
{
	int fd = FD_NONE;
	ssize_t n = fd_recv(sock, ret, sizeof(*ret), &fd, 1, NULL);

	/* The other side closed without reading what we had sent: the kernel says so once, before it gives what came last. */
	if (n == -ECONNRESET)
		n = fd_recv(sock, ret, sizeof(*ret), &fd, 1, NULL);
	if (n > 0 && (size_t)n < offsetof(struct launch_message, error))
		n = -EBADMSG;
	if (n <= 0 || !ret_fd) {
		fd_close(&fd);
		if (n <= 0)
			return n == 0 || n == -ECONNRESET ? -EPIPE : (int)n;
	}
	if (ret_fd)
		*ret_fd = fd;
	return 0;
}

int launch_inject(const char *side, size_t step, struct error *err)
{
	const char *want = getenv("BOTHY_FAIL_STEP");
	char name[32];

	if (__builtin_expect(!want, 1))
		return 0;
	(void)snprintf(name, sizeof(name), "%s:%zu", side, step);
	if (!str_starts(want, name))
		return 0;
	if (str_eq(want + strlen(name), "!"))
		_exit(128 + SIGKILL); /* process 1 cannot kill itself */
	if (want[strlen(name)])
		return 0;
	return error_set(err, ERROR_INTERNAL, EIO, "failure injected at step %s", name);
}

int launch_connect(const char *path, int type, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autofd int place = FD_NONE;
	autofd int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return error_sys(err, errno, "socket for '%s'", path);
	if (strlen(path) < sizeof(addr.sun_path)) {
		(void)str_copy(addr.sun_path, sizeof(addr.sun_path), path);
	} else {
		/* Longer names go through a descriptor of the socket itself. */
		place = safepath_host_open(path, O_PATH, 0, err);
		if (place < 0)
			return place;
		(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", place);
	}
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_sys(err, errno, "connect to '%s'", path);
	return take_fd(&sock);
}

bool launch_in_userns(struct error *err)
{
	autobuf struct buf map = BUF_INIT(4096);
	unsigned long inside;
	unsigned long outside;
	unsigned long count;

	/* The first user namespace maps all ids onto themselves; a longer file can't be it. */
	if (safepath_host_read("/proc/self/uid_map", false, &map, err) < 0)
		return false;
	return sscanf(buf_str(&map), "%lu %lu %lu", &inside, &outside, &count) != 3 || inside || outside ||
	       count != UINT32_MAX;
}

int launch_send_listener(const struct spec_seccomp *s, const struct state *state, enum runtime_status status, pid_t pid,
			 int notify_fd, struct error *err)
{
	autojson struct json *j = json_new_object();
	autobuf struct buf text = BUF_INIT(1 << 20);
	autofd int sock = FD_NONE;
	struct json *fds = json_new_array();
	int r;

	if (!s->listener_path)
		return error_set(err, ERROR_INVALID, EINVAL, "linux.seccomp.listenerPath: needed by SCMP_ACT_NOTIFY");
	json_push(fds, json_new_str("seccompFd"));
	json_set(j, "ociVersion", json_new_str(state->oci_version));
	json_set(j, "fds", fds);
	json_set(j, "pid", json_new_i64(pid));
	json_set_str(j, "metadata", s->listener_metadata);
	json_set(j, "state", state_to_json(state, status, state->pid ? state->pid : pid));
	if (!json_write(j, false, &text))
		return error_set(err, ERROR_LIMIT, EFBIG, "linux.seccomp: the container process state is too large");
	sock = launch_connect(s->listener_path, SOCK_STREAM, err);
	if (sock < 0)
		return error_wrap(err, "linux.seccomp.listenerPath");
	r = fd_send(sock, text.data, text.len, &notify_fd, 1);
	return r < 0 ? error_sys(err, -r, "linux.seccomp.listenerPath: send to '%s'", s->listener_path) : 0;
}
