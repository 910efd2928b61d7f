/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

/*
 * The state root: one folder per container with
 *	config.json  the document as it was at create (later changes of the bundle have no effect, runtime-spec "create")
 *	state.json   the record: written before anything of the container is made, again when it is complete
 *	start        the socket where `start` knocks; there only while the container is "created"
 * Folders are 0700, files 0600. A folder without a readable record is what a crash left; `delete --force` removes it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "base/pidref.h"
#include "runtime/runtime.h"

#define STATE_SCHEMA 1
#define STATE_CONFIG "config.json"
#define STATE_RECORD "state.json"
#define STATE_START "start"

struct runtime {
	char *root;  /* owned; absolute path */
	int root_fd; /* owned; FD_NONE: the root does not exist (and nothing needs it) */
};

/* The record of one container. */
struct state {
	struct arena arena;
	int dir_fd; /* owned; the container's folder */
	const char *id;
	const char *oci_version, *bundle, *rootfs;
	const char *created; /* RFC 3339 */
	pid_t pid;           /* 0: not there yet */
	uint64_t start_time; /* clock ticks since boot */
	uid_t owner;
	struct spec_map annotations;
	struct json *doc; /* owned; the whole record ("cgroup" is read from it) */
};
#define STATE_NONE ((struct state){.dir_fd = FD_NONE})
void state_done(struct state *s);
#define autostate __attribute__((cleanup(state_done)))

/* Make the container's folder. <0: CONFLICT ("container with given ID already exists"). */
int state_create(struct runtime *rt, const char *id, int *ret_dir_fd, struct error *err);
/* Remove the folder with all in it. @dir_fd: it, where it is open; or FD_NONE. Not there: success. */
int state_remove(struct runtime *rt, const char *id, int dir_fd, struct error *err);
/* Read the record. <0: NOT_FOUND ("container does not exist"). */
int state_load(struct runtime *rt, const char *id, struct state *ret, struct error *err);
/* Write a file that is not there yet, in a container's new folder. A crash may leave a part: readers take a record that
 * can't be read as none. */
int state_write_new(int dir_fd, const char *name, const void *data, size_t len, struct error *err);
/* Write the record; @cgroup is taken over, may be NULL. */
int state_save(int dir_fd, const struct state *s, struct json *cgroup_take, struct error *err);
/* The document as it was at create. */
int state_load_spec(const struct state *s, struct spec *ret, struct error *err);

/* Where the container is in its life, and its init process (@ret_init may be NULL; owned by the caller, PIDREF_NONE when
 * it has ended). */
int state_status(const struct state *s, enum runtime_status *ret, struct pidref *ret_init, struct error *err);

/* The object that `state` prints and hooks read. @pid 0 is written too. */
[[nodiscard]] struct json *state_to_json(const struct state *s, enum runtime_status status, pid_t pid);

#endif
