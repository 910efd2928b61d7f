/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_NOTIFY_H
#define RUNTIME_NOTIFY_H

/*
 * sd_notify(3) across the container's border, as runc does it: who starts a container as a service of Type=notify hands us
 * NOTIFY_SOCKET, whose path is not to be seen inside. So the program gets a socket of its own at /run/notify/notify.sock; what
 * it says there of being ready is passed on, with the number of its process as the host counts (MAINPID).
 */

#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidref.h"

#define NOTIFY_DIR "notify" /* in the container's state folder; its being there says that the container has a relay */

struct notify {
	int sock; /* owned; where the program's words come in; FD_NONE: nothing to relay (any more) */
	struct sockaddr_un manager;
	socklen_t manager_len;
};
#define NOTIFY_NONE ((struct notify){.sock = FD_NONE})
void notify_done(struct notify *n);
#define autonotify __attribute__((cleanup(notify_done)))

/* The folder for the socket, which the document mounts (runtime_add_notify). */
int notify_make_dir(int state_dir_fd, struct error *err);
/* Listen, before the program runs. @manager: the value of NOTIFY_SOCKET; NULL, or no such folder: @ret stays NOTIFY_NONE. */
int notify_open(const char *manager, int state_dir_fd, struct notify *ret, struct error *err);
/* Something has come in: read it. When the program @init said that it is ready the manager is told, and the relay ends (sock
 * becomes FD_NONE). Failures are warnings: the container runs. */
void notify_handle(struct notify *n, const struct pidref *init);
/* Until the program is ready, or has ended. */
void notify_wait(struct notify *n, const struct pidref *init);

#endif
